#include "resolver/plugins/template/template_setup.h"

#include "base/limits.h"
#include "base/log.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"
#include "resolver/zonefile.h"

#include <stdlib.h>

/* ---- lists ---- */

/* Room for one more element. */
static int grow(struct reader *rd, void **list, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return 0;
    uint32_t wanted = *cap == 0 ? 2 : *cap * 2;
    void *bigger = arena_array(rd->arena, wanted, size);
    if (bigger == NULL)
        return reader_error(rd, "out of memory");
    if (n > 0)
        memcpy(bigger, *list, n * size);
    *list = bigger;
    *cap = wanted;
    return 0;
}

/* The next argument; false at the end of the line, or of a block on one line. */
static bool next_argument(struct reader *rd, const char **word)
{
    return reader_arg(rd, word) && strcmp(*word, "}") != 0;
}

/* ---- match ---- */

static int add_match(struct reader *rd, struct template *t, const char *regex)
{
    char why[PATTERN_WHY_MAX];
    void *list = t->matches;
    if (grow(rd, &list, t->matches_n, &t->matches_cap, sizeof *t->matches) < 0)
        return -1;
    t->matches = list;
    struct template_match *m = &t->matches[t->matches_n];
    m->regex = regex;
    m->pattern = pattern_new(rd->arena, regex, 0, why);
    if (m->pattern == NULL)
        return reader_error(rd, "could not parse regex: %s, %s", regex, why);
    t->matches_n++;
    return 0;
}

static int parse_match(struct reader *rd, void *state)
{
    struct template *t = state;
    const char *word;
    uint32_t before = t->matches_n;
    while (next_argument(rd, &word)) {
        if (add_match(rd, t, word) < 0)
            return -1;
    }
    return t->matches_n > before ? 0 : reader_error_args(rd);
}

/* ---- records ---- */

/* The record of a text, in the arena. 0; 1 after a warning; -1: no memory. */
static int read_constant(struct reader *rd, struct template_record *r, const char *text,
                         struct zonefile_room room)
{
    struct zonefile_record found;
    struct errors errs;
    errors_init(&errs);
    int read = zonefile_record(text_of(text), room, &found, &errs);
    if (read < 0)
        log_warning("%s:%u: plugin/template: queries for this will end in SERVFAIL: %s",
                    r->at.file, r->at.line,
                    errs.list == NULL ? "no record" : errs.list[0].text);
    errors_release(&errs);
    if (read <= 0)
        return 1;
    r->constant = (struct rr_new){
        .section = r->section,
        .owner = arena_copy(rd->arena, found.owner.wire, found.owner.len),
        .type = found.type,
        .class = found.class,
        .ttl = found.ttl,
        .rdata = {arena_copy(rd->arena, found.rdata.at, found.rdata.len),
                  found.rdata.len},
    };
    return r->constant.owner == NULL || r->constant.rdata.at == NULL ? -1 : 0;
}

/* A record without anything to fill in is read here and now. One that is wrong is told
 * of and tried again with each query, for CoreDNS loads it. */
static int prepare(struct reader *rd, struct template_record *r, const char *text)
{
    size_t len = 2 * strlen(text) + 512;
    struct zonefile_room room = {malloc(len), len};
    int rc = room.at == NULL ? -1 : read_constant(rd, r, text, room);
    free(room.at);
    return rc < 0 ? reader_error(rd, "out of memory") : 0;
}

static int add_record(struct reader *rd, struct template *t, enum section section,
                      const char *text)
{
    char why[GOTMPL_WHY_MAX];
    void *list = t->records;
    if (grow(rd, &list, t->records_n, &t->records_cap, sizeof *t->records) < 0)
        return -1;
    t->records = list;
    struct template_record *r = &t->records[t->records_n];
    *r = (struct template_record){.section = section, .at = reader_token(rd)->at};
    r->text = gotmpl_new(rd->arena, text_of(text), why);
    if (r->text == NULL)
        return reader_error(rd, "could not compile template: %s, %s", text, why);
    t->records_n++;
    return gotmpl_is_constant(r->text) ? prepare(rd, r, text) : 0;
}

static int parse_records(struct reader *rd, struct template *t, enum section section)
{
    const char *word;
    uint32_t before = t->records_n;
    while (next_argument(rd, &word)) {
        if (add_record(rd, t, section, word) < 0)
            return -1;
    }
    return t->records_n > before ? 0 : reader_error_args(rd);
}

static int parse_answer(struct reader *rd, void *state)
{
    return parse_records(rd, state, SECTION_ANSWER);
}

static int parse_additional(struct reader *rd, void *state)
{
    return parse_records(rd, state, SECTION_ADDITIONAL);
}

static int parse_authority(struct reader *rd, void *state)
{
    return parse_records(rd, state, SECTION_AUTHORITY);
}

/* ---- the rest ---- */

/* Mnemonics are written in capitals, as in CoreDNS. */
static bool is_upper(const char *word)
{
    for (; *word != '\0'; word++) {
        if (*word >= 'a' && *word <= 'z')
            return false;
    }
    return true;
}

