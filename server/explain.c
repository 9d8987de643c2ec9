#include "server/explain.h"

#include "base/cursor.h"
#include "resolver/cluster_map.h"
#include "resolver/cluster_servers.h"
#include "resolver/edns.h"
#include "resolver/health.h"
#include "resolver/rdata.h"
#include "resolver/trace.h"
#include "resolver/wire.h"
#include "server/near.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_SIZE 4096 /* that the question offers: as much as UDP may carry */

/* ---- the question ---- */

/* An address is asked for as `dig -x` does. */
static void ask_for_reverse(struct explain *e, const struct addr *a)
{
    struct cidr whole = {.family = a->family, .bits = a->family == 4 ? 32 : 128};
    memcpy(whole.ip, a->ip, sizeof whole.ip);
    cidr_reverse_zone(&whole, 0, &e->name);
    e->type = DNS_PTR;
}

static int read_words(struct explain *e, const struct explain_what *what,
                      struct errors *errs)
{
    struct addr from;
    e->type = DNS_A;
    if (addr_parse_ip(&from, text_of(what->name)) == 0)
        ask_for_reverse(e, &from);
    else if (name_parse(&e->name, text_of(what->name)) < 0)
        return error_at(errs, (struct where){0}, "'%s' is no domain name", what->name);
    if (what->type[0] != '\0' && rdata_type_parse(text_of(what->type), &e->type) < 0)
        return error_at(errs, (struct where){0},
                        "'%s' is no record type: expected one such as A, SRV or PTR",
                        what->type);
    const char *word = what->from[0] == '\0' ? "127.0.0.1" : what->from;
    if (addr_parse_ip(&from, text_of(word)) < 0)
        return error_at(errs, (struct where){0}, "'%s' is no IP address", word);
    e->question.client.peer = from;
    addr_print_ip(&from, e->from);
    return 0;
}

static void write_question(struct explain *e)
{
    struct wr wr = wr_init(e->question.wire, sizeof e->question.wire);
    wr_u16(&wr, 0);
    wr_u16(&wr, DNS_RD);
    wr_u16(&wr, 1);
    wr_u32(&wr, 0);
    wr_u16(&wr, 1);
    wr_bytes(&wr, e->name.wire, e->name.len);
    wr_u16(&wr, e->type);
    wr_u16(&wr, DNS_IN);
    edns_put_opt(&wr, ANSWER_SIZE, 0, false, (struct span){0});
    e->question.wire_len = wr.at;
}

/* The server with the longest zone; of equal ones the first. */
static uint16_t choose_server(const struct plan *plan, const struct name *name)
{
    struct name lower = *name;
    struct name_key key;
    unsigned best_labels = 0;
    uint16_t best = 0;
    name_lower(lower.wire, lower.wire, lower.len);
    name_key_init(&key, lower.wire);
    for (uint32_t i = 0; i < plan->servers_n; i++) {
        unsigned label = 0;
        if (zonetab_find(&plan->servers[i].zones, &key, 0, &label) != NULL &&
            key.labels - label + 1 > best_labels) {
            best_labels = key.labels - label + 1;
            best = (uint16_t)i;
        }
    }
    return best;
}

struct explain *explain_new(const struct plan *plan, const struct explain_what *what,
                            struct errors *errs)
{
    struct explain *e = calloc(1, sizeof *e);
    if (e != NULL)
        e->trace = trace_new();
    if (e == NULL || e->trace == NULL) {
        explain_free(e);
        error_at(errs, (struct where){0}, "out of memory");
        return NULL;
    }
    if (read_words(e, what, errs) < 0) {
        explain_free(e);
        return NULL;
    }
    write_question(e);
    struct client *c = &e->question.client;
    c->transport = TRANSPORT_UDP;
    c->trace = e->trace;
    c->server = choose_server(plan, &e->name);
    c->peer.port = 53;
    if (c->server < plan->servers_n)
        c->local = plan->servers[c->server].addr;
    return e;
}

void explain_free(struct explain *e)
{
    if (e == NULL)
        return;
    trace_free(e->trace);
    free(e);
}

/* ---- steps ---- */

static const char *const sections[] = {
    [SECTION_ANSWER] = "answer",
    [SECTION_AUTHORITY] = "authority",
    [SECTION_ADDITIONAL] = "additional",
};

