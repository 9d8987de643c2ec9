#include "resolver/inquiry.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/health.h"
#include "resolver/trace.h"

#include <errno.h>
#include <stdlib.h>

#define NEVER      UINT64_MAX
#define UNSEEN_MAX 6 /* times that one attempt goes to another connection */

/* forward keeps to two questions out: its servers may recurse, and be slow by right. */
#define FORWARD_LIVE_MAX 2

#define TCP_ONLY_US UINT64_C(60000000) /* then UDP is tried again */

static struct resolver *resolver_of(const struct inquiry *in)
{
    return in->owner->r;
}

static uint64_t now_of(const struct inquiry *in)
{
    return in->owner->r->now_us;
}

static struct health_of health_of(const struct inquiry *in)
{
    return (struct health_of){.u = in->owner, .group = in->group, .hold = in->hold};
}

/* ---- one attempt ---- */

int attempt_send(struct upstreams *u, struct attempt *a, const struct shot *shot)
{
    struct io *io = u->r->io;
    const uint8_t *question = shot->wire + DNS_HEADER_LEN;
    uint32_t conn;
    int error =
        io->connect(io, &shot->up->endpoint, shot->transport, shot->avoid, &conn);
    a->up = shot->up;
    a->transport = (uint8_t)shot->transport;
    a->sent_us = u->r->now_us;
    if (error != 0)
        return error;
    a->exchange.question = question;
    a->exchange.question_len = (uint16_t)(name_len(question) + 4);
    a->exchange.peer = &shot->up->endpoint.addr;
    if (exchange_open(&u->exchanges, io, &a->exchange, conn) < 0)
        return EBUSY;
    store_u16(shot->wire, a->exchange.id);
    error = io->send(io, conn, &shot->up->endpoint, shot->wire, shot->wire_len);
    if (error != 0)
        exchange_close(&u->exchanges, &a->exchange);
    return error;
}

void attempt_close(struct upstreams *u, struct attempt *a)
{
    if (!a->exchange.open)
        return;
    exchange_close(&u->exchanges, &a->exchange);
    u->r->io->settle(u->r->io, a->exchange.conn);
}

const char *attempt_error(int error)
{
    switch (error) {
    case 0:
    case ETIMEDOUT:
        return "i/o timeout";
    case ECONNREFUSED:
        return "connection refused";
    case ECONNRESET:
    case ECANCELED:
    case EPIPE:
        return "connection closed by the server";
    case EHOSTUNREACH:
        return "no route to host";
    case ENETUNREACH:
        return "network is unreachable";
    case EBADMSG:
        return "malformed answer";
    case EKEYREJECTED:
        return "certificate not accepted";
    case EPROTO:
        return "TLS handshake failed";
    case EMFILE:
    case ENFILE:
    case EBUSY:
    case EADDRNOTAVAIL:
        return "no socket to be had";
    case ENOMEM:
    case ENOBUFS:
        return "out of memory";
    default:
        return io_status_words(error);
    }
}

bool attempt_error_is_ours(int error)
{
    return error == EMFILE || error == ENFILE || error == EBUSY || error == ENOMEM ||
           error == ENOBUFS || error == EADDRNOTAVAIL || error == EAGAIN;
}

static bool is_waited_for(const struct attempt *a)
{
    return a->exchange.open && !a->late;
}

static struct attempt *attempt_at(struct inquiry *in, unsigned i)
{
    return i == 0 ? &in->attempt : &in->more_attempts[i - 1];
}

static unsigned live_n(const struct inquiry *in)
{
    unsigned n = 0;
    for (unsigned i = 0; i < inquiry_attempts(in); i++)
        n += is_waited_for(inquiry_attempt(in, i));
    return n;
}

static bool any_open(const struct inquiry *in)
{
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        if (inquiry_attempt(in, i)->exchange.open)
            return true;
    }
    return false;
}

/* ---- the order of addresses ---- */

