#include "config/corefile.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/nearest.h"
#include "config/environment.h"
#include "config/import.h"
#include "config/tape.h"

#define BLOCKS_FIRST 8
#define NO_WORD      UINT32_MAX

/* Functions return -1 when parsing cannot go on, 0 when it can, errors or not. */
struct parser {
    struct arena *arena;
    struct arena *lists; /* of tokens */
    const struct vocabulary *words;
    struct errors *errs;
    struct lexer lexer;
    struct tape tape;
    struct imports imports;
    /* the block at hand */
    struct tokens keys;
    struct tokens *drafts; /* tokens of every word of the vocabulary */
    uint32_t *order;       /* words in the order of their first occurrence */
    uint32_t order_n;
    struct tokens unknown; /* tokens of a directive that is none */
    struct where open;     /* the block's brace; line 0 when it has none */
    /* what was parsed */
    struct block *blocks;
    uint32_t blocks_n, blocks_cap;
};

/* How a directive ended. */
enum ending {
    ENDING_LINE,  /* with its line or its block, as it should */
    ENDING_BLOCK, /* with the brace of the server block, misplaced on its line */
    ENDING_ERROR, /* parsing cannot go on */
};

static int corefile_memory(struct parser *p)
{
    return error_at(p->errs, (struct where){0}, "out of memory");
}

static int corefile_push(struct parser *p, struct tokens *list, struct token token)
{
    return tokens_push(p->lists, list, token) < 0 ? corefile_memory(p) : 0;
}

static bool corefile_next_is(struct parser *p, const char *word)
{
    const struct token *next = tape_peek(&p->tape);
    return next != NULL && token_is(next, word);
}

/* There may be thousands of the same directive behind each other. */
static uint32_t corefile_word(const struct parser *p, const char *name)
{
    uint32_t last = p->order_n == 0 ? 0 : p->order[p->order_n - 1];
    if (p->order_n > 0 && strcmp(p->words->words[last], name) == 0)
        return last;
    for (uint32_t i = 0; i < p->words->words_n; i++)
        if (strcmp(p->words->words[i], name) == 0)
            return i;
    return NO_WORD;
}

/* A `}` where a block should begin is a zone's name for CoreDNS: one too many at the
 * end is accepted, and directives behind one are of a block that nobody asks for names.
 */
static bool corefile_is_stray(const struct parser *p)
{
    return p->keys.n > 0 && token_is(&p->keys.list[0], "}");
}

/* ---- keys ---- */

/* Takes the next token as a key. A comma behind it promises one more, perhaps on the
 * next line; empty text is passed over. */
static int corefile_key(struct parser *p, struct token key, bool *more)
{
    tape_take(&p->tape);
    size_t len = strlen(key.text);
    if (len == 0)
        return 0;
    *more = key.text[len - 1] == ',';
    if (*more)
        key.text = arena_text(p->arena, (struct text){key.text, len - 1});
    return key.text == NULL ? corefile_memory(p) : corefile_push(p, &p->keys, key);
}

/* Up to a brace or the end of the line. */
static int corefile_keys(struct parser *p)
{
    bool more = false, taken = false;
    const struct token *next;
    while ((next = tape_peek(&p->tape)) != NULL) {
        bool new_line = tape_new_line(&p->tape, next);
        if (taken && !more && new_line)
            return 0;
        struct token key = *next;
        if (environment_expand(p->arena, &key, p->errs) < 0)
            return -1;
        if (token_is(&key, "import") && new_line) {
            if (import_run(&p->imports) < 0)
                return -1;
            continue;
        }
        if (token_is(&key, "{")) {
            if (more)
                error_at(p->errs, key.at,
                         "Error during parsing: Expected another address but had '{' - "
                         "check for extra comma");
            return 0;
        }
        if (corefile_key(p, key, &more) < 0)
            return -1;
        taken = true;
    }
    if (more)
        return error_at(p->errs, p->tape.current.at,
                        "Error during parsing: Unexpected EOF: expected another zone "
                        "after the comma");
    return 0;
}

