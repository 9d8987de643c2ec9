/* tls: the certificate that clients of tls:// and https:// keys are shown, and whether
 * they are to show one. Files are looked at again while they are used, as ACME clients
 * and cert-manager replace them: be it one after the other, be it by a link to another
 * folder. What they hold is taken when it goes together; until then, and for
 * connections that are open, what was read before stays. Of several lines in a block
 * the last counts, as in CoreDNS; dns:// keys are not concerned. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "config/source.h"
#include "resolver/outside.h"
#include "resolver/plan.h"

static const char *const client_auth_words[] = {
    [CLIENT_AUTH_NONE] = "nocert",
    [CLIENT_AUTH_REQUEST] = "request",
    [CLIENT_AUTH_REQUIRE] = "require",
    [CLIENT_AUTH_VERIFY_IF_GIVEN] = "verify_if_given",
    [CLIENT_AUTH_REQUIRE_AND_VERIFY] = "require_and_verify",
    NULL,
};

#define FILES             3 /* certificate, key, CA */
#define DEFAULT_RELOAD_US INT64_C(5000000)

struct tls_line {
    const char *files[FILES]; /* as written */
    unsigned client_auth;
    const char *keylog; /* as written */
    int64_t reload_us;
    struct where at;
};

/* What files were like at one time. */
struct stamps {
    struct source_stamp of[FILES];
};

/* The control thread's. */
struct tls_plugin {
    const struct outside *outside;
    void *settings;
    struct tls_line line;
    const char *paths[FILES];
    struct stamps used, tried; /* those that were read last, with success and without */
    bool failed, told;         /* the second; and the log knows of it */
};

static int parse_keylog(struct reader *rd, void *state)
{
    return reader_one(rd, &((struct tls_line *)state)->keylog);
}

#define NO_ACME                                                                        \
    "isthmus gets no certificates by ACME: have certbot, lego or cert-manager keep "   \
    "files, and write tls CERT KEY: renewed ones are taken as they come"

#define ACME(option, arguments)                                                        \
    {                                                                                  \
        .name = (option), .kind = OPTION_REFUSED, .args = (arguments), .help = NO_ACME \
    }

static const struct option options[] = {
    {.name = "client_auth",
     .kind = OPTION_WORD,
     .offset = offsetof(struct tls_line, client_auth),
     .words = client_auth_words,
     .args = "nocert|request|require|verify_if_given|require_and_verify",
     .fallback = "nocert",
     .help = "whether clients are to show a certificate, and one that CA has signed"},
    {.name = "keylog",
     .kind = OPTION_CUSTOM,
     .parse = parse_keylog,
     .args = "FILE",
     .help = "a file that gets the secrets of each connection, for debugging"},
    {.name = "reload",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct tls_line, reload_us),
     .args = "DURATION",
     .fallback = "5s",
     .help = "how often to look whether the files have changed; 0 = only with the "
             "Corefile"},
    ACME("acme", "DOMAIN..."),
    ACME("email", "ADDRESS"),
    ACME("ca", "URL"),
    ACME("storage", "DIRECTORY"),
    ACME("ca_root", "FILE"),
    ACME("resolver", "ADDRESS"),
};

#define OPTIONS_N (sizeof options / sizeof *options)

/* The rest of one line, to the end of its block whatever is wrong. */
static int read_line(struct reader *rd, struct tls_line *line)
{
    struct token_list args = reader_args(rd);
    int rc = 0;
    *line = (struct tls_line){.at = rd->directive->at, .reload_us = DEFAULT_RELOAD_US};
    if (args.n == 0)
        rc = reader_error(rd, "%s", NO_ACME);
    else if (args.n < 2 || args.n > FILES)
        rc = reader_error_args(rd);
    for (uint32_t i = 0; rc == 0 && i < args.n; i++)
        line->files[i] = args.list[i].text;
    if (args.n > 0)
        line->at = args.list[0].at;
    return reader_options(rd, options, OPTIONS_N, line) < 0 ? -1 : rc;
}

static int read_files(struct setup *s, const struct tls_line *line,
                      struct outside_tls_server *out)
{
    const char **to[FILES] = {&out->cert, &out->key, &out->ca};
    int rc = 0;
    for (unsigned i = 0; i < FILES; i++) {
        if (line->files[i] != NULL &&
            plan_read(s, "tls", line->at, line->files[i], to[i]) < 0)
            rc = -1;
    }
    out->client_auth = (enum client_auth)line->client_auth;
    if (line->keylog == NULL)
        return rc;
    out->keylog = plan_path(s->block, s->arena, line->keylog);
    return out->keylog == NULL ? error_at(s->errs, line->at, "out of memory") : rc;
}

/* ---- files that are renewed ---- */

static int stamp_all(const struct tls_plugin *p, struct stamps *out)
{
    int error = 0;
    *out = (struct stamps){0};
    for (unsigned i = 0; i < FILES && error == 0; i++) {
        if (p->paths[i] != NULL)
            error = source_stamp(p->paths[i], &out->of[i]);
    }
    return error;
}

