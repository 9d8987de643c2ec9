#include "server/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tls {
    SSL_CTX *context;
    _Atomic unsigned users;
    int keylog;      /* -1: none */
    bool is_address; /* `name` */
    char name[256];
};

struct tls_stream {
    SSL *ssl;
    struct tls_session **session;
    const struct tls *kept; /* of a server's stream */
    enum tls_talk talk;
    bool wants_write;
};

/* SSL_SESSION under a name of ours. */
static SSL_SESSION *session_of(struct tls_session *session)
{
    return (SSL_SESSION *)(void *)session;
}

/* ---- settings ---- */

static int explain(char *reason, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = code == 0 ? NULL : ERR_reason_error_string(code);
    snprintf(reason, OUTSIDE_REASON_MAX, "%s: %s", what,
             why == NULL ? "out of memory" : why);
    ERR_clear_error();
    return -1;
}

static BIO *bio_of(const char *pem)
{
    return BIO_new_mem_buf(pem, -1);
}

/* The first certificate is ours, those that follow lead to the root. */
static int use_chain(SSL_CTX *context, const char *pem)
{
    BIO *bio = bio_of(pem);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    int good = cert != NULL && SSL_CTX_use_certificate(context, cert) == 1;
    X509_free(cert);
    while (good && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(context, cert) != 1) {
            X509_free(cert);
            good = 0;
        }
    }
    BIO_free(bio);
    return good ? 0 : -1;
}

static int use_key(SSL_CTX *context, const char *pem)
{
    BIO *bio = bio_of(pem);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    int good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return good ? 0 : -1;
}

/* Whoever is named is trusted, be it a root or not, as in Go. */
static int trust(SSL_CTX *context, const char *pem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    BIO *bio = bio_of(pem);
    X509 *cert;
    unsigned n = 0;
    while (bio != NULL && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        n += X509_STORE_add_cert(store, cert) == 1;
        X509_free(cert);
    }
    BIO_free(bio);
    return n > 0 ? 0 : -1;
}

static int set_common(SSL_CTX *context, char *reason)
{
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        return explain(reason, "TLS 1.2");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    return 0;
}

static int use_identity(SSL_CTX *context, const char *cert, const char *key,
                        char *reason)
{
    if (cert != NULL && use_chain(context, cert) < 0)
        return explain(reason, "error reading the certificate");
    if (key != NULL && use_key(context, key) < 0)
        return explain(reason, "error reading the key");
    if (key != NULL && SSL_CTX_check_private_key(context) != 1)
        return explain(reason, "the key is not the certificate's");
    return 0;
}

static int use_trust(SSL_CTX *context, const char *ca, char *reason)
{
    if (ca == NULL ? SSL_CTX_set_default_verify_paths(context) != 1
                   : trust(context, ca) < 0)
        return explain(reason, "error reading the CA's certificates");
    return 0;
}

static int configure(SSL_CTX *context, const struct outside_tls *files, char *reason)
{
    static const unsigned char alpn[] = "\3dot"; /* RFC 7858 section 3.1 */
    if (SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn - 1) != 0)
        return explain(reason, "ALPN");
    SSL_CTX_set_verify(context, files->unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       NULL);
    if (set_common(context, reason) < 0 || use_trust(context, files->ca, reason) < 0 ||
        use_identity(context, files->cert, files->key, reason) < 0)
        return -1;
    ERR_clear_error(); /* the end of each file has left one */
    return 0;
}

/* A session may be used once (RFC 8446 appendix C.4): the latest is kept. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_stream *s = SSL_get_app_data(ssl);
    if (s->session == NULL)
        return 0;
    tls_session_free(*s->session);
    *s->session = (struct tls_session *)(void *)session;
    return 1; /* it is ours now */
}

static struct tls *make(const SSL_METHOD *method)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->users = 1;
    t->keylog = -1;
    t->context = SSL_CTX_new(method);
    if (t->context != NULL)
        return t;
    ERR_clear_error();
    free(t);
    return NULL;
}

void *tls_new(const struct outside_tls *files, char *reason)
{
    reason[0] = '\0';
    struct tls *t =
        strlen(files->servername) < sizeof t->name ? make(TLS_client_method()) : NULL;
    if (t == NULL)
        return NULL;
    snprintf(t->name, sizeof t->name, "%s", files->servername);
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(t->name);
    t->is_address = address != NULL;
    ASN1_OCTET_STRING_free(address);
    if (configure(t->context, files, reason) < 0) {
        tls_free(t);
        return NULL;
    }
    SSL_CTX_set_session_cache_mode(t->context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->context, on_new_session);
    return t;
}

