#include "resolver/cachestore.h"

#include "base/cursor.h"
#include "base/hash.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SHARDS         64 /* locks that workers can meet at */
#define SHARD_LEAST    4 /* entries of a kind a shard holds however small the cache is */
#define LARGE_SHARD    128  /* entries, from where on it is worth to look ahead */
#define INDEX_LEN      4    /* where a record's owner and its data stand in the wire */
#define BYTES_AN_ENTRY 1024 /* byte budget of a queue for each entry it may hold */

enum entry_flag {
    ENTRY_DO = 1,
    ENTRY_CD = 2,
    ENTRY_VISITED = 4,    /* asked for since the hand passed */
    ENTRY_REFRESHING = 8, /* somebody asks for it anew */
};

struct entry {
    struct entry *chain;         /* same bucket */
    struct entry *newer, *older; /* same kind */
    struct cache_facts facts;
    uint64_t last_hit_us, retry_us;
    uint32_t hash, mapping, hits;
    uint32_t size; /* of the whole block */
    uint16_t type, class;
    uint16_t wire_len, rr_n;
    uint8_t name_len, flags;
    uint8_t data[]; /* name, INDEX_LEN octets a record, wire */
};

struct queue {
    struct entry *newest, *oldest, *hand;
    uint32_t n, max;
    uint64_t bytes, evictions;
};

struct shard {
    pthread_mutex_t lock;
    _Atomic(struct entry **) buckets; /* atomic, like the mask, for who looks ahead */
    _Atomic uint32_t mask;
    uint32_t n;
    struct queue queue[CACHE_KINDS];
};

struct cachestore {
    struct shard shard[SHARDS];
    _Atomic bool large; /* more than the processor's caches hold */
};

/* ---- life ---- */

static void drop_all(struct shard *s)
{
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        struct entry *next;
        for (struct entry *e = s->queue[kind].oldest; e != NULL; e = next) {
            next = e->newer;
            free(e);
        }
    }
}

static int start(void *object, const void *argument)
{
    struct cachestore *c = object;
    for (unsigned i = 0; i < SHARDS; i++) {
        if (pthread_mutex_init(&c->shard[i].lock, NULL) != 0)
            return -1;
    }
    return 0;
}

static void stop(void *object)
{
    struct cachestore *c = object;
    for (unsigned i = 0; i < SHARDS; i++) {
        drop_all(&c->shard[i]);
        free(c->shard[i].buckets);
        pthread_mutex_destroy(&c->shard[i].lock);
    }
}

const struct registry_kind cachestore_kind = {
    .name = "cache", .size = sizeof(struct cachestore), .init = start, .release = stop};

void cachestore_limit(struct cachestore *c, const struct cache_limits *limits)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shard[i];
        pthread_mutex_lock(&s->lock);
        for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
            uint32_t max = limits->entries[kind] / SHARDS;
            s->queue[kind].max = max < SHARD_LEAST ? SHARD_LEAST : max;
        }
        pthread_mutex_unlock(&s->lock);
    }
}

/* ---- finding ---- */

static struct shard *shard_of(struct cachestore *c, const struct cache_key *key)
{
    /* The low bits choose the bucket. */
    return &c->shard[key->hash >> 26];
}

static uint8_t key_flags(const struct cache_key *key)
{
    return (uint8_t)((key->dnssec_ok ? ENTRY_DO : 0) |
                     (key->checking_disabled ? ENTRY_CD : 0));
}

static uint32_t key_hash(const struct cache_key *key)
{
    return key->hash ^ (uint32_t)key->type * 0x9e3779b1u ^
           (uint32_t)key_flags(key) << 7;
}

static bool same(const struct entry *e, const struct cache_key *key)
{
    return e->type == key->type && e->class == key->class &&
           e->name_len == key->name_len &&
           (e->flags & (ENTRY_DO | ENTRY_CD)) == key_flags(key) &&
           memcmp(e->data, key->name, key->name_len) == 0;
}

/* The lock is held: nobody changes them. */
static struct entry **bucket_of(const struct shard *s, uint32_t hash)
{
    return atomic_load_explicit(&s->buckets, memory_order_relaxed) +
           (hash & atomic_load_explicit(&s->mask, memory_order_relaxed));
}

static struct entry **place_of(const struct shard *s, const struct cache_key *key)
{
    uint32_t hash = key_hash(key);
    struct entry **at = bucket_of(s, hash);
    while (*at != NULL && ((*at)->hash != hash || !same(*at, key)))
        at = &(*at)->chain;
    return at;
}

