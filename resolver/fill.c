#include "resolver/fill.h"

#include "resolver/core.h"
#include "resolver/metadata.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- values ---- */

struct sink {
    char *at;
    size_t left;
};

static void put(struct sink *to, const char *from, size_t len)
{
    size_t n = len < to->left ? len : to->left;
    if (n > 0)
        memcpy(to->at, from, n);
    to->at += n;
    to->left -= n;
}

static void put_text(struct sink *to, const char *text)
{
    put(to, text, strlen(text));
}

static void put_number(struct sink *to, uint64_t n)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRIu64, n);
    put(to, text, (size_t)len);
}

/* IPv6 in brackets, so that a port can follow. */
static void put_ip(struct sink *to, const struct addr *a)
{
    char text[ADDR_TEXT_MAX];
    addr_print_ip(a, text);
    if (a->family == 6)
        put_text(to, "[");
    put_text(to, text);
    if (a->family == 6)
        put_text(to, "]");
}

static void put_type(struct sink *to, const struct query *q)
{
    char text[16];
    put_text(to, rdata_type_print(query_asked_below(q).type, text));
}

static void put_class(struct sink *to, const struct query *q)
{
    char text[16];
    put_text(to, rdata_class_print(query_asked_below(q).class, text));
}

static void put_name(struct sink *to, const struct query *q)
{
    char text[NAME_TEXT_MAX];
    put(to, text, name_print(q->request.lower, text));
}

static void put_proto(struct sink *to, const struct query *q)
{
    put_text(to, q->client.transport == TRANSPORT_UDP ? "udp" : "tcp");
}

static void put_size(struct sink *to, const struct query *q)
{
    struct request_below req = query_asked_below(q);
    size_t len = DNS_HEADER_LEN + (size_t)req.name_len + 4;
    put_number(to, len + (req.opt.present ? 11 + req.opt.options.len : 0));
}

static void put_remote(struct sink *to, const struct query *q)
{
    put_ip(to, &q->client.peer);
}

static void put_port(struct sink *to, const struct query *q)
{
    put_number(to, q->client.peer.port);
}

/* As CoreDNS has it: over UDP what the listener is bound to, which is [::] without
 * `bind`. */
static void put_local(struct sink *to, const struct query *q)
{
    struct addr local = q->client.local;
    const struct plan *plan = q->hold->plan;
    bool udp = q->client.transport == TRANSPORT_UDP;
    if (udp && q->client.server < plan->servers_n)
        local = plan->servers[q->client.server].addr;
    if (udp && local.family == 0)
        local.family = 6;
    put_ip(to, &local);
}

static void put_id(struct sink *to, const struct query *q)
{
    put_number(to, q->request.id);
}

static void put_opcode(struct sink *to, const struct query *q)
{
    put_number(to, DNS_OPCODE(q->request.flags));
}

static void put_do(struct sink *to, const struct query *q)
{
    struct opt opt = query_asked_below(q).opt;
    put_text(to, opt.present && opt.dnssec_ok ? "true" : "false");
}

/* What the client can take, whether it said so or not. */
static void put_bufsize(struct sink *to, const struct query *q)
{
    struct opt opt = query_asked_below(q).opt;
    uint16_t size = opt.present && opt.udp_size > 512 ? opt.udp_size : 512;
    put_number(to, q->client.transport == TRANSPORT_UDP ? size : UINT16_MAX);
}

static void put_rcode(struct sink *to, const struct query *q)
{
    char text[16];
    put_text(to, q->dropped ? "-" : rcode_print(q->response->msg.rcode, text));
}

static void put_rsize(struct sink *to, const struct query *q)
{
    size_t len = msg_len_plain(&q->response->msg, q->request.name_len);
    put_number(to, q->dropped ? 0 : len + q->response->opt_len);
}

/* The resolver's clock stands still within a turn: an answer found at once took 0 s. */
static void put_duration(struct sink *to, const struct query *q)
{
    char text[40];
    uint64_t us = query_now_us(q) - q->start_us;
    int len = snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64 "000s", us / 1000000,
                       us % 1000000);
    put(to, text, (size_t)len);
}

static void put_rflags(struct sink *to, const struct query *q)
{
    static const struct {
        uint16_t bit;
        const char *name;
    } names[] = {{DNS_AA, ",aa"}, {DNS_TC, ",tc"}, {DNS_RD, ",rd"}, {DNS_RA, ",ra"},
                 {DNS_Z, ",z"},   {DNS_AD, ",ad"}, {DNS_CD, ",cd"}};
    uint16_t flags = q->response->msg.flags & (uint16_t)~DNS_RD;
    flags |= q->request.flags & DNS_RD;
    if (q->dropped) {
        put_text(to, "-");
        return;
    }
    put_text(to, "qr");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if ((flags & names[i].bit) != 0)
            put_text(to, names[i].name);
    }
}

