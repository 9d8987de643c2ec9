/* forward: questions under a zone go to upstream servers as they came, and answers come
 * back as they are (coredns-reference 2.1).
 *
 *     forward . 10.0.0.1 10.0.0.2
 *
 * What belongs to one hop stays on it: cookies, keepalive and padding pass neither way.
 * Beyond CoreDNS, an upstream that is silent or answers garbage costs tens of
 * milliseconds and not seconds: the next one is asked meanwhile (upstream.h).
 *
 * Several in a block make a list. The first whose FROM fits takes the question, and
 * hands it on where its `next` or `next_on_nodata` says so. */
#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/edns.h"
#include "resolver/trail.h"
#include "resolver/plugins/forward_setup.h"

struct frame {
    const struct forward *forward; /* that took the question */
};

/* ---- the question ---- */

/* CoreDNS: a name equal to FROM is taken even if `except` covers it. */
static bool takes(const struct forward *f, const struct request *req)
{
    const struct name *from = &f->from.list[0];
    if (!name_under(req->lower, from->wire, NULL))
        return false;
    return req->name_len == from->len || zones_match(&f->except, req->lower) == NULL;
}

static const struct forward *find(const struct forward_plugin *p, uint32_t first,
                                  const struct request *req)
{
    for (uint32_t i = first; i < p->n; i++) {
        if (takes(p->list[i], req))
            return p->list[i];
    }
    return NULL;
}

static bool is_hop_by_hop(uint16_t code)
{
    return code == EDNS_COOKIE || code == EDNS_KEEPALIVE || code == EDNS_PADDING;
}

/* Options that concern both ends, as far as they fit: an option is a wish, and one that
 * is too long is left out whole. */
static struct span end_to_end(struct span options, uint8_t *room, size_t cap)
{
    struct edns_option o;
    struct wr wr = wr_init(room, cap);
    for (size_t at = 0; edns_next(options, &at, &o);) {
        if (!is_hop_by_hop(o.code) && o.data.len + 4 <= wr.cap - wr.at)
            edns_put(&wr, o.code, o.data);
    }
    return (struct span){.at = room, .len = wr.at};
}

#define QUESTION_MAX (DNS_HEADER_LEN + NAME_WIRE_MAX + 4 + 11 + EDNS_OPTIONS_MAX)

/* With our mark where one was set, for which room is kept. */
static struct span options_for(const struct request *req, uint8_t *room, size_t cap)
{
    struct wr wr = wr_init(room, cap);
    size_t kept = req->mark == NULL ? 0 : 4 + TRAIL_MARK;
    if (req->opt.present)
        wr.at = end_to_end(req->opt.options, room, cap - kept).len;
    trail_put_own(&wr, req);
    return (struct span){.at = room, .len = wr.at};
}

static struct span build_question(const struct query *q, uint8_t *room, size_t cap)
{
    const struct request *req = &q->request;
    uint8_t options[EDNS_OPTIONS_MAX];
    struct wr wr = wr_init(room, cap);
    uint16_t passed = 15u << 11 | DNS_RD | DNS_AD | DNS_CD;
    bool opt = req->opt.present || req->mark != NULL;
    wr_u16(&wr, 0);
    wr_u16(&wr, req->flags & passed);
    wr_u16(&wr, 1);
    wr_u32(&wr, 0);
    wr_u16(&wr, opt);
    wr_bytes(&wr, req->name, req->name_len);
    wr_u16(&wr, req->type);
    wr_u16(&wr, req->class);
    if (opt)
        edns_put_opt(&wr, req->opt.present ? req->opt.udp_size : UDP_SIZE_OURS, 0,
                     req->opt.dnssec_ok, options_for(req, options, sizeof options));
    return (struct span){.at = room, .len = wr.at};
}

/* Asks the first of them, from `first` on, that takes the question. */
static enum verdict ask_from(struct query *q, const void *state, uint32_t first)
{
    uint8_t room[QUESTION_MAX];
    const struct forward *f = find(state, first, &q->request);
    if (f == NULL)
        return PASS;
    struct frame *frame = query_frame(q, state, sizeof *frame);
    if (frame == NULL)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    frame->forward = f;
    struct upstream_question question = {
        .wire = build_question(q, room, sizeof room),
        .transport = (enum transport)q->client.transport,
    };
    return upstream_ask(q, &f->group, &question);
}

