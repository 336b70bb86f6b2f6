/*
 * A stand-in for FreeBSD's /dev/pf, for tests: rulesets, tables, tickets and the pool buffer, checked as the kernel checks
 * them. As release 15 it knows none of the requests that went with 14 but DIOCGETSTATES. Errors are FreeBSD's numbers.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { E_NOENT = 2, E_SRCH = 3, E_BADF = 9, E_BUSY = 16, E_EXIST = 17, E_NODEV = 19, E_INVAL = 22, E_NOSPC = 28 };
enum { RULE = 976, IOC_RULE = 3040, TRANS_E = 1032, ADDR = 20, TABLE = 1064, STATE = 242 };

struct rule { unsigned char body[RULE]; char call[1024]; int pool; };
struct ruleset { struct rule active[64], inactive[64]; int active_n, inactive_n; uint32_t active_t, inactive_t; int open; };
struct table { char name[32]; int active, inactive; unsigned char addr[32][ADDR], next[32][ADDR]; int n, next_n; };
struct anchor { int used; char path[1024]; struct ruleset sets[7]; struct table tables[8]; uint32_t table_t; int table_open; };

static struct anchor anchors[16];
static uint32_t pool_ticket;
static int pool_n, running, release = 14, opened, busy, cleared_flags, commits, listing = 1;
static unsigned char states[4][STATE];
static int states_n;

static int fail(int number) { errno = number; return -1; }
static uint32_t u32(const unsigned char *at) { uint32_t v; memcpy(&v, at, 4); return v; }
static uint64_t u64(const unsigned char *at) { uint64_t v; memcpy(&v, at, 8); return v; }
static void put32(unsigned char *at, uint32_t v) { memcpy(at, &v, 4); }

void stand_in_release(int number) { release = number; }
void stand_in_busy(int times) { busy = times; }
void stand_in_listing(int on) { listing = on; }
int stand_in_opened(void) { return opened; }
int stand_in_skip_cleared(void) { return cleared_flags; }
int stand_in_commits(void) { return commits; }
int stand_in_states(void) { return states_n; }

/* A state of an IPv4 connection with these addresses on the wire and in the stack. */
void stand_in_add_state(uint64_t id, const unsigned char *wire, const unsigned char *stack)
{
	unsigned char *state = states[states_n++];
	uint32_t creator = 0x1234;
	memset(state, 0, STATE);
	memcpy(state, &id, 8);
	memset(state + 24, 0xa5, 72);
	memset(state + 24 + 16, 0, 16);
	memset(state + 24 + 52, 0, 16);
	memcpy(state + 24, wire, 4);
	memcpy(state + 24 + 36, stack, 4);
	memcpy(state + 228, &creator, 4);
	state[232] = 2;
	state[233] = 6;
}

/* What the administrator's pfctl -f does. */
void stand_in_reload_main(void)
{
	for (int i = 0; i < 16; i++) if (anchors[i].used && anchors[i].path[0] == 0)
		for (int s = 0; s < 7; s++) { anchors[i].sets[s].active_n = 0; anchors[i].sets[s].active_t++; }
}

static struct anchor *find(const char *path, int make)
{
	for (int i = 0; i < 16; i++) if (anchors[i].used && strcmp(anchors[i].path, path) == 0) return &anchors[i];
	if (!make && path[0] != 0) return NULL;
	for (int i = 0; i < 16; i++) if (!anchors[i].used) {
		memset(&anchors[i], 0, sizeof(anchors[i]));
		anchors[i].used = 1;
		snprintf(anchors[i].path, sizeof(anchors[i].path), "%s", path);
		return &anchors[i];
	}
	return NULL;
}

static void drop_if_empty(struct anchor *a)
{
	if (a == NULL || a->path[0] == 0) return;
	for (int s = 0; s < 7; s++) if (a->sets[s].active_n || a->sets[s].open) return;
	for (int t = 0; t < 8; t++) if (a->tables[t].active) return;
	if (!a->table_open) a->used = 0;
}

