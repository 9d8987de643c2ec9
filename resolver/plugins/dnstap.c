/* dnstap: what clients ask and get, and what is asked of upstreams, as a stream of
 * messages to a socket; several lines are several streams. resolver/dnstap.h writes the
 * messages, server/tap.h the streams. */
#include "resolver/dnstap.h"

#include "base/log.h"
#include "config/source.h"
#include "resolver/outside.h"
#include "resolver/plan.h"
#include "resolver/plugin.h"
#include "resolver/registry.h"

#include <stddef.h>
#include <sys/un.h>
#include <unistd.h>

#define QUEUE_UNIT 10000 /* messages */
#define QUEUE_MAX  4096
#define MIB        (1024 * 1024)
#define BUFFER_MAX 1024 /* MiB */

/* ---- one line ---- */

#define TLS_FILES 3 /* certificate, key, CA */

/* A directive while it is read: the tap, and where its stream goes. */
struct line {
    struct where at;
    struct dnstap_tap *tap;
    struct outside_tap how;
    const char *endpoint;         /* as it is written */
    const char *files[TLS_FILES]; /* names as they are written */
    bool skipverify;
};

struct dnstap_plugin {
    struct dnstap_tap *taps;
    struct dnstap_stream **streams; /* claimed */
    uint32_t streams_n;
};

static struct span span_of(const char *text)
{
    return (struct span){.at = (const uint8_t *)text, .len = strlen(text)};
}

static int parse_identity(struct reader *rd, void *state)
{
    const char *word;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    ((struct line *)state)->tap->identity = span_of(word);
    return 0;
}

static int parse_version(struct reader *rd, void *state)
{
    const char *word;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    ((struct line *)state)->tap->version = span_of(word);
    return 0;
}

static int parse_extra(struct reader *rd, void *state)
{
    struct dnstap_tap *tap = ((struct line *)state)->tap;
    const char *word;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    tap->extra_written = word[0] != '\0';
    return fill_parse(&tap->extra, rd->arena, word) == 0
               ? 0
               : reader_error(rd, "out of memory");
}

static int parse_tls(struct reader *rd, void *state)
{
    struct line *l = state;
    struct token_list args = reader_args(rd);
    if (!l->how.listen)
        return reader_error(rd, "tls directive only valid for listeners");
    if (args.n < 2)
        return reader_error(rd, "tls requires cert and key file paths");
    for (uint32_t i = 0; i < args.n && i < TLS_FILES; i++)
        l->files[i] = args.list[i].text;
    return args.n > TLS_FILES ? reader_error_args(rd) : 0;
}

static const struct option options[] = {
    {.name = "identity",
     .kind = OPTION_CUSTOM,
     .parse = parse_identity,
     .args = "TEXT",
     .fallback = "the host's name",
     .help = "who writes the messages"},
    {.name = "version",
     .kind = OPTION_CUSTOM,
     .parse = parse_version,
     .args = "TEXT",
     .fallback = "isthmus",
     .help = "which program that is"},
    {.name = "extra",
     .kind = OPTION_CUSTOM,
     .parse = parse_extra,
     .args = "FORMAT",
     .help = "goes along with every message; {placeholders} as for log"},
    {.name = "skipverify",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct line, skipverify),
     .help = "believe any certificate; of clients ask for none"},
    {.name = "tls",
     .kind = OPTION_CUSTOM,
     .parse = parse_tls,
     .args = "CERT KEY [CA]",
     .help = "for `listen tls://`: ours, and whose certificates clients must show"},
};

#define OPTIONS_N (sizeof options / sizeof *options)

/* ---- where to ---- */

/* HOST:PORT, or [IPV6]:PORT. */
static int read_host(struct reader *rd, struct line *l, const char *text)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0' || colon[1 + strspn(colon + 1, "0123456789")])
        return reader_error(rd, "'%s': expected HOST:PORT behind tcp:// or tls://",
                            l->endpoint);
    struct text host = {.at = text, .len = (size_t)(colon - text)};
    if (host.len > 1 && text[0] == '[' && colon[-1] == ']')
        host = (struct text){.at = text + 1, .len = host.len - 2};
    l->how.host = arena_text(rd->arena, host);
    l->how.port = colon + 1;
    return l->how.host == NULL ? reader_error(rd, "out of memory") : 0;
}

static int read_path(struct reader *rd, struct line *l, const char *text)
{
    const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    if (text[0] == '\0' || strlen(text) > most)
        return reader_error(rd,
                            "'%s': expected the path of a socket, of 1 to %zu octets",
                            l->endpoint, most);
    l->how.path = text;
    return 0;
}

