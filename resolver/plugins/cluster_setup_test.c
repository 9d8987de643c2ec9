/* What clusters of several blocks share, and what not. */
#include "resolver/plugins/cluster_setup.h"

#include "tests/unit/build.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define BLOCK(port, dns)                                                               \
    ".:" port " {\n cluster b.local {\n dns " dns "\n max_concurrent 1\n }\n}\n"

static void one_zone_of_two_blocks_is_two_clusters_with_a_cap_each(void **unused)
{
    struct world w;
    struct client second = {.transport = TRANSPORT_UDP, .server = 1, .handle = 99};
    world_load(&w, BLOCK("53", "10.0.0.1") BLOCK("54", "10.0.0.2"));
    world_ask(&w, "x.b.local");
    world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    struct span question = build_query("x.b.local A");
    resolver_query(w.r, &second, question.at, question.len);
    world_expect(&w, "10.0.0.2:53", TRANSPORT_UDP);
    build_release();
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_zone_of_two_blocks_is_two_clusters_with_a_cap_each),
    };
    return cmocka_run_group_tests_name("cluster_setup", tests, NULL, NULL);
}
