/*
 * Tries what a process in a container must not do, each in a process of its own. Prints a line for each: group, what was
 * tried, and "allowed", the errno's name, or the signal that ended it, with tabs between.
 *
 *   probes HOST HOST6 OTHER OTHER6 INTERFACE MARKER LISTENER MARK
 *   probes serve LISTENER
 *
 * Addresses and an interface that are not the container's, a file of the host, an abstract unix socket of the host, and
 * the mark of another container's raw sockets. The second form is what listens there, as a datagram and a packet socket,
 * until it is killed; what listens for streams is the test itself.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/tiocl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 4711, PATIENCE_S = 5, CROWD_S = 60, NAMESPACE_FLAGS = 8 };

static const char *group;
static char *host, *host6, *other, *other6, *interface, *marker, *listener;
static unsigned mark;

static void report(const char *what, int status) {
    printf("%s\t%s\t", group, what);
    if (WIFSIGNALED(status)) printf("SIG%s\n", sigabbrev_np(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 0) printf("allowed\n");
    else printf("%s\n", strerrorname_np(WEXITSTATUS(status)));
}

/* Ends the child: with 0 when the call was allowed, else with its errno. */
static void end(long result) { _exit(result == -1 ? errno : 0); }

#define TRY(what, ...)                                                                                                 \
    do {                                                                                                               \
        fflush(stdout);                                                                                                \
        pid_t child = fork();                                                                                          \
        if (child == 0) {                                                                                              \
            alarm(PATIENCE_S);                                                                                         \
            errno = 0;                                                                                                 \
            __VA_ARGS__;                                                                                               \
            _exit(0);                                                                                                  \
        }                                                                                                              \
        int status;                                                                                                    \
        waitpid(child, &status, 0);                                                                                    \
        report(what, status);                                                                                          \
    } while (0)

#define CALL(what, call) TRY(what, end(call))
#define SYSCALL(name, ...) CALL(#name, syscall(SYS_##name, ##__VA_ARGS__))

static int new(int domain, int type, int protocol) {
    int fd = socket(domain, type, protocol);
    if (fd == -1) end(-1);
    return fd;
}

static socklen_t address(const char *text, int port, struct sockaddr_storage *out) {
    struct sockaddr_in *in = (void *)out;
    struct sockaddr_in6 *in6 = (void *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        return sizeof *in;
    }
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1) _exit(EDESTADDRREQ);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    return sizeof *in6;
}

static int bindTo(int fd, const char *text) {
    struct sockaddr_storage to;
    socklen_t length = address(text, PORT, &to);
    return bind(fd, (void *)&to, length);
}

static long bindNew(int domain, int type, const char *text) { return bindTo(new(domain, type, 0), text); }

static long sendFrom(int domain, const char *source, const char *destination) {
    struct sockaddr_storage to, from;
    char control[128] = {0};
    struct iovec data = {.iov_base = "x", .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_name = &to, .msg_control = control};
    int fd = new(domain, SOCK_DGRAM, 0);
    message.msg_namelen = address(destination, PORT, &to);
    address(source, 0, &from);
    struct cmsghdr *header = (void *)control;
    if (domain == AF_INET) {
        struct in_pktinfo info = {.ipi_spec_dst = ((struct sockaddr_in *)&from)->sin_addr};
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(header), &info, sizeof info);
        message.msg_controllen = CMSG_SPACE(sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_addr = ((struct sockaddr_in6 *)&from)->sin6_addr};
        header->cmsg_level = IPPROTO_IPV6;
        header->cmsg_type = IPV6_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(header), &info, sizeof info);
        message.msg_controllen = CMSG_SPACE(sizeof info);
    }
    return sendmsg(fd, &message, 0);
}

static long connectTo(int domain, int type, const char *text) {
    struct sockaddr_storage to;
    socklen_t length = address(text, PORT, &to);
    return connect(new(domain, type, 0), (void *)&to, length);
}

