#include "config/discovery/discovery_own.h"

#include "base/hash.h"
#include "base/log.h"
#include "config/discovery/access.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* The one that takes any path stands last. */
static const struct discovery_source *const sources[] = {
    &discovery_https, &discovery_http, &discovery_kubernetes,
    &discovery_capi,  &discovery_etcd, &discovery_file};

uint64_t discovery_now_ns(void)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- life ---- */

static const struct discovery_source *source_for(const char *word)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        size_t len = strlen(sources[i]->scheme);
        bool path = len == 0 && strstr(word, "://") == NULL;
        if (path || (len > 0 && strncmp(word, sources[i]->scheme, len) == 0))
            return sources[i];
    }
    return NULL;
}

bool discovery_asks(const char *source)
{
    const struct discovery_source *kind = source_for(source);
    return kind == NULL || kind->scheme[0] != '\0';
}

bool discovery_is_single(const char *source)
{
    const struct discovery_source *kind = source_for(source);
    return kind != NULL && kind->is_single != NULL && kind->is_single(source);
}

void discovery_digest(const struct discovery_settings *settings,
                      uint8_t digest[SHA512_LEN])
{
    struct sha512 s;
    sha512_init(&s);
    sha512_add(&s, settings->source, strlen(settings->source));
    access_digest(&settings->access, &s);
    sha512_end(&s, digest);
}

static void *run(void *context)
{
    struct discovery *d = context;
    discovery_restore(d);
    d->kind->run(d);
    discovery_save(d, true);
    return NULL;
}

int discovery_start_thread(pthread_t *out, const char *name,
                           void *(*body)(void *context), void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out, NULL, body, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(*out, name);
    return error == 0 ? 0 : -1;
}

static int start_thread(struct discovery *d)
{
    d->started = discovery_start_thread(&d->thread, "inventory", run, d) == 0;
    return d->started ? 0 : -1;
}

/* One file of the state directory for each source. */
static char *state_path(const struct discovery_settings *settings)
{
    uint8_t digest[SHA512_LEN];
    const char *directory = settings->state;
    size_t len = strlen(directory) + sizeof "/inventory-0123456789abcdef.json";
    char *path = malloc(len);
    if (path == NULL)
        return NULL;
    discovery_digest(settings, digest);
    int at = snprintf(path, len, "%s/inventory-", directory);
    for (unsigned i = 0; i < 8; i++)
        at += snprintf(path + at, len - (size_t)at, "%02x", digest[i]);
    snprintf(path + at, len - (size_t)at, ".json");
    return path;
}

static int open_parts(struct discovery *d, const struct discovery_settings *s)
{
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->settled, NULL);
    d->changes_end = &d->changes;
    d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->accept_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->source = strdup(s->source);
    if (s->state != NULL)
        d->state_file = state_path(s);
    if (d->stop_fd < 0 || d->accept_fd < 0 || d->source == NULL ||
        (s->state != NULL && d->state_file == NULL))
        return -1;
    d->settings = *s;
    d->settings.source = d->source;
    d->settings.state = NULL;
    if (access_keep(&d->settings.access, &s->access) < 0)
        return -1;
    d->status = (struct discovery_status){.source = d->source, .kind = d->kind->name};
    return 0;
}

struct discovery *discovery_new(const struct discovery_settings *settings,
                                struct where at, struct errors *errs)
{
    const struct discovery_source *kind = source_for(settings->source);
    if (kind == NULL) {
        error_at(
            errs, at,
            "plugin/inventory: '%s' is no source: expected a file, a directory, a URL, "
            "kubernetes:CONTEXT, capi:CONTEXT or etcd:PREFIX",
            settings->source);
        return NULL;
    }
    struct discovery *d = calloc(1, sizeof *d);
    if (d != NULL) {
        d->kind = kind;
        d->stop_fd = d->accept_fd = -1;
        if (open_parts(d, settings) == 0 && start_thread(d) == 0)
            return d;
        discovery_free(d);
    }
    error_at(errs, at, "plugin/inventory: out of memory, descriptors or threads");
    return NULL;
}

static void free_held(struct discovery *d)
{
    struct inventory_record *r;
    struct discovery_change *c;
    for (uint32_t at = 0; (r = table_next(&d->names, &at)) != NULL;)
        inventory_record_drop(r);
    while ((c = d->changes) != NULL) {
        d->changes = c->next;
        discovery_change_free(c);
    }
    while (d->parts != NULL) {
        struct discovery_part *p = d->parts;
        d->parts = p->next;
        discovery_part_free(p);
    }
    table_release(&d->names);
    table_release(&d->parts_by_name);
}

void discovery_free(struct discovery *d)
{
    if (d == NULL)
        return;
    if (d->started) {
        eventfd_write(d->stop_fd, 1);
        pthread_join(d->thread, NULL);
    }
    free_held(d);
    pthread_cond_destroy(&d->settled);
    pthread_mutex_destroy(&d->lock);
    if (d->stop_fd >= 0)
        close(d->stop_fd);
    if (d->accept_fd >= 0)
        close(d->accept_fd);
    access_release(&d->settings.access);
    free(d->state_file);
    free(d->source);
    free(d);
}

/* ---- the control thread ---- */

void discovery_set(struct discovery *d, const struct discovery_settings *settings)
{
    pthread_mutex_lock(&d->lock);
    d->settings.interval_us = settings->interval_us;
    d->settings.shrink = settings->shrink;
    d->settings.changed = settings->changed;
    d->settings.context = settings->context;
    pthread_mutex_unlock(&d->lock);
}

