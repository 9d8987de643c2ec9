#include "server/near.h"

#include "base/nearest.h"

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

struct near {
    const char *end; /* of the name, from one of its labels on */
    size_t len;
    unsigned dots;
    struct arena arena;           /* of the labels */
    const char **words, **labels; /* what may be meant, and the label of its cluster */
    uint32_t n, cap;
    bool failed;
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

/* The word itself, or a zone that begins with it. */
static const char *find_exact(const struct near *near)
{
    for (uint32_t i = 0; i < near->n; i++) {
        const char *word = near->words[i];
        bool zone = word == near->labels[i];
        if (strncasecmp(word, near->end, near->len) == 0 &&
            (word[near->len] == '\0' || (zone && word[near->len] == '.')))
            return near->labels[i];
    }
    return NULL;
}

static unsigned dots_in(const char *text)
{
    unsigned n = 0;
    for (; *text != '\0'; text++)
        n += *text == '.';
    return n;
}

/* Among those of as many labels: "c" is no slip of the pen for "b.c". */
static const char *find_slip(const struct near *near)
{
    const char *best = NULL;
    for (uint32_t i = 0; i < near->n; i++) {
        const char *both[] = {best, near->words[i]};
        if (dots_in(near->words[i]) == near->dots)
            best = nearest_word(near->end, best == NULL ? both + 1 : both,
                                best == NULL ? 1 : 2);
    }
    for (uint32_t i = 0; best != NULL && i < near->n; i++) {
        if (near->words[i] == best)
            return near->labels[i];
    }
    return NULL;
}

/* For each end of the name, the longest first. */
static const char *find_end(struct near *near, char *name,
                            const char *(*find)(const struct near *near))
{
    const char *found = NULL;
    for (char *end = name; found == NULL && end != NULL && *end != '\0';) {
        near->end = end;
        near->len = strlen(end);
        near->dots = dots_in(end);
        found = find(near);
        end = strchr(end, '.');
        end = end == NULL ? NULL : end + 1;
    }
    return found;
}

const char *cluster_near(const struct plan *plan, const char *name,
                         char label[NAME_TEXT_MAX])
{
    struct near near = {0};
    char text[NAME_TEXT_MAX];
    size_t len = strlen(name);
    const char *found = NULL;
    if (len == 0 || len >= sizeof text)
        return NULL;
    memcpy(text, name, len + 1);
    if (text[len - 1] == '.')
        text[len - 1] = '\0';
    arena_init(&near.arena, NULL, 0);
    each(plan, count, &near);
    near.words = calloc(near.cap + 1, sizeof *near.words);
    near.labels = calloc(near.cap + 1, sizeof *near.labels);
    if (near.words != NULL && near.labels != NULL) {
        each(plan, add, &near);
        found = find_end(&near, text, find_exact);
        if (found == NULL)
            found = find_end(&near, text, find_slip);
    }
    if (found != NULL)
        snprintf(label, NAME_TEXT_MAX, "%s", found);
    free(near.words);
    free(near.labels);
    arena_release(&near.arena);
    return found == NULL ? NULL : label;
}
