#include "resolver/zonefile_scan.h"

#include "base/addr.h"
#include "base/cursor.h"
#include "base/log.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"

#include <ldns/ldns.h>

#include <stdatomic.h>
#include <strings.h>

/* What ldns is given in front of the type, written over the record's own words. */
static const char lead[] = ". 0 IN ";
#define LEAD_LEN SCAN_LEAD
_Static_assert(sizeof lead - 1 == SCAN_LEAD, "the room in front of a record");

/* A packet with one record: header, root, type, class, TTL, length, data. */
#define RECORD_AT  (DNS_HEADER_LEN + 11)
#define PACKET_MAX (RECORD_AT + 65535)

/* One record as far as it was read. */
struct entry {
    struct text owner, type; /* owner: empty = the one before */
    const char *rest;        /* type and data */
    bool ttl_given;
    uint32_t ttl;
    uint16_t class;
};

int scan_flaw(struct scan *s, const char *what, struct text found)
{
    int len = found.len > 80 ? 80 : (int)found.len;
    /* A record by itself stands in no file. */
    struct where at = {s->from.file, s->from.file == NULL ? 0 : s->first};
    return error_at(s->errs, at, "%s: '%.*s'%s", what, len, found.at,
                    found.len > 80 ? "..." : "");
}

/* ---- lines ---- */

static void skip_comment(struct scan *s)
{
    const struct text *t = &s->from.text;
    while (s->at < t->len && t->at[s->at] != '\n')
        s->at++;
}

static void put_char(struct scan *s, char c)
{
    s->text[s->text_len++] = c;
}

/* Takes one character; false when the line is whole. */
static bool take_char(struct scan *s)
{
    const struct text *t = &s->from.text;
    char c = t->at[s->at++];
    bool end = false;
    if (c == '\n') {
        s->line += !s->made;
        end = s->depth == 0;
        put_char(s, s->quoted ? c : ' '); /* a line end may be part of a text there */
    } else if (c == '\\' && s->at < t->len && t->at[s->at] != '\n') {
        put_char(s, c);
        put_char(s, t->at[s->at++]);
    } else if (c == '"') {
        s->quoted = !s->quoted;
        put_char(s, c);
    } else if (c == ';' && !s->quoted) {
        skip_comment(s);
    } else if ((c == '(' || c == ')') && !s->quoted) {
        s->depth += c == '(' ? 1 : -1;
        put_char(s, ' ');
    } else {
        put_char(s, c == '\r' ? ' ' : c);
    }
    return !end && s->depth >= 0;
}

/* Gathers the next line, or the lines between parentheses. 1; 0 at the end of the text;
 * -1 after adding an error, and the next call goes on behind it. */
static int next_line(struct scan *s)
{
    s->text_len = 0;
    s->depth = 0;
    s->quoted = false;
    s->first = s->line;
    if (s->at == s->from.text.len)
        return 0;
    while (s->at < s->from.text.len && take_char(s))
        continue;
    s->text[s->text_len] = '\0';
    struct text all = {.at = s->text, .len = s->text_len};
    if (s->quoted)
        return scan_flaw(s,
                         s->depth == 0 ? "a quoted text has no end on its line"
                                       : "a quoted text has no end",
                         all);
    if (s->depth == 0)
        return 1;
    skip_comment(s); /* where a `)` came first, the rest is of no use */
    return scan_flaw(s, "parentheses do not match", all);
}

/* The next word of the line, `*at` moving behind it; empty at the end. */
struct text scan_word(const char **at)
{
    const char *p = *at + strspn(*at, " \t");
    struct text word = {.at = p};
    while (*p != '\0' && *p != ' ' && *p != '\t')
        p += *p == '\\' && p[1] != '\0' ? 2 : 1;
    word.len = (size_t)(p - word.at);
    *at = p;
    return word;
}

bool scan_word_is(struct text word, const char *s)
{
    return word.len == strlen(s) && strncasecmp(word.at, s, word.len) == 0;
}

/* ---- names and times ---- */

static bool is_absolute(struct text t)
{
    size_t escapes = 0;
    if (t.len == 0 || t.at[t.len - 1] != '.')
        return false;
    while (escapes + 1 < t.len && t.at[t.len - 2 - escapes] == '\\')
        escapes++;
    return escapes % 2 == 0;
}

int scan_name(const struct scan *s, struct text t, struct name *out)
{
    struct name n;
    if (text_is(t, "@")) {
        *out = s->origin;
        return 0;
    }
    if (name_parse(&n, t) < 0)
        return -1;
    if (!is_absolute(t))
        return name_join(out, n.wire, n.len - 1u, s->origin.wire);
    *out = n;
    return 0;
}

