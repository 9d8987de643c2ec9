/* The zone and the answers of RFC 5155, appendices A and B: which NSEC3 prove what. */
#include "base/hash.h"
#include "resolver/rdata.h"
#include "resolver/zonefile.h"
#include "tests/unit/build.h"
#include "tests/unit/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define LINK(from, to, types) from " NSEC3 1 1 12 aabbccdd " to " " types "\n"
#define H_EXAMPLE             "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"
#define H_NS1                 "2t7b4g4vsa5smi47k61mv5bv1a22bojr"
#define H_XX                  "2vptu5timamqttgl4luu9kg21e0aor3s"
#define H_A                   "35mthgpgcu1qg68fab165klnsnk3dpvl"
#define H_X_W                 "b4um86eghhds6nea196smvmlo4ors995"
#define H_AI                  "gjeqe526plbf1g8mklp59enfd789njgi"
#define H_Y_W                 "ji6neoaepv8b5o6k4ev33abha8ht9fgc"
#define H_W                   "k8udemvp1j2f7eg6jebps17vp3n8i58h"
#define H_NS2                 "q04jkcevqvmu85r014c7dkba38o0ji5r"
#define H_WILD_W              "r53bq7cc2uvmubfu5ocmm6pers9tk9en"
#define H_LAST                "t644ebqk9bibcna874givr6joj62mlhv"

#define NAMES                                                                          \
    "$TTL 3600\n@ SOA ns1 bugs.x.w 1 3600 300 3600000 3600\n@ NS ns1\n@ NS ns2\n"      \
    "@ MX 1 xx\na NS ns1.a\na DS 58470 5 1 3079F1593EBAD6DC121E202A8B766A6A4837206C\n" \
    "ns1.a A 192.0.2.5\nai A 192.0.2.9\nc NS ns1.c\nns1.c A 192.0.2.7\n"               \
    "ns1 A 192.0.2.1\nns2 A 192.0.2.2\n*.w MX 1 ai\nx.w MX 1 xx\nx.y.w MX 1 xx\n"      \
    "xx A 192.0.2.10\n"

#define CHAIN                                                                          \
    LINK(H_EXAMPLE, H_NS1, "MX DNSKEY NS SOA NSEC3PARAM RRSIG")                        \
    LINK(H_NS1, H_XX, "A RRSIG")                                                       \
    LINK(H_XX, H_A, "MX RRSIG")                                                        \
    LINK(H_A, H_X_W, "NS DS RRSIG")                                                    \
    LINK(H_X_W, H_AI, "MX RRSIG")                                                      \
    LINK(H_AI, H_Y_W, "HINFO A AAAA RRSIG")                                            \
    LINK(H_Y_W, H_W, "")                                                               \
    LINK(H_W, H_NS2, "")                                                               \
    LINK(H_NS2, H_WILD_W, "A RRSIG")                                                   \
    LINK(H_WILD_W, H_LAST, "MX RRSIG") LINK(H_LAST, H_EXAMPLE, "HINFO A AAAA RRSIG")

struct rig {
    struct arena arena;
    const struct zonedata *zone;
};

static void load(struct rig *r, const char *text)
{
    struct errors errs;
    struct name apex;
    errors_init(&errs);
    arena_init(&r->arena, NULL, 0);
    assert_int_equal(name_parse(&apex, text_of("example")), 0);
    struct source from = {.file = "db", .text = text_of(text)};
    r->zone = zonefile_parse(&r->arena, from, &apex, NULL, &errs);
    errors_print(&errs, stderr);
    errors_release(&errs);
    assert_non_null(r->zone);
}

/* The hashes of the answer's NSEC3, in its order, each with a space behind it. */
static const char *proofs(struct rig *r, const char *name, uint16_t type, bool dnssec,
                          uint16_t *rcode)
{
    char *text = arena_alloc(&r->arena, 1000);
    size_t len = 0;
    struct name_key key;
    struct msg m = {0};
    assert_non_null(text);
    *text = '\0';
    name_key_init(&key, build_name(name));
    struct zone_question question = {&key, type, dnssec};
    assert_true(zonedata_answer(r->zone, &question, &r->arena, &m) >= 0);
    msg_each_rr (rr, &m) {
        if (rr->type == DNS_NSEC3)
            len += (size_t)snprintf(text + len, 1000 - len, "%.32s ",
                                    (const char *)rr->base + rr->owner + 1);
    }
    *rcode = m.rcode;
    build_release();
    return text;
}

