#include "resolver/gotmpl_lex.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c);
}

/* The character `ahead` of the present one; NUL behind the end. */
static char peek(const struct gotmpl_lex *lex, size_t ahead)
{
    return lex->text.len - lex->at > ahead ? lex->text.at[lex->at + ahead] : '\0';
}

static bool is_at(const struct gotmpl_lex *lex, const char *word)
{
    return text_starts(text_from(lex->text, lex->at), text_of(word));
}

static struct gotmpl_token flaw(const char *what)
{
    return (struct gotmpl_token){.kind = GOTMPL_FLAW, .text = text_of(what)};
}

static struct gotmpl_token token(enum gotmpl_token_kind kind, struct text text)
{
    return (struct gotmpl_token){.kind = kind, .text = text};
}

/* A token of `len` characters. */
static struct gotmpl_token take(struct gotmpl_lex *lex, enum gotmpl_token_kind kind,
                                size_t len)
{
    struct text text = {lex->text.at + lex->at, len};
    lex->at += len;
    return token(kind, text);
}

/* ---- outside ---- */

/* The place of the next {{, or the end. */
static size_t find_open(const struct gotmpl_lex *lex)
{
    size_t at = lex->at;
    while (at + 1 < lex->text.len &&
           !(lex->text.at[at] == '{' && lex->text.at[at + 1] == '{'))
        at++;
    return at + 1 < lex->text.len ? at : lex->text.len;
}

/* Whether {{ at this place is {{- and so eats the blanks before it. */
static bool trims_before(const struct gotmpl_lex *lex, size_t open)
{
    return open + 3 < lex->text.len && lex->text.at[open + 2] == '-' &&
           is_blank(lex->text.at[open + 3]);
}

static struct text take_literal(struct gotmpl_lex *lex, size_t open)
{
    struct text t = {lex->text.at + lex->at, open - lex->at};
    while (lex->trim_after && t.len > 0 && is_blank(t.at[0]))
        t = text_from(t, 1);
    while (t.len > 0 && trims_before(lex, open) && is_blank(t.at[t.len - 1]))
        t.len--;
    lex->at = open;
    lex->trim_after = false;
    return t;
}

/* Behind a comment that opened: to its }}. False when it has none. */
static bool skip_comment(struct gotmpl_lex *lex)
{
    lex->at += 2;
    while (lex->at < lex->text.len && !is_at(lex, "*/"))
        lex->at++;
    if (!is_at(lex, "*/"))
        return false;
    lex->at += 2;
    lex->trim_after = is_blank(peek(lex, 0)) && peek(lex, 1) == '-';
    lex->at += lex->trim_after ? 2 : 0;
    if (!is_at(lex, "}}"))
        return false;
    lex->at += 2;
    return true;
}

static struct gotmpl_token next_outside(struct gotmpl_lex *lex)
{
    for (;;) {
        size_t open = find_open(lex);
        struct text literal = take_literal(lex, open);
        if (literal.len > 0)
            return token(GOTMPL_LITERAL, literal);
        if (open == lex->text.len)
            return token(GOTMPL_END_OF_TEXT, literal);
        lex->at += trims_before(lex, open) ? 4 : 2;
        if (!is_at(lex, "/*")) {
            lex->inside = true;
            return token(GOTMPL_OPEN, literal);
        }
        if (!skip_comment(lex))
            return flaw("a comment must end in */}}");
    }
}

/* ---- strings ---- */

static unsigned digit_of(char c)
{
    if (is_digit(c))
        return (unsigned)(c - '0');
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
        return (unsigned)((c | 0x20) - 'a') + 10;
    return 99;
}

/* `n` digits of a base; false when there are others. */
static bool read_code(struct gotmpl_lex *lex, unsigned n, unsigned base, uint32_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned digit = digit_of(peek(lex, 0));
        if (digit >= base)
            return false;
        *out = *out * base + digit;
        lex->at++;
    }
    return true;
}

static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned first[] = {0, 0xc0, 0xe0, 0xf0};
    for (size_t i = more; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(first[more] | c);
    return more + 1;
}

/* Behind a backslash. The octets it stands for, 0 when it stands for nothing: never
 * more than it was written with. */