static uint32_t unit_s(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 7 * 86400;
    default:
        return 0;
    }
}

/* `3600`, `1h30m`. 0 or -1. */
int scan_ttl(struct text t, uint32_t *out)
{
    uint64_t all = 0, n = 0;
    bool digits = false;
    for (size_t i = 0; i < t.len && all <= TTL_MAX; i++) {
        char c = t.at[i];
        if (c >= '0' && c <= '9' && n <= TTL_MAX) {
            n = n * 10 + (uint64_t)(c - '0');
            digits = true;
            continue;
        }
        uint32_t unit = unit_s((char)(c | 0x20));
        if (!digits || unit == 0)
            return -1;
        all += n * unit;
        n = 0;
        digits = false;
    }
    if (t.len == 0 || all + n > TTL_MAX)
        return -1;
    *out = (uint32_t)(all + n);
    return 0;
}

/* ---- records ---- */

static bool is_class(const struct scan *s, struct text word, uint16_t *class)
{
    return rdata_class_parse(word, class) == 0 && *class < DNS_CLASS_NONE &&
           (s->any_class || *class == DNS_IN);
}

/* `[OWNER] [TTL] [CLASS] TYPE DATA`, TTL and class in either order. */
static int read_head(struct scan *s, struct entry *e)
{
    const char *at = s->text;
    *e = (struct entry){.class = DNS_IN};
    if (*at != ' ' && *at != '\t')
        e->owner = scan_word(&at);
    for (bool class = false;;) {
        struct text word = scan_word(&at);
        if (word.len == 0)
            return scan_flaw(s, "no type and data", text_of(s->text));
        if (!e->ttl_given && *word.at >= '0' && *word.at <= '9') {
            if (scan_ttl(word, &e->ttl) < 0)
                return scan_flaw(
                    s, "TTL: expected seconds, up to 2147483647, or such as 1h30m",
                    word);
            e->ttl_given = true;
        } else if (!class && is_class(s, word, &e->class)) {
            class = true;
        } else {
            e->type = word;
            e->rest = word.at;
            return 0;
        }
    }
}

static int read_type(struct scan *s, const struct entry *e, uint16_t *type)
{
    uint16_t class;
    if (rdata_type_parse(e->type, type) < 0) {
        if (rdata_class_parse(e->type, &class) == 0)
            return scan_flaw(s, "class: expected IN", e->type);
        return scan_flaw(s, "unknown type", e->type);
    }
    /* RFC 6895 section 3.1: questions and what goes with one message only. */
    bool meta = *type == 0 || *type == DNS_OPT || (*type >= 128 && *type <= 255);
    return meta ? scan_flaw(s, "type: no record of a zone has it", e->type) : 0;
}

/* The data in wire form. Returns its length, or -1. */
static int data_from(const struct scan *s, const ldns_rr *rr)
{
    struct wr wr = wr_init(s->packet, s->packet_cap);
    wr_take(&wr, RECORD_AT);
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        const ldns_rdf *rdf = ldns_rr_rdf(rr, i);
        wr_bytes(&wr, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
    }
    return wr.failed ? -1 : (int)(wr.at - RECORD_AT);
}

/* Whether the walker takes the packet, and no name in it is compressed: what is served
 * was checked, whoever made it. */
static bool is_sound(struct scan *s, uint16_t type, size_t len)
{
    struct rr one;
    struct msg m = {.rr = &one, .rr_cap = 1};
    struct wr wr = wr_init(s->packet, RECORD_AT);
    wr_u16(&wr, 0);
    wr_u16(&wr, DNS_QR);
    wr_u16(&wr, 0);
    wr_u16(&wr, 1);
    wr_u32(&wr, 0);
    wr_u8(&wr, 0);
    wr_u16(&wr, type);
    wr_u16(&wr, DNS_IN);
    wr_u32(&wr, 0);
    wr_u16(&wr, (uint16_t)len);
    return wire_walk((struct span){s->packet, RECORD_AT + len}, &m) == WIRE_OK &&
           rdata_len_plain(&one) == len;
}

