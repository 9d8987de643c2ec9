#include "config/skydns_map.h"

#include <stdlib.h>

#define CHUNK_MAX  256 /* records of one list */
#define CHUNK_FILL 192 /* of those that are filled anew: there is room to grow */

struct skydns_chunk {
    uint64_t number; /* of the version it was made for, which alone may change it */
    uint32_t n;
    struct skydns *list[CHUNK_MAX];
};

static struct text key_of(const struct skydns *s)
{
    return (struct text){s->key, s->key_len};
}

/* ---- piles ---- */

static int pile_room(struct skydns_pile *p, uint32_t n)
{
    if (p->n + n <= p->cap)
        return 0;
    uint32_t cap = p->cap == 0 ? 8 : p->cap * 2;
    while (cap < p->n + n)
        cap *= 2;
    void **list = realloc(p->list, cap * sizeof *list);
    if (list == NULL)
        return -1;
    p->list = list;
    p->cap = cap;
    return 0;
}

/* There is room. */
static void pile_add(struct skydns_pile *p, void *what)
{
    p->list[p->n++] = what;
}

static void pile_release(struct skydns_pile *p)
{
    free(p->list);
    *p = (struct skydns_pile){0};
}

/* ---- places ---- */

/* The list that the key is in, or would be in. */
static uint32_t find_chunk(const struct skydns_view *v, struct text key)
{
    uint32_t low = 0, high = v->chunks_n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (skydns_compare(v->chunks[mid]->list[0], key) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low == 0 ? 0 : low - 1;
}

static uint32_t find_in(const struct skydns_chunk *c, struct text key, bool *there)
{
    uint32_t low = 0, high = c->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (skydns_compare(c->list[mid], key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *there = low < c->n && skydns_compare(c->list[low], key) == 0;
    return low;
}

struct skydns_at skydns_view_find(const struct skydns_view *v, struct text key)
{
    struct skydns_at at = {.view = v};
    bool there;
    if (v->chunks_n == 0)
        return at;
    at.chunk = find_chunk(v, key);
    at.i = find_in(v->chunks[at.chunk], key, &there);
    return at;
}

const struct skydns *skydns_view_next(struct skydns_at *at)
{
    while (at->chunk < at->view->chunks_n) {
        const struct skydns_chunk *c = at->view->chunks[at->chunk];
        if (at->i < c->n)
            return c->list[at->i++];
        at->chunk++;
        at->i = 0;
    }
    return NULL;
}

/* ---- the draft ---- */

static struct skydns_view *view_new(struct skydns_map *m, uint32_t chunks_n)
{
    struct skydns_view *v = calloc(1, sizeof *v);
    struct skydns_chunk **chunks = calloc(chunks_n + 1u, sizeof *chunks);
    if (v == NULL || chunks == NULL) {
        free(v);
        free(chunks);
        return NULL;
    }
    v->map = m;
    v->chunks = chunks;
    v->chunks_n = chunks_n;
    v->number = m->newest == NULL ? 1 : m->newest->number + 1;
    return v;
}

/* Begins a draft where there is none, as the newest view is. */
static struct skydns_view *draft_of(struct skydns_map *m)
{
    const struct skydns_view *v = m->newest;
    if (m->draft != NULL)
        return m->draft;
    m->draft = view_new(m, v == NULL ? 0 : v->chunks_n);
    if (m->draft != NULL && v != NULL) {
        memcpy(m->draft->chunks, v->chunks, v->chunks_n * sizeof *v->chunks);
        m->draft->n = v->n;
    }
    return m->draft;
}

static struct skydns_chunk *chunk_new(const struct skydns_view *v)
{
    struct skydns_chunk *c = malloc(sizeof *c);
    if (c != NULL) {
        c->number = v->number;
        c->n = 0;
    }
    return c;
}

/* The list at `at` as one that the draft alone has. NULL: no memory. */
static struct skydns_chunk *own_chunk(struct skydns_map *m, uint32_t at)
{
    struct skydns_view *v = m->draft;
    struct skydns_chunk *old = v->chunks[at], *c;
    if (old->number == v->number)
        return old;
    if (pile_room(&m->lists, 1) < 0 || (c = chunk_new(v)) == NULL)
        return NULL;
    memcpy(c->list, old->list, old->n * sizeof *old->list);
    c->n = old->n;
    v->chunks[at] = c;
    pile_add(&m->lists, old);
    return c;
}

/* Makes room for a list at `at`; -1: no memory. */
static int add_chunk(struct skydns_view *v, uint32_t at, struct skydns_chunk *c)
{
    struct skydns_chunk **list =
        realloc(v->chunks, (v->chunks_n + 2u) * sizeof *v->chunks);
    if (list == NULL)
        return -1;
    memmove(list + at + 1, list + at, (v->chunks_n - at) * sizeof *list);
    list[at] = c;
    v->chunks = list;
    v->chunks_n++;
    return 0;
}

/* Halves a full list. */
static int split(struct skydns_view *v, uint32_t at)
{
    struct skydns_chunk *c = v->chunks[at], *right = chunk_new(v);
    if (right == NULL || add_chunk(v, at + 1, right) < 0) {
        free(right);
        return -1;
    }
    right->n = c->n / 2;
    c->n -= right->n;
    memcpy(right->list, c->list + c->n, right->n * sizeof *c->list);
    return 0;
}

static int add_first(struct skydns_view *v, struct skydns *s)
{
    struct skydns_chunk *c = chunk_new(v);
    if (c == NULL || add_chunk(v, 0, c) < 0) {
        free(c);
        return -1;
    }
    c->list[c->n++] = s;
    v->n++;
    return 0;
}

static void insert(struct skydns_view *v, struct skydns_chunk *c, uint32_t i,
                   struct skydns *s)
{
    memmove(c->list + i + 1, c->list + i, (c->n - i) * sizeof *c->list);
    c->list[i] = s;
    c->n++;
    v->n++;
}

int skydns_map_put(struct skydns_map *m, struct skydns *s)
{
    struct skydns_view *v = draft_of(m);
    bool there;
    if (v == NULL || pile_room(&m->records, 1) < 0)
        return -1;
    if (v->chunks_n == 0)
        return add_first(v, s);
    uint32_t at = find_chunk(v, key_of(s));
    struct skydns_chunk *c = own_chunk(m, at);
    if (c == NULL)
        return -1;
    uint32_t i = find_in(c, key_of(s), &there);
    if (there) {
        pile_add(&m->records, c->list[i]);
        c->list[i] = s;
        return 0;
    }
    if (c->n == CHUNK_MAX) {
        if (split(v, at) < 0)
            return -1;
        if (i > c->n) {
            i -= c->n;
            c = v->chunks[at + 1];
        }
    }
    insert(v, c, i, s);
    return 0;
}

/* Neighbours are not joined: a list that gets empty goes. */
int skydns_map_remove(struct skydns_map *m, struct text key)
{
    struct skydns_view *v = draft_of(m);
    bool there;
    if (v == NULL || pile_room(&m->records, 1) < 0)
        return -1;
    if (v->chunks_n == 0)
        return 0;
    uint32_t at = find_chunk(v, key);
    uint32_t i = find_in(v->chunks[at], key, &there);
    struct skydns_chunk *c = there ? own_chunk(m, at) : NULL;
    if (!there || c == NULL)
        return there ? -1 : 0;
    pile_add(&m->records, c->list[i]);
    c->n--;
    v->n--;
    memmove(c->list + i, c->list + i + 1, (c->n - i) * sizeof *c->list);
    if (c->n > 0)
        return 0;
    free(c);
    v->chunks_n--;
    memmove(v->chunks + at, v->chunks + at + 1, (v->chunks_n - at) * sizeof *v->chunks);
    return 0;
}

/* ---- anew ---- */

static void free_chunks(const struct skydns_view *v)
{
    for (uint32_t i = 0; i < v->chunks_n; i++) {
        if (v->chunks[i] != NULL && v->chunks[i]->number == v->number)
            free(v->chunks[i]);
    }
}

static int fill_chunks(struct skydns_view *v, struct skydns *const *list, uint32_t n)
{
    for (uint32_t i = 0; i < v->chunks_n; i++) {
        struct skydns_chunk *c = v->chunks[i] = chunk_new(v);
        if (c == NULL)
            return -1;
        uint32_t left = n - i * CHUNK_FILL;
        c->n = left < CHUNK_FILL ? left : CHUNK_FILL;
        memcpy(c->list, list + i * CHUNK_FILL, c->n * sizeof *list);
    }
    v->n = n;
    return 0;
}

/* All that a view has is replaced. There is room. */
static void pile_all(struct skydns_map *m, const struct skydns_view *v)
{
    for (uint32_t i = 0; i < v->chunks_n; i++) {
        struct skydns_chunk *c = v->chunks[i];
        for (uint32_t k = 0; k < c->n; k++)
            pile_add(&m->records, c->list[k]);
        pile_add(&m->lists, c);
    }
}

static void view_free(struct skydns_view *v)
{
    pile_release(&v->records);
    pile_release(&v->lists);
    free(v->chunks);
    free(v);
}

int skydns_map_fill(struct skydns_map *m, struct skydns *const *list, uint32_t n)
{
    struct skydns_view *old = draft_of(m),
                       *v = view_new(m, (n + CHUNK_FILL - 1) / CHUNK_FILL);
    bool good = old != NULL && v != NULL && pile_room(&m->records, old->n) == 0 &&
                pile_room(&m->lists, old->chunks_n) == 0;
    if (!good || fill_chunks(v, list, n) < 0) {
        if (v != NULL) {
            free_chunks(v);
            view_free(v);
        }
        return -1;
    }
    pile_all(m, old);
    view_free(old);
    m->draft = v;
    return 0;
}

/* ---- versions ---- */

void skydns_map_init(struct skydns_map *m,
                     void (*ended)(void *context, struct skydns *s), void *context)
{
    *m = (struct skydns_map){.ended = ended, .context = context};
    pthread_mutex_init(&m->lock, NULL);
}

/* The first has nothing that could be replaced, but for what the draft itself has. */
int skydns_map_publish(struct skydns_map *m)
{
    struct skydns_view *v = draft_of(m), *old = m->newest;
    if (v == NULL)
        return -1;
    pthread_mutex_lock(&m->lock);
    if (old != NULL) {
        old->records = m->records;
        old->lists = m->lists;
        old->newer = v;
        m->records = m->lists = (struct skydns_pile){0};
    } else
        m->oldest = v;
    m->newest = v;
    m->draft = NULL;
    pthread_mutex_unlock(&m->lock);
    atomic_store(&m->number, v->number);
    return 0;
}

static void end_piles(struct skydns_map *m, struct skydns_pile *records,
                      struct skydns_pile *lists)
{
    for (uint32_t i = 0; i < records->n; i++)
        m->ended(m->context, records->list[i]);
    for (uint32_t i = 0; i < lists->n; i++)
        free(lists->list[i]);
    pile_release(records);
    pile_release(lists);
}

/* The oldest view when it is of no use any more. */
static struct skydns_view *detach(struct skydns_map *m)
{
    struct skydns_view *v = NULL;
    pthread_mutex_lock(&m->lock);
    if (m->oldest != m->newest && m->oldest->uses == 0) {
        v = m->oldest;
        m->oldest = v->newer;
    }
    pthread_mutex_unlock(&m->lock);
    return v;
}

void skydns_map_reclaim(struct skydns_map *m)
{
    struct skydns_view *v;
    while ((v = detach(m)) != NULL) {
        end_piles(m, &v->records, &v->lists);
        view_free(v);
    }
}

static void end_all(struct skydns_map *m, const struct skydns_view *v)
{
    for (uint32_t i = 0; i < v->chunks_n; i++) {
        for (uint32_t k = 0; k < v->chunks[i]->n; k++)
            m->ended(m->context, v->chunks[i]->list[k]);
        free(v->chunks[i]);
    }
}

void skydns_map_release(struct skydns_map *m)
{
    skydns_map_reclaim(m);
    if (m->draft != NULL || m->newest != NULL)
        end_all(m, m->draft != NULL ? m->draft : m->newest);
    end_piles(m, &m->records, &m->lists);
    if (m->draft != NULL)
        view_free(m->draft);
    if (m->newest != NULL)
        view_free(m->newest);
    pthread_mutex_destroy(&m->lock);
}

struct skydns_view *skydns_map_take(struct skydns_map *m)
{
    pthread_mutex_lock(&m->lock);
    struct skydns_view *v = m->newest;
    if (v != NULL)
        v->uses++;
    pthread_mutex_unlock(&m->lock);
    return v;
}

void skydns_view_done(struct skydns_view *v)
{
    struct skydns_map *m = v->map;
    pthread_mutex_lock(&m->lock);
    v->uses--;
    pthread_mutex_unlock(&m->lock);
}
