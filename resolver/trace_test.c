#include "resolver/trace.h"

#include "base/limits.h"
#include "resolver/plan.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct world w;
static struct trace *trace;

static void load(const char *corefile)
{
    world_load(&w, corefile);
    trace = trace_new();
    assert_non_null(trace);
}

static void unload(void)
{
    world_close(&w);
    trace_free(trace);
}

static uint64_t ask(const char *name)
{
    struct world_question q = {.name = name, .trace = trace};
    return world_ask_as(&w, &q);
}

/* "kind key=text key=12 [owner TYPE data]", one line a step; times are left out. */
static const char *told(void)
{
    static char text[16384];
    size_t n = 0;
    for (const struct trace_step *s = trace->first; s != NULL; s = s->next) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", s->kind);
        for (const struct trace_field *f = s->fields; f != NULL; f = f->next) {
            if (f->text != NULL)
                n += (size_t)snprintf(text + n, sizeof text - n, " %s=%s", f->key,
                                      f->text);
        }
        for (const struct trace_record *r = s->records; r != NULL && s->has_records;
             r = r->next)
            n += (size_t)snprintf(text + n, sizeof text - n, " [%s %s %s]", r->owner,
                                  r->type, r->data);
        n += (size_t)snprintf(text + n, sizeof text - n, "\n");
        assert_true(n < sizeof text);
    }
    return text;
}

/* All of them, in this order. */
static void expect(const char *const *words)
{
    const char *text = told(), *at = text;
    for (; *words != NULL; words++) {
        at = strstr(at, *words);
        if (at == NULL)
            fail_msg("'%s' is missing, or out of order, in:\n%s", *words, text);
    }
}

#define CLUSTER                                                                        \
    ". {\n cache 30\n cluster b.lan {\n  dns 10.0.0.1 10.0.0.2\n }\n forward . "       \
    "10.9.9.9\n}\n"

static void way_through_a_cluster(void **state)
{
    load(CLUSTER);
    uint64_t client = ask("app.web.b.lan");
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, s, &(struct world_answer){.address = "10.97.7.21"});
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    static const char *const words[] = {
        "block question=app.web.b.lan. zone=.",
        "plugin plugin=cache on=query verdict=pass\n",
        "cache says=miss\n",
        "plugin plugin=cluster on=query verdict=wait\n",
        "cluster cluster=b.lan zone=b.lan. domain=cluster.local. by=name",
        "asks question=app.web.cluster.local. type=A to=10.0.0.1:53 transport=udp "
        "of=b.lan\n",
        "answer question=app.web.cluster.local.",
        "rcode=NOERROR tc=no [app.web.cluster.local. A 10.97.7.21]\n",
        "plugin plugin=cluster on=wake verdict=done rcode=NOERROR "
        "[app.web.b.lan. A 10.97.7.21]\n",
        "cache says=stored 30 s\n",
        NULL};
    expect(words);
    unload();
}

static void second_question_is_a_hit(void **state)
{
    load(CLUSTER);
    world_ask(&w, "app.web.b.lan");
    world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP),
                 &(struct world_answer){.address = "10.97.7.21"});
    world_run(&w, 2000);
    ask("app.web.b.lan");
    static const char *const words[] = {"cache says=hit, 28 s left\n", NULL};
    expect(words);
    assert_null(strstr(told(), "asks"));
    unload();
}

static void silence_and_errors_are_told(void **state)
{
    load(CLUSTER);
    uint64_t client = ask("app.web.b.lan");
    world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_run(&w, 60);
    world_lose(&w, world_expect(&w, "10.0.0.2:53", TRANSPORT_UDP), ECONNREFUSED);
    world_run(&w, 3000);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    static const char *const words[] = {"to=10.0.0.1:53",
                                        "to=10.0.0.2:53",
                                        "failed question=app.web.cluster.local.",
                                        "error=connection refused",
                                        "silent question=",
                                        NULL};
    expect(words);
    unload();
}

static void changed_question_and_child_are_told(void **state)
{
    load(". {\n rewrite name old.lan www.b.lan\n cluster b.lan {\n  dns 10.0.0.1\n }\n "
         "forward . 10.9.9.9\n}\n");
    ask("old.lan");
    world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP),
                 &(struct world_answer){.address = "10.97.7.21"});
    static const char *const words[] = {
        "plugin plugin=rewrite on=query verdict=pass question=www.b.lan. type=A\n",
        "cluster cluster=b.lan", "plugin plugin=rewrite on=response verdict=pass",
        NULL};
    expect(words);
    unload();
}

static void nobody_serves_the_name(void **state)
{
    load("b.lan {\n whoami\n}\n");
    uint64_t client = ask("www.example.com");
    assert_int_equal(world_rcode(&w, client), DNS_REFUSED);
    static const char *const words[] = {"says=no server block for this name\n", NULL};
    expect(words);
    unload();
}

static void others_are_not_written_down(void **state)
{
    load(CLUSTER);
    ask("app.web.b.lan");
    world_ask(&w, "app.web.b.lan");
    world_ask(&w, "www.test");
    world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP),
                 &(struct world_answer){.address = "10.97.7.21"});
    assert_null(strstr(told(), "www.test"));
    uint32_t steps = trace->steps_n;
    world_run(&w, 5000); /* www.test is given up */
    assert_int_equal(trace->steps_n, steps);
    unload();
}

static void trace_has_an_end(void **state)
{
    load(CLUSTER);
    for (unsigned i = 0; i < TRACE_STEPS_MAX; i++) {
        ask("x.nosuch.b.lan.");
        if (trace->cut)
            break;
    }
    assert_true(trace->cut);
    assert_int_equal(trace->steps_n, TRACE_STEPS_MAX);
    unload();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(way_through_a_cluster),
        cmocka_unit_test(second_question_is_a_hit),
        cmocka_unit_test(silence_and_errors_are_told),
        cmocka_unit_test(changed_question_and_child_are_told),
        cmocka_unit_test(nobody_serves_the_name),
        cmocka_unit_test(others_are_not_written_down),
        cmocka_unit_test(trace_has_an_end),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
