/* The immutable root of what a Corefile says. Built whole, replaced whole. */
#ifndef ISTHMUS_CONFIG_CONFIG_H
#define ISTHMUS_CONFIG_CONFIG_H

#include "base/sha512.h"
#include "config/corefile.h"

struct config {
    struct arena arena; /* owns everything below */
    const char *file;   /* as given; "stdin" for standard input */
    struct corefile corefile;
    bool flawed; /* some of it could not be read: only good for finding more errors */
    uint8_t
        digest[SHA512_LEN]; /* of the parsed form: comments and spacing do not matter */
};

/* Loads `path`; NULL means ./Corefile when it exists, else the built-in default (whoami
 * and log on the default port, coredns-reference 1.12), which also stands in for a file
 * without any block. "stdin" reads standard input. Returns NULL after adding errors. */
struct config *config_load(const char *path, const struct vocabulary *words,
                           struct errors *errs);

/* The same from text in memory, for tests and the demo. */
struct config *config_load_text(const char *file, struct text text,
                                const struct vocabulary *words, struct errors *errs);

void config_free(struct config *c); /* NULL is fine */

#endif
