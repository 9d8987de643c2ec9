#include "server/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- files ---- */

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

/* Nobody is there to ask: OpenSSL would, on the terminal, and wait for ever. */
static int refuse_passphrase(char *out, int cap, int writes, void *is_locked)
{
    if (is_locked != NULL)
        *(bool *)is_locked = true;
    return -1;
}

static X509 *next_cert(BIO *bio)
{
    return PEM_read_bio_X509(bio, NULL, refuse_passphrase, NULL);
}

/* After the last of what a file has: not one that is cut short, or is still written. */
static bool is_at_end(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* The first certificate is ours, those that follow lead to the root. */
static int use_chain(SSL_CTX *context, const char *pem)
{
    BIO *bio = bio_of(pem);
    X509 *cert =
        bio == NULL ? NULL : PEM_read_bio_X509_AUX(bio, NULL, refuse_passphrase, NULL);
    int good = cert != NULL && SSL_CTX_use_certificate(context, cert) == 1;
    X509_free(cert);
    while (good && (cert = next_cert(bio)) != NULL) {
        if (SSL_CTX_add0_chain_cert(context, cert) != 1) {
            X509_free(cert);
            good = 0;
        }
    }
    BIO_free(bio);
    return good && is_at_end() ? 0 : -1;
}

static int use_key(SSL_CTX *context, const char *pem, char *reason)
{
    static const char what[] = "error reading the key";
    BIO *bio = bio_of(pem);
    bool locked = false;
    EVP_PKEY *key =
        bio == NULL ? NULL
                    : PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &locked);
    int good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    if (good)
        return 0;
    explain(reason, what);
    if (locked)
        snprintf(reason, OUTSIDE_REASON_MAX,
                 "%s: it is encrypted: expected one without a passphrase", what);
    return -1;
}

/* Whoever is named is trusted, be it a root or not, as in Go. */
static int trust(SSL_CTX *context, const char *pem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    BIO *bio = bio_of(pem);
    X509 *cert;
    unsigned n = 0;
    int good = bio != NULL;
    while (good && (cert = next_cert(bio)) != NULL) {
        good = X509_STORE_add_cert(store, cert);
        X509_free(cert);
        n++;
    }
    BIO_free(bio);
    return good && n > 0 && is_at_end() ? 0 : -1;
}

static int set_common(SSL_CTX *context, char *reason)
{
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        return explain(reason, "TLS 1.2");
    /* A message has a length of its own: who cuts it off gains nothing, and a server
     * that ends without a word has only closed a connection. */
    SSL_CTX_set_options(context,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
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
    if (key != NULL && use_key(context, key, reason) < 0)
        return -1;
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

/* ---- towards upstreams ---- */

static int configure_client(SSL_CTX *context, const struct outside_tls *files,
                            char *reason)
{
    static const unsigned char dot[] = "\3dot"; /* RFC 7858 section 3.1 */
    static const unsigned char http[] = "\2h2\10http/1.1";
    if (SSL_CTX_set_alpn_protos(context, files->https ? http : dot,
                                files->https ? sizeof http - 1 : sizeof dot - 1) != 0)
        return explain(reason, "ALPN");
    SSL_CTX_set_verify(context, files->unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       NULL);
    if (set_common(context, reason) < 0 || use_trust(context, files->ca, reason) < 0 ||
        use_identity(context, files->cert, files->key, reason) < 0)
        return -1;
    ERR_clear_error(); /* the end of each file has left one */
    return 0;
}

/* Whichever side it is for. NULL: no memory. */
static SSL_CTX *make(const SSL_METHOD *method, char *reason)
{
    SSL_CTX *context = SSL_CTX_new(method);
    reason[0] = '\0';
    if (context == NULL)
        ERR_clear_error();
    return context;
}

SSL_CTX *tls_context_client(const struct outside_tls *files, char *reason)
{
    SSL_CTX *context = make(TLS_client_method(), reason);
    if (context == NULL || configure_client(context, files, reason) == 0)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

/* ---- of clients ---- */

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
    while (good && (cert = next_cert(bio)) != NULL) {
        good = SSL_CTX_add_client_CA(context, cert);
        X509_free(cert);
    }
    BIO_free(bio);
    return good && is_at_end() ? 0 : -1;
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

static int configure_server(SSL_CTX *context, const struct outside_tls_server *files,
                            char *reason)
{
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
    ERR_clear_error(); /* the end of each file has left one */
    return 0;
}

SSL_CTX *tls_context_server(const struct outside_tls_server *files, char *reason)
{
    SSL_CTX *context = make(TLS_server_method(), reason);
    if (context == NULL || configure_server(context, files, reason) == 0)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

/* ---- certificates ---- */

void tls_context_describe(const SSL_CTX *context, char *out, size_t cap)
{
    const X509 *cert = SSL_CTX_get0_certificate(context);
    char name[128] = "", until[16] = "";
    struct tm tm;
    out[0] = '\0';
    if (cert == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return;
    strftime(until, sizeof until, "%Y-%m-%d", &tm);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
                              sizeof name);
    snprintf(out, cap, "%s%sgood until %s", name, name[0] == '\0' ? "" : ", ", until);
}
