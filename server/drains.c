#include "server/drains.h"

#include "base/log.h"
#include "resolver/cluster_servers.h"
#include "resolver/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const uint8_t *zone_of(const struct cluster *c)
{
    return cluster_zone_wire(cluster_zone(c, 0));
}

/* ---- the list ---- */

static int add(struct drains *d, const uint8_t *zone, const struct addr *addr)
{
    struct drain *one = calloc(1, sizeof *one);
    if (one == NULL)
        return -1;
    one->zone.len = (uint8_t)name_len(zone);
    memcpy(one->zone.wire, zone, one->zone.len);
    if (addr != NULL)
        one->addr = *addr;
    one->next = d->first;
    d->first = one;
    return 0;
}

/* With `addr` NULL all of the zone. */
static void take(struct drains *d, const uint8_t *zone, const struct addr *addr)
{
    struct drain **at = &d->first;
    while (*at != NULL) {
        struct drain *one = *at;
        bool matches = name_equal(one->zone.wire, zone) &&
                       (addr == NULL || addr_equal(&one->addr, addr));
        if (!matches) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        free(one);
    }
}

int drains_set(struct drains *d, const struct cluster *c, const struct addr *addr,
               bool on)
{
    take(d, zone_of(c), addr);
    return on ? add(d, zone_of(c), addr) : 0;
}

/* With `up` NULL: some address of it. */
static bool holds(const struct drains *d, const struct cluster *c,
                  const struct upstream *up)
{
    for (const struct drain *one = d->first; one != NULL; one = one->next) {
        if (name_equal(one->zone.wire, zone_of(c)) &&
            (up == NULL || one->addr.family == 0 ||
             addr_equal(&one->addr, &up->endpoint.addr)))
            return true;
    }
    return false;
}

/* ---- clusters ---- */

struct pass {
    const struct drains *drains;
    bool on; /* this time around flags are set; before that they are cleared */
};

/* One that was never asked needs no flags, unless it is drained. */
static const struct upstream_group *group_of(const struct drains *d,
                                             const struct cluster *c)
{
    return holds(d, c, NULL) ? cluster_group(c) : cluster_group_now(c);
}

/* An address may be that of one cluster in two blocks, under two zones: it is drained
 * as soon as one of them says so. */
static void apply_to(const struct cluster *c, void *context)
{
    const struct pass *pass = context;
    const struct upstream_group *g = group_of(pass->drains, c);
    for (uint32_t i = 0; g != NULL && i < g->n; i++) {
        struct upstream *up = g->list[i];
        bool held = holds(pass->drains, c, up);
        if (held == pass->on)
            atomic_store_explicit(&up->drained, held, memory_order_relaxed);
    }
}

void drains_apply(const struct drains *d, const struct plan *plan)
{
    for (int on = 0; on <= 1; on++) {
        struct pass pass = {.drains = d, .on = on == 1};
        for (uint32_t i = 0; i < plan->blocks_n; i++) {
            if (plan->blocks[i].clusters != NULL)
                cluster_map_each(plan->blocks[i].clusters, apply_to, &pass);
        }
    }
}

/* ---- the file: a zone a line, with an address behind it or without ---- */

static void read_line(struct drains *d, char *line)
{
    char zone[NAME_TEXT_MAX], address[ADDR_TEXT_MAX];
    struct name name;
    struct addr addr;
    int words = sscanf(line, "%1024s %71s", zone, address);
    if (words < 1)
        return;
    bool good = name_parse(&name, text_of(zone)) == 0 &&
                (words < 2 || addr_parse(&addr, text_of(address), 53) == 0);
    if (!good || add(d, name.wire, words < 2 ? NULL : &addr) < 0)
        log_warning("control: %s: line not understood: %s", d->path, line);
}

static void read_file(struct drains *d)
{
    char line[NAME_TEXT_MAX + ADDR_TEXT_MAX + 2];
    FILE *in = fopen(d->path, "re");
    if (in == NULL) {
        if (errno != ENOENT)
            log_warning("control: %s: %s", d->path, strerror(errno));
        return;
    }
    while (fgets(line, sizeof line, in) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        read_line(d, line);
    }
    fclose(in);
}

void drains_init(struct drains *d, const char *path)
{
    *d = (struct drains){0};
    if (path == NULL)
        return;
    d->path = strdup(path);
    if (d->path != NULL)
        read_file(d);
}

void drains_release(struct drains *d)
{
    for (struct drain *one; (one = d->first) != NULL;) {
        d->first = one->next;
        free(one);
    }
    free(d->path);
    d->path = NULL;
}

static int write_all(const struct drains *d, FILE *out)
{
    for (const struct drain *one = d->first; one != NULL; one = one->next) {
        char zone[NAME_TEXT_MAX], address[ADDR_TEXT_MAX] = "";
        name_print(one->zone.wire, zone);
        if (one->addr.family != 0)
            addr_print(&one->addr, address);
        fprintf(out, "%s %s\n", zone, address);
    }
    return fflush(out) == 0 && !ferror(out) && fsync(fileno(out)) == 0 ? 0 : -1;
}

/* Beside the old one first: whoever reads it finds one of the two whole. */
int drains_save(const struct drains *d, struct errors *errs)
{
    char *beside = NULL;
    int rc = -1;
    if (d->path == NULL)
        return 0;
    if (asprintf(&beside, "%s.new", d->path) < 0)
        return error_at(errs, (struct where){0}, "out of memory");
    FILE *out = fopen(beside, "we");
    if (out != NULL) {
        rc = write_all(d, out);
        if (fclose(out) != 0)
            rc = -1;
    }
    if (rc == 0)
        rc = rename(beside, d->path);
    if (rc < 0)
        error_at(errs, (struct where){0}, "%s: %s", d->path, strerror(errno));
    free(beside);
    return rc < 0 ? -1 : 0;
}
