#include "server/command.h"

#include "base/nearest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct command_option help_option = {"help", NULL, "print this and end"};

/* ---- what is known ---- */

const struct command *command_find(const char *name)
{
    for (const struct command *const *c = command_list; *c != NULL; c++) {
        if (strcmp((*c)->name, name) == 0)
            return *c;
    }
    return NULL;
}

static const struct command_option *find_option(const struct command *c,
                                                const char *name, size_t len)
{
    const struct command_option *o = c->options;
    for (; o != NULL && o->name != NULL; o++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    }
    if ((len == 4 && memcmp(name, "help", 4) == 0) || (len == 1 && name[0] == 'h'))
        return &help_option;
    return NULL;
}

const char *command_value(const struct command_line *l, const char *option)
{
    const struct command_option *o = find_option(l->command, option, strlen(option));
    return o == NULL || o == &help_option ? NULL : l->values[o - l->command->options];
}

/* ---- help ---- */

/* "isthmus check [--json]". */
static void print_usage(const struct command *c, FILE *out)
{
    fprintf(out, "isthmus %s", c->name);
    const struct command_option *o = c->options;
    for (; o != NULL && o->name != NULL; o++)
        fprintf(out, " [--%s%s%s]", o->name, o->value == NULL ? "" : " ",
                o->value == NULL ? "" : o->value);
    fprintf(out, "%s%s\n", c->words == NULL ? "" : " ",
            c->words == NULL ? "" : c->words);
}

static void print_option(const struct command_option *o, FILE *out)
{
    char head[40];
    snprintf(head, sizeof head, "--%s%s%s", o->name, o->value == NULL ? "" : " ",
             o->value == NULL ? "" : o->value);
    fprintf(out, "  %-22s %s\n", head, o->help);
}

/* 2 may be one of the command's own too. */
static void print_exits(const char *exits, FILE *out)
{
    bool two = strstr(exits, "\n2:") != NULL;
    fputs("\nExit status:\n", out);
    while (exits != NULL && *exits != '\0') {
        size_t len = strcspn(exits, "\n");
        fprintf(out, "  %.*s\n", (int)len, exits);
        exits += len + (exits[len] == '\n');
    }
    if (two)
        fputs("     or the command line was not understood\n", out);
    else
        fprintf(out, "  %d: the command line was not understood\n", COMMAND_EXIT_WRONG);
}

static int print_help(const struct command *c)
{
    printf("isthmus %s: %s\n\n  ", c->name, c->line);
    print_usage(c, stdout);
    if (c->help != NULL)
        printf("\n%s\n", c->help);
    puts("\nOptions:");
    const struct command_option *o = c->options;
    for (; o != NULL && o->name != NULL; o++)
        print_option(o, stdout);
    print_option(&help_option, stdout);
    print_exits(c->exits, stdout);
    return 0;
}

void command_print_list(FILE *out)
{
    for (const struct command *const *c = command_list; *c != NULL; c++)
        fprintf(out, "  isthmus %-14s %s\n", (*c)->name, (*c)->line);
}

/* ---- what is wrong ---- */

int command_wrong(const struct command *c, const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "isthmus %s: ", c->name);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("\nusage: ", stderr);
    print_usage(c, stderr);
    fprintf(stderr, "`isthmus %s --help` tells more.\n", c->name);
    return COMMAND_EXIT_WRONG;
}

static int wrong_command(const char *word)
{
    struct command_words names = command_names();
    const char *near = nearest_word(word, names.list, names.n);
    fprintf(stderr, "isthmus: there is no command '%s'", word);
    if (near != NULL)
        fprintf(stderr, ", did you mean '%s'?", near);
    fputs("\nA Corefile is served with `isthmus -conf FILE`. The commands are:\n",
          stderr);
    command_print_list(stderr);
    return COMMAND_EXIT_WRONG;
}

static int wrong_option(const struct command *c, const char *word, const char *name)
{
    const char *names[COMMAND_OPTIONS_MAX + 1] = {help_option.name};
    uint32_t n = 1;
    char text[64];
    for (; c->options != NULL && c->options[n - 1].name != NULL; n++)
        names[n] = c->options[n - 1].name;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(name, "="), name);
    const char *near = nearest_word(text, names, n);
    if (near != NULL)
        return command_wrong(c, "there is no option '%s', did you mean '--%s'?", word,
                             near);
    return command_wrong(c, "there is no option '%s'", word);
}

