#include "resolver/trace.h"

#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/inquiry.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- life ---- */

struct trace *trace_new(void)
{
    struct trace *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    arena_init(&t->arena, NULL, 0);
    t->end = &t->first;
    return t;
}

void trace_free(struct trace *t)
{
    if (t == NULL)
        return;
    arena_release(&t->arena);
    free(t);
}

/* ---- steps ---- */

struct trace_step *trace_step(const struct query *q, const char *kind)
{
    struct trace *t = q->client.trace;
    if (t->steps_n >= TRACE_STEPS_MAX) {
        t->cut = true;
        return NULL;
    }
    struct trace_step *s = arena_alloc(&t->arena, sizeof *s);
    if (s == NULL)
        return NULL;
    if (t->first == NULL)
        t->start_us = q->start_us;
    s->kind = kind;
    s->depth = q->depth;
    s->at_us = q->r->now_us - t->start_us;
    s->fields_end = &s->fields;
    *t->end = s;
    t->end = &s->next;
    t->steps_n++;
    return s;
}

static struct trace_field *add_field(const struct query *q, struct trace_step *s,
                                     const char *key)
{
    struct trace_field *f =
        s == NULL ? NULL : arena_alloc(&q->client.trace->arena, sizeof *f);
    if (f == NULL)
        return NULL;
    f->key = key;
    f->text = "";
    *s->fields_end = f;
    s->fields_end = &f->next;
    return f;
}

static void put_text(const struct query *q, struct trace_step *s, const char *key,
                     const char *text)
{
    struct trace_field *f = add_field(q, s, key);
    char *copy = arena_text(&q->client.trace->arena, text_of(text));
    if (f != NULL && copy != NULL)
        f->text = copy;
}

#define TEXT_MAX (NAME_TEXT_MAX + 256)

void trace_text(const struct query *q, struct trace_step *s, const char *key,
                const char *form, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, form);
    vsnprintf(text, sizeof text, form, args);
    va_end(args);
    put_text(q, s, key, text);
}

void trace_name(const struct query *q, struct trace_step *s, const char *key,
                const uint8_t *name)
{
    char text[NAME_TEXT_MAX];
    name_print(name, text);
    put_text(q, s, key, text);
}

static void add_number(const struct query *q, struct trace_step *s, const char *key,
                       uint64_t n)
{
    struct trace_field *f = add_field(q, s, key);
    if (f == NULL)
        return;
    f->text = NULL;
    f->number = n;
}

void trace_note(const struct query *q, const char *kind, const char *form, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, form);
    vsnprintf(text, sizeof text, form, args);
    va_end(args);
    put_text(q, trace_step(q, kind), "says", text);
}

/* ---- records ---- */

#define DATA_MAX 4096 /* characters shown of one record */

static struct trace_record *copy_record(struct arena *a, const struct rr *rr)
{
    struct trace_record *r = arena_alloc(a, sizeof *r);
    char text[DATA_MAX], type[RDATA_MNEMONIC_MAX];
    struct name owner;
    if (r == NULL)
        return NULL;
    msg_owner(rr, &owner);
    name_print(owner.wire, text);
    r->owner = arena_text(a, text_of(text));
    r->type = arena_text(a, text_of(rdata_type_print(rr->type, type)));
    r->data = arena_text(a, text_of(rdata_print(rr, text, sizeof text)));
    r->ttl = rr->ttl;
    r->section = rr->section;
    return r->owner == NULL || r->type == NULL || r->data == NULL ? NULL : r;
}

struct trace_record *trace_copy_records(struct arena *a, const struct msg *m)
{
    struct trace_record *first = NULL, **end = &first;
    msg_each_rr (rr, m) {
        struct trace_record *r = copy_record(a, rr);
        if (r == NULL)
            break;
        *end = r;
        end = &r->next;
    }
    return first;
}

static void add_records(const struct query *q, struct trace_step *s,
                        const struct msg *m)
{
    if (s == NULL)
        return;
    s->has_records = true;
    s->records = trace_copy_records(&q->client.trace->arena, m);
    q->client.trace->shown = s->records;
}

static bool same_records(const struct trace_record *a, const struct trace_record *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        if (a->ttl != b->ttl || a->section != b->section ||
            strcmp(a->owner, b->owner) != 0 || strcmp(a->type, b->type) != 0 ||
            strcmp(a->data, b->data) != 0)
            return false;
    }
    return a == b;
}

/* ---- the driver ---- */

