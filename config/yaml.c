#include "config/yaml.h"

#include "base/library.h"
#include "base/limits.h"
#include "base/sheet.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

/* ---- the library ---- */

#define CALLS(CALL)                                                                    \
    CALL(yaml_parser_initialize)                                                       \
    CALL(yaml_parser_set_input_string)                                                 \
    CALL(yaml_parser_parse)                                                            \
    CALL(yaml_parser_delete)                                                           \
    CALL(yaml_event_delete)

static struct {
    pthread_once_t once;
    bool ready;
    CALLS(LIBRARY_FIELD)
} library = {.once = PTHREAD_ONCE_INIT};

static void load(void)
{
#define CALL(name) {#name, offsetof(__typeof__(library), name)},
    static const struct library_call calls[] = {CALLS(CALL)};
#undef CALL
    library.ready = library_open("libyaml-0.so.2", calls, sizeof calls / sizeof *calls,
                                 &library) != NULL;
}

/* ---- as JSON: the tree is made by who makes all trees ---- */

struct level {
    bool map;
    size_t n; /* values begun; of a map keys count, too */
};

struct reading {
    const char *file;
    struct errors *errs;
    struct sheet json;
    struct level levels[YAML_DEPTH_MAX];
    unsigned depth;
    bool failed;
};

static void fail(struct reading *r, const yaml_event_t *event, const char *why)
{
    if (!r->failed)
        error_at(r->errs,
                 (struct where){.file = r->file,
                                .line = (uint32_t)event->start_mark.line + 1},
                 "%s", why);
    r->failed = true;
}

static void add(struct reading *r, const char *text, size_t len)
{
    sheet_put(&r->json, text, len);
    if (r->json.failed && !r->failed)
        error_at(r->errs, (struct where){.file = r->file}, "out of memory");
    r->failed = r->failed || r->json.failed;
}

static void add_text(struct reading *r, struct text text)
{
    char code[8];
    add(r, "\"", 1);
    for (size_t i = 0; i < text.len && !r->failed; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool plain = c >= ' ' && c != '"' && c != '\\';
        int len = plain ? 1 : snprintf(code, sizeof code, "\\u%04x", c);
        add(r, plain ? &text.at[i] : code, (size_t)len);
    }
    add(r, "\"", 1);
}

/* What stands in front of every value and key. */
static void separate(struct reading *r, const yaml_event_t *event)
{
    if (r->depth == 0)
        return;
    struct level *l = &r->levels[r->depth - 1];
    bool key = l->map && l->n % 2 == 0;
    if (key && event->type != YAML_SCALAR_EVENT)
        fail(r, event, "a key that is no text");
    if (l->n > 0)
        add(r, l->map && !key ? ":" : ",", 1);
    l->n++;
}

static bool is_key(const struct reading *r)
{
    return r->depth > 0 && r->levels[r->depth - 1].map &&
           r->levels[r->depth - 1].n % 2 == 1;
}

static void add_scalar(struct reading *r, const yaml_event_t *event)
{
    struct text t = {.at = (const char *)event->data.scalar.value,
                     .len = event->data.scalar.length};
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
        fail(r, event, "anchors (&) and tags (!) are not read");
    if (memchr(t.at, '\0', t.len) != NULL)
        fail(r, event, "a text with \\0 in it");
    if (is_key(r) || !plain)
        add_text(r, t);
    else if (t.len == 0 || text_is(t, "~") || text_is(t, "null"))
        add(r, "null", 4);
    else if (text_is(t, "true") || text_is(t, "false"))
        add(r, t.at, t.len);
    else
        add_text(r, t);
}

static void open_level(struct reading *r, const yaml_event_t *event, bool map)
{
    const yaml_char_t *anchor =
        map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    if (anchor != NULL)
        fail(r, event, "anchors (&) and tags (!) are not read");
    if (r->depth == YAML_DEPTH_MAX) {
        fail(r, event, "nested too deep");
        return;
    }
    r->levels[r->depth++] = (struct level){.map = map};
    add(r, map ? "{" : "[", 1);
}

static void close_level(struct reading *r, bool map)
{
    add(r, map ? "}" : "]", 1);
    r->depth--;
}

static void take(struct reading *r, const yaml_event_t *event)
{
    yaml_event_type_t type = event->type;
    if (type == YAML_ALIAS_EVENT)
        fail(r, event, "aliases (*) are not read");
    if (type == YAML_DOCUMENT_START_EVENT && r->json.len > 0)
        fail(r, event, "a second document: expected one");
    if (type == YAML_SCALAR_EVENT || type == YAML_MAPPING_START_EVENT ||
        type == YAML_SEQUENCE_START_EVENT)
        separate(r, event);
    if (r->failed)
        return;
    if (type == YAML_SCALAR_EVENT)
        add_scalar(r, event);
    else if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
        open_level(r, event, type == YAML_MAPPING_START_EVENT);
    else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
        close_level(r, type == YAML_MAPPING_END_EVENT);
}

static void read_events(struct reading *r, yaml_parser_t *parser)
{
    yaml_event_t event;
    bool ended = false;
    while (!ended && !r->failed) {
        if (library.yaml_parser_parse(parser, &event) == 0) {
            error_at(r->errs,
                     (struct where){.file = r->file,
                                    .line = (uint32_t)parser->problem_mark.line + 1},
                     "no YAML: %s",
                     parser->problem == NULL ? "out of memory" : parser->problem);
            r->failed = true;
            return;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        take(r, &event);
        library.yaml_event_delete(&event);
    }
}

static cJSON *tree_of(struct reading *r)
{
    cJSON *tree = NULL;
    if (!r->failed && r->json.len > 0)
        tree = tree_parse(r->json.text, r->json.len);
    if (tree == NULL && !r->failed)
        error_at(r->errs, (struct where){.file = r->file, .line = 1}, "%s",
                 r->json.len == 0 ? "empty: expected YAML"
                 : tree_ready()   ? "a text that is no UTF-8, or no memory"
                                  : TREE_MEND);
    return tree;
}

cJSON *yaml_parse(const char *file, struct text text, struct errors *errs)
{
    struct reading r = {.file = file, .errs = errs};
    yaml_parser_t parser;
    pthread_once(&library.once, load);
    if (!library.ready || library.yaml_parser_initialize(&parser) == 0) {
        error_at(errs, (struct where){.file = file}, "%s",
                 library.ready ? "out of memory" : YAML_MEND);
        return NULL;
    }
    library.yaml_parser_set_input_string(&parser, (const unsigned char *)text.at,
                                         text.len);
    read_events(&r, &parser);
    library.yaml_parser_delete(&parser);
    cJSON *tree = tree_of(&r);
    if (r.json.text != NULL)
        explicit_bzero(r.json.text, r.json.len); /* keys and tokens, perhaps */
    sheet_release(&r.json);
    return tree;
}
