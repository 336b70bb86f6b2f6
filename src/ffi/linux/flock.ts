import { constants, readFileSync, statSync } from "node:fs";
import { isErrno } from "../errno.ts";
import type { OwnedFd } from "../fd.ts";
import { FileLocks } from "../file-locks.ts";
import { LOCK_EX, LOCK_NB } from "./abi/file.ts";
import { openFile } from "./fd.ts";
import { asyncFunction, asyncSyscall, cFunction, syscall } from "./libc.ts";

const flock = cFunction<[number, number], number>("int flock(int fd, int operation)");
const flockWaiting = asyncFunction<[number, number]>("int flock(int fd, int operation)");

const locks = new FileLocks({
  open(path, make) {
    const flags = constants.O_RDWR | (make ? constants.O_CREAT : 0) | constants.O_NOFOLLOW;
    return openFile(path, flags, 0o600);
  },
  tryLock: tryFlock,
  async waitForLock({ number, object }) {
    await asyncSyscall({ call: "flock", object }, () => flockWaiting(number, LOCK_EX));
  },
});

/** Takes the exclusive lock on an open file unless it is held elsewhere. @returns false then. @throws {SyscallError} */
export function tryFlock({ number, object }: OwnedFd): boolean {
  try {
    syscall({ call: "flock", object }, () => flock(number, LOCK_EX | LOCK_NB));
    return true;
  } catch (error) {
    if (isErrno(error, "EAGAIN")) return false;
    throw error;
  }
}

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
 * @param make false: a file that is not there is an error.
 * @returns undefined when it is held elsewhere; else its descriptor, which can be written to.
 * @throws {SyscallError} ENOENT
 */
export const tryLock = (path: string, make = true): OwnedFd | undefined => locks.tryLock(path, make);

/**
 * The processes that have an exclusive lock on a file or directory, or on a part of it, flock(2) and fcntl(2), by
 * proc_locks(5). Those in a pid namespace that this process cannot see into are left out.
 */
export function lockHolders(path: string): number[] {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return [];
  const { dev, ino } = stat;
  // makedev(3)
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const hex = (number: bigint): string => number.toString(16).padStart(2, "0");
  const file = `${hex(major)}:${hex(minor)}:${ino}`;
  // `1: FLOCK  ADVISORY  WRITE 708 00:1b:13847 0 EOF`; who waits has an arrow before the kind.
  return readFileSync("/proc/locks", "utf8")
    .split("\n")
    .map((line) => line.split(/\s+/))
    .filter(([, kind, , access, pid, found]) => kind !== "->" && access === "WRITE" && found === file && pid !== "0")
    .map(([, , , , pid]) => Number(pid));
}
