#include "config/inventory_json.h"

#include "base/hash.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* What a text brought: records and who has left, the result, then errors. */
static char got[8192];
static uint64_t known_digest;

static void add(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *fmt, ...)
{
    size_t len = strlen(got);
    va_list args;
    va_start(args, fmt);
    vsnprintf(got + len, sizeof got - len, fmt, args);
    va_end(args);
}

static void add_name(const char *what, const uint8_t *name)
{
    char text[NAME_TEXT_MAX];
    if (name != NULL)
        name_print(name, text);
    if (name != NULL)
        add(" %s%s", what, text);
}

static int put(void *context, struct inventory_record *r, struct errors *errs)
{
    char text[ADDR_TEXT_MAX];
    add("%u %s", r->line, inventory_name(r));
    for (unsigned i = 0; i < r->zones_n; i++)
        add_name("", inventory_zone(r, i));
    add_name("domain=", inventory_domain(r));
    for (unsigned i = 0; i < r->services_n; i++)
        add(" s=%s", cidr_print(&inventory_services(r)[i], text));
    for (unsigned i = 0; i < r->pods_n; i++)
        add(" p=%s", cidr_print(&inventory_pods(r)[i], text));
    for (unsigned i = 0; i < r->dns_n; i++)
        add(" d=%s", addr_print(&inventory_dns(r)[i], text));
    if (r->index != 0 || r->port != 0)
        add(" %u:%u", r->index, r->port);
    add("\n");
    known_digest = r->digest;
    inventory_record_drop(r);
    return 0;
}

static bool known(void *context, uint64_t digest)
{
    return digest == *(uint64_t *)context;
}

static void gone(void *context, const char *name)
{
    add("gone %s\n", name);
}

static const char *read_text(struct text text)
{
    static const char *const results[] = {"", "part\n", "bad\n"};
    struct errors errs;
    struct inventory_sink sink = {.put = put, .gone = gone};
    errors_init(&errs);
    got[0] = '\0';
    enum inventory_result result = inventory_read_json("c.json", text, &sink, &errs);
    add("%s", results[result]);
    for (uint32_t i = 0; i < errs.n && i < ERRORS_MAX; i++)
        add("%s:%u: %s\n", errs.list[i].at.file, errs.list[i].at.line,
            errs.list[i].text);
    errors_release(&errs);
    return got;
}

struct reading {
    const char *text, *wanted;
};

static void expect(const struct reading *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_string_equal(read_text(text_of(list[i].text)), list[i].wanted);
}
#define EXPECT(list) expect(list, sizeof(list) / sizeof *(list))

static void one_cluster_or_a_list_is_read(void **unused)
{
    static const struct reading list[] = {
        {"{\"name\":\"c\",\"zone\":\"C.local\",\"services\":[\"10.102.0.0/19\"]}",
         "1 c c.local. s=10.102.0.0/19\n"},
        {"\n[\n {\"name\": \"a\", \"dns\": [\"10.0.0.1\", \"[::1]:54\"]},\n"
         " {\"name\": \"b\", \"zones\": [\"b.x\", \"b.y\"], \"domain\": \"corp.x\",\n"
         "  \"services\": [\"10.1.0.0/16\"], \"pods\": [\"10.2.0.0/16\"],\n"
         "  \"index\": 3, \"port\": 5353}\n]\n",
         "3 a d=10.0.0.1:0 d=[::1]:54\n"
         "4 b b.x. b.y. domain=corp.x. s=10.1.0.0/16 p=10.2.0.0/16 3:5353\n"},
        {"{\"$schema\": \"x\", \"clusters\": [{\"name\":\"a\",\"dns\":[\"::1\"]}]}",
         "1 a d=[::1]:0\n"},
        {"[]", ""},
        {"{\"clusters\": []}", ""},
    };
    EXPECT(list);
}

#define A "{\"name\":\"a\",\"dns\":[\"::1\"]}"

