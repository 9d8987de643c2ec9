#include "server/doh_client.h"

#include "base/base64.h"
#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/msg.h"
#include "server/doh_request.h"
#include "server/http1_response.h"
#include "server/http2.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define WIDTH_FIRST    100 /* before the server has said (RFC 9113 section 6.5.2) */
#define GET_PATH       DOH_PATH "?dns="
#define HTTP1_HEAD_MAX 512 /* of a request, without authority and path */

/* In a list in the order of asking, or of ending. */
struct question {
    struct question *next, *previous;
    struct doh_reply reply;
    uint64_t asked_us;
    int32_t stream; /* of HTTP/2; 0: it waits for its turn */
    uint16_t id;
    bool whole;     /* the response */
    bool forgotten; /* nobody waits */
    int error;      /* that ended it; 0 = none */
    uint32_t reset; /* HTTP/2's word for that; 0 = none */
    size_t at, len; /* `at` octets have been sent */
    uint8_t wire[]; /* with ID 0 */
};

struct questions {
    struct question *first, *last;
};

enum kind { KIND_UNKNOWN, KIND_HTTP1, KIND_HTTP2 };

struct doh_client {
    const struct http2 *http2;
    struct doh_client_how how;
    struct doh_memory memory;
    enum kind kind;
    struct questions open, over;
    bool closing; /* the server has said so */
    bool broken;  /* nothing more can be sent */

    nghttp2_session *session;
    struct question *waiting; /* the first open one without a stream; NULL: none */
    uint32_t streams;         /* that are open */
    struct http2_room room;   /* while doh_client_take() runs */

    struct http1_response http1;
    struct doh_buffer out;
    bool asked; /* the first open question is out, over HTTP/1.1 */

    char authority[]; /* last */
};

/* ---- questions ---- */

static void append(struct questions *list, struct question *q)
{
    q->next = NULL;
    q->previous = list->last;
    *(list->last == NULL ? &list->first : &list->last->next) = q;
    list->last = q;
}

static void take_out(struct questions *list, struct question *q)
{
    *(q->previous == NULL ? &list->first : &q->previous->next) = q->next;
    *(q->next == NULL ? &list->last : &q->next->previous) = q->previous;
}

static struct question *question_new(struct doh_client *c, struct span wire)
{
    struct question *q = malloc(sizeof *q + wire.len);
    if (q == NULL)
        return NULL;
    *q = (struct question){.reply = {.memory = &c->memory}, .len = wire.len};
    memcpy(q->wire, wire.at, wire.len);
    q->id = load_u16(wire.at);
    store_u16(q->wire, 0); /* RFC 8484 section 4.1 */
    return q;
}

static void question_free(struct question *q)
{
    doh_reply_release(&q->reply);
    free(q);
}

/* Nothing more comes for it; it is told when the library has returned. */
static void end_question(struct doh_client *c, struct question *q, int error)
{
    q->error = error;
    if (c->waiting == q)
        c->waiting = q->next;
    take_out(&c->open, q);
    append(&c->over, q);
}

static void tell(struct doh_client *c, struct question *q)
{
    char why[DOH_REPLY_WHY_MAX] = "";
    int error = q->error;
    if (error == 0)
        error = doh_reply_verdict(&q->reply, q->id, why);
    else if (q->reset != 0)
        snprintf(why, sizeof why, "it reset the stream: HTTP/2 error %u", q->reset);
    if (error == 0)
        c->how.answered(c->how.owner, q->id, doh_buffer_span(&q->reply.message));
    else
        c->how.failed(c->how.owner, q->id, error, why[0] == '\0' ? NULL : why);
}

static void tell_all(struct doh_client *c)
{
    struct question *q;
    while ((q = c->over.first) != NULL) {
        take_out(&c->over, q);
        if (!q->forgotten)
            tell(c, q);
        question_free(q);
    }
}

/* ---- requests ---- */

/* The path of a GET, NUL-terminated, or NULL: no memory. */
static char *get_path(const struct question *q)
{
    size_t head = sizeof GET_PATH - 1;
    char *path = malloc(head + BASE64URL_LEN(q->len) + 1);
    if (path == NULL)
        return NULL;
    memcpy(path, GET_PATH, head);
    size_t n =
        base64url_print(path + head, (struct span){.at = q->wire, .len = q->len});
    path[head + n] = '\0';
    return path;
}

/* ---- HTTP/2: what comes ---- */

