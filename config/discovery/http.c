#include "config/discovery/http.h"

#include "base/library.h"
#include "base/sheet.h"
#include "config/discovery/clock.h"
#include "config/source.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CONNECT_S   10
#define POLL_MS     1000
#define KEEPALIVE_S 30L
#define TOKEN_MAX   (16 * 1024)

/* ---- the library ---- */

#define CALLS(CALL)                                                                    \
    CALL(curl_global_init)                                                             \
    CALL(curl_easy_init)                                                               \
    CALL(curl_easy_setopt)                                                             \
    CALL(curl_easy_getinfo)                                                            \
    CALL(curl_easy_reset)                                                              \
    CALL(curl_easy_cleanup)                                                            \
    CALL(curl_easy_strerror)                                                           \
    CALL(curl_url)                                                                     \
    CALL(curl_url_get)                                                                 \
    CALL(curl_url_set)                                                                 \
    CALL(curl_url_cleanup)                                                             \
    CALL(curl_free)                                                                    \
    CALL(curl_slist_append)                                                            \
    CALL(curl_slist_free_all)                                                          \
    CALL(curl_multi_init)                                                              \
    CALL(curl_multi_cleanup)                                                           \
    CALL(curl_multi_add_handle)                                                        \
    CALL(curl_multi_remove_handle)                                                     \
    CALL(curl_multi_perform)                                                           \
    CALL(curl_multi_poll)                                                              \
    CALL(curl_multi_info_read)

/* curl.h makes macros of these to check their arguments. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

static struct {
    const char *why; /* it cannot be used; NULL: it can */
    CALLS(LIBRARY_FIELD)
} lib;

