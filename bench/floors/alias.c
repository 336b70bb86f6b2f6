/*
 * Floor of `address.addAddresses` and `removeAddresses`: the same rtnetlink messages, built and sent from C.
 * alias IFINDEX; commands: "add N" and "del N" (one request and one ACK each), "batchadd N" and "batchdel N" (one ACK
 * for each send of up to 64 KiB). Addresses are 10.200.0.1/32 and up.
 */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "floor.h"

struct message {
	struct nlmsghdr header;
	struct ifaddrmsg body;
	struct rtattr local_attr;
	uint32_t local;
	struct rtattr address_attr;
	uint32_t address;
};

enum { PER_SEND = 64 * 1024 / sizeof(struct message) };

static int fd;
static unsigned ifindex, sequence;
static struct message messages[PER_SEND];
static char reply[64 * 1024];

static void fill(struct message *m, int add, unsigned number, int ack)
{
	memset(m, 0, sizeof *m);
	m->header = (struct nlmsghdr){ sizeof *m, add ? RTM_NEWADDR : RTM_DELADDR,
		NLM_F_REQUEST | (ack ? NLM_F_ACK : 0) | (add ? NLM_F_CREATE | NLM_F_EXCL : 0), ++sequence, 0 };
	m->body = (struct ifaddrmsg){ AF_INET, 32, 0, 0, ifindex };
	m->local_attr = (struct rtattr){ 8, IFA_LOCAL };
	m->address_attr = (struct rtattr){ 8, IFA_ADDRESS };
	m->local = m->address = htonl(0x0ac80001u + number);
}

static void exchange(unsigned count)
{
	if (send(fd, messages, count * sizeof *messages, 0) < 0) die("send");
	for (;;) {
		ssize_t length = recv(fd, reply, sizeof reply, 0);
		if (length < 0) die("recv");
		for (struct nlmsghdr *h = (void *)reply; NLMSG_OK(h, length); h = NLMSG_NEXT(h, length)) {
			if (h->nlmsg_type != NLMSG_ERROR) continue;
			errno = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (errno != 0) die("rtnetlink");
			if (h->nlmsg_seq == sequence) return;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int on = 1, buffer = 1 << 20;
	char command[16];
	unsigned count;

	if (argc != 2) return 2;
	ifindex = (unsigned)atoi(argv[1]);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || connect(fd, (void *)&kernel, sizeof kernel) < 0) die("netlink");
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
	while (scanf("%15s %u", command, &count) == 2) {
		int batch = strncmp(command, "batch", 5) == 0, add = strstr(command, "add") != NULL;
		unsigned step = batch ? PER_SEND : 1;
		uint64_t start = now();
		for (unsigned at = 0; at < count; at += step) {
			unsigned part = count - at < step ? count - at : step;
			for (unsigned i = 0; i < part; i++) fill(&messages[i], add, at + i, i + 1 == part);
			exchange(part);
		}
		answer((double)(now() - start));
	}
	return 0;
}
