#include "resolver/cachestore.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "resolver/rdata.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND UINT64_C(1000000)
#define START  (1000 * SECOND)

#define KEYS 140

struct rig {
    struct registry *registry;
    struct cachestore *store;
    struct cache_key keys[KEYS]; /* of one shard */
    unsigned keys_n, tried;
    struct cache_room room;
};

static void open_store(struct rig *r, uint32_t entries)
{
    struct span key = {.at = (const uint8_t *)"test", .len = 4};
    struct cache_limits limits = {{entries, entries}};
    *r = (struct rig){.room = {.wire = build_keep(UINT16_MAX),
                               .rr = build_keep(100 * sizeof(struct rr))}};
    assert_int_equal(hash_seed(), 0);
    assert_int_equal(rdata_start(), 0);
    r->registry = registry_new();
    assert_non_null(r->registry);
    r->store = registry_claim(r->registry, &cachestore_kind, key, NULL, NULL);
    assert_non_null(r->store);
    cachestore_limit(r->store, &limits);
}

static void close_store(struct rig *r)
{
    registry_drop(r->registry, r->store);
    registry_free(r->registry);
    build_release();
}

static struct cache_key key_for(const char *name)
{
    const uint8_t *wire = build_name(name);
    return (struct cache_key){.name = wire,
                              .name_len = (uint8_t)name_len(wire),
                              .type = DNS_A,
                              .class = DNS_IN,
                              .hash = name_hash(wire)};
}

/* Names of one shard, so that a test can fill it. */
static struct cache_key key_of_shard(struct rig *r, unsigned n)
{
    for (; r->keys_n <= n; r->tried++) {
        struct name name;
        char text[32];
        snprintf(text, sizeof text, "n%u.test", r->tried);
        assert_int_equal(name_parse(&name, text_of(text)), 0);
        if (name_hash(name.wire) >> 26 == 0)
            r->keys[r->keys_n++] = key_for(text);
    }
    return r->keys[n];
}

#define ANSWER                                                                         \
    "www.test A\nwww.test 300 CNAME b.test\nb.test 300 A 192.0.2.1\n"                  \
    "authority\ntest 300 NS ns.test\nadditional\nns.test 300 A 192.0.2.2\n"

static bool put(struct rig *r, const struct cache_key *key, struct cache_facts facts,
                const char *answer)
{
    struct msg m;
    struct span packet = build_answer(answer);
    build_walk(&m, packet);
    struct cache_put p = {.facts = facts, .msg = &m, .len = packet.len};
    return cachestore_put(r->store, key, &p);
}

static struct cache_facts success(uint32_t life_s, uint64_t at)
{
    return (struct cache_facts){
        .kind = CACHE_SUCCESS, .life_s = life_s, .stored_us = at};
}

static bool get(struct rig *r, const struct cache_key *key, uint64_t now_us,
                struct cache_hit *hit)
{
    struct cache_lookup how = {.now_us = now_us, .gap_us = 10 * SECOND};
    return cachestore_get(r->store, key, &how, &r->room, hit);
}

static bool has(struct rig *r, const struct cache_key *key)
{
    struct cache_hit hit;
    return get(r, key, START, &hit);
}

/* The index that comes with the octets is what walking them gives. */
static void assert_same(const struct msg *walked, const struct msg *given)
{
    assert_int_equal(walked->rr_n, given->rr_n);
    assert_int_equal(walked->len, given->len);
    assert_int_equal(walked->qname_len, given->qname_len);
    assert_int_equal(walked->qtype, given->qtype);
    for (uint32_t i = 0; i < walked->rr_n; i++)
        assert_memory_equal(&walked->rr[i], &given->rr[i], sizeof(struct rr));
}

/* The TTL that all records have after so long; -1 when they differ. */
static int64_t ttl_after(struct rig *r, const struct cache_key *key, int64_t us,
                         const struct cache_lookup *as)
{
    struct cache_hit hit;
    struct cache_lookup how = *as;
    how.now_us = (uint64_t)((int64_t)START + us);
    assert_true(cachestore_get(r->store, key, &how, &r->room, &hit));
    struct msg m;
    build_walk(&m, (struct span){.at = r->room.wire, .len = hit.msg.len});
    assert_int_equal(m.rr_n, 4);
    assert_same(&m, &hit.msg);
    msg_each_rr (rr, &m) {
        if (rr->ttl != m.rr[0].ttl)
            return -1;
    }
    return m.rr[0].ttl;
}

