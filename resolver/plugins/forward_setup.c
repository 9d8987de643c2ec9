#include "resolver/plugins/forward_setup.h"

#include "base/log.h"
#include "config/source.h"
#include "resolver/plan.h"

#include <stdlib.h>

#define SECOND INT64_C(1000000)

#define TOS_MAX 15 /* written ones; a file may bring more */

static int no_memory(const struct setup *s)
{
    return error_at(s->errs, (struct where){0}, "out of memory");
}

/* ---- options ---- */

static int parse_health_flag(struct reader *rd, const char *flag,
                             struct upstream_probe *probe)
{
    const char *word;
    if (strcmp(flag, "no_rec") == 0) {
        probe->recursion_desired = false;
        return 0;
    }
    if (strcmp(flag, "domain") != 0)
        return reader_error(rd,
                            "health_check: unknown option %s: expected no_rec or "
                            "domain FQDN",
                            flag);
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    if (name_parse(&probe->name, text_of(word)) < 0)
        return reader_error(rd, "health_check: invalid domain name %s", word);
    return 0;
}

static int parse_health_check(struct reader *rd, void *state)
{
    struct upstream_probe *probe = &((struct forward *)state)->group.probe;
    const char *word;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    if (reader_duration(rd, word, &probe->interval_us) < 0)
        return -1;
    if (probe->interval_us < 0)
        return reader_error(rd, "health_check can't be negative: %s", word);
    while (reader_arg(rd, &word)) {
        if (parse_health_flag(rd, word, probe) < 0)
            return -1;
    }
    return 0;
}

#define FIELD(name) offsetof(struct forward, name)
#define LATER(word)                                                                    \
    {                                                                                  \
        .name = (word), .kind = OPTION_REFUSED,                                        \
        .help = "it comes with a later version"                                        \
    }

const struct option forward_options[FORWARD_OPTIONS_N] = {
    {.name = "except",
     .kind = OPTION_ZONES,
     .offset = FIELD(except),
     .args = "ZONE...",
     .help = "zones below FROM that are not forwarded"},
    {.name = "force_tcp",
     .kind = OPTION_FLAG,
     .offset = FIELD(group.force_tcp),
     .help = "ask over TCP always"},
    {.name = "prefer_udp",
     .kind = OPTION_FLAG,
     .offset = FIELD(group.prefer_udp),
     .help = "ask over UDP also for clients that came over TCP; what is cut is asked "
             "again over TCP"},
    {.name = "max_fails",
     .kind = OPTION_U32,
     .offset = FIELD(group.max_fails),
     .args = "N",
     .fallback = "2",
     .help = "failed probes in a row beyond which an upstream is down; 0: never"},
    {.name = "expire",
     .kind = OPTION_DURATION,
     .offset = FIELD(group.expire_us),
     .args = "DURATION",
     .fallback = "10s",
     .help = "idle life of a kept connection"},
    {.name = "max_age",
     .kind = OPTION_DURATION,
     .offset = FIELD(group.max_age_us),
     .args = "DURATION",
     .fallback = "0",
     .help = "whole life of a kept connection; 0: no end"},
    {.name = "health_check",
     .kind = OPTION_CUSTOM,
     .parse = parse_health_check,
     .args = "DURATION [no_rec] [domain FQDN]",
     .fallback = "0.5s domain .",
     .help = "time between probes of an upstream that failed, and what they ask"},
    {.name = "max_concurrent",
     .kind = OPTION_U32,
     .offset = FIELD(group.max_concurrent),
     .args = "N",
     .fallback = "0",
     .help = "questions in flight, more are refused; 0: no limit"},
    {.name = "policy",
     .kind = OPTION_WORD,
     .offset = FIELD(group.policy),
     .words = upstream_policy_words,
     .args = "random|round_robin|sequential",
     .fallback = "random",
     .help = "order in which several upstreams are asked"},
    LATER("next"),
    LATER("next_on_nodata"),
    LATER("failover"),
    LATER("failfast_all_unhealthy_upstreams"),
    LATER("read_timeout"),
    LATER("max_connect_attempts"),
    LATER("max_idle_conns"),
    LATER("source_address"),
    LATER("resolver"),
    LATER("tls"),
    LATER("tls_servername"),
    LATER("doh_method"),
};

