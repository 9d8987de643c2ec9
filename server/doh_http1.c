#include "server/doh_http1.h"

#include "base/limits.h"
#include "server/doh_age.h"
#include "server/http1_text.h"

#include <stdio.h>

#define HEAD_TEXT_MAX 512 /* of an answer */

/* ---- answers ---- */

static int put_text(struct http1 *h, const char *text)
{
    return doh_buffer_put(h->memory, &h->out, text, strlen(text));
}

/* Head and body; then the next request's turn. */
static int respond(struct http1 *h, unsigned status, const char *fields,
                   struct span body)
{
    char head[HEAD_TEXT_MAX], date[DOH_DATE_LEN];
    doh_date(date);
    snprintf(head, sizeof head,
             "HTTP/1.1 %u %s\r\nDate: %s\r\n%sContent-Length: %zu\r\n%s\r\n", status,
             doh_status_phrase(status), date, fields, body.len,
             h->close ? "Connection: close\r\n" : "");
    h->state = h->close ? HTTP1_ENDED : HTTP1_HEAD;
    h->number++;
    h->ask->answered(h->ask->owner, status);
    if (put_text(h, head) < 0)
        return -1;
    if (h->request.method == DOH_HEAD)
        return 0;
    return doh_buffer_put(h->memory, &h->out, body.at, body.len);
}

static int refuse(struct http1 *h, unsigned status)
{
    const char *text = doh_status_text(status);
    return respond(h, status,
                   status == 405 ? "Allow: GET, POST\r\nContent-Type: text/plain\r\n"
                                 : "Content-Type: text/plain\r\n",
                   (struct span){.at = (const uint8_t *)text, .len = strlen(text)});
}

/* What follows cannot be told apart any more. */
static int refuse_and_close(struct http1 *h, unsigned status)
{
    h->close = true;
    return refuse(h, status);
}

int http1_answer(struct http1 *h, const void *wire, size_t len)
{
    char fields[128];
    struct span body = {.at = wire, .len = len};
    if (h->state != HTTP1_ASKED)
        return 0;
    if (len == 0)
        return refuse(h, 500);
    snprintf(fields, sizeof fields,
             "Content-Type: application/dns-message\r\nCache-Control: max-age=%u\r\n",
             doh_max_age(body));
    return respond(h, 200, fields, body);
}

/* ---- heads ---- */

/* What the fields of a head come to. */
struct head {
    bool has_length, has_host, is_1_0;
    unsigned flaw; /* a status; 0 = none */
};

static void read_length(struct http1 *h, struct head *head, struct text value)
{
    int64_t length = http1_number(value);
    if (length < 0 || (head->has_length && length != h->body_left))
        head->flaw = 400;
    else if (length > ANSWER_MAX && head->flaw == 0)
        head->flaw = 413;
    head->has_length = true;
    h->body_left = (uint32_t)length;
}

/* There is one coding that a server need know, and no use in more (section 6.1). */
static void read_coding(struct http1 *h, struct head *head, struct text value)
{
    if (h->chunked || head->is_1_0)
        head->flaw = 400;
    else if (!http1_same(value, "chunked"))
        head->flaw = 501;
    h->chunked = true;
}

static void read_connection(struct http1 *h, struct text value)
{
    h->close = h->close || http1_lists(value, "close");
}

static void read_field(struct http1 *h, struct head *head, struct text line)
{
    const char *colon = memchr(line.at, ':', line.len);
    struct text name = http1_cut(&line, ':'), value = http1_trimmed(line);
    if (colon == NULL || !http1_is_token(name))
        head->flaw = 400; /* RFC 9112 sections 5.1 and 5.2 */
    else if (http1_same(name, "content-length"))
        read_length(h, head, value);
    else if (http1_same(name, "transfer-encoding"))
        read_coding(h, head, value);
    else if (http1_same(name, "content-type"))
        doh_request_type(&h->request, value);
    else if (http1_same(name, "connection"))
        read_connection(h, value);
    else if (http1_same(name, "expect"))
        h->expects = http1_same(value, "100-continue");
    else if (http1_same(name, "host")) {
        head->flaw = head->has_host ? 400 : head->flaw;
        head->has_host = true;
    }
}

/* `METHOD TARGET HTTP/1.x`. 0, or -1: no memory. */
static int read_first_line(struct http1 *h, struct head *head, struct text line)
{
    struct text method = http1_cut(&line, ' '), target = http1_cut(&line, ' ');
    head->is_1_0 = text_is(line, "HTTP/1.0");
    if (method.len == 0 || target.len == 0 || !text_starts(line, TEXT("HTTP/")))
        head->flaw = 400;
    else if (!head->is_1_0 && !text_is(line, "HTTP/1.1"))
        head->flaw = 505;
    h->close = h->close || head->is_1_0;
    doh_request_method(&h->request, method);
    return doh_request_target(&h->request, target);
}