static int parse_rcode(struct reader *rd, void *state)
{
    struct template *t = state;
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    if (!is_upper(word) || rcode_parse(text_of(word), &t->rcode) < 0)
        return reader_error(rd,
                            "unknown rcode %s: expected NOERROR, NXDOMAIN, REFUSED, "
                            "SERVFAIL or another in capitals",
                            word);
    return 0;
}

static int parse_ederror(struct reader *rd, void *state)
{
    struct template *t = state;
    const char *word, *extra;
    uint32_t code;
    if (!next_argument(rd, &word))
        return reader_error_args(rd);
    if (reader_u32(rd, word, 0, UINT16_MAX, &code) < 0)
        return -1;
    t->ede = true;
    t->ede_code = (uint16_t)code;
    t->ede_text = "";
    if (next_argument(rd, &t->ede_text) && next_argument(rd, &extra))
        return reader_error_args(rd);
    return 0;
}

static int parse_fallthrough(struct reader *rd, void *state)
{
    return fall_read(rd, &((struct template *)state)->through);
}

/* Without a meaning since CoreDNS 1.7: targets are always looked up. */
static int parse_upstream(struct reader *rd, void *state)
{
    const struct token *t = reader_token(rd);
    const char *word;
    log_warning("%s:%u: plugin/template: upstream changes nothing: targets of CNAME "
                "are looked up through the listener",
                t->at.file, t->at.line);
    while (next_argument(rd, &word))
        continue;
    return 0;
}

#define LATER                                                                          \
    "expressions are offered in `view` only: use match and the functions of "          \
    "templates"

const struct option template_options[TEMPLATE_OPTIONS_N] = {
    {.name = "match",
     .kind = OPTION_CUSTOM,
     .parse = parse_match,
     .args = "REGEX...",
     .fallback = ".*",
     .help = "the name, in lower case and with its final dot, matches one of these"},
    {.name = "answer",
     .kind = OPTION_CUSTOM,
     .parse = parse_answer,
     .args = "RECORD...",
     .help = "templates of records for the answer section"},
    {.name = "additional",
     .kind = OPTION_CUSTOM,
     .parse = parse_additional,
     .args = "RECORD...",
     .help = "the same for the additional section"},
    {.name = "authority",
     .kind = OPTION_CUSTOM,
     .parse = parse_authority,
     .args = "RECORD...",
     .help = "the same for the authority section"},
    {.name = "rcode",
     .kind = OPTION_CUSTOM,
     .parse = parse_rcode,
     .args = "CODE",
     .fallback = "NOERROR",
     .help = "response code, in capitals; SERVFAIL goes out without records"},
    {.name = "ederror",
     .kind = OPTION_CUSTOM,
     .parse = parse_ederror,
     .args = "CODE [TEXT]",
     .help = "extended error for clients that speak EDNS (RFC 8914)"},
    {.name = "fallthrough",
     .kind = OPTION_CUSTOM,
     .parse = parse_fallthrough,
     .args = "[ZONE...]",
     .help = "names that match no regex go on to the next template or plugin"},
    {.name = "upstream",
     .kind = OPTION_CUSTOM,
     .parse = parse_upstream,
     .args = "[...]",
     .help = "of old Corefiles; changes nothing"},
    {.name = "var", .kind = OPTION_REFUSED, .args = "NAME EXPRESSION", .help = LATER},
    {.name = "expr", .kind = OPTION_REFUSED, .args = "EXPRESSION", .help = LATER},
};

/* ---- the directive ---- */

static int read_class_and_type(struct reader *rd, struct template *t)
{
    const char *word;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    if (!is_upper(word) || rdata_class_parse(text_of(word), &t->class) < 0)
        return reader_error(rd,
                            "invalid query class %s: expected IN, CH, HS or ANY, in "
                            "capitals",
                            word);
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    if (!is_upper(word) || rdata_type_parse(text_of(word), &t->type) < 0)
        return reader_error(rd,
                            "invalid RR class %s: expected a type of records such as "
                            "AAAA, or ANY, in capitals",
                            word);
    return 0;
}

static int read_template(struct setup *s, struct reader *rd, struct template_plugin *p)
{
    struct template *t = arena_alloc(s->arena, sizeof *t);
    void *list = p->list;
    if (t == NULL)
        return reader_error(rd, "out of memory");
    if (grow(rd, &list, p->n, &p->cap, sizeof(struct template *)) < 0)
        return -1;
    p->list = list;
    p->list[p->n++] = t;
    if (read_class_and_type(rd, t) < 0 || plan_zones(s, rd, &t->zones) < 0)
        return -1;
    t->counter = p->counters;
    p->counters += t->zones.n;
    if (reader_options(rd, template_options, TEMPLATE_OPTIONS_N, t) < 0)
        return -1;
    return t->matches_n > 0 ? 0 : add_match(rd, t, ".*");
}

int template_setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct template_plugin *p = arena_alloc(s->arena, sizeof *p);
    if (p == NULL)
        return error_at(s->errs, d->at, "out of memory");
    while (reader_next(&rd)) {
        if (read_template(s, &rd, p) < 0)
            return -1;
    }
    s->state = p;
    return 0;
}