/* ---- settings of a server ---- */

struct protocols {
    const unsigned char *list;
    unsigned len;
};

static const struct protocols protocols_of[] = {
    [TLS_DNS] = {(const unsigned char *)"\3dot", 4},
    [TLS_HTTP] = {(const unsigned char *)"\2h2\10http/1.1", 12},
};

/* RFC 7301 section 3.2 wants a client sent away that speaks nothing of ours. Over HTTP
 * we do, as Go does; of DNS there is only one kind, whatever it is called. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
                   const unsigned char *in, unsigned in_len, void *unused)
{
    const struct tls_stream *s = SSL_get_app_data(ssl);
    const struct protocols *ours = &protocols_of[s->talk];
    unsigned char *chosen;
    int rc = SSL_select_next_proto(&chosen, len, ours->list, ours->len, in, in_len);
    *out = chosen;
    if (rc == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return s->talk == TLS_HTTP ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

/* One write a line: workers write at the same time. */
static void on_secret(const SSL *ssl, const char *line)
{
    const struct tls_stream *s = SSL_get_app_data(ssl);
    char text[512];
    int n = snprintf(text, sizeof text, "%s\n", line);
    if (n <= 0 || (size_t)n >= sizeof text ||
        write(s->kept->keylog, text, (size_t)n) < n)
        return; /* a full disk costs lines of a log, no answers */
}

static int open_keylog(struct tls *t, const char *path, char *reason)
{
    t->keylog = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (t->keylog < 0) {
        snprintf(reason, OUTSIDE_REASON_MAX,
                 "unable to write TLS Key Log to \"%s\": %s", path, strerror(errno));
        return -1;
    }
    SSL_CTX_set_keylog_callback(t->context, on_secret);
    return 0;
}

static int accept_any(int good, X509_STORE_CTX *context)
{
    return 1;
}

/* Tells clients whose certificates will do. */
static int name_authorities(SSL_CTX *context, const char *pem)
{
    BIO *bio = bio_of(pem);
    X509 *cert;
    int good = bio != NULL;
    while (good && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = SSL_CTX_add_client_CA(context, cert);
        X509_free(cert);
    }
    BIO_free(bio);
    return good ? 0 : -1;
}

static int set_client_auth(SSL_CTX *context, const struct outside_tls_server *files,
                           char *reason)
{
    enum client_auth auth = files->client_auth;
    bool any = auth == CLIENT_AUTH_REQUEST || auth == CLIENT_AUTH_REQUIRE;
    int mode = auth == CLIENT_AUTH_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    if (auth == CLIENT_AUTH_REQUIRE || auth == CLIENT_AUTH_REQUIRE_AND_VERIFY)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, any ? accept_any : NULL);
    /* Also where nobody is verified: a file that will not do is told. */
    if (files->ca != NULL && trust(context, files->ca) < 0)
        return explain(reason, "error reading the CA's certificates");
    if (mode == SSL_VERIFY_NONE)
        return 0;
    if (files->ca == NULL)
        return use_trust(context, NULL, reason);
    return name_authorities(context, files->ca) < 0
               ? explain(reason, "error reading the CA's certificates")
               : 0;
}

static int configure_server(struct tls *t, const struct outside_tls_server *files,
                            char *reason)
{
    SSL_CTX *context = t->context;
    if (set_common(context, reason) < 0 ||
        use_identity(context, files->cert, files->key, reason) < 0 ||
        set_client_auth(context, files, reason) < 0)
        return -1;
    /* Sessions go on in tickets, whose keys end with these settings: nothing is kept,
     * and a certificate that is replaced is replaced for all. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_session_id_context(context, (const unsigned char *)"isthmus", 7) !=
        1)
        return explain(reason, "sessions");
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    /* A message has a length of its own: who cuts it off gains nothing. */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    ERR_clear_error(); /* the end of each file has left one */
    return files->keylog == NULL ? 0 : open_keylog(t, files->keylog, reason);
}

void *tls_server_new(const struct outside_tls_server *files, char *reason)
{
    struct tls *t = make(TLS_server_method());
    reason[0] = '\0';
    if (t == NULL || configure_server(t, files, reason) == 0)
        return t;
    tls_free(t);
    return NULL;
}

