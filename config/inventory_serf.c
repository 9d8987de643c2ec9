#include "config/inventory_serf.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/table.h"
#include "config/inventory_draft.h"
#include "config/json.h"

#include <stdio.h>
#include <stdlib.h>

/* A cluster that some member speaks for. */
struct spoken {
    struct inventory_draft draft;
    struct addrs failed; /* DNS addresses that members say which have failed */
    bool present, flawed;
};

struct reading {
    const struct inventory_members *from;
    struct arena arena;
    struct table clusters; /* of struct spoken */
    bool flawed;
    uint32_t line;       /* of the member in hand */
    const char *counted; /* up to here lines have been counted */
};

struct member {
    const char *name, *status;
    const cJSON *tags;
};

static int wrong(struct reading *r, const struct member *m, const char *tag,
                 const char *why)
{
    struct where at = {.file = r->from->file, .line = r->line};
    r->flawed = true;
    return error_at(r->from->errs, at, "member %.64s%s%s: %s",
                    m->name == NULL ? "without a name" : m->name,
                    tag == NULL ? "" : ", tag ", tag == NULL ? "" : tag, why);
}

/* ---- one tag ---- */

typedef int draft_word(struct arena *, struct inventory_draft *, const char *, char *);

static int read_number(const char *word, uint32_t most, uint32_t *out, char *why)
{
    char *end;
    unsigned long n = strtoul(word, &end, 10);
    if (word[0] >= '1' && word[0] <= '9' && *end == '\0' && n <= most) {
        *out = (uint32_t)n;
        return 0;
    }
    snprintf(why, INVENTORY_WRONG_MAX, "\"%.40s\": expected a number from 1 to %u",
             word, most);
    return -1;
}

static int draft_index(struct arena *a, struct inventory_draft *d, const char *word,
                       char *why)
{
    return read_number(word, UINT32_MAX, &d->index, why);
}

static int draft_port(struct arena *a, struct inventory_draft *d, const char *word,
                      char *why)
{
    return read_number(word, UINT16_MAX, &d->port, why);
}

static const struct tag {
    const char *name;
    draft_word *word;
} tags[] = {
    {"zone", draft_zone},         {"zones", draft_zone}, {"domain", draft_domain},
    {"services", draft_services}, {"pods", draft_pods},  {"dns", draft_dns},
    {"index", draft_index},       {"port", draft_port},
};

/* Words with commas or blanks between them. */
static int read_words(struct reading *r, struct inventory_draft *d, const struct tag *t,
                      const char *words, char *why)
{
    char word[NAME_TEXT_MAX];
    while (*(words += strspn(words, ", ")) != '\0') {
        size_t len = strcspn(words, ", ");
        snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : 0), words);
        if (t->word(&r->arena, d, word, why) < 0)
            return -1;
        words += len;
    }
    return 0;
}

static const char *text_at(const cJSON *object, const char *key)
{
    for (const cJSON *v = object == NULL ? NULL : object->child; v != NULL;
         v = v->next) {
        if (v->string != NULL && strcmp(v->string, key) == 0)
            return (v->type & 0xff) == cJSON_String ? v->valuestring : NULL;
    }
    return NULL;
}

static void read_tags(struct reading *r, const struct member *m, struct spoken *s)
{
    char why[INVENTORY_WRONG_MAX];
    struct addrs alive = s->draft.dns;
    bool failed = strcmp(m->status, "alive") != 0;
    if (failed)
        s->draft.dns = s->failed;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        const char *words = text_at(m->tags, tags[i].name);
        if (words == NULL || read_words(r, &s->draft, &tags[i], words, why) == 0)
            continue;
        s->flawed = true;
        wrong(r, m, tags[i].name, why);
    }
    if (!failed)
        return;
    s->failed = s->draft.dns;
    s->draft.dns = alive;
}

/* ---- one member ---- */

static bool is_named(const void *entry, const void *key)
{
    const struct spoken *s = entry;
    return text_is(s->draft.name, key);
}

