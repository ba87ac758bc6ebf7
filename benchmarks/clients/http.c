/* HTTP/1.1 GETs over kept connections; bodies are thrown away unread (MSG_TRUNC, tcp(7)).
 *
 *     http SERVER PORT CONNECTIONS FIRST_SOURCE SOURCES < REQUESTS
 *
 * REQUESTS has a line "PATH" or "PATH FIRST LAST" (a Range) for each request; a connection takes
 * the next line when its last answer is whole. Connection n comes from the address
 * FIRST_SOURCE + n mod SOURCES, so that it can be as many machines as the host has addresses.
 */
#define _GNU_SOURCE
#include "common.h"
#include <netinet/tcp.h>

enum { HEAD = 16384, SINK = 1 << 20, PATIENCE_MS = 20000 };

struct connection {
    int fd, over;
    double asked, left; /* left: body bytes still to come, < 0 while the head is read */
    size_t head_size;
    char head[HEAD + 1];
};

static char **requests;
static long total, begun, done, failed;
static double bytes, *latencies;
static const char *host;
static char sink[SINK];

static void read_requests(void)
{
    char *line = NULL;
    size_t room = 0, capacity = 0;
    while (getline(&line, &room, stdin) > 0) {
        char path[2048], range[80] = "", *text;
        long first, last;
        int fields = sscanf(line, "%2047s %ld %ld", path, &first, &last);
        if (fields < 1)
            continue;
        if (fields == 3)
            snprintf(range, sizeof range, "Range: bytes=%ld-%ld\r\n", first, last);
        must(asprintf(&text, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, host, range), "asprintf");
        if ((size_t)total == capacity)
            requests = realloc(requests, (capacity = capacity * 2 + 1024) * sizeof *requests);
        requests[total++] = text;
    }
    free(line);
}

static void ask(struct connection *one)
{
    if (begun == total) {
        one->over = 1;
        close(one->fd);
        return;
    }
    const char *text = requests[begun++];
    one->head_size = 0;
    one->left = -1;
    one->asked = now();
    if (send(one->fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) {
        one->over = 1;
        failed++;
        close(one->fd);
    }
}

static void give_up(struct connection *one, const char *why)
{
    fprintf(stderr, "http: %s\n", why);
    one->over = 1;
    failed++;
    close(one->fd);
}

static void finish(struct connection *one)
{
    latencies[done++] = now() - one->asked;
    ask(one);
}

/* The status and the length out of a whole head; body bytes that came with it are counted. */
static void read_head(struct connection *one, const char *body)
{
    const char *length = strcasestr(one->head, "\r\nContent-Length:");
    size_t early = one->head_size - (size_t)(body - one->head);
    if (strncmp(one->head, "HTTP/1.1 20", 11) || !length || length > body) {
        give_up(one, one->head);
        return;
    }
    bytes += (double)early;
    one->left = atof(length + strlen("\r\nContent-Length:")) - (double)early;
    if (one->left <= 0)
        finish(one);
}

static void receive(struct connection *one)
{
    if (one->left >= 0) {
        size_t most = one->left < SINK ? (size_t)one->left : SINK;
        ssize_t size = recv(one->fd, sink, most, MSG_TRUNC | MSG_DONTWAIT);
        if (size <= 0) {
            if (size == 0 || errno != EAGAIN)
                give_up(one, "a body ended early");
            return;
        }
        bytes += (double)size;
        one->left -= (double)size;
        if (one->left <= 0)
            finish(one);
        return;
    }
    /* no more than a head's worth, so that a long body is not copied */
    ssize_t size = recv(one->fd, one->head + one->head_size, HEAD - one->head_size, MSG_DONTWAIT);
    if (size <= 0) {
        if (size == 0 || errno != EAGAIN)
            give_up(one, "the connection was closed");
        return;
    }
    one->head_size += (size_t)size;
    one->head[one->head_size] = 0;
    const char *end = strstr(one->head, "\r\n\r\n");
    if (end)
        read_head(one, end + 4);
    else if (one->head_size == HEAD)
        give_up(one, "the head is too long");
}

static void open_connection(struct connection *one, const char *port, struct sockaddr_in source)
{
    struct sockaddr_in server = address(host, atoi(port));
    int yes = 1;
    one->fd = (int)must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes), "TCP_NODELAY");
    must(bind(one->fd, (void *)&source, sizeof source), "bind");
    must(connect(one->fd, (void *)&server, sizeof server), "connect");
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: http SERVER PORT CONNECTIONS FIRST_SOURCE SOURCES < REQUESTS\n");
        return 2;
    }
    host = argv[1];
    long connections = atol(argv[3]), sources = atol(argv[5]);
    read_requests();
    struct connection *all = zeroed((size_t)connections, sizeof *all);
    struct epoll_event *ready = zeroed((size_t)connections, sizeof *ready);
    latencies = zeroed((size_t)total, sizeof *latencies);
    int epoll = (int)must(epoll_create1(0), "epoll_create1");
    struct sockaddr_in first = address(argv[4], 0);
    for (long index = 0; index < connections; index++) {
        struct sockaddr_in source = first;
        source.sin_addr.s_addr = htonl(ntohl(first.sin_addr.s_addr) + (uint32_t)(index % sources));
        open_connection(&all[index], argv[2], source);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[index]};
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, all[index].fd, &event), "epoll_ctl");
    }
    double start = now();
    for (long index = 0; index < connections; index++)
        ask(&all[index]);
    while (done + failed < total) {
        int count = epoll_wait(epoll, ready, (int)connections, PATIENCE_MS);
        if (count <= 0) {
            fprintf(stderr, "http: nothing came for %d ms\n", PATIENCE_MS);
            failed = total - done;
        }
        for (int at = 0; at < count; at++) {
            struct connection *one = ready[at].data.ptr;
            if (!one->over)
                receive(one);
        }
    }
    report(now() - start, done, failed, 0, bytes, latencies, done);
    return 0;
}
