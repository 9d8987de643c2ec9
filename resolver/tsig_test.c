/* ldns signs and checks as well: neither believes what the other does not. */
#include "resolver/tsig.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"
#include "tests/unit/build.h"

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECRET "NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk="
#define FUDGE  300

static uint8_t secret[64];

static struct tsig_key key_of(const char *name)
{
    int len = tsig_secret(text_of(SECRET), secret);
    assert_int_equal(len, 32);
    return (struct tsig_key){build_name(name), {secret, (size_t)len}};
}

struct signed_packet {
    struct span wire;
    uint32_t at; /* of the TSIG */
};

static uint32_t tsig_at(struct span wire)
{
    struct msg m;
    build_walk(&m, wire);
    for (uint32_t i = 0; i < m.rr_n; i++) {
        if (m.rr[i].type == DNS_TSIG)
            return m.rr[i].owner;
    }
    fail();
    return 0;
}

/* A question as ldns signs it; *mac gets the MAC, which is ldns's to free. */
static struct signed_packet sign_by_ldns(const char *algorithm, ldns_rdf **mac)
{
    struct span plain = build_query("www.test A");
    ldns_pkt *pkt;
    uint8_t *wire;
    size_t len;
    assert_int_equal(ldns_wire2pkt(&pkt, plain.at, plain.len), LDNS_STATUS_OK);
    assert_int_equal(
        ldns_pkt_tsig_sign(pkt, "Big.Key.", SECRET, FUDGE, algorithm, NULL),
        LDNS_STATUS_OK);
    assert_int_equal(ldns_pkt2wire(&wire, pkt, &len), LDNS_STATUS_OK);
    if (mac != NULL)
        *mac = ldns_rdf_clone(ldns_rr_rdf(ldns_pkt_tsig(pkt), 3));
    uint8_t *kept = build_keep(len);
    memcpy(kept, wire, len);
    free(wire);
    ldns_pkt_free(pkt);
    struct span all = {kept, len};
    return (struct signed_packet){all, tsig_at(all)};
}

static int begin(void **unused)
{
    return hash_seed() < 0 || rdata_start() < 0 ? -1 : 0;
}

static const char *const algorithms[] = {"hmac-sha1.", "hmac-sha224.", "hmac-sha256.",
                                         "hmac-sha384.", "hmac-sha512."};

static void question_signed_by_ldns_is_believed(void **unused)
{
    unsigned known = 0;
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        struct tsig_key key = key_of("big.key");
        struct tsig_record r;
        struct tsig_session s;
        if (strcmp(algorithms[i], "hmac-sha1.") != 0 &&
            strcmp(algorithms[i], "hmac-sha256.") != 0)
            continue; /* not known to every ldns */
        struct signed_packet p = sign_by_ldns(algorithms[i], NULL);
        assert_int_equal(tsig_read(p.wire, p.at, &r), 0);
        assert_true(name_equal(r.name.wire, key.name));
        assert_int_equal(tsig_check(&r, p.wire, &key, r.time_s, &s), TSIG_OK);
        assert_int_equal(tsig_check(&r, p.wire, &key, r.time_s + FUDGE, &s), TSIG_OK);
        assert_int_equal(tsig_check(&r, p.wire, &key, r.time_s + FUDGE + 1, &s),
                         TSIG_BADTIME);
        assert_int_equal(tsig_check(&r, p.wire, &key, r.time_s - FUDGE - 1, &s),
                         TSIG_BADTIME);
        assert_int_equal(tsig_check(&r, p.wire, NULL, r.time_s, &s), TSIG_BADKEY);
        secret[0] ^= 1;
        assert_int_equal(tsig_check(&r, p.wire, &key, r.time_s, &s), TSIG_BADSIG);
        known++;
    }
    assert_int_equal(known, 2);
    build_release();
}

