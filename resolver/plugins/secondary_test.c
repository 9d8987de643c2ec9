#include "resolver/inbound.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/catalog.h"
#include "resolver/zonefile.h"
#include "tests/unit/build.h"
#include "tests/unit/capture.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define S UINT64_C(1000000)

#define COREFILE                                                                       \
    "test {\n secondary {\n transfer from 192.0.2.1 192.0.2.2:5300\n"                  \
    " fallthrough x.test\n }\n transfer {\n to * 192.0.2.3\n }\n whoami\n}\n"

/* A zone as a transfer makes it. */
static struct zone *zone_from(const char *name, const char *text)
{
    struct name apex;
    struct errors errs;
    errors_init(&errs);
    assert_int_equal(name_parse(&apex, text_of(name)), 0);
    struct zone *z = zone_new(&apex);
    struct source from = {.file = "text", .text = text_of(text)};
    z->data = zonefile_parse(&z->arena, from, &apex, NULL, &errs);
    assert_non_null(z->data);
    z->serial = zonedata_times(zonedata_soa(z->data)).serial;
    errors_release(&errs);
    return z;
}

static struct zone *make_zone(const char *serial)
{
    char text[200];
    snprintf(text, sizeof text,
             "$TTL 60\n@ SOA ns h %s 100 10 1000 5\nwww A 192.0.2.%s\n", serial,
             serial);
    return zone_from("test", text);
}

/* Whose www has the address. */
static struct zone *make_member(const char *name, const char *address)
{
    char text[200];
    snprintf(text, sizeof text, "$TTL 60\n@ SOA ns h 1 100 10 1000 5\nwww A %s\n",
             address);
    return zone_from(name, text);
}

static struct zone *make_catalog(const char *name, const char *records)
{
    char text[2000], why[CATALOG_WHY_MAX];
    snprintf(text, sizeof text,
             "$TTL 60\n@ SOA . . 1 100 10 1000 5\n@ NS invalid.\nversion TXT 2\n%s",
             records);
    struct zone *z = zone_from(name, text);
    z->catalog = catalog_read(z->data, &z->arena, why);
    assert_non_null(z->catalog);
    return z;
}

static struct inbound *inbound_of(const struct world *w, const char *name)
{
    struct inbound *found = NULL;
    for (struct inbound_use *use = w->plan->inbound; use != NULL;
         use = use->next_of_plan) {
        if (name_equal(use->zone->apex.wire, build_name(name)))
            found = use->zone;
    }
    build_release();
    return found;
}

/* As the receiver and the control thread go on with it. */
static void load(struct world *w, const char *name, struct zone *zone)
{
    inbound_loaded(inbound_of(w, name), zone, w->now_us, 0);
    feeds_refresh(&w->plan->feeds, w->now_us);
    feeds_reclaim(&w->plan->feeds);
}

/* The last number of its first primary; -1: there is no such zone. */
static int primary_of(const struct world *w, const char *name)
{
    const struct inbound *z = inbound_of(w, name);
    return z == NULL ? -1 : z->primaries[0].ip[3];
}

static const char *www(struct world *w, const char *name)
{
    static char text[SHOW_MAX];
    show_asked(w, name, DNS_A, text);
    *strrchr(text, '\n') = '\0';
    return strrchr(text, ' ') == NULL ? text : strrchr(text, ' ') + 1;
}

