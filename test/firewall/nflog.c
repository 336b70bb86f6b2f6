/* Prints the prefix and the network header's version of what arrives at a group of nfnetlink_log, a line each. */
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr header;
	struct nfgenmsg group;
	struct nlattr attribute;
	unsigned char value[8];
};

static void ask(int fd, int group, int type, const void *value, int length)
{
	struct request request = { 0 };

	request.header.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)) + NLA_HDRLEN + NLA_ALIGN(length);
	request.header.nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	request.header.nlmsg_flags = NLM_F_REQUEST;
	request.group.res_id = htons(group);
	request.attribute.nla_type = type;
	request.attribute.nla_len = NLA_HDRLEN + length;
	memcpy(request.value, value, length);
	if (send(fd, &request, request.header.nlmsg_len, 0) < 0) {
		perror("send");
		exit(1);
	}
}

static void show(const struct nlmsghdr *header)
{
	const char *prefix = "";
	int version = 0, left = header->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg));
	const char *at = (const char *)NLMSG_DATA(header) + NLMSG_ALIGN(sizeof(struct nfgenmsg));

	while (left >= NLA_HDRLEN) {
		const struct nlattr *attribute = (const struct nlattr *)at;
		if (attribute->nla_type == NFULA_PREFIX)
			prefix = at + NLA_HDRLEN;
		if (attribute->nla_type == NFULA_PAYLOAD)
			version = (unsigned char)at[NLA_HDRLEN] >> 4;
		at += NLA_ALIGN(attribute->nla_len);
		left -= NLA_ALIGN(attribute->nla_len);
	}
	printf("%sIPv%d\n", prefix, version);
	fflush(stdout);
}

int main(int count, char **words)
{
	static char bytes[1 << 16];
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER), group = count > 1 ? atoi(words[1]) : 0;
	struct nfulnl_msg_config_cmd bind = { .command = NFULNL_CFG_CMD_BIND };
	struct nfulnl_msg_config_mode mode = { .copy_range = htonl(64), .copy_mode = NFULNL_COPY_PACKET };
	unsigned int one = htonl(1);

	ask(fd, group, NFULA_CFG_CMD, &bind, sizeof bind);
	ask(fd, group, NFULA_CFG_MODE, &mode, 6);
	ask(fd, group, NFULA_CFG_QTHRESH, &one, sizeof one);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int length = recv(fd, bytes, sizeof bytes, 0);
		if (length < 0)
			continue;
		for (struct nlmsghdr *header = (struct nlmsghdr *)bytes; NLMSG_OK(header, length);
		     header = NLMSG_NEXT(header, length))
			if (header->nlmsg_type == (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
				show(header);
	}
}
