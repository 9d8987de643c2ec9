#include "resolver/rdata.h"

#include "base/cursor.h"
#include "resolver/wire.h"

#include <assert.h>
#include <ldns/ldns.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* One more than the highest type that has a layout: CAA is 257. */
#define TYPES_N 258

/* Filled once by rdata_start(), read by every thread afterwards. */
static struct rdata_layout layouts[TYPES_N];
static const char *type_names[TYPES_N];
static pthread_once_t start_once = PTHREAD_ONCE_INIT;

struct mnemonic {
    uint16_t value;
    const char *name;
};

/* What ldns does not list among its record types, or not yet. */
static const struct mnemonic more_types[] = {
    {56, "NINFO"},  {57, "RKEY"},   {64, "SVCB"},        {65, "HTTPS"},
    {100, "UINFO"}, {101, "UID"},   {102, "GID"},        {103, "UNSPEC"},
    {251, "IXFR"},  {252, "AXFR"},  {253, "MAILB"},      {254, "MAILA"},
    {255, "ANY"},   {258, "AVC"},   {260, "AMTRELAY"},   {261, "RESINFO"},
    {32768, "TA"},  {32769, "DLV"}, {65535, "Reserved"}, {41, "OPT"},
};

static const struct mnemonic classes[] = {
    {1, "IN"}, {2, "CS"}, {3, "CH"}, {4, "HS"}, {254, "NONE"}, {255, "ANY"},
};

