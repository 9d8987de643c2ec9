#include "tests/unit/reference.h"

#include "base/cursor.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <ldns/ldns.h>

static ldns_rdf *map_name(const ldns_rdf *name, const struct name_map *map)
{
    ldns_rdf *from =
        ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, map->from_len, map->from);
    const uint8_t *data = ldns_rdf_data(name);
    struct name out;
    size_t prefix_len = 0;
    bool under =
        ldns_dname_compare(name, from) == 0 || ldns_dname_is_subdomain(name, from);

    if (!under) {
        ldns_rdf_deep_free(from);
        return ldns_rdf_clone(name);
    }
    for (int i = ldns_dname_label_count(name) - ldns_dname_label_count(from); i > 0;
         i--)
        prefix_len += data[prefix_len] + 1u;
    ldns_rdf_deep_free(from);
    assert_true(prefix_len + map->to_len <= NAME_WIRE_MAX);
    memcpy(out.wire, data, prefix_len);
    memcpy(out.wire + prefix_len, map->to, map->to_len);
    return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, prefix_len + map->to_len,
                                 out.wire);
}

static void map_rr(ldns_rr *rr, const struct name_map *map)
{
    ldns_rdf *owner = ldns_rr_owner(rr);

    ldns_rr_set_owner(rr, map_name(owner, map));
    ldns_rdf_deep_free(owner);
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        ldns_rdf *rdf = ldns_rr_rdf(rr, i);
        if (ldns_rdf_get_type(rdf) != LDNS_RDF_TYPE_DNAME)
            continue;
        ldns_rr_set_rdf(rr, map_name(rdf, map), i);
        ldns_rdf_deep_free(rdf);
    }
}

static void map_list(ldns_rr_list *list, const struct name_map *map)
{
    size_t kept = 0;

    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        ldns_rr *rr = ldns_rr_list_rr(list, i);
        ldns_rr_type type = ldns_rr_get_type(rr);
        if (type == LDNS_RR_TYPE_RRSIG || type == LDNS_RR_TYPE_NSEC ||
            type == LDNS_RR_TYPE_NSEC3) {
            ldns_rr_free(rr);
            continue;
        }
        map_rr(rr, map);
        ldns_rr_list_set_rr(list, rr, kept++);
    }
    ldns_rr_list_set_rr_count(list, kept);
}

/* OPT is the hop's own. */
static void without_opt(char *text)
{
    char *opt = strstr(text, "\nopt ");

    if (opt != NULL)
        opt[1] = '\0';
}

const char *reference_rename(struct span answer, const struct name_map *map)
{
    ldns_pkt *pkt = NULL;

    assert_int_equal(ldns_wire2pkt(&pkt, answer.at, answer.len), LDNS_STATUS_OK);
    map_list(ldns_pkt_question(pkt), map);
    map_list(ldns_pkt_answer(pkt), map);
    map_list(ldns_pkt_authority(pkt), map);
    map_list(ldns_pkt_additional(pkt), map);
    char *text = build_text_of(pkt, load_u16(answer.at + 2) & (uint16_t)~DNS_AD);
    without_opt(text);
    ldns_pkt_free(pkt);
    return text;
}

unsigned reference_names_n(uint16_t type)
{
    return ldns_rr_descript(type)->_dname_count;
}
