/* The driver: takes a query down its block's chain and up again. The only caller of
 * plugins. */
#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/plan.h"
#include "resolver/respond.h"
#include "resolver/trace.h"

/* ---- waiting ---- */

/* Where a pointer into the received packet points in the copy; others stay. */
static const uint8_t *moved(const uint8_t *p, struct span from, const uint8_t *to)
{
    if (p == NULL || p < from.at || p > from.at + from.len)
        return p;
    return to + (p - from.at);
}

/* The request leaves the receive slot: only queries that wait pay for it. */
static int keep_request(struct query *q)
{
    struct request *req = &q->request;
    struct span old = req->wire;
    const uint8_t *wire = arena_copy(&q->arena, old.at, old.len);
    if (wire == NULL)
        return -1;
    /* Mostly the name has come in lower case. */
    const uint8_t *lower = moved(req->name, old, wire);
    if (memcmp(lower, req->lower, req->name_len) != 0)
        lower = arena_copy(&q->arena, req->lower, req->name_len);
    if (lower == NULL)
        return -1;
    req->wire.at = wire;
    req->asked.at = moved(req->asked.at, old, wire);
    req->name = moved(req->name, old, wire);
    req->opt.options.at = moved(req->opt.options.at, old, wire);
    req->lower = lower;
    q->kept = true;
    return 0;
}

/* The response leaves the worker's room, and the buffers that its records point into;
 * of one that goes out in parts those have gone already. */
static int keep_response(struct query *q)
{
    bool leaves = q->response == &q->r->response;
    struct response *kept =
        leaves ? arena_copy(&q->arena, q->response, sizeof *q->response) : q->response;
    struct msg copy;
    if (kept == NULL)
        return -1;
    q->response = kept;
    if (q->writing)
        return 0;
    if (msg_copy(&copy, &kept->msg, &q->arena) < 0)
        return -1;
    kept->msg = copy;
    struct span *options = &kept->options;
    if (options->len == 0)
        return 0;
    options->at = arena_copy(&q->arena, options->at, options->len);
    return options->at == NULL ? -1 : 0;
}

/* On the way down there is a response when the plugin that waits has begun one. */
static int keep(struct query *q)
{
    if (!q->kept && keep_request(q) < 0)
        return -1;
    if (q->direction == UP || q->response->msg.rr != NULL)
        return keep_response(q);
    q->response = NULL;
    return 0;
}

void query_deadline_passed(struct timer *t, void *context)
{
    struct resolver *r = context;
    struct query *q =
        (struct query *)(void *)((uint8_t *)t - offsetof(struct query, timer));
    if (q->alarm_us != 0 && r->now_us < q->deadline_us) {
        q->alarm_us = 0;
        query_wake(r, query_ticket(q));
        return;
    }
    q->direction = UP;
    q->gave_up = true;
    query_wake(r, query_ticket(q));
}

/* A parent waits a little longer than its children, so that it hears of their end. */
#define CHILD_GRACE_US 20000

static uint64_t wait_until_us(const struct query *q)
{
    uint64_t until_us = q->deadline_us + (q->children > 0 ? CHILD_GRACE_US : 0);
    return q->alarm_us != 0 && q->alarm_us < until_us ? q->alarm_us : until_us;
}

/* Returns false when the query cannot wait (no memory): it has failed instead. */
static bool fall_asleep(struct query *q)
{
    if (keep(q) < 0) {
        query_fail(q, DNS_SERVFAIL, "out of memory");
        return false;
    }
    if (q->r->key_of == q)
        q->r->key_of = NULL;
    bool early = q->state == QUERY_WOKEN_EARLY;
    q->state = QUERY_WAITING;
    if (early)
        query_wake(q->r, query_ticket(q));
    else
        timers_arm(&q->r->timers, &q->timer, wait_until_us(q));
    return true;
}

/* ---- the end ---- */

/* Whether another client who asks the same of the parent could not have its answer: on
 * a hit `cache` asks nobody about the child's name. */
static bool is_for_client(const struct query *child, const struct query *parent)
{
    return child->led || child->response->unshared || child->judged == JUDGED_BY_NAME ||
           (child->judged == JUDGED_IN_BLOCK && child->block != parent->block);
}

