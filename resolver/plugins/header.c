/* header: sets and clears bits of the header, on the way down (`query`) or up
 * (`response`). It stands behind the cache: what response rules make is what is kept,
 * except that hits have AA and the RD of their own question. */
#include "resolver/plugin.h"

struct bits {
    uint16_t set, clear;
};

struct header {
    struct bits query, response;
};

static const char *const flags[] = {"aa", "ra", "rd"};
static const uint16_t values[] = {DNS_AA, DNS_RA, DNS_RD};

static int read_flags(struct reader *rd, struct bits *bits, bool set)
{
    const char *word;
    uint16_t mask = 0;
    while (reader_arg(rd, &word)) {
        uint16_t value = 0;
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            if (strcasecmp(word, flags[i]) == 0)
                value = values[i];
        }
        if (value == 0)
            return reader_error(
                rd, "unknown/unsupported flag=%s: expected aa, ra or rd", word);
        mask |= value;
    }
    if (mask == 0)
        return reader_error_args(rd);
    /* The last word on a bit wins. */
    bits->set = (uint16_t)(set ? bits->set | mask : bits->set & ~mask);
    bits->clear = (uint16_t)(set ? bits->clear & ~mask : bits->clear | mask);
    return 0;
}

static int read_rule(struct reader *rd, struct bits *bits)
{
    const char *word;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    if (strcasecmp(word, "set") == 0)
        return read_flags(rd, bits, true);
    if (strcasecmp(word, "clear") == 0)
        return read_flags(rd, bits, false);
    return reader_error(rd, "unknown flag action=%s: expected set or clear", word);
}

static int parse_query(struct reader *rd, void *state)
{
    return read_rule(rd, &((struct header *)state)->query);
}

static int parse_response(struct reader *rd, void *state)
{
    return read_rule(rd, &((struct header *)state)->response);
}

static int parse_other(struct reader *rd, void *state)
{
    const char *word = reader_token(rd)->text;
    if (strcasecmp(word, "query") == 0)
        return parse_query(rd, state);
    if (strcasecmp(word, "response") == 0)
        return parse_response(rd, state);
    return reader_error(rd, "invalid selector=%s should be query or response", word);
}

static const struct option options[] = {
    {.name = "query",
     .kind = OPTION_CUSTOM,
     .parse = parse_query,
     .args = "set|clear aa|ra|rd...",
     .help = "bits of the question as it goes on"},
    {.name = "response",
     .kind = OPTION_CUSTOM,
     .parse = parse_response,
     .args = "set|clear aa|ra|rd...",
     .help = "bits of the answer"},
    {.name = "QUERY|RESPONSE",
     .kind = OPTION_OTHER,
     .parse = parse_other,
     .help = "the selector may be written in any case"},
};

static int setup(struct setup *s, const struct directive *d)
{
    struct header *h = arena_alloc(s->arena, sizeof *h);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (h == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = h;
    while (reader_next(&rd)) {
        if (reader_options(&rd, options, sizeof options / sizeof *options, h) < 0)
            return -1;
    }
    const struct bits *a = &h->query, *b = &h->response;
    if ((a->set | a->clear | b->set | b->clear) == 0)
        return reader_error(&rd, "no rule: expected `response set ra` or the like");
    return 0;
}

static uint16_t change(uint16_t from, const struct bits *bits)
{
    return (uint16_t)((from | bits->set) & ~bits->clear);
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct header *h = state;
    q->request.flags = change(q->request.flags, &h->query);
    return PASS;
}

/* RD of a reply is that of the request, which is therefore changed as well. */
static enum verdict on_response(struct query *q, const void *state)
{
    const struct header *h = state;
    q->response->msg.flags = change(q->response->msg.flags, &h->response);
    struct bits rd = {h->response.set & DNS_RD, h->response.clear & DNS_RD};
    q->request.flags = change(q->request.flags, &rd);
    return PASS;
}

const struct plugin plugin_header = {
    .name = "header",
    .help = "sets and clears bits of the header",
    .synopsis = "header",
    .options = options,
    .options_n = sizeof options / sizeof *options,
    .setup = setup,
    .on_query = on_query,
    .on_response = on_response,
};
