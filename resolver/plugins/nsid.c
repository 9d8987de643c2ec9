/* nsid: a client that asks which server answered is told (RFC 5001). */
#include "resolver/plugin.h"

#include "resolver/edns.h"

#include <unistd.h>

struct nsid {
    struct span id;
};

/* The words of the line, joined by blanks; the host's name when there are none. */
static char *read_id(struct setup *s, struct reader *rd)
{
    char host[256] = "localhost";
    struct token_list args = reader_args(rd);
    if (args.n == 0) {
        gethostname(host, sizeof host - 1);
        return arena_text(s->arena, text_of(host));
    }
    char *id = arena_text(s->arena, text_of(args.list[0].text));
    for (uint32_t i = 1; i < args.n && id != NULL; i++)
        id = arena_printf(s->arena, "%s %s", id, args.list[i].text);
    return id;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct nsid *n = arena_alloc(s->arena, sizeof *n);
    struct reader rd = reader_init(d, s->arena, s->errs);
    s->state = n;
    reader_next(&rd);
    const char *id = read_id(s, &rd);
    if (n == NULL || id == NULL)
        return error_at(s->errs, d->at, "out of memory");
    n->id = (struct span){.at = (const uint8_t *)id, .len = strlen(id)};
    if (n->id.len > 255)
        return reader_error(&rd, "the identifier has %zu octets: expected at most 255",
                            n->id.len);
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    return 0;
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct nsid *n = state;
    struct edns_option o;
    if (!q->request.opt.present || !edns_find(q->request.opt.options, EDNS_NSID, &o))
        return PASS;
    struct span old = q->response->options;
    size_t cap = old.len + 4 + n->id.len;
    uint8_t *room = arena_alloc(&q->arena, cap);
    if (room == NULL)
        return PASS; /* the answer matters more */
    struct wr wr = wr_init(room, cap);
    for (size_t at = 0; edns_next(old, &at, &o);) {
        if (o.code != EDNS_NSID) /* an upstream's names the upstream */
            edns_put(&wr, o.code, o.data);
    }
    edns_put(&wr, EDNS_NSID, n->id);
    q->response->options = (struct span){.at = room, .len = wr.at};
    return PASS;
}

const struct plugin plugin_nsid = {
    .name = "nsid",
    .help = "tells clients that ask which server answered",
    .synopsis = "nsid [TEXT...]",
    .setup = setup,
    .on_response = on_response,
};
