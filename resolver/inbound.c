#include "resolver/inbound.h"

#include "base/limits.h"
#include "base/log.h"
#include "resolver/registry.h"

#include <stdlib.h>

#define S             UINT64_C(1000000) /* microseconds */
#define FIRST_US      (S / 4)           /* to the second try of a zone never had */
#define FIRST_US_MAX  (10 * S)
#define MEMBER_US_MAX (3600 * S)
#define DOUBLINGS_MAX 14 /* to more than that */
#define SPREAD_US_MAX (5 * S)
#define PAUSE_US      S /* between two questions, whatever NOTIFYs come */

/* ---- life ---- */

/* As the registry knows it. Empty: no memory. */
static struct span write_key(const struct inbound_key *k)
{
    size_t addrs = k->primaries_n * sizeof *k->primaries;
    size_t label = k->member == NULL ? 0 : 1u + k->member[0];
    uint8_t *key = malloc(k->apex.len + addrs + 1 + label);
    if (key == NULL)
        return (struct span){0};
    memcpy(key, k->apex.wire, k->apex.len);
    memcpy(key + k->apex.len, k->primaries, addrs);
    key[k->apex.len + addrs] = k->catalog;
    if (label > 0)
        memcpy(key + k->apex.len + addrs + 1, k->member, label);
    return (struct span){key, k->apex.len + addrs + 1 + label};
}

static void free_key(struct span key)
{
    free((void *)(uintptr_t)key.at);
}

static int init(void *object, const void *argument)
{
    struct inbound *z = object;
    const struct inbound_key *k = argument;
    z->primaries = calloc(k->primaries_n, sizeof *z->primaries);
    z->flaws = calloc(k->primaries_n, sizeof *z->flaws);
    z->key = write_key(k);
    if (z->key.at == NULL || z->primaries == NULL || z->flaws == NULL) {
        free_key(z->key);
        free(z->primaries);
        free(z->flaws);
        return -1;
    }
    memcpy(z->primaries, k->primaries, k->primaries_n * sizeof *z->primaries);
    z->primaries_n = k->primaries_n;
    z->catalog = k->catalog;
    z->member = k->member != NULL;
    z->apex = k->apex;
    return 0;
}

static void release(void *object)
{
    struct inbound *z = object;
    zone_done(z->zone);
    free(z->primaries);
    free(z->flaws);
    free_key(z->key);
}

static const struct registry_kind inbound_kind = {.name = "inbound",
                                                  .size = sizeof(struct inbound),
                                                  .init = init,
                                                  .release = release};

struct inbound *inbound_claim(struct registry *reg, const struct inbound *z)
{
    return registry_claim(reg, &inbound_kind, z->key, NULL, NULL);
}

static void publish(struct inbound_use *use)
{
    zone_use(use->zone->zone);
    if (zone_publish(&use->feed, use->zone->zone) < 0)
        log_error("plugin/secondary: a zone stays as it is: out of memory");
}

static void join_plan(struct inbound_use *use)
{
    struct plan *p = use->plan;
    use->next_of_plan = p->inbound;
    use->at_in_plan = &p->inbound;
    if (p->inbound != NULL)
        p->inbound->at_in_plan = &use->next_of_plan;
    p->inbound = use;
}

static void leave_plan(struct inbound_use *use)
{
    *use->at_in_plan = use->next_of_plan;
    if (use->next_of_plan != NULL)
        use->next_of_plan->at_in_plan = use->at_in_plan;
}

int inbound_use(struct inbound_use *use, const struct inbound_key *key)
{
    static const struct feed_source by_itself = {0};
    struct span text = write_key(key);
    struct inbound *z =
        text.at == NULL
            ? NULL
            : registry_claim(use->plan->registry, &inbound_kind, text, key, NULL);
    free_key(text);
    if (z == NULL)
        return -1;
    use->zone = z;
    use->next = z->uses;
    z->uses = use;
    join_plan(use);
    feed_init(&use->feed, &use->plan->feeds, &by_itself);
    if (z->zone != NULL)
        publish(use);
    return 0;
}

void inbound_unuse(struct inbound_use *use)
{
    struct inbound_use **at = &use->zone->uses;
    while (*at != use)
        at = &(*at)->next;
    *at = use->next;
    leave_plan(use);
    feed_end(&use->feed);
    registry_drop(use->plan->registry, use->zone);
}

void inbound_adopt(struct inbound_use *use, const struct inbound_use *from)
{
    struct inbound *z = use->zone;
    const struct inbound *old = from->zone;
    if (z->zone != NULL || old->zone == NULL)
        return;
    zone_use(old->zone);
    z->zone = old->zone;
    z->expire_us = old->expire_us;
    z->expired = old->expired;
    z->anew = true;
    publish(use);
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
    struct zone *old = z->zone;
    z->zone = zone;
    z->anew = false;
    for (struct inbound_use *use = z->uses; use != NULL; use = use->next) {
        publish(use);
        transfer_notify(use->plan, use->block, &z->apex);
        if (use->changed != NULL)
            use->changed(use);
    }
    zone_done(old);
    inbound_current(z, now_us, random);
}

void inbound_failed(struct inbound *z, uint64_t now_us, uint32_t random)
{
    uint64_t max_us = z->member ? MEMBER_US_MAX : FIRST_US_MAX;
    uint64_t after_us = FIRST_US
                        << (z->failures < DOUBLINGS_MAX ? z->failures : DOUBLINGS_MAX);
    z->failures++;
    if (after_us > max_us)
        after_us = max_us;
    if (z->zone != NULL)
        after_us = at_least_1s(times_of(z).retry_s);
    set_due(z, now_us, after_us, random);
}

void inbound_queue(struct inbound *z, uint64_t now_us, uint64_t *turn_us)
{
    uint64_t from_us = *turn_us > now_us ? *turn_us : now_us;
    *turn_us = from_us + S / INBOUND_RETRIES_PER_S;
    if (z->due_us < *turn_us)
        z->due_us = *turn_us;
}
