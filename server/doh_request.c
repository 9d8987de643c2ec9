#include "server/doh_request.h"

#include "base/base64.h"
#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/msg.h"

#include <strings.h>
#include <time.h>

#define HEADER_LEN 12
#define TEXT_MAX   (ANSWER_MAX / 3 * 4 + 4) /* of a message in base64url */
#define QR         0x80                     /* of the third octet of a message */

/* ---- what is asked ---- */

void doh_request_method(struct doh_request *r, struct text method)
{
    r->method = text_is(method, "GET")    ? DOH_GET
                : text_is(method, "POST") ? DOH_POST
                : text_is(method, "HEAD") ? DOH_HEAD
                                          : DOH_OTHER;
}

bool doh_type(struct text type)
{
    size_t len = 0;
    while (len < type.len && strchr("; \t", type.at[len]) == NULL)
        len++;
    return len == sizeof DOH_TYPE - 1 && strncasecmp(type.at, DOH_TYPE, len) == 0;
}

void doh_request_type(struct doh_request *r, struct text type)
{
    r->other_type = !doh_type(type);
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character that is written %XX at the front, which is taken off. -1: malformed. */
static int next_char(struct text *in)
{
    int high = in->len < 3 ? -1 : hex_of(in->at[1]);
    int low = high < 0 ? -1 : hex_of(in->at[2]);
    *in = text_from(*in, 3);
    return low < 0 ? -1 : high << 4 | low;
}

/* Adds octets to the message; a message can be no longer than ANSWER_MAX. */
static int add(struct doh_request *r, const void *at, size_t len)
{
    if (r->too_long || len > ANSWER_MAX - r->message.len) {
        r->too_long = true;
        return 0;
    }
    return doh_buffer_put(r->memory, &r->message, at, len);
}

/* What stands before a '%', or the character that is written so. 0, or -1: no memory.
 */
static int add_text(struct doh_request *r, struct text *in)
{
    const char *percent = memchr(in->at, '%', in->len);
    struct text run = {in->at, percent == NULL ? in->len : (size_t)(percent - in->at)};
    if (run.len > 0) {
        *in = text_from(*in, run.len);
        return doh_buffer_put(r->memory, &r->message, run.at, run.len);
    }
    int c = next_char(in);
    uint8_t octet = (uint8_t)c;
    r->flawed = r->flawed || c < 0;
    return c < 0 ? 0 : doh_buffer_put(r->memory, &r->message, &octet, 1);
}

/* base64url: first the text of it, then in its place the message. */
static int decode(struct doh_request *r, struct text in)
{
    struct doh_buffer *m = &r->message;
    while (in.len > 0 && !r->flawed && m->len <= TEXT_MAX) {
        if (add_text(r, &in) < 0)
            return -1;
    }
    ssize_t n = m->len == 0 ? 0 : base64url_read(m->octets + m->at, m->len);
    r->flawed = r->flawed || n < 0;
    r->too_long = m->len > TEXT_MAX || n > ANSWER_MAX;
    m->len = n < 0 ? 0 : (size_t)n;
    return 0;
}

static int read_query(struct doh_request *r, struct text query)
{
    static const struct text name = {"dns=", 4};
    while (query.len > 0) {
        const char *end = memchr(query.at, '&', query.len);
        size_t len = end == NULL ? query.len : (size_t)(end - query.at);
        struct text part = {query.at, len};
        query = text_from(query, len + 1);
        if (!text_starts(part, name))
            continue;
        r->flawed = r->flawed || r->has_dns;
        if (!r->has_dns && decode(r, text_from(part, name.len)) < 0)
            return -1;
        r->has_dns = true;
    }
    return 0;
}

int doh_request_target(struct doh_request *r, struct text target)
{
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!text_starts(target, text_of(schemes[i])))
            continue;
        target = text_from(target, strlen(schemes[i]));
        const char *path = memchr(target.at, '/', target.len);
        target =
            text_from(target, path == NULL ? target.len : (size_t)(path - target.at));
        break;
    }
    const char *mark = target.len == 0 ? NULL : memchr(target.at, '?', target.len);
    size_t len = mark == NULL ? target.len : (size_t)(mark - target.at);
    r->known_path = text_is((struct text){target.at, len}, DOH_PATH);
    return r->known_path ? read_query(r, text_from(target, len + 1)) : 0;
}

int doh_request_body(struct doh_request *r, const void *at, size_t len)
{
    if (r->method != DOH_POST || !r->known_path)
        return 0;
    if (!r->has_body) /* dns= of a POST means nothing */
        doh_buffer_release(r->memory, &r->message);
    r->has_body = true;
    return add(r, at, len);
}

static bool is_question(const struct doh_request *r)
{
    const struct doh_buffer *m = &r->message;
    bool whole = r->method == DOH_GET ? r->has_dns && !r->flawed : r->has_body;
    return whole && m->len >= HEADER_LEN && (m->octets[m->at + 2] & QR) == 0;
}

unsigned doh_request_verdict(const struct doh_request *r)
{
    if (!r->known_path)
        return 404;
    if (r->method != DOH_GET && r->method != DOH_POST)
        return 405;
    if (r->method == DOH_POST && r->other_type)
        return 415;
    if (r->too_long)
        return r->method == DOH_GET ? 414 : 413;
    return is_question(r) ? 0 : 400;
}

void doh_request_release(struct doh_request *r)
{
    doh_buffer_release(r->memory, &r->message);
    *r = (struct doh_request){.memory = r->memory};
}

/* ---- answers ---- */

static const struct status {
    unsigned number;
    const char *phrase, *text;
} statuses[] = {
    {200, "OK", ""},
    {400, "Bad Request",
     "expected a DNS query: GET " DOH_PATH "?dns=BASE64URL, or a POST of one\n"},
    {404, "Not Found", "DNS over HTTPS is at " DOH_PATH "\n"},
    {405, "Method Not Allowed", "expected GET or POST\n"},
    {413, "Content Too Large", "a DNS message has 65535 octets at most\n"},
    {414, "URI Too Long", "a DNS message has 65535 octets at most\n"},
    {415, "Unsupported Media Type", "expected Content-Type: " DOH_TYPE "\n"},
    {431, "Request Header Fields Too Large", "expected a shorter request\n"},
    {500, "Internal Server Error", "no response\n"},
    {501, "Not Implemented", "expected Transfer-Encoding: chunked, or none\n"},
    {503, "Service Unavailable", "this connection has had its share\n"},
    {505, "HTTP Version Not Supported", "expected HTTP/1.1 or HTTP/2\n"},
};

static const struct status *status_of(unsigned number)
{
    size_t n = sizeof statuses / sizeof *statuses;
    for (size_t i = 0; i < n; i++) {
        if (statuses[i].number == number)
            return &statuses[i];
    }
    return &statuses[n - 4]; /* 500 */
}

const char *doh_status_phrase(unsigned status)
{
    return status_of(status)->phrase;
}

const char *doh_status_text(unsigned status)
{
    return status_of(status)->text;
}

void doh_date(char out[DOH_DATE_LEN])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    char form[DOH_DATE_LEN];
    strftime(form, sizeof form, "xxx, %d xxx %Y %H:%M:%S GMT", &tm);
    memcpy(form, days + 3 * tm.tm_wday, 3);
    memcpy(form + 8, months + 3 * tm.tm_mon, 3);
    memcpy(out, form, DOH_DATE_LEN);
}