static enum transport choose_transport(const struct inquiry *in,
                                       const struct upstream *up, uint32_t round)
{
    if (up->transport != TRANSPORT_UDP)
        return (enum transport)up->transport;
    if (in->transport != TRANSPORT_UDP)
        return TRANSPORT_TCP;
    bool tcp_only =
        atomic_load_explicit(&up->tcp_until_us, memory_order_relaxed) > now_of(in);
    bool last_round = round == UPSTREAM_TRIES - 1;
    return in->group->rules->cluster && (tcp_only || last_round) ? TRANSPORT_TCP
                                                                 : TRANSPORT_UDP;
}

/* The conn on which this inquiry asked `up` last: a retry leaves from another one. */
static uint32_t conn_to_avoid(const struct inquiry *in, const struct shot *shot)
{
    const struct attempt *last = NULL;
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        const struct attempt *a = inquiry_attempt(in, i);
        if (a->up == shot->up && a->transport == shot->transport &&
            (last == NULL || a->sent_us >= last->sent_us))
            last = a;
    }
    return last == NULL ? CONN_NONE : last->exchange.conn;
}

static bool was_asked(const struct inquiry *in, const struct upstream *up)
{
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        if (inquiry_attempt(in, i)->up == up)
            return true;
    }
    return false;
}

/* The list is walked UPSTREAM_TRIES + 1 times: the second walk is for those that were
 * passed over in the first. */
enum { WALK_UP, WALK_DOWN, WALK_AGAIN };

/* Those that are down are asked when there is nothing better: not while an answer of
 * another is in hand, bad as it may be, unless more are waited for anyway; and forward
 * has a rule of its own for the first attempt, choose_any(). */
static bool may_ask_down(const struct inquiry *in)
{
    if (in->spare != NULL && in->spare->rank == SPARE_FAILURE)
        return any_open(in);
    return in->group->rules->cluster || in->sent_n + in->errors_n > 0;
}

/* Whether this walk asks `up`; who is down is watched. */
static bool is_wanted(struct inquiry *in, struct upstream *up, uint32_t walk)
{
    struct health_of of = health_of(in);
    bool down = health_down(in->group, up);
    if (down && walk == WALK_UP)
        health_passed_over(&of, up);
    bool spared =
        in->spares && atomic_load_explicit(&up->drained, memory_order_relaxed);
    if (walk == WALK_DOWN)
        return (spared || (down && may_ask_down(in))) && !was_asked(in, up);
    return !down && !spared;
}

/* The next address. */
static bool choose(struct inquiry *in, struct shot *shot)
{
    const struct upstream_group *g = in->group;
    if (in->last_resort && in->errors_n > 0)
        return false;
    while (in->position < in->position_max) {
        uint32_t walk = in->position / g->n, at = in->position % g->n;
        uint64_t turn = in->first + (uint64_t)at * in->stride;
        struct upstream *up = g->list[turn % g->n];
        if (walk == WALK_DOWN && !in->spares && !may_ask_down(in))
            return false;
        in->position++;
        if (!is_wanted(in, up, walk))
            continue;
        shot->up = up;
        shot->transport =
            choose_transport(in, up, walk < WALK_AGAIN ? 0 : walk - WALK_AGAIN + 1);
        return true;
    }
    return false;
}

/* CoreDNS, when every upstream is down: one of them is tried, and an error there is the
 * end. Silence is not: then the others are asked. */
static bool choose_any(struct inquiry *in, struct shot *shot)
{
    const struct upstream_group *g = in->group;
    uint32_t draw;
    if (g->rules->cluster || in->sent_n > 0 || in->errors_n > 0)
        return false;
    metrics_add(&resolver_of(in)->desk, g->meter, FORWARD_BROKEN, 1);
    if (g->rules->failfast)
        return false;
    in->last_resort = true;
    resolver_of(in)->io->random(resolver_of(in)->io, &draw, sizeof draw);
    shot->up = g->list[draw % g->n];
    shot->transport = choose_transport(in, shot->up, 0);
    uint64_t end = now_of(in) + (uint64_t)g->rules->attempt_us;
    if (end < in->give_up_us)
        in->give_up_us = end;
    return true;
}

/* ---- sending ---- */

/* Room for one more: unused, or that of the oldest which is over or has failed by its
 * silence, or of the oldest. What was used is kept as long as possible, for what is
 * remembered there. */
