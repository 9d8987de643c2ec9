#include "resolver/pattern_syntax.h"

#include <stdio.h>

/* Octets that one octet of input becomes at most: \S within a class. */
#define GROWTH 32

struct translation {
    struct text in;
    size_t at;
    char *out;
    size_t len;
    bool repeated; /* what was written last is a repetition */
    char *why;
    size_t why_cap;
};

static const char octal_digits[] = "01234567";
static const char hex_digits[] = "0123456789abcdefABCDEF";

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* ---- reading ---- */

static bool is_end(const struct translation *t)
{
    return t->at >= t->in.len;
}

/* The character `ahead` of the present one, NUL behind the end. */
static char peek(const struct translation *t, size_t ahead)
{
    return t->in.len - t->at > ahead ? t->in.at[t->at + ahead] : '\0';
}

static bool skip(struct translation *t, const char *word)
{
    if (!text_starts(text_from(t->in, t->at), text_of(word)))
        return false;
    t->at += strlen(word);
    return true;
}

static int refuse(struct translation *t, const char *what)
{
    snprintf(t->why, t->why_cap, "%s, at character %zu", what, t->at + 1);
    return -1;
}

static int refuse_escape(struct translation *t, char c)
{
    char what[64];
    if (is_digit(c))
        return refuse(t, "back references are not in RE2's language");
    if (c == '\0')
        return refuse(t, "a backslash at the end");
    snprintf(what, sizeof what, "\\%c is not in RE2's language", c);
    return refuse(t, what);
}

/* ---- writing ---- */

static void put(struct translation *t, struct text text)
{
    memcpy(t->out + t->len, text.at, text.len);
    t->len += text.len;
}

static void put_word(struct translation *t, const char *word)
{
    put(t, text_of(word));
}

static void put_code(struct translation *t, unsigned code)
{
    char word[16];
    snprintf(word, sizeof word, "\\x{%x}", code);
    put_word(t, word);
}

/* A character that stands for itself. Octets of UTF-8 are passed on as they are. */
static void put_literal(struct translation *t, char c)
{
    if (is_word(c) || (unsigned char)c >= 0x80)
        put(t, (struct text){&c, 1});
    else
        put_code(t, (unsigned char)c);
}

/* ---- escapes ---- */

/* \123: RE2 has up to three octal digits, the first alone only when it is 0. */
static void read_octal(struct translation *t)
{
    unsigned code = 0;
    for (unsigned i = 0; i < 3 && is_one_of(peek(t, 0), octal_digits); i++)
        code = code * 8 + (unsigned)(t->in.at[t->at++] - '0');
    put_code(t, code);
}

/* \xFF or \x{10FFFF}; `at` stands behind the x. */
static int read_hex(struct translation *t)
{
    struct text digits = {t->in.at + t->at, 0};
    if (skip(t, "{")) {
        digits.at++;
        while (is_one_of(peek(t, digits.len), hex_digits))
            digits.len++;
        if (digits.len == 0 || digits.len > 8 || peek(t, digits.len) != '}')
            return refuse(t, "expected \\x{10FFFF}");
        t->at += digits.len + 1;
    } else {
        if (!is_one_of(peek(t, 0), hex_digits) || !is_one_of(peek(t, 1), hex_digits))
            return refuse(t, "expected two digits after \\x");
        digits.len = 2;
        t->at += 2;
    }
    put_word(t, "\\x{");
    put(t, digits);
    put_word(t, "}");
    return 0;
}

/* \pL, \p{Greek}, \p{^Greek} and \P: PCRE2 knows the names. */
static int read_property(struct translation *t)
{
    size_t len = 3;
    if (peek(t, 2) == '{') {
        while (is_word(peek(t, len)) || (len == 3 && peek(t, len) == '^'))
            len++;
        if (len == 3 || peek(t, len++) != '}')
            return refuse(t, "expected a class such as \\p{Greek}");
    } else if (!is_word(peek(t, 2))) {
        return refuse(t, "expected a class such as \\pL");
    }
    put(t, (struct text){t->in.at + t->at, len});
    t->at += len;
    return 0;
}

/* What escapes mean within a class and outside: one character. */
static int read_escaped(struct translation *t)
{
    static const char letters[] = "afnrtv";
    static const unsigned codes[] = {'\a', '\f', '\n', '\r', '\t', '\v'};
    char c = peek(t, 1);
    bool octal =
        c == '0' || (is_one_of(c, octal_digits) && is_one_of(peek(t, 2), octal_digits));
    if (!octal && (c == '\0' || (unsigned char)c >= 0x80))
        return refuse_escape(t, '\0');
    if (c != 'x' && !octal && !is_one_of(c, letters) && is_word(c) && c != '_')
        return refuse_escape(t, c);
    t->at += octal ? 1 : 2;
    if (octal)
        read_octal(t);
    else if (c == 'x')
        return read_hex(t);
    else if (is_one_of(c, letters))
        put_code(t, codes[strchr(letters, c) - letters]);
    else
        put_literal(t, c);
    return 0;
}

