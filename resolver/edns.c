#include "resolver/edns.h"

bool edns_next(struct span rdata, size_t *at, struct edns_option *out)
{
    if (rdata.len - *at < 4 || *at > rdata.len)
        return false;
    const uint8_t *p = rdata.at + *at;
    out->code = load_u16(p);
    out->data = (struct span){.at = p + 4, .len = load_u16(p + 2)};
    *at += 4 + out->data.len;
    return *at <= rdata.len;
}

bool edns_find(struct span rdata, uint16_t code, struct edns_option *out)
{
    size_t at = 0;
    while (edns_next(rdata, &at, out)) {
        if (out->code == code)
            return true;
    }
    return false;
}

void edns_put(struct wr *wr, uint16_t code, struct span data)
{
    if (wr->failed || wr->cap - wr->at < 4 + data.len)
        return;
    wr_u16(wr, code);
    wr_u16(wr, (uint16_t)data.len);
    wr_bytes(wr, data.at, data.len);
}

void edns_put_ede(struct wr *wr, uint16_t code, struct text text)
{
    if (wr->failed || wr->cap - wr->at < 6)
        return;
    size_t room = wr->cap - wr->at - 6;
    size_t len = text.len < room ? text.len : room;
    wr_u16(wr, EDNS_EDE);
    wr_u16(wr, (uint16_t)(2 + len));
    wr_u16(wr, code);
    wr_bytes(wr, text.at, len);
}

void edns_put_opt(struct wr *wr, uint16_t udp_size, uint8_t rcode_high, bool dnssec_ok,
                  struct span options)
{
    wr_u8(wr, 0);
    wr_u16(wr, DNS_OPT);
    wr_u16(wr, udp_size);
    wr_u32(wr, (uint32_t)rcode_high << 24 | (dnssec_ok ? 0x8000u : 0));
    wr_u16(wr, (uint16_t)options.len);
    wr_bytes(wr, options.at, options.len);
}
