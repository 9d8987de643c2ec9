#include "resolver/plugin.h"

#include "resolver/feed.h"
#include "resolver/rdata.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* Answers to be put in order, whatever is asked. */
#define SOURCE                                                                         \
    "template ANY A test {\n"                                                          \
    "answer \"w.test. 60 A 10.0.0.1\" \"w.test. 60 A 10.0.0.2\" "                      \
    "\"w.test. 60 A 10.1.0.3\" \"w.test. 60 TXT t\" \"w.test. 60 MX 1 m.\" "           \
    "\"{{ .Name }} 60 CNAME w.test.\"\n"                                               \
    "}\n"                                                                              \
    "template ANY MX test {\n"                                                         \
    "answer \"w.test. 60 MX 1 a.\" \"w.test. 60 MX 2 b.\" \"w.test. 60 MX 3 c.\"\n"    \
    "authority \"test. 60 NS ns.\"\n additional \"a. 60 A 10.0.0.1\" "                 \
    "\"a. 60 A 10.0.0.2\"\n"                                                           \
    "}\n"                                                                              \
    "template ANY TXT test {\n"                                                        \
    "rcode NXDOMAIN\n answer \"w.test. 60 A 10.0.0.1\" \"{{ .Name }} 60 CNAME w.\"\n"  \
    "}\n"

static void load(struct world *w, const char *line)
{
    char corefile[4096];
    snprintf(corefile, sizeof corefile, ". {\n%s\n%s}\n", line, SOURCE);
    world_load(w, corefile);
}

/* Positions of the words in a text, as far as they rise. */
static bool in_order(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        text = strstr(text, *words);
        if (text == NULL)
            return false;
        text += strlen(*words);
    }
    return true;
}

/* How often each of the words comes first among them, in `n` answers. */
static void count_first(struct world *w, uint16_t type, const char *const *words,
                        unsigned *counts, unsigned n)
{
    char text[SHOW_MAX];
    for (unsigned i = 0; i < n; i++) {
        const char *best = NULL;
        size_t first = 0;
        show_asked(w, "x.test", type, text);
        for (size_t k = 0; words[k] != NULL; k++) {
            const char *at = strstr(text, words[k]);
            assert_non_null(at);
            if (best == NULL || at < best) {
                best = at;
                first = k;
            }
        }
        counts[first]++;
    }
}

static const char *const addresses[] = {"A 10.0.0.1\n", "A 10.0.0.2\n", "A 10.1.0.3\n",
                                        NULL};

static void addresses_and_exchangers_are_shuffled_evenly(void **unused)
{
    static const char *const exchangers[] = {"MX 1 a.", "MX 2 b.", "MX 3 c.", NULL};
    unsigned counts[3] = {0}, others[3] = {0};
    struct world w;
    load(&w, "loadbalance");
    count_first(&w, DNS_A, addresses, counts, 3000);
    count_first(&w, DNS_MX, exchangers, others, 3000);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(counts[i], 900, 1100);
        assert_in_range(others[i], 900, 1100);
    }
    world_close(&w);
}

static void aliases_stand_first_then_others_addresses_exchangers(void **unused)
{
    static const char *const order[] = {"CNAME w.test.", "TXT",  "A 10.", "A 10.",
                                        "A 10.",         "MX 1", NULL};
    struct world w;
    char text[SHOW_MAX];
    load(&w, "loadbalance round_robin");
    for (int i = 0; i < 20; i++)
        assert_true(in_order(show_asked(&w, "x.test", DNS_A, text), order));
    world_close(&w);
}

static void the_additional_section_is_shuffled_too(void **unused)
{
    static const char *const words[] = {"AR a. 60 IN A 10.0.0.1",
                                        "AR a. 60 IN A 10.0.0.2", NULL};
    unsigned counts[2] = {0};
    struct world w;
    load(&w, "loadbalance");
    count_first(&w, DNS_MX, words, counts, 2000);
    assert_in_range(counts[0], 900, 1100);
    world_close(&w);
}

