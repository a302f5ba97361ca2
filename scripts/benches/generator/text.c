#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *text_room(struct text *text, size_t more)
{
    if (text->size + more > text->room) {
        text->room = (text->size + more) * 2;
        text->bytes = realloc(text->bytes, text->room);
        if (text->bytes == NULL)
            abort();
    }
    return text->bytes + text->size;
}

void text_add(struct text *text, const char *bytes, size_t size)
{
    if (size > 0)
        memcpy(text_room(text, size), bytes, size);
    text->size += size;
}

void text_print(struct text *text, const char *format, ...)
{
    enum { MOST = 1024 };
    va_list values;
    va_start(values, format);
    int size = vsnprintf(text_room(text, MOST), MOST, format, values);
    va_end(values);
    if (size < 0 || size >= MOST)
        abort();
    text->size += (size_t)size;
}

void text_drop(struct text *text, size_t size)
{
    text->size -= size;
    if (text->size > 0)
        memmove(text->bytes, text->bytes + size, text->size);
}