/* ---- formats ---- */

typedef void fill_value(struct sink *to, const struct query *q);

struct fill_part {
    fill_value *value; /* NULL: a label or the literal */
    struct text label; /* of metadata; without NUL */
    struct text literal;
};

static void put_label(struct sink *to, struct query *q, struct text label)
{
    char name[METADATA_LABEL_MAX], value[METADATA_VALUE_MAX];
    size_t len = 0;
    if (label.len < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)label.len, label.at);
        len = metadata_value(q, q->block, name, value);
    }
    put(to, len == 0 ? "-" : value, len == 0 ? 1 : len);
}

static fill_value *value_of(struct text label)
{
    static const struct {
        const char *label;
        fill_value *value;
    } values[] = {
        {"{type}", put_type},         {"{name}", put_name},
        {"{class}", put_class},       {"{proto}", put_proto},
        {"{size}", put_size},         {"{remote}", put_remote},
        {"{port}", put_port},         {"{local}", put_local},
        {"{rcode}", put_rcode},       {"{rsize}", put_rsize},
        {"{duration}", put_duration}, {"{>id}", put_id},
        {"{>opcode}", put_opcode},    {"{>do}", put_do},
        {"{>bufsize}", put_bufsize},  {"{>rflags}", put_rflags},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (text_is(label, values[i].label))
            return values[i].value;
    }
    return NULL;
}

/* `format` with every `word` in it replaced; NULL: no memory. */
static const char *replace(struct arena *a, const char *format, const char *word,
                           const char *by)
{
    const char *at;
    while (format != NULL && (at = strstr(format, word)) != NULL)
        format = arena_printf(a, "%.*s%s%s", (int)(at - format), format, by,
                              at + strlen(word));
    return format;
}

static void add_literal(struct fill *f, const char *at, size_t len)
{
    if (len > 0)
        f->parts[f->n++].literal = (struct text){.at = at, .len = len};
}

/* One piece that ends in `}` at `close`. As CoreDNS does, the brace that opens is
 * looked for backwards from the one that closes: in `{ {name} }` only {name} is a
 * placeholder. */
static void add_piece(struct fill *f, const char *at, const char *close)
{
    const char *open = memrchr(at, '{', (size_t)(close - at));
    size_t all = (size_t)(close + 1 - at);
    if (open == NULL) {
        add_literal(f, at, all);
        return;
    }
    struct text label = {.at = open, .len = (size_t)(close + 1 - open)};
    bool metadata = label.len > 2 && open[1] == '/';
    fill_value *value = value_of(label);
    if (value == NULL && !metadata) {
        add_literal(f, at, all);
        return;
    }
    add_literal(f, at, (size_t)(open - at));
    if (text_is(label, "{/}")) { /* the label without a name has no value */
        add_literal(f, "-", 1);
        return;
    }
    struct fill_part *part = &f->parts[f->n++];
    part->value = value;
    if (value == NULL)
        part->label = (struct text){.at = label.at + 2, .len = label.len - 3};
}

int fill_parse(struct fill *f, struct arena *a, const char *format)
{
    const char *at = arena_text(a, text_of(format)), *close;
    at = replace(a, at, "{common}", FILL_COMMON);
    at = replace(a, at, "{combined}", FILL_COMBINED);
    if (at == NULL)
        return -1;
    size_t most = 1;
    for (const char *p = at; *p != '\0'; p++)
        most += *p == '}' ? 2 : 0;
    *f = (struct fill){.parts = arena_array(a, most, sizeof *f->parts)};
    if (f->parts == NULL)
        return -1;
    for (; (close = strchr(at, '}')) != NULL; at = close + 1)
        add_piece(f, at, close);
    add_literal(f, at, strlen(at));
    return 0;
}

size_t fill_run(const struct fill *f, struct query *q, char *out, size_t cap)
{
    struct sink to = {.at = out, .left = cap};
    for (uint32_t i = 0; i < f->n; i++) {
        const struct fill_part *part = &f->parts[i];
        if (part->value != NULL)
            part->value(&to, q);
        else if (part->label.len > 0)
            put_label(&to, q, part->label);
        else
            put(&to, part->literal.at, part->literal.len);
    }
    return cap - to.left;
}
