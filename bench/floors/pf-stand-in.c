/*
 * A stand-in for FreeBSD's libc that takes every request to /dev/pf and does nothing: what is measured through it is the
 * bindings' own share.
 */
#include <errno.h>

int open(const char *path, int flags, ...) { (void)path; (void)flags; return 3; }
int close(int fd) { return fd == 3 ? 0 : (errno = 9, -1); }
int ioctl(int fd, unsigned long request, void *argument)
{
	(void)request;
	(void)argument;
	return fd == 3 ? 0 : (errno = 9, -1);
}
