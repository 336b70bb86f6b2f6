/*
 * Moves bytes over TCP. Linked statically, so that it runs in any container.
 * tcp serve ADDRESS PORT                        answers both kinds of client, for ever
 * tcp throughput ADDRESS PORT SECONDS           prints bytes per second
 * tcp latency ADDRESS PORT COUNT                prints the median round trip of one byte, in nanoseconds
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "floor.h"

enum { CHUNK = 128 * 1024 };
static char buffer[CHUNK];

static void answer_client(int fd)
{
	char kind;
	if (read(fd, &kind, 1) != 1) return;
	if (kind == 't') while (read(fd, buffer, sizeof buffer) > 0) continue;
	else while (read(fd, buffer, 1) == 1) if (write(fd, buffer, 1) != 1) return;
}

static int serve(struct sockaddr_in *address)
{
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (void *)address, sizeof *address) < 0 || listen(listener, 16) < 0) die("listen");
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0) die("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (fork() == 0) { answer_client(fd); _exit(0); }
		close(fd);
	}
}

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	if (argc < 4) return 2;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3])) };
	if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1) return 2;
	if (strcmp(argv[1], "serve") == 0) return serve(&address);
	double amount = argc > 4 ? atof(argv[4]) : 0;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (void *)&address, sizeof address) < 0) die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (write(fd, argv[1], 1) != 1) die("write");
	if (strcmp(argv[1], "throughput") == 0) {
		uint64_t sent = 0, start = now(), end = start + (uint64_t)(amount * 1e9);
		while (now() < end) {
			ssize_t written = write(fd, buffer, sizeof buffer);
			if (written < 0) die("write");
			sent += (uint64_t)written;
		}
		answer((double)sent * 1e9 / (double)(now() - start));
		return 0;
	}
	size_t count = (size_t)amount;
	uint64_t *times = calloc(count, sizeof *times);
	for (size_t i = 0; i < count; i++) {
		uint64_t start = now();
		if (write(fd, buffer, 1) != 1 || read(fd, buffer, 1) != 1) die("round trip");
		times[i] = now() - start;
	}
	qsort(times, count, sizeof *times, order);
	answer((double)times[count / 2]);
	return 0;
}
