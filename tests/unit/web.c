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

static struct web *open_one; /* by a test that may have failed meanwhile */

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
    atomic_store(&w->client, -1);
    close(fd);
}

static void *serve(void *web)
{
    struct web *w = web;
    for (size_t i = 0; w->replies[i] != NULL; i++) {
        int fd = accept(w->fd, NULL, NULL);
        if (fd < 0)
            break;
        atomic_store(&w->client, fd);
        serve_one(w, fd, w->replies[i]);
    }
    return NULL;
}

void web_open(struct web *w, const char *const *replies)
{
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    if (open_one != NULL)
        web_close(open_one);
    *w = (struct web){
        .fd = socket(AF_INET, SOCK_STREAM, 0), .client = -1, .replies = replies};
    assert_int_equal(bind(w->fd, (struct sockaddr *)&any, len), 0);
    assert_int_equal(listen(w->fd, 4), 0);
    assert_int_equal(getsockname(w->fd, (struct sockaddr *)&any, &len), 0);
    snprintf(w->url, sizeof w->url, "http://127.0.0.1:%u/list", ntohs(any.sin_port));
    assert_int_equal(pthread_create(&w->thread, NULL, serve, w), 0);
    open_one = w;
}

void web_close(struct web *w)
{
    open_one = NULL;
    shutdown(w->fd, SHUT_RDWR);
    int client = atomic_load(&w->client);
    if (client >= 0)
        shutdown(client, SHUT_RDWR);
    pthread_join(w->thread, NULL);
    close(w->fd);
}
