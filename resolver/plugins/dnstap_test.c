#include "resolver/outside.h"
#include "resolver/plan.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define ERROR_ROOM 600

/* ---- a world with taps in it ---- */

static struct outside_tap opened; /* the last; texts are the plan's */
static unsigned opened_n, alive;
static char endpoint[128];

static void *fake_open(const struct outside_tap *how, char *reason)
{
    opened = *how;
    snprintf(endpoint, sizeof endpoint, "%s|%s|%s", how->path == NULL ? "" : how->path,
             how->host == NULL ? "" : how->host, how->port == NULL ? "" : how->port);
    if (how->path != NULL && strcmp(how->path, "/taken") == 0) {
        snprintf(reason, OUTSIDE_REASON_MAX, "Address already in use");
        return NULL;
    }
    opened_n++;
    alive++;
    return &opened;
}

static void fake_close(void *tap)
{
    alive--;
}

static void *fake_tls(const struct outside_tls *files, char *reason)
{
    return &alive;
}

static void fake_tls_free(void *tls)
{
}

static const struct outside outside = {.tap_open = fake_open,
                                       .tap_close = fake_close,
                                       .tls_new = fake_tls,
                                       .tls_free = fake_tls_free};

static struct plan *load(struct registry *reg, const char *line, char *text)
{
    struct errors errs;
    struct plan_flags flags = {.outside = &outside};
    char corefile[512];
    snprintf(corefile, sizeof corefile, ". {\n %s\n forward . 10.0.0.1\n}\n", line);
    errors_init(&errs);
    struct config *config =
        config_load_text("Corefile", text_of(corefile), plugin_vocabulary(), &errs);
    struct plan *plan = config == NULL ? NULL : plan_build(config, reg, &flags, &errs);
    text[0] = '\0';
    if (plan == NULL)
        snprintf(text, ERROR_ROOM, "%s", errs.list[0].text);
    errors_release(&errs);
    return plan;
}

/* ---- set-up ---- */

static void an_endpoint_is_a_path_or_a_host(void **unused)
{
    static const struct {
        const char *line, *endpoint;
        enum tap_kind kind;
        bool listen;
        uint32_t queue, buffer;
    } rows[] = {
        {"dnstap /tmp/d.sock", "/tmp/d.sock||", TAP_UNIX, false, 10000, 1 << 20},
        {"dnstap unix:///tmp/d.sock full", "/tmp/d.sock||", TAP_UNIX, false, 10000,
         1 << 20},
        {"dnstap tcp://10.0.0.9:6000 full 2 3", "|10.0.0.9|6000", TAP_TCP, false, 30000,
         2 << 20},
        {"dnstap tls://[2001:db8::1]:6000", "|2001:db8::1|6000", TAP_TLS, false, 10000,
         1 << 20},
        {"dnstap listen tcp://:6000", "||6000", TAP_TCP, true, 10000, 1 << 20},
        {"dnstap listen /tmp/l.sock full", "/tmp/l.sock||", TAP_UNIX, true, 10000,
         1 << 20},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct registry *reg = registry_new();
        char text[ERROR_ROOM];
        struct plan *plan = load(reg, rows[i].line, text);
        if (plan == NULL)
            fail_msg("%s: %s", rows[i].line, text);
        assert_string_equal(endpoint, rows[i].endpoint);
        assert_int_equal(opened.kind, rows[i].kind);
        assert_int_equal(opened.listen, rows[i].listen);
        assert_int_equal(opened.queue, rows[i].queue);
        assert_int_equal(opened.send_buffer, rows[i].buffer);
        plan_free(plan);
        assert_int_equal(alive, 0);
        registry_free(reg);
    }
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"dnstap", "Wrong argument count"},
        {"dnstap listen", "requires an endpoint argument"},
        {"dnstap tcp://10.0.0.9", "expected HOST:PORT"},
        {"dnstap tcp://10.0.0.9:dns", "expected HOST:PORT"},
        {"dnstap /s full 0", "'0'"},
        {"dnstap /s full 1025", "'1025'"},
        {"dnstap /s full 1 4097", "'4097'"},
        {"dnstap /s full 1 1 1", "Wrong argument count"},
        {"dnstap /s {\n identity\n}", "Wrong argument count"},
        {"dnstap /s {\n tls cert key\n}", "only valid for listeners"},
        {"dnstap listen tls://:6000 {\n tls cert\n}", "requires cert and key"},
        {"dnstap listen tls://:6000", "requires cert and key files"},
        {"dnstap listen tls://:6000 {\n tls /no/cert /no/key\n}", "/no/cert"},
        {"dnstap /s {\n skipverfy\n}", "skipverify"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct registry *reg = registry_new();
        char text[ERROR_ROOM];
        assert_null(load(reg, cases[i][0], text));
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
        assert_int_equal(alive, 0);
        registry_free(reg);
    }
}