static long fastOpen(const char *text) {
    struct sockaddr_storage to;
    socklen_t length = address(text, PORT, &to);
    return sendto(new(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_FASTOPEN, (void *)&to, length);
}

static long optionOf(int domain, int level, int name, const void *value, socklen_t length) {
    return setsockopt(new(domain, SOCK_STREAM, 0), level, name, value, length);
}

static long numberOption(int domain, int level, int name, int value) {
    return optionOf(domain, level, name, &value, sizeof value);
}

static long bindWithOption(int domain, int level, int name, const char *text) {
    int fd = new(domain, SOCK_STREAM, 0), on = 1;
    if (setsockopt(fd, level, name, &on, sizeof on)) return -1;
    return bindTo(fd, text);
}

static void addresses(void) {
    char mapped[64];
    snprintf(mapped, sizeof mapped, "::ffff:%s", host);
    group = "addresses";
    CALL("bind TCP to the host's address", bindNew(AF_INET, SOCK_STREAM, host));
    CALL("bind UDP to the host's address", bindNew(AF_INET, SOCK_DGRAM, host));
    CALL("bind TCP to the host's IPv6 address", bindNew(AF_INET6, SOCK_STREAM, host6));
    CALL("bind UDP to the host's IPv6 address", bindNew(AF_INET6, SOCK_DGRAM, host6));
    CALL("bind TCP to another container's address", bindNew(AF_INET, SOCK_STREAM, other));
    CALL("bind UDP to another container's address", bindNew(AF_INET, SOCK_DGRAM, other));
    CALL("bind TCP to another container's IPv6 address", bindNew(AF_INET6, SOCK_STREAM, other6));
    CALL("bind to the host's address, mapped into IPv6", bindNew(AF_INET6, SOCK_STREAM, mapped));
    CALL("bind to 127.0.0.2", bindNew(AF_INET, SOCK_STREAM, "127.0.0.2"));
    CALL("bind UDP to a multicast address", bindNew(AF_INET, SOCK_DGRAM, "224.0.0.1"));
    CALL("bind UDP to the broadcast address", bindNew(AF_INET, SOCK_DGRAM, "255.255.255.255"));
    CALL("bind to the host's address with IP_FREEBIND", bindWithOption(AF_INET, IPPROTO_IP, IP_FREEBIND, host));
    CALL("bind to an address of nobody with IP_FREEBIND", bindWithOption(AF_INET, IPPROTO_IP, IP_FREEBIND, "198.51.100.1"));
    CALL("bind to the host's address with IPV6_FREEBIND", bindWithOption(AF_INET6, IPPROTO_IPV6, IPV6_FREEBIND, host6));
    CALL("bind to the host's address with IP_BIND_ADDRESS_NO_PORT",
         bindWithOption(AF_INET, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, host));
    CALL("bind to the host's address with SO_REUSEPORT", bindWithOption(AF_INET, SOL_SOCKET, SO_REUSEPORT, host));
    TRY("bind to the host's address from a process two forks on", if (!fork()) end(bindNew(AF_INET, SOCK_STREAM, host));
        int status; wait(&status); _exit(WEXITSTATUS(status)));
    CALL("send from the host's address, IP_PKTINFO", sendFrom(AF_INET, host, other));
    CALL("send from another container's address, IP_PKTINFO", sendFrom(AF_INET, other, host));
    CALL("send from 127.0.0.1, IP_PKTINFO", sendFrom(AF_INET, "127.0.0.1", host));
    CALL("send from the host's IPv6 address, IPV6_PKTINFO", sendFrom(AF_INET6, host6, other6));
    CALL("connect TCP to 127.0.0.2", connectTo(AF_INET, SOCK_STREAM, "127.0.0.2"));
    CALL("connect UDP to 127.0.0.53", connectTo(AF_INET, SOCK_DGRAM, "127.0.0.53"));
    CALL("connect to 127.0.0.2, mapped into IPv6", connectTo(AF_INET6, SOCK_STREAM, "::ffff:127.0.0.2"));
    CALL("TCP fast open to 127.0.0.2", fastOpen("127.0.0.2"));
    CALL("setsockopt IP_TRANSPARENT", numberOption(AF_INET, IPPROTO_IP, IP_TRANSPARENT, 1));
    CALL("setsockopt IPV6_TRANSPARENT", numberOption(AF_INET6, IPPROTO_IPV6, IPV6_TRANSPARENT, 1));
    CALL("setsockopt SO_MARK", numberOption(AF_INET, SOL_SOCKET, SO_MARK, 1));
    CALL("setsockopt SO_BINDTODEVICE", optionOf(AF_INET, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface) + 1));
    CALL("setsockopt SO_BINDTOIFINDEX", numberOption(AF_INET, SOL_SOCKET, SO_BINDTOIFINDEX, 1));
    CALL("setsockopt SO_PRIORITY 7", numberOption(AF_INET, SOL_SOCKET, SO_PRIORITY, 7));
    CALL("setsockopt SO_RCVBUFFORCE", numberOption(AF_INET, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20));
    CALL("setsockopt SO_DEBUG", numberOption(AF_INET, SOL_SOCKET, SO_DEBUG, 1));
    CALL("setsockopt TCP_REPAIR", numberOption(AF_INET, IPPROTO_TCP, TCP_REPAIR, 1));
}

/* One datagram of UDP with a header of its own for IPv4, to port PORT; a mark by a control message, unless it is -1. */
static long rawSend(const char *source, const char *destination, long marked) {
    struct {
        struct iphdr ip;
        struct udphdr udp;
        char data[4];
    } packet = {.ip = {.ihl = 5, .version = 4, .ttl = 64, .protocol = IPPROTO_UDP}, .data = "raw"};
    struct sockaddr_storage to, from;
    int is6 = strchr(destination, ':') != NULL;
    int fd = new(is6 ? AF_INET6 : AF_INET, SOCK_RAW, is6 ? IPPROTO_UDP : IPPROTO_RAW);
    char control[64] = {0};
    struct msghdr message = {.msg_iov = &(struct iovec){&packet, sizeof packet}, .msg_iovlen = 1, .msg_name = &to};
    message.msg_namelen = address(destination, 0, &to);
    address(source, 0, &from);
    packet.udp = (struct udphdr){.source = htons(PORT), .dest = htons(PORT), .len = htons(sizeof packet - sizeof packet.ip)};
    if (is6) *message.msg_iov = (struct iovec){&packet.udp, sizeof packet - sizeof packet.ip};
    else {
        packet.ip.saddr = ((struct sockaddr_in *)&from)->sin_addr.s_addr;
        packet.ip.daddr = ((struct sockaddr_in *)&to)->sin_addr.s_addr;
    }
    if (marked >= 0) {
        struct cmsghdr *header = (void *)control;
        *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SO_MARK};
        memcpy(CMSG_DATA(header), &(unsigned){marked}, 4);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(4);
    }
    return sendmsg(fd, &message, 0);
}

/* A datagram with a mark by a control message. */
static long sendMarked(int domain, const char *destination, unsigned marked) {
    struct sockaddr_storage to;
    char control[64] = {0};
    struct msghdr message = {.msg_iov = &(struct iovec){"raw", 4}, .msg_iovlen = 1, .msg_name = &to, .msg_control = control};
    struct cmsghdr *header = (void *)control;
    int fd = new(domain, SOCK_DGRAM, 0);
    message.msg_namelen = address(destination, PORT, &to);
    message.msg_controllen = CMSG_SPACE(4);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SO_MARK};
    memcpy(CMSG_DATA(header), &marked, 4);
    return sendmsg(fd, &message, 0);
}