static void an_error_keeps_its_order(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    load(&w, "loadbalance");
    for (int i = 0; i < 10; i++)
        assert_string_equal(show_asked(&w, "x.test", DNS_TXT, text),
                            "NXDOMAIN aa\nAN w.test. 60 IN A 10.0.0.1\n"
                            "AN x.test. 60 IN CNAME w.\n");
    world_close(&w);
}

static void preferred_networks_come_first_in_the_order_of_the_list(void **unused)
{
    static const char *const order[] = {
        "CNAME w.test.", "A 10.1.0.3", "A 10.0.0.2", "A 10.0.0.1", "MX 1", "TXT", NULL};
    struct world w;
    char text[SHOW_MAX];
    load(&w, "loadbalance {\n prefer 10.1.0.0/16 10.0.0.2/32\n}");
    for (int i = 0; i < 20; i++)
        assert_true(in_order(show_asked(&w, "x.test", DNS_A, text), order));
    world_close(&w);
}

/* ---- weights ---- */

struct file {
    char path[32];
};

static void write_file(const struct file *f, const char *text)
{
    FILE *out = fopen(f->path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void make_file(struct file *f, const char *text)
{
    snprintf(f->path, sizeof f->path, "/tmp/weights-XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    close(fd);
    write_file(f, text);
}

static void load_weighted(struct world *w, const struct file *f, const char *options)
{
    char line[256];
    snprintf(line, sizeof line, "loadbalance weighted %s {\n%s\n}", f->path, options);
    load(w, line);
}

static void the_first_address_is_chosen_by_weight(void **unused)
{
    unsigned counts[3] = {0};
    struct file f;
    struct world w;
    make_file(&f, "# weights\nother.test\n10.0.0.1 200\nW.Test.\n"
                  "10.0.0.2\t6\n10.1.0.3 3\n");
    load_weighted(&w, &f, "");
    count_first(&w, DNS_A, addresses, counts, 10000);
    assert_in_range(counts[0], 850, 1150); /* not in the file: 1 of 10 */
    assert_in_range(counts[1], 5700, 6300);
    assert_in_range(counts[2], 2700, 3300);
    world_close(&w);
    unlink(f.path);
}

static void other_types_are_left_alone_by_weights(void **unused)
{
    static const char *const order[] = {"MX 1",       "MX 2",       "MX 3",
                                        "A 10.0.0.1", "A 10.0.0.2", NULL};
    struct file f;
    struct world w;
    char text[SHOW_MAX];
    make_file(&f, "a\n10.0.0.2 255\n");
    load_weighted(&w, &f, "");
    for (int i = 0; i < 20; i++)
        assert_true(in_order(show_asked(&w, "x.test", DNS_MX, text), order));
    world_close(&w);
    unlink(f.path);
}

static void changed_weights_are_read_again_and_wrong_ones_are_not_used(void **unused)
{
    unsigned first[3] = {0}, second[3] = {0}, third[3] = {0};
    struct file f;
    struct world w;
    make_file(&f, "w.test\n10.0.0.1 255\n");
    load_weighted(&w, &f, "reload 1s");
    struct feeds *feeds = &w.plan->feeds;
    assert_int_equal(feeds_due_us(feeds, 1), 1000001);
    count_first(&w, DNS_A, addresses, first, 1000);
    assert_true(first[0] > 950);
    write_file(&f, "w.test\n10.0.0.2 255\n# longer\n");
    assert_true(feeds_refresh(feeds, 1000001));
    count_first(&w, DNS_A, addresses, second, 1000);
    assert_true(second[1] > 950);
    feeds_reclaim(feeds);
    write_file(&f, "w.test\n10.0.0.3\n");
    assert_false(feeds_refresh(feeds, 2000001));
    count_first(&w, DNS_A, addresses, third, 1000);
    assert_true(third[1] > 950);
    world_close(&w);
    unlink(f.path);
}

static void a_file_that_is_missing_may_come_later_unless_it_is_read_once(void **unused)
{
    char text[ERROR_TEXT_MAX];
    assert_true(world_loads(". {\n loadbalance weighted /nonexistent/w\n whoami\n}\n",
                            text, sizeof text));
    assert_false(world_loads(
        ". {\n loadbalance weighted /nonexistent/w {\n reload 0\n }\n whoami\n}\n",
        text, sizeof text));
    assert_string_equal(text, "plugin/loadbalance: weight file open error: "
                              "/nonexistent/w: No such file or directory");
}

static void what_is_wrong_in_the_file_is_told_with_its_line(void **unused)
{
    static const struct {
        const char *file, *text;
    } list[] = {
        {"10.0.0.1\n", "wrong domain name: \"10.0.0.1\" (is a weight missing?)"},
        {"a.test\n10.0.0.1 0\n", "wrong weight value: \"0\": expected 1 to 255"},
        {"a.test\n10.0.0.1 256\n", "wrong weight value: \"256\": expected 1 to 255"},
        {"a.test\n10.0.0.1 x\n", "wrong weight value: \"x\": expected 1 to 255"},
        {"a.test\n10.0.0 1\n", "wrong IP address: \"10.0.0\""},
        {"10.0.0.1 1\n", "missing domain name before the first address"},
        {"a.test\n10.0.0.1 1 2\n", "could not parse weight line: \"10.0.0.1 1 2\""},
        {"a..test\n", "wrong domain name: \"a..test\" (is a weight missing?)"},
    };
    char corefile[128], text[ERROR_TEXT_MAX];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct file f;
        make_file(&f, list[i].file);
        snprintf(corefile, sizeof corefile, ". {\n loadbalance weighted %s\n}\n",
                 f.path);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_string_equal(text, list[i].text);
        unlink(f.path);
    }
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const struct {
        const char *line, *text;
    } list[] = {
        {"loadbalance fair", "unknown policy: fair: expected round_robin or weighted"},
        {"loadbalance round_robin x", "unknown property for round_robin: x"},
        {"loadbalance weighted", "missing weight file argument"},
        {"loadbalance weighted a b", "unexpected argument 'b' after the weight file"},
        {"loadbalance {\n reload 1s\n}",
         "unknown property 'reload': only `weighted` has a file"},
        {"loadbalance {\n prefer 10.0.0.1\n}",
         "invalid CIDR \"10.0.0.1\": expected ADDRESS/LENGTH"},
        {"loadbalance weighted a {\n reload -1s\n}",
         "invalid reload duration '-1s': expected 0 or more"},
        {"loadbalance {\n avoid 10.0.0.0/8\n}",
         "unknown property 'avoid': expected prefer or reload"},
    };
    char corefile[128], text[ERROR_TEXT_MAX], expected[ERROR_TEXT_MAX];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        snprintf(corefile, sizeof corefile, ". {\n%s\n}\n", list[i].line);
        snprintf(expected, sizeof expected, "plugin/loadbalance: %s", list[i].text);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_string_equal(text, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_exchangers_are_shuffled_evenly),
        cmocka_unit_test(aliases_stand_first_then_others_addresses_exchangers),
        cmocka_unit_test(the_additional_section_is_shuffled_too),
        cmocka_unit_test(an_error_keeps_its_order),
        cmocka_unit_test(preferred_networks_come_first_in_the_order_of_the_list),
        cmocka_unit_test(the_first_address_is_chosen_by_weight),
        cmocka_unit_test(other_types_are_left_alone_by_weights),
        cmocka_unit_test(changed_weights_are_read_again_and_wrong_ones_are_not_used),
        cmocka_unit_test(a_file_that_is_missing_may_come_later_unless_it_is_read_once),
        cmocka_unit_test(what_is_wrong_in_the_file_is_told_with_its_line),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("loadbalance", tests, NULL, NULL);
}