static struct attempt *room_for_attempt(struct inquiry *in)
{
    struct attempt *best = NULL;
    if (in->attempt.up != NULL && in->more_attempts == NULL)
        in->more_attempts = calloc(INQUIRY_ATTEMPTS - 1, sizeof *in->more_attempts);
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        struct attempt *a = attempt_at(in, i);
        if (a->up == NULL)
            return a;
        if (best == NULL || is_waited_for(a) < is_waited_for(best) ||
            (is_waited_for(a) == is_waited_for(best) && a->sent_us < best->sent_us))
            best = a;
    }
    return best;
}

/* Not more than what is left, shared by those who can still be asked; alone, he is
 * asked anew in time for the answer. */
static uint64_t fair_wait(const struct inquiry *in, uint64_t wait_us)
{
    uint32_t n = in->group->n > 1 ? in->group->n : 2;
    if (!in->group->rules->cluster || in->sent_n >= n)
        return wait_us;
    uint64_t share_us = (in->give_up_us - now_of(in)) / (n - in->sent_n + 1);
    return wait_us < share_us ? wait_us : share_us;
}

/* When, if all stay silent, the next is asked as well. */
static void plan_hedge(struct inquiry *in, struct attempt *a)
{
    uint64_t wait_us = health_hedge_us(in->group, a->up);
    uint64_t patience_ms = fair_wait(in, wait_us) / 1000;
    uint64_t half_us = (uint64_t)in->group->rules->attempt_us / 2;
    /* A plain `forward` to one address has no next: CoreDNS would ask it once. */
    if (!in->group->rules->cluster && in->group->n == 1 && wait_us < half_us)
        wait_us = half_us;
    if (in->group->rules->cluster)
        wait_us <<= in->sent_n > 1 ? (in->sent_n > 5 ? 4 : in->sent_n - 1) : 0;
    in->hedge_us = now_of(in) + fair_wait(in, wait_us);
    a->patience_ms = (uint16_t)(patience_ms < UINT16_MAX ? patience_ms : UINT16_MAX);
}

/* Whether the error has been counted for this server in this inquiry. One question that
 * a server cannot digest must not take it down, however often it is tried. */
static bool was_blamed(const struct inquiry *in, const struct upstream *up)
{
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        const struct attempt *a = inquiry_attempt(in, i);
        if (a->up == up && a->blamed)
            return true;
    }
    return false;
}

/* It has answered nothing yet; but it may. */
static void listen_on(struct inquiry *in, struct attempt *a)
{
    struct health_of of = health_of(in);
    if (in->group->rules->cluster && a->exchange.open && !a->after_tc)
        health_listen(&of, a);
}

static void blame(struct inquiry *in, struct attempt *a, int error)
{
    struct health_of of = health_of(in);
    /* A server whose UDP works is alive, however its TCP may be. */
    if (a->after_tc || in->crowded || was_blamed(in, a->up))
        return;
    a->blamed = true;
    health_failed(&of, a->up, a->sent_us, error);
}

static void note_error(struct inquiry *in, struct attempt *a, int error)
{
    in->errors_n++;
    in->error = error;
    in->failed = a->up;
    if (!attempt_error_is_ours(error))
        in->reached = true;
}

/* CoreDNS's connection cache: whether a socket was there, or had to be opened. */
static void count_conn(const struct inquiry *in, const struct shot *shot, bool opened)
{
    const struct meter *m = upstream_meter(in->group, shot->up);
    uint32_t cell = opened ? PROXY_CONN_MISSES : PROXY_CONN_HITS;
    metrics_add(&resolver_of(in)->desk, m, cell + shot->transport, 1);
}