/* ---- users ---- */

const void *tls_keep(const void *tls)
{
    struct tls *t = (struct tls *)(uintptr_t)tls;
    atomic_fetch_add_explicit(&t->users, 1, memory_order_relaxed);
    return tls;
}

void tls_free(void *tls)
{
    struct tls *t = tls;
    if (t == NULL || atomic_fetch_sub_explicit(&t->users, 1, memory_order_acq_rel) > 1)
        return;
    SSL_CTX_free(t->context);
    if (t->keylog >= 0)
        close(t->keylog);
    free(t);
}

void tls_session_free(struct tls_session *session)
{
    SSL_SESSION_free(session_of(session));
}

/* ---- streams ---- */

static bool expect_peer(SSL *ssl, const struct tls *t)
{
    if (t->is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), t->name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* OpenSSL's macro for this drops the const that OpenSSL keeps. */
    void *name = (void *)(uintptr_t)t->name;
    return SSL_set1_host(ssl, t->name) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    name) == 1;
}

struct tls_stream *tls_open(const void *tls, int fd, struct tls_session **session)
{
    const struct tls *t = tls;
    struct tls_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->session = session;
    s->ssl = SSL_new(t->context);
    if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1 || !expect_peer(s->ssl, t)) {
        tls_close(s);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_app_data(s->ssl, s);
    SSL_set_connect_state(s->ssl);
    if (*session != NULL)
        SSL_set_session(s->ssl, session_of(*session));
    return s;
}

struct tls_stream *tls_accept(const void *tls, int fd, enum tls_talk talk)
{
    const struct tls *t = tls;
    struct tls_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->kept = tls_keep(t);
    s->talk = talk;
    s->ssl = SSL_new(t->context);
    if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1) {
        tls_close(s);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_app_data(s->ssl, s);
    SSL_set_accept_state(s->ssl);
    return s;
}

/* Said if there is room for it; a session not ended so is not used again. */
void tls_goodbye(struct tls_stream *s)
{
    if (s->ssl == NULL || !SSL_is_init_finished(s->ssl) ||
        (SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN) != 0)
        return;
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}

void tls_close(struct tls_stream *s)
{
    if (s == NULL)
        return;
    tls_goodbye(s);
    SSL_free(s->ssl);
    tls_free((void *)(uintptr_t)s->kept);
    free(s);
}

void tls_forget_session(struct tls_stream *s)
{
    s->session = NULL;
}

/* What a call that gave `rc` came to: 0, EAGAIN or an error. */
static int outcome(struct tls_stream *s, int rc)
{
    int error = errno;
    int what = rc > 0 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, rc);
    s->wants_write = what == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    if (what == SSL_ERROR_NONE)
        return 0;
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
        return EAGAIN;
    if (SSL_get_verify_result(s->ssl) != X509_V_OK)
        return EKEYREJECTED;
    if (what == SSL_ERROR_SYSCALL)
        return error == 0 ? ECONNRESET : error;
    return EPROTO;
}

int tls_handshake(struct tls_stream *s)
{
    errno = 0;
    return outcome(s, SSL_do_handshake(s->ssl));
}

ssize_t tls_read(struct tls_stream *s, void *to, size_t len)
{
    errno = 0;
    int n = SSL_read(s->ssl, to, len > INT_MAX ? INT_MAX : (int)len);
    bool closed = n <= 0 && SSL_get_error(s->ssl, n) == SSL_ERROR_ZERO_RETURN;
    int error = closed ? 0 : outcome(s, n);
    if (error == 0)
        return closed ? 0 : n;
    errno = error;
    return -1;
}

ssize_t tls_write(struct tls_stream *s, const void *from, size_t len)
{
    errno = 0;
    int n = SSL_write(s->ssl, from, len > INT_MAX ? INT_MAX : (int)len);
    int error = outcome(s, n);
    if (error == 0)
        return n;
    errno = error;
    return -1;
}

bool tls_wants_write(const struct tls_stream *s)
{
    return s->wants_write;
}

bool tls_has_more(const struct tls_stream *s)
{
    return SSL_pending(s->ssl) > 0;
}

const char *tls_flaw(const struct tls_stream *s)
{
    return X509_verify_cert_error_string(SSL_get_verify_result(s->ssl));
}
