/* What clients send, and whether what comes is right. */

#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "client.h"
#include "histogram.h"

/* What has been so far. */
struct tally {
    int ready; /* clients in their room */
    uint64_t sent;
    uint64_t answered;
    uint64_t told; /* events that came */
};

extern struct tally tally;

/* How long answers and events took, of those that came since `measuring`. */
extern struct histogram answer_times, told_times;
extern bool measuring;

/* Whether an answer makes its client send the next message. */
extern bool going_on;

/* Prepare a client, to be connected. */
void workload_prepare(struct client *client);

/* Send a broadcast that was due at a moment, from a client to all. */
void send_broadcast(struct client *client, uint64_t due_ns);

/* Send the next message of a client; `slot` is which of its window. */
void send_request(struct client *client, int slot, uint64_t due_ns);

/* How many answers and events there are to be for all that was sent. */
uint64_t answers_due(void);
uint64_t events_due(void);

#endif