static void what_is_wrong_is_told_with_its_place(void **unused)
{
    static const struct reading list[] = {
        {"{\n\"name\": \"c\",\n\"services\": [\"10.0.0.0/8\",\n\"10.1.0.0/33\"]}",
         "part\nc.json:4: /services/1: \"10.1.0.0/33\": format: no subnet, expected "
         "ADDRESS/LENGTH, such as 10.97.0.0/16 or fd00:97::/112\n"},
        {"[" A ",\n{\"name\":\"b\",\"dns\":\"::1\"}]",
         "1 a d=[::1]:0\npart\n"
         "c.json:2: /1/dns: type: expected an array of strings\n"},
        {"{\"clusters\":[\n{\"name\":\"b\",\"nds\":[\"::1\"]}]}",
         "part\nc.json:2: /clusters/0/nds: additionalProperties: unknown key, expected "
         "name, zone, zones, domain, services, pods, dns, index or port\n"},
        {"{\"name\":\"b\",\"dns\":[\"::1\"],\"name\":\"c\"}",
         "part\nc.json:1: /name: the key stands twice\n"},
        {"{\"dns\":[\"::1\"]}", "part\nc.json:1: : required: name\n"},
        {"{\"name\":\"b\"}",
         "part\nc.json:1: : \"b\": anyOf: neither services nor dns, so that its DNS "
         "cannot be found: give its Service subnet or a DNS address\n"},
        {"{\"name\":\"b\",\"dns\":[\"::1\"],\"port\":0}",
         "part\nc.json:1: /port: minimum or maximum: expected an integer from 1 to "
         "65535\n"},
        {"{\"name\":\"b\",\"dns\":[\"::1\"],\"index\":1.5}",
         "part\nc.json:1: /index: minimum or maximum: expected an integer from 1 to "
         "4294967295\n"},
        {"[1," A "]", "1 a d=[::1]:0\npart\n"
                      "c.json:1: /0: type: expected an object, a cluster\n"},
        {"{\"clusters\":{}}",
         "bad\nc.json:1: /clusters: type: expected an array of clusters\n"},
        {"{\"clusters\":[],\"x\":1}",
         "bad\nc.json:1: additionalProperties: beside `clusters` only `$schema`\n"},
    };
    EXPECT(list);
}

static void a_text_that_is_no_json_brings_nothing_that_counts(void **unused)
{
    static const char *const texts[] = {"",
                                        " \n",
                                        "x",
                                        "\"x\"",
                                        "{",
                                        "[" A,
                                        "[" A "]x",
                                        "[" A ",]",
                                        "[,]",
                                        "{\"name\" 1}",
                                        "{]",
                                        "[{\"name\":tru}]",
                                        "{\"a\":[[[[[[[[[1]]]]]]]]]}",
                                        "[" A " " A "]",
                                        "{\"name\":\"b\",\"dns\":[\"::1\"]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *have = read_text(text_of(texts[i]));
        if (strstr(have, "bad\n") == NULL)
            fail_msg("%s: %s", texts[i], have);
    }
}

static void a_record_that_is_known_is_not_read_again(void **unused)
{
    struct errors errs;
    struct inventory_sink sink = {.context = &known_digest, .put = put, .known = known};
    errors_init(&errs);
    read_text(text_of(A));
    got[0] = '\0';
    assert_int_equal(
        inventory_read_json("c.json", text_of("[\n" A "\n]"), &sink, &errs),
        INVENTORY_WHOLE);
    assert_string_equal(got, "");
    errors_release(&errs);
}

static void a_record_has_its_limits(void **unused)
{
    char *text = malloc(INVENTORY_RECORD_MAX + 200);
    assert_non_null(text);
    memset(text, ' ', INVENTORY_RECORD_MAX + 200);
    memcpy(text, "{\"name\":\"b\",", 12);
    memcpy(text + INVENTORY_RECORD_MAX, "\"dns\":[\"::1\"]}", 15);
    struct text whole = {.at = text, .len = INVENTORY_RECORD_MAX + 14};
    assert_string_equal(read_text(whole),
                        "part\nc.json:1: : more than 64 KiB for one cluster\n");
    free(text);
    char many[2048] = "{\"name\":\"b\",\"dns\":[";
    for (int i = 0; i <= INVENTORY_LIST_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%s\"10.0.0.%d\"",
                 i == 0 ? "" : ",", i);
    snprintf(many + strlen(many), sizeof many - strlen(many), "]}");
    assert_non_null(strstr(read_text(text_of(many)), "maxItems"));
}

