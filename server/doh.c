#include "server/doh.h"

#include "base/limits.h"
#include "server/doh_age.h"
#include "server/http2.h"

#include <stdio.h>
#include <stdlib.h>

enum doh_kind { DOH_UNKNOWN, DOH_HTTP1, DOH_HTTP2 };

struct doh {
    const struct http2 *http2;
    struct doh_ask ask;
    struct doh_memory memory;
    enum doh_kind kind;
    char first; /* the client's first octet while there is no second; 0 = none */
    bool ending;
    bool failed; /* for want of memory: nothing more can be sent */
    struct http1 http1;
    nghttp2_session *session;
    struct exchange2 *exchanges;
    uint32_t partial;       /* requests of HTTP/2 that are not whole */
    uint32_t owed;          /* answers of HTTP/2 that are not wholly sent */
    struct http2_room room; /* while doh_take() runs */
};

/* One request of HTTP/2. */
struct exchange2 {
    struct exchange2 *previous, *next; /* of the connection */
    struct doh_request request;
    bool whole;
    bool answered;
    uint8_t *answer;
    size_t at, len;
};

int doh_check(struct errors *errs)
{
    return http2_is_there() ? 0
                            : error_at(errs, (struct where){0}, "%s", http2_missing);
}

/* ---- requests of HTTP/2 ---- */