static void load(void)
{
#define CALL(name) {#name, offsetof(__typeof__(lib), name)},
    static const struct library_call calls[] = {CALLS(CALL)};
#undef CALL
    if (library_open("libcurl.so.4", calls, sizeof calls / sizeof *calls, &lib) == NULL)
        lib.why = "HTTP needs libcurl.so.4 (7.87 or later), which cannot be loaded: "
                  "install libcurl4";
    else if (lib.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        lib.why = "libcurl does not start";
}

static bool loaded(char *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (lib.why != NULL)
        snprintf(why, HTTP_WHY_MAX, "%s", lib.why);
    return lib.why == NULL;
}

/* ---- life ---- */

struct http {
    CURL *easy;
    CURLM *multi;
    struct http_settings settings;
    char *texts[9]; /* what `settings` points to */
};

static const char **text_of_setting(struct http_settings *s, size_t i)
{
    const char **all[] = {&s->ca,         &s->cert,     &s->key,
                          &s->user,       &s->password, &s->token,
                          &s->token_file, &s->proxy,    &s->server_name};
    return all[i];
}

static int keep(struct http *h, const struct http_settings *settings)
{
    h->settings = *settings;
    for (size_t i = 0; i < sizeof h->texts / sizeof *h->texts; i++) {
        const char **text = text_of_setting(&h->settings, i);
        if (*text == NULL)
            continue;
        h->texts[i] = strdup(*text);
        *text = h->texts[i];
        if (h->texts[i] == NULL)
            return -1;
    }
    return 0;
}

struct http *http_new(const struct http_settings *settings, char *why)
{
    if (!loaded(why))
        return NULL;
    struct http *h = calloc(1, sizeof *h);
    if (h != NULL && keep(h, settings) == 0) {
        h->easy = lib.curl_easy_init();
        h->multi = lib.curl_multi_init();
    }
    if (h != NULL && h->easy != NULL && h->multi != NULL)
        return h;
    http_free(h);
    snprintf(why, HTTP_WHY_MAX, "out of memory");
    return NULL;
}

void http_free(struct http *h)
{
    if (h == NULL)
        return;
    if (h->easy != NULL)
        lib.curl_easy_cleanup(h->easy);
    if (h->multi != NULL)
        lib.curl_multi_cleanup(h->multi);
    for (size_t i = 0; i < sizeof h->texts / sizeof *h->texts; i++) {
        if (h->texts[i] != NULL)
            explicit_bzero(h->texts[i], strlen(h->texts[i]));
        free(h->texts[i]);
    }
    free(h);
}

/* ---- one request ---- */

struct exchange {
    struct http *h;
    CURL *easy;
    const struct http_request *request;
    struct http_reply *reply;
    struct curl_slist *headers;
    struct curl_slist *connect_to; /* where the host of the URL is another's name */
    char *url;                     /* with that name; NULL: as it was given */
    struct sheet held;             /* of the body, or the line that is not whole yet */
    bool too_long, no_memory, stopped, enough;
    bool over; /* with `code` */
    CURLcode code;
    int64_t heard_s; /* when something came last */
    int64_t idle_s;
};

static int64_t now_s(void)
{
    return clock_ms() / 1000;
}

static bool is_stream(const struct exchange *x)
{
    long status = 0;
    lib.curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    return x->request->line != NULL && status == 200;
}

static bool hold(struct exchange *x, const char *at, size_t len)
{
    if (len > x->request->most - x->held.len) {
        x->too_long = true;
        return false;
    }
    sheet_put(&x->held, at, len);
    x->no_memory = x->held.failed;
    return !x->no_memory;
}

/* The lines that are whole; false: the stream is to end. */
static bool take_lines(struct exchange *x, const char *at, size_t len)
{
    const char *end;
    while ((end = memchr(at, '\n', len)) != NULL) {
        size_t n = (size_t)(end - at);
        if (!hold(x, at, n))
            return false;
        struct text line = {.at = x->held.text, .len = x->held.len};
        x->held.len = 0;
        if (line.len > 0 && !x->request->line(x->request->context, line)) {
            x->enough = true;
            return false;
        }
        at += n + 1;
        len -= n + 1;
    }
    return hold(x, at, len);
}

static size_t on_body(char *at, size_t size, size_t n, void *context)
{
    struct exchange *x = context;
    size_t len = size * n;
    x->heard_s = now_s();
    bool good = is_stream(x) ? take_lines(x, at, len) : hold(x, at, len);
    return good ? len : 0; /* less than all ends the transfer */
}

/* The value of a header line with this name; empty: it is another. */
static struct text value_of(struct text line, const char *name)
{
    size_t len = strlen(name);
    if (line.len <= len || line.at[len] != ':' || strncasecmp(line.at, name, len) != 0)
        return (struct text){0};
    struct text value = text_from(line, len + 1);
    while (value.len > 0 && strchr(" \t", value.at[0]) != NULL)
        value = text_from(value, 1);
    while (value.len > 0 && strchr(" \t\r\n", value.at[value.len - 1]) != NULL)
        value.len--;
    return value;
}

/* A value that does not fit is of no use cut. */
static void keep_value(char *to, size_t cap, struct text value)
{
    if (value.len > 0 && value.len < cap)
        snprintf(to, cap, "%.*s", (int)value.len, value.at);
}

static size_t on_header(char *at, size_t size, size_t n, void *context)
{
    struct exchange *x = context;
    struct text line = {.at = at, .len = size * n};
    char seconds[16] = "";
    keep_value(x->reply->etag, sizeof x->reply->etag, value_of(line, "ETag"));
    keep_value(x->reply->modified, sizeof x->reply->modified,
               value_of(line, "Last-Modified"));
    keep_value(seconds, sizeof seconds, value_of(line, "Retry-After"));
    if (seconds[0] >= '0' && seconds[0] <= '9') {
        unsigned long s = strtoul(seconds, NULL, 10);
        x->reply->retry_after_s = s > 3600 ? 3600 : (unsigned)s;
    }
    return size * n;
}

static bool add_header(struct exchange *x, const char *name, const char *value)
{
    size_t len = strlen(name) + strlen(value) + 1;
    char *line = malloc(len);
    if (line == NULL)
        return false;
    snprintf(line, len, "%s%s", name, value);
    struct curl_slist *more = lib.curl_slist_append(x->headers, line);
    explicit_bzero(line, len);
    free(line);
    if (more != NULL)
        x->headers = more;
    return more != NULL;
}

/* The bearer token: what the file says now. False: there is to be one, and is not. */
static bool add_token(struct exchange *x)
{
    const struct http_settings *s = &x->h->settings;
    struct arena a;
    struct errors errs;
    struct text text = {0};
    if (s->token_file == NULL)
        return s->token == NULL ||
               add_header(x,
                          s->bare_token ? "Authorization: " : "Authorization: Bearer ",
                          s->token);
    errors_init(&errs);
    arena_init(&a, NULL, 0);
    bool good = source_read(&a, s->token_file, (struct where){0}, &text, &errs) == 0 &&
                text.len < TOKEN_MAX;
    while (good && text.len > 0 && strchr(" \t\r\n", text.at[text.len - 1]) != NULL)
        text.len--;
    const char *token = good ? arena_text(&a, text) : NULL;
    good = token != NULL && token[0] != '\0' && strpbrk(token, "\r\n") == NULL;
    if (!good)
        snprintf(x->reply->why, sizeof x->reply->why, "no token can be read from %s",
                 s->token_file);
    good = good && add_header(x, "Authorization: Bearer ", token);
    arena_release(&a);
    errors_release(&errs);
    return good;
}

static bool add_headers(struct exchange *x)
{
    const struct http_request *r = x->request;
    bool good =
        add_header(x, "Accept: ", r->accept == NULL ? "application/json" : r->accept);
    if (good && r->body != NULL)
        good = add_header(x, "Content-Type: ", "application/json");
    if (good && r->etag != NULL && r->etag[0] != '\0')
        good = add_header(x, "If-None-Match: ", r->etag);
    if (good && r->modified != NULL && r->modified[0] != '\0')
        good = add_header(x, "If-Modified-Since: ", r->modified);
    return good && add_token(x);
}

/* HOST:PORT of the URL, and the URL with the certificate's name for its host. */
static bool rename_host(struct exchange *x, CURLU *url)
{
    char *host = NULL, *port = NULL, *renamed = NULL, *to = NULL;
    struct curl_slist *list = NULL;
    bool good =
        lib.curl_url_set(url, CURLUPART_URL, x->request->url, 0) == CURLUE_OK &&
        lib.curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        lib.curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        asprintf(&to, "::%s:%s", host, port) > 0 && add_header(x, "Host: ", to + 2) &&
        lib.curl_url_set(url, CURLUPART_HOST, x->h->settings.server_name, 0) ==
            CURLUE_OK &&
        lib.curl_url_get(url, CURLUPART_URL, &renamed, 0) == CURLUE_OK;
    if (good)
        list = lib.curl_slist_append(NULL, to);
    x->connect_to = list;
    x->url = renamed;
    lib.curl_free(host);
    lib.curl_free(port);
    free(to);
    if (list == NULL)
        snprintf(x->reply->why, sizeof x->reply->why, "no URL, or no host's name");
    return list != NULL;
}

/* The server goes by another name than where it is. */
static bool name_server(struct exchange *x)
{
    if (x->h->settings.server_name == NULL)
        return true;
    CURLU *url = lib.curl_url();
    bool good = url != NULL && rename_host(x, url);
    lib.curl_url_cleanup(url);
    return good;
}

static void set_pem(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob blob = {.data = (void *)(uintptr_t)pem,
                             .len = pem == NULL ? 0 : strlen(pem),
                             .flags = CURL_BLOB_NOCOPY};
    if (pem != NULL)
        lib.curl_easy_setopt(easy, option, &blob);
}

static void set_tls(CURL *easy, const struct http_settings *s)
{
    lib.curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    lib.curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, s->insecure ? 0L : 1L);
    lib.curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, s->insecure ? 0L : 2L);
    set_pem(easy, CURLOPT_CAINFO_BLOB, s->ca);
    set_pem(easy, CURLOPT_SSLCERT_BLOB, s->cert);
    set_pem(easy, CURLOPT_SSLKEY_BLOB, s->key);
    /* Without any OpenSSL would ask for it on the terminal, and wait for ever. */
    lib.curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
    if (s->user != NULL) {
        lib.curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        lib.curl_easy_setopt(easy, CURLOPT_USERNAME, s->user);
        lib.curl_easy_setopt(easy, CURLOPT_PASSWORD,
                             s->password == NULL ? "" : s->password);
    }
}

