/* The chunked coding of a body in HTTP/1.1 (RFC 9112 section 7.1), taken off as
 * strictly as it can be: whoever stands before us must not see another end of the body
 * than we do.
 *
 *     struct chunks c = {0};
 *     while ((got = chunks_take(&c, &in, &data)) == CHUNKS_DATA)
 *         ...                                     // `data`: the next piece of the body
 *
 * Lines end in CRLF and have no control characters. What chunks say of themselves
 * behind a ';', and the fields that follow the last of them, mean nothing here; there
 * may be CHUNKS_ASIDE_MAX octets of both. */
#ifndef ISTHMUS_SERVER_CHUNKS_H
#define ISTHMUS_SERVER_CHUNKS_H

#include "base/span.h"

enum chunks_state {
    CHUNKS_SIZE,      /* its digits */
    CHUNKS_BLANK,     /* behind them, before a ';' */
    CHUNKS_EXTENSION, /* behind that */
    CHUNKS_SIZE_LF,   /* the end of that line */
    CHUNKS_OCTETS,    /* of the chunk */
    CHUNKS_OCTETS_CR, /* what ends them */
    CHUNKS_OCTETS_LF,
    CHUNKS_TRAILER,      /* the first octet of a line of it */
    CHUNKS_TRAILER_NAME, /* up to ':' */
    CHUNKS_TRAILER_LINE, /* the rest of the line */
    CHUNKS_TRAILER_LF,
    CHUNKS_LAST_LF, /* the end of the empty line */
    CHUNKS_OVER,
};

/* All zero: before the first. */
struct chunks {
    enum chunks_state state;
    uint32_t left;   /* octets of the chunk in hand */
    uint32_t total;  /* octets of all so far, with all of that one */
    uint32_t digits; /* of the size in hand */
    uint32_t aside;  /* octets that mean nothing, so far */
};

enum chunks_got {
    CHUNKS_MORE,     /* has to come */
    CHUNKS_DATA,     /* a piece of the body, which looks into `in` */
    CHUNKS_END,      /* the body is whole; what is left of `in` is not its */
    CHUNKS_FLAWED,   /* this is no such coding */
    CHUNKS_TOO_LONG, /* the body has more than ANSWER_MAX octets */
};

/* Takes from the front of `in`. */
enum chunks_got chunks_take(struct chunks *c, struct span *in, struct span *data);

#endif
