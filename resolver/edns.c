#include "resolver/edns.h"

#define OPTION_HEAD_LEN 4
#define EDE_HEAD_LEN    (OPTION_HEAD_LEN + 2)

bool edns_next(struct span rdata, size_t *at, struct edns_option *out)
{
    if (*at > rdata.len || rdata.len - *at < OPTION_HEAD_LEN)
        return false;
    const uint8_t *p = rdata.at + *at;
    size_t len = load_u16(p + 2);
    if (rdata.len - *at - OPTION_HEAD_LEN < len)
        return false;
    *at += OPTION_HEAD_LEN + len;
    *out = (struct edns_option){.code = load_u16(p),
                                .data = {.at = p + OPTION_HEAD_LEN, .len = len}};
    return true;
}

bool edns_find(struct span rdata, uint16_t code, struct edns_option *out)
{
    size_t at = 0;

    while (edns_next(rdata, &at, out))
        if (out->code == code)
            return true;
    return false;
}

void edns_put(struct wr *wr, uint16_t code, struct span data)
{
    if (data.len > UINT16_MAX) {
        wr->failed = true;
        return;
    }
    wr_u16(wr, code);
    wr_u16(wr, (uint16_t)data.len);
    wr_bytes(wr, data.at, data.len);
}

/* How much of the text fits into `room` octets without cutting a UTF-8 character. */
static size_t text_room(struct text text, size_t room)
{
    if (text.len <= room)
        return text.len;
    while (room > 0 && ((uint8_t)text.at[room] & 0xc0) == 0x80)
        room--;
    return room;
}

void edns_put_ede(struct wr *wr, uint16_t code, struct text text)
{
    if (wr->failed || wr->cap - wr->at < EDE_HEAD_LEN)
        return;
    size_t len = text_room(text, wr->cap - wr->at - EDE_HEAD_LEN);
    if (len > UINT16_MAX - 2)
        len = text_room(text, UINT16_MAX - 2);
    wr_u16(wr, EDNS_EDE);
    wr_u16(wr, (uint16_t)(len + 2));
    wr_u16(wr, code);
    wr_bytes(wr, text.at, len);
}

void edns_put_opt(struct wr *wr, uint16_t udp_size, uint8_t rcode_high, bool dnssec_ok,
                  struct span options)
{
    if (options.len > UINT16_MAX) {
        wr->failed = true;
        return;
    }
    wr_u8(wr, 0);
    wr_u16(wr, DNS_OPT);
    wr_u16(wr, udp_size);
    wr_u8(wr, rcode_high);
    wr_u8(wr, 0); /* version */
    wr_u16(wr, dnssec_ok ? 0x8000 : 0);
    wr_u16(wr, (uint16_t)options.len);
    wr_bytes(wr, options.at, options.len);
}
