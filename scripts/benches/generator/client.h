/* A Socket.IO client (protocol 5 over Engine.IO 4, WebSocket alone). */

#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* A message, and whether its answer is still to come. */
struct request {
    uint64_t id;
    uint64_t due_ns; /* when it was to be sent, however late it was */
    bool waiting;
    bool told; /* the event that it causes has come to whoever sent it */
};

struct client {
    struct wire wire; /* the first, so that it is the client */
    int number;
    const char *auth; /* an object of JSON, or "" */
    const char *room;
    const char *battle; /* an id, or NULL */
    bool connected;     /* to the namespace */
    bool seated;        /* in the battle */
    bool ready;         /* in the room */
    int64_t seq;        /* of the last event */
    struct request *requests;
    uint64_t sent; /* requests so far */
};

/* Send an event; an `id` of 0 asks for no answer. `data` is JSON. */
void client_emit(struct client *client, uint64_t id, const char *name, const char *data,
                 size_t size);

/* Called when the client is connected to the namespace. */
void client_on_connected(struct client *client);

/* Called with `[…]` of an answer, and with `["name",…]` of an event: both end with a zero. */
void client_on_answer(struct client *client, uint64_t id, const char *answer, size_t size);
void client_on_event(struct client *client, const char *event, size_t size);

#endif