/* The name may be as long as it is, or have the NULs behind it that fill the address. */
static long connectAbstract(int other) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct ucred peer;
    socklen_t size = sizeof peer;
    int fd = new(AF_UNIX, SOCK_STREAM, 0);
    if (!other) {
        /* What a server of the host would see of this process: both ends are its own here. */
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size)) return -1;
        errno = EPERM;
        return peer.uid == 0 ? 0 : -1;
    }
    strncpy(to.sun_path + 1, listener, sizeof to.sun_path - 2);
    if (connect(fd, (void *)&to, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(listener)) == 0) return 0;
    return connect(fd, (void *)&to, sizeof to);
}

static socklen_t abstractName(const char *name, struct sockaddr_un *to) {
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    strncpy(to->sun_path + 1, name, sizeof to->sun_path - 2);
    return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

/* With a socket of this type, by connect or sendto. */
static long reachAbstract(int type, int connecting, const char *name) {
    struct sockaddr_un to;
    socklen_t length = abstractName(name, &to);
    int fd = new(AF_UNIX, type, 0);
    return connecting ? connect(fd, (void *)&to, length) : sendto(fd, "x", 1, 0, (void *)&to, length);
}

/* Binds a name without a file, and reaches it. */
static long reachOwn(int reaching) {
    struct sockaddr_un to;
    socklen_t length = abstractName("klee-probe", &to);
    int fd = new(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (void *)&to, length) || listen(fd, 1)) return -1;
    return reaching ? reachAbstract(SOCK_STREAM, 1, "klee-probe") : 0;
}

static int serve(const char *name) {
    struct sockaddr_un to;
    socklen_t length = abstractName(name, &to);
    int datagrams = socket(AF_UNIX, SOCK_DGRAM, 0), packets = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (bind(datagrams, (void *)&to, length) || bind(packets, (void *)&to, length) || listen(packets, 100)) return 1;
    puts("ready");
    fflush(stdout);
    return pause();
}

/* A pair of a pseudo terminal's two ends. */
static void openTerminal(int ends[2]) {
    int unlocked = 0;
    ends[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (ends[0] == -1 || ioctl(ends[0], TIOCSPTLCK, &unlocked)) end(-1);
    ends[1] = ioctl(ends[0], TIOCGPTPEER, O_RDWR | O_NOCTTY);
    if (ends[1] == -1) end(-1);
}

/* Takes a terminal that is another session's. */
static long stealTerminal(void) {
    int ends[2], done[2];
    char byte;
    openTerminal(ends);
    if (pipe(done)) return -1;
    if (!fork()) {
        alarm(PATIENCE_S);
        setsid();
        if (ioctl(ends[1], TIOCSCTTY, 0)) _exit(1);
        write(done[1], "x", 1);
        pause();
    }
    read(done[0], &byte, 1);
    setsid();
    return ioctl(ends[1], TIOCSCTTY, 1);
}

static long terminalRequest(unsigned long request, void *argument) {
    int ends[2];
    openTerminal(ends);
    setsid();
    if (ioctl(ends[1], TIOCSCTTY, 0)) return -1;
    return ioctl(ends[1], request, argument);
}

/* More than a container may have, fewer than the host has. */
static long takeTerminals(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < 1000; i++) if (open("/dev/ptmx", O_RDWR | O_NOCTTY) == -1) return -1;
    return 0;
}

static void terminals(void) {
    group = "terminals";
    CALL("take another session's terminal, TIOCSCTTY", stealTerminal());
    CALL("type at a terminal of its own, TIOCSTI", terminalRequest(TIOCSTI, "x"));
    CALL("take the console's output, TIOCCONS", terminalRequest(TIOCCONS, NULL));
    CALL("hang up a terminal for all, TIOCVHANGUP", terminalRequest(0x5437, NULL));
    CALL("open the terminal that it has not, /dev/tty", open("/dev/tty", O_RDWR));
    CALL("open /dev/console", open("/dev/console", O_RDWR | O_NOCTTY));
    CALL("open /dev/tty0", open("/dev/tty0", O_RDWR | O_NOCTTY));
    CALL("open /dev/ttyS0", open("/dev/ttyS0", O_RDWR | O_NOCTTY));
    CALL("take all pseudo terminals", takeTerminals());
}

static void packets(void) {
    group = "packets";
    CALL("raw packet from the container's own address", rawSend("0.0.0.0", host, -1));
    CALL("raw packet from the host's address", rawSend(host, host, -1));
    CALL("raw packet from another container's address", rawSend(other, host, -1));
    CALL("raw packet from an address of nobody", rawSend("198.51.100.1", host, -1));
    CALL("raw packet from the host's address, unmarked by a control message", rawSend(host, host, 0));
    CALL("raw packet from another container's address, with its mark", rawSend(other, host, mark));
    CALL("raw packet to the host's 127.0.0.1", rawSend("0.0.0.0", "127.0.0.1", -1));
    CALL("raw packet to the host's 127.0.0.1, from there", rawSend("127.0.0.1", "127.0.0.1", -1));
    CALL("raw packet to the host's 127.0.0.1, unmarked", rawSend("127.0.0.1", "127.0.0.1", 0));
    CALL("raw packet to 127.0.0.53", rawSend("0.0.0.0", "127.0.0.53", -1));
    CALL("raw packet to ::1", rawSend("::", "::1", -1));
    CALL("raw packet to ::1, unmarked", rawSend("::", "::1", 0));
    CALL("datagram with another container's mark", sendMarked(AF_INET, host, mark));
    CALL("IPv6 datagram with another container's mark", sendMarked(AF_INET6, host6, mark));
    CALL("datagram with a mark of nobody", sendMarked(AF_INET, host, 7));
}

