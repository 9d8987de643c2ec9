#include "resolver/plugins/etcd/etcd_own.h"

#include "base/limits.h"
#include "resolver/plan.h"
#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define PASSWORD "hunter2"
#define COREFILE                                                                       \
    ". {\n etcd sky.test 2.0.192.in-addr.arpa {\n fallthrough fall.sky.test\n }\n"     \
    " forward . 10.0.0.1\n}\n"

static const struct etcd *etcd_of(const struct world *w)
{
    const struct plan_block *b = &w->plan->blocks[0];
    for (uint16_t i = 0; i < b->chain_n; i++) {
        if (b->chain[i].plugin == &plugin_etcd)
            return ((const struct etcd_plugin *)b->chain[i].state)->list;
    }
    fail_msg("no etcd in the block");
    return NULL;
}

static struct skydns_map *map_of(const struct world *w)
{
    return skydns_source_map(*etcd_of(w)->source);
}

/* `key` below /skydns/test/sky/. */
static void put(const struct world *w, const char *key, const char *value)
{
    char path[200], why[SKYDNS_WHY_MAX];
    struct text text = text_of(value);
    snprintf(path, sizeof path, "/skydns/test/sky/%s", key);
    struct skydns *s = skydns_new(text_of(path), sizeof "/skydns/" - 1, &text, why);
    assert_non_null(s);
    assert_int_equal(skydns_map_put(map_of(w), s), 0);
}

/* What the source's thread does, and then the control thread. */
static void publish(const struct world *w)
{
    assert_int_equal(skydns_map_publish(map_of(w)), 0);
    assert_true(feeds_refresh(&w->plan->feeds, w->now_us) ||
                feed_get(etcd_of(w)->feed) != NULL);
}

static void load(struct world *w, const char *const records[][2])
{
    world_load(w, COREFILE);
    for (; (*records)[0] != NULL; records++)
        put(w, (*records)[0], (*records)[1]);
    publish(w);
}

struct row {
    const char *name;
    uint16_t type;
    const char *reply; /* its beginning */
};

static void assert_rows(struct world *w, const struct row *rows, size_t n)
{
    char text[SHOW_MAX];
    for (size_t i = 0; i < n; i++) {
        show_asked(w, rows[i].name, rows[i].type, text);
        text[strlen(rows[i].reply)] = '\0';
        assert_string_equal(text, rows[i].reply);
    }
}
#define ASSERT_ROWS(w, rows) assert_rows(w, rows, sizeof(rows) / sizeof *(rows))

static void nothing_known_is_servfail(void **unused)
{
    struct world w;
    char text[100];
    world_load(&w, COREFILE);
    uint64_t client = world_ask_as(
        &w, &(struct world_question){.name = "web.sky.test", .edns = true});
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    assert_int_equal(world_ede(&w, client, text, sizeof text), EDE_NOT_READY);
    put(&w, "web", "{\"host\": \"192.0.2.1\"}");
    publish(&w);
    const struct row rows[] = {
        {"web.sky.test", DNS_A, "NOERROR aa\nAN web.sky.test. 300 IN A 192.0.2.1\n"}};
    ASSERT_ROWS(&w, rows);
    world_close(&w);
}

