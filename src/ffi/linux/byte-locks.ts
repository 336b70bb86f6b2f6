import { constants, existsSync } from "node:fs";
import { lastErrno } from "../library.ts";
import { traceCall, traceStart } from "../trace.ts";
import { F_OFD_GETLK, F_OFD_SETLK, F_RDLCK, F_UNLCK, F_WRLCK, flock } from "./abi/file.ts";
import { type Fd, openFile } from "./fd.ts";
import { cFunction, syscall, syscallError } from "./libc.ts";

const fcntl = cFunction<[number, number, "void *", Uint8Array], number>("int fcntl(int fd, int op, ...)");

/**
 * Takes a shared lock on one byte of a file, fcntl(2) F_OFD_SETLK, whether the file is as long or not. The file is made
 * with mode 0600 when there is none; a symbolic link in its place is refused. The lock is that of the open description:
 * it is held by all who have a copy of the descriptor, and ends with the last of them, however they end.
 *
 * @throws {SyscallError} ELOOP for a link.
 */
export function shareByte(path: string, offset: number): Fd {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  return openFile(path, flags, 0o600).prepared(({ number }) => {
    const argument = flock.encode({ l_type: F_RDLCK, l_start: BigInt(offset), l_len: 1n });
    const lock = () => fcntl(number, F_OFD_SETLK, "void *", argument);
    syscall({ call: "fcntl", object: `${path} F_OFD_SETLK ${offset}` }, lock);
  });
}

/**
 * Which of these bytes of a file somebody shares by {@link shareByte}, each asked for, fcntl(2) F_OFD_GETLK: a microsecond.
 * /proc/locks has all of them, but to read it waits for every processor of the machine, some 13 ms.
 */
export function sharedAmong(path: string, offsets: readonly number[]): Set<number> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
  if (offsets.length === 0 || !existsSync(path)) return new Set();
  using fd = openFile(path, flags);
  const isShared = (offset: number): boolean => {
    const argument = flock.encode({ l_type: F_WRLCK, l_start: BigInt(offset), l_len: 1n });
    if (fcntl(fd.number, F_OFD_GETLK, "void *", argument) < 0)
      throw syscallError("fcntl", `${path} F_OFD_GETLK ${offset}`, lastErrno());
    return flock.decode(argument).l_type !== F_UNLCK;
  };
  const startedAt = traceStart();
  const shared = offsets.filter(isShared);
  traceCall("fcntl", `${path} F_OFD_GETLK of each of ${offsets.length}`, shared.length, startedAt);
  return new Set(shared);
}