static int set_of(int action)
{
	switch (action) {
	case 0: case 1: return 1;
	case 4: case 5: return 2;
	case 8: case 9: return 4;
	default: return -1;
	}
}

static struct table *table_of(struct anchor *a, const char *name, int make)
{
	if (a == NULL) return NULL;
	for (int i = 0; i < 8; i++) if ((a->tables[i].active || a->tables[i].inactive) && strcmp(a->tables[i].name, name) == 0) return &a->tables[i];
	for (int i = 0; make && i < 8; i++) if (!a->tables[i].active && !a->tables[i].inactive) {
		memset(&a->tables[i], 0, sizeof(a->tables[i]));
		snprintf(a->tables[i].name, 32, "%s", name);
		return &a->tables[i];
	}
	return NULL;
}

static int transaction(int what, unsigned char *arg)
{
	int n = (int)u32(arg);
	unsigned char *array = (unsigned char *)u64(arg + 8);
	if (u32(arg + 4) != TRANS_E) return fail(E_NODEV);
	for (int i = 0; i < n; i++) {
		unsigned char *e = array + i * TRANS_E;
		int set = (int)u32(e);
		struct anchor *a = find((char *)e + 4, what == 0);
		if (what == 0) {
			if (set == 6) { a->table_open = 1; put32(e + 1028, ++a->table_t); continue; }
			a->sets[set].inactive_n = 0;
			a->sets[set].open = 1;
			put32(e + 1028, ++a->sets[set].inactive_t);
		} else if (what == 1) {
			if (a == NULL) return fail(E_INVAL);
			if (set == 6 ? !a->table_open || a->table_t != u32(e + 1028) : !a->sets[set].open || a->sets[set].inactive_t != u32(e + 1028)) return fail(E_BUSY);
		}
	}
	if (what == 1 && busy > 0) { busy--; return fail(E_BUSY); }
	for (int i = 0; what != 0 && i < n; i++) {
		unsigned char *e = array + i * TRANS_E;
		int set = (int)u32(e);
		struct anchor *a = find((char *)e + 4, 0);
		if (a == NULL) continue;
		for (int t = 0; set == 6 && t < 8; t++) if (a->tables[t].inactive) {
			if (what == 1) { a->tables[t].active = 1; memcpy(a->tables[t].addr, a->tables[t].next, sizeof(a->tables[t].addr)); a->tables[t].n = a->tables[t].next_n; }
			a->tables[t].inactive = 0;
		}
		if (set == 6) a->table_open = 0;
		else {
			if (what == 1) { memcpy(a->sets[set].active, a->sets[set].inactive, sizeof(a->sets[set].active)); a->sets[set].active_n = a->sets[set].inactive_n; a->sets[set].active_t++; }
			a->sets[set].open = 0;
		}
	}
	for (int i = 0; what != 0 && i < n; i++) drop_if_empty(find((char *)array + i * TRANS_E + 4, 0));
	if (what == 1) commits++;
	return 0;
}

static int take_rule(struct rule *into, const unsigned char *arg)
{
	const unsigned char *body = arg + 2064;
	int translates = body[904] == 4 || body[904] == 8;
	if (u32(arg + 8) != pool_ticket) return fail(E_BUSY);
	if (translates && arg[1040] == 0 && pool_n == 0) return fail(E_INVAL);
	memcpy(into->body, body, RULE);
	memcpy(into->call, arg + 1040, 1024);
	into->pool = pool_n;
	pool_n = 0;
	return 0;
}

static int add_rule(unsigned char *arg)
{
	struct anchor *a = find((char *)arg + 16, 0);
	int set = set_of(arg[2064 + 904]);
	struct rule rule;
	if (a == NULL || set < 0) return fail(E_INVAL);
	struct ruleset *s = &a->sets[set];
	if (!s->open || s->inactive_t != u32(arg + 4)) return fail(E_BUSY);
	if (take_rule(&rule, arg) != 0) return -1;
	for (int i = 0; i < s->inactive_n; i++) if (memcmp(s->inactive[i].body, rule.body, RULE) == 0 && strcmp(s->inactive[i].call, rule.call) == 0) return fail(E_EXIST);
	s->inactive[s->inactive_n++] = rule;
	return 0;
}

