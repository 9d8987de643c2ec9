#include "resolver/plugins/forward_to.h"

#include "base/log.h"
#include "config/key.h"
#include "config/source.h"
#include "resolver/outside.h"
#include "resolver/plan.h"

#include <stdlib.h>

#define TOS_MAX 15 /* written ones; a file or a host name may bring more */

/* ---- lists ---- */

/* Room for one more in an array of the plan's arena; NULL: no memory. */
static void *grow(struct arena *a, void *list, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return list;
    uint32_t more_cap = *cap == 0 ? TOS_MAX : *cap * 2;
    void *more = more_cap < *cap ? NULL : arena_array(a, more_cap, size);
    if (more == NULL)
        return NULL;
    if (n > 0)
        memcpy(more, list, n * size);
    *cap = more_cap;
    return more;
}

static int add_target(struct arena *a, struct forward_targets *to,
                      const struct forward_target *target)
{
    struct forward_target *list = grow(a, to->list, to->n, &to->cap, sizeof *to->list);
    if (list == NULL)
        return -1;
    to->list = list;
    to->list[to->n++] = *target;
    return 0;
}

static int add_addr(struct arena *a, struct forward_addrs *to, const struct addr *addr)
{
    struct addr *list = grow(a, to->list, to->n, &to->cap, sizeof *to->list);
    if (list == NULL)
        return -1;
    to->list = list;
    to->list[to->n++] = *addr;
    return 0;
}

static bool has_addr(const struct forward_targets *to, const struct addr *addr)
{
    for (uint32_t i = 0; i < to->n; i++) {
        if (addr_equal(&to->list[i].addr, addr))
            return true;
    }
    return false;
}

static int keep(struct reader *rd, struct forward_targets *to,
                const struct forward_target *target)
{
    if (add_target(rd->arena, to, target) < 0)
        return reader_error(rd, "out of memory");
    return 0;
}

/* ---- files ---- */

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
static int read_servers(struct arena *a, const char *path, struct where at,
                        struct forward_addrs *to, struct errors *errs)
{
    struct text rest;
    if (source_read(a, path, at, &rest, errs) < 0)
        return -1;
    while (rest.len > 0) {
        struct text line = text_line(&rest);
        if (!text_is(text_word(&line), "nameserver"))
            continue;
        struct text ip = text_word(&line);
        struct addr addr;
        if (addr_parse_ip(&addr, strip_scope(ip)) < 0)
            return error_at(errs, at,
                            "plugin/forward: %s: nameserver '%.*s' is no address", path,
                            (int)ip.len, ip.at);
        addr.port = 53;
        if (add_addr(a, to, &addr) < 0)
            return error_at(errs, at, "out of memory");
    }
    return 0;
}

static int add_file(struct reader *rd, struct forward_targets *to, const char *path)
{
    struct forward_addrs servers = {0};
    if (read_servers(rd->arena, path, reader_token(rd)->at, &servers, rd->errs) < 0)
        return -1;
    for (uint32_t i = 0; i < servers.n; i++) {
        struct forward_target target = {.addr = servers.list[i]};
        if (keep(rd, to, &target) < 0)
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

/* ---- one destination ---- */

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

/* `HOST` or `HOST:PORT`, brackets or not; a `target` without a port gets that of the
 * protocol before. A port too high is kept as one that cannot be reached, as above. */
static int cut_port(struct reader *rd, struct forward_target *target, const char *word)
{
    const char *colon = strrchr(word, ':');
    size_t len = colon == NULL ? strlen(word) : (size_t)(colon - word);
    if (colon != NULL) {
        if (colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1))
            return -1;
        unsigned long port = strtoul(colon + 1, NULL, 10);
        target->addr.port = port > UINT16_MAX ? 0 : (uint16_t)port;
    }
    if (len > 2 && word[0] == '[' && word[len - 1] == ']') {
        word++;
        len -= 2;
    }
    target->host = arena_printf(rd->arena, "%.*s", (int)len, word);
    return target->host == NULL ? -1 : 0;
}

/* A host name, of which `target` has everything else. */
static int add_host(struct reader *rd, struct forward_targets *to, const char *word,
                    struct forward_target *target)
{
    struct name name;
    if (strchr(word, '/') != NULL)
        return reader_error(rd,
                            "not an IP address, file, or valid domain: \"%s\": there "
                            "is no such file",
                            word);
    if (cut_port(rd, target, word) < 0 || *target->host == '\0' ||
        name_parse(&name, text_of(target->host)) < 0 ||
        strchr(target->host, ':') != NULL)
        return reader_error(
            rd,
            "not an IP address, file, or valid domain: \"%s\": "
            "expected ADDRESS, ADDRESS:PORT, [V6]:PORT, HOST, HOST:PORT "
            "or a file such as /etc/resolv.conf",
            word);
    return keep(rd, to, target);
}

static int add_dns(struct reader *rd, struct forward_targets *to, const char *word)
{
    struct forward_target target = {0};
    const struct token *token = reader_token(rd);
    if (addr_parse(&target.addr, text_of(word), 53) == 0)
        return keep(rd, to, &target);
    if (parse_bad_port(&target.addr, word)) {
        log_warning("plugin/forward: %s:%u: no port is as high as that of '%s': it "
                    "will never be reached",
                    token->at.file, token->at.line, word);
        return keep(rd, to, &target);
    }
    if (is_file(rd, word))
        return add_file(rd, to, word);
    target.addr.port = 53;
    return add_host(rd, to, word, &target);
}

/* `ADDRESS%NAME:PORT`: the name is what the certificate must say. */
static int cut_servername(struct reader *rd, const char **host, const char **name)
{
    const char *mark = strchr(*host, '%');
    if (mark == NULL)
        return 0;
    size_t len = strcspn(mark + 1, ":]");
    *name = arena_printf(rd->arena, "%.*s", (int)len, mark + 1);
    *host =
        arena_printf(rd->arena, "%.*s%s", (int)(mark - *host), *host, mark + 1 + len);
    return *name == NULL || *host == NULL ? reader_error(rd, "out of memory") : 0;
}

/* Of tls:// or https://. */
static int add_secure(struct reader *rd, struct forward_targets *to, enum scheme scheme,
                      const char *word)
{
    bool https = scheme == SCHEME_HTTPS;
    struct forward_target target = {.transport =
                                        https ? TRANSPORT_HTTPS : TRANSPORT_TLS};
    uint16_t port = scheme_port(scheme);
    const char *host = word;
    if (https && strchr(word, '/') != NULL)
        return reader_error(rd,
                            "paths are not allowed in HTTPS upstream addresses (the "
                            "/dns-query path is used by default): https://%s",
                            word);
    if (cut_servername(rd, &host, &target.servername) < 0)
        return -1;
    if (addr_parse(&target.addr, text_of(host), port) == 0)
        return keep(rd, to, &target);
    target.addr.port = port;
    return add_host(rd, to, host, &target);
}

static int refuse_scheme(struct reader *rd, enum scheme scheme, const char *host)
{
    struct addr addr;
    char text[ADDR_TEXT_MAX];
    const char *name = scheme_name(scheme);
    if (addr_parse(&addr, text_of(host), scheme_port(scheme)) == 0)
        host = addr_print(&addr, text);
    return reader_error(
        rd, "'%s' is not supported as a destination protocol in forward: %s://%s", name,
        name, host);
}

static int add_to(struct reader *rd, struct forward_targets *to, const char *word)
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
    if (scheme == SCHEME_DNS)
        return add_dns(rd, to, host);
    return scheme == SCHEME_TLS || scheme == SCHEME_HTTPS
               ? add_secure(rd, to, scheme, host)
               : refuse_scheme(rd, scheme, host);
}

