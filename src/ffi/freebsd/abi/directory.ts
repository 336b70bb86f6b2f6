import { i64, struct, u8, u16, u32, u64 } from "../../struct.ts";

/** Headers that a C probe of this module includes, in order. */
export const headers = ["sys/types.h", "sys/extattr.h", "sys/stat.h", "dirent.h", "fcntl.h", "unistd.h"] as const;

export const O_NONBLOCK = 0x4;
export const O_NOFOLLOW = 0x100;
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x200;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
export const EXTATTR_NAMESPACE_USER = 1;
export const EXTATTR_NAMESPACE_SYSTEM = 2;
/** Type of an entry, `d_type`: not told: ask fstatat(2). */
export const DT_UNKNOWN = 0;
/** Type of an entry, `d_type`: named pipe. */
export const DT_FIFO = 1;
/** Type of an entry, `d_type`: character device. */
export const DT_CHR = 2;
/** Type of an entry, `d_type`: directory. */
export const DT_DIR = 4;
/** Type of an entry, `d_type`: block device. */
export const DT_BLK = 6;
/** Type of an entry, `d_type`: regular file. */
export const DT_REG = 8;
/** Type of an entry, `d_type`: symbolic link. */
export const DT_LNK = 10;
/** Type of an entry, `d_type`: socket. */
export const DT_SOCK = 12;

/** An entry of a directory. `d_name` begins at DIRENT_NAME and takes what is left of `d_reclen`. */
export const dirent = struct("struct dirent", "dirent.h", 280, {
  d_fileno: [0, u64],
  d_off: [8, i64],
  d_reclen: [16, u16],
  d_type: [18, u8],
  d_namlen: [20, u16],
});

/** A time since 1970. */
export const timespec = struct("struct timespec", "sys/timespec.h", 16, { tv_sec: [0, i64], tv_nsec: [8, i64] });

/** What is known of a file. */
export const stat = struct("struct stat", "sys/stat.h", 224, {
  st_mode: [24, u16],
  st_uid: [28, u32],
  st_gid: [32, u32],
  st_mtim: [64, timespec],
});
