#include "base/limits.h"
#include "resolver/edns.h"
#include "resolver/metadata.h"
#include "resolver/plugins/rewrite/rewrite_reading.h"

#include <stdlib.h>

/* As Go reads a number with its base: 65518, 0xffee, 0177756, 0o7, 0b1. */
static int base_of(char letter)
{
    switch (letter) {
    case 'x':
    case 'X':
        return 16;
    case 'b':
    case 'B':
        return 2;
    default:
        return 8;
    }
}

static bool parse_code(const char *word, uint16_t *out)
{
    int base = 10;
    if (word[0] == '0' && word[1] != '\0') {
        base = base_of(word[1]);
        word += strchr("xXbBoO", word[1]) != NULL ? 2 : 1;
    }
    char *end;
    bool digit = (word[0] >= '0' && word[0] <= '9') ||
                 (base == 16 && strchr("abcdefABCDEF", word[0]) != NULL);
    unsigned long n = strtoul(word, &end, base);
    *out = (uint16_t)n;
    return word[0] != '\0' && digit && *end == '\0' && n <= UINT16_MAX;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c | 0x20);
    if (c >= '0' && c <= '9')
        return c - '0';
    return at == NULL || at - digits < 10 ? -1 : (int)(at - digits);
}

static int read_hex(struct rewrite_reading *r, const char *word, struct span *out)
{
    size_t len = strlen(word);
    uint8_t *octets = arena_alloc(r->rd->arena, len / 2 + 1);
    if (octets == NULL)
        return rewrite_refuse_memory(r);
    for (size_t i = 0; i < len; i++) {
        int digit = hex_digit(word[i]);
        if (digit < 0 || len % 2 != 0)
            return rewrite_refuse(r, "'0x%s' is no data: expected pairs of hex digits",
                                  word);
        octets[i / 2] = (uint8_t)(octets[i / 2] << 4 | digit);
    }
    *out = (struct span){.at = octets, .len = len / 2};
    return 0;
}

/* An option that forward would leave out for its length is none. */
#define DATA_MAX (EDNS_OPTIONS_MAX - 4)

/* `{PLUGIN/NAME}`: a label of metadata.h. */
static int read_label(struct rewrite_reading *r, const char *word)
{
    struct rewrite_edns0 *e = &r->rule->edns0;
    size_t len = strlen(word) - 2;
    const char *label = word + 1, *slash = strchr(label, '/');
    bool sound = slash != NULL && slash > label && slash + 1 < label + len &&
                 strrchr(label, '/') == slash && len < METADATA_LABEL_MAX;
    if (!sound)
        return rewrite_refuse(
            r,
            "unsupported variable name \"%s\": expected {qname}, {qtype}, "
            "{client_ip}, {client_port}, {protocol}, {server_ip}, {server_port} or a "
            "metadata label such as {view/name}",
            word);
    const char *text = arena_printf(r->rd->arena, "%.*s", (int)len, label);
    if (text == NULL)
        return rewrite_refuse_memory(r);
    e->value = EDNS0_LABEL;
    e->data = (struct span){.at = (const uint8_t *)text, .len = len};
    return 0;
}

static int read_data(struct rewrite_reading *r, const char *word)
{
    struct rewrite_edns0 *e = &r->rule->edns0;
    size_t len = strlen(word);
    if (len > 1 && word[0] == '{' && word[len - 1] == '}') {
        if (rewrite_edns0_variable(word, &e->value))
            return 0;
        return read_label(r, word);
    }
    e->data = (struct span){.at = (const uint8_t *)word, .len = len};
    if (strncmp(word, "0x", 2) == 0 && read_hex(r, word + 2, &e->data) < 0)
        return -1;
    if (e->data.len > DATA_MAX)
        return rewrite_refuse(r, "data of %zu octets: expected at most %d", e->data.len,
                              DATA_MAX);
    return 0;
}

static int read_local(struct rewrite_reading *r)
{
    bool unset = r->rule->edns0.action == EDNS0_UNSET;
    if (r->n != (unset ? 3 : 4))
        return rewrite_refuse(r, "EDNS0 local rules have %s behind local %s",
                              unset ? "one word, CODE," : "CODE DATA [revert]",
                              r->words[1]);
    if (!parse_code(r->words[2], &r->rule->edns0.code))
        return rewrite_refuse(r, "invalid option code '%s': expected 0 to 65535",
                              r->words[2]);
    return unset ? 0 : read_data(r, r->words[3]);
}

static int read_nsid(struct rewrite_reading *r)
{
    r->rule->edns0.code = EDNS_NSID;
    r->rule->edns0.value = EDNS0_NSID_WISH;
    if (r->n == 2)
        return 0;
    return rewrite_refuse(
        r, "EDNS0 NSID rules can accept no more than one arg: nsid %s [revert]",
        r->words[1]);
}

static int read_bits(struct rewrite_reading *r, const char *word, unsigned max,
                     uint8_t *out)
{
    uint16_t bits;
    if (!parse_code(word, &bits) || bits > max)
        return rewrite_refuse(r, "invalid %s bit mask length %s: expected 0 to %u",
                              max == 32 ? "IPv4" : "IPv6", word, max);
    *out = (uint8_t)bits;
    return 0;
}

static int read_subnet(struct rewrite_reading *r)
{
    struct rewrite_edns0 *e = &r->rule->edns0;
    bool unset = e->action == EDNS0_UNSET;
    e->code = EDNS_SUBNET;
    e->value = EDNS0_CLIENT_NET;
    if (r->n != (unset ? 2 : 4))
        return rewrite_refuse(r, "EDNS0 subnet rules have %s behind subnet %s",
                              unset ? "nothing" : "V4BITS V6BITS [revert]",
                              r->words[1]);
    if (unset)
        return 0;
    int v4 = read_bits(r, r->words[2], 32, &e->v4_bits);
    int v6 = read_bits(r, r->words[3], 128, &e->v6_bits);
    return v4 < 0 || v6 < 0 ? -1 : 0;
}

int rewrite_read_edns0(struct reader *unused, void *reading)
{
    static const char *const actions[] = {"set", "append", "replace", "unset"};
    struct rewrite_reading *r = reading;
    struct rewrite_edns0 *e = &r->rule->edns0;
    unsigned action = 0;
    if (r->n < 2)
        return rewrite_refuse(
            r, "too few arguments for an EDNS0 rule: expected local, nsid or "
               "subnet, then set, append, replace or unset");
    while (action < 4 && !rewrite_is_word(r->words[1], actions[action]))
        action++;
    if (action == 4)
        return rewrite_refuse(
            r, "invalid action: \"%s\": expected set, append, replace or unset",
            r->words[1]);
    e->action = (enum rewrite_edns0_action)action;
    if (action != EDNS0_UNSET && strcmp(r->words[r->n - 1], "revert") == 0) {
        e->revert = true;
        r->n--;
    }
    if (rewrite_is_word(r->words[0], "local"))
        return read_local(r);
    if (rewrite_is_word(r->words[0], "nsid"))
        return read_nsid(r);
    if (rewrite_is_word(r->words[0], "subnet"))
        return read_subnet(r);
    return rewrite_refuse(r, "invalid rule type \"%s\": expected local, nsid or subnet",
                          r->words[0]);
}
