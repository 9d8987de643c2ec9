/* tls: the certificate that clients of tls:// and https:// keys are shown, and whether
 * they are to show one. Files are read at start and at each reload; connections that
 * are open then stay with what they began with. Of several lines in a block the last
 * counts, as in CoreDNS; dns:// keys are not concerned. */
#include "resolver/plugin.h"

#include "base/log.h"
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

#define FILES 3 /* certificate, key, CA */

struct tls_line {
    const char *files[FILES];
    unsigned client_auth;
    const char *keylog; /* as written */
    struct where at;
};

/* What release gives back. */
struct tls_plugin {
    const struct outside *outside;
    void *settings;
};

static int parse_keylog(struct reader *rd, void *state)
{
    return reader_one(rd, &((struct tls_line *)state)->keylog);
}

#define NO_ACME                                                                        \
    "isthmus gets no certificates by ACME: have certbot, lego or cert-manager keep "   \
    "files, write tls CERT KEY, and send SIGHUP when they are renewed"

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
    *line = (struct tls_line){.at = rd->directive->at};
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

static int make_settings(struct setup *s, const struct tls_line *line)
{
    struct outside_tls_server files = {0};
    char reason[OUTSIDE_REASON_MAX] = "";
    struct tls_plugin *p = arena_alloc(s->arena, sizeof *p);
    if (p == NULL)
        return error_at(s->errs, line->at, "out of memory");
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
    s->block->tls = (struct plan_tls){.settings = p->settings, .cert = line->files[0]};
    if (files.keylog != NULL)
        log_warning("plugin/tls: Writing TLS Key Log to \"%s\"", files.keylog);
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct tls_line line = {0};
    struct reader rd = reader_init(d, s->arena, s->errs);
    int rc = 0;
    while (reader_next(&rd)) {
        if (read_line(&rd, &line) < 0)
            rc = -1;
    }
    return rc < 0 ? -1 : make_settings(s, &line);
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
