#include "config/lexer.h"

#define TOKENS_FIRST 8 /* most directives have fewer */

int tokens_push(struct arena *a, struct tokens *list, struct token token)
{
    if (list->n == list->cap) {
        if (list->cap > UINT32_MAX / 2)
            return -1;
        uint32_t cap = list->cap == 0 ? TOKENS_FIRST : list->cap * 2;
        struct token *more = arena_array(a, cap, sizeof *more);
        if (more == NULL)
            return -1;
        if (list->n > 0)
            memcpy(more, list->list, list->n * sizeof *more);
        list->list = more;
        list->cap = cap;
    }
    list->list[list->n++] = token;
    return 0;
}

bool token_is(const struct token *token, const char *word)
{
    return strcmp(token->text, word) == 0;
}

static bool token_same_file(const struct token *a, const struct token *b)
{
    return a->at.file == b->at.file || strcmp(a->at.file, b->at.file) == 0;
}

static uint32_t token_last_line(const struct token *token)
{
    uint32_t line = token->at.line;
    for (const char *p = strchr(token->text, '\n'); p != NULL; p = strchr(p + 1, '\n'))
        line++;
    return line;
}

bool token_same_line(const struct token *before, const struct token *next)
{
    return token_same_file(before, next) && token_last_line(before) == next->at.line;
}

bool token_new_line(const struct token *before, const struct token *next)
{
    return !token_same_file(before, next) || token_last_line(before) < next->at.line;
}

/* Octets of the multi-octet white space at `at` that Unicode knows (and Go's IsSpace
 * with it): U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F,
 * U+3000. */
/* Of three octets: U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000. */
static bool lexer_is_wide(unsigned octets)
{
    static const unsigned spaces[] = {0xe19a80, 0xe280a8, 0xe280a9,
                                      0xe280af, 0xe2819f, 0xe38080};
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        if (octets == spaces[i])
            return true;
    }
    return octets >= 0xe28080 && octets <= 0xe2808a;
}

static size_t lexer_wide_space(const struct lexer *lx)
{
    const uint8_t *p = (const uint8_t *)lx->from.text.at + lx->at;
    size_t left = lx->from.text.len - lx->at;
    if (left >= 2 && p[0] == 0xc2)
        return p[1] == 0x85 || p[1] == 0xa0 ? 2 : 0;
    if (left < 3 || p[0] < 0xe1 || p[0] > 0xe3)
        return 0;
    unsigned octets = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
    return lexer_is_wide(octets) ? 3 : 0;
}

/* Octets of the white space at the present place, 0 when there is none. */
static size_t lexer_space(const struct lexer *lx)
{
    unsigned char ch = (unsigned char)lx->from.text.at[lx->at];
    if (ch == ' ' || (ch >= '\t' && ch <= '\r'))
        return 1;
    return ch < 0x80 ? 0 : lexer_wide_space(lx);
}

/* Skips white space and comments. False at the end of the text. */
static bool lexer_skip(struct lexer *lx)
{
    bool comment = false;
    while (lx->at < lx->from.text.len) {
        size_t space = lexer_space(lx);
        char ch = lx->from.text.at[lx->at];
        if (ch == '\n') {
            lx->line++;
            comment = false;
        }
        comment = comment || ch == '#';
        if (space == 0 && !comment)
            return true;
        lx->at += space > 0 ? space : 1;
    }
    return false;
}

/* Behind the opening quote. Only \" is an escape; of other pairs both characters stay.
 * False when the text ends before the closing quote. */
static bool lexer_quoted(struct lexer *lx)
{
    bool escaped = false;
    while (lx->at < lx->from.text.len) {
        char ch = lx->from.text.at[lx->at++];
        if (!escaped && ch == '"')
            return true;
        if (ch == '\n')
            lx->line++;
        if (!escaped && ch == '\\') {
            escaped = true;
            continue;
        }
        if (escaped && ch != '"')
            *lx->out++ = '\\';
        *lx->out++ = ch;
        escaped = false;
    }
    return false;
}

/* Up to white space. A `#` begins a comment even here, but one that ends with the
 * token: in `abc#def ghi` the blank ends both, and `ghi` is the next token, as in
 * CoreDNS. */
static void lexer_bare(struct lexer *lx)
{
    bool comment = false;
    while (lx->at < lx->from.text.len) {
        char ch = lx->from.text.at[lx->at];
        size_t space = lexer_space(lx);
        if (space > 0 && ch != '\r')
            return;
        comment = comment || ch == '#';
        if (ch != '\r' && !comment)
            *lx->out++ = ch;
        lx->at++;
    }
}

/* An unterminated quote without text is no token. */
bool lexer_next(struct lexer *lx, struct token *token)
{
    if (!lexer_skip(lx))
        return false;
    const char *start = lx->out;
    token->text = start;
    token->at = (struct where){lx->from.file, lx->line};
    bool closed = true;
    if (lx->from.text.at[lx->at] == '"') {
        lx->at++;
        closed = lexer_quoted(lx);
    } else {
        lexer_bare(lx);
    }
    if (lx->out == start && !closed)
        return false;
    *lx->out++ = '\0';
    return true;
}

static uint32_t lexer_line_of(struct text text, size_t offset)
{
    uint32_t line = 1;
    for (size_t i = 0; i < offset; i++)
        if (text.at[i] == '\n')
            line++;
    return line;
}

int lexer_init(struct lexer *lx, struct arena *a, struct source from,
               struct errors *errs)
{
    const struct text mark = TEXT("\xef\xbb\xbf");
    if (text_starts(from.text, mark))
        from.text = text_from(from.text, mark.len);
    const char *nul =
        from.text.len > 0 ? memchr(from.text.at, '\0', from.text.len) : NULL;
    if (nul != NULL) {
        uint32_t line = lexer_line_of(from.text, (size_t)(nul - from.text.at));
        return error_at(errs, (struct where){from.file, line},
                        "Error during parsing: a NUL octet: this is not a text file");
    }
    /* A token and its NUL never need more than was read for it, but for the last NUL.
     */
    *lx = (struct lexer){
        .from = from, .line = 1, .out = arena_alloc(a, from.text.len + 1)};
    return lx->out == NULL ? error_at(errs, (struct where){0}, "out of memory") : 0;
}

int lexer_run(struct arena *a, struct source from, struct tokens *out,
              struct errors *errs)
{
    struct lexer lx;
    struct token token;
    if (lexer_init(&lx, a, from, errs) < 0)
        return -1;
    while (lexer_next(&lx, &token))
        if (tokens_push(a, out, token) < 0)
            return error_at(errs, (struct where){0}, "out of memory");
    return 0;
}
