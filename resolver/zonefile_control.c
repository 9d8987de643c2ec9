#include "resolver/zonefile_scan.h"

#include "config/source.h"
#include "resolver/zonegen.h"

#define INCLUDES_MAX 7 /* files within each other, as CoreDNS's */

/* ---- $ORIGIN and the like ---- */

int scan_origin(struct scan *s, const struct name *origin)
{
    ldns_rdf *rdf =
        ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, origin->len, origin->wire);
    if (rdf == NULL)
        return error_at(s->errs, (struct where){s->from.file, s->first},
                        "out of memory");
    ldns_rdf_deep_free(s->origin_rdf);
    s->origin_rdf = rdf;
    s->origin = *origin;
    return 0;
}

/* Reads another text here. What it says of owner, TTL and origin ends with it. 0 or -1.
 */
static int read_inside(struct scan *s, struct source from, const struct name *origin)
{
    struct scan outer = *s;
    char *room = arena_alloc(s->scratch, SCAN_LEAD + from.text.len + 1);
    if (room == NULL || scan_origin(s, origin) < 0)
        return scan_flaw(s, "out of memory", (struct text){"", 0});
    s->from = from;
    s->at = 0;
    s->text = room + SCAN_LEAD;
    scan_all(s);
    struct name back = outer.origin;
    outer.origin_rdf = s->origin_rdf;
    outer.soa = s->soa;
    outer.outside = s->outside;
    *s = outer;
    return scan_origin(s, &back);
}

static int read_generate(struct scan *s, const char *rest)
{
    const char *why;
    struct source lines = {.file = s->from.file};
    if (s->made)
        return scan_flaw(s, "$GENERATE makes no $GENERATE", text_of(rest));
    lines.text = zonegen_expand(s->scratch, rest, &why);
    if (lines.text.at == NULL)
        return scan_flaw(s, why, text_of(rest));
    bool made = s->made;
    uint32_t line = s->line;
    s->made = true;
    s->line = s->first;
    int rc = read_inside(s, lines, &s->origin);
    s->made = made;
    s->line = line;
    return rc;
}

/* `$INCLUDE FILE [ORIGIN]`; a relative FILE begins where this one lies. */
static int read_include(struct scan *s, struct text file, struct text origin)
{
    struct name name = s->origin;
    struct source from = {0};
    const char *slash = strrchr(s->from.file, '/');
    bool relative = file.len > 0 && file.at[0] != '/' && slash != NULL;
    if (file.len == 0 || (origin.len > 0 && scan_name(s, origin, &name) < 0))
        return scan_flaw(s, "$INCLUDE: expected FILE [ORIGIN]", file);
    if (s->made || s->within == INCLUDES_MAX)
        return scan_flaw(s, "$INCLUDE: nested too deep", file);
    from.file = arena_printf(s->scratch, "%.*s%.*s",
                             relative ? (int)(slash + 1 - s->from.file) : 0,
                             s->from.file, (int)file.len, file.at);
    if (from.file == NULL)
        return scan_flaw(s, "out of memory", file);
    if (source_read(s->scratch, from.file, (struct where){s->from.file, s->first},
                    &from.text, s->errs) < 0)
        return -1;
    if (memchr(from.text.at, '\0', from.text.len) != NULL)
        return scan_flaw(s, "$INCLUDE: the file has a NUL octet", file);
    uint32_t line = s->line;
    s->line = 1;
    s->within++;
    int rc = read_inside(s, from, &name);
    s->within--;
    s->line = line;
    return rc;
}

int scan_control(struct scan *s)
{
    const char *at = s->text;
    struct text word = scan_word(&at);
    const char *rest = at;
    struct text value = scan_word(&at), more = scan_word(&at);
    struct name origin;
    if (scan_word_is(word, "$GENERATE"))
        return read_generate(s, rest);
    if (scan_word_is(word, "$INCLUDE"))
        return read_include(s, value, more);
    if (!scan_word_is(word, "$ORIGIN") && !scan_word_is(word, "$TTL"))
        return scan_flaw(
            s, "unknown directive: expected $ORIGIN, $TTL, $INCLUDE or $GENERATE",
            word);
    if (more.len > 0)
        return scan_flaw(s, "one word too many", more);
    if (scan_word_is(word, "$ORIGIN")) {
        if (scan_name(s, value, &origin) < 0)
            return scan_flaw(s, "$ORIGIN: no domain name", value);
        return scan_origin(s, &origin);
    }
    if (scan_ttl(value, &s->ttl) < 0)
        return scan_flaw(
            s, "$TTL: expected seconds, up to 2147483647, or such as 1h30m", value);
    s->ttl_fixed = s->ttl_known = true;
    return 0;
}
