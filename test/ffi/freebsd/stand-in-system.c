/*
 * A stand-in for FreeBSD's libc, libzfs_core and libnvpair, for tests: just enough of sysctl, mounts, modules, limits,
 * routes and datasets to show that each call passes koffi as it should. Errors are FreeBSD's numbers.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { E_NOENT = 2, E_BUSY = 16, E_EXIST = 17, E_INVAL = 22, E_RANGE = 34, E_NOMEM = 12, E_SRCH = 3, E_NODEV = 19 };
struct iov { char *base; uint64_t len; };

static int fail(int number) { errno = number; return -1; }

/* sysctl: a tree security.jail.param of three leaves, two integers, the routes. */
static const struct { int mib[4]; int parts; const char *name; uint32_t type; const char *format; } leaves[] = {
	{ { 14, 1, 7, 1 }, 4, "security.jail.param.path", 0xc0000003, "A" },
	{ { 14, 1, 7, 2 }, 4, "security.jail.param.vnet", 0x80080002, "E,jailsys" },
	{ { 14, 1, 8 }, 3, "security.jail.jailed", 2, "I" },
};
static int forwarding = 0;
static unsigned char routes[512];
static size_t routes_len;

static int give(void *room, uint64_t *size, const void *value, uint64_t len)
{
	if (room == NULL) { if (size != NULL) *size = len; return 0; }
	if (*size < len) return fail(E_NOMEM);
	memcpy(room, value, len);
	*size = len;
	return 0;
}

int sysctlbyname(const char *name, void *room, uint64_t *size, const void *new, uint64_t new_len)
{
	static const int64_t large = 1 << 20;
	if (strcmp(name, "net.inet.ip.forwarding") == 0) {
		if (new != NULL) { if (new_len != 4) return fail(E_INVAL); memcpy(&forwarding, new, 4); return 0; }
		return give(room, size, &forwarding, 4);
	}
	if (strcmp(name, "hw.physmem") == 0) return give(room, size, &large, 8);
	if (strcmp(name, "kern.ostype") == 0) return give(room, size, "FreeBSD", 8);
	return fail(E_NOENT);
}

int sysctlnametomib(const char *name, int *mib, uint64_t *count)
{
	static const int root[] = { 14, 1, 7 };
	if (strcmp(name, "security.jail.param") != 0) return fail(E_NOENT);
	if (*count < 3) return fail(E_NOMEM);
	memcpy(mib, root, sizeof(root));
	*count = 3;
	return 0;
}

static int compare(const int *a, int an, const int *b, int bn)
{
	for (int i = 0; i < an && i < bn; i++) if (a[i] != b[i]) return a[i] - b[i];
	return an - bn;
}

int sysctl(const int *mib, unsigned n, void *room, uint64_t *size, const void *new, uint64_t new_len)
{
	(void)new; (void)new_len;
	if (n >= 2 && mib[0] == 0) {
		for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
			int order = compare(leaves[i].mib, leaves[i].parts, mib + 2, (int)n - 2);
			if (mib[1] == 2 && order > 0) return give(room, size, leaves[i].mib, 4 * leaves[i].parts);
			if (order != 0) continue;
			if (mib[1] == 1) return give(room, size, leaves[i].name, strlen(leaves[i].name) + 1);
			if (mib[1] == 4) {
				char out[64];
				memcpy(out, &leaves[i].type, 4);
				snprintf(out + 4, 60, "%s", leaves[i].format);
				return give(room, size, out, 4 + strlen(leaves[i].format) + 1);
			}
		}
		return fail(E_NOENT);
	}
	if (n == 6 && mib[0] == 4 && mib[1] == 17 && mib[4] == 1) return give(room, size, routes, mib[3] == 2 ? routes_len : 0);
	return fail(E_NOENT);
}

void stand_in_set_routes(const void *bytes, uint64_t len) { memcpy(routes, bytes, len); routes_len = len; }

struct ifa { struct ifa *next; const char *name; uint32_t flags; uint32_t pad; void *addr, *mask, *dst, *data; };
static unsigned char link_address[54] = { 54, 18, 2, 0 };
static struct ifa em0 = { NULL, "em0", 1, 0, link_address, NULL, NULL, NULL };
int getifaddrs(struct ifa **list) { *list = &em0; return 0; }
void freeifaddrs(void *list) { (void)list; }

