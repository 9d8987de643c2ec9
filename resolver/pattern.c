#include "resolver/pattern.h"

#include "base/limits.h"
#include "resolver/pattern_syntax.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

struct pattern {
    pcre2_code *code; /* in the arena the pattern lives in */
    uint32_t groups_n;
};

struct pattern_scratch {
    pcre2_match_context *budget;
    pcre2_match_data *data;
    uint32_t pairs; /* room for as many groups */
};

/* ---- compiling ---- */

/* PCRE2 keeps with the code what it was allocated by; nothing in an arena is freed. */
static void *from_arena(size_t len, void *arena)
{
    return arena_alloc(arena, len);
}

static void stays(void *unused, void *arena)
{
}

static pcre2_code *compile_in(pcre2_general_context *memory, struct text text,
                              unsigned flags, char *why)
{
    uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                       ((flags & PATTERN_CASELESS) != 0 ? PCRE2_CASELESS : 0);
    int error = 0;
    size_t at = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(memory);
    pcre2_code *code = NULL;
    if (context != NULL) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        code =
            pcre2_compile((PCRE2_SPTR)text.at, text.len, options, &error, &at, context);
    }
    if (code == NULL && error != 0)
        pcre2_get_error_message(error, (PCRE2_UCHAR *)why, PATTERN_WHY_MAX);
    else if (code == NULL)
        snprintf(why, PATTERN_WHY_MAX, "out of memory");
    return code;
}

static const struct pattern *compile(struct arena *arena, struct text text,
                                     unsigned flags, char *why)
{
    struct pattern *p = arena_alloc(arena, sizeof *p);
    pcre2_general_context *memory =
        pcre2_general_context_create(from_arena, stays, arena);
    if (p == NULL || memory == NULL) {
        snprintf(why, PATTERN_WHY_MAX, "out of memory");
        return NULL;
    }
    p->code = compile_in(memory, text, flags, why);
    if (p->code == NULL)
        return NULL;
    pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &p->groups_n);
    return p;
}

const struct pattern *pattern_new(struct arena *arena, const char *text, unsigned flags,
                                  char why[PATTERN_WHY_MAX])
{
    struct text re2 = text_of(text);
    if (re2.len > PATTERN_LEN_MAX) {
        snprintf(why, PATTERN_WHY_MAX, "regex pattern too long: %zu > %d", re2.len,
                 PATTERN_LEN_MAX);
        return NULL;
    }
    struct arena passing;
    arena_init(&passing, NULL, 0);
    struct text ours = pattern_syntax_translate(&passing, re2, why, PATTERN_WHY_MAX);
    const struct pattern *p = ours.at == NULL ? NULL : compile(arena, ours, flags, why);
    arena_release(&passing);
    return p;
}

unsigned pattern_groups_n(const struct pattern *p)
{
    return p->groups_n;
}

unsigned pattern_group_named(const struct pattern *p, const char *name)
{
    int n = pcre2_substring_number_from_name(p->code, (PCRE2_SPTR)name);
    return n > 0 ? (unsigned)n : 0;
}

/* ---- matching ---- */

static struct pattern_scratch *scratch_new(void)
{
    struct pattern_scratch *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->budget = pcre2_match_context_create(NULL);
    if (s->budget == NULL) {
        free(s);
        return NULL;
    }
    pcre2_set_match_limit(s->budget, PATTERN_STEPS_MAX);
    pcre2_set_depth_limit(s->budget, PATTERN_STEPS_MAX);
    pcre2_set_heap_limit(s->budget, PATTERN_HEAP_MAX_KB);
    return s;
}

void pattern_scratch_free(struct pattern_scratch *s)
{
    if (s == NULL)
        return;
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->budget);
    free(s);
}

/* Room for the groups of `p`; false when there is none to be had. */
static bool make_room(struct pattern_scratch **scratch, const struct pattern *p)
{
    uint32_t pairs = p->groups_n + 1;
    if (*scratch == NULL)
        *scratch = scratch_new();
    struct pattern_scratch *s = *scratch;
    if (s == NULL)
        return false;
    if (s->data != NULL && s->pairs >= pairs)
        return true;
    pcre2_match_data_free(s->data);
    s->pairs = pairs < 16 ? 16 : pairs;
    s->data = pcre2_match_data_create(s->pairs, NULL);
    return s->data != NULL;
}

enum pattern_result pattern_match(const struct pattern *p,
                                  struct pattern_scratch **scratch, struct text text,
                                  struct pattern_found *found)
{
    if (!make_room(scratch, p))
        return PATTERN_GAVE_UP;
    struct pattern_scratch *s = *scratch;
    int n =
        pcre2_match(p->code, (PCRE2_SPTR)text.at, text.len, 0, 0, s->data, s->budget);
    if (n == PCRE2_ERROR_NOMATCH)
        return PATTERN_NONE;
    if (n <= 0)
        return PATTERN_GAVE_UP;
    /* Groups behind the last that took part are unset, which pattern_group tells. */
    *found = (struct pattern_found){
        .text = text,
        .at = pcre2_get_ovector_pointer(s->data),
        .n = p->groups_n + 1,
    };
    return PATTERN_MATCH;
}

struct text pattern_group(const struct pattern_found *found, unsigned i)
{
    if (i >= found->n || found->at[2 * i] == PCRE2_UNSET)
        return (struct text){found->text.at, 0};
    size_t start = found->at[2 * i], end = found->at[2 * i + 1];
    return (struct text){found->text.at + start, end - start};
}
