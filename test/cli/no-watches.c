/* A kernel whose inotify instances, or whose watches, are all taken: inotify(7). WATCHES_LEFT=none takes the latter. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int inotify_init1(int flags) {
  if (getenv("WATCHES_LEFT")) return syscall(SYS_inotify_init1, flags);
  errno = EMFILE;
  return -1;
}

int inotify_add_watch(int fd, const char *path, uint32_t mask) {
  (void)fd, (void)path, (void)mask;
  errno = ENOSPC;
  return -1;
}
