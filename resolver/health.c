#include "resolver/health.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/plan.h"

#include <errno.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000)

#define PROBE_WAIT_US  SECOND        /* for the answer */
#define PROBE_LEAST_US (SECOND / 10) /* between probes, whatever health_check says */
#define DOUBT_US       (SECOND / 4)  /* first pause while in doubt; then doubling */
#define DOUBT_MAX_US   (2 * SECOND)
#define IN_USE_US      (60 * SECOND) /* since the last question */
#define LOOK_US        SECOND        /* a resting watch looks around as often */

enum probe_state {
    PROBE_RESTING, /* its timer says when it asks */
    PROBE_ASKING,  /* its question is out */
};

enum probe_kind {
    PROBE_WATCH,    /* goes on until its address needs none */
    PROBE_TRIAL,    /* asks once */
    PROBE_LISTENER, /* asks nothing: a question's late answer may come */
};

struct probe {
    struct attempt attempt; /* first: what a match gives back */
    struct timer timer;
    struct probe *next, **prev;
    struct upstreams *owner;
    const struct upstream_group *group;
    struct upstream *up;
    struct plan_hold *hold; /* the plan that `group` belongs to cannot go before us */
    enum probe_state state;
    uint8_t kind;      /* enum probe_kind */
    uint64_t due_us;   /* when it asks next */
    uint64_t doubt_us; /* the present pause while in doubt, 0 = the first */
    size_t wire_len;
    uint8_t wire[DNS_HEADER_LEN + NAME_WIRE_MAX + 4];
};

