/* Children: which plan they belong to. */
#include "resolver/query.h"

#include "config/config.h"
#include "resolver/plan.h"
#include "tests/unit/build.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define CLUSTER ". {\n cluster b.local {\n dns 10.0.0.1\n }\n forward . 10.9.9.1\n}\n"
#define OTHER   ".:54 {\n forward . 10.9.9.2\n}\n"

/* The listeners of the new plan are counted anew: the same number is another one. */
static void a_child_enters_the_listener_of_its_parent_after_a_reload(void **unused)
{
    struct world w;
    world_open(&w);
    struct plan *before = world_plan(&w, CLUSTER OTHER),
                *after = world_plan(&w, OTHER CLUSTER);
    world_adopt(&w, before);
    world_ask(&w, "ext.b.local");
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_adopt(&w, after);
    struct span answer =
        build_answer("! aa\n"
                     "ext.cluster.local A\n"
                     "answer\n"
                     "ext.cluster.local 30 IN CNAME www.example.com\n");
    uint8_t *wire = build_keep(answer.len);
    memcpy(wire, answer.at, answer.len);
    memcpy(wire, s->wire, 2); /* the ID */
    resolver_datagram(w.r, s->conn, wire, answer.len);
    world_expect(&w, "10.9.9.1:53", TRANSPORT_UDP);
    resolver_free(w.r);
    w.r = NULL;
    plan_free(before);
    plan_free(after);
    world_close(&w);
    build_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_enters_the_listener_of_its_parent_after_a_reload),
    };
    return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
