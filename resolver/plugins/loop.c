/* loop: finds forwarders that ask each other in a circle, and says so to who asks.
 *
 *     . {
 *         loop
 *         forward . 10.0.0.2      # which, by mistake, forwards to us
 *     }
 *
 * A question that goes on from here carries a mark (trail.h). In a ring whose members
 * hand EDNS options on, isthmus, CoreDNS and dnsmasq among them, it comes back with it
 * in the time of one round, and is answered SERVFAIL at once. That answer runs back
 * through the ring and ends the client's question too, with an extended error that
 * names the cluster or upstream that led in a circle. A mended ring is whole with the
 * next question.
 *
 * For rings that drop options a question that nobody can guess (two random labels under
 * the block's first zone, HINFO, as in CoreDNS) goes the way of all others: half a
 * second after the plan is taken up, again when questions fail slowly, and to see
 * whether a ring is still there. When it comes back the ring is known for RING_US, and
 * so is who closes it: what he asks while it is being asked here is such a question,
 * too.
 *
 * CoreDNS ends the process when its question comes back, which anybody can bring about
 * who sees it (CVE-2026-26018). Here only questions fail that come back. */
#include "resolver/plugin.h"

#include "base/hash.h"
#include "base/log.h"
#include "resolver/core.h"
#include "resolver/edns.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"
#include "resolver/trail.h"

#include <stdatomic.h>

#define SLOTS        256 /* questions remembered, of two that fall together the later */
#define REMEMBERED_S 10  /* longer than a question is on its way */

#define RING_US        UINT64_C(30000000)
#define RING_RENEW_US  UINT64_C(10000000) /* looked for again this long before */
#define PROBE_WAIT_US  UINT64_C(2000000)  /* it comes back within this, or not at all */
#define PROBE_EVERY_US UINT64_C(5000000)
#define SLOW_US        UINT64_C(1000000) /* a failure that took longer is suspicious */

enum secret_state {
    SECRET_NONE,
    SECRET_BEING_DRAWN, /* one worker does it; the others go without meanwhile */
    SECRET_DRAWN,
};

/* What workers share and write, in the plan's arena. */
struct ring_watch {
    _Atomic int secret; /* enum secret_state: the next two are written before DRAWN */
    uint8_t setter[TRAIL_SETTER];
    struct name probe;
    _Atomic uint64_t circles[SLOTS]; /* what came back: half of a mark's end, seconds */
    _Atomic uint64_t
        asked[SLOTS];           /* the same, of what is being asked in a known ring */
    _Atomic uint64_t probed_us; /* when the secret question was last sent */
    _Atomic uint64_t ring_until_us;
    _Atomic uint64_t ring_peer; /* a hash of who closes it */
    struct log_limit limit;
};

struct loop {
    struct name zone;
    struct ring_watch *watch;
    const struct plan_block *block;
};

/* ---- setup ---- */

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct loop *l = arena_alloc(s->arena, sizeof *l);
    reader_next(&rd);
    if (reader_no_arg(&rd) < 0)
        return -1;
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    if (l == NULL || (l->watch = arena_alloc(s->arena, sizeof *l->watch)) == NULL)
        return error_at(s->errs, d->at, "out of memory");
    l->zone = s->block->zones.n > 0 ? s->block->zones.list[0] : (struct name){.len = 1};
    l->block = s->block;
    s->state = l;
    return 0;
}

/* ---- secrets ---- */

/* `RANDOM.RANDOM.ZONE`, as many labels as fit. */
static void make_probe(struct io *io, const struct name *zone, struct name *out)
{
    char text[48];
    uint64_t draw[2];
    struct name labels;
    io->random(io, draw, sizeof draw);
    snprintf(text, sizeof text, "%llu.%llu", (unsigned long long)draw[0] >> 2,
             (unsigned long long)draw[1] >> 2);
    if (name_parse(&labels, text_of(text)) < 0 ||
        name_join(out, labels.wire, labels.len - 1u, zone->wire) < 0)
        *out = labels; /* such a zone has no room for names below it */
}

