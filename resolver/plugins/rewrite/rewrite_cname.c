#include "resolver/plugins/rewrite/rewrite_cname.h"

#include "resolver/core.h"
#include "resolver/plugins/rewrite/rewrite_answer.h"

static bool is_cname(const struct rr *rr)
{
    return !rr->dropped && rr->section == SECTION_ANSWER && rr->type == DNS_CNAME;
}

/* The new target of a CNAME that the rule is about. */
static enum rewrite_result new_target(struct query *q, const struct rewrite_rule *rule,
                                      const struct rr *rr, struct name *out)
{
    struct rewrite_subject s;
    struct name target;
    msg_name(rr, rr->rdata, &target);
    name_lower(target.wire, target.wire, target.len);
    rewrite_subject_init(&s, target.wire, &q->r->patterns);
    return rewrite_match_change(&rule->match, &s, out);
}

enum rewrite_result rewrite_cname_begin(struct query *q, struct rewrite_frame *f,
                                        const struct rewrite_rule *rule)
{
    const struct msg *m = &q->response->msg;
    struct name target;
    for (uint32_t i = 0; i < m->rr_n; i++) {
        if (!is_cname(&m->rr[i]))
            continue;
        enum rewrite_result result = new_target(q, rule, &m->rr[i], &target);
        if (result == REWRITE_NO)
            continue;
        if (result != REWRITE_YES)
            return result;
        f->cname_at = i;
        f->target = arena_copy(&q->arena, &target, sizeof target);
        if (f->target == NULL)
            return REWRITE_NO_MEMORY;
        /* Too deep, or no memory: CoreDNS leaves the answer as it is. */
        return query_spawn(q, f->target->wire, f->type, DNS_IN) < 0 ? REWRITE_NO
                                                                    : REWRITE_YES;
    }
    return REWRITE_NO;
}

/* Of the answer section the CNAMEs stay, up to the one that was changed. */
static void drop_others(struct msg *m, uint32_t last)
{
    for (uint32_t i = 0; i < m->rr_n; i++) {
        struct rr *rr = &m->rr[i];
        if (rr->section == SECTION_ANSWER && (i > last || rr->type != DNS_CNAME))
            msg_drop(m, rr);
    }
}

int rewrite_cname_end(struct query *q, struct rewrite_frame *f)
{
    struct msg *m = &q->response->msg;
    const struct child_result *child = q->child;
    if (!child->done)
        return 0; /* the listener dropped it: nothing is known about the new target */
    drop_others(m, f->cname_at);
    if (rewrite_answer_set(q, &m->rr[f->cname_at], 0, f->target) < 0)
        return -1;
    m->flags &= (uint16_t)~DNS_TC;
    m->edited = true;
    if (child->failed)
        return 0;
    m->flags |= child->msg.flags & DNS_TC;
    msg_each_rr (rr, &child->msg) {
        if (rr->section == SECTION_ANSWER && msg_add_rr(m, &q->arena, rr) < 0)
            return -1;
    }
    return 0;
}
