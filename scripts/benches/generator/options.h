/* What is to be measured. */

#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

#include "process.h"

enum workload { BROADCAST, ECHO, ROOMS, STRIKES, IDLE };

struct options {
    enum workload workload;
    const char *host;
    uint16_t port;
    int clients;
    int window;       /* messages of a client, or broadcasts, that are under way at a time */
    double rate;      /* messages a second of all together; 0: as fast as the window lets them */
    double warm_up_s; /* not measured */
    double seconds;
    double patience_s; /* for what does not come */
    int room_size;
    int bytes;            /* of the object that is sent */
    const char *people;   /* a file, or NULL */
    struct processes server;
};

extern struct options options;

/* Read the command line. Ends with exit code 2 where it makes no sense. */
void options_read(int count, char **words);

#endif
