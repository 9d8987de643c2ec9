/* Options of the question as the upstream sees them, and of the answer as the client.
 */
#include "resolver/plugins/rewrite/rewrite_edns0.h"

#include "base/cursor.h"
#include "tests/unit/build.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static int teardown(void **unused)
{
    build_release();
    return 0;
}

static const char *hex(struct span octets)
{
    char *out = build_keep(2 * octets.len + 1);
    for (size_t i = 0; i < octets.len; i++)
        snprintf(out + 2 * i, 3, "%02x", octets.at[i]);
    return out;
}

/* The options of a message in hex; "none" when it has no OPT. */
static const char *options_of(struct span packet)
{
    struct msg m;
    build_walk(&m, packet);
    return m.opt.present ? hex(m.opt.options) : "none";
}

struct row {
    const char *rules;
    const char *options; /* of the client, in hex; NULL: no EDNS */
    const char *sent;    /* to the upstream */
};

static const char *sent_by(const char *rules, const char *options)
{
    struct world w;
    char corefile[512];
    struct world_question q = {.name = "A.test", .edns = options != NULL};
    if (options != NULL && options[0] != '\0')
        q.options = build_bytes(options);
    snprintf(corefile, sizeof corefile, ". {\n%s\nforward . 10.0.0.1\n}\n", rules);
    world_load(&w, corefile);
    uint64_t client = world_ask_as(&w, &q);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    const char *sent = options_of((struct span){s->wire, s->len});
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    const struct fake_reply *reply = fake_io_reply(w.io, client);
    assert_string_equal(options_of((struct span){reply->wire, reply->len}),
                        options == NULL ? "none" : "");
    world_close(&w);
    return sent;
}

/* A label without a value leaves the question alone. */
static void a_metadata_label_may_be_the_value(void **unused)
{
    static const struct {
        const char *lines, *sent;
    } rows[] = {
        {"metadata", "ffee00027676"},
        {"", "none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "view vv {\n expr true\n}\n%s\n"
                 "rewrite edns0 local set 0xffee {view/name}",
                 rows[i].lines);
        assert_string_equal(sent_by(text, NULL), rows[i].sent);
    }
}

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *sent = sent_by(rows[i].rules, rows[i].options);
        if (strcmp(sent, rows[i].sent) != 0)
            fail_msg("%s: %s, not %s", rows[i].rules, sent, rows[i].sent);
    }
}

static void actions_do_what_they_say(void **unused)
{
    static const struct row rows[] = {
        {"rewrite edns0 local set 0xffee 0x6162", "", "ffee00026162"},
        {"rewrite edns0 local set 0xffee 0x6162", "ffee000100", "ffee00026162"},
        {"rewrite edns0 local set 0xffee ab", "000f0000ffee000100ffef0000",
         "000f0000ffee00026162ffef0000"},
        {"rewrite edns0 local append 0xffee 0x01", "ffee000100",
         "ffee000100ffee000101"},
        {"rewrite edns0 local replace 0xffee 0x01", "ffee000100", "ffee000101"},
        {"rewrite edns0 local replace 0xffee 0x01", "", ""},
        {"rewrite edns0 local unset 0xffee", "ffee000100ffef0000ffee0000", "ffef0000"},
        {"rewrite edns0 nsid set", "", "00030000"},
        {"rewrite edns0 nsid replace", "000300020102", "00030000"},
        {"rewrite edns0 nsid unset", "00030000", ""},
        {"rewrite edns0 subnet unset", "0008000400010000", ""},
        {"rewrite edns0 subnet append 24 56", "0008000400010000", "0008000400010000"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void values_are_taken_from_the_query(void **unused)
{
    static const struct row rows[] = {
        {"rewrite edns0 local set 1 {qname}", "",
         "00010007"
         "412e746573742e"},
        {"rewrite edns0 local set 1 {qtype}", "",
         "00010002"
         "0001"},
        {"rewrite edns0 local set 1 {client_ip}", "",
         "00010004"
         "c0000263"},
        {"rewrite edns0 local set 1 {client_port}", "",
         "00010002"
         "0400"},
        {"rewrite edns0 local set 1 {protocol}", "",
         "00010003"
         "756470"},
        {"rewrite edns0 local set 1 {server_port}", "",
         "00010002"
         "0035"},
        {"rewrite edns0 local set 1 {server_ip}", "", ""}, /* not known here */
        {"rewrite edns0 subnet set 24 56", "",
         "00080007"
         "00011800c00002"},
        {"rewrite edns0 subnet set 30 56", "",
         "00080008"
         "00011e00c0000260"},
        {"rewrite edns0 subnet set 0 0", "",
         "00080004"
         "00010000"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void a_client_without_edns_gets_none(void **unused)
{
    static const struct row rows[] = {
        {"rewrite edns0 local set 1 x", NULL, "0001000178"},
        {"rewrite edns0 local unset 1", NULL, ""},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void a_rule_that_does_nothing_stops_nothing(void **unused)
{
    static const struct row rows[] = {
        {"rewrite edns0 local replace 1 x\nrewrite edns0 local set 2 y", "",
         "0002000179"},
        {"rewrite edns0 local set 1 x\nrewrite edns0 local set 2 y", "", "0001000178"},
        {"rewrite continue edns0 local set 1 x\nrewrite edns0 local set 2 y", "",
         "00010001780002000179"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

/* What the client gets when the upstream answers with these options. */
static const char *answered(const char *rule, const char *asked, const char *answered)
{
    struct world w;
    char corefile[512];
    struct world_question q = {.name = "a.test", .edns = true};
    if (asked[0] != '\0')
        q.options = build_bytes(asked);
    snprintf(corefile, sizeof corefile, ". {\nrewrite %s\nforward . 10.0.0.1\n}\n",
             rule);
    world_load(&w, corefile);
    uint64_t client = world_ask_as(&w, &q);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, s,
                 &(struct world_answer){.address = "192.0.2.1",
                                        .options = build_bytes(answered)});
    const struct fake_reply *reply = fake_io_reply(w.io, client);
    const char *options = options_of((struct span){reply->wire, reply->len});
    world_close(&w);
    return options;
}

static void revert_undoes_the_change_in_the_answer(void **unused)
{
    static const char *const rows[][4] = {
        {"edns0 local set 0xffee 1 revert", "", "ffee000131ffef0000", "ffef0000"},
        {"edns0 local set 0xffee 1 revert", "ffee00020304", "ffee000131",
         "ffee00020304"},
        {"edns0 local replace 0xffee 1 revert", "ffee00020304", "ffee000131",
         "ffee00020304"},
        {"edns0 local set 0xffee 1", "", "ffee000131", "ffee000131"},
        {"edns0 local set 0xffee 1 revert", "", "ffef0000", "ffef0000"},
        {"edns0 nsid set revert", "", "0003000161", ""},
        {"edns0 subnet set 24 56 revert", "", "000800070001180000c000", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(answered(rows[i][0], rows[i][1], rows[i][2]), rows[i][3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_do_what_they_say),
        cmocka_unit_test(a_metadata_label_may_be_the_value),
        cmocka_unit_test(values_are_taken_from_the_query),
        cmocka_unit_test(a_client_without_edns_gets_none),
        cmocka_unit_test(a_rule_that_does_nothing_stops_nothing),
        cmocka_unit_test(revert_undoes_the_change_in_the_answer),
    };
    return cmocka_run_group_tests_name("rewrite_edns0", tests, NULL, teardown);
}
