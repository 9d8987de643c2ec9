#include "server/http2.h"

#include <string.h>

#define LIBRARY_FILE    "libnghttp2.so.14"
#define LIBRARY_PACKAGE "libnghttp2-14"

const char http2_missing[] = "https:// needs " LIBRARY_FILE ", which cannot be loaded: "
                             "install " LIBRARY_PACKAGE;

int http2_load(struct http2 *h)
{
#define CALL(name) {#name, offsetof(struct http2, name)},
    static const struct library_call calls[] = {HTTP2_CALLS(CALL)};
#undef CALL
    h->handle = library_open(LIBRARY_FILE, calls, sizeof calls / sizeof *calls, h);
    return h->handle == NULL ? -1 : 0;
}

void http2_unload(struct http2 *h)
{
    library_close(h->handle);
    h->handle = NULL;
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
