#include "resolver/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* A file that counts how often it was looked at, and is new when told so. */
struct file {
    int looks;
    bool changed;
};

static void look(struct feed *f, void *context)
{
    struct file *file = context;
    file->looks++;
    if (!file->changed)
        return;
    struct feed_value *v = feed_value_new();
    assert_non_null(v);
    v->data = arena_printf(&v->arena, "reading %d", file->looks);
    feed_publish(f, v);
}

struct rig {
    struct arena arena;
    struct feeds feeds;
    struct file file;
    struct feed *feed;
};

static void begin(struct rig *r, int64_t interval_us)
{
    *r = (struct rig){.file = {.changed = true}};
    struct feed_source source = {
        .interval_us = interval_us, .look = look, .context = &r->file};
    arena_init(&r->arena, NULL, 0);
    r->feed = feed_new(&r->feeds, &r->arena, &source);
    assert_non_null(r->feed);
}

static void end(struct rig *r)
{
    feeds_release(&r->feeds);
    arena_release(&r->arena);
}

static void a_feed_has_no_data_before_its_first_value(void **unused)
{
    struct rig r;
    begin(&r, 1000);
    assert_null(feed_get(r.feed));
    feed_refresh(r.feed);
    assert_string_equal(feed_get(r.feed), "reading 1");
    end(&r);
}

static void a_first_value_replaces_nothing(void **unused)
{
    struct rig r;
    begin(&r, 1000);
    feed_refresh(r.feed);
    assert_false(feeds_refresh(&r.feeds, 1));
    end(&r);
}

static void a_look_is_due_one_interval_after_the_first(void **unused)
{
    struct rig r;
    begin(&r, 1000);
    feed_refresh(r.feed);
    assert_int_equal(feeds_due_us(&r.feeds, 5000), 6000);
    assert_false(feeds_refresh(&r.feeds, 5999));
    assert_int_equal(r.file.looks, 1);
    assert_true(feeds_refresh(&r.feeds, 6000));
    assert_int_equal(r.file.looks, 2);
    assert_int_equal(feeds_due_us(&r.feeds, 6000), 7000);
    end(&r);
}

static void a_replaced_value_stays_until_it_is_reclaimed(void **unused)
{
    struct rig r;
    begin(&r, 1000);
    feed_refresh(r.feed);
    const char *old = feed_get(r.feed);
    feed_refresh(r.feed);
    feed_refresh(r.feed);
    assert_string_equal(old, "reading 1");
    assert_string_equal(feed_get(r.feed), "reading 3");
    assert_true(feeds_refresh(&r.feeds, 0));
    feeds_reclaim(&r.feeds);
    assert_false(feeds_refresh(&r.feeds, 0));
    assert_string_equal(feed_get(r.feed), "reading 3");
    end(&r);
}

static void what_has_not_changed_keeps_its_value(void **unused)
{
    struct rig r;
    begin(&r, 1000);
    feed_refresh(r.feed);
    r.file.changed = false;
    feed_refresh(r.feed);
    assert_string_equal(feed_get(r.feed), "reading 1");
    assert_false(feeds_refresh(&r.feeds, 0));
    end(&r);
}

static void without_an_interval_nothing_is_ever_due(void **unused)
{
    struct rig r;
    begin(&r, 0);
    assert_int_equal(feeds_due_us(&r.feeds, 5000), UINT64_MAX);
    assert_false(feeds_refresh(&r.feeds, UINT64_MAX - 1));
    assert_int_equal(r.file.looks, 0);
    end(&r);
}

/* ---- what takes long ---- */

static void *read_slowly(void *context)
{
    struct file *file = context;
    return &file->looks;
}

static void take(struct feed *f, void *context, void *reading)
{
    struct file *file = context;
    assert_ptr_equal(reading, &file->looks);
    look(f, file);
}

static void decide(struct feed *f, void *context)
{
    feed_read(f);
}

static void begin_slow(struct rig *r, bool later)
{
    struct feed_source slow = {.interval_us = 1000,
                               .look = decide,
                               .context = &r->file,
                               .read = read_slowly,
                               .take = take};
    begin(r, 1000);
    r->feed->source = slow;
    r->feeds.later = later;
}

static void run(struct feed *f, void *runner)
{
    *(unsigned *)runner += 1;
}

static void without_a_runner_it_is_read_at_once(void **unused)
{
    struct rig r;
    begin_slow(&r, false);
    feed_refresh(r.feed);
    assert_string_equal(feed_get(r.feed), "reading 1");
    assert_int_equal(r.feeds.reading_n, 0);
    end(&r);
}

static void a_runner_reads_it_once_at_a_time(void **unused)
{
    struct rig r;
    unsigned runs = 0;
    begin_slow(&r, true);
    feed_refresh(r.feed);
    assert_int_equal(r.feeds.reading_n, 1);
    assert_null(feed_get(r.feed));
    feeds_begin(&r.feeds, run, &runs);
    feeds_due_us(&r.feeds, 1);
    feeds_refresh(&r.feeds, 5000); /* is due, but still being read */
    assert_int_equal(runs, 1);
    assert_int_equal(feeds_due_us(&r.feeds, 5000), 6000);
    feed_done(r.feed, &r.file.looks);
    assert_string_equal(feed_get(r.feed), "reading 1");
    feeds_refresh(&r.feeds, 6000);
    assert_int_equal(runs, 2);
    feed_done(r.feed, &r.file.looks);
    assert_true(feeds_refresh(&r.feeds, 6001));
    end(&r);
}

static void what_is_stopped_is_not_read_later(void **unused)
{
    struct rig r;
    unsigned runs = 0;
    begin_slow(&r, true);
    feed_refresh(r.feed);
    feed_stop(r.feed);
    assert_int_equal(r.feeds.reading_n, 0);
    feeds_begin(&r.feeds, run, &runs);
    assert_int_equal(runs, 0);
    end(&r);
}

static void what_is_dropped_can_be_read_again(void **unused)
{
    struct rig r;
    unsigned runs = 0;
    begin_slow(&r, true);
    feeds_begin(&r.feeds, run, &runs);
    feed_refresh(r.feed);
    assert_false(*feed_stopped(r.feed));
    feeds_stop(&r.feeds);
    assert_true(*feed_stopped(r.feed));
    feed_dropped(r.feed);
    assert_int_equal(r.feeds.reading_n, 0);
    assert_null(feed_get(r.feed));
    feed_refresh(r.feed);
    assert_int_equal(runs, 2);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_feed_has_no_data_before_its_first_value),
        cmocka_unit_test(a_first_value_replaces_nothing),
        cmocka_unit_test(a_look_is_due_one_interval_after_the_first),
        cmocka_unit_test(a_replaced_value_stays_until_it_is_reclaimed),
        cmocka_unit_test(what_has_not_changed_keeps_its_value),
        cmocka_unit_test(without_an_interval_nothing_is_ever_due),
        cmocka_unit_test(without_a_runner_it_is_read_at_once),
        cmocka_unit_test(a_runner_reads_it_once_at_a_time),
        cmocka_unit_test(what_is_stopped_is_not_read_later),
        cmocka_unit_test(what_is_dropped_can_be_read_again),
    };
    return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
