/* Any octets as a server's of DNS over HTTPS, in any pieces: nothing breaks, every
 * question is told of once at most, answers are as long as messages, and memory stays
 * within bounds. The first octet says how the rest is cut, which HTTP it is, and how
 * questions are asked. */
#include "server/doh_client.h"

#include "base/cursor.h"
#include "base/limits.h"

#include <stdlib.h>

#define QUESTIONS 8
#define GREETING  "\0\0\0\4\0\0\0\0\0" /* SETTINGS */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct {
    struct doh_client *c;
    uint8_t told[1024];
    uint16_t asked;
} now;

static void ask(void)
{
    uint8_t wire[] = "\0\0\1\0\0\1\0\0\0\0\0\0\1x\4test\0\0\1\0\1";
    if (now.asked == sizeof now.told)
        return;
    store_u16(wire, now.asked++);
    (void)!doh_client_ask(now.c, (struct span){wire, sizeof wire - 1}, now.asked);
}

static void tell(uint16_t id)
{
    if (id >= now.asked || now.told[id]++ > 0)
        abort();
    if (id % 3 == 0)
        ask();
}

static void on_answered(void *owner, uint16_t id, struct span wire)
{
    if (wire.len < 12 || wire.len > ANSWER_MAX || load_u16(wire.at) != id)
        abort();
    tell(id);
}

static void on_failed(void *owner, uint16_t id, int error, const char *why)
{
    if (error == 0)
        abort();
    tell(id);
}

static bool is_awaited(void *owner, uint16_t id)
{
    return id % 2 == 0;
}

static void take(void)
{
    uint8_t room[4096];
    while (doh_client_take(now.c, room, sizeof room) > 0)
        ;
}

static void feed_all(const uint8_t *data, size_t len, uint8_t how)
{
    size_t piece = how % 32 == 0 ? len : how % 32;
    for (size_t at = 0; at < len && !doh_client_ended(now.c); at += piece) {
        size_t left = len - at;
        if (doh_client_feed(now.c, data + at, left < piece ? left : piece) != 0)
            return;
        take();
        if (data[at] == 0)
            doh_client_forget(now.c, now.asked / 2);
    }
    doh_client_hang_up(now.c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct http2 *shared;
    if (shared == NULL)
        shared = doh_client_shared_new();
    if (len < 2)
        return 0;
    bool http2 = (data[0] & 32) != 0;
    struct doh_client_how how = {.authority = "dns.test",
                                 .get = (data[0] & 64) != 0,
                                 .answered = on_answered,
                                 .failed = on_failed,
                                 .awaited = is_awaited};
    memset(&now, 0, sizeof now);
    now.c = doh_client_new(shared, &how);
    for (unsigned i = 0; i < QUESTIONS; i++)
        ask();
    if (doh_client_begin(now.c, http2) != 0)
        abort();
    take();
    if (http2 && doh_client_feed(now.c, GREETING, sizeof GREETING - 1) != 0)
        abort();
    feed_all(data + 1, len - 1, data[0]);
    doh_client_free(now.c);
    return 0;
}
