/* A web server of one thread and no manners, on loopback: it says what the test tells
 * it to, one reply a connection, and keeps what it was asked.
 *
 *     static const char *const replies[] = {WEB_OK("", "[]"), "", NULL};
 *     static struct web w;            // it outlives a test that fails
 *     web_open(&w, replies);
 *     ... asks w.url ...
 *     web_close(&w);
 *     assert_non_null(strstr(w.asked, "GET /list"));
 */
#ifndef ISTHMUS_TESTS_UNIT_WEB_H
#define ISTHMUS_TESTS_UNIT_WEB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#define WEB_OK(headers, body)                                                          \
    "HTTP/1.1 200 OK\r\nConnection: close\r\n" headers "\r\n" body

struct web {
    int fd;
    _Atomic int client; /* that is being served; -1: none */
    char url[64];
    const char *const *replies; /* "": silence; NULL at the end */
    char asked[8192];           /* the last request */
    pthread_t thread;
};

void web_open(struct web *w, const char *const *replies);
void web_close(struct web *w);

#endif
