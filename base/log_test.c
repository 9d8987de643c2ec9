#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { READER = 0, WRITER = 1, WAIT_MS = 10000, CAPTURE_MAX = 1 << 20 };

/* A pipe the log writes to, and what was read from it. */
struct capture {
    int fd[2];
    size_t len;
    char text[CAPTURE_MAX];
};

static struct capture *capture_start(void)
{
    struct capture *c = calloc(1, sizeof *c);
    assert_non_null(c);
    assert_int_equal(pipe(c->fd), 0);
    assert_int_equal(log_start(c->fd[WRITER]), 0);
    return c;
}

static void capture_read(struct capture *c)
{
    ssize_t n = read(c->fd[READER], c->text + c->len, sizeof c->text - 1 - c->len);
    assert_true(n > 0);
    c->len += (size_t)n;
}

/* Reads until `text` has come. */
static void capture_until(struct capture *c, const char *text)
{
    while (strstr(c->text, text) == NULL)
        capture_read(c);
}

/* Ends the log and reads what is left. Only for what fits the pipe. */
static const char *capture_stop(struct capture *c)
{
    log_stop(WAIT_MS);
    close(c->fd[WRITER]);
    ssize_t n;
    while ((n = read(c->fd[READER], c->text + c->len, sizeof c->text - 1 - c->len)) > 0)
        c->len += (size_t)n;
    return c->text;
}

static void capture_free(struct capture *c)
{
    close(c->fd[READER]);
    free(c);
}

static void lines_begin_with_their_level(void **unused)
{
    struct capture *c = capture_start();
    log_info("plugin/%s: up", "forward");
    log_warning("w");
    log_error("e");
    log_line(LOG_FATAL, "f");
    log_raw("as it is", 5);
    assert_string_equal(capture_stop(c), "[INFO] plugin/forward: up\n[WARNING] w\n"
                                         "[ERROR] e\n[FATAL] f\nas it\n");
    capture_free(c);
}

static void debug_lines_are_off_until_enabled(void **unused)
{
    struct log_limit limit = {0};
    struct capture *c = capture_start();
    log_debug("one");
    log_limited(&limit, 9, LOG_DEBUG, "two");
    log_enable_debug(true);
    log_debug("three");
    log_limited(&limit, 9, LOG_DEBUG, "four");
    log_enable_debug(false);
    log_debug("five");
    assert_string_equal(capture_stop(c), "[DEBUG] three\n[DEBUG] four\n");
    capture_free(c);
}

static void level_that_is_set_counts_until_it_is_given_back(void **unused)
{
    struct capture *c = capture_start();
    log_set_level(LOG_ERROR);
    log_enable_debug(true);
    log_debug("one");
    log_warning("two");
    log_error("three");
    log_set_level(LOG_DEFAULT);
    log_debug("four");
    log_enable_debug(false);
    log_set_level(LOG_DEBUG);
    log_debug("five");
    log_set_level(LOG_DEFAULT);
    log_debug("six");
    assert_string_equal(capture_stop(c), "[ERROR] three\n[DEBUG] four\n[DEBUG] five\n");
    capture_free(c);
}

static void control_characters_are_escaped(void **unused)
{
    struct capture *c = capture_start();
    log_info("a\nb\t\x1b[2J\x7f\\ \xc3\xa9~");
    log_raw("\0\r\n", 3);
    assert_string_equal(
        capture_stop(c),
        "[INFO] a\\010b\\009\\027[2J\\127\\ \xc3\xa9~\n\\000\\013\\010\n");
    capture_free(c);
}

