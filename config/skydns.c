#include "config/skydns.h"

#include "base/addr.h"
#include "base/limits.h"
#include "config/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define PRIORITY 10
#define TTL_S    300
#define TEXT_MAX 65000              /* with the lengths of its strings it fits RDATA */
#define STRING   255                /* octets of one character-string at most */
#define INTEGERS 9007199254740992.0 /* that a double holds: 2^53 */

/* What was read, before it has a place of its own. */
struct draft {
    struct skydns s;
    struct name host, owner;
    const char *text, *group;
    size_t text_len;
    char *why;
};

static int reject(struct draft *d, const char *why, const char *what)
{
    snprintf(d->why, SKYDNS_WHY_MAX, "%s%.80s", why, what);
    d->s.bad = true;
    return -1;
}

/* ---- members ---- */

static int take_text(struct draft *d, const cJSON *v, const char **out)
{
    if ((v->type & cJSON_String) == 0)
        return reject(d, "no text: ", v->string);
    *out = v->valuestring;
    return 0;
}

static int take_number(struct draft *d, const cJSON *v, double *out)
{
    double n = v->valuedouble;
    bool small = n > -INTEGERS && n < INTEGERS;
    if ((v->type & cJSON_Number) == 0 || !small || n > (double)(int64_t)n ||
        n < (double)(int64_t)n)
        return reject(d, "no whole number: ", v->string);
    *out = n;
    return 0;
}

/* One that is out of its range is as if it were not there. */
static double in_range(struct draft *d, const cJSON *v, double n, double max,
                       double instead)
{
    if (n >= 0 && n <= max)
        return n;
    snprintf(d->why, SKYDNS_WHY_MAX, "not used, expected 0 to %.0f: %.40s", max,
             v->string);
    return instead;
}

static int take_counts(struct draft *d, const cJSON *v)
{
    struct skydns *s = &d->s;
    double n = 0;
    if (take_number(d, v, &n) < 0)
        return -1;
    if (strcasecmp(v->string, "port") == 0)
        s->port = n == -1 ? -1 : (int32_t)in_range(d, v, n, UINT16_MAX, -1);
    else if (strcasecmp(v->string, "priority") == 0)
        s->priority = (uint16_t)in_range(d, v, n, UINT16_MAX, 0);
    else if (strcasecmp(v->string, "weight") == 0)
        s->weight = (int32_t)in_range(d, v, n, INT32_MAX, 0);
    else if (strcasecmp(v->string, "targetstrip") == 0)
        s->strip = n < 0 ? 0 : n > NAME_LABELS_MAX ? NAME_LABELS_MAX : (uint32_t)n;
    else if (n < 0 || n > UINT32_MAX)
        return reject(d, "no TTL: ", v->string);
    else
        s->ttl = (uint32_t)n;
    return 0;
}

static int take_mail(struct draft *d, const cJSON *v)
{
    d->s.mail = (v->type & cJSON_True) != 0;
    return d->s.mail || (v->type & cJSON_False) != 0
               ? 0
               : reject(d, "neither true nor false: ", v->string);
}

/* As Go reads JSON: names in any case, null for what is not there, the last of two. */
static int take_member(struct draft *d, const cJSON *v, const char **host)
{
    static const char *const counts[] = {"port", "priority", "weight", "targetstrip",
                                         "ttl"};
    if ((v->type & cJSON_NULL) != 0)
        return 0;
    if (strcasecmp(v->string, "host") == 0)
        return take_text(d, v, host);
    if (strcasecmp(v->string, "text") == 0)
        return take_text(d, v, &d->text);
    if (strcasecmp(v->string, "group") == 0)
        return take_text(d, v, &d->group);
    if (strcasecmp(v->string, "mail") == 0)
        return take_mail(d, v);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (strcasecmp(v->string, counts[i]) == 0)
            return take_counts(d, v);
    }
    return 0;
}

/* ---- what they say ---- */

/* A name beside a text is of no use to anybody but CNAME and PTR. */
static int read_host(struct draft *d, const char *host)
{
    struct addr addr = {0};
    if (host[0] == '\0')
        return 0;
    if (strchr(host, '%') == NULL && addr_parse_ip(&addr, text_of(host)) == 0) {
        addr_unmap(&addr);
        d->s.kind = addr.family == 4 ? SKYDNS_V4 : SKYDNS_V6;
        memcpy(d->s.ip, addr.ip, sizeof d->s.ip);
        return 0;
    }
    if (name_parse(&d->host, text_of(host)) == 0)
        d->s.kind = SKYDNS_NAME;
    else if (d->text_len == 0)
        return reject(d, "neither an address nor a name: ", host);
    return 0;
}

static void read_tree(struct draft *d, const cJSON *root)
{
    const char *host = "";
    if ((root->type & (cJSON_Object | cJSON_NULL)) == 0) {
        reject(d, "no JSON object", "");
        return;
    }
    for (const cJSON *v = root->child; v != NULL; v = v->next) {
        if (take_member(d, v, &host) < 0)
            return;
    }
    if (d->s.priority == 0)
        d->s.priority = PRIORITY;
    d->text_len = strlen(d->text);
    if (d->text_len > TEXT_MAX)
        reject(d, "longer than a record can be: text", "");
    else
        read_host(d, host);
}

