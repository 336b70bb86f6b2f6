/*
 * A stand-in for FreeBSD's libc, for tests: a small model of jails and interfaces behind the functions that the
 * bindings call, which reads the bytes as the kernel does and refuses what it would refuse. Errors are FreeBSD's
 * numbers. It runs on any 64-bit system; nothing here reaches the system it runs on.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct iov { char *base; uint64_t len; };

enum { E_NOENT = 2, E_NXIO = 6, E_BADF = 9, E_EXIST = 17, E_INVAL = 22, E_NOTTY = 25, E_PROTO = 47, E_NOMSG = 83,
       E_ADDRNOTAVAIL = 49, E_NAMETOOLONG = 63 };

static struct { int used; char name[256]; char path[1024]; uint8_t ip4[64]; uint64_t ip4_len; int persist; } jails[8];
static struct { int used; char name[16]; char descr[64]; char group[16]; uint8_t addr[4]; int has_addr; int flags;
                uint8_t addr6[16]; int has_addr6; char member[16]; } ifs[8];
static int families[16];
/* A string that is longer than names are: every jail's `meta`, which FreeBSD 15 has. */
static const char meta[301] = { [0 ... 299] = 'm' };
static int queries;

static int fail(int number) { errno = number; return -1; }

static struct iov *find(struct iov *v, unsigned n, const char *name)
{
	for (unsigned i = 0; i + 1 < n; i += 2)
		if (v[i].len == strlen(name) + 1 && strcmp(v[i].base, name) == 0) return &v[i + 1];
	return NULL;
}

static int say(struct iov *v, unsigned n, int number, const char *text, const char *object)
{
	struct iov *message = find(v, n, "errmsg");
	if (message != NULL) snprintf(message->base, message->len, "%s%s", text, object);
	return fail(number);
}

/* As vfs_setopt: a null value asks for the length; a shorter room is an error. */
static int answer(struct iov *value, const void *data, uint64_t len)
{
	if (value == NULL) return 0;
	if (value->base != NULL) {
		if (value->len < len) return 1;
		memcpy(value->base, data, len);
	}
	value->len = len;
	return 0;
}

static int jail_number(struct iov *v, unsigned n)
{
	struct iov *value;
	int jid;
	if ((value = find(v, n, "jid")) != NULL) {
		memcpy(&jid, value->base, 4);
		return jid > 0 && jid < 8 && jails[jid].used ? jid : 0;
	}
	if ((value = find(v, n, "lastjid")) != NULL) {
		memcpy(&jid, value->base, 4);
		for (jid++; jid < 8; jid++) if (jails[jid].used) return jid;
		return 0;
	}
	if ((value = find(v, n, "name")) == NULL || value->base == NULL) return 0;
	for (jid = 1; jid < 8; jid++) if (jails[jid].used && strcmp(jails[jid].name, value->base) == 0) return jid;
	return 0;
}

int jail_set(struct iov *v, unsigned n, int flags)
{
	struct iov *value;
	if (n % 2 != 0) return fail(E_INVAL);
	if ((value = find(v, n, "no.such")) != NULL) return say(v, n, E_INVAL, "unknown parameter: ", "no.such");
	int jid = jail_number(v, n);
	if (flags == 1) {
		if (jid != 0) return say(v, n, E_EXIST, "jail already exists: ", jails[jid].name);
		if (find(v, n, "persist") == NULL) return say(v, n, E_INVAL, "new jail must persist or attach", "");
		for (jid = 1; jid < 8 && jails[jid].used; jid++) continue;
		memset(&jails[jid], 0, sizeof(jails[jid]));
		jails[jid].used = jails[jid].persist = 1;
		if ((value = find(v, n, "name")) != NULL) snprintf(jails[jid].name, 256, "%s", value->base);
		if ((value = find(v, n, "path")) != NULL) snprintf(jails[jid].path, 1024, "%s", value->base);
	} else if (flags != 2) return fail(E_INVAL);
	else if (jid == 0) return say(v, n, E_NOENT, "jail not found", "");
	if ((value = find(v, n, "ip4.addr")) != NULL) {
		if (value->len % 4 != 0 || value->len > sizeof(jails[jid].ip4)) return fail(E_INVAL);
		if (value->len > 0) memcpy(jails[jid].ip4, value->base, value->len);
		jails[jid].ip4_len = value->len;
	}
	return jid;
}

