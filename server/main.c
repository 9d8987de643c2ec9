/* isthmus: a DNS forwarder that joins Kubernetes clusters by name.
 *
 *     isthmus -conf Corefile        serves (flags as CoreDNS has them)
 *     isthmus COMMAND ...           one of commands.c
 */
#include "resolver/plugin.h"
#include "server/command.h"
#include "server/process.h"
#include "server/version.h"

#include <string.h>
static int print_version(void)
{
    puts(VERSION_LINE);
    puts(VERSION_BUILD);
    return 0;
}

/* The first name behind another in the alphabet; NULL: there is none. */
static const char *plugin_behind(const char *name)
{
    const char *best = NULL;
    for (const struct plugin *const *p = plugin_list; *p != NULL; p++) {
        if (strcmp((*p)->name, name) > 0 &&
            (best == NULL || strcmp((*p)->name, best) < 0))
            best = (*p)->name;
    }
    return best;
}

/* In the form of CoreDNS, for scripts. */
static int print_plugins(void)
{
    for (const char *name = ""; (name = plugin_behind(name)) != NULL;)
        puts(name);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments args;
    if (argc > 1 && argv[1][0] != '-')
        return command_main(argc - 1, argv + 1);
    switch (arguments_parse(&args, argc, argv, stderr)) {
    case ARGUMENTS_RUN:
        break;
    case ARGUMENTS_HELP:
        fputs("Commands:\n", stderr);
        command_print_list(stderr);
        return 0;
    case ARGUMENTS_WRONG:
        fputs("`isthmus help` lists the commands.\n", stderr);
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
