// <sys/file.h>, <fcntl.h>, <sys/mman.h>, <unistd.h>
export const constants = {
  LOCK_EX: 2,
  LOCK_NB: 4,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  SEEK_DATA: 3,
  SEEK_HOLE: 4,
  MFD_CLOEXEC: 1,
} as const;
