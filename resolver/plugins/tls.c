/* tls: the certificate that clients of tls:// and https:// keys are shown, and whether
 * they are to show one. Files are looked at again while they are used, as ACME clients
 * and cert-manager replace them: be it one after the other, be it by a link to another
 * folder. What they hold is taken when it goes together; until then, and for
 * connections that are open, what was read before stays. Of several lines in a block
 * the last counts, as in CoreDNS; dns:// keys are not concerned. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "resolver/outside.h"
#include "resolver/plan.h"
#include "resolver/tls_files.h"

static const char *const client_auth_words[] = {
    [CLIENT_AUTH_NONE] = "nocert",
    [CLIENT_AUTH_REQUEST] = "request",
    [CLIENT_AUTH_REQUIRE] = "require",
    [CLIENT_AUTH_VERIFY_IF_GIVEN] = "verify_if_given",
    [CLIENT_AUTH_REQUIRE_AND_VERIFY] = "require_and_verify",
    NULL,
};

struct tls_line {
    const char *files[TLS_FILES]; /* as written */
    unsigned client_auth;
    const char *keylog; /* as written */
    int64_t reload_us;
    struct where at;
};

/* The control thread's. */
struct tls_plugin {
    const struct outside *outside;
    void *settings;
    struct tls_line line;
    struct tls_files watched;
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
    *line =
        (struct tls_line){.at = rd->directive->at, .reload_us = TLS_FILES_INTERVAL_US};
    if (args.n == 0)
        rc = reader_error(rd, "%s", NO_ACME);
    else if (args.n < 2 || args.n > TLS_FILES)
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
    const char **to[TLS_FILES] = {&out->cert, &out->key, &out->ca};
    int rc = 0;
    for (unsigned i = 0; i < TLS_FILES; i++) {
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

/* The files have changed. */
static int renew(void *plugin, const char *const text[TLS_FILES], char *reason)
{
    struct tls_plugin *p = plugin;
    struct outside_tls_server files = {
        .cert = text[0],
        .key = text[1],
        .ca = text[2],
        .client_auth = (enum client_auth)p->line.client_auth,
    };
    return p->outside->tls_server_renew(p->settings, &files, reason);
}

/* ---- setup ---- */

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
    p->watched = (struct tls_files){
        .plugin = "tls", .renew = renew, .owner = p, .at = p->line.at};
    if (tls_files_watch(s, &p->watched, p->line.files, p->line.reload_us) < 0)
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
