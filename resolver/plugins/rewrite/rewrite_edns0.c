#include "resolver/plugins/rewrite/rewrite_edns0.h"

#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/edns.h"
#include "resolver/metadata.h"
#include "resolver/plan.h"

bool rewrite_edns0_variable(const char *word, enum rewrite_edns0_value *out)
{
    static const struct {
        const char *word;
        enum rewrite_edns0_value value;
    } known[] = {
        {"{qname}", EDNS0_QNAME},
        {"{qtype}", EDNS0_QTYPE},
        {"{client_ip}", EDNS0_CLIENT_IP},
        {"{client_port}", EDNS0_CLIENT_PORT},
        {"{protocol}", EDNS0_PROTOCOL},
        {"{server_ip}", EDNS0_SERVER_IP},
        {"{server_port}", EDNS0_SERVER_PORT},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].word, word) == 0) {
            *out = known[i].value;
            return true;
        }
    }
    return false;
}

/* ---- values ---- */

static void put_ip(struct wr *wr, const struct addr *a)
{
    if (a->family != 0)
        wr_bytes(wr, a->ip, a->family == 4 ? 4 : 16);
}

/* Family, prefix length, scope 0, and as many octets as the prefix has. */
static void put_subnet(struct wr *wr, const struct rewrite_edns0 *e,
                       const struct addr *a)
{
    uint8_t bits = a->family == 4 ? e->v4_bits : e->v6_bits;
    uint8_t octets[16] = {0};
    size_t len = ((size_t)bits + 7) / 8;
    if (a->family == 0)
        return;
    memcpy(octets, a->ip, len);
    if (bits % 8 != 0)
        octets[len - 1] &= (uint8_t)(0xff << (8 - bits % 8));
    wr_u16(wr, a->family == 4 ? 1 : 2);
    wr_u8(wr, bits);
    wr_u8(wr, 0);
    wr_bytes(wr, octets, len);
}

static uint16_t server_port(const struct query *q)
{
    const struct plan *plan = q->hold->plan;
    return q->client.server < plan->servers_n
               ? plan->servers[q->client.server].addr.port
               : q->client.local.port;
}

static void put_name(struct wr *wr, const uint8_t *name)
{
    char text[NAME_TEXT_MAX];
    wr_bytes(wr, text, name_print(name, text));
}

static void put_label(struct wr *wr, struct query *q, const char *label)
{
    char value[METADATA_VALUE_MAX];
    wr_bytes(wr, value, metadata_value(q, q->block, label, value));
}

/* The option's data into `wr`. False when there is none for this query: the address is
 * not known, the label has no value. */
static bool put_value(const struct rewrite_edns0 *e, struct query *q, struct wr *wr)
{
    switch (e->value) {
    case EDNS0_TEXT:
        wr_bytes(wr, e->data.at, e->data.len);
        return true;
    case EDNS0_QNAME:
        put_name(wr, q->request.name);
        return true;
    case EDNS0_QTYPE:
        wr_u16(wr, q->request.type);
        return true;
    case EDNS0_CLIENT_IP:
        put_ip(wr, &q->client.peer);
        return wr->at > 0;
    case EDNS0_CLIENT_PORT:
        wr_u16(wr, q->client.peer.port);
        return true;
    case EDNS0_PROTOCOL:
        wr_bytes(wr, q->client.transport == TRANSPORT_UDP ? "udp" : "tcp", 3);
        return true;
    case EDNS0_SERVER_IP:
        put_ip(wr, &q->client.local);
        return wr->at > 0;
    case EDNS0_SERVER_PORT:
        wr_u16(wr, server_port(q));
        return true;
    case EDNS0_LABEL:
        put_label(wr, q, (const char *)e->data.at);
        return wr->at > 0;
    case EDNS0_NSID_WISH:
        return true;
    case EDNS0_CLIENT_NET:
        put_subnet(wr, e, &q->client.peer);
        return wr->at > 0;
    }
    return false;
}

/* ---- options ---- */

struct edit {
    uint16_t code;
    bool unset; /* every option of the code goes; else the first becomes `data` */
    bool add;   /* `data` comes behind the others */
    struct span data;
};

/* *options as the edit wants it, in the arena. 0 or -1. */
static int edit_options(struct span *options, const struct edit *edit, struct arena *a)
{
    size_t cap = options->len + 4 + edit->data.len;
    uint8_t *room = arena_alloc(a, cap);
    if (room == NULL)
        return -1;
    struct wr wr = wr_init(room, cap);
    struct edns_option o;
    bool done = edit->add;
    for (size_t at = 0; edns_next(*options, &at, &o);) {
        bool mine = o.code == edit->code && !done;
        if (!mine)
            edns_put(&wr, o.code, o.data);
        else if (!edit->unset)
            edns_put(&wr, o.code, edit->data);
        done = done || (mine && !edit->unset);
    }
    if (edit->add)
        edns_put(&wr, edit->code, edit->data);
    *options = (struct span){.at = room, .len = wr.at};
    return 0;
}

#define EDNS0_UDP_SIZE 4096 /* as CoreDNS says in an OPT it makes */

/* CoreDNS makes an OPT where there was none, also when the rule then does nothing. */
static void need_opt(struct opt *opt)
{
    if (!opt->present)
        *opt = (struct opt){.present = true, .udp_size = EDNS0_UDP_SIZE};
}

/* An option that is there already: `local` and `nsid` append another, the others none.
 */
static bool appends_twice(const struct rewrite_edns0 *e)
{
    return e->value == EDNS0_TEXT || e->value == EDNS0_NSID_WISH;
}

enum rewrite_result rewrite_edns0_apply(const struct rewrite_edns0 *e, struct query *q,
                                        struct rewrite_edns0_old *old)
{
    uint8_t value[NAME_TEXT_MAX];
    struct wr wr = wr_init(value, sizeof value);
    struct opt *opt = &q->request.opt;
    struct edns_option there;
    if (e->action != EDNS0_UNSET && !put_value(e, q, &wr))
        return REWRITE_NO;
    need_opt(opt);
    bool found = edns_find(opt->options, e->code, &there);
    bool append = e->action == EDNS0_APPEND && (!found || appends_twice(e));
    struct edit edit = {
        .code = e->code,
        .unset = e->action == EDNS0_UNSET,
        .add = append || (e->action == EDNS0_SET && !found),
        .data = {.at = value, .len = wr.at},
    };
    *old = (struct rewrite_edns0_old){.added = edit.add};
    if (!edit.unset && !edit.add && (!found || e->action == EDNS0_APPEND))
        return REWRITE_NO;
    if (found && !edit.add)
        old->data = there.data;
    return edit_options(&opt->options, &edit, &q->arena) < 0 ? REWRITE_NO_MEMORY
                                                             : REWRITE_YES;
}

int rewrite_edns0_revert(const struct rewrite_edns0 *e, struct query *q,
                         const struct rewrite_edns0_old *old)
{
    struct edns_option there;
    struct span *options = &q->response->options;
    struct edit edit = {.code = e->code, .unset = old->added, .data = old->data};
    if (!e->revert || !edns_find(*options, e->code, &there))
        return 0;
    return edit_options(options, &edit, &q->arena);
}
