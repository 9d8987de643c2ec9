#include "resolver/plugins/forward_tls.h"

#include "resolver/plan.h"
#include "resolver/registry.h"

#include <string.h>

int forward_tls_parse(struct reader *rd, struct forward_tls *tls)
{
    struct token_list args = reader_args(rd);
    if (args.n > FORWARD_TLS_FILES)
        return reader_error_args(rd);
    for (uint32_t i = 0; i < args.n; i++)
        tls->words[i] = args.list[i].text;
    tls->words_n = args.n;
    return 0;
}

/* ---- files ---- */

int forward_tls_read(struct setup *s, struct where at, struct forward_tls *tls)
{
    struct outside_tls *t = &tls->text;
    const char **to[FORWARD_TLS_FILES] = {&t->cert, &t->key, &t->ca};
    uint32_t first = tls->words_n == 1 ? 2 : 0; /* one file alone is the CA's */
    int rc = 0;
    for (uint32_t i = 0; i < tls->words_n; i++) {
        if (plan_read(s, "forward", at, tls->words[i], to[first + i]) < 0)
            rc = -1;
    }
    return rc;
}

/* ---- settings ---- */

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

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

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
            "servernames are set for upstream proxy 'tls://%s'",
            tls->servername, to->servername, addr_print(&to->addr, text));
    *out = to->servername != NULL ? to->servername : tls->servername;
    if (*out == NULL)
        *out = arena_printf(s->arena, "%s", addr_print_ip(&to->addr, text));
    return *out == NULL ? error_at(s->errs, at, "out of memory") : 0;
}

struct forward_tls_claim *forward_tls_claim(struct setup *s, struct where at,
                                            const struct forward_tls *tls,
                                            const struct forward_target *to)
{
    struct making m = {.outside = s->plan->outside, .files = tls->text};
    const struct making *argument = &m;
    if (choose_name(s, at, tls, to, &m.files.servername) < 0)
        return NULL;
    if (m.outside == NULL) {
        error_at(s->errs, at, "plugin/forward: TLS is not to be had here");
        return NULL;
    }
    const char *key =
        arena_printf(s->arena, "%s\n%s\n%s\n%s", or_empty(m.files.cert),
                     or_empty(m.files.key), or_empty(m.files.ca), m.files.servername);
    struct forward_tls_claim *claim =
        key == NULL ? NULL
                    : registry_claim(
                          s->registry, &claim_kind,
                          (struct span){.at = (const uint8_t *)key, .len = strlen(key)},
                          &argument, NULL);
    if (claim == NULL)
        error_at(s->errs, at, "plugin/forward: tls: %s",
                 m.reason[0] == '\0' ? "out of memory" : m.reason);
    return claim;
}
