#include "server/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A stream that is read in pieces of at most `piece` octets into a shared buffer of
 * `shared_len`, and the messages found in it, joined by their lengths again. */
struct reading {
    const uint8_t *from;
    size_t len, piece, shared_len;
    uint8_t *found;
    size_t found_len;
};

static void take_messages(struct reading *r, struct frames *f, struct span in)
{
    struct span m;
    while (frames_next(&in, &m)) {
        r->found[r->found_len++] = (uint8_t)(m.len >> 8);
        r->found[r->found_len++] = (uint8_t)m.len;
        memcpy(r->found + r->found_len, m.at, m.len);
        r->found_len += m.len;
    }
    assert_int_equal(frames_keep(f, in), 0);
}

static void read_all(struct reading *r)
{
    struct frames f = {0};
    uint8_t *shared = malloc(r->shared_len);
    size_t at = 0;
    while (at < r->len) {
        size_t n;
        uint8_t *room = frames_room(&f, shared, r->shared_len, &n);
        assert_non_null(room);
        assert_true(n > 0);
        n = n < r->piece ? n : r->piece;
        n = n < r->len - at ? n : r->len - at;
        memcpy(room, r->from + at, n);
        at += n;
        take_messages(r, &f, frames_got(&f, room, n));
    }
    frames_release(&f);
    free(shared);
}

static size_t write_messages(uint8_t *to, const size_t *lens, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        to[at++] = (uint8_t)(lens[i] >> 8);
        to[at++] = (uint8_t)lens[i];
        for (size_t k = 0; k < lens[i]; k++)
            to[at++] = (uint8_t)(k * 7 + i);
    }
    return at;
}

static void messages_are_found_whatever_the_pieces(void **unused)
{
    static const size_t lens[] = {12, 0, 1, 300, 65535, 40, 2};
    static const size_t pieces[] = {1, 2, 3, 7, 100, 4096, 100000};
    static uint8_t stream[70000], found[sizeof stream];
    size_t len = write_messages(stream, lens, sizeof lens / sizeof lens[0]);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct reading r = {.from = stream,
                            .len = len,
                            .piece = pieces[i],
                            .shared_len = 512,
                            .found = found};
        read_all(&r);
        assert_int_equal(r.found_len, len);
        assert_memory_equal(found, stream, len);
    }
}

static void nothing_is_kept_between_whole_messages(void **unused)
{
    struct frames f = {0};
    struct span m, in = frames_got(&f, (const uint8_t *)"\0\2ab\0\1c", 7);
    assert_true(frames_next(&in, &m));
    assert_true(frames_next(&in, &m));
    assert_false(frames_next(&in, &m));
    assert_int_equal(frames_keep(&f, in), 0);
    assert_null(f.kept);
}

static void room_ends_where_the_message_does(void **unused)
{
    struct frames f = {0};
    uint8_t shared[64];
    size_t len;
    assert_int_equal(frames_keep(&f, (struct span){(const uint8_t *)"\1", 1}), 0);
    frames_room(&f, shared, sizeof shared, &len);
    assert_int_equal(len, 1); /* the other half of the length */
    frames_release(&f);
    assert_int_equal(frames_keep(&f, (struct span){(const uint8_t *)"\1\0x", 3}), 0);
    frames_room(&f, shared, sizeof shared, &len);
    assert_int_equal(len, 255);
    frames_release(&f);
}

static void whole_messages_can_be_kept_and_taken_later(void **unused)
{
    struct frames f = {0};
    struct span m, in = frames_got(&f, (const uint8_t *)"\0\1a\0\1b\0\1c\0", 10);
    assert_true(frames_next(&in, &m));
    assert_int_equal(frames_keep(&f, in), 0);
    in = frames_kept(&f);
    assert_true(frames_next(&in, &m));
    assert_memory_equal(m.at, "b", 1);
    assert_int_equal(frames_keep(&f, in), 0);
    in = frames_kept(&f);
    assert_true(frames_next(&in, &m));
    assert_memory_equal(m.at, "c", 1);
    assert_int_equal(in.len, 1);
    assert_int_equal(frames_keep(&f, in), 0);
    frames_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_found_whatever_the_pieces),
        cmocka_unit_test(nothing_is_kept_between_whole_messages),
        cmocka_unit_test(room_ends_where_the_message_does),
        cmocka_unit_test(whole_messages_can_be_kept_and_taken_later),
    };
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
