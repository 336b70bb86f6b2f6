import { constants, readFileSync, statSync } from "node:fs";
import { traceCall, traceStart } from "../trace.ts";
import { constants as file, flock } from "./abi/file.ts";
import { Fd } from "./fd.ts";
import { call, libc } from "./libc.ts";

const LOCKS = "/proc/locks";

/**
 * Takes a shared lock on one byte of a file, fcntl(2) F_OFD_SETLK, whether the file is as long or not. The file is made
 * with mode 0600 when there is none; a symbolic link in its place is refused. The lock is that of the open description:
 * it is held by all who have a copy of the descriptor, and ends with the last of them, however they end.
 *
 * @throws {SyscallError} ELOOP for a link.
 */
export function shareByte(path: string, offset: number): Fd {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | file.O_CLOEXEC;
  const fd = new Fd(
    call("open", path, () => libc.open(path, flags, "int", 0o600)),
    path,
  );
  try {
    const argument = flock.encode({ l_type: file.F_RDLCK, l_start: BigInt(offset), l_len: 1n });
    call("fcntl", `${path} F_OFD_SETLK ${offset}`, () => libc.fcntl(fd.number, file.F_OFD_SETLK, "void *", argument));
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/**
 * The bytes of a file that somebody shares by {@link shareByte}; read from /proc/locks, proc(5), however many there
 * are. The file is known by its inode number alone: the device's is not told as stat(2) does by every file system.
 */
export function sharedBytes(path: string): Set<number> {
  const inode = statSync(path, { throwIfNoEntry: false })?.ino;
  if (inode === undefined) return new Set();
  const startedAt = traceStart();
  const text = readFileSync(LOCKS, "utf8");
  traceCall("read", LOCKS, text.length, startedAt);
  return new Set(parseLocks(text, inode));
}

/** Reads `1: OFDLCK ADVISORY  READ -1 fe:00:INODE FIRST LAST` of single bytes; who waits for a lock has `->` in front. */
export function parseLocks(text: string, inode: number): number[] {
  const line = /^\d+: OFDLCK +ADVISORY +READ \S+ [0-9a-f]+:[0-9a-f]+:(\d+) (\d+) (\d+)$/gm;
  return [...text.matchAll(line)]
    .filter(([, found, first, last]) => Number(found) === inode && first === last)
    .map(([, , first]) => Number(first));
}