static void finish_child(struct query *q)
{
    struct query *parent = query_of(q->r, q->parent);
    struct ticket us = query_ticket(q);
    if (parent == NULL || memcmp(&parent->child->of, &us, sizeof us) != 0)
        return;
    struct child_result *result = parent->child;
    result->failed = q->response->failed ||
                     msg_copy(&result->msg, &q->response->msg, &parent->arena) < 0;
    result->rcode = q->response->msg.rcode;
    result->plain = q->response->failed && q->response->error == NULL;
    if (result->failed && q->response->ede_text != NULL)
        result->ede_text = arena_text(&parent->arena, text_of(q->response->ede_text));
    result->done = true;
    parent->led = parent->led || is_for_client(q, parent);
    if (--parent->children == 0)
        query_wake(q->r, q->parent);
}

static void finish(struct query *q, bool silent)
{
    struct resolver *r = q->r;
    if (q->client.trace != NULL && q->depth == 0)
        trace_end(q);
    if (q->detached)
        r->detached_n--;
    else if (q->depth > 0)
        finish_child(q);
    else if (silent)
        r->io->reply(r->io, &q->client, 0);
    else
        respond_finish(q, r->encoder, r->io);
    query_end(q);
}

void query_finish(struct query *q)
{
    finish(q, false);
}

/* ---- the way ---- */

static enum verdict call(struct query *q, bool woken)
{
    const struct slot *slot = &q->block->chain[q->at];
    enum verdict (*hook)(struct query *, const void *) =
        woken                  ? slot->plugin->on_wake
        : q->direction == DOWN ? slot->plugin->on_query
                               : slot->plugin->on_response;
    if (hook == NULL || (query_is_notify(q) && !slot->plugin->hears_notify))
        return PASS;
    if (q->client.trace != NULL)
        return trace_call(q, slot, woken, hook);
    return hook(q, slot->state);
}

/* Those above may have something to tell of a question that nobody answers. */
static void drop(struct query *q)
{
    *q->response = (struct response){0};
    q->dropped = true;
    while (q->at > q->top) {
        const struct slot *slot = &q->block->chain[--q->at];
        if (slot->plugin->on_drop != NULL)
            slot->plugin->on_drop(q, slot->state);
    }
    finish(q, true);
}

static enum verdict end_of_chain(struct query *q)
{
    const char *last = q->block->chain[q->block->chain_n - 1].plugin->name;
    const char *error =
        arena_printf(&q->arena, "plugin/%s: no next plugin found", last);
    return query_fail(q, DNS_SERVFAIL, error == NULL ? "no next plugin found" : error);
}

/* One plugin further. Returns false when the query is at its end or waits. */
static bool step(struct query *q, bool *woken)
{
    enum verdict v;
    if (++q->steps > QUERY_STEPS_MAX) {
        query_fail_ede(q, DNS_SERVFAIL, "too many steps", EDE_OTHER, "query loops");
        finish(q, false);
        return false;
    }
    if (q->direction == DOWN && q->at == q->block->chain_n)
        v = end_of_chain(q);
    else
        v = call(q, *woken);
    *woken = false;
    switch (v) {
    case DROP:
        if (q->depth == 0) {
            drop(q);
            return false;
        }
        v = query_fail(q, DNS_SERVFAIL, "dropped"); /* someone waits for a child */
        break;
    case WAIT:
        if (fall_asleep(q))
            return false;
        v = DONE;
        break;
    case PASS:
    case DONE:
        break;
    }
    if (q->direction == DOWN && v == PASS) {
        q->at++;
        return true;
    }
    q->direction = UP;
    if (q->at == q->top) {
        finish(q, false);
        return false;
    }
    q->at--;
    return true;
}

static void drive(struct query *q, bool woken)
{
    q->state = QUERY_RUNNING;
    while (step(q, &woken))
        ;
}

void query_run(struct query *q)
{
    drive(q, false);
}

/* A query whose deadline passed goes up from where it waited, without asking that
 * plugin. */
static void resume(struct query *q)
{
    timers_disarm(&q->r->timers, &q->timer);
    q->alarm_us = 0;
    if (q->response == NULL)
        query_take_room(q);
    if (!q->gave_up) {
        drive(q, q->steps > 0);
        return;
    }
    q->gave_up = false;
    query_fail_ede(q, DNS_SERVFAIL, "query deadline exceeded", EDE_OTHER, "deadline");
    if (q->at == q->top) {
        finish(q, false);
        return;
    }
    q->at--;
    drive(q, false);
}

void query_run_ready(struct resolver *r)
{
    struct query *q;
    while ((q = r->ready) != NULL) {
        r->ready = q->ready_next;
        if (r->ready == NULL)
            r->ready_tail = &r->ready;
        if (q->started)
            resume(q);
        else
            resolver_start(q);
    }
}

/* ---- children ---- */

