/* Which entries a full cache should let go: one skewed trace, several policies, and the
 * store of isthmus itself.
 *
 *     trace [SHARE]
 *
 * Asks for 200,000 names by Zipf's law (the n-th is asked for n^-0.9 as often as the
 * first), with room for 10,000; SHARE percent of the questions (30) are a flood of
 * names asked for once. Prints the share of the other questions that hit, for each
 * policy. */
#include "base/hash.h"
#include "resolver/cachestore.h"
#include "resolver/rdata.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAMES = 200000,
    ROOM = 10000,
    QUESTIONS = 3000000,
    WARM = 500000,
    KEYS = NAMES + QUESTIONS,
};

/* ---- the trace ---- */

static double odds[NAMES];
static uint64_t seed = 1;

static double draw(void)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static void make_odds(void)
{
    double sum = 0;
    for (uint32_t i = 0; i < NAMES; i++)
        odds[i] = sum += pow(i + 1, -0.9);
    for (uint32_t i = 0; i < NAMES; i++)
        odds[i] /= sum;
}

static uint32_t draw_name(void)
{
    double at = draw();
    uint32_t low = 0, high = NAMES - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (odds[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- policies over one list, newest first ---- */

static uint32_t newer[KEYS + 1], older[KEYS + 1]; /* KEYS is the list's head */
static bool there[KEYS], visited[KEYS];
static uint32_t held[ROOM], place[KEYS], n, hand;

static void link_newest(uint32_t key)
{
    older[key] = older[KEYS];
    newer[key] = KEYS;
    newer[older[KEYS]] = key;
    older[KEYS] = key;
}

static void unlink_key(uint32_t key)
{
    newer[older[key]] = newer[key];
    older[newer[key]] = older[key];
}

static uint32_t oldest(void)
{
    return newer[KEYS];
}

static uint32_t victim_of_sieve(void)
{
    uint32_t key = hand == KEYS ? oldest() : hand;
    for (; visited[key]; key = newer[key] == KEYS ? oldest() : newer[key])
        visited[key] = false;
    hand = newer[key];
    return key;
}

static uint32_t victim_at_random(void)
{
    return held[(uint32_t)(draw() * n)];
}

struct policy {
    const char *name;
    uint32_t (*victim)(void);
    bool renews; /* a hit makes it the newest */
};

static bool ask_policy(const struct policy *p, uint32_t key)
{
    if (there[key]) {
        visited[key] = true;
        if (p->renews) {
            unlink_key(key);
            link_newest(key);
        }
        return true;
    }
    if (n == ROOM) {
        uint32_t old = p->victim();
        unlink_key(old);
        there[old] = false;
        held[place[old]] = held[--n];
        place[held[n]] = place[old];
    }
    link_newest(key);
    there[key] = true;
    visited[key] = false;
    place[key] = n;
    held[n++] = key;
    return false;
}

static void empty(void)
{
    newer[KEYS] = older[KEYS] = KEYS;
    n = 0;
    hand = KEYS;
    for (uint32_t i = 0; i < KEYS; i++)
        there[i] = false;
}

/* ---- the store ---- */

static struct cachestore *store;

/* \7nNNNNNN\4test\0, A, without records. */
static bool ask_store(uint32_t key)
{
    uint8_t wire[DNS_HEADER_LEN + 18] = {0, 0,   0,   0,   0,   1, 0, 0, 0, 0,
                                         0, 0,   7,   0,   0,   0, 0, 0, 0, 0,
                                         4, 't', 'e', 's', 't', 0, 0, 1, 0, 1};
    static uint8_t octets[65535];
    static struct rr records[64];
    for (unsigned i = 0; i < 7; i++)
        wire[13 + i] = (uint8_t)('a' + (key >> 4 * i & 15));
    struct cache_key k = {.name = wire + DNS_HEADER_LEN,
                          .name_len = 14,
                          .type = DNS_A,
                          .class = DNS_IN,
                          .hash = name_hash(wire + DNS_HEADER_LEN)};
    struct cache_lookup how = {.now_us = 1};
    struct cache_room room = {.wire = octets, .rr = records};
    struct cache_hit hit;
    if (cachestore_get(store, &k, &how, &room, &hit))
        return true;
    struct msg m = {.wire = wire};
    struct cache_put put = {.facts = {.life_s = 3600}, .msg = &m, .len = sizeof wire};
    cachestore_put(store, &k, &put);
    return false;
}

static int open_store(struct registry *reg)
{
    struct span key = {.at = (const uint8_t *)"trace", .len = 5};
    struct cache_limits limits = {{ROOM, ROOM}};
    store = registry_claim(reg, &cachestore_kind, key, NULL, NULL);
    if (store == NULL)
        return -1;
    cachestore_limit(store, &limits);
    return 0;
}

/* ---- replaying ---- */

static double replay(const struct policy *p, double flood)
{
    uint32_t asked = 0, hits = 0, once = NAMES;
    seed = 1;
    empty();
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        bool stray = draw() < flood;
        uint32_t key = stray ? once++ : draw_name();
        bool hit = p->victim == NULL ? ask_store(key) : ask_policy(p, key);
        if (i < WARM || stray)
            continue;
        asked++;
        hits += hit;
    }
    return 100.0 * hits / asked;
}

int main(int argc, char **argv)
{
    static const struct policy policies[] = {{"random", victim_at_random, false},
                                             {"FIFO", oldest, false},
                                             {"LRU", oldest, true},
                                             {"SIEVE", victim_of_sieve, false},
                                             {"isthmus", NULL, false}};
    double flood = argc > 1 ? strtod(argv[1], NULL) / 100 : 0.3;
    struct registry *reg = registry_new();
    if (reg == NULL || hash_seed() < 0 || rdata_start() < 0 || open_store(reg) < 0)
        return 1;
    make_odds();
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        printf("%s %.2f\n", policies[i].name, replay(&policies[i], flood));
    registry_drop(reg, store);
    registry_free(reg);
    return 0;
}