/* Slips that CoreDNS takes for zones in silence. */
static void corefile_doubt_keys(struct parser *p)
{
    for (uint32_t i = 0; i < p->keys.n; i++) {
        const struct token *key = &p->keys.list[i];
        size_t len = strlen(key->text);
        if (token_is(key, "}"))
            log_warning("%s:%u: this '}' closes nothing", key->at.file, key->at.line);
        if (len > 1 && key->text[len - 1] == '{')
            log_warning("%s:%u: '%s' is read as a zone name: is a blank missing before "
                        "the '{'?",
                        key->at.file, key->at.line, key->text);
        if (p->blocks_n > 0 && corefile_word(p, key->text) != NO_WORD)
            log_warning(
                "%s:%u: '%s' is read as a zone name, because the block above it "
                "is closed: is there a '}' too many?",
                key->at.file, key->at.line, key->text);
    }
}

/* ---- directives ---- */

/* Says what may be meant instead. */
static void corefile_unknown(struct parser *p, const struct directive *d)
{
    static const char lead[] = "Error during parsing: Unknown directive";
    const struct vocabulary *v = p->words;
    const char *why = v->refused == NULL ? NULL : v->refused(d->name, d, p->arena);
    const char *near = NULL;
    if (p->errs->n < ERRORS_MAX) /* else it is only counted */
        near = nearest_word(d->name, v->words, v->words_n);
    const struct token *last = &d->tokens[d->tokens_n - 1];
    if (why != NULL)
        error_at(p->errs, d->at,
                 "Error during parsing: directive '%s' is not supported: %s", d->name,
                 why);
    else if (near != NULL)
        error_at(p->errs, d->at, "%s '%s', did you mean '%s'?", lead, d->name, near);
    else if (corefile_is_stray(p))
        error_at(p->errs, d->at,
                 "%s '%s': the '}' of line %u closes nothing, take it away", lead,
                 d->name, p->keys.list[0].at.line);
    else if (strpbrk(d->name, ".:/") != NULL && token_is(last, "}"))
        error_at(
            p->errs, d->at,
            "%s '%s': it looks like a server block inside the block of line %u: close "
            "that one with '}' first",
            lead, d->name, p->open.line);
    else
        error_at(
            p->errs, d->at,
            "%s '%s': expected the name of a plugin, `isthmus -plugins` lists them",
            lead, d->name);
}

/* A brace on a line of its own opens no block for a plugin, although it looks so. */
static void corefile_stray_brace(struct parser *p, const struct token *brace,
                                 const struct token *name)
{
    error_at(
        p->errs, brace->at,
        "Error during parsing: Unexpected '{' on a line of its own: put it at the end "
        "of the line of '%s' (line %u)",
        name->text, name->at.line);
}

/* Whether `next` still belongs to a directive that has `depth` open braces. */
static bool corefile_goes_on(struct parser *p, const struct token *next,
                             const struct token *name, uint32_t depth)
{
    if (depth > 0 || !tape_new_line(&p->tape, next))
        return true;
    if (!token_is(next, "{"))
        return false;
    corefile_stray_brace(p, next, name);
    return true;
}

static int corefile_take(struct parser *p, struct tokens *to)
{
    tape_take(&p->tape);
    struct token token = p->tape.current;
    if (environment_expand(p->arena, &token, p->errs) < 0)
        return -1;
    return corefile_push(p, to, token);
}

/* Takes what follows the name: to the end of the line, or of the block in braces. */
static enum ending corefile_rest(struct parser *p, const struct token *name,
                                 struct tokens *to)
{
    uint32_t depth = 0, brace_line = 0;
    const struct token *next;
    while ((next = tape_peek(&p->tape)) != NULL &&
           corefile_goes_on(p, next, name, depth)) {
        bool opens = token_is(next, "{"), closes = token_is(next, "}");
        int rc = 0;
        if (closes && depth == 0) {
            error_at(p->errs, next->at,
                     "Error during parsing: Unexpected '}' because no matching opening "
                     "brace: put it on a line of its own");
            tape_take(&p->tape);
            return ENDING_BLOCK;
        }
        depth = depth + opens - closes;
        if (opens)
            brace_line = next->at.line;
        if (token_is(next, "import") && tape_new_line(&p->tape, next))
            rc = import_run(&p->imports);
        else
            rc = corefile_take(p, to);
        if (rc < 0)
            return ENDING_ERROR;
    }
    if (depth == 0)
        return ENDING_LINE;
    error_at(p->errs, p->tape.current.at,
             "Error during parsing: Unexpected EOF: the '{' of line %u is not closed",
             brace_line);
    return ENDING_ERROR;
}

