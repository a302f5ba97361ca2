/* What makes figures mean nothing. */

#ifndef BROKEN_H
#define BROKEN_H

/* Say what was lost, refused or out of order, and end with exit code 1. */
void broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