void trace_block(const struct query *q)
{
    struct trace_step *s = trace_step(q, "block");
    const struct plan_block *b = q->block;
    trace_name(q, s, "question", q->request.lower);
    if (b == NULL) {
        trace_text(q, s, "says", "no server block for this name");
        return;
    }
    trace_name(q, s, "zone", q->zone->zone.wire);
    if (b->view != NULL)
        trace_text(q, s, "view", "%s", b->view);
    if (b->at.file != NULL)
        trace_text(q, s, "at", "%s:%u", b->at.file, b->at.line);
}

static const char *verdict_word(enum verdict v)
{
    switch (v) {
    case PASS:
        return "pass";
    case DONE:
        return "done";
    case WAIT:
        return "wait";
    case DROP:
        return "drop";
    }
    return "";
}

/* The question as it leaves, when the plugin has changed it. */
static void put_question(const struct query *q, struct trace_step *s,
                         const struct request *before)
{
    const struct request *now = &q->request;
    char type[RDATA_MNEMONIC_MAX];
    if (now->name == before->name && now->type == before->type)
        return;
    trace_name(q, s, "question", now->name);
    trace_text(q, s, "type", "%s", rdata_type_print(now->type, type));
}

static void put_answer(const struct query *q, struct trace_step *s)
{
    const struct response *res = q->response;
    char code[RDATA_MNEMONIC_MAX];
    trace_text(q, s, "rcode", "%s", rcode_print(res->msg.rcode, code));
    if (res->error != NULL)
        trace_text(q, s, "error", "%s", res->error);
    const struct trace_record *before = q->client.trace->shown;
    add_records(q, s, &res->msg);
    if (s != NULL && same_records(before, s->records))
        s->has_records = false;
}

enum verdict trace_call(struct query *q, const struct slot *slot, bool woken,
                        enum verdict (*hook)(struct query *, const void *))
{
    struct trace_step *s = trace_step(q, "plugin");
    struct request before = q->request;
    bool down = q->direction == DOWN;
    trace_text(q, s, "plugin", "%s", slot->plugin->name);
    trace_text(q, s, "on", "%s", woken ? "wake" : down ? "query" : "response");
    enum verdict v = hook(q, slot->state);
    trace_text(q, s, "verdict", "%s", verdict_word(v));
    if (down && v == PASS)
        put_question(q, s, &before);
    if (v == DONE || !down)
        put_answer(q, s);
    return v;
}

void trace_end(struct query *q)
{
    struct query_pool *p = &q->r->pool;
    for (uint32_t slot = 0; slot < p->slabs_n * QUERY_SLAB; slot++) {
        struct query *other = query_slot(p, slot);
        if (other->client.trace == q->client.trace && other != q)
            other->client.trace = NULL;
    }
}

/* ---- inquiries ---- */

static const char *transport_word(uint8_t transport)
{
    return transport == TRANSPORT_UDP   ? "udp"
           : transport == TRANSPORT_TCP ? "tcp"
           : transport == TRANSPORT_TLS ? "tls"
                                        : "https";
}

static void put_attempt(const struct query *q, const struct attempt *a,
                        enum trace_attempt what, int error)
{
    static const char *const kinds[] = {"asks", "silent", "failed", "answer"};
    const struct inquiry *in = a->inquiry;
    const struct msg *m = &in->owner->msg;
    struct trace_step *s = trace_step(q, kinds[what]);
    char word[RDATA_MNEMONIC_MAX];
    size_t len = name_len(in->wire + DNS_HEADER_LEN);
    const uint8_t *type = in->wire + DNS_HEADER_LEN + len;
    trace_name(q, s, "question", in->wire + DNS_HEADER_LEN);
    trace_text(q, s, "type", "%s",
               rdata_type_print((uint16_t)(type[0] << 8 | type[1]), word));
    trace_text(q, s, "to", "%s", a->up->text);
    trace_text(q, s, "transport", "%s", transport_word(a->transport));
    trace_text(q, s, "of", "%s", in->group->label);
    if (what != TRACE_SENT)
        add_number(q, s, "took_us", in->owner->r->now_us - a->sent_us);
    if (what == TRACE_FAILED)
        trace_text(q, s, "error", "%s", attempt_error(error));
    if (what != TRACE_ANSWERED)
        return;
    trace_text(q, s, "rcode", "%s", rcode_print(m->rcode, word));
    trace_text(q, s, "tc", "%s", (m->flags & DNS_TC) != 0 ? "yes" : "no");
    add_records(q, s, m);
}

void trace_attempt(const struct inquiry *in, const struct attempt *a,
                   enum trace_attempt what, int error)
{
    for (uint32_t i = 0; i < in->waiters_n; i++) {
        const struct query *q = query_of(in->owner->r, inquiry_waiter(in, i));
        if (q != NULL && q->client.trace != NULL)
            put_attempt(q, a, what, error);
    }
}
