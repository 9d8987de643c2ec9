/* DNS messages as an index over octets.
 *
 * wire_walk() (wire.h) checks a packet once and fills a struct msg; from then on
 * plugins read and edit the index, and encode.h makes octets of it again. Records of
 * one msg may come from several buffers (an upstream's packet, a plugin's arena): each
 * record says which.
 *
 * Life: the records' buffers belong to somebody else (receive slot, scratch buffer,
 * arena) and the msg is valid only as long as they are. What has to survive a WAIT is
 * copied by the driver into the query's arena. */
#ifndef ISTHMUS_RESOLVER_MSG_H
#define ISTHMUS_RESOLVER_MSG_H

#include "base/arena.h"
#include "base/name.h"

#define DNS_HEADER_LEN 12

/* RFC 1035 section 4.1.1, as bits of the second 16-bit word. */
enum dns_flag {
    DNS_QR = 0x8000,
    DNS_AA = 0x0400,
    DNS_TC = 0x0200,
    DNS_RD = 0x0100,
    DNS_RA = 0x0080,
    DNS_Z = 0x0040,
    DNS_AD = 0x0020,
    DNS_CD = 0x0010,
};
#define DNS_OPCODE(flags) (((flags) >> 11) & 15u)
#define DNS_RCODE(flags)  ((flags)&15u)

enum dns_opcode { DNS_QUERY = 0, DNS_NOTIFY = 4, DNS_UPDATE = 5 };

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_YXDOMAIN = 6,
    DNS_NOTAUTH = 9,
    DNS_BADVERS = 16,
};

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_HINFO = 13,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_NAPTR = 35,
    DNS_DNAME = 39,
    DNS_OPT = 41,
    DNS_DS = 43,
    DNS_RRSIG = 46,
    DNS_NSEC = 47,
    DNS_DNSKEY = 48,
    DNS_NSEC3 = 50,
    DNS_NSEC3PARAM = 51,
    DNS_SVCB = 64,
    DNS_HTTPS = 65,
    DNS_TKEY = 249,
    DNS_TSIG = 250,
    DNS_IXFR = 251,
    DNS_AXFR = 252,
    DNS_ANY = 255,
};

enum dns_class {
    DNS_IN = 1,
    DNS_CH = 3,
    DNS_HS = 4,
    DNS_CLASS_NONE = 254,
    DNS_CLASS_ANY = 255
};

/* Extended errors (RFC 8914). */
enum dns_ede {
    EDE_OTHER = 0,
    EDE_STALE = 3,
    EDE_FORGED = 4,
    EDE_NOT_READY = 14,
    EDE_BLOCKED = 15,
    EDE_FILTERED = 17,
    EDE_PROHIBITED = 18,
    EDE_NOT_AUTHORITATIVE = 20,
    EDE_NO_REACHABLE = 22,
    EDE_NETWORK = 23,
    EDE_SYNTHESIZED = 29,
};

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL };

/* One record. The owner starts at base + owner (it may be compressed there, pointers
 * being offsets from base), its data at base + rdata. A TTL changed here need not agree
 * with the octets: encode writes this one. */
struct rr {
    const uint8_t *base;
    uint32_t owner;
    uint32_t rdata;
    uint32_t ttl;
    uint16_t rdlen;
    uint16_t type;
    uint16_t class;
    uint8_t section; /* enum section */
    bool dropped;    /* left out of everything from now on */
};

struct opt {
    bool present;
    uint8_t version;
    bool dnssec_ok;
    uint16_t udp_size;   /* as written; readers treat less than 512 as 512 */
    struct span options; /* RDATA; already checked to be whole options */
};

struct msg {
    const uint8_t *wire; /* the packet indexed; NULL for one built from nothing */
    size_t len; /* octets of the packet that belong to the message (no trailing ones) */
    uint16_t id;
    uint16_t flags; /* second word, its low four bits being rcode's */
    uint16_t rcode; /* with the extended bits of OPT */
    bool question;  /* exactly one is there */
    uint16_t qname; /* offset, always 12 */
    uint8_t qname_len;
    uint16_t qtype, qclass;
    struct opt opt;
    uint32_t opt_at; /* offset of the OPT record in wire, 0 = none */
    bool edited;     /* records were added, dropped or reordered */
    bool ttl_edited; /* some rr.ttl differs from the octets */
    struct rr *rr;   /* without OPT */
    uint32_t rr_n, rr_cap;
};

/* for (struct rr *rr = ...): all records of a message that are not dropped. */
#define msg_each_rr(rr, m)                                                             \
    for (struct rr *rr = (m)->rr, *rr##_end = rr == NULL ? NULL : rr + (m)->rr_n;      \
         rr < rr##_end; rr++)                                                          \
        if (!rr->dropped)

/* An empty message with room for `cap` records in the arena. 0, or -1: no memory. */
int msg_init(struct msg *m, struct arena *a, uint32_t cap)
    __attribute__((warn_unused_result));

/* Adds a record made here; owner (uncompressed) and rdata (names in it uncompressed)
 * are copied into the arena; the index grows in the arena when full. 0, or -1: no
 * memory. */
struct rr_new {
    enum section section;
    const uint8_t *owner;
    uint16_t type, class;
    uint32_t ttl;
    struct span rdata;
};
int msg_add(struct msg *m, struct arena *a, const struct rr_new *rr)
    __attribute__((warn_unused_result));

/* Appends a record of another message by reference (its base must live as long). */
int msg_add_rr(struct msg *m, struct arena *a, const struct rr *rr)
    __attribute__((warn_unused_result));

void msg_drop(struct msg *m, struct rr *rr);
void msg_set_ttl(struct msg *m, struct rr *rr, uint32_t ttl);

/* Owner in uncompressed form. Never fails: the walker has checked it. */
void msg_owner(const struct rr *rr, struct name *out);
/* The name at offset `at` of the record's base (an RDATA name, say). */
void msg_name(const struct rr *rr, uint32_t at, struct name *out);
bool msg_owner_is(const struct rr *rr, const uint8_t *name);

/* Records in a section, dropped ones not counted. */
uint32_t msg_count(const struct msg *m, enum section s);

/* A copy of index and octets that depends on nothing but the arena. 0 or -1. */
int msg_copy(struct msg *to, const struct msg *from, struct arena *a)
    __attribute__((warn_unused_result));

/* Octets of the message without compression and without OPT (what CoreDNS calls its
 * length). */
size_t msg_len_plain(const struct msg *m, size_t qname_len);

#endif
