/* proxyproto: clients that come through a load balancer which tells their addresses in
 * front of what they say (PROXY protocol). Where blocks share a listener, the last
 * block in the file that has the directive speaks for it, as in CoreDNS. */
#include "resolver/plugin.h"

#include "resolver/plan.h"

#include <strings.h>

#define SESSIONS_MAX 10240

static int parse_allow(struct reader *rd, void *state)
{
    struct plan_proxy *p = state;
    struct token_list args = reader_args(rd);
    struct cidr *list = arena_array(rd->arena, p->allow_n + args.n, sizeof *list);
    if (list == NULL && p->allow_n + args.n > 0)
        return reader_error(rd, "out of memory");
    if (p->allow_n > 0)
        memcpy(list, p->allow, p->allow_n * sizeof *list);
    p->allow = list;
    for (uint32_t i = 0; i < args.n; i++) {
        const char *word = args.list[i].text;
        if (cidr_parse(&list[p->allow_n++], text_of(word), NULL) < 0)
            return reader_error(
                rd,
                "%s: invalid CIDR address: expected ADDRESS/LENGTH, such "
                "as 192.0.2.0/24",
                word);
    }
    return 0;
}

static int parse_default(struct reader *rd, void *state)
{
    static const char *const words[] = {"use", "ignore", "reject", "skip"};
    struct plan_proxy *p = state;
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(word, words[i]) == 0) {
            p->others = (enum proxy_policy)i;
            p->others_written = true;
            return 0;
        }
    }
    return reader_error(rd, "'%s': expected use, ignore, reject or skip", word);
}

static int parse_sessions(struct reader *rd, void *state)
{
    struct plan_proxy *p = state;
    struct token_list args = reader_args(rd);
    if (args.n < 1 || args.n > 2)
        return reader_error_args(rd);
    if (reader_duration(rd, args.list[0].text, &p->session_us) < 0)
        return -1;
    if (args.n == 1)
        return 0;
    return reader_u32(rd, args.list[1].text, 1, UINT32_MAX, &p->sessions_max);
}

static const struct option options[] = {
    {.name = "allow",
     .kind = OPTION_CUSTOM,
     .parse = parse_allow,
     .args = "CIDR...",
     .fallback = "everybody",
     .help = "proxies whose headers are believed"},
    {.name = "default",
     .kind = OPTION_CUSTOM,
     .parse = parse_default,
     .args = "use|ignore|reject|skip",
     .fallback = "ignore",
     .help = "the headers of others: believed, read and forgotten, an end of the "
             "connection (UDP: dropped), or not looked for"},
    {.name = "udp_session_tracking",
     .kind = OPTION_CUSTOM,
     .parse = parse_sessions,
     .args = "DURATION [MAX_SESSIONS]",
     .fallback = "off, 10240",
     .help = "a UDP header holds for what comes without one from the same port "
             "(Cloudflare Spectrum)"},
};

#define OPTIONS_N (sizeof options / sizeof *options)

static int setup(struct setup *s, const struct directive *d)
{
    struct plan_proxy *p = arena_alloc(s->arena, sizeof *p);
    if (p == NULL)
        return error_at(s->errs, d->at, "out of memory");
    *p = (struct plan_proxy){.others = PROXY_IGNORE, .sessions_max = SESSIONS_MAX};
    struct reader rd = reader_init(d, s->arena, s->errs);
    while (reader_next(&rd)) {
        if (reader_args(&rd).n > 0)
            return reader_error_args(&rd);
        if (reader_options(&rd, options, OPTIONS_N, p) < 0)
            return -1;
    }
    if (p->allow_n == 0 && !p->others_written)
        p->others = PROXY_USE;
    s->block->proxy = p;
    return 0;
}

const struct plugin plugin_proxyproto = {
    .name = "proxyproto",
    .help = "addresses of clients that come through a load balancer (PROXY protocol)",
    .synopsis = "proxyproto",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
};