/* Type and data through ldns, behind room for a header. The length, or -1. */
static int data_by_ldns(struct scan *s, const struct entry *e)
{
    /* There is room: the text begins LEAD_LEN into its buffer. */
    char *line = s->text + (e->rest - s->text) - LEAD_LEN;
    ldns_rr *rr = NULL;
    if (s->origin_rdf == NULL && scan_origin(s, &s->origin) < 0)
        return -1;
    memcpy(line, lead, LEAD_LEN);
    /* ldns takes a blank behind the last quoted word of CAA for one more word. */
    for (size_t len = strlen(line); len > 0 && line[len - 1] == ' '; len--)
        line[len - 1] = '\0';
    ldns_status status = ldns_rr_new_frm_str(&rr, line, 0, s->origin_rdf, NULL);
    if (status != LDNS_STATUS_OK)
        return scan_flaw(s, ldns_get_errorstr_by_id(status), text_of(e->rest));
    int len = data_from(s, rr);
    ldns_rr_free(rr);
    return len < 0 ? scan_flaw(s, "the data is too long", text_of(e->rest)) : len;
}

/* A number of `len` octets; a time of four may be written as `1h30m`. */
static int put_number(struct wr *wr, struct text word, unsigned len)
{
    uint64_t n = 0;
    uint32_t time_s;
    for (size_t i = 0; i < word.len && n <= UINT32_MAX; i++) {
        if (word.at[i] < '0' || word.at[i] > '9') {
            if (len != 4 || scan_ttl(word, &time_s) < 0)
                return -1;
            n = time_s;
            break;
        }
        n = n * 10 + (uint64_t)(word.at[i] - '0');
    }
    if (word.len == 0 || n >> 8 * len != 0)
        return -1;
    for (unsigned i = len; i-- > 0;)
        wr_u8(wr, (uint8_t)(n >> 8 * i));
    return 0;
}

