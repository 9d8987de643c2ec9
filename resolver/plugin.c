#include "resolver/plugin.h"

/* ---- what we have ---- */

const struct plugin *const plugin_list[] = {
#define PLUGIN(name) &plugin_##name,
#include "resolver/plugins.def"
    NULL,
};

const struct plugin *plugin_find(const char *name)
{
    for (const struct plugin *const *p = plugin_list; *p != NULL; p++) {
        if (strcmp((*p)->name, name) == 0)
            return *p;
    }
    return NULL;
}

/* ---- what others have ---- */

#define LATER "it is not in this version of isthmus"
#define NEVER "it is no part of isthmus"
#define OUTSIDE                                                                        \
    "needs the API of a cluster it runs in; from outside write, with the cluster's "   \
    "Service subnet: cluster cluster-b.local 10.97.0.0/16"

struct refusal {
    const char *name, *reason;
};

static const struct refusal refusals[] = {
#define REFUSE(name, reason) {#name, reason},
#define EXTERNAL(name)                                                                 \
    {#name, "it is an external plugin, which CoreDNS does not have either unless it "  \
            "is built with it"},
#include "resolver/plugins.def"
};

/* The first zone of `kubernetes [ZONES...]` that could be a cluster's outside name. */
static const char *kubernetes_zone(const struct directive *d)
{
    for (uint32_t i = 1; i < d->tokens_n; i++) {
        const struct token *t = &d->tokens[i];
        if (!token_same_line(&d->tokens[i - 1], t) || token_is(t, "{"))
            break;
        size_t len = strlen(t->text);
        bool reverse = len > 5 && strcmp(t->text + len - 5, ".arpa") == 0;
        if (!reverse && strpbrk(t->text, "/:") == NULL)
            return t->text;
    }
    return NULL;
}

static bool is_default_domain(const char *zone)
{
    return strcmp(zone, "cluster.local") == 0 || strcmp(zone, "cluster.local.") == 0;
}

/* The line that does its job from outside. The zone is what the cluster itself calls
 * its names: without `domain` they would be asked as cluster.local. */
static const char *kubernetes_refusal(const struct directive *d, struct arena *a)
{
    const char *zone = kubernetes_zone(d);
    const char *text = NULL;
    if (zone != NULL)
        text = arena_printf(a,
                            "kubernetes needs the API of a cluster it runs in; from "
                            "outside write, with the cluster's Service subnet: cluster "
                            "%s 10.97.0.0/16%s%s",
                            zone,
                            is_default_domain(zone) ? "" : ", and in its block domain ",
                            is_default_domain(zone) ? "" : zone);
    return text == NULL ? "kubernetes " OUTSIDE : text;
}

static const char *refusal_of(const char *word, const struct directive *d,
                              struct arena *a)
{
    if (strcmp(word, "kubernetes") == 0)
        return kubernetes_refusal(d, a);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (strcmp(refusals[i].name, word) == 0)
            return refusals[i].reason;
    }
    return NULL;
}

static const char *usage_of(const char *word)
{
    const struct plugin *p = plugin_find(word);
    return p == NULL ? NULL : p->synopsis;
}

const struct vocabulary *plugin_vocabulary(void)
{
    static const char *const words[] = {
#define PLUGIN(name) #name,
#include "resolver/plugins.def"
    };
    static const struct vocabulary vocabulary = {
        .words = words,
        .words_n = sizeof words / sizeof *words,
        .usage = usage_of,
        .refused = refusal_of,
    };
    return &vocabulary;
}
