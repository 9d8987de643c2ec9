/* Octets and characters with a length: what is passed around instead of C strings.
 * Neither owns its memory; a span is valid as long as the buffer it looks into. */
#ifndef ISTHMUS_BASE_SPAN_H
#define ISTHMUS_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *at;
    size_t len;
};

/* For large local buffers on the path of a query, which are written before they are
 * read: -ftrivial-auto-var-init would clear them each time. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define UNSET __attribute__((uninitialized))
#endif
#endif
#ifndef UNSET
#define UNSET
#endif

/* Characters, not NUL-terminated. */
struct text {
    const char *at;
    size_t len;
};

#define TEXT(literal)                                                                  \
    (struct text)                                                                      \
    {                                                                                  \
        .at = (literal), .len = sizeof(literal) - 1                                    \
    }

static inline struct text text_of(const char *s)
{
    return (struct text){.at = s, .len = strlen(s)};
}

static inline bool text_equal(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool text_is(struct text a, const char *s)
{
    return text_equal(a, text_of(s));
}

static inline bool text_starts(struct text a, struct text prefix)
{
    return a.len >= prefix.len && memcmp(a.at, prefix.at, prefix.len) == 0;
}

/* The part of `a` from offset `from` on; empty when `from` lies behind the end. */
static inline struct text text_from(struct text a, size_t from)
{
    if (from >= a.len)
        return (struct text){.at = a.at + a.len, .len = 0};
    return (struct text){.at = a.at + from, .len = a.len - from};
}

/* Takes the next line off the front, without its end. */
static inline struct text text_line(struct text *rest)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->at, '\n', rest->len);
    struct text line = {rest->at, end == NULL ? rest->len : (size_t)(end - rest->at)};
    *rest = text_from(*rest, line.len + 1);
    return line;
}

static inline bool text_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes the next word off the front of a line; empty at its end. */
static inline struct text text_word(struct text *line)
{
    size_t from = 0;
    while (from < line->len && text_is_blank(line->at[from]))
        from++;
    size_t to = from;
    while (to < line->len && !text_is_blank(line->at[to]))
        to++;
    struct text word = {line->at + from, to - from};
    *line = text_from(*line, to);
    return word;
}

/* Ends of lines from one place of a text to a later one. */
static inline uint32_t text_lines(const char *from, const char *to)
{
    uint32_t n = 0;
    while (from < to && (from = memchr(from, '\n', (size_t)(to - from))) != NULL) {
        from++;
        n++;
    }
    return n;
}

#endif
