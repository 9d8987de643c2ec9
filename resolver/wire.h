/* The strict walker: the first code that sees a packet, and the only one that sees an
 * unchecked octet. One pass, no recursion, no allocation; work is bounded by the
 * packet's length (every label and hop that is looked at is charged: at most 4 a packet
 * octet + 4096; a pointer to the question, the usual owner, is free).
 *
 * What it insists on: names of at most 255 octets, labels of at most 63 without other
 * label types, pointers strictly backwards to a name that ends before they begin (RFC
 * 1035 section 4.1.4 says "prior occurrence") and none at all in the question; records
 * that end where they say; RDATA of types whose layout we know (rdata.h) holding
 * exactly that layout; at most one OPT, in the additional section, owned by the root,
 * made of whole options (RFC 6891 section 6.1.1); a TSIG only as the very last record
 * (RFC 8945 section 5.1); counts that match. Octets behind the last record are no
 * error; they are not part of the message. */
#ifndef ISTHMUS_RESOLVER_WIRE_H
#define ISTHMUS_RESOLVER_WIRE_H

#include "resolver/msg.h"

enum wire_verdict {
    WIRE_OK,
    WIRE_SHORT,   /* no whole header: to be met with silence */
    WIRE_FORMERR, /* header fields of out (id, flags) are valid, nothing else is */
};

/* Walks `packet` into `out`. out->rr and out->rr_cap are the caller's array (its owner
 * makes it as large as a packet can hold: (65535 - 12) / 11 records); more records than
 * rr_cap are WIRE_FORMERR. QDCOUNT must be 0 or 1. */
enum wire_verdict wire_walk(struct span packet, struct msg *out);

#define WIRE_RR_MAX 5957 /* (65535 - 12) / 11 */

/* Copies the name at `at` into `out`, following pointers. Only for names already
 * walked, or with checks of its own: returns the offset just after the name in `msg`,
 * or 0 if it is malformed. */
size_t wire_name(struct span msg, size_t at, struct name *out);

/* Octets of an already walked name in uncompressed form. */
size_t wire_name_len(const uint8_t *base, size_t at);

/* Whether an upstream's packet answers the question: QR set, opcode 0, exactly one
 * question with the name (without regard to case), type and class of `asked`, an
 * uncompressed question section (name, type, class). RFC 5452 section 9.1. Needs no
 * walk; reads the head only. */
bool wire_answers(struct span packet, struct span asked);

#endif
