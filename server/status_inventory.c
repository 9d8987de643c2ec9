#include "server/status_inventory.h"

#include "resolver/clusters.h"
#include "resolver/plan.h"

#include <time.h>

struct listing {
    struct json_out *out;
    uint64_t now_s;
};

static void put_age(const struct listing *l, const char *key, uint64_t at_s)
{
    if (at_s != 0 && at_s <= l->now_s)
        json_number(l->out, key, (int64_t)(l->now_s - at_s));
}

static void rejected(struct json_out *j, const struct clusters_report *r)
{
    json_open(j, "rejected", '[');
    for (const struct cluster_refusal *x = r->refused; x != NULL; x = x->next) {
        json_open(j, NULL, '{');
        json_text(j, "name", inventory_name(x->record));
        json_print(j, "at", "%s:%u", x->record->file, x->record->line);
        json_text(j, "why", x->why == NULL ? "" : x->why);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void add(const struct clusters_report *r, void *context)
{
    const struct listing *l = context;
    struct json_out *j = l->out;
    const struct discovery_status *s = &r->source;
    json_open(j, NULL, '{');
    json_text(j, "source", s->source);
    json_text(j, "kind", s->kind);
    json_print(j, "at", "%s:%u", r->at.file, r->at.line);
    json_number(j, "clusters", r->served);
    json_number(j, "kept", s->kept);
    json_number(j, "held", s->held);
    json_number(j, "wrong", s->wrong);
    json_bool(j, "stale", s->stale);
    put_age(l, "age_s", s->looked_s);
    put_age(l, "changed_s", s->changed_s);
    put_age(l, "failing_s", s->failed_s);
    if (s->error[0] != '\0')
        json_text(j, "error", s->error);
    rejected(j, r);
    json_close(j, '}');
}

void status_inventories(struct json_out *j, const struct plan *plan)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    struct listing l = {.out = j, .now_s = (uint64_t)now.tv_sec};
    json_open(j, "inventories", '[');
    clusters_each_report(plan, add, &l);
    json_close(j, ']');
}