static void records_of_all_keys_below_a_name(void **unused)
{
    static const char *const records[][2] = {
        {"web/a", "{\"host\": \"192.0.2.1\", \"port\": 80, \"weight\": 3}"},
        {"web/b", "{\"host\": \"192.0.2.2\", \"port\": 81}"},
        {"web/six", "{\"host\": \"2001:db8::1\", \"port\": -1}"},
        {"text", "{\"text\": \"hello\", \"ttl\": 9}"},
        {"mail", "{\"host\": \"192.0.2.3\", \"mail\": true}"},
        {"dns/ns/a", "{\"host\": \"192.0.2.4\"}"},
        {"dns/apex/a", "{\"host\": \"192.0.2.5\"}"},
        {NULL, NULL}};
    static const struct row rows[] = {
        {"web.sky.test", DNS_A,
         "NOERROR aa\nAN web.sky.test. 300 IN A 192.0.2.1\n"
         "AN web.sky.test. 300 IN A 192.0.2.2\n"},
        {"a.web.sky.test", DNS_A,
         "NOERROR aa\nAN a.web.sky.test. 300 IN A 192.0.2.1\n"},
        {"web.sky.test", DNS_AAAA,
         "NOERROR aa\nAN web.sky.test. 300 IN AAAA 2001:db8::1"},
        {"web.sky.test", DNS_SRV,
         "NOERROR aa\nAN web.sky.test. 300 IN SRV 10 1 80 a.web.sky.test.\n"
         "AN web.sky.test. 300 IN SRV 10 49 81 b.web.sky.test.\n"
         "AR a.web.sky.test. 300 IN A 192.0.2.1\nAR b.web.sky.test. 300 IN A 192.0.2.2\n"},
        {"text.sky.test", DNS_TXT,
         "NOERROR aa\nAN text.sky.test. 9 IN TXT \"hello\"\n"},
        {"mail.sky.test", DNS_MX,
         "NOERROR aa\nAN mail.sky.test. 300 IN MX 10 mail.sky.test.\n"
         "AR mail.sky.test. 300 IN A 192.0.2.3\n"},
        {"sky.test", DNS_A, "NOERROR aa\nAN sky.test. 300 IN A 192.0.2.5\n"},
        {"sky.test", DNS_NS,
         "NOERROR aa\nAN sky.test. 300 IN NS a.ns.dns.sky.test.\n"
         "AR a.ns.dns.sky.test. 300 IN A 192.0.2.4\n"},
        {"sky.test", DNS_SOA,
         "NOERROR aa\nAN sky.test. 30 IN SOA ns.dns.sky.test. hostmaster.sky.test. "},
        {"sky.test", DNS_CNAME, "NOERROR aa\nNS sky.test. 30 IN SOA "},
        {"web.sky.test", DNS_TXT, "NOERROR aa\nNS sky.test. 30 IN SOA "},
        {"web.sky.test", DNS_SOA, "NOERROR aa\nNS sky.test. 30 IN SOA "},
        {"we.sky.test", DNS_A, "NXDOMAIN aa\nNS sky.test. 30 IN SOA "},
        {"x.web.sky.test", DNS_HTTPS, "NXDOMAIN aa\nNS sky.test. 30 IN SOA "},
        {"*.web.sky.test", DNS_A,
         "NOERROR aa\nAN *.web.sky.test. 300 IN A 192.0.2.1\n"
         "AN *.web.sky.test. 300 IN A 192.0.2.2\n"},
        {"six.any.sky.test", DNS_AAAA, "NOERROR aa\nAN six.any.sky.test. 300 IN AAAA"},
    };
    struct world w;
    load(&w, records);
    ASSERT_ROWS(&w, rows);
    world_close(&w);
}

static void groups_keep_what_belongs_together(void **unused)
{
    static const char *const records[][2] = {
        {"g/a", "{\"host\": \"192.0.2.1\", \"group\": \"g1\"}"},
        {"g/b", "{\"host\": \"192.0.2.2\"}"},
        {"g/c/d", "{\"host\": \"192.0.2.3\", \"group\": \"g2\"}"},
        {"h/a", "{\"host\": \"192.0.2.4\", \"group\": \"g1\"}"},
        {"h/b", "{\"host\": \"192.0.2.5\", \"group\": \"g2\"}"},
        {NULL, NULL}};
    static const struct row rows[] = {
        {"g.sky.test", DNS_A,
         "NOERROR aa\nAN g.sky.test. 300 IN A 192.0.2.1\n"
         "AN g.sky.test. 300 IN A 192.0.2.2\n"},
        {"h.sky.test", DNS_A,
         "NOERROR aa\nAN h.sky.test. 300 IN A 192.0.2.4\n"
         "AN h.sky.test. 300 IN A 192.0.2.5\n"},
    };
    struct world w;
    load(&w, records);
    ASSERT_ROWS(&w, rows);
    world_close(&w);
}