/* One option that is a number, of sockets of a kind. */
static long set(int domain, int type, int level, int name, int value) {
    return setsockopt(new(domain, type, 0), level, name, &value, sizeof value);
}

static long join(const char *text) {
    struct sockaddr_storage to;
    address(text, 0, &to);
    int fd = new(to.ss_family, SOCK_DGRAM, 0);
    if (to.ss_family == AF_INET) {
        struct ip_mreqn request = {.imr_multiaddr = ((struct sockaddr_in *)&to)->sin_addr, .imr_ifindex = if_nametoindex(interface)};
        return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
    }
    struct ipv6_mreq request = {((struct sockaddr_in6 *)&to)->sin6_addr, if_nametoindex(interface)};
    return setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request);
}

/* Joins by the options that name the group in a struct sockaddr_storage. */
static long joinOf(const char *text, int name) {
    struct group_source_req request = {.gsr_interface = if_nametoindex(interface)};
    address(text, 0, &request.gsr_group);
    address("192.0.2.1", 0, &request.gsr_source);
    int level = request.gsr_group.ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    if (level == IPPROTO_IPV6) address("2001:db8::1", 0, &request.gsr_source);
    size_t size = name == MCAST_JOIN_GROUP ? sizeof(struct group_req) : sizeof request;
    return setsockopt(new(request.gsr_group.ss_family, SOCK_DGRAM, 0), level, name, &request, size);
}

/* Takes more ports than a container may have. */
static long takeAll(int type) {
    for (int i = 0; i < 10000; i++) {
        struct sockaddr_storage to;
        int fd = socket(AF_INET, type, 0);
        if (fd == -1 || bind(fd, (void *)&to, address("0.0.0.0", 0, &to))) return -1;
    }
    return 0;
}

/* Begins more connections that the kernel tracks than one container may have. */
static long crowd(void) {
    struct sockaddr_storage to;
    int fd = new(AF_INET, SOCK_DGRAM, 0);
    alarm(CROWD_S);
    for (int port = 1; port < 65536; port++)
        if (sendto(fd, "x", 1, 0, (void *)&to, address(other, port, &to)) == -1) return -1;
    return 0;
}

enum { PORT_RANGE = 51 /* IP_LOCAL_PORT_RANGE, linux/in.h */ };

static void sharing(void) {
    group = "what the host's sockets share";
    CALL("setsockopt IP_LOCAL_PORT_RANGE, TCP", set(AF_INET, SOCK_STREAM, IPPROTO_IP, PORT_RANGE, 5000 << 16 | 5000));
    CALL("setsockopt IP_LOCAL_PORT_RANGE, UDP", set(AF_INET, SOCK_DGRAM, IPPROTO_IP, PORT_RANGE, 5000 << 16 | 5000));
    CALL("setsockopt IP_LOCAL_PORT_RANGE, IPv6", set(AF_INET6, SOCK_STREAM, IPPROTO_IP, PORT_RANGE, 5000 << 16 | 5000));
    TRY("take all TCP ports", struct rlimit limit; getrlimit(RLIMIT_NOFILE, &limit); limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); end(takeAll(SOCK_STREAM)));
    TRY("take all UDP ports", struct rlimit limit; getrlimit(RLIMIT_NOFILE, &limit); limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); end(takeAll(SOCK_DGRAM)));
    CALL("fill the kernel's table of connections", crowd());
    CALL("join a group, IP_ADD_MEMBERSHIP", join("239.1.2.3"));
    CALL("join a group, MCAST_JOIN_GROUP", joinOf("239.1.2.3", MCAST_JOIN_GROUP));
    CALL("join a group, MCAST_JOIN_SOURCE_GROUP", joinOf("239.1.2.3", MCAST_JOIN_SOURCE_GROUP));
    CALL("join a group of IPv6, IPV6_JOIN_GROUP", join("ff05::1:3"));
    CALL("join a group of IPv6, MCAST_JOIN_GROUP", joinOf("ff05::1:3", MCAST_JOIN_GROUP));
    CALL("join a group of IPv6, MCAST_JOIN_SOURCE_GROUP", joinOf("ff05::1:3", MCAST_JOIN_SOURCE_GROUP));
}

