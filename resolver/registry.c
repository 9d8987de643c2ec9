#include "resolver/registry.h"

#include "base/hash.h"
#include "base/table.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* The numbers of one kind of objects. */
struct numbers {
    const struct registry_kind *kind;
    struct numbers *next;
    uint32_t *free_list;
    uint32_t free_n, given_n, cap; /* free_list has room for all that were given */
};

struct entry {
    struct numbers *numbers;
    uint32_t hash, id, claims, key_len;
    _Alignas(max_align_t) uint8_t object[]; /* and the key behind it */
};

struct registry {
    pthread_mutex_t
        lock; /* for all below: workers claim a cluster's at its first use */
    struct table entries;
    struct numbers *kinds;
    uint64_t serial;
};

struct registry *registry_new(void)
{
    pthread_mutexattr_t nested;
    struct registry *reg = calloc(1, sizeof(struct registry));
    if (reg == NULL)
        return NULL;
    pthread_mutexattr_init(&nested);
    pthread_mutexattr_settype(&nested, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&reg->lock, &nested);
    pthread_mutexattr_destroy(&nested);
    return reg;
}

void registry_enter(struct registry *reg)
{
    pthread_mutex_lock(&reg->lock);
}

void registry_leave(struct registry *reg)
{
    pthread_mutex_unlock(&reg->lock);
}

static struct entry *entry_of(void *object)
{
    return (struct entry *)(void *)((uint8_t *)object - offsetof(struct entry, object));
}

static uint8_t *key_of(const struct entry *e)
{
    return (uint8_t *)(uintptr_t)e->object + e->numbers->kind->size;
}

static void entry_free(struct entry *e)
{
    const struct registry_kind *kind = e->numbers->kind;
    if (kind->release != NULL)
        kind->release(e->object);
    free(e);
}

void registry_free(struct registry *reg)
{
    struct entry *e;
    if (reg == NULL)
        return;
    for (uint32_t at = 0; (e = table_next(&reg->entries, &at)) != NULL;)
        entry_free(e);
    while (reg->kinds != NULL) {
        struct numbers *n = reg->kinds;
        reg->kinds = n->next;
        free(n->free_list);
        free(n);
    }
    table_release(&reg->entries);
    pthread_mutex_destroy(&reg->lock);
    free(reg);
}

/* ---- numbers ---- */

static struct numbers *numbers_of(struct registry *reg,
                                  const struct registry_kind *kind)
{
    for (struct numbers *n = reg->kinds; n != NULL; n = n->next) {
        if (n->kind == kind)
            return n;
    }
    struct numbers *n = calloc(1, sizeof *n);
    if (n == NULL)
        return NULL;
    n->kind = kind;
    n->next = reg->kinds;
    reg->kinds = n;
    return n;
}

static int numbers_take(struct numbers *n, uint32_t *id)
{
    if (n->free_n > 0) {
        *id = n->free_list[--n->free_n];
        return 0;
    }
    if (n->given_n == n->cap) {
        uint32_t cap = n->cap == 0 ? 16 : n->cap * 2;
        uint32_t *more = realloc(n->free_list, cap * sizeof *more);
        if (more == NULL || cap < n->cap) {
            n->free_list = more == NULL ? n->free_list : more;
            return -1;
        }
        n->free_list = more;
        n->cap = cap;
    }
    *id = n->given_n++;
    return 0;
}

static void numbers_give(struct numbers *n, uint32_t id)
{
    n->free_list[n->free_n++] = id;
}

/* ---- claims ---- */

struct wanted {
    const struct registry_kind *kind;
    struct span key;
};

static bool same(const void *entry, const void *key)
{
    const struct entry *e = entry;
    const struct wanted *w = key;
    return e->numbers->kind == w->kind && e->key_len == w->key.len &&
           (w->key.len == 0 || memcmp(key_of(e), w->key.at, w->key.len) == 0);
}