static struct entry *find(const struct shard *s, const struct cache_key *key)
{
    struct entry *e = s->buckets == NULL ? NULL : *place_of(s, key);
    return e != NULL && e->mapping == key->mapping ? e : NULL;
}

/* ---- removing ---- */

static void unqueue(struct queue *q, struct entry *e)
{
    if (q->hand == e)
        q->hand = e->newer;
    if (e->newer != NULL)
        e->newer->older = e->older;
    else
        q->newest = e->older;
    if (e->older != NULL)
        e->older->newer = e->newer;
    else
        q->oldest = e->newer;
    q->n--;
    q->bytes -= e->size;
}

static void drop(struct shard *s, struct entry *e)
{
    struct entry **at = bucket_of(s, e->hash);
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unqueue(&s->queue[e->facts.kind], e);
    s->n--;
    free(e);
}

/* SIEVE: the hand goes from old to new and takes the first that nobody asked for since
 * it came by. */
static void evict(struct shard *s, struct queue *q)
{
    struct entry *e = q->hand == NULL ? q->oldest : q->hand;
    while ((e->flags & ENTRY_VISITED) != 0) {
        e->flags = (uint8_t)(e->flags & ~ENTRY_VISITED);
        e = e->newer == NULL ? q->oldest : e->newer;
    }
    q->hand = e;
    drop(s, e);
    q->evictions++;
}

/* ---- storing ---- */

/* At most half as many entries as buckets: who stands in the way of another has to be
 * fetched, and foreseen is only the first. */
static bool grow_buckets(struct shard *s)
{
    if (s->buckets != NULL && s->n <= s->mask / 2)
        return true;
    uint32_t n = s->buckets == NULL ? 64 : (s->mask + 1) * 2;
    struct entry **buckets = calloc(n, sizeof(struct entry *));
    if (buckets == NULL)
        return s->buckets != NULL;
    for (uint32_t i = 0; s->buckets != NULL && i <= s->mask; i++) {
        struct entry *next;
        for (struct entry *e = s->buckets[i]; e != NULL; e = next) {
            next = e->chain;
            e->chain = buckets[e->hash & (n - 1)];
            buckets[e->hash & (n - 1)] = e;
        }
    }
    free(s->buckets);
    s->buckets = buckets;
    s->mask = n - 1;
    return true;
}

static struct entry *make_entry(const struct cache_key *key,
                                const struct cache_put *put)
{
    const struct msg *m = put->msg;
    size_t size =
        sizeof(struct entry) + key->name_len + INDEX_LEN * (size_t)m->rr_n + put->len;
    struct entry *e = malloc(size);
    if (e == NULL)
        return NULL;
    *e = (struct entry){
        .facts = put->facts,
        .hash = key_hash(key),
        .mapping = key->mapping,
        .size = (uint32_t)size,
        .type = key->type,
        .class = key->class,
        .wire_len = (uint16_t)put->len,
        .rr_n = (uint16_t)m->rr_n,
        .name_len = key->name_len,
        .flags = key_flags(key),
    };
    memcpy(e->data, key->name, key->name_len);
    uint8_t *index = e->data + key->name_len;
    for (uint32_t i = 0; i < m->rr_n; i++, index += INDEX_LEN) {
        store_u16(index, (uint16_t)m->rr[i].owner);
        store_u16(index + 2, (uint16_t)m->rr[i].rdata);
    }
    memcpy(index, m->wire, put->len);
    return e;
}

static bool is_failure(const struct cache_facts *f)
{
    return f->rcode == DNS_SERVFAIL || f->rcode == DNS_NOTIMP;
}

/* Whether what is there is worth more than what comes. */
static bool outranks(const struct entry *old, const struct cache_put *put)
{
    uint64_t end_us =
        old->facts.stored_us + ((uint64_t)old->facts.life_s + put->keep_s) * 1000000;
    if (old->facts.kind != CACHE_SUCCESS || put->facts.stored_us >= end_us)
        return false;
    return is_failure(&put->facts) ||
           (put->keep_success && put->facts.kind == CACHE_DENIAL);
}

static uint64_t share_of(const struct queue *q)
{
    return (uint64_t)BYTES_AN_ENTRY * q->max;
}

/* Before the new entry is in line: all others may have been asked for, and it would be
 * the one to go. What the other kind does not use of its share is lent. */
static void make_room(struct shard *s, struct queue *q, uint32_t size)
{
    struct queue *other = &s->queue[q == s->queue];
    uint64_t budget = share_of(q) + share_of(other);
    while (q->n > 0 && (q->n >= q->max || (q->bytes + size > share_of(q) &&
                                           q->bytes + other->bytes + size > budget)))
        evict(s, q);
    while (q->bytes + size <= share_of(q) && q->bytes + other->bytes + size > budget)
        evict(s, other);
}

