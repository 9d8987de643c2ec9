#include "config/import.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/environment.h"
#include "config/source.h"

/* A snippet under its name, or a file under its path. */
struct import_source {
    const char *name;
    struct tokens tokens;
};

void import_init(struct imports *im, struct tape *tape, struct errors *errs)
{
    *im = (struct imports){.tape = tape, .errs = errs};
}

void import_release(struct imports *im)
{
    table_release(&im->snippets);
    table_release(&im->files);
}

static int import_memory(struct imports *im)
{
    return error_at(im->errs, (struct where){0}, "out of memory");
}

static bool import_named(const void *entry, const void *key)
{
    const struct import_source *source = entry;
    return strcmp(source->name, key) == 0;
}

static struct import_source *import_find(const struct table *t, const char *name)
{
    return table_get(t, hash_text(name), import_named, name);
}

/* NULL when memory is short. */
static struct import_source *import_add(struct imports *im, struct table *t,
                                        const char *name)
{
    struct import_source *source = arena_alloc(im->tape->arena, sizeof *source);
    if (source == NULL)
        return NULL;
    source->name = name;
    return table_put(t, hash_text(name), source) < 0 ? NULL : source;
}

/* 1 when the body has a line that starts `import NAME`, 0 when not, -1 on lack of
 * memory. */
static int import_is_own(struct imports *im, const char *name,
                         const struct tokens *body)
{
    for (uint32_t i = 0; i + 1 < body->n; i++) {
        const struct token *word = &body->list[i];
        if (!token_is(word, "import"))
            continue;
        if (i > 0 && word[-1].at.file == word->at.file &&
            word[-1].at.line == word->at.line)
            continue;
        struct token operand = word[1];
        if (environment_expand(im->tape->arena, &operand, im->errs) < 0)
            return -1;
        if (token_is(&operand, name))
            return 1;
    }
    return 0;
}

int import_define(struct imports *im, const char *name, struct where at,
                  const struct tokens *body)
{
    if (import_find(&im->snippets, name) != NULL) {
        error_at(
            im->errs, at,
            "Error during parsing: redeclaration of previously declared snippet %s: "
            "give one of them another name",
            name);
        return 0;
    }
    int own = import_is_own(im, name, body);
    struct import_source *snippet =
        own < 0 ? NULL : import_add(im, &im->snippets, name);
    if (snippet == NULL)
        return import_memory(im);
    if (own == 0)
        snippet->tokens = *body;
    else
        error_at(im->errs, at,
                 "Error during parsing: maximum snippet import depth (%d) exceeded: "
                 "snippet %s imports itself",
                 CONFIG_SNIPPETS_MAX, name);
    return 0;
}

/* What comes last must be spliced first. */
static int import_splice(struct imports *im, struct where at,
                         const struct tokens *tokens)
{
    im->spliced += tokens->n;
    if (im->spliced > CONFIG_WORDS_MAX)
        return error_at(im->errs, at,
                        "Error during parsing: imports bring in more than %d words: do "
                        "snippets or files import one another many times over?",
                        CONFIG_WORDS_MAX);
    return tape_splice(im->tape, tokens) < 0 ? import_memory(im) : 0;
}

static int import_snippet(struct imports *im, const struct token *operand,
                          const struct tokens *body)
{
    if (im->snippet_imports++ >= CONFIG_SNIPPETS_MAX)
        return error_at(im->errs, operand->at,
                        "Error during parsing: maximum snippet import depth (%d) "
                        "exceeded: do snippets import one another?",
                        CONFIG_SNIPPETS_MAX);
    return import_splice(im, operand->at, body);
}

/* The tokens of a file, NULL when it cannot be used (an error was added). */
static const struct import_source *import_file(struct imports *im, const char *path,
                                               struct where at)
{
    struct import_source *known = import_find(&im->files, path);
    if (known != NULL)
        return known;
    struct arena *a = im->tape->arena;
    struct source source = {.file = path};
    struct tokens tokens = {0};
    if (source_read(a, path, at, &source.text, im->errs) < 0 ||
        lexer_run(a, source, &tokens, im->errs) < 0)
        return NULL;
    struct import_source *file = import_add(im, &im->files, path);
    if (file == NULL)
        import_memory(im);
    else
        file->tokens = tokens;
    return file;
}