static void set_limits(CURL *easy, const struct http_request *r)
{
    lib.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A look-up that goes on is left to its thread: its end may be half a minute away,
     * and a reload or the end of the process would wait for it. */
    lib.curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    lib.curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    lib.curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    lib.curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    lib.curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
    lib.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    lib.curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    if (r->line == NULL)
        lib.curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)r->patience_s);
}

static void set_up(struct exchange *x)
{
    CURL *easy = x->easy;
    const struct http_request *r = x->request;
    const struct http_settings *s = &x->h->settings;
    lib.curl_easy_reset(easy);
    lib.curl_easy_setopt(easy, CURLOPT_URL, x->url == NULL ? r->url : x->url);
    lib.curl_easy_setopt(easy, CURLOPT_CONNECT_TO, x->connect_to);
    lib.curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy == NULL ? "" : s->proxy);
    lib.curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->headers);
    lib.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    lib.curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    lib.curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    lib.curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    if (r->body != NULL)
        lib.curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body);
    set_limits(easy, r);
    set_tls(easy, s);
}

/* Whether a stream has been silent for too long, or has not begun in time. */
static bool is_silent(struct exchange *x)
{
    const struct http_request *r = x->request;
    unsigned most = is_stream(x) ? r->silence_s : r->patience_s;
    return r->line != NULL && most > 0 && now_s() > x->heard_s + (int64_t)most;
}

