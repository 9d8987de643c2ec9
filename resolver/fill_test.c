#include "resolver/fill.h"

#include "base/cursor.h"
#include "resolver/core.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* Without `metadata`. */
static const struct plan_block block;

/* One server, without `bind`, and one that is bound. */
static struct plan_server servers[] = {{.addr = {.port = 53}},
                                       {.addr = {.family = 4, .ip = {127, 0, 0, 1}}}};
static struct plan plan = {.servers = servers, .servers_n = 2};
static struct plan_hold hold = {.plan = &plan};

/* A query of 192.0.2.7 for www.test AAAA, answered after 37.99 ms. */
static void make_query(struct query *q, struct resolver *r)
{
    const uint8_t *name = build_name("www.test");
    *r = (struct resolver){.now_us = 5037990};
    *q = (struct query){.r = r, .hold = &hold, .start_us = 5000000};
    q->client =
        (struct client){.transport = TRANSPORT_UDP,
                        .peer = {.family = 4, .port = 4096, .ip = {192, 0, 2, 7}},
                        .server = 1,
                        .local = {.family = 4, .scope = 1, .ip = {127, 0, 0, 1}}};
    q->request = (struct request){.id = 29008,
                                  .flags = DNS_RD,
                                  .name = name,
                                  .lower = name,
                                  .name_len = (uint8_t)name_len(name),
                                  .type = DNS_AAAA,
                                  .class = DNS_IN};
    q->block = &block;
    query_take_room(q);
    q->response->msg.flags = DNS_AA | DNS_RA;
    q->response->msg.rcode = DNS_NXDOMAIN;
}

/* `change` may be NULL. */
static const char *filled(const char *format, void (*change)(struct query *q))
{
    static const size_t room = 2048;
    struct arena a;
    struct fill f;
    struct query *q = build_keep(sizeof *q);
    struct resolver *r = build_keep(sizeof *r);
    char *out = build_keep(room);
    arena_init(&a, NULL, 0);
    make_query(q, r);
    if (change != NULL)
        change(q);
    assert_int_equal(rdata_start(), 0);
    assert_int_equal(fill_parse(&f, &a, format), 0);
    size_t len = fill_run(&f, q, out, room - 1);
    assert_true(len < room);
    out[len] = '\0';
    arena_release(&a);
    return out;
}

struct row {
    const char *format, *text;
};

static void expect(const struct row *rows, size_t n, void (*change)(struct query *q))
{
    for (size_t i = 0; i < n; i++)
        assert_string_equal(filled(rows[i].format, change), rows[i].text);
    build_release();
}
#define EXPECT(rows, change) expect(rows, sizeof(rows) / sizeof *(rows), change)

static void each_placeholder_has_its_value(void **unused)
{
    static const struct row rows[] = {
        {"{type}", "AAAA"},
        {"{name}", "www.test."},
        {"{class}", "IN"},
        {"{proto}", "udp"},
        {"{size}", "26"},
        {"{remote}", "192.0.2.7"},
        {"{port}", "4096"},
        {"{local}", "127.0.0.1"},
        {"{rcode}", "NXDOMAIN"},
        {"{rsize}", "26"},
        {"{duration}", "0.037990000s"},
        {"{>id}", "29008"},
        {"{>opcode}", "0"},
        {"{>do}", "false"},
        {"{>bufsize}", "512"},
        {"{>rflags}", "qr,aa,rd,ra"},
        {"{/forward/upstream}", "-"},
    };
    EXPECT(rows, NULL);
}

static void common_is_coredns_default_line(void **unused)
{
    static const struct row rows[] = {
        {"{common}", "192.0.2.7:4096 - 29008 \"AAAA IN www.test. udp 26 false 512\" "
                     "NXDOMAIN qr,aa,rd,ra 26 0.037990000s"},
        {"{combined}", "192.0.2.7:4096 - 29008 \"AAAA IN www.test. udp 26 false 512\" "
                       "NXDOMAIN qr,aa,rd,ra 26 0.037990000s \"0\""},
        {"<{common}|{type}>",
         "<192.0.2.7:4096 - 29008 \"AAAA IN www.test. udp 26 false 512\" "
         "NXDOMAIN qr,aa,rd,ra 26 0.037990000s|AAAA>"},
    };
    EXPECT(rows, NULL);
}

static void other_braces_stay(void **unused)
{
    static const struct row rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"{nosuch} {type}", "{nosuch} AAAA"},
        {"{ {type} }", "{ AAAA }"},
        {"} {type} {", "} AAAA {"},
        {"{type}{class}", "AAAAIN"},
        {"{TYPE}", "{TYPE}"},
        {"{}", "{}"},
        {"{/}", "-"},
        {"{{type}}", "{AAAA}"},
    };
    EXPECT(rows, NULL);
}