static void all_ttls_count_down_together_in_whole_seconds(void **unused)
{
    static const struct cache_lookup down = {.stale_s = 7};
    static const struct cache_lookup kept = {.stale_s = 7, .keep_ttl = true};
    struct rig r;
    open_store(&r, 1000);
    struct cache_key key = key_for("www.test");
    put(&r, &key, success(30, START), ANSWER);
    assert_int_equal(ttl_after(&r, &key, 0, &down), 30);
    assert_int_equal(ttl_after(&r, &key, 999999, &down), 30);
    assert_int_equal(ttl_after(&r, &key, 1000000, &down), 29);
    assert_int_equal(ttl_after(&r, &key, 29999999, &down), 1);
    assert_int_equal(ttl_after(&r, &key, 30000000, &down), 7);
    assert_int_equal(ttl_after(&r, &key, 15000000, &kept), 30);
    assert_int_equal(ttl_after(&r, &key, 30000000, &kept), 7);
    close_store(&r);
}

static void a_worker_whose_clock_is_behind_sees_a_fresh_entry(void **unused)
{
    static const struct cache_lookup how = {.stale_s = 7};
    struct rig r;
    open_store(&r, 1000);
    struct cache_key key = key_for("www.test");
    put(&r, &key, success(30, START), ANSWER);
    assert_int_equal(ttl_after(&r, &key, -500, &how), 30);
    close_store(&r);
}

static void the_key_is_name_type_class_do_and_cd(void **unused)
{
    struct rig r;
    open_store(&r, 1000);
    struct cache_key key = key_for("www.test"), other;
    put(&r, &key, success(30, START), ANSWER);
    assert_true(has(&r, &key));
    other = key;
    other.dnssec_ok = true;
    assert_false(has(&r, &other));
    other = key;
    other.checking_disabled = true;
    assert_false(has(&r, &other));
    other = key;
    other.type = DNS_AAAA;
    assert_false(has(&r, &other));
    other = key;
    other.class = DNS_CH;
    assert_false(has(&r, &other));
    other = key_for("wwx.test");
    other.hash = key.hash; /* as if the hashes collided */
    assert_false(has(&r, &other));
    other.name_len = 1;
    other.name = (const uint8_t *)"";
    assert_false(has(&r, &other));
    close_store(&r);
}

static void a_changed_mapping_hides_and_then_replaces_the_old(void **unused)
{
    struct rig r;
    struct cache_counts counts;
    open_store(&r, 1000);
    struct cache_key old = key_for("www.test"), new = old, other = key_for("b.test");
    old.mapping = 1;
    new.mapping = 2;
    other.mapping = 7;
    put(&r, &old, success(30, START), ANSWER);
    put(&r, &other, success(30, START), ANSWER);
    assert_false(has(&r, &new));
    assert_true(has(&r, &old));
    assert_false(cachestore_claim(r.store, &new, START));
    put(&r, &new, success(30, START), ANSWER);
    assert_true(has(&r, &new));
    assert_false(has(&r, &old));
    assert_true(has(&r, &other));
    cachestore_counts(r.store, &counts);
    assert_int_equal(counts.entries[CACHE_SUCCESS], 2);
    close_store(&r);
}

/* What is in use stays while names asked once go by. */
static void eviction_passes_over_what_was_asked_for_again(void **unused)
{
    struct rig r;
    struct cache_counts counts;
    open_store(&r, 0); /* four entries a shard are the least */
    struct cache_key used = key_of_shard(&r, 0);
    put(&r, &used, success(30, START), ANSWER);
    for (unsigned i = 1; i < 40; i++) {
        struct cache_key once = key_of_shard(&r, i);
        assert_true(has(&r, &used));
        put(&r, &once, success(30, START), ANSWER);
        assert_true(has(&r, &used));
    }
    cachestore_counts(r.store, &counts);
    assert_int_equal(counts.entries[CACHE_SUCCESS], 4);
    assert_int_equal(counts.evictions[CACHE_SUCCESS], 36);
    close_store(&r);
}

