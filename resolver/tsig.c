#include "resolver/tsig.h"

#include "base/cursor.h"
#include "resolver/wire.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#define FUDGE_S    300
#define CLASS_ANY  255
#define TIME_LEN   6
#define VARIABLES  (NAME_WIRE_MAX + 6 + NAME_WIRE_MAX + 16 + TIME_LEN)
#define HEADER_LEN 12

/* ---- algorithms ---- */

struct algorithm {
    const char *name; /* in wire form */
    const char *digest;
    uint8_t len; /* octets of a MAC */
};

static const struct algorithm algorithms[] = {
    {"\11hmac-sha1", "SHA1", 20},     {"\13hmac-sha224", "SHA224", 28},
    {"\13hmac-sha256", "SHA256", 32}, {"\13hmac-sha384", "SHA384", 48},
    {"\13hmac-sha512", "SHA512", 64},
};

static const struct algorithm *algorithm_of(const struct name *name)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (name_equal(name->wire, (const uint8_t *)algorithms[i].name))
            return &algorithms[i];
    }
    return NULL;
}

/* The MAC of the parts, one behind the other. 0 or -1. */
static int make_mac(const struct algorithm *algorithm, struct span secret,
                    const struct span *parts, size_t n, uint8_t out[TSIG_MAC_MAX])
{
    char digest[16];
    size_t len = 0;
    snprintf(digest, sizeof digest, "%s", algorithm->digest);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    bool good =
        context != NULL && EVP_MAC_init(context, secret.at, secret.len, params) == 1;
    for (size_t i = 0; good && i < n; i++)
        good = EVP_MAC_update(context, parts[i].at, parts[i].len) == 1;
    good = good && EVP_MAC_final(context, out, &len, TSIG_MAC_MAX) == 1 &&
           len == algorithm->len;
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return good ? 0 : -1;
}

/* ---- records ---- */

static void put_time(struct wr *wr, uint64_t time_s)
{
    wr_u16(wr, (uint16_t)(time_s >> 32));
    wr_u32(wr, (uint32_t)time_s);
}

static size_t read_name(struct span message, size_t at, struct name *out)
{
    struct name spelt;
    size_t end = wire_name(message, at, &spelt);
    out->len = spelt.len;
    name_lower(out->wire, spelt.wire, spelt.len);
    return end;
}

int tsig_read(struct span message, uint32_t at, struct tsig_record *out)
{
    *out = (struct tsig_record){.at = at};
    size_t end = read_name(message, at, &out->name);
    if (end == 0 || message.len - end < 10)
        return -1;
    const uint8_t *head = message.at + end; /* type, class, TTL, length */
    size_t rdata_end = end + 10 + load_u16(head + 8);
    size_t names = read_name(message, end + 10, &out->algorithm);
    if (names == 0 || names > rdata_end || rdata_end > message.len ||
        load_u16(head + 2) != CLASS_ANY || load_u32(head + 4) != 0)
        return -1;
    struct rd rd = rd_init(message.at + names, rdata_end - names);
    out->time_s = (uint64_t)rd_u16(&rd) << 32;
    out->time_s |= rd_u32(&rd);
    out->fudge_s = rd_u16(&rd);
    out->mac.len = rd_u16(&rd);
    out->mac = rd_bytes(&rd, out->mac.len);
    out->id = rd_u16(&rd);
    out->error = rd_u16(&rd);
    size_t other = rd_u16(&rd);
    out->other = rd_bytes(&rd, other);
    return rd.failed || rd.at != rdata_end - names ? -1 : 0;
}

/* RFC 8945 section 4.3.3: what is covered besides the message. */
static size_t write_variables(uint8_t out[VARIABLES], const struct name *name,
                              const struct tsig_record *r)
{
    struct wr wr = wr_init(out, VARIABLES);
    wr_bytes(&wr, name->wire, name->len);
    wr_u16(&wr, CLASS_ANY);
    wr_u32(&wr, 0);
    wr_bytes(&wr, r->algorithm.wire, r->algorithm.len);
    put_time(&wr, r->time_s);
    wr_u16(&wr, r->fudge_s);
    wr_u16(&wr, r->error);
    wr_u16(&wr, (uint16_t)r->other.len);
    wr_bytes(&wr, r->other.at, r->other.len);
    return wr.failed ? 0 : wr.at;
}

/* ---- questions ---- */

static int mac_of_question(const struct tsig_record *r, struct span message,
                           const struct tsig_key *key, uint8_t out[TSIG_MAC_MAX])
{
    uint8_t header[HEADER_LEN], variables[VARIABLES];
    memcpy(header, message.at, sizeof header);
    store_u16(header, r->id);
    store_u16(header + 10, (uint16_t)(load_u16(header + 10) - 1));
    struct span parts[] = {{header, sizeof header},
                           {message.at + sizeof header, r->at - sizeof header},
                           {variables, write_variables(variables, &r->name, r)}};
    if (parts[2].len == 0)
        return -1;
    return make_mac(algorithm_of(&r->algorithm), key->secret, parts, 3, out);
}

