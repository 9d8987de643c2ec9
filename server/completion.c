/* What the shells complete, from the tables that also parse the command line. */
#include "server/arguments.h"
#include "server/command.h"

#include <string.h>

static bool is_path(const struct command_option *o)
{
    return o->value != NULL &&
           (strcmp(o->value, "FILE") == 0 || strcmp(o->value, "DIR") == 0);
}

/* ---- bash ---- */

static void bash_choices(const struct command *c)
{
    struct command_words w = {NULL, 0};
    if (c->choices != NULL)
        w = c->choices();
    for (uint32_t i = 0; i < w.n; i++)
        printf(" %s", w.list[i]);
}

static void bash_command(const struct command *c)
{
    printf("    %s)\n        words='--help", c->name);
    const struct command_option *o = c->options;
    for (; o != NULL && o->name != NULL; o++)
        printf(" --%s", o->name);
    bash_choices(c);
    puts("'");
    if (c->words != NULL && strstr(c->words, "FILE") != NULL)
        puts("        files=-f");
    puts("        ;;");
}

static void bash_values(const struct command_option *o, void (*each)(const char *name))
{
    for (; o != NULL && o->name != NULL; o++) {
        if (is_path(o))
            each(o->name);
    }
}

static void bash_path(const char *name)
{
    printf("|-%s|--%s", name, name);
}

static void print_bash(void)
{
    puts(
        "# bash completion for isthmus: source it, or put it where bash-completion looks");
    puts("_isthmus() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} words= files=\n"
         "    case ${COMP_WORDS[COMP_CWORD - 1]} in");
    fputs("    --", stdout); /* what follows it is a word, and may be a file */
    for (size_t i = 0; arguments_flag(i) != NULL; i++)
        if (is_path(arguments_flag(i)))
            bash_path(arguments_flag(i)->name);
    for (const struct command *const *c = command_list; *c != NULL; c++)
        bash_values((*c)->options, bash_path);
    puts(")\n"
         "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "        return ;;\n"
         "    esac\n"
         "    case ${COMP_WORDS[1]} in");
    for (const struct command *const *c = command_list; *c != NULL; c++)
        bash_command(*c);
    fputs("    *)\n        words='", stdout);
    for (size_t i = 0; arguments_flag(i) != NULL; i++)
        printf("-%s ", arguments_flag(i)->name);
    fputs("'\n        if [ \"$COMP_CWORD\" -eq 1 ]; then\n            words+='",
          stdout);
    for (const struct command *const *c = command_list; *c != NULL; c++)
        printf(" %s", (*c)->name);
    puts("'\n        fi ;;\n"
         "    esac\n"
         "    mapfile -t COMPREPLY < <(compgen $files -W \"$words\" -- \"$cur\")\n"
         "}\n"
         "complete -F _isthmus isthmus");
}

/* ---- zsh ---- */

/* Inside '...' of a zsh specification: brackets and colons would end a part of it. */
static void zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr("[]:\\`$", *text) != NULL)
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void zsh_option(const struct command_option *o, const char *dashes)
{
    printf(" \\\n            '%s%s[", dashes, o->name);
    zsh_text(o->help);
    putchar(']');
    if (o->value != NULL)
        printf(":%s:%s", o->value, is_path(o) ? "_files" : "");
    putchar('\'');
}

static void zsh_command(const struct command *c)
{
    printf("        (%s) _arguments \\\n            '--help[print help]'", c->name);
    const struct command_option *o = c->options;
    for (; o != NULL && o->name != NULL; o++)
        zsh_option(o, "--");
    if (c->words != NULL && strstr(c->words, "FILE") != NULL)
        fputs(" \\\n            '1:FILE:_files'", stdout);
    if (c->choices != NULL) {
        struct command_words w = c->choices();
        fputs(" \\\n            '1:word:(", stdout);
        for (uint32_t i = 0; i < w.n; i++)
            printf("%s%s", i == 0 ? "" : " ", w.list[i]);
        fputs(")'", stdout);
    }
    puts(" ;;");
}

static void print_zsh(void)
{
    puts("#compdef isthmus\n"
         "# zsh completion for isthmus: put it into a directory of $fpath as _isthmus\n"
         "_isthmus() {\n"
         "    local -a commands\n"
         "    commands=(");
    for (const struct command *const *c = command_list; *c != NULL; c++) {
        printf("        '%s:", (*c)->name);
        zsh_text((*c)->line);
        puts("'");
    }
    puts("    )\n"
         "    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
         "        _describe -t commands 'isthmus command' commands\n"
         "        return\n"
         "    fi\n"
         "    if [[ $words[2] == -* ]]; then\n"
         "        _arguments \\");
    fputs("            '-help[print help]'", stdout);
    for (size_t i = 0; arguments_flag(i) != NULL; i++)
        if (strcmp(arguments_flag(i)->name, "help") != 0)
            zsh_option(arguments_flag(i), "-");
    puts("\n"
         "        return\n"
         "    fi\n"
         "    shift words\n"
         "    (( CURRENT-- ))\n"
         "    case $words[1] in");
    for (const struct command *const *c = command_list; *c != NULL; c++)
        zsh_command(*c);
    puts("    esac\n}\n_isthmus \"$@\"");
}

/* ---- isthmus completion ---- */

static struct command_words shells(void)
{
    static const char *const list[] = {"bash", "zsh"};
    return (struct command_words){list, 2};
}

static int completion_run(const struct command_line *l)
{
    if (strcmp(l->words[0], "bash") == 0)
        print_bash();
    else
        print_zsh();
    return 0;
}

const struct command command_completion = {
    .name = "completion",
    .words = "bash|zsh",
    .words_min = 1,
    .words_max = 1,
    .choices = shells,
    .line = "completions for a shell",
    .help = "For this shell only:\n\n"
            "  source <(isthmus completion bash)\n\n"
            "`make install` puts both where the shells look for them.",
    .exits = "0: it is printed",
    .run = completion_run,
};