static void zone_is_served_once_it_is_there(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, COREFILE);
    struct inbound *z = w.plan->inbound->zone;
    assert_string_equal(www(&w, "www.test"), "SERVFAIL");
    assert_true(inbound_tick(z, w.now_us));
    inbound_begin(z);
    assert_false(inbound_tick(z, w.now_us));
    inbound_loaded(z, make_zone("1"), w.now_us, 0);
    assert_string_equal(www(&w, "www.test"), "192.0.2.1");
    assert_true(name_equal(w.plan->notifies->zone.wire, build_name("test")));
    assert_string_equal(www(&w, "nx.x.test"), "."); /* of whoami */
    assert_string_equal(www(&w, "nx.test"), "5");   /* of the SOA */
    inbound_loaded(z, make_zone("2"), w.now_us, 0);
    assert_string_equal(www(&w, "www.test"), "192.0.2.2");
    feeds_reclaim(&w.plan->feeds);
    capture_start(&c);
    assert_true(inbound_tick(z, w.now_us + 1000 * S));
    assert_non_null(strstr(capture_stop(&c), "zone test. is expired"));
    assert_string_equal(www(&w, "www.test"), "SERVFAIL");
    inbound_current(z, w.now_us, 0);
    assert_string_equal(www(&w, "www.test"), "192.0.2.2");
    build_release();
    world_close(&w);
}

static void times_are_those_of_the_soa(void **unused)
{
    struct world w;
    world_load(&w, COREFILE);
    struct inbound *z = w.plan->inbound->zone;
    uint64_t now = 50 * S;
    static const uint64_t first[] = {S / 4, S / 2, S,      2 * S,
                                     4 * S, 8 * S, 10 * S, 10 * S};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        inbound_begin(z);
        assert_int_equal(inbound_due_us(z), UINT64_MAX);
        inbound_failed(z, now, 0);
        assert_int_equal(inbound_due_us(z), now + first[i]);
    }
    inbound_loaded(z, make_zone("1"), now, 0);
    assert_int_equal(inbound_due_us(z), now + 100 * S); /* refresh */
    inbound_current(z, now, UINT32_MAX);
    assert_int_equal(inbound_due_us(z), now + 105 * S); /* 5 s later at most */
    inbound_failed(z, now, UINT32_MAX);
    assert_int_equal(inbound_due_us(z), now + 12 * S + S / 2); /* retry, a quarter */
    assert_int_equal(z->expire_us, now + 1000 * S);
    inbound_tell(w.plan->inbound);
    assert_int_equal(inbound_due_us(z), now + S); /* after a pause */
    assert_false(inbound_tick(z, now + S - 1));
    assert_true(inbound_tick(z, now + S));
    inbound_begin(z);
    inbound_current(z, now + 2 * S, 0);
    assert_int_equal(inbound_due_us(z), now + 102 * S); /* heard once */
    world_close(&w);
}

static uint64_t notify(struct world *w, const char *name, const char *peer)
{
    uint8_t wire[300];
    struct name n;
    struct client client = {.transport = TRANSPORT_UDP, .handle = ++w->client};
    struct wr wr = wr_init(wire, sizeof wire);
    assert_int_equal(addr_parse(&client.peer, text_of(peer), 1024), 0);
    assert_int_equal(name_parse(&n, text_of(name)), 0);
    wr_u32(&wr, 7 << 16 | DNS_NOTIFY << 11 | DNS_AA);
    wr_u32(&wr, 1 << 16);
    wr_u32(&wr, 0);
    wr_bytes(&wr, n.wire, n.len);
    wr_u32(&wr, DNS_SOA << 16 | DNS_IN);
    resolver_query(w->r, &client, wire, wr.at);
    return client.handle;
}

static void primaries_are_heard_others_are_not(void **unused)
{
    static const struct {
        const char *name, *peer;
        int rcode;
        bool told;
    } rows[] = {
        {"test", "192.0.2.9", DNS_REFUSED, false},
        {"x.test", "192.0.2.1", DNS_NOTAUTH, false},
        {"TEST", "192.0.2.1", DNS_NOERROR, true},
        {"test", "192.0.2.2", DNS_NOERROR, true},
        {"test", "[2001:db8::1]", DNS_REFUSED, true},
    };
    struct world w;
    struct capture c;
    world_load(&w, COREFILE);
    capture_start(&c);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t client = notify(&w, rows[i].name, rows[i].peer);
        assert_int_equal(world_rcode(&w, client), rows[i].rcode);
        assert_int_equal(DNS_OPCODE(load_u16(fake_io_reply(w.io, client)->wire + 2)),
                         DNS_NOTIFY);
        assert_int_equal(w.plan->inbound->zone->told, rows[i].told);
    }
    capture_stop(&c);
    world_close(&w);
}

