/* Numbers that look random, the same in each run. */

#ifndef CHANCE_H
#define CHANCE_H

#include <stdint.h>

/* The next 64 bits (xorshift64). */
static inline uint64_t chance(void)
{
    static uint64_t bits = 0x2545f4914f6cdd1dULL;
    bits ^= bits << 13;
    bits ^= bits >> 7;
    bits ^= bits << 17;
    return bits;
}

#endif
