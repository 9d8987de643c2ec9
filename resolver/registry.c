#include "resolver/registry.h"

#include "base/hash.h"
#include "base/table.h"

#include <assert.h>
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
    uint8_t *key;
    size_t key_len;
    uint32_t hash, id, claims;
    _Alignas(max_align_t) uint8_t object[];
};

struct registry {
    struct table entries;
    struct numbers *kinds;
    uint64_t serial;
};

struct registry *registry_new(void)
{
    return calloc(1, sizeof(struct registry));
}

static struct entry *entry_of(void *object)
{
    return (struct entry *)(void *)((uint8_t *)object - offsetof(struct entry, object));
}

static void entry_free(struct entry *e)
{
    const struct registry_kind *kind = e->numbers->kind;
    if (kind->release != NULL)
        kind->release(e->object);
    free(e->key);
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
           (w->key.len == 0 || memcmp(e->key, w->key.at, w->key.len) == 0);
}

/* An entry with its number, not yet in the table. */
static struct entry *entry_new(struct numbers *numbers, struct span key)
{
    const struct registry_kind *kind = numbers->kind;
    struct entry *e = calloc(1, sizeof *e + kind->size);
    uint8_t *copy = malloc(key.len + 1);
    if (e == NULL || copy == NULL || numbers_take(numbers, &e->id) < 0) {
        free(copy);
        free(e);
        return NULL;
    }
    if (key.len > 0)
        memcpy(copy, key.at, key.len);
    e->key = copy;
    e->key_len = key.len;
    e->numbers = numbers;
    e->claims = 1;
    return e;
}

static struct entry *entry_add(struct registry *reg, const struct wanted *w,
                               uint32_t hash, const void *argument)
{
    struct numbers *numbers = numbers_of(reg, w->kind);
    struct entry *e = numbers == NULL ? NULL : entry_new(numbers, w->key);
    if (e == NULL)
        return NULL;
    e->hash = hash;
    bool made = w->kind->init == NULL || w->kind->init(e->object, argument) == 0;
    if (made && table_put(&reg->entries, hash, e) == 0)
        return e;
    numbers_give(numbers, e->id);
    if (made)
        entry_free(e);
    else {
        free(e->key);
        free(e);
    }
    return NULL;
}

void *registry_claim(struct registry *reg, const struct registry_kind *kind,
                     struct span key, const void *argument, uint32_t *id)
{
    struct wanted w = {.kind = kind, .key = key};
    uint64_t mixed = hash_mix(hash_bytes(kind->name, strlen(kind->name)),
                              hash_bytes(key.at, key.len));
    uint32_t hash = (uint32_t)mixed;
    struct entry *e = table_get(&reg->entries, hash, same, &w);
    if (e != NULL)
        e->claims++;
    else
        e = entry_add(reg, &w, hash, argument);
    if (e == NULL)
        return NULL;
    if (id != NULL)
        *id = e->id;
    return e->object;
}

void registry_drop(struct registry *reg, void *object)
{
    struct entry *e = entry_of(object);
    assert(e->claims > 0);
    if (--e->claims > 0)
        return;
    table_del(&reg->entries, e->hash, e);
    numbers_give(e->numbers, e->id);
    entry_free(e);
}

uint64_t registry_serial(struct registry *reg)
{
    return ++reg->serial;
}
