#include "resolver/plugins/etcd/etcd_making.h"

#include "base/cursor.h"

#define SHARE 100 /* the weights of one priority add up to about that */

/* The name without the labels that the record wants stripped; whole where nothing would
 * be left. */
static const uint8_t *target_of(const struct skydns *s)
{
    const uint8_t *name = s->kind == SKYDNS_NAME ? s->host : s->owner;
    if (name == NULL || s->strip >= name_labels(name))
        return name;
    for (uint32_t i = 0; i < s->strip; i++)
        name += name[0] + 1u;
    return name;
}

static bool is_alias(const struct skydns *s)
{
    return s->kind == SKYDNS_NAME && s->text == NULL;
}

static bool is_address(const struct skydns *s)
{
    return s->kind == SKYDNS_V4 || s->kind == SKYDNS_V6;
}

/* ---- addresses that come along ---- */

static int look_up(struct etcd_making *a, const uint8_t *name, uint16_t type)
{
    struct etcd_lookup l = {.name = name,
                            .type = type,
                            .section = SECTION_ADDITIONAL,
                            .no_cnames = type == DNS_AAAA};
    return etcd_look_up(a, &l);
}

static int walk(struct etcd_making *a, const uint8_t *name, uint16_t type)
{
    uint8_t *lower = arena_copy(&a->q->arena, name, name_len(name));
    if (lower == NULL) {
        etcd_fail(a, "plugin/etcd: out of memory");
        return -1;
    }
    name_lower(lower, lower, name_len(name));
    return etcd_walk(a, lower, name, type, SECTION_ADDITIONAL) == ETCD_TOO_MUCH ? -1
                                                                                : 0;
}

/* Those of a target that is a name: of the zone, or of others. */
static int add_addresses(struct etcd_making *a, const uint8_t *target)
{
    struct etcd_item item = {.kind = ETCD_ASKED, .target = target};
    bool fresh = true;
    if (etcd_once(a, &item, &fresh) < 0 || !fresh)
        return fresh ? -1 : 0;
    if (!name_under(target, a->zone->apex.wire, NULL))
        return look_up(a, target, DNS_A) < 0 ? -1 : look_up(a, target, DNS_AAAA);
    return walk(a, target, DNS_A) < 0 ? -1 : walk(a, target, DNS_AAAA);
}

/* ---- records with a target ---- */

/* Numbers in front of the target. Of one that stands for addresses there is one record
 * for each last number, whatever the others are. */
struct numbers {
    uint16_t list[3];
    unsigned n;
};

static int add_target(struct etcd_making *a, const struct skydns *s, uint16_t type,
                      const struct numbers *numbers)
{
    uint8_t data[6 + NAME_WIRE_MAX];
    const uint8_t *target = target_of(s);
    struct wr wr = wr_init(data, sizeof data);
    for (unsigned i = 0; i < numbers->n; i++)
        wr_u16(&wr, numbers->list[i]);
    wr_bytes(&wr, target, name_len(target));
    struct etcd_item whole = {
        .kind = ETCD_RECORD, .target = target, .rest = {data, 2 * numbers->n}};
    struct etcd_item item = {.kind = ETCD_TARGET, .target = target};
    struct rr_new rr = {.section = SECTION_ANSWER,
                        .owner = a->q->request.name,
                        .type = type,
                        .ttl = etcd_ttl(a, s),
                        .rdata = {data, wr.at}};
    bool fresh = true;
    if (numbers->n > 0)
        item.rest = (struct span){data + 2 * (numbers->n - 1), 2};
    if (etcd_once(a, &whole, &fresh) < 0 ||
        (is_address(s) && etcd_once(a, &item, &fresh) < 0) ||
        (fresh && etcd_add(a, &rr) < 0))
        return -1;
    return is_address(s) ? etcd_add_address(a, s, SECTION_ADDITIONAL, target)
                         : add_addresses(a, target);
}

/* ---- SRV ---- */

/* What the weights of a priority add up to. */
struct sum {
    uint64_t weights;
    uint16_t priority;
};

struct sums {
    struct sum *list;
    uint32_t mask;
};

static struct sum *sum_of(const struct sums *sums, uint16_t priority)
{
    uint32_t at = (priority * 2654435761u) >> 16 & sums->mask;
    while (sums->list[at].weights > 0 && sums->list[at].priority != priority)
        at = (at + 1) & sums->mask;
    sums->list[at].priority = priority;
    return &sums->list[at];
}

static int add_up(struct etcd_making *a, const struct etcd_records *r,
                  struct sums *sums)
{
    uint32_t cap = 4;
    while (cap < 2 * r->n)
        cap *= 2;
    sums->mask = cap - 1;
    sums->list = arena_array(&a->q->arena, cap, sizeof *sums->list);
    if (sums->list == NULL) {
        etcd_fail(a, "plugin/etcd: out of memory");
        return -1;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        const struct skydns *s = r->list[i];
        sum_of(sums, s->priority)->weights +=
            s->weight == 0 ? SHARE : (uint32_t)s->weight;
    }
    return 0;
}

/* Its part of what the priority has, in the very steps in which CoreDNS rounds it. */
static uint16_t weight_of(const struct sums *sums, const struct skydns *s)
{
    double part = (double)SHARE / (double)sum_of(sums, s->priority)->weights;
    part *= s->weight == 0 ? SHARE : s->weight;
    return part < 1 ? 1 : (uint16_t)part;
}

enum etcd_found etcd_add_srv(struct etcd_making *a)
{
    struct etcd_records r;
    struct sums sums;
    enum etcd_found found = etcd_take(a, a->q->request.lower, false, &r);
    if (found == ETCD_FOUND && add_up(a, &r, &sums) < 0)
        return ETCD_TOO_MUCH;
    for (uint32_t i = 0; found == ETCD_FOUND && i < r.n; i++) {
        const struct skydns *s = r.list[i];
        if (s->port < 0 || !(is_alias(s) || is_address(s)) || target_of(s) == NULL)
            continue;
        struct numbers n = {{s->priority, weight_of(&sums, s), (uint16_t)s->port}, 3};
        if (add_target(a, s, DNS_SRV, &n) < 0)
            return ETCD_TOO_MUCH;
    }
    return found;
}

/* ---- MX and NS ---- */

enum etcd_found etcd_add_mx(struct etcd_making *a)
{
    struct etcd_records r;
    enum etcd_found found = etcd_take(a, a->q->request.lower, false, &r);
    for (uint32_t i = 0; found == ETCD_FOUND && i < r.n; i++) {
        const struct skydns *s = r.list[i];
        struct numbers n = {{s->priority}, 1};
        if (!s->mail || !(is_alias(s) || is_address(s)) || target_of(s) == NULL)
            continue;
        if (add_target(a, s, DNS_MX, &n) < 0)
            return ETCD_TOO_MUCH;
    }
    return found;
}

enum etcd_found etcd_add_ns(struct etcd_making *a)
{
    struct etcd_records r;
    struct name at;
    struct numbers none = {.n = 0};
    if (etcd_own_name(a, "ns.dns", &at) < 0)
        return ETCD_NONE;
    enum etcd_found found = etcd_take(a, at.wire, false, &r);
    for (uint32_t i = 0; found == ETCD_FOUND && i < r.n; i++) {
        const struct skydns *s = r.list[i];
        if (is_alias(s))
            return etcd_fail(a, "plugin/etcd: NS record must be an IP address");
        if (is_address(s) && target_of(s) != NULL &&
            add_target(a, s, DNS_NS, &none) < 0)
            return ETCD_TOO_MUCH;
    }
    return found;
}
