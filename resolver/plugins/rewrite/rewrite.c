/* rewrite: questions become other questions on their way down, and answers get the
 * client's names back on their way up (coredns-reference 2.2).
 *
 *     rewrite name suffix .cluster-b.local .cluster.local answer auto
 *
 * The question section of the reply is always the one the client sent. */
#include "base/cursor.h"
#include "resolver/core.h"
#include "resolver/edns.h"
#include "resolver/plugins/rewrite/rewrite_answer.h"
#include "resolver/plugins/rewrite/rewrite_cname.h"

/* ---- the client's question ---- */

/* Whether CoreDNS changes the answer for the client: not if all that applied are
 * `continue` rules that are about the question only. */
static bool reverts(const struct rewrite_frame *f)
{
    for (const struct rewrite_applied *a = f->applied; a != NULL; a = a->before) {
        const struct rewrite_rule *rule = a->rule;
        if (rule->stop || rule->answers_n > 0 || rule->edns0.revert ||
            (rule->kind == REWRITE_NAME && rule->automatic) ||
            rule->kind == REWRITE_TTL || rule->kind == REWRITE_RCODE ||
            rule->kind == REWRITE_CNAME)
            return true;
    }
    return false;
}

/* For those above that tell what was asked below. */
static int keep_below(struct query *q, const struct rewrite_frame *f)
{
    const struct request *req = &q->request;
    struct request_below *below = arena_alloc(&q->arena, sizeof *below);
    if (below == NULL)
        return -1;
    *below = (struct request_below){.lower = req->lower,
                                    .name_len = req->name_len,
                                    .type = req->type,
                                    .class = req->class,
                                    .opt = req->opt,
                                    .reverted = reverts(f)};
    q->below = below;
    return 0;
}

/* The plugins above see what the client sent, whatever became of it. 0, or -1: no
 * memory, and the question is the changed one still. */
static int restore(struct query *q, const struct rewrite_frame *f)
{
    const struct span *asked = &q->request.asked;
    const uint8_t *end = asked->at + asked->len;
    if (keep_below(q, f) < 0)
        return -1;
    if (f->opt_saved)
        q->request.opt = f->opt;
    return query_set_question(q, asked->at, load_u16(end - 4), load_u16(end - 2));
}

static enum verdict no_memory(struct query *q)
{
    return query_fail(q, DNS_SERVFAIL, "out of memory");
}

static enum verdict fail(struct query *q, enum rewrite_result why)
{
    if (why == REWRITE_NO_MEMORY)
        return no_memory(q);
    if (why == REWRITE_OVER)
        return query_fail_ede(q, DNS_SERVFAIL, "regular expression gave up on a name",
                              EDE_OTHER, "a pattern gave up on this name");
    return query_fail_ede(q, DNS_SERVFAIL, "invalid name after rewrite", EDE_OTHER,
                          "a rewritten name is no legal name");
}

/* ---- down: one rule ---- */

struct way_down {
    struct query *q;
    struct rewrite_frame *frame;
    struct rewrite_subject subject; /* the current name */
};

static void take_subject(struct way_down *w)
{
    rewrite_subject_init(&w->subject, w->q->request.lower, &w->q->r->patterns);
}

/* Remembers that a rule applied. NULL: no memory. */
static struct rewrite_applied *remember(struct way_down *w,
                                        const struct rewrite_rule *rule)
{
    struct rewrite_applied *a = arena_alloc(&w->q->arena, sizeof *a);
    if (a == NULL)
        return NULL;
    a->before = w->frame->applied;
    a->rule = rule;
    w->frame->applied = a;
    return a;
}

static enum rewrite_result remembered(struct way_down *w,
                                      const struct rewrite_rule *rule)
{
    return remember(w, rule) == NULL ? REWRITE_NO_MEMORY : REWRITE_YES;
}

/* The mapping that leads back: between the zones of the rule, or from the new name to
 * the old one. A suffix without dots finds its way back by itself. */
static int set_way_back(struct rewrite_applied *a, struct query *q,
                        const uint8_t *new_name)
{
    const struct rewrite_match *m = &a->rule->match;
    if (!a->rule->automatic || (m->mode == REWRITE_SUFFIX && !a->rule->zone))
        return 0;
    a->back.from = a->rule->zone ? m->to_end.rest.wire : new_name;
    a->back.to = a->rule->zone
                     ? m->from_end.rest.wire
                     : arena_copy(&q->arena, q->request.lower, q->request.name_len);
    if (a->back.to == NULL)
        return -1;
    a->back.from_len = (uint8_t)name_len(a->back.from);
    a->back.to_len = (uint8_t)name_len(a->back.to);
    return 0;
}