static struct question *question_of(struct doh_client *c, int32_t stream)
{
    return c->http2->nghttp2_session_get_stream_user_data(c->session, stream);
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame,
                    const uint8_t *name, size_t name_len, const uint8_t *value,
                    size_t value_len, uint8_t flags, void *context)
{
    struct question *q = question_of(context, frame->hd.stream_id);
    struct text key = {(const char *)name, name_len},
                text = {(const char *)value, value_len};
    if (q == NULL || frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (!text_is(key, ":status"))
        doh_reply_field(&q->reply, key, text);
    else if (!doh_reply_status(&q->reply, text))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* this one response */
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream,
                   const uint8_t *data, size_t len, void *context)
{
    struct question *q = question_of(context, stream);
    return q != NULL && doh_reply_body(&q->reply, data, len) < 0
               ? NGHTTP2_ERR_CALLBACK_FAILURE
               : 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct doh_client *c = context;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        c->closing = true;
    if (!http2_ends_stream(frame))
        return 0;
    struct question *q = question_of(c, frame->hd.stream_id);
    if (q != NULL)
        q->whole = true;
    return 0;
}

/* Whatever ended it: without an answer it is asked elsewhere, as if the connection had
 * closed. */
static int on_stream_end(nghttp2_session *session, int32_t stream, uint32_t error,
                         void *context)
{
    struct question *q = question_of(context, stream);
    if (q == NULL)
        return 0;
    ((struct doh_client *)context)->streams--;
    bool unseen = error == NGHTTP2_REFUSED_STREAM; /* RFC 9113 section 8.7 */
    q->reset = unseen || error == NGHTTP2_NO_ERROR ? 0 : error;
    end_question(context, q, q->whole ? 0 : unseen ? ECANCELED : ECONNRESET);
    return 0;
}

/* ---- HTTP/2: what goes ---- */

static ssize_t on_body(nghttp2_session *session, int32_t stream, uint8_t *to,
                       size_t cap, uint32_t *flags, nghttp2_data_source *source,
                       void *context)
{
    struct question *q = source->ptr;
    size_t n = q->len - q->at < cap ? q->len - q->at : cap;
    memcpy(to, q->wire + q->at, n);
    q->at += n;
    if (q->at == q->len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *octets, size_t len,
                       int flags, void *context)
{
    struct doh_client *c = context;
    return http2_put(&c->room, octets, len);
}

static int submit_with(struct doh_client *c, struct question *q, const char *path)
{
    char length[24];
    snprintf(length, sizeof length, "%zu", q->len);
    const nghttp2_nv fields[] = {
        http2_field(":method", c->how.get ? "GET" : "POST"),
        http2_field(":scheme", "https"),
        http2_field(":authority", c->authority),
        http2_field(":path", path),
        http2_field("accept", DOH_TYPE),
        http2_field("content-type", DOH_TYPE), /* from here on: POST */
        http2_field("content-length", length),
    };
    size_t n = sizeof fields / sizeof *fields - (c->how.get ? 2 : 0);
    nghttp2_data_provider source = {.source = {.ptr = q}, .read_callback = on_body};
    int32_t stream = c->http2->nghttp2_submit_request(c->session, NULL, fields, n,
                                                      c->how.get ? NULL : &source, q);
    if (stream < 0)
        return stream == NGHTTP2_ERR_NOMEM ? ENOMEM : ECONNRESET;
    q->stream = stream;
    c->streams++;
    return 0;
}

static int submit(struct doh_client *c, struct question *q)
{
    if (!c->how.get)
        return submit_with(c, q, DOH_PATH);
    char *path = get_path(q);
    int error = path == NULL ? ENOMEM : submit_with(c, q, path);
    free(path);
    return error;
}

/* Gives the next question a stream, if the server takes one more. False: none. */
static bool submit_next(struct doh_client *c)
{
    struct question *q = c->waiting;
    if (q == NULL || c->closing || c->streams >= doh_client_width(c))
        return false;
    c->waiting = q->next;
    int error = submit(c, q);
    if (error != 0)
        end_question(c, q, error);
    return true;
}

/* Those that the server has not seen when it says goodbye. */
static void drop_waiting(struct doh_client *c)
{
    while (c->waiting != NULL)
        end_question(c, c->waiting, ECANCELED);
}

/* What a server could push is nothing that was asked for. */
static int begin_http2(struct doh_client *c)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    const struct http2 *h = c->http2;
    nghttp2_mem mem = http2_memory(&c->memory);
    if (h->nghttp2_session_client_new3(&c->session, h->callbacks, c, h->options,
                                       &mem) != 0 ||
        h->nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 1) != 0)
        return ENOMEM;
    return 0;
}