/* Mounts. */
static struct { char type[16], from[64], on[64]; int flags; } table[8];
static int mounted;
static const char *option(struct iov *v, unsigned n, const char *name)
{
	for (unsigned i = 0; i + 1 < n; i += 2)
		if (v[i].len == strlen(name) + 1 && strcmp(v[i].base, name) == 0) return v[i + 1].base;
	return NULL;
}

int nmount(struct iov *v, unsigned n, int flags)
{
	const char *type = option(v, n, "fstype"), *path = option(v, n, "fspath");
	if (n % 2 != 0 || type == NULL || path == NULL) return fail(E_INVAL);
	if (strcmp(type, "nosuchfs") == 0) {
		snprintf((char *)option(v, n, "errmsg"), 255, "no such file system");
		return fail(E_NODEV);
	}
	const char *from = option(v, n, "target");
	if (from == NULL) from = option(v, n, "from");
	snprintf(table[mounted].type, 16, "%s", type);
	snprintf(table[mounted].from, 64, "%s", from == NULL ? type : from);
	snprintf(table[mounted].on, 64, "%s", path);
	table[mounted++].flags = flags;
	return 0;
}

int unmount(const char *path, int flags)
{
	for (int i = 0; i < mounted; i++) if (strcmp(table[i].on, path) == 0) {
		if (strcmp(path, "/busy") == 0 && flags != 0x80000) return fail(E_BUSY);
		table[i] = table[--mounted];
		return 0;
	}
	return fail(E_INVAL);
}

static void fill(unsigned char *out, int i)
{
	uint32_t version = 0x20140518;
	uint64_t flags = (uint64_t)table[i].flags, block = 512, blocks = 100, available = 40;
	memset(out, 0, 2344);
	memcpy(out, &version, 4);
	memcpy(out + 8, &flags, 8);
	memcpy(out + 16, &block, 8);
	memcpy(out + 32, &blocks, 8);
	memcpy(out + 48, &available, 8);
	memcpy(out + 280, table[i].type, 16);
	memcpy(out + 296, table[i].from, 64);
	memcpy(out + 1320, table[i].on, 64);
}

int statfs(const char *path, unsigned char *out)
{
	for (int i = 0; i < mounted; i++) if (strcmp(table[i].on, path) == 0) { fill(out, i); return 0; }
	return fail(E_NOENT);
}

int getfsstat(unsigned char *out, long size, int mode)
{
	if (mode != 2) return fail(E_INVAL);
	if (out == NULL) return mounted;
	int i = 0;
	for (; i < mounted && (i + 1) * 2344 <= size; i++) fill(out + i * 2344, i);
	return i;
}

/* Limits: an answer of 5000 bytes, so that a first room of 4096 is short. */
static char rule[128];
int rctl_add_rule(const char *in, uint64_t len, char *out, uint64_t out_len)
{
	(void)out; (void)out_len;
	if (len != strlen(in) + 1 || strstr(in, "100m") != NULL) return fail(E_INVAL);
	snprintf(rule, sizeof(rule), "%s", in);
	return 0;
}
int rctl_remove_rule(const char *in, uint64_t len, char *out, uint64_t out_len)
{
	(void)len; (void)out; (void)out_len;
	if (rule[0] == 0 || strncmp(rule, in, strlen(in)) != 0) return fail(E_SRCH);
	rule[0] = 0;
	return 0;
}
int rctl_get_rules(const char *in, uint64_t len, char *out, uint64_t out_len)
{
	(void)in; (void)len;
	if (out_len < 5000) return fail(E_RANGE);
	snprintf(out, out_len, "%s", rule);
	return 0;
}
int rctl_get_racct(const char *in, uint64_t len, char *out, uint64_t out_len)
{
	(void)in; (void)len;
	snprintf(out, out_len, "cputime=3,memoryuse=104857600");
	return 0;
}

/* Modules. */
static int loaded;
int kldload(const char *name) { if (strcmp(name, "pf") != 0) return fail(E_NOENT); if (loaded++) return fail(E_EXIST); return 7; }
int kldfind(const char *name) { return strcmp(name, "pf") == 0 && loaded ? 7 : fail(E_NOENT); }
int modfind(const char *name) { return strcmp(name, "if_bridge") == 0 ? 3 : fail(E_NOENT); }

