#include "resolver/zonedata.h"

#include "base/hash.h"
#include "base/limits.h"
#include "resolver/encode.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"
#include "resolver/zonefile.h"
#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* A SOA, two servers, and what a test adds. */
#define HEAD                                                                           \
    "$TTL 60\n"                                                                        \
    "@ 90 SOA ns1 h 1 2 3 4 5\n"                                                       \
    "@ NS ns1\n"                                                                       \
    "@ NS ns.example.net.\n"                                                           \
    "ns1 A 192.0.2.53\n"

#define SOA    "NS org. 90 IN SOA ns1.org. h.org. 1 2 3 4 5\n"
#define SERVED "NS org. 60 IN NS ns1.org.\nNS org. 60 IN NS ns.example.net.\n"

struct rig {
    struct arena arena;
    struct zonedata *zone;
};

static void load(struct rig *r, const char *records)
{
    struct errors errs;
    struct name apex;
    char text[2048];
    errors_init(&errs);
    arena_init(&r->arena, NULL, 0);
    assert_int_equal(hash_seed(), 0);
    assert_int_equal(rdata_start(), 0);
    assert_int_equal(name_parse(&apex, TEXT("org")), 0);
    snprintf(text, sizeof text, HEAD "%s", records);
    struct source from = {.file = "db", .text = text_of(text)};
    r->zone = zonefile_parse(&r->arena, from, &apex, NULL, &errs);
    errors_print(&errs, stderr);
    errors_release(&errs);
    assert_non_null(r->zone);
}

/* What the zone answers, through the encoder and ldns. */
static const char *asked_for(struct rig *r, const char *name, uint16_t type,
                             bool dnssec)
{
    char *text = build_keep(SHOW_MAX);
    uint8_t *wire = build_keep(UINT16_MAX);
    uint8_t question[NAME_WIRE_MAX + 4] = {0};
    const uint8_t *lower = build_name(name);
    struct name_key key;
    struct msg m = {.edited = true};
    struct encoder *e = encoder_new();
    size_t len = name_len(lower);
    name_key_init(&key, lower);
    assert_non_null(e);
    assert_true(zonedata_answer(r->zone, &(struct zone_question){&key, type, dnssec},
                                &r->arena, &m) >= 0);
    memcpy(question, lower, len);
    question[len + 1] = (uint8_t)type;
    question[len + 3] = DNS_IN;
    struct encode_job job = {.msg = &m,
                             .flags = (uint16_t)(DNS_QR | m.flags | m.rcode),
                             .question = {.at = question, .len = len + 4},
                             .limit = UINT16_MAX};
    assert_int_equal(encode_msg(e, &job, wire, &len), ENCODE_OK);
    encoder_free(e);
    return show_packet((struct span){.at = wire, .len = len}, text);
}

static const char *asked(struct rig *r, const char *name, uint16_t type)
{
    return asked_for(r, name, type, false);
}

struct row {
    const char *name;
    uint16_t type;
    const char *answer;
};

static void expect(const char *records, const struct row *rows, size_t n)
{
    struct rig r;
    load(&r, records);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(asked(&r, rows[i].name, rows[i].type), rows[i].answer);
    arena_release(&r.arena);
    build_release();
}
#define EXPECT(records, rows) expect(records, rows, sizeof(rows) / sizeof *(rows))

static void an_answer_has_the_zones_servers_beside_it(void **unused)
{
    static const struct row rows[] = {
        {"www.org", DNS_A, "NOERROR aa\nAN www.org. 60 IN A 192.0.2.1\n" SERVED},
        {"www.org", DNS_TXT, "NOERROR aa\nAN www.org. 7 IN TXT \"x\"\n" SERVED},
        {"org", DNS_SOA,
         "NOERROR aa\nAN org. 90 IN SOA ns1.org. h.org. 1 2 3 4 5\n" SERVED},
        {"org", DNS_NS,
         "NOERROR aa\nAN org. 60 IN NS ns1.org.\nAN org. 60 IN NS ns.example.net.\n"
         "AR ns1.org. 60 IN A 192.0.2.53\n"},
    };
    EXPECT("Www A 192.0.2.1\nwww 7 TXT x\n", rows);
}