static int get_rules(unsigned char *arg)
{
	struct anchor *a = find((char *)arg + 16, 0);
	int set = set_of(arg[2064 + 904]);
	if (a == NULL || set < 0) return fail(E_INVAL);
	put32(arg + 4, a->sets[set].active_t);
	put32(arg + 12, (uint32_t)a->sets[set].active_n);
	return 0;
}

static int get_rule(unsigned char *arg)
{
	struct anchor *a = find((char *)arg + 16, 0);
	int set = set_of(arg[2064 + 904]);
	if (a == NULL || set < 0) return fail(E_INVAL);
	struct ruleset *s = &a->sets[set];
	if (u32(arg + 4) != s->active_t || (int)u32(arg + 12) >= s->active_n) return fail(E_BUSY);
	memcpy(arg + 2064, s->active[u32(arg + 12)].body, RULE);
	memcpy(arg + 1040, s->active[u32(arg + 12)].call, 1024);
	return 0;
}

static int change_rule(unsigned char *arg)
{
	struct ruleset *s = &find("", 0)->sets[set_of(arg[2064 + 904])];
	struct rule rule;
	int at = (int)u32(arg + 12);
	switch (u32(arg)) {
	case 6: put32(arg + 4, ++s->active_t); return 0;
	case 1:
		if (u32(arg + 4) != s->active_t) return fail(E_INVAL);
		if (take_rule(&rule, arg) != 0) return -1;
		memmove(&s->active[1], &s->active[0], sizeof(rule) * (size_t)s->active_n++);
		s->active[0] = rule;
		s->active_t++;
		return 0;
	case 5:
		if (u32(arg + 4) != s->active_t || at >= s->active_n) return fail(E_INVAL);
		memmove(&s->active[at], &s->active[at + 1], sizeof(rule) * (size_t)(--s->active_n - at));
		s->active_t++;
		return 0;
	default: return fail(E_INVAL);
	}
}

static int tables(int what, unsigned char *arg)
{
	struct anchor *a = find((char *)arg, what == 77);
	unsigned char *buffer = (unsigned char *)u64(arg + 1064);
	int esize = (int)u32(arg + 1072), size = (int)u32(arg + 1076);
	struct table *t;
	if (what == 60) {
		if (esize != 0) return fail(E_NODEV);
		for (int i = 0; a != NULL && i < 8; i++) a->tables[i].active = 0;
		drop_if_empty(a);
		return 0;
	}
	if (what == 61) {
		if (esize != TABLE) return fail(E_NODEV);
		for (int i = 0; i < size; i++) {
			t = table_of(find((char *)buffer + i * TABLE, 1), (char *)buffer + i * TABLE + 1024, 1);
			if (!(u32(buffer + i * TABLE + 1056) & 1)) return fail(E_INVAL);
			t->active = 1;
		}
		return 0;
	}
	if (what == 63) {
		int n = 0;
		if (esize != TABLE) return fail(E_NODEV);
		for (int i = 0; a != NULL && i < 8; i++) if (a->tables[i].active) {
			if (n < size) { memset(buffer + n * TABLE, 0, TABLE); memcpy(buffer + n * TABLE + 1024, a->tables[i].name, 32); put32(buffer + n * TABLE + 1056, 5); }
			n++;
		}
		put32(arg + 1076, (uint32_t)n);
		return 0;
	}
	if (esize != ADDR) return fail(E_NODEV);
	t = table_of(a, (char *)arg + 1024, what == 77);
	if (what == 77) {
		if (!a->table_open || a->table_t != u32(arg + 1100)) return fail(E_BUSY);
		t->inactive = 1;
		t->next_n = size;
		if (size > 0) memcpy(t->next, buffer, (size_t)size * ADDR);
		return 0;
	}
	if (t == NULL || !t->active) return fail(E_SRCH);
	if (what == 70) {
		if (t->n <= size) memcpy(buffer, t->addr, (size_t)t->n * ADDR);
		put32(arg + 1076, (uint32_t)t->n);
		return 0;
	}
	if (what == 69) t->n = 0;
	for (int i = 0; i < size; i++) {
		int at = 0;
		while (at < t->n && memcmp(t->addr[at], buffer + i * ADDR, ADDR) != 0) at++;
		if (what == 68 && at < t->n) memmove(t->addr[at], t->addr[at + 1], (size_t)(--t->n - at) * ADDR);
		if (what != 68 && at == t->n) memcpy(t->addr[t->n++], buffer + i * ADDR, ADDR);
	}
	return 0;
}