static void notify_is_for_secondary_alone(void **unused)
{
    static const struct {
        const char *corefile;
        int rcode;
    } rows[] = {
        {"test {\n whoami\n}\n", DNS_NOTIMP},
        {"test {\n forward . 10.0.0.1\n}\n", DNS_NOTIMP},
        {"test {\n acl {\n block net 192.0.2.0/24\n }\n secondary {\n transfer from "
         "192.0.2.1\n }\n}\n",
         DNS_REFUSED},
        {"test {\n cache\n template ANY ANY {\n rcode NXDOMAIN\n }\n whoami\n secondary "
         "{\n transfer from 192.0.2.1\n }\n}\n",
         DNS_NOERROR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        struct capture c;
        world_load(&w, rows[i].corefile);
        capture_start(&c);
        assert_int_equal(world_rcode(&w, notify(&w, "test", "192.0.2.1")),
                         rows[i].rcode);
        capture_stop(&c);
        world_close(&w);
    }
}

static void next_plan_goes_on_with_the_zone(void **unused)
{
    struct world w;
    struct errors errs;
    struct plan_flags flags = {.dns_port = 53};
    errors_init(&errs);
    world_load(&w, COREFILE);
    inbound_loaded(w.plan->inbound->zone, make_zone("1"), w.now_us, 0);
    struct plan *next =
        plan_build(config_load_text("Corefile", text_of(COREFILE "x {\n whoami\n}\n"),
                                    plugin_vocabulary(), &errs),
                   w.registry, &flags, &errs);
    assert_non_null(next);
    assert_ptr_equal(next->inbound->zone, w.plan->inbound->zone);
    struct plan *old = w.plan;
    world_adopt(&w, next);
    assert_string_equal(www(&w, "www.test"), "192.0.2.1");
    inbound_loaded(next->inbound->zone, make_zone("2"), w.now_us, 0);
    plan_free(old);
    assert_string_equal(www(&w, "www.test"), "192.0.2.2");
    errors_release(&errs);
    world_close(&w);
}

#define CATALOG                                                                        \
    ". {\n secondary cat.test fixed.test {\n transfer from 192.0.2.1\n catalog\n }\n"  \
    " secondary other.test {\n transfer from 192.0.2.2\n catalog a.test b.test\n }\n"  \
    " transfer {\n to * 192.0.2.3\n }\n}\n"

static void members_come_and_go_with_their_catalog(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, CATALOG);
    capture_start(&c);
    load(&w, "cat.test",
         make_catalog("cat.test",
                      "m1.zones PTR A.test.\nm2.zones PTR sub.a.test.\n"
                      "m3.zones PTR fixed.test.\nm4.zones PTR cat.test.\n"));
    assert_non_null(inbound_of(&w, "a.test"));
    assert_int_equal(primary_of(&w, "a.test"), 1);
    assert_string_equal(www(&w, "www.a.test"), "SERVFAIL"); /* not here yet */
    load(&w, "a.test", make_member("a.test", "192.0.2.10"));
    load(&w, "sub.a.test", make_member("sub.a.test", "192.0.2.11"));
    assert_string_equal(www(&w, "www.a.test"), "192.0.2.10");
    assert_string_equal(www(&w, "www.sub.a.test"), "192.0.2.11");
    load(&w, "cat.test", make_catalog("cat.test", "m1.zones PTR a.test.\n"));
    assert_null(inbound_of(&w, "sub.a.test"));
    assert_string_equal(www(&w, "www.a.test"), "192.0.2.10"); /* the same */
    load(&w, "cat.test", make_catalog("cat.test", "new.zones PTR a.test.\n"));
    assert_string_equal(www(&w, "www.a.test"), "SERVFAIL"); /* begins anew */
    load(&w, "cat.test", make_catalog("cat.test", ""));
    assert_null(inbound_of(&w, "a.test"));
    assert_string_equal(www(&w, "www.a.test"), "REFUSED");
    const char *log = capture_stop(&c);
    assert_non_null(
        strstr(log, "Added catalog member zone sub.a.test. from catalog cat.test."));
    assert_non_null(strstr(log,
                           "Skipping catalog member zone fixed.test. from cat.test.: "
                           "zone already exists"));
    assert_non_null(
        strstr(log, "Skipping catalog member zone cat.test. from cat.test."));
    assert_non_null(strstr(log, "Parsed catalog zone cat.test. with 4 member zones"));
    assert_non_null(strstr(log, "Reset catalog member zone a.test. from cat.test."));
    assert_non_null(
        strstr(log, "Removed catalog member zone a.test. from catalog cat.test."));
    world_close(&w);
}