static void no_data_and_no_name_carry_the_soa(void **unused)
{
    static const struct row rows[] = {
        {"www.org", DNS_AAAA, "NOERROR aa\n" SOA},
        {"www.org", DNS_ANY, "NOERROR aa\n" SOA},
        {"nx.org", DNS_A, "NXDOMAIN aa\n" SOA},
        {"nx.org", DNS_ANY, "NXDOMAIN aa\n" SOA},
        {"x.www.org", DNS_A, "NXDOMAIN aa\n" SOA},
        {"b.c.org", DNS_A, "NOERROR aa\n" SOA}, /* empty, but something is below */
        {"c.org", DNS_A, "NOERROR aa\n" SOA},
        {"x.c.org", DNS_A, "NXDOMAIN aa\n" SOA},
        {"org", DNS_DS, "NOERROR aa\n" SOA},
    };
    EXPECT("www A 192.0.2.1\na.b.c A 192.0.2.2\n", rows);
}

/* RFC 4592 section 2.2.1, its zone and its questions. */
static void wildcards_stand_for_what_does_not_exist_below_the_closest_encloser(
    void **unused)
{
    static const struct row rows[] = {
        {"host3.org", DNS_MX,
         "NOERROR aa\nAN host3.org. 60 IN MX 10 host1.org.\n" SERVED
         "AR host1.org. 60 IN A 192.0.2.1\n"},
        {"host3.org", DNS_A, "NOERROR aa\n" SOA},
        {"foo.bar.org", DNS_TXT,
         "NOERROR aa\nAN foo.bar.org. 60 IN TXT \"this is a wildcard\"\n" SERVED},
        {"host1.org", DNS_MX, "NOERROR aa\n" SOA},
        {"sub.*.org", DNS_MX, "NOERROR aa\n" SOA},
        {"_telnet._tcp.host1.org", DNS_SRV, "NXDOMAIN aa\n" SOA},
        {"host.subdel.org", DNS_A,
         "NOERROR\nNS subdel.org. 60 IN NS ns.example.com.\n"},
        {"ghost.*.org", DNS_MX, "NXDOMAIN aa\n" SOA},
        {"*.org", DNS_TXT,
         "NOERROR aa\nAN *.org. 60 IN TXT \"this is a wildcard\"\n" SERVED},
    };
    EXPECT("* TXT \"this is a wildcard\"\n"
           "* MX 10 host1\n"
           "sub.* TXT \"this is not a wildcard\"\n"
           "host1 A 192.0.2.1\n"
           "_ssh._tcp.host1 SRV 0 0 22 host1\n"
           "subdel NS ns.example.com.\n",
           rows);
}

static void wildcard_may_be_an_empty_name_or_a_cname(void **unused)
{
    static const struct row rows[] = {
        {"x.a.org", DNS_A, "NOERROR aa\n" SOA},
        {"x.c.org", DNS_A,
         "NOERROR aa\nAN x.c.org. 60 IN CNAME www.org.\nAN www.org. 60 IN A "
         "192.0.2.1\n" SERVED},
        {"x.c.org", DNS_CNAME, "NOERROR aa\nAN x.c.org. 60 IN CNAME www.org.\n" SERVED},
        {"c.org", DNS_A, "NOERROR aa\n" SOA},
    };
    EXPECT("y.*.a A 192.0.2.9\n*.c CNAME www\nwww A 192.0.2.1\n", rows);
}