/* Sends in the room of `a`, whatever was there. False: it failed, and that is noted. */
static bool send_in(struct inquiry *in, struct attempt *a, struct shot *shot)
{
    bool blamed = a->up == shot->up && a->blamed;
    attempt_close(in->owner, a);
    *a = (struct attempt){.inquiry = in, .blamed = blamed};
    shot->wire = in->wire;
    shot->wire_len = in->wire_len;
    uint64_t before = resolver_of(in)->io->opened;
    int error = attempt_send(in->owner, a, shot);
    if (in->traced)
        trace_attempt(in, a, error == 0 ? TRACE_SENT : TRACE_FAILED, error);
    if (error != 0) {
        note_error(in, a, error);
        if (!attempt_error_is_ours(error) && error != EBADMSG)
            blame(in, a, error);
        return false;
    }
    struct health_of of = health_of(in);
    count_conn(in, shot, resolver_of(in)->io->opened != before);
    in->sent_n++;
    health_used(&of, shot->up);
    plan_hedge(in, a);
    return true;
}

static void note_late(struct inquiry *in, struct attempt *a)
{
    a->late = true;
    if (in->traced)
        trace_attempt(in, a, TRACE_SILENT, 0);
    in->silent = true;
    in->error = 0;
    in->failed = a->up;
    blame(in, a, 0);
}

/* Asks the next address; those that cannot even be sent to are passed over. */
static bool launch(struct inquiry *in)
{
    struct shot shot;
    struct attempt *a;
    uint32_t most = in->group->rules->attempts_max;
    while ((most == 0 || in->errors_n < most) && (a = room_for_attempt(in)) != NULL &&
           (choose(in, &shot) || choose_any(in, &shot))) {
        shot.avoid = conn_to_avoid(in, &shot);
        if (is_waited_for(a)) {
            note_late(in, a);
            listen_on(in, a);
        }
        if (send_in(in, a, &shot))
            return true;
    }
    return false;
}

/* ---- the end ---- */

/* Who was silent while another answered, or until the end, is doubted. */
static void blame_silent(struct inquiry *in, const struct upstream *winner)
{
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        struct attempt *a = attempt_at(in, i);
        if (!a->exchange.open || a->up == winner)
            continue;
        if (!a->late && now_of(in) - a->sent_us >= a->patience_ms * UINT64_C(1000))
            note_late(in, a);
        if (a->late)
            listen_on(in, a);
    }
}

static void succeed(struct inquiry *in, const struct upstream *from, struct span wire)
{
    struct upstream_result res = {
        .outcome = UPSTREAM_ANSWER, .msg = &in->owner->msg, .upstream = from};
    blame_silent(in, from);
    upstreams_settle(in, &res, wire);
}

static void fail(struct inquiry *in)
{
    const struct spare *s = in->spare;
    struct span spare = {.at = s == NULL ? NULL : s->wire,
                         .len = s == NULL ? 0 : s->len};
    blame_silent(in, NULL);
    if (s != NULL && upstreams_walk(in->owner, spare)) {
        in->oversize = false;
        succeed(in, s->from, spare);
        return;
    }
    if (in->sent_n + in->errors_n == 0) {
        struct upstream_result down = health_down_result(in->group, now_of(in));
        upstreams_settle(in, &down, (struct span){0});
        return;
    }
    struct upstream_result res = {
        .outcome = in->silent    ? UPSTREAM_SILENT
                   : in->reached ? UPSTREAM_UNREACHED
                                 : UPSTREAM_BUSY,
        .upstream = in->failed,
        .error = attempt_error(in->error),
        .error_code = in->error,
    };
    if (in->failed != NULL)
        res.silent_us = health_failing_us(in->failed, now_of(in));
    upstreams_settle(in, &res, (struct span){0});
}

/* Waits for the next that has to happen. */
static void wait_on(struct inquiry *in)
{
    uint64_t next = in->give_up_us < in->hedge_us ? in->give_up_us : in->hedge_us;
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        const struct attempt *a = inquiry_attempt(in, i);
        uint64_t late_us = a->sent_us + (uint64_t)in->group->rules->attempt_us;
        if (is_waited_for(a) && late_us < next)
            next = late_us;
    }
    timers_arm(&resolver_of(in)->timers, &in->timer, next);
}

/* After a failure: the next at once, or the end when nothing is left to wait for. */
static void go_on(struct inquiry *in)
{
    if (!launch(in) && !any_open(in))
        fail(in);
    else
        wait_on(in);
}

