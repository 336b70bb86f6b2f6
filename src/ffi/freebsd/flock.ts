import { constants, openSync } from "node:fs";
import { isErrno } from "../errno.ts";
import type { OwnedFd } from "../fd.ts";
import { FileLocks } from "../file-locks.ts";
import { LOCK_EX, LOCK_NB } from "./abi/file.ts";
import { Fd } from "./fd.ts";
import { asyncFunction, asyncSyscall, cFunction, syscall } from "./libc.ts";

const flock = cFunction<[number, number], number>("int flock(int fd, int operation)");
const flockWaiting = asyncFunction<[number, number]>("int flock(int fd, int operation)");

const locks = new FileLocks({
  open(path, make) {
    // Node opens every file close-on-exec.
    return new Fd(
      openSync(path, constants.O_RDWR | (make ? constants.O_CREAT : 0) | constants.O_NOFOLLOW, 0o600),
      path,
    );
  },
  tryLock({ number, object }) {
    try {
      syscall({ call: "flock", object }, () => flock(number, LOCK_EX | LOCK_NB));
      return true;
    } catch (error) {
      if (isErrno(error, "EAGAIN")) return false;
      throw error;
    }
  },
  async waitForLock({ number, object }) {
    await asyncSyscall({ call: "flock", object }, () => flockWaiting(number, LOCK_EX));
  },
});

/**
 * Waits for an exclusive lock on a file, flock(2). The file is made with mode 0600 when there is none; a symbolic link in
 * its place is refused. The lock goes with the process, and is not passed on to programs it executes.
 *
 * @returns disposing it releases the lock.
 * @throws {SyscallError} and Node's own errors for the file.
 */
export const lockFile = (path: string): Promise<Disposable> => locks.lock(path);

/**
 * The same for a file that is there already.
 *
 * @returns undefined when there is none, or when it is removed meanwhile.
 * @throws {SyscallError} and Node's own errors for the file.
 */
export const lockExistingFile = (path: string): Promise<Disposable | undefined> => locks.lockExisting(path);

/**
 * Takes the lock of {@link lockFile} if nobody holds it.
 *
 * @param make false: a file that is not there is an error.
 * @returns undefined when it is held elsewhere; else its descriptor, which can be written to.
 * @throws {SyscallError} and Node's own errors for the file, ENOENT among them.
 */
export const tryLock = (path: string, make = true): OwnedFd | undefined => locks.tryLock(path, make);
