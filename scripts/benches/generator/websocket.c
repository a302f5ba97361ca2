#include "websocket.h"

#include <stdint.h>
#include <string.h>

#include "chance.h"

/* Copy bytes with a mask put on, or taken off. */
static void mask_copy(char *to, const char *from, size_t size, uint32_t mask)
{
    uint64_t wide = (uint64_t)mask << 32 | mask;
    size_t at = 0;
    for (; at + sizeof wide <= size; at += sizeof wide) {
        uint64_t bytes;
        memcpy(&bytes, from + at, sizeof bytes);
        bytes ^= wide;
        memcpy(to + at, &bytes, sizeof bytes);
    }
    for (; at < size; at++)
        to[at] = (char)(from[at] ^ ((char *)&mask)[at % sizeof mask]);
}

size_t frame_read(char *bytes, size_t there, struct frame *frame)
{
    const unsigned char *head = (const unsigned char *)bytes;
    if (there < 2)
        return 0;
    bool masked = head[1] & 0x80;
    size_t size = head[1] & 0x7f;
    size_t more = size == 127 ? 8 : size == 126 ? 2 : 0; /* bytes that say the size */
    size_t start = 2 + more + (masked ? 4 : 0);
    if (there < start)
        return 0;
    if (more > 0)
        size = 0;
    for (size_t at = 0; at < more; at++)
        size = size << 8 | head[2 + at];
    if (there - start < size)
        return 0;
    frame->opcode = head[0] & 0x0f;
    frame->last = head[0] & 0x80;
    frame->payload = bytes + start;
    frame->size = size;
    if (masked) {
        uint32_t mask;
        memcpy(&mask, bytes + start - sizeof mask, sizeof mask);
        mask_copy(frame->payload, frame->payload, size, mask);
    }
    return start + size;
}

void frame_write(struct text *text, enum opcode opcode, const char *payload, size_t size,
                 bool masked)
{
    enum { LARGEST_HEAD = 14 };
    char *frame = text_room(text, LARGEST_HEAD + size);
    size_t more = size < 126 ? 0 : size < 65536 ? 2 : 8;
    size_t at = 2 + more;
    frame[0] = (char)(0x80 | opcode);
    frame[1] = (char)((masked ? 0x80 : 0) | (more == 0 ? size : more == 2 ? 126 : 127));
    for (size_t i = 0; i < more; i++)
        frame[2 + i] = (char)(size >> 8 * (more - 1 - i));
    if (masked) {
        uint32_t mask = (uint32_t)chance();
        memcpy(frame + at, &mask, sizeof mask);
        at += sizeof mask;
        mask_copy(frame + at, payload, size, mask);
    } else {
        memcpy(frame + at, payload, size);
    }
    text->size += at + size;
}
