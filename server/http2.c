#include "server/http2.h"

#include <stdlib.h>
#include <string.h>

#define LIBRARY_FILE    "libnghttp2.so.14"
#define LIBRARY_PACKAGE "libnghttp2-14"

const char http2_missing[] = "https:// needs " LIBRARY_FILE ", which cannot be loaded: "
                             "install " LIBRARY_PACKAGE;

/* 0, or -1. */
static int load(struct http2 *h)
{
#define CALL(name) {#name, offsetof(struct http2, name)},
    static const struct library_call calls[] = {HTTP2_CALLS(CALL)};
#undef CALL
    h->handle = library_open(LIBRARY_FILE, calls, sizeof calls / sizeof *calls, h);
    return h->handle == NULL ? -1 : 0;
}

bool http2_is_there(void)
{
    struct http2 h;
    if (load(&h) < 0)
        return false;
    library_close(h.handle);
    return true;
}

static void set_callbacks(struct http2 *h, const struct http2_hooks *hooks)
{
    nghttp2_session_callbacks *c = h->callbacks;
    h->nghttp2_session_callbacks_set_send_callback(c, hooks->send);
    h->nghttp2_session_callbacks_set_on_begin_headers_callback(c, hooks->begin_headers);
    h->nghttp2_session_callbacks_set_on_header_callback(c, hooks->header);
    h->nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, hooks->data);
    h->nghttp2_session_callbacks_set_on_frame_recv_callback(c, hooks->frame);
    h->nghttp2_session_callbacks_set_on_stream_close_callback(c, hooks->stream_close);
}

struct http2 *http2_new(const struct http2_hooks *hooks)
{
    struct http2 *h = calloc(1, sizeof *h);
    if (h == NULL || load(h) < 0) {
        free(h);
        return NULL;
    }
    if (h->nghttp2_session_callbacks_new(&h->callbacks) != 0 ||
        h->nghttp2_option_new(&h->options) != 0) {
        http2_free(h);
        return NULL;
    }
    /* They are kept for priorities, which mean nothing here: half of what an idle
     * connection would cost. */
    h->nghttp2_option_set_no_closed_streams(h->options, 1);
    set_callbacks(h, hooks);
    return h;
}

void http2_free(struct http2 *h)
{
    if (h == NULL)
        return;
    if (h->callbacks != NULL)
        h->nghttp2_session_callbacks_del(h->callbacks);
    if (h->options != NULL)
        h->nghttp2_option_del(h->options);
    library_close(h->handle);
    free(h);
}

ssize_t http2_put(struct http2_room *room, const uint8_t *octets, size_t len)
{
    size_t n = len < room->left ? len : room->left;
    if (n == 0)
        return NGHTTP2_ERR_WOULDBLOCK;
    memcpy(room->at, octets, n);
    room->at += n;
    room->left -= n;
    return (ssize_t)n;
}

bool http2_ends_stream(const nghttp2_frame *frame)
{
    bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    return carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

static void *h2_malloc(size_t len, void *memory)
{
    return doh_malloc(memory, len);
}

static void h2_free(void *p, void *memory)
{
    doh_release(memory, p);
}

static void *h2_calloc(size_t n, size_t len, void *memory)
{
    return doh_calloc(memory, n, len);
}

static void *h2_realloc(void *p, size_t len, void *memory)
{
    return doh_realloc(memory, p, len);
}

nghttp2_mem http2_memory(struct doh_memory *memory)
{
    return (nghttp2_mem){.mem_user_data = memory,
                         .malloc = h2_malloc,
                         .free = h2_free,
                         .calloc = h2_calloc,
                         .realloc = h2_realloc};
}

nghttp2_nv http2_field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}
