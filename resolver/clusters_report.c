#include "resolver/clusters.h"

#include "resolver/plan.h"

void clusters_report(const struct clusters_inventory *inv, struct clusters_report *out)
{
    *out = (struct clusters_report){.block = inv->all->block,
                                    .at = inv->at,
                                    .served = inv->names.n,
                                    .refused_n = inv->refused.names.n,
                                    .refused = inv->refused.first};
    discovery_status(*inv->source, &out->source);
}

void clusters_each_report(const struct plan *p,
                          void (*fn)(const struct clusters_report *r, void *context),
                          void *context)
{
    struct clusters_report report;
    for (const struct clusters *all = p->clusters; all != NULL; all = all->next) {
        const struct clusters_inventory *inv = all->inventories;
        for (; inv != NULL; inv = inv->next) {
            clusters_report(inv, &report);
            fn(&report, context);
        }
    }
}

/* A relative path was made absolute when the Corefile was read. */
static bool is_source(const char *source, const char *word)
{
    size_t len = strlen(source), n = strlen(word);
    return strcmp(source, word) == 0 ||
           (source[0] == '/' && n > 0 && n < len && source[len - n - 1] == '/' &&
            strcmp(source + len - n, word) == 0);
}

/* Several blocks may have the same source. */
static bool is_first(const struct plan *p, const struct clusters_inventory *inv)
{
    for (const struct clusters *all = p->clusters; all != NULL; all = all->next) {
        const struct clusters_inventory *i = all->inventories;
        for (; i != NULL; i = i->next) {
            if (*i->source == *inv->source)
                return i == inv;
        }
    }
    return true;
}

const char *clusters_accept(const struct plan *p, const char *word, uint32_t *held)
{
    struct discovery_status status;
    const char *found = NULL;
    *held = 0;
    for (const struct clusters *all = p->clusters; all != NULL; all = all->next) {
        const struct clusters_inventory *inv = all->inventories;
        for (; inv != NULL; inv = inv->next) {
            if (!is_source(inv->source_text, word) || !is_first(p, inv))
                continue;
            found = inv->source_text;
            discovery_status(*inv->source, &status);
            *held += status.held;
            if (status.held > 0)
                discovery_accept(*inv->source, status.held);
        }
    }
    return found;
}