static void one_catalog_has_a_member_until_it_hands_it_over(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, CATALOG);
    capture_start(&c);
    load(&w, "cat.test",
         make_catalog("cat.test", "m.zones PTR a.test.\nn.zones PTR b.test.\n"));
    load(&w, "a.test", make_member("a.test", "192.0.2.10"));
    load(&w, "b.test", make_member("b.test", "192.0.2.11"));
    load(&w, "other.test",
         make_catalog("other.test", "m.zones PTR a.test.\no.zones PTR b.test.\n"
                                    "x.zones PTR not.accepted.\n"));
    assert_null(inbound_of(&w, "not.accepted"));
    assert_int_equal(primary_of(&w, "a.test"), 1);
    load(&w, "cat.test",
         make_catalog("cat.test",
                      "m.zones PTR a.test.\ncoo.m.zones PTR other.test.\n"
                      "n.zones PTR b.test.\ncoo.n.zones PTR other.test.\n"));
    assert_int_equal(primary_of(&w, "a.test"), 2);
    assert_string_equal(www(&w, "www.a.test"), "192.0.2.10"); /* the same label */
    assert_string_equal(www(&w, "www.b.test"), "SERVFAIL");   /* another */
    const struct inbound *handed = inbound_of(&w, "a.test");
    assert_true(handed != NULL && handed->anew);
    load(&w, "a.test", make_member("a.test", "192.0.2.20"));
    assert_string_equal(www(&w, "www.a.test"), "192.0.2.20");
    load(&w, "other.test",
         make_catalog("other.test", "")); /* then it is the first one's again */
    assert_int_equal(primary_of(&w, "a.test"), 1);
    const char *log = capture_stop(&c);
    assert_non_null(strstr(
        log,
        "Skipping catalog member zone a.test. from other.test.: zone already exists"));
    assert_non_null(strstr(
        log, "Skipped 1 member zones from catalog other.test.: outside configured"));
    assert_non_null(strstr(
        log,
        "Migrated catalog member zone a.test. from catalog cat.test. to other.test., preserving state"));
    assert_non_null(strstr(
        log,
        "Migrated catalog member zone b.test. from catalog cat.test. to other.test., with state reset"));
    world_close(&w);
}

#define STRANGER(accepts)                                                              \
    ". {\n secondary cat.test {\n transfer from 192.0.2.1\n catalog" accepts "\n }\n"  \
    " cluster b.test 10.97.0.0/16 {\n max_fails 0\n }\n whoami\n}\n"

/* The catalog names all that it should not have. */
static const char *load_stranger(struct world *w, const char *corefile)
{
    static char log[4000];
    struct capture c;
    world_load(w, corefile);
    capture_start(&c);
    load(w, "cat.test",
         make_catalog("cat.test", "m1.zones PTR .\nm2.zones PTR test.\n"
                                  "m3.zones PTR web.b.test.\nm4.zones PTR arpa.\n"));
    snprintf(log, sizeof log, "%s", capture_stop(&c));
    return log;
}

