#include "server/quota.h"

#include "base/hash.h"
#include "base/table.h"

#include <pthread.h>
#include <stdlib.h>

struct holder {
    uint8_t ip[17]; /* family, address */
    uint32_t n;
};

struct quota {
    pthread_mutex_t lock; /* workers accept at the same time */
    struct table holders;
    uint32_t total, total_max, address_max;
    uint32_t *places; /* connections at each */
    uint32_t places_n;
};

struct quota *quota_new(uint32_t total_max, uint32_t address_max)
{
    struct quota *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->total_max = total_max;
    q->address_max = address_max;
    pthread_mutex_init(&q->lock, NULL);
    return q;
}

void quota_free(struct quota *q)
{
    if (q == NULL)
        return;
    struct holder *h;
    for (uint32_t at = 0; (h = table_next(&q->holders, &at)) != NULL;)
        free(h);
    table_release(&q->holders);
    free(q->places);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

/* Ports do not count, nor does the interface. */
static void key_of(const struct addr *peer, uint8_t key[17])
{
    key[0] = peer->family;
    memcpy(key + 1, peer->ip, sizeof peer->ip);
}

static bool same_key(const void *entry, const void *key)
{
    const struct holder *h = entry;
    return memcmp(h->ip, key, sizeof h->ip) == 0;
}

static struct holder *add_holder(struct quota *q, uint32_t hash, const uint8_t key[17])
{
    struct holder *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    memcpy(h->ip, key, sizeof h->ip);
    if (table_put(&q->holders, hash, h) < 0) {
        free(h);
        return NULL;
    }
    return h;
}

static enum quota_verdict take(struct quota *q, const uint8_t key[17])
{
    uint32_t hash = (uint32_t)hash_bytes(key, 17);
    if (q->total >= q->total_max)
        return QUOTA_FULL;
    struct holder *h = table_get(&q->holders, hash, same_key, key);
    if (h == NULL)
        h = add_holder(q, hash, key);
    if (h == NULL)
        return QUOTA_FULL;
    if (h->n >= q->address_max)
        return QUOTA_ADDRESS;
    h->n++;
    q->total++;
    return QUOTA_TAKEN;
}

enum quota_verdict quota_take(struct quota *q, const struct addr *peer)
{
    uint8_t key[17];
    key_of(peer, key);
    pthread_mutex_lock(&q->lock);
    enum quota_verdict v = take(q, key);
    pthread_mutex_unlock(&q->lock);
    return v;
}

static void give(struct quota *q, const uint8_t key[17])
{
    uint32_t hash = (uint32_t)hash_bytes(key, 17);
    struct holder *h = table_get(&q->holders, hash, same_key, key);
    if (h == NULL)
        return;
    q->total--;
    if (--h->n == 0) {
        table_del(&q->holders, hash, h);
        free(h);
    }
}

void quota_give(struct quota *q, const struct addr *peer)
{
    uint8_t key[17];
    key_of(peer, key);
    pthread_mutex_lock(&q->lock);
    give(q, key);
    pthread_mutex_unlock(&q->lock);
}

enum quota_verdict quota_move(struct quota *q, const struct addr *from,
                              const struct addr *to)
{
    uint8_t old[17], new[17];
    key_of(from, old);
    key_of(to, new);
    pthread_mutex_lock(&q->lock);
    q->total_max++; /* for a moment both are counted */
    enum quota_verdict v = take(q, new);
    q->total_max--;
    if (v == QUOTA_TAKEN)
        give(q, old);
    pthread_mutex_unlock(&q->lock);
    return v;
}

static bool reach(struct quota *q, uint32_t place)
{
    if (place < q->places_n)
        return true;
    uint32_t *list = realloc(q->places, ((size_t)place + 1) * sizeof *list);
    if (list == NULL)
        return false;
    memset(list + q->places_n, 0, (place + 1 - q->places_n) * sizeof *list);
    q->places = list;
    q->places_n = place + 1;
    return true;
}

bool quota_enter(struct quota *q, uint32_t place, uint32_t max)
{
    pthread_mutex_lock(&q->lock);
    bool entered = reach(q, place) && q->places[place] < max;
    if (entered)
        q->places[place]++;
    pthread_mutex_unlock(&q->lock);
    return entered;
}

void quota_leave(struct quota *q, uint32_t place)
{
    if (place == QUOTA_NOWHERE)
        return;
    pthread_mutex_lock(&q->lock);
    q->places[place]--;
    pthread_mutex_unlock(&q->lock);
}
