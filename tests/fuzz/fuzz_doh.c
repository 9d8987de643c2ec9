/* Any octets as a client's of DNS over HTTPS, in any pieces: nothing breaks, questions
 * are messages, every one can be answered, and memory stays within bounds. The first
 * octet says how the rest is cut and when answers come. HTTP/2 that begins with 'h' is
 * spared its preface. */
#include "server/doh.h"

#include "base/limits.h"

#include <stdlib.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
#define ANSWER  "\0\0\x80\0\0\0\0\0\0\0\0\0"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct {
    struct doh *d;
    uint32_t waiting[4096];
    unsigned waiting_n;
    bool at_once;
} now;

static bool on_question(void *owner, uint32_t request, struct span message)
{
    if (message.len < 12 || message.len > ANSWER_MAX)
        abort();
    if (now.at_once)
        return doh_answer(now.d, request, ANSWER, 12) == 0;
    if (now.waiting_n == sizeof now.waiting / sizeof *now.waiting)
        return false;
    now.waiting[now.waiting_n++] = request;
    return true;
}

static void on_answered(void *owner, unsigned status)
{
    if (status < 200 || status > 505)
        abort();
}

static void answer_all(void)
{
    uint8_t room[4096];
    while (now.waiting_n > 0) {
        uint32_t request = now.waiting[--now.waiting_n];
        if (doh_answer(now.d, request, ANSWER, request % 3 == 0 ? 0 : 12) < 0)
            abort();
    }
    while (doh_take(now.d, room, sizeof room) > 0)
        ;
}

static void feed_all(const uint8_t *data, size_t len, uint8_t how)
{
    size_t piece = how % 64 == 0 ? len : how % 64;
    for (size_t at = 0; at < len; at += piece) {
        size_t left = len - at;
        if (doh_is_full(now.d))
            answer_all();
        if (doh_feed(now.d, data + at, left < piece ? left : piece) < 0)
            return;
        if (how & 64)
            answer_all();
        if (doh_held(now.d) > 1024 * 1024)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct doh_shared *shared;
    struct doh_ask ask = {.question = on_question, .answered = on_answered};
    if (shared == NULL)
        shared = doh_shared_new();
    if (len < 2)
        return 0;
    now.d = doh_new(shared, &ask);
    now.waiting_n = 0;
    now.at_once = (data[0] & 128) != 0;
    if (data[1] == 'h' && doh_feed(now.d, PREFACE, sizeof PREFACE - 1) < 0)
        abort();
    feed_all(data + 1 + (data[1] == 'h'), len - 1 - (data[1] == 'h'), data[0]);
    doh_end(now.d);
    answer_all();
    doh_free(now.d);
    return 0;
}
