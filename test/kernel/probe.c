/* Makes socket calls on request: one line of words in, one line out, "ok ..." or an errno's name. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TIMEOUT_MS = 400, WORDS = 12 };

static int words(char *line, char **word) {
    int n = 0;
    for (char *w = strtok(line, " \n"); w && n < WORDS; w = strtok(NULL, " \n")) word[n++] = w;
    for (int i = n; i < WORDS; i++) word[i] = "";
    return n;
}

static socklen_t address(const char *text, const char *port, struct sockaddr_storage *out) {
    struct sockaddr_in *in = (void *)out;
    struct sockaddr_in6 *in6 = (void *)out;
    memset(out, 0, sizeof *out);
    if (strcmp(text, "unspec") == 0) return sizeof *in;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(atoi(port));
        return sizeof *in;
    }
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1) exit(2);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(atoi(port));
    return sizeof *in6;
}

static void print(const struct sockaddr_storage *a) {
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *in = (const void *)a;
    const struct sockaddr_in6 *in6 = (const void *)a;
    if (a->ss_family == AF_INET) inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    if (a->ss_family == AF_INET6) inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
    printf(" %s %d", text, ntohs(a->ss_family == AF_INET ? in->sin_port : in6->sin6_port));
}

static int answer(int result) {
    if (result < 0) printf("%s", strerrorname_np(errno));
    else printf("ok");
    return result >= 0;
}

static int ready(int fd, short events) {
    struct pollfd p = {.fd = fd, .events = events};
    int n = poll(&p, 1, TIMEOUT_MS);
    if (n == 0) errno = ETIMEDOUT;
    return n > 0 ? 0 : -1;
}

/* send to an address, from one that a control message names */
static ssize_t send_from(int fd, const char *source, const struct sockaddr_storage *to, socklen_t length) {
    char control[256] = {0};
    struct iovec iov = {.iov_base = "x", .iov_len = 1};
    struct msghdr m = {.msg_name = (void *)to, .msg_namelen = length, .msg_iov = &iov, .msg_iovlen = 1,
                       .msg_control = control};
    struct in_pktinfo info = {0};
    struct in6_pktinfo info6 = {0};
    struct cmsghdr *c = (void *)control;
    if (inet_pton(AF_INET, source, &info.ipi_spec_dst) == 1) {
        *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
        memcpy(CMSG_DATA(c), &info, sizeof info);
        m.msg_controllen = CMSG_SPACE(sizeof info);
    } else if (inet_pton(AF_INET6, source, &info6.ipi6_addr) == 1) {
        *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof info6), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO};
        memcpy(CMSG_DATA(c), &info6, sizeof info6);
        m.msg_controllen = CMSG_SPACE(sizeof info6);
    }
    return sendmsg(fd, &m, 0);
}

