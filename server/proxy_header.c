#include "server/proxy_header.h"

#include "base/cursor.h"

#include <stdlib.h>

#define V1_MAX 107 /* octets, with the line's end */

static const uint8_t signature[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n'};

/* ---- version 2 ---- */

enum { COMMAND_LOCAL, COMMAND_PROXY };
enum { FAMILY_UNSPEC, FAMILY_V4, FAMILY_V6, FAMILY_UNIX };
enum { KIND_UNSPEC, KIND_STREAM, KIND_DATAGRAM };

static void take_ip(struct rd *rd, struct addr *a, uint8_t family)
{
    size_t len = family == 4 ? 4 : 16;
    const uint8_t *ip = rd_take(rd, len);
    *a = (struct addr){.family = family};
    if (ip != NULL)
        memcpy(a->ip, ip, len);
}

static enum proxy_found take_addresses(struct rd *rd, struct proxy_header *out,
                                       uint8_t family)
{
    take_ip(rd, &out->source, family);
    take_ip(rd, &out->target, family);
    out->source.port = rd_u16(rd);
    out->target.port = rd_u16(rd);
    out->told = !rd->failed;
    return rd->failed ? PROXY_WRONG : PROXY_WHOLE;
}

static enum proxy_found parse_v2(struct span in, struct proxy_header *out)
{
    struct rd rd = rd_init(in.at, in.len);
    rd_take(&rd, sizeof signature);
    uint8_t command = rd_u8(&rd), kind = rd_u8(&rd);
    size_t len = rd_u16(&rd);
    if (rd.failed)
        return PROXY_SHORT;
    if (command >> 4 != 2 || (command & 15) > COMMAND_PROXY ||
        kind >> 4 > FAMILY_UNIX || (kind & 15) > KIND_DATAGRAM ||
        rd.at + len > PROXY_HEADER_MAX)
        return PROXY_WRONG;
    out->len = rd.at + len;
    if (in.len < out->len)
        return PROXY_SHORT;
    out->version = 2;
    out->datagram = (kind & 15) == KIND_DATAGRAM;
    if ((command & 15) == COMMAND_LOCAL)
        return PROXY_WHOLE;
    struct rd addresses = rd_init(in.at + rd.at, len);
    if (kind >> 4 == FAMILY_V4)
        return take_addresses(&addresses, out, 4);
    if (kind >> 4 == FAMILY_V6)
        return take_addresses(&addresses, out, 6);
    return PROXY_WHOLE;
}

/* ---- version 1 ---- */

/* The next word of a line whose words one space divides; empty at its end. */
static struct text next_word(struct text *line)
{
    const char *space = memchr(line->at, ' ', line->len);
    size_t len = space == NULL ? line->len : (size_t)(space - line->at);
    struct text word = {.at = line->at, .len = len};
    *line = text_from(*line, len + 1);
    return word;
}

static bool take_port(struct text word, uint16_t *port)
{
    uint32_t n = 0;
    if (word.len == 0 || word.len > 5)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        n = n * 10 + (uint32_t)(word.at[i] - '0');
    }
    *port = (uint16_t)n;
    return n <= UINT16_MAX;
}

/* `line` is what stands between "PROXY " and the line's end. */
static enum proxy_found read_line(struct text line, struct proxy_header *out)
{
    struct text kind = next_word(&line);
    if (text_is(kind, "UNKNOWN"))
        return PROXY_WHOLE;
    uint8_t family = text_is(kind, "TCP6") ? 6 : 4;
    if (family == 4 && !text_is(kind, "TCP4"))
        return PROXY_WRONG;
    struct addr source = {0}, target = {0};
    if (addr_parse_ip(&source, next_word(&line)) < 0 || source.family != family ||
        addr_parse_ip(&target, next_word(&line)) < 0 || target.family != family ||
        !take_port(next_word(&line), &source.port) ||
        !take_port(next_word(&line), &target.port) || line.len > 0)
        return PROXY_WRONG;
    out->source = source;
    out->target = target;
    out->told = true;
    return PROXY_WHOLE;
}

static enum proxy_found parse_v1(struct span in, struct proxy_header *out)
{
    struct text all = {.at = (const char *)in.at,
                       .len = in.len < V1_MAX ? in.len : V1_MAX};
    const char *end = memchr(all.at, '\n', all.len);
    if (end == NULL)
        return all.len == V1_MAX ? PROXY_WRONG : PROXY_SHORT;
    if (end[-1] != '\r')
        return PROXY_WRONG;
    out->version = 1;
    out->len = (size_t)(end - all.at) + 1;
    all.len = out->len - 2;
    return read_line(text_from(all, 6), out);
}

/* ---- which ---- */

/* Whether `in` begins with the `len` octets at `with`: all of them, as far as it goes,
 * or not at all. */
static enum proxy_found begins(struct span in, const void *with, size_t len)
{
    size_t n = in.len < len ? in.len : len;
    if (memcmp(in.at, with, n) != 0)
        return PROXY_NONE;
    return n < len ? PROXY_SHORT : PROXY_WHOLE;
}

enum proxy_found proxy_header_parse(struct span in, struct proxy_header *out)
{
    *out = (struct proxy_header){0};
    if (in.len == 0)
        return PROXY_SHORT;
    enum proxy_found v2 = begins(in, signature, sizeof signature);
    if (v2 != PROXY_NONE)
        return v2 == PROXY_WHOLE ? parse_v2(in, out) : v2;
    enum proxy_found v1 = begins(in, "PROXY ", 6);
    return v1 == PROXY_WHOLE ? parse_v1(in, out) : v1;
}
