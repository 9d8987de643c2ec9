#include "resolver/plugins/rewrite/rewrite_match.h"

#include <stdio.h>

const char *const rewrite_mode_words[] = {"exact",     "prefix", "suffix",
                                          "substring", "regex",  NULL};

/* ---- reading the words ---- */

/* Whether the last dot closes a name: an even number of backslashes stands before it.
 */
static bool ends_in_dot(const char *text, size_t len)
{
    if (len == 0 || text[len - 1] != '.')
        return false;
    size_t slashes = 0;
    while (slashes < len - 1 && text[len - 2 - slashes] == '\\')
        slashes++;
    return slashes % 2 == 0;
}

char *rewrite_normalize(const char *word, bool dotted, struct arena *a)
{
    size_t len = strlen(word);
    bool add = dotted && !ends_in_dot(word, len);
    char *out = arena_printf(a, "%s%s", word, add ? "." : "");
    if (out != NULL)
        name_lower((uint8_t *)out, (const uint8_t *)out, len);
    return out;
}

/* Splits a text behind its first label. 0, or -1: it is no end of a name. */
static int suffix_parse(struct rewrite_suffix *out, const char *text)
{
    struct name whole;
    struct text rest = text_of(text);
    if (rest.len == 0)
        return -1;
    if (rest.at[0] == '.') {
        out->head_len = 0;
        return name_parse(&out->rest, rest.len == 1 ? rest : text_from(rest, 1));
    }
    if (name_parse(&whole, rest) < 0)
        return -1;
    out->head_len = whole.wire[0];
    memcpy(out->head, whole.wire + 1, out->head_len);
    out->rest.len = (uint8_t)(whole.len - out->head_len - 1);
    memcpy(out->rest.wire, whole.wire + out->head_len + 1, out->rest.len);
    return 0;
}

static int init_regex(struct rewrite_match *m, struct rewrite_words *words,
                      struct arena *a)
{
    unsigned flags = words->caseless ? PATTERN_CASELESS : 0;
    m->regex.pattern = pattern_new(a, words->from, flags, words->why);
    if (m->regex.pattern == NULL)
        return -1;
    words->why[0] = '\0';
    if (words->to == NULL)
        return 0;
    m->regex.text = rewrite_normalize(words->to, words->dotted, a);
    return m->regex.text == NULL ? -1 : 0;
}

int rewrite_match_init(struct rewrite_match *m, enum rewrite_mode mode,
                       struct rewrite_words *words, struct arena *a)
{
    m->mode = mode;
    words->why[0] = '\0';
    if (mode == REWRITE_REGEX)
        return init_regex(m, words, a);
    bool dotted = words->dotted || mode == REWRITE_EXACT;
    const char *from = rewrite_normalize(words->from, dotted, a);
    const char *to = rewrite_normalize(words->to == NULL ? "" : words->to, dotted, a);
    if (from == NULL || to == NULL)
        return -1;
    m->from_text = from;
    m->to_text = to;
    if (mode == REWRITE_EXACT) {
        m->never = name_parse(&m->from, text_of(from)) < 0;
        m->illegal = name_parse(&m->to, text_of(to)) < 0;
    } else if (mode == REWRITE_SUFFIX) {
        m->never =
            !ends_in_dot(from, strlen(from)) || suffix_parse(&m->from_end, from) < 0;
        m->illegal = suffix_parse(&m->to_end, to) < 0;
    }
    return 0;
}

bool rewrite_is_dotted(const struct rewrite_match *m)
{
    return m->mode == REWRITE_SUFFIX && !m->never && !m->illegal &&
           m->from_end.head_len == 0 && m->to_end.head_len == 0;
}

void rewrite_subject_init(struct rewrite_subject *s, const uint8_t *name,
                          struct pattern_scratch **scratch)
{
    s->name = name;
    s->scratch = scratch;
    s->len = 0;
}

static struct text text_of_subject(struct rewrite_subject *s)
{
    if (s->len == 0)
        s->len = name_print(s->name, s->text);
    return (struct text){s->text, s->len};
}

/* ---- suffixes, in wire form ---- */

static bool octets_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint8_t left[NAME_LABEL_MAX], right[NAME_LABEL_MAX];
    name_lower(left, a, len);
    name_lower(right, b, len);
    return memcmp(left, right, len) == 0;
}

/* Whether `name` ends in the suffix; *at is then the label that its head ends. */
static bool suffix_find(const struct rewrite_suffix *suffix, const uint8_t *name,
                        const uint8_t **at)
{
    size_t len = name_len(name);
    if (len <= suffix->rest.len)
        return false;
    const uint8_t *end = name + (len - suffix->rest.len), *label = name;
    while (label + label[0] + 1 < end)
        label += label[0] + 1;
    if (label + label[0] + 1 != end || label[0] < suffix->head_len ||
        !name_equal(end, suffix->rest.wire))
        return false;
    *at = label;
    return octets_equal(end - suffix->head_len, suffix->head, suffix->head_len);
}

enum rewrite_result rewrite_suffix_change(const struct rewrite_suffix *from,
                                          const struct rewrite_suffix *to, bool apex,
                                          const uint8_t *name, struct name *out)
{
    const uint8_t *label = name;
    if (apex && name_equal(name, from->rest.wire)) {
        *out = to->rest;
        return REWRITE_YES;
    }
    if (!suffix_find(from, name, &label))
        return REWRITE_NO;
    size_t before = (size_t)(label - name), kept = (size_t)label[0] - from->head_len;
    size_t label_len = kept + to->head_len;
    size_t len = before + 1 + label_len + to->rest.len;
    if (label_len == 0 || label_len > NAME_LABEL_MAX || len > NAME_WIRE_MAX)
        return REWRITE_LONG;
    memcpy(out->wire, name, before + 1 + kept);
    out->wire[before] = (uint8_t)label_len;
    uint8_t *end = out->wire + before + 1 + kept;
    memcpy(end, to->head, to->head_len);
    memcpy(end + to->head_len, to->rest.wire, to->rest.len);
    out->len = (uint8_t)len;
    return REWRITE_YES;
}