bool discovery_settle(struct discovery *d, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&d->lock);
    while (!d->looked &&
           pthread_cond_timedwait(&d->settled, &d->lock, &until) != ETIMEDOUT)
        continue;
    bool looked = d->looked;
    pthread_mutex_unlock(&d->lock);
    return looked;
}

struct discovery_change *discovery_take(struct discovery *d)
{
    pthread_mutex_lock(&d->lock);
    struct discovery_change *list = d->changes;
    d->changes = NULL;
    d->changes_end = &d->changes;
    pthread_mutex_unlock(&d->lock);
    return list;
}

void discovery_change_free(struct discovery_change *c)
{
    inventory_record_drop(c->old);
    inventory_record_drop(c->now);
    free(c);
}

uint64_t discovery_each(struct discovery *d,
                        void (*each)(void *context, struct inventory_record *r),
                        void *context)
{
    struct inventory_record *r;
    pthread_mutex_lock(&d->lock);
    for (uint32_t at = 0; (r = table_next(&d->names, &at)) != NULL;)
        each(context, r);
    d->followed = true;
    uint64_t number = d->changed;
    pthread_mutex_unlock(&d->lock);
    return number;
}

void discovery_settled(struct discovery *d, struct inventory_record *r)
{
    pthread_mutex_lock(&d->lock);
    struct inventory_record *before = r->before;
    r->before = NULL;
    pthread_mutex_unlock(&d->lock);
    if (before != NULL) /* which is what is kept until then */
        d->unsaved = true;
    inventory_record_drop(before);
}

void discovery_status(struct discovery *d, struct discovery_status *out)
{
    pthread_mutex_lock(&d->lock);
    *out = d->status;
    out->clusters = d->names.n;
    pthread_mutex_unlock(&d->lock);
}

void discovery_accept(struct discovery *d, uint32_t held)
{
    pthread_mutex_lock(&d->lock);
    d->accepted = held;
    pthread_mutex_unlock(&d->lock);
    eventfd_write(d->accept_fd, 1);
}

/* ---- sources ---- */

struct discovery_settings discovery_settings(struct discovery *d)
{
    pthread_mutex_lock(&d->lock);
    struct discovery_settings s = d->settings;
    pthread_mutex_unlock(&d->lock);
    return s;
}

int discovery_stop_fd(const struct discovery *d)
{
    return d->stop_fd;
}

/* A look-up that was under way may have come to hold more than somebody saw. */
static void let_go_accepted(struct discovery *d)
{
    pthread_mutex_lock(&d->lock);
    uint32_t held = d->status.held, accepted = d->accepted;
    pthread_mutex_unlock(&d->lock);
    if (held <= accepted)
        discovery_let_go(d);
    else
        log_warning(
            "plugin/inventory: %s: %u clusters are held, and %u were when that was "
            "accepted: none goes, accept it again",
            d->source, held, accepted);
}

bool discovery_wait(struct discovery *d, int fd, int ms)
{
    struct pollfd list[] = {{.fd = d->stop_fd, .events = POLLIN},
                            {.fd = d->accept_fd, .events = POLLIN},
                            {.fd = fd, .events = POLLIN}};
    eventfd_t times;
    pthread_mutex_lock(&d->lock);
    d->looked = true;
    pthread_cond_broadcast(&d->settled);
    pthread_mutex_unlock(&d->lock);
    uint64_t save_ns = discovery_save(d, false);
    if (save_ns / 1000000 < (uint64_t)ms)
        ms = (int)(save_ns / 1000000) + 1;
    while (poll(list, fd < 0 ? 2 : 3, ms) < 0 && errno == EINTR)
        continue;
    if ((list[1].revents & POLLIN) != 0 && eventfd_read(d->accept_fd, &times) == 0)
        let_go_accepted(d);
    return (list[0].revents & POLLIN) == 0;
}

static void tell(const struct discovery *d, const char *text)
{
    log_error(
        "plugin/inventory: %s: %s; what was known of it stays (%u clusters in all)",
        d->source, text, d->names.n);
}

void discovery_part_error(struct discovery *d, struct discovery_part *p,
                          const char *text)
{
    const char *before = p->error == NULL ? "" : p->error;
    if (strcmp(before, text) == 0)
        return;
    if (text[0] != '\0')
        tell(d, text);
    d->parts_wrong -= p->error != NULL;
    free(p->error);
    p->error = text[0] == '\0' ? NULL : strdup(text);
    d->parts_wrong += p->error != NULL;
}

/* One of what is wrong stands for all; the log has had each. */
static const char *some_error(const struct discovery *d, const char *text)
{
    const struct discovery_part *p = d->parts;
    if (text[0] != '\0' || d->parts_wrong == 0)
        return text;
    while (p->error == NULL)
        p = p->next;
    return p->error;
}

void discovery_report(struct discovery *d, const char *text, uint64_t before)
{
    /* Once: a look every second would say it every second. */
    if (text[0] != '\0' && strcmp(d->told, text) != 0)
        tell(d, text);
    snprintf(d->told, sizeof d->told, "%s", text);
    text = some_error(d, text);
    pthread_mutex_lock(&d->lock);
    snprintf(d->status.error, sizeof d->status.error, "%s", text);
    d->status.failed_s = text[0] == '\0' ? 0 : discovery_now_ns() / 1000000000u;
    void (*changed)(void *context) = d->settings.changed;
    void *context = d->settings.context;
    pthread_mutex_unlock(&d->lock);
    if (d->changed == before)
        return;
    d->unsaved = true;
    if (changed != NULL)
        changed(context);
}

void discovery_failed(struct discovery *d, const char *fmt, ...)
{
    char text[DISCOVERY_ERROR_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    discovery_report(d, text, d->changed);
}