static bool is_over(struct exchange *x, CURLcode code)
{
    x->over = true;
    x->code = code;
    return true;
}

/* Whether any has ended by itself. */
static bool take_ends(CURLM *multi, struct exchange *list, unsigned n)
{
    bool over = false;
    int left;
    for (CURLMsg *m; (m = lib.curl_multi_info_read(multi, &left)) != NULL;) {
        for (unsigned i = 0; i < n; i++) {
            if (m->msg == CURLMSG_DONE && list[i].easy == m->easy_handle)
                over = is_over(&list[i], m->data.result);
        }
    }
    return over;
}

/* About once a second: whether any has been silent for too long. */
static bool look_after(struct exchange *list, unsigned n)
{
    bool over = false;
    for (unsigned i = 0; i < n; i++) {
        struct exchange *x = &list[i];
        if (is_silent(x))
            over = is_over(x, CURLE_OPERATION_TIMEDOUT);
        if (x->request->idle != NULL && now_s() != x->idle_s) {
            x->idle_s = now_s();
            x->request->idle(x->request->context);
        }
    }
    return over;
}

static void stop_all(struct exchange *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        list[i].stopped = true;
        is_over(&list[i], CURLE_ABORTED_BY_CALLBACK);
    }
}

/* Until one is over, it is time to end, or `ms` have passed (< 0: never). */
static void transfer(struct http *h, struct exchange *list, unsigned n, int64_t ms)
{
    struct curl_waitfd stop = {.fd = h->settings.stop_fd, .events = CURL_WAIT_POLLIN};
    unsigned extra = stop.fd >= 0 ? 1 : 0;
    int64_t until_ms = clock_ms() + ms;
    int running;
    for (;;) {
        if (lib.curl_multi_perform(h->multi, &running) != CURLM_OK) {
            is_over(&list[0], CURLE_OUT_OF_MEMORY);
            return;
        }
        int64_t left_ms = ms < 0 ? POLL_MS : until_ms - clock_ms();
        if (take_ends(h->multi, list, n) || left_ms <= 0)
            return;
        lib.curl_multi_poll(h->multi, &stop, extra,
                            left_ms < POLL_MS ? (int)left_ms : POLL_MS, NULL);
        if (extra == 1 && stop.revents != 0) {
            stop_all(list, n);
            return;
        }
        if (look_after(list, n))
            return;
    }
}