#define MEMBER(name, status, tags)                                                     \
    "{\"name\":\"" name "\",\"addr\":\"10.0.0.1:7946\",\"port\":7946,\"tags\":{" tags  \
    "},\"status\":\"" status "\",\"protocol\":{\"max\":5,\"min\":2,\"version\":4}}"

static void members_of_serf_are_taken_together(void **unused)
{
    static const struct reading list[] = {
        {"{\"members\":[" MEMBER(
             "n1", "alive",
             "\"cluster\":\"c\",\"dns\":\"10.1.0.10\",\"asn\":\"6\"") "]}",
         "1 c d=10.1.0.10:0\n"},
        {"{\"members\":[" MEMBER("n1", "failed", "\"cluster\":\"c\",\"dns\":\"10.1.0.1\"") ",\n" MEMBER(
             "n2", "alive",
             "\"cluster\":\"c\",\"dns\":\"10.1.0.2,10.1.0.3:54\",\"services\":\"10.1.0.0/16\"") ",\n" MEMBER("n3",
                                                                                                             "left",
                                                                                                             "\"cluster\":\"c\",\"dns\":\"10.1.0.9\"") "]}",
         "1 c s=10.1.0.0/16 d=10.1.0.2:0 d=10.1.0.3:54 d=10.1.0.1:0\n"},
        {"{\"members\":[" MEMBER("n1", "left", "\"cluster\":\"c\"") "]}", "gone c\n"},
        {"{\"members\":[" MEMBER("n1", "alive", "\"role\":\"web\"") "]}", ""},
        {"{\"members\":[\n" MEMBER("n1", "alive",
                                   "\"cluster\":\"c\",\"dns\":\"x\"") "]}",
         "part\nc.json:2: member n1, tag dns: format: no address, expected ADDRESS, "
         "ADDRESS:PORT or [V6]:PORT\n"},
        {"{\"members\":[" MEMBER("n1", "alive", "\"cluster\":\"c\"") "]}",
         "part\nc.json:1: member c: anyOf: neither services nor dns, so that its DNS "
         "cannot be found: give its Service subnet or a DNS address\n"},
        {"{\"members\":[{]}",
         "bad\nc.json:1: no JSON from here on, nested too deep, or "
         "the text ends too early\n"},
    };
    EXPECT(list);
}

static int set_up(void **unused)
{
    return hash_seed();
}

/* Each key and each value that is wrong was looked for from the beginning: a text of a
 * few megabytes took minutes, for which the end of the process waited. */
static void what_is_wrong_all_over_takes_no_longer(void **unused)
{
    enum { RECORDS = 100, KEYS = 5000, MOST = RECORDS * (KEYS * 12 + 16) };
    char *json = malloc(MOST);
    assert_non_null(json);
    for (unsigned list = 0; list < 2; list++) {
        size_t len = (size_t)snprintf(json, MOST, "[");
        for (unsigned i = 0; i < RECORDS; i++) {
            len += (size_t)snprintf(json + len, MOST - len, "%s{%s", i == 0 ? "" : ",",
                                    list ? "\"dns\":[" : "");
            for (unsigned k = 0; k < KEYS; k++)
                len += (size_t)snprintf(json + len, MOST - len,
                                        list ? "%s\"k%u\"" : "%s\"k%u\":1",
                                        k == 0 ? "" : ",", k);
            len += (size_t)snprintf(json + len, MOST - len, list ? "]}" : "}");
        }
        len += (size_t)snprintf(json + len, MOST - len, "]");
        read_text((struct text){json, len});
        assert_memory_equal(got, "part\n", 5);
    }
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_cluster_or_a_list_is_read),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(a_text_that_is_no_json_brings_nothing_that_counts),
        cmocka_unit_test(a_record_that_is_known_is_not_read_again),
        cmocka_unit_test(a_record_has_its_limits),
        cmocka_unit_test(what_is_wrong_all_over_takes_no_longer),
        cmocka_unit_test(members_of_serf_are_taken_together),
    };
    return cmocka_run_group_tests_name("inventory_json", tests, set_up, NULL);
}
