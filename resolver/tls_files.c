#include "resolver/tls_files.h"

#include "base/log.h"
#include "resolver/plan.h"

static int stamp_all(const struct tls_files *w, struct tls_stamps *out)
{
    int error = 0;
    *out = (struct tls_stamps){0};
    for (unsigned i = 0; i < TLS_FILES && error == 0; i++) {
        if (w->paths[i] != NULL)
            error = source_stamp(w->paths[i], &out->of[i]);
    }
    return error;
}

static bool same_stamps(const struct tls_stamps *a, const struct tls_stamps *b)
{
    for (unsigned i = 0; i < TLS_FILES; i++) {
        if (!source_stamp_equal(&a->of[i], &b->of[i]))
            return false;
    }
    return true;
}

/* 0, or -1 with the reason, which is empty: no memory. */
static int renew(struct tls_files *w, struct arena *a, char *reason)
{
    const char *texts[TLS_FILES] = {0};
    struct errors errs;
    int rc = 0;
    errors_init(&errs);
    for (unsigned i = 0; i < TLS_FILES && rc == 0; i++) {
        struct text text = {0};
        if (w->paths[i] != NULL)
            rc = source_read(a, w->paths[i], w->at, &text, &errs);
        texts[i] = text.at;
    }
    if (rc == 0)
        rc = w->renew(w->owner, texts, reason);
    else if (errs.n > 0 && errs.list != NULL)
        snprintf(reason, OUTSIDE_REASON_MAX, "%.*s", OUTSIDE_REASON_MAX - 1,
                 errs.list[0].text);
    errors_release(&errs);
    return rc;
}

/* The certificate, or if there is none what there is. */
static const char *name_of(const struct tls_files *w)
{
    return w->paths[0] != NULL ? w->paths[0] : w->paths[2];
}

/* Said once, and not before the same is found again: a key may come a moment after its
 * certificate. */
static void fail(struct tls_files *w, const struct tls_stamps *now, const char *reason)
{
    bool again = w->failed && same_stamps(now, &w->tried);
    if (again && !w->told)
        log_warning(
            "plugin/%s: %s or what goes with it has changed, but cannot be used, "
            "and what was read before stays: %s",
            w->plugin, name_of(w), reason[0] == '\0' ? "out of memory" : reason);
    w->told = again;
    w->failed = true;
    w->tried = *now;
}

static void look(struct feed *f, void *context)
{
    struct tls_files *w = context;
    char reason[OUTSIDE_REASON_MAX] = "";
    struct tls_stamps now;
    struct arena passing;
    int error = stamp_all(w, &now);
    if (error == 0 && same_stamps(&now, &w->used))
        return;
    if (error != 0) {
        fail(w, &now, strerror(error));
        return;
    }
    arena_init(&passing, NULL, 0);
    if (renew(w, &passing, reason) < 0) {
        fail(w, &now, reason);
    } else {
        w->used = now;
        w->failed = w->told = false;
        if (reason[0] != '\0')
            log_info("plugin/%s: Renewed certificate of %s: %s", w->plugin, name_of(w),
                     reason);
    }
    arena_release(&passing);
}

int tls_files_watch(struct setup *s, struct tls_files *w,
                    const char *const names[TLS_FILES], int64_t interval_us)
{
    struct feed_source source = {
        .interval_us = interval_us, .look = look, .context = w};
    for (unsigned i = 0; i < TLS_FILES; i++) {
        w->paths[i] = names[i] == NULL ? NULL : plan_path(s->block, s->arena, names[i]);
        if (names[i] != NULL && w->paths[i] == NULL)
            return -1;
    }
    stamp_all(w, &w->used); /* what is written while it is read is found changed */
    return feed_new(&s->plan->feeds, s->arena, &source) == NULL ? -1 : 0;
}
