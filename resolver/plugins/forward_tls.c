#include "resolver/plugins/forward_tls.h"

#include "base/hash.h"
#include "config/key.h"
#include "resolver/plan.h"
#include "resolver/registry.h"

#include <stdio.h>
#include <string.h>

int forward_tls_parse(struct reader *rd, struct forward_tls *tls)
{
    struct token_list args = reader_args(rd);
    if (args.n > TLS_FILES)
        return reader_error_args(rd);
    for (uint32_t i = 0; i < args.n; i++)
        tls->words[i] = args.list[i].text;
    tls->words_n = args.n;
    return 0;
}

/* ---- files ---- */

/* By their place in struct outside_tls: one file alone is the CA's. */
static void name_files(const struct forward_tls *tls, const char *names[TLS_FILES])
{
    uint32_t first = tls->words_n == 1 ? 2 : 0;
    for (uint32_t i = 0; i < tls->words_n; i++)
        names[first + i] = tls->words[i];
}

int forward_tls_read(struct setup *s, struct where at, struct forward_tls *tls)
{
    struct outside_tls *t = &tls->text;
    const char **to[TLS_FILES] = {&t->cert, &t->key, &t->ca};
    const char *names[TLS_FILES] = {0};
    int rc = 0;
    name_files(tls, names);
    for (uint32_t i = 0; i < TLS_FILES; i++) {
        if (names[i] != NULL && plan_read(s, "forward", at, names[i], to[i]) < 0)
            rc = -1;
    }
    return rc;
}

/* ---- settings ---- */

static uint64_t hash_of(const struct outside_tls *files)
{
    const char *const texts[] = {files->cert, files->key, files->ca};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hash = hash_mix(hash,
                        texts[i] == NULL ? i : hash_bytes(texts[i], strlen(texts[i])));
    return hash;
}

/* 0, also if nothing has changed: then `reason` stays as it is. */
static int renew_claim(struct forward_tls_claim *claim, const struct outside_tls *files,
                       char *reason)
{
    uint64_t content = hash_of(files);
    if (content == claim->content)
        return 0;
    if (claim->outside->tls_renew(claim->settings, files, reason) < 0)
        return -1;
    claim->content = content;
    return 0;
}

static int renew_all(void *watch, const char *const text[TLS_FILES], char *reason)
{
    struct forward_tls_watch *w = watch;
    for (uint32_t i = 0; i < *w->claims_n; i++) {
        struct outside_tls files = {.cert = text[0],
                                    .key = text[1],
                                    .ca = text[2],
                                    .servername = w->claims[i]->servername,
                                    .https = w->claims[i]->https};
        if (renew_claim(w->claims[i], &files, reason) < 0)
            return -1;
    }
    return 0;
}

int forward_tls_watch(struct setup *s, struct where at, const struct forward_tls *tls,
                      struct forward_tls_watch *watch)
{
    const char *names[TLS_FILES] = {0};
    watch->files = (struct tls_files){
        .plugin = "forward", .renew = renew_all, .owner = watch, .at = at};
    name_files(tls, names);
    if (tls->words_n == 0 ||
        tls_files_watch(s, &watch->files, names, TLS_FILES_INTERVAL_US) == 0)
        return 0;
    return error_at(s->errs, at, "out of memory");
}

struct making {
    const struct outside *outside;
    struct outside_tls files;
    char reason[OUTSIDE_REASON_MAX];
};

static int claim_init(void *object, const void *argument)
{
    struct forward_tls_claim *claim = object;
    struct making *const *m = argument;
    claim->outside = (*m)->outside;
    claim->content = hash_of(&(*m)->files);
    claim->https = (*m)->files.https;
    snprintf(claim->servername, sizeof claim->servername, "%s", (*m)->files.servername);
    claim->settings = claim->outside->tls_new(&(*m)->files, (*m)->reason);
    return claim->settings == NULL ? -1 : 0;
}

static void claim_release(void *object)
{
    struct forward_tls_claim *claim = object;
    claim->outside->tls_free(claim->settings);
}

static const struct registry_kind claim_kind = {
    .name = "forward_tls",
    .size = sizeof(struct forward_tls_claim),
    .init = claim_init,
    .release = claim_release,
};

/* Whose certificate it must be: the name for this destination, for all, or its address.
 * CoreDNS takes no two names. */
static int choose_name(struct setup *s, struct where at, const struct forward_tls *tls,
                       const struct forward_target *to, const char **out)
{
    char text[ADDR_TEXT_MAX];
    if (to->servername != NULL && tls->servername != NULL)
        return error_at(
            s->errs, at,
            "plugin/forward: both forward ('%s') and proxy level ('%s') TLS "
            "servernames are set for upstream proxy '%s://%s'",
            tls->servername, to->servername,
            scheme_name(to->transport == TRANSPORT_HTTPS ? SCHEME_HTTPS : SCHEME_TLS),
            addr_print(&to->addr, text));
    *out = to->servername != NULL ? to->servername : tls->servername;
    if (*out == NULL)
        *out = arena_printf(s->arena, "%s", addr_print_ip(&to->addr, text));
    return *out == NULL ? error_at(s->errs, at, "out of memory") : 0;
}

/* The files that a destination's settings come from, its name, and what is said inside.
 * NULL: no memory. */
static const char *key_of(struct setup *s, const struct forward_tls *tls,
                          const struct outside_tls *files)
{
    const char *names[TLS_FILES] = {0};
    const char *key = files->https
                          ? arena_printf(s->arena, "https\n%s", files->servername)
                          : files->servername;
    name_files(tls, names);
    for (uint32_t i = 0; i < TLS_FILES && key != NULL; i++) {
        const char *path =
            names[i] == NULL ? "" : plan_path(s->block, s->arena, names[i]);
        key = path == NULL ? NULL : arena_printf(s->arena, "%s\n%s", key, path);
    }
    return key;
}

/* A claim from before may have been made of what the files held then. */
static struct forward_tls_claim *claim_by_key(struct setup *s, const char *key,
                                              struct making *m)
{
    const struct making *argument = m;
    struct span name = {.at = (const uint8_t *)key, .len = strlen(key)};
    struct forward_tls_claim *claim =
        registry_claim(s->registry, &claim_kind, name, &argument, NULL);
    if (claim == NULL || renew_claim(claim, &m->files, m->reason) == 0)
        return claim;
    registry_drop(s->registry, claim);
    return NULL;
}

struct forward_tls_claim *forward_tls_claim(struct setup *s, struct where at,
                                            const struct forward_tls *tls,
                                            const struct forward_target *to)
{
    struct making m = {.outside = s->plan->outside, .files = tls->text};
    m.files.https = to->transport == TRANSPORT_HTTPS;
    if (choose_name(s, at, tls, to, &m.files.servername) < 0)
        return NULL;
    if (m.outside == NULL) {
        error_at(s->errs, at, "plugin/forward: TLS is not to be had here");
        return NULL;
    }
    const char *key = key_of(s, tls, &m.files);
    struct forward_tls_claim *claim = key == NULL ? NULL : claim_by_key(s, key, &m);
    if (claim == NULL)
        error_at(s->errs, at, "plugin/forward: tls: %s",
                 m.reason[0] == '\0' ? "out of memory" : m.reason);
    return claim;
}
