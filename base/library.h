/* Libraries that a Corefile may do without: loaded when it wants them, so that others
 * have neither their memory nor a need to install them.
 *
 *     #define CALLS(CALL) CALL(MHD_run) CALL(MHD_stop_daemon)
 *     struct table { void *handle; CALLS(LIBRARY_FIELD) };
 *     #define CALL(name) {#name, offsetof(struct table, name)},
 *     static const struct library_call calls[] = {CALLS(CALL)};
 *     t->handle = library_open("libx.so.1", calls, n, t);   // NULL: it cannot be had
 *     t->MHD_run(...);
 *     library_close(t->handle); */
#ifndef ISTHMUS_BASE_LIBRARY_H
#define ISTHMUS_BASE_LIBRARY_H

#include <stddef.h>

/* A function of the library, and where its address goes. */
struct library_call {
    const char *name;
    size_t at;
};

#define LIBRARY_FIELD(name) __typeof__(&name) name;

void *library_open(const char *file, const struct library_call *calls, size_t n,
                   void *table);
void library_close(void *handle); /* NULL: nothing */

#endif