static const struct mnemonic rcodes[] = {
    {0, "NOERROR"},  {1, "FORMERR"}, {2, "SERVFAIL"},  {3, "NXDOMAIN"},
    {4, "NOTIMP"},   {5, "REFUSED"}, {6, "YXDOMAIN"},  {7, "YXRRSET"},
    {8, "NXRRSET"},  {9, "NOTAUTH"}, {10, "NOTZONE"},  {11, "DSOTYPENI"},
    {16, "BADVERS"}, {17, "BADKEY"}, {18, "BADTIME"},  {19, "BADMODE"},
    {20, "BADNAME"}, {21, "BADALG"}, {22, "BADTRUNC"}, {23, "BADCOOKIE"},
    {16, "BADSIG"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- building the tables ---- */

static struct rdata_field fixed(uint8_t len)
{
    return (struct rdata_field){.step = RDATA_FIXED, .len = len};
}

/* What one field of ldns is on the wire. */
static struct rdata_field field_of(ldns_rdf_type type)
{
    switch ((int)type) {
    case LDNS_RDF_TYPE_DNAME:
        return (struct rdata_field){.step = RDATA_NAME};
    case LDNS_RDF_TYPE_INT8:
    case LDNS_RDF_TYPE_ALG:
    case LDNS_RDF_TYPE_CERTIFICATE_USAGE:
    case LDNS_RDF_TYPE_SELECTOR:
    case LDNS_RDF_TYPE_MATCHING_TYPE:
        return fixed(1);
    case LDNS_RDF_TYPE_INT16:
    case LDNS_RDF_TYPE_CLASS:
    case LDNS_RDF_TYPE_TYPE:
    case LDNS_RDF_TYPE_CERT_ALG:
        return fixed(2);
    case LDNS_RDF_TYPE_INT32:
    case LDNS_RDF_TYPE_TIME:
    case LDNS_RDF_TYPE_PERIOD:
    case LDNS_RDF_TYPE_A:
        return fixed(4);
    case LDNS_RDF_TYPE_TSIGTIME:
    case LDNS_RDF_TYPE_EUI48:
        return fixed(6);
    case LDNS_RDF_TYPE_EUI64:
    case LDNS_RDF_TYPE_ILNP64:
        return fixed(8);
    case LDNS_RDF_TYPE_AAAA:
        return fixed(16);
    case LDNS_RDF_TYPE_STR:
    case LDNS_RDF_TYPE_TAG:
    case LDNS_RDF_TYPE_NSEC3_SALT:
    case LDNS_RDF_TYPE_NSEC3_NEXT_OWNER:
        return (struct rdata_field){.step = RDATA_STRING};
    default:
        return (struct rdata_field){.step = RDATA_REST};
    }
}

/* Types that ldns describes in a way that is not their RFC's: NSAP-PTR holds a name and
 * no string (RFC 1348), SINK has three fields, ISDN one or two strings, and HIP ends in
 * names at a place that its first octets tell. */
static bool is_exception(uint16_t type)
{
    switch ((int)type) {
    case LDNS_RR_TYPE_NSAP_PTR:
    case LDNS_RR_TYPE_SINK:
    case LDNS_RR_TYPE_ISDN:
    case LDNS_RR_TYPE_HIP:
    case LDNS_RR_TYPE_OPT: /* seen by the walker, never as a record */
        return true;
    default:
        return false;
    }
}

static void build_layout(struct rdata_layout *to, const ldns_rr_descriptor *from)
{
    size_t n = ldns_rr_descriptor_maximum(from), i = 0;

    if (from->_variable == LDNS_RDF_TYPE_STR && from->_minimum == 1) {
        to->field[0].step = RDATA_STRINGS; /* TXT, SPF */
        to->known = true;
        return;
    }
    if (from->_variable != LDNS_RDF_TYPE_NONE || n == 0 || n >= COUNT(to->field))
        return;
    do {
        to->field[i] = field_of(ldns_rr_descriptor_field_type(from, i));
        to->has_names |= to->field[i].step == RDATA_NAME;
    } while (to->field[i].step != RDATA_REST && ++i < n);
    to->known = to->field[0].step != RDATA_REST;
    to->compress = to->has_names && from->_compress == LDNS_RR_COMPRESS;
}

/* RFC 9460 section 2.2: priority, target, parameters. */
static void build_svcb(void)
{
    for (uint16_t type = DNS_SVCB; type <= DNS_HTTPS; type++)
        layouts[type] = (struct rdata_layout){
            .field = {fixed(2), {.step = RDATA_NAME}, {.step = RDATA_REST}},
            .known = true,
            .has_names = true};
}

static void start(void)
{
    for (uint16_t type = 1; type < TYPES_N; type++) {
        const ldns_rr_descriptor *d = ldns_rr_descript(type);
        if (d == NULL || (uint16_t)d->_type != type || d->_name == NULL ||
            strncmp(d->_name, "TYPE", 4) == 0)
            continue;
        type_names[type] = d->_name;
        if (!is_exception(type))
            build_layout(&layouts[type], d);
    }
    build_svcb();
    for (size_t i = 0; i < COUNT(more_types); i++)
        if (more_types[i].value < TYPES_N)
            type_names[more_types[i].value] = more_types[i].name;
}

int rdata_start(void)
{
    return pthread_once(&start_once, start) == 0 ? 0 : -1;
}

const struct rdata_layout *rdata_layout(uint16_t type)
{
    static const struct rdata_layout opaque = {.known = false};

    assert(layouts[DNS_A].known); /* rdata_start() comes first */
    return type < TYPES_N ? &layouts[type] : &opaque;
}

/* ---- parts of a record's data ---- */

struct rdata_part rdata_parts(const struct rr *rr)
{
    const struct rdata_layout *layout = rdata_layout(rr->type);

    return (struct rdata_part){.field = layout->has_names ? layout->field : NULL,
                               .at = rr->rdata};
}

/* The offset behind a walked name as it stands. */
static uint32_t skip_name(const uint8_t *base, uint32_t at)
{
    while (base[at] != 0 && base[at] < 0xc0)
        at += base[at] + 1u;
    return at + (base[at] == 0 ? 1 : 2);
}

bool rdata_next(const struct rr *rr, struct rdata_part *part)
{
    uint32_t end = rr->rdata + rr->rdlen;
    uint32_t at = part->at += part->len;

    part->len = 0;
    if (at == end)
        return false;
    part->is_name = part->field != NULL && part->field->step == RDATA_NAME;
    if (part->is_name) {
        part->len = skip_name(rr->base, at) - at;
        part->field++;
        return true;
    }
    for (; part->field != NULL && part->field->step != RDATA_NAME; part->field++) {
        if (part->field->step == RDATA_FIXED)
            at += part->field->len;
        else if (part->field->step == RDATA_STRING)
            at += rr->base[at] + 1u;
        else
            part->field = NULL;
        if (part->field == NULL)
            break;
    }
    part->len = (part->field == NULL ? end : at) - part->at;
    return true;
}

size_t rdata_len_plain(const struct rr *rr)
{
    struct rdata_part part = rdata_parts(rr);
    size_t len = 0;

    while (rdata_next(rr, &part))
        len += part.is_name ? wire_name_len(rr->base, part.at) : part.len;
    return len;
}

void rdata_expand(const struct rr *rr, uint8_t *out)
{
    struct rdata_part part = rdata_parts(rr);
    struct name name;

    while (rdata_next(rr, &part)) {
        if (!part.is_name) {
            memcpy(out, rr->base + part.at, part.len);
            out += part.len;
            continue;
        }
        msg_name(rr, part.at, &name);
        memcpy(out, name.wire, name.len);
        out += name.len;
    }
}

/* ---- mnemonics ---- */

static const char *print(const struct mnemonic *list, size_t n, uint16_t value)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].value == value)
            return list[i].name;
    return NULL;
}

static const char *print_number(const char *prefix, uint16_t value, char *out)
{
    snprintf(out, RDATA_MNEMONIC_MAX, "%s%u", prefix, value);
    return out;
}

static bool equal(struct text a, const char *b)
{
    return a.len == strlen(b) && strncasecmp(a.at, b, a.len) == 0;
}

static int parse(const struct mnemonic *list, size_t n, struct text from, uint16_t *out)
{
    for (size_t i = 0; i < n; i++)
        if (equal(from, list[i].name)) {
            *out = list[i].value;
            return 0;
        }
    return -1;
}

