#include "server/tls.h"

#include "server/tls_context.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tls {
    _Atomic unsigned users;
    pthread_mutex_t lock; /* for `context`: the control thread puts another there */
    SSL_CTX *context;     /* NULL: that of `policy` is used */
    uint64_t contexts;    /* made for a client so far */
    int keylog;           /* -1: none */
    bool is_address;      /* `name` */
    char name[256];

    /* of a listener with several certificates, each kept */
    const struct tls *policy; /* what it asks of clients */
    const struct tls **list;
    uint32_t list_n;
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

/* Those in use, for the caller to free. */
static SSL_CTX *hold_context(const struct tls *tls)
{
    struct tls *t = (struct tls *)(uintptr_t)(tls->policy != NULL ? tls->policy : tls);
    pthread_mutex_lock(&t->lock);
    SSL_CTX *context = t->context;
    SSL_CTX_up_ref(context);
    pthread_mutex_unlock(&t->lock);
    return context;
}

/* Takes the new. */
static void replace_context(struct tls *t, SSL_CTX *context)
{
    pthread_mutex_lock(&t->lock);
    SSL_CTX *old = t->context;
    t->context = context;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old);
}

static struct tls *make(void)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->users = 1;
    t->keylog = -1;
    pthread_mutex_init(&t->lock, NULL);
    return t;
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

/* Sessions know the settings that they began with by the number of those: the server
 * has seen whose certificate it was, and does not look again. */
static int number_context(SSL_CTX *context, uint64_t number)
{
    return SSL_CTX_set_session_id_context(context, (const unsigned char *)&number,
                                          sizeof number) == 1 &&
                   SSL_CTX_set_app_data(context, (void *)(uintptr_t)number) == 1
               ? 0
               : -1;
}

static bool is_of(const SSL_SESSION *session, const SSL *ssl)
{
    uint64_t number = (uintptr_t)SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    unsigned len;
    const unsigned char *its = SSL_SESSION_get0_id_context(session, &len);
    return len == sizeof number && memcmp(its, &number, len) == 0;
}

static SSL_CTX *client_context(struct tls *t, const struct outside_tls *files,
                               char *reason)
{
    SSL_CTX *context = tls_context_client(files, reason);
    if (context == NULL)
        return NULL;
    if (number_context(context, ++t->contexts) < 0) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_new_session);
    return context;
}

void *tls_new(const struct outside_tls *files, char *reason)
{
    reason[0] = '\0';
    struct tls *t = strlen(files->servername) < sizeof t->name ? make() : NULL;
    if (t == NULL)
        return NULL;
    snprintf(t->name, sizeof t->name, "%s", files->servername);
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(t->name);
    t->is_address = address != NULL;
    ASN1_OCTET_STRING_free(address);
    t->context = client_context(t, files, reason);
    if (t->context != NULL)
        return t;
    tls_free(t);
    return NULL;
}

/* ---- what a server says ---- */

int tls_renew(void *tls, const struct outside_tls *files, char *reason)
{
    SSL_CTX *context = client_context(tls, files, reason);
    if (context == NULL)
        return -1;
    tls_context_describe(context, reason, OUTSIDE_REASON_MAX);
    if (reason[0] == '\0')
        snprintf(reason, OUTSIDE_REASON_MAX, "authorities");
    replace_context(tls, context);
    return 0;
}

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
    const struct tls *t = s->kept->policy != NULL ? s->kept->policy : s->kept;
    int n = snprintf(text, sizeof text, "%s\n", line);
    if (n <= 0 || (size_t)n >= sizeof text || write(t->keylog, text, (size_t)n) < n)
        return; /* a full disk costs lines of a log, no answers */
}

/* ---- certificates of a server ---- */

/* Whether it is a name of the certificate. */
static bool is_named(const struct tls *t, const char *name, unsigned flags)
{
    SSL_CTX *context = hold_context(t);
    bool named =
        X509_check_host(SSL_CTX_get0_certificate(context), name, 0, flags, NULL) == 1;
    SSL_CTX_free(context);
    return named;
}

/* The first that has the name, without a wildcard if there is one; without any the
 * last, as of all settings of a listener. */
