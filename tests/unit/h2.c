#include "tests/unit/h2.h"

#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HEAD_LEN 9

size_t h2_frame(uint8_t *to, struct h2_head head, struct span payload)
{
    assert_true(payload.len < H2_FRAME_MAX - HEAD_LEN);
    to[0] = (uint8_t)(payload.len >> 16);
    store_u16(to + 1, (uint16_t)payload.len);
    to[3] = head.type;
    to[4] = head.flags;
    store_u32(to + 5, head.stream);
    if (payload.len > 0)
        memcpy(to + HEAD_LEN, payload.at, payload.len);
    return HEAD_LEN + payload.len;
}

size_t h2_field(uint8_t *to, const char *name, const char *value)
{
    size_t n = strlen(name), v = strlen(value);
    assert_true(n < 127 && v < 127);
    to[0] = 0x10; /* literal, never indexed, new name */
    to[1] = (uint8_t)n;
    memcpy(to + 2, name, n);
    to[2 + n] = (uint8_t)v;
    memcpy(to + 3 + n, value, v);
    return 3 + n + v;
}
