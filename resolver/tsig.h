/* Transaction signatures (RFC 8945): a question signed with a shared key is checked,
 * and what answers it is signed with the same.
 *
 *     tsig_read(message, at, &record);                        // the last record
 *     status = tsig_check(&record, message, key, now_s, session);
 *     ... the reply is encoded with tsig_room(session) octets to spare ...
 *     len = tsig_sign(session, reply, len, now_s);            // each of its messages
 *
 * HMAC is OpenSSL's, with SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512. */
#ifndef ISTHMUS_RESOLVER_TSIG_H
#define ISTHMUS_RESOLVER_TSIG_H

#include "base/name.h"

#define TSIG_MAC_MAX 64

/* As in the record's error field, but for the first two. */
enum tsig_status {
    TSIG_OK = 0,
    TSIG_FORMERR = 1,
    TSIG_BADSIG = 16,
    TSIG_BADKEY = 17,
    TSIG_BADTIME = 18,
    TSIG_BADTRUNC = 22, /* of a shorter MAC than the algorithm gives */
};

struct tsig_key {
    const uint8_t *name; /* lower case */
    struct span secret;
};

struct tsig_record {
    uint32_t at;                 /* where it begins */
    struct name name, algorithm; /* lower case */
    uint64_t time_s;
    uint16_t fudge_s, id, error;
    struct span mac, other; /* in the message */
};

/* What the reply is signed with. */
struct tsig_session {
    const struct tsig_key *key; /* NULL: it cannot be signed */
    struct name name, algorithm;
    uint64_t time_s; /* of the question */
    uint16_t fudge_s, error;
    bool going; /* a message has been signed: of the others less is covered */
    uint8_t mac[TSIG_MAC_MAX]; /* of the message before */
    size_t mac_len;
};

/* Reads the TSIG record at `at`, the last of a walked message. 0, or -1: malformed. */
int tsig_read(struct span message, uint32_t at, struct tsig_record *out);

/* Whether the message was signed with `key` (NULL: it is unknown) just now; fills the
 * session for the reply whatever the status, but for TSIG_FORMERR. */
enum tsig_status tsig_check(const struct tsig_record *r, struct span message,
                            const struct tsig_key *key, uint64_t now_s,
                            struct tsig_session *session);

/* Octets that the record adds to a message, at most. */
size_t tsig_room(const struct tsig_session *s);

/* Adds the record to a message, behind which there is room for it. Returns the new
 * length, 0: it could not be signed. */
size_t tsig_sign(struct tsig_session *s, uint8_t *message, size_t len, uint64_t now_s);

/* A secret in base64 (RFC 4648 section 4); `out` holds text.len octets. Returns octets,
 * or -1: it is none. */
int tsig_secret(struct text text, uint8_t *out);

#endif