/* Reads a whole head, with the empty line at its end. 0, or -1: no memory. */
static int read_head(struct http1 *h, struct text text)
{
    struct head head = {0};
    doh_request_release(&h->request);
    h->body_left = 0;
    h->chunks = (struct chunks){0};
    h->chunked = h->expects = false;
    bool flawed = false;
    if (read_first_line(h, &head, http1_line(&text, &flawed)) < 0)
        return -1;
    while (text.len > 2) {
        struct text line = http1_line(&text, &flawed);
        head.flaw = flawed ? 400 : head.flaw;
        if (head.flaw == 0)
            read_field(h, &head, line);
    }
    flawed =
        flawed || (!head.has_host && !head.is_1_0) || (h->chunked && head.has_length);
    if (head.flaw == 0 && flawed)
        head.flaw = 400;
    if (head.flaw != 0)
        return refuse_and_close(h, head.flaw);
    h->state = HTTP1_BODY;
    if (h->expects && (h->chunked || h->body_left > 0))
        return put_text(h, "HTTP/1.1 100 Continue\r\n\r\n");
    return 0;
}

/* ---- requests ---- */

static void drop(struct http1 *h, size_t n)
{
    doh_buffer_drop(h->memory, &h->in, n);
    h->scanned = 0;
}

/* Empty lines before a request mean nothing (RFC 9112 section 2.2). */
static void skip_empty_lines(struct http1 *h)
{
    size_t n = 0;
    struct span in = doh_buffer_span(&h->in);
    while (n + 1 < in.len && memcmp(in.at + n, "\r\n", 2) == 0)
        n += 2;
    if (n > 0)
        drop(h, n);
}

/* Each of these: 1, what is there leads on; 0, more has to come; -1, no memory. */
static int take_head(struct http1 *h)
{
    skip_empty_lines(h);
    size_t len = http1_head(doh_buffer_span(&h->in), &h->scanned);
    if (len > HTTP_HEAD_MAX || (len == 0 && h->in.len > HTTP_HEAD_MAX))
        return refuse_and_close(h, 431);
    if (len == 0)
        return 0;
    struct span in = doh_buffer_span(&h->in);
    int rc = read_head(h, (struct text){(const char *)in.at, len});
    drop(h, len);
    return rc < 0 ? -1 : 1;
}

static int ask_for(struct http1 *h)
{
    unsigned status = doh_request_verdict(&h->request);
    if (status != 0)
        return refuse(h, status);
    struct span message = doh_buffer_span(&h->request.message);
    h->state = HTTP1_ASKED;
    return h->ask->question(h->ask->owner, h->number, message)
               ? 0
               : refuse_and_close(h, 503);
}

/* The body of a known length. */
static int take_octets(struct http1 *h)
{
    struct span in = doh_buffer_span(&h->in);
    size_t n = in.len < h->body_left ? in.len : h->body_left;
    if (n > 0 && doh_request_body(&h->request, in.at, n) < 0)
        return -1;
    if (n > 0)
        drop(h, n);
    h->body_left -= (uint32_t)n;
    return h->body_left == 0;
}

static int take_chunks(struct http1 *h)
{
    struct span in = doh_buffer_span(&h->in), data;
    size_t before = in.len;
    enum chunks_got got;
    while ((got = chunks_take(&h->chunks, &in, &data)) == CHUNKS_DATA) {
        if (doh_request_body(&h->request, data.at, data.len) < 0)
            return -1;
    }
    if (before > in.len)
        drop(h, before - in.len);
    if (got == CHUNKS_FLAWED || got == CHUNKS_TOO_LONG)
        return refuse_and_close(h, got == CHUNKS_FLAWED ? 400 : 413);
    return got == CHUNKS_END;
}

static int take_body(struct http1 *h)
{
    int rc = h->chunked ? take_chunks(h) : take_octets(h);
    if (rc <= 0)
        return rc;
    rc = ask_for(h);
    doh_request_release(&h->request);
    return rc < 0 ? -1 : 1;
}

int http1_feed(struct http1 *h, const void *at, size_t len)
{
    int more = 1;
    if (h->state == HTTP1_ENDED)
        return 0;
    if (doh_buffer_put(h->memory, &h->in, at, len) < 0)
        return -1;
    while (more > 0) {
        switch (h->state) {
        case HTTP1_HEAD:
            more = take_head(h);
            break;
        case HTTP1_BODY:
            more = take_body(h);
            break;
        case HTTP1_ASKED:
        case HTTP1_ENDED:
            more = 0;
            break;
        }
    }
    return more;
}

bool http1_partial(const struct http1 *h)
{
    return h->in.len > 0 || h->state == HTTP1_BODY;
}

void http1_release(struct http1 *h)
{
    doh_request_release(&h->request);
    doh_buffer_release(h->memory, &h->in);
    doh_buffer_release(h->memory, &h->out);
}
