#include "server/proxy.h"

#include "base/hash.h"
#include "server/proxy_header.h"

#include <errno.h>
#include <stdlib.h>

/* ---- policy ---- */

enum proxy_policy proxy_policy_of(const struct plan_proxy *how, const struct addr *peer)
{
    for (uint32_t i = 0; i < how->allow_n; i++) {
        if (cidr_contains(&how->allow[i], peer))
            return PROXY_USE;
    }
    return how->others;
}

/* ---- sessions ---- */

struct proxy_session {
    struct addr via, client;
    uint64_t until_us;
    struct proxy_session *older, *newer;
};

static uint32_t via_hash(const struct addr *via)
{
    return (uint32_t)hash_bytes(via, sizeof *via);
}

static bool same_via(const void *entry, const void *key)
{
    return addr_equal(&((const struct proxy_session *)entry)->via, key);
}

static void detach(struct proxies *p, struct proxy_session *s)
{
    *(s->older == NULL ? &p->oldest : &s->older->newer) = s->newer;
    *(s->newer == NULL ? &p->newest : &s->newer->older) = s->older;
    s->older = s->newer = NULL;
}

static void attach(struct proxies *p, struct proxy_session *s)
{
    s->older = p->newest;
    *(p->newest == NULL ? &p->oldest : &p->newest->newer) = s;
    p->newest = s;
}

static void forget(struct proxies *p, struct proxy_session *s)
{
    table_del(&p->sessions, via_hash(&s->via), s);
    detach(p, s);
    free(s);
}

static void forget_down_to(struct proxies *p, uint32_t most)
{
    while (p->sessions.n > most)
        forget(p, p->oldest);
}

/* The session of a proxy's port, whose time begins anew; NULL: none, or it is over. */
static struct proxy_session *session_of(struct proxies *p, const struct addr *via,
                                        uint64_t now_us)
{
    struct proxy_session *s = table_get(&p->sessions, via_hash(via), same_via, via);
    if (s == NULL)
        return NULL;
    if (s->until_us <= now_us) {
        forget(p, s);
        return NULL;
    }
    s->until_us = now_us + (uint64_t)p->how->session_us;
    detach(p, s);
    attach(p, s);
    return s;
}

/* Without memory the session is not remembered: its questions then seem to be the
 * proxy's own. */
static void remember(struct proxies *p, const struct addr *via,
                     const struct addr *client, uint64_t now_us)
{
    struct proxy_session *s = session_of(p, via, now_us);
    if (s == NULL) {
        forget_down_to(p, p->how->sessions_max - 1);
        s = calloc(1, sizeof *s);
        if (s == NULL)
            return;
        s->via = *via;
        s->until_us = now_us + (uint64_t)p->how->session_us;
        if (table_put(&p->sessions, via_hash(via), s) < 0) {
            free(s);
            return;
        }
        attach(p, s);
    }
    s->client = *client;
}

void proxies_use(struct proxies *p, const struct plan_proxy *how)
{
    p->how = how;
    bool sessions = how != NULL && how->session_us > 0;
    forget_down_to(p, sessions ? how->sessions_max : 0);
}

void proxies_release(struct proxies *p)
{
    forget_down_to(p, 0);
    table_release(&p->sessions);
    *p = (struct proxies){0};
}

/* ---- datagrams ---- */

static bool drop(struct proxies *p, const struct client *c, const char *why)
{
    char text[ADDR_TEXT_MAX];
    log_limited(&p->log, 10, LOG_WARNING,
                "dropping invalid Proxy Protocol packet from %s: %s",
                addr_print(&c->peer, text), why);
    return false;
}

static void become(struct client *c, const struct addr *client)
{
    c->via = c->peer;
    c->peer = *client;
}

/* A datagram with a header. */
static bool take_header(struct proxies *p, uint64_t now_us, struct client *c,
                        const struct proxy_header *h, enum proxy_policy policy)
{
    if (policy == PROXY_REJECT)
        return drop(p, c, "its headers are rejected (`default reject`)");
    if (h->version != 2)
        return drop(p, c, "version 1 is not for UDP");
    if (h->told && !h->datagram)
        return drop(p, c, "the header does not tell of UDP");
    if (policy == PROXY_IGNORE || !h->told)
        return true;
    if (p->how->session_us > 0)
        remember(p, &c->peer, &h->source, now_us);
    become(c, &h->source);
    return true;
}

bool proxies_unwrap(struct proxies *p, uint64_t now_us, struct client *c,
                    struct span *in)
{
    struct proxy_header header;
    enum proxy_policy policy = proxy_policy_of(p->how, &c->peer);
    c->via = (struct addr){0};
    if (policy == PROXY_SKIP)
        return true;
    switch (proxy_header_parse(*in, &header)) {
    case PROXY_WHOLE:
        in->at += header.len;
        in->len -= header.len;
        return take_header(p, now_us, c, &header, policy) && in->len > 0;
    case PROXY_SHORT: /* a datagram has no more to come */
        if (in->len < 12)
            break; /* nor is it a question: that is for the resolver to say */
        return drop(p, c, "the header is cut short");
    case PROXY_WRONG:
        return drop(p, c, "malformed header");
    case PROXY_NONE:
        break;
    }
    if (policy == PROXY_USE && p->how->session_us > 0) {
        const struct proxy_session *s = session_of(p, &c->peer, now_us);
        if (s != NULL)
            become(c, &s->client);
    }
    return true;
}

/* ---- connections ---- */

/* Nothing is read before the header is whole, so that whoever reads next (frames, TLS)
 * finds the octets as they came; the kernel is told how many are to be there before it
 * reports the connection again. */
static void report_from(int fd, int octets)
{
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &octets, sizeof octets);
}

static enum proxy_step take_whole(int fd, enum proxy_policy policy,
                                  const struct proxy_header *h, struct client *who)
{
    uint8_t octets[PROXY_HEADER_MAX] UNSET;
    if (policy == PROXY_REJECT)
        return PROXY_STEP_END;
    if (recv(fd, octets, h->len, MSG_DONTWAIT) != (ssize_t)h->len)
        return PROXY_STEP_END;
    report_from(fd, 1);
    if (policy == PROXY_USE && h->told) {
        who->peer = h->source;
        who->local = h->target;
    }
    return PROXY_STEP_GO;
}

enum proxy_step proxy_take(int fd, enum proxy_policy policy, uint32_t *seen,
                           struct client *who)
{
    uint8_t octets[PROXY_HEADER_MAX] UNSET;
    struct proxy_header header;
    ssize_t n = recv(fd, octets, sizeof octets, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? PROXY_STEP_WAIT : PROXY_STEP_END;
    if (n == 0)
        return PROXY_STEP_END;
    switch (
        proxy_header_parse((struct span){.at = octets, .len = (size_t)n}, &header)) {
    case PROXY_NONE:
        report_from(fd, 1);
        return PROXY_STEP_GO;
    case PROXY_SHORT:
        if ((uint32_t)n <= *seen) /* the end of the stream, in the middle of it */
            return PROXY_STEP_END;
        *seen = (uint32_t)n;
        report_from(fd, (int)n + 1);
        return PROXY_STEP_WAIT;
    case PROXY_WHOLE:
        return take_whole(fd, policy, &header, who);
    case PROXY_WRONG:
        break;
    }
    return PROXY_STEP_END;
}