static void members_that_fail_are_asked_for_ever_more_rarely(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, CATALOG);
    capture_start(&c);
    load(&w, "cat.test", make_catalog("cat.test", "m.zones PTR a.test.\n"));
    capture_stop(&c);
    struct inbound *z = inbound_of(&w, "a.test");
    for (uint64_t after = S / 4; after < 3600 * S; after *= 2) {
        inbound_failed(z, w.now_us, 0);
        assert_int_equal(inbound_due_us(z), w.now_us + after);
    }
    for (int i = 0; i < 100; i++)
        inbound_failed(z, w.now_us, 0);
    assert_int_equal(inbound_due_us(z), w.now_us + 3600 * S);
    world_close(&w);
}

static void those_that_fail_wait_for_their_turn(void **unused)
{
    struct world w;
    uint64_t turn_us = 0;
    world_load(&w, COREFILE);
    struct inbound *z = w.plan->inbound->zone;
    inbound_failed(z, w.now_us, 0);
    inbound_queue(z, w.now_us, &turn_us);
    assert_int_equal(inbound_due_us(z), w.now_us + S / 4); /* alone there is none */
    for (int i = 1; i < 100 * INBOUND_RETRIES_PER_S; i++) {
        z->failures = 0; /* as another would */
        inbound_failed(z, w.now_us, 0);
        inbound_queue(z, w.now_us, &turn_us);
    }
    assert_int_equal(inbound_due_us(z), w.now_us + 100 * S);
    inbound_tell(w.plan->inbound);
    assert_int_equal(inbound_due_us(z), w.now_us + S); /* a NOTIFY passes them */
    inbound_failed(z, w.now_us + 200 * S, 0);
    z->told = false;
    inbound_queue(z, w.now_us + 200 * S, &turn_us);
    assert_true(inbound_due_us(z) < w.now_us + 201 * S); /* all had theirs */
    world_close(&w);
}

static void a_catalog_has_the_root_where_it_is_written(void **unused)
{
    struct world w;
    const char *log = load_stranger(&w, STRANGER(""));
    assert_non_null(strstr(log, "Skipping catalog member zone . from cat.test.: it "
                                "would take every name; write `catalog .`"));
    assert_null(strstr(log, "outside"));
    assert_null(inbound_of(&w, "."));
    assert_string_equal(www(&w, "www.example"), "."); /* of whoami */
    assert_string_equal(www(&w, "www.test"), "SERVFAIL");
    world_close(&w);
    log = load_stranger(&w, STRANGER(" ."));
    assert_null(strstr(log, "Skipping"));
    assert_string_equal(www(&w, "www.example"), "SERVFAIL");
    world_close(&w);
}

static void names_of_clusters_are_theirs(void **unused)
{
    static const struct {
        const char *corefile, *name;
        bool cluster;
    } rows[] = {
        {STRANGER(""), "b.test", true},
        {STRANGER(""), "x.web.b.test", true},
        {STRANGER(""), "1.0.97.10.in-addr.arpa", true},
        {STRANGER(""), "1.0.98.10.in-addr.arpa", false},
        {STRANGER(" ."), "x.web.b.test", true},
        {STRANGER(" ."), "1.0.97.10.in-addr.arpa", true},
        {STRANGER(" test"), "x.web.b.test", true},
        {STRANGER(" web.b.test"), "x.web.b.test", false},
        {STRANGER(" web.b.test"), "x.b.test", true},
        {STRANGER(" arpa"), "1.0.97.10.in-addr.arpa", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        load_stranger(&w, rows[i].corefile);
        uint64_t client = world_ask(&w, rows[i].name);
        if (rows[i].cluster)
            world_expect(&w, "10.97.0.10:53", TRANSPORT_UDP);
        else
            assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
        world_expect_silence(&w);
        world_close(&w);
    }
}

/* A question may still point to what the table of before has. */
static void a_member_ends_when_workers_have_passed(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, CATALOG);
    capture_start(&c);
    load(&w, "cat.test", make_catalog("cat.test", "m.zones PTR a.test.\n"));
    load(&w, "a.test", make_member("a.test", "192.0.2.10"));
    assert_true(feeds_refresh(&w.plan->feeds, w.now_us) == false);
    inbound_loaded(inbound_of(&w, "cat.test"), make_catalog("cat.test", ""), w.now_us,
                   0);
    feeds_reclaim(&w.plan->feeds); /* for what was replaced before */
    assert_non_null(inbound_of(&w, "a.test"));
    assert_string_equal(www(&w, "www.a.test"), "REFUSED");
    assert_true(feeds_refresh(&w.plan->feeds, w.now_us));
    assert_non_null(inbound_of(&w, "a.test"));
    feeds_reclaim(&w.plan->feeds);
    assert_null(inbound_of(&w, "a.test"));
    capture_stop(&c);
    world_close(&w);
}

