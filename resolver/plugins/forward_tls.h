/* `tls`, `tls_servername` and the NAME of tls:// and https://ADDRESS%NAME of `forward`:
 * what a connection to a destination has to know and to show (coredns-reference 2.1).
 */
#ifndef ISTHMUS_RESOLVER_PLUGINS_FORWARD_TLS_H
#define ISTHMUS_RESOLVER_PLUGINS_FORWARD_TLS_H

#include "resolver/outside.h"
#include "resolver/plugins/forward_to.h"
#include "resolver/tls_files.h"

struct forward_tls {
    const char *words[TLS_FILES]; /* file names as written */
    uint32_t words_n;
    const char *servername;  /* for all destinations; NULL: not written */
    struct outside_tls text; /* what the files hold */
};

/* One destination's settings, in the registry under the files they are made of: a
 * reload keeps its connections, and those to come have what the files hold now. */
struct forward_tls_claim {
    const struct outside *outside;
    void *settings;   /* for struct endpoint */
    uint64_t content; /* a hash of what the files held */
    bool https;       /* for TRANSPORT_HTTPS */
    char servername[256];
};

/* The claims of one `forward`, to be renewed when its files change. */
struct forward_tls_watch {
    struct tls_files files;
    struct forward_tls_claim *const *claims;
    const uint32_t *claims_n;
};

/* Reads the arguments of `tls`: none, CA, CERT KEY, or CERT KEY CA. */
int forward_tls_parse(struct reader *rd, struct forward_tls *tls);

/* Reads the files that were named. 0, or -1 after adding errors. */
int forward_tls_read(struct setup *s, struct where at, struct forward_tls *tls);

/* From now on the claims follow their files; nothing is done without files. Before
 * forward_tls_read(); 0, or -1 after adding an error. */
int forward_tls_watch(struct setup *s, struct where at, const struct forward_tls *tls,
                      struct forward_tls_watch *watch);

/* The settings for a destination, to be dropped from the registry by the caller. NULL
 * after adding errors. */
struct forward_tls_claim *forward_tls_claim(struct setup *s, struct where at,
                                            const struct forward_tls *tls,
                                            const struct forward_target *to);

#endif
