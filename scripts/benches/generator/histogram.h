/* How long something took, many times: counts by size, each within 1.6 %. */

#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { STEPS = 64 /* counts between a power of two and the next */ };

struct histogram {
    uint64_t counts[STEPS * STEPS];
    uint64_t total;
};

/* Count a time, in nanoseconds. */
void histogram_add(struct histogram *histogram, uint64_t ns);

/* The time in milliseconds that so much of all, 0 to 1, is not above. 0 where there is none. */
double histogram_ms(const struct histogram *histogram, double share);

#endif
