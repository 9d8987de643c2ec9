/* Certificates for tests of TLS.
 *
 *     struct identity who;
 *     make_identity(&who, "DNS:dns.test");
 *     ... who.cert_pem, who.key_pem
 *     drop_identity(&who); */
#ifndef ISTHMUS_TESTS_UNIT_IDENTITY_H
#define ISTHMUS_TESTS_UNIT_IDENTITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>

/* A certificate that signs itself, and its key. */
struct identity {
    X509 *cert;
    EVP_PKEY *key;
    char cert_pem[2048], key_pem[2048];
};

/* `names` as OpenSSL reads subjectAltName. */
void make_identity(struct identity *who, const char *names);

/* With this key, which it takes. */
void make_identity_of(struct identity *who, const char *names, EVP_PKEY *key);

void drop_identity(struct identity *who);

#endif
