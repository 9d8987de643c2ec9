#include "resolver/pages.h"

#include "base/log.h"
#include "resolver/outside.h"
#include "resolver/plan.h"

#include <stdlib.h>

/* The part behind the last colon: a number up to 65535. 0, or nothing, is any free
 * port. -1 when it is none. */
static int parse_port(const char *text)
{
    size_t len = strlen(text);
    if (len > 5 || strspn(text, "0123456789") != len)
        return -1;
    unsigned long port = strtoul(text, NULL, 10);
    return port > UINT16_MAX ? -1 : (int)port;
}

/* `host` is what is to be looked up, empty when `out` is complete. */
static int parse(const char *word, struct addr *out, struct text *host)
{
    const char *colon = strrchr(word, ':');
    int port = colon == NULL ? -1 : parse_port(colon + 1);
    if (port < 0)
        return -1;
    *host = (struct text){.at = word, .len = (size_t)(colon - word)};
    if (text_is(*host, "localhost"))
        *host = TEXT("127.0.0.1");
    bool bracketed = host->len > 0 && host->at[0] == '[';
    /* An address of IPv6 without brackets has no port. */
    if (!bracketed && memchr(host->at, ':', host->len) != NULL)
        return -1;
    if (host->len > 0 && addr_parse(out, *host, (uint16_t)port) == 0) {
        host->len = 0;
        return 0;
    }
    *out = (struct addr){.port = (uint16_t)port};
    return bracketed ? -1 : 0;
}

/* Puts the first address into `out`, of IPv4 if there is one; -1: `found` says why not.
 */
static int look_up(const struct setup *s, struct text host, struct addr *out,
                   struct outside_addrs *found)
{
    const struct outside *outside = s->plan->outside;
    struct name name;
    snprintf(found->reason, sizeof found->reason, "no such host");
    if (outside == NULL || name_parse(&name, host) < 0)
        return -1;
    for (uint8_t family = 4; family <= 6; family += 2) {
        int rc = outside->lookup(&name, family, NULL, 0, found);
        if (found->n > 0) {
            uint16_t port = out->port;
            *out = found->list[0];
            out->port = port;
            return 0;
        }
        if (rc < 0)
            return -1;
    }
    return -1;
}

static int add(struct setup *s, enum page_kind kind, const struct addr *addr)
{
    struct page_place **at = &s->plan->pages.first;
    for (; *at != NULL; at = &(*at)->next) {
        if ((*at)->kind == kind && addr_equal(&(*at)->addr, addr))
            return 0;
    }
    *at = arena_alloc(s->arena, sizeof **at);
    if (*at == NULL)
        return -1;
    **at = (struct page_place){.kind = kind, .addr = *addr};
    return 0;
}

int pages_read(struct setup *s, struct reader *rd, enum page_kind kind,
               const char *fallback)
{
    struct addr addr;
    struct text host;
    struct outside_addrs found = {0};
    const char *word = fallback;
    if (reader_arg(rd, &word) && reader_no_arg(rd) < 0)
        return -1;
    if (parse(word, &addr, &host) < 0)
        return reader_error(rd, "address %s: expected [HOST]:PORT, such as %s", word,
                            fallback);
    if (host.len > 0 && look_up(s, host, &addr, &found) < 0) {
        if (kind == PAGE_HEALTH)
            return reader_error(rd, "address %s: %s", word, found.reason);
        log_error("plugin/%s: failed to start: %s: %s", rd->directive->name, word,
                  found.reason);
        return 0;
    }
    return add(s, kind, &addr) < 0 ? reader_error(rd, "out of memory") : 0;
}
