#include "server/status_inventory.h"

#include "resolver/clusters.h"
#include "resolver/plan.h"

#include <time.h>

struct listing {
    struct tree *tree;
    cJSON *list;
    uint64_t now_s;
};

static void put_age(const struct listing *l, cJSON *to, const char *key, uint64_t at_s)
{
    if (at_s != 0 && at_s <= l->now_s)
        tree_number(l->tree, to, key, (double)(l->now_s - at_s));
}

static cJSON *rejected(const struct listing *l, const struct clusters_report *r)
{
    struct tree *t = l->tree;
    cJSON *list = tree_array(t);
    for (const struct clusters_refused *x = r->refused; x != NULL; x = x->next) {
        cJSON *to = tree_object(t);
        tree_text(t, to, "name", "%s", inventory_name(x->record));
        tree_text(t, to, "at", "%s:%u", x->record->file, x->record->line);
        tree_text(t, to, "why", "%s", x->why == NULL ? "" : x->why);
        tree_add(t, list, to);
    }
    return list;
}

static void add(const struct clusters_report *r, void *context)
{
    const struct listing *l = context;
    struct tree *t = l->tree;
    const struct discovery_status *s = &r->source;
    cJSON *to = tree_object(t);
    tree_text(t, to, "source", "%s", s->source);
    tree_text(t, to, "kind", "%s", s->kind);
    tree_text(t, to, "at", "%s:%u", r->at.file, r->at.line);
    tree_number(t, to, "clusters", r->served);
    tree_number(t, to, "kept", s->kept);
    tree_number(t, to, "held", s->held);
    tree_number(t, to, "wrong", s->wrong);
    tree_bool(t, to, "stale", s->stale);
    put_age(l, to, "age_s", s->looked_s);
    put_age(l, to, "changed_s", s->changed_s);
    put_age(l, to, "failing_s", s->failed_s);
    if (s->error[0] != '\0')
        tree_text(t, to, "error", "%s", s->error);
    tree_put(t, to, "rejected", rejected(l, r));
    tree_add(t, l->list, to);
}

cJSON *status_inventories(struct tree *t, const struct plan *plan)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    struct listing l = {
        .tree = t, .list = tree_array(t), .now_s = (uint64_t)now.tv_sec};
    clusters_each_report(plan, add, &l);
    return l.list;
}