/* Children of a path, in their order. */
static int children(const char *path, int index, char *name)
{
	size_t length = strlen(path);
	int n = 0;
	for (int i = 0; i < 16; i++) {
		const char *own = anchors[i].path;
		if (!anchors[i].used || strncmp(own, path, length) != 0 || own[length] != '/' || strchr(own + length + 1, '/') != NULL) continue;
		if (n++ == index && name != NULL) snprintf(name, 64, "%s", own + length + 1);
	}
	return n;
}

/* Name-value lists, flat ones to write, any to search. */
static unsigned char *pair(unsigned char *at, int type, const char *name, const void *data, uint64_t size)
{
	uint16_t name_size = (uint16_t)(strlen(name) + 1);
	*at = (unsigned char)type;
	memcpy(at + 1, &name_size, 2);
	memcpy(at + 3, &size, 8);
	memset(at + 11, 0, 8);
	memcpy(at + 19, name, name_size);
	memcpy(at + 19 + name_size, data, size);
	return at + 19 + name_size + size;
}

static const unsigned char *search(const unsigned char *from, uint64_t length, const char *name)
{
	size_t size = strlen(name) + 1;
	for (uint64_t i = 19; i + size <= length; i++) if (memcmp(from + i, name, size) == 0) return from + i + size;
	return NULL;
}

static int finish(unsigned char *arg, unsigned char *out, unsigned char *end)
{
	uint64_t size = (uint64_t)(end - out) - 19, whole = size + 19;
	memset(out, 0, 19);
	out[0] = 0x6c;
	memcpy(out + 11, &size, 8);
	if (u64(arg + 16) < whole) return fail(E_NOSPC);
	memcpy((void *)u64(arg), out, whole);
	memcpy(arg + 8, &whole, 8);
	return 0;
}

static int get_rule_nv(unsigned char *arg)
{
	static unsigned char out[8192];
	const unsigned char *in = (unsigned char *)u64(arg);
	uint64_t length = u64(arg + 8), zero = 0, action;
	if (in[0] != 0x6c || u64(in + 11) != length - 19) return fail(E_INVAL);
	struct anchor *a = find((const char *)search(in, length, "anchor"), 0);
	int set = set_of((int)u64(search(in, length, "ruleset")));
	int nr = (int)u64(search(in, length, "nr"));
	if (a == NULL || set < 0) return fail(E_NOENT);
	if (u64(search(in, length, "ticket")) != a->sets[set].active_t || nr >= a->sets[set].active_n) return fail(E_BUSY);
	struct rule *rule = &a->sets[set].active[nr];
	unsigned char *at = out + 19, *nested, *inner;
	action = rule->body[904];
	nested = at;
	at = pair(at, 5, "rule", "", 0);
	inner = at;
	memset(inner, 0, 19);
	inner[0] = 0x6c;
	at = pair(at + 19, 3, "action", &action, 8);
	at = pair(at, 4, "label", rule->body + 176, strlen((char *)rule->body + 176) + 1);
	zero = (uint64_t)(at - inner);
	memcpy(nested + 3, &zero, 8);
	at = pair(at, 255, "", "", 0);
	at = pair(at, 4, "anchor_call", rule->call, strlen(rule->call) + 1);
	zero = (uint64_t)(at - inner) - 19;
	memcpy(inner + 11, &zero, 8);
	return finish(arg, out, at);
}