static void a_new_entry_stays_when_all_others_are_in_use(void **unused)
{
    struct rig r;
    open_store(&r, 0);
    for (unsigned i = 0; i < 4; i++) {
        struct cache_key key = key_of_shard(&r, i);
        put(&r, &key, success(30, START), ANSWER);
        assert_true(has(&r, &key));
    }
    struct cache_key new = key_of_shard(&r, 4);
    put(&r, &new, success(30, START), ANSWER);
    assert_true(has(&r, &new));
    close_store(&r);
}

static void successes_and_denials_do_not_drive_each_other_out(void **unused)
{
    struct rig r;
    struct cache_counts counts;
    open_store(&r, 0);
    for (unsigned i = 0; i < 30; i++) {
        struct cache_key key = key_of_shard(&r, i);
        struct cache_facts facts = success(30, START);
        facts.kind = i < 3 ? CACHE_SUCCESS : CACHE_DENIAL;
        put(&r, &key, facts, ANSWER);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct cache_key key = key_of_shard(&r, i);
        assert_true(has(&r, &key));
    }
    cachestore_counts(r.store, &counts);
    assert_int_equal(counts.entries[CACHE_DENIAL], 4);
    close_store(&r);
}

static const char *large_answer(void)
{
    char *text = build_keep(20000);
    size_t len = (size_t)snprintf(text, 20000, "www.test TXT\n");
    for (int i = 0; i < 60; i++)
        len +=
            (size_t)snprintf(text + len, 20000 - len, "www.test 5 TXT \"%0200d\"\n", i);
    return text;
}

/* 12 kB each, where 8 entries of 1 kB are budgeted for. */
static void octets_are_bounded_as_well_as_entries(void **unused)
{
    struct rig r;
    struct cache_counts counts;
    open_store(&r, 0);
    const char *answer = large_answer();
    for (unsigned i = 0; i < 10; i++) {
        struct cache_key key = key_of_shard(&r, i);
        assert_true(put(&r, &key, success(30, START), answer));
        assert_true(has(&r, &key));
        cachestore_counts(r.store, &counts);
        assert_int_equal(counts.entries[CACHE_SUCCESS], 1);
        assert_in_range(counts.bytes, 12000, 16000);
    }
    close_store(&r);
}

/* What fills the other's share is lent, and given back when it is wanted. */
static void large_answers_of_one_kind_leave_the_other_its_share(void **unused)
{
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        struct rig r;
        struct cache_facts large = success(30, START), small = large;
        open_store(&r, 64 * 20);
        large.kind = (enum cache_kind)kind;
        small.kind = kind == CACHE_SUCCESS ? CACHE_DENIAL : CACHE_SUCCESS;
        const char *answer = large_answer();
        for (unsigned i = 0; i < 20; i++) {
            struct cache_key key = key_of_shard(&r, i);
            put(&r, &key, large, answer);
        }
        struct cache_counts counts;
        cachestore_counts(r.store, &counts);
        assert_in_range(counts.bytes, 28000, 40 * 1024);
        for (unsigned i = 20; i < 40; i++) {
            struct cache_key key = key_of_shard(&r, i);
            put(&r, &key, small, ANSWER);
        }
        cachestore_counts(r.store, &counts);
        assert_int_equal(counts.entries[small.kind], 20);
        assert_true(counts.entries[kind] > 0);
        close_store(&r);
    }
}

static void lower_limits_hold_from_the_next_entry_on(void **unused)
{
    struct rig r;
    struct cache_counts counts;
    open_store(&r, 64 * 20);
    for (unsigned i = 0; i < 20; i++) {
        struct cache_key key = key_of_shard(&r, i);
        put(&r, &key, success(30, START), ANSWER);
    }
    cachestore_limit(r.store, &(struct cache_limits){{0, 0}});
    struct cache_key key = key_of_shard(&r, 20);
    put(&r, &key, success(30, START), ANSWER);
    cachestore_counts(r.store, &counts);
    assert_int_equal(counts.entries[CACHE_SUCCESS], 4);
    close_store(&r);
}

