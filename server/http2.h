/* libnghttp2 (RFC 9113), for both sides of DNS over HTTPS: loaded when the first
 * connection needs it, so that others have neither its memory nor a need to install it.
 *
 *     struct http2 h;
 *     if (http2_load(&h) < 0) ...                       // see http2_missing
 *     h.nghttp2_session_send(session);
 *     http2_unload(&h); */
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
    CALL(nghttp2_session_check_request_allowed)                                        \
    CALL(nghttp2_session_get_remote_settings)                                          \
    CALL(nghttp2_session_get_last_proc_stream_id)                                      \
    CALL(nghttp2_session_get_stream_user_data)                                         \
    CALL(nghttp2_session_set_stream_user_data)                                         \
    CALL(nghttp2_submit_settings)                                                      \
    CALL(nghttp2_submit_request)                                                       \
    CALL(nghttp2_submit_response)                                                      \
    CALL(nghttp2_submit_rst_stream)                                                    \
    CALL(nghttp2_submit_goaway)

struct http2 {
    void *handle;
    HTTP2_CALLS(LIBRARY_FIELD)
};

/* 0, or -1: it cannot be had. */
int http2_load(struct http2 *h);
void http2_unload(struct http2 *h); /* all zero: nothing */

/* Says what to do about it. */
extern const char http2_missing[];

/* Allocations that are counted there. */
nghttp2_mem http2_memory(struct doh_memory *memory);

/* A header field, as the library takes it; borrows both. */
nghttp2_nv http2_field(const char *name, const char *value);

#endif
