#include "config/inventory_draft.h"

#include "base/limits.h"

#include <stdio.h>

static int wrong(char *why, const char *text)
{
    snprintf(why, INVENTORY_WRONG_MAX, "%s", text);
    return -1;
}

static int full(char *why, uint32_t n)
{
    if (n >= INVENTORY_LIST_MAX)
        return wrong(why, "maxItems: more than 64");
    return wrong(why, "out of memory");
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
}

int draft_name(struct arena *a, struct inventory_draft *d, const char *word, char *why)
{
    struct name n;
    size_t len = strlen(word);
    bool good = len > 0 && word[len - 1] != '.' && name_parse(&n, text_of(word)) == 0;
    for (size_t i = 0; i < len; i++)
        good = good && is_name_char(word[i]);
    if (!good)
        return wrong(why, "pattern: no name, expected letters, digits, `-`, `_` and "
                          "`.` between them, such as cluster-b");
    const char *copy = arena_text(a, text_of(word));
    if (copy == NULL)
        return wrong(why, "out of memory");
    d->name = (struct text){.at = copy, .len = len};
    return 0;
}

int draft_zone(struct arena *a, struct inventory_draft *d, const char *word, char *why)
{
    struct name n;
    if (name_parse(&n, text_of(word)) < 0 || n.len < 2)
        return wrong(why, "format: no zone, expected a domain name, such as "
                          "cluster-b.local");
    name_lower(n.wire, n.wire, n.len);
    for (uint32_t i = 0; i < d->zones.n; i++) {
        if (name_equal(d->zones.list[i].wire, n.wire))
            return 0;
    }
    return inventory_add_zone(a, &d->zones, &n) < 0 ? full(why, d->zones.n) : 0;
}

int draft_domain(struct arena *a, struct inventory_draft *d, const char *word,
                 char *why)
{
    struct name n;
    if (name_parse(&n, text_of(word)) < 0 || n.len < 2)
        return wrong(why, "format: no domain name, expected the cluster's own domain, "
                          "such as cluster.local");
    name_lower(n.wire, n.wire, n.len);
    if (d->domain.len > 0 && !name_equal(d->domain.wire, n.wire))
        return wrong(why, "another domain was given for the same cluster");
    d->domain = n;
    return 0;
}

static int add_subnet(struct arena *a, struct subnets *to, const char *word, char *why)
{
    struct cidr c;
    bool host_bits;
    char text[ADDR_TEXT_MAX];
    if (cidr_parse(&c, text_of(word), &host_bits) < 0)
        return wrong(why, "format: no subnet, expected ADDRESS/LENGTH, such as "
                          "10.97.0.0/16 or fd00:97::/112");
    if (host_bits) {
        snprintf(why, INVENTORY_WRONG_MAX,
                 "format: bits are set behind the prefix, expected %s",
                 cidr_print(&c, text));
        return -1;
    }
    for (uint32_t i = 0; i < to->n; i++) {
        if (cidr_equal(&to->list[i], &c))
            return 0;
    }
    return inventory_add_cidr(a, to, &c) < 0 ? full(why, to->n) : 0;
}

int draft_services(struct arena *a, struct inventory_draft *d, const char *word,
                   char *why)
{
    return add_subnet(a, &d->services, word, why);
}

int draft_pods(struct arena *a, struct inventory_draft *d, const char *word, char *why)
{
    return add_subnet(a, &d->pods, word, why);
}

int draft_dns(struct arena *a, struct inventory_draft *d, const char *word, char *why)
{
    struct addr addr;
    if (addr_parse(&addr, text_of(word), 0) < 0)
        return wrong(why, "format: no address, expected ADDRESS, ADDRESS:PORT or "
                          "[V6]:PORT");
    for (uint32_t i = 0; i < d->dns.n; i++) {
        if (addr_equal(&d->dns.list[i], &addr))
            return 0;
    }
    return inventory_add_addr(a, &d->dns, &addr) < 0 ? full(why, d->dns.n) : 0;
}

int draft_check(const struct inventory_draft *d, char *why)
{
    if (d->name.len == 0)
        return wrong(why, "required: name");
    if (d->services.n == 0 && d->dns.n == 0)
        return wrong(why, "anyOf: neither services nor dns, so that its DNS cannot be "
                          "found: give its Service subnet or a DNS address");
    return 0;
}