static void families(void) {
    static const struct {
        const char *name;
        int domain, type, protocol;
    } sockets[] = {
        {"raw ICMP socket", AF_INET, SOCK_RAW, IPPROTO_ICMP},
        {"raw TCP socket", AF_INET, SOCK_RAW, IPPROTO_TCP},
        {"raw IP socket", AF_INET, SOCK_RAW, IPPROTO_RAW},
        {"raw ICMPv6 socket", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6},
        {"ping socket", AF_INET, SOCK_DGRAM, IPPROTO_ICMP},
        {"IPv6 ping socket", AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6},
        {"raw packet socket", AF_PACKET, SOCK_RAW, 0x0300},
        {"packet socket", AF_PACKET, SOCK_DGRAM, 0x0300},
        {"MPTCP socket", AF_INET, SOCK_STREAM, 262},
        {"SCTP socket", AF_INET, SOCK_STREAM, IPPROTO_SCTP},
        {"UDP-Lite socket", AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE},
        {"AF_ALG", AF_ALG, SOCK_SEQPACKET, 0},
        {"AF_VSOCK", AF_VSOCK, SOCK_STREAM, 0},
        {"AF_BLUETOOTH", AF_BLUETOOTH, SOCK_RAW, 1},
        {"AF_CAN", AF_CAN, SOCK_RAW, 1},
        {"AF_KEY", AF_KEY, SOCK_RAW, 2},
        {"AF_RDS", AF_RDS, SOCK_SEQPACKET, 0},
        {"AF_TIPC", AF_TIPC, SOCK_STREAM, 0},
        {"AF_XDP", AF_XDP, SOCK_RAW, 0},
        {"AF_NFC", AF_NFC, SOCK_SEQPACKET, 1},
        {"AF_KCM", AF_KCM, SOCK_DGRAM, 0},
        {"AF_QIPCRTR", AF_QIPCRTR, SOCK_DGRAM, 0},
        {"AF_SMC", AF_SMC, SOCK_STREAM, 0},
        {"AF_AX25", AF_AX25, SOCK_SEQPACKET, 0},
        {"AF_PHONET", AF_PHONET, SOCK_DGRAM, 0},
        {"AF_IEEE802154", AF_IEEE802154, SOCK_RAW, 0},
        {"netlink: netfilter", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER},
        {"netlink: audit", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT},
        {"netlink: IPsec", AF_NETLINK, SOCK_RAW, NETLINK_XFRM},
        {"netlink: kernel events", AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT},
        {"netlink: generic", AF_NETLINK, SOCK_RAW, NETLINK_GENERIC},
        {"netlink: all sockets of the host", AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG},
        {"netlink: processes of the host", AF_NETLINK, SOCK_RAW, NETLINK_CONNECTOR},
        {"netlink: SCSI", AF_NETLINK, SOCK_RAW, NETLINK_SCSITRANSPORT},
    };
    group = "sockets";
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++)
        CALL(sockets[i].name, socket(sockets[i].domain, sockets[i].type, sockets[i].protocol));
    CALL("connect to an abstract unix socket of the host", connectAbstract(1));
    CALL("as root, be root to such a socket, SO_PEERCRED", connectAbstract(0));
    CALL("send a datagram to an abstract unix socket of the host", reachAbstract(SOCK_DGRAM, 0, listener));
    CALL("connect datagrams to an abstract unix socket of the host", reachAbstract(SOCK_DGRAM, 1, listener));
    CALL("connect packets to an abstract unix socket of the host", reachAbstract(SOCK_SEQPACKET, 1, listener));
    CALL("listen at an abstract name", reachOwn(0));
    CALL("connect to an abstract unix socket of its own", reachOwn(1));
    TRY("packet socketpair", int pair[2]; end(socketpair(AF_PACKET, SOCK_RAW, 0, pair)));
}

/* One request of rtnetlink, zero but for its type and the index of the loopback interface; the kernel's answer. */
static long netlink(int type, size_t length, int family) {
    struct {
        struct nlmsghdr header;
        union {
            struct ifinfomsg link;
            struct ifaddrmsg address;
            char bytes[64];
        } body;
        struct nlattr attribute;
        unsigned value;
    } request = {0};
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[512];
    } answer = {0};
    int fd = new(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    request.header.nlmsg_type = type;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
    if (type == RTM_NEWADDR || type == RTM_DELADDR) {
        request.body.address = (struct ifaddrmsg){.ifa_family = family, .ifa_prefixlen = 32, .ifa_index = 1};
        struct nlattr *attribute = (void *)((char *)&request.body + length);
        attribute->nla_type = IFA_LOCAL;
        attribute->nla_len = 8;
        inet_pton(AF_INET, host, attribute + 1);
        length += 8;
    } else if (type == RTM_NEWLINK || type == RTM_DELLINK || type == RTM_SETLINK) request.body.link.ifi_index = 1;
    else request.body.bytes[0] = family;
    request.header.nlmsg_len = NLMSG_HDRLEN + length;
    if (send(fd, &request, request.header.nlmsg_len, 0) == -1) return -1;
    if (recv(fd, &answer, sizeof answer, 0) == -1) return -1;
    errno = -answer.error.error;
    return answer.error.error ? -1 : 0;
}

static long interfaceControl(unsigned long request) {
    struct ifreq ifreq = {0};
    strncpy(ifreq.ifr_name, interface, IFNAMSIZ - 1);
    ifreq.ifr_addr.sa_family = AF_INET;
    return ioctl(new(AF_INET, SOCK_DGRAM, 0), request, &ifreq);
}

static void configuration(void) {
    group = "network configuration";
    CALL("netlink: add an address", netlink(RTM_NEWADDR, sizeof(struct ifaddrmsg), AF_INET));
    CALL("netlink: remove an address", netlink(RTM_DELADDR, sizeof(struct ifaddrmsg), AF_INET));
    CALL("netlink: make an interface", netlink(RTM_NEWLINK, sizeof(struct ifinfomsg), 0));
    CALL("netlink: change an interface", netlink(RTM_SETLINK, sizeof(struct ifinfomsg), 0));
    CALL("netlink: remove an interface", netlink(RTM_DELLINK, sizeof(struct ifinfomsg), 0));
    CALL("netlink: add a route", netlink(RTM_NEWROUTE, sizeof(struct rtmsg), AF_INET));
    CALL("netlink: remove a route", netlink(RTM_DELROUTE, sizeof(struct rtmsg), AF_INET));
    CALL("netlink: add a routing rule", netlink(RTM_NEWRULE, sizeof(struct rtmsg), AF_INET));
    CALL("netlink: change queueing", netlink(RTM_NEWQDISC, sizeof(struct tcmsg), 0));
    CALL("netlink: make a network namespace's id", netlink(RTM_NEWNSID, sizeof(struct rtgenmsg), 0));
    CALL("ioctl SIOCSIFFLAGS", interfaceControl(SIOCSIFFLAGS));
    CALL("ioctl SIOCSIFADDR", interfaceControl(SIOCSIFADDR));
    CALL("ioctl SIOCSIFMTU", interfaceControl(SIOCSIFMTU));
    CALL("ioctl SIOCSIFHWADDR", interfaceControl(SIOCSIFHWADDR));
    CALL("ioctl SIOCBRADDBR", ioctl(new(AF_UNIX, SOCK_DGRAM, 0), SIOCBRADDBR, "br9"));
    CALL("open /dev/net/tun", open("/dev/net/tun", O_RDWR));
}