static int read_endpoint(struct reader *rd, struct line *l)
{
    static const struct {
        struct text prefix;
        enum tap_kind kind;
    } kinds[] = {
        {{"unix://", 7}, TAP_UNIX}, {{"tcp://", 6}, TAP_TCP}, {{"tls://", 6}, TAP_TLS}};
    const char *text = l->endpoint;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!text_starts(text_of(text), kinds[i].prefix))
            continue;
        l->how.kind = kinds[i].kind;
        text += kinds[i].prefix.len;
        break;
    }
    return l->how.kind == TAP_UNIX ? read_path(rd, l, text) : read_host(rd, l, text);
}

/* [listen] ENDPOINT [full] [BUFFER [QUEUE]]; as in CoreDNS any word in the place of
 * `full` is one that is not it. */
static int read_arguments(struct reader *rd, struct line *l)
{
    struct token_list args = reader_args(rd);
    uint32_t buffer = 1, queue = 1;
    if (args.n > 0 && strcmp(args.list[0].text, "listen") == 0) {
        l->how.listen = true;
        args.list++;
        args.n--;
    }
    if (args.n == 0 && l->how.listen)
        return reader_error(rd, "dnstap listen requires an endpoint argument");
    if (args.n == 0 || args.n > 4)
        return reader_error_args(rd);
    l->endpoint = args.list[0].text;
    l->tap->full = args.n > 1 && strcmp(args.list[1].text, "full") == 0;
    if (args.n > 1 && !l->tap->full)
        log_warning("plugin/dnstap: %s:%u: '%s' stands where `full` is expected: "
                    "messages go without their DNS message",
                    args.list[1].at.file, args.list[1].at.line, args.list[1].text);
    if (args.n > 2 && reader_u32(rd, args.list[2].text, 1, BUFFER_MAX, &buffer) < 0)
        return -1;
    if (args.n > 3 && reader_u32(rd, args.list[3].text, 1, QUEUE_MAX, &queue) < 0)
        return -1;
    l->how.send_buffer = buffer * MIB;
    l->how.queue = queue * QUEUE_UNIT;
    return read_endpoint(rd, l);
}

/* ---- the stream ---- */

/* What outlives a plan: lines that say the same, files included, share it, so that a
 * reload interrupts nothing. */
struct dnstap_stream {
    const struct outside *outside;
    void *tls, *sink;
};

/* With the texts of the files. */
struct making {
    const struct outside *outside;
    struct outside_tap how;
    struct outside_tls client;
    struct outside_tls_server server;
    char reason[OUTSIDE_REASON_MAX];
};

static int stream_init(void *object, const void *argument)
{
    struct dnstap_stream *s = object;
    struct making *m = *(struct making *const *)argument;
    s->outside = m->outside;
    if (m->how.kind == TAP_TLS) {
        s->tls = m->how.listen ? m->outside->tls_server_new(&m->server, m->reason)
                               : m->outside->tls_new(&m->client, m->reason);
        if (s->tls == NULL)
            return -1;
        m->how.tls = s->tls;
    }
    s->sink = m->outside->tap_open(&m->how, m->reason);
    if (s->sink != NULL)
        return 0;
    m->outside->tls_free(s->tls);
    return -1;
}

static void stream_release(void *object)
{
    struct dnstap_stream *s = object;
    s->outside->tap_close(s->sink);
    s->outside->tls_free(s->tls);
}

static const struct registry_kind stream_kind = {.name = "dnstap",
                                                 .size = sizeof(struct dnstap_stream),
                                                 .init = stream_init,
                                                 .release = stream_release};

static int read_file(struct setup *s, const struct line *l, const char *name,
                     const char **out)
{
    struct text text;
    struct errors why;
    const char *path = name == NULL ? NULL : plan_path(s->block, s->arena, name);
    if (path == NULL)
        return name == NULL ? 0 : error_at(s->errs, l->at, "out of memory");
    errors_init(&why);
    int rc = source_read(s->arena, path, l->at, &text, &why);
    if (rc < 0)
        error_at(s->errs, l->at, "plugin/dnstap: error reading %s: %s", path,
                 why.n > 0 ? why.list[0].text : "out of memory");
    errors_release(&why);
    *out = text.at;
    return rc;
}