static void cname_is_followed_in_the_zone(void **unused)
{
    static const char *const records[][2] = {
        {"a", "{\"host\": \"b.Sky.test\", \"ttl\": 7}"},
        {"b", "{\"host\": \"c.sky.test\"}"},
        {"c", "{\"host\": \"192.0.2.1\"}"},
        {"loop1", "{\"host\": \"loop2.sky.test\"}"},
        {"loop2", "{\"host\": \"loop1.sky.test\"}"},
        {"lost", "{\"host\": \"nowhere.sky.test\"}"},
        {"two/1", "{\"host\": \"c.sky.test\"}"},
        {"two/2", "{\"host\": \"c.sky.test\"}"},
        {"srv", "{\"host\": \"a.sky.test\", \"port\": 5}"},
        {NULL, NULL}};
    static const struct row rows[] = {
        {"a.sky.test", DNS_A,
         "NOERROR aa\nAN a.sky.test. 7 IN CNAME b.Sky.test.\n"
         "AN b.Sky.test. 300 IN CNAME c.sky.test.\n"
         "AN c.sky.test. 300 IN A 192.0.2.1\n"},
        {"a.sky.test", DNS_AAAA, "NOERROR aa\nNS sky.test."},
        {"a.sky.test", DNS_CNAME,
         "NOERROR aa\nAN a.sky.test. 7 IN CNAME b.Sky.test.\n"},
        {"loop1.sky.test", DNS_A, "NOERROR aa\nNS sky.test."},
        {"lost.sky.test", DNS_A, "NOERROR aa\nNS sky.test."},
        {"two.sky.test", DNS_A,
         "NOERROR aa\nAN two.sky.test. 300 IN CNAME c.sky.test.\n"
         "AN c.sky.test. 300 IN A 192.0.2.1\n"},
        {"srv.sky.test", DNS_SRV,
         "NOERROR aa\nAN srv.sky.test. 300 IN SRV 10 100 5 a.sky.test.\n"
         "AR a.sky.test. 7 IN CNAME b.Sky.test.\n"
         "AR b.Sky.test. 300 IN CNAME c.sky.test.\nAR c.sky.test. 300 IN A 192.0.2.1\n"},
    };
    struct world w;
    load(&w, records);
    ASSERT_ROWS(&w, rows);
    world_close(&w);
}

static void answer_to(struct world *w, const char *address, uint16_t rcode)
{
    world_answer(w, world_expect(w, "10.0.0.1:53", TRANSPORT_UDP),
                 &(struct world_answer){.address = address, .rcode = rcode});
}

static void cname_that_leads_out_is_looked_up(void **unused)
{
    static const char *const records[][2] = {{"out/1", "{\"host\": \"www.test\"}"},
                                             {"out/2", "{\"host\": \"192.0.2.1\"}"},
                                             {"alone", "{\"host\": \"www.test\"}"},
                                             {NULL, NULL}};
    char text[SHOW_MAX];
    struct world w;
    load(&w, records);
    uint64_t client = world_ask(&w, "out.sky.test");
    answer_to(&w, "192.0.2.80", DNS_NOERROR);
    show_reply(&w, client, text);
    assert_non_null(strstr(text, "AN out.sky.test. 300 IN CNAME www.test.\n"
                                 "AN www.test. "));
    assert_non_null(
        strstr(text, "IN A 192.0.2.80\nAN out.sky.test. 300 IN A 192.0.2.1"));
    client = world_ask(&w, "out.sky.test");
    answer_to(&w, NULL, DNS_SERVFAIL); /* the other record is an answer */
    while (world_rcode(&w, client) < 0)
        answer_to(&w, NULL, DNS_SERVFAIL);
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    client = world_ask(&w, "alone.sky.test");
    while (world_rcode(&w, client) < 0)
        answer_to(&w, NULL, DNS_SERVFAIL);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    client = world_ask(&w, "alone.sky.test");
    answer_to(&w, NULL, DNS_NXDOMAIN);
    assert_string_equal(show_reply(&w, client, text),
                        "NOERROR aa\nAN alone.sky.test. 300 IN CNAME www.test.\n");
    world_close(&w);
}

static void records_of_two_look_ups_come_once(void **unused)
{
    static const char *const records[][2] = {{"p/1", "{\"host\": \"one.sky.test\"}"},
                                             {"p/2", "{\"host\": \"two.sky.test\"}"},
                                             {"one", "{\"host\": \"www.test\"}"},
                                             {"two", "{\"host\": \"WWW.test\"}"},
                                             {NULL, NULL}};
    char text[SHOW_MAX];
    struct world w;
    load(&w, records);
    uint64_t client = world_ask(&w, "p.sky.test");
    while (world_rcode(&w, client) < 0)
        answer_to(&w, "192.0.2.80", DNS_NOERROR);
    show_reply(&w, client, text);
    const char *first = strstr(text, "IN A 192.0.2.80\n");
    if (first == NULL || strstr(first + 1, "IN A ") != NULL)
        fail_msg("%s", text);
    assert_non_null(strstr(text, "AN two.sky.test. 300 IN CNAME WWW.test.\n"));
    world_close(&w);
}