static int import_paths(struct imports *im, const struct token *operand,
                        const struct paths *paths)
{
    for (uint32_t i = 0; i < paths->n; i++) /* in order, for the order of errors */
        import_file(im, paths->list[i], operand->at);
    for (uint32_t i = paths->n; i > 0; i--) {
        const struct import_source *file = import_find(&im->files, paths->list[i - 1]);
        if (file != NULL && import_splice(im, operand->at, &file->tokens) < 0)
            return -1;
    }
    return 0;
}

static size_t import_count(const char *text, char what)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == what;
    return n;
}

/* CoreDNS's bound on what a pattern may cost. */
static bool import_is_wild(const char *pattern)
{
    return import_count(pattern, '*') > 1 || import_count(pattern, '?') > 1 ||
           (strchr(pattern, '[') != NULL && strchr(pattern, ']') != NULL);
}

static void import_missing(struct imports *im, const struct token *operand,
                           const char *pattern)
{
    if (strpbrk(pattern, "*?[]") != NULL)
        log_warning("%s:%u: No files matching import glob pattern: %s",
                    operand->at.file, operand->at.line, operand->text);
    else
        error_at(
            im->errs, operand->at,
            "Error during parsing: File to import not found: %s: no snippet of this "
            "name stands above, and there is no file %s",
            operand->text, pattern);
}

static int import_pattern(struct imports *im, const struct token *operand)
{
    if (im->file_imports++ >= CONFIG_IMPORTS_MAX)
        return error_at(
            im->errs, operand->at,
            "Error during parsing: maximum file import depth (%d) exceeded: "
            "does a file import itself?",
            CONFIG_IMPORTS_MAX);
    struct arena *a = im->tape->arena;
    struct paths paths;
    const char *pattern = source_relative(a, operand->at.file, operand->text);
    if (pattern == NULL)
        return import_memory(im);
    if (import_is_wild(pattern)) {
        error_at(
            im->errs, operand->at,
            "Error during parsing: Glob pattern may only contain one wildcard (*), "
            "but has others: %s: import the files in several lines",
            pattern);
        return 0;
    }
    if (source_glob(a, pattern, &paths) < 0)
        return import_memory(im);
    if (paths.n == 0)
        import_missing(im, operand, pattern);
    return import_paths(im, operand, &paths);
}

/* Passes over the line that `before` stands on. */
static void import_drop_line(struct imports *im, struct token before)
{
    const struct token *next;
    while ((next = tape_peek(im->tape)) != NULL && token_same_line(&before, next)) {
        before = *next;
        tape_drop(im->tape);
    }
}

static int import_operand(struct imports *im, struct token *operand)
{
    const struct token *next = tape_peek(im->tape);
    if (next != NULL && token_same_line(operand, next)) {
        error_at(
            im->errs, next->at,
            "Error during parsing: Import takes only one argument (glob pattern or "
            "file): snippets have no arguments, '%s' is one too many",
            next->text);
        import_drop_line(im, *operand);
        return 0;
    }
    if (environment_expand(im->tape->arena, operand, im->errs) < 0)
        return -1;
    if (operand->text[0] == '\0') {
        error_at(
            im->errs, operand->at,
            "Error during parsing: Import requires a non-empty filepath: expected the "
            "name of a snippet or a file");
        return 0;
    }
    const struct import_source *snippet = import_find(&im->snippets, operand->text);
    return snippet == NULL ? import_pattern(im, operand)
                           : import_snippet(im, operand, &snippet->tokens);
}

int import_run(struct imports *im)
{
    struct token word = *tape_peek(im->tape);
    tape_drop(im->tape);
    const struct token *next = tape_peek(im->tape);
    if (next == NULL || !token_same_line(&word, next)) {
        error_at(im->errs, word.at,
                 "Error during parsing: Wrong argument count or unexpected line ending "
                 "after 'import': expected the name of a snippet or a file");
        return 0;
    }
    struct token operand = *next;
    tape_drop(im->tape);
    return import_operand(im, &operand);
}
