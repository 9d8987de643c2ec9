#include "tests/unit/web.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static void serve_one(struct web *w, int fd, const char *reply)
{
    size_t at = 0;
    w->asked[0] = '\0';
    while (strstr(w->asked, "\r\n\r\n") == NULL && at < sizeof w->asked - 1) {
        ssize_t n = recv(fd, w->asked + at, sizeof w->asked - 1 - at, 0);
        if (n <= 0)
            break;
        at += (size_t)n;
        w->asked[at] = '\0';
    }
    if (reply[0] == '\0') { /* silence, until the client goes */
        char one;
        while (recv(fd, &one, 1, 0) > 0)
            ;
    } else {
        send(fd, reply, strlen(reply), MSG_NOSIGNAL);
    }
    close(fd);
}

static void *serve(void *web)
{
    struct web *w = web;
    for (size_t i = 0; w->replies[i] != NULL; i++) {
        int fd = accept(w->fd, NULL, NULL);
        if (fd < 0)
            break;
        serve_one(w, fd, w->replies[i]);
    }
    return NULL;
}

void web_open(struct web *w, const char *const *replies)
{
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    *w = (struct web){.fd = socket(AF_INET, SOCK_STREAM, 0), .replies = replies};
    assert_int_equal(bind(w->fd, (struct sockaddr *)&any, len), 0);
    assert_int_equal(listen(w->fd, 4), 0);
    assert_int_equal(getsockname(w->fd, (struct sockaddr *)&any, &len), 0);
    snprintf(w->url, sizeof w->url, "http://127.0.0.1:%u/list", ntohs(any.sin_port));
    assert_int_equal(pthread_create(&w->thread, NULL, serve, w), 0);
}

void web_close(struct web *w)
{
    pthread_join(w->thread, NULL);
    close(w->fd);
}