static struct exchange2 *exchange_of(struct doh *d, int32_t id)
{
    return d->http2->nghttp2_session_get_stream_user_data(d->session, id);
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct doh *d = context;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct exchange2 *x = doh_calloc(&d->memory, 1, sizeof *x);
    if (x == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* this one request fails */
    x->request.memory = &d->memory;
    x->next = d->exchanges;
    if (x->next != NULL)
        x->next->previous = x;
    d->exchanges = x;
    d->partial++;
    d->http2->nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, x);
    return 0;
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame,
                    const uint8_t *name, size_t name_len, const uint8_t *value,
                    size_t value_len, uint8_t flags, void *context)
{
    struct exchange2 *x = exchange_of(context, frame->hd.stream_id);
    struct text key = {(const char *)name, name_len},
                text = {(const char *)value, value_len};
    if (x == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (text_is(key, ":method"))
        doh_request_method(&x->request, text);
    else if (text_is(key, "content-type"))
        doh_request_type(&x->request, text);
    else if (text_is(key, ":path") && doh_request_target(&x->request, text) < 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
                   const uint8_t *data, size_t len, void *context)
{
    struct exchange2 *x = exchange_of(context, id);
    if (x != NULL && doh_request_body(&x->request, data, len) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static void drop_exchange(struct doh *d, struct exchange2 *x)
{
    *(x->previous == NULL ? &d->exchanges : &x->previous->next) = x->next;
    if (x->next != NULL)
        x->next->previous = x->previous;
    doh_request_release(&x->request);
    doh_release(&d->memory, x->answer);
    doh_release(&d->memory, x);
}

static int on_stream_end(nghttp2_session *session, int32_t id, uint32_t error,
                         void *context)
{
    struct doh *d = context;
    struct exchange2 *x = exchange_of(d, id);
    if (x == NULL)
        return 0;
    d->partial -= !x->whole;
    d->owed -= x->answered && x->at < x->len;
    drop_exchange(d, x);
    d->http2->nghttp2_session_set_stream_user_data(session, id, NULL);
    return 0;
}

/* ---- answers of HTTP/2 ---- */

static ssize_t on_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t cap,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct doh *d = context;
    struct exchange2 *x = source->ptr;
    size_t n = x->len - x->at < cap ? x->len - x->at : cap;
    memcpy(to, x->answer + x->at, n);
    x->at += n;
    if (x->at < x->len)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    d->owed--;
    return (ssize_t)n;
}

/* Copies the body. 0, or -1: no memory. */
static int keep_body(struct doh *d, struct exchange2 *x, struct span body)
{
    x->answer = doh_malloc(&d->memory, body.len);
    if (x->answer == NULL)
        return -1;
    memcpy(x->answer, body.at, body.len);
    x->len = body.len;
    return 0;
}

static int respond(struct doh *d, int32_t id, unsigned status, struct span body)
{
    struct exchange2 *x = exchange_of(d, id);
    char number[12], length[24], age[32], date[DOH_DATE_LEN];
    bool good = status == 200;
    if (x == NULL || x->answered)
        return 0;
    bool bare = x->request.method == DOH_HEAD;
    if (!bare && keep_body(d, x, body) < 0)
        return -1;
    snprintf(number, sizeof number, "%u", status);
    snprintf(length, sizeof length, "%zu", body.len);
    snprintf(age, sizeof age, "max-age=%u", good ? doh_max_age(body) : 0);
    doh_date(date);
    const nghttp2_nv fields[] = {
        http2_field(":status", number),
        http2_field("content-type", good ? "application/dns-message" : "text/plain"),
        http2_field("content-length", length),
        http2_field("date", date),
        good ? http2_field("cache-control", age) : http2_field("allow", "GET, POST"),
    };
    size_t n = sizeof fields / sizeof *fields - (good || status == 405 ? 0 : 1);
    nghttp2_data_provider source = {.source = {.ptr = x}, .read_callback = on_body};
    if (d->http2->nghttp2_submit_response(d->session, id, fields, n,
                                          bare ? NULL : &source) != 0)
        return -1;
    x->answered = true;
    d->owed += !bare;
    d->ask.answered(d->ask.owner, status);
    return 0;
}

static int refuse(struct doh *d, int32_t id, unsigned status)
{
    const char *text = doh_status_text(status);
    return respond(d, id, status,
                   (struct span){.at = (const uint8_t *)text, .len = strlen(text)});
}

/* ---- frames ---- */

/* A whole request. */
static int take_request(struct doh *d, int32_t id, struct exchange2 *x)
{
    unsigned status = doh_request_verdict(&x->request);
    struct span message = doh_buffer_span(&x->request.message);
    x->whole = true;
    d->partial--;
    if (status != 0)
        return refuse(d, id, status);
    if (!d->ask.question(d->ask.owner, (uint32_t)id, message))
        d->http2->nghttp2_submit_rst_stream(d->session, NGHTTP2_FLAG_NONE, id,
                                            NGHTTP2_REFUSED_STREAM);
    doh_request_release(&x->request);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct doh *d = context;
    if (!http2_ends_stream(frame))
        return 0;
    struct exchange2 *x = exchange_of(d, frame->hd.stream_id);
    if (x == NULL || x->whole)
        return 0;
    return take_request(d, frame->hd.stream_id, x) < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE
                                                       : 0;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *octets, size_t len,
                       int flags, void *context)
{
    struct doh *d = context;
    return http2_put(&d->room, octets, len);
}

/* ---- life ---- */

struct http2 *doh_shared_new(void)
{
    static const struct http2_hooks hooks = {.send = on_send,
                                             .begin_headers = on_begin,
                                             .header = on_field,
                                             .data = on_data,
                                             .frame = on_frame,
                                             .stream_close = on_stream_end};
    return http2_new(&hooks);
}

struct doh *doh_new(const struct http2 *h, const struct doh_ask *ask)
{
    struct doh *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->http2 = h;
    d->ask = *ask;
    d->http1 = (struct http1){
        .ask = &d->ask, .memory = &d->memory, .request = {.memory = &d->memory}};
    return d;
}

void doh_free(struct doh *d)
{
    if (d == NULL)
        return;
    if (d->session != NULL)
        d->http2->nghttp2_session_del(d->session);
    while (d->exchanges != NULL)
        drop_exchange(d, d->exchanges);
    http1_release(&d->http1);
    free(d);
}

/* ---- what comes ---- */

static int begin_http2(struct doh *d)
{
    /* The table holds what clients send with each request, but not a dozen paths. */
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, TCP_PIPELINE_MAX},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, HTTP2_TABLE_MAX}};
    nghttp2_mem mem = http2_memory(&d->memory);
    if (d->http2->nghttp2_session_server_new3(&d->session, d->http2->callbacks, d,
                                              d->http2->options, &mem) != 0) {
        d->http1.state = HTTP1_ENDED; /* there is nothing to say it in */
        return -1;
    }
    d->kind = DOH_HTTP2;
    return d->http2->nghttp2_submit_settings(d->session, NGHTTP2_FLAG_NONE, settings,
                                             sizeof settings / sizeof *settings) == 0
               ? 0
               : -1;
}