static void answer_is_its_own_when_records_change_meanwhile(void **unused)
{
    static const char *const records[][2] = {{"out/1", "{\"host\": \"www.test\"}"},
                                             {"out/2", "{\"host\": \"192.0.2.1\"}"},
                                             {NULL, NULL}};
    char text[SHOW_MAX];
    struct world w;
    load(&w, records);
    uint64_t client = world_ask(&w, "out.sky.test");
    assert_int_equal(skydns_map_fill(map_of(&w), NULL, 0), 0);
    publish(&w);
    feeds_reclaim(&w.plan->feeds);
    skydns_map_reclaim(map_of(&w));
    answer_to(&w, "192.0.2.80", DNS_NOERROR);
    assert_non_null(strstr(show_reply(&w, client, text), "AN out.sky.test. 300 IN A"));
    assert_int_equal(world_rcode(&w, world_ask(&w, "out.sky.test")), DNS_NXDOMAIN);
    world_close(&w);
}

static void look_ups_of_one_question_are_few(void **unused)
{
    struct world w;
    char key[40], value[60];
    world_load(&w, COREFILE);
    for (unsigned i = 0; i < ETCD_LOOKUPS_MAX + 1; i++) {
        snprintf(key, sizeof key, "many/%03u", i);
        snprintf(value, sizeof value, "{\"host\": \"h%u.test\", \"port\": 1}", i);
        put(&w, key, value);
    }
    publish(&w);
    assert_int_equal(world_rcode(&w, world_ask(&w, "many.sky.test")), DNS_SERVFAIL);
    world_expect_silence(&w);
    uint64_t client = world_ask_as(
        &w, &(struct world_question){.name = "many.sky.test", .type = DNS_SRV});
    unsigned asked = 0;
    for (; world_rcode(&w, client) < 0; asked++)
        answer_to(&w, NULL, DNS_NXDOMAIN);
    assert_int_equal(asked, ETCD_LOOKUPS_MAX);
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    world_close(&w);
}

/* Ten names, each with ten CNAMEs to all names of the next ten, and so on. */
static void cnames_that_branch_come_to_an_end(void **unused)
{
    struct world w;
    char key[40], value[60];
    world_load(&w, COREFILE);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "l%u/n%u/c%u", i / 100, i / 10 % 10, i % 10);
        snprintf(value, sizeof value, "{\"host\": \"n%u.l%u.sky.test\"}", i % 10,
                 i / 100 + 1);
        put(&w, key, value);
    }
    publish(&w);
    uint64_t client = world_ask(&w, "n0.l0.sky.test");
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    world_close(&w);
}

static void names_that_do_not_exist_fall_through(void **unused)
{
    static const char *const records[][2] = {{"fall/a", "{\"host\": \"192.0.2.1\"}"},
                                             {NULL, NULL}};
    struct world w;
    load(&w, records);
    assert_int_equal(world_rcode(&w, world_ask(&w, "nx.sky.test")), DNS_NXDOMAIN);
    uint64_t client = world_ask(&w, "nx.fall.sky.test");
    answer_to(&w, "192.0.2.9", DNS_NOERROR);
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    client = world_ask(&w, "www.test"); /* another zone */
    answer_to(&w, "192.0.2.9", DNS_NOERROR);
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    const struct row rows[] = {{"fall.sky.test", DNS_TXT, "NOERROR aa\nNS sky.test."}};
    ASSERT_ROWS(&w, rows);
    world_close(&w);
}

static void value_that_is_none_hides_nothing(void **unused)
{
    static const char *const records[][2] = {{"web/a", "{\"host\": "},
                                             {"web/b", "{\"host\": \"192.0.2.1\"}"},
                                             {"bad/a", "[]"},
                                             {"ns", "{}"},
                                             {"dns/ns/a", "{\"host\": \"x.test\"}"},
                                             {NULL, NULL}};
    static const struct row rows[] = {
        {"web.sky.test", DNS_A, "NOERROR aa\nAN web.sky.test. 300 IN A 192.0.2.1\n"},
        {"bad.sky.test", DNS_A, "SERVFAIL"},
        {"bad.sky.test", DNS_HTTPS, "NOERROR aa\nNS"},
        {"ns.sky.test", DNS_A, "NOERROR aa\nNS"},
        {"sky.test", DNS_NS, "SERVFAIL"},
    };
    struct world w;
    load(&w, records);
    ASSERT_ROWS(&w, rows);
    world_close(&w);
}

