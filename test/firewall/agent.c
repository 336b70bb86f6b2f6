/*
 * A peer in traffic tests: answers TCP connections and UDP datagrams on a port with the address that it sees them come
 * from, and tries connections on command. Commands come over a Unix socket, one per connection: `tcp|udp ADDRESS PORT`,
 * with the port to send from after it where that matters.
 * The answer is `ok ADDRESS`, the address that the other side saw, `timeout`, or an errno's name as a number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_MS 1500

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static socklen_t parse(const char *text, int port, struct sockaddr_storage *address) {
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        return sizeof *in;
    }
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1) fail(text);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    return sizeof *in6;
}

static void format(const struct sockaddr_storage *address, char *text) {
    const void *bytes = address->ss_family == AF_INET ? (const void *)&((struct sockaddr_in *)address)->sin_addr
                                                      : (const void *)&((struct sockaddr_in6 *)address)->sin6_addr;
    if (inet_ntop(address->ss_family, bytes, text, INET6_ADDRSTRLEN) == NULL) fail("inet_ntop");
}

static int listen_on(const char *text, int port, int type) {
    struct sockaddr_storage address;
    socklen_t length = parse(text, port, &address);
    int on = 1, s = socket(address.ss_family, type, 0);
    if (s < 0) fail("socket");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.ss_family == AF_INET6) setsockopt(s, IPPROTO_IPV6, 26 /* IPV6_V6ONLY */, &on, sizeof on);
    if (bind(s, (struct sockaddr *)&address, length) != 0) fail(text);
    if (type == SOCK_STREAM && listen(s, 128) != 0) fail("listen");
    return s;
}

static void answer(int s, int type) {
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    char text[INET6_ADDRSTRLEN];
    if (type == SOCK_STREAM) {
        int connection = accept(s, (struct sockaddr *)&peer, &length);
        if (connection < 0) return;
        format(&peer, text);
        if (write(connection, text, strlen(text)) < 0) perror("write");
        close(connection);
    } else {
        char data[16];
        if (recvfrom(s, data, sizeof data, 0, (struct sockaddr *)&peer, &length) < 0) return;
        format(&peer, text);
        sendto(s, text, strlen(text), 0, (struct sockaddr *)&peer, length);
    }
}

/* What became of a socket, waited for. */
static int settled(int s, short events) {
    struct pollfd one = {.fd = s, .events = events};
    int error = 0;
    socklen_t length = sizeof error;
    int ready = poll(&one, 1, TIMEOUT_MS);
    if (ready == 0) return ETIMEDOUT;
    getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

static void attempt(const char *command, char *result) {
    char protocol[4], to[INET6_ADDRSTRLEN];
    int port, from = 0;
    struct sockaddr_storage address, own;
    if (sscanf(command, "%3s %45s %d %d", protocol, to, &port, &from) < 3) fail(command);
    socklen_t length = parse(to, port, &address);
    int stream = strcmp(protocol, "tcp") == 0;
    int s = socket(address.ss_family, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
    int error = s < 0 ? errno : 0;
    if (from != 0 && bind(s, (struct sockaddr *)&own, parse(address.ss_family == AF_INET ? "0.0.0.0" : "::", from, &own)) != 0)
        fail("bind");
    if (error == 0 && connect(s, (struct sockaddr *)&address, length) != 0 && errno != EINPROGRESS) error = errno;
    if (error == 0 && stream) error = settled(s, POLLOUT);
    if (error == 0 && !stream && send(s, "?", 1, 0) < 0) error = errno;
    if (error == 0) error = settled(s, POLLIN);
    ssize_t got = -1;
    if (error == 0 && (got = read(s, to, sizeof to - 1)) <= 0) error = got == 0 ? EPIPE : errno;
    if (error == ETIMEDOUT) strcpy(result, "timeout");
    else if (error != 0) sprintf(result, "%d", error);
    else sprintf(result, "ok %.*s", (int)got, to);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: agent SOCKET PORT ADDRESS...\n");
        return 2;
    }
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    struct pollfd sockets[32];
    int count = 1, port = atoi(argv[2]);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 3; i < argc; i++)
        for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++)
            sockets[count++] = (struct pollfd){.fd = listen_on(argv[i], port, type), .events = POLLIN};
    strncpy(own.sun_path, argv[1], sizeof own.sun_path - 1);
    sockets[0] = (struct pollfd){.fd = socket(AF_UNIX, SOCK_STREAM, 0), .events = POLLIN};
    unlink(argv[1]);
    if (bind(sockets[0].fd, (struct sockaddr *)&own, sizeof own) != 0 || listen(sockets[0].fd, 128) != 0) fail(argv[1]);
    for (;;) {
        if (poll(sockets, count, -1) < 0) continue;
        for (int i = 1; i < count; i++)
            if (sockets[i].revents != 0) answer(sockets[i].fd, i % 2 == 1 ? SOCK_STREAM : SOCK_DGRAM);
        if (sockets[0].revents == 0) continue;
        int client = accept(sockets[0].fd, NULL, NULL);
        if (client < 0) continue;
        if (fork() == 0) {
            char command[128], result[64];
            ssize_t length = read(client, command, sizeof command - 1);
            command[length < 0 ? 0 : length] = '\0';
            attempt(command, result);
            if (write(client, result, strlen(result)) < 0) perror("write");
            _exit(0);
        }
        close(client);
    }
}
