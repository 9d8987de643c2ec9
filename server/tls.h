/* TLS over OpenSSL, version 1.2 or later. Towards upstreams nobody is believed whose
 * certificate does not say the name or address that was asked for; of clients as much
 * is asked as `client_auth` says (RFC 7858, RFC 8310).
 *
 *     tls = tls_new(&files, reason);              // control thread; struct outside
 *     s = tls_open(tls, fd, &pool->session);      // the socket is connecting
 *     while (tls_handshake(s) == 0 && tls_wants(s) ...)
 *     tls_read(s, ...), tls_write(s, ...)
 *
 * One tls is shared by all workers, and lives until the last connection made with it
 * has closed; a lock is taken once for each connection. Nothing here costs memory
 * before the first is made. */
#ifndef ISTHMUS_SERVER_TLS_H
#define ISTHMUS_SERVER_TLS_H

#include "resolver/outside.h"

#include <stdbool.h>
#include <sys/types.h>

struct tls;
struct tls_stream;
struct tls_session; /* what lets the next connection begin in one round trip */

void *tls_new(const struct outside_tls *files, char *reason);
void *tls_server_new(const struct outside_tls_server *files, char *reason);
void tls_free(void *tls); /* NULL: nothing */

/* Others for connections to come, while workers go on. 0: `reason` says whose they are
 * and until when; -1: why not, and the old ones stay. */
int tls_renew(void *tls, const struct outside_tls *files, char *reason);
int tls_server_renew(void *tls, const struct outside_tls_server *files, char *reason);

/* For a listener with several certificates: each client is shown one that has the name
 * it asks for (server_name, RFC 6066), else the last; of clients as much is asked as
 * list[policy] says. Keeps all of the list, and follows when they are renewed. NULL: no
 * memory. */
void *tls_server_join(const void *const *list, uint32_t n, uint32_t policy);

/* A user more, who calls tls_free() in the end. */
const void *tls_keep(const void *tls);

/* A client's side on a connected, non-blocking socket. `session` is the caller's, kept
 * for one peer and used for the next connection; NULL at first. It must outlive the
 * stream. NULL: no memory. */
struct tls_stream *tls_open(const void *tls, int fd, struct tls_session **session);
void tls_close(struct tls_stream *s); /* not the socket; NULL: nothing */

/* What is said inside, for ALPN. */
enum tls_talk { TLS_DNS, TLS_HTTP };

/* The server's side, with what tls_server_new() gave, which the stream keeps. NULL: no
 * memory. tls_read() returns after each record that is no data of the client's
 * (EAGAIN), so that many of them take turns with everything else. */
struct tls_stream *tls_accept(const void *tls, int fd, enum tls_talk talk);

/* Tells the peer that no more will be sent. */
void tls_goodbye(struct tls_stream *s);

/* What this stream learns is kept no more: its peer is not the caller's any longer. */
void tls_forget_session(struct tls_stream *s);
void tls_session_free(struct tls_session *session);

/* All of these: EAGAIN when the socket has to become ready first (tls_wants_write()
 * tells for what), EKEYREJECTED when the certificate will not do, EPROTO for other
 * failures of TLS, or the socket's errno. */
int tls_handshake(struct tls_stream *s);                      /* 0: it is over */
ssize_t tls_read(struct tls_stream *s, void *to, size_t len); /* 0: closed */
ssize_t tls_write(struct tls_stream *s, const void *from, size_t len);
bool tls_wants_write(const struct tls_stream *s);

/* Whether octets that have been received wait to be read. */
bool tls_has_more(const struct tls_stream *s);

/* Whether the other side has chosen HTTP/2 (ALPN), once the handshake is over. */
bool tls_speaks_http2(const struct tls_stream *s);

/* The name, or address, that tls_new() was told. */
const char *tls_servername(const void *tls);

/* Why the certificate was not accepted. */
const char *tls_flaw(const struct tls_stream *s);

#endif
