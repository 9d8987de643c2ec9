/* One zone's records, built once, immutable afterwards, and the answers it gives (RFC
 * 1034 section 4.3.2, RFC 4592 for wildcards, RFC 6672 for DNAME).
 *
 *     z = zonedata_new(arena, &scratch, &apex);
 *     zonedata_add(z, &record) ...
 *     zonedata_seal(z);
 *     zonedata_answer(z, &question, &q->arena, &q->response->msg);
 *
 * A name is found by its hash, whatever the size of the zone; names without records of
 * their own that have some below them (empty non-terminals) are there too. Records lie
 * in wire form in the arena, those of a name together, and answers refer to them: only
 * what a wildcard or a DNAME makes up is copied.
 *
 * The SOA may stand below the apex: its owner's NS are the zone's then, and names
 * beside it are there, too.
 *
 * Of a zone that was signed the signatures and proofs of absence, by NSEC or NSEC3, go
 * along with an answer to who wants them (RFC 4035 section 3.1, RFC 5155 section 7.2).
 * Of several chains of NSEC3 the one that the first NSEC3PARAM names is used; owners of
 * NSEC3 are no names of the zone. */
#ifndef ISTHMUS_RESOLVER_ZONEDATA_H
#define ISTHMUS_RESOLVER_ZONEDATA_H

#include "resolver/msg.h"
#include "resolver/zonetab.h"

struct zonedata;

struct zone_record {
    const uint8_t *owner; /* uncompressed, any case; answers have it in lower case */
    uint16_t type;
    uint32_t ttl;
    struct span rdata; /* names in it uncompressed */
};

/* An empty zone, of class IN. `scratch` is used until zonedata_seal(). NULL: no memory.
 */
struct zonedata *zonedata_new(struct arena *a, struct arena *scratch,
                              const struct name *apex);

/* 0; 1: the owner lies outside the zone, and nothing was added; -1: no memory. */
int zonedata_add(struct zonedata *z, const struct zone_record *record)
    __attribute__((warn_unused_result));

/* Puts the records in order and drops doubles (RFC 2181 section 5). 0, or -1: no
 * memory. */
int zonedata_seal(struct zonedata *z) __attribute__((warn_unused_result));

/* The first name, in lower case, that has a CNAME and other data (RFC 1034
 * section 3.6.2) or a second CNAME; NULL: none. There the CNAME wins, and of several
 * the first. */
const uint8_t *zonedata_conflict(const struct zonedata *z);

/* Lower case. */
const uint8_t *zonedata_apex(const struct zonedata *z);

/* NULL: there is none. Its data was checked: two names and five numbers. */
const struct rr *zonedata_soa(const struct zonedata *z);

/* The numbers of an SOA. */
struct zone_times {
    uint32_t serial, refresh_s, retry_s, expire_s, minimum_s;
};
struct zone_times zonedata_times(const struct rr *soa);

/* Every record but the SOA, those of the apex first. All zero: from the beginning; NULL
 * at the end. */
struct zonedata_place {
    uint32_t node, set, rr;
};
const struct rr *zonedata_next(const struct zonedata *z, struct zonedata_place *at);

/* Answers a question whose name is at or under the apex, in a message with room for
 * records: sets rcode and AA. CNAMEs are followed as long as they stay in the zone. 0;
 * 1: the name has no records, only others below it have; or -1: no memory, or more
 * records than a message can hold, and the message is of no use. Hosts of a set come
 * with their addresses, but not of one with more than ZONE_HOSTS_MAX records. */
struct zone_question {
    const struct name_key *key;
    uint16_t type;
    bool dnssec; /* signatures and NSEC go along, where the zone has them */
};
int zonedata_answer(const struct zonedata *z, const struct zone_question *question,
                    struct arena *a, struct msg *out)
    __attribute__((warn_unused_result));

#endif