static void cnames_are_followed_inside_the_zone(void **unused)
{
    static const struct row rows[] = {
        {"a.org", DNS_A,
         "NOERROR aa\nAN a.org. 60 IN CNAME b.org.\nAN b.org. 60 IN CNAME WWW.org.\n"
         "AN www.org. 60 IN A 192.0.2.1\n" SERVED},
        {"a.org", DNS_CNAME, "NOERROR aa\nAN a.org. 60 IN CNAME b.org.\n" SERVED},
        {"b.org", DNS_TXT, "NOERROR aa\nAN b.org. 60 IN CNAME WWW.org.\n" SOA},
        {"b.org", DNS_ANY, "NOERROR aa\nAN b.org. 60 IN CNAME WWW.org.\n" SERVED},
        {"out.org", DNS_A, "NOERROR aa\nAN out.org. 60 IN CNAME www.net.\n" SERVED},
        {"nx.org", DNS_A, "NXDOMAIN aa\nAN nx.org. 60 IN CNAME nowhere.org.\n" SOA},
        {"cut.org", DNS_A,
         "NOERROR aa\nAN cut.org. 60 IN CNAME x.sub.org.\nNS sub.org. 60 IN NS "
         "ns.net.\n"},
        {"apex.org", DNS_NS,
         "NOERROR aa\nAN apex.org. 60 IN CNAME org.\nAN org. 60 IN NS ns1.org.\n"
         "AN org. 60 IN NS ns.example.net.\nAR ns1.org. 60 IN A 192.0.2.53\n"},
    };
    EXPECT("a CNAME b\nb CNAME WWW\nwww A 192.0.2.1\nout CNAME www.net.\n"
           "nx CNAME nowhere\ncut CNAME x.sub\nsub NS ns.net.\napex CNAME @\n",
           rows);
}

static void circles_of_cnames_end(void **unused)
{
    static const struct row rows[] = {
        {"a.org", DNS_A,
         "NOERROR aa\nAN a.org. 60 IN CNAME b.org.\nAN b.org. 60 IN CNAME a.org.\n" SERVED},
        {"self.org", DNS_A, "NOERROR aa\nAN self.org. 60 IN CNAME self.org.\n" SERVED},
        {"x.w.org", DNS_A,
         "NOERROR aa\nAN x.w.org. 60 IN CNAME y.w.org.\n"
         "AN y.w.org. 60 IN CNAME y.w.org.\n" SERVED},
    };
    EXPECT("a CNAME b\nb CNAME a\nself CNAME self\n*.w CNAME y.w\n", rows);
}

/* Seventeen names: the sixteenth record is the last. */
static void chains_are_followed_so_far(void **unused)
{
    struct rig r;
    char text[1024];
    size_t len = 0;
    for (int i = 0; i < 20; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "c%d CNAME c%d\n", i,
                                i + 1);
    load(&r, text);
    const char *answer = asked(&r, "c0.org", DNS_A);
    assert_non_null(strstr(answer, "AN c15.org. 60 IN CNAME c16.org.\n"));
    assert_null(strstr(answer, "AN c16.org."));
    arena_release(&r.arena);
    build_release();
}

static void names_below_a_cut_are_referred_with_glue(void **unused)
{
#define CUT                                                                            \
    "NS sub.org. 60 IN NS ns.sub.org.\nNS sub.org. 60 IN NS ns1.org.\n"                \
    "NS sub.org. 60 IN NS ns.net.\n"                                                   \
    "AR ns.sub.org. 60 IN A 192.0.2.9\nAR ns.sub.org. 60 IN AAAA 2001:db8::9\n"        \
    "AR ns1.org. 60 IN A 192.0.2.53\n"
    static const struct row rows[] = {
        {"sub.org", DNS_A, "NOERROR\n" CUT},
        {"sub.org", DNS_NS, "NOERROR\n" CUT},
        {"x.y.sub.org", DNS_A, "NOERROR\n" CUT},
        {"ns.sub.org", DNS_A, "NOERROR\n" CUT},
        {"x.deep.sub.org", DNS_A, "NOERROR\n" CUT}, /* the topmost cut decides */
        {"sub.org", DNS_DS, "NOERROR aa\nAN sub.org. 60 IN DS 1 8 2 ab\n" SERVED},
        {"x.sub.org", DNS_DS, "NOERROR\n" CUT},
    };
    EXPECT("sub NS ns.sub\nsub NS ns1\nsub NS ns.net.\nns.sub A 192.0.2.9\n"
           "ns.sub AAAA 2001:db8::9\ndeep.sub NS ns.net.\nsub DS 1 8 2 ab\n",
           rows);
}