/* "TYPE65400": the prefix in any case, then a number of 16 bits (RFC 3597 section 5).
 */
static int parse_number(const char *prefix, struct text from, uint16_t *out)
{
    size_t skip = strlen(prefix);
    uint32_t value = 0;

    if (from.len <= skip || from.len > skip + 5 ||
        !equal((struct text){.at = from.at, .len = skip}, prefix))
        return -1;
    for (size_t i = skip; i < from.len; i++) {
        if (from.at[i] < '0' || from.at[i] > '9')
            return -1;
        value = value * 10 + (uint32_t)(from.at[i] - '0');
    }
    if (value > UINT16_MAX)
        return -1;
    *out = (uint16_t)value;
    return 0;
}

const char *rdata_type_print(uint16_t type, char *out)
{
    const char *name =
        type < TYPES_N ? type_names[type] : print(more_types, COUNT(more_types), type);
    return name != NULL ? name : print_number("TYPE", type, out);
}

const char *rdata_class_print(uint16_t class, char *out)
{
    const char *name = print(classes, COUNT(classes), class);
    return name != NULL ? name : print_number("CLASS", class, out);
}

const char *rcode_print(uint16_t rcode, char *out)
{
    const char *name = print(rcodes, COUNT(rcodes), rcode);
    return name != NULL ? name : print_number("RCODE", rcode, out);
}

/* As an unknown type is written (RFC 3597 section 5). */
static void print_unknown(const struct rr *rr, char *out, size_t cap)
{
    int n = snprintf(out, cap, "\\# %u", rr->rdlen);
    for (unsigned i = 0; i < rr->rdlen && (size_t)n + 4 < cap; i++)
        n += snprintf(out + n, cap - (size_t)n, i == 0 ? " %02x" : "%02x",
                      rr->base[rr->rdata + i]);
}

/* The record, owned by the root, without compression; from the heap. */
static uint8_t *plain_wire(const struct rr *rr, size_t *len)
{
    size_t data = rdata_len_plain(rr);
    *len = 11 + data;
    uint8_t *wire = data > UINT16_MAX ? NULL : calloc(1, *len);
    if (wire == NULL)
        return NULL;
    store_u16(wire + 1, rr->type);
    store_u16(wire + 3, rr->class);
    store_u16(wire + 9, (uint16_t)data);
    rdata_expand(rr, wire + 11);
    return wire;
}

/* Its fields, as ldns prints them. False: ldns cannot read it. */
static bool print_fields(const uint8_t *wire, size_t len, char *out, size_t cap)
{
    ldns_rr *rr = NULL;
    size_t at = 0, n = 0;
    if (ldns_wire2rr(&rr, wire, len, &at, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
        return false;
    out[0] = '\0';
    for (size_t i = 0; i < ldns_rr_rd_count(rr) && n < cap; i++) {
        char *text = ldns_rdf2str(ldns_rr_rdf(rr, i));
        n += (size_t)snprintf(out + n, cap - n, "%s%s", i == 0 ? "" : " ",
                              text == NULL ? "?" : text);
        free(text);
    }
    ldns_rr_free(rr);
    return true;
}

char *rdata_print(const struct rr *rr, char *out, size_t cap)
{
    size_t len;
    uint8_t *wire = plain_wire(rr, &len);
    if (wire == NULL || !print_fields(wire, len, out, cap))
        print_unknown(rr, out, cap);
    free(wire);
    return out;
}

int rdata_type_parse(struct text from, uint16_t *out)
{
    for (uint16_t type = 0; type < TYPES_N; type++)
        if (type_names[type] != NULL && equal(from, type_names[type])) {
            *out = type;
            return 0;
        }
    if (parse(more_types, COUNT(more_types), from, out) == 0)
        return 0;
    return parse_number("TYPE", from, out);
}

int rdata_class_parse(struct text from, uint16_t *out)
{
    if (parse(classes, COUNT(classes), from, out) == 0)
        return 0;
    return parse_number("CLASS", from, out);
}

int rcode_parse(struct text from, uint16_t *out)
{
    if (parse(rcodes, COUNT(rcodes), from, out) == 0)
        return 0;
    return parse_number("RCODE", from, out);
}

void rdata_nsec3_hash(const uint8_t *data, const uint8_t *name,
                      uint8_t hash[NSEC3_HASH_LEN])
{
    _Static_assert(NSEC3_HASH_LEN == LDNS_SHA1_DIGEST_LENGTH, "both are SHA-1");
    ldns_sha1_ctx sha;
    for (unsigned i = 0; i <= load_u16(data + 2); i++) {
        ldns_sha1_init(&sha);
        if (i == 0)
            ldns_sha1_update(&sha, name, (unsigned)name_len(name));
        else
            ldns_sha1_update(&sha, hash, NSEC3_HASH_LEN);
        ldns_sha1_update(&sha, data + 5, data[4]);
        ldns_sha1_final(hash, &sha);
    }
}