/* As an escape, or as it is: cJSON would cut the text there. */
static bool has_nul(struct text json)
{
    for (size_t i = 0; i < json.len; i++) {
        if (json.at[i] == '\\' && text_starts(text_from(json, ++i), TEXT("u0000")))
            return true;
        if (i < json.len && json.at[i] == '\0')
            return true;
    }
    return false;
}

static cJSON *read_value(struct draft *d, const struct text *value)
{
    size_t wrong;
    if (value == NULL || value->len > INVENTORY_RECORD_MAX) {
        reject(d, value == NULL ? "no base64, or no memory" : "longer than 64 KiB", "");
        return NULL;
    }
    if (has_nul(*value)) {
        reject(d, "a NUL (\\u0000), which no text may have", "");
        return NULL;
    }
    cJSON *root = json_parse(*value, &wrong);
    if (root != NULL)
        read_tree(d, root);
    else
        reject(d, wrong == SIZE_MAX ? TREE_MEND : "no JSON", "");
    return root;
}

/* ---- its key ---- */

/* `test/web/a` is a.web.test. */
static void read_owner(struct draft *d, struct text path)
{
    char text[NAME_TEXT_MAX + 1];
    size_t n = 0;
    if (path.len > 0 && path.at[path.len - 1] == '/')
        path.len--;
    if (path.len >= NAME_TEXT_MAX)
        return;
    for (size_t end = path.len, at = path.len; at-- > 0;) {
        if (at > 0 && path.at[at - 1] != '/')
            continue;
        memcpy(text + n, path.at + at, end - at);
        n += end - at;
        text[n++] = '.';
        end = at == 0 ? 0 : at - 1;
    }
    if (n == 0)
        text[n++] = '.';
    if (name_parse(&d->owner, (struct text){text, n}) < 0)
        d->owner.len = 0;
}

static void read_key(struct draft *d, struct text key, size_t prefix_len)
{
    for (size_t i = 0; i < key.len; i++)
        d->s.slashes += key.at[i] == '/';
    d->s.key_len = (uint32_t)key.len;
    read_owner(d, text_from(key, prefix_len));
}

/* ---- its place ---- */

static void *place(uint8_t **at, const void *from, size_t len)
{
    uint8_t *to = *at;
    memcpy(to, from, len);
    *at += len;
    return to;
}

static size_t strings_len(size_t len)
{
    return len == 0 ? 0 : len + (len + STRING - 1) / STRING;
}

static void place_text(struct skydns *s, uint8_t **at, struct text text)
{
    if (text.len == 0)
        return;
    s->text = *at;
    s->text_len = (uint16_t)strings_len(text.len);
    while (text.len > 0) {
        uint8_t n = text.len < STRING ? (uint8_t)text.len : STRING;
        *(*at)++ = n;
        place(at, text.at, n);
        text = text_from(text, n);
    }
}

static struct skydns *settle(const struct draft *d, struct text key)
{
    size_t group_len = strlen(d->group) + 1;
    struct text text = {d->text, d->s.bad ? 0 : d->text_len};
    struct skydns *s = malloc(sizeof *s + key.len + 1 + d->host.len + d->owner.len +
                              group_len + strings_len(text.len));
    if (s == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)(s + 1);
    *s = d->s;
    if (s->kind == SKYDNS_NAME)
        s->host = place(&at, d->host.wire, d->host.len);
    if (d->owner.len > 0)
        s->owner = place(&at, d->owner.wire, d->owner.len);
    place_text(s, &at, text);
    s->group = place(&at, d->group, group_len);
    s->key = place(&at, key.at, key.len);
    *at = '\0';
    return s;
}

struct skydns *skydns_new(struct text key, size_t prefix_len, const struct text *value,
                          char *why)
{
    struct draft d = {.text = "", .group = "", .why = why};
    why[0] = '\0';
    cJSON *root = read_value(&d, value);
    read_key(&d, key, prefix_len);
    struct skydns *s = settle(&d, key);
    tree_free(root);
    return s;
}

void skydns_free(struct skydns *s)
{
    free(s);
}

int skydns_compare(const struct skydns *s, struct text key)
{
    size_t len = s->key_len < key.len ? s->key_len : key.len;
    int order = memcmp(s->key, key.at, len);
    if (order != 0 || s->key_len == key.len)
        return order;
    return s->key_len < key.len ? -1 : 1;
}

/* ---- TTL ---- */

uint32_t skydns_ttl(const struct skydns *s, uint64_t now_us, uint32_t min, uint32_t max)
{
    if (s->lease == NULL)
        return s->ttl == 0 ? TTL_S : s->ttl;
    uint64_t ends_us = atomic_load_explicit(&s->lease->ends_us, memory_order_relaxed);
    uint64_t left_s = ends_us > now_us ? (ends_us - now_us) / 1000000 : 0;
    if (left_s < min)
        left_s = min;
    else if (left_s > max)
        left_s = max;
    return s->ttl != 0 && s->ttl < left_s ? s->ttl : (uint32_t)left_s;
}
