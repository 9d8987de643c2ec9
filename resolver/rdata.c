#include "resolver/rdata.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>

/* Types up to here have rows of their own; all others are opaque. */
#define TYPES 264

static struct {
    struct rdata_layout layout[TYPES];
    char name[TYPES][12];
} table;

static const struct rdata_layout opaque;

static struct rdata_field field_of(ldns_rdf_type type)
{
    switch ((int)type) {
    case LDNS_RDF_TYPE_DNAME:
        return (struct rdata_field){RDATA_NAME, 0};
    case LDNS_RDF_TYPE_INT8:
    case LDNS_RDF_TYPE_ALG:
        return (struct rdata_field){RDATA_FIXED, 1};
    case LDNS_RDF_TYPE_INT16:
    case LDNS_RDF_TYPE_TYPE:
    case LDNS_RDF_TYPE_CLASS:
    case LDNS_RDF_TYPE_CERT_ALG:
        return (struct rdata_field){RDATA_FIXED, 2};
    case LDNS_RDF_TYPE_INT32:
    case LDNS_RDF_TYPE_PERIOD:
    case LDNS_RDF_TYPE_TIME:
    case LDNS_RDF_TYPE_A:
        return (struct rdata_field){RDATA_FIXED, 4};
    case LDNS_RDF_TYPE_AAAA:
        return (struct rdata_field){RDATA_FIXED, 16};
    case LDNS_RDF_TYPE_STR:
        return (struct rdata_field){RDATA_STRING, 0};
    default:
        return (struct rdata_field){RDATA_REST, 0};
    }
}

static void read_layout(uint16_t type, const ldns_rr_descriptor *d)
{
    struct rdata_layout *l = &table.layout[type];
    struct rdata_layout found = {.known = true};
    size_t n = ldns_rr_descriptor_minimum(d), most = ldns_rr_descriptor_maximum(d);
    if (n + 2 > sizeof found.field / sizeof *found.field)
        return;
    for (size_t i = 0; i < n; i++) {
        found.field[i] = field_of(ldns_rr_descriptor_field_type(d, i));
        found.has_names = found.has_names || found.field[i].step == RDATA_NAME;
        if (found.field[i].step == RDATA_REST)
            n = i; /* what stands behind it cannot be found */
    }
    if (most > n)
        found.field[n].step = RDATA_REST;
    if (found.has_names || type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA)
        *l = found;
}

int rdata_start(void)
{
    static const uint16_t compressed[] = {
        DNS_NS, DNS_CNAME, DNS_SOA, DNS_PTR, DNS_MX, 3, 4, 7, 8, 9, 14};
    for (uint16_t type = 1; type < TYPES; type++) {
        const ldns_rr_descriptor *d = ldns_rr_descript(type);
        if (d == NULL || d->_name == NULL || d->_type != type)
            continue;
        snprintf(table.name[type], sizeof table.name[type], "%s", d->_name);
        read_layout(type, d);
    }
    struct rdata_layout svcb = {
        .field = {{RDATA_FIXED, 2}, {RDATA_NAME, 0}, {RDATA_REST, 0}},
        .known = true,
        .has_names = true};
    table.layout[DNS_SVCB] = table.layout[DNS_HTTPS] = svcb;
    snprintf(table.name[DNS_SVCB], sizeof table.name[0], "SVCB");
    snprintf(table.name[DNS_HTTPS], sizeof table.name[0], "HTTPS");
    snprintf(table.name[DNS_ANY], sizeof table.name[0], "ANY");
    for (size_t i = 0; i < sizeof compressed / sizeof *compressed; i++)
        table.layout[compressed[i]].compress = true;
    return 0;
}

const struct rdata_layout *rdata_layout(uint16_t type)
{
    return type < TYPES ? &table.layout[type] : &opaque;
}

const char *rdata_type_print(uint16_t type, char *out)
{
    if (type < TYPES && table.name[type][0] != '\0')
        return table.name[type];
    snprintf(out, 16, "TYPE%u", type);
    return out;
}

const char *rdata_class_print(uint16_t class, char *out)
{
    switch (class) {
    case DNS_IN:
        return "IN";
    case DNS_CH:
        return "CH";
    case DNS_HS:
        return "HS";
    case DNS_CLASS_ANY:
        return "ANY";
    default:
        snprintf(out, 16, "CLASS%u", class);
        return out;
    }
}

static int parse_number(struct text from, const char *prefix, uint16_t *out)
{
    size_t len = strlen(prefix);
    unsigned value = 0;
    if (from.len <= len || from.len > len + 5 || strncasecmp(from.at, prefix, len) != 0)
        return -1;
    for (size_t i = len; i < from.len; i++) {
        if (from.at[i] < '0' || from.at[i] > '9')
            return -1;
        value = value * 10 + (unsigned)(from.at[i] - '0');
    }
    if (value > UINT16_MAX)
        return -1;
    *out = (uint16_t)value;
    return 0;
}

int rdata_type_parse(struct text from, uint16_t *out)
{
    for (uint16_t type = 1; type < TYPES; type++) {
        const char *name = table.name[type];
        if (name[0] != '\0' && strlen(name) == from.len &&
            strncasecmp(name, from.at, from.len) == 0) {
            *out = type;
            return 0;
        }
    }
    return parse_number(from, "TYPE", out);
}

int rdata_class_parse(struct text from, uint16_t *out)
{
    static const struct {
        const char *name;
        uint16_t class;
    } names[] = {{"IN", 1}, {"CH", 3}, {"HS", 4}, {"ANY", 255}};
    for (size_t i = 0; i < 4; i++) {
        if (strlen(names[i].name) == from.len &&
            strncasecmp(names[i].name, from.at, from.len) == 0) {
            *out = names[i].class;
            return 0;
        }
    }
    return parse_number(from, "CLASS", out);
}

static const char *const rcodes[] = {
    "NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",   "REFUSED",
    "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",  "DSOTYPENI",
    NULL,       NULL,      NULL,       NULL,       "BADVERS",  "BADKEY",
    "BADTIME",  "BADMODE", "BADNAME",  "BADALG",   "BADTRUNC", "BADCOOKIE"};
#define RCODES (sizeof rcodes / sizeof *rcodes)

const char *rcode_print(uint16_t rcode, char *out)
{
    if (rcode < RCODES && rcodes[rcode] != NULL)
        return rcodes[rcode];
    snprintf(out, 16, "RCODE%u", rcode);
    return out;
}

int rcode_parse(struct text from, uint16_t *out)
{
    for (uint16_t i = 0; i < RCODES; i++) {
        if (rcodes[i] != NULL && strlen(rcodes[i]) == from.len &&
            strncasecmp(rcodes[i], from.at, from.len) == 0) {
            *out = i;
            return 0;
        }
    }
    return parse_number(from, "RCODE", out);
}