/* RFC 6672 section 2.2 and 3.2. */
static void dname_makes_cnames_of_what_is_below_it(void **unused)
{
    static const struct row rows[] = {
        {"d.org", DNS_DNAME, "NOERROR aa\nAN d.org. 9 IN DNAME net.\n" SERVED},
        {"d.org", DNS_A, "NOERROR aa\n" SOA},
        {"x.y.d.org", DNS_A,
         "NOERROR aa\nAN d.org. 9 IN DNAME net.\n"
         "AN x.y.d.org. 9 IN CNAME x.y.net.\n" SERVED},
        {"hidden.d.org", DNS_TXT,
         "NOERROR aa\nAN d.org. 9 IN DNAME net.\n"
         "AN hidden.d.org. 9 IN CNAME hidden.net.\n" SERVED},
        {"www.e.org", DNS_A,
         "NOERROR aa\nAN e.org. 60 IN DNAME f.org.\n"
         "AN www.e.org. 60 IN CNAME www.f.org.\nAN www.f.org. 60 IN A 192.0.2.1\n" SERVED},
        {"www.e.org", DNS_CNAME,
         "NOERROR aa\nAN e.org. 60 IN DNAME f.org.\n"
         "AN www.e.org. 60 IN CNAME www.f.org.\n" SERVED},
        {"nx.e.org", DNS_A,
         "NXDOMAIN aa\nAN e.org. 60 IN DNAME f.org.\n"
         "AN nx.e.org. 60 IN CNAME nx.f.org.\n" SOA},
        {"x.loop.org", DNS_A,
         "NOERROR aa\nAN loop.org. 60 IN DNAME loop.org.\n"
         "AN x.loop.org. 60 IN CNAME x.loop.org.\n" SERVED},
    };
    EXPECT("d 9 DNAME net.\nhidden.d TXT x\ne DNAME f\nwww.f A 192.0.2.1\n"
           "loop DNAME loop\n",
           rows);
}

#define A60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* RFC 6672 section 2.2: YXDOMAIN. */
static void dname_that_makes_a_name_too_long_says_so(void **unused)
{
    struct rig r;
    load(&r, "d DNAME " A60 "." A60 "." A60 ".net.\n");
    const char *answer = asked(&r, A60 "." A60 ".d.org", DNS_A);
    assert_int_equal(strncmp(answer, "YXDOMAIN aa\nAN d.org. 60 IN DNAME", 33), 0);
    assert_non_null(strstr(answer, SOA));
    assert_null(strstr(answer, "CNAME"));
    arena_release(&r.arena);
    build_release();
}

static void hosts_named_in_an_answer_come_with_their_addresses_once(void **unused)
{
    static const struct row rows[] = {
        {"_x._tcp.org", DNS_SRV,
         "NOERROR aa\nAN _x._tcp.org. 60 IN SRV 1 0 1 www.org.\n"
         "AN _x._tcp.org. 60 IN SRV 2 0 2 WWW.org.\nAN _x._tcp.org. 60 IN SRV 3 0 3 "
         "alias.org.\nAN _x._tcp.org. 60 IN SRV 4 0 4 www.net.\n" SERVED
         "AR www.org. 60 IN A 192.0.2.1\nAR www.org. 60 IN AAAA 2001:db8::1\n"},
        {"org", DNS_MX,
         "NOERROR aa\nAN org. 60 IN MX 5 mail.sub.org.\n" SERVED
         "AR mail.sub.org. 60 IN A 192.0.2.2\n"},
    };
    EXPECT("_x._tcp SRV 1 0 1 www\n_x._tcp SRV 2 0 2 WWW\n_x._tcp SRV 3 0 3 alias\n"
           "_x._tcp SRV 4 0 4 www.net.\nwww A 192.0.2.1\nwww AAAA 2001:db8::1\n"
           "alias CNAME www\n@ MX 5 mail.sub\nsub NS ns.net.\nmail.sub A 192.0.2.2\n",
           rows);
}

