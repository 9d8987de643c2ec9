#include "resolver/metadata.h"

#include "resolver/cluster_map.h"
#include "resolver/plan.h"
#include "resolver/upstream.h"

#include <stdio.h>

static const char *view_name(struct query *q, const struct plan_block *b,
                             char text[ADDR_TEXT_MAX])
{
    return b->view;
}

static const char *forward_upstream(struct query *q, const struct plan_block *b,
                                    char text[ADDR_TEXT_MAX])
{
    const struct upstream *up = upstream_asked(q);
    return up == NULL ? NULL : addr_print(&up->endpoint.addr, text);
}

static const char *cluster_name(struct query *q, const struct plan_block *b,
                                char text[ADDR_TEXT_MAX])
{
    bool reverse;
    const struct cluster_zone *z =
        b->clusters == NULL ? NULL
                            : cluster_map_find(b->clusters, query_key(q), &reverse);
    char label[NAME_TEXT_MAX];
    if (z == NULL)
        return NULL;
    cluster_label(cluster_of_zone(z), label);
    return arena_text(&q->arena, text_of(label));
}

size_t metadata_value(struct query *q, const struct plan_block *b, const char *label,
                      char out[METADATA_VALUE_MAX])
{
    static const struct {
        const char *label;
        const char *(*value)(struct query *, const struct plan_block *, char *);
    } known[] = {{"view/name", view_name},
                 {"forward/upstream", forward_upstream},
                 {"cluster/name", cluster_name}};
    if (b->metadata == NULL || zones_match(b->metadata, q->request.lower) == NULL)
        return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[ADDR_TEXT_MAX];
        if (strcmp(known[i].label, label) != 0)
            continue;
        const char *value = known[i].value(q, b, text);
        size_t len = value == NULL ? 0 : strlen(value);
        if (len >= METADATA_VALUE_MAX)
            len = METADATA_VALUE_MAX - 1;
        if (len > 0)
            memcpy(out, value, len);
        return len;
    }
    return 0;
}
