/* A WebSocket to the server, over a socket that never blocks. */

#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct wire {
    int socket;
    enum { CONNECTING, UPGRADING, OPEN } stage;
    struct text unsent;
    struct text unread;  /* the beginning of a frame */
    struct text message; /* the frames of a message whose last one is to come */
};

/* Prepare for wires to a server. */
void wires_to(const char *host, uint16_t port);

/* Begin to connect. The server's first message says that it is done. */
void wire_open(struct wire *wire);

/* Send a text message. */
void wire_send(struct wire *wire, const char *text, size_t size);

/* Take what has come on any wire, and wait so long for it at most; 0 never waits.
 * Returns whether there was something. */
bool wires_look(int timeout_ms);

/* Called by wires_look for each text message. Its bytes may be written to, also one behind them. */
void wire_on_text(struct wire *wire, char *text, size_t size);

#endif
