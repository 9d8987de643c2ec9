#include "config/inventory_json.h"

#include "base/hash.h"
#include "base/limits.h"
#include "config/inventory_draft.h"
#include "config/inventory_serf.h"
#include "config/json.h"

#include <stdio.h>

/* One text while it is read. */
struct reading {
    const char *file;
    struct text text;
    const struct inventory_sink *sink;
    struct errors *errs;
    struct arena arena;  /* of the record in hand */
    const char *counted; /* up to here lines have been counted */
    uint32_t line;
    bool flawed;

    /* the record in hand */
    struct text object;
    char pointer[48]; /* its JSON Pointer: "/clusters/12"; "" for the whole text */
    struct inventory_draft draft;
};

/* ---- errors ---- */

/* Of a place behind the last that was asked for. */
static uint32_t line_at(struct reading *r, const char *at)
{
    r->line += text_lines(r->counted, at);
    r->counted = at;
    return r->line;
}

struct value_at {
    const char *key;  /* NULL: the record itself */
    int index;        /* < 0: not in a list */
    const char *text; /* as found; NULL: not shown */
};

/* Notes what is wrong with the record in hand. -1. Where that is is looked for only
 * while it is told. */
static int wrong(struct reading *r, const struct value_at *v, const char *why)
{
    char pointer[32] = "";
    struct where at = {.file = r->file, .line = r->draft.at.line};
    if (v->key != NULL && r->errs->n < ERRORS_MAX) {
        size_t offset = json_offset(r->object, v->key, v->index);
        at.line += text_lines(r->object.at, r->object.at + offset);
        if (v->index >= 0)
            snprintf(pointer, sizeof pointer, "/%.16s/%d", v->key, v->index);
        else
            snprintf(pointer, sizeof pointer, "/%.24s", v->key);
    }
    r->flawed = true;
    if (v->text == NULL)
        return error_at(r->errs, at, "%s%s: %s", r->pointer, pointer, why);
    return error_at(r->errs, at, "%s%s: \"%.80s\": %s", r->pointer, pointer, v->text,
                    why);
}

static enum inventory_result bad(struct reading *r, size_t offset, const char *why)
{
    if (offset > r->text.len)
        offset = r->text.len;
    struct where at = {.file = r->file,
                       .line = 1 + text_lines(r->text.at, r->text.at + offset)};
    error_at(r->errs, at, "%s", why);
    return INVENTORY_BAD;
}

/* ---- the keys of a cluster ---- */

typedef int draft_word(struct arena *, struct inventory_draft *, const char *, char *);

enum key_kind { KEY_TEXT, KEY_LIST, KEY_NUMBER, KEY_PART };

struct member_key {
    const char *name;
    enum key_kind kind;
    draft_word *word;
    size_t offset; /* of a number in the draft */
    double max;
};

#define NUMBER(field, most)                                                            \
    .kind = KEY_NUMBER, .offset = offsetof(struct inventory_draft, field), .max = (most)

static const struct member_key keys[] = {
    {.name = "name", .kind = KEY_TEXT, .word = draft_name},
    {.name = "zone", .kind = KEY_TEXT, .word = draft_zone},
    {.name = "zones", .kind = KEY_LIST, .word = draft_zone},
    {.name = "domain", .kind = KEY_TEXT, .word = draft_domain},
    {.name = "services", .kind = KEY_LIST, .word = draft_services},
    {.name = "pods", .kind = KEY_LIST, .word = draft_pods},
    {.name = "dns", .kind = KEY_LIST, .word = draft_dns},
    {.name = "index", NUMBER(index, UINT32_MAX)},
    {.name = "port", NUMBER(port, UINT16_MAX)},
};

/* Besides those, in a last known map. */
static const struct member_key kept_keys[] = {
    {.name = "since", NUMBER(since_s, UINT32_MAX)},
    {.name = "part", .kind = KEY_PART},
};

static int read_text(struct reading *r, const struct member_key *k, const cJSON *value,
                     int index)
{
    char why[INVENTORY_WRONG_MAX];
    struct value_at at = {.key = k->name, .index = index};
    if ((value->type & 0xff) != cJSON_String)
        return wrong(r, &at, "type: expected a string");
    at.text = value->valuestring;
    return k->word(&r->arena, &r->draft, at.text, why) == 0 ? 0 : wrong(r, &at, why);
}