static void of_a_cname_and_other_data_the_cname_wins(void **unused)
{
    static const struct row rows[] = {
        {"a.org", DNS_A,
         "NOERROR aa\nAN a.org. 60 IN CNAME www.org.\nAN www.org. 60 IN A "
         "192.0.2.1\n" SERVED},
        {"a.org", DNS_CNAME, "NOERROR aa\nAN a.org. 60 IN CNAME www.org.\n" SERVED},
    };
    EXPECT("a A 192.0.2.7\na CNAME www\na CNAME nowhere\nwww A 192.0.2.1\n", rows);
}

static void root_can_be_a_zone(void **unused)
{
    struct arena a, scratch;
    struct name root = {.len = 1};
    static const uint8_t address[] = {192, 0, 2, 1};
    arena_init(&a, NULL, 0);
    arena_init(&scratch, NULL, 0);
    struct zonedata *z = zonedata_new(&a, &scratch, &root);
    struct zone_record r = {.owner = build_name("a.test"),
                            .type = DNS_A,
                            .ttl = 1,
                            .rdata = {.at = address, .len = sizeof address}};
    assert_non_null(z);
    assert_int_equal(zonedata_add(z, &r), 0);
    assert_int_equal(zonedata_seal(z), 0);
    arena_release(&scratch);
    struct rig rig = {.arena = a, .zone = z};
    assert_string_equal(asked(&rig, "a.test", DNS_A),
                        "NOERROR aa\nAN a.test. 1 IN A 192.0.2.1\n");
    assert_string_equal(asked(&rig, "test", DNS_A), "NOERROR aa\n");
    assert_string_equal(asked(&rig, ".", DNS_NS), "NOERROR aa\n");
    assert_string_equal(asked(&rig, "b.test", DNS_A), "NXDOMAIN aa\n");
    arena_release(&rig.arena);
    build_release();
}

#define NSEC(owner, next) "NS " owner " 60 IN NSEC " next " A RRSIG NSEC \n"
#define SIG(covered)                                                                   \
    " RRSIG " covered " 8 1 60 20300101000000 20200101000000 1 org. AAAA\n"