static int feed_http2(struct doh_client *c, const void *at, size_t len)
{
    ssize_t n = c->http2->nghttp2_session_mem_recv(c->session, at, len);
    if (c->closing)
        drop_waiting(c);
    if (n >= 0)
        return 0;
    return n == NGHTTP2_ERR_NOMEM || n == NGHTTP2_ERR_CALLBACK_FAILURE ? ENOMEM
                                                                       : EBADMSG;
}

/* One request after the other, each with its body: the library would say all heads
 * first, and BIND hangs up on who says 1.5 KB before the first request is whole. */
static size_t take_http2(struct doh_client *c, void *to, size_t cap)
{
    c->room = (struct http2_room){.at = to, .left = cap};
    do {
        c->broken = c->http2->nghttp2_session_send(c->session) != 0;
    } while (!c->broken && c->room.left > 0 && submit_next(c));
    return cap - c->room.left;
}

/* ---- HTTP/1.1 ---- */

static int put_get(struct doh_client *c, const struct question *q)
{
    char *path = get_path(q);
    int error = path == NULL ? ENOMEM : 0;
    const char *const parts[] = {"GET ", path, " HTTP/1.1\r\nHost: ", c->authority,
                                 "\r\nAccept: " DOH_TYPE "\r\n\r\n"};
    for (size_t i = 0; error == 0 && i < sizeof parts / sizeof *parts; i++) {
        if (doh_buffer_put(&c->memory, &c->out, parts[i], strlen(parts[i])) < 0)
            error = ENOMEM;
    }
    free(path);
    return error;
}

static int put_post(struct doh_client *c, const struct question *q)
{
    char head[HTTP1_HEAD_MAX];
    snprintf(head, sizeof head,
             "POST " DOH_PATH " HTTP/1.1\r\nHost: %s\r\nAccept: " DOH_TYPE
             "\r\nContent-Type: " DOH_TYPE "\r\nContent-Length: %zu\r\n\r\n",
             c->authority, q->len);
    return doh_buffer_put(&c->memory, &c->out, head, strlen(head)) < 0 ||
                   doh_buffer_put(&c->memory, &c->out, q->wire, q->len) < 0
               ? ENOMEM
               : 0;
}

/* The next question's turn, if there is one. */
static int send_next(struct doh_client *c)
{
    const struct question *q = c->open.first;
    if (c->asked || q == NULL || c->closing)
        return 0;
    int error = c->how.get ? put_get(c, q) : put_post(c, q);
    if (error != 0)
        doh_buffer_release(&c->memory, &c->out);
    c->asked = error == 0;
    return error;
}

/* What came is the answer to the question that is out. */
static int take_response(struct doh_client *c)
{
    struct question *q = c->open.first;
    q->reply = c->http1.reply;
    c->http1.reply = (struct doh_reply){.memory = &c->memory};
    http1_response_next(&c->http1);
    c->asked = false;
    c->closing = c->http1.close;
    end_question(c, q, 0);
    return send_next(c);
}

/* Who says something unasked has closed the connection, mostly. */
static int feed_http1(struct doh_client *c, const void *at, size_t len)
{
    if (!c->asked)
        return ECONNRESET;
    switch (http1_response_feed(&c->http1, at, len)) {
    case HTTP1_MORE:
        return 0;
    case HTTP1_WHOLE:
        c->http1.close = c->http1.close || c->http1.in.len > 0;
        return take_response(c);
    case HTTP1_FLAWED:
        return EBADMSG;
    case HTTP1_NO_MEMORY:
        break;
    }
    return ENOMEM;
}

/* ---- life ---- */

struct http2 *doh_client_shared_new(void)
{
    static const struct http2_hooks hooks = {.send = on_send,
                                             .header = on_field,
                                             .data = on_data,
                                             .frame = on_frame,
                                             .stream_close = on_stream_end};
    return http2_new(&hooks);
}

struct doh_client *doh_client_new(const struct http2 *h,
                                  const struct doh_client_how *how)
{
    size_t len = strlen(how->authority) + 1;
    struct doh_client *c = calloc(1, sizeof *c + len);
    if (c == NULL)
        return NULL;
    c->http2 = h;
    c->how = *how;
    memcpy(c->authority, how->authority, len);
    c->how.authority = c->authority;
    c->http1 =
        (struct http1_response){.memory = &c->memory, .reply = {.memory = &c->memory}};
    return c;
}

