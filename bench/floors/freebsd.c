/*
 * Floor of the FreeBSD bindings: the same C calls on a stand-in for libc, with arguments laid out in advance.
 * freebsd STAND-IN; commands: "jail_set N", "jail_get N", "alias N".
 */
#include <dlfcn.h>

#include "floor.h"

struct iov { void *base; uint64_t length; };

static struct iov pair(void *base, uint64_t length) { return (struct iov){ base, length }; }
#define TEXT(s) pair((s), sizeof(s))

int main(int argc, char **argv)
{
	void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
	if (library == NULL) return 2;
	int (*jail_set)(struct iov *, unsigned, int) = dlsym(library, "jail_set");
	int (*jail_get)(struct iov *, unsigned, int) = dlsym(library, "jail_get");
	int (*socket)(int, int, int) = dlsym(library, "socket");
	int (*ioctl)(int, unsigned long, void *) = dlsym(library, "ioctl");
	int (*close)(int) = dlsym(library, "close");
	/* SIOCIFCREATE2 and SIOCAIFADDR, <sys/sockio.h>; AF_INET; SOCK_DGRAM; struct ifreq and struct in_aliasreq. */
	const unsigned long create_interface = 0xc020697c, add_address = 0x8044692b;
	char interface[32] = "lo", alias[68] = "";
	int fd = socket(2, 2, 0);
	if (fd < 0 || ioctl(fd, create_interface, interface) < 0 || close(fd) < 0) return 3;
	memcpy(alias, interface, 16);
	memcpy(alias + 16, (char[]){ 16, 2, 0, 0, 10, 2, 3, 1 }, 8);
	memcpy(alias + 48, (char[]){ 16, 2, 0, 0, -1, -1, -1, -1 }, 8);
	char errmsg[1024] = "";
	uint8_t address[4] = { 10, 2, 3, 1 };
	struct iov create[] = { TEXT("path"), TEXT("/"), TEXT("name"), TEXT("floor"), TEXT("persist"), pair(NULL, 0) };
	/* JAIL_CREATE, <sys/jail.h> */
	int jid = jail_set(create, 6, 1), found;
	if (jid <= 0) return 3;
	struct iov set[] = { TEXT("jid"), pair(&jid, sizeof jid), TEXT("ip4.addr"), pair(address, sizeof address),
		TEXT("errmsg"), pair(errmsg, sizeof errmsg) };
	char command[16];
	unsigned count;
	while (scanf("%15s %u", command, &count) == 2) {
		uint64_t start = now();
		for (unsigned i = 0; i < count; i++) {
			char name[256], path[1024];
			struct iov get[] = { TEXT("jid"), pair(&jid, sizeof jid), TEXT("name"), pair(name, sizeof name), TEXT("path"),
				pair(path, sizeof path), TEXT("errmsg"), pair(errmsg, sizeof errmsg) };
			/* JAIL_UPDATE */
			if (strcmp(command, "jail_set") == 0) found = jail_set(set, 6, 2);
			else if (strcmp(command, "jail_get") == 0) found = jail_get(get, 8, 0);
			else {
				fd = socket(2, 2, 0);
				found = ioctl(fd, add_address, alias) == 0 && close(fd) == 0 ? jid : -1;
			}
			if (found != jid) return 4;
		}
		answer((double)(now() - start));
	}
	return 0;
}