static const struct tls *choose(const struct tls *t, const char *name)
{
    static const unsigned flags[] = {X509_CHECK_FLAG_NO_WILDCARDS,
                                     X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS};
    for (size_t f = 0; name != NULL && f < sizeof flags / sizeof *flags; f++) {
        for (uint32_t i = 0; i < t->list_n; i++) {
            if (is_named(t->list[i], name, flags[f]))
                return t->list[i];
        }
    }
    return t->list[t->list_n - 1];
}

/* Whose certificate is shown (RFC 6066 section 3). */
static int on_certificate(SSL *ssl, void *unused)
{
    const struct tls_stream *s = SSL_get_app_data(ssl);
    STACK_OF(X509) *chain = NULL;
    if (s->kept->list_n == 0)
        return 1;
    SSL_CTX *context = hold_context(
        choose(s->kept, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)));
    SSL_certs_clear(ssl); /* one of another kind would stay beside it */
    SSL_CTX_get0_chain_certs(context, &chain);
    int good = SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(context),
                                    SSL_CTX_get0_privatekey(context), chain, 1);
    SSL_CTX_free(context);
    return good;
}

/* ---- settings of a server ---- */

static int open_keylog(struct tls *t, const char *path, char *reason)
{
    t->keylog = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (t->keylog >= 0)
        return 0;
    snprintf(reason, OUTSIDE_REASON_MAX, "unable to write TLS Key Log to \"%s\": %s",
             path, strerror(errno));
    return -1;
}

static SSL_CTX *server_context(const struct tls *t,
                               const struct outside_tls_server *files, char *reason)
{
    SSL_CTX *context = tls_context_server(files, reason);
    if (context == NULL)
        return NULL;
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    SSL_CTX_set_cert_cb(context, on_certificate, NULL);
    if (t->keylog >= 0)
        SSL_CTX_set_keylog_callback(context, on_secret);
    return context;
}

void *tls_server_new(const struct outside_tls_server *files, char *reason)
{
    struct tls *t = make();
    reason[0] = '\0';
    if (t == NULL)
        return NULL;
    if ((files->keylog == NULL || open_keylog(t, files->keylog, reason) == 0) &&
        (t->context = server_context(t, files, reason)) != NULL)
        return t;
    tls_free(t);
    return NULL;
}

int tls_server_renew(void *tls, const struct outside_tls_server *files, char *reason)
{
    SSL_CTX *context = server_context(tls, files, reason);
    if (context == NULL)
        return -1;
    tls_context_describe(context, reason, OUTSIDE_REASON_MAX);
    replace_context(tls, context);
    return 0;
}

void *tls_server_join(const void *const *list, uint32_t n, uint32_t policy)
{
    struct tls *t = make();
    if (t == NULL)
        return NULL;
    t->list = calloc(n, sizeof *t->list);
    for (; t->list != NULL && t->list_n < n; t->list_n++)
        t->list[t->list_n] = tls_keep(list[t->list_n]);
    if (t->list_n == n) {
        t->policy = t->list[policy];
        return t;
    }
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
    for (uint32_t i = 0; i < t->list_n; i++)
        tls_free((void *)(uintptr_t)t->list[i]);
    free(t->list);
    SSL_CTX_free(t->context);
    if (t->keylog >= 0)
        close(t->keylog);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void tls_session_free(struct tls_session *session)
{
    SSL_SESSION_free(session_of(session));
}

/* ---- streams ---- */

static SSL *new_ssl(const struct tls *t)
{
    SSL_CTX *context = hold_context(t);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    return ssl;
}

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
    s->ssl = new_ssl(t);
    if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1 || !expect_peer(s->ssl, t)) {
        tls_close(s);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_app_data(s->ssl, s);
    SSL_set_connect_state(s->ssl);
    if (*session != NULL && is_of(session_of(*session), s->ssl))
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
    s->ssl = new_ssl(t);
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

bool tls_speaks_http2(const struct tls_stream *s)
{
    const unsigned char *chosen;
    unsigned len;
    SSL_get0_alpn_selected(s->ssl, &chosen, &len);
    return len == 2 && memcmp(chosen, "h2", 2) == 0;
}

const char *tls_servername(const void *tls)
{
    return ((const struct tls *)tls)->name;
}
