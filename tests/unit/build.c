#include "tests/unit/build.h"

#include "base/cursor.h"
#include "resolver/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#define PACKET_MAX   65535
#define LINE_MAX_LEN 2048

struct chunk {
    struct chunk *next;
    _Alignas(max_align_t) uint8_t octets[];
};

static struct chunk *chunks; /* what build_release() frees */

void *build_keep(size_t len)
{
    struct chunk *c = calloc(1, sizeof *c + len);

    if (c == NULL)
        fail_msg("out of memory");
    c->next = chunks;
    chunks = c;
    return c->octets;
}

void build_release(void)
{
    while (chunks != NULL) {
        struct chunk *next = chunks->next;
        free(chunks);
        chunks = next;
    }
}

uint32_t build_below(struct build_random *r, uint32_t below)
{
    r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(r->state >> 33) % below;
}

/* ---- octets ---- */

const uint8_t *build_name(const char *text)
{
    struct name *n = build_keep(sizeof *n);

    if (name_parse(n, text_of(text)) < 0)
        fail_msg("no name: %s", text);
    return n->wire;
}

static const char *put_name(struct wr *wr, const char *quoted)
{
    const char *end = strchr(quoted + 1, '\'');
    struct name n;

    if (end == NULL ||
        name_parse(&n, (struct text){quoted + 1, (size_t)(end - quoted - 1)}) < 0)
        fail_msg("no name: %s", quoted);
    wr_bytes(wr, n.wire, n.len);
    return end + 1;
}

struct span build_bytes(const char *hex)
{
    size_t cap = strlen(hex) + 2;
    struct wr wr = wr_init(build_keep(cap), cap);

    while (*hex != '\0') {
        unsigned octet;
        if (*hex == ' ' || *hex == '\n') {
            hex++;
        } else if (*hex == '\'') {
            hex = put_name(&wr, hex);
        } else {
            if (sscanf(hex, "%2x", &octet) != 1 || hex[1] == '\0')
                fail_msg("no hex digits: %s", hex);
            wr_u8(&wr, (uint8_t)octet);
            hex += 2;
        }
    }
    assert_false(wr.failed);
    return (struct span){.at = wr.start, .len = wr.at};
}

/* ---- messages from text ---- */

struct draft {
    ldns_pkt *pkt;
    ldns_pkt_section section;
    bool asked;
};

static const struct {
    const char *word;
    void (*set)(ldns_pkt *, bool);
} flags[] = {
    {"qr", ldns_pkt_set_qr}, {"aa", ldns_pkt_set_aa},      {"tc", ldns_pkt_set_tc},
    {"rd", ldns_pkt_set_rd}, {"ra", ldns_pkt_set_ra},      {"ad", ldns_pkt_set_ad},
    {"cd", ldns_pkt_set_cd}, {"do", ldns_pkt_set_edns_do},
};

static bool read_flag(struct draft *d, const char *word)
{
    bool on = word[0] != '-';

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(word + !on, flags[i].word) == 0) {
            flags[i].set(d->pkt, on);
            return true;
        }
    return false;
}

/* The next word of a line, NULL at its end. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " ");
    size_t len = strcspn(word, " ");

    *line = word + len;
    if (**line == ' ')
        *(*line)++ = '\0';
    return len == 0 ? NULL : word;
}

static void read_number(struct draft *d, const char *word, char **line)
{
    const char *number = next_word(line);
    uint16_t value = (uint16_t)strtoul(number == NULL ? "" : number, NULL, 10);

    if (strcmp(word, "id") == 0)
        ldns_pkt_set_id(d->pkt, value);
    else if (strcmp(word, "edns") == 0)
        ldns_pkt_set_edns_udp_size(d->pkt, value);
    else
        fail_msg("no header word: %s", word);
}

static void read_header(struct draft *d, char *line)
{
    for (char *w = next_word(&line); w != NULL; w = next_word(&line)) {
        const ldns_lookup_table *rcode = ldns_lookup_by_name(ldns_rcodes, w);
        if (read_flag(d, w))
            continue;
        if (rcode != NULL)
            ldns_pkt_set_rcode(d->pkt, (uint8_t)rcode->id);
        else
            read_number(d, w, &line);
    }
}

/* Names without a final dot are whole all the same. */
static void read_record(struct draft *d, const char *line)
{
    ldns_rr *rr = NULL;
    ldns_rdf *root = ldns_dname_new_frm_str(".");
    ldns_status s;

    if (d->asked)
        s = ldns_rr_new_frm_str(&rr, line, 0, root, NULL);
    else
        s = ldns_rr_new_question_frm_str(&rr, line, root, NULL);
    if (s != LDNS_STATUS_OK)
        fail_msg("%s: %s", ldns_get_errorstr_by_id(s), line);
    ldns_rdf_deep_free(root);
    ldns_pkt_push_rr(d->pkt, d->asked ? d->section : LDNS_SECTION_QUESTION, rr);
    d->asked = true;
}

