/* The last known map of a source, on disk: what is served at a start while the source
 * itself cannot be had. The file is an inventory like any other, with two keys more:
 * when a cluster was first seen, and the part it came from. It is replaced as a whole,
 * so that there is always one that can be read. */
#include "config/discovery/discovery_own.h"

#include "base/log.h"
#include "config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define SAVE_NS   1000000000u /* between two, at least */
#define SAVE_COST 20 /* to write takes at most one part in so many of the time */

/* ---- writing ---- */

static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            fputc('\\', out);
        if ((unsigned char)*c < 0x20)
            fprintf(out, "\\u%04x", (unsigned)(unsigned char)*c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static void put_cidrs(FILE *out, const char *key, const struct cidr *list, unsigned n)
{
    char text[ADDR_TEXT_MAX];
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "%s\"%s\"", i == 0 ? key : ",", cidr_print(&list[i], text));
    if (n > 0)
        fputc(']', out);
}

static void put_names(FILE *out, const struct inventory_record *r)
{
    char text[NAME_TEXT_MAX];
    for (unsigned i = 0; i < r->zones_n; i++) {
        fputs(i == 0 ? ",\"zones\":[" : ",", out);
        name_print(inventory_zone(r, i), text);
        put_text(out, text);
    }
    if (r->zones_n > 0)
        fputc(']', out);
    if (inventory_domain(r) == NULL)
        return;
    name_print(inventory_domain(r), text);
    fputs(",\"domain\":", out);
    put_text(out, text);
}

static void put_addrs(FILE *out, const struct inventory_record *r)
{
    char text[ADDR_TEXT_MAX];
    for (unsigned i = 0; i < r->dns_n; i++) {
        const struct addr *a = &inventory_dns(r)[i];
        fprintf(out, "%s\"%s\"", i == 0 ? ",\"dns\":[" : ",",
                a->port == 0 ? addr_print_ip(a, text) : addr_print(a, text));
    }
    if (r->dns_n > 0)
        fputc(']', out);
}

static void put_record(FILE *out, const struct inventory_record *r)
{
    fputs("{\"name\":", out);
    put_text(out, inventory_name(r));
    put_names(out, r);
    put_cidrs(out, ",\"services\":[", inventory_services(r), r->services_n);
    put_cidrs(out, ",\"pods\":[", inventory_pods(r), r->pods_n);
    put_addrs(out, r);
    if (r->index != 0)
        fprintf(out, ",\"index\":%u", r->index);
    if (r->port != 0)
        fprintf(out, ",\"port\":%u", r->port);
    fprintf(out, ",\"since\":%u,\"part\":", r->since_s);
    put_text(out, r->file);
    fputc('}', out);
}

/* All that is held, each with a use; what is in use where something else is to replace
 * it. The caller frees the list. */
static struct inventory_record **hold_all(struct discovery *d, uint32_t *n)
{
    struct inventory_record *r;
    *n = 0;
    pthread_mutex_lock(&d->lock);
    struct inventory_record **list = malloc((d->names.n + 1) * sizeof *list);
    for (uint32_t at = 0; list != NULL && (r = table_next(&d->names, &at)) != NULL;)
        list[(*n)++] = inventory_record_use(r->before != NULL ? r->before : r);
    pthread_mutex_unlock(&d->lock);
    return list;
}

static int write_all(FILE *out, struct inventory_record *const *list, uint32_t n)
{
    fputs("{\"clusters\":[\n", out);
    for (uint32_t i = 0; i < n; i++) {
        put_record(out, list[i]);
        fputs(i + 1 < n ? ",\n" : "\n", out);
    }
    fputs("]}\n", out);
    return fflush(out) != 0 || ferror(out) || fsync(fileno(out)) < 0 ? -1 : 0;
}

/* 0 or an errno. */
static int write_file(const char *path, struct inventory_record *const *list,
                      uint32_t n)
{
    char fresh[PATH_MAX];
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
        return ENAMETOOLONG;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (out == NULL) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    int rc = write_all(out, list, n);
    int error = errno;
    if (fclose(out) != 0 && rc == 0) {
        error = errno;
        rc = -1;
    }
    if (rc == 0 && rename(fresh, path) == 0)
        return 0;
    error = rc == 0 ? errno : error;
    unlink(fresh);
    return error;
}

static void save(struct discovery *d)
{
    uint32_t n;
    uint64_t began_ns = discovery_now_ns();
    d->unsaved = false; /* until something changes, also meanwhile */
    struct inventory_record **list = hold_all(d, &n);
    int error = list == NULL ? ENOMEM : write_file(d->state_file, list, n);
    for (uint32_t i = 0; list != NULL && i < n; i++)
        inventory_record_drop(list[i]);
    free(list);
    uint64_t now_ns = discovery_now_ns();
    uint64_t pause_ns = (now_ns - began_ns) * SAVE_COST;
    d->save_due_ns = now_ns + (pause_ns > SAVE_NS ? pause_ns : SAVE_NS);
    if (error != 0 && error != d->save_error)
        log_warning(
            "plugin/inventory: the last known clusters cannot be kept in %s: %s",
            d->state_file, strerror(error));
    d->save_error = error;
}

uint64_t discovery_save(struct discovery *d, bool now)
{
    if (d->state_file == NULL || !d->unsaved)
        return UINT64_MAX;
    uint64_t now_ns = discovery_now_ns();
    if (!now && now_ns < d->save_due_ns && d->save_due_ns - now_ns < 3600 * 1000000000u)
        return d->save_due_ns - now_ns;
    save(d);
    return UINT64_MAX;
}

/* ---- reading ---- */

static const char *part(void *context, const char *name)
{
    return discovery_part(context, name);
}

static int put(void *context, struct inventory_record *r, struct errors *errs)
{
    struct discovery *d = context;
    struct where at = {.file = d->state_file, .line = r->line};
    if (discovery_find(d, inventory_name(r)) != NULL)
        return error_at(errs, at, "cluster %s stands twice", inventory_name(r));
    r->digest = 0; /* of another text than the source's */
    r->seq = (uint64_t)r->since_s * 1000000000u + d->names.n + 1;
    return discovery_restore_record(d, r);
}

void discovery_restore(struct discovery *d)
{
    struct inventory_sink sink = {.context = d, .put = put, .part = part};
    struct source_stamp stamp;
    struct arena a;
    struct errors errs;
    struct text text;
    if (d->state_file == NULL || source_stamp(d->state_file, &stamp) != 0)
        return;
    errors_init(&errs);
    arena_init(&a, NULL, 0);
    if (source_read(&a, d->state_file, (struct where){0}, &text, &errs) == 0)
        inventory_read_json(d->state_file, text, &sink, &errs);
    if (errs.n > 0 && errs.list != NULL)
        log_warning("plugin/inventory: of the last known clusters some cannot be used: "
                    "%s:%u: %s",
                    d->state_file, errs.list[0].at.line, errs.list[0].text);
    pthread_mutex_lock(&d->lock);
    d->status.stale = d->names.n > 0;
    pthread_mutex_unlock(&d->lock);
    arena_release(&a);
    errors_release(&errs);
}
