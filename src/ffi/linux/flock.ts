import { constants, fstatSync, statSync } from "node:fs";
import { SyscallError } from "../errno.ts";
import { constants as file } from "./abi/file.ts";
import { Fd } from "./fd.ts";
import { call, flockAsync, libc } from "./libc.ts";

/**
 * Locks that may wait on pool threads at once. The pool has four by default, and the holders of the locks need some of
 * them to come to an end.
 */
const WAITERS = 2;
let waiting = 0;
const queue: (() => void)[] = [];

/**
 * Takes an exclusive lock on a file, flock(2). The file is made with mode 0600 when there is none; a symbolic link in
 * its place is refused. The lock goes with the process, and is not passed on to programs it executes.
 *
 * @param options blocking: wait for it, without holding up the event loop.
 * @returns disposing it releases the lock.
 * @throws {SyscallError} EWOULDBLOCK (EAGAIN) when it is held elsewhere and `blocking` is false; ELOOP for a link.
 */
export async function lockFile(path: string, options: { readonly blocking: boolean }): Promise<Disposable> {
  for (;;) {
    const fd = openLockFile(path);
    try {
      if (!options.blocking) call("flock", path, () => libc.flock(fd.number, file.LOCK_EX | file.LOCK_NB));
      else if (!lockNow(fd)) await waitForLock(fd);
      if (isStillAt(fd, path)) return fd;
    } catch (error) {
      fd.close();
      throw error;
    }
    // Its holder removed the file: the lock on that inode excludes nobody.
    fd.close();
  }
}

/**
 * Takes the lock of {@link lockFile} if nobody holds it.
 *
 * @returns undefined when it is held elsewhere.
 * @throws {SyscallError}
 */
export function tryLock(path: string): Disposable | undefined {
  for (;;) {
    const fd = openLockFile(path);
    let taken = false;
    try {
      if (!lockNow(fd)) return undefined;
      taken = isStillAt(fd, path);
      if (taken) return fd;
    } finally {
      if (!taken) fd.close();
    }
  }
}

function openLockFile(path: string): Fd {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | file.O_CLOEXEC;
  return new Fd(
    call("open", path, () => libc.open(path, flags, "int", 0o600)),
    path,
  );
}

function lockNow(fd: Fd): boolean {
  try {
    call("flock", fd.object, () => libc.flock(fd.number, file.LOCK_EX | file.LOCK_NB));
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EAGAIN") return false;
    throw error;
  }
}

async function waitForLock(fd: Fd): Promise<void> {
  if (waiting >= WAITERS) await new Promise<void>((resolve) => queue.push(resolve));
  else waiting++;
  try {
    await flockAsync(fd.number, file.LOCK_EX, fd.object);
  } finally {
    const next = queue.shift();
    if (next) next();
    else waiting--;
  }
}

function isStillAt(fd: Fd, path: string): boolean {
  const held = fstatSync(fd.number);
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.ino === held.ino && found.dev === held.dev;
}