static long cloneWith(unsigned long flags) {
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    return pid;
}

static void namespaces(void) {
    static const struct {
        const char *name;
        int flag;
    } kinds[NAMESPACE_FLAGS] = {{"user", CLONE_NEWUSER},     {"mount", CLONE_NEWNS}, {"network", CLONE_NEWNET},
                                {"pid", CLONE_NEWPID},       {"uts", CLONE_NEWUTS},  {"ipc", CLONE_NEWIPC},
                                {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80}};
    char what[64];
    group = "namespaces";
    for (int i = 0; i < NAMESPACE_FLAGS; i++) {
        snprintf(what, sizeof what, "unshare a %s namespace", kinds[i].name);
        CALL(what, unshare(kinds[i].flag));
        if (kinds[i].flag == 0x80) break;
        snprintf(what, sizeof what, "clone into a new %s namespace", kinds[i].name);
        CALL(what, cloneWith(kinds[i].flag));
    }
    TRY("clone3", char arguments[88] = {0}; end(syscall(SYS_clone3, arguments, sizeof arguments)));
    CALL("setns to its own network namespace", setns(open("/proc/self/ns/net", O_RDONLY), 0));
    CALL("setns to a process's namespaces", setns(syscall(SYS_pidfd_open, getpid(), 0), CLONE_NEWNET));
    CALL("open pid 1's network namespace", open("/proc/1/ns/net", O_RDONLY));
    CALL("open pid 1's mount namespace", open("/proc/1/ns/mnt", O_RDONLY));
}

static void mounts(void) {
    group = "mounts";
    CALL("mount tmpfs", mount("none", "/tmp", "tmpfs", 0, ""));
    CALL("bind mount", mount("/", "/tmp", NULL, MS_BIND, NULL));
    CALL("remount /proc/sys writable", mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
    CALL("change propagation", mount(NULL, "/", NULL, MS_SHARED, NULL));
    CALL("umount /proc/sys", umount2("/proc/sys", 0));
    CALL("umount / lazily", umount2("/", MNT_DETACH));
    SYSCALL(pivot_root, "/", "/tmp");
    SYSCALL(open_tree, AT_FDCWD, "/", 1);
    SYSCALL(move_mount, AT_FDCWD, "/", AT_FDCWD, "/tmp", 0);
    SYSCALL(fsopen, "tmpfs", 0);
    SYSCALL(fsconfig, -1, 6, NULL, NULL, 0);
    SYSCALL(fsmount, -1, 0, 0);
    SYSCALL(fspick, AT_FDCWD, "/", 0);
    SYSCALL(mount_setattr, AT_FDCWD, "/", 0, NULL, 0);
    SYSCALL(open_by_handle_at, AT_FDCWD, "", 0);
    SYSCALL(quotactl, 0, "/", 0, NULL);
    SYSCALL(swapon, "/tmp/swap", 0);
    SYSCALL(swapoff, "/tmp/swap");
    SYSCALL(fanotify_init, 0, 0);
    CALL("chroot out of the root and back up, to a file of the host", ({
             int out = open("/", O_RDONLY | O_DIRECTORY);
             mkdir("/tmp/inner", 0700);
             long result = chroot("/tmp/inner");
             if (!result && !fchdir(out)) {
                 for (int i = 0; i < 64; i++) if (chdir("..")) break;
                 result = chroot(".") || open(marker, O_RDONLY) == -1 ? -1 : 0;
             }
             result;
         }));
}

static long openAndWrite(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd == -1) return -1;
    return write(fd, text, strlen(text));
}

/* What is hidden reads as empty: ENODATA stands for that. */
static long readSomething(const char *path) {
    char bytes[8];
    int fd = open(path, O_RDONLY);
    if (fd == -1) return -1;
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n == 0) errno = ENODATA;
    return n > 0 ? 0 : -1;
}

