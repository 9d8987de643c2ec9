/* A URL: what it gives is read as a file's text would be. Asked from time to time, with
 * the ETag or the date of what is known, so that what has not changed is not sent; all
 * replicas of a fleet do not ask at the same moment.
 *
 * A failure says nothing about the clusters: all stays, and it is asked again after one
 * second, then two, up to the usual time. */
#include "config/discovery/access.h"
#include "config/discovery/discovery_own.h"

#include "base/limits.h"

#include <stdio.h>

#define USUAL_MS 30000
#define FIRST_MS 1000

struct url {
    struct discovery *d;
    const char *source, *part;
    struct http *http; /* NULL: to be made */
    char etag[256], modified[64];
    unsigned failures; /* in a row */
    unsigned wait_s;   /* asked for by the server; 0: no */
};

static void fail(struct url *u, const char *why)
{
    u->failures++;
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
    u->wait_s = reply->retry_after_s;
    if (reply->status == 200) {
        u->failures = 0;
        read_body(u, reply);
    } else if (reply->status == 304) {
        u->failures = 0;
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

/* Nine to eleven tenths of the time. */
static int with_jitter(int64_t ms)
{
    int64_t jitter = ms / 5;
    int64_t draw = (int64_t)(discovery_now_ns() / 1000 % 1000000);
    int64_t out = ms - jitter / 2 + (jitter > 0 ? draw % jitter : 0);
    return out > INT32_MAX ? INT32_MAX : (int)out;
}

static int rest_ms(struct url *u)
{
    int64_t usual_ms = discovery_settings(u->d).interval_us / 1000;
    int64_t ms = usual_ms > 0 ? usual_ms : USUAL_MS;
    if (u->failures > 0 && u->failures < 16 && FIRST_MS << (u->failures - 1) < ms)
        ms = FIRST_MS << (u->failures - 1);
    if (ms < (int64_t)u->wait_s * 1000)
        ms = (int64_t)u->wait_s * 1000;
    return with_jitter(ms);
}

static void run(struct discovery *d)
{
    struct url u = {.d = d, .source = discovery_settings(d).source};
    u.part = discovery_part(d, u.source);
    do
        look(&u);
    while (discovery_wait(d, -1, rest_ms(&u)));
    http_free(u.http);
}

const struct discovery_source discovery_https = {
    .name = "url", .scheme = "https://", .run = run};
const struct discovery_source discovery_http = {
    .name = "url", .scheme = "http://", .run = run};
