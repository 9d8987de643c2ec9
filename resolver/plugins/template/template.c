/* template: answers made from the question by templates in Go's language.
 *
 *     template IN A ip.test {
 *         match ^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]ip[.]test[.]$
 *         answer "{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ .Group.b }}"
 *         fallthrough
 *     }
 *
 * Several are tried in file order. Where zone, class or type do not fit, the next one
 * is tried; where they fit and no regex matches, the answer is SERVFAIL unless
 * `fallthrough` lets the name go on. gotmpl.h says which part of the language there is.
 *
 * A CNAME given for a question of addresses is followed: its target is looked up
 * through the listener, and what comes of it is appended. A template that gives empty
 * text makes no record. */
#include "resolver/plugins/template/template_setup.h"

#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"
#include "resolver/zonefile.h"

/* What follows a template's own records: the CNAMEs among them. */
struct frame {
    uint32_t next, end; /* records to be looked at */
};

/* One query before the templates of one block. */
struct attempt {
    struct query *q;
    const struct template *template;
    struct pattern_found found;
    struct gotmpl_data data;
    char name[NAME_TEXT_MAX], asked[NAME_TEXT_MAX], zone[NAME_TEXT_MAX];
    char remote[ADDR_TEXT_MAX], class[RDATA_MNEMONIC_MAX], type[RDATA_MNEMONIC_MAX];
};

/* ---- matching ---- */

enum fit {
    FIT_YES,
    FIT_NO,      /* another template, or plugin */
    FIT_NOTHING, /* no regex matches, and nothing falls through */
    FIT_GAVE_UP, /* a regex that costs too much */
};

static bool is_asked(uint16_t wanted, uint16_t asked, uint16_t any)
{
    return wanted == any || asked == any || wanted == asked;
}

static enum fit fit_name(struct attempt *a)
{
    const struct template *t = a->template;
    for (uint32_t i = 0; i < t->matches_n; i++) {
        const struct template_match *m = &t->matches[i];
        switch (
            pattern_match(m->pattern, &a->q->r->patterns, a->data.name, &a->found)) {
        case PATTERN_MATCH:
            a->data.regex = text_of(m->regex);
            a->data.pattern = m->pattern;
            return FIT_YES;
        case PATTERN_NONE:
            break;
        case PATTERN_GAVE_UP:
            return FIT_GAVE_UP;
        }
    }
    return fall_through(&t->through, a->q->request.lower) ? FIT_NO : FIT_NOTHING;
}

static struct text print_name(const uint8_t *name, char *out)
{
    return (struct text){out, name_print(name, out)};
}

static enum fit fit(struct attempt *a, const struct template *t)
{
    const struct request *req = &a->q->request;
    const struct name *zone = zones_match(&t->zones, req->lower);
    if (zone == NULL || !is_asked(t->class, req->class, DNS_CLASS_ANY) ||
        !is_asked(t->type, req->type, DNS_ANY))
        return FIT_NO;
    if (a->template == NULL) /* the first that comes as far as this */
        a->data.name = print_name(req->lower, a->name);
    a->template = t;
    enum fit f = fit_name(a);
    if (f != FIT_YES)
        return f;
    a->data.zone = print_name(zone->wire, a->zone);
    query_count(a->q, t->counter + (uint32_t)(zone - t->zones.list), 0);
    return f;
}

/* ---- records ---- */

/* What templates see besides the name and what has matched. */
static void fill_data(struct attempt *a)
{
    const struct request *req = &a->q->request;
    const struct template *t = a->template;
    struct gotmpl_data *d = &a->data;
    struct addr remote = a->q->client.peer;
    uint16_t class = req->class == DNS_CLASS_ANY ? t->class : req->class;
    uint16_t type = req->type == DNS_ANY ? t->type : req->type;
    remote.scope = 0;
    d->class = text_of(rdata_class_print(class, a->class));
    d->type = text_of(rdata_type_print(type, a->type));
    d->remote = text_of(addr_print_ip(&remote, a->remote));
    d->found = &a->found;
    d->question.name = print_name(req->name, a->asked);
    d->question.type = req->type;
    d->question.class = req->class;
    d->id = req->id;
    d->flags = req->flags;
}

static enum verdict fail(struct query *q, const struct template_record *r,
                         const char *why)
{
    const char *text = arena_printf(&q->arena, "plugin/template: %s:%u: %s", r->at.file,
                                    r->at.line, why);
    return query_fail_ede(q, DNS_SERVFAIL, text == NULL ? "out of memory" : text,
                          EDE_OTHER, "a template gave no record");
}

/* Makes a record of what a template has written at the start of the worker's buffer;
 * the rest of which is room to take it apart. */
static enum verdict add_text(struct query *q, const struct template_record *r,
                             struct text text)
{
    struct zonefile_room room = {q->r->buffer + TEMPLATE_TEXT_MAX,
                                 ANSWER_MAX - TEMPLATE_TEXT_MAX};
    struct zonefile_record found;
    struct errors errs;
    enum verdict v = DONE;
    errors_init(&errs);
    int read = zonefile_record(text, room, &found, &errs);
    struct rr_new rr = {.section = r->section,
                        .owner = found.owner.wire,
                        .type = found.type,
                        .class = found.class,
                        .ttl = found.ttl,
                        .rdata = found.rdata};
    if (read < 0)
        v = fail(q, r, errs.list == NULL ? "no record" : errs.list[0].text);
    else if (read > 0 && msg_add(&q->response->msg, &q->arena, &rr) < 0)
        v = fail(q, r, "out of memory");
    errors_release(&errs);
    return v;
}