static void assert_ends(const char *text, const char *end)
{
    assert_true(strlen(text) >= strlen(end));
    assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void long_lines_end_in_dots(void **unused)
{
    static const struct {
        int width;
        size_t len;
        const char *end;
    } rows[] = {
        /* "[INFO] ", the text, "...\n" */
        {LOG_LINE_MAX - 11, LOG_LINE_MAX - 3, " 1\n"},
        {LOG_LINE_MAX - 10, LOG_LINE_MAX, " ...\n"},
        {LOG_LINE_MAX, LOG_LINE_MAX, " ...\n"},
        {LOG_LINE_MAX * 3, LOG_LINE_MAX, " ...\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct capture *c = capture_start();
        log_info("%*d", rows[i].width, 1);
        const char *text = capture_stop(c);
        assert_int_equal(strlen(text), rows[i].len);
        assert_ends(text, rows[i].end);
        capture_free(c);
    }
}

static void an_escape_is_never_cut(void **unused)
{
    char hostile[LOG_LINE_MAX];
    memset(hostile, 1, sizeof hostile);
    for (size_t skip = 0; skip < 4; skip++) {
        struct capture *c = capture_start();
        memset(hostile, 'x', skip);
        log_raw(hostile, sizeof hostile);
        assert_ends(capture_stop(c), "\\001...\n");
        assert_true(c->len <= LOG_LINE_MAX);
        capture_free(c);
    }
}

static void lines_come_out_in_order_and_whole(void **unused)
{
    enum { LINES = 5000 };
    char expected[64];
    struct capture *c = capture_start();
    /* Several times round the pipe's end of the ring: the reader keeps up. */
    for (int i = 0; i < LINES; i++) {
        log_info("line %d of a length that varies %*d", i, i % 50 + 1, 1);
        snprintf(expected, sizeof expected, "[INFO] line %d of", i);
        if (i % 500 == 499)
            capture_until(c, expected);
    }
    const char *at = capture_stop(c);
    for (int i = 0; i < LINES; i++) {
        int len = snprintf(expected, sizeof expected, "[INFO] line %d of", i);
        assert_int_equal(strncmp(at, expected, (size_t)len), 0);
        at = strchr(at, '\n') + 1;
    }
    assert_string_equal(at, "");
    capture_free(c);
}

/* The lines that the log says are missing, all together. */
static uint64_t told_lost(const char *text)
{
    static const char begin[] = "[WARNING] log: ";
    uint64_t sum = 0;
    for (const char *at = text; (at = strstr(at, begin)) != NULL; at += strlen(begin))
        if (strstr(at, "lost\n") != NULL)
            sum += strtoull(at + strlen(begin), NULL, 10);
    return sum;
}

/* Nobody reads: the callers go on, lines are counted, and the first reader is told. */
static void full_ring_loses_lines_and_says_so(void **unused)
{
    enum { LINES = 1000 }; /* of 1 KiB: more than ring and pipe hold */
    uint64_t before = log_lost(), written = 0;
    struct capture *c = capture_start();
    for (int i = 0; i < LINES; i++)
        log_info("%1015d", i);
    uint64_t lost = log_lost() - before;
    assert_in_range(lost, 1, LINES - 1);
    while (told_lost(c->text) < lost)
        capture_read(c);
    log_info("after");
    assert_ends(capture_stop(c), "[INFO] after\n");
    for (const char *at = c->text; (at = strstr(at, "[INFO]")) != NULL; at++)
        written++;
    assert_int_equal(written, LINES - lost + 1);
    assert_int_equal(told_lost(c->text), lost);
    assert_int_equal(log_lost() - before, lost);
    capture_free(c);
}

static void stopping_does_not_wait_for_a_reader_that_is_none(void **unused)
{
    uint64_t before = log_lost();
    struct capture *c = capture_start();
    for (int i = 0; i < 200; i++)
        log_info("%1015d", i);
    log_stop(0);
    assert_in_range(log_lost() - before, 200 - 64, 200); /* a pipe holds 64 KiB */
    close(c->fd[WRITER]);
    capture_free(c);
}

static void closed_output_loses_lines_only(void **unused)
{
    uint64_t before = log_lost();
    struct capture *c = capture_start();
    close(c->fd[READER]);
    for (int i = 0; i < 10; i++)
        log_info("to nobody");
    log_stop(WAIT_MS);
    assert_true(log_lost() - before >= 10);
    log_info("nor directly");
    assert_true(log_lost() - before >= 11);
    close(c->fd[WRITER]);
    free(c);
}

static void lines_are_direct_without_the_thread(void **unused)
{
    struct capture *c = capture_start();
    log_stop(WAIT_MS);
    log_info("direct");
    capture_read(c);
    assert_ends(c->text, "[INFO] direct\n");
    close(c->fd[WRITER]);
    capture_free(c);
}

static void a_log_is_started_once(void **unused)
{
    struct capture *c = capture_start();
    assert_int_equal(log_start(c->fd[WRITER]), -1);
    log_info("still");
    assert_ends(capture_stop(c), "[INFO] still\n");
    log_stop(WAIT_MS); /* again: nothing happens */
    capture_free(c);
}

/* What is not written is told: together all are there, even when a second ends
 * meanwhile. */
static void a_call_site_is_held_to_its_rate(void **unused)
{
    enum { CALLS = 10000 };
    static const char line[] = "[ERROR] flood from outside";
    struct log_limit limit = {0};
    unsigned lines = 0, held = 0, told = 0, more;
    struct capture *c = capture_start();
    for (int i = 0; i < CALLS; i++)
        told += log_limited(&limit, 3, LOG_ERROR, "flood from %s", "outside");
    limit.second = 0; /* another second */
    log_limited(&limit, 3, LOG_ERROR, "flood from %s", "outside");
    for (const char *at = capture_stop(c); *at != '\0'; at = strchr(at, '\n') + 1) {
        assert_int_equal(strncmp(at, line, strlen(line)), 0);
        if (sscanf(at + strlen(line), " (%u more like this)\n", &more) == 1)
            held += more;
        lines++;
    }
    assert_int_equal(lines + held, CALLS + 1);
    assert_int_equal(lines, told + 1);
    assert_in_range(lines, 4, CALLS / 10);
    capture_free(c);
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        log_info("thread %s", (const char *)arg);
    return arg;
}

static void threads_do_not_mix_their_lines(void **unused)
{
    static char names[4][8] = {"alpha", "beta", "gamma", "delta"};
    pthread_t threads[4];
    struct capture *c = capture_start();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, names[i]), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int lines = 0, end = 0;
    char name[8];
    for (const char *at = capture_stop(c); *at != '\0'; at += end, lines++) {
        assert_int_equal(sscanf(at, "[INFO] thread %7[a-z]%n", name, &end), 1);
        assert_int_equal(at[end++], '\n');
        assert_true(strcmp(name, "alpha") == 0 || strcmp(name, "beta") == 0 ||
                    strcmp(name, "gamma") == 0 || strcmp(name, "delta") == 0);
    }
    assert_int_equal(lines, 800);
    capture_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_begin_with_their_level),
        cmocka_unit_test(debug_lines_are_off_until_enabled),
        cmocka_unit_test(level_that_is_set_counts_until_it_is_given_back),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(long_lines_end_in_dots),
        cmocka_unit_test(an_escape_is_never_cut),
        cmocka_unit_test(lines_come_out_in_order_and_whole),
        cmocka_unit_test(full_ring_loses_lines_and_says_so),
        cmocka_unit_test(stopping_does_not_wait_for_a_reader_that_is_none),
        cmocka_unit_test(closed_output_loses_lines_only),
        cmocka_unit_test(lines_are_direct_without_the_thread),
        cmocka_unit_test(a_log_is_started_once),
        cmocka_unit_test(a_call_site_is_held_to_its_rate),
        cmocka_unit_test(threads_do_not_mix_their_lines),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