static void with_edns(struct query *q)
{
    static const uint8_t options[] = {0, 10, 0, 2, 1, 2};
    q->request.opt = (struct opt){.present = true,
                                  .dnssec_ok = true,
                                  .udp_size = 4096,
                                  .options = {.at = options, .len = sizeof options}};
}

static void with_small_edns(struct query *q)
{
    with_edns(q);
    q->request.opt.udp_size = 100;
    q->request.opt.dnssec_ok = false;
}

static void edns_of_the_question_counts(void **unused)
{
    static const struct row rows[] = {
        {"{size} {>do} {>bufsize} {rsize}", "43 true 4096 26"}};
    static const struct row small[] = {
        {"{size} {>do} {>bufsize} {rsize}", "43 false 512 26"}};
    EXPECT(rows, with_edns);
    EXPECT(small, with_small_edns);
}

static void over_tcp_and_v6(struct query *q)
{
    struct addr v6 = {.family = 6, .port = 7, .ip = {0xfd, [15] = 1}};
    q->client.transport = TRANSPORT_TCP;
    q->client.peer = v6;
    q->client.local = v6;
}

static void v6_addresses_are_in_brackets(void **unused)
{
    static const struct row rows[] = {{"{remote}:{port} {local} {proto} {>bufsize}",
                                       "[fd00::1]:7 [fd00::1] tcp 65535"}};
    EXPECT(rows, over_tcp_and_v6);
}

static void unbound(struct query *q)
{
    q->client.server = 0;
}

static void local_is_what_the_listener_is_bound_to(void **unused)
{
    static const struct row rows[] = {{"{local}", "[::]"}};
    EXPECT(rows, unbound);
}

static void rewritten(struct query *q)
{
    static struct request_below below = {.name_len = 5,
                                         .type = DNS_A,
                                         .class = DNS_CH,
                                         .opt = {.present = true, .udp_size = 4096}};
    q->below = &below;
}

/* The name is the client's. */
static void a_rewritten_question_is_told_as_it_became(void **unused)
{
    static const struct row rows[] = {
        {"{type} {class} {name} {size} {>bufsize}", "A CH www.test. 32 4096"}};
    EXPECT(rows, rewritten);
}

static void with_opt(struct query *q)
{
    q->response->opt_len = 17;
}

static void opt_of_the_answer_counts(void **unused)
{
    static const struct row rows[] = {{"{rsize}", "43"}};
    EXPECT(rows, with_opt);
}

static void dropped(struct query *q)
{
    q->dropped = true;
}

static void what_was_dropped_has_no_answer(void **unused)
{
    static const struct row rows[] = {
        {"{name} {rcode} {>rflags} {rsize}", "www.test. - - 0"}};
    EXPECT(rows, dropped);
}

static void all_flags(struct query *q)
{
    q->response->msg.flags = DNS_AA | DNS_TC | DNS_RA | DNS_Z | DNS_AD | DNS_CD;
}

/* RD is the question's, whatever an upstream made of it. */
static void no_rd(struct query *q)
{
    q->request.flags = 0;
    q->response->msg.flags = DNS_RD;
}

static void flags_stand_in_the_order_of_the_header(void **unused)
{
    static const struct row all[] = {{"{>rflags}", "qr,aa,tc,rd,ra,z,ad,cd"}};
    static const struct row none[] = {{"{>rflags}", "qr"}};
    EXPECT(all, all_flags);
    EXPECT(none, no_rd);
}

static void what_does_not_fit_is_left_out(void **unused)
{
    struct arena a;
    struct fill f;
    struct query *q = build_keep(sizeof *q);
    struct resolver *r = build_keep(sizeof *r);
    char out[12] = "............";
    arena_init(&a, NULL, 0);
    make_query(q, r);
    assert_int_equal(fill_parse(&f, &a, "{name}{name}"), 0);
    assert_int_equal(fill_run(&f, q, out, 11), 11);
    assert_memory_equal(out, "www.test.ww.", 12);
    assert_int_equal(fill_run(&f, q, out, 0), 0);
    arena_release(&a);
    build_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_placeholder_has_its_value),
        cmocka_unit_test(common_is_coredns_default_line),
        cmocka_unit_test(other_braces_stay),
        cmocka_unit_test(edns_of_the_question_counts),
        cmocka_unit_test(v6_addresses_are_in_brackets),
        cmocka_unit_test(local_is_what_the_listener_is_bound_to),
        cmocka_unit_test(a_rewritten_question_is_told_as_it_became),
        cmocka_unit_test(opt_of_the_answer_counts),
        cmocka_unit_test(what_was_dropped_has_no_answer),
        cmocka_unit_test(flags_stand_in_the_order_of_the_header),
        cmocka_unit_test(what_does_not_fit_is_left_out),
    };
    return cmocka_run_group_tests_name("fill", tests, NULL, NULL);
}
