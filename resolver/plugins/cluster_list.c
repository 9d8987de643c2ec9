#include "resolver/plugins/cluster_list.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/cluster_servers.h"
#include "resolver/health.h"

#include <stdarg.h>

#define STRING_MAX 255
#define FACT_MAX   (NAME_TEXT_MAX + 16)

/* Of one cluster: its lists are as long as an inventory may make them. */
#define RDATA_MAX                                                                      \
    (INVENTORY_LIST_MAX * (FACT_MAX + 2 * (ADDR_TEXT_MAX + 16)) + 2 * FACT_MAX)

/* Octets of records, so that with header, question, OPT and the last record the answer
 * is one message. */
#define RECORDS_MAX (ANSWER_MAX - 1024)
#define RECORD_HEAD 12 /* in front of RDATA, the owner being compressed */

struct page {
    struct query *q;
    uint8_t *room;
    size_t len; /* of all records */
    uint32_t more;
    bool failed;
};

/* One character-string; what is longer goes on in the next (RFC 7208, 3.3). */
__attribute__((format(printf, 2, 3))) static void put(struct wr *wr, const char *form,
                                                      ...)
{
    char text[FACT_MAX];
    va_list args;
    va_start(args, form);
    size_t len = (size_t)vsnprintf(text, sizeof text, form, args);
    va_end(args);
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < STRING_MAX ? len - at : STRING_MAX;
        wr_u8(wr, (uint8_t)n);
        wr_bytes(wr, text + at, n);
    }
}

static void put_name(struct wr *wr, const char *key, const uint8_t *name)
{
    char text[NAME_TEXT_MAX];
    text[name_print(name, text) - 1] = '\0'; /* the final dot */
    put(wr, "%s=%s", key, text);
}

static void put_facts(struct wr *wr, const struct cluster *c)
{
    char text[ADDR_TEXT_MAX];
    struct subnets services = cluster_services(c);
    struct addr dns[INVENTORY_LIST_MAX];
    uint32_t dns_n = cluster_dns(c, dns);
    for (uint32_t i = 0; i < c->zones_n; i++)
        put_name(wr, "zone", cluster_zone_wire(cluster_zone(c, i)));
    put_name(wr, "domain", cluster_domain(c).wire);
    for (uint32_t i = 0; i < services.n; i++)
        put(wr, "services=%s", cidr_print(&services.list[i], text));
    for (uint32_t i = 0; i < dns_n; i++)
        put(wr, "dns=%s", addr_print(&dns[i], text));
    put(wr, "state=%s", health_state(cluster_group_now(c)));
}

static void add(struct page *p, const struct wr *wr)
{
    struct rr_new rr = {.section = SECTION_ANSWER,
                        .owner = p->q->request.name,
                        .type = DNS_TXT,
                        .class = DNS_CH,
                        .rdata = {.at = wr->start, .len = wr->at}};
    p->failed =
        p->failed || wr->failed || msg_add(&p->q->response->msg, &p->q->arena, &rr) < 0;
}

static bool add_cluster(const struct cluster *c, void *context)
{
    struct page *p = context;
    struct wr wr = wr_init(p->room, RDATA_MAX);
    put_facts(&wr, c);
    if (p->more > 0 || p->len + RECORD_HEAD + wr.at > RECORDS_MAX) {
        p->more++;
        return true;
    }
    p->len += RECORD_HEAD + wr.at;
    add(p, &wr);
    return !p->failed;
}

bool cluster_list_asked(const struct request *req)
{
    static const uint8_t name[] = "\10clusters\7isthmus";
    return req->class == DNS_CH && req->type == DNS_TXT && name_equal(req->lower, name);
}

enum verdict cluster_list(struct query *q, const struct clusters *all)
{
    if (!addr_is_loopback(&q->client.peer))
        return query_fail_ede(q, DNS_REFUSED, NULL, EDE_PROHIBITED,
                              "the clusters are told to this host only");
    struct page p = {.q = q, .room = arena_alloc(&q->arena, RDATA_MAX)};
    query_respond(q, DNS_NOERROR, false, 16);
    if (q->response->failed || p.room == NULL)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    cluster_map_look(&all->map, add_cluster, &p);
    if (p.more > 0) {
        struct wr wr = wr_init(p.room, RDATA_MAX);
        put(&wr, "more=%u", p.more);
        add(&p, &wr);
    }
    if (p.failed)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    q->response->unshared = true;
    return DONE;
}
