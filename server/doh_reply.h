/* What one HTTP response says, whichever HTTP brought it (RFC 8484): the pieces go in
 * as they come, the verdict comes out when all are there.
 *
 *     doh_reply_status(&r, TEXT("200"));
 *     doh_reply_field(&r, TEXT("content-type"), TEXT("application/dns-message"));
 *     doh_reply_body(&r, octets, len);
 *     error = doh_reply_verdict(&r, id, why);     // 0: r.message is an answer
 *     doh_reply_release(&r); */
#ifndef ISTHMUS_SERVER_DOH_REPLY_H
#define ISTHMUS_SERVER_DOH_REPLY_H

#include "base/span.h"
#include "server/doh_memory.h"

#define DOH_REPLY_TYPE_MAX 48
#define DOH_REPLY_WHY_MAX  96

/* All zero but for `memory`: nothing is known yet. */
struct doh_reply {
    struct doh_memory *memory;
    unsigned status;
    uint32_t age_s;  /* in a cache of HTTP */
    bool other_type; /* the body is said to be something else than a DNS message */
    bool too_long;   /* what is beyond ANSWER_MAX is not kept */
    char type[DOH_REPLY_TYPE_MAX]; /* what it is said to be, then */
    struct doh_buffer message;
};

/* Three digits; what was said with a status before (1xx) is forgotten. False: they are
 * none. */
bool doh_reply_status(struct doh_reply *r, struct text digits);

/* A field of its head; those that mean nothing here are passed over. */
void doh_reply_field(struct doh_reply *r, struct text name, struct text value);

/* The next piece of the body, after all of the above. 0, or -1: no memory. */
int doh_reply_body(struct doh_reply *r, const void *at, size_t len)
    __attribute__((warn_unused_result));

/* 0: r->message begins with 12 octets of a DNS header, has this ID, and its records
 * have less to live by the time that it was kept. Else an error as of resolver_lost(),
 * and why. */
int doh_reply_verdict(struct doh_reply *r, uint16_t id, char why[DOH_REPLY_WHY_MAX]);

void doh_reply_release(struct doh_reply *r);

#endif
