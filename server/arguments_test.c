#include "server/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses words up to NULL; *said gets what was printed, to be freed. */
static enum arguments_verdict parse(struct arguments *a, char *const *words,
                                    char **said)
{
    char *argv[16] = {(char[]){"isthmus"}};
    int argc = 1;
    size_t len;
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = words[argc - 1];
    FILE *out = open_memstream(said, &len);
    assert_non_null(out);
    enum arguments_verdict v = arguments_parse(a, argc, argv, out);
    fclose(out);
    return v;
}

static void flags_come_with_one_dash_or_two_and_with_or_without_equals(void **unused)
{
    char conf[] = "-conf", file[] = "C", port[] = "--dns.port=5300", quiet[] = "-quiet";
    char pid[] = "--pidfile", path[] = "/run/x";
    char *const words[] = {conf, file, port, quiet, pid, path, NULL};
    struct arguments a;
    char *said;
    assert_int_equal(parse(&a, words, &said), ARGUMENTS_RUN);
    assert_string_equal(a.conf, "C");
    assert_string_equal(a.pidfile, "/run/x");
    assert_int_equal(a.dns_port, 5300);
    assert_true(a.quiet);
    assert_false(a.version || a.plugins);
    assert_string_equal(said, "");
    free(said);
}

static void last_of_two_ports_counts(void **unused)
{
    char one[] = "-p=1000", two[] = "-dns.port", three[] = "2000";
    char *const words[] = {one, two, three, NULL};
    struct arguments a;
    char *said;
    assert_int_equal(parse(&a, words, &said), ARGUMENTS_RUN);
    assert_int_equal(a.dns_port, 2000);
    free(said);
}

static void switch_can_be_turned_off(void **unused)
{
    char on[] = "-quiet", off[] = "-quiet=false", version[] = "-version=T";
    char *const words[] = {on, off, version, NULL};
    struct arguments a;
    char *said;
    assert_int_equal(parse(&a, words, &said), ARGUMENTS_RUN);
    assert_false(a.quiet);
    assert_true(a.version);
    free(said);
}

static void wrong_lines_say_what_is_wrong(void **unused)
{
    static const struct {
        const char *words[3], *says;
        enum arguments_verdict verdict;
    } lines[] = {
        {{"-nosuch"}, "flag provided but not defined: -nosuch\n", ARGUMENTS_WRONG},
        {{"-dns.prot", "53"},
         "flag provided but not defined: -dns.prot\ndid you mean -dns.port?\n",
         ARGUMENTS_WRONG},
        {{"-conf"}, "flag needs an argument: -conf\n", ARGUMENTS_WRONG},
        {{"-p", "0"}, "invalid value \"0\" for flag -p", ARGUMENTS_WRONG},
        {{"-p", "65536"}, "invalid value \"65536\"", ARGUMENTS_WRONG},
        {{"-p", "5x"}, "invalid value \"5x\"", ARGUMENTS_WRONG},
        {{"-p", ""}, "invalid value \"\"", ARGUMENTS_WRONG},
        {{"-quiet=maybe"}, "invalid value \"maybe\" for flag -quiet", ARGUMENTS_WRONG},
        {{"Corefile"}, "extra command line arguments: Corefile", ARGUMENTS_EXTRA},
        {{"--", "-p"}, "extra command line arguments: -p", ARGUMENTS_EXTRA},
        {{"-quiet", "-"}, "extra command line arguments: -", ARGUMENTS_EXTRA},
        {{"--help"}, "Usage: isthmus", ARGUMENTS_HELP},
        {{"-h"}, "Usage: isthmus", ARGUMENTS_HELP},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char *words[4] = {NULL}, *said;
        struct arguments a;
        for (size_t k = 0; k < 3 && lines[i].words[k] != NULL; k++)
            words[k] = strdup(lines[i].words[k]);
        assert_int_equal(parse(&a, words, &said), lines[i].verdict);
        assert_memory_equal(said, lines[i].says, strlen(lines[i].says));
        for (size_t k = 0; k < 3; k++)
            free(words[k]);
        free(said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_come_with_one_dash_or_two_and_with_or_without_equals),
        cmocka_unit_test(last_of_two_ports_counts),
        cmocka_unit_test(switch_can_be_turned_off),
        cmocka_unit_test(wrong_lines_say_what_is_wrong),
    };
    return cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
}
