/* An index to octets: header, the client's question, records, OPT; compressed, and
 * never larger than asked.
 *
 * Compression keeps what the input shared: a name that was a pointer in the input
 * becomes one in the output by a table from input offset to output offset, so that 600
 * records with one owner cost 600 times two octets, renamed or not. Names from other
 * buffers than the message's own (records made here, or taken from another message)
 * share the suffixes written before them, found by hash. An answer that is too long is
 * tried once more with every name found that way: CoreDNS sends short answers
 * uncompressed, and a client may have less room than we had.
 *
 * Names share octets only in the same spelling, except those that are the question's:
 * they take the client's. */
#ifndef ISTHMUS_RESOLVER_ENCODE_H
#define ISTHMUS_RESOLVER_ENCODE_H

#include "resolver/msg.h"

/* Replaces, in every name at or under `from`, that suffix by `to` (both lower case wire
 * form, `to` with the spelling that is wanted). Names elsewhere stay as they are. */
struct name_map {
    const uint8_t *from;
    const uint8_t *to;
    uint8_t from_len, to_len;
};

/* Memory of one worker's encoder: large, allocated once, reused for each message. */
struct encoder;
struct encoder *encoder_new(void); /* NULL: no memory */
void encoder_free(struct encoder *e);

struct encode_opt {
    bool present;
    bool dnssec_ok;
    uint16_t udp_size;
    uint8_t rcode_high;
    struct span options; /* ready RDATA */
};

struct encode_job {
    const struct msg *msg; /* records */
    uint16_t id, flags;   /* header, rcode's low bits included; TC is added as needed */
    struct span question; /* name, type, class, uncompressed; empty = none */
    const struct name_map *map; /* NULL = names as they are */
    struct encode_opt opt;
    size_t limit;           /* octets the message may have */
    bool additional_may_go; /* no transport takes more: all of that section goes rather
                               than the answer, and without TC (RFC 2181, 9) */
};

enum encode_result {
    ENCODE_OK,
    ENCODE_TRUNCATED, /* did not fit: header with TC, question and OPT only */
    ENCODE_NAME_LONG, /* a mapped name would exceed 255 octets; nothing usable was
                         written */
};

/* Writes the message; *len gets its length. `out` holds at least `limit` octets. When
 * msg is unedited, unmapped, its question is the one to send (but for case) and its OPT
 * stands last or is absent, the records are copied as one block (TTLs patched).
 * Otherwise records are written one by one: section by section in index order; if they
 * do not all fit, the result is ENCODE_TRUNCATED (RFC 2181 section 9: an answer cut
 * anywhere is of no use; the client comes back over TCP), unless `additional_may_go`.
 * Options of OPT go before records do (RFC 8914 section 3). Should a limit be too small
 * for the question, it is left out as well. */
enum encode_result encode_msg(struct encoder *e, const struct encode_job *job,
                              uint8_t *out, size_t *len);

#endif