static enum ending corefile_directive(struct parser *p)
{
    struct token name = *tape_peek(&p->tape);
    tape_take(&p->tape);
    if (environment_expand(p->arena, &name, p->errs) < 0)
        return ENDING_ERROR;
    uint32_t word = corefile_word(p, name.text);
    struct tokens *to = word == NO_WORD ? &p->unknown : &p->drafts[word];
    if (word == NO_WORD)
        to->n = 0;
    else if (to->n == 0)
        p->order[p->order_n++] = word;
    if (corefile_push(p, to, name) < 0)
        return ENDING_ERROR;
    enum ending ending = corefile_rest(p, &name, to);
    struct directive d = {
        .name = name.text, .at = name.at, .tokens = to->list, .tokens_n = to->n};
    if (word == NO_WORD)
        corefile_unknown(p, &d);
    return ending;
}

/* The end of the text within braces. A `}` that is the last token of all counts for
 * both the plugin's block it closed and this one, as in CoreDNS. */
static int corefile_unclosed(struct parser *p)
{
    const struct token *last = &p->tape.current;
    if (!token_is(last, "}"))
        return error_at(p->errs, last->at,
                        "Syntax error: Unexpected token '%s', expecting '}': the block "
                        "that line %u opens is not closed",
                        last->text, p->open.line);
    log_warning("%s:%u: the block that line %u opens is not closed: a '}' is missing",
                last->at.file, last->at.line, p->open.line);
    return 0;
}

static int corefile_directives(struct parser *p)
{
    const struct token *next;
    while ((next = tape_peek(&p->tape)) != NULL) {
        enum ending ending = ENDING_LINE;
        if (token_is(next, "}")) {
            tape_take(&p->tape);
            return 0;
        }
        if (token_is(next, "import"))
            ending = import_run(&p->imports) < 0 ? ENDING_ERROR : ENDING_LINE;
        else
            ending = corefile_directive(p);
        if (ending != ENDING_LINE)
            return ending == ENDING_BLOCK ? 0 : -1;
    }
    return p->open.line == 0 ? 0 : corefile_unclosed(p);
}

/* ---- blocks ---- */

/* Whether the keys are `(name)` alone: a snippet. */
static bool corefile_is_snippet(const struct parser *p)
{
    if (p->keys.n != 1)
        return false;
    const char *key = p->keys.list[0].text;
    size_t len = strlen(key);
    return len >= 2 && key[0] == '(' && key[len - 1] == ')';
}

/* Takes the tokens of a snippet, as they are, up to the brace that closes it. */
static int corefile_snippet_body(struct parser *p, struct tokens *body)
{
    uint32_t depth = 1;
    while (tape_peek(&p->tape) != NULL) {
        tape_take(&p->tape);
        if (token_is(&p->tape.current, "}") && --depth == 0)
            return 0;
        depth += token_is(&p->tape.current, "{");
        if (corefile_push(p, body, p->tape.current) < 0)
            return -1;
    }
    return error_at(p->errs, p->tape.current.at,
                    "Syntax error: Unexpected token '%s', expecting '}': snippet %s of "
                    "line %u is not closed",
                    p->tape.current.text, p->keys.list[0].text,
                    p->keys.list[0].at.line);
}

static int corefile_snippet(struct parser *p)
{
    const struct token *key = &p->keys.list[0], *next = tape_peek(&p->tape);
    if (next == NULL || !token_is(next, "{"))
        return error_at(
            p->errs, next == NULL ? key->at : next->at,
            "Syntax error: Unexpected token '%s', expecting '{': snippet %s "
            "needs braces",
            next == NULL ? key->text : next->text, key->text);
    tape_take(&p->tape);
    struct tokens body = {0};
    if (corefile_snippet_body(p, &body) < 0)
        return -1;
    struct text inner = {key->text + 1, strlen(key->text) - 2};
    const char *name = arena_text(p->arena, inner);
    if (name == NULL)
        return corefile_memory(p);
    return import_define(&p->imports, name, key->at, &body);
}

