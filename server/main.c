/* isthmus: a DNS forwarder that joins Kubernetes clusters by name.
 *
 *     isthmus -conf Corefile        serves (flags as CoreDNS has them)
 *     isthmus COMMAND ...           one of `commands`
 */
#include "resolver/plugin.h"
#include "server/demo.h"
#include "server/manual.h"
#include "server/process.h"
#include "server/version.h"

#include <string.h>

/* Words that may stand first on the line instead of flags. Each gets argc and argv from
 * its own name on and returns the exit status. */
struct command {
    const char *name, *help;
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"demo", "two clusters in a box, and a dozen questions", demo_run},
    {"plugins", "what a Corefile may say", manual_run},
    {NULL, NULL, NULL},
};

static const struct command *find_command(const char *word)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, word) == 0)
            return c;
    }
    return NULL;
}

static void print_commands(FILE *out)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(out, "       isthmus %-9s%s\n", c->name, c->help);
}

static int print_version(void)
{
    puts(VERSION_LINE);
    puts(VERSION_BUILD);
    return 0;
}

/* In the form of CoreDNS, for scripts that look for dns.NAME. */
static int print_plugins(void)
{
    puts("Server types:\n  dns\n\nOther plugins:");
    for (const struct plugin *const *p = plugin_list; *p != NULL; p++)
        printf("  dns.%s\n", (*p)->name);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments args;
    const struct command *c = argc > 1 ? find_command(argv[1]) : NULL;
    if (c != NULL)
        return c->run(argc - 1, argv + 1);
    switch (arguments_parse(&args, argc, argv, stderr)) {
    case ARGUMENTS_RUN:
        break;
    case ARGUMENTS_HELP:
        print_commands(stderr);
        return 0;
    case ARGUMENTS_WRONG:
        print_commands(stderr);
        return 2;
    case ARGUMENTS_EXTRA:
        return 1;
    }
    if (args.version)
        return print_version();
    if (args.plugins)
        return print_plugins();
    return process_run(&args);
}