/* ---- the other modes, in text ---- */

/* A name in the making. Longer than any name by as much as placeholders may take. */
#define DRAFT_MAX 2048

struct draft {
    size_t len;
    bool over; /* it did not fit: no legal name would be that long */
    char text[DRAFT_MAX];
};

static void draft_add(struct draft *d, struct text text)
{
    if (text.len > DRAFT_MAX - d->len) {
        d->over = true;
        return;
    }
    memcpy(d->text + d->len, text.at, text.len);
    d->len += text.len;
}

static bool text_holds(struct text text, struct text part)
{
    return part.len == 0 || memmem(text.at, text.len, part.at, part.len) != NULL;
}

/* Adds `text` with every `part` of it, from left to right, become `by`. */
static void draft_replace(struct draft *d, struct text text, struct text part,
                          struct text by)
{
    while (part.len > 0 && text_holds(text, part)) {
        const char *at = memmem(text.at, text.len, part.at, part.len);
        size_t before = (size_t)(at - text.at);
        draft_add(d, (struct text){text.at, before});
        draft_add(d, by);
        text = text_from(text, before + part.len);
    }
    draft_add(d, text);
}

static enum rewrite_result draft_name(const struct draft *d, struct name *out)
{
    bool legal = !d->over && name_parse(out, (struct text){d->text, d->len}) == 0;
    return legal ? REWRITE_YES : REWRITE_LONG;
}

/* CoreDNS replaces {0}, then {1} in what that gave, and so on: a group that holds "{2}"
 * is replaced again. */
static void draft_expand(struct draft *d, const char *text,
                         const struct pattern_found *found)
{
    struct draft next;
    draft_add(d, text_of(text));
    for (unsigned i = 0; i < found->n && !d->over; i++) {
        char placeholder[16];
        snprintf(placeholder, sizeof placeholder, "{%u}", i);
        struct text now = {d->text, d->len};
        if (!text_holds(now, text_of(placeholder)))
            continue;
        next.len = 0;
        next.over = false;
        draft_replace(&next, now, text_of(placeholder), pattern_group(found, i));
        d->over = next.over;
        d->len = next.len;
        memcpy(d->text, next.text, next.len);
    }
}

static enum rewrite_result regex_find(const struct rewrite_regex *r,
                                      struct rewrite_subject *s,
                                      struct pattern_found *found)
{
    switch (pattern_match(r->pattern, s->scratch, text_of_subject(s), found)) {
    case PATTERN_MATCH:
        return REWRITE_YES;
    case PATTERN_NONE:
        return REWRITE_NO;
    case PATTERN_GAVE_UP:
        break;
    }
    return REWRITE_OVER;
}

enum rewrite_result rewrite_regex_change(const struct rewrite_regex *r,
                                         struct rewrite_subject *s, struct name *out)
{
    struct pattern_found found;
    struct draft d;
    enum rewrite_result result = regex_find(r, s, &found);
    if (result != REWRITE_YES)
        return result;
    d.len = 0;
    d.over = false;
    draft_expand(&d, r->text, &found);
    return draft_name(&d, out);
}

static enum rewrite_result change_text(const struct rewrite_match *m,
                                       struct rewrite_subject *s, struct name *out)
{
    struct draft d;
    struct text text = text_of_subject(s), from = text_of(m->from_text);
    d.len = 0;
    d.over = false;
    if (m->mode == REWRITE_SUBSTRING) {
        draft_replace(&d, text, from, text_of(m->to_text));
    } else {
        draft_add(&d, text_of(m->to_text));
        draft_add(&d, text_from(text, from.len));
    }
    return draft_name(&d, out);
}

/* ---- the whole ---- */

static enum rewrite_result yes_if(bool yes)
{
    return yes ? REWRITE_YES : REWRITE_NO;
}

enum rewrite_result rewrite_match_test(const struct rewrite_match *m,
                                       struct rewrite_subject *s)
{
    const uint8_t *label;
    struct pattern_found found;
    if (m->never)
        return REWRITE_NO;
    switch (m->mode) {
    case REWRITE_EXACT:
        return yes_if(name_equal(s->name, m->from.wire));
    case REWRITE_PREFIX:
        return yes_if(text_starts(text_of_subject(s), text_of(m->from_text)));
    case REWRITE_SUFFIX:
        return yes_if(suffix_find(&m->from_end, s->name, &label));
    case REWRITE_SUBSTRING:
        return yes_if(text_holds(text_of_subject(s), text_of(m->from_text)));
    case REWRITE_REGEX:
        return regex_find(&m->regex, s, &found);
    }
    return REWRITE_NO;
}

enum rewrite_result rewrite_match_change(const struct rewrite_match *m,
                                         struct rewrite_subject *s, struct name *out)
{
    if (m->mode == REWRITE_REGEX)
        return rewrite_regex_change(&m->regex, s, out);
    enum rewrite_result result = rewrite_match_test(m, s);
    if (result != REWRITE_YES)
        return result;
    if (m->illegal)
        return REWRITE_LONG;
    if (m->mode == REWRITE_SUFFIX)
        return rewrite_suffix_change(&m->from_end, &m->to_end, false, s->name, out);
    if (m->mode == REWRITE_EXACT)
        *out = m->to;
    else
        return change_text(m, s, out);
    return REWRITE_YES;
}