/* Whether there are secrets; draws them when there are none. */
static bool has_secret(struct io *io, const struct loop *l)
{
    struct ring_watch *w = l->watch;
    int state = SECRET_NONE;
    if (atomic_load_explicit(&w->secret, memory_order_acquire) == SECRET_DRAWN)
        return true;
    if (!atomic_compare_exchange_strong(&w->secret, &state, SECRET_BEING_DRAWN))
        return false;
    io->random(io, w->setter, sizeof w->setter);
    make_probe(io, &l->zone, &w->probe);
    atomic_store_explicit(&w->secret, SECRET_DRAWN, memory_order_release);
    return true;
}

/* ---- questions remembered ---- */

static uint64_t load(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void store(_Atomic uint64_t *to, uint64_t value)
{
    atomic_store_explicit(to, value, memory_order_relaxed);
}

/* Enough of a question's mark, and when. */
static uint64_t note_of(const struct query *q, const uint8_t *mark)
{
    return (uint64_t)load_u32(mark + 8) << 32 | (uint32_t)(query_now_us(q) / 1000000);
}

static void remember(const struct query *q, _Atomic uint64_t *list, const uint8_t *mark)
{
    store(&list[load_u32(mark + 12) % SLOTS], note_of(q, mark));
}

static bool is_remembered(const struct query *q, const _Atomic uint64_t *list,
                          const uint8_t *mark)
{
    uint64_t now = note_of(q, mark), then = load(&list[load_u32(mark + 12) % SLOTS]);
    return then >> 32 == now >> 32 && (uint32_t)now - (uint32_t)then <= REMEMBERED_S;
}

static void forget(_Atomic uint64_t *list, const uint8_t *mark)
{
    _Atomic uint64_t *slot = &list[load_u32(mark + 12) % SLOTS];
    if (load(slot) >> 32 == load_u32(mark + 8))
        store(slot, 0);
}

/* ---- circles ---- */

/* "cluster-b.local: loop, the question came back" */
static const char *circle_text(struct query *q, const struct loop *l)
{
    static const char what[] = "loop, the question came back";
    const char *label = NULL;
    for (uint16_t i = 0; i < l->block->chain_n && label == NULL; i++) {
        const struct slot *slot = &l->block->chain[i];
        if (slot->plugin->label != NULL)
            label = slot->plugin->label(q, slot->state);
    }
    if (label == NULL)
        return what;
    const char *text = arena_printf(&q->arena, "%.30s: %s", label, what);
    return text == NULL ? what : text;
}

static void tell(const struct query *q, const struct loop *l)
{
    char peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX], zone[NAME_TEXT_MAX];
    char name[NAME_TEXT_MAX], type[RDATA_MNEMONIC_MAX];
    name_print(l->zone.wire, zone);
    name_print(q->request.lower, name);
    log_limited(&l->watch->limit, 1, LOG_ERROR,
                "plugin/loop: Loop (%s -> %s) detected for zone \"%s\", see "
                "https://coredns.io/plugins/loop#troubleshooting. Query: \"%s %s\"",
                addr_print(&q->client.peer, peer), addr_print(&q->client.local, local),
                zone, rdata_type_print(q->request.type, type), name);
}

static enum verdict came_back(struct query *q, const struct loop *l,
                              const uint8_t *mark)
{
    remember(q, l->watch->circles, mark);
    tell(q, l);
    return query_fail_ede(q, DNS_SERVFAIL, "plugin/loop: the question came back",
                          EDE_OTHER, circle_text(q, l));
}

/* ---- rings that drop marks ---- */

