#include "resolver/edns.h"
#include "resolver/wire.h"
#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static int teardown(void **unused)
{
    build_release();
    return 0;
}

static const uint8_t asks[] = {0, EDNS_NSID, 0, 0};

/* The identifier in the reply, "-" without one. */
static const char *told(struct world *w, const char *answer, bool ask, char text[300])
{
    struct rr rr[8];
    struct msg m = {.rr = rr, .rr_cap = 8};
    struct edns_option o;
    struct world_question q = {.name = "a.test", .edns = true};
    if (ask)
        q.options = (struct span){.at = asks, .len = sizeof asks};
    uint64_t client = world_ask_as(w, &q);
    if (answer != NULL) {
        struct world_answer a = {.message = build_answer(answer)};
        world_answer(w, world_expect(w, "10.0.0.1:53", TRANSPORT_UDP), &a);
    }
    const struct fake_reply *reply = fake_io_reply(w->io, client);
    assert_int_equal(wire_walk((struct span){.at = reply->wire, .len = reply->len}, &m),
                     WIRE_OK);
    if (!edns_find(m.opt.options, EDNS_NSID, &o))
        return "-";
    snprintf(text, 300, "%.*s", (int)o.data.len, (const char *)o.data.at);
    return text;
}

#define ANSWER "! -ra\na.test A\na.test 5 A 192.0.2.1\n"

static void whoever_asks_is_told_and_nobody_else(void **unused)
{
    struct world w;
    char text[300];
    world_load(&w, ". {\n nsid my server  id\n forward . 10.0.0.1\n}\n");
    assert_string_equal(told(&w, ANSWER, true, text), "my server id");
    assert_string_equal(told(&w, ANSWER, false, text), "-");
    struct world_question plain = {.name = "a.test"};
    char reply[SHOW_MAX];
    assert_string_equal(show_through(&w, &plain, ANSWER, reply),
                        "NOERROR\nAN a.test. 5 IN A 192.0.2.1\n");
    world_close(&w);
}

static void without_a_text_it_is_the_hosts_name(void **unused)
{
    struct world w;
    char text[300], host[256] = "";
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    world_load(&w, ". {\n nsid\n whoami\n}\n");
    assert_string_equal(told(&w, NULL, true, text), host);
    world_close(&w);
}

static void an_upstreams_identifier_gives_way_to_ours(void **unused)
{
    static const uint8_t theirs[] = {0, EDNS_NSID, 0, 2, 'u', 'p'};
    struct world w;
    struct edns_option o;
    struct rr rr[8];
    struct msg m = {.rr = rr, .rr_cap = 8};
    world_load(&w, ". {\n nsid us\n forward . 10.0.0.1\n}\n");
    struct world_question q = {
        .name = "a.test", .edns = true, .options = {.at = asks, .len = sizeof asks}};
    uint64_t client = world_ask_as(&w, &q);
    struct world_answer a = {.options = {.at = theirs, .len = sizeof theirs}};
    world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP), &a);
    const struct fake_reply *reply = fake_io_reply(w.io, client);
    assert_int_equal(wire_walk((struct span){.at = reply->wire, .len = reply->len}, &m),
                     WIRE_OK);
    size_t at = 0, n = 0;
    while (edns_next(m.opt.options, &at, &o)) {
        n += o.code == EDNS_NSID;
        if (o.code == EDNS_NSID)
            assert_memory_equal(o.data.at, "us", 2);
    }
    assert_int_equal(n, 1);
    world_close(&w);
}

static void a_refusal_names_the_server_too(void **unused)
{
    struct world w;
    char text[300];
    world_load(&w, ". {\n nsid us\n acl {\n block\n }\n whoami\n}\n");
    assert_string_equal(told(&w, NULL, true, text), "us");
    world_close(&w);
}

static void a_text_too_long_for_an_option_is_refused(void **unused)
{
    char id[257], corefile[300], text[512];
    memset(id, 'x', 256);
    id[256] = '\0';
    snprintf(corefile, sizeof corefile, ". {\n nsid %s\n}\n", id);
    assert_false(world_loads(corefile, text, sizeof text));
    assert_non_null(strstr(text, "256 octets"));
    id[255] = '\0';
    snprintf(corefile, sizeof corefile, ". {\n nsid %s\n}\n", id);
    assert_true(world_loads(corefile, text, sizeof text));
}

static void it_stands_once_in_a_block(void **unused)
{
    char text[512];
    assert_false(world_loads(". {\n nsid a\n nsid b\n}\n", text, sizeof text));
    assert_non_null(strstr(text, "only be used once per Server Block"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(whoever_asks_is_told_and_nobody_else, teardown),
        cmocka_unit_test(without_a_text_it_is_the_hosts_name),
        cmocka_unit_test(an_upstreams_identifier_gives_way_to_ours),
        cmocka_unit_test(a_refusal_names_the_server_too),
        cmocka_unit_test(a_text_too_long_for_an_option_is_refused),
        cmocka_unit_test(it_stands_once_in_a_block),
    };
    return cmocka_run_group_tests_name("nsid", tests, NULL, NULL);
}