/* What the kernel tells of its one parameter that no release has in common. */
int sysctlnametomib(const char *name, int *mib, uint64_t *count)
{
	static const int numbers[] = { 14, 1, 7, 1 };
	if (strcmp(name, "security.jail.param.meta") != 0) return fail(E_NOENT);
	memcpy(mib, numbers, sizeof(numbers));
	*count = 4;
	return 0;
}

int sysctlbyname(const char *name, void *room, uint64_t *size, const void *new, uint64_t new_len)
{
	(void)new; (void)new_len;
	if (strcmp(name, "security.jail.param.meta") != 0) return fail(E_NOENT);
	memcpy(room, "4096", *size = 5);
	return 0;
}

int sysctl(const int *mib, unsigned n, void *room, uint64_t *size, const void *new, uint64_t new_len)
{
	static const struct { uint32_t kind; char format[11]; } said = { 0xc0040003, "A,keyvalue" };
	(void)new; (void)new_len;
	if (n != 6 || mib[0] != 0 || mib[1] != 4 || mib[5] != 1) return fail(E_NOENT);
	memcpy(room, &said, *size = 4 + sizeof(said.format));
	return 0;
}

/* How often jail_get was called. */
int stand_in_queries(void) { return queries; }

int jail_get(struct iov *v, unsigned n, int flags)
{
	queries++;
	if (n % 2 != 0 || flags != 0) return fail(E_INVAL);
	if (find(v, n, "no.such") != NULL) return say(v, n, E_INVAL, "unknown parameter: ", "no.such");
	int jid = jail_number(v, n);
	if (jid == 0) return say(v, n, E_NOENT, "jail not found", "");
	if (find(v, n, "jid") != NULL || find(v, n, "lastjid") != NULL)
		if (answer(find(v, n, "name"), jails[jid].name, strlen(jails[jid].name) + 1)) return fail(E_INVAL);
	if (answer(find(v, n, "path"), jails[jid].path, strlen(jails[jid].path) + 1)) return fail(E_INVAL);
	if (answer(find(v, n, "meta"), meta, sizeof(meta))) return fail(E_INVAL);
	if (answer(find(v, n, "ip4.addr"), jails[jid].ip4, jails[jid].ip4_len)) return fail(E_INVAL);
	if (answer(find(v, n, "persist"), &jails[jid].persist, 4)) return fail(E_INVAL);
	return jid;
}

int jail_attach(int jid) { return jid > 0 && jid < 8 && jails[jid].used ? 0 : fail(E_INVAL); }

int jail_remove(int jid)
{
	if (jail_attach(jid) != 0) return -1;
	jails[jid].used = 0;
	return 0;
}

int socket(int family, int type, int protocol)
{
	if ((type & 0xff) != 2 || protocol != 0) return fail(E_INVAL);
	for (int fd = 3; fd < 16; fd++)
		if (families[fd] == 0) { families[fd] = family; return fd; }
	return fail(24);
}

int close(int fd)
{
	if (fd < 3 || fd >= 16 || families[fd] == 0) return fail(E_BADF);
	families[fd] = 0;
	return 0;
}

/* Sockets that were opened and not closed: a leak. */
int stand_in_open_sockets(void)
{
	int count = 0;
	for (int fd = 3; fd < 16; fd++) count += families[fd] != 0;
	return count;
}

static int if_number(const char *name)
{
	for (int i = 0; i < 8; i++) if (ifs[i].used && strncmp(ifs[i].name, name, 16) == 0) return i;
	return -1;
}