/* Sends the secret question unless that was done a short while ago. */
static void probe(struct resolver *r, const struct loop *l, uint16_t server)
{
    struct ring_watch *w = l->watch;
    uint64_t last_us = load(&w->probed_us);
    if ((last_us != 0 && r->now_us - last_us < PROBE_EVERY_US) ||
        !atomic_compare_exchange_strong(&w->probed_us, &last_us, r->now_us))
        return;
    if (query_start(r, server, w->probe.wire, DNS_HINFO) < 0)
        log_warning("plugin/loop: no memory to look for a loop");
}

/* The same on behalf of a query, unless it began before a reload: servers have other
 * numbers now, and the new plan has its own probe. */
static void probe_again(struct query *q, const struct loop *l)
{
    if (q->hold == q->r->hold)
        probe(q->r, l, q->client.server);
}

static uint64_t peer_of(const struct query *q)
{
    return hash_bytes(q->client.peer.ip, sizeof q->client.peer.ip);
}

/* Whether the secret question has come back, while it is awaited. */
static bool is_probe(const struct query *q, const struct ring_watch *w)
{
    return q->depth == 0 && q->request.type == DNS_HINFO &&
           name_equal(q->request.lower, w->probe.wire) &&
           query_now_us(q) - load(&w->probed_us) <= PROBE_WAIT_US;
}

static void ring_found(const struct query *q, struct ring_watch *w)
{
    store(&w->ring_peer, peer_of(q));
    store(&w->ring_until_us, query_now_us(q) + RING_US);
}

/* In a known ring: whether this question comes from who closes it and is being asked.
 * If not, it is from now on. */
static bool closes_ring(struct query *q, const struct loop *l, const uint8_t *mark)
{
    struct ring_watch *w = l->watch;
    uint64_t until_us = load(&w->ring_until_us), now_us = query_now_us(q);
    if (now_us >= until_us || q->depth > 0)
        return false;
    if (until_us - now_us < RING_RENEW_US)
        probe_again(q, l);
    if (peer_of(q) == load(&w->ring_peer) && is_remembered(q, w->asked, mark))
        return true;
    remember(q, w->asked, mark);
    return false;
}

/* ---- queries ---- */

static enum verdict on_query(struct query *q, const void *state)
{
    const struct loop *l = state;
    struct ring_watch *w = l->watch;
    uint8_t mark[TRAIL_MARK];
    if (!has_secret(q->r->io, l))
        return PASS;
    trail_mark(&q->request, w->setter, mark);
    bool secret = is_probe(q, w);
    if (secret)
        ring_found(q, w);
    if (secret || trail_is_circle(q->request.opt.options, mark) ||
        closes_ring(q, l, mark))
        return came_back(q, l, mark);
    /* Without memory the question goes on unmarked. */
    q->request.mark = arena_copy(&q->arena, mark, sizeof mark);
    return PASS;
}

/* The SERVFAIL that came back through the ring gets the name of who led into it, where
 * the ring has not handed it on. */
static enum verdict on_response(struct query *q, const void *state)
{
    const struct loop *l = state;
    const struct response *res = q->response;
    const uint8_t *mark = q->request.mark;
    struct edns_option told;
    if (mark == NULL)
        return PASS;
    forget(l->watch->asked, mark);
    if (res->msg.rcode != DNS_SERVFAIL)
        return PASS;
    if (is_remembered(q, l->watch->circles, mark) &&
        !edns_find(res->options, EDNS_EDE, &told))
        query_set_ede(q, EDE_OTHER, circle_text(q, l));
    if (q->depth == 0 && query_now_us(q) - q->start_us >= SLOW_US)
        probe_again(q, l);
    return PASS;
}

static void on_start(struct resolver *r, uint16_t server, const void *state)
{
    const struct loop *l = state;
    if (has_secret(r->io, l))
        probe(r, l, server);
}

const struct plugin plugin_loop = {
    .name = "loop",
    .help = "finds forwarders that ask each other in a circle",
    .synopsis = "loop",
    .setup = setup,
    .on_query = on_query,
    .on_response = on_response,
    .on_start = on_start,
};
