/* Answers kept, in wire form ready to send. One store per `cache` directive for all
 * workers, in shards; a shard's lock is held for the copy only.
 *
 * An entry is found by name (lower case), type, class, DO and CD, never by anything
 * else a client chooses. Eviction is SIEVE: an entry that was asked for again is passed
 * over once, so that a flood of names asked once goes out before the names in use. */
#ifndef ISTHMUS_RESOLVER_CACHESTORE_H
#define ISTHMUS_RESOLVER_CACHESTORE_H

#include "base/name.h"
#include "resolver/foresight.h"
#include "resolver/msg.h"
#include "resolver/registry.h"

enum cache_kind { CACHE_SUCCESS, CACHE_DENIAL, CACHE_KINDS };

struct cache_key {
    const uint8_t *name; /* lower case */
    uint8_t name_len;
    bool dnssec_ok, checking_disabled;
    uint16_t type, class;
    uint32_t mapping; /* tells apart what the same name meant before a cluster was
                         remapped */
    uint32_t hash;    /* of the name */
};

/* What is known of an entry besides its octets. */
struct cache_facts {
    enum cache_kind kind;
    uint16_t rcode;
    uint16_t flags; /* AA RA AD */
    uint32_t life_s;
    uint64_t stored_us;
};

struct cache_limits {
    uint32_t entries[CACHE_KINDS];
};

/* Where a look-up writes: ANSWER_MAX octets, WIRE_RR_MAX records. */
struct cache_room {
    uint8_t *wire;
    struct rr *rr;
};

struct cache_hit {
    struct cache_facts facts;
    struct msg msg; /* in the room; its flags are in the facts */
    uint32_t hits;  /* in the present row, this one included */
    bool resting;   /* asking anew has failed; not to be tried yet */
};

struct cache_lookup {
    uint64_t now_us;
    uint64_t gap_us;  /* hits further apart begin a new row */
    bool keep_ttl;    /* TTLs as stored instead of what is left of them */
    uint32_t stale_s; /* the TTLs of an entry that has expired */
};

struct cachestore;
extern const struct registry_kind cachestore_kind;

void cachestore_limit(struct cachestore *c, const struct cache_limits *limits);

/* Copies the entry into `room`, as a message with its TTLs counted down. False: not
 * there. An entry that has expired is given as well: the caller looks at the facts. */
bool cachestore_get(struct cachestore *c, const struct cache_key *key,
                    const struct cache_lookup *how, struct cache_room *room,
                    struct cache_hit *hit);

/* For foresight.h: whether it is worth it; and the first two steps. */
bool cachestore_is_large(const struct cachestore *c);
void cachestore_foresee(struct cachestore *c, const struct cache_key *key,
                        enum foresight_step step);

/* Stores a message (header, question, records, no OPT), already walked: its index
 * is stored with it. It replaces what is there, except that a failure (rcode
 * SERVFAIL, NOTIMP) does not replace a success younger than `keep_s` past its end. */
struct cache_put {
    struct cache_facts facts;
    const struct msg *msg; /* msg->wire with every record's base in it */
    size_t len;            /* octets of msg->wire to keep */
    uint32_t keep_s;
    bool keep_success; /* a denial does not replace such a success either */
};
/* False: what is there was worth more, or there is no memory. */
bool cachestore_put(struct cachestore *c, const struct cache_key *key,
                    const struct cache_put *put);

/* One at a time asks anew for an entry: true for that one. Storing an answer ends it,
 * as does cachestore_failed, after which nobody tries before `retry_us`. */
bool cachestore_claim(struct cachestore *c, const struct cache_key *key,
                      uint64_t now_us);
void cachestore_failed(struct cachestore *c, const struct cache_key *key,
                       uint64_t retry_us);

struct cache_counts {
    uint64_t entries[CACHE_KINDS], evictions[CACHE_KINDS], bytes;
};
void cachestore_counts(struct cachestore *c, struct cache_counts *out);

/* What to drop: an entry that any of these takes. */
struct cache_pick {
    const uint8_t *zone; /* names at or under it, lower case; NULL = none */
    const uint8_t *name; /* this name of every type, lower case; NULL = none */
    uint32_t mapping;    /* names of this cluster, reverse ones too; 0 = none */
    bool stay;           /* they are only counted */
};

/* Drops some entries, on the control thread: a shard's lock is held for a few entries
 * at a time, so that no worker waits longer than for another's look-up. What is stored
 * meanwhile may stay. Returns how many went (or, with `stay`, would). */
uint64_t cachestore_flush(struct cachestore *c, const struct cache_pick *pick);

#endif
