/* What a server's processes take. */

#ifndef PROCESS_H
#define PROCESS_H

#include <sys/types.h>

enum { MOST_PROCESSES = 64 };

struct processes {
    pid_t ids[MOST_PROCESSES];
    int count;
};

/* The processor's time that all threads of all of them have used, in seconds. */
double processes_cpu_s(const struct processes *processes);

/* Their memory in RAM, in bytes. */
long long processes_memory(const struct processes *processes);

#endif