static void a_shard_that_grows_finds_all_it_has(void **unused)
{
    struct rig r;
    open_store(&r, 64 * KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        struct cache_key key = key_of_shard(&r, i);
        put(&r, &key, success(30, START), "a.test A\n");
    }
    for (unsigned i = 0; i < KEYS; i++) {
        struct cache_key key = key_of_shard(&r, i);
        assert_true(has(&r, &key));
    }
    close_store(&r);
}

struct rank {
    uint16_t rcode; /* of what comes behind a success of 30 s */
    uint32_t after_s, keep_s;
    bool keep_success, replaces;
};

static void a_failure_does_not_replace_a_success_that_may_still_be_used(void **unused)
{
    static const struct rank list[] = {
        {DNS_SERVFAIL, 29, 0, false, false},  {DNS_NOTIMP, 29, 0, false, false},
        {DNS_SERVFAIL, 30, 0, false, true},   {DNS_SERVFAIL, 30, 60, false, false},
        {DNS_SERVFAIL, 89, 60, false, false}, {DNS_SERVFAIL, 90, 60, false, true},
        {DNS_NXDOMAIN, 10, 60, false, true},  {DNS_NXDOMAIN, 10, 60, true, false},
        {DNS_NXDOMAIN, 90, 60, true, true},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct rig r;
        struct cache_hit hit;
        struct msg m;
        open_store(&r, 1000);
        struct cache_key key = key_for("www.test");
        put(&r, &key, success(30, START), ANSWER);
        struct span packet = build_answer("www.test A\n");
        build_walk(&m, packet);
        struct cache_put p = {
            .facts = {.kind = CACHE_DENIAL,
                      .rcode = list[i].rcode,
                      .life_s = 5,
                      .stored_us = START + list[i].after_s * SECOND},
            .msg = &m,
            .len = packet.len,
            .keep_s = list[i].keep_s,
            .keep_success = list[i].keep_success,
        };
        assert_int_equal(cachestore_put(r.store, &key, &p), list[i].replaces);
        assert_true(get(&r, &key, START, &hit));
        assert_int_equal(hit.facts.rcode, list[i].replaces ? list[i].rcode : 0);
        close_store(&r);
    }
}

static void one_asks_anew_until_it_is_stored_or_has_failed(void **unused)
{
    struct rig r;
    struct cache_hit hit;
    open_store(&r, 1000);
    struct cache_key key = key_for("www.test");
    assert_false(cachestore_claim(r.store, &key, START)); /* nothing to renew */
    put(&r, &key, success(30, START), ANSWER);
    assert_true(cachestore_claim(r.store, &key, START));
    assert_false(cachestore_claim(r.store, &key, START + 60 * SECOND));
    cachestore_failed(r.store, &key, START + 10 * SECOND);
    assert_false(cachestore_claim(r.store, &key, START + 10 * SECOND - 1));
    assert_true(get(&r, &key, START + 10 * SECOND - 1, &hit));
    assert_true(hit.resting);
    assert_true(get(&r, &key, START + 10 * SECOND, &hit));
    assert_false(hit.resting);
    assert_true(cachestore_claim(r.store, &key, START + 10 * SECOND));
    put(&r, &key, success(30, START + 11 * SECOND), ANSWER);
    assert_true(cachestore_claim(r.store, &key, START + 11 * SECOND));
    close_store(&r);
}

static void hits_in_a_row_are_counted_over_renewals(void **unused)
{
    static const struct {
        uint32_t after_s, hits;
    } list[] = {{0, 1}, {10, 2}, {20, 3}, {31, 1}, {32, 2}};
    struct rig r;
    struct cache_hit hit;
    open_store(&r, 1000);
    struct cache_key key = key_for("www.test");
    put(&r, &key, success(30, START), ANSWER);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        assert_true(get(&r, &key, START + list[i].after_s * SECOND, &hit));
        assert_int_equal(hit.hits, list[i].hits);
    }
    put(&r, &key, success(30, START + 33 * SECOND), ANSWER);
    assert_true(get(&r, &key, START + 33 * SECOND, &hit));
    assert_int_equal(hit.hits, 3);
    close_store(&r);
}