static void files(void) {
    static const char *const written[] = {
        "kernel/kptr_restrict", "kernel/randomize_va_space", "kernel/pid_max", "kernel/ns_last_pid", "kernel/dmesg_restrict",
        "kernel/unprivileged_bpf_disabled", "kernel/pty/max", "vm/overcommit_memory", "fs/protected_symlinks", "fs/suid_dumpable",
        "fs/inotify/max_user_instances", "vm/mmap_min_addr", "fs/protected_hardlinks", "net/core/somaxconn",
        "net/ipv4/conf/all/rp_filter", "net/ipv4/ip_local_port_range", "net/ipv6/conf/all/forwarding",
    };
    group = "files of the kernel";
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        char what[96], path[96];
        snprintf(what, sizeof what, "write /proc/sys/%s", written[i]);
        snprintf(path, sizeof path, "/proc/sys/%s", written[i]);
        CALL(what, open(path, O_WRONLY));
    }
    CALL("write /proc/net/dev", open("/proc/net/dev", O_WRONLY));
    CALL("write /proc/sys/kernel/core_pattern", openAndWrite("/proc/sys/kernel/core_pattern", "|/bin/sh"));
    CALL("write /proc/sys/kernel/hostname", openAndWrite("/proc/sys/kernel/hostname", "x"));
    CALL("write /proc/sys/net/ipv4/ip_forward", openAndWrite("/proc/sys/net/ipv4/ip_forward", "0"));
    CALL("write /proc/sys/vm/drop_caches", openAndWrite("/proc/sys/vm/drop_caches", "1"));
    CALL("write /proc/irq/default_smp_affinity", openAndWrite("/proc/irq/default_smp_affinity", "1"));
    CALL("lower its own /proc/self/oom_score_adj", openAndWrite("/proc/self/oom_score_adj", "-1000"));
    CALL("read /proc/kcore", readSomething("/proc/kcore"));
    CALL("read /proc/keys", readSomething("/proc/keys"));
    CALL("chmod what hides /proc/keys", chmod("/proc/keys", 0600));
    CALL("chown what hides /proc/keys", chown("/proc/keys", 80, 80));
    CALL("chmod /proc/uptime", chmod("/proc/uptime", 0444));
    CALL("chown /proc/version", chown("/proc/version", 0, 0));
    CALL("chmod /proc/sysvipc", chmod("/proc/sysvipc", 0555));
    CALL("name its own thread by /proc/self/comm", openAndWrite("/proc/self/comm", "probe"));
    CALL("chmod /proc/net/dev", chmod("/proc/net/dev", 0444));
    CALL("chmod an empty standard input", fchmod(0, 0606));
    CALL("chown an empty standard input, by name", chown("/proc/self/fd/0", 80, 80));
    CALL("chmod /dev/null", chmod("/dev/null", 0606));
    CALL("read /proc/timer_list", readSomething("/proc/timer_list"));
    CALL("read /proc/interrupts", readSomething("/proc/interrupts"));
    CALL("read /proc/kmsg", readSomething("/proc/kmsg"));
    CALL("read /proc/slabinfo", readSomething("/proc/slabinfo"));
    CALL("read /proc/kpagecount", readSomething("/proc/kpagecount"));
    CALL("read /proc/kpageflags", readSomething("/proc/kpageflags"));
    CALL("read /proc/vmallocinfo", readSomething("/proc/vmallocinfo"));
    CALL("open /dev/mem", open("/dev/mem", O_RDONLY));
    CALL("open /dev/kmsg", open("/dev/kmsg", O_RDONLY));
    CALL("open /dev/fuse", open("/dev/fuse", O_RDWR));
    CALL("open /sys/fs/cgroup", open("/sys/fs/cgroup", O_RDONLY));
    CALL("open /sys/kernel", open("/sys/kernel", O_RDONLY));
    CALL("mknod, block device", mknod("/tmp/block", S_IFBLK | 0600, makedev(8, 0)));
    CALL("mknod, /dev/mem", mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1)));
    CALL("setxattr trusted.overlay.opaque", setxattr("/tmp", "trusted.overlay.opaque", "y", 1, 0));
    CALL("setxattr security.ima", setxattr("/tmp", "security.ima", "y", 1, 0));
    CALL("make a file immutable", ({ int on = 0x10; ioctl(open("/tmp", O_RDONLY), FS_IOC_SETFLAGS, &on); }));
    CALL("freeze the file system", ioctl(open("/", O_RDONLY), FIFREEZE, 0));
    CALL("write to the running supervisor", open("/proc/1/exe", O_WRONLY));
}

/* What klee was given is a file: what it does to its own streams must change nothing of it. */
static void streams(void) {
    group = "standard streams";
    CALL("chmod standard output", fchmod(1, 04777));
    CALL("chown standard output", fchown(1, 80, 80));
    CALL("seek to the begin of standard output", lseek(1, 0, SEEK_SET));
    CALL("cut standard output short", ftruncate(1, 0));
    CALL("open standard output anew, cut short", open("/dev/stdout", O_WRONLY | O_TRUNC));
    CALL("write where standard output begins", pwrite(1, "x", 1, 0));
    CALL("go up from standard output", openat(1, "..", O_RDONLY));
    CALL("map standard error", (long)mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, 2, 0));
    CALL("open standard output for reading", open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK));
    TRY("type at standard input", end(write(open("/proc/self/fd/0", O_WRONLY), "x", 1)));
}

static long programLoad(int type) {
    static const struct bpf_insn code[2] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attr = {.prog_type = type, .insn_cnt = 2, .insns = (unsigned long)code, .license = (unsigned long)"GPL"};
    return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
}