static void records(struct json_out *j, const struct trace_record *r)
{
    json_open(j, "records", '[');
    for (; r != NULL; r = r->next) {
        json_open(j, NULL, '{');
        json_text(j, "section", sections[r->section]);
        json_text(j, "owner", r->owner);
        json_text(j, "type", r->type);
        json_number(j, "ttl", r->ttl);
        json_text(j, "data", r->data);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* Without its end: more may come. */
static void open_step(struct json_out *j, const struct trace_step *s)
{
    json_open(j, NULL, '{');
    json_text(j, "step", s->kind);
    json_number(j, "at_us", (int64_t)s->at_us);
    if (s->depth > 0)
        json_number(j, "depth", s->depth);
    for (const struct trace_field *f = s->fields; f != NULL; f = f->next) {
        if (f->text != NULL)
            json_text(j, f->key, f->text);
        else
            json_number(j, f->key, (int64_t)f->number);
    }
    if (s->has_records)
        records(j, s->records);
}

/* ---- what an answer was renamed to ---- */

struct place {
    uint8_t section;
    unsigned n; /* of its section */
};

static void add_rename(struct json_out *j, const struct place *at,
                       const char *const words[3])
{
    json_open(j, NULL, '{');
    json_print(j, "what", "%s[%u] %s", sections[at->section], at->n, words[0]);
    json_text(j, "from", words[1]);
    json_text(j, "to", words[2]);
    json_close(j, '}');
}

/* Record by record; signatures, which are dropped, are passed over. */
static void renames(struct json_out *j, const struct trace_record *was,
                    const struct trace_record *is)
{
    json_open(j, "renames", '[');
    struct place at = {0};
    for (; was != NULL && is != NULL; was = was->next) {
        if (strcmp(was->type, is->type) != 0)
            continue;
        if (is->section != at.section)
            at = (struct place){.section = is->section};
        if (strcmp(was->owner, is->owner) != 0)
            add_rename(j, &at, (const char *[]){"owner", was->owner, is->owner});
        if (strcmp(was->data, is->data) != 0)
            add_rename(j, &at, (const char *[]){is->type, was->data, is->data});
        at.n++;
        is = is->next;
    }
    json_close(j, ']');
}

/* "": none, or a number. */
static const char *field(const struct trace_step *s, const char *key)
{
    for (const struct trace_field *f = s->fields; f != NULL; f = f->next) {
        if (strcmp(f->key, key) == 0)
            return f->text == NULL ? "" : f->text;
    }
    return "";
}

static void steps(struct json_out *j, const struct trace *trace)
{
    json_open(j, "steps", '[');
    const struct trace_step *answer = NULL;
    for (const struct trace_step *s = trace->first; s != NULL; s = s->next) {
        open_step(j, s);
        if (strcmp(s->kind, "answer") == 0)
            answer = s;
        bool renamed = answer != NULL && answer->depth == s->depth && s->has_records &&
                       strcmp(field(s, "on"), "wake") == 0;
        if (renamed) /* by `cluster` or `inventory` */
            renames(j, answer->records, s->records);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* ---- whose an address is ---- */

struct owner {
    struct addr addr;
    const struct cluster *cluster;
    const struct cidr *range;
    bool pods;
};

static void look_in(const struct subnets *in, const struct cluster *c, bool pods,
                    struct owner *found)
{
    for (uint32_t i = 0; i < in->n; i++) {
        const struct cidr *range = &in->list[i];
        bool better = found->range == NULL || range->bits > found->range->bits;
        if (better && cidr_contains(range, &found->addr)) {
            found->cluster = c;
            found->range = range;
            found->pods = pods;
        }
    }
}

static void look_at(const struct cluster *c, void *context)
{
    struct subnets services = cluster_services(c), pods = cluster_pods(c);
    look_in(&services, c, false, context);
    look_in(&pods, c, true, context);
}

static void add_owner(struct json_out *j, const struct rr *rr, const struct plan *plan)
{
    struct owner found = {.addr = {.family = rr->type == DNS_A ? 4 : 6}};
    char text[ADDR_TEXT_MAX], label[NAME_TEXT_MAX];
    memcpy(found.addr.ip, rr->base + rr->rdata, rr->type == DNS_A ? 4 : 16);
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        if (plan->blocks[i].clusters != NULL)
            cluster_map_each(plan->blocks[i].clusters, look_at, &found);
    }
    json_open(j, NULL, '{');
    json_text(j, "address", addr_print_ip(&found.addr, text));
    if (found.cluster != NULL) {
        json_text(j, "cluster", cluster_label(found.cluster, label));
        json_text(j, "range", found.pods ? "Pods" : "Services");
        json_text(j, "subnet", cidr_print(found.range, text));
    }
    json_close(j, '}');
}

/* ---- its cluster ---- */

static const struct cluster *cluster_of(const struct explain *e,
                                        const struct plan *plan)
{
    struct name lower = e->name;
    name_lower(lower.wire, lower.wire, lower.len);
    return cluster_of_name(plan, &lower);
}

/* Where the name is under no cluster, and became none of one: the one it may be. */
static void put_near(struct json_out *j, const struct explain *e,
                     const struct plan *plan)
{
    char name[NAME_TEXT_MAX], text[CLUSTER_NEAR_MAX];
    for (const struct trace_step *s = e->trace->first; s != NULL; s = s->next) {
        if (strcmp(s->kind, "cluster") == 0)
            return;
    }
    if (cluster_of(e, plan) != NULL)
        return;
    name_print(e->name.wire, name);
    const char *near = cluster_near(plan, name, text);
    if (near != NULL)
        json_text(j, "near", near);
}

static bool some_drained(const struct upstream_group *g)
{
    for (uint32_t i = 0; i < g->n; i++) {
        if (atomic_load_explicit(&g->list[i]->drained, memory_order_relaxed))
            return true;
    }
    return false;
}

static void add_drained(struct json_out *j, const struct cluster *c)
{
    const struct upstream_group *g = cluster_group_met(c);
    if (g == NULL || !some_drained(g))
        return;
    json_open(j, NULL, '{');
    json_text(j, "cluster", g->label);
    json_bool(j, "whole", health_drained(g));
    json_open(j, "addresses", '[');
    for (uint32_t i = 0; i < g->n; i++) {
        if (atomic_load_explicit(&g->list[i]->drained, memory_order_relaxed))
            json_text(j, NULL, g->list[i]->text);
    }
    json_close(j, ']');
    json_close(j, '}');
}

/* Of the clusters that were come to, or of the one that the name is of: what the cache
 * has comes to none. */
static void put_drained(struct json_out *j, const struct explain *e,
                        const struct plan *plan)
{
    json_open(j, "drained", '[');
    const struct cluster *c = NULL, *last = NULL;
    struct name name;
    for (const struct trace_step *s = e->trace->first; s != NULL; s = s->next) {
        if (strcmp(s->kind, "cluster") != 0 ||
            name_parse(&name, text_of(field(s, "cluster"))) < 0)
            continue;
        name_lower(name.wire, name.wire, name.len);
        c = cluster_of_name(plan, &name);
        if (c != NULL && c != last)
            add_drained(j, c);
        last = c == NULL ? last : c;
    }
    if (last == NULL && (c = cluster_of(e, plan)) != NULL)
        add_drained(j, c);
    json_close(j, ']');
}

/* ---- the result ---- */

static void put_extended_error(struct json_out *j, const struct msg *m)
{
    struct rd rd = rd_init(m->opt.options.at, m->opt.present ? m->opt.options.len : 0);
    while (rd.at < rd.len && !rd.failed) {
        uint16_t code = rd_u16(&rd), len = rd_u16(&rd);
        const uint8_t *at = rd_take(&rd, len);
        if (at == NULL || code != 15 || len < 2)
            continue;
        json_open(j, "ede", '{');
        json_number(j, "code", load_u16(at));
        json_print(j, "text", "%.*s", (int)(len - 2), (const char *)at + 2);
        json_close(j, '}');
    }
}

static void put_records(struct json_out *j, const struct msg *m,
                        const struct plan *plan)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    records(j, trace_copy_records(&a, m));
    arena_release(&a);
    json_open(j, "addresses", '[');
    msg_each_rr (rr, m) {
        if (rr->section == SECTION_ANSWER &&
            (rr->type == DNS_A || rr->type == DNS_AAAA))
            add_owner(j, rr, plan);
    }
    json_close(j, ']');
}

static void result(struct json_out *j, const struct explain *e, const struct plan *plan)
{
    json_open(j, "result", '{');
    struct msg m = {.rr = calloc(WIRE_RR_MAX, sizeof *m.rr), .rr_cap = WIRE_RR_MAX};
    struct span wire = {.at = e->question.reply, .len = e->question.reply_len};
    char code[RDATA_MNEMONIC_MAX];
    if (m.rr == NULL) {
        j->sheet.failed = true;
    } else if (wire.len == 0 || wire_walk(wire, &m) != WIRE_OK) {
        json_print(j, "rcode", "no answer is sent");
    } else {
        json_text(j, "rcode", rcode_print(m.rcode, code));
        json_bool(j, "tc", (m.flags & DNS_TC) != 0);
        put_extended_error(j, &m);
        put_records(j, &m, plan);
    }
    free(m.rr);
    json_close(j, '}');
}

void explain_json(struct json_out *j, const struct explain *e, const struct plan *plan)
{
    char name[NAME_TEXT_MAX], type[RDATA_MNEMONIC_MAX];
    json_open(j, NULL, '{');
    json_open(j, "question", '{');
    name_print(e->name.wire, name);
    json_text(j, "name", name);
    json_text(j, "type", rdata_type_print(e->type, type));
    json_text(j, "from", e->from);
    json_close(j, '}');
    steps(j, e->trace);
    if (e->trace->cut)
        json_bool(j, "cut", true);
    put_near(j, e, plan);
    put_drained(j, e, plan);
    result(j, e, plan);
    json_close(j, '}');
}