static bool same_stamps(const struct stamps *a, const struct stamps *b)
{
    for (unsigned i = 0; i < FILES; i++) {
        if (!source_stamp_equal(&a->of[i], &b->of[i]))
            return false;
    }
    return true;
}

/* 0, or -1 with the reason, which is empty: no memory. */
static int renew(struct tls_plugin *p, struct arena *a, char *reason)
{
    struct outside_tls_server files = {.client_auth =
                                           (enum client_auth)p->line.client_auth};
    const char **to[FILES] = {&files.cert, &files.key, &files.ca};
    struct errors errs;
    int rc = 0;
    errors_init(&errs);
    for (unsigned i = 0; i < FILES && rc == 0; i++) {
        struct text text = {0};
        if (p->paths[i] != NULL)
            rc = source_read(a, p->paths[i], p->line.at, &text, &errs);
        *to[i] = text.at;
    }
    if (rc == 0)
        rc = p->outside->tls_server_renew(p->settings, &files, reason);
    else if (errs.n > 0 && errs.list != NULL)
        snprintf(reason, OUTSIDE_REASON_MAX, "%.*s", OUTSIDE_REASON_MAX - 1,
                 errs.list[0].text);
    errors_release(&errs);
    return rc;
}

/* Said once, and not before the same is found again: a key may come a moment after its
 * certificate. */
static void fail(struct tls_plugin *p, const struct stamps *now, const char *reason)
{
    bool again = p->failed && same_stamps(now, &p->tried);
    if (again && !p->told)
        log_warning(
            "plugin/tls: %s or %s has changed, but cannot be used, and what was "
            "read before stays: %s",
            p->paths[0], p->paths[1], reason[0] == '\0' ? "out of memory" : reason);
    p->told = again;
    p->failed = true;
    p->tried = *now;
}

static void look(struct feed *f, void *context)
{
    struct tls_plugin *p = context;
    char reason[OUTSIDE_REASON_MAX] = "";
    struct stamps now;
    struct arena passing;
    int error = stamp_all(p, &now);
    if (error == 0 && same_stamps(&now, &p->used))
        return;
    if (error != 0) {
        fail(p, &now, strerror(error));
        return;
    }
    arena_init(&passing, NULL, 0);
    if (renew(p, &passing, reason) < 0) {
        fail(p, &now, reason);
    } else {
        p->used = now;
        p->failed = p->told = false;
        log_info("plugin/tls: Renewed certificate of %s: %s", p->paths[0], reason);
    }
    arena_release(&passing);
}

/* ---- setup ---- */

/* Before anything is read: what is written meanwhile is found changed. */
static int begin_watch(struct setup *s, struct tls_plugin *p)
{
    struct feed_source source = {
        .interval_us = p->line.reload_us, .look = look, .context = p};
    for (unsigned i = 0; i < FILES; i++) {
        const char *file = p->line.files[i];
        p->paths[i] = file == NULL ? NULL : plan_path(s->block, s->arena, file);
        if (file != NULL && p->paths[i] == NULL)
            return -1;
    }
    stamp_all(p, &p->used);
    return feed_new(&s->plan->feeds, s->arena, &source) == NULL ? -1 : 0;
}

static int make_settings(struct setup *s, struct tls_plugin *p)
{
    const struct tls_line *line = &p->line;
    struct outside_tls_server files = {0};
    char reason[OUTSIDE_REASON_MAX] = "";
    if (read_files(s, line, &files) < 0)
        return -1;
    p->outside = s->plan->outside;
    if (p->outside == NULL)
        return error_at(s->errs, line->at, "plugin/tls: TLS is not to be had here");
    p->settings = p->outside->tls_server_new(&files, reason);
    if (p->settings == NULL)
        return error_at(s->errs, line->at, "plugin/tls: could not load %s and %s: %s",
                        line->files[0], line->files[1],
                        reason[0] == '\0' ? "out of memory" : reason);
    s->state = p;
    s->block->tls = (struct plan_tls){p->settings, line->files[2],
                                      (enum client_auth)line->client_auth, line->at};
    if (files.keylog != NULL)
        log_warning("plugin/tls: Writing TLS Key Log to \"%s\"", files.keylog);
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct tls_plugin *p = arena_alloc(s->arena, sizeof *p);
    struct reader rd = reader_init(d, s->arena, s->errs);
    int rc = 0;
    if (p == NULL)
        return error_at(s->errs, d->at, "out of memory");
    while (reader_next(&rd)) {
        if (read_line(&rd, &p->line) < 0)
            rc = -1;
    }
    if (rc < 0)
        return -1;
    if (begin_watch(s, p) < 0)
        return error_at(s->errs, d->at, "out of memory");
    return make_settings(s, p);
}

static void release(struct registry *reg, void *state)
{
    struct tls_plugin *p = state;
    p->outside->tls_free(p->settings);
}

const struct plugin plugin_tls = {
    .name = "tls",
    .help = "certificates of tls:// and https:// listeners, and of their clients",
    .synopsis = "tls CERT KEY [CA]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .release = release,
};