static size_t read_escape(struct gotmpl_lex *lex, char *out)
{
    static const char letters[] = "abfnrtv\\'\"", values[] = "\a\b\f\n\r\t\v\\'\"";
    char c = peek(lex, 0);
    uint32_t code;
    const char *known = c == '\0' ? NULL : strchr(letters, c);
    if (known != NULL) {
        lex->at++;
        *out = values[known - letters];
        return 1;
    }
    if (is_digit(c)) {
        if (!read_code(lex, 3, 8, &code) || code > 0xff)
            return 0;
        *out = (char)code;
        return 1;
    }
    lex->at++;
    if (c == 'x') {
        bool good = read_code(lex, 2, 16, &code);
        *out = (char)code;
        return good ? 1 : 0;
    }
    if ((c != 'u' && c != 'U') || !read_code(lex, c == 'u' ? 4 : 8, 16, &code) ||
        code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    return put_utf8(code, out);
}

static struct gotmpl_token read_string(struct gotmpl_lex *lex)
{
    size_t len = 0, n;
    lex->at++;
    char *out = arena_alloc(lex->arena, lex->text.len - lex->at);
    if (out == NULL)
        return flaw("out of memory");
    for (;;) {
        char c = peek(lex, 0);
        if (c == '\0' || c == '\n')
            return flaw("a quoted text has no end");
        lex->at++;
        if (c == '"')
            return token(GOTMPL_STRING, (struct text){out, len});
        if (c != '\\') {
            out[len++] = c;
            continue;
        }
        n = read_escape(lex, out + len);
        if (n == 0)
            return flaw("a backslash escape that Go does not have");
        len += n;
    }
}

static struct gotmpl_token read_raw_string(struct gotmpl_lex *lex)
{
    size_t len = 1;
    while (peek(lex, len) != '`' && lex->at + len < lex->text.len)
        len++;
    if (peek(lex, len) != '`')
        return flaw("a quoted text has no end");
    struct gotmpl_token t = take(lex, GOTMPL_STRING, len + 1);
    t.text.at++;
    t.text.len -= 2;
    return t;
}

/* ---- numbers ---- */

/* 0x1f, 0b11, 0o17, 017: the base, and its prefix is passed over. */
static unsigned read_base(struct gotmpl_lex *lex)
{
    if (peek(lex, 0) != '0')
        return 10;
    switch (peek(lex, 1) | 0x20) {
    case 'x':
        lex->at += 2;
        return 16;
    case 'b':
        lex->at += 2;
        return 2;
    case 'o':
        lex->at += 2;
        return 8;
    default:
        return 8;
    }
}

static struct gotmpl_token read_number(struct gotmpl_lex *lex)
{
    struct gotmpl_token t = {.kind = GOTMPL_INTEGER, .negative = peek(lex, 0) == '-'};
    if (t.negative || peek(lex, 0) == '+')
        lex->at++;
    unsigned base = read_base(lex), digits = 0;
    for (;; digits++, lex->at++) {
        unsigned digit = digit_of(peek(lex, 0));
        if (digit >= base)
            break;
        if (t.magnitude > (UINT64_MAX - digit) / base)
            return flaw("a number of more than 64 bits");
        t.magnitude = t.magnitude * base + digit;
    }
    if (digits == 0 || peek(lex, 0) == '.' || is_word(peek(lex, 0)))
        return flaw("only whole numbers are offered");
    if (t.negative && t.magnitude > (uint64_t)INT64_MAX + 1)
        return flaw("a number of more than 64 bits");
    return t;
}

/* ---- inside ---- */

/* A name of `skip` characters and what follows of letters. Something has to end it. */
static struct gotmpl_token read_name(struct gotmpl_lex *lex,
                                     enum gotmpl_token_kind kind, size_t skip)
{
    size_t len = skip;
    while (is_word(peek(lex, len)))
        len++;
    struct gotmpl_token t = take(lex, kind, len);
    char c = peek(lex, 0);
    if (c != '\0' && !is_blank(c) && strchr(".,|:=)(}", c) == NULL)
        return flaw("a character that belongs to no word");
    t.text = text_from(t.text, skip);
    return t;
}

static struct gotmpl_token read_dot(struct gotmpl_lex *lex)
{
    if (is_letter(peek(lex, 1)))
        return read_name(lex, GOTMPL_FIELD_NAME, 1);
    if (is_digit(peek(lex, 1)))
        return flaw("a field's name begins with a letter: use index");
    return take(lex, GOTMPL_DOT, 1);
}

static struct gotmpl_token read_inside(struct gotmpl_lex *lex)
{
    char c = peek(lex, 0);
    switch (c) {
    case '.':
        return read_dot(lex);
    case '$':
        return read_name(lex, GOTMPL_VARIABLE, 1);
    case '"':
        return read_string(lex);
    case '`':
        return read_raw_string(lex);
    case '(':
        return take(lex, GOTMPL_LPAREN, 1);
    case ')':
        return take(lex, GOTMPL_RPAREN, 1);
    case '|':
        return take(lex, GOTMPL_PIPE, 1);
    case ',':
        return take(lex, GOTMPL_COMMA, 1);
    case '=':
        return take(lex, GOTMPL_ASSIGN, 1);
    case ':':
        return peek(lex, 1) == '=' ? take(lex, GOTMPL_DECLARE, 2)
                                   : flaw("expected := after a variable");
    case '\'':
        return flaw("a character in '' is not offered: use its number");
    default:
        break;
    }
    if (is_letter(c))
        return read_name(lex, GOTMPL_WORD, 0);
    if (is_digit(c) || c == '-' || c == '+')
        return read_number(lex);
    return flaw(c == '\0' ? "a {{ has no }}" : "a character that belongs to no word");
}

static struct gotmpl_token next_inside(struct gotmpl_lex *lex)
{
    size_t before = lex->at;
    while (is_blank(peek(lex, 0)))
        lex->at++;
    bool glued = lex->at == before;
    lex->trim_after = !glued && is_at(lex, "-}}");
    if (lex->trim_after || is_at(lex, "}}")) {
        lex->inside = false;
        return take(lex, GOTMPL_CLOSE, lex->trim_after ? 3 : 2);
    }
    struct gotmpl_token t = read_inside(lex);
    t.glued = glued;
    return t;
}

struct gotmpl_token gotmpl_lex_next(struct gotmpl_lex *lex)
{
    return lex->inside ? next_inside(lex) : next_outside(lex);
}
