/* What the load clients share: a clock, latencies, and one line of JSON at the end. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static inline void *zeroed(size_t count, size_t size)
{
    void *made = calloc(count, size);
    if (!made) {
        perror("calloc");
        exit(1);
    }
    return made;
}

static inline long must(long result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static inline struct sockaddr_in address(const char *host, int port)
{
    struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &made.sin_addr) != 1) {
        fprintf(stderr, "%s is no IPv4 address\n", host);
        exit(1);
    }
    return made;
}

static inline int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Prints the result; latencies are seconds and get sorted. */
static inline void report(double seconds, long done, long failed, long repeated, double bytes,
                          double *latencies, long count)
{
    qsort(latencies, (size_t)count, sizeof *latencies, compare_doubles);
    printf("{\"seconds\": %.6f, \"done\": %ld, \"failed\": %ld, \"repeated\": %ld, "
           "\"bytes\": %.0f, \"p50\": %.6f, \"p99\": %.6f}\n",
           seconds, done, failed, repeated, bytes, count ? latencies[count / 2] : 0,
           count ? latencies[count * 99 / 100] : 0);
}