/* devfs rulesets 1 and 4, by ioctl on a descriptor that open gives. */
static int opened;
static unsigned char added[236];
int open(const char *path, int flags, ...) { (void)flags; if (strncmp(path, "/dev", 4) != 0) return fail(E_NOENT); opened++; return 5; }
int close(int fd) { if (fd != 5) return fail(9); opened--; return 0; }
int stand_in_opened(void) { return opened; }
const void *stand_in_added(void) { return added; }
int ioctl(int fd, unsigned long request, ...)
{
	__builtin_va_list list;
	__builtin_va_start(list, request);
	unsigned char *arg = __builtin_va_arg(list, unsigned char *);
	__builtin_va_end(list);
	uint16_t number;
	if (fd != 5) return fail(9);
	switch (request) {
	case 0xc002440cUL:
		memcpy(&number, arg, 2);
		if (number >= 4) return fail(E_NOENT);
		number = number < 1 ? 1 : 4;
		memcpy(arg, &number, 2);
		return 0;
	case 0xc0ec4400UL: memcpy(added, arg, 236); return 0;
	case 0x8002440aUL: case 0x8002440bUL: return 0;
	default: return fail(25);
	}
}

/* Datasets. A list is an array of name and value. */
struct list { int count; struct { char name[64]; char text[64]; uint64_t number; } pair[8]; };
static char datasets[8][64];
static int lists, users;
static char last_property[160];

int nvlist_alloc(struct list **out, unsigned flag, int km) { if (flag != 1 || km != 0) return E_INVAL; lists++; *out = calloc(1, sizeof(**out)); return 0; }
void nvlist_free(struct list *list) { lists--; free(list); }
static int push(struct list *list, const char *name, const char *text, uint64_t number)
{
	snprintf(list->pair[list->count].name, 64, "%s", name);
	snprintf(list->pair[list->count].text, 64, "%s", text);
	list->pair[list->count++].number = number;
	return 0;
}
int nvlist_add_boolean(struct list *list, const char *name) { return push(list, name, "", 0); }
int nvlist_add_uint64(struct list *list, const char *name, uint64_t number) { return push(list, name, "", number); }
int nvlist_add_string(struct list *list, const char *name, const char *text) { return push(list, name, text, 0); }
void *nvlist_next_nvpair(struct list *list, void *pair)
{
	int next = pair == NULL ? 0 : (int)(((char *)pair - (char *)list->pair) / sizeof(list->pair[0])) + 1;
	return next < list->count ? (void *)&list->pair[next] : NULL;
}
char *nvpair_name(void *pair) { return pair; }
int stand_in_lists(void) { return lists; }
int stand_in_users(void) { return users; }
const char *stand_in_property(void) { return last_property; }

int libzfs_core_init(void) { users++; return 0; }
void libzfs_core_fini(void) { users--; }
static int place(const char *name) { for (int i = 0; i < 8; i++) if (strcmp(datasets[i], name) == 0) return i; return -1; }
static int make(const char *name) { if (place(name) >= 0) return E_EXIST; snprintf(datasets[place("")], 64, "%s", name); return 0; }
int lzc_exists(const char *name) { return place(name) >= 0; }
int lzc_create(const char *name, int type, struct list *props, void *key, unsigned key_len)
{
	if (type != 2 || key != NULL || key_len != 0) return E_INVAL;
	last_property[0] = 0;
	if (props->count > 0)
		snprintf(last_property, sizeof(last_property), "%s=%s/%llu", props->pair[0].name, props->pair[0].text, (unsigned long long)props->pair[0].number);
	return make(name);
}
int lzc_clone(const char *name, const char *origin, struct list *props) { (void)props; return place(origin) < 0 ? E_NOENT : make(name); }
int lzc_snapshot(struct list *snaps, struct list *props, struct list **errors)
{
	if (props != NULL) return E_INVAL;
	for (int i = 0; i < snaps->count; i++) {
		if (place(snaps->pair[i].name) < 0) { make(snaps->pair[i].name); continue; }
		nvlist_alloc(errors, 1, 0);
		nvlist_add_uint64(*errors, snaps->pair[i].name, E_EXIST);
		return E_EXIST;
	}
	return 0;
}
int lzc_destroy_snaps(struct list *snaps, int defer, struct list **errors)
{
	(void)errors;
	if (defer != 0) return E_INVAL;
	for (int i = 0; i < snaps->count; i++) { int at = place(snaps->pair[i].name); if (at >= 0) datasets[at][0] = 0; }
	return 0;
}
int lzc_destroy(const char *name) { int at = place(name); if (at < 0) return E_NOENT; datasets[at][0] = 0; return 0; }
int lzc_rollback_to(const char *name, const char *snap) { return place(name) < 0 || place(snap) < 0 ? E_NOENT : 0; }