static void members_are_those_of_the_next_plan_too(void **unused)
{
    struct world w;
    struct capture c;
    struct errors errs;
    struct plan_flags flags = {.dns_port = 53};
    errors_init(&errs);
    world_load(&w, CATALOG);
    capture_start(&c);
    load(&w, "cat.test", make_catalog("cat.test", "m.zones PTR a.test.\n"));
    load(&w, "a.test", make_member("a.test", "192.0.2.10"));
    struct plan *next = plan_build(
        config_load_text("Corefile", text_of(CATALOG), plugin_vocabulary(), &errs),
        w.registry, &flags, &errs);
    assert_non_null(next);
    struct plan *old = w.plan;
    world_adopt(&w, next);
    plan_free(old);
    assert_string_equal(www(&w, "www.a.test"), "192.0.2.10");
    load(&w, "cat.test", make_catalog("cat.test", ""));
    assert_string_equal(www(&w, "www.a.test"), "REFUSED");
    capture_stop(&c);
    errors_release(&errs);
    world_close(&w);
}

static void mistakes_are_told(void **unused)
{
    static const char *const cases[][2] = {
        {"secondary", "secondary zones require a transfer from property"},
        {"secondary {\n transfer\n }", "Wrong argument count"},
        {"secondary {\n transfer from\n }", "Wrong argument count"},
        {"secondary {\n transfer to 192.0.2.1\n }", "unknown property 'to'"},
        {"secondary {\n transfer from *\n }", "can't use '*' in transfer from"},
        {"secondary {\n transfer from x.org\n }", "'x.org' is no IP address"},
        {"secondary {\n transfer from ::1\n catalog a..b\n }",
         "invalid catalog member zone \"a..b\""},
        {"secondary {\n catalog\n }", "require a transfer from property"},
        {"secondary {\n transfer from ::1\n }\n secondary test {\n transfer from ::2\n }",
         "zone test. is here twice"},
        {"secondary {\n transver from ::1\n }", "did you mean 'transfer'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, "test {\n %s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, "plugin/secondary: "));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zone_is_served_once_it_is_there),
        cmocka_unit_test(times_are_those_of_the_soa),
        cmocka_unit_test(primaries_are_heard_others_are_not),
        cmocka_unit_test(notify_is_for_secondary_alone),
        cmocka_unit_test(next_plan_goes_on_with_the_zone),
        cmocka_unit_test(members_come_and_go_with_their_catalog),
        cmocka_unit_test(one_catalog_has_a_member_until_it_hands_it_over),
        cmocka_unit_test(members_that_fail_are_asked_for_ever_more_rarely),
        cmocka_unit_test(those_that_fail_wait_for_their_turn),
        cmocka_unit_test(a_catalog_has_the_root_where_it_is_written),
        cmocka_unit_test(names_of_clusters_are_theirs),
        cmocka_unit_test(a_member_ends_when_workers_have_passed),
        cmocka_unit_test(members_are_those_of_the_next_plan_too),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests_name("secondary", tests, NULL, NULL);
}
