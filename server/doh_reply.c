#include "server/doh_reply.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/io.h"
#include "resolver/msg.h"
#include "server/doh_age.h"
#include "server/doh_request.h"
#include "server/http1_text.h"

#include <errno.h>
#include <stdio.h>

#define REQUEST_TIMEOUT 408

bool doh_reply_status(struct doh_reply *r, struct text digits)
{
    int64_t status = digits.len == 3 ? http1_number(digits) : -1;
    if (status < 100)
        return false;
    doh_reply_release(r);
    r->status = (unsigned)status;
    return true;
}

/* Printable characters of it, for a line of the log. */
static void keep_type(struct doh_reply *r, struct text type)
{
    size_t n = 0;
    for (size_t i = 0; i < type.len && n + 1 < sizeof r->type; i++) {
        if (type.at[i] >= ' ' && type.at[i] < 0x7f)
            r->type[n++] = type.at[i];
    }
    r->type[n] = '\0';
}

void doh_reply_field(struct doh_reply *r, struct text name, struct text value)
{
    if (http1_same(name, "content-type") && !doh_type(value)) {
        r->other_type = true;
        keep_type(r, value);
    } else if (http1_same(name, "age")) {
        int64_t age = http1_number(value);
        r->age_s = age < 0 ? 0 : age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
    }
}

int doh_reply_body(struct doh_reply *r, const void *at, size_t len)
{
    if (r->too_long || len > ANSWER_MAX - r->message.len) {
        r->too_long = true;
        return 0;
    }
    return doh_buffer_put(r->memory, &r->message, at, len);
}

/* The same for statuses without an answer. A server that has waited in vain for a
 * request, and says so when one comes, has only closed a kept connection (RFC 9110
 * section 15.5.9). */
static int judge_status(const struct doh_reply *r, char *why)
{
    if (r->status / 100 == 2)
        return 0;
    if (r->status == REQUEST_TIMEOUT)
        return ECONNRESET;
    snprintf(why, DOH_REPLY_WHY_MAX, "HTTP status %u%s", r->status,
             r->status / 100 == 3 ? ", and redirects are not followed" : "");
    return IO_HTTP_STATUS + (int)r->status;
}

int doh_reply_verdict(struct doh_reply *r, uint16_t id, char why[DOH_REPLY_WHY_MAX])
{
    why[0] = '\0';
    int error = judge_status(r, why);
    if (error != 0)
        return error;
    struct doh_buffer *m = &r->message;
    if (r->too_long)
        snprintf(why, DOH_REPLY_WHY_MAX, "an answer of more than %d octets",
                 ANSWER_MAX);
    else if (r->other_type)
        snprintf(why, DOH_REPLY_WHY_MAX, "an answer of type '%s'", r->type);
    else if (m->len < DNS_HEADER_LEN)
        snprintf(why, DOH_REPLY_WHY_MAX, "%zu octets, which are no DNS message",
                 m->len);
    if (why[0] != '\0')
        return EBADMSG;
    store_u16(m->octets + m->at, id);
    if (r->age_s > 0)
        doh_grow_old(m->octets + m->at, m->len, r->age_s);
    return 0;
}

void doh_reply_release(struct doh_reply *r)
{
    doh_buffer_release(r->memory, &r->message);
    *r = (struct doh_reply){.memory = r->memory};
}
