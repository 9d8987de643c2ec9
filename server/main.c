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