static void value_that_is_none_takes_no_type_away(void **unused)
{
    static const char *const records[][2] = {
        {"web/a", "{\"host\": \"192.0.2.1\", \"port\": 80}"},
        {"web/b", "not json"},
        {"text/a", "{\"text\": \"x\"}"},
        {"text/b", "not json"},
        {"none/a", "{}"},
        {"none/b", "not json"},
        {"alias", "{\"host\": \"bad.sky.test\"}"},
        {"bad", "not json"},
        {NULL, NULL}};
    static const struct row rows[] = {
        {"web.sky.test", DNS_A, "NOERROR aa\nAN"},
        {"web.sky.test", DNS_SRV, "NOERROR aa\nAN"},
        {"web.sky.test", DNS_AAAA, "NOERROR aa\nNS sky.test."},
        {"web.sky.test", DNS_TXT, "NOERROR aa\nNS sky.test."},
        {"web.sky.test", DNS_MX, "NOERROR aa\nNS sky.test."},
        {"text.sky.test", DNS_TXT, "NOERROR aa\nAN"},
        {"text.sky.test", DNS_A, "NOERROR aa\nNS sky.test."},
        {"b.web.sky.test", DNS_AAAA, "SERVFAIL"},
        {"none.sky.test", DNS_A, "SERVFAIL"},
        {"alias.sky.test", DNS_A, "SERVFAIL"},
    };
    struct world w;
    load(&w, records);
    ASSERT_ROWS(&w, rows);
    world_close(&w);
}

static void reverse_names_are_keys_too(void **unused)
{
    struct world w;
    char why[SKYDNS_WHY_MAX];
    struct text value = TEXT("{\"host\": \"web.sky.test\"}");
    world_load(&w, COREFILE);
    assert_int_equal(
        skydns_map_put(map_of(&w), skydns_new(TEXT("/skydns/arpa/in-addr/192/0/2/7"), 8,
                                              &value, why)),
        0);
    publish(&w);
    const struct row rows[] = {
        {"7.2.0.192.in-addr.arpa", DNS_PTR,
         "NOERROR aa\nAN 7.2.0.192.in-addr.arpa. 300 IN PTR web.sky.test.\n"},
        {"2.0.192.in-addr.arpa", DNS_PTR, "NOERROR aa\nNS 2.0.192.in-addr.arpa. 30"},
        {"8.2.0.192.in-addr.arpa", DNS_PTR, "NXDOMAIN aa\n"}};
    ASSERT_ROWS(&w, rows);
    world_close(&w);
}

static void lines_of_a_block_have_their_own_zones(void **unused)
{
    struct world w;
    world_load(&w, "sky.test b.sky.test {\n etcd sky.test\n etcd b.sky.test {\n"
                   " path /other\n }\n}\n");
    const struct etcd *e = etcd_of(&w);
    assert_string_equal(e->path, "/other");
    assert_string_equal(e->next->path, "/skydns");
    char why[SKYDNS_WHY_MAX];
    struct text value = TEXT("{\"host\": \"192.0.2.1\"}");
    assert_int_equal(skydns_map_put(map_of(&w), skydns_new(TEXT("/other/test/sky/b/x"),
                                                           7, &value, why)),
                     0);
    publish(&w);
    const struct row rows[] = {
        {"x.b.sky.test", DNS_A, "NOERROR aa\nAN x.b.sky.test. 300 IN A 192.0.2.1\n"},
        {"x.sky.test", DNS_A, "SERVFAIL"}};
    ASSERT_ROWS(&w, rows);
    world_close(&w);
}

static void a_reload_does_not_wait_where_pages_are_served(void **unused)
{
    static const struct outside outside = {.use = OUTSIDE_SERVE};
    struct plan_flags flags = {.dns_port = 53, .read_later = true, .outside = &outside};
    struct world w;
    struct errors errs;
    world_load(&w, COREFILE);
    errors_init(&errs);
    struct config *config =
        config_load_text("Corefile",
                         TEXT("test {\n etcd {\n endpoint http://127.0.0.1:1"
                              "\n }\n}\n"),
                         plugin_vocabulary(), &errs);
    struct plan *next = plan_build(config, w.registry, &flags, &errs);
    assert_non_null(next);
    assert_int_equal(next->feeds.reading_n, 1);
    plan_free(next);
    errors_release(&errs);
    world_close(&w);
}