static uint32_t load(const _Atomic uint32_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static uint64_t load_us(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void store_us(_Atomic uint64_t *to, uint64_t us)
{
    atomic_store_explicit(to, us, memory_order_relaxed);
}

/* ---- the allowance ---- */

bool health_budget_take(struct probe_budget *b, uint64_t now_us, uint64_t *next_us)
{
    uint64_t next = load_us(&b->next_us);
    do {
        *next_us = next;
        if (next > now_us)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        &b->next_us, &next, now_us + SECOND / PROBES_PER_S, memory_order_relaxed,
        memory_order_relaxed));
    return true;
}

/* ---- what is known ---- */

bool health_down(const struct upstream_group *g, const struct upstream *up)
{
    uint32_t fails = load(&up->fails);
    if (g->rules->max_fails == 0)
        return false;
    return g->rules->cluster ? fails >= g->rules->max_fails
                             : fails > g->rules->max_fails;
}

static bool is_drained(const struct upstream *up)
{
    return atomic_load_explicit(&up->drained, memory_order_relaxed);
}

bool health_drained(const struct upstream_group *g)
{
    for (uint32_t i = 0; i < g->n; i++) {
        if (!is_drained(g->list[i]))
            return false;
    }
    return g->n > 0;
}

bool health_known(const struct upstream *up)
{
    return atomic_load_explicit(&up->used_us, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&up->srtt_us, memory_order_relaxed) > 0;
}

const char *health_state(const struct upstream_group *g)
{
    static const char unasked[] = "not asked yet";
    uint32_t down = 0, known = 0;
    if (g == NULL)
        return unasked;
    for (uint32_t i = 0; i < g->n; i++) {
        down += health_down(g, g->list[i]);
        known += health_known(g->list[i]);
    }
    if (down == g->n)
        return "down";
    if (health_drained(g))
        return "drained";
    if (down > 0)
        return "degraded";
    return known > 0 ? "up" : unasked;
}

bool health_spares(const struct upstream_group *g)
{
    bool drained = false, up = false;
    for (uint32_t i = 0; i < g->n; i++) {
        if (is_drained(g->list[i]))
            drained = true;
        else if (!health_down(g, g->list[i]))
            up = true;
    }
    return drained && up;
}

bool health_all_down(const struct upstream_group *g)
{
    for (uint32_t i = 0; i < g->n; i++) {
        if (!health_down(g, g->list[i]))
            return false;
    }
    return true;
}

uint64_t health_failing_us(const struct upstream *up, uint64_t now_us)
{
    uint64_t since = load_us(&up->failing_since_us);
    return since == 0 || since > now_us ? 0 : now_us - since;
}

struct upstream_result health_down_result(const struct upstream_group *g,
                                          uint64_t now_us)
{
    const struct upstream *up = g->list[0];
    return (struct upstream_result){
        .outcome = UPSTREAM_DOWN,
        .upstream = up,
        .error = "no healthy proxies",
        .silent_us = health_failing_us(up, now_us),
        .error_code = atomic_load_explicit(&up->last_error, memory_order_relaxed),
    };
}

uint64_t health_hedge_us(const struct upstream_group *g, const struct upstream *up)
{
    uint64_t rtt = load(&up->srtt_us), wait = 4 * rtt, usual = rtt + rtt / 2;
    uint64_t least = UPSTREAM_HEDGE_MS * 1000,
             most = (uint64_t)g->rules->attempt_us / 2;
    if (wait < least)
        wait = least;
    if (wait > most)
        wait = most;
    /* Who is always that slow is not asked everything twice. */
    if (wait < usual)
        wait = usual;
    return wait < (uint64_t)g->rules->attempt_us ? wait
                                                 : (uint64_t)g->rules->attempt_us;
}

static void add_rtt(struct upstream *up, uint64_t rtt_us)
{
    int64_t old = load(&up->srtt_us);
    int64_t sample = rtt_us > UINT32_MAX ? UINT32_MAX : (int64_t)rtt_us;
    int64_t new = old == 0 ? sample : old + (sample - old) / 8;
    /* Two workers may lose a sample here: the next one will do. */
    atomic_store_explicit(&up->srtt_us, new < 1 ? 1 : (uint32_t) new,
                          memory_order_relaxed);
}

static void set_alive(const struct health_of *of, struct upstream *up)
{
    if (load(&up->fails) == 0)
        return;
    bool was_down = health_down(of->group, up);
    store_us(&up->failing_since_us, 0);
    atomic_store_explicit(&up->fails, 0, memory_order_relaxed);
    if (was_down && of->group->rules->cluster)
        log_limited(&of->u->log_down, 10, LOG_INFO, "plugin/cluster: %s: %s is back",
                    of->group->label, up->text);
}

void health_alive(const struct health_of *of, struct upstream *up, uint64_t rtt_us)
{
    add_rtt(up, rtt_us);
    if (of->group->rules->cluster || health_down(of->group, up))
        set_alive(of, up);
}

/* One failure more. */
static void add_failure(const struct health_of *of, struct upstream *up)
{
    const struct upstream_group *g = of->group;
    uint32_t before = atomic_fetch_add_explicit(&up->fails, 1, memory_order_relaxed);
    if (before == UINT32_MAX)
        atomic_store_explicit(&up->fails, UINT32_MAX, memory_order_relaxed);
    if (g->rules->cluster && before + 1 == g->rules->max_fails)
        log_limited(
            &of->u->log_down, 10, LOG_WARNING, "plugin/cluster: %s: %s is down: %s",
            g->label, up->text,
            attempt_error(atomic_load_explicit(&up->last_error, memory_order_relaxed)));
}

/* ---- probes ---- */

static uint64_t now_of(const struct probe *p)
{
    return p->owner->r->now_us;
}

static struct health_of of_probe(const struct probe *p)
{
    return (struct health_of){.u = p->owner, .group = p->group, .hold = p->hold};
}

/* `span` microseconds at random, from 0. */
static uint64_t random_us(const struct probe *p, uint64_t span)
{
    struct io *io = p->owner->r->io;
    uint32_t draw;
    io->random(io, &draw, sizeof draw);
    return draw % (span + 1);
}

static void let_go_hold(struct probe *p)
{
    struct resolver *r = p->owner->r;
    p->hold->queries--;
    if (p->hold != r->hold && p->hold->queries == 0)
        r->holds_idle = true;
}

static void probe_free(struct probe *p)
{
    struct resolver *r = p->owner->r;
    timers_disarm(&r->timers, &p->timer);
    attempt_close(p->owner, &p->attempt);
    p->owner->probes_n--;
    if (p->kind == PROBE_LISTENER)
        p->owner->listeners_n--;
    if (p->kind == PROBE_WATCH)
        atomic_store_explicit(&p->up->probing, false, memory_order_relaxed);
    *p->prev = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    let_go_hold(p);
    free(p);
}

void health_stop(struct upstreams *u)
{
    while (u->probes != NULL)
        probe_free(u->probes);
}

/* Rests until due_us, but looks around now and then: another worker may have found its
 * address failing, or the plan may have been replaced. */
static void rest(struct probe *p)
{
    uint64_t look = now_of(p) + LOOK_US;
    p->state = PROBE_RESTING;
    timers_arm(&p->owner->r->timers, &p->timer, p->due_us < look ? p->due_us : look);
}

static enum transport probe_transport(const struct probe *p)
{
    if (p->up->transport != TRANSPORT_UDP)
        return (enum transport)p->up->transport;
    bool tcp = p->group->rules->force_tcp || load_us(&p->up->tcp_until_us) > now_of(p);
    return tcp ? TRANSPORT_TCP : TRANSPORT_UDP;
}

static void build_question(struct probe *p)
{
    const struct upstream_probe *what = &p->group->rules->probe;
    struct wr wr = wr_init(p->wire, sizeof p->wire);
    wr_u16(&wr, 0);
    wr_u16(&wr, what->recursion_desired ? DNS_RD : 0);
    wr_u16(&wr, 1);
    wr_u32(&wr, 0);
    wr_u16(&wr, 0);
    wr_bytes(&wr, what->name, name_len(what->name));
    wr_u16(&wr, what->type);
    wr_u16(&wr, DNS_IN);
    p->wire_len = wr.at;
}

enum probe_result {
    PROBE_ANSWERED,
    PROBE_FAILED,
    PROBE_NOT_SENT, /* for want of a socket: says nothing about the server */
};

static void probe_done(struct probe *p, enum probe_result result);

static void ask(struct probe *p)
{
    struct shot shot = {.up = p->up,
                        .transport = probe_transport(p),
                        .avoid = CONN_NONE,
                        .wire = p->wire,
                        .wire_len = p->wire_len};
    p->state = PROBE_ASKING;
    int error = attempt_send(p->owner, &p->attempt, &shot);
    if (error != 0)
        probe_done(p, attempt_error_is_ours(error) ? PROBE_NOT_SENT : PROBE_FAILED);
    else
        timers_arm(&p->owner->r->timers, &p->timer, now_of(p) + PROBE_WAIT_US);
}

/* ---- watches ---- */

static bool is_doubted(const struct probe *p)
{
    return load(&p->up->fails) > 0;
}

/* The pause in doubt: 250 to 500 ms at first, then twice as long, up to 2 s. */
static uint64_t doubt_pause(struct probe *p)
{
    uint64_t base = p->doubt_us == 0 ? DOUBT_US : p->doubt_us;
    p->doubt_us = base * 2 < DOUBT_MAX_US ? base * 2 : DOUBT_MAX_US;
    uint64_t pause = base + random_us(p, DOUBT_US);
    return pause < DOUBT_MAX_US ? pause : DOUBT_MAX_US;
}

static uint64_t regular_pause(struct probe *p)
{
    uint64_t interval = (uint64_t)p->group->rules->probe.interval_us;
    if (interval < PROBE_LEAST_US)
        interval = PROBE_LEAST_US;
    if (!p->group->rules->cluster)
        return interval;
    return interval - interval / 5 + random_us(p, interval / 5 * 2);
}

static void plan_next(struct probe *p)
{
    bool doubted = p->group->rules->cluster && is_doubted(p);
    if (!doubted)
        p->doubt_us = 0;
    p->due_us = now_of(p) + (doubted ? doubt_pause(p) : regular_pause(p));
}

/* The hold of a probe that begins or goes on now; NULL: the plan was replaced, or the
 * cluster has left, and the next question starts another if there is one. */
static struct plan_hold *present_hold(const struct health_of *of)
{
    struct plan_hold *newest = of->u->r->hold;
    bool gone = atomic_load_explicit(&of->group->gone, memory_order_relaxed);
    return gone || of->hold->plan != newest->plan ? NULL : newest;
}

/* Goes over to the newest epoch, so that it keeps nobody else in memory. */
static bool move_on(struct probe *p)
{
    struct health_of of = of_probe(p);
    struct plan_hold *hold = present_hold(&of);
    if (hold == NULL)
        return false;
    hold->queries++;
    let_go_hold(p);
    p->hold = hold;
    return true;
}

/* Whether nobody needs it any more. */
static bool is_over(struct probe *p)
{
    if (p->hold != p->owner->r->hold && !move_on(p))
        return true;
    if (is_doubted(p) || !p->group->rules->cluster)
        return false;
    return load_us(&p->up->used_us) + IN_USE_US < now_of(p);
}

/* How long it may be until the allowance has served all who want a probe now. If each
 * of 10,000 came back for the next one, 200 times a second, they would take a fifth of
 * the processor. Addresses in doubt do not wait for those in use. */
static uint64_t queue_us(const struct probe *p)
{
    uint64_t all_us = p->owner->probes_n * (SECOND / PROBES_PER_S);
    return is_doubted(p) && all_us > DOUBT_MAX_US ? DOUBT_MAX_US : all_us;
}

static void look_around(struct probe *p)
{
    uint64_t next;
    if (is_over(p)) {
        probe_free(p);
        return;
    }
    bool newly_doubted = p->group->rules->cluster && is_doubted(p) && p->doubt_us == 0;
    if (now_of(p) < p->due_us && !newly_doubted) {
        rest(p);
        return;
    }
    if (!health_budget_take(p->group->shared->budget, now_of(p), &next)) {
        p->due_us = next + random_us(p, queue_us(p));
        rest(p);
        return;
    }
    ask(p);
}

static void on_timer(struct timer *t, void *context)
{
    struct probe *p =
        (struct probe *)(void *)((uint8_t *)t - offsetof(struct probe, timer));
    switch (p->state) {
    case PROBE_RESTING:
        look_around(p);
        break;
    case PROBE_ASKING:
        attempt_close(p->owner, &p->attempt);
        probe_done(p, PROBE_FAILED);
        break;
    }
}

/* What a probe's end means, and when the next is due. */
static void probe_done(struct probe *p, enum probe_result result)
{
    struct health_of of = of_probe(p);
    bool forward = !p->group->rules->cluster;
    if (result == PROBE_FAILED)
        metrics_add(&p->owner->r->desk, upstream_meter(p->group, p->up),
                    PROXY_PROBE_FAILURES, 1);
    if (result == PROBE_ANSWERED)
        set_alive(&of, p->up);
    else if (result == PROBE_FAILED && forward)
        add_failure(&of, p->up);
    if (p->kind != PROBE_WATCH || (forward && result == PROBE_ANSWERED)) {
        probe_free(p);
        return;
    }
    plan_next(p);
    rest(p);
}

static struct probe *probe_new(const struct health_of *of, struct upstream *up,
                               enum probe_kind kind)
{
    struct upstreams *u = of->u;
    struct plan_hold *hold = present_hold(of);
    struct probe *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->owner = u;
    p->group = of->group;
    p->hold = hold == NULL ? of->hold : hold;
    p->hold->queries++;
    p->up = up;
    p->kind = (uint8_t)kind;
    p->timer.fire = on_timer;
    p->next = u->probes;
    p->prev = &u->probes;
    if (p->next != NULL)
        p->next->prev = &p->next;
    u->probes = p;
    u->probes_n++;
    if (kind == PROBE_LISTENER)
        u->listeners_n++;
    else
        build_question(p);
    return p;
}

/* Starts a watch unless some worker has one. `soon`: something is wrong already. */
static void watch(const struct health_of *of, struct upstream *up, bool soon)
{
    if (of->group->rules->max_fails == 0 || present_hold(of) == NULL ||
        atomic_load_explicit(&up->probing, memory_order_relaxed) ||
        atomic_exchange_explicit(&up->probing, true, memory_order_relaxed))
        return;
    struct probe *p = probe_new(of, up, PROBE_WATCH);
    if (p == NULL) {
        atomic_store_explicit(&up->probing, false, memory_order_relaxed);
        return;
    }
    if (soon && !of->group->rules->cluster)
        p->due_us = now_of(p); /* from a timer all the same: we may be in mid-loss */
    else
        plan_next(p);
    rest(p);
}

void health_used(const struct health_of *of, struct upstream *up)
{
    uint64_t now = of->u->r->now_us;
    if (!of->group->rules->cluster)
        return;
    if (load_us(&up->used_us) + SECOND <= now)
        store_us(&up->used_us, now);
    watch(of, up, false);
}

void health_passed_over(const struct health_of *of, struct upstream *up)
{
    watch(of, up, true);
}

void health_failed(const struct health_of *of, struct upstream *up, uint64_t sent_us,
                   int error)
{
    atomic_store_explicit(&up->last_error, error, memory_order_relaxed);
    if (load_us(&up->failing_since_us) == 0)
        store_us(&up->failing_since_us, sent_us);
    if (of->group->rules->cluster)
        add_failure(of, up);
    watch(of, up, true);
}

/* ---- trials ---- */

void health_trial(const struct health_of *of)
{
    const struct upstream_group *g = of->group;
    uint64_t now = of->u->r->now_us, next;
    uint64_t due = load_us(&g->shared->trial_due_us);
    if (now < due || present_hold(of) == NULL ||
        !atomic_compare_exchange_strong_explicit(
            &g->shared->trial_due_us, &due, now + UPSTREAM_TRIAL_MS * 1000,
            memory_order_relaxed, memory_order_relaxed) ||
        !health_budget_take(g->shared->budget, now, &next))
        return;
    uint32_t turn =
        atomic_fetch_add_explicit(&g->shared->turn, 1, memory_order_relaxed);
    struct probe *p = probe_new(of, g->list[turn % g->n], PROBE_TRIAL);
    if (p != NULL)
        ask(p);
}

/* ---- late answers ---- */

static struct probe *listener_new(const struct health_of *of, const struct attempt *a)
{
    if (of->u->listeners_n >= UPSTREAM_LATE_ANSWERS || of->group->rules->max_fails == 0)
        return NULL;
    return probe_new(of, a->up, PROBE_LISTENER);
}

void health_listen(const struct health_of *of, struct attempt *a)
{
    struct probe *p = listener_new(of, a);
    if (p == NULL) {
        attempt_close(of->u, a);
        return;
    }
    struct exchange *from = &a->exchange, *to = &p->attempt.exchange;
    memcpy(p->wire, from->question, from->question_len);
    to->question = p->wire;
    to->question_len = from->question_len;
    exchange_move(&of->u->exchanges, from, to);
    p->attempt.up = a->up;
    p->attempt.sent_us = a->sent_us;
    p->state = PROBE_ASKING;
    timers_arm(&of->u->r->timers, &p->timer, now_of(p) + PROBE_WAIT_US);
}

/* ---- answers ---- */

/* Alive, but not the cluster it is taken for: said once, for a human to look at. */
static void check_domain(const struct probe *p, const struct msg *m)
{
    if (!p->group->rules->cluster || m->rcode != DNS_NXDOMAIN ||
        atomic_exchange_explicit(&p->up->wrong_domain, true, memory_order_relaxed))
        return;
    char name[NAME_TEXT_MAX];
    name_print(p->group->rules->probe.name, name);
    log_limited(&p->owner->log_domain, 10, LOG_WARNING,
                "plugin/cluster: %s: wrong domain? %s has no name %s", p->group->label,
                p->up->text, name);
}

void health_answered(struct attempt *a, struct span wire)
{
    struct probe *p = (struct probe *)(void *)a;
    attempt_close(p->owner, a);
    if (p->kind != PROBE_LISTENER && upstreams_walk(p->owner, wire))
        check_domain(p, &p->owner->msg);
    probe_done(p, PROBE_ANSWERED);
}

void health_lost(struct attempt *a, int error)
{
    struct probe *p = (struct probe *)(void *)a;
    attempt_close(p->owner, a);
    if (error != 0)
        atomic_store_explicit(&p->up->last_error, error, memory_order_relaxed);
    probe_done(p, PROBE_FAILED);
}
