#include "server/chunks.h"

#include "base/limits.h"

#define DIGITS_MAX 8 /* of a size; zeros in front are allowed */

/* ---- lines, octet by octet: false, this one may not stand here ---- */

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Neither a control character nor DEL; a tab is none. */
static bool is_plain(uint8_t c)
{
    return (c >= ' ' && c != 0x7f) || c == '\t';
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool go(struct chunks *c, enum chunks_state to, bool good)
{
    c->state = to;
    return good;
}

/* An octet that means nothing. */
static bool pass_over(struct chunks *c, uint8_t octet)
{
    return is_plain(octet) && ++c->aside <= CHUNKS_ASIDE_MAX;
}

static bool on_size(struct chunks *c, uint8_t octet)
{
    int digit = digit_of(octet);
    if (digit >= 0) {
        c->left = c->left << 4 | (uint32_t)digit;
        return ++c->digits <= DIGITS_MAX;
    }
    if (octet == '\r')
        return go(c, CHUNKS_SIZE_LF, c->digits > 0);
    return go(c, octet == ';' ? CHUNKS_EXTENSION : CHUNKS_BLANK,
              c->digits > 0 && (octet == ';' || is_blank(octet)) &&
                  pass_over(c, octet));
}

static bool on_blank(struct chunks *c, uint8_t octet)
{
    if (octet == ';')
        c->state = CHUNKS_EXTENSION;
    return (octet == ';' || is_blank(octet)) && pass_over(c, octet);
}

static bool on_extension(struct chunks *c, uint8_t octet)
{
    return octet == '\r' ? go(c, CHUNKS_SIZE_LF, true) : pass_over(c, octet);
}

/* A name begins with no blank: what would go on with the line before is refused. */
static bool on_trailer(struct chunks *c, uint8_t octet)
{
    if (octet == '\r')
        return go(c, CHUNKS_LAST_LF, true);
    return go(c, CHUNKS_TRAILER_NAME,
              octet != ':' && !is_blank(octet) && pass_over(c, octet));
}

static bool on_trailer_name(struct chunks *c, uint8_t octet)
{
    if (octet == ':')
        c->state = CHUNKS_TRAILER_LINE;
    return !is_blank(octet) && pass_over(c, octet);
}

static bool on_trailer_line(struct chunks *c, uint8_t octet)
{
    return octet == '\r' ? go(c, CHUNKS_TRAILER_LF, true) : pass_over(c, octet);
}

static bool on_size_lf(struct chunks *c, uint8_t octet)
{
    c->digits = 0;
    return go(c, c->left > 0 ? CHUNKS_OCTETS : CHUNKS_TRAILER, octet == '\n');
}

static bool on_octet(struct chunks *c, uint8_t octet)
{
    switch (c->state) {
    case CHUNKS_SIZE:
        return on_size(c, octet);
    case CHUNKS_BLANK:
        return on_blank(c, octet);
    case CHUNKS_EXTENSION:
        return on_extension(c, octet);
    case CHUNKS_SIZE_LF:
        return on_size_lf(c, octet);
    case CHUNKS_OCTETS_CR:
        return go(c, CHUNKS_OCTETS_LF, octet == '\r');
    case CHUNKS_OCTETS_LF:
        return go(c, CHUNKS_SIZE, octet == '\n');
    case CHUNKS_TRAILER:
        return on_trailer(c, octet);
    case CHUNKS_TRAILER_NAME:
        return on_trailer_name(c, octet);
    case CHUNKS_TRAILER_LINE:
        return on_trailer_line(c, octet);
    case CHUNKS_TRAILER_LF:
        return go(c, CHUNKS_TRAILER, octet == '\n');
    case CHUNKS_LAST_LF:
        return go(c, CHUNKS_OVER, octet == '\n');
    case CHUNKS_OCTETS:
    case CHUNKS_OVER:
        break;
    }
    return false;
}

/* ---- the body ---- */

static struct span cut_front(struct span *in, size_t n)
{
    struct span front = {in->at, n};
    *in = (struct span){in->at + n, in->len - n};
    return front;
}

static enum chunks_got take_octets(struct chunks *c, struct span *in, struct span *data)
{
    *data = cut_front(in, in->len < c->left ? in->len : c->left);
    c->left -= (uint32_t)data->len;
    if (c->left == 0)
        c->state = CHUNKS_OCTETS_CR;
    return CHUNKS_DATA;
}

enum chunks_got chunks_take(struct chunks *c, struct span *in, struct span *data)
{
    while (in->len > 0 && c->state != CHUNKS_OVER) {
        if (c->state == CHUNKS_OCTETS)
            return take_octets(c, in, data);
        bool was_size = c->state == CHUNKS_SIZE_LF;
        if (!on_octet(c, *cut_front(in, 1).at))
            return CHUNKS_FLAWED;
        if (!was_size)
            continue;
        if (c->left > ANSWER_MAX - c->total)
            return CHUNKS_TOO_LONG;
        c->total += c->left;
    }
    return c->state == CHUNKS_OVER ? CHUNKS_END : CHUNKS_MORE;
}
