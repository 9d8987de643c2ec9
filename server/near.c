#include "server/near.h"

#include "base/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct cluster *cluster_of_name(const struct plan *plan, const struct name *name)
{
    struct name_key key;
    bool reverse;
    name_key_init(&key, name->wire);
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        const struct cluster_map *map = plan->blocks[i].clusters;
        const struct cluster_zone *z =
            map == NULL ? NULL : cluster_map_find(map, &key, &reverse);
        if (z != NULL)
            return cluster_of_zone(z);
    }
    return NULL;
}

#define FOUND_MAX 2 /* that are said */

struct near {
    const char *end; /* of the name, from one of its labels on */
    size_t len;
    unsigned dots;
    struct arena arena;           /* of the labels */
    const char **words, **labels; /* what may be meant, and the label of its cluster */
    uint32_t n, cap;
    const char *found[FOUND_MAX], *last; /* labels */
    uint32_t found_n;
};

static void each(const struct plan *plan,
                 void (*fn)(const struct cluster *c, void *context), struct near *near)
{
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        if (plan->blocks[i].clusters != NULL)
            cluster_map_each(plan->blocks[i].clusters, fn, near);
    }
}

static void count(const struct cluster *c, void *context)
{
    struct near *near = context;
    near->cap += 2;
}

static void add(const struct cluster *c, void *context)
{
    struct near *near = context;
    char text[NAME_TEXT_MAX];
    const char *label = arena_text(&near->arena, text_of(cluster_label(c, text)));
    if (label == NULL)
        return;
    near->words[near->n] = label;
    near->labels[near->n++] = label;
    if (inventory_name(c->record)[0] == '\0')
        return;
    near->words[near->n] = inventory_name(c->record);
    near->labels[near->n++] = label;
}

/* A cluster's words stand beside each other. */
static void note(struct near *near, const char *label)
{
    if (label == near->last)
        return;
    near->last = label;
    if (near->found_n < FOUND_MAX)
        near->found[near->found_n] = label;
    near->found_n++;
}

/* The word itself, or a zone that begins with it. */
static void find_exact(struct near *near)
{
    for (uint32_t i = 0; i < near->n; i++) {
        const char *word = near->words[i];
        bool zone = word == near->labels[i];
        if (strncasecmp(word, near->end, near->len) == 0 &&
            (word[near->len] == '\0' || (zone && word[near->len] == '.')))
            note(near, near->labels[i]);
    }
}

static unsigned dots_in(const char *text)
{
    unsigned n = 0;
    for (; *text != '\0'; text++)
        n += *text == '.';
    return n;
}

/* Of two that are as near it is the first. */
static const char *nearer(const struct near *near, const char *a, const char *b)
{
    const char *both[] = {a, b};
    return nearest_word(near->end, a == NULL ? both + 1 : both, a == NULL ? 1 : 2);
}

/* Among those of as many labels: "c" is no slip of the pen for "b.c". */
static void find_slip(struct near *near)
{
    const char *best = NULL;
    for (uint32_t i = 0; i < near->n; i++) {
        if (dots_in(near->words[i]) == near->dots)
            best = nearer(near, best, near->words[i]);
    }
    for (uint32_t i = 0; best != NULL && i < near->n; i++) {
        const char *word = near->words[i];
        if (dots_in(word) == near->dots && nearer(near, word, best) == word)
            note(near, near->labels[i]);
    }
}

/* For each end of the name, the longest first. */
static void find_end(struct near *near, char *name, void (*find)(struct near *near))
{
    for (char *end = name; near->found_n == 0 && end != NULL && *end != '\0';) {
        near->end = end;
        near->len = strlen(end);
        near->dots = dots_in(end);
        find(near);
        end = strchr(end, '.');
        end = end == NULL ? NULL : end + 1;
    }
}

static const char *print_found(const struct near *near, char text[CLUSTER_NEAR_MAX])
{
    const char *const *f = near->found;
    if (near->found_n == 0)
        return NULL;
    if (near->found_n == 1)
        snprintf(text, CLUSTER_NEAR_MAX, "%s", f[0]);
    else if (near->found_n == 2)
        snprintf(text, CLUSTER_NEAR_MAX, "%s or %s", f[0], f[1]);
    else
        snprintf(text, CLUSTER_NEAR_MAX, "%s, %s or %u more", f[0], f[1],
                 near->found_n - 2);
    return text;
}

/* `name` is without a final dot, and read label by label. */
static const char *search(const struct plan *plan, char *name,
                          char text[CLUSTER_NEAR_MAX])
{
    struct near near = {0};
    const char *found = NULL;
    arena_init(&near.arena, NULL, 0);
    each(plan, count, &near);
    near.words = calloc(near.cap + 1, sizeof *near.words);
    near.labels = calloc(near.cap + 1, sizeof *near.labels);
    if (near.words != NULL && near.labels != NULL) {
        each(plan, add, &near);
        find_end(&near, name, find_exact);
        find_end(&near, name, find_slip);
        found = print_found(&near, text);
    }
    free(near.words);
    free(near.labels);
    arena_release(&near.arena);
    return found;
}

const char *cluster_near(const struct plan *plan, const char *name,
                         char text[CLUSTER_NEAR_MAX])
{
    char copy[NAME_TEXT_MAX];
    size_t len = strlen(name);
    if (len == 0 || len >= sizeof copy)
        return NULL;
    memcpy(copy, name, len + 1);
    if (copy[len - 1] == '.')
        copy[len - 1] = '\0';
    return search(plan, copy, text);
}
