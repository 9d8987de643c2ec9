#include "resolver/plugins/hosts_data.h"

#include "base/hash.h"

/* ---- lines ---- */

/* Takes the next line off the front of `rest`, without a comment at its end. */
static struct text take_line(struct text *rest)
{
    struct text line = text_line(rest);
    const char *comment = line.len == 0 ? NULL : memchr(line.at, '#', line.len);
    if (comment != NULL)
        line.len = (size_t)(comment - line.at);
    return line;
}

/* ---- entries ---- */

/* An address without its interface, of which DNS has no notion. */
static int parse_address(struct addr *out, struct text word)
{
    const char *scope = word.len == 0 ? NULL : memchr(word.at, '%', word.len);
    if (scope != NULL)
        word.len = (size_t)(scope - word.at);
    if (addr_parse_ip(out, word) < 0)
        return -1;
    addr_unmap(out);
    return 0;
}

static int add_entry(struct hosts_builder *b, const struct addr *addr, struct text word)
{
    struct name name;
    if (name_parse(&name, word) < 0)
        return 0;
    name_lower(name.wire, name.wire, name.len);
    if (zones_match(b->zones, name.wire) == NULL)
        return 0;
    bool wildcard = name.wire[0] == 1 && name.wire[1] == '*';
    size_t skip = wildcard ? 2 : 0;
    struct hosts_entry *e = arena_alloc(b->arena, sizeof *e);
    uint8_t *copy = arena_copy(b->arena, name.wire + skip, name.len - skip);
    if (e == NULL || copy == NULL)
        return -1;
    *e = (struct hosts_entry){
        .name = copy, .family = addr->family, .wildcard = wildcard, .next = b->newest};
    memcpy(e->ip, addr->ip, sizeof e->ip);
    b->newest = e;
    b->n++;
    return 0;
}

static int add_line(struct hosts_builder *b, struct text line)
{
    struct addr addr;
    struct text word = text_word(&line);
    if (parse_address(&addr, word) < 0)
        return 0;
    while ((word = text_word(&line)).len > 0) {
        if (add_entry(b, &addr, word) < 0)
            return -1;
    }
    return 0;
}

/* ---- index ---- */

static uint32_t hash_of_addr(const uint8_t *ip)
{
    return (uint32_t)hash_bytes(ip, 16);
}

static int make_buckets(struct hosts_data *d, struct arena *a)
{
    uint32_t n = 1;
    while (n < d->n && n < 1u << 30)
        n *= 2;
    d->mask = n - 1;
    d->names = arena_array(a, n, sizeof(struct hosts_entry *));
    d->wildcards = arena_array(a, n, sizeof(struct hosts_entry *));
    d->addrs = arena_array(a, n, sizeof(struct hosts_entry *));
    return d->names == NULL || d->wildcards == NULL || d->addrs == NULL ? -1 : 0;
}

/* Puts `e` in front of the entries with its name, in whose place it stands from now on.
 */
static void index_name(struct hosts_data *d, struct hosts_entry *e)
{
    struct hosts_entry **at = e->wildcard ? d->wildcards : d->names;
    at += name_hash(e->name) & d->mask;
    while (*at != NULL &&
           !((*at)->family == e->family && name_equal((*at)->name, e->name)))
        at = &(*at)->next;
    e->same = *at;
    e->next = *at == NULL ? NULL : (*at)->next;
    *at = e;
}

static void index_addr(struct hosts_data *d, struct hosts_entry *e)
{
    struct hosts_entry **at = &d->addrs[hash_of_addr(e->ip) & d->mask];
    while (*at != NULL &&
           !((*at)->family == e->family && memcmp((*at)->ip, e->ip, sizeof e->ip) == 0))
        at = &(*at)->next_addr;
    e->same_addr = *at;
    e->next_addr = *at == NULL ? NULL : (*at)->next_addr;
    *at = e;
}

int hosts_data_add(struct hosts_builder *b, struct text lines)
{
    while (lines.len > 0) {
        if (add_line(b, take_line(&lines)) < 0)
            return -1;
    }
    return 0;
}

const struct hosts_data *hosts_data_finish(struct hosts_builder *b, bool reverse)
{
    struct hosts_data *d = arena_alloc(b->arena, sizeof *d);
    if (d == NULL)
        return NULL;
    d->n = b->n;
    if (make_buckets(d, b->arena) < 0)
        return NULL;
    /* From the last to the first, each in front of those before it: the lists end up in
     * the order of the file. */
    struct hosts_entry *next;
    for (struct hosts_entry *e = b->newest; e != NULL; e = next) {
        next = e->next;
        index_name(d, e);
        if (reverse && !e->wildcard)
            index_addr(d, e);
    }
    return d;
}

/* ---- look-up ---- */

static const struct hosts_entry *find(const struct hosts_entry *e, const uint8_t *name,
                                      uint8_t family)
{
    while (e != NULL && !(e->family == family && name_equal(e->name, name)))
        e = e->next;
    return e;
}

const struct hosts_entry *hosts_data_name(const struct hosts_data *d,
                                          const struct name_key *key, uint8_t family)
{
    const struct hosts_entry *e =
        find(d->names[key->hash[0] & d->mask], key->lower, family);
    if (e != NULL || key->labels < 2)
        return e;
    return find(d->wildcards[key->hash[1] & d->mask], key->lower + key->offset[1],
                family);
}

const struct hosts_entry *hosts_data_addr(const struct hosts_data *d,
                                          const struct addr *addr)
{
    struct addr plain = *addr;
    addr_unmap(&plain);
    const struct hosts_entry *e = d->addrs[hash_of_addr(plain.ip) & d->mask];
    while (e != NULL &&
           !(e->family == plain.family && memcmp(e->ip, plain.ip, sizeof e->ip) == 0))
        e = e->next_addr;
    return e;
}