static struct block *corefile_add_block(struct parser *p)
{
    if (p->blocks_n == p->blocks_cap) {
        uint32_t cap = p->blocks_cap == 0 ? BLOCKS_FIRST : p->blocks_cap * 2;
        struct block *more = arena_array(p->arena, cap, sizeof *more);
        if (more == NULL)
            return NULL;
        if (p->blocks_n > 0)
            memcpy(more, p->blocks, p->blocks_n * sizeof *more);
        p->blocks = more;
        p->blocks_cap = cap;
    }
    return &p->blocks[p->blocks_n++];
}

static int corefile_finish_block(struct parser *p)
{
    if (p->keys.n == 0 || (corefile_is_stray(p) && p->order_n == 0))
        return 0;
    struct block *b = corefile_add_block(p);
    const char *(*usage)(const char *) = p->words->usage;
    struct directive *list = arena_array(p->arena, p->order_n, sizeof *list);
    if (b == NULL || (list == NULL && p->order_n > 0))
        return corefile_memory(p);
    *b = (struct block){.keys = p->keys.list,
                        .keys_n = p->keys.n,
                        .directives = list,
                        .directives_n = p->order_n,
                        .at = p->keys.list[0].at};
    for (uint32_t i = 0; i < p->order_n; i++) {
        const struct tokens *t = &p->drafts[p->order[i]];
        list[i] = (struct directive){
            .name = t->list[0].text,
            .at = t->list[0].at,
            .tokens = t->list,
            .tokens_n = t->n,
            .usage = usage == NULL ? NULL : usage(t->list[0].text),
        };
    }
    return 0;
}

static int corefile_block(struct parser *p)
{
    p->keys = (struct tokens){0};
    p->open.line = 0;
    for (uint32_t i = 0; i < p->order_n; i++)
        p->drafts[p->order[i]] = (struct tokens){0};
    p->order_n = 0;
    if (corefile_keys(p) < 0)
        return -1;
    if (corefile_is_snippet(p))
        return corefile_snippet(p);
    corefile_doubt_keys(p);
    if (corefile_next_is(p, "{")) {
        tape_take(&p->tape);
        p->open = p->tape.current.at;
    }
    return corefile_directives(p) < 0 ? -1 : corefile_finish_block(p);
}

static int corefile_blocks(struct parser *p)
{
    while (tape_peek(&p->tape) != NULL) {
        if (corefile_block(p) < 0)
            return -1;
    }
    return 0;
}

static int corefile_init(struct parser *p, struct source from)
{
    size_t words_n = (size_t)p->words->words_n + 1; /* never an empty array */
    p->tape = (struct tape){.arena = p->arena, .lexer = &p->lexer};
    p->tape.current = (struct token){.text = "", .at.file = from.file};
    p->drafts = arena_array(p->arena, words_n, sizeof *p->drafts);
    p->order = arena_array(p->arena, words_n, sizeof *p->order);
    if (p->drafts == NULL || p->order == NULL)
        return corefile_memory(p);
    if (hash_seed() < 0)
        return error_at(p->errs, (struct where){0},
                        "no random numbers from the kernel");
    return lexer_init(&p->lexer, p->arena, from, p->errs);
}

int corefile_parse(struct arena *a, struct source from, const struct vocabulary *words,
                   struct corefile *out, struct errors *errs)
{
    struct parser p = {.arena = a, .lists = &out->tokens, .words = words, .errs = errs};
    uint32_t errors_n = errs->n;
    *out = (struct corefile){0};
    arena_init(&out->tokens, NULL, 0);
    import_init(&p.imports, &p.tape, errs);
    if (corefile_init(&p, from) == 0)
        corefile_blocks(&p);
    import_release(&p.imports);
    out->blocks = p.blocks;
    out->blocks_n = p.blocks_n;
    return errs->n > errors_n ? -1 : 0;
}

static void block_forget(struct block *b)
{
    b->keys = NULL;
    b->keys_n = 0;
    for (uint32_t i = 0; i < b->directives_n; i++) {
        b->directives[i].tokens = NULL;
        b->directives[i].tokens_n = 0;
    }
}

void corefile_forget(struct corefile *c)
{
    for (uint32_t i = 0; i < c->blocks_n; i++)
        block_forget(&c->blocks[i]);
    arena_release(&c->tokens);
    arena_init(&c->tokens, NULL, 0);
}
