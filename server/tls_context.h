/* OpenSSL's settings (SSL_CTX), made from PEM text: version 1.2 or later, small
 * buffers, who is shown and who is believed. server/tls.h has their life, and the
 * streams.
 *
 *     context = tls_context_server(&files, reason);    // NULL: `reason` says why
 *     SSL_CTX_free(context); */
#ifndef ISTHMUS_SERVER_TLS_CONTEXT_H
#define ISTHMUS_SERVER_TLS_CONTEXT_H

#include "resolver/outside.h"

#include <openssl/ssl.h>

/* NULL: `reason`, which holds OUTSIDE_REASON_MAX, says why, or is empty: no memory. Of
 * a server's files the key log is not looked at. */
SSL_CTX *tls_context_client(const struct outside_tls *files, char *reason);
SSL_CTX *tls_context_server(const struct outside_tls_server *files, char *reason);

/* "dns.test, good until 2027-01-31"; empty: there is no certificate. */
void tls_context_describe(const SSL_CTX *context, char *out, size_t cap);

#endif
