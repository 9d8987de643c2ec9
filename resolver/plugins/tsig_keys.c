#include "resolver/plugins/tsig_keys.h"

#include "config/source.h"

const struct tsig_key *tsig_keys_find(const struct tsig_keys *k,
                                      const struct name *name)
{
    struct name_key key;
    unsigned label = 0;
    name_key_init(&key, name->wire);
    const struct tsig_key *found = zonetab_find(&k->names, &key, 0, &label);
    return label == 0 ? found : NULL;
}

/* What is wrong, or NULL. */
static const char *add(struct tsig_keys *k, struct arena *a, struct text name,
                       struct text secret)
{
    struct name *lower = arena_alloc(a, sizeof *lower);
    struct tsig_key *key = arena_alloc(a, sizeof *key);
    uint8_t *octets = arena_alloc(a, secret.len);
    struct name spelt;
    if (lower == NULL || key == NULL || octets == NULL)
        return "out of memory";
    if (name_parse(&spelt, name) < 0)
        return "its name is no domain name";
    lower->len = spelt.len;
    name_lower(lower->wire, spelt.wire, spelt.len);
    int len = tsig_secret(secret, octets);
    if (len < 0)
        return "its secret is no base64";
    *key = (struct tsig_key){lower->wire, {octets, (size_t)len}};
    int added = zonetab_add(&k->names, a, lower->wire, key, NULL);
    return added < 0 ? "out of memory" : added > 0 ? "it is defined twice" : NULL;
}

int tsig_keys_add(struct tsig_keys *k, struct reader *rd, struct text name,
                  struct text secret)
{
    const char *flaw = add(k, rd->arena, name, secret);
    return flaw == NULL
               ? 0
               : reader_error(rd, "key '%.*s': %s", (int)name.len, name.at, flaw);
}

/* ---- files ---- */

struct key_file {
    const char *path;
    struct text left;
    uint32_t line;
    struct reader *rd;
};

static void skip_blanks(struct key_file *f)
{
    while (f->left.len > 0) {
        size_t n = strspn(f->left.at, " \t\r\n");
        const char *at = f->left.at + n;
        bool comment = *at == '#' || (at[0] == '/' && at[1] == '/');
        if (comment)
            n += strcspn(at, "\n");
        else if (at[0] == '/' && at[1] == '*')
            n += strstr(at + 2, "*/") == NULL ? strlen(at)
                                              : (size_t)(strstr(at + 2, "*/") + 2 - at);
        if (n == 0)
            return;
        f->line += text_lines(f->left.at, f->left.at + n);
        f->left = text_from(f->left, n);
    }
}

/* The next word, quoted or not, or one of { } ; by itself. Empty at the end. */
static struct text next_word(struct key_file *f)
{
    skip_blanks(f);
    struct text word = f->left;
    bool quoted = word.len > 0 && *word.at == '"';
    if (quoted)
        word = text_from(word, 1);
    size_t len = strcspn(word.at, quoted ? "\"\n" : " \t\r\n{};\"");
    if (!quoted && len == 0 && word.len > 0)
        len = 1;
    word.len = len;
    size_t taken = len + (quoted ? 1u + (word.at[len] == '"') : 0u);
    f->left = text_from(f->left, taken > f->left.len ? f->left.len : taken);
    return word;
}

static int flaw(struct key_file *f, const char *what, struct text found)
{
    struct where at = {f->path, f->line};
    return error_at(f->rd->errs, at, "plugin/tsig: %s, found '%.*s'", what,
                    found.len > 80 ? 80 : (int)found.len, found.at);
}

static int expect(struct key_file *f, const char *word)
{
    struct text found = next_word(f);
    return text_is(found, word) ? 0 : flaw(f, word, found);
}

/* Behind `key`. */
static int read_key(struct key_file *f, struct tsig_keys *k)
{
    struct text name = next_word(f), secret = {"", 0}, word;
    if (expect(f, "{") < 0)
        return -1;
    while (!text_is(word = next_word(f), "}")) {
        struct text value = next_word(f);
        if (text_is(word, "secret"))
            secret = value;
        else if (!text_is(word, "algorithm"))
            return flaw(f, "expected algorithm, secret or }", word);
        if (expect(f, ";") < 0)
            return -1;
    }
    const char *why = add(k, f->rd->arena, name, secret);
    return why == NULL ? 0 : flaw(f, why, name);
}

int tsig_keys_read(struct tsig_keys *k, struct reader *rd, const char *path)
{
    struct key_file f = {.path = path, .line = 1, .rd = rd};
    if (source_read(rd->arena, path, reader_token(rd)->at, &f.left, rd->errs) < 0)
        return -1;
    if (memchr(f.left.at, '\0', f.left.len) != NULL)
        return flaw(&f, "expected text", (struct text){"a NUL octet", 11});
    for (struct text word; (word = next_word(&f)).len > 0;) {
        if (text_is(word, ";"))
            continue;
        if (!text_is(word, "key"))
            return flaw(&f, "expected key", word);
        if (read_key(&f, k) < 0)
            return -1;
    }
    return 0;
}
