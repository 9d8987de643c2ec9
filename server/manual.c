/* What the plugins say of themselves, from the tables that also parse their options: on
 * the terminal (`isthmus plugins NAME`) and as the second half of isthmus-corefile(5).
 */
#include "base/json_out.h"
#include "base/limits.h"
#include "resolver/plugin.h"
#include "server/command.h"
#include "server/roff.h"

#include <stdio.h>
#include <string.h>

/* ---- on a terminal ---- */

static void list_all(void)
{
    for (const struct plugin *const *p = plugin_list; *p != NULL; p++)
        printf("%-12s %s\n", (*p)->name, (*p)->help);
    puts("\n`isthmus plugins NAME` tells the options of one.");
}

static void print_one(const struct plugin *p)
{
    printf("%s - %s\n\n    %s%s\n", p->name, p->help, p->synopsis,
           p->options_n > 0 ? " {" : "");
    for (size_t i = 0; i < p->options_n; i++) {
        const struct option *o = &p->options[i];
        if (o->kind == OPTION_REFUSED)
            continue;
        printf("        %s%s%s\n", o->name, o->args == NULL ? "" : " ",
               o->args == NULL ? "" : o->args);
        printf("            %s%s%s%s\n", o->help,
               o->fallback == NULL ? "" : " (default: ",
               o->fallback == NULL ? "" : o->fallback, o->fallback == NULL ? "" : ")");
    }
    if (p->options_n > 0)
        puts("    }");
}

/* ---- as JSON ---- */

static void json_option(struct json_out *j, const struct option *o)
{
    if (o->kind == OPTION_REFUSED)
        return;
    json_open(j, NULL, '{');
    json_text(j, "name", o->name);
    json_text(j, "args", o->args);
    json_text(j, "default", o->fallback);
    json_text(j, "help", o->help);
    json_close(j, '}');
}

static void json_plugin(struct json_out *j, const struct plugin *p)
{
    json_open(j, NULL, '{');
    json_text(j, "name", p->name);
    json_text(j, "help", p->help);
    json_text(j, "synopsis", p->synopsis);
    json_open(j, "options", '[');
    for (size_t i = 0; i < p->options_n; i++)
        json_option(j, &p->options[i]);
    json_close(j, ']');
    json_close(j, '}');
}

/* All of them, or one. */
static int print_json(const struct plugin *only)
{
    struct json_out j = {0};
    json_open(&j, NULL, '[');
    for (const struct plugin *const *p = plugin_list; *p != NULL; p++)
        if (only == NULL || only == *p)
            json_plugin(&j, *p);
    json_close(&j, ']');
    return json_end(&j, stdout) < 0 ? 1 : 0;
}

/* ---- as a manual page ---- */

static void roff_option(const struct option *o)
{
    fputs(".TP\n\\fB", stdout);
    roff_text(o->name, stdout);
    fputs("\\fR", stdout);
    if (o->args != NULL) {
        putchar(' ');
        roff_text(o->args, stdout);
    }
    fputs("\n\\&", stdout);
    roff_text(o->help, stdout);
    if (o->fallback != NULL) {
        fputs(" Default: ", stdout);
        roff_text(o->fallback, stdout);
    }
    fputs(".\n", stdout);
}

static void roff_plugin(const struct plugin *p)
{
    printf(".SS %s\n\\&", p->name);
    roff_text(p->help, stdout);
    fputs(".\n.PP\n.RS\n.nf\n\\fB", stdout);
    roff_text(p->synopsis, stdout);
    fputs("\\fR\n.fi\n.RE\n", stdout);
    for (size_t i = 0; i < p->options_n; i++) {
        if (p->options[i].kind != OPTION_REFUSED)
            roff_option(&p->options[i]);
    }
}

static void roff_limits(void)
{
    static const struct {
        const char *name, *unit, *reason;
        long long value;
    } limits[] = {
#define ROW(name, value, unit, reason) {#name, unit, reason, value},
        LIMITS(ROW)
#undef ROW
    };
    puts(".SH LIMITS\nEvery limit, its value, and what it is for.");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        printf(".TP\n%s = %lld %s\n\\&", limits[i].name, limits[i].value,
               limits[i].unit);
        roff_text(limits[i].reason, stdout);
        fputs(".\n", stdout);
    }
}

static int print_manual(void)
{
    puts(".SH PLUGINS");
    for (const struct plugin *const *p = plugin_list; *p != NULL; p++)
        roff_plugin(*p);
    roff_limits();
    return 0;
}

/* ---- isthmus plugins ---- */

/* Why a Corefile that names it would be refused; NULL: nobody knows it. */
static const char *why_not(const char *name)
{
    const struct directive alone = {.name = name};
    return plugin_vocabulary()->refused(name, &alone, NULL);
}

static int plugins_run(const struct command_line *l)
{
    if (command_given(l, "man"))
        return print_manual();
    const struct plugin *only = l->words_n == 0 ? NULL : plugin_find(l->words[0]);
    if (command_given(l, "json"))
        return print_json(only);
    if (only == NULL)
        list_all();
    else
        print_one(only);
    return 0;
}

static struct command_words names(void)
{
    const struct vocabulary *v = plugin_vocabulary();
    return (struct command_words){v->words, v->words_n};
}

static const struct command_option options[] = {
    {"json", NULL, "print JSON: a list with the options of each"},
    {"man", NULL,
     "print the sections PLUGINS and LIMITS of isthmus-corefile(5), in roff"},
    {NULL, NULL, NULL},
};

const struct command command_plugins = {
    .name = "plugins",
    .words = "[NAME]",
    .words_max = 1,
    .choices = names,
    .why_not = why_not,
    .line = "what a Corefile may say: the plugins, or the options of one",
    .exits = "0: it is printed",
    .options = options,
    .run = plugins_run,
};
