#include "resolver/plugins/etcd/etcd_own.h"

#include "base/limits.h"
#include "resolver/plan.h"
#include "resolver/wire.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct etcd *etcd_of(const struct world *w)
{
    const struct slot *first = &w->plan->blocks[0].chain[0];
    assert_ptr_equal(first->plugin, &plugin_etcd);
    return ((const struct etcd_plugin *)first->state)->list;
}

/* `n` keys below many.test, with one address or as many. */
static void load(struct world *w, uint32_t n, bool one)
{
    char key[60], value[60], why[SKYDNS_WHY_MAX];
    world_load(w, "test {\n etcd\n}\n");
    struct skydns_map *m = skydns_source_map(*etcd_of(w)->source);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "/skydns/test/many/%u", i);
        snprintf(value, sizeof value, "{\"host\": \"10.0.%u.%u\"}",
                 one ? 0 : i >> 8 & 255, one ? 0 : i & 255);
        struct text text = text_of(value);
        struct skydns *s = skydns_new(text_of(key), 8, &text, why);
        assert_non_null(s);
        assert_int_equal(skydns_map_put(m, s), 0);
    }
    assert_int_equal(skydns_map_publish(m), 0);
    feeds_refresh(&w->plan->feeds, w->now_us);
}

static uint64_t ask(struct world *w, const char *name, uint16_t type)
{
    return world_ask_as(w, &(struct world_question){
                               .name = name, .type = type, .transport = TRANSPORT_TCP});
}

static void question_that_costs_too_much_is_servfail(void **unused)
{
    struct world w;
    load(&w, ETCD_SCAN_MAX + 1, false);
    assert_int_equal(world_rcode(&w, ask(&w, "nothing.*.test", DNS_A)), DNS_SERVFAIL);
    assert_int_equal(world_rcode(&w, ask(&w, "many.test", DNS_TXT)), DNS_SERVFAIL);
    assert_int_equal(world_rcode(&w, ask(&w, "many.test", DNS_HTTPS)), DNS_NOERROR);
    assert_int_equal(world_rcode(&w, ask(&w, "7.many.test", DNS_A)), DNS_NOERROR);
    assert_int_equal(world_rcode(&w, ask(&w, "x.many.test", DNS_A)), DNS_NXDOMAIN);
    world_close(&w);
}

static void records_that_fit_no_message_are_told(void **unused)
{
    struct world w;
    load(&w, 2 * WIRE_RR_MAX, false);
    assert_int_equal(world_rcode(&w, ask(&w, "many.test", DNS_A)), DNS_SERVFAIL);
    uint64_t client = world_ask(&w, "many.test"); /* over UDP */
    assert_int_equal(world_flags(&w, client) & DNS_TC, DNS_TC);
    assert_int_equal(world_rcode(&w, ask(&w, "many.test", DNS_AAAA)), DNS_NOERROR);
    world_close(&w);
    load(&w, 2 * WIRE_RR_MAX, true);
    client = ask(&w, "many.test", DNS_A);
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    assert_int_equal(world_flags(&w, client) & DNS_TC, 0);
    world_close(&w);
}

int main(void)
{
    /* The long one first: with MODE=oom it ends soon. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(question_that_costs_too_much_is_servfail),
        cmocka_unit_test(records_that_fit_no_message_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
