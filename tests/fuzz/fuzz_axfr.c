/* What primaries may send: messages of a transfer, raw and with the right head in
 * front, and what the zone that comes of it answers; and signed questions. */
#include "base/cursor.h"
#include "base/hash.h"
#include "resolver/axfr.h"
#include "resolver/rdata.h"
#include "resolver/tsig.h"

#include <stdlib.h>

#define ID 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void answer_some(const struct zone *z)
{
    static const char *const names[] = {"\4test", "\1a\4test", "\1*\4test"};
    static const uint16_t types[] = {DNS_A, DNS_SOA, DNS_CNAME, DNS_ANY};
    for (size_t i = 0; i < 12; i++) {
        struct arena a;
        struct msg m = {0};
        struct name_key key;
        arena_init(&a, NULL, 0);
        name_key_init(&key, (const uint8_t *)names[i / 4]);
        struct zone_question question = {&key, types[i % 4], true};
        if (zonedata_answer(z->data, &question, &a, &m) < 0)
            abort();
        arena_release(&a);
    }
}

/* The zone's records and no others, from one SOA on. */
static void check_zone(struct zone *z, uint32_t records)
{
    struct zonedata_place at = {0};
    uint32_t n = 0;
    if (z == NULL)
        return; /* no catalog */
    while (zonedata_next(z->data, &at) != NULL)
        n++;
    if (n + 2 > records || zonedata_soa(z->data) == NULL)
        abort();
    answer_some(z);
    zone_done(z);
}

/* `data` as the messages of a transfer, each behind its length; `head` octets of each
 * are a right one's. */
static void transfer(const uint8_t *data, size_t len, size_t head, bool catalog)
{
    static const uint8_t right[] = {0, ID, 0x84, 0, 0, 0};
    struct name apex = {6, "\4test"};
    struct axfr *a = axfr_new(&apex, ID);
    enum axfr_verdict v = AXFR_MORE;
    while (a != NULL && v == AXFR_MORE && len >= 2) {
        uint8_t packet[4096];
        size_t n = load_u16(data) % (sizeof packet - head);
        data += 2;
        len -= 2;
        n = n > len ? len : n;
        memcpy(packet, right, head);
        memcpy(packet + head, data, n);
        v = axfr_message(a, (struct span){packet, head + n});
        data += n;
        len -= n;
    }
    if (v == AXFR_DONE) {
        axfr_seal(a, catalog);
        check_zone(axfr_take(a), axfr_records(a));
    }
    axfr_free(a);
}

static void check_signature(const uint8_t *data, size_t len)
{
    struct tsig_record r;
    struct tsig_session s;
    struct tsig_key key = {(const uint8_t *)"", {(const uint8_t *)"x", 1}};
    uint8_t reply[2048] = {0};
    if (len < 13 || tsig_read((struct span){data, len}, 12, &r) < 0)
        return;
    for (unsigned known = 0; known < 2; known++) {
        enum tsig_status status =
            tsig_check(&r, (struct span){data, len}, known ? &key : NULL, r.time_s, &s);
        if (status == TSIG_OK)
            abort(); /* nobody has the key */
        size_t n = status == TSIG_FORMERR ? 0 : tsig_sign(&s, reply, 12, r.time_s);
        if (n > 12 + tsig_room(&s))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (hash_seed() < 0 || rdata_start() < 0)
        abort();
    transfer(data, len, 0, false);
    transfer(data, len, 6, false);
    transfer(data, len, 6, true);
    check_signature(data, len);
    return 0;
}
