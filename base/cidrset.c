#include "base/cidrset.h"

#include <stdlib.h>

#define CHUNK 126 /* pointers: a chunk is 1 KiB */

struct cidrset_chunk {
    uint32_t n;
    const struct cidr *list[CHUNK];
};

/* By family, address and length: what lies inside a subnet stands behind it. */
static int compare(const struct cidr *a, const struct cidr *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    int ip = memcmp(a->ip, b->ip, sizeof a->ip);
    return ip != 0 ? ip : (int)a->bits - (int)b->bits;
}

/* A place in the set; at the end chunk == n. */
struct place {
    uint32_t chunk, at;
};

/* The chunk in which `c` stands or would stand: the last that begins before it. */
static uint32_t chunk_for(const struct cidrset *s, const struct cidr *c)
{
    uint32_t low = 0, high = s->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(s->list[middle]->list[0], c) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : low - 1;
}

/* The first that does not stand before `c`. */
static struct place lower_bound(const struct cidrset *s, const struct cidr *c)
{
    struct place p = {.chunk = chunk_for(s, c)};
    if (p.chunk == s->n)
        return p;
    const struct cidrset_chunk *k = s->list[p.chunk];
    uint32_t high = k->n;
    while (p.at < high) {
        uint32_t middle = p.at + (high - p.at) / 2;
        if (compare(k->list[middle], c) < 0)
            p.at = middle + 1;
        else
            high = middle;
    }
    return p;
}

static int add_chunk(struct cidrset *s, uint32_t at)
{
    if (s->n == s->cap) {
        uint32_t cap = s->cap == 0 ? 4 : s->cap * 2;
        struct cidrset_chunk **list = realloc(s->list, cap * sizeof *list);
        if (list == NULL)
            return -1;
        s->list = list;
        s->cap = cap;
    }
    struct cidrset_chunk *k = calloc(1, sizeof *k);
    if (k == NULL)
        return -1;
    memmove(s->list + at + 1, s->list + at, (s->n - at) * sizeof *s->list);
    s->list[at] = k;
    s->n++;
    return 0;
}

/* Makes room in a full chunk. One that is filled from its end stays full: those who
 * come in order waste nothing. */
static int split(struct cidrset *s, struct place *p)
{
    if (add_chunk(s, p->chunk + 1) < 0)
        return -1;
    struct cidrset_chunk *k = s->list[p->chunk], *next = s->list[p->chunk + 1];
    uint32_t keep = p->at == CHUNK ? CHUNK : CHUNK / 2;
    next->n = CHUNK - keep;
    k->n = keep;
    memcpy(next->list, k->list + keep, next->n * sizeof *next->list);
    if (p->at > keep || keep == CHUNK)
        *p = (struct place){.chunk = p->chunk + 1, .at = p->at - keep};
    return 0;
}

int cidrset_put(struct cidrset *s, const struct cidr *c)
{
    if (s->n == 0 && add_chunk(s, 0) < 0)
        return -1;
    struct place p = {0};
    if (s->list[0]->n > 0)
        p = lower_bound(s, c);
    if (s->list[p.chunk]->n == CHUNK && split(s, &p) < 0)
        return -1;
    struct cidrset_chunk *k = s->list[p.chunk];
    memmove(k->list + p.at + 1, k->list + p.at, (k->n - p.at) * sizeof *k->list);
    k->list[p.at] = c;
    k->n++;
    return 0;
}

static bool next_place(const struct cidrset *s, struct place *p)
{
    while (p->chunk < s->n && p->at >= s->list[p->chunk]->n)
        *p = (struct place){.chunk = p->chunk + 1};
    return p->chunk < s->n;
}

static void take_out(struct cidrset *s, struct place p)
{
    struct cidrset_chunk *k = s->list[p.chunk];
    k->n--;
    memmove(k->list + p.at, k->list + p.at + 1, (k->n - p.at) * sizeof *k->list);
    if (k->n > 0)
        return;
    free(k);
    s->n--;
    memmove(s->list + p.chunk, s->list + p.chunk + 1,
            (s->n - p.chunk) * sizeof(struct cidrset_chunk *));
}

void cidrset_del(struct cidrset *s, const struct cidr *c)
{
    for (struct place p = lower_bound(s, c); next_place(s, &p); p.at++) {
        const struct cidr *found = s->list[p.chunk]->list[p.at];
        if (found == c) {
            take_out(s, p);
            return;
        }
        if (compare(found, c) != 0)
            return;
    }
}

const struct cidr *cidrset_within(const struct cidrset *s, const struct cidr *c,
                                  bool (*each)(const struct cidr *,
                                               const void *context),
                                  const void *context)
{
    for (struct place p = lower_bound(s, c); next_place(s, &p); p.at++) {
        const struct cidr *found = s->list[p.chunk]->list[p.at];
        if (!cidr_overlap(found, c))
            return NULL;
        if (each(found, context))
            return found;
    }
    return NULL;
}

void cidrset_release(struct cidrset *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        free(s->list[i]);
    free(s->list);
    *s = (struct cidrset){0};
}
