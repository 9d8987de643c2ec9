/* What one HTTP request asks for, whichever HTTP brought it (RFC 8484): the pieces go
 * in as they come, the verdict comes out when all are there.
 *
 *     doh_request_method(&r, TEXT("GET"));
 *     doh_request_target(&r, TEXT("/dns-query?dns=AAABAAABAAAA..."));
 *     status = doh_request_verdict(&r);           // 0: r.message is a question
 *     doh_request_release(&r); */
#ifndef ISTHMUS_SERVER_DOH_REQUEST_H
#define ISTHMUS_SERVER_DOH_REQUEST_H

#include "base/span.h"
#include "server/doh_memory.h"

#define DOH_PATH "/dns-query"
#define DOH_TYPE "application/dns-message"

/* Whether a Content-Type says DOH_TYPE, with parameters such as a charset or without;
 * letter case does not count. */
bool doh_type(struct text type);

enum doh_method { DOH_OTHER, DOH_HEAD, DOH_GET, DOH_POST }; /* HEAD: without body */

/* All zero but for `memory`: nothing is known yet. */
struct doh_request {
    struct doh_memory *memory;
    enum doh_method method;
    bool known_path; /* /dns-query */
    bool has_dns;    /* the parameter */
    bool has_body;
    bool flawed;     /* dns= twice, or no base64url */
    bool other_type; /* the body is said to be something else than a DNS message */
    bool too_long;
    struct doh_buffer message;
};

void doh_request_method(struct doh_request *r, struct text method);
void doh_request_type(struct doh_request *r, struct text type); /* Content-Type */

/* Path and query, with scheme and authority or without. 0, or -1: no memory. */
int doh_request_target(struct doh_request *r, struct text target)
    __attribute__((warn_unused_result));

/* The next piece of the body, after all of the above. 0, or -1: no memory. */
int doh_request_body(struct doh_request *r, const void *at, size_t len)
    __attribute__((warn_unused_result));

/* 0, or the HTTP status that refuses it. */
unsigned doh_request_verdict(const struct doh_request *r);

void doh_request_release(struct doh_request *r);

/* ---- answers ---- */

/* The reason phrase of a status that we send, and for those that refuse a line of text
 * with the mend. */
const char *doh_status_phrase(unsigned status);
const char *doh_status_text(unsigned status);

#define DOH_DATE_LEN 30 /* with the NUL */

/* The present time as a Date: header has it. */
void doh_date(char out[DOH_DATE_LEN]);

#endif
