/* bind: the addresses a server block listens on, in place of all.
 *
 *     bind 127.0.0.1 eth0 {
 *         except 192.0.2.1
 *     }
 *
 * An interface stands for the addresses it has when the Corefile is read. Several bind
 * lines add up; `except` works on those of its own line. */
#include "resolver/plugin.h"

#include "resolver/plan.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>

struct addr_list {
    struct addr *list;
    uint32_t n, cap;
};

/* One directive: what it names, and the host's addresses to look interfaces up in. */
struct bind_line {
    struct addr_list addrs, except;
    const struct ifaddrs *host;
};

static int add_addr(struct reader *rd, struct addr_list *to, const struct addr *addr)
{
    if (to->n == to->cap) {
        uint32_t cap = to->cap == 0 ? 4 : to->cap * 2;
        struct addr *list = arena_array(rd->arena, cap, sizeof *list);
        if (list == NULL)
            return reader_error(rd, "out of memory");
        if (to->n > 0)
            memcpy(list, to->list, to->n * sizeof *list);
        to->list = list;
        to->cap = cap;
    }
    to->list[to->n++] = *addr;
    return 0;
}

static bool is_link_local(const struct addr *a)
{
    return a->family == 6 && a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

/* All addresses of an interface. *found: there is one of that name, if without address.
 */
static int add_interface(struct reader *rd, const struct bind_line *line,
                         const char *name, struct addr_list *to, bool *found)
{
    *found = false;
    for (const struct ifaddrs *i = line->host; i != NULL; i = i->ifa_next) {
        struct addr addr = {0};
        if (strcmp(i->ifa_name, name) != 0)
            continue;
        *found = true;
        if (i->ifa_addr != NULL)
            addr_from_sockaddr(&addr, i->ifa_addr);
        if (addr.family == 0)
            continue;
        addr.port = 0;
        addr.scope = is_link_local(&addr) ? if_nametoindex(name) : 0;
        if (add_addr(rd, to, &addr) < 0)
            return -1;
    }
    return 0;
}

static int add_word(struct reader *rd, const struct bind_line *line, const char *word,
                    struct addr_list *to)
{
    struct addr addr = {0};
    bool found;
    if (add_interface(rd, line, word, to, &found) < 0)
        return -1;
    if (found)
        return 0;
    if (addr_parse_ip(&addr, text_of(word)) < 0)
        return reader_error(rd,
                            "not a valid IP address or interface name: \"%s\": "
                            "expected an address without port or prefix, or an "
                            "interface of this host",
                            word);
    return add_addr(rd, to, &addr);
}

static int add_words(struct reader *rd, const struct bind_line *line,
                     struct addr_list *to)
{
    const char *word;
    while (reader_arg(rd, &word)) {
        if (add_word(rd, line, word, to) < 0)
            return -1;
    }
    return 0;
}

static int parse_except(struct reader *rd, void *state)
{
    struct bind_line *line = state;
    uint32_t at = rd->at;
    if (add_words(rd, line, &line->except) < 0)
        return -1;
    if (rd->at == at)
        return reader_error(rd, "at least one address or interface must be given to "
                                "except subdirective");
    return 0;
}

static const struct option options[] = {
    {.name = "except",
     .kind = OPTION_CUSTOM,
     .parse = parse_except,
     .args = "ADDRESS|INTERFACE...",
     .help = "leaves these out of the line's addresses"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

static bool is_excepted(const struct bind_line *line, const struct addr *addr)
{
    for (uint32_t i = 0; i < line->except.n; i++) {
        if (addr_equal(&line->except.list[i], addr))
            return true;
    }
    return false;
}

static int read_line(struct reader *rd, const struct ifaddrs *host,
                     struct addr_list *out)
{
    struct bind_line line = {.host = host};
    uint32_t at = rd->at;
    if (add_words(rd, &line, &line.addrs) < 0)
        return -1;
    if (rd->at == at)
        return reader_error(rd, "at least one address or interface name is expected");
    if (reader_options(rd, options, OPTIONS_N, &line) < 0)
        return -1;
    for (uint32_t i = 0; i < line.addrs.n; i++) {
        const struct addr *addr = &line.addrs.list[i];
        if (!is_excepted(&line, addr) && add_addr(rd, out, addr) < 0)
            return -1;
    }
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct addr_list all = {0};
    struct ifaddrs *host = NULL;
    int rc = 0;
    if (getifaddrs(&host) < 0)
        return error_at(s->errs, d->at,
                        "plugin/bind: failed to get interfaces list: %s",
                        strerror(errno));
    while (rc == 0 && reader_next(&rd))
        rc = read_line(&rd, host, &all);
    freeifaddrs(host);
    if (rc < 0)
        return -1;
    s->block->bind = (struct plan_bind){.list = all.list, .n = all.n, .written = true};
    return 0;
}

const struct plugin plugin_bind = {
    .name = "bind",
    .help = "listens on these addresses instead of all",
    .synopsis = "bind ADDRESS|INTERFACE...",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
};