static void read_line(struct draft *d, char *line)
{
    if (line[0] == '!')
        read_header(d, line + 1);
    else if (strcmp(line, "answer") == 0)
        d->section = LDNS_SECTION_ANSWER;
    else if (strcmp(line, "authority") == 0)
        d->section = LDNS_SECTION_AUTHORITY;
    else if (strcmp(line, "additional") == 0)
        d->section = LDNS_SECTION_ADDITIONAL;
    else if (line[0] != '\0')
        read_record(d, line);
}

static struct span to_wire(ldns_pkt *pkt)
{
    uint8_t *wire = NULL;
    size_t len = 0;

    if (ldns_pkt2wire(&wire, pkt, &len) != LDNS_STATUS_OK)
        fail_msg("ldns makes no packet of this");
    ldns_pkt_free(pkt);
    uint8_t *copy = build_keep(len);
    memcpy(copy, wire, len);
    free(wire);
    return (struct span){.at = copy, .len = len};
}

static struct span build(const char *text, bool answer)
{
    struct draft d = {.pkt = ldns_pkt_new(), .section = LDNS_SECTION_ANSWER};
    char line[LINE_MAX_LEN];

    assert_non_null(d.pkt);
    ldns_pkt_set_id(d.pkt, 7);
    ldns_pkt_set_rd(d.pkt, true);
    ldns_pkt_set_qr(d.pkt, answer);
    ldns_pkt_set_ra(d.pkt, answer);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        assert_true(len < sizeof line);
        memcpy(line, text, len);
        line[len] = '\0';
        read_line(&d, line);
        text += len + (text[len] == '\n');
    }
    return to_wire(d.pkt);
}

struct span build_query(const char *question)
{
    return build(question, false);
}

struct span build_answer(const char *text)
{
    return build(text, true);
}

struct span build_question(const char *text)
{
    struct span q = build_query(text);

    return (struct span){.at = q.at + DNS_HEADER_LEN, .len = q.len - DNS_HEADER_LEN};
}

/* ---- random messages ---- */

/* `%` is a name. */
static const char *const kinds[] = {
    "A 192.0.2.1",
    "AAAA 2001:db8::1",
    "NS %",
    "CNAME %",
    "SOA % % 1 2 3 4 5",
    "MX 10 %",
    "TXT \"% %\" \"b\"",
    "PTR %",
    "SRV 1 2 3 %",
    "NAPTR 1 2 \"u\" \"sip\" \"\" %",
    "RP % %",
    "AFSDB 1 %",
    "RT 1 %",
    "PX 1 % %",
    "KX 1 %",
    "DNAME %",
    "MINFO % %",
    "MB %",
    "MG %",
    "MR %",
    "MD %",
    "MF %",
    "HINFO \"a\" \"b\"",
    "LP 10 %",
    "SVCB 1 % alpn=h2",
    "HTTPS 1 %",
    "TALINK % %",
    "TYPE65400 \\# 4 c00cc00c",
    "CAA 0 issue \"%\"",
    "NSEC % A AAAA",
    "RRSIG A 8 2 300 20300101000000 20200101000000 7 % YWJj",
    "DS 1 8 2 abcdef",
    "TLSA 3 1 1 abcdef",
    "LOC 52 N 13 E 10m",
    "APL 1:192.0.2.0/24",
    "WKS 192.0.2.1 6 25",
    "X25 \"1\"",
    "CSYNC 1 3 A NS",
    "EUI48 00-00-5e-00-53-2a",
    "SPF \"%\"",
    "NSEC3 1 0 1 ab 2vptu5timamqttgl4luu9kg21e0aor3s A",
    "SSHFP 1 1 abcdef",
    "NID 10 0014:4fff:ff20:ee64",
    "DNSKEY 256 3 8 YWJj",
    "GPOS \"1\" \"2\" \"3\"",
};

