#include "process.h"

#include <stdio.h>
#include <time.h>

#include "broken.h"

double processes_cpu_s(const struct processes *processes)
{
    double used = 0;
    for (int i = 0; i < processes->count; i++) {
        clockid_t clock;
        struct timespec time;
        if (clock_getcpuclockid(processes->ids[i], &clock) != 0 || clock_gettime(clock, &time) < 0)
            broken("the server is gone");
        used += (double)time.tv_sec + (double)time.tv_nsec / 1e9;
    }
    return used;
}

long long processes_memory(const struct processes *processes)
{
    long long all = 0;
    for (int i = 0; i < processes->count; i++) {
        char line[256];
        long long kb = -1;
        snprintf(line, sizeof line, "/proc/%d/status", (int)processes->ids[i]);
        FILE *status = fopen(line, "r");
        while (status != NULL && kb < 0 && fgets(line, sizeof line, status) != NULL)
            sscanf(line, "VmRSS: %lld", &kb);
        if (status != NULL)
            fclose(status);
        if (kb < 0)
            broken("the server is gone");
        all += kb * 1024;
    }
    return all;
}
