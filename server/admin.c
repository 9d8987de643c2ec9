#include "server/admin.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/library.h"
#include "server/listen.h"
#include "server/status.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <unistd.h>

#define LIBRARY_FILE    "libmicrohttpd.so.12"
#define LIBRARY_PACKAGE "libmicrohttpd12"

/* ---- the library ---- */

#define CALLS(CALL)                                                                    \
    CALL(MHD_start_daemon)                                                             \
    CALL(MHD_stop_daemon)                                                              \
    CALL(MHD_get_daemon_info)                                                          \
    CALL(MHD_get_timeout)                                                              \
    CALL(MHD_run)                                                                      \
    CALL(MHD_create_response_from_buffer)                                              \
    CALL(MHD_add_response_header)                                                      \
    CALL(MHD_queue_response)                                                           \
    CALL(MHD_destroy_response)

/* Its functions that we call, each by its own name. */
struct admin_library {
    void *handle;
    CALLS(LIBRARY_FIELD)
};

static int load(struct admin *a, struct errors *errs)
{
#define CALL(name) {#name, offsetof(struct admin_library, name)},
    static const struct library_call calls[] = {CALLS(CALL)};
#undef CALL
    if (a->library != NULL)
        return 0;
    struct admin_library *l = calloc(1, sizeof *l);
    if (l == NULL)
        return error_at(errs, (struct where){0}, "out of memory");
    l->handle = library_open(LIBRARY_FILE, calls, sizeof calls / sizeof *calls, l);
    if (l->handle != NULL) {
        a->library = l;
        return 0;
    }
    free(l);
    return error_at(errs, (struct where){0},
                    "pages over HTTP need " LIBRARY_FILE ", which cannot be loaded: "
                    "install " LIBRARY_PACKAGE);
}

/* ---- places ---- */

/* An address we listen on; which pages are there the plan knows. */
struct admin_place {
    struct admin *admin;
    struct admin_place *next;
    struct addr addr;
    int fd; /* -1: the daemon has it */
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
};

static bool wants(const struct plan *plan, const struct addr *addr, enum page_kind kind)
{
    for (const struct page_place *p = plan->pages.first; p != NULL; p = p->next) {
        if (p->kind == kind && addr_equal(&p->addr, addr))
            return true;
    }
    return false;
}

static bool is_named(const struct plan *plan, const struct addr *addr)
{
    return wants(plan, addr, PAGE_METRICS) || wants(plan, addr, PAGE_HEALTH) ||
           wants(plan, addr, PAGE_READY);
}

static struct admin_place *place_at(const struct admin *a, const struct addr *addr)
{
    struct admin_place *place = a->places;
    while (place != NULL && !addr_equal(&place->addr, addr))
        place = place->next;
    return place;
}

static int open_place(struct admin *a, const struct addr *addr, struct errors *errs)
{
    if (load(a, errs) < 0)
        return -1;
    int fd = listen_tcp(addr, errs);
    if (fd < 0)
        return -1;
    struct admin_place *place = calloc(1, sizeof *place);
    if (place == NULL) {
        close(fd);
        return error_at(errs, (struct where){0}, "out of memory");
    }
    *place =
        (struct admin_place){.admin = a, .next = a->places, .addr = *addr, .fd = fd};
    a->places = place;
    return 0;
}

static void free_place(uv_handle_t *poll)
{
    free(poll->data);
}

/* `place` is out of the list. */
static void close_place(struct admin_place *place)
{
    if (place->daemon == NULL) {
        if (place->fd >= 0)
            close(place->fd);
        free(place);
        return;
    }
    uv_poll_stop(&place->poll);
    place->admin->library->MHD_stop_daemon(place->daemon);
    uv_close((uv_handle_t *)&place->poll, free_place);
}

/* Closes those that `plan` does not name, or, without a plan, that serve nothing yet.
 */
