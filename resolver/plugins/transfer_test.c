#include "resolver/transfer.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/wire.h"
#include "tests/unit/build.h"
#include "tests/unit/capture.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* A zone file of the test's own; % in a Corefile is its path. */
struct rig {
    struct world w;
    char path[32];
};

static void begin(struct rig *r, unsigned hosts, const char *corefile)
{
    char text[1024];
    struct capture c;
    const char *mark = strchr(corefile, '%');
    snprintf(r->path, sizeof r->path, "/tmp/transfer-XXXXXX");
    int fd = mkstemp(r->path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    fputs("$TTL 60\n@ SOA ns h 5 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n", out);
    for (unsigned i = 0; i < hosts; i++)
        fprintf(out, "host-%u A 10.%u.%u.1\n", i, i >> 8, i & 255);
    assert_int_equal(fclose(out), 0);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - corefile), corefile, r->path,
             mark + 1);
    capture_start(&c);
    world_load(&r->w, text);
    capture_stop(&c);
}

static void end(struct rig *r)
{
    world_close(&r->w);
    unlink(r->path);
}

#define OPEN "test {\n file %\n transfer {\n to *\n }\n}\n"

/* Asks on a stream, or by UDP; `serial` below 0: without an SOA. */
static uint64_t ask(struct rig *r, const char *name, uint16_t type, int64_t serial,
                    enum transport t)
{
    uint8_t wire[512];
    struct name n;
    struct client client = {.transport = (uint8_t)t,
                            .handle = ++r->w.client,
                            .peer = {.family = 4, .port = 1024, .ip = {192, 0, 2, 99}}};
    struct wr wr = wr_init(wire, sizeof wire);
    assert_int_equal(name_parse(&n, text_of(name)), 0);
    wr_u32(&wr, 7 << 16);
    wr_u32(&wr, 1 << 16);
    wr_u32(&wr, serial < 0 ? 0 : 1 << 16);
    wr_bytes(&wr, n.wire, n.len);
    wr_u16(&wr, type);
    wr_u16(&wr, DNS_IN);
    if (serial >= 0) {
        wr_bytes(&wr, n.wire, n.len);
        wr_bytes(&wr, "\0\6\0\1\0\0\0\0\0\26\0\0", 12);
        wr_u32(&wr, (uint32_t)serial);
        wr_bytes(&wr, (uint8_t[16]){0}, 16);
    }
    resolver_query(r->w.r, &client, wire, wr.at);
    return client.handle;
}

static const char *shown(struct rig *r, uint64_t client)
{
    static char text[SHOW_MAX];
    return show_reply(&r->w, client, text);
}

#define WHOLE                                                                          \
    "NOERROR aa\nAN test. 60 IN SOA ns.test. h.test. 5 2 3 4 5\n"                      \
    "AN test. 60 IN NS ns.test.\nAN ns.test. 60 IN A 192.0.2.53\n"                     \
    "AN test. 60 IN SOA ns.test. h.test. 5 2 3 4 5\n"
#define ALONE "NOERROR aa\nAN test. 60 IN SOA ns.test. h.test. 5 2 3 4 5\n"

static void zone_goes_out_between_two_soas(void **unused)
{
    struct rig r;
    struct capture c;
    begin(&r, 0, OPEN);
    capture_start(&c);
    uint64_t client = ask(&r, "test", DNS_AXFR, -1, TRANSPORT_TCP);
    assert_string_equal(capture_stop(&c),
                        "[INFO] plugin/transfer: Outgoing transfer of 4 records of "
                        "zone \"test.\" to 192.0.2.99 for 5 SOA serial\n");
    assert_string_equal(shown(&r, client), WHOLE);
    end(&r);
}

