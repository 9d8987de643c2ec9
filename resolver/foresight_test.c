/* What is foreseen is right, whatever comes in, and changes no answer. */
#include "resolver/foresight.h"

#include "base/cursor.h"
#include "resolver/cachestore.h"
#include "resolver/plan.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY_CLUSTERS 1000
#define MANY_ENTRIES  20000

/* WwW.c7.local A IN with an OPT that says DO. */
static const uint8_t question[] = {0,   1,   1,   16,  0,   1, 0,   0,   0, 0,   0,
                                   1,   3,   'W', 'w', 'W', 2, 'c', '7', 5, 'l', 'o',
                                   'c', 'a', 'l', 0,   0,   1, 0,   1,   0, 0,   41,
                                   4,   208, 0,   0,   128, 0, 0,   0};
#define ASKED    12 /* where its name begins */
#define NAME_LEN 14

static void load_clusters(struct world *w, unsigned n)
{
    size_t cap = 128 + n * 64u, at;
    char *text = malloc(cap);
    assert_non_null(text);
    at = (size_t)snprintf(text, cap, ". {\n cache\n");
    for (unsigned i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, cap - at,
                               " cluster c%u.local {\n dns 10.0.%u.%u\n }\n", i,
                               i / 250, i % 250 + 1);
    snprintf(text + at, cap - at, " forward . 10.9.9.1\n}\n");
    world_load(w, text);
    free(text);
}

static void a_small_plan_needs_no_foresight(void **unused)
{
    struct world w;
    struct foresight *f = NULL;
    struct span wires[UDP_BATCH];
    for (unsigned i = 0; i < UDP_BATCH; i++)
        wires[i] = (struct span){.at = question, .len = sizeof question};
    load_clusters(&w, 10);
    foresight_questions(&f, &w.plan->servers[0], wires, UDP_BATCH);
    assert_null(f);
    world_close(&w);
}

/* Each cut of a question, and each with one octet changed. */
static void whatever_comes_is_read_within_its_bounds(void **unused)
{
    struct world w;
    struct foresight *f = NULL;
    struct span wires[8];
    load_clusters(&w, MANY_CLUSTERS);
    for (size_t len = 0; len <= sizeof question; len++) {
        uint8_t *copies[8];
        for (unsigned i = 0; i < 8; i++) {
            /* No longer than the message: a sanitizer sees who reads on. */
            copies[i] = malloc(len + (len == 0));
            assert_non_null(copies[i]);
            memcpy(copies[i], question, len);
            if (len > 0)
                copies[i][(len - 1) * i / 7] ^= (uint8_t)(0x40 << (i % 2));
            wires[i] = (struct span){.at = copies[i], .len = len};
        }
        foresight_questions(&f, &w.plan->servers[0], wires, 8);
        for (unsigned i = 0; i < 8; i++)
            free(copies[i]);
    }
    assert_non_null(f);
    free(f);
    world_close(&w);
}

static void keys_are_those_of_the_names(void **unused)
{
    struct world w;
    struct foresight *f = NULL;
    struct name_key want;
    static const uint8_t lower[] = "\3www\2c7\5local";
    uint8_t copies[8][sizeof question];
    struct span wires[8];
    load_clusters(&w, MANY_CLUSTERS);
    name_key_init(&want, lower);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(copies[i], question, sizeof question);
        wires[i] = (struct span){.at = copies[i], .len = sizeof question};
    }
    copies[7][ASKED] = 0xc0;
    foresight_questions(&f, &w.plan->servers[0], wires, 8);
    for (unsigned i = 0; i < 8; i++) {
        const struct name_key *key = foresight_key(f, copies[i], NAME_LEN);
        if (i == 7) { /* cannot be read, and is asked for last: the search ends there */
            assert_null(key);
            continue;
        }
        assert_non_null(key);
        assert_int_equal(key->labels, want.labels);
        assert_memory_equal(key->hash, want.hash,
                            (want.labels + 1) * sizeof *want.hash);
        assert_memory_equal(key->lower, lower, NAME_LEN);
    }
    foresight_questions(&f, &w.plan->servers[0], wires, 1);
    assert_null(foresight_key(f, copies[0], NAME_LEN));
    free(f);
    world_close(&w);
}

static void fill(struct cachestore *c)
{
    uint8_t name[] = "\6n00000\4test";
    struct msg m = {.wire = question, .len = DNS_HEADER_LEN};
    struct cache_limits limits = {.entries = {2 * MANY_ENTRIES, 2 * MANY_ENTRIES}};
    cachestore_limit(c, &limits);
    for (unsigned i = 0; i < MANY_ENTRIES; i++) {
        char digits[6];
        snprintf(digits, sizeof digits, "%05u", i);
        memcpy(name + 2, digits, 5);
        struct cache_key key = {.name = name,
                                .name_len = sizeof name,
                                .type = DNS_A,
                                .class = DNS_IN,
                                .hash = name_hash(name)};
        struct cache_put put = {.facts.life_s = 60, .msg = &m, .len = DNS_HEADER_LEN};
        assert_true(cachestore_put(c, &key, &put));
    }
}

static void a_large_cache_is_looked_into(void **unused)
{
    struct world w;
    struct foresight *f = NULL;
    struct span wires[4];
    for (unsigned i = 0; i < 4; i++)
        wires[i] = (struct span){.at = question, .len = sizeof question};
    load_clusters(&w, 1);
    struct cachestore *c = w.plan->blocks[0].cache;
    assert_false(cachestore_is_large(c));
    fill(c);
    assert_true(cachestore_is_large(c));
    foresight_questions(&f, &w.plan->servers[0], wires, 4);
    assert_non_null(foresight_key(f, question, NAME_LEN));
    free(f);
    world_close(&w);
}

static void a_foreseen_question_is_answered_as_any(void **unused)
{
    struct world w;
    struct client c = {.transport = TRANSPORT_UDP,
                       .peer = {.family = 4, .port = 1024, .ip = {192, 0, 2, 99}}};
    uint8_t copies[4][sizeof question];
    struct span wires[4];
    load_clusters(&w, MANY_CLUSTERS);
    for (unsigned i = 0; i < 4; i++) {
        memcpy(copies[i], question, sizeof question);
        copies[i][ASKED + 6] = (uint8_t)('1' + i); /* c1.local to c4.local */
        wires[i] = (struct span){.at = copies[i], .len = sizeof question};
    }
    resolver_foresee_questions(w.r, 0, wires, 4);
    for (unsigned i = 0; i < 4; i++)
        resolver_query(w.r, &c, wires[i].at, wires[i].len);
    world_expect(&w, "10.0.0.2:53", TRANSPORT_UDP);
    world_expect(&w, "10.0.0.3:53", TRANSPORT_UDP);
    world_expect(&w, "10.0.0.4:53", TRANSPORT_UDP);
    world_expect(&w, "10.0.0.5:53", TRANSPORT_UDP);
    resolver_free(w.r);
    w.r = NULL;
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_plan_needs_no_foresight),
        cmocka_unit_test(whatever_comes_is_read_within_its_bounds),
        cmocka_unit_test(keys_are_those_of_the_names),
        cmocka_unit_test(a_large_cache_is_looked_into),
        cmocka_unit_test(a_foreseen_question_is_answered_as_any),
    };
    return cmocka_run_group_tests_name("foresight", tests, NULL, NULL);
}
