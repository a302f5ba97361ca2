#include "histogram.h"

enum { STEPS_LOG2 = 6 };

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    uint64_t place = ns;
    if (ns >= STEPS) {
        int shift = 63 - __builtin_clzll(ns) - STEPS_LOG2;
        place = (uint64_t)(shift + 1) * STEPS + (ns >> shift) - STEPS;
    }
    histogram->counts[place]++;
    histogram->total++;
}

double histogram_ms(const struct histogram *histogram, double share)
{
    uint64_t before = (uint64_t)((double)histogram->total * share);
    uint64_t seen = 0;
    for (uint64_t place = 0; place < STEPS * STEPS; place++) {
        seen += histogram->counts[place];
        if (seen > before) {
            uint64_t octave = place / STEPS;
            uint64_t ns = octave == 0 ? place : (place % STEPS + STEPS) << (octave - 1);
            return (double)ns / 1e6;
        }
    }
    return 0;
}
