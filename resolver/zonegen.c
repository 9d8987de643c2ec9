#include "resolver/zonegen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct range {
    int64_t first, last, step;
};

/* Where lines are written; `at` NULL: they are only measured. */
struct page {
    char *at;
    size_t len;
};

static void put(struct page *p, const char *from, size_t len)
{
    if (p->at != NULL)
        memcpy(p->at + p->len, from, len);
    p->len += len;
}

/* Digits, up to ten. 0 or -1. */
static int take_number(const char **at, int64_t *out)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > 10)
        return -1;
    *out = strtoll(*at, NULL, 10);
    *at += digits;
    return 0;
}

/* FIRST-LAST[/STEP] and a blank. */
static int take_range(const char **at, struct range *r)
{
    r->step = 1;
    if (take_number(at, &r->first) < 0 || *(*at)++ != '-' ||
        take_number(at, &r->last) < 0)
        return -1;
    if (**at == '/') {
        ++*at;
        if (take_number(at, &r->step) < 0 || r->step == 0)
            return -1;
    }
    bool fits = r->last >= r->first && r->last <= INT32_MAX &&
                (r->last - r->first) / r->step < ZONEGEN_LINES_MAX;
    return fits && (**at == ' ' || **at == '\t') ? 0 : -1;
}

static void put_number(struct page *p, int64_t n, int width, char base)
{
    char text[300];
    int len =
        base == 'o'   ? snprintf(text, sizeof text, "%0*" PRIo64, width, (uint64_t)n)
        : base == 'x' ? snprintf(text, sizeof text, "%0*" PRIx64, width, (uint64_t)n)
        : base == 'X' ? snprintf(text, sizeof text, "%0*" PRIX64, width, (uint64_t)n)
                      : snprintf(text, sizeof text, "%0*" PRId64, width, n);
    put(p, text, (size_t)len);
}

/* Behind `${`: OFFSET[,WIDTH[,BASE]]}. 0 or -1. */
static int put_modified(struct page *p, const char **at, int64_t n)
{
    int64_t offset, width = 0;
    char base = 'd';
    bool minus = **at == '-';
    *at += minus;
    if (take_number(at, &offset) < 0)
        return -1;
    if (**at == ',') {
        ++*at;
        if (take_number(at, &width) < 0 || width > 255)
            return -1;
    }
    if (**at == ',') {
        base = (*at)[1];
        if (base == '\0' || strchr("doxX", base) == NULL)
            return -1;
        *at += 2;
    }
    n += minus ? -offset : offset;
    if (**at != '}' || n < 0 || n > INT32_MAX)
        return -1;
    ++*at;
    put_number(p, n, (int)width, base);
    return 0;
}

/* One line, with its end. 0 or -1. */
static int put_line(struct page *p, const char *at, int64_t n)
{
    while (*at != '\0') {
        size_t plain = strcspn(at, "$\\");
        put(p, at, plain);
        at += plain;
        if (*at == '\0')
            break;
        bool dollar = at[1] == '$';
        if (*at == '\\') {
            size_t len = at[1] == '\0' ? 1 : 2;
            put(p, dollar ? "$" : at, dollar ? 1 : len);
            at += len;
        } else if (dollar) {
            put(p, "$", 1);
            at += 2;
        } else if (at[1] == '{') {
            at += 2;
            if (put_modified(p, &at, n) < 0)
                return -1;
        } else {
            put_number(p, n, 0, 'd');
            at++;
        }
    }
    put(p, "\n", 1);
    return 0;
}

static int put_lines(struct page *p, const struct range *r, const char *line)
{
    for (int64_t n = r->first; n <= r->last && p->len <= ZONEGEN_TEXT_MAX;
         n += r->step) {
        if (put_line(p, line, n) < 0)
            return -1;
    }
    return 0;
}

struct text zonegen_expand(struct arena *a, const char *rest, const char **why)
{
    struct range r;
    struct page p = {0};
    rest += strspn(rest, " \t");
    *why = "$GENERATE: expected FIRST-LAST[/STEP], at most 65536 numbers, and a line";
    if (take_range(&rest, &r) < 0)
        return (struct text){0};
    rest += strspn(rest, " \t");
    *why = "$GENERATE: expected ${OFFSET[,WIDTH[,d|o|x|X]]}";
    if (put_lines(&p, &r, rest) < 0)
        return (struct text){0};
    *why = "$GENERATE: the lines have more than 16 MiB";
    if (p.len > ZONEGEN_TEXT_MAX)
        return (struct text){0};
    *why = "out of memory";
    size_t len = p.len;
    p = (struct page){.at = arena_alloc(a, len)};
    if (p.at == NULL)
        return (struct text){0};
    put_lines(&p, &r, rest);
    return (struct text){.at = p.at, .len = len};
}
