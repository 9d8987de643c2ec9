#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void client_is_told_its_address_and_port(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    world_load(&w, ". {\n whoami\n}\n");
    assert_string_equal(show_reply(&w, world_ask(&w, "www.test"), text),
                        "NOERROR aa\n"
                        "AR www.test. 0 IN A 192.0.2.99\n"
                        "AR _udp.www.test. 0 IN SRV 0 0 1024 .\n");
    assert_string_equal(show_asked(&w, "www.test", DNS_TXT, text),
                        "NOERROR aa\n"
                        "AR www.test. 0 IN A 192.0.2.99\n"
                        "AR _tcp.www.test. 0 IN SRV 0 0 1024 .\n");
    assert_string_equal(show_asked(&w, ".", DNS_NS, text),
                        "NOERROR aa\n"
                        "AR . 0 IN A 192.0.2.99\n"
                        "AR _tcp. 0 IN SRV 0 0 1024 .\n");
    world_close(&w);
}

static void v6_client_gets_aaaa(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    struct client client = {
        .transport = TRANSPORT_UDP,
        .handle = 5,
        .peer = {.family = 6, .port = 9, .ip = {0x20, 1, 0xd, 0xb8, [15] = 1}}};
    world_load(&w, ". {\n whoami\n}\n");
    struct span query = build_query("www.test AAAA");
    resolver_query(w.r, &client, query.at, query.len);
    assert_string_equal(show_reply(&w, 5, text),
                        "NOERROR aa\n"
                        "AR www.test. 0 IN AAAA 2001:db8::1\n"
                        "AR _udp.www.test. 0 IN SRV 0 0 9 .\n");
    build_release();
    world_close(&w);
}

static void name_without_room_for_a_label_has_no_srv(void **unused)
{
    struct world w;
    char text[SHOW_MAX], name[300], expected[400];
    memset(name, 'a', 251);
    name[251] = '\0';
    for (int i = 63; i < 251; i += 64)
        name[i] = '.';
    snprintf(expected, sizeof expected, "NOERROR aa\nAR %s. 0 IN A 192.0.2.99\n", name);
    world_load(&w, ". {\n whoami\n}\n");
    assert_string_equal(show_asked(&w, name, DNS_A, text), expected);
    world_close(&w);
}

static void arguments_are_refused(void **unused)
{
    char text[256];
    assert_false(world_loads(". {\n whoami now\n}\n", text, sizeof text));
    assert_non_null(strstr(text, "plugin/whoami: Wrong argument count"));
    assert_false(world_loads(". {\n whoami\n whoami now\n}\n", text, sizeof text));
    assert_true(world_loads(". {\n whoami\n whoami\n}\n", text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_is_told_its_address_and_port),
        cmocka_unit_test(v6_client_gets_aaaa),
        cmocka_unit_test(name_without_room_for_a_label_has_no_srv),
        cmocka_unit_test(arguments_are_refused),
    };
    return cmocka_run_group_tests_name("whoami", tests, NULL, NULL);
}
