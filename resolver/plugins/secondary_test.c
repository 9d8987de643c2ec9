#include "resolver/inbound.h"

#include "base/cursor.h"
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
static struct zone *make_zone(const char *serial)
{
    char text[200];
    struct name apex;
    struct errors errs;
    errors_init(&errs);
    assert_int_equal(name_parse(&apex, text_of("test")), 0);
    struct zone *z = zone_new(&apex);
    snprintf(text, sizeof text,
             "$TTL 60\n@ SOA ns h %s 100 10 1000 5\nwww A 192.0.2.%s\n", serial,
             serial);
    z->data = zonefile_parse(&z->arena,
                             (struct source){.file = "text", .text = text_of(text)},
                             &apex, &errs);
    assert_non_null(z->data);
    z->serial = zonedata_times(zonedata_soa(z->data)).serial;
    errors_release(&errs);
    return z;
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

static void mistakes_are_told(void **unused)
{
    static const char *const cases[][2] = {
        {"secondary", "secondary zones require a transfer from property"},
        {"secondary {\n transfer\n }", "Wrong argument count"},
        {"secondary {\n transfer from\n }", "Wrong argument count"},
        {"secondary {\n transfer to 192.0.2.1\n }", "unknown property 'to'"},
        {"secondary {\n transfer from *\n }", "can't use '*' in transfer from"},
        {"secondary {\n transfer from x.org\n }", "'x.org' is no IP address"},
        {"secondary {\n transfer from ::1\n catalog\n }", "'catalog' is not supported"},
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
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests_name("secondary", tests, NULL, NULL);
}