static int kill_state(uint64_t id, uint32_t creator)
{
	for (int i = 0; i < states_n; i++) if (u64(states[i]) == id && u32(states[i] + 228) == creator) {
		memmove(states[i], states[i + 1], (size_t)(--states_n - i) * STATE);
		return 0;
	}
	return 0;
}

int open(const char *path, int flags, ...)
{
	if (strcmp(path, "/dev/pf") != 0 || (flags & 3) != 2) return fail(E_NOENT);
	opened++;
	return 9;
}

int close(int fd) { if (fd != 9) return fail(E_BADF); opened--; return 0; }

int ioctl(int fd, unsigned long request, ...)
{
	static unsigned char out[8192];
	va_list list;
	va_start(list, request);
	unsigned char *arg = va_arg(list, unsigned char *);
	va_end(list);
	if (fd != 9) return fail(E_BADF);
	if (release >= 15) switch (request) {
	case 0xcbe04407UL: case 0xc1a04415UL: case 0xc0e04429UL: return fail(E_NODEV);
	case 0xc0184407UL: return get_rule_nv(arg);
	case 0xc0184415UL: { unsigned char on = (unsigned char)running; return finish(arg, out, pair(out + 19, 2, "running", &on, 1)); }
	case 0xc0184429UL: {
		const unsigned char *in = (unsigned char *)u64(arg);
		uint64_t length = u64(arg + 8), killed = 1;
		const unsigned char *cmp = search(in, length, "cmp");
		uint64_t id = u64(search(cmp, length, "id"));
		const unsigned char *source = search(search(search(in, length, "src"), length, "addr"), length, "addr");
		source = search(source, length, "addr");
		if (id != 0) kill_state(id, (uint32_t)u64(search(cmp, length, "creatorid")));
		for (int i = states_n - 1; id == 0 && i >= 0; i--)
			if (u32(source) != 0 && memcmp(states[i] + 24, source, 4) == 0) kill_state(u64(states[i]), u32(states[i] + 228));
		return finish(arg, out, pair(out + 19, 3, "killed", &killed, 8));
	}
	default: break;
	}
	switch (request) {
	case 0x20004401UL: if (running) return fail(E_EXIST); running = 1; return 0;
	case 0x20004402UL: if (!running) return fail(E_NOENT); running = 0; return 0;
	case 0xc1a04415UL: put32(arg + 360, (uint32_t)running); return 0;
	case 0xc4704433UL: pool_n = 0; put32(arg + 4, ++pool_ticket); return 0;
	case 0xc4704434UL: if (u32(arg + 4) != pool_ticket || (arg[18] != 2 && arg[18] != 28)) return fail(E_BUSY); pool_n++; return 0;
	case 0xcbe04404UL: return add_rule(arg);
	case 0xcbe04406UL: return get_rules(arg);
	case 0xcbe04407UL: return get_rule(arg);
	case 0xcbe0441aUL: return change_rule(arg);
	case 0xc444443aUL: if (children((char *)arg + 4, -1, NULL) == 0 && find((char *)arg + 4, 0) == NULL) return fail(E_NOENT); put32(arg, (uint32_t)children((char *)arg + 4, -1, NULL)); return 0;
	case 0xc444443bUL: if (children((char *)arg + 4, (int)u32(arg), (char *)arg + 1028) <= (int)u32(arg)) return fail(E_BUSY); return 0;
	case 0xc0104451UL: return transaction(0, arg);
	case 0xc0104452UL: return transaction(1, arg);
	case 0xc0104453UL: return transaction(2, arg);
	case 0xc028445aUL: cleared_flags |= (int)u32(arg + 36); return 0;
	case 0xc0e04429UL: return kill_state(u64(arg), u32(arg + 8));
	case 0xc0104419UL:
		if (!listing) return fail(E_NODEV);
		if (u32(arg) != 0) memcpy((void *)u64(arg + 8), states, (size_t)states_n * STATE);
		put32(arg, (uint32_t)(states_n * STATE));
		return 0;
	default: break;
	}
	if ((request >> 16) == 0xc450) return tables((int)(request & 0xff), arg);
	return fail(E_NODEV);
}