static void endpoint_of_an_inventory_has_no_user_either(void **unused)
{
    char text[ERROR_TEXT_MAX];
    assert_false(world_loads(".:53 {\n inventory etcd:/a {\n  endpoint http://b:1 "
                             "http://root:" PASSWORD "@b:1\n }\n}\n",
                             text, sizeof text));
    assert_non_null(strstr(text, "use 'user'"));
    assert_null(strstr(text, PASSWORD));
    assert_false(world_loads(".:53 {\n inventory http://root:" PASSWORD
                             "@127.0.0.1:9/list\n}\n",
                             text, sizeof text));
    assert_non_null(strstr(text, "source: no user belongs into a URL"));
    assert_null(strstr(text, PASSWORD));
    assert_true(world_loads(".:53 {\n inventory http://127.0.0.1:9/list@2\n}\n", text,
                            sizeof text));
}

static void options_are_those_of_coredns(void **unused)
{
    static const struct {
        const char *line, *error; /* NULL: it loads */
    } rows[] = {
        {"etcd", NULL},
        {"etcd {\n stubzones\n debug\n upstream 1.2.3.4 5.6.7.8\n}", NULL},
        {"etcd a.test 10.0.0.0/8 {\n path skydns/\n endpoint localhost:300 "
         "https://b:1\n}",
         NULL},
        {"etcd {\n min-lease-ttl 60\n max-lease-ttl 1h30m\n}", NULL},
        {"etcd {\n min-lease-ttl 0\n}", NULL},
        {"etcd {\n credentials user password\n}", NULL},
        {"etcd {\n tls\n}", NULL},
        {"etcd {\n path\n}", "Wrong argument count"},
        {"etcd {\n path /a/../b\n}", "'..' is no part"},
        {"etcd {\n endpoint\n}", "Wrong argument count"},
        {"etcd {\n endpoint unix:///run/etcd\n}", "expected http://HOST:PORT"},
        {"etcd {\n endpoint http://b:1 http://root:" PASSWORD "@127.0.0.1:9\n}",
         "endpoint: no user belongs into a URL, which logs and pages show: use "
         "'credentials'"},
        {"etcd {\n endpoint root:" PASSWORD "@b:1\n}", "use 'credentials'"},
        {"etcd {\n endpoint x://root:" PASSWORD "@b:1\n}", "use 'credentials'"},
        {"etcd {\n credentials\n}", "Wrong argument count"},
        {"etcd {\n credentials user\n}", "requires 2 arguments"},
        {"etcd {\n tls a b c d\n}", "maximum of three arguments"},
        {"etcd {\n tls /nowhere/ca.pem\n}", "/nowhere/ca.pem"},
        {"etcd {\n min-lease-ttl\n}", "Wrong argument count"},
        {"etcd {\n min-lease-ttl soon\n}", "soon"},
        {"etcd {\n max-lease-ttl -1s\n}", "expected 0 to"},
        {"etcd {\n max-lease-ttl 4294967296\n}", "4294967296"},
        {"etcd {\n stubzones yes\n}", "Wrong argument count"},
        {"etcd {\n endpoints x\n}", "endpoint"},
    };
    char corefile[300], text[ERROR_TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(corefile, sizeof corefile, ".:53 {\n %s\n}\n", rows[i].line);
        bool loads = world_loads(corefile, text, sizeof text);
        if (loads != (rows[i].error == NULL) ||
            (!loads && strstr(text, rows[i].error) == NULL))
            fail_msg("%s: %s", rows[i].line, loads ? "loads" : text);
        if (!loads && strstr(text, PASSWORD) != NULL)
            fail_msg("%s: %s: not to be shown", rows[i].line, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_known_is_servfail),
        cmocka_unit_test(records_of_all_keys_below_a_name),
        cmocka_unit_test(groups_keep_what_belongs_together),
        cmocka_unit_test(cname_is_followed_in_the_zone),
        cmocka_unit_test(cname_that_leads_out_is_looked_up),
        cmocka_unit_test(records_of_two_look_ups_come_once),
        cmocka_unit_test(answer_is_its_own_when_records_change_meanwhile),
        cmocka_unit_test(look_ups_of_one_question_are_few),
        cmocka_unit_test(cnames_that_branch_come_to_an_end),
        cmocka_unit_test(names_that_do_not_exist_fall_through),
        cmocka_unit_test(value_that_is_none_hides_nothing),
        cmocka_unit_test(value_that_is_none_takes_no_type_away),
        cmocka_unit_test(reverse_names_are_keys_too),
        cmocka_unit_test(lines_of_a_block_have_their_own_zones),
        cmocka_unit_test(a_reload_does_not_wait_where_pages_are_served),
        cmocka_unit_test(endpoint_of_an_inventory_has_no_user_either),
        cmocka_unit_test(options_are_those_of_coredns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
