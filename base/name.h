/* Domain names in uncompressed wire form (RFC 1035 section 3.1): labels of 1 to 63
 * octets, each behind its length, closed by the empty label of the root. Never C
 * strings: a label may hold any octet. Comparisons ignore the case of ASCII letters
 * (RFC 4343).
 *
 * A `const uint8_t *` that is called a name points at such octets, already validated,
 * and its length is found by walking; where the length is known it is passed along. */
#ifndef ISTHMUS_BASE_NAME_H
#define ISTHMUS_BASE_NAME_H

#include "base/span.h"

#define NAME_WIRE_MAX   255
#define NAME_LABEL_MAX  63
#define NAME_LABELS_MAX 127  /* besides the root */
#define NAME_TEXT_MAX   1025 /* 254 octets as \DDD, dots, NUL */

struct name {
    uint8_t len; /* octets in use, the root's included */
    uint8_t wire[NAME_WIRE_MAX];
};

/* Parses presentation form: dots between labels, `\.` and `\DDD` escapes, an optional
 * final dot ("." alone is the root). Letters keep their case. Returns 0, or -1 when the
 * text is no legal name: empty label, label over 63 octets, name over 255, bad escape,
 * empty text. */
int name_parse(struct name *out, struct text from) __attribute__((warn_unused_result));

/* Prints with a final dot, nearly as miekg/dns does: a backslash before . \ " ' ; ( )
 * @, and \DDD for octets outside 0x21..0x7e (the space too, where miekg/dns writes
 * "\ "). Returns the length without the NUL. `out` holds NAME_TEXT_MAX. */
size_t name_print(const uint8_t *name, char *out);

/* Octets of the name, the root's included: 1..255. */
size_t name_len(const uint8_t *name);

/* Labels besides the root. */
unsigned name_labels(const uint8_t *name);

/* Makes ASCII letters lower case, in place or from `from` to `to` (may be the same). */
void name_lower(uint8_t *to, const uint8_t *from, size_t len);

/* Whether `len` octets agree but for the case of letters: of whole names too, for the
 * octets of lengths are no letters. */
bool name_octets_equal(const uint8_t *a, const uint8_t *b, size_t len);

bool name_equal(const uint8_t *a, const uint8_t *b);

/* Whether `name` is `zone` or lies below it, by labels. When it does, *prefix_len (may
 * be NULL) is the number of octets of `name` in front of the zone. */
bool name_under(const uint8_t *name, const uint8_t *zone, size_t *prefix_len);

/* Joins the first `prefix_len` octets of `name` (whole labels) to `suffix`. Returns 0,
 * or -1 when the result would be longer than 255 octets. `out` may not overlap its
 * inputs. */
int name_join(struct name *out, const uint8_t *name, size_t prefix_len,
              const uint8_t *suffix) __attribute__((warn_unused_result));

/* Keyed hashes of a name and of every name above it, in one pass. Case does not matter.
 * hashes[0] is that of the whole name, hashes[i] that of the name without its first i
 * labels, hashes[labels] that of the root; offsets[i] is where that suffix starts. Both
 * arrays hold NAME_LABELS_MAX + 1. Returns the number of labels. The key is drawn at
 * start, so that nobody outside can choose names that collide: hash_seed() must have
 * succeeded. */
unsigned name_hashes(const uint8_t *name, uint32_t *hashes, uint8_t *offsets);

/* hashes[0] of name_hashes(). */
uint32_t name_hash(const uint8_t *name);

#endif