static int read_tls(struct setup *s, const struct line *l, struct making *m)
{
    m->client =
        (struct outside_tls){.servername = l->how.host, .unverified = l->skipverify};
    if (!l->how.listen)
        return 0;
    if (l->files[0] == NULL)
        return error_at(s->errs, l->at,
                        "plugin/dnstap: a TLS listener requires cert and key files: "
                        "`tls CERT KEY [CA]`");
    if (l->files[2] != NULL)
        m->server.client_auth = l->skipverify ? CLIENT_AUTH_VERIFY_IF_GIVEN
                                              : CLIENT_AUTH_REQUIRE_AND_VERIFY;
    if (read_file(s, l, l->files[0], &m->server.cert) < 0 ||
        read_file(s, l, l->files[1], &m->server.key) < 0 ||
        read_file(s, l, l->files[2], &m->server.ca) < 0)
        return -1;
    return 0;
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static const char *key_of(struct arena *a, const struct line *l, const struct making *m)
{
    return arena_printf(a, "%d %s %u %u %d\n%s\n%s\n%s", l->how.listen, l->endpoint,
                        l->how.send_buffer, l->how.queue, l->skipverify,
                        or_empty(m->server.cert), or_empty(m->server.key),
                        or_empty(m->server.ca));
}

/* As in CoreDNS a stream that cannot be had is no reason not to serve. */
static int open_stream(struct setup *s, struct dnstap_plugin *p, struct line *l)
{
    struct making m = {.outside = s->plan->outside, .how = l->how};
    struct making *argument = &m;
    if (m.outside == NULL)
        return error_at(s->errs, l->at,
                        "plugin/dnstap: streams are not to be had here");
    if (l->how.kind == TAP_TLS && read_tls(s, l, &m) < 0)
        return -1;
    if (m.outside->tap_open == NULL)
        return 0;
    const char *key = key_of(s->arena, l, &m);
    struct dnstap_stream **list = arena_array(s->arena, p->streams_n + 1, sizeof *list);
    if (key == NULL || list == NULL)
        return error_at(s->errs, l->at, "out of memory");
    struct span name = {.at = (const uint8_t *)key, .len = strlen(key)};
    struct dnstap_stream *stream =
        registry_claim(s->registry, &stream_kind, name, &argument, NULL);
    if (stream == NULL) {
        log_error("plugin/dnstap: %s:%u: no stream to %s: %s", l->at.file, l->at.line,
                  l->endpoint, m.reason[0] == '\0' ? "out of memory" : m.reason);
        return 0;
    }
    if (p->streams_n > 0)
        memcpy(list, p->streams, p->streams_n * sizeof *list);
    list[p->streams_n++] = stream;
    p->streams = list;
    l->tap->sink = stream->sink;
    return 0;
}

/* ---- set-up ---- */

static struct dnstap_tap *new_tap(struct arena *a)
{
    struct dnstap_tap *tap = arena_alloc(a, sizeof *tap);
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    const char *identity = arena_text(a, text_of(host));
    if (tap == NULL || identity == NULL)
        return NULL;
    *tap = (struct dnstap_tap){.identity = span_of(identity),
                               .version = span_of("isthmus")};
    return tap;
}

/* Streams get messages in the order of their lines. */
static void append(struct dnstap_plugin *p, struct dnstap_tap *tap)
{
    struct dnstap_tap **at = &p->taps;
    while (*at != NULL)
        at = &(*at)->next;
    *at = tap;
}

static int set_up_one(struct setup *s, struct dnstap_plugin *p, struct reader *rd)
{
    struct line l = {.at = reader_token(rd)->at, .tap = new_tap(s->arena)};
    if (l.tap == NULL)
        return error_at(s->errs, l.at, "out of memory");
    if (read_arguments(rd, &l) < 0 || reader_options(rd, options, OPTIONS_N, &l) < 0 ||
        open_stream(s, p, &l) < 0)
        return -1;
    if (l.tap->sink != NULL)
        append(p, l.tap);
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct dnstap_plugin *p = arena_alloc(s->arena, sizeof *p);
    struct reader rd = reader_init(d, s->arena, s->errs);
    uint32_t before = s->errs->n;
    if (p == NULL)
        return error_at(s->errs, d->at, "out of memory");
    *p = (struct dnstap_plugin){0};
    s->state = p;
    while (reader_next(&rd))
        set_up_one(s, p, &rd);
    s->block->taps = p->taps;
    return s->errs->n == before ? 0 : -1;
}

static void release(struct registry *reg, void *state)
{
    struct dnstap_plugin *p = state;
    for (uint32_t i = 0; i < p->streams_n; i++)
        registry_drop(reg, p->streams[i]);
}

/* ---- queries ---- */

/* What a question leads to inside has no client. */
static enum verdict on_query(struct query *q, const void *state)
{
    const struct dnstap_plugin *p = state;
    if (q->depth == 0)
        dnstap_query(q, p->taps);
    return PASS;
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct dnstap_plugin *p = state;
    if (q->depth == 0)
        dnstap_response(q, p->taps);
    return PASS;
}

const struct plugin plugin_dnstap = {
    .name = "dnstap",
    .help = "writes questions and answers to a socket, in the format of dnstap",
    .synopsis = "dnstap [listen] PATH|tcp://HOST:PORT|tls://HOST:PORT [full] "
                "[BUFFER_MIB] [QUEUE_X10000]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .release = release,
    .on_query = on_query,
    .on_response = on_response,
};