int main(int argc, char **argv) {
    /* argv[1]: cgroup.procs to enter, or - */
    if (argc > 1 && strcmp(argv[1], "-") != 0) {
        int fd = open(argv[1], O_WRONLY);
        if (fd < 0 || write(fd, "0", 1) != 1) return perror(argv[1]), 1;
        close(fd);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    char line[512], *w[WORDS];
    while (fgets(line, sizeof line, stdin)) {
        words(line, w);
        struct sockaddr_storage a;
        socklen_t length = sizeof a;
        int fd = atoi(w[1]);
        const char *op = w[0];
        if (!strcmp(op, "socket")) { /* family type protocol */
            int s = socket(atoi(w[1]), atoi(w[2]), atoi(w[3]));
            if (answer(s)) printf(" %d", s);
        } else if (!strcmp(op, "bind")) {
            length = address(w[2], w[3], &a);
            answer(bind(fd, (void *)&a, length));
        } else if (!strcmp(op, "listen")) {
            answer(listen(fd, 16));
        } else if (!strcmp(op, "connect")) { /* gives up after a while */
            length = address(w[2], w[3], &a);
            int flags = fcntl(fd, F_GETFL);
            fcntl(fd, F_SETFL, flags | O_NONBLOCK);
            int r = connect(fd, (void *)&a, length);
            if (r < 0 && errno == EINPROGRESS) {
                int error = 0;
                socklen_t size = sizeof error;
                r = ready(fd, POLLOUT);
                if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error) errno = error, r = -1;
            }
            int saved = errno;
            fcntl(fd, F_SETFL, flags);
            errno = saved;
            answer(r);
        } else if (!strcmp(op, "accept")) {
            int s = ready(fd, POLLIN) < 0 ? -1 : accept(fd, (void *)&a, &length);
            if (answer(s)) printf(" %d", s), print(&a);
        } else if (!strcmp(op, "local") || !strcmp(op, "peer")) {
            int r = (*op == 'l' ? getsockname : getpeername)(fd, (void *)&a, &length);
            if (answer(r)) print(&a);
        } else if (!strcmp(op, "send")) { /* fd address port text */
            length = address(w[2], w[3], &a);
            answer(sendto(fd, w[4], strlen(w[4]), 0, (void *)&a, length));
        } else if (!strcmp(op, "sendfrom")) { /* fd source [address port] */
            length = *w[3] ? address(w[3], w[4], &a) : 0;
            answer(send_from(fd, w[2], length ? &a : NULL, length));
        } else if (!strcmp(op, "write")) {
            answer(send(fd, w[2], strlen(w[2]), MSG_NOSIGNAL));
        } else if (!strcmp(op, "receive")) {
            char text[256] = "";
            ssize_t n = ready(fd, POLLIN) < 0 ? -1 : recvfrom(fd, text, sizeof text - 1, 0, (void *)&a, &length);
            if (answer(n)) printf(" %s", text), length ? print(&a) : (void)0;
        } else if (!strcmp(op, "set")) { /* fd level name value */
            int value = atoi(w[4]);
            answer(setsockopt(fd, atoi(w[2]), atoi(w[3]), &value, sizeof value));
        } else if (!strcmp(op, "get")) {
            int value = 0;
            length = sizeof value;
            if (answer(getsockopt(fd, atoi(w[2]), atoi(w[3]), &value, &length))) printf(" %d", value);
        } else if (!strcmp(op, "setlarge")) { /* fd bytes: an option longer than a page */
            answer(setsockopt(fd, IPPROTO_IP, IP_MSFILTER, calloc(1, atoi(w[2])), atoi(w[2])));
        } else if (!strcmp(op, "join")) { /* fd group interface-address */
            struct ip_mreq m;
            inet_pton(AF_INET, w[2], &m.imr_multiaddr);
            inet_pton(AF_INET, w[3], &m.imr_interface);
            answer(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
        } else if (!strcmp(op, "resolve")) { /* getaddrinfo's order of preference for a name */
            struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
            int r = getaddrinfo(w[1], NULL, &hints, &list);
            printf(r == 0 ? "ok" : gai_strerror(r));
            for (struct addrinfo *i = list; i; i = i->ai_next) {
                memcpy(&a, i->ai_addr, i->ai_addrlen);
                print(&a);
            }
        } else if (!strcmp(op, "fork")) { /* answers come from the child from now on: what it leaves behind stays */
            fflush(stdout);
            if (fork() > 0) pause();
            printf("ok %d", getpid());
        } else if (!strcmp(op, "unix")) { /* listen, connect or send; type; a name, with @ for NUL: a socket of its own */
            struct sockaddr_un un = {.sun_family = AF_UNIX};
            strncpy(un.sun_path, w[3], sizeof un.sun_path - 1);
            if (*un.sun_path == '@') *un.sun_path = 0;
            socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(w[3]);
            int own = socket(AF_UNIX, atoi(w[2]), 0);
            if (!strcmp(w[1], "connect")) answer(connect(own, (void *)&un, size));
            else if (!strcmp(w[1], "send")) answer(sendto(own, "x", 1, 0, (void *)&un, size));
            else answer(bind(own, (void *)&un, size) || (atoi(w[2]) != SOCK_DGRAM && listen(own, 100)) ? -1 : 0);
        } else if (!strcmp(op, "close")) {
            answer(close(fd));
        } else {
            return 2;
        }
        putchar('\n');
    }
    return 0;
}
