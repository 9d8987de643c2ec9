#include "server/outside.h"

#include "server/http2.h"
#include "server/lookup.h"
#include "server/tap.h"
#include "server/tls.h"

#include <stdio.h>

/* Stands for whatever the name means: the plan is only looked at. */
static int no_lookup(const struct name *name, uint8_t family,
                     const struct addr *servers, uint32_t servers_n,
                     struct outside_addrs *out)
{
    *out = (struct outside_addrs){.n = family == 4 ? 1 : 0};
    out->list[0] = (struct addr){.family = 4, .ip = {192, 0, 2, 1}}; /* RFC 5737 */
    return 0;
}

/* What HTTPS needs beside TLS has to be there before the first question. */
static void *new_tls(const struct outside_tls *files, char *reason)
{
    if (!files->https || http2_is_there())
        return tls_new(files, reason);
    snprintf(reason, OUTSIDE_REASON_MAX, "%s", http2_missing);
    return NULL;
}

#define TLS                                                                            \
    .tls_new = new_tls, .tls_renew = tls_renew, .tls_server_new = tls_server_new,      \
    .tls_server_renew = tls_server_renew, .tls_server_join = tls_server_join,          \
    .tls_free = tls_free

const struct outside outside_serving = {
    .lookup = lookup_addrs, TLS, .tap_open = tap_open, .tap_close = tap_close};
const struct outside outside_asking = {.use = OUTSIDE_ASK, .lookup = lookup_addrs, TLS};
const struct outside outside_offline = {.use = OUTSIDE_READ, .lookup = no_lookup, TLS};