static enum rewrite_result change_name(struct way_down *w,
                                       const struct rewrite_rule *rule,
                                       struct name *out)
{
    const struct rewrite_match *m = &rule->match;
    if (!rule->zone)
        return rewrite_match_change(m, &w->subject, out);
    return rewrite_suffix_change(&m->from_end, &m->to_end, true, w->subject.name, out);
}

static enum rewrite_result apply_name(struct way_down *w,
                                      const struct rewrite_rule *rule)
{
    struct query *q = w->q;
    struct name changed;
    enum rewrite_result result = change_name(w, rule, &changed);
    if (result != REWRITE_YES)
        return result;
    uint8_t *wire = arena_copy(&q->arena, changed.wire, changed.len);
    struct rewrite_applied *a = remember(w, rule);
    if (wire == NULL || a == NULL || set_way_back(a, q, wire) < 0 ||
        query_set_question(q, wire, q->request.type, q->request.class) < 0)
        return REWRITE_NO_MEMORY;
    take_subject(w);
    return REWRITE_YES;
}

static enum rewrite_result apply_number(struct way_down *w,
                                        const struct rewrite_rule *rule,
                                        uint16_t *field)
{
    if (*field != rule->from)
        return REWRITE_NO;
    *field = rule->to;
    return remembered(w, rule);
}

/* The client's OPT, to be put back: who sent none gets none. */
static int save_opt(struct way_down *w)
{
    struct opt *opt = &w->q->request.opt;
    if (w->frame->opt_saved)
        return 0;
    const uint8_t *copy = arena_copy(&w->q->arena, opt->options.at, opt->options.len);
    if (copy == NULL)
        return -1;
    opt->options.at = copy;
    w->frame->opt = *opt;
    w->frame->opt_saved = true;
    return 0;
}

static enum rewrite_result apply_edns0(struct way_down *w,
                                       const struct rewrite_rule *rule)
{
    struct rewrite_edns0_old old;
    if (save_opt(w) < 0)
        return REWRITE_NO_MEMORY;
    enum rewrite_result result = rewrite_edns0_apply(&rule->edns0, w->q, &old);
    if (result != REWRITE_YES)
        return result;
    struct rewrite_applied *a = remember(w, rule);
    if (a == NULL)
        return REWRITE_NO_MEMORY;
    a->old = old;
    return REWRITE_YES;
}

static enum rewrite_result apply(struct way_down *w, const struct rewrite_rule *rule)
{
    enum rewrite_result result;
    switch (rule->kind) {
    case REWRITE_NAME:
        return apply_name(w, rule);
    case REWRITE_TYPE:
        return apply_number(w, rule, &w->q->request.type);
    case REWRITE_CLASS:
        return apply_number(w, rule, &w->q->request.class);
    case REWRITE_EDNS0:
        return apply_edns0(w, rule);
    case REWRITE_CNAME: /* applies to every question, as in CoreDNS */
        return remembered(w, rule);
    case REWRITE_TTL:
    case REWRITE_RCODE:
        result = rewrite_match_test(&rule->match, &w->subject);
        return result == REWRITE_YES ? remembered(w, rule) : result;
    }
    return REWRITE_NO;
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct rewrite *plugin = state;
    struct way_down w = {.q = q};
    w.frame = query_frame(q, state, sizeof *w.frame);
    if (w.frame == NULL)
        return no_memory(q);
    take_subject(&w);
    for (uint32_t i = 0; i < plugin->rules_n; i++) {
        enum rewrite_result result = apply(&w, plugin->rules[i]);
        if (result > REWRITE_YES)
            return restore(q, w.frame) < 0 ? no_memory(q) : fail(q, result);
        if (result == REWRITE_YES && plugin->rules[i]->stop)
            break;
    }
    return PASS;
}

/* ---- up ---- */

static void clamp_ttls(struct msg *m, const struct rewrite_rule *rule)
{
    msg_each_rr (rr, m) {
        if (rr->ttl < rule->least)
            msg_set_ttl(m, rr, rule->least);
        else if (rr->ttl > rule->most)
            msg_set_ttl(m, rr, rule->most);
    }
}