static void a_flush_takes_a_zone_and_what_is_below(void **unused)
{
    static const char *const names[] = {"test", "a.test", "b.a.test", "ba.test",
                                        "other"};
    struct rig r;
    struct cache_counts counts;
    open_store(&r, 1000);
    for (size_t i = 0; i < 5; i++) {
        struct cache_key key = key_for(names[i]);
        put(&r, &key, success(30, START), ANSWER);
    }
    struct cache_pick below = {.zone = build_name("a.test")};
    assert_int_equal(cachestore_flush(r.store, &below), 2);
    struct cache_key stays = key_for("ba.test"), gone = key_for("b.a.test");
    assert_true(has(&r, &stays));
    assert_false(has(&r, &gone));
    static const uint8_t root[] = "";
    struct cache_pick all = {.zone = root};
    assert_int_equal(cachestore_flush(r.store, &all), 3);
    cachestore_counts(r.store, &counts);
    assert_int_equal(counts.entries[CACHE_SUCCESS] + counts.bytes, 0);
    close_store(&r);
}

static void a_flush_takes_one_name_or_one_cluster(void **unused)
{
    struct rig r;
    open_store(&r, 1000);
    struct cache_key a = key_for("a.test"), aaaa = a, below = key_for("b.a.test");
    struct cache_key reverse = key_for("1.0.96.10.in-addr.arpa");
    aaaa.type = DNS_AAAA;
    reverse.mapping = 7;
    const struct cache_key *keys[] = {&a, &aaaa, &below, &reverse};
    for (size_t i = 0; i < 4; i++)
        put(&r, keys[i], success(30, START), ANSWER);
    struct cache_pick name = {.name = build_name("a.test")};
    assert_int_equal(cachestore_flush(r.store, &name), 2);
    assert_true(has(&r, &below));
    struct cache_pick cluster = {.mapping = 7};
    assert_int_equal(cachestore_flush(r.store, &cluster), 1);
    assert_true(has(&r, &below));
    close_store(&r);
}

/* More buckets than one hold of the lock takes. */
static void a_flush_comes_to_the_end_of_a_large_store(void **unused)
{
    enum { N = 40000 };
    struct rig r;
    struct msg m;
    open_store(&r, 1000000);
    struct span packet = build_answer(ANSWER);
    build_walk(&m, packet); /* once: what is built stays until the end */
    struct cache_put p = {.facts = success(30, START), .msg = &m, .len = packet.len};
    for (unsigned i = 0; i < N; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%u.test", i);
        struct cache_key key = key_for(name);
        assert_true(cachestore_put(r.store, &key, &p));
    }
    struct cache_pick all = {.zone = build_name("test")};
    assert_int_equal(cachestore_flush(r.store, &all), N);
    close_store(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ttls_count_down_together_in_whole_seconds),
        cmocka_unit_test(a_worker_whose_clock_is_behind_sees_a_fresh_entry),
        cmocka_unit_test(the_key_is_name_type_class_do_and_cd),
        cmocka_unit_test(a_changed_mapping_hides_and_then_replaces_the_old),
        cmocka_unit_test(eviction_passes_over_what_was_asked_for_again),
        cmocka_unit_test(a_new_entry_stays_when_all_others_are_in_use),
        cmocka_unit_test(successes_and_denials_do_not_drive_each_other_out),
        cmocka_unit_test(octets_are_bounded_as_well_as_entries),
        cmocka_unit_test(large_answers_of_one_kind_leave_the_other_its_share),
        cmocka_unit_test(lower_limits_hold_from_the_next_entry_on),
        cmocka_unit_test(a_shard_that_grows_finds_all_it_has),
        cmocka_unit_test(a_failure_does_not_replace_a_success_that_may_still_be_used),
        cmocka_unit_test(one_asks_anew_until_it_is_stored_or_has_failed),
        cmocka_unit_test(hits_in_a_row_are_counted_over_renewals),
        cmocka_unit_test(a_flush_takes_a_zone_and_what_is_below),
        cmocka_unit_test(a_flush_takes_one_name_or_one_cluster),
        cmocka_unit_test(a_flush_comes_to_the_end_of_a_large_store),
    };
    return cmocka_run_group_tests_name("cachestore", tests, NULL, NULL);
}