static enum tsig_status judge(const struct tsig_record *r, struct span message,
                              const struct tsig_key *key, uint64_t now_s)
{
    const struct algorithm *algorithm = algorithm_of(&r->algorithm);
    uint8_t mac[TSIG_MAC_MAX];
    if (key == NULL || algorithm == NULL)
        return TSIG_BADKEY;
    size_t least = algorithm->len / 2 < 10 ? 10 : algorithm->len / 2;
    if (r->mac.len > algorithm->len || r->mac.len < least)
        return TSIG_FORMERR; /* RFC 8945 section 5.2.2.1 */
    if (mac_of_question(r, message, key, mac) < 0 ||
        CRYPTO_memcmp(mac, r->mac.at, r->mac.len) != 0)
        return TSIG_BADSIG;
    uint64_t apart = now_s > r->time_s ? now_s - r->time_s : r->time_s - now_s;
    if (apart > r->fudge_s)
        return TSIG_BADTIME;
    return r->mac.len < algorithm->len ? TSIG_BADTRUNC : TSIG_OK;
}

enum tsig_status tsig_check(const struct tsig_record *r, struct span message,
                            const struct tsig_key *key, uint64_t now_s,
                            struct tsig_session *session)
{
    enum tsig_status status = judge(r, message, key, now_s);
    bool known = status != TSIG_BADKEY && status != TSIG_BADSIG;
    *session = (struct tsig_session){
        .key = known ? key : NULL,
        .name = r->name,
        .algorithm = r->algorithm,
        .time_s = r->time_s,
        .fudge_s = FUDGE_S,
        .error = status == TSIG_FORMERR ? 0 : (uint16_t)status,
    };
    if (known && status != TSIG_FORMERR) {
        session->mac_len = r->mac.len;
        memcpy(session->mac, r->mac.at, r->mac.len);
    }
    return status;
}

/* ---- replies ---- */

size_t tsig_room(const struct tsig_session *s)
{
    return s->name.len + 10u + s->algorithm.len + 16u + TSIG_MAC_MAX + TIME_LEN;
}

/* RFC 8945 section 5.3: the question's MAC, or that of the message before; the message;
 * and of further messages only the time. */
static int mac_of_reply(struct tsig_session *s, const struct tsig_record *r,
                        struct span message)
{
    uint8_t before[2], variables[VARIABLES];
    struct wr timers = wr_init(variables, sizeof variables);
    store_u16(before, (uint16_t)s->mac_len);
    put_time(&timers, r->time_s);
    wr_u16(&timers, r->fudge_s);
    size_t covered = s->going ? timers.at : write_variables(variables, &s->name, r);
    struct span parts[] = {
        {before, sizeof before}, {s->mac, s->mac_len}, message, {variables, covered}};
    uint8_t mac[TSIG_MAC_MAX];
    const struct algorithm *algorithm = algorithm_of(&s->algorithm);
    if (make_mac(algorithm, s->key->secret, parts, 4, mac) < 0)
        return -1;
    memcpy(s->mac, mac, sizeof mac);
    s->mac_len = algorithm->len;
    s->going = true;
    return 0;
}

static size_t put_record(const struct tsig_session *s, const struct tsig_record *r,
                         uint8_t *message, size_t len)
{
    struct wr wr = wr_init(message + len, tsig_room(s));
    wr_bytes(&wr, s->name.wire, s->name.len);
    wr_u16(&wr, 250);
    wr_u16(&wr, CLASS_ANY);
    wr_u32(&wr, 0);
    wr_u16(&wr, (uint16_t)(s->algorithm.len + 16u + r->mac.len + r->other.len));
    wr_bytes(&wr, s->algorithm.wire, s->algorithm.len);
    put_time(&wr, r->time_s);
    wr_u16(&wr, r->fudge_s);
    wr_u16(&wr, (uint16_t)r->mac.len);
    wr_bytes(&wr, r->mac.at, r->mac.len);
    wr_bytes(&wr, message, 2); /* the ID */
    wr_u16(&wr, r->error);
    wr_u16(&wr, (uint16_t)r->other.len);
    wr_bytes(&wr, r->other.at, r->other.len);
    if (wr.failed)
        return 0;
    store_u16(message + 10, (uint16_t)(load_u16(message + 10) + 1));
    return len + wr.at;
}

size_t tsig_sign(struct tsig_session *s, uint8_t *message, size_t len, uint64_t now_s)
{
    uint8_t now[TIME_LEN];
    struct wr wr = wr_init(now, sizeof now);
    struct tsig_record r = {.algorithm = s->algorithm,
                            .time_s = now_s,
                            .fudge_s = s->fudge_s,
                            .error = s->error};
    put_time(&wr, now_s);
    if (s->error == TSIG_BADTIME) { /* RFC 8945 section 5.2.3 */
        r.time_s = s->time_s;
        r.other = (struct span){now, sizeof now};
    }
    if (s->key != NULL) {
        if (mac_of_reply(s, &r, (struct span){message, len}) < 0)
            return 0;
        r.mac = (struct span){s->mac, s->mac_len};
    }
    return put_record(s, &r, message, len);
}

/* ---- secrets ---- */

int tsig_secret(struct text text, uint8_t *out)
{
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.at[text.len - 1 - padding] == '=')
        padding++;
    if (text.len == 0 || text.len % 4 != 0 || text.len > INT32_MAX)
        return -1;
    if (memchr(text.at, '=', text.len - padding) != NULL)
        return -1;
    int len = EVP_DecodeBlock(out, (const unsigned char *)text.at, (int)text.len);
    return len < 0 || (size_t)len <= padding ? -1 : len - (int)padding;
}