static int read_list(struct reading *r, const struct member_key *k, const cJSON *value)
{
    struct value_at at = {.key = k->name, .index = -1};
    int rc = 0, index = 0;
    if ((value->type & 0xff) != cJSON_Array)
        return wrong(r, &at, "type: expected an array of strings");
    for (const cJSON *v = value->child; v != NULL; v = v->next)
        rc = read_text(r, k, v, index++) < 0 ? -1 : rc;
    return rc;
}

static int read_number(struct reading *r, const struct member_key *k,
                       const cJSON *value)
{
    char why[INVENTORY_WRONG_MAX];
    struct value_at at = {.key = k->name, .index = -1};
    double n = value->valuedouble;
    bool number = (value->type & 0xff) == cJSON_Number;
    if (number && n >= 1 && n <= k->max) {
        uint32_t whole = (uint32_t)n;
        memcpy((char *)&r->draft + k->offset, &whole, sizeof whole);
        if (n - whole <= 0)
            return 0;
    }
    snprintf(why, sizeof why, "%s: expected an integer from 1 to %.0f",
             number ? "minimum or maximum" : "type", k->max);
    return wrong(r, &at, why);
}

static int read_part(struct reading *r, const struct member_key *k, const cJSON *value)
{
    struct value_at at = {.key = k->name, .index = -1};
    if ((value->type & 0xff) != cJSON_String)
        return wrong(r, &at, "type: expected a string");
    r->draft.at.file = r->sink->part(r->sink->context, value->valuestring);
    return 0;
}

static int read_value(struct reading *r, const struct member_key *k, const cJSON *value)
{
    switch (k->kind) {
    case KEY_TEXT:
        return read_text(r, k, value, -1);
    case KEY_LIST:
        return read_list(r, k, value);
    case KEY_NUMBER:
        return read_number(r, k, value);
    case KEY_PART:
        break;
    }
    return read_part(r, k, value);
}

static const struct member_key *key_in(const struct member_key *list, size_t n,
                                       const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    }
    return NULL;
}

static const struct member_key *key_find(const struct reading *r, const char *name)
{
    const struct member_key *k = key_in(keys, sizeof keys / sizeof *keys, name);
    if (k != NULL || r->sink->part == NULL)
        return k;
    return key_in(kept_keys, sizeof kept_keys / sizeof *kept_keys, name);
}

static int read_unknown(struct reading *r, const cJSON *value)
{
    struct value_at at = {.key = value->string, .index = -1};
    if (strcmp(value->string, "$schema") == 0)
        return 0;
    return wrong(r, &at,
                 "additionalProperties: unknown key, expected name, zone, "
                 "zones, domain, services, pods, dns, index or port");
}

#define KEYS_N (sizeof keys / sizeof *keys + sizeof kept_keys / sizeof *kept_keys)

/* The keys of one object that were read. */
struct seen_keys {
    const struct member_key *list[KEYS_N];
    size_t n;
};

/* Whether it is there for the second time. */
static bool is_again(struct seen_keys *seen, const struct member_key *k)
{
    for (size_t i = 0; i < seen->n; i++) {
        if (seen->list[i] == k)
            return true;
    }
    seen->list[seen->n++] = k;
    return false;
}

static int read_key(struct reading *r, const cJSON *value, struct seen_keys *seen)
{
    const struct member_key *k = key_find(r, value->string);
    struct value_at at = {.key = value->string, .index = -1};
    if (k == NULL)
        return read_unknown(r, value);
    if (is_again(seen, k))
        return wrong(r, &at, "the key stands twice");
    return read_value(r, k, value);
}

/* All keys, so that all that is wrong comes out. */
static int read_keys(struct reading *r, const cJSON *object)
{
    struct seen_keys seen = {.n = 0};
    int rc = 0;
    for (const cJSON *v = object->child; v != NULL; v = v->next)
        rc = read_key(r, v, &seen) < 0 ? -1 : rc;
    return rc;
}

/* ---- clusters ---- */

static int put(struct reading *r)
{
    char why[INVENTORY_WRONG_MAX];
    struct value_at whole = {.index = -1, .text = r->draft.name.at};
    if (draft_check(&r->draft, why) < 0)
        return wrong(r, &whole, why);
    struct inventory_record *record = inventory_record_new(&r->draft);
    if (record == NULL)
        return wrong(r, &whole, "out of memory");
    if (r->sink->put(r->sink->context, record, r->errs) == 0)
        return 0;
    inventory_record_drop(record);
    r->flawed = true;
    return -1;
}

