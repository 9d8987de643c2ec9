#include "resolver/pages.h"

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

static int parse(const char *word, struct addr *out)
{
    const char *colon = strrchr(word, ':');
    int port = colon == NULL ? -1 : parse_port(colon + 1);
    if (port < 0)
        return -1;
    struct text host = {.at = word, .len = (size_t)(colon - word)};
    *out = (struct addr){.port = (uint16_t)port};
    if (host.len == 0)
        return 0;
    if (text_is(host, "localhost"))
        host = TEXT("127.0.0.1");
    bool bracketed = host.at[0] == '[' && host.at[host.len - 1] == ']';
    /* An address of IPv6 without brackets has no port. */
    if (!bracketed && memchr(host.at, ':', host.len) != NULL)
        return -1;
    return addr_parse(out, host, (uint16_t)port);
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
    const char *word = fallback;
    if (reader_arg(rd, &word) && reader_no_arg(rd) < 0)
        return -1;
    if (parse(word, &addr) < 0)
        return reader_error(rd,
                            "address %s: expected [HOST]:PORT, with an IP address or "
                            "localhost for HOST, such as %s",
                            word, fallback);
    return add(s, kind, &addr) < 0 ? reader_error(rd, "out of memory") : 0;
}
