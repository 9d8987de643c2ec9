#include "resolver/transfer.h"

#include "base/log.h"

#include <stdlib.h>

const struct transfer_line *transfer_line_for(const struct transfer *t,
                                              const uint8_t *lower)
{
    const struct transfer_line *best = NULL;
    size_t best_len = 0;
    for (const struct transfer_line *l = t->lines; l != NULL; l = l->next) {
        const struct name *zone = zones_match(&l->zones, lower);
        if (zone == NULL || zone->len <= best_len)
            continue;
        best = l;
        best_len = zone->len;
    }
    return best;
}

int zone_source_add(struct setup *s, const struct zone_source *source)
{
    struct zone_source **end = &s->block->zone_sources;
    struct zone_source *copy = arena_copy(s->arena, source, sizeof *source);
    if (copy == NULL)
        return error_at(s->errs, s->block->at, "out of memory");
    while (*end != NULL)
        end = &(*end)->next;
    *end = copy;
    return 0;
}

void transfer_notify(struct plan *p, const struct plan_block *b,
                     const struct name *zone)
{
    const struct transfer_line *l =
        b->transfer == NULL ? NULL : transfer_line_for(b->transfer, zone->wire);
    for (uint32_t i = 0; l != NULL && i < l->to_n; i++) {
        struct notify *n = malloc(sizeof *n);
        if (n == NULL) {
            log_error("plugin/transfer: a NOTIFY is not sent: out of memory");
            return;
        }
        *n = (struct notify){*zone, l->to[i], l->source, NULL};
        struct notify **end = &p->notifies;
        while (*end != NULL)
            end = &(*end)->next;
        *end = n;
    }
}

void notifies_free(struct notify *list)
{
    while (list != NULL) {
        struct notify *next = list->next;
        free(list);
        list = next;
    }
}
