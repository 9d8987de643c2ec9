#include "resolver/cluster_refusals.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static bool is_named(const void *entry, const void *key)
{
    const struct cluster_refusal *one = entry;
    return strcmp(inventory_name(one->record), key) == 0;
}

void cluster_refusals_add(struct cluster_refusals *all, struct inventory_record *r,
                          const char *why)
{
    struct cluster_refusal *one = calloc(1, sizeof *one);
    if (one == NULL || table_put(&all->names, hash_text(inventory_name(r)), one) < 0) {
        free(one);
        return;
    }
    one->record = inventory_record_use(r);
    one->why = strdup(why);
    one->at = all->end == NULL ? &all->first : all->end;
    *one->at = one;
    all->end = &one->next;
}

void cluster_refusals_drop(struct cluster_refusals *all, struct cluster_refusal *one)
{
    table_del(&all->names, hash_text(inventory_name(one->record)), one);
    *one->at = one->next;
    if (one->next != NULL)
        one->next->at = one->at;
    else
        all->end = one->at;
    inventory_record_drop(one->record);
    free(one->why);
    free(one);
}

void cluster_refusals_forget(struct cluster_refusals *all, const char *name)
{
    struct cluster_refusal *one =
        table_get(&all->names, hash_text(name), is_named, name);
    if (one != NULL)
        cluster_refusals_drop(all, one);
}

void cluster_refusals_release(struct cluster_refusals *all)
{
    while (all->first != NULL)
        cluster_refusals_drop(all, all->first);
    table_release(&all->names);
}