static void a_reload_that_says_the_same_keeps_the_stream(void **unused)
{
    struct registry *reg = registry_new();
    char text[ERROR_ROOM];
    opened_n = 0;
    struct plan *old = load(reg, "dnstap /s full", text);
    struct plan *new = load(reg, "log\n dnstap /s full", text);
    assert_int_equal(opened_n, 1);
    plan_free(old);
    assert_int_equal(alive, 1);
    struct plan *other = load(reg, "dnstap /s full 1 2", text);
    assert_int_equal(opened_n, 2);
    plan_free(new);
    plan_free(other);
    assert_int_equal(alive, 0);
    registry_free(reg);
}

/* CoreDNS serves without it, too. */
static void a_stream_that_cannot_be_had_is_left_out(void **unused)
{
    struct registry *reg = registry_new();
    char text[ERROR_ROOM];
    struct plan *plan = load(reg, "dnstap listen /taken", text);
    assert_non_null(plan);
    assert_null(plan->blocks[0].taps);
    plan_free(plan);
    registry_free(reg);
}

/* ---- messages ---- */

static struct {
    unsigned n;
    size_t len[8];
    uint8_t octets[8][2048];
} tapped;

static uint64_t fake_wall(struct io *io)
{
    return UINT64_C(1700000000123456);
}

static void fake_tap(struct io *io, void *tap, const uint8_t *octets, size_t len)
{
    assert_ptr_equal(tap, &opened);
    assert_true(tapped.n < 8 && len <= sizeof *tapped.octets);
    memcpy(tapped.octets[tapped.n], octets, len);
    tapped.len[tapped.n++] = len;
}

static bool has(unsigned i, const void *part, size_t len)
{
    return memmem(tapped.octets[i], tapped.len[i], part, len) != NULL;
}

static void ask_one(const char *line)
{
    struct world w;
    char text[ERROR_ROOM];
    world_open(&w);
    w.io->io.wall_us = fake_wall;
    w.io->io.tap = fake_tap;
    tapped.n = 0;
    struct plan *plan = load(w.registry, line, text);
    assert_non_null(plan);
    world_adopt(&w, plan);
    uint64_t client = world_ask(&w, "www.test");
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    w.owned = true;
    world_close(&w);
}

static void a_question_makes_four_messages(void **unused)
{
    static const uint8_t name[] = "\3www\4test", upstream[] = {0x2a, 4, 10, 0, 0, 1};
    ask_one("dnstap /s full {\n identity me\n version v7\n extra x={type}\n }");
    assert_int_equal(tapped.n, 4);
    for (unsigned i = 0; i < 4; i++) {
        /* the order of kinds is 5, 7, 8, 6: field 1 of a message */
        static const uint8_t kinds[][2] = {{8, 5}, {8, 7}, {8, 8}, {8, 6}};
        assert_true(has(i, kinds[i], 2));
        assert_true(has(i, "\12\2me", 4) && has(i, "\22\2v7", 4));
        assert_true(has(i, "\32\3x=A", 5));
        assert_true(has(i, name, sizeof name));
        assert_int_equal(has(i, upstream, sizeof upstream), i == 1 || i == 2);
    }
}

static void without_full_the_messages_themselves_stay_here(void **unused)
{
    ask_one("dnstap /s");
    assert_int_equal(tapped.n, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_false(has(i, "\4test", 5));
}

static void every_line_gets_every_message(void **unused)
{
    ask_one("dnstap /s\n dnstap /t full");
    assert_int_equal(tapped.n, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_is_a_path_or_a_host),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
        cmocka_unit_test(a_reload_that_says_the_same_keeps_the_stream),
        cmocka_unit_test(a_stream_that_cannot_be_had_is_left_out),
        cmocka_unit_test(a_question_makes_four_messages),
        cmocka_unit_test(without_full_the_messages_themselves_stay_here),
        cmocka_unit_test(every_line_gets_every_message),
    };
    return cmocka_run_group_tests_name("dnstap", tests, NULL, NULL);
}
