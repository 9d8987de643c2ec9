#include "server/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a command that tells what it was given ---- */

static char got[200];

static int tell(const struct command_line *l)
{
    size_t len = 0;
    const char *file = command_value(l, "file");
    len += (size_t)snprintf(got, sizeof got, "file=%s json=%d",
                            file == NULL ? "none" : file, command_given(l, "json"));
    for (unsigned i = 0; i < l->words_n; i++)
        len += (size_t)snprintf(got + len, sizeof got - len, " %s", l->words[i]);
    return 7;
}

static struct command_words kinds(void)
{
    static const char *const list[] = {"unbound", "dnsmasq"};
    return (struct command_words){list, 2};
}

static const struct command_option options[] = {
    {"file", "FILE", "a file"},
    {"json", NULL, "print JSON"},
    {NULL, NULL, NULL},
};

static const struct command command = {
    .name = "tell",
    .words = "KIND [NAME]",
    .words_min = 1,
    .words_max = 2,
    .choices = kinds,
    .line = "a test",
    .exits = "7: told",
    .options = options,
    .run = tell,
};

/* ---- running it ---- */

/* What was written to `fd` while the command ran is left in `said`. */
static int run(const char *line, int fd, char said[1024])
{
    char text[200], *argv[16] = {NULL}, *rest = text;
    int argc = 0;
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(fd == STDOUT_FILENO ? stdout : stderr);
    int kept = dup(fd);
    assert_int_equal(dup2(fileno(file), fd), fd);
    snprintf(text, sizeof text, "tell%s%s", line[0] == '\0' ? "" : " ", line);
    for (char *w; argc < 15 && (w = strsep(&rest, " ")) != NULL;)
        argv[argc++] = w;
    got[0] = '\0';
    int status = command_run(&command, argc, argv);
    fflush(fd == STDOUT_FILENO ? stdout : stderr);
    dup2(kept, fd);
    close(kept);
    rewind(file);
    size_t len = fread(said, 1, 1023, file);
    said[len] = '\0';
    fclose(file);
    return status;
}

static void options_stand_anywhere_and_are_written_as_flags_are(void **unused)
{
    static const char *const rows[][2] = {
        {"unbound", "file=none json=0 unbound"},
        {"unbound a", "file=none json=0 unbound a"},
        {"--json unbound", "file=none json=1 unbound"},
        {"unbound -json a", "file=none json=1 unbound a"},
        {"-file=x unbound", "file=x json=0 unbound"},
        {"--file y unbound --file z", "file=z json=0 unbound"},
        {"--file --json unbound", "file=--json json=0 unbound"},
        {"unbound -", "file=none json=0 unbound -"},
        {"unbound -- --json", "file=none json=0 unbound --json"},
        {"--file= unbound", "file= json=0 unbound"},
    };
    char said[1024];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(run(rows[i][0], STDERR_FILENO, said), 7);
        assert_string_equal(got, rows[i][1]);
        assert_string_equal(said, "");
    }
}

static void wrong_lines_are_told_and_nothing_is_run(void **unused)
{
    static const char *const rows[][2] = {
        {"", "isthmus tell: something is missing: expected KIND [NAME]\n"},
        {"unbound a b", "isthmus tell: 'b' is one word too many\n"},
        {"--jsn unbound",
         "isthmus tell: there is no option '--jsn', did you mean '--json'?\n"},
        {"-q unbound", "isthmus tell: there is no option '-q'\n"},
        {"--json=1 unbound", "isthmus tell: --json takes no value\n"},
        {"unbound --file", "isthmus tell: --file needs a value: FILE\n"},
        {"unbuond", "isthmus tell: 'unbuond' is not known, did you mean 'unbound'?\n"},
        {"bind", "isthmus tell: 'bind' is not known: expected unbound, dnsmasq\n"},
    };
    static const char usage[] =
        "usage: isthmus tell [--file FILE] [--json] KIND [NAME]\n"
        "`isthmus tell --help` tells more.\n";
    char said[1024];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(run(rows[i][0], STDERR_FILENO, said), COMMAND_EXIT_WRONG);
        assert_memory_equal(said, rows[i][1], strlen(rows[i][1]));
        assert_string_equal(said + strlen(rows[i][1]), usage);
        assert_string_equal(got, "");
    }
}

static void help_is_made_of_the_declaration(void **unused)
{
    static const char expected[] =
        "isthmus tell: a test\n\n"
        "  isthmus tell [--file FILE] [--json] KIND [NAME]\n\n"
        "Options:\n"
        "  --file FILE            a file\n"
        "  --json                 print JSON\n"
        "  --help                 print this and end\n\n"
        "Exit status:\n"
        "  7: told\n"
        "  2: the command line was not understood\n";
    char said[1024];
    assert_int_equal(run("--help", STDOUT_FILENO, said), 0);
    assert_string_equal(said, expected);
    assert_int_equal(run("unbound -h", STDOUT_FILENO, said), 0);
    assert_string_equal(said, expected);
}

static void every_command_is_declared_whole(void **unused)
{
    struct command_words names = command_names();
    for (uint32_t i = 0; i < names.n; i++) {
        const struct command *c = command_list[i];
        assert_string_equal(c->name, names.list[i]);
        assert_true(c->line != NULL && c->exits != NULL && c->run != NULL);
        assert_true(c->words != NULL || c->words_min + c->words_max == 0);
        unsigned n = 0;
        for (; c->options != NULL && c->options[n].name != NULL; n++)
            assert_non_null(c->options[n].help);
        assert_true(n <= COMMAND_OPTIONS_MAX);
    }
    assert_null(command_list[names.n]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere_and_are_written_as_flags_are),
        cmocka_unit_test(wrong_lines_are_told_and_nothing_is_run),
        cmocka_unit_test(help_is_made_of_the_declaration),
        cmocka_unit_test(every_command_is_declared_whole),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