static enum verdict add_record(struct attempt *a, const struct template_record *r)
{
    struct query *q = a->q;
    if (r->constant.owner != NULL) {
        if (msg_add(&q->response->msg, &q->arena, &r->constant) < 0)
            return fail(q, r, "out of memory");
        return DONE;
    }
    struct gotmpl_out out = {.at = (char *)q->r->buffer, .cap = TEMPLATE_TEXT_MAX};
    if (gotmpl_run(r->text, &a->data, &q->arena, &out) < 0)
        return fail(q, r, out.error);
    return add_text(q, r, (struct text){out.at, out.len});
}

/* ---- targets ---- */

static bool wants_addresses(const struct query *q)
{
    return q->request.type == DNS_A || q->request.type == DNS_AAAA;
}

/* Looks the next CNAME's target up; DONE when there is none. One that cannot be looked
 * up (too deep) is a right answer by itself. */
static enum verdict follow(struct query *q, struct frame *f)
{
    while (f->next < f->end) {
        const struct rr *rr = &q->response->msg.rr[f->next++];
        struct name target;
        if (rr->type != DNS_CNAME || rr->section != SECTION_ANSWER)
            continue;
        msg_name(rr, rr->rdata, &target);
        if (name_equal(target.wire, q->request.lower))
            continue;
        if (query_spawn(q, target.wire, q->request.type, q->request.class) == 0)
            return WAIT;
    }
    return DONE;
}

static enum verdict on_wake(struct query *q, const void *state)
{
    struct frame *f = query_frame(q, state, sizeof *f);
    const struct child_result *child = q->child;
    if (!child->done || child->failed)
        return follow(q, f);
    msg_each_rr (rr, &child->msg) {
        if (rr->section == SECTION_ANSWER &&
            msg_add_rr(&q->response->msg, &q->arena, rr) < 0)
            return query_fail(q, DNS_SERVFAIL, "plugin/template: out of memory");
    }
    q->response->msg.flags |= child->msg.flags & DNS_TC;
    return follow(q, f);
}

/* ---- queries ---- */

static enum verdict answer(struct attempt *a, const void *state)
{
    struct query *q = a->q;
    const struct template *t = a->template;
    enum verdict v = DONE;
    if (t->rcode == DNS_SERVFAIL)
        query_fail(q, DNS_SERVFAIL, NULL);
    else
        query_respond(q, t->rcode, true, t->records_n);
    fill_data(a);
    for (uint32_t i = 0; i < t->records_n && !q->response->failed; i++)
        v = add_record(a, &t->records[i]);
    if (t->ede && !q->response->ede)
        query_set_told_ede(q, t->ede_code, t->ede_text);
    if (q->response->failed || !wants_addresses(q))
        return v;
    struct frame *f = query_frame(q, state, sizeof *f);
    if (f == NULL)
        return query_fail(q, DNS_SERVFAIL, "plugin/template: out of memory");
    f->end = q->response->msg.rr_n;
    return follow(q, f);
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct template_plugin *p = state;
    struct attempt a = {.q = q};
    for (uint32_t i = 0; i < p->n; i++) {
        switch (fit(&a, p->list[i])) {
        case FIT_YES:
            return answer(&a, state);
        case FIT_NO:
            break;
        case FIT_NOTHING:
            return query_fail_ede(q, DNS_SERVFAIL, NULL, EDE_OTHER,
                                  "no regex of the template matches");
        case FIT_GAVE_UP:
            return query_fail_ede(q, DNS_SERVFAIL,
                                  "plugin/template: a regex costs too much", EDE_OTHER,
                                  "a regex costs too much");
        }
    }
    return PASS;
}

/* One for each zone of each template, in their order. */
static void measure(struct measure *m, const void *state)
{
    const struct template_plugin *p = state;
    struct arena *arena = &m->plan->arena;
    char text[NAME_TEXT_MAX];
    for (uint32_t i = 0; i < p->n; i++) {
        const struct template *t = p->list[i];
        const char *class =
            metrics_label(arena, "class", rdata_class_print(t->class, text));
        const char *type =
            metrics_label(arena, "type", rdata_type_print(t->type, text));
        const char *head = measure_join(m, measure_join(m, m->server, m->view),
                                        measure_join(m, class, type));
        for (uint32_t n = 0; n < t->zones.n; n++) {
            name_print(t->zones.list[n].wire, text);
            measure_claim(m, METER_TEMPLATE,
                          measure_join(m, head, metrics_label(arena, "zone", text)));
        }
    }
}

const struct plugin plugin_template = {
    .name = "template",
    .help = "answers made from the question by templates in Go's language",
    .synopsis = "template CLASS TYPE [ZONE...]",
    .options = template_options,
    .options_n = TEMPLATE_OPTIONS_N,
    .setup = template_setup,
    .on_query = on_query,
    .on_wake = on_wake,
    .measure = measure,
};