/* ---- what happens to it ---- */

static void on_timer(struct timer *t, void *context)
{
    struct inquiry *in =
        (struct inquiry *)(void *)((uint8_t *)t - offsetof(struct inquiry, timer));
    uint64_t now = now_of(in);
    bool next = false;
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        struct attempt *a = attempt_at(in, i);
        if (is_waited_for(a) &&
            now >= a->sent_us + (uint64_t)in->group->rules->attempt_us) {
            note_late(in, a);
            next = true;
        }
    }
    if (now >= in->give_up_us) {
        fail(in);
        return;
    }
    if (now >= in->hedge_us) {
        in->hedge_us = NEVER; /* until an attempt goes out */
        next = next || in->group->rules->cluster || live_n(in) < FORWARD_LIVE_MAX;
    }
    if (next)
        go_on(in);
    else
        wait_on(in);
}

void inquiry_start(struct inquiry *in)
{
    const struct upstream_group *g = in->group;
    uint64_t patience = (uint64_t)g->rules->deadline_us;
    uint64_t silences = (uint64_t)g->rules->attempt_us * g->rules->attempts_max;
    if (g->rules->attempts_max > 0 && silences < patience)
        patience = silences;
    in->give_up_us = now_of(in) + patience;
    in->hedge_us = NEVER;
    in->position_max = (UPSTREAM_TRIES + 1) * g->n;
    in->spares = health_spares(g);
    in->timer.fire = on_timer;
    go_on(in);
}

void inquiry_discard(struct inquiry *in)
{
    timers_disarm(&resolver_of(in)->timers, &in->timer);
    for (unsigned i = 0; i < inquiry_attempts(in); i++)
        attempt_close(in->owner, attempt_at(in, i));
    if (in->wire != in->room)
        free(in->wire);
    free(in->more_attempts);
    free(in->spare);
    free(in->more_waiters);
}

/* ---- answers ---- */

/* Keeps an answer that is not good, unless there is a better one. Of equal ones a
 * cluster's first counts, and forward's last, as in CoreDNS. Without memory it is
 * forgotten, as if it had been lost on the way. */
static void keep_spare(struct inquiry *in, enum spare_rank rank,
                       const struct upstream *from, struct span wire)
{
    const struct spare *old = in->spare;
    if (old != NULL &&
        (rank < old->rank || (rank == old->rank && in->group->rules->cluster)))
        return;
    struct spare *spare = malloc(sizeof *spare + wire.len);
    if (spare == NULL)
        return;
    *spare = (struct spare){.rank = rank, .from = from, .len = wire.len};
    memcpy(spare->wire, wire.at, wire.len);
    free(in->spare);
    in->spare = spare;
}

static bool wants_tcp(const struct inquiry *in, const struct attempt *a)
{
    const struct upstream_group *g = in->group;
    return (in->owner->msg.flags & DNS_TC) != 0 && a->transport == TRANSPORT_UDP &&
           (g->rules->cluster || g->rules->prefer_udp);
}

/* Repeats over TCP; the hedge goes on, because TCP may hang where UDP answers. */
static void repeat_over_tcp(struct inquiry *in, struct attempt *a, struct span wire)
{
    struct shot shot = {.up = a->up, .transport = TRANSPORT_TCP, .avoid = CONN_NONE};
    keep_spare(in, SPARE_CUT, a->up, wire);
    if (!send_in(in, a, &shot)) {
        go_on(in);
        return;
    }
    a->after_tc = true;
    wait_on(in);
}

static bool is_failure(const struct inquiry *in)
{
    uint16_t rcode = in->owner->msg.rcode;
    return rcode < 64 && (in->group->rules->failover >> rcode & 1u) != 0;
}

/* The server answered that it cannot: the others are asked, each once. */
static void pass_to_next(struct inquiry *in, struct attempt *a, struct span wire)
{
    keep_spare(in, SPARE_FAILURE, a->up, wire);
    attempt_close(in->owner, a);
    if (in->position_max > WALK_AGAIN * in->group->n)
        in->position_max = WALK_AGAIN * in->group->n;
    go_on(in);
}