static struct spoken *spoken_for(struct reading *r, const struct member *m,
                                 const char *name)
{
    char why[INVENTORY_WRONG_MAX];
    uint32_t hash = hash_text(name);
    struct spoken *s = table_get(&r->clusters, hash, is_named, name);
    if (s != NULL)
        return s;
    s = arena_alloc(&r->arena, sizeof *s);
    if (s != NULL && draft_name(&r->arena, &s->draft, name, why) < 0) {
        wrong(r, m, "cluster", why);
        return NULL;
    }
    if (s == NULL || table_put(&r->clusters, hash, s) < 0) {
        wrong(r, m, NULL, "out of memory");
        return NULL;
    }
    s->draft.at = (struct where){.file = r->from->file, .line = r->line};
    return s;
}

static void read_member(struct reading *r, const cJSON *object)
{
    struct member m = {.name = text_at(object, "name"),
                       .status = text_at(object, "status")};
    for (const cJSON *v = object->child; v != NULL; v = v->next) {
        if (v->string != NULL && strcmp(v->string, "tags") == 0)
            m.tags = v;
    }
    const char *name = text_at(m.tags, "cluster");
    if (name == NULL)
        return; /* of the same serf, but no cluster's */
    if (m.status == NULL) {
        wrong(r, &m, NULL, "required: status");
        return;
    }
    struct spoken *s = spoken_for(r, &m, name);
    if (s == NULL || strcmp(m.status, "left") == 0)
        return;
    s->present = true;
    read_tags(r, &m, s);
}

/* 0, or -1: no JSON. */
static int read_text(struct reading *r, struct text text)
{
    struct member nobody = {0};
    size_t at;
    r->line += text_lines(r->counted, text.at);
    r->counted = text.at;
    cJSON *tree = json_parse(text, &at);
    if (tree == NULL)
        return wrong(r, &nobody, NULL, at == SIZE_MAX ? TREE_MEND : "no JSON");
    if ((tree->type & 0xff) == cJSON_Object)
        read_member(r, tree);
    else
        wrong(r, &nobody, NULL, "type: expected an object");
    tree_free(tree);
    return 0;
}

/* ---- clusters ---- */

static void put(struct reading *r, struct spoken *s)
{
    char why[INVENTORY_WRONG_MAX] = "out of memory";
    const struct inventory_sink *sink = r->from->sink;
    struct member m = {.name = s->draft.name.at};
    struct inventory_record *record = NULL;
    for (uint32_t i = 0; i < s->failed.n; i++) {
        char text[ADDR_TEXT_MAX];
        const struct addr *addr = &s->failed.list[i];
        draft_dns(&r->arena, &s->draft,
                  addr->port == 0 ? addr_print_ip(addr, text) : addr_print(addr, text),
                  why);
    }
    if (s->flawed)
        return;
    if (draft_check(&s->draft, why) == 0)
        record = inventory_record_new(&s->draft);
    if (record == NULL) {
        wrong(r, &m, NULL, why);
    } else if (sink->put(sink->context, record, r->from->errs) < 0) {
        inventory_record_drop(record);
        r->flawed = true;
    }
}

static void tell(struct reading *r)
{
    const struct inventory_sink *sink = r->from->sink;
    struct spoken *s;
    for (uint32_t at = 0; (s = table_next(&r->clusters, &at)) != NULL;) {
        if (s->present)
            put(r, s);
        else if (sink->gone != NULL)
            sink->gone(sink->context, s->draft.name.at);
    }
}

enum inventory_result inventory_read_members(const struct inventory_members *m)
{
    struct reading r = {.from = m, .line = 1, .counted = m->whole.at};
    enum inventory_result result = INVENTORY_WHOLE;
    struct json_walk w = json_walk(m->members);
    arena_init(&r.arena, NULL, 0);
    while (result == INVENTORY_WHOLE && json_next(&w)) {
        if (read_text(&r, w.value) < 0)
            result = INVENTORY_BAD;
    }
    if (w.broken) {
        struct member nobody = {0};
        wrong(&r, &nobody, NULL, "/members: no array of members");
        result = INVENTORY_BAD;
    }
    if (result == INVENTORY_WHOLE)
        tell(&r);
    if (result == INVENTORY_WHOLE && r.flawed)
        result = INVENTORY_PART;
    table_release(&r.clusters);
    arena_release(&r.arena);
    return result;
}