static void every_octet_counts(void **unused)
{
    struct tsig_key key = key_of("big.key");
    struct signed_packet p = sign_by_ldns("hmac-sha256.", NULL);
    for (size_t i = 2; i < p.wire.len; i++) {
        struct tsig_record r;
        struct tsig_session s;
        uint8_t *changed = build_keep(p.wire.len);
        memcpy(changed, p.wire.at, p.wire.len);
        changed[i] ^= 1;
        struct span wire = {changed, p.wire.len};
        if (tsig_read(wire, p.at, &r) < 0)
            continue;
        /* The walker has made sure of ARCOUNT and of the type. */
        bool checked = (i == p.at + 9) || (i == p.at + 10);
        assert_true(checked || tsig_check(&r, wire, &key, r.time_s, &s) != TSIG_OK);
    }
    build_release();
}

static void short_ones_are_malformed(void **unused)
{
    struct tsig_record r;
    struct signed_packet p = sign_by_ldns("hmac-sha256.", NULL);
    for (size_t len = p.at; len < p.wire.len; len++) {
        uint8_t *copy = build_keep(len);
        memcpy(copy, p.wire.at, len);
        assert_int_equal(tsig_read((struct span){copy, len}, p.at, &r), -1);
    }
    build_release();
}

/* Of a MAC as long as `len` says. */
static enum tsig_status check_cut(size_t len)
{
    struct tsig_key key = key_of("big.key");
    struct tsig_record r;
    struct tsig_session s;
    struct signed_packet p = sign_by_ldns("hmac-sha256.", NULL);
    assert_int_equal(tsig_read(p.wire, p.at, &r), 0);
    r.mac.len = len;
    return tsig_check(&r, p.wire, &key, r.time_s, &s);
}

static void shorter_macs_are_not_taken(void **unused)
{
    assert_int_equal(check_cut(32), TSIG_OK);
    assert_int_equal(check_cut(31), TSIG_BADTRUNC);
    assert_int_equal(check_cut(16), TSIG_BADTRUNC);
    assert_int_equal(check_cut(15), TSIG_FORMERR);
    assert_int_equal(check_cut(0), TSIG_FORMERR);
    assert_int_equal(check_cut(33), TSIG_FORMERR);
    build_release();
}

static void ldns_believes_the_answer(void **unused)
{
    struct tsig_key key = key_of("big.key");
    struct tsig_record r;
    struct tsig_session s;
    ldns_rdf *mac;
    ldns_pkt *pkt;
    uint8_t reply[1024];
    struct signed_packet p = sign_by_ldns("hmac-sha256.", &mac);
    assert_int_equal(tsig_read(p.wire, p.at, &r), 0);
    assert_int_equal(tsig_check(&r, p.wire, &key, r.time_s, &s), TSIG_OK);
    struct span plain =
        build_answer("www.test A\nanswer\nwww.test 60 IN A 192.0.2.1\n");
    memcpy(reply, plain.at, plain.len);
    size_t len = tsig_sign(&s, reply, plain.len, r.time_s);
    assert_true(len > plain.len && len <= plain.len + tsig_room(&s));
    assert_int_equal(ldns_wire2pkt(&pkt, reply, len), LDNS_STATUS_OK);
    assert_true(ldns_pkt_tsig_verify(pkt, reply, len, "big.key.", SECRET, mac));
    reply[20] ^= 1;
    assert_false(ldns_pkt_tsig_verify(pkt, reply, len, "big.key.", SECRET, mac));
    ldns_pkt_free(pkt);
    ldns_rdf_deep_free(mac);
    build_release();
}

static void secrets_are_base64(void **unused)
{
    static const struct {
        const char *text;
        int len;
    } rows[] = {{"AAAA", 3},  {"AAA=", 2},      {"AA==", 1},  {"A===", -1},
                {"====", -1}, {"", -1},         {"AAA", -1},  {"AA=A", -1},
                {"!AAA", -1}, {"AA==AAAA", -1}, {"AAAA ", -1}};
    uint8_t out[16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(tsig_secret(text_of(rows[i].text), out), rows[i].len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(question_signed_by_ldns_is_believed),
        cmocka_unit_test(every_octet_counts),
        cmocka_unit_test(short_ones_are_malformed),
        cmocka_unit_test(shorter_macs_are_not_taken),
        cmocka_unit_test(ldns_believes_the_answer),
        cmocka_unit_test(secrets_are_base64),
    };
    return cmocka_run_group_tests_name("tsig", tests, begin, NULL);
}
