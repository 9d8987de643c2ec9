/* libnghttp2 (RFC 9113), for both sides of DNS over HTTPS: loaded when the first
 * connection needs it, so that others have neither its memory nor a need to install it.
 *
 *     struct http2 *h = http2_new(&hooks);              // NULL: see http2_missing
 *     h->nghttp2_session_server_new3(&session, h->callbacks, owner, h->options, &mem);
 *     h->nghttp2_session_send(session);
 *     http2_free(h); */
#ifndef ISTHMUS_SERVER_HTTP2_H
#define ISTHMUS_SERVER_HTTP2_H

#include "base/library.h"
#include "server/doh_memory.h"

#include <nghttp2/nghttp2.h>

#define HTTP2_CALLS(CALL)                                                              \
    CALL(nghttp2_session_callbacks_new)                                                \
    CALL(nghttp2_session_callbacks_del)                                                \
    CALL(nghttp2_session_callbacks_set_send_callback)                                  \
    CALL(nghttp2_session_callbacks_set_on_begin_headers_callback)                      \
    CALL(nghttp2_session_callbacks_set_on_header_callback)                             \
    CALL(nghttp2_session_callbacks_set_on_data_chunk_recv_callback)                    \
    CALL(nghttp2_session_callbacks_set_on_frame_recv_callback)                         \
    CALL(nghttp2_session_callbacks_set_on_stream_close_callback)                       \
    CALL(nghttp2_option_new)                                                           \
    CALL(nghttp2_option_del)                                                           \
    CALL(nghttp2_option_set_no_closed_streams)                                         \
    CALL(nghttp2_session_client_new3)                                                  \
    CALL(nghttp2_session_server_new3)                                                  \
    CALL(nghttp2_session_del)                                                          \
    CALL(nghttp2_session_mem_recv)                                                     \
    CALL(nghttp2_session_send)                                                         \
    CALL(nghttp2_session_want_read)                                                    \
    CALL(nghttp2_session_want_write)                                                   \
    CALL(nghttp2_session_get_remote_settings)                                          \
    CALL(nghttp2_session_get_last_proc_stream_id)                                      \
    CALL(nghttp2_session_get_stream_user_data)                                         \
    CALL(nghttp2_session_set_stream_user_data)                                         \
    CALL(nghttp2_submit_settings)                                                      \
    CALL(nghttp2_submit_request)                                                       \
    CALL(nghttp2_submit_response)                                                      \
    CALL(nghttp2_submit_rst_stream)                                                    \
    CALL(nghttp2_submit_goaway)

/* Of a worker, for all sessions of one side. */
struct http2 {
    void *handle;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *options;
    HTTP2_CALLS(LIBRARY_FIELD)
};

/* What that side is told of; NULL: not of that. */
struct http2_hooks {
    nghttp2_send_callback send;
    nghttp2_on_begin_headers_callback begin_headers;
    nghttp2_on_header_callback header;
    nghttp2_on_data_chunk_recv_callback data;
    nghttp2_on_frame_recv_callback frame;
    nghttp2_on_stream_close_callback stream_close;
};

/* NULL: no memory, or no library. */
struct http2 *http2_new(const struct http2_hooks *hooks);
void http2_free(struct http2 *h); /* NULL: nothing */

/* Whether the library can be had; and what to do when it cannot. */
bool http2_is_there(void);
extern const char http2_missing[];

/* Where what is to be sent goes, while the session sends. */
struct http2_room {
    uint8_t *at;
    size_t left;
};

/* The work of a send callback: as much as there is room for. */
ssize_t http2_put(struct http2_room *room, const uint8_t *octets, size_t len);

/* Whether the frame is the last of what its stream carries. */
bool http2_ends_stream(const nghttp2_frame *frame);

/* Allocations that are counted there. */
nghttp2_mem http2_memory(struct doh_memory *memory);

/* A header field, as the library takes it; borrows both. */
nghttp2_nv http2_field(const char *name, const char *value);

#endif
