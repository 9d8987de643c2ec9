#include "config/config.h"

#include "config/source.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char DEFAULT_FILE[] = "Corefile";
static const char DEFAULT_TEXT[] = ". {\n"
                                   "    whoami\n"
                                   "    log\n"
                                   "}\n";

static struct config *config_new(const char *file, struct errors *errs)
{
    struct config *c = calloc(1, sizeof *c);
    if (c != NULL) {
        arena_init(&c->arena, NULL, 0);
        arena_init(&c->corefile.tokens, NULL, 0);
        c->file = arena_text(&c->arena, text_of(file));
        if (c->file != NULL)
            return c;
    }
    config_free(c);
    error_at(errs, (struct where){0}, "out of memory");
    return NULL;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    corefile_forget(&c->corefile);
    arena_release(&c->arena);
    free(c);
}

/* ---- digest ---- */

/* The text with its final zero, so that "a" "b" differs from "ab", and what it is. */
static void digest_text(struct sha512 *d, const char *text, char kind)
{
    sha512_add(d, &kind, 1);
    sha512_add(d, text, strlen(text) + 1);
}

/* What a token is to those who read it: its text, and whether it begins a line. */
static void digest_tokens(struct sha512 *d, const struct token *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        digest_text(d, list[i].text,
                    i > 0 && token_same_line(&list[i - 1], &list[i]) ? 'w' : 'l');
    digest_text(d, "", 'd');
}

static void config_digest(struct config *c)
{
    struct sha512 d;
    sha512_init(&d);
    for (uint32_t i = 0; i < c->corefile.blocks_n; i++) {
        const struct block *b = &c->corefile.blocks[i];
        for (uint32_t k = 0; k < b->keys_n; k++)
            digest_text(&d, b->keys[k].text, 'k');
        for (uint32_t k = 0; k < b->directives_n; k++)
            digest_tokens(&d, b->directives[k].tokens, b->directives[k].tokens_n);
        digest_text(&d, "", 'b');
    }
    sha512_end(&d, c->digest);
}

/* ---- loading ---- */

/* Takes `c`; NULL after errors. */
static struct config *config_parse(struct config *c, struct text text,
                                   const struct vocabulary *words, struct errors *errs)
{
    struct source from = {c->file, text}, fallback = {c->file, text_of(DEFAULT_TEXT)};
    int rc = corefile_parse(&c->arena, from, words, &c->corefile, errs);
    if (rc == 0 && c->corefile.blocks_n == 0) {
        corefile_forget(&c->corefile);
        rc = corefile_parse(&c->arena, fallback, words, &c->corefile, errs);
    }
    c->flawed = rc < 0;
    if (c->flawed && c->corefile.blocks_n == 0) {
        config_free(c);
        return NULL;
    }
    config_digest(c);
    return c;
}

struct config *config_load_text(const char *file, struct text text,
                                const struct vocabulary *words, struct errors *errs)
{
    struct config *c = config_new(file, errs);
    return c == NULL ? NULL : config_parse(c, text, words, errs);
}

struct config *config_load(const char *path, const struct vocabulary *words,
                           struct errors *errs)
{
    const char *file = path == NULL ? DEFAULT_FILE : path;
    struct text text = {"", 0}; /* without a block: the default */
    struct arena octets;        /* tokens have texts of their own */
    int rc = 0;
    struct config *c = config_new(file, errs);
    if (c == NULL)
        return NULL;
    arena_init(&octets, NULL, 0);
    if (path != NULL && strcmp(path, "stdin") == 0)
        rc = source_read_stdin(&octets, &text, errs);
    else if (path != NULL || access(DEFAULT_FILE, F_OK) == 0 || errno != ENOENT)
        rc = source_read(&octets, file, (struct where){0}, &text, errs);
    if (rc == 0)
        c = config_parse(c, text, words, errs);
    arena_release(&octets);
    if (rc == 0)
        return c;
    config_free(c);
    return NULL;
}