const char *build_random_name(struct build_random *r)
{
    static const char *const ends[] = {"test.",
                                       "www.test.",
                                       "Cluster.Local.",
                                       "local.",
                                       "svc.cluster.local.",
                                       "xcluster.local.",
                                       "x\\.cluster.local.",
                                       "cluster.local.evil.test.",
                                       "b.cluster.local.",
                                       "cluster.local.",
                                       ""};
    char *out = build_keep(128);
    size_t at = 0;

    for (uint32_t n = build_below(r, 4); n > 0; n--)
        at += (size_t)snprintf(out + at, 16, "%c%u.", "abAB"[build_below(r, 4)],
                               build_below(r, 4));
    snprintf(out + at, 64, "%s", ends[build_below(r, sizeof ends / sizeof *ends)]);
    return out[0] == '\0' ? "." : out;
}

static void print_record(FILE *out, struct build_random *r, const char *question)
{
    const char *kind = kinds[build_below(r, sizeof kinds / sizeof *kinds)];
    const char *owner = build_below(r, 2) == 0 ? question : build_random_name(r);

    fprintf(out, "%s %u ", owner, build_below(r, 7));
    for (; *kind != '\0'; kind++)
        if (*kind == '%')
            fputs(build_below(r, 4) == 0 ? question : build_random_name(r), out);
        else
            fputc(*kind, out);
    fputc('\n', out);
}

const char *build_random_answer(struct build_random *r, const char **question)
{
    static const char *const sections[] = {"answer", "authority", "additional"};
    char *text = NULL, *kept;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    *question = build_random_name(r);
    fprintf(out, "! %s %s\n%s A\n", build_below(r, 2) == 0 ? "ad" : "aa",
            build_below(r, 2) == 0 ? "edns 1232" : "NXDOMAIN", *question);
    for (size_t s = 0; s < 3; s++) {
        fprintf(out, "%s\n", sections[s]);
        for (uint32_t n = build_below(r, 5); n > 0; n--)
            print_record(out, r, *question);
    }
    fclose(out);
    kept = build_keep(len + 1);
    memcpy(kept, text, len);
    free(text);
    return kept;
}

/* ---- text from messages ---- */

static void print_list(FILE *out, const char *section, const ldns_rr_list *list)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        char *line = ldns_rr2str(ldns_rr_list_rr(list, i));
        assert_non_null(line);
        fprintf(out, "%s %s", section, line);
        free(line);
    }
}

char *build_text_of(const ldns_pkt *pkt, uint16_t flag_bits)
{
    char *text = NULL, *kept;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    fprintf(out, "flags %04x\n", flag_bits);
    print_list(out, "question", ldns_pkt_question(pkt));
    print_list(out, "answer", ldns_pkt_answer(pkt));
    print_list(out, "authority", ldns_pkt_authority(pkt));
    print_list(out, "additional", ldns_pkt_additional(pkt));
    if (ldns_pkt_edns(pkt))
        fprintf(out, "opt size %u do %d rcode %u\n", ldns_pkt_edns_udp_size(pkt),
                ldns_pkt_edns_do(pkt), ldns_pkt_edns_extended_rcode(pkt));
    fclose(out);
    kept = build_keep(len + 1);
    memcpy(kept, text, len);
    free(text);
    return kept;
}

const char *build_text(struct span packet)
{
    ldns_pkt *pkt = NULL;

    if (ldns_wire2pkt(&pkt, packet.at, packet.len) != LDNS_STATUS_OK)
        return "malformed";
    char *text = build_text_of(pkt, load_u16(packet.at + 2));
    ldns_pkt_free(pkt);
    return text;
}

void build_walk(struct msg *m, struct span packet)
{
    *m = (struct msg){.rr = build_keep(WIRE_RR_MAX * sizeof *m->rr),
                      .rr_cap = WIRE_RR_MAX};
    assert_int_equal(wire_walk(packet, m), WIRE_OK);
}
