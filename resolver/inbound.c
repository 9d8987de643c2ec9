#include "resolver/inbound.h"

#include "base/log.h"
#include "resolver/registry.h"

#include <stdlib.h>

#define S             UINT64_C(1000000) /* microseconds */
#define FIRST_US      (S / 4)           /* to the second try of a zone never had */
#define FIRST_US_MAX  (10 * S)
#define SPREAD_US_MAX (5 * S)
#define PAUSE_US      S /* between two questions, whatever NOTIFYs come */

/* ---- life ---- */

struct primaries {
    const struct name *apex;
    const struct addr *list;
    uint32_t n;
    struct span key;
};

static int init(void *object, const void *argument)
{
    struct inbound *z = object;
    const struct primaries *p = argument;
    uint8_t *key = malloc(p->key.len);
    z->primaries = calloc(p->n, sizeof *z->primaries);
    z->key = (struct span){key, p->key.len};
    if (key == NULL || z->primaries == NULL) {
        free(key);
        free(z->primaries);
        return -1;
    }
    memcpy(key, p->key.at, p->key.len);
    memcpy(z->primaries, p->list, p->n * sizeof *z->primaries);
    z->primaries_n = p->n;
    z->apex = *p->apex;
    return 0;
}

static void release(void *object)
{
    struct inbound *z = object;
    zone_done(z->zone);
    free(z->primaries);
    free((void *)(uintptr_t)z->key.at);
}

static const struct registry_kind inbound_kind = {.name = "inbound",
                                                  .size = sizeof(struct inbound),
                                                  .init = init,
                                                  .release = release};

struct inbound *inbound_claim(struct registry *reg, const struct inbound *z)
{
    return registry_claim(reg, &inbound_kind, z->key, NULL, NULL);
}

static struct inbound *claim(struct setup *s, const struct primaries *p)
{
    size_t len = p->apex->len + p->n * sizeof *p->list;
    uint8_t *key = arena_alloc(s->arena, len);
    struct primaries full = *p;
    if (key == NULL)
        return NULL;
    memcpy(key, p->apex->wire, p->apex->len);
    memcpy(key + p->apex->len, p->list, p->n * sizeof *p->list);
    full.key = (struct span){key, len};
    return registry_claim(s->registry, &inbound_kind, full.key, &full, NULL);
}

/* Comes by itself. */
static void look(struct feed *f, void *context)
{
}

struct inbound_use *inbound_use(struct setup *s, const struct name *apex,
                                const struct addr *primaries, uint32_t n)
{
    struct inbound_use *use = arena_alloc(s->arena, sizeof *use);
    struct primaries p = {.apex = apex, .list = primaries, .n = n};
    struct feed_source source = {.interval_us = 0, .look = look};
    struct feed *feed = feed_new(&s->plan->feeds, s->arena, &source);
    struct inbound *z = use == NULL || feed == NULL ? NULL : claim(s, &p);
    if (z == NULL) {
        error_at(s->errs, s->block->at, "plugin/secondary: out of memory");
        return NULL;
    }
    *use = (struct inbound_use){z, feed, s->plan, s->block, z->uses, s->plan->inbound};
    z->uses = use;
    s->plan->inbound = use;
    if (z->zone != NULL) {
        zone_use(z->zone);
        if (zone_publish(feed, z->zone) < 0)
            log_error("plugin/secondary: a zone is to be transferred again: out of "
                      "memory");
    }
    return use;
}

void inbound_unuse(struct registry *reg, struct inbound_use *use)
{
    struct inbound_use **at = &use->zone->uses;
    while (*at != use)
        at = &(*at)->next;
    *at = use->next;
    registry_drop(reg, use->zone);
}

/* ---- when ---- */

void inbound_tell(const struct inbound_use *use)
{
    const struct plan *p = use->plan;
    atomic_store(&use->zone->told, true);
    if (p->tell != NULL)
        p->tell(p->unused_context);
}

bool inbound_tick(struct inbound *z, uint64_t now_us)
{
    char apex[NAME_TEXT_MAX];
    if (z->zone != NULL && !z->expired && now_us >= z->expire_us) {
        name_print(z->apex.wire, apex);
        log_error("plugin/secondary: zone %s is expired: no primary has answered",
                  apex);
        z->expired = true;
    }
    return now_us >= inbound_due_us(z) &&
           (now_us >= z->due_us || (z->told && now_us >= z->earliest_us));
}

uint64_t inbound_due_us(const struct inbound *z)
{
    uint64_t due_us = z->busy ? UINT64_MAX : z->due_us;
    if (!z->busy && z->told && z->earliest_us < due_us)
        due_us = z->earliest_us;
    if (z->zone != NULL && !z->expired && z->expire_us < due_us)
        due_us = z->expire_us;
    return due_us;
}

void inbound_begin(struct inbound *z)
{
    z->busy = true;
    z->told = false;
}

/* The next question after this time, or a little later. */
static void set_due(struct inbound *z, uint64_t now_us, uint64_t after_us,
                    uint32_t random)
{
    uint64_t spread = after_us / 4 > SPREAD_US_MAX ? SPREAD_US_MAX : after_us / 4;
    z->busy = false;
    z->earliest_us = now_us + PAUSE_US;
    z->due_us = now_us + after_us + spread * random / UINT32_MAX;
}

/* 0 would ask without end. */
static uint64_t at_least_1s(uint32_t s)
{
    return (s == 0 ? 1 : s) * S;
}

static struct zone_times times_of(const struct inbound *z)
{
    return zonedata_times(zonedata_soa(z->zone->data));
}

void inbound_current(struct inbound *z, uint64_t now_us, uint32_t random)
{
    struct zone_times times = times_of(z);
    z->failures = 0;
    z->expire_us = now_us + at_least_1s(times.expire_s);
    z->expired = false;
    set_due(z, now_us, at_least_1s(times.refresh_s), random);
}

void inbound_loaded(struct inbound *z, struct zone *zone, uint64_t now_us,
                    uint32_t random)
{
    zone_done(z->zone);
    z->zone = zone;
    for (struct inbound_use *use = z->uses; use != NULL; use = use->next) {
        zone_use(zone);
        if (zone_publish(use->feed, zone) < 0)
            log_error("plugin/secondary: a zone stays as it is: out of memory");
        else
            transfer_notify(use->plan, use->block, &z->apex);
    }
    inbound_current(z, now_us, random);
}

void inbound_failed(struct inbound *z, uint64_t now_us, uint32_t random)
{
    uint64_t after_us = FIRST_US << (z->failures < 6 ? z->failures : 6);
    z->failures++;
    if (after_us > FIRST_US_MAX)
        after_us = FIRST_US_MAX;
    if (z->zone != NULL)
        after_us = at_least_1s(times_of(z).retry_s);
    set_due(z, now_us, after_us, random);
}
