/* The keys of `tsig`: names and secrets, from the Corefile and from files in the form
 * of named.conf:
 *
 *     key "transfer.key." {
 *         algorithm hmac-sha256;
 *         secret "NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk=";
 *     }; */
#ifndef ISTHMUS_RESOLVER_PLUGINS_TSIG_KEYS_H
#define ISTHMUS_RESOLVER_PLUGINS_TSIG_KEYS_H

#include "config/reader.h"
#include "resolver/tsig.h"
#include "resolver/zonetab.h"

struct tsig_keys {
    struct zonetab names;         /* -> struct tsig_key */
    const struct tsig_keys *next; /* of another block */
};

/* All: 0, or -1 after adding an error. A key that is there already is one. */
int tsig_keys_add(struct tsig_keys *k, struct reader *rd, struct text name,
                  struct text secret);
int tsig_keys_read(struct tsig_keys *k, struct reader *rd, const char *path);

/* NULL: unknown. The name is in lower case. */
const struct tsig_key *tsig_keys_find(const struct tsig_keys *k,
                                      const struct name *name);

#endif