static int read_tree(struct reading *r)
{
    size_t at;
    struct value_at whole = {.index = -1};
    cJSON *tree = json_parse(r->object, &at);
    if (tree == NULL && at == SIZE_MAX) {
        wrong(r, &whole, TREE_MEND);
        return -1;
    }
    if (tree == NULL) {
        bad(r, (size_t)(r->object.at - r->text.at) + at, "no JSON from here on");
        return -1;
    }
    if ((tree->type & 0xff) != cJSON_Object)
        wrong(r, &whole, "type: expected an object, a cluster");
    else if (read_keys(r, tree) == 0)
        put(r);
    tree_free(tree);
    return 0;
}

/* 0, or -1: the text is no JSON. */
static int read_cluster(struct reading *r, struct text object)
{
    uint64_t digest = hash_bytes(object.at, object.len);
    struct value_at whole = {.index = -1};
    arena_reset(&r->arena);
    r->object = object;
    r->draft = (struct inventory_draft){
        .at = {.file = r->file, .line = line_at(r, object.at)}, .digest = digest};
    if (object.len > INVENTORY_RECORD_MAX) {
        wrong(r, &whole, "more than 64 KiB for one cluster");
        return 0;
    }
    if (memmem(object.at, object.len, "\\u0000", 6) != NULL) {
        wrong(r, &whole, "pattern: no text may hold \\u0000");
        return 0;
    }
    if (r->sink->known != NULL && r->sink->known(r->sink->context, digest))
        return 0;
    return read_tree(r);
}

static enum inventory_result read_list_of(struct reading *r, struct text list,
                                          const char *pointer)
{
    uint32_t i = 0;
    struct json_walk w = json_walk(list);
    while (json_next(&w)) {
        snprintf(r->pointer, sizeof r->pointer, "%s/%u", pointer, i++);
        if (read_cluster(r, w.value) < 0)
            return INVENTORY_BAD;
    }
    if (w.broken)
        return bad(r, (size_t)(list.at - r->text.at) + w.at,
                   "no JSON from here on, or the text ends too early");
    return r->flawed ? INVENTORY_PART : INVENTORY_WHOLE;
}

/* ---- what kind of text it is ---- */

struct shape {
    struct text clusters, members;
    bool other; /* keys besides those and $schema */
};

static bool find_shape(struct text text, struct shape *s, size_t *wrong_at)
{
    struct json_walk w = json_walk(text);
    *s = (struct shape){0};
    while (json_next(&w)) {
        if (text_is(w.key, "clusters"))
            s->clusters = w.value;
        else if (text_is(w.key, "members"))
            s->members = w.value;
        else if (!text_is(w.key, "$schema"))
            s->other = true;
    }
    *wrong_at = w.at;
    return !w.broken;
}

static enum inventory_result read_object(struct reading *r)
{
    struct shape s;
    size_t at;
    size_t start = (size_t)(json_trim(r->text).at - r->text.at);
    if (!find_shape(r->text, &s, &at))
        return bad(r, start + at,
                   "no JSON from here on, nested too deep, or the text ends too early");
    if (s.members.at != NULL && s.clusters.at == NULL) {
        struct inventory_members m = {.file = r->file,
                                      .whole = r->text,
                                      .members = s.members,
                                      .sink = r->sink,
                                      .errs = r->errs};
        return inventory_read_members(&m);
    }
    if (s.clusters.at != NULL && s.other)
        return bad(r, start, "additionalProperties: beside `clusters` only `$schema`");
    if (s.clusters.at != NULL && s.clusters.at[0] != '[')
        return bad(r, (size_t)(s.clusters.at - r->text.at),
                   "/clusters: type: expected an array of clusters");
    if (s.clusters.at != NULL)
        return read_list_of(r, s.clusters, "/clusters");
    if (read_cluster(r, json_trim(r->text)) < 0)
        return INVENTORY_BAD;
    return r->flawed ? INVENTORY_PART : INVENTORY_WHOLE;
}

enum inventory_result inventory_read_json(const char *file, struct text text,
                                          const struct inventory_sink *sink,
                                          struct errors *errs)
{
    struct reading r = {.file = file,
                        .text = text,
                        .sink = sink,
                        .errs = errs,
                        .counted = text.at,
                        .line = 1};
    struct text whole = json_trim(text);
    uint8_t room[4096];
    enum inventory_result result;
    arena_init(&r.arena, room, sizeof room);
    if (whole.len > 0 && whole.at[0] == '[')
        result = read_list_of(&r, whole, "");
    else if (whole.len > 0 && whole.at[0] == '{')
        result = read_object(&r);
    else
        result = bad(&r, 0,
                     whole.len == 0 ? "empty: expected a JSON object or array"
                                    : "type: expected an object or an array");
    arena_release(&r.arena);
    return result;
}