static int wrong_choice(const struct command *c, const char *word)
{
    struct command_words choices = c->choices();
    const char *near = nearest_word(word, choices.list, choices.n);
    const char *why = c->why_not == NULL ? NULL : c->why_not(word);
    char list[200] = "";
    size_t len = 0;
    if (why != NULL)
        return command_wrong(c, "'%s' is not supported: %s", word, why);
    if (near != NULL)
        return command_wrong(c, "'%s' is not known, did you mean '%s'?", word, near);
    for (uint32_t i = 0; i < choices.n && len + 40 < sizeof list; i++)
        len += (size_t)snprintf(list + len, 40, "%s%s", i == 0 ? "" : ", ",
                                choices.list[i]);
    return command_wrong(c, "'%s' is not known: expected %s%s", word, list,
                         len + 40 < sizeof list ? "" : ", ...");
}

/* ---- the line ---- */

enum taken {
    TAKEN,
    TAKEN_HELP,
    TAKEN_WRONG, /* what is wrong has been said */
};

/* Reads the option at argv[*at], moving *at to its last word. */
static enum taken take_option(struct command_line *l, char **argv, int *at)
{
    const char *word = argv[*at];
    const char *name = word + (word[1] == '-' ? 2 : 1);
    size_t len = strcspn(name, "=");
    const struct command_option *o = find_option(l->command, name, len);
    if (o == NULL) {
        wrong_option(l->command, word, name);
        return TAKEN_WRONG;
    }
    if (o == &help_option)
        return TAKEN_HELP;
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    if (o->value == NULL && value != NULL) {
        command_wrong(l->command, "--%s takes no value", o->name);
        return TAKEN_WRONG;
    }
    if (o->value != NULL && value == NULL && argv[*at + 1] != NULL)
        value = argv[++*at];
    if (o->value != NULL && value == NULL) {
        command_wrong(l->command, "--%s needs a value: %s", o->name, o->value);
        return TAKEN_WRONG;
    }
    l->values[o - l->command->options] = value == NULL ? "" : value;
    return TAKEN;
}

static enum taken take_all(struct command_line *l, int argc, char **argv)
{
    bool options = true;
    for (int at = 1; at < argc; at++) {
        if (options && strcmp(argv[at], "--") == 0) {
            options = false;
        } else if (options && argv[at][0] == '-' && argv[at][1] != '\0') {
            enum taken t = take_option(l, argv, &at);
            if (t != TAKEN)
                return t;
        } else {
            l->words[l->words_n++] = argv[at];
        }
    }
    return TAKEN;
}

static bool is_choice(const struct command *c, const char *word)
{
    struct command_words choices = c->choices();
    for (uint32_t i = 0; i < choices.n; i++) {
        if (strcmp(choices.list[i], word) == 0)
            return true;
    }
    return false;
}

static int run_line(const struct command_line *l)
{
    const struct command *c = l->command;
    unsigned most = c->words == NULL    ? 0
                    : c->words_max == 0 ? UINT32_MAX
                                        : c->words_max;
    if (l->words_n < c->words_min)
        return command_wrong(c, "something is missing: expected %s", c->words);
    if (l->words_n > most)
        return command_wrong(c, "'%s' is one word too many", l->words[most]);
    if (c->choices != NULL && l->words_n > 0 && !is_choice(c, l->words[0]))
        return wrong_choice(c, l->words[0]);
    return c->run(l);
}

int command_main(int argc, char **argv)
{
    const struct command *c = command_find(argv[0]);
    return c == NULL ? wrong_command(argv[0]) : command_run(c, argc, argv);
}

int command_run(const struct command *c, int argc, char **argv)
{
    struct command_line l = {.command = c};
    l.words = calloc((size_t)argc, sizeof *l.words);
    if (l.words == NULL) {
        fputs("isthmus: out of memory\n", stderr);
        return 1;
    }
    int status = COMMAND_EXIT_WRONG;
    switch (take_all(&l, argc, argv)) {
    case TAKEN:
        status = run_line(&l);
        break;
    case TAKEN_HELP:
        status = print_help(c);
        break;
    case TAKEN_WRONG:
        break;
    }
    free(l.words);
    return status;
}
