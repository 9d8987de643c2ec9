#include "resolver/zone.h"

#include "base/log.h"
#include "resolver/plan.h"
#include "resolver/zonefile.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- life ---- */

struct zone *zone_new(const struct name *apex)
{
    struct zone *z = calloc(1, sizeof *z);
    if (z == NULL)
        return NULL;
    arena_init(&z->arena, NULL, 0);
    z->apex.len = apex->len;
    name_lower(z->apex.wire, apex->wire, apex->len);
    atomic_init(&z->uses, 1);
    return z;
}

static int read_data(struct zone *z, struct source from, const _Atomic bool *stop,
                     struct errors *errs)
{
    z->data = zonefile_parse(&z->arena, from, &z->apex, stop, errs);
    if (z->data == NULL)
        return -1;
    z->serial = zonedata_times(zonedata_soa(z->data)).serial;
    return 0;
}

static struct zone *read_zone(const char *path, const struct name *apex,
                              struct where at, const _Atomic bool *stop,
                              struct errors *errs)
{
    struct arena scratch;
    struct source from = {.file = path};
    struct zone *z = zone_new(apex);
    arena_init(&scratch, NULL, 0);
    if (z == NULL)
        error_at(errs, at, "%s: out of memory", path);
    else if (source_read(&scratch, path, at, &from.text, errs) < 0 ||
             read_data(z, from, stop, errs) < 0) {
        zone_done(z);
        z = NULL;
    }
    arena_release(&scratch);
    return z;
}

void zone_read(struct zone_reading *out, const char *path, const struct name *apex,
               struct where at, const _Atomic bool *stop)
{
    struct source_stamp after;
    *out = (struct zone_reading){0};
    errors_init(&out->errs);
    source_stamp(path, &out->stamp);
    out->zone = read_zone(path, apex, at, stop, &out->errs);
    out->whole =
        source_stamp(path, &after) == 0 && source_stamp_equal(&out->stamp, &after);
}

void zone_reading_release(struct zone_reading *r)
{
    zone_done(r->zone);
    errors_release(&r->errs);
    r->zone = NULL;
}

int zone_parse_upstream(struct reader *rd, void *state)
{
    reader_args(rd);
    return 0;
}

void zone_log_reloaded(const char *plugin, const struct zone *z, const char *path)
{
    char apex[NAME_TEXT_MAX];
    name_print(z->apex.wire, apex);
    log_info("plugin/%s: Successfully reloaded zone \"%s\" in \"%s\" with %" PRIu32
             " SOA serial",
             plugin, apex, path, z->serial);
}

void zone_use(struct zone *z)
{
    atomic_fetch_add_explicit(&z->uses, 1, memory_order_relaxed);
}

void zone_done(struct zone *z)
{
    if (z == NULL || atomic_fetch_sub(&z->uses, 1) > 1)
        return;
    arena_release(&z->arena);
    free(z);
}

static void release(const void *data)
{
    zone_done((struct zone *)(uintptr_t)data);
}

int zone_publish(struct feed *f, struct zone *z)
{
    struct feed_value *v = feed_value_new();
    if (v == NULL) {
        zone_done(z);
        return -1;
    }
    v->data = z;
    v->release = release;
    feed_publish(f, v);
    return 0;
}

bool zone_serial_after(uint32_t a, uint32_t b)
{
    uint32_t ahead = a - b;
    return ahead != 0 && ahead < 0x80000000u;
}

/* ---- queries ---- */

/* The last record of the answer when it is a CNAME that was asked for something else.
 */
static const struct rr *open_end(const struct query *q)
{
    const struct rr *last = NULL;
    if (q->request.type == DNS_CNAME || q->request.type == DNS_ANY)
        return NULL;
    msg_each_rr (rr, &q->response->msg) {
        if (rr->section == SECTION_ANSWER && rr->type != DNS_RRSIG)
            last = rr;
    }
    return last != NULL && last->type == DNS_CNAME ? last : NULL;
}

/* Looks up what the zone does not have and a CNAME of it names. One that cannot be
 * looked up (too deep) is a right answer by itself. */
static enum verdict follow(struct query *q, const struct zone *z)
{
    const struct rr *cname = open_end(q);
    struct name target;
    if (cname == NULL)
        return DONE;
    msg_name(cname, cname->rdata, &target);
    bool outside = !name_under(target.wire, z->apex.wire, NULL);
    if ((!outside && q->response->msg.rcode != DNS_NXDOMAIN) ||
        name_equal(target.wire, q->request.lower))
        return DONE;
    return query_spawn(q, target.wire, q->request.type, q->request.class) == 0 ? WAIT
                                                                               : DONE;
}

enum verdict zone_answer(struct query *q, const struct zone *z, const struct fall *fall)
{
    struct msg *m = &q->response->msg;
    const struct opt *opt = &q->request.opt;
    struct zone_question question = {.key = query_key(q),
                                     .type = q->request.type,
                                     .dnssec = opt->present && opt->dnssec_ok};
    query_respond(q, DNS_NOERROR, true, 8);
    int rc =
        q->response->failed ? -1 : zonedata_answer(z->data, &question, &q->arena, m);
    if (rc < 0)
        return query_fail(q, DNS_SERVFAIL,
                          "out of memory, or more records than a message can hold");
    bool missing =
        rc > 0 || (m->rcode == DNS_NXDOMAIN && msg_count(m, SECTION_ANSWER) == 0);
    if (missing && fall_through(fall, q->request.lower)) {
        *q->response = (struct response){0};
        return PASS;
    }
    return follow(q, z);
}

/* Records of the child's that belong behind the CNAME. */
static int adopt(struct query *q, const struct child_result *child, bool negative)
{
    struct msg *m = &q->response->msg;
    msg_each_rr (rr, m) {
        if (rr->section == SECTION_AUTHORITY && (negative || rr->type == DNS_SOA))
            msg_drop(m, rr);
    }
    msg_each_rr (rr, &child->msg) {
        bool wanted =
            rr->section == SECTION_ANSWER ||
            (negative && rr->section == SECTION_AUTHORITY && rr->type == DNS_SOA);
        if (wanted && msg_add_rr(m, &q->arena, rr) < 0)
            return -1;
    }
    m->rcode = child->rcode;
    m->flags |= child->msg.flags & DNS_TC;
    return 0;
}

/* RFC 6604 section 3: the code is that of the last name. What is not served here at all
 * leaves the client with the CNAME. */
enum verdict zone_woken(struct query *q, const void *state)
{
    const struct child_result *child = q->child;
    struct msg *m = &q->response->msg;
    if (!child->done || (child->failed && child->rcode == DNS_SERVFAIL))
        m->rcode = DNS_SERVFAIL;
    if (!child->done || child->failed ||
        (child->rcode != DNS_NOERROR && child->rcode != DNS_NXDOMAIN))
        return DONE;
    if (child->rcode == DNS_NXDOMAIN && m->rcode == DNS_NXDOMAIN)
        return DONE; /* we have said so, and with proofs */
    bool negative =
        child->rcode == DNS_NXDOMAIN || msg_count(&child->msg, SECTION_ANSWER) == 0;
    if (adopt(q, child, negative) < 0)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    return DONE;
}

enum verdict zone_of_others(struct query *q)
{
    if (q->at + 1 < q->block->chain_n)
        return PASS;
    return query_fail_ede(q, DNS_REFUSED, NULL, EDE_NOT_AUTHORITATIVE,
                          "no zone for this name");
}
