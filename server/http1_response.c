#include "server/http1_response.h"

#include "base/limits.h"
#include "server/http1_text.h"

/* ---- heads ---- */

/* What the fields of a head come to. */
struct head {
    int64_t length; /* -1: none */
    bool chunked, flawed, is_1_0, keep;
};

static void read_length(struct head *head, struct text value)
{
    int64_t length = http1_number(value);
    if (length < 0 || (head->length >= 0 && length != head->length))
        head->flawed = true;
    head->length = length;
}

static void read_field(struct http1_response *h, struct head *head, struct text line)
{
    const char *colon = memchr(line.at, ':', line.len);
    struct text name = http1_cut(&line, ':'), value = http1_trimmed(line);
    if (colon == NULL || !http1_is_token(name)) {
        head->flawed = true;
    } else if (http1_same(name, "content-length")) {
        read_length(head, value);
    } else if (http1_same(name, "transfer-encoding")) {
        head->flawed = head->flawed || head->chunked || !http1_same(value, "chunked");
        head->chunked = true;
    } else if (http1_same(name, "connection")) {
        h->close = h->close || http1_lists(value, "close");
        head->keep = head->keep || http1_lists(value, "keep-alive");
    } else {
        doh_reply_field(&h->reply, name, value);
    }
}

/* `HTTP/1.x 200 WORDS` */
static void read_first_line(struct http1_response *h, struct head *head,
                            struct text line)
{
    struct text version = http1_cut(&line, ' '), status = http1_cut(&line, ' ');
    head->is_1_0 = text_is(version, "HTTP/1.0");
    head->flawed = (!head->is_1_0 && !text_is(version, "HTTP/1.1")) ||
                   !doh_reply_status(&h->reply, status);
}

/* Which kind of body follows (RFC 9112 section 6.3). */
static void choose_body(struct http1_response *h, const struct head *head)
{
    unsigned status = h->reply.status;
    bool none = status == 204 || status == 304;
    h->left = 0;
    if (head->chunked && !none) {
        h->body = HTTP1_CHUNKS;
    } else if (head->length < 0 && !none) {
        h->body = HTTP1_TO_THE_END;
        h->close = true;
    } else {
        h->body = HTTP1_LENGTH;
        h->left = none ? 0 : (uint32_t)head->length;
    }
}

/* A whole head, with the empty line at its end. False: it is flawed. */
static bool read_head(struct http1_response *h, struct text text)
{
    struct head head = {.length = -1};
    bool flawed = false;
    read_first_line(h, &head, http1_line(&text, &flawed));
    while (text.len > 2 && !head.flawed)
        read_field(h, &head, http1_line(&text, &flawed));
    if (head.flawed || flawed || (head.chunked && (head.length >= 0 || head.is_1_0)))
        return false;
    if (h->reply.status / 100 ==
        1) /* something before the answer: the head is to come */
        return h->reply.status != 101;
    h->close = h->close || (head.is_1_0 && !head.keep);
    if (head.length > ANSWER_MAX)
        h->reply.too_long = true;
    choose_body(h, &head);
    return true;
}

static void drop(struct http1_response *h, size_t n)
{
    doh_buffer_drop(h->memory, &h->in, n);
    h->scanned = 0;
}

static enum http1_got take_head(struct http1_response *h)
{
    size_t len = http1_head(doh_buffer_span(&h->in), &h->scanned);
    if (len > HTTP_HEAD_MAX || (len == 0 && h->in.len > HTTP_HEAD_MAX))
        return HTTP1_FLAWED;
    if (len == 0)
        return HTTP1_MORE;
    struct span in = doh_buffer_span(&h->in);
    bool good = read_head(h, (struct text){(const char *)in.at, len});
    drop(h, len);
    return good ? HTTP1_WHOLE : HTTP1_FLAWED;
}

/* ---- bodies ---- */

/* What is there of a body, as far as `most` octets go. */
static enum http1_got take_octets(struct http1_response *h, uint32_t most)
{
    struct span in = doh_buffer_span(&h->in);
    size_t n = in.len < most ? in.len : most;
    if (n > 0 && doh_reply_body(&h->reply, in.at, n) < 0)
        return HTTP1_NO_MEMORY;
    if (n > 0)
        drop(h, n);
    if (h->body == HTTP1_TO_THE_END)
        return HTTP1_MORE;
    h->left -= (uint32_t)n;
    return h->left == 0 ? HTTP1_WHOLE : HTTP1_MORE;
}

static enum http1_got take_chunks(struct http1_response *h)
{
    struct span in = doh_buffer_span(&h->in), data;
    size_t before = in.len;
    enum chunks_got got;
    while ((got = chunks_take(&h->chunks, &in, &data)) == CHUNKS_DATA) {
        if (doh_reply_body(&h->reply, data.at, data.len) < 0)
            return HTTP1_NO_MEMORY;
    }
    if (before > in.len)
        drop(h, before - in.len);
    h->reply.too_long = h->reply.too_long || got == CHUNKS_TOO_LONG;
    if (got == CHUNKS_FLAWED)
        return HTTP1_FLAWED;
    return got == CHUNKS_MORE ? HTTP1_MORE : HTTP1_WHOLE;
}

/* What is too long is not waited for: no other response comes behind it. */
static enum http1_got take_body(struct http1_response *h)
{
    enum http1_got got = HTTP1_WHOLE;
    if (!h->reply.too_long)
        got = h->body == HTTP1_CHUNKS
                  ? take_chunks(h)
                  : take_octets(h, h->body == HTTP1_LENGTH ? h->left : UINT32_MAX);
    if (got == HTTP1_NO_MEMORY || got == HTTP1_FLAWED || !h->reply.too_long)
        return got;
    h->close = true;
    return HTTP1_WHOLE;
}

/* ---- responses ---- */

enum http1_got http1_response_feed(struct http1_response *h, const void *at, size_t len)
{
    enum http1_got got = HTTP1_WHOLE;
    if (doh_buffer_put(h->memory, &h->in, at, len) < 0)
        return HTTP1_NO_MEMORY;
    while (got == HTTP1_WHOLE && h->body == HTTP1_NO_BODY_YET)
        got = take_head(h);
    return got == HTTP1_WHOLE ? take_body(h) : got;
}

enum http1_got http1_response_end(struct http1_response *h)
{
    return h->body == HTTP1_TO_THE_END ? HTTP1_WHOLE : HTTP1_FLAWED;
}

bool http1_response_partial(const struct http1_response *h)
{
    return h->in.len > 0 || h->body != HTTP1_NO_BODY_YET;
}

void http1_response_next(struct http1_response *h)
{
    doh_reply_release(&h->reply);
    h->body = HTTP1_NO_BODY_YET;
    h->chunks = (struct chunks){0};
}

void http1_response_release(struct http1_response *h)
{
    doh_reply_release(&h->reply);
    doh_buffer_release(h->memory, &h->in);
}