static void free_all(struct questions *list)
{
    for (struct question *q; (q = list->first) != NULL;) {
        take_out(list, q);
        question_free(q);
    }
}

void doh_client_free(struct doh_client *c)
{
    if (c == NULL)
        return;
    if (c->session != NULL)
        c->http2->nghttp2_session_del(c->session);
    free_all(&c->open);
    free_all(&c->over);
    http1_response_release(&c->http1);
    doh_buffer_release(&c->memory, &c->out);
    free(c);
}

/* ---- whichever it is ---- */

int doh_client_begin(struct doh_client *c, bool http2)
{
    c->kind = http2 ? KIND_HTTP2 : KIND_HTTP1;
    if (http2)
        return begin_http2(c);
    c->waiting = NULL;
    return send_next(c);
}

int doh_client_ask(struct doh_client *c, struct span wire, uint64_t now_us)
{
    if (c->closing)
        return ECONNRESET;
    struct question *q = wire.len < DNS_HEADER_LEN || wire.len > ANSWER_MAX
                             ? NULL
                             : question_new(c, wire);
    if (q == NULL)
        return ENOMEM;
    q->asked_us = now_us;
    append(&c->open, q);
    if (c->waiting == NULL && c->kind != KIND_HTTP1)
        c->waiting = q;
    int error = c->kind == KIND_HTTP1 ? send_next(c) : 0;
    if (error == 0)
        return 0;
    take_out(&c->open, q);
    question_free(q);
    return error;
}

int doh_client_feed(struct doh_client *c, const void *at, size_t len)
{
    int error = c->kind == KIND_HTTP2 ? feed_http2(c, at, len) : feed_http1(c, at, len);
    tell_all(c);
    return error;
}

void doh_client_hang_up(struct doh_client *c)
{
    if (c->kind == KIND_HTTP1 && c->asked &&
        http1_response_end(&c->http1) == HTTP1_WHOLE)
        take_response(c);
    tell_all(c);
}

void doh_client_give_back(struct doh_client *c)
{
    struct question *q = c->open.first;
    if (c->kind == KIND_HTTP1 && c->asked && q != NULL)
        q = q->next;
    for (struct question *next; c->kind == KIND_HTTP1 && q != NULL; q = next) {
        next = q->next;
        end_question(c, q, ECANCELED);
    }
    if (c->kind == KIND_HTTP2)
        drop_waiting(c);
    tell_all(c);
}

size_t doh_client_take(struct doh_client *c, void *to, size_t cap)
{
    size_t n = c->kind == KIND_HTTP2 ? take_http2(c, to, cap)
                                     : doh_buffer_take(&c->memory, &c->out, to, cap);
    tell_all(c);
    return n;
}

/* One that is out over HTTP/1.1 stands in the way of all that wait: the connection is
 * of no use any more. */
static void forget(struct doh_client *c, struct question *q)
{
    q->forgotten = true;
    if (q->stream != 0)
        c->http2->nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, q->stream,
                                            NGHTTP2_CANCEL);
    else if (c->asked && q == c->open.first)
        c->broken = true;
    else
        end_question(c, q, ECONNRESET);
}

void doh_client_forget(struct doh_client *c, uint64_t until_us)
{
    for (struct question *q = c->open.first, *next; q != NULL; q = next) {
        next = q->next;
        if (!q->forgotten && q->asked_us < until_us &&
            !c->how.awaited(c->how.owner, q->id))
            forget(c, q);
    }
    tell_all(c);
}

bool doh_client_is_closing(const struct doh_client *c)
{
    return c->closing;
}

bool doh_client_ended(const struct doh_client *c)
{
    const struct http2 *h = c->http2;
    if (c->broken)
        return true;
    if (c->kind == KIND_HTTP2)
        return h->nghttp2_session_want_read(c->session) == 0 &&
               h->nghttp2_session_want_write(c->session) == 0;
    return c->kind == KIND_HTTP1 && c->closing;
}

uint32_t doh_client_width(const struct doh_client *c)
{
    if (c->kind == KIND_HTTP1)
        return 1;
    if (c->kind == KIND_UNKNOWN)
        return WIDTH_FIRST;
    uint32_t width = c->http2->nghttp2_session_get_remote_settings(
        c->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return width < UPSTREAM_TCP_PIPELINE ? width : UPSTREAM_TCP_PIPELINE;
}
