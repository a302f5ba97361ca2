/* A text that grows at its end. */

#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

struct text {
    char *bytes;
    size_t size;
    size_t room; /* bytes allocated; they are kept for what comes next */
};

/* Add bytes. */
void text_add(struct text *text, const char *bytes, size_t size);

/* Add what printf would print. */
void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Make room for so many bytes more. Returns where they go; text->size is the caller's to raise. */
char *text_room(struct text *text, size_t more);

/* Take bytes away from the beginning. */
void text_drop(struct text *text, size_t size);

#endif
