#include "tests/unit/identity.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

static void print_pem(BIO *bio, char *out, size_t cap)
{
    int n = BIO_read(bio, out, (int)cap - 1);
    assert_true(n > 0);
    out[n] = '\0';
    BIO_free(bio);
}

void make_identity_of(struct identity *who, const char *names, EVP_PKEY *key)
{
    who->key = key;
    who->cert = X509_new();
    assert_non_null(who->key);
    assert_non_null(who->cert);
    X509_set_version(who->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(who->cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(who->cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(who->cert), 3600);
    X509_set_pubkey(who->cert, who->key);
    X509_NAME *name = X509_get_subject_name(who->cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)names,
                               -1, -1, 0);
    X509_set_issuer_name(who->cert, name);
    add_extension(who->cert, NID_subject_alt_name, names);
    add_extension(who->cert, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(who->cert, who->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, who->cert);
    print_pem(bio, who->cert_pem, sizeof who->cert_pem);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, who->key, NULL, NULL, 0, NULL, NULL);
    print_pem(bio, who->key_pem, sizeof who->key_pem);
}

void make_identity(struct identity *who, const char *names)
{
    make_identity_of(who, names, EVP_EC_gen("P-256"));
}

void drop_identity(struct identity *who)
{
    X509_free(who->cert);
    EVP_PKEY_free(who->key);
}
