/* HTTP for sources, over libcurl, on the source's own thread, which may wait.
 *
 *     h = http_new(&settings, why);
 *     struct http_request get = {.url = url};
 *     if (http_do(h, &get, &reply) == 0 && reply.status == 200) ...
 *     http_reply_release(&reply);
 *     http_free(h);
 *
 * Each `http` has its own connections and credentials: what one source has opened no
 * other one uses. Certificates are verified, redirects are not followed (a credential
 * goes only where it was meant to go), nothing is longer than its limit, and whatever
 * is under way ends when the source is told to. No credential is ever part of a
 * message.
 *
 * The library is loaded when the first source needs it. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_HTTP_H
#define ISTHMUS_CONFIG_DISCOVERY_HTTP_H

#include "base/span.h"

#define HTTP_WHY_MAX 256

/* Texts are PEM, NULL: none. All is copied. */
struct http_settings {
    const char *ca;         /* NULL: those the system trusts */
    const char *cert, *key; /* of the client */
    const char *user, *password;
    bool bare_token;         /* without the word Bearer, as etcd wants it */
    const char *token;       /* bearer */
    const char *token_file;  /* likewise, read again before each request; wins */
    const char *proxy;       /* its URL; NULL: none, whatever the environment says */
    const char *server_name; /* whom the certificate is for; NULL: the URL's host */
    bool insecure;           /* any certificate will do */
    int stop_fd;             /* readable when all is over; -1: never */
};

struct http;

/* NULL: `why` (HTTP_WHY_MAX) says what is wrong. */
struct http *http_new(const struct http_settings *settings, char *why);
void http_free(struct http *h); /* NULL is fine */

struct http_request {
    const char *url;
    const char *accept;   /* NULL: application/json */
    const char *body;     /* POST it, as application/json; NULL: GET */
    const char *etag;     /* If-None-Match; NULL or "": not */
    const char *modified; /* If-Modified-Since; likewise */
    size_t most;          /* octets of the body, or of one line of a stream */
    unsigned patience_s;  /* for the whole; of a stream for the beginning */
    /* NULL: the body is gathered. Otherwise the answer to a 200 is a stream, and each
     * of its lines goes here; false ends it. */
    bool (*line)(void *context, struct text line);
    void *context;
    unsigned silence_s; /* of a stream: it is over after that; 0 = never */
    /* Called about once a second while a stream is silent; NULL: nobody cares. */
    void (*idle)(void *context);
};

struct http_reply {
    long status; /* 0: there was none, and `why` says why not */
    char *body;  /* NUL-terminated; NULL for a stream */
    size_t len;
    char etag[256], modified[64];
    unsigned retry_after_s; /* 0: not said */
    bool ended;             /* a stream that had begun is over, as streams end */
    bool left;              /* it went on when another was over */
    char why[HTTP_WHY_MAX];
};

/* 0: `reply` has a status; -1: it has not, or what followed was cut. A stream whose
 * `line` has ended it has succeeded. */
int http_do(struct http *h, const struct http_request *request,
            struct http_reply *reply);

#define HTTP_STREAMS_MAX 8

/* Streams at once, over as few connections as the server lets them have, until the
 * first of them is over or `ms` have passed (< 0: never). 0: `replies` say which, and
 * those that went on are `left`; -1: one has failed, and has a `why`. */
int http_watch(struct http *h, const struct http_request *requests,
               struct http_reply *replies, unsigned n, int64_t ms);
void http_reply_release(struct http_reply *reply);

#endif