/* REWRITE_YES: `cname` looks something up, the query has to wait. */
static enum rewrite_result undo(struct query *q, struct rewrite_frame *f,
                                const struct rewrite_applied *a)
{
    struct msg *m = &q->response->msg;
    enum rewrite_result result;
    switch (a->rule->kind) {
    case REWRITE_NAME:
        result = rewrite_answer_undo(q, f, a);
        return result == REWRITE_YES ? REWRITE_NO : result;
    case REWRITE_CNAME:
        return rewrite_cname_begin(q, f, a->rule);
    case REWRITE_TTL:
        clamp_ttls(m, a->rule);
        return REWRITE_NO;
    case REWRITE_RCODE:
        if (m->rcode == a->rule->from)
            m->rcode = a->rule->to;
        return REWRITE_NO;
    case REWRITE_EDNS0:
        if (rewrite_edns0_revert(&a->rule->edns0, q, &a->old) < 0)
            return REWRITE_NO_MEMORY;
        return REWRITE_NO;
    case REWRITE_TYPE:
    case REWRITE_CLASS:
        break;
    }
    return REWRITE_NO;
}

/* The encoder makes pointers to the message's question where it can; that of this
 * message is not the one that goes out. */
static void forget_question(const struct query *q, struct msg *m)
{
    if (m->wire == NULL || !m->question ||
        name_equal(m->wire + m->qname, q->request.asked.at))
        return;
    m->question = false;
    m->edited = true;
}

static enum verdict undo_rest(struct query *q, struct rewrite_frame *f)
{
    while (f->next != NULL) {
        const struct rewrite_applied *a = f->next;
        f->next = a->before;
        enum rewrite_result result = undo(q, f, a);
        if (result == REWRITE_YES)
            return WAIT;
        if (result != REWRITE_NO)
            return fail(q, result);
    }
    forget_question(q, &q->response->msg);
    return PASS;
}

static bool has_name_rule(const struct rewrite_frame *f)
{
    for (const struct rewrite_applied *a = f->applied; a != NULL; a = a->before) {
        if (a->rule->kind == REWRITE_NAME)
            return true;
    }
    return false;
}

static bool is_reverse(const uint8_t *name)
{
    static const uint8_t v4[] = "\7in-addr\4arpa", v6[] = "\3ip6\4arpa";
    return name_under(name, v4, NULL) || name_under(name, v6, NULL);
}

/* Where no rule is about the question's name, but it asks for the name of an address.
 */
static enum rewrite_result undo_reverse(struct query *q, const struct rewrite *plugin,
                                        const struct rewrite_frame *f)
{
    if (plugin->zone == NULL || has_name_rule(f) || !is_reverse(q->request.lower))
        return REWRITE_NO;
    return rewrite_answer_reverse(q, plugin->zone);
}

static enum verdict on_response(struct query *q, const void *state)
{
    struct rewrite_frame *f = query_frame(q, state, sizeof *f);
    if (f == NULL)
        return no_memory(q);
    enum rewrite_result reverse = undo_reverse(q, state, f);
    if (f->applied == NULL && !f->opt_saved)
        return reverse > REWRITE_YES ? fail(q, reverse) : PASS;
    f->name = q->request.lower;
    f->type = q->request.type;
    f->next = f->applied;
    f->own_n = q->response->msg.rr_n;
    if (restore(q, f) < 0)
        return no_memory(q);
    if (q->response->failed && q->below->reverted && q->request.opt.present)
        q->response->opt_len = EDNS_OPT_LEN; /* CoreDNS writes that answer here */
    return reverse > REWRITE_YES ? fail(q, reverse) : undo_rest(q, f);
}

static void on_drop(struct query *q, const void *state)
{
    const struct rewrite_frame *f = query_frame(q, state, sizeof *f);
    if (f != NULL && (f->applied != NULL || f->opt_saved))
        (void)restore(q, f);
}

/* A target of `cname` has been looked up. */
static enum verdict on_wake(struct query *q, const void *state)
{
    struct rewrite_frame *f = query_frame(q, state, sizeof *f);
    if (rewrite_cname_end(q, f) < 0)
        return no_memory(q);
    return undo_rest(q, f);
}

const struct plugin plugin_rewrite = {
    .name = "rewrite",
    .help = "other names, types, TTLs or options in questions, undone in answers",
    .synopsis = "rewrite [stop|continue] FIELD FROM TO [answer auto|name|value...]",
    .options = rewrite_kinds,
    .options_n = REWRITE_KINDS_N,
    .setup = rewrite_setup,
    .on_query = on_query,
    .on_wake = on_wake,
    .on_response = on_response,
    .on_drop = on_drop,
};
