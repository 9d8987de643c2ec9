#include "server/manual.h"

#include "base/limits.h"
#include "config/corefile.h"
#include "resolver/plugin.h"

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

static int unknown(const char *name)
{
    const struct vocabulary *words = plugin_vocabulary();
    const char *near = corefile_nearest(name, words->words, words->words_n);
    fprintf(stderr, "isthmus plugins: no plugin '%s'", name);
    if (near != NULL)
        fprintf(stderr, ", did you mean '%s'?", near);
    fputs("\n`isthmus plugins` lists them.\n", stderr);
    return 2;
}

/* ---- as a manual page ---- */

/* Roff takes a dot or an apostrophe at the start of a line, and any backslash, for its
 * own. */
static void print_roff(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

static void roff_option(const struct option *o)
{
    fputs(".TP\n\\fB", stdout);
    print_roff(o->name);
    fputs("\\fR", stdout);
    if (o->args != NULL) {
        putchar(' ');
        print_roff(o->args);
    }
    fputs("\n\\&", stdout);
    print_roff(o->help);
    if (o->fallback != NULL) {
        fputs(" Default: ", stdout);
        print_roff(o->fallback);
    }
    fputs(".\n", stdout);
}

static void roff_plugin(const struct plugin *p)
{
    printf(".SS %s\n\\&", p->name);
    print_roff(p->help);
    fputs(".\n.PP\n.RS\n.nf\n\\fB", stdout);
    print_roff(p->synopsis);
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
        print_roff(limits[i].reason);
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

int manual_run(int argc, char **argv)
{
    if (argc < 2) {
        list_all();
        return 0;
    }
    if (argc > 2) {
        fputs("isthmus plugins: one name at a time\n", stderr);
        return 2;
    }
    if (strcmp(argv[1], "--man") == 0)
        return print_manual();
    const struct plugin *p = plugin_find(argv[1]);
    if (p == NULL)
        return unknown(argv[1]);
    print_one(p);
    return 0;
}