static int feed(struct doh *d, const void *at, size_t len)
{
    if (d->kind == DOH_HTTP1)
        return http1_feed(&d->http1, at, len);
    if (len == 0)
        return 0;
    return d->http2->nghttp2_session_mem_recv(d->session, at, len) < 0 ? -1 : 0;
}

/* HTTP/2 begins with "PRI *", which is no method of HTTP/1 (RFC 9113 section 3.4). */
static int tell_apart(struct doh *d, const char *at, size_t len)
{
    size_t begun = d->first != 0;
    char head[2] = {begun > 0 ? d->first : at[0], begun > 0 ? at[0] : '\0'};
    if (begun == 0 && len > 1)
        head[1] = at[1];
    if (head[0] == 'P' && begun + len < 2) {
        d->first = 'P';
        return 0;
    }
    d->kind = DOH_HTTP1;
    if (memcmp(head, "PR", 2) == 0 && begin_http2(d) < 0)
        return -1;
    if (begun > 0 && feed(d, &d->first, 1) < 0)
        return -1;
    return feed(d, at, len);
}

int doh_feed(struct doh *d, const void *at, size_t len)
{
    if (d->kind != DOH_UNKNOWN)
        return feed(d, at, len);
    return len == 0 ? 0 : tell_apart(d, at, len);
}

int doh_answer(struct doh *d, uint32_t request, const void *wire, size_t len)
{
    if (d->kind == DOH_HTTP1)
        return request == d->http1.number ? http1_answer(&d->http1, wire, len) : 0;
    if (len == 0)
        return refuse(d, (int32_t)request, 500);
    return respond(d, (int32_t)request, 200, (struct span){.at = wire, .len = len});
}

/* ---- what goes ---- */

size_t doh_take(struct doh *d, void *to, size_t cap)
{
    if (d->kind != DOH_HTTP2)
        return doh_buffer_take(&d->memory, &d->http1.out, to, cap);
    d->room = (struct http2_room){.at = to, .left = cap};
    d->failed = d->http2->nghttp2_session_send(d->session) != 0;
    return cap - d->room.left;
}

bool doh_owes(const struct doh *d)
{
    if (d->kind != DOH_HTTP2)
        return d->http1.out.len > 0;
    if (d->failed)
        return false;
    return d->owed > 0 || d->http2->nghttp2_session_want_write(d->session) != 0;
}

void doh_end(struct doh *d)
{
    if (d->ending)
        return;
    d->ending = true;
    d->http1.close = true;
    if (d->kind == DOH_HTTP2)
        d->http2->nghttp2_submit_goaway(
            d->session, NGHTTP2_FLAG_NONE,
            d->http2->nghttp2_session_get_last_proc_stream_id(d->session),
            NGHTTP2_NO_ERROR, NULL, 0);
}

bool doh_ended(const struct doh *d)
{
    if (d->kind != DOH_HTTP2)
        return d->http1.state == HTTP1_ENDED;
    if (d->failed)
        return true;
    return d->http2->nghttp2_session_want_read(d->session) == 0 &&
           d->http2->nghttp2_session_want_write(d->session) == 0;
}

bool doh_is_full(const struct doh *d)
{
    return d->http1.state == HTTP1_ASKED;
}

bool doh_partial(const struct doh *d)
{
    return d->first != 0 || d->partial > 0 || http1_partial(&d->http1);
}

size_t doh_held(const struct doh *d)
{
    return sizeof *d + d->memory.held;
}