static enum verdict on_query(struct query *q, const void *state)
{
    return ask_from(q, state, 0);
}

/* ---- the answer ---- */

static enum verdict answered(struct query *q, const struct msg *m)
{
    size_t opt_len = m->opt.present ? EDNS_OPT_LEN + m->opt.options.len : 0;
    *q->response = (struct response){.msg = *m, .opt_len = (uint16_t)opt_len};
    if (!q->request.opt.present || m->opt.options.len == 0)
        return DONE;
    uint8_t *room = arena_alloc(&q->arena, m->opt.options.len);
    if (room == NULL)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    q->response->options = end_to_end(m->opt.options, room, m->opt.options.len);
    return DONE;
}

static enum verdict busy(struct query *q, const struct forward *f,
                         const struct upstream_result *res)
{
    if (res->error_code != 0)
        return query_fail_ede(q, DNS_SERVFAIL, res->error, EDE_OTHER, res->error);
    return query_fail_ede(q, DNS_REFUSED,
                          arena_printf(&q->arena,
                                       "concurrent queries exceeded maximum %u",
                                       f->rules.max_concurrent),
                          EDE_OTHER, "too many questions in flight");
}

/* "10.0.0.1:53 silent 4s", "10.0.0.1:53 connection refused" */
static enum verdict failed(struct query *q, const struct upstream_result *res)
{
    const char *who = res->upstream == NULL ? "upstream" : res->upstream->text;
    const char *text;
    if (res->error_code == 0)
        text = arena_printf(&q->arena, "%s silent %us", who,
                            (unsigned)(res->silent_us / 1000000));
    else
        text = arena_printf(&q->arena, "%s %s", who, res->error);
    return query_fail_ede(q, DNS_SERVFAIL,
                          arena_printf(&q->arena, "%s: %s", who, res->error),
                          res->error_code == 0 ? EDE_NO_REACHABLE : EDE_NETWORK, text);
}

static bool has_answer(const struct msg *m)
{
    msg_each_rr (rr, m) {
        if (rr->section == SECTION_ANSWER)
            return true;
    }
    return false;
}

/* Whether the following `forward` is to be asked instead; there has to be one. */
static bool goes_on(const struct forward_plugin *p, const struct forward *f,
                    const struct msg *m)
{
    if (f->place + 1 >= p->n)
        return false;
    if (m->rcode < 64 && (f->next >> m->rcode & 1u) != 0)
        return true;
    return f->next_on_nodata && m->rcode == DNS_NOERROR && !has_answer(m);
}

static enum verdict on_wake(struct query *q, const void *state)
{
    const struct frame *frame = query_frame(q, state, sizeof *frame);
    const struct upstream_result *res = upstream_result(q);
    if (res->outcome == UPSTREAM_ANSWER && goes_on(state, frame->forward, res->msg))
        return ask_from(q, state, frame->forward->place + 1);
    if (res->outcome == UPSTREAM_ANSWER)
        return answered(q, res->msg);
    if (res->outcome == UPSTREAM_BUSY)
        return busy(q, frame->forward, res);
    return failed(q, res);
}

static const char *label(struct query *q, const void *state)
{
    const struct forward *f = find(state, 0, &q->request);
    return f == NULL || f->group.n == 0 ? NULL : f->group.list[0]->text;
}

static void each_group(const void *state,
                       void (*fn)(const struct plugin_group *g, void *context),
                       void *context)
{
    const struct forward_plugin *plugin = state;
    for (uint32_t i = 0; i < plugin->n; i++) {
        const struct forward *f = plugin->list[i];
        struct plugin_group g = {
            .group = &f->group, .zone = &f->from.list[0], .at = f->at};
        fn(&g, context);
    }
}

const struct plugin plugin_forward = {
    .name = "forward",
    .help = "asks upstream servers",
    .synopsis = "forward FROM TO...",
    .options = forward_options,
    .options_n = FORWARD_OPTIONS_N,
    .setup = forward_setup,
    .release = forward_release,
    .on_query = on_query,
    .on_wake = on_wake,
    .label = label,
    .each_group = each_group,
};