static void answers_are_proved_as_in_the_rfc(void **unused)
{
    static const struct {
        const char *name, *proofs;
        uint16_t type, rcode;
    } rows[] = {
        {"c.x.w.example", H_X_W " " H_EXAMPLE " " H_A " ", DNS_A, DNS_NXDOMAIN},
        {"ns1.example", H_NS1 " ", DNS_MX, DNS_NOERROR},
        {"y.w.example", H_Y_W " ", DNS_A, DNS_NOERROR},
        {"mc.c.example", H_EXAMPLE " " H_A " ", DNS_MX, DNS_NOERROR},
        {"a.z.w.example", H_NS2 " ", DNS_MX, DNS_NOERROR},
        {"a.z.w.example", H_W " " H_NS2 " " H_WILD_W " ", DNS_AAAA, DNS_NOERROR},
        {"example", H_EXAMPLE " ", DNS_DS, DNS_NOERROR},
        {"c.example", H_EXAMPLE " " H_A " ", DNS_DS, DNS_NOERROR}, /* opt-out */
        {"mc.a.example", "", DNS_MX, DNS_NOERROR},                 /* it has a DS */
        {"x.w.example", "", DNS_MX, DNS_NOERROR},
    };
    struct rig r;
    uint16_t rcode;
    load(&r, NAMES "@ NSEC3PARAM 1 0 12 aabbccdd\n" CHAIN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(proofs(&r, rows[i].name, rows[i].type, true, &rcode),
                            rows[i].proofs);
        assert_int_equal(rcode, rows[i].rcode);
        assert_string_equal(proofs(&r, rows[i].name, rows[i].type, false, &rcode), "");
        assert_int_equal(rcode, rows[i].rcode);
    }
    arena_release(&r.arena);
}

/* RFC 5155 section 7.2.8 */
static void owners_of_nsec3_are_no_names(void **unused)
{
    struct rig r;
    uint16_t rcode;
    load(&r, NAMES "@ NSEC3PARAM 1 0 12 aabbccdd\n" CHAIN);
    assert_non_null(
        strstr(proofs(&r, H_X_W ".example", DNS_NSEC3, true, &rcode), H_EXAMPLE));
    assert_int_equal(rcode, DNS_NXDOMAIN);
    proofs(&r, "x." H_X_W ".example", DNS_A, true, &rcode);
    assert_int_equal(rcode, DNS_NXDOMAIN);
    arena_release(&r.arena);
}

static void chains_that_cannot_be_used_are_left_alone(void **unused)
{
    static const char *const texts[] = {
        NAMES CHAIN,
        NAMES "@ NSEC3PARAM 1 0 12 aabbccde\n" CHAIN,
        NAMES "@ NSEC3PARAM 1 0 13 aabbccdd\n" CHAIN,
        NAMES "@ NSEC3PARAM 2 0 12 aabbccdd\n" CHAIN,
        NAMES "@ NSEC3PARAM 1 1 12 aabbccdd\n" CHAIN, /* one that is being made */
        NAMES "@ NSEC3PARAM 1 0 151 aabbccdd\n" CHAIN,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct rig r;
        struct capture c;
        uint16_t rcode;
        capture_start(&c);
        load(&r, texts[i]);
        const char *log = capture_stop(&c);
        assert_int_equal(strstr(log, "zone example.: NSEC3 of 151 iterations") != NULL,
                         i == 5);
        assert_string_equal(proofs(&r, "c.x.w.example", DNS_A, true, &rcode), "");
        assert_int_equal(rcode, DNS_NXDOMAIN);
        arena_release(&r.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_proved_as_in_the_rfc),
        cmocka_unit_test(owners_of_nsec3_are_no_names),
        cmocka_unit_test(chains_that_cannot_be_used_are_left_alone),
    };
    if (hash_seed() < 0 || rdata_start() < 0)
        return 1;
    return cmocka_run_group_tests_name("zoneproof", tests, NULL, NULL);
}