static void drop_places(struct admin *a, const struct plan *plan)
{
    struct admin_place **at = &a->places;
    while (*at != NULL) {
        struct admin_place *place = *at;
        bool stays =
            plan != NULL ? is_named(plan, &place->addr) : place->daemon != NULL;
        if (stays) {
            at = &place->next;
            continue;
        }
        *at = place->next;
        close_place(place);
    }
}

/* ---- answers ---- */

struct reply {
    unsigned status;
    const char *type;
    char *text;
    size_t len;
    bool heap; /* the text is the library's to free */
};

static struct reply reply_text(unsigned status, const char *text)
{
    return (struct reply){.status = status,
                          .type = "text/plain; charset=utf-8",
                          .text = (char *)(uintptr_t)text,
                          .len = strlen(text)};
}

static struct reply reply_metrics(const struct admin *a)
{
    struct reply r = {.status = MHD_HTTP_OK,
                      .type = "text/plain; version=0.0.4; charset=utf-8",
                      .heap = true};
    r.text = metrics_page(a->plan, a->facts, &r.len);
    if (r.text == NULL)
        return reply_text(MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    return r;
}

static struct reply reply_clusters(const struct admin *a)
{
    struct reply r = {.status = MHD_HTTP_OK, .type = "application/json", .heap = true};
    r.text = status_clusters_page(a->plan, &r.len);
    if (r.text == NULL)
        return reply_text(MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    return r;
}

static struct reply reply_to(const struct admin_place *place, const char *method,
                             const char *path)
{
    const struct admin *a = place->admin;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return reply_text(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    if (strcmp(path, "/metrics") == 0 && wants(a->plan, &place->addr, PAGE_METRICS))
        return reply_metrics(a);
    if (strcmp(path, "/clusters") == 0 && wants(a->plan, &place->addr, PAGE_METRICS))
        return reply_clusters(a);
    if (strcmp(path, "/health") == 0 && wants(a->plan, &place->addr, PAGE_HEALTH))
        return reply_text(MHD_HTTP_OK, "OK");
    if (strcmp(path, "/ready") == 0 && wants(a->plan, &place->addr, PAGE_READY))
        return a->leaving ? reply_text(MHD_HTTP_SERVICE_UNAVAILABLE, "Shutting down")
                          : reply_text(MHD_HTTP_OK, "OK");
    return reply_text(MHD_HTTP_NOT_FOUND, "404 page not found\n");
}

static enum MHD_Result send_reply(const struct admin_library *l,
                                  struct MHD_Connection *c, const struct reply *r)
{
    struct MHD_Response *response = l->MHD_create_response_from_buffer(
        r->len, r->text, r->heap ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        if (r->heap)
            free(r->text);
        return MHD_NO;
    }
    l->MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->type);
    enum MHD_Result result = l->MHD_queue_response(c, r->status, response);
    l->MHD_destroy_response(response);
    return result;
}

/* The library's callback, whose parameters are its own: called for the head of a
 * request first, then for what follows it, at last with nothing left. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *c,
                                  const char *path, const char *method,
                                  const char *version, const char *body,
                                  size_t *body_len, void **seen)
{
    struct admin_place *place = context;
    if (*seen == NULL) {
        *seen = place;
        return MHD_YES;
    }
    if (*body_len > 0) {
        *body_len = 0;
        return MHD_YES;
    }
    struct reply r = reply_to(place, method, path);
    return send_reply(place->admin->library, c, &r);
}

/* ---- events ---- */

static void run(struct admin *a);

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

/* Lets every daemon do what it can, and comes back when one of them wants it. */
static void run(struct admin *a)
{
    uint64_t next_ms = UINT64_MAX;
    for (struct admin_place *place = a->places; place != NULL; place = place->next) {
        MHD_UNSIGNED_LONG_LONG ms;
        if (place->daemon == NULL)
            continue;
        /* A daemon that had as many clients as it may have takes new ones only when it
         * is run again after the old ones have gone. */
        a->library->MHD_run(place->daemon);
        a->library->MHD_run(place->daemon);
        if (a->library->MHD_get_timeout(place->daemon, &ms) == MHD_YES && ms < next_ms)
            next_ms = ms;
    }
    if (next_ms == UINT64_MAX)
        uv_timer_stop(&a->timer);
    else
        uv_timer_start(&a->timer, on_timer, next_ms, 0);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    const struct admin_place *place = poll->data;
    run(place->admin);
}

/* Has the daemon watched by the loop. */
static int watch(struct admin_place *place)
{
    const union MHD_DaemonInfo *info = place->admin->library->MHD_get_daemon_info(
        place->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL ||
        uv_poll_init(place->admin->loop, &place->poll, info->epoll_fd) < 0)
        return -1;
    place->poll.data = place;
    uv_poll_start(&place->poll, UV_READABLE, on_ready);
    return 0;
}

static int start_place(struct admin_place *place)
{
    const struct admin_library *l = place->admin->library;
    place->daemon = l->MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, on_request, place, MHD_OPTION_LISTEN_SOCKET,
        (MHD_socket)place->fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CLIENTS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ADMIN_REQUEST_MAX, MHD_OPTION_END);
    if (place->daemon == NULL)
        return -1;
    place->fd = -1;
    if (watch(place) == 0)
        return 0;
    l->MHD_stop_daemon(place->daemon);
    place->daemon = NULL;
    return -1;
}

/* ---- plans ---- */

static const char *const failures[] = {
    [PAGE_METRICS] = "Failed to start metrics handler",
    [PAGE_HEALTH] = "plugin/health: failed to start",
    [PAGE_READY] = "plugin/ready: failed to start",
};

/* What failed for a page: told, and an error only where CoreDNS has one. */
static int report(enum page_kind kind, struct errors *found, struct errors *errs)
{
    const char *why = found->list == NULL ? "out of memory" : found->list[0].text;
    int rc = 0;
    if (kind == PAGE_HEALTH)
        rc = error_at(errs, (struct where){0}, "%s", why);
    else
        log_error("%s: %s", failures[kind], why);
    return rc;
}

int admin_prepare(struct admin *a, const struct plan *plan, struct errors *errs)
{
    int rc = 0;
    for (const struct page_place *p = plan->pages.first; p != NULL; p = p->next) {
        struct errors found;
        if (place_at(a, &p->addr) != NULL)
            continue;
        errors_init(&found);
        if (open_place(a, &p->addr, &found) < 0 && report(p->kind, &found, errs) < 0)
            rc = -1;
        errors_release(&found);
    }
    if (rc < 0)
        admin_cancel(a);
    return rc;
}

void admin_commit(struct admin *a, const struct plan *plan)
{
    a->plan = plan;
    drop_places(a, plan);
    for (struct admin_place *place = a->places; place != NULL; place = place->next) {
        char text[ADDR_TEXT_MAX];
        if (place->daemon == NULL && start_place(place) < 0)
            log_error("no pages on %s: out of memory or descriptors",
                      addr_print(&place->addr, text));
    }
    admin_cancel(a); /* those that did not start */
    run(a);
}

void admin_cancel(struct admin *a)
{
    drop_places(a, NULL);
}

void admin_leave(struct admin *a)
{
    a->leaving = true;
}

/* ---- life ---- */

int admin_init(struct admin *a, uv_loop_t *loop, const struct metrics_facts *facts,
               struct errors *errs)
{
    *a = (struct admin){.loop = loop, .facts = facts};
    int rc = uv_timer_init(loop, &a->timer);
    a->timer.data = a;
    return rc == 0 ? 0
                   : error_at(errs, (struct where){0}, "timer: %s", uv_strerror(rc));
}

void admin_release(struct admin *a)
{
    while (a->places != NULL) {
        struct admin_place *place = a->places;
        a->places = place->next;
        close_place(place);
    }
    uv_close((uv_handle_t *)&a->timer, NULL);
    if (a->library != NULL)
        library_close(a->library->handle);
    free(a->library);
    a->library = NULL;
}
