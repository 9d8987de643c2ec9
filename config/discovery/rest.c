#include "config/discovery/rest.h"

#define FIRST_MS 1000

int rest_jitter(int64_t ms)
{
    int64_t jitter = ms / 5;
    int64_t draw = (int64_t)(discovery_now_ns() / 1000 % 1000000);
    int64_t out = ms - jitter / 2 + (jitter > 0 ? draw % jitter : 0);
    return out > INT32_MAX ? INT32_MAX : (int)out;
}

int rest_ms(struct discovery *d, const struct rest *r, int64_t usual_ms)
{
    int64_t ms = discovery_settings(d).interval_us / 1000;
    if (ms <= 0)
        ms = usual_ms;
    if (r->failures > 0 && r->failures < 16 && FIRST_MS << (r->failures - 1) < ms)
        ms = FIRST_MS << (r->failures - 1);
    if (ms < (int64_t)r->wait_s * 1000)
        ms = (int64_t)r->wait_s * 1000;
    return rest_jitter(ms);
}