/* ---- addresses ---- */

/* Addresses found for one directive, in order, each once. */
struct targets {
    struct addr *list;
    uint32_t n, cap;
};

static int add_target(struct reader *rd, struct targets *to, const struct addr *addr)
{
    for (uint32_t i = 0; i < to->n; i++) {
        if (addr_equal(&to->list[i], addr))
            return 0;
    }
    if (to->n == to->cap) {
        uint32_t cap = to->cap == 0 ? TOS_MAX : to->cap * 2;
        struct addr *more = arena_array(rd->arena, cap, sizeof *more);
        if (more == NULL || cap < to->cap)
            return reader_error(rd, "out of memory");
        if (to->n > 0)
            memcpy(more, to->list, to->n * sizeof *more);
        to->list = more;
        to->cap = cap;
    }
    to->list[to->n++] = *addr;
    return 0;
}

/* Takes the next word off a line; empty at its end. */
static struct text cut_word(struct text *line)
{
    static const char blanks[] = " \t\r";
    size_t from = 0;
    while (from < line->len && strchr(blanks, line->at[from]) != NULL)
        from++;
    size_t to = from;
    while (to < line->len && strchr(blanks, line->at[to]) == NULL)
        to++;
    struct text word = {.at = line->at + from, .len = to - from};
    *line = text_from(*line, to);
    return word;
}

static struct text cut_line(struct text *rest)
{
    size_t len = 0;
    while (len < rest->len && rest->at[len] != '\n')
        len++;
    struct text line = {.at = rest->at, .len = len};
    *rest = text_from(*rest, len + 1);
    return line;
}

/* Without the zone, as CoreDNS. */
static struct text strip_scope(struct text ip)
{
    for (size_t i = 0; i < ip.len; i++) {
        if (ip.at[i] == '%')
            return (struct text){.at = ip.at, .len = i};
    }
    return ip;
}

/* `nameserver` lines of a file in the manner of resolv.conf; the rest is none of our
 * business, comments included. */
static int add_file(struct reader *rd, struct targets *to, const char *path)
{
    struct text rest;
    if (source_read(rd->arena, path, reader_token(rd)->at, &rest, rd->errs) < 0)
        return -1;
    while (rest.len > 0) {
        struct text line = cut_line(&rest);
        if (!text_is(cut_word(&line), "nameserver"))
            continue;
        struct text ip = cut_word(&line);
        struct addr addr;
        if (addr_parse_ip(&addr, strip_scope(ip)) < 0)
            return reader_error(rd, "%s: nameserver '%.*s' is no address", path,
                                (int)ip.len, ip.at);
        addr.port = 53;
        if (add_target(rd, to, &addr) < 0)
            return -1;
    }
    return 0;
}

static bool is_file(struct reader *rd, const char *path)
{
    struct paths found;
    return source_glob(rd->arena, path, &found) == 0 && found.n == 1 &&
           strcmp(found.list[0], path) == 0;
}

/* CoreDNS takes any number for a port. One above 65535 cannot be reached: port 0 stands
 * for that. */
