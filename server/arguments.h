/* The command line of the server, in the manner of Go's flag package, which CoreDNS
 * uses: one dash or two, `-name value` or `-name=value`, switches also `-name=false`;
 * flags end at `--` or at the first word without a dash.
 *
 *     switch (arguments_parse(&a, argc, argv, stderr)) ... */
#ifndef ISTHMUS_SERVER_ARGUMENTS_H
#define ISTHMUS_SERVER_ARGUMENTS_H

#include "server/command.h"

struct arguments {
    const char *conf;    /* NULL: ./Corefile, else the built-in default */
    const char *pidfile; /* NULL: none */
    const char *control; /* NULL: in $RUNTIME_DIRECTORY, where there is one */
    uint16_t dns_port;   /* 0: not said */
    bool quiet, version, plugins;
};

enum arguments_verdict {
    ARGUMENTS_RUN,
    ARGUMENTS_HELP,  /* usage was asked for, and printed */
    ARGUMENTS_WRONG, /* what is wrong has been printed, with the usage */
    ARGUMENTS_EXTRA, /* words behind the flags: said so */
};

/* Fills `a`; its strings are those of argv. argv[0] is passed over. */
enum arguments_verdict arguments_parse(struct arguments *a, int argc, char **argv,
                                       FILE *out);

void arguments_usage(FILE *out);

/* The i-th flag, for help and completions; NULL: there are no more. */
const struct command_option *arguments_flag(size_t i);

#endif