/* A child stays with its parent's plan, whose servers and blocks it goes on with: a
 * reload may have come while the parent waited. */
static struct query *begin_child(struct query *q)
{
    struct query *child = query_begin(q->r, &q->client);
    if (child == NULL)
        return NULL;
    child->hold->queries--;
    child->hold = q->hold;
    child->hold->queries++;
    return child;
}

static int ask_question(struct query *child, const uint8_t *name, uint16_t type,
                        uint16_t class)
{
    size_t len = name_len(name);
    uint8_t *asked = arena_alloc(&child->arena, len + 4);
    uint8_t *lower = arena_alloc(&child->arena, len);
    if (asked == NULL || lower == NULL)
        return -1;
    memcpy(asked, name, len);
    store_u16(asked + len, type);
    store_u16(asked + len + 2, class);
    name_lower(lower, name, len);
    child->request = (struct request){
        .flags = DNS_RD,
        .asked = {.at = asked, .len = len + 4},
        .name = asked,
        .lower = lower,
        .name_len = (uint8_t)len,
        .type = type,
        .class = class,
    };
    child->kept = true;
    return 0;
}

/* What comes of the child goes into `result`, unless the next one is there before. */
static void await(struct query *q, struct query *child, struct child_result *result)
{
    child->deadline_us = q->deadline_us;
    child->parent = query_ticket(q);
    result->of = query_ticket(child);
    q->child = result;
    q->children = 1;
}

int query_spawn(struct query *q, const uint8_t *name, uint16_t type, uint16_t class)
{
    if (q->depth >= QUERY_DEPTH_MAX)
        return -1;
    struct child_result *result = arena_alloc(&q->arena, sizeof *result);
    struct query *child = result == NULL ? NULL : begin_child(q);
    if (child == NULL)
        return -1;
    if (ask_question(child, name, type, class) < 0) {
        query_end(child);
        return -1;
    }
    child->depth = (uint8_t)(q->depth + 1);
    await(q, child, result);
    query_enqueue(child);
    return 0;
}

int query_start(struct resolver *r, uint16_t server, const uint8_t *name, uint16_t type)
{
    struct client nobody = {.transport = TRANSPORT_UDP, .server = server};
    struct query *q = r->detached_n >= DETACHED_MAX ? NULL : query_begin(r, &nobody);
    if (q == NULL)
        return -1;
    if (ask_question(q, name, type, DNS_IN) < 0) {
        query_end(q);
        return -1;
    }
    q->depth = 1;
    q->detached = true;
    q->deadline_us = r->now_us + (uint64_t)QUERY_DEADLINE_MS * 1000;
    r->detached_n++;
    query_enqueue(q);
    return 0;
}

void query_alarm(struct query *q, uint64_t at_us)
{
    q->alarm_us = at_us;
}

/* A child of the same block that begins behind the present plugin. */
static struct query *child_below(struct query *q, const uint8_t *name)
{
    struct query *child = begin_child(q);
    const struct request *req = &q->request;
    if (child == NULL)
        return NULL;
    if (ask_question(child, name, req->type, req->class) < 0) {
        query_end(child);
        return NULL;
    }
    child->request.flags = req->flags;
    child->request.opt = req->opt;
    child->request.opt.options = (struct span){0};
    child->zone = q->zone;
    child->block = q->block;
    child->top = q->at;
    child->mapping = q->mapping;
    child->at = (uint16_t)(q->at + 1);
    child->refresh = true;
    child->started = true;
    child->depth = (uint8_t)(q->depth + 1);
    child->deadline_us = q->r->now_us + (uint64_t)QUERY_DEADLINE_MS * 1000;
    return child;
}

static int spawn_below(struct query *q, const uint8_t *name, bool wait)
{
    struct resolver *r = q->r;
    if (q->depth >= QUERY_DEPTH_MAX || (!wait && r->detached_n >= DETACHED_MAX))
        return -1;
    struct child_result *result = arena_alloc(&q->arena, sizeof *result);
    struct query *child = result == NULL ? NULL : child_below(q, name);
    if (child == NULL)
        return -1;
    if (wait) {
        await(q, child, result);
    } else {
        child->detached = true;
        child->client.trace = NULL; /* it may outlive the trace */
        r->detached_n++;
    }
    query_enqueue(child);
    return 0;
}

int query_spawn_below(struct query *q, bool wait)
{
    return spawn_below(q, q->request.name, wait);
}

int query_ask_below(struct query *q, const uint8_t *name)
{
    return spawn_below(q, name, true);
}
