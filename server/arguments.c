#include "server/arguments.h"

#include "base/nearest.h"

#include <stdlib.h>
#include <string.h>

enum flag_id {
    FLAG_CONF,
    FLAG_PORT,
    FLAG_PIDFILE,
    FLAG_CONTROL,
    FLAG_PLUGINS, /* from here on switches: their value may be left out */
    FLAG_QUIET,
    FLAG_VERSION,
    FLAG_HELP,
};

struct flag {
    struct command_option option;
    enum flag_id id;
};

static const struct flag flags[] = {
    {{"conf", "FILE", "Corefile to load; `stdin` reads standard input"}, FLAG_CONF},
    {{"dns.port", "N", "port of dns:// keys that name none (53)"}, FLAG_PORT},
    {{"p", "N", "the same"}, FLAG_PORT},
    {{"pidfile", "FILE", "write the process id here once started"}, FLAG_PIDFILE},
    {{"control", "SOCKET", "be spoken to here ($RUNTIME_DIRECTORY/control)"},
     FLAG_CONTROL},
    {{"plugins", NULL, "list the plugins and end"}, FLAG_PLUGINS},
    {{"quiet", NULL, "no banner"}, FLAG_QUIET},
    {{"version", NULL, "print the version and end"}, FLAG_VERSION},
    {{"help", NULL, "print this and end"}, FLAG_HELP},
    {{"h", NULL, "the same"}, FLAG_HELP},
};

#define FLAGS_N (sizeof flags / sizeof flags[0])

void arguments_usage(FILE *out)
{
    fputs("Usage: isthmus [flags]\n", out);
    for (size_t i = 0; i < FLAGS_N; i++) {
        const struct command_option *o = &flags[i].option;
        char head[32];
        snprintf(head, sizeof head, "-%s%s%s", o->name, o->value == NULL ? "" : " ",
                 o->value == NULL ? "" : o->value);
        fprintf(out, "  %-17s%s\n", head, o->help);
    }
}

const struct command_option *arguments_flag(size_t i)
{
    return i < FLAGS_N ? &flags[i].option : NULL;
}

static const struct flag *find(const char *name, size_t len)
{
    for (size_t i = 0; i < FLAGS_N; i++) {
        if (strlen(flags[i].option.name) == len &&
            memcmp(flags[i].option.name, name, len) == 0)
            return &flags[i];
    }
    return NULL;
}

static enum arguments_verdict unknown_flag(const char *name, size_t len, FILE *out)
{
    const char *names[FLAGS_N];
    char text[64];
    for (size_t i = 0; i < FLAGS_N; i++)
        names[i] = flags[i].option.name;
    snprintf(text, sizeof text, "%.*s", (int)len, name);
    const char *near = nearest_word(text, names, FLAGS_N);
    fprintf(out, "flag provided but not defined: -%.*s\n", (int)len, name);
    if (command_find(text) != NULL)
        fprintf(out, "%s is a command, written without dashes: isthmus %s\n", text,
                text);
    else if (near != NULL)
        fprintf(out, "did you mean -%s?\n", near);
    arguments_usage(out);
    return ARGUMENTS_WRONG;
}

static int set_switch(bool *to, const char *value)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *to = strcmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

static int set_port(uint16_t *to, const char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || n == 0 || n > UINT16_MAX)
        return -1;
    *to = (uint16_t)n;
    return 0;
}

static enum arguments_verdict set(struct arguments *a, const struct flag *f,
                                  const char *value, FILE *out)
{
    int rc = 0;
    switch (f->id) {
    case FLAG_CONF:
        a->conf = value;
        break;
    case FLAG_PIDFILE:
        a->pidfile = value;
        break;
    case FLAG_CONTROL:
        a->control = value;
        break;
    case FLAG_PORT:
        rc = set_port(&a->dns_port, value);
        break;
    case FLAG_PLUGINS:
        rc = set_switch(&a->plugins, value);
        break;
    case FLAG_QUIET:
        rc = set_switch(&a->quiet, value);
        break;
    case FLAG_VERSION:
        rc = set_switch(&a->version, value);
        break;
    case FLAG_HELP:
        arguments_usage(out);
        return ARGUMENTS_HELP;
    }
    if (rc == 0)
        return ARGUMENTS_RUN;
    fprintf(out, "invalid value \"%s\" for flag -%s: expected %s\n", value,
            f->option.name,
            f->id == FLAG_PORT ? "a port, 1 to 65535" : "true or false");
    arguments_usage(out);
    return ARGUMENTS_WRONG;
}

/* Reads the flag at argv[*at] and its value, and moves *at behind them. */
static enum arguments_verdict take_flag(struct arguments *a, char **argv, int *at,
                                        FILE *out)
{
    const char *word = argv[(*at)++];
    const char *name = word + (word[1] == '-' ? 2 : 1);
    const char *value = strchr(name, '=');
    size_t len = value != NULL ? (size_t)(value - name) : strlen(name);
    const struct flag *f = find(name, len);
    if (f == NULL)
        return unknown_flag(name, len, out);
    if (value != NULL)
        return set(a, f, value + 1, out);
    if (f->id >= FLAG_PLUGINS)
        return set(a, f, "true", out);
    if (argv[*at] != NULL)
        return set(a, f, argv[(*at)++], out);
    fprintf(out, "flag needs an argument: -%s\n", f->option.name);
    arguments_usage(out);
    return ARGUMENTS_WRONG;
}

enum arguments_verdict arguments_parse(struct arguments *a, int argc, char **argv,
                                       FILE *out)
{
    int at = 1;
    *a = (struct arguments){0};
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        enum arguments_verdict v = take_flag(a, argv, &at, out);
        if (v != ARGUMENTS_RUN)
            return v;
    }
    if (at >= argc)
        return ARGUMENTS_RUN;
    fputs("extra command line arguments:", out);
    for (; at < argc; at++)
        fprintf(out, " %s", argv[at]);
    fputs(" (flags begin with a dash; -conf FILE names the Corefile)\n", out);
    return ARGUMENTS_EXTRA;
}