/* The order of names is that of RFC 4034: Z.a stands behind a and before b. */
static void proofs_go_along_with_who_wants_them(void **unused)
{
    static const struct {
        const char *name, *proofs; /* in their order */
    } rows[] = {
        {"aa.org", NSEC("org.", "a.org.") NSEC("z.a.org.", "b.org.")},
        {"q.a.org", NSEC("a.org.", "z.a.org.")},
        {"q.z.a.org", NSEC("z.a.org.", "b.org.")},
        {"c.org", NSEC("org.", "a.org.") NSEC("b.org.", "org.")},
    };
    struct rig r;
    load(&r, "@ NSEC a A RRSIG NSEC\na A 192.0.2.1\na NSEC z.a A RRSIG NSEC\n"
             "z.a NSEC b A RRSIG NSEC\nb NSEC @ A RRSIG NSEC\na" SIG("A") "@" SIG(
                 "SOA") "a" SIG("MX"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = asked_for(&r, rows[i].name, DNS_A, true);
        const char *proofs = rows[i].proofs;
        for (const char *end; (end = strchr(proofs, '\n')) != NULL; proofs = end + 1) {
            char line[100];
            snprintf(line, sizeof line, "%.*s\n", (int)(end - proofs), proofs);
            assert_non_null(strstr(text, line));
        }
        assert_non_null(strstr(text, "RRSIG SOA "));
        assert_null(strstr(asked(&r, rows[i].name, DNS_A), "NSEC"));
    }
    assert_non_null(strstr(asked_for(&r, "a.org", DNS_A, true), "RRSIG A "));
    assert_null(strstr(asked_for(&r, "a.org", DNS_A, true), "RRSIG MX "));
    assert_null(strstr(asked(&r, "a.org", DNS_A), "RRSIG"));
    build_release();
    arena_release(&r.arena);
}

/* An MX record for each host, each with an address; from a primary, say. */
static struct zonedata *zone_of_hosts(struct arena *a, uint32_t n)
{
    struct name apex;
    assert_int_equal(hash_seed(), 0);
    assert_int_equal(rdata_start(), 0);
    assert_int_equal(name_parse(&apex, TEXT("org")), 0);
    struct zonedata *z = zonedata_new(a, a, &apex);
    for (uint32_t i = 0; i < n; i++) {
        struct name host;
        char text[32];
        uint8_t mx[2 + NAME_WIRE_MAX] = {0};
        snprintf(text, sizeof text, "h%u.org", i);
        assert_int_equal(name_parse(&host, text_of(text)), 0);
        memcpy(mx + 2, host.wire, host.len);
        struct zone_record records[] = {
            {.owner = apex.wire, .type = DNS_MX, .rdata = {mx, 2 + (size_t)host.len}},
            {.owner = host.wire, .type = DNS_A, .rdata = {mx, 4}}};
        assert_int_equal(zonedata_add(z, &records[0]), 0);
        assert_int_equal(zonedata_add(z, &records[1]), 0);
    }
    assert_int_equal(zonedata_seal(z), 0);
    return z;
}

/* The records of an answer with that many; -1: there is no answer. */
static int records_for_hosts(uint32_t n)
{
    struct arena a;
    struct name_key key;
    struct msg m = {.edited = true};
    arena_init(&a, NULL, 0);
    const struct zonedata *z = zone_of_hosts(&a, n);
    name_key_init(&key, zonedata_apex(z));
    struct zone_question question = {&key, DNS_MX, false};
    int rc = zonedata_answer(z, &question, &a, &m);
    int records = rc < 0 ? -1 : (int)m.rr_n;
    arena_release(&a);
    return records;
}

/* Each host is looked for among those that are there: of 300,000 that took minutes. */
static void no_set_is_too_large_to_be_asked_for(void **unused)
{
    assert_int_equal(records_for_hosts(ZONE_HOSTS_MAX), 2 * ZONE_HOSTS_MAX);
    assert_int_equal(records_for_hosts(ZONE_HOSTS_MAX + 1), ZONE_HOSTS_MAX + 1);
    assert_int_equal(records_for_hosts(WIRE_RR_MAX), WIRE_RR_MAX);
    assert_int_equal(records_for_hosts(WIRE_RR_MAX + 1), -1);
    assert_int_equal(records_for_hosts(300000), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_the_zones_servers_beside_it),
        cmocka_unit_test(no_data_and_no_name_carry_the_soa),
        cmocka_unit_test(
            wildcards_stand_for_what_does_not_exist_below_the_closest_encloser),
        cmocka_unit_test(wildcard_may_be_an_empty_name_or_a_cname),
        cmocka_unit_test(cnames_are_followed_inside_the_zone),
        cmocka_unit_test(circles_of_cnames_end),
        cmocka_unit_test(chains_are_followed_so_far),
        cmocka_unit_test(names_below_a_cut_are_referred_with_glue),
        cmocka_unit_test(dname_makes_cnames_of_what_is_below_it),
        cmocka_unit_test(dname_that_makes_a_name_too_long_says_so),
        cmocka_unit_test(hosts_named_in_an_answer_come_with_their_addresses_once),
        cmocka_unit_test(no_set_is_too_large_to_be_asked_for),
        cmocka_unit_test(of_a_cname_and_other_data_the_cname_wins),
        cmocka_unit_test(root_can_be_a_zone),
        cmocka_unit_test(proofs_go_along_with_who_wants_them),
    };
    return cmocka_run_group_tests_name("zonedata", tests, NULL, NULL);
}