/* One octet of a character-string: `a`, `\"` or `\065`. Returns it, or -1. */
static int take_octet(const char **at)
{
    const char *p = *at;
    int n = (unsigned char)*p;
    if (*p != '\\') {
        *at = p + 1;
        return n;
    }
    n = (unsigned char)*++p;
    if (n >= '0' && n <= '9') {
        if (p[1] < '0' || p[1] > '9' || p[2] < '0' || p[2] > '9')
            return -1;
        n = (n - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
        p += 2;
    }
    *at = p + 1;
    return *p == '\0' || n > 255 ? -1 : n;
}

/* A text, quoted or not, as one character-string, or as several where it is longer than
 * one can be and `several` allows it. */
static bool ends_word(char c)
{
    return c == '\0' || c == ' ' || c == '\t';
}

static bool ends_string(char c, bool quoted)
{
    return c == '\0' || c == '"' || (!quoted && ends_word(c));
}

static int put_string(struct wr *wr, const char **at, bool several)
{
    const char *p = *at + strspn(*at, " \t");
    bool quoted = *p == '"';
    uint8_t *len = wr_take(wr, 1);
    if (*p == '\0' || len == NULL)
        return -1;
    *len = 0;
    p += quoted;
    while (!ends_string(*p, quoted)) {
        int octet = take_octet(&p);
        if (*len == 255 && several && (len = wr_take(wr, 1)) != NULL)
            *len = 0;
        if (octet < 0 || len == NULL || *len == 255)
            return -1;
        wr_u8(wr, (uint8_t)octet);
        ++*len;
    }
    if (quoted && *p++ != '"')
        return -1;
    *at = p;
    return ends_word(*p) ? 0 : -1;
}

static int put_name(const struct scan *s, struct wr *wr, struct text word)
{
    struct name name;
    if (scan_name(s, word, &name) < 0)
        return -1;
    wr_bytes(wr, name.wire, name.len);
    return 0;
}

static int put_address(struct wr *wr, struct text word, uint8_t family)
{
    struct addr addr;
    if (addr_parse_ip(&addr, word) < 0 || addr.scope != 0 || addr.family != family)
        return -1;
    wr_bytes(wr, addr.ip, family == 4 ? 4 : 16);
    return 0;
}

/* One field of a layout, whose numbers are plain numbers. */
static int put_field(const struct scan *s, struct wr *wr, struct rdata_field field,
                     const char **at)
{
    switch (field.step) {
    case RDATA_FIXED:
        return put_number(wr, scan_word(at), field.len);
    case RDATA_NAME:
        return put_name(s, wr, scan_word(at));
    case RDATA_STRING:
        return put_string(wr, at, false);
    case RDATA_STRINGS:
        do {
            if (put_string(wr, at, true) < 0)
                return -1;
        } while ((*at)[strspn(*at, " \t")] != '\0');
        return 0;
    default:
        return -1;
    }
}

/* Type and data as numbers, addresses, names and texts: what most records hold. ldns
 * takes and gives back 200 kB for each record, and 65536 is 0 to it. */
static int data_by_us(struct scan *s, const struct entry *e, uint16_t type)
{
    const char *at = e->type.at + e->type.len;
    const struct rdata_field *field = rdata_layout(type)->field;
    struct wr wr = wr_init(s->packet, s->packet_cap);
    bool address = type == DNS_A || type == DNS_AAAA;
    int rc = 0;
    wr_take(&wr, RECORD_AT);
    if (address)
        rc = put_address(&wr, scan_word(&at), type == DNS_A ? 4 : 6);
    for (; !address && rc == 0 && field->step != RDATA_END; field++)
        rc = put_field(s, &wr, *field, &at);
    if (rc < 0 || wr.failed || scan_word(&at).len > 0)
        return scan_flaw(s, "the data does not fit its type", text_of(e->rest));
    return (int)(wr.at - RECORD_AT);
}

/* Whether data of the type has no words of its own, and is not written as octets (RFC
 * 3597 section 5). */
static bool is_plain(const struct entry *e, uint16_t type)
{
    const char *at = e->type.at + e->type.len;
    bool plain = type == DNS_A || type == DNS_NS || type == DNS_CNAME ||
                 type == DNS_SOA || type == DNS_PTR || type == DNS_HINFO ||
                 type == DNS_MX || type == DNS_TXT || type == DNS_AAAA ||
                 type == DNS_SRV || type == DNS_DNAME;
    return plain && !text_is(scan_word(&at), "\\#");
}

/* `rdata` looks into s->packet. */
static int read_data(struct scan *s, struct entry *e, uint16_t type, struct span *rdata)
{
    int len = is_plain(e, type) ? data_by_us(s, e, type) : data_by_ldns(s, e);
    if (len < 0)
        return -1;
    if (len > UINT16_MAX || !is_sound(s, type, (size_t)len))
        return scan_flaw(s, "the data does not fit its type", text_of(e->rest));
    *rdata = (struct span){.at = s->packet + RECORD_AT, .len = (size_t)len};
    return 0;
}

/* One is taken, also from below the apex, as in CoreDNS: `file db.example.org` for all
 * that the block `.` serves. Transfers that were saved end in a second. 1: passed over.
 */
static int check_soa(struct scan *s, const struct zone_record *r)
{
    char text[NAME_TEXT_MAX];
    name_print(s->owner.wire, text);
    if (!name_under(s->owner.wire, s->apex.wire, NULL))
        return scan_flaw(s, "the SOA is not that of the zone", text_of(text));
    if (s->soa) {
        log_warning("%s:%u: a second SOA is passed over", s->from.file, s->first);
        return 1;
    }
    if (!name_equal(s->owner.wire, s->apex.wire))
        log_warning("%s:%u: the SOA is that of %s, below the zone served", s->from.file,
                    s->first, text);
    s->soa = true;
    if (!s->ttl_known && r->rdata.len >= 4) {
        s->ttl = load_u32(r->rdata.at + r->rdata.len - 4) & TTL_MAX;
        s->ttl_known = true;
    }
    return 0;
}

static int add_record(struct scan *s, const struct entry *e, struct zone_record *r)
{
    int passed_over = r->type == DNS_SOA ? check_soa(s, r) : 0;
    if (passed_over != 0)
        return passed_over < 0 ? -1 : 0;
    if (!e->ttl_given && !s->ttl_known)
        return scan_flaw(s, "no TTL: begin the file with `$TTL 3600`",
                         text_of(e->rest));
    r->ttl = e->ttl_given ? e->ttl : s->ttl;
    if (e->ttl_given && !s->ttl_fixed) {
        s->ttl = e->ttl;
        s->ttl_known = true;
    }
    int added = zonedata_add(s->zone, r);
    if (added < 0)
        return error_at(s->errs, (struct where){s->from.file, s->first},
                        "out of memory");
    s->outside += added > 0;
    return 0;
}

static int read_record(struct scan *s)
{
    struct entry e;
    struct zone_record r = {.owner = s->owner.wire};
    if (read_head(s, &e) < 0)
        return -1;
    if (e.owner.len > 0 && scan_name(s, e.owner, &s->owner) < 0)
        return scan_flaw(s, "no domain name", e.owner);
    if (read_type(s, &e, &r.type) < 0 || read_data(s, &e, r.type, &r.rdata) < 0)
        return -1;
    return add_record(s, &e, &r);
}

/* ---- the whole ---- */

/* Whether nobody wants the zone any more. */
static bool is_stopped(const struct scan *s)
{
    return s->stop != NULL && atomic_load_explicit(s->stop, memory_order_relaxed);
}

void scan_all(struct scan *s)
{
    int more;
    while (!is_stopped(s) && (more = next_line(s)) != 0) {
        if (more < 0 || s->text[strspn(s->text, " \t")] == '\0')
            continue;
        if (s->text[0] == '$')
            scan_control(s);
        else
            read_record(s);
    }
}

static int begin(struct scan *s, struct arena *a, struct arena *scratch,
                 const struct name *apex)
{
    char *room = arena_alloc(scratch, LEAD_LEN + s->from.text.len + 1);
    s->packet = arena_alloc(scratch, PACKET_MAX);
    s->zone = zonedata_new(a, scratch, apex);
    if (room == NULL || s->packet == NULL || s->zone == NULL)
        return error_at(s->errs, (struct where){0}, "out of memory");
    s->scratch = scratch;
    s->text = room + LEAD_LEN;
    s->packet_cap = PACKET_MAX;
    s->apex = s->owner = s->origin = *apex;
    return 0;
}

static int finish(struct scan *s)
{
    char apex[NAME_TEXT_MAX], name[NAME_TEXT_MAX];
    const char *file = s->from.file;
    name_print(s->apex.wire, apex);
    if (!s->soa)
        return error_at(s->errs, (struct where){0},
                        "file \"%s\" has no SOA record for origin %s", file, apex);
    if (zonedata_seal(s->zone) < 0)
        return error_at(s->errs, (struct where){0}, "out of memory");
    if (s->outside > 0)
        log_warning("%s: records outside of the zone %s are passed over: %u", file,
                    apex, s->outside);
    const uint8_t *conflict = zonedata_conflict(s->zone);
    if (conflict != NULL) {
        name_print(conflict, name);
        log_warning("%s: %s has other records beside its CNAME, which are not found "
                    "(RFC 1034 section 3.6.2)",
                    file, name);
    }
    return 0;
}

struct zonedata *zonefile_parse(struct arena *a, struct source from,
                                const struct name *apex, const _Atomic bool *stop,
                                struct errors *errs)
{
    struct arena scratch;
    struct scan s = {.from = from, .errs = errs, .line = 1, .first = 1, .stop = stop};
    uint32_t before = errs->n;
    arena_init(&scratch, NULL, 0);
    if (memchr(from.text.at, '\0', from.text.len) != NULL)
        error_at(errs, (struct where){0}, "file \"%s\" is no zone: it has a NUL octet",
                 from.file);
    else if (begin(&s, a, &scratch, apex) == 0)
        scan_all(&s);
    bool whole = errs->n == before && !is_stopped(&s) && finish(&s) == 0;
    ldns_rdf_deep_free(s.origin_rdf);
    arena_release(&scratch);
    return whole ? s.zone : NULL;
}

/* ---- one record ---- */

/* Behind blanks and lines without a record. */
static int next_record_line(struct scan *s)
{
    const struct text *t = &s->from.text;
    for (;;) {
        while (s->at < t->len && strchr(" \t\r\n", t->at[s->at]) != NULL)
            s->at++;
        int more = next_line(s);
        if (more <= 0 || s->text[strspn(s->text, " \t")] != '\0')
            return more;
    }
}

static int read_lone(struct scan *s, struct zonefile_record *out)
{
    struct entry e;
    if (read_head(s, &e) < 0)
        return -1;
    if (scan_name(s, e.owner, &out->owner) < 0)
        return scan_flaw(s, "no domain name", e.owner);
    if (read_type(s, &e, &out->type) < 0 ||
        read_data(s, &e, out->type, &out->rdata) < 0)
        return -1;
    out->class = e.class;
    if (e.ttl_given)
        out->ttl = e.ttl;
    return 0;
}

int zonefile_record(struct text from, struct zonefile_room room,
                    struct zonefile_record *out, struct errors *errs)
{
    struct scan s = {.from = {.text = from}, .errs = errs, .any_class = true};
    size_t text_len = LEAD_LEN + from.len + 1;
    *out = (struct zonefile_record){.ttl = ZONEFILE_TTL_S};
    if (room.len < text_len + RECORD_AT)
        return scan_flaw(&s, "the record is too long", from);
    if (from.len > 0 && memchr(from.at, '\0', from.len) != NULL)
        return scan_flaw(&s, "the record has a NUL octet", (struct text){"", 0});
    s.text = (char *)room.at + LEAD_LEN;
    s.packet = room.at + text_len;
    s.packet_cap = room.len - text_len;
    s.origin = (struct name){.len = 1};
    int rc = next_record_line(&s);
    if (rc > 0)
        rc = read_lone(&s, out) < 0 ? -1 : 1;
    ldns_rdf_deep_free(s.origin_rdf);
    return rc;
}