static void enqueue(struct shard *s, struct entry *e)
{
    struct queue *q = &s->queue[e->facts.kind];
    make_room(s, q, e->size);
    struct entry **bucket = bucket_of(s, e->hash);
    e->chain = *bucket;
    *bucket = e;
    e->older = q->newest;
    if (q->newest != NULL)
        q->newest->newer = e;
    else
        q->oldest = e;
    q->newest = e;
    q->n++;
    q->bytes += e->size;
    s->n++;
}

bool cachestore_put(struct cachestore *c, const struct cache_key *key,
                    const struct cache_put *put)
{
    struct entry *e = put->len > UINT16_MAX ? NULL : make_entry(key, put);
    if (e == NULL)
        return false;
    struct shard *s = shard_of(c, key);
    pthread_mutex_lock(&s->lock);
    struct entry *old = s->buckets == NULL ? NULL : *place_of(s, key);
    bool kept = old == NULL || old->mapping != key->mapping || !outranks(old, put);
    kept = kept && grow_buckets(s);
    if (!kept) {
        free(e);
    } else {
        if (old != NULL) {
            e->hits = old->hits;
            e->last_hit_us = old->last_hit_us;
            drop(s, *place_of(s, key));
        }
        enqueue(s, e);
        if (s->n == LARGE_SHARD)
            atomic_store_explicit(&c->large, true, memory_order_relaxed);
    }
    pthread_mutex_unlock(&s->lock);
    return kept;
}

/* ---- reading ---- */

/* The clock of a worker may be a turn behind that of the one who stored. */
static uint64_t since_us(uint64_t now_us, uint64_t then_us)
{
    return now_us > then_us ? now_us - then_us : 0;
}

static uint32_t ttl_now(const struct entry *e, const struct cache_lookup *how)
{
    uint64_t age_s = since_us(how->now_us, e->facts.stored_us) / 1000000;
    if (age_s >= e->facts.life_s)
        return how->stale_s;
    return how->keep_ttl ? e->facts.life_s : e->facts.life_s - (uint32_t)age_s;
}

/* What wire_walk() made of the octets when they were stored: to look at them again
 * would cost a fifth of a hit. */
static void index_out(const struct entry *e, uint32_t ttl, struct cache_room *room)
{
    const uint8_t *index = e->data + e->name_len;
    uint8_t *wire = room->wire;
    unsigned section = SECTION_ANSWER;
    uint32_t left = load_u16(wire + 6);
    for (uint16_t i = 0; i < e->rr_n; i++, index += INDEX_LEN, left--) {
        while (left == 0)
            left = load_u16(wire + 6 + 2 * (size_t)++section);
        uint32_t rdata = load_u16(index + 2);
        const uint8_t *fixed = wire + rdata - 10;
        store_u32(wire + rdata - 6, ttl);
        room->rr[i] = (struct rr){.base = wire,
                                  .owner = load_u16(index),
                                  .rdata = rdata,
                                  .ttl = ttl,
                                  .rdlen = load_u16(fixed + 8),
                                  .type = load_u16(fixed),
                                  .class = load_u16(fixed + 2),
                                  .section = (uint8_t)section};
    }
}

static void copy_out(const struct entry *e, uint32_t ttl, struct cache_room *room,
                     struct msg *m)
{
    memcpy(room->wire, e->data + e->name_len + INDEX_LEN * (size_t)e->rr_n,
           e->wire_len);
    index_out(e, ttl, room);
    *m = (struct msg){.wire = room->wire,
                      .len = e->wire_len,
                      .rcode = e->facts.rcode,
                      .question = true,
                      .qname = DNS_HEADER_LEN,
                      .qname_len = e->name_len,
                      .qtype = e->type,
                      .qclass = e->class,
                      .rr = room->rr,
                      .rr_n = e->rr_n,
                      .rr_cap = e->rr_n};
}

bool cachestore_get(struct cachestore *c, const struct cache_key *key,
                    const struct cache_lookup *how, struct cache_room *room,
                    struct cache_hit *hit)
{
    struct shard *s = shard_of(c, key);
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(s, key);
    if (e != NULL) {
        bool row = since_us(how->now_us, e->last_hit_us) <= how->gap_us && e->hits > 0;
        e->hits = row ? e->hits + 1 : 1;
        e->last_hit_us = how->now_us;
        e->flags |= ENTRY_VISITED;
        hit->facts = e->facts;
        hit->hits = e->hits;
        hit->resting = how->now_us < e->retry_us;
        copy_out(e, ttl_now(e, how), room, &hit->msg);
    }
    pthread_mutex_unlock(&s->lock);
    return e != NULL;
}

