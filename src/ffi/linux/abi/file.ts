// <sys/file.h>, <fcntl.h>, <sys/mman.h>, <unistd.h>
import { i16, i64, struct } from "../../struct.ts";

/** A lock on a part of a file; `l_pid` after it is 0 for locks of open descriptions. */
export const flock = struct("struct flock", "fcntl.h", 32, {
  l_type: [0, i16],
  l_start: [8, i64],
  l_len: [16, i64],
});

export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const F_OFD_GETLK = 36;
export const F_OFD_SETLK = 37;
export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const RENAME_NOREPLACE = 1;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
export const S_IFCHR = 0o020000;
export const MFD_CLOEXEC = 1;
