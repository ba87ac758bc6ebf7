/* Many TFTP reads of one file at once (RFC 1350, 2347, 2348, 7440); what is read is thrown away.
 *
 *     tftp SERVER FILE SIZE CLIENTS BLKSIZE WINDOWSIZE
 *
 * A read that hears nothing for RETRY seconds repeats its last packet, RETRIES times; one that
 * ends with another size than SIZE has failed. WINDOWSIZE 1 is not asked for: plain lock-step.
 */
#define _GNU_SOURCE
#include "common.h"

enum { PORT = 69, BATCH = 64, LARGEST = 1500, RETRIES = 5, RRQ = 1, DATA = 3, ERROR = 5, OACK = 6 };
#define RETRY 1.0

struct read {
    int fd, tries, blksize, windowsize, over;
    uint16_t next;        /* the block that is due */
    int unacknowledged;   /* blocks taken since the last ACK */
    int complained;       /* whether a gap was reported and is still open */
    double bytes, started, heard;
    struct sockaddr_in server;
    uint8_t last[LARGEST];
    size_t last_size;
};

static char request[LARGEST];
static size_t request_size;
static double expected, received;
static long done, failed, repeated;
static double *latencies;
static uint8_t buffers[BATCH][LARGEST + 1];
static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];
static struct sockaddr_in senders[BATCH];

static void add(const char *text)
{
    size_t size = strlen(text) + 1;
    if (request_size + size > sizeof request)
        exit(2);
    memcpy(request + request_size, text, size);
    request_size += size;
}

static void tell(struct read *one)
{
    /* a full buffer somewhere is a loss like any other */
    (void)!sendto(one->fd, one->last, one->last_size, 0, (void *)&one->server, sizeof one->server);
}

static void acknowledge(struct read *one)
{
    uint16_t block = htons((uint16_t)(one->next - 1));
    memcpy(one->last, "\0\4", 2);
    memcpy(one->last + 2, &block, 2);
    one->last_size = 4;
    one->unacknowledged = 0;
    tell(one);
}

static void end(struct read *one, int good)
{
    one->over = 1;
    received += one->bytes;
    if (good)
        latencies[done++] = now() - one->started;
    else
        failed++;
    close(one->fd);
}

static void agree(struct read *one, const uint8_t *text, const uint8_t *stop)
{
    while (text < stop) {
        const char *name = (const char *)text, *value = name + strlen(name) + 1;
        if ((const uint8_t *)value >= stop)
            return;
        if (!strcasecmp(name, "blksize"))
            one->blksize = atoi(value);
        if (!strcasecmp(name, "windowsize"))
            one->windowsize = atoi(value);
        text = (const uint8_t *)value + strlen(value) + 1;
    }
}

static void take(struct read *one, uint8_t *packet, int size)
{
    if (size < 4)
        return;
    packet[size] = 0;
    int opcode = packet[1], block = packet[2] << 8 | packet[3];
    if (opcode == OACK) {
        agree(one, packet + 2, packet + size);
        acknowledge(one);
    } else if (opcode == ERROR) {
        fprintf(stderr, "tftp error %d %s\n", block, packet + 4);
        end(one, 0);
    } else if (opcode == DATA && block == one->next) {
        one->next++;
        one->bytes += size - 4;
        one->complained = 0;
        int ends = size - 4 < one->blksize;
        if (++one->unacknowledged >= one->windowsize || ends)
            acknowledge(one);
        if (ends)
            end(one, one->bytes == expected);
    } else if (opcode == DATA && one->windowsize > 1 && !one->complained) {
        one->complained = 1; /* RFC 7440 section 4: say once what the last good block was */
        repeated++;
        acknowledge(one);
    }
}

static void receive(struct read *one)
{
    int most = one->windowsize > 1 ? BATCH : 1;
    int count = recvmmsg(one->fd, messages, (unsigned)most, MSG_DONTWAIT, NULL);
    for (int at = 0; at < count && !one->over; at++) {
        if (one->server.sin_port == htons(PORT))
            one->server.sin_port = senders[at].sin_port;
        one->tries = 0;
        take(one, buffers[at], (int)messages[at].msg_len);
    }
    if (count > 0)
        one->heard = now();
}

static void look_at_clock(struct read *reads, long clients)
{
    double at = now();
    for (long index = 0; index < clients; index++) {
        struct read *one = &reads[index];
        if (one->over || at - one->heard < RETRY)
            continue;
        one->heard = at;
        repeated++;
        if (one->tries++ < RETRIES)
            tell(one);
        else
            end(one, 0);
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: tftp SERVER FILE SIZE CLIENTS BLKSIZE WINDOWSIZE\n");
        return 2;
    }
    expected = atof(argv[3]);
    long clients = atol(argv[4]);
    struct read *reads = zeroed((size_t)clients, sizeof *reads);
    struct epoll_event *ready = zeroed((size_t)clients, sizeof *ready);
    latencies = zeroed((size_t)clients, sizeof *latencies);
    request_size = 2;
    request[1] = RRQ;
    add(argv[2]), add("octet"), add("blksize"), add(argv[5]);
    if (atoi(argv[6]) > 1)
        add("windowsize"), add(argv[6]);
    for (int at = 0; at < BATCH; at++) {
        vectors[at] = (struct iovec){buffers[at], LARGEST};
        messages[at].msg_hdr = (struct msghdr){.msg_name = &senders[at],
                                               .msg_namelen = sizeof senders[at],
                                               .msg_iov = &vectors[at],
                                               .msg_iovlen = 1};
    }
    int epoll = (int)must(epoll_create1(0), "epoll_create1"), room = 1 << 20;
    double start = now(), looked = start;
    for (long index = 0; index < clients; index++) {
        struct read *one = &reads[index];
        *one = (struct read){.blksize = 512, .windowsize = 1, .next = 1, .started = start,
                             .heard = start, .server = address(argv[1], PORT)};
        one->fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
        must(setsockopt(one->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), "SO_RCVBUF");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, one->fd, &event), "epoll_ctl");
        memcpy(one->last, request, request_size);
        one->last_size = request_size;
        tell(one);
    }
    while (done + failed < clients) {
        int count = epoll_wait(epoll, ready, (int)clients, 100);
        for (int at = 0; at < count; at++)
            receive(ready[at].data.ptr);
        if (now() - looked > 0.1) {
            look_at_clock(reads, clients);
            looked = now();
        }
    }
    report(now() - start, done, failed, repeated, received, latencies, done);
    return 0;
}