/* An entry with its number, not yet in the table. */
static struct entry *entry_new(struct numbers *numbers, struct span key)
{
    struct entry *e = calloc(1, sizeof *e + numbers->kind->size + key.len);
    if (e == NULL || numbers_take(numbers, &e->id) < 0) {
        free(e);
        return NULL;
    }
    e->numbers = numbers;
    e->key_len = (uint32_t)key.len;
    e->claims = 1;
    if (key.len > 0)
        memcpy(key_of(e), key.at, key.len);
    return e;
}

/* The one that is there, claimed once more; else a new one in `*fresh`, to be made and
 * added. Both NULL: no memory. */
static struct entry *find_or_begin(struct registry *reg, const struct wanted *w,
                                   uint32_t hash, struct entry **fresh)
{
    registry_enter(reg);
    struct entry *e = table_get(&reg->entries, hash, same, w);
    struct numbers *numbers = e == NULL ? numbers_of(reg, w->kind) : NULL;
    *fresh = numbers == NULL ? NULL : entry_new(numbers, w->key);
    if (e != NULL)
        e->claims++;
    if (*fresh != NULL)
        (*fresh)->hash = hash;
    registry_leave(reg);
    return e;
}

/* Nobody waits for what an init does, or a release. Of two that make the same at once
 * the first is kept. */
static struct entry *make_and_add(struct registry *reg, const struct wanted *w,
                                  struct entry *fresh, const void *argument)
{
    uint32_t hash = fresh->hash;
    bool made = w->kind->init == NULL || w->kind->init(fresh->object, argument) == 0;
    registry_enter(reg);
    struct entry *e = made ? table_get(&reg->entries, hash, same, w) : NULL;
    if (e != NULL)
        e->claims++;
    else if (made && table_put(&reg->entries, hash, fresh) == 0)
        e = fresh;
    if (e != fresh)
        numbers_give(fresh->numbers, fresh->id);
    registry_leave(reg);
    if (e != fresh && made)
        entry_free(fresh);
    else if (e != fresh)
        free(fresh);
    return e;
}

static uint32_t hash_of(const struct wanted *w)
{
    return (uint32_t)hash_mix((uintptr_t)w->kind, hash_bytes(w->key.at, w->key.len));
}

void *registry_claim(struct registry *reg, const struct registry_kind *kind,
                     struct span key, const void *argument, uint32_t *id)
{
    struct wanted w = {.kind = kind, .key = key};
    struct entry *fresh, *e = find_or_begin(reg, &w, hash_of(&w), &fresh);
    if (fresh != NULL)
        e = make_and_add(reg, &w, fresh, argument);
    if (e == NULL)
        return NULL;
    if (id != NULL)
        *id = e->id;
    return e->object;
}

bool registry_has(struct registry *reg, const struct registry_kind *kind,
                  struct span key)
{
    struct wanted w = {.kind = kind, .key = key};
    registry_enter(reg);
    bool has = table_get(&reg->entries, hash_of(&w), same, &w) != NULL;
    registry_leave(reg);
    return has;
}

/* Whether that was the last claim: nobody finds it any more. */
static bool let_go(struct registry *reg, struct entry *e)
{
    registry_enter(reg);
    assert(e->claims > 0);
    bool last = --e->claims == 0;
    if (last)
        table_del(&reg->entries, e->hash, e);
    registry_leave(reg);
    return last;
}

/* What it releases may take its time, and nobody waits for it. */
void registry_drop(struct registry *reg, void *object)
{
    struct entry *e = entry_of(object);
    struct numbers *numbers = e->numbers;
    uint32_t id = e->id;
    if (!let_go(reg, e))
        return;
    entry_free(e);
    registry_enter(reg);
    numbers_give(numbers, id);
    registry_leave(reg);
}

uint64_t registry_serial(struct registry *reg)
{
    registry_enter(reg);
    uint64_t serial = ++reg->serial;
    registry_leave(reg);
    return serial;
}