/* \Q...\E: literal text, the end of the pattern ending it as well. */
static void read_quoted(struct translation *t)
{
    t->at += 2;
    while (!is_end(t) && !skip(t, "\\E"))
        put_literal(t, t->in.at[t->at++]);
}

static int read_escape(struct translation *t)
{
    char c = peek(t, 1);
    switch (c) {
    case 'Q':
        read_quoted(t);
        return 0;
    case 'p':
    case 'P':
        return read_property(t);
    case 's': /* PCRE2's has the vertical tab as well */
        put_word(t, "[\\t\\n\\f\\r\\x{20}]");
        break;
    case 'S':
        put_word(t, "[^\\t\\n\\f\\r\\x{20}]");
        break;
    case 'A':
    case 'b':
    case 'B':
    case 'd':
    case 'D':
    case 'w':
    case 'W':
    case 'z':
        put(t, (struct text){t->in.at + t->at, 2});
        break;
    default:
        return read_escaped(t);
    }
    t->at += 2;
    return 0;
}

/* ---- classes ---- */

/* [:alpha:] or [:^alpha:] within a class. 1 when there was one, 0 when the bracket is
 * an ordinary character, -1 when the name is none. */
static int read_named_class(struct translation *t)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank",  "cntrl",
                                        "digit", "graph", "lower", "print",  "punct",
                                        "space", "upper", "word",  "xdigit", NULL};
    size_t len = 2;
    if (peek(t, 0) != '[' || peek(t, 1) != ':')
        return 0;
    while (t->at + len < t->in.len && !(peek(t, len) == ':' && peek(t, len + 1) == ']'))
        len++;
    if (t->at + len >= t->in.len)
        return 0;
    struct text whole = {t->in.at + t->at, len + 2};
    struct text name = {whole.at + 2, len - 2};
    if (text_starts(name, TEXT("^")))
        name = text_from(name, 1);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (!text_is(name, names[i]))
            continue;
        put(t, whole);
        t->at += whole.len;
        return 1;
    }
    return refuse(t, "expected a class such as [:alpha:]");
}

/* \d and its like within a class: 1, or 0 when it is something else, or -1. */
static int read_class_in_class(struct translation *t)
{
    if (peek(t, 0) != '\\')
        return read_named_class(t);
    char c = peek(t, 1);
    if (c == 'p' || c == 'P')
        return read_property(t) < 0 ? -1 : 1;
    if (!is_one_of(c, "dDwWsS"))
        return 0;
    if (c == 's')
        put_word(t, "\\t\\n\\f\\r\\x{20}");
    else if (c == 'S')
        put_word(t, "\\x{0}-\\x{8}\\x{b}\\x{e}-\\x{1f}\\x{21}-\\x{10ffff}");
    else
        put(t, (struct text){t->in.at + t->at, 2});
    t->at += 2;
    return 1;
}

/* One character of a class, escaped or not, with what follows of its UTF-8. */
static int read_class_character(struct translation *t)
{
    if (is_end(t))
        return refuse(t, "missing closing ]");
    if (peek(t, 0) == '\\')
        return read_escaped(t);
    put_literal(t, t->in.at[t->at++]);
    while (((unsigned char)peek(t, 0) & 0xc0) == 0x80)
        put_literal(t, t->in.at[t->at++]);
    return 0;
}

static int read_class(struct translation *t)
{
    t->at++;
    put_word(t, "[");
    if (skip(t, "^"))
        put_word(t, "^");
    for (bool first = true; first || peek(t, 0) != ']'; first = false) {
        int named = read_class_in_class(t);
        if (named < 0)
            return -1;
        if (named > 0)
            continue;
        if (read_class_character(t) < 0)
            return -1;
        if (peek(t, 0) != '-' || peek(t, 1) == ']' || peek(t, 1) == '\0')
            continue;
        t->at++;
        put_word(t, "-");
        if (read_class_character(t) < 0)
            return -1;
    }
    t->at++;
    put_word(t, "]");
    return 0;
}

/* ---- groups ---- */

static int refuse_group(struct translation *t)
{
    static const struct {
        const char *begin, *what;
    } known[] = {
        {"(?=", "look-ahead is"},        {"(?!", "look-ahead is"},
        {"(?<=", "look-behind is"},      {"(?<!", "look-behind is"},
        {"(?>", "atomic groups are"},    {"(?(", "conditions are"},
        {"(?|", "branch resets are"},    {"(?#", "comments are"},
        {"(?R", "recursion is"},         {"(?&", "recursion is"},
        {"(?P>", "recursion is"},        {"(?+", "recursion is"},
        {"(?P=", "back references are"}, {"(?C", "callouts are"},
    };
    char what[80];
    const char *found = "this kind of group is";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text_starts(text_from(t->in, t->at), text_of(known[i].begin)))
            found = known[i].what;
    if (is_digit(peek(t, 2)))
        found = "recursion is";
    snprintf(what, sizeof what, "%s not in RE2's language", found);
    return refuse(t, what);
}

