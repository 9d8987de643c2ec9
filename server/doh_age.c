#include "server/doh_age.h"

#include "base/cursor.h"
#include "resolver/msg.h"

#define NXDOMAIN    3
#define SOA_NUMBERS 20 /* octets; MINIMUM is the last four */

struct record {
    uint16_t type;
    const uint8_t *ttl; /* where it stands */
    struct span rdata;
};

struct counts {
    uint16_t rcode, answers;
    uint32_t records;
};

/* Labels, then the root or a pointer. */
static void skip_name(struct rd *rd)
{
    uint8_t len = rd_u8(rd);
    while (len > 0 && len < 0xc0 && !rd->failed) {
        rd_take(rd, len);
        len = rd_u8(rd);
    }
    if (len >= 0xc0)
        rd_u8(rd);
}

/* Up to the first record. */
static struct counts read_head(struct rd *rd)
{
    struct counts c;
    rd_u16(rd);
    c.rcode = rd_u16(rd) & 15;
    uint16_t questions = rd_u16(rd);
    c.records = c.answers = rd_u16(rd);
    c.records += rd_u16(rd);
    c.records += rd_u16(rd);
    for (; questions > 0 && !rd->failed; questions--) {
        skip_name(rd);
        rd_u32(rd);
    }
    return c;
}

/* False: this is none, whole. */
static bool read_record(struct rd *rd, struct record *r)
{
    skip_name(rd);
    r->type = rd_u16(rd);
    rd_u16(rd);
    r->ttl = rd_take(rd, 4);
    r->rdata = rd_bytes(rd, rd_u16(rd));
    return !rd->failed;
}

/* For how long it may be kept. */
static uint32_t age_of(const struct record *r)
{
    uint32_t ttl = load_u32(r->ttl);
    if (r->type != DNS_SOA || r->rdata.len < SOA_NUMBERS)
        return ttl;
    uint32_t minimum = load_u32(r->rdata.at + r->rdata.len - 4);
    return minimum < ttl ? minimum : ttl;
}

uint32_t doh_max_age(struct span wire)
{
    struct rd rd = rd_init(wire.at, wire.len);
    struct counts c = read_head(&rd);
    struct record r;
    uint32_t age = UINT32_MAX;
    bool soa = false;
    for (uint32_t i = 0; i < c.records && read_record(&rd, &r); i++) {
        uint32_t one = r.type == DNS_OPT ? UINT32_MAX : age_of(&r);
        age = one < age ? one : age;
        soa = soa || (r.type == DNS_SOA && r.rdata.len >= SOA_NUMBERS);
    }
    bool kept = (c.rcode == 0 || c.rcode == NXDOMAIN) && (c.answers > 0 || soa);
    return rd.failed || !kept || age == UINT32_MAX ? 0 : age;
}

void doh_grow_old(uint8_t *wire, size_t len, uint32_t age_s)
{
    struct rd rd = rd_init(wire, len);
    struct counts c = read_head(&rd);
    struct record r;
    for (uint32_t i = 0; i < c.records && read_record(&rd, &r); i++) {
        uint32_t ttl = load_u32(r.ttl);
        if (r.type != DNS_OPT && r.type != DNS_TSIG)
            store_u32(wire + (r.ttl - wire), ttl > age_s ? ttl - age_s : 0);
    }
}