static bool parse_bad_port(struct addr *addr, const char *word)
{
    const char *colon = strrchr(word, ':');
    if (colon == NULL || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    struct text host = {.at = word, .len = (size_t)(colon - word)};
    if (addr_parse(addr, host, 0) < 0 || strtoul(colon + 1, NULL, 10) <= UINT16_MAX)
        return false;
    return true;
}

static int not_an_address(struct reader *rd, const char *word)
{
    struct name name;
    if (name_parse(&name, text_of(word)) < 0 || strpbrk(word, "/:") != NULL)
        return reader_error(rd,
                            "not an IP address, file, or valid domain: \"%s\": "
                            "expected ADDRESS, ADDRESS:PORT, [V6]:PORT or a file such "
                            "as /etc/resolv.conf",
                            word);
    return reader_error(rd,
                        "'%s' is no address: host names as destination come with a "
                        "later version; write the address",
                        word);
}

static int add_dns(struct reader *rd, struct targets *to, const char *word)
{
    struct addr addr;
    const struct token *token = reader_token(rd);
    if (addr_parse(&addr, text_of(word), 53) == 0)
        return add_target(rd, to, &addr);
    if (parse_bad_port(&addr, word)) {
        log_warning("plugin/forward: %s:%u: no port is as high as that of '%s': it "
                    "will never be reached",
                    token->at.file, token->at.line, word);
        return add_target(rd, to, &addr);
    }
    if (is_file(rd, word))
        return add_file(rd, to, word);
    return not_an_address(rd, word);
}

static int refuse_scheme(struct reader *rd, enum scheme scheme, const char *host)
{
    struct addr addr;
    char text[ADDR_TEXT_MAX];
    const char *name = scheme_name(scheme);
    if (addr_parse(&addr, text_of(host), scheme_port(scheme)) == 0)
        host = addr_print(&addr, text);
    if (scheme == SCHEME_TLS || scheme == SCHEME_HTTPS)
        return reader_error(rd,
                            "'%s' as a destination protocol comes with a later "
                            "version: %s://%s",
                            name, name, host);
    return reader_error(
        rd, "'%s' is not supported as a destination protocol in forward: %s://%s", name,
        name, host);
}

static int add_to(struct reader *rd, struct targets *to, const char *word)
{
    static const enum scheme schemes[] = {SCHEME_DNS,  SCHEME_TLS,   SCHEME_QUIC,
                                          SCHEME_GRPC, SCHEME_HTTPS, SCHEME_HTTPS3,
                                          SCHEME_UNIX};
    enum scheme scheme = SCHEME_DNS;
    const char *host = word;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(scheme_name(schemes[i]));
        if (strncmp(word, scheme_name(schemes[i]), len) == 0 &&
            strncmp(word + len, "://", 3) == 0) {
            scheme = schemes[i];
            host = word + len + 3;
        }
    }
    if (*host == '\0')
        return reader_error(rd, "invalid address: \"%s\": is a variable not set?",
                            word);
    return scheme == SCHEME_DNS ? add_dns(rd, to, host)
                                : refuse_scheme(rd, scheme, host);
}

/* ---- one directive ---- */

static int read_from(struct reader *rd, struct forward *f)
{
    const char *word;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    int rc = zones_add(rd->arena, &f->from, word);
    if (rc < 0)
        return reader_error(rd, "out of memory");
    if (rc > 0 || f->from.n == 0)
        return reader_error(rd, "unable to normalize '%s': expected a zone", word);
    if (f->from.n > 1) {
        char text[NAME_TEXT_MAX];
        name_print(f->from.list[0].wire, text);
        log_warning("plugin/forward: Unsupported CIDR notation: '%s' expands to "
                    "multiple zones. Using only '%s'.",
                    word, text);
    }
    return 0;
}

static int read_tos(struct reader *rd, struct targets *to)
{
    const char *word;
    uint32_t n = 0;
    int rc = 0;
    while (reader_arg(rd, &word)) {
        if (++n <= TOS_MAX && add_to(rd, to, word) < 0)
            rc = -1;
    }
    if (n > TOS_MAX)
        return reader_error(rd, "more than %d TOs configured: %u", TOS_MAX, n);
    if (n == 0)
        return reader_error_args(rd);
    if (rc == 0 && to->n == 0)
        return reader_error(rd, "no valid upstream addresses found");
    return rc;
}

static int check_options(const struct setup *s, const struct forward *f)
{
    char age[DURATION_TEXT_MAX], expire[DURATION_TEXT_MAX];
    const struct upstream_group *g = &f->group;
    if (g->max_age_us == 0 || g->max_age_us >= g->expire_us)
        return 0;
    return error_at(s->errs, f->at,
                    "plugin/forward: max_age (%s) must not be less than expire (%s)",
                    duration_print(g->max_age_us, age),
                    duration_print(g->expire_us, expire));
}

