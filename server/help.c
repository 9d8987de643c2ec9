#include "server/arguments.h"
#include "server/command.h"
#include "server/roff.h"

#include <string.h>

/* ---- the COMMANDS of isthmus(8) ---- */

static void roff_option(const struct command_option *o)
{
    fputs(".TP\n\\fB\\-\\-", stdout);
    roff_text(o->name, stdout);
    fputs("\\fR", stdout);
    if (o->value != NULL) {
        fputs(" \\fI", stdout);
        roff_text(o->value, stdout);
        fputs("\\fR", stdout);
    }
    fputs("\n\\&", stdout);
    roff_text(o->help, stdout);
    fputs(".\n", stdout);
}

/* A paragraph for each status, with that of a wrong line at the end: 2 may be one of
 * the command's own too. */
static void roff_exits(const char *exits)
{
    static const char wrong[] = "the command line was not understood";
    char number = '\0';
    puts(".PP\nExit status:\n.RS");
    while (*exits != '\0') {
        size_t len = strcspn(exits, "\n");
        char line[200];
        number = exits[0];
        snprintf(line, sizeof line, "%.*s", (int)len - 3, exits + 3);
        printf(".TP\n\\fB%c\\fR\n\\&", number);
        roff_text(line, stdout);
        fputs(number == '0' + COMMAND_EXIT_WRONG ? ", or " : ".\n", stdout);
        exits += len + (exits[len] == '\n');
    }
    if (number != '0' + COMMAND_EXIT_WRONG)
        printf(".TP\n\\fB%d\\fR\n\\&", COMMAND_EXIT_WRONG);
    printf("%s.\n.RE\n", wrong);
}

static void roff_command(const struct command *c)
{
    fputs(".SS \\fB", stdout);
    roff_text(c->name, stdout);
    fputs("\\fR", stdout);
    if (c->words != NULL) {
        putchar(' ');
        roff_text(c->words, stdout);
    }
    fputs("\n\\&", stdout);
    roff_text(c->line, stdout);
    fputs(".\n", stdout);
    if (c->help != NULL) {
        fputs(".PP\n", stdout);
        roff_paragraphs(c->help, stdout);
    }
    const struct command_option *o = c->options;
    for (; o != NULL && o->name != NULL; o++)
        roff_option(o);
    roff_exits(c->exits);
}

static int print_man(void)
{
    puts(
        ".SH COMMANDS\nEach has\n.BR \\-\\-help .\nIts options may be written with one "
        "dash or two, in front of its words or behind them.");
    for (const struct command *const *c = command_list; *c != NULL; c++)
        roff_command(*c);
    return 0;
}

/* ---- isthmus help ---- */

static int help_run(const struct command_line *l)
{
    if (command_given(l, "man"))
        return print_man();
    if (l->words_n > 0) {
        char name[32], flag[] = "--help";
        snprintf(name, sizeof name, "%s", l->words[0]);
        return command_main(2, (char *[]){name, flag, NULL});
    }
    arguments_usage(stdout);
    puts("Commands:");
    command_print_list(stdout);
    puts("`isthmus COMMAND --help` tells more of one, `man isthmus` of all.");
    return 0;
}

static const struct command_option options[] = {
    {"man", NULL, "print the section COMMANDS of isthmus(8), in roff"},
    {NULL, NULL, NULL},
};

const struct command command_help = {
    .name = "help",
    .words = "[COMMAND]",
    .words_max = 1,
    .choices = command_names,
    .line = "what there is, or how a command is used",
    .exits = "0: it is printed",
    .options = options,
    .run = help_run,
};