static void ixfr_is_the_zone_or_its_soa(void **unused)
{
    static const struct {
        int64_t serial;
        enum transport transport;
        const char *reply;
    } rows[] = {
        {4, TRANSPORT_TCP, WHOLE},        {5, TRANSPORT_TCP, ALONE},
        {6, TRANSPORT_TCP, ALONE},        {4000000000, TRANSPORT_TCP, WHOLE},
        {4, TRANSPORT_UDP, ALONE},        {0, TRANSPORT_TCP, WHOLE},
        {-1, TRANSPORT_TCP, "FORMERR\n"},
    };
    struct rig r;
    begin(&r, 0, OPEN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(
            shown(&r, ask(&r, "test", DNS_IXFR, rows[i].serial, rows[i].transport)),
            rows[i].reply);
    end(&r);
}

/* Records of the replies to a client, and their number. */
static uint32_t count(struct rig *r, uint64_t client, unsigned *messages)
{
    uint32_t records = 0;
    *messages = 0;
    for (const struct fake_reply *p = r->w.io->replies; p != NULL; p = p->next) {
        struct msg m;
        if (p->client.handle != client || p->len == 0)
            continue;
        build_walk(&m, (struct span){.at = p->wire, .len = p->len});
        records += msg_count(&m, SECTION_ANSWER);
        ++*messages;
        build_release();
    }
    return records;
}

static void large_zone_goes_out_as_the_client_takes_it(void **unused)
{
    struct rig r;
    struct capture c;
    unsigned messages, before = 0;
    begin(&r, 10000, OPEN);
    capture_start(&c);
    uint64_t client = ask(&r, "test", DNS_AXFR, -1, TRANSPORT_TCP);
    assert_true(count(&r, client, &messages) < 4000);
    assert_int_equal(messages, 1);
    world_run(&r.w, 1000); /* nothing goes out by itself */
    while (resolver_in_flight(r.w.r) > 0) {
        assert_true(++before < 100);
        world_run(&r.w, 1000);
        resolver_writable(r.w.r, client + 1); /* another's */
        resolver_writable(r.w.r, client);
    }
    capture_stop(&c);
    assert_int_equal(count(&r, client, &messages), 10004);
    assert_int_equal(messages, before + 1);
    end(&r);
}

/* The first two bring the index of records to its size. */
static void a_large_zone_costs_the_memory_of_one_message(void **unused)
{
    struct rig r;
    struct capture c;
    size_t taken = 0;
    begin(&r, 10000, OPEN);
    capture_start(&c);
    uint64_t client = ask(&r, "test", DNS_AXFR, -1, TRANSPORT_TCP);
    for (unsigned parts = 1; resolver_in_flight(r.w.r) > 0; parts++) {
        size_t now = r.w.r->writers->arena.total;
        if (parts > 2)
            assert_int_equal(now, taken);
        taken = now;
        resolver_writable(r.w.r, client);
    }
    capture_stop(&c);
    end(&r);
}

/* Each time that the client takes something one message goes out, whoever's it is, and
 * nobody stalls meanwhile. */
static void replies_on_one_connection_take_turns(void **unused)
{
    struct rig r;
    struct capture c;
    unsigned messages, before = 3;
    bool others = true;
    begin(&r, 10000, OPEN);
    capture_start(&c);
    uint64_t client = ask(&r, "test", DNS_AXFR, -1, TRANSPORT_TCP);
    for (unsigned i = 1; i < before; i++) {
        r.w.client = client - 1;
        ask(&r, "test", DNS_AXFR, -1, TRANSPORT_TCP);
    }
    uint32_t records = count(&r, client, &messages);
    assert_int_equal(messages, before);
    while (resolver_in_flight(r.w.r) > 0) {
        world_run(&r.w, TRANSFER_STALL_MS / 2);
        assert_true(others);
        others = resolver_writable(r.w.r, client);
        records = count(&r, client, &messages);
        assert_int_equal(messages, ++before);
    }
    capture_stop(&c);
    assert_false(others);
    assert_int_equal(records, 3 * 10004);
    end(&r);
}

/* The zone that goes out is the one of the beginning, and lives as long. */
static void zone_that_is_replaced_goes_out_whole(void **unused)
{
    struct rig r;
    struct capture c;
    unsigned messages;
    begin(&r, 10000, "test {\n file % {\n reload 1s\n }\n transfer {\n to *\n }\n}\n");
    feeds_due_us(&r.w.plan->feeds, 1);
    uint64_t client = ask(&r, "test", DNS_AXFR, -1, TRANSPORT_TCP);
    FILE *out = fopen(r.path, "w");
    fputs("$TTL 60\n@ SOA ns h 6 2 3 4 5\n", out);
    fclose(out);
    capture_start(&c);
    assert_true(feeds_refresh(&r.w.plan->feeds, 2000000));
    feeds_reclaim(&r.w.plan->feeds);
    while (resolver_in_flight(r.w.r) > 0)
        resolver_writable(r.w.r, client);
    capture_stop(&c);
    assert_int_equal(count(&r, client, &messages), 10004);
    end(&r);
}

static void client_that_goes_or_stalls_ends_the_transfer(void **unused)
{
    struct rig r;
    begin(&r, 10000, OPEN);
    uint64_t client = ask(&r, "test", DNS_AXFR, -1, TRANSPORT_TCP);
    r.w.io->no_reply_space = true;
    resolver_writable(r.w.r, client);
    assert_int_equal(resolver_in_flight(r.w.r), 0);
    r.w.io->no_reply_space = false;
    ask(&r, "test", DNS_AXFR, -1, TRANSPORT_TCP);
    world_run(&r.w, TRANSFER_STALL_MS + 1);
    assert_int_equal(resolver_in_flight(r.w.r), 0);
    ask(&r, "test", DNS_AXFR, -1, TRANSPORT_TCP); /* ends with the resolver */
    end(&r);
}

static void others_get_nothing(void **unused)
{
    static const struct {
        const char *corefile, *name;
        enum transport transport;
        const char *reply;
    } rows[] = {
        {OPEN, "test", TRANSPORT_UDP, "REFUSED\n"},
        {OPEN, "www.test", TRANSPORT_TCP, "NOTAUTH\n"},
        {"test {\n file %\n transfer {\n to 192.0.2.1\n }\n}\n", "test", TRANSPORT_TCP,
         "REFUSED\n"},
        {"test {\n file %\n transfer {\n to 192.0.2.99:5300\n }\n}\n", "test",
         TRANSPORT_TCP, WHOLE},
        {". {\n file % test\n transfer test {\n to 192.0.2.1\n }\n transfer {\n to *\n "
         "}\n}\n",
         "test", TRANSPORT_TCP, "REFUSED\n"},
        {"test {\n file %\n}\n", "test", TRANSPORT_TCP, "REFUSED\n"},
        {"test {\n file %\n transfer x.test {\n to *\n }\n}\n", "test", TRANSPORT_TCP,
         "REFUSED\n"},
        {"test {\n file %\n file /nonexistent x.test\n transfer {\n to *\n }\n}\n",
         "x.test", TRANSPORT_TCP, "SERVFAIL\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        begin(&r, 0, rows[i].corefile);
        assert_string_equal(
            shown(&r, ask(&r, rows[i].name, DNS_AXFR, -1, rows[i].transport)),
            rows[i].reply);
        end(&r);
    }
}

static void secondaries_are_told_of_changes(void **unused)
{
    struct rig r;
    struct capture c;
    char text[ADDR_TEXT_MAX];
    begin(&r, 0,
          "test {\n file % {\n reload 1s\n }\n transfer {\n to * 192.0.2.1\n"
          " to [2001:db8::1]:5300\n source 192.0.2.53\n }\n}\n");
    struct plan *p = r.w.plan;
    const struct notify *n = p->notifies; /* of the start */
    assert_non_null(n);
    assert_string_equal(addr_print(&n->to, text), "192.0.2.1:53");
    assert_string_equal(addr_print_ip(&n->source, text), "192.0.2.53");
    assert_true(name_equal(n->zone.wire, build_name("test")));
    assert_string_equal(addr_print(&n->next->to, text), "[2001:db8::1]:5300");
    assert_null(n->next->next);
    notifies_free(p->notifies);
    p->notifies = NULL;
    feeds_due_us(&p->feeds, 1);
    FILE *out = fopen(r.path, "w");
    fputs("$TTL 60\n@ SOA ns h 6 2 3 4 5\n", out);
    fclose(out);
    capture_start(&c);
    feeds_refresh(&p->feeds, 2000000);
    capture_stop(&c);
    assert_non_null(p->notifies);
    build_release();
    end(&r);
}

static void mistakes_are_told(void **unused)
{
    static const char *const cases[][2] = {
        {"transfer", "'to' is required"},
        {"transfer {\n to\n }", "Wrong argument count"},
        {"transfer {\n to example.org\n }", "'example.org' is neither `*` nor an IP"},
        {"transfer {\n to *\n source x\n }", "invalid source address \"x\""},
        {"transfer {\n to *\n source ::1\n source ::2\n }", "source already specified"},
        {"transfer {\n too *\n }", "did you mean 'to'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, "test {\n %s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, "plugin/transfer: "));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zone_goes_out_between_two_soas),
        cmocka_unit_test(ixfr_is_the_zone_or_its_soa),
        cmocka_unit_test(large_zone_goes_out_as_the_client_takes_it),
        cmocka_unit_test(a_large_zone_costs_the_memory_of_one_message),
        cmocka_unit_test(replies_on_one_connection_take_turns),
        cmocka_unit_test(zone_that_is_replaced_goes_out_whole),
        cmocka_unit_test(client_that_goes_or_stalls_ends_the_transfer),
        cmocka_unit_test(others_get_nothing),
        cmocka_unit_test(secondaries_are_told_of_changes),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
