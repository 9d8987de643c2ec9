#include "base/cursor.h"
#include "config/key.h"
#include "resolver/msg.h"
#include "server/dial_stream_core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORD        16384 /* octets of TLS: as much is sent at a time */
#define AUTHORITY_MAX 272   /* a name, brackets and a port */

static void tell_flaw(const struct dial_conn *c, const char *what)
{
    char text[ADDR_TEXT_MAX];
    log_limited(&c->dial->log_flaws, 10, LOG_WARNING, "https://%s: %s",
                addr_print(&c->peer, text), what);
}

/* ---- answers ---- */

static void on_failed(void *owner, uint16_t id, int error, const char *why)
{
    struct dial_conn *c = owner;
    uint8_t sent[DNS_HEADER_LEN] = {0};
    c->waiting_us = 0;
    if (why != NULL)
        tell_flaw(c, why);
    c->dial->counters.lost++;
    store_u16(sent, id);
    resolver_lost_one(c->dial->turn->resolver, c->conn, &c->peer,
                      (struct span){.at = sent, .len = sizeof sent}, error);
}

/* HTTP says to which question it belongs: if it does not fit, no other will come. */
static void on_answered(void *owner, uint16_t id, struct span wire)
{
    struct dial_conn *c = owner;
    c->dial->counters.received++;
    c->waiting_us = 0;
    if (!resolver_datagram_from(c->dial->turn->resolver, c->conn, NULL, wire))
        on_failed(c, id, EBADMSG, NULL);
}

static bool is_awaited(void *owner, uint16_t id)
{
    const struct dial_conn *c = owner;
    uint8_t sent[DNS_HEADER_LEN] = {0};
    store_u16(sent, id);
    return resolver_awaits(c->dial->turn->resolver, c->conn, &c->peer,
                           (struct span){.at = sent, .len = sizeof sent});
}

int dial_https_feed(struct dial_conn *c, const uint8_t *at, size_t n)
{
    c->telling = true;
    int error = doh_client_feed(c->doh, at, n);
    c->telling = false;
    if (error == EBADMSG)
        tell_flaw(c, "it does not speak HTTP as it should");
    return error;
}

void dial_https_hang_up(struct dial_conn *c)
{
    c->telling = true;
    doh_client_hang_up(c->doh);
    c->telling = false;
}

void dial_https_give_back(struct dial_conn *c)
{
    c->telling = true;
    doh_client_give_back(c->doh);
    c->telling = false;
}

/* ---- questions ---- */

int dial_https_fill(struct dial_conn *c, size_t *n)
{
    struct dial_stream *d = c->dial;
    c->telling = true;
    *n = doh_client_take(c->doh, d->room, RECORD);
    c->telling = false;
    if (outbox_put(&c->out, d->room, *n, RECORD) < 0)
        return ENOMEM;
    if (*n > 0 || !doh_client_ended(c->doh))
        return 0;
    if (doh_client_is_closing(c->doh))
        return ECONNRESET;
    tell_flaw(c, "it does not speak HTTP as it should");
    return EBADMSG;
}

void dial_https_forget(struct dial_conn *c)
{
    uint64_t now_us = c->dial->turn->now_us;
    if (now_us > DIAL_SILENT_US)
        doh_client_forget(c->doh, now_us - DIAL_SILENT_US);
}

/* ---- life ---- */

/* `dns.test`, `192.0.2.1:8443`, `[2001:db8::1]`: whom it is asked for, so that a server
 * with many names knows which one (RFC 9113 section 8.3.1). */
static void print_authority(const struct dial_conn *c, char *out, size_t cap)
{
    const char *name = tls_servername(c->pool->tls);
    bool v6 = strchr(name, ':') != NULL;
    int n = snprintf(out, cap, "%s%s%s", v6 ? "[" : "", name, v6 ? "]" : "");
    if (c->peer.port != scheme_port(SCHEME_HTTPS) && n > 0 && (size_t)n < cap)
        snprintf(out + n, cap - (size_t)n, ":%u", c->peer.port);
}

int dial_https_open(struct dial_conn *c)
{
    char authority[AUTHORITY_MAX];
    struct dial_stream *d = c->dial;
    if (d->doh == NULL)
        d->doh = doh_client_shared_new();
    if (d->doh == NULL)
        return ENOMEM;
    print_authority(c, authority, sizeof authority);
    const struct doh_client_how how = {.authority = authority,
                                       .get = c->pool->https == HTTPS_GET,
                                       .answered = on_answered,
                                       .failed = on_failed,
                                       .awaited = is_awaited,
                                       .owner = c};
    c->doh = doh_client_new(d->doh, &how);
    return c->doh == NULL ? ENOMEM : 0;
}

/* Where each connection has one question out there may be more of them. Without memory
 * it stays as it is. */
static void widen(struct dial_stream_pool *p)
{
    struct dial_conn **more;
    if (p->conns != p->few ||
        (more = calloc(UPSTREAM_HTTP1_CONNECTIONS, sizeof(struct dial_conn *))) == NULL)
        return;
    memcpy(more, p->few, sizeof p->few);
    p->conns = more;
    p->conns_n = UPSTREAM_HTTP1_CONNECTIONS;
}

/* Questions that stand behind the first of HTTP/1.1 need not wait for it. */
int dial_https_begin(struct dial_conn *c)
{
    bool http2 = tls_speaks_http2(c->tls);
    int error = doh_client_begin(c->doh, http2);
    if (c->pool != NULL)
        c->pool->http1 = !http2;
    if (http2 || c->pool == NULL)
        return error;
    widen(c->pool);
    dial_https_give_back(c);
    return error;
}
