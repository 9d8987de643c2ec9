#include "server/admin.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/library.h"
#include "server/listen.h"
#include "server/status.h"
#include "server/turn.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <time.h>
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

static struct MHD_Response *response_of(const struct admin *a, const char *type,
                                        struct text text, bool heap)
{
    const struct admin_library *l = a->library;
    char *octets = (char *)(uintptr_t)text.at;
    struct MHD_Response *r = l->MHD_create_response_from_buffer(
        text.len, octets, heap ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (r != NULL)
        l->MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    else if (heap)
        free(octets);
    return r;
}

static enum MHD_Result answer(const struct admin *a, struct MHD_Connection *c,
                              unsigned status, const char *text)
{
    const struct admin_library *l = a->library;
    struct MHD_Response *r =
        response_of(a, "text/plain; charset=utf-8", text_of(text), false);
    enum MHD_Result result = r == NULL ? MHD_NO : l->MHD_queue_response(c, status, r);
    if (r != NULL)
        l->MHD_destroy_response(r);
    return result;
}

/* ---- pages that take long to make ---- */

/* That of ten thousands of clusters takes a tenth of a second, and as much memory as it
 * is long. So all who ask within PAGE_REST times what it took get the same one, and
 * however many read, the control thread has most of its time for the rest. What is
 * quickly made is made for each. */
#define PAGE_REST     4
#define PAGE_QUICK_US 5000

static char *make_metrics(const struct admin *a, size_t *len)
{
    return metrics_page(a->plan, a->facts, len);
}

static char *make_clusters(const struct admin *a, size_t *len)
{
    return status_clusters_page(a->plan, len);
}

static const struct {
    const char *path, *type;
    char *(*make)(const struct admin *a, size_t *len);
} pages[ADMIN_PAGES] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", make_metrics},
    {"/clusters", "application/json", make_clusters},
};

/* What this thread has worked so far: waiting for a processor is not the page's. */
static uint64_t worked_us(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Readers have it until they have read it. */
static void drop_page(struct admin *a, unsigned which)
{
    if (a->pages[which].response != NULL)
        a->library->MHD_destroy_response(a->pages[which].response);
    a->pages[which] = (struct admin_page){.response = NULL};
}

static void drop_pages(struct admin *a, uint64_t now_us)
{
    for (unsigned i = 0; i < ADMIN_PAGES; i++) {
        if (a->pages[i].until_us <= now_us)
            drop_page(a, i);
    }
}

static void make_page(struct admin *a, unsigned which)
{
    struct admin_page *page = &a->pages[which];
    struct text text;
    uint64_t began_us = worked_us();
    text.at = pages[which].make(a, &text.len);
    uint64_t took_us = worked_us() - began_us;
    if (text.at != NULL)
        page->response = response_of(a, pages[which].type, text, true);
    if (page->response == NULL || took_us < PAGE_QUICK_US)
        return;
    page->until_us = turn_clock_us() + PAGE_REST * took_us;
    log_debug("pages: %s took %" PRIu64 " us, and is shown for four times as long",
              pages[which].path, took_us);
}

static enum MHD_Result show_page(struct admin *a, struct MHD_Connection *c,
                                 unsigned which)
{
    drop_pages(a, turn_clock_us());
    if (a->pages[which].response == NULL)
        make_page(a, which);
    struct MHD_Response *r = a->pages[which].response;
    if (r == NULL)
        return answer(a, c, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    enum MHD_Result result = a->library->MHD_queue_response(c, MHD_HTTP_OK, r);
    if (a->pages[which].until_us == 0)
        drop_page(a, which);
    return result;
}

/* ---- requests ---- */

static enum MHD_Result reply_to(const struct admin_place *place,
                                struct MHD_Connection *c, const char *method,
                                const char *path)
{
    struct admin *a = place->admin;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer(a, c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    for (unsigned i = 0; i < ADMIN_PAGES; i++) {
        if (strcmp(path, pages[i].path) == 0 &&
            wants(a->plan, &place->addr, PAGE_METRICS))
            return show_page(a, c, i);
    }
    if (strcmp(path, "/health") == 0 && wants(a->plan, &place->addr, PAGE_HEALTH))
        return answer(a, c, MHD_HTTP_OK, "OK");
    if (strcmp(path, "/ready") != 0 || !wants(a->plan, &place->addr, PAGE_READY))
        return answer(a, c, MHD_HTTP_NOT_FOUND, "404 page not found\n");
    return a->leaving ? answer(a, c, MHD_HTTP_SERVICE_UNAVAILABLE, "Shutting down")
                      : answer(a, c, MHD_HTTP_OK, "OK");
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
    return reply_to(place, c, method, path);
}

/* ---- events ---- */

static void run(struct admin *a);

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

/* When the next page that is shown to all may go. */
static uint64_t pages_next_ms(const struct admin *a)
{
    uint64_t next_ms = UINT64_MAX, now_us = turn_clock_us();
    for (unsigned i = 0; i < ADMIN_PAGES; i++) {
        uint64_t until_us = a->pages[i].until_us;
        uint64_t ms = until_us > now_us ? (until_us - now_us) / 1000 + 1 : 0;
        if (a->pages[i].response != NULL && ms < next_ms)
            next_ms = ms;
    }
    return next_ms;
}

static unsigned clients_of(const struct admin_place *place)
{
    const union MHD_DaemonInfo *info = place->admin->library->MHD_get_daemon_info(
        place->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info == NULL ? 0 : info->num_connections;
}

/* A daemon that had as many clients as it may have takes new ones only when it is run
 * again after the old ones have gone; and who was idle for too long goes a run later.
 */
static void run_place(const struct admin_place *place)
{
    unsigned before;
    do {
        before = clients_of(place);
        place->admin->library->MHD_run(place->daemon);
        place->admin->library->MHD_run(place->daemon);
    } while (clients_of(place) < before);
}

/* Lets every daemon do what it can, and comes back when one of them wants it. */
static void run(struct admin *a)
{
    uint64_t next_ms = UINT64_MAX;
    drop_pages(a, turn_clock_us());
    for (struct admin_place *place = a->places; place != NULL; place = place->next) {
        MHD_UNSIGNED_LONG_LONG ms;
        if (place->daemon == NULL)
            continue;
        run_place(place);
        if (a->library->MHD_get_timeout(place->daemon, &ms) == MHD_YES && ms < next_ms)
            next_ms = ms;
    }
    if (pages_next_ms(a) < next_ms)
        next_ms = pages_next_ms(a);
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
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)ADMIN_CLIENTS_PER_PEER,
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
        drop_places(a, NULL);
    return rc;
}

void admin_commit(struct admin *a, const struct plan *plan)
{
    a->plan = plan;
    drop_pages(a, UINT64_MAX);
    drop_places(a, plan);
    for (struct admin_place *place = a->places; place != NULL; place = place->next) {
        char text[ADDR_TEXT_MAX];
        if (place->daemon == NULL && start_place(place) < 0)
            log_error("no pages on %s: out of memory or descriptors",
                      addr_print(&place->addr, text));
    }
    drop_places(a, NULL); /* those that did not start */
    run(a);
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
    drop_pages(a, UINT64_MAX);
    uv_close((uv_handle_t *)&a->timer, NULL);
    if (a->library != NULL)
        library_close(a->library->handle);
    free(a->library);
    a->library = NULL;
}