/* ---- looking ahead ---- */

#define USUAL_OCTETS 128 /* of an entry: its name and a short answer */

bool cachestore_is_large(const struct cachestore *c)
{
    return atomic_load_explicit(&c->large, memory_order_relaxed);
}

/* Buckets may grow meanwhile: their address is good for nothing but this. */
static void foresee_bucket(const struct shard *s, uint32_t hash)
{
    if (atomic_load_explicit(&s->buckets, memory_order_relaxed) != NULL)
        __builtin_prefetch(bucket_of(s, hash));
}

/* Whoever holds the lock is not waited for. */
static void foresee_entry(struct shard *s, uint32_t hash)
{
    if (pthread_mutex_trylock(&s->lock) != 0)
        return;
    const struct entry *e = s->buckets == NULL ? NULL : *bucket_of(s, hash);
    pthread_mutex_unlock(&s->lock);
    if (e != NULL)
        foresee(e, sizeof *e + USUAL_OCTETS);
}

void cachestore_foresee(struct cachestore *c, const struct cache_key *key,
                        enum foresight_step step)
{
    struct shard *s = shard_of(c, key);
    if (step == FORESEE_PLACE)
        foresee_bucket(s, key_hash(key));
    else
        foresee_entry(s, key_hash(key));
}

bool cachestore_claim(struct cachestore *c, const struct cache_key *key,
                      uint64_t now_us)
{
    struct shard *s = shard_of(c, key);
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(s, key);
    bool mine =
        e != NULL && (e->flags & ENTRY_REFRESHING) == 0 && now_us >= e->retry_us;
    if (mine)
        e->flags |= ENTRY_REFRESHING;
    pthread_mutex_unlock(&s->lock);
    return mine;
}

void cachestore_failed(struct cachestore *c, const struct cache_key *key,
                       uint64_t retry_us)
{
    struct shard *s = shard_of(c, key);
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(s, key);
    if (e != NULL) {
        e->flags = (uint8_t)(e->flags & ~ENTRY_REFRESHING);
        e->retry_us = retry_us;
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- all of it ---- */

void cachestore_counts(struct cachestore *c, struct cache_counts *out)
{
    *out = (struct cache_counts){0};
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shard[i];
        pthread_mutex_lock(&s->lock);
        for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
            out->entries[kind] += s->queue[kind].n;
            out->evictions[kind] += s->queue[kind].evictions;
            out->bytes += s->queue[kind].bytes;
        }
        pthread_mutex_unlock(&s->lock);
    }
}

#define FLUSH_STEP 128 /* buckets looked at under one hold of the lock */

static bool is_picked(const struct entry *e, const struct cache_pick *pick)
{
    if (pick->mapping != 0 && e->mapping == pick->mapping)
        return true;
    if (pick->name != NULL && name_equal(e->data, pick->name))
        return true;
    return pick->zone != NULL && name_under(e->data, pick->zone, NULL);
}

static uint64_t flush_bucket(struct shard *s, uint32_t bucket,
                             const struct cache_pick *pick)
{
    uint64_t n = 0;
    struct entry *next;
    for (struct entry *e = s->buckets[bucket]; e != NULL; e = next) {
        next = e->chain;
        if (!is_picked(e, pick))
            continue;
        if (!pick->stay)
            drop(s, e);
        n++;
    }
    return n;
}

/* The buckets from *at on, as many as one hold of the lock may take. Buckets that are
 * doubled meanwhile move entries only to places further on, or to where they were
 * looked at. */
static bool flush_some(struct shard *s, uint32_t *at, const struct cache_pick *pick,
                       uint64_t *n)
{
    pthread_mutex_lock(&s->lock);
    uint32_t all = s->buckets == NULL ? 0 : s->mask + 1;
    uint32_t end = all - *at > FLUSH_STEP ? *at + FLUSH_STEP : all;
    for (; *at < end; (*at)++)
        *n += flush_bucket(s, *at, pick);
    pthread_mutex_unlock(&s->lock);
    return *at < all;
}

uint64_t cachestore_flush(struct cachestore *c, const struct cache_pick *pick)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        uint32_t at = 0;
        while (flush_some(&c->shard[i], &at, pick, &n))
            ;
    }
    return n;
}
