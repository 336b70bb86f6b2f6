// <sys/file.h>, <fcntl.h>, <sys/mman.h>
export const constants = {
  LOCK_EX: 2,
  LOCK_NB: 4,
  O_CLOEXEC: 0o2000000,
  MFD_CLOEXEC: 1,
} as const;