/* Why there is no answer, or only part of one. Nothing that libcurl says names what was
 * sent. */
static void explain(struct exchange *x, CURLcode code)
{
    const char *what = lib.curl_easy_strerror(code);
    if (x->too_long)
        snprintf(x->reply->why, sizeof x->reply->why, "longer than %zu octets",
                 x->request->most);
    else if (x->no_memory)
        snprintf(x->reply->why, sizeof x->reply->why, "out of memory");
    else if (x->stopped)
        snprintf(x->reply->why, sizeof x->reply->why, "the end");
    else
        snprintf(x->reply->why, sizeof x->reply->why, "%s%s", what,
                 code == CURLE_SSL_CERTPROBLEM
                     ? ", or its key: expected one without a passphrase"
                     : "");
}

static int conclude(struct exchange *x)
{
    struct http_reply *reply = x->reply;
    lib.curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &reply->status);
    bool stream = x->request->line != NULL && reply->status == 200;
    if (!stream && x->over) {
        sheet_put(&x->held, "", 0);
        reply->body = sheet_take(&x->held, &reply->len);
        x->no_memory = reply->body == NULL;
    }
    reply->ended = stream && x->over;
    reply->left = !x->over;
    bool good = (x->code == CURLE_OK && !x->no_memory) || x->enough;
    if (!x->over || good)
        return 0;
    explain(x, x->code);
    if (!stream)
        reply->status = 0;
    return -1;
}

static bool begin(struct exchange *x)
{
    if (x->easy == NULL || !add_headers(x) || !name_server(x))
        return false;
    set_up(x);
    return lib.curl_multi_add_handle(x->h->multi, x->easy) == CURLM_OK;
}

static void end(struct exchange *x)
{
    if (x->easy != NULL)
        lib.curl_multi_remove_handle(x->h->multi, x->easy);
    lib.curl_slist_free_all(x->headers);
    lib.curl_slist_free_all(x->connect_to);
    lib.curl_free(x->url);
    sheet_release(&x->held);
}

/* All of them, until the first is over. */
static int run(struct http *h, struct exchange *list, unsigned n, int64_t ms)
{
    int rc = 0;
    unsigned begun = 0;
    while (begun < n && begin(&list[begun]))
        begun++;
    if (begun == n)
        transfer(h, list, n, ms);
    for (unsigned i = 0; i < n; i++) {
        if (begun < n)
            rc = -1;
        else if (conclude(&list[i]) < 0)
            rc = -1;
        if (i == begun && list[i].reply->why[0] == '\0')
            snprintf(list[i].reply->why, sizeof list[i].reply->why, "out of memory");
    }
    for (unsigned i = 0; i < n; i++)
        end(&list[i]);
    return rc;
}

int http_do(struct http *h, const struct http_request *request,
            struct http_reply *reply)
{
    struct exchange x = {.h = h,
                         .easy = h->easy,
                         .request = request,
                         .reply = reply,
                         .heard_s = now_s()};
    *reply = (struct http_reply){0};
    return run(h, &x, 1, -1);
}

int http_watch(struct http *h, const struct http_request *requests,
               struct http_reply *replies, unsigned n, int64_t ms)
{
    struct exchange list[HTTP_STREAMS_MAX];
    for (unsigned i = 0; i < n; i++) {
        replies[i] = (struct http_reply){0};
        list[i] = (struct exchange){.h = h,
                                    .easy = lib.curl_easy_init(),
                                    .request = &requests[i],
                                    .reply = &replies[i],
                                    .heard_s = now_s()};
    }
    int rc = run(h, list, n, ms);
    for (unsigned i = 0; i < n; i++)
        lib.curl_easy_cleanup(list[i].easy);
    return rc;
}

void http_reply_release(struct http_reply *reply)
{
    free(reply->body);
    *reply = (struct http_reply){0};
}