/* TCP answered where UDP is still silent. */
static void note_tcp_only(const struct inquiry *in, struct attempt *a)
{
    if (!in->group->rules->cluster || a->transport != TRANSPORT_TCP || a->after_tc)
        return;
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        const struct attempt *other = inquiry_attempt(in, i);
        if (other->exchange.open && other->up == a->up &&
            other->transport == TRANSPORT_UDP)
            atomic_store_explicit(&a->up->tcp_until_us, now_of(in) + TCP_ONLY_US,
                                  memory_order_relaxed);
    }
}

/* The UDP size the question offers; 512 without EDNS (RFC 6891 section 6.2.5). */
static size_t offered_size(const struct inquiry *in)
{
    size_t opt = DNS_HEADER_LEN + name_len(in->wire + DNS_HEADER_LEN) + 4;
    if (opt + 5 > in->wire_len)
        return 512;
    size_t size = load_u16(in->wire + opt + 3);
    return size < 512 ? 512 : size;
}

/* A datagram larger than was offered counts as cut, as in CoreDNS, whose buffer it does
 * not fit: a server that keeps to no size may have left out the rest. */
static void note_size(struct inquiry *in, const struct attempt *a)
{
    size_t len = in->owner->msg.len;
    in->oversize = a->transport == TRANSPORT_UDP && len > 512 && len > offered_size(in);
    if (in->oversize)
        upstreams_cut(in->owner);
}

static void count_answer(const struct inquiry *in, const struct attempt *a)
{
    uint32_t rcode = metrics_rcode(in->owner->msg.rcode);
    metrics_add_time(&resolver_of(in)->desk, upstream_meter(in->group, a->up),
                     PROXY_DURATION + rcode * METRICS_TIME_CELLS,
                     now_of(in) - a->sent_us);
}

void inquiry_answered(struct attempt *a, struct span wire)
{
    struct inquiry *in = a->inquiry;
    struct upstreams *u = in->owner;
    if (!upstreams_walk(u, wire)) {
        attempt_close(u, a);
        if (in->traced)
            trace_attempt(in, a, TRACE_FAILED, EBADMSG);
        note_error(in, a, EBADMSG);
        go_on(in);
        return;
    }
    note_size(in, a);
    if (in->traced)
        trace_attempt(in, a, TRACE_ANSWERED, 0);
    struct health_of of = health_of(in);
    health_alive(&of, a->up, now_of(in) - a->sent_us);
    count_answer(in, a);
    note_tcp_only(in, a);
    if (wants_tcp(in, a))
        repeat_over_tcp(in, a, wire);
    else if (is_failure(in))
        pass_to_next(in, a, wire);
    else
        succeed(in, a->up, wire);
}

/* ---- lost conns ---- */

/* A kept connection may be closed by the server at any time: that is no failure, and
 * the question goes out once more; more often if the server has not seen it. */
static bool renew(struct inquiry *in, struct attempt *a, int error)
{
    unsigned most = error == ECANCELED ? UNSEEN_MAX : 1;
    bool closed = error == 0 || error == ECONNRESET || error == EPIPE;
    if ((!closed && error != ECANCELED) || a->transport == TRANSPORT_UDP ||
        a->renewed >= most)
        return false;
    struct shot shot = {.up = a->up,
                        .transport = (enum transport)a->transport,
                        .avoid = a->exchange.conn,
                        .wire = in->wire,
                        .wire_len = in->wire_len};
    attempt_close(in->owner, a);
    a->renewed++;
    return attempt_send(in->owner, a, &shot) == 0;
}

void inquiry_lost(struct attempt *a, int error, bool blame_it)
{
    struct inquiry *in = a->inquiry;
    if (renew(in, a, error)) {
        wait_on(in);
        return;
    }
    attempt_close(in->owner, a);
    if (in->traced)
        trace_attempt(in, a, TRACE_FAILED, error == 0 ? ECONNRESET : error);
    note_error(in, a, error == 0 ? ECONNRESET : error);
    if (blame_it)
        blame(in, a, in->error);
    else
        a->blamed = true;
    go_on(in);
}
