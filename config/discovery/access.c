#include "config/discovery/access.h"

#include "config/reader.h"
#include "config/source.h"

#include <stdio.h>
#include <stdlib.h>

/* Every text of it. */
#define TEXTS 10

static const char **text_at(struct discovery_access *a, unsigned i)
{
    const char **all[TEXTS] = {
        &a->ca_file,       &a->cert_file,  &a->key_file,  &a->token_file, &a->user,
        &a->password_file, &a->kubeconfig, &a->endpoints, &a->password,   &a->dns};
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
    if (a->password != NULL)
        explicit_bzero((char *)(uintptr_t)a->password, strlen(a->password));
    for (unsigned i = 0; i < TEXTS; i++)
        free((char *)(uintptr_t)*text_at(a, i));
    *a = (struct discovery_access){0};
}

/* It is not shown here either. */
static int refuse_user(struct reader *rd, const char *what, const char *option)
{
    return reader_error(
        rd, "%s: no user belongs into a URL, which logs and pages show: use '%s'", what,
        option);
}

/* No part of an endpoint has an `@` otherwise. */
int access_check_endpoint(struct reader *rd, const char *endpoint, const char *option)
{
    return strchr(endpoint, '@') == NULL ? 0 : refuse_user(rd, "endpoint", option);
}

int access_check_source(struct reader *rd, const char *source)
{
    const char *host = strstr(source, "://");
    if (host == NULL || host[3 + strcspn(host + 3, "@/?#")] != '@')
        return 0;
    return refuse_user(rd, "source", "user");
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

const char *access_password(struct arena *arena, const struct discovery_access *a,
                            char *why)
{
    const char *text;
    if (a->password != NULL)
        return a->password;
    if (read_text(arena, a->password_file, &text, why) < 0)
        return NULL;
    cut_line_end(text);
    return text == NULL ? "" : text;
}

/* What the access does not say stays as it is in `s`. */
static int read_all(struct arena *arena, const struct discovery_access *a,
                    struct http_settings *s, char *why)
{
    const struct {
        const char *path, **text;
    } files[] = {{a->ca_file, &s->ca},
                 {a->cert_file, &s->cert},
                 {a->key_file, &s->key},
                 {a->password_file, &s->password}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i].path != NULL &&
            read_text(arena, files[i].path, files[i].text, why) < 0)
            return -1;
    }
    if (a->password_file != NULL)
        cut_line_end(s->password);
    return 0;
}

struct http *access_open_with(const struct discovery_access *a,
                              const struct http_settings *more, char *why)
{
    struct arena arena;
    struct http *h = NULL;
    struct http_settings s = *more;
    if (a->user != NULL)
        s.user = a->user;
    if (a->token_file != NULL)
        s.token_file = a->token_file;
    s.insecure = a->insecure;
    arena_init(&arena, NULL, 0);
    if (read_all(&arena, a, &s, why) == 0)
        h = http_new(&s, why);
    arena_release(&arena);
    return h;
}

struct http *access_open(const struct discovery_access *a, int stop_fd, char *why)
{
    struct http_settings none = {.stop_fd = stop_fd};
    return access_open_with(a, &none, why);
}

void access_digest(const struct discovery_access *a, struct sha512 *s)
{
    struct discovery_access copy = *a;
    for (unsigned i = 0; i < TEXTS; i++) {
        const char *text = *text_at(&copy, i);
        char number = (char)i;
        if (text == NULL)
            continue;
        sha512_add(s, &number, 1);
        sha512_add(s, text, strlen(text) + 1);
    }
    if (a->insecure)
        sha512_add(s, "insecure", sizeof "insecure");
    if (a->exec)
        sha512_add(s, "exec", sizeof "exec");
}