int forward_to_read(struct reader *rd, struct forward_targets *out)
{
    const char *word;
    uint32_t n = 0;
    int rc = 0;
    while (reader_arg(rd, &word)) {
        if (++n <= TOS_MAX && add_to(rd, out, word) < 0)
            rc = -1;
    }
    if (n > TOS_MAX)
        return reader_error(rd, "more than %d TOs configured: %u", TOS_MAX, n);
    if (n == 0)
        return reader_error_args(rd);
    if (rc == 0 && out->n == 0)
        return reader_error(rd, "no valid upstream addresses found");
    return rc;
}

int forward_to_server(struct reader *rd, struct forward_addrs *to, const char *word)
{
    struct addr addr;
    if (addr_parse(&addr, text_of(word), 53) < 0)
        return reader_error(rd, "resolver: '%s' is no address: expected IP or IP:PORT",
                            word);
    if (add_addr(rd->arena, to, &addr) < 0)
        return reader_error(rd, "out of memory");
    return 0;
}

/* ---- host names ---- */

/* Where looked-up addresses go, and on whose behalf. */
struct looking {
    struct setup *s;
    struct where at;
    struct forward_targets out;
    struct forward_addrs servers;
};

static int put(struct looking *l, const struct forward_target *target)
{
    if (has_addr(&l->out, &target->addr))
        return 0;
    if (add_target(l->s->arena, &l->out, target) < 0)
        return error_at(l->s->errs, l->at, "out of memory");
    return 0;
}

static int put_found(struct looking *l, const struct forward_target *target,
                     const struct outside_addrs *found)
{
    struct forward_target one = *target;
    for (uint32_t i = 0; i < found->n; i++) {
        one.addr = found->list[i];
        one.addr.port = target->addr.port;
        if (put(l, &one) < 0)
            return -1;
    }
    return 0;
}

static int look_up(struct looking *l, const struct forward_target *target)
{
    static const uint8_t families[] = {4, 6};
    const struct outside *outside = l->s->plan->outside;
    const char *why =
        outside == NULL ? "nothing can be looked up here" : "it has no address";
    struct outside_addrs failed = {0};
    struct name name;
    uint32_t n = 0;
    if (name_parse(&name, text_of(target->host)) < 0)
        return -1;
    for (size_t i = 0; outside != NULL && i < sizeof families; i++) {
        struct outside_addrs more = {0};
        int rc =
            outside->lookup(&name, families[i], l->servers.list, l->servers.n, &more);
        if (more.n == 0)
            failed = more;
        if (rc < 0)
            break;
        n += more.n;
        if (put_found(l, target, &more) < 0)
            return -1;
    }
    if (n > 0)
        return 0;
    return error_at(l->s->errs, l->at, "plugin/forward: failed to resolve \"%s\": %s",
                    target->host, failed.reason[0] == '\0' ? why : failed.reason);
}

int forward_to_look_up(struct setup *s, struct where at, struct forward_targets *to,
                       struct forward_addrs servers)
{
    struct looking l = {.s = s, .at = at, .servers = servers};
    for (uint32_t i = 0; i < to->n; i++) {
        const struct forward_target *target = &to->list[i];
        if ((target->host == NULL ? put(&l, target) : look_up(&l, target)) < 0)
            return -1;
    }
    *to = l.out;
    return 0;
}
