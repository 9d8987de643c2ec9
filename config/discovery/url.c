/* A URL: what it gives is read as a file's text would be. Asked from time to time, with
 * the ETag or the date of what is known, so that what has not changed is not sent; all
 * replicas of a fleet do not ask at the same moment.
 *
 * A failure says nothing about the clusters: all stays, and it is asked again after one
 * second, then two, up to the usual time. */
#include "config/discovery/access.h"
#include "config/discovery/discovery_own.h"
#include "config/discovery/rest.h"

#include "base/limits.h"

#include <stdio.h>

#define USUAL_MS 30000

struct url {
    struct discovery *d;
    const char *source, *part;
    struct http *http; /* NULL: to be made */
    char etag[256], modified[64];
    struct rest rest;
};

static void fail(struct url *u, const char *why)
{
    u->rest.failures++;
    u->etag[0] = u->modified[0] = '\0';
    discovery_failed(u->d, "%s", why);
    http_free(u->http); /* files that it was made from may have changed */
    u->http = NULL;
}

static void read_body(struct url *u, const struct http_reply *reply)
{
    struct errors errs;
    errors_init(&errs);
    struct text text = {.at = reply->body, .len = reply->len};
    discovery_begin(u->d, u->part);
    enum inventory_result result =
        inventory_read_json(u->part, text, discovery_sink(u->d), &errs);
    discovery_end(u->d, result, &errs);
    discovery_parts_gone(u->d, NULL, 0);
    errors_release(&errs);
    snprintf(u->etag, sizeof u->etag, "%s", reply->etag);
    snprintf(u->modified, sizeof u->modified, "%s", reply->modified);
}

static void take_reply(struct url *u, const struct http_reply *reply)
{
    char why[HTTP_WHY_MAX];
    u->rest.wait_s = reply->retry_after_s;
    if (reply->status == 200) {
        u->rest.failures = 0;
        read_body(u, reply);
    } else if (reply->status == 304) {
        u->rest.failures = 0;
        discovery_parts_gone(u->d, NULL, 0);
    } else {
        snprintf(why, sizeof why, "HTTP status %ld", reply->status);
        fail(u, why);
    }
}

static void look(struct url *u)
{
    char why[HTTP_WHY_MAX] = "";
    if (u->http == NULL) {
        struct discovery_settings s = discovery_settings(u->d);
        u->http = access_open(&s.access, discovery_stop_fd(u->d), why);
    }
    if (u->http == NULL) {
        fail(u, why);
        return;
    }
    struct http_reply reply;
    struct http_request get = {.url = u->source,
                               .etag = u->etag,
                               .modified = u->modified,
                               .most = INVENTORY_OCTETS_MAX,
                               .patience_s = HTTP_PATIENCE_S};
    if (http_do(u->http, &get, &reply) == 0)
        take_reply(u, &reply);
    else
        fail(u, reply.why);
    http_reply_release(&reply);
}

static void run(struct discovery *d)
{
    struct url u = {.d = d, .source = discovery_settings(d).source};
    u.part = discovery_part(d, u.source);
    do
        look(&u);
    while (discovery_wait(d, -1, rest_ms(d, &u.rest, USUAL_MS)));
    http_free(u.http);
}

const struct discovery_source discovery_https = {
    .name = "url", .scheme = "https://", .run = run};
const struct discovery_source discovery_http = {
    .name = "url", .scheme = "http://", .run = run};