static int create(char *arg)
{
	static int unit = 0;
	if (if_number(arg) >= 0) return fail(E_EXIST);
	if (strcmp(arg, "nosuch") == 0) return fail(E_INVAL);
	for (int i = 0; i < 8; i++) {
		if (ifs[i].used) continue;
		memset(&ifs[i], 0, sizeof(ifs[i]));
		ifs[i].used = 1;
		ifs[i].flags = 0x8008;
		if (strpbrk(arg, "0123456789") == NULL) snprintf(arg + strlen(arg), 4, "%d", unit++);
		memcpy(ifs[i].name, arg, 16);
		return 0;
	}
	return fail(28);
}

static char *pointer_at(const char *arg, int at) { char *p; memcpy(&p, arg + at, 8); return p; }
static uint64_t number_at(const char *arg, int at, int size) { uint64_t n = 0; memcpy(&n, arg + at, size); return n; }

static int is_inet(const char *sa) { return sa[0] == 16 && sa[1] == 2; }
static int is_inet6(const char *sa) { return sa[0] == 28 && sa[1] == 28; }

static int list_one(char *arg, const char *name)
{
	if (number_at(arg, 16, 4) == 0) { uint32_t len = name[0] == 0 ? 0 : 16; memcpy(arg + 16, &len, 4); return 0; }
	if (number_at(arg, 16, 4) < 16) return fail(E_INVAL);
	memcpy(pointer_at(arg, 24), name, 16);
	return 0;
}

int ioctl(int fd, unsigned long request, char *arg)
{
	if (fd < 3 || fd >= 16 || families[fd] == 0) return fail(E_BADF);
	if (request == 0xc020697cUL) return create(arg);
	if (request == 0xc028698aUL) {
		for (int j = 0; j < 8; j++)
			if (ifs[j].used && strcmp(ifs[j].group, arg) == 0) return list_one(arg, ifs[j].name);
		return fail(E_NOENT);
	}
	int i = if_number(arg);
	if (i < 0) return fail(E_NXIO);
	switch (request) {
	case 0x80206979UL: ifs[i].used = 0; return 0;
	case 0x80206928UL:
		if (if_number(pointer_at(arg, 16)) >= 0) return fail(E_EXIST);
		memcpy(ifs[i].name, pointer_at(arg, 16), 16);
		return 0;
	case 0xc0206911UL: { uint32_t f = ifs[i].flags; memcpy(arg + 16, &f, 4); return 0; }
	case 0x80206910UL: ifs[i].flags = (int)number_at(arg, 16, 4); return 0;
	case 0x8044692bUL:
		if (families[fd] != 2 || !is_inet(arg + 16) || !is_inet(arg + 48)) return fail(E_INVAL);
		memcpy(ifs[i].addr, arg + 20, 4);
		ifs[i].has_addr = 1;
		return 0;
	case 0x80206919UL:
		if (!is_inet(arg + 16)) { ifs[i].has_addr = 0; return 0; }
		if (!ifs[i].has_addr || memcmp(ifs[i].addr, arg + 20, 4) != 0) return fail(E_ADDRNOTAVAIL);
		ifs[i].has_addr = 0;
		return 0;
	case 0x8088691bUL:
		if (families[fd] != 28 || !is_inet6(arg + 16) || !is_inet6(arg + 72) || number_at(arg, 120, 8) != ~0ULL)
			return fail(E_INVAL);
		memcpy(ifs[i].addr6, arg + 24, 16);
		ifs[i].has_addr6 = 1;
		return 0;
	case 0x81206919UL:
		if (families[fd] != 28 || !is_inet6(arg + 16)) return fail(E_INVAL);
		if (!ifs[i].has_addr6 || memcmp(ifs[i].addr6, arg + 24, 16) != 0) return fail(E_ADDRNOTAVAIL);
		ifs[i].has_addr6 = 0;
		return 0;
	case 0x80206929UL: {
		uint64_t len = number_at(arg, 16, 8);
		if (len > sizeof(ifs[i].descr)) return fail(E_NAMETOOLONG);
		memset(ifs[i].descr, 0, sizeof(ifs[i].descr));
		if (len > 0) memcpy(ifs[i].descr, pointer_at(arg, 24), len - 1);
		return 0;
	}
	case 0xc020692aUL: {
		uint64_t len = strlen(ifs[i].descr) + 1, room = number_at(arg, 16, 8);
		if (len == 1) return fail(E_NOMSG);
		if (room < len) memset(arg + 24, 0, 8);
		else memcpy(pointer_at(arg, 24), ifs[i].descr, len);
		memcpy(arg + 16, &len, 8);
		return 0;
	}
	case 0x80286987UL:
		if (ifs[i].group[0] != 0) return fail(E_EXIST);
		memcpy(ifs[i].group, arg + 24, 16);
		return 0;
	case 0x80286989UL:
		if (strncmp(ifs[i].group, arg + 24, 16) != 0) return fail(E_NOENT);
		memset(ifs[i].group, 0, 16);
		return 0;
	case 0xc0286988UL: return list_one(arg, ifs[i].group);
	case 0x8028697bUL: {
		char *member = pointer_at(arg, 32);
		if (number_at(arg, 24, 8) != 80 || if_number(member) < 0) return fail(number_at(arg, 24, 8) != 80 ? E_INVAL : E_NOENT);
		if (number_at(arg, 16, 8) == 0) memcpy(ifs[i].member, member, 16);
		else if (strcmp(ifs[i].member, member) != 0) return fail(E_NOENT);
		else memset(ifs[i].member, 0, 16);
		return 0;
	}
	default: return fail(E_NOTTY);
	}
}