static void kernel(void) {
    group = "kernel";
    CALL("bpf: load a socket filter", programLoad(BPF_PROG_TYPE_SOCKET_FILTER));
    CALL("bpf: load a cgroup program", programLoad(BPF_PROG_TYPE_CGROUP_SKB));
    TRY("bpf: make a map", union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
        end(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr)));
    TRY("bpf: open a program by id", union bpf_attr attr = {.prog_id = 1}; end(syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof attr)));
    SYSCALL(perf_event_open, NULL, 0, -1, -1, 0);
    SYSCALL(userfaultfd, 0);
    SYSCALL(io_uring_setup, 1, NULL);
    SYSCALL(io_uring_enter, -1, 0, 0, 0, NULL, 0);
    SYSCALL(init_module, "", 0, "");
    SYSCALL(finit_module, -1, "", 0);
    SYSCALL(delete_module, "x", 0);
    SYSCALL(kexec_load, 0, 0, NULL, 0);
    SYSCALL(kexec_file_load, -1, -1, 0, "", 0);
    TRY("syslog", char text[16]; end(syscall(SYS_syslog, 3, text, sizeof text)));
    SYSCALL(acct, NULL);
    SYSCALL(reboot, 0xfee1dead, 672274793, 0, NULL);
    SYSCALL(vhangup);
    SYSCALL(iopl, 3);
    SYSCALL(ioperm, 0x70, 1, 1);
    SYSCALL(lookup_dcookie, 0, NULL, 0);
    SYSCALL(io_uring_register, -1, 0, NULL, 0);
    SYSCALL(nfsservctl, 0, NULL, NULL);
    SYSCALL(uselib, "/lib/x");
    SYSCALL(_sysctl, NULL);
    SYSCALL(create_module, "x", 1);
    SYSCALL(query_module, NULL, 0, NULL, 0, NULL);
    SYSCALL(clock_adjtime, 0, NULL);
    SYSCALL(set_mempolicy_home_node, 0, 0, 0, 0);
    SYSCALL(sysfs, 3);
    TRY("ustat", char data[64]; end(syscall(SYS_ustat, makedev(8, 0), data)));
    SYSCALL(vmsplice, -1, NULL, 0, 0);
    SYSCALL(mbind, NULL, 0, 0, NULL, 0, 0);
    SYSCALL(set_mempolicy, 0, NULL, 0);
    SYSCALL(get_mempolicy, NULL, NULL, 0, NULL, 0);
    SYSCALL(move_pages, 0, 0, NULL, NULL, NULL, 0);
    SYSCALL(migrate_pages, 0, 0, NULL, NULL);
    CALL("personality ADDR_NO_RANDOMIZE", personality(ADDR_NO_RANDOMIZE));
    CALL("personality READ_IMPLIES_EXEC", personality(READ_IMPLIES_EXEC));
    SYSCALL(keyctl, 0, -3, 0, 0, 0);
    SYSCALL(add_key, "user", "x", "y", 1, -3);
    SYSCALL(request_key, "user", "x", NULL, -3);
    TRY("settimeofday", struct timeval now = {0}; end(settimeofday(&now, NULL)));
    TRY("clock_settime", struct timespec now = {0}; end(clock_settime(CLOCK_REALTIME, &now)));
    TRY("adjtimex", struct timex change = {.modes = ADJ_TICK}; end(adjtimex(&change)));
    CALL("sethostname", sethostname("x", 1));
    CALL("setdomainname", setdomainname("x", 1));
    CALL("a system call newer than klee", syscall(600));
    CALL("a system call of the x32 ABI", syscall(0x40000000 | SYS_getpid));
}

static void processes(void) {
    group = "processes";
    CALL("ptrace pid 1", ptrace(PTRACE_ATTACH, 1, 0, 0));
    CALL("open /proc/1/mem", open("/proc/1/mem", O_RDWR));
    CALL("read pid 1's environment", readSomething("/proc/1/environ"));
    CALL("open pid 1's root", open("/proc/1/root/etc", O_RDONLY));
    CALL("open pid 1's directory", open("/proc/1/cwd/etc", O_RDONLY));
    TRY("process_vm_readv", char byte; struct iovec to = {&byte, 1}; end(process_vm_readv(1, &to, 1, &to, 1, 0)));
    TRY("process_vm_writev", char byte; struct iovec to = {&byte, 1}; end(process_vm_writev(1, &to, 1, &to, 1, 0)));
    CALL("pidfd_getfd of pid 1", syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, 1, 0), 0, 0));
    CALL("kcmp with pid 1", syscall(SYS_kcmp, 1, getpid(), 0, 0, 0));
    CALL("process_madvise", syscall(SYS_process_madvise, syscall(SYS_pidfd_open, 1, 0), NULL, 0, 4, 0));
    TRY("capset CAP_SYS_ADMIN", struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct data[2] = {{1 << 21, 1 << 21, 0}, {0, 0, 0}}; end(syscall(SYS_capset, &header, data)));
    CALL("raise an ambient capability", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0));
    CALL("prctl PR_SET_NO_NEW_PRIVS 0", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    CALL("prctl PR_SET_MM", prctl(PR_SET_MM, 1, 0, 0, 0));
    CALL("nice -20", setpriority(PRIO_PROCESS, 0, -20));
    TRY("real-time scheduling", struct sched_param parameter = {.sched_priority = 1}; end(sched_setscheduler(0, SCHED_FIFO, &parameter)));
    CALL("real-time disk priority", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    TRY("raise a hard limit", struct rlimit limit; getrlimit(RLIMIT_NOFILE, &limit); limit.rlim_max += 1; end(setrlimit(RLIMIT_NOFILE, &limit)));
    CALL("ioctl TIOCSTI", ioctl(0, TIOCSTI, "x"));
    CALL("ioctl TIOCLINUX", ioctl(0, TIOCLINUX, "\2"));
    TRY("seccomp: a filter that allows everything",
        struct { unsigned short code; unsigned char jt, jf; unsigned k; } allow = {6, 0, 0, 0x7fff0000};
        struct { unsigned short length; void *filter; } program = {1, &allow};
        if (syscall(SYS_seccomp, 1, 0, &program)) end(-1);
        end(unshare(CLONE_NEWNS)));
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "serve")) return serve(argv[2]);
    if (argc != 9) return 2;
    host = argv[1];
    host6 = argv[2];
    other = argv[3];
    other6 = argv[4];
    interface = argv[5];
    marker = argv[6];
    listener = argv[7];
    mark = strtoul(argv[8], NULL, 10);
    addresses();
    packets();
    families();
    configuration();
    namespaces();
    mounts();
    files();
    streams();
    terminals();
    kernel();
    processes();
    sharing();
    return 0;
}
