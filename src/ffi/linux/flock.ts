import { constants } from "node:fs";
import { SyscallError } from "../errno.ts";
import { FileLocks } from "../file-locks.ts";
import { constants as file } from "./abi/file.ts";
import { Fd } from "./fd.ts";
import { call, flockAsync, libc } from "./libc.ts";

const locks = new FileLocks({
  open(path, make) {
    const flags = constants.O_RDWR | (make ? constants.O_CREAT : 0) | constants.O_NOFOLLOW | file.O_CLOEXEC;
    return new Fd(
      call("open", path, () => libc.open(path, flags, "int", 0o600)),
      path,
    );
  },
  tryLock(fd, path) {
    try {
      call("flock", path, () => libc.flock(fd, file.LOCK_EX | file.LOCK_NB));
      return true;
    } catch (error) {
      if (error instanceof SyscallError && error.code === "EAGAIN") return false;
      throw error;
    }
  },
  waitForLock: (fd, path) => flockAsync(fd, file.LOCK_EX, path),
});

/**
 * Waits for an exclusive lock on a file, flock(2). The file is made with mode 0600 when there is none; a symbolic link in
 * its place is refused. The lock goes with the process, and is not passed on to programs it executes.
 *
 * @returns disposing it releases the lock.
 * @throws {SyscallError} ELOOP for a link.
 */
export const lockFile = (path: string): Promise<Disposable> => locks.lock(path);

/**
 * The same for a file that is there already.
 *
 * @returns undefined when there is none, or when it is removed meanwhile.
 * @throws {SyscallError} ELOOP for a link.
 */
export const lockExistingFile = (path: string): Promise<Disposable | undefined> => locks.lockExisting(path);

/**
 * Takes the lock of {@link lockFile} if nobody holds it.
 *
 * @returns undefined when it is held elsewhere.
 * @throws {SyscallError}
 */
export const tryLock = (path: string): Disposable | undefined => locks.tryLock(path);
