// <sys/file.h>, <fcntl.h>, <sys/mman.h>, <unistd.h>
import { i16, i64, struct } from "../../struct.ts";

/** A lock on a part of a file; `l_pid` after it is 0 for locks of open descriptions. */
export const flock = struct("struct flock", "fcntl.h", 32, {
  l_type: [0, i16],
  l_start: [8, i64],
  l_len: [16, i64],
});

export const constants = {
  LOCK_EX: 2,
  LOCK_NB: 4,
  F_OFD_GETLK: 36,
  F_OFD_SETLK: 37,
  F_RDLCK: 0,
  F_WRLCK: 1,
  F_UNLCK: 2,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  RENAME_NOREPLACE: 1,
  SEEK_DATA: 3,
  SEEK_HOLE: 4,
  S_IFCHR: 0o020000,
  MFD_CLOEXEC: 1,
} as const;
