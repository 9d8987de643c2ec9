/* The commands of the program, each declared once: `isthmus COMMAND --help`, `isthmus
 * help`, what is said of a wrong word, the COMMANDS of isthmus(8) and the completions
 * of the shells all come from the declaration.
 *
 *     static const struct command_option options[] = {
 *         {"conf", "FILE", "the Corefile (./Corefile)"},
 *         {"json", NULL, "print JSON"},
 *         {NULL, NULL, NULL},
 *     };
 *     const struct command command_check = {.name = "check", .options = options, ...};
 *
 * and a line in commands.def. Options are written as the flags of `isthmus` are: one
 * dash or two, `-name value` or `-name=value`; they may stand before, between and
 * behind the words, and after `--` all is words. */
#ifndef ISTHMUS_SERVER_COMMAND_H
#define ISTHMUS_SERVER_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define COMMAND_OPTIONS_MAX 16
#define COMMAND_EXIT_WRONG  2 /* the command line was not understood */

struct command_option {
    const char *name;  /* without dashes */
    const char *value; /* what it takes, as in the help: "IP". "FILE" and "DIR" are
                          completed as such. NULL: it takes nothing */
    const char *help;  /* a part of a sentence, without a dot */
};

struct command_words {
    const char *const *list;
    uint32_t n;
};

struct command_line;

struct command {
    const char *name;
    const char *words;             /* after the name, as in the usage; NULL: none */
    unsigned words_min, words_max; /* how many; max 0 with `words`: no end */
    struct command_words (*choices)(void); /* what the first word may be; NULL: any */
    const char *(*why_not)(const char *word); /* why a word is none of them, or NULL */
    const char *line;                         /* what it does; a line without a dot */
    const char *help;  /* more: paragraphs with an empty line between; or NULL */
    const char *exits; /* "0: all is well\n1: ...", 2 for a wrong line left out */
    const struct command_option *options;     /* the last has no name; NULL: none */
    int (*run)(const struct command_line *l); /* returns the exit status */
};

/* What stood on the line; its strings are those of argv. */
struct command_line {
    const struct command *command;
    const char *values[COMMAND_OPTIONS_MAX]; /* in the order of command->options */
    const char **words;
    unsigned words_n;
};

/* command_check and so on. */
#define COMMAND(symbol, name) extern const struct command command_##symbol;
#include "server/commands.def"
#undef COMMAND

/* All commands, in the order of the help; the last is NULL. */
extern const struct command *const command_list[];
struct command_words command_names(void);

/* argv[0] is the command's name. Runs it, or says on standard error what is wrong with
 * the line. Returns the exit status. */
int command_main(int argc, char **argv);

/* The same for a command that is known. */
int command_run(const struct command *c, int argc, char **argv);

/* The value given to an option of the command's table, "" for one that takes none;
 * NULL: not given. Of several the last counts. */
const char *command_value(const struct command_line *l, const char *option);

static inline bool command_given(const struct command_line *l, const char *option)
{
    return command_value(l, option) != NULL;
}

/* One line on standard error in front of a pointer to --help; COMMAND_EXIT_WRONG. */
int command_wrong(const struct command *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

const struct command *command_find(const char *name);

/* Names and lines of all. */
void command_print_list(FILE *out);

#endif
