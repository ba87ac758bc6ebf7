/* DISCOVERs from many UEFI x64 machines, a fixed number outstanding, until all have an OFFER.
 *
 *     dhcp INTERFACE OUTSTANDING EXCHANGES MACHINES
 *
 * Machine n has the address 52:54:00 and n in the last three bytes. One that hears nothing for
 * RETRY seconds asks again, RETRIES times.
 */
#include "common.h"

enum { SERVER = 67, CLIENT = 68, SIZE = 300, RETRIES = 5 };
#define RETRY 0.5

struct exchange {
    double first, last;
    uint32_t xid;
    int tries;
};

static const uint8_t OPTIONS[] = {
    0x63, 0x82, 0x53, 0x63, 53, 1, 1,                      /* cookie, DISCOVER */
    57, 2, 0x05, 0xc0, 55, 7, 1, 3, 43, 60, 66, 67, 97,    /* size, parameters */
    97, 17, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    93, 2, 0, 7, 94, 3, 1, 3, 16,                          /* UEFI x64, UNDI 3.16 */
    60, 32, 'P', 'X', 'E', 'C', 'l', 'i', 'e', 'n', 't', ':', 'A', 'r', 'c', 'h', ':', '0', '0',
    '0', '0', '7', ':', 'U', 'N', 'D', 'I', ':', '0', '0', '3', '0', '1', '6', 255,
};

static int fd, machines;
static struct sockaddr_in everybody;

static void ask(struct exchange *one)
{
    uint8_t packet[SIZE > 236 + sizeof OPTIONS ? SIZE : 236 + sizeof OPTIONS] = {1, 1, 6, 0};
    uint32_t xid = htonl(one->xid), machine = htonl(one->xid % (uint32_t)machines);
    memcpy(packet + 4, &xid, 4);
    packet[10] = 0x80; /* answer by broadcast */
    memcpy(packet + 28, "\x52\x54\x00", 3);
    memcpy(packet + 31, (uint8_t *)&machine + 1, 3);
    memcpy(packet + 236, OPTIONS, sizeof OPTIONS);
    one->last = now();
    must(sendto(fd, packet, sizeof packet, 0, (void *)&everybody, sizeof everybody), "sendto");
}

static void begin(struct exchange *one, uint32_t xid)
{
    one->xid = xid;
    one->tries = 0;
    ask(one);
    one->first = one->last;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: dhcp INTERFACE OUTSTANDING EXCHANGES MACHINES\n");
        return 2;
    }
    long outstanding = atol(argv[2]), wanted = atol(argv[3]), begun = 0, done = 0, failed = 0;
    long repeated = 0;
    machines = atoi(argv[4]);
    if (outstanding > wanted)
        outstanding = wanted;
    struct exchange *open = zeroed((size_t)outstanding, sizeof *open);
    double *latencies = zeroed((size_t)wanted, sizeof *latencies);

    fd = (int)must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    int yes = 1, room = 4 << 20;
    struct timeval patience = {0, 50000};
    struct sockaddr_in here = address("0.0.0.0", CLIENT);
    everybody = address("255.255.255.255", SERVER);
    must(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes), "SO_BROADCAST");
    must(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room), "SO_RCVBUFFORCE");
    must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), "SO_RCVTIMEO");
    must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, argv[1], (socklen_t)strlen(argv[1])), "device");
    must(bind(fd, (void *)&here, sizeof here), "bind");

    double start = now(), looked = start;
    /* an xid says which slot it belongs to, so that a reply finds it at once */
    for (long slot = 0; slot < outstanding; slot++)
        begin(&open[slot], (uint32_t)(begun++));
    while (done + failed < wanted) {
        uint8_t reply[1500];
        ssize_t size = recv(fd, reply, sizeof reply, 0);
        double at = now();
        if (size >= 240 && reply[0] == 2) {
            uint32_t xid;
            memcpy(&xid, reply + 4, 4);
            xid = ntohl(xid);
            struct exchange *one = &open[xid % (uint32_t)outstanding];
            if (one->xid == xid && one->tries >= 0) {
                latencies[done++] = at - one->first;
                one->tries = -1;
                if ((long)xid + outstanding < wanted)
                    begin(one, xid + (uint32_t)outstanding);
            }
        }
        if (at - looked < 0.05)
            continue;
        looked = at;
        for (long slot = 0; slot < outstanding; slot++) {
            struct exchange *one = &open[slot];
            if (one->tries < 0 || at - one->last < RETRY)
                continue;
            if (one->tries++ < RETRIES) {
                repeated++;
                ask(one);
                continue;
            }
            failed++;
            one->tries = -1;
            if ((long)one->xid + outstanding < wanted)
                begin(one, one->xid + (uint32_t)outstanding);
        }
    }
    report(now() - start, done, failed, repeated, 0, latencies, done);
    return 0;
}