struct ifa { struct ifa *next; char *name; uint32_t flags; uint8_t *addr, *mask, *dst; void *data; };

static int lists;

static void append(struct ifa ***tail, int i, uint8_t *addr, uint8_t *mask)
{
	struct ifa *entry = calloc(1, sizeof(*entry));
	entry->name = strdup(ifs[i].name);
	entry->flags = (uint32_t)ifs[i].flags;
	entry->addr = addr;
	entry->mask = mask;
	**tail = entry;
	*tail = &entry->next;
}

int getifaddrs(struct ifa **list)
{
	struct ifa **tail = list;
	*list = NULL;
	for (int i = 0; i < 8; i++) {
		if (!ifs[i].used) continue;
		uint8_t *link = calloc(1, 56);
		link[0] = 54, link[1] = 18, link[2] = (uint8_t)(i + 1), link[5] = (uint8_t)strlen(ifs[i].name), link[6] = 6;
		memcpy(link + 8, ifs[i].name, link[5]);
		memcpy(link + 8 + link[5], "\x02\x00\x5e\x00\x53\x01", 6);
		append(&tail, i, link, NULL);
		if (ifs[i].has_addr) {
			uint8_t *addr = calloc(1, 16), *mask = calloc(1, 8);
			addr[0] = 16, addr[1] = 2;
			memcpy(addr + 4, ifs[i].addr, 4);
			/* A netmask's trailing zeros are cut off. */
			mask[0] = 7, mask[4] = mask[5] = mask[6] = 0xff;
			append(&tail, i, addr, mask);
		}
		if (ifs[i].has_addr6) {
			uint8_t *addr = calloc(1, 28), *mask = calloc(1, 28);
			addr[0] = addr[1] = mask[0] = mask[1] = 28;
			memcpy(addr + 8, ifs[i].addr6, 16);
			memset(mask + 8, 0xff, 16);
			append(&tail, i, addr, mask);
		}
	}
	lists += *list != NULL;
	return 0;
}

void freeifaddrs(struct ifa *list)
{
	lists--;
	while (list != NULL) {
		struct ifa *next = list->next;
		free(list->name), free(list->addr), free(list->mask), free(list);
		list = next;
	}
}

/* Lists of getifaddrs that were not freed. */
int stand_in_open_lists(void) { return lists; }
