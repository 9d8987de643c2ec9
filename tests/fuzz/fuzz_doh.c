/* Any octets as a client's of DNS over HTTPS, in any pieces: nothing breaks, questions
 * are messages, every one can be answered, and memory stays within bounds. The first
 * octet says how the rest is cut and when answers come. HTTP/2 that begins with 'h' is
 * spared its preface, a body in chunks that begins with 'c' its head; such a body is
 * the same in one piece and in many. */
#include "server/doh.h"

#include "base/limits.h"
#include "server/chunks.h"

#include <stdlib.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
#define CHUNKED                                                                        \
    "POST /dns-query HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
#define ANSWER "\0\0\x80\0\0\0\0\0\0\0\0\0"

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

/* What a body in chunks comes to. */
struct chunked_body {
    enum chunks_got got;
    size_t len, behind;
    uint32_t hash;
};

static struct chunked_body read_chunks(const uint8_t *octets, size_t len, size_t piece)
{
    struct chunked_body b = {0};
    struct chunks c = {0};
    struct span data;
    for (size_t at = 0; at < len && b.got == CHUNKS_MORE; at += piece) {
        size_t left = len - at;
        struct span in = {octets + at, left < piece ? left : piece};
        while ((b.got = chunks_take(&c, &in, &data)) == CHUNKS_DATA) {
            for (size_t i = 0; i < data.len; i++)
                b.hash = b.hash * 31 + data.at[i];
            b.len += data.len;
        }
        b.behind = b.got == CHUNKS_END ? len - (size_t)(in.at - octets) : 0;
    }
    return b;
}

static void compare_chunks(const uint8_t *octets, size_t len)
{
    struct chunked_body whole = read_chunks(octets, len, len),
                        cut = read_chunks(octets, len, 1);
    if (whole.got != cut.got || whole.len != cut.len || whole.behind != cut.behind ||
        whole.hash != cut.hash || whole.len > ANSWER_MAX)
        abort();
}

/* Spares the fuzzer what it would have to guess. Returns whether it did. */
static bool begin_for(uint8_t kind)
{
    if (kind != 'h' && kind != 'c')
        return false;
    if ((kind == 'h' ? doh_feed(now.d, PREFACE, sizeof PREFACE - 1)
                     : doh_feed(now.d, CHUNKED, sizeof CHUNKED - 1)) < 0)
        abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct http2 *shared;
    struct doh_ask ask = {.question = on_question, .answered = on_answered};
    if (shared == NULL)
        shared = doh_shared_new();
    if (len < 2)
        return 0;
    now.d = doh_new(shared, &ask);
    now.waiting_n = 0;
    now.at_once = (data[0] & 128) != 0;
    size_t from = 1 + begin_for(data[1]);
    if (data[1] == 'c' && len > 2)
        compare_chunks(data + 2, len - 2);
    feed_all(data + from, len - from, data[0]);
    doh_end(now.d);
    answer_all();
    doh_free(now.d);
    return 0;
}