/* (?P<name>...) or (?<name>...) */
static int read_named_group(struct translation *t)
{
    size_t begin = peek(t, 2) == 'P' ? 4 : 3, len = begin;
    while (is_word(peek(t, len)))
        len++;
    if (peek(t, begin - 1) != '<' || len == begin || peek(t, len) != '>')
        return refuse_group(t);
    put_word(t, "(?P<");
    put(t, (struct text){t->in.at + t->at + begin, len - begin + 1});
    t->at += len + 1;
    return 0;
}

/* (?i), (?i:...), (?s-m:...): the flags i, m, s and U mean the same in both. */
static int read_flags(struct translation *t)
{
    size_t len = 2;
    bool minus = false, wanted = false;
    for (;; len++) {
        char c = peek(t, len);
        if (c == '-' && !minus)
            minus = wanted = true;
        else if (is_one_of(c, "imsU"))
            wanted = false;
        else
            break;
    }
    if (wanted || (peek(t, len) != ')' && peek(t, len) != ':'))
        return refuse_group(t);
    put(t, (struct text){t->in.at + t->at, len + 1});
    t->at += len + 1;
    return 0;
}

static int read_group(struct translation *t)
{
    char c = peek(t, 2);
    if (peek(t, 1) == '*')
        return refuse(t, "* has nothing to repeat");
    if (peek(t, 1) != '?') {
        put_word(t, "(");
        t->at++;
        return 0;
    }
    return c == 'P' || c == '<' ? read_named_group(t) : read_flags(t);
}

/* ---- repetition ---- */

#define REPEAT_MAX 1000 /* RE2's own */

/* A number without zeros in front, at `*len` characters ahead; -1 when there is none.
 */
static int read_count(const struct translation *t, size_t *len)
{
    size_t start = *len;
    int n = 0;
    while (is_digit(peek(t, *len))) {
        if (n <= REPEAT_MAX)
            n = n * 10 + (peek(t, *len) - '0');
        ++*len;
    }
    bool good = *len > start && (*len == start + 1 || peek(t, start) != '0');
    return good ? n : -1;
}

/* {n}, {n,} or {n,m} at the present place: 1 and its length, 0 when the brace is an
 * ordinary character, -1 when the numbers are not allowed. */
static int is_counted(struct translation *t, size_t *len)
{
    *len = 1;
    int least = read_count(t, len), most = least;
    if (least < 0)
        return 0;
    if (peek(t, *len) == ',') {
        ++*len;
        most = peek(t, *len) == '}' ? REPEAT_MAX : read_count(t, len);
    }
    if (most < 0 || peek(t, (*len)++) != '}')
        return 0;
    if (least > REPEAT_MAX || most > REPEAT_MAX || least > most)
        return refuse(t, "invalid repeat count: expected up to 1000, rising");
    return 1;
}

static int read_repetition(struct translation *t, size_t len)
{
    if (t->repeated)
        return refuse(t, "a repetition of a repetition (or a possessive one) is not in "
                         "RE2's language");
    if (peek(t, len) == '?')
        len++;
    put(t, (struct text){t->in.at + t->at, len});
    t->at += len;
    t->repeated = true;
    return 0;
}

/* ---- the whole ---- */

/* Every piece but a repetition. */
static int read_piece(struct translation *t)
{
    char c = peek(t, 0);
    t->repeated = false;
    switch (c) {
    case '(':
        return read_group(t);
    case '[':
        return read_class(t);
    case '\\':
        return read_escape(t);
    case ')':
    case '|':
    case '^':
    case '$':
    case '.':
        put(t, (struct text){&c, 1});
        break;
    default:
        put_literal(t, c);
    }
    t->at++;
    return 0;
}

static int translate(struct translation *t)
{
    while (!is_end(t)) {
        char c = t->in.at[t->at];
        size_t len = 1;
        int counted = c == '{' ? is_counted(t, &len) : 0;
        if (counted < 0)
            return -1;
        bool repeats = counted > 0 || c == '*' || c == '+' || c == '?';
        if ((repeats ? read_repetition(t, len) : read_piece(t)) < 0)
            return -1;
    }
    return 0;
}

struct text pattern_syntax_translate(struct arena *arena, struct text re2, char *why,
                                     size_t why_cap)
{
    struct translation t = {.in = re2, .why = why, .why_cap = why_cap};
    t.out = arena_array(arena, re2.len + 1, GROWTH);
    if (t.out == NULL) {
        snprintf(why, why_cap, "out of memory");
        return (struct text){NULL, 0};
    }
    if (translate(&t) < 0)
        return (struct text){NULL, 0};
    return (struct text){t.out, t.len};
}
