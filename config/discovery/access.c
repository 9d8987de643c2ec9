#include "config/discovery/access.h"

#include "config/source.h"

#include <stdio.h>
#include <stdlib.h>

/* Every text of it. */
#define TEXTS 6

static const char **text_at(struct discovery_access *a, unsigned i)
{
    const char **all[TEXTS] = {&a->ca_file,    &a->cert_file, &a->key_file,
                               &a->token_file, &a->user,      &a->password_file};
    return all[i];
}

int access_keep(struct discovery_access *to, const struct discovery_access *from)
{
    int rc = 0;
    *to = *from;
    for (unsigned i = 0; i < TEXTS; i++) {
        const char **text = text_at(to, i);
        if (*text == NULL)
            continue;
        *text = strdup(*text);
        rc = *text == NULL ? -1 : rc;
    }
    return rc;
}

void access_release(struct discovery_access *a)
{
    for (unsigned i = 0; i < TEXTS; i++)
        free((char *)(uintptr_t)*text_at(a, i));
    *a = (struct discovery_access){0};
}

/* What a file says, in the arena; NULL when none is named. */
static int read_text(struct arena *arena, const char *path, const char **out, char *why)
{
    struct text text;
    struct errors errs;
    int rc = 0;
    *out = NULL;
    if (path == NULL)
        return 0;
    errors_init(&errs);
    if (source_read(arena, path, (struct where){0}, &text, &errs) < 0 ||
        (*out = arena_text(arena, text)) == NULL) {
        snprintf(why, HTTP_WHY_MAX, "%.100s: %.100s", path,
                 errs.n > 0 ? errs.list[0].text : "out of memory");
        rc = -1;
    }
    errors_release(&errs);
    return rc;
}

static void cut_line_end(const char *text)
{
    if (text != NULL)
        ((char *)(uintptr_t)text)[strcspn(text, "\r\n")] = '\0';
}

struct http *access_open(const struct discovery_access *a, int stop_fd, char *why)
{
    struct arena arena;
    struct http *h = NULL;
    struct http_settings s = {.user = a->user,
                              .token_file = a->token_file,
                              .insecure = a->insecure,
                              .stop_fd = stop_fd};
    arena_init(&arena, NULL, 0);
    if (read_text(&arena, a->ca_file, &s.ca, why) == 0 &&
        read_text(&arena, a->cert_file, &s.cert, why) == 0 &&
        read_text(&arena, a->key_file, &s.key, why) == 0 &&
        read_text(&arena, a->password_file, &s.password, why) == 0) {
        cut_line_end(s.password);
        h = http_new(&s, why);
    }
    arena_release(&arena);
    return h;
}
