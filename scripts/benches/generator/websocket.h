/* WebSocket frames (RFC 6455, 5.2), to and from memory. */

#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

enum opcode { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

struct frame {
    enum opcode opcode;
    bool last; /* of its message */
    char *payload;
    size_t size;
};

/* Read the frame at the beginning of some bytes, and take its mask off where it lies.
 * Returns how many bytes it has, 0 where not all of them are there. */
size_t frame_read(char *bytes, size_t there, struct frame *frame);

/* Add a frame to a text: with a mask as clients do, without one as servers do. */
void frame_write(struct text *text, enum opcode opcode, const char *payload, size_t size,
                 bool masked);

#endif
