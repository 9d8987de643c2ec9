#include "resolver/plan_tls.h"

#include "base/log.h"

int plan_tls_add(struct plan_listener_tls *l, struct arena *a,
                 const struct plan_tls *tls)
{
    if (tls->settings == NULL ||
        (l->n > 0 && l->list[l->n - 1].settings == tls->settings))
        return 0;
    if (l->n == l->cap) {
        uint32_t cap = l->cap == 0 ? 2 : 2 * l->cap;
        struct plan_tls *list = arena_array(a, cap, sizeof *list);
        if (list == NULL)
            return -1;
        if (l->n > 0)
            memcpy(list, l->list, l->n * sizeof *list);
        l->list = list;
        l->cap = cap;
    }
    l->list[l->n++] = *tls;
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool asks_the_same(const struct plan_tls *a, const struct plan_tls *b)
{
    return a->client_auth == b->client_auth &&
           (a->client_auth < CLIENT_AUTH_VERIFY_IF_GIVEN || same_text(a->ca, b->ca));
}

static uint32_t strictest(const struct plan_listener_tls *l)
{
    uint32_t place = 0;
    for (uint32_t i = 1; i < l->n; i++) {
        if (l->list[i].client_auth >= l->list[place].client_auth)
            place = i;
    }
    return place;
}

static void tell_difference(const struct plan_listener_tls *l, uint32_t policy)
{
    const struct where *at = &l->list[policy].at;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct plan_tls *other = &l->list[i];
        if (!asks_the_same(other, &l->list[policy]))
            log_warning("%s:%u: plugin/tls: another block of this address asks clients "
                        "for other certificates: what it says (%s:%u) is asked of all",
                        other->at.file, other->at.line, at->file, at->line);
    }
}

int plan_tls_finish(struct plan_listener_tls *l, struct arena *a,
                    const struct outside *outside, struct errors *errs)
{
    if (l->n <= 1) {
        l->settings = l->n == 0 ? NULL : l->list[0].settings;
        return 0;
    }
    uint32_t policy = strictest(l);
    const void **list = arena_array(a, l->n, sizeof *list);
    tell_difference(l, policy);
    for (uint32_t i = 0; list != NULL && i < l->n; i++)
        list[i] = l->list[i].settings;
    if (list != NULL)
        l->joined = outside->tls_server_join(list, l->n, policy);
    l->settings = l->joined;
    return l->settings != NULL ? 0 : error_at(errs, l->list[0].at, "out of memory");
}

void plan_tls_release(struct plan_listener_tls *l, const struct outside *outside)
{
    if (l->joined != NULL)
        outside->tls_free(l->joined);
}
