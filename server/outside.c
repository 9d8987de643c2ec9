#include "server/outside.h"

#include "server/lookup.h"
#include "server/tap.h"
#include "server/tls.h"

/* Stands for whatever the name means: the plan is only looked at. */
static int no_lookup(const struct name *name, uint8_t family,
                     const struct addr *servers, uint32_t servers_n,
                     struct outside_addrs *out)
{
    *out = (struct outside_addrs){.n = family == 4 ? 1 : 0};
    out->list[0] = (struct addr){.family = 4, .ip = {192, 0, 2, 1}}; /* RFC 5737 */
    return 0;
}

#define TLS                                                                            \
    .tls_new = tls_new, .tls_renew = tls_renew, .tls_server_new = tls_server_new,      \
    .tls_server_renew = tls_server_renew, .tls_server_join = tls_server_join,          \
    .tls_free = tls_free

const struct outside outside_serving = {
    .lookup = lookup_addrs, TLS, .tap_open = tap_open, .tap_close = tap_close};
const struct outside outside_asking = {.use = OUTSIDE_ASK, .lookup = lookup_addrs, TLS};
const struct outside outside_offline = {.use = OUTSIDE_READ, .lookup = no_lookup, TLS};