static struct forward *forward_new(struct reader *rd)
{
    struct forward *f = arena_alloc(rd->arena, sizeof *f);
    if (f == NULL)
        return NULL;
    f->at = reader_token(rd)->at;
    f->group = (struct upstream_group){
        .label = "forward",
        .policy = POLICY_RANDOM,
        .max_fails = 2,
        /* CoreDNS gives up at 5 s: just when stubs do, who then never learn why. */
        .deadline_us = 49 * SECOND / 10,
        .attempt_us = 2 * SECOND,
        .expire_us = 10 * SECOND,
        .probe = {.interval_us = SECOND / 2, .type = DNS_NS, .recursion_desired = true},
    };
    f->group.probe.name.len = 1; /* the root */
    return f;
}

/* What workers count together is kept over a reload by the words of the block's keys
 * and the directive's place in it. */
static struct span shared_key(const struct setup *s, uint32_t place)
{
    const char *text = arena_printf(s->arena, "forward %u", place);
    const struct block *block = s->block->source;
    for (uint32_t i = 0; i < block->keys_n && text != NULL; i++)
        text = arena_printf(s->arena, "%s %s", text, block->keys[i].text);
    return (struct span){.at = (const uint8_t *)text,
                         .len = text == NULL ? 0 : strlen(text)};
}

static int make_group(struct setup *s, struct forward *f, const struct targets *to,
                      uint32_t place)
{
    struct upstream_group *g = &f->group;
    struct span key = shared_key(s, place);
    g->list = arena_array(s->arena, to->n, sizeof(struct upstream *));
    if (key.at == NULL || g->list == NULL)
        return no_memory(s);
    g->shared = upstream_claim_shared(s->registry, key);
    if (g->shared == NULL)
        return no_memory(s);
    g->attempts_max = 2 * to->n; /* CoreDNS's default of max_connect_attempts */
    for (uint32_t i = 0; i < to->n; i++) {
        struct endpoint e = {
            .addr = to->list[i], .idle_us = g->expire_us, .life_us = g->max_age_us};
        struct upstream *up =
            upstream_claim(s->registry, &e, TRANSPORT_UDP, TEXT("forward"));
        if (up == NULL)
            return no_memory(s);
        g->list[g->n++] = up;
    }
    return 0;
}

static int keep(struct setup *s, struct forward_plugin *p, struct forward *f)
{
    if (p->n == p->cap) {
        uint32_t cap = p->cap == 0 ? 4 : p->cap * 2;
        struct forward **more = arena_array(s->arena, cap, sizeof *more);
        if (more == NULL || cap < p->cap)
            return -1;
        if (p->n > 0)
            memcpy(more, p->list, p->n * sizeof *more);
        p->list = more;
        p->cap = cap;
    }
    p->list[p->n++] = f;
    return 0;
}

/* Reads to the end of the directive whatever is wrong in it, so that all is told. */
static int set_up_one(struct setup *s, struct forward_plugin *p, struct reader *rd)
{
    struct targets to = {0};
    struct forward *f = forward_new(rd);
    if (f == NULL || keep(s, p, f) < 0)
        return no_memory(s);
    int rc = read_from(rd, f);
    if (rc == 0 || f->from.n > 0)
        rc = read_tos(rd, &to);
    else
        reader_args(rd);
    if (reader_options(rd, forward_options, FORWARD_OPTIONS_N, f) < 0 || rc < 0)
        return -1;
    if (check_options(s, f) < 0)
        return -1;
    return make_group(s, f, &to, p->n - 1);
}

int forward_setup(struct setup *s, const struct directive *d)
{
    struct forward_plugin *p = arena_alloc(s->arena, sizeof *p);
    if (p == NULL)
        return no_memory(s);
    s->state = p;
    s->block->any_class = true; /* CoreDNS: `forward` takes every class */
    struct reader rd = reader_init(d, s->arena, s->errs);
    uint32_t before = s->errs->n;
    while (reader_next(&rd))
        set_up_one(s, p, &rd);
    return s->errs->n > before ? -1 : 0;
}

void forward_release(struct registry *reg, void *state)
{
    struct forward_plugin *p = state;
    for (uint32_t i = 0; i < p->n; i++)
        upstream_group_release(reg, &p->list[i]->group);
}
