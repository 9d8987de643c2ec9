#include "base/hash.h"
#include "base/log.h"
#include "config/discovery/discovery.h"
#include "tests/unit/web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define LIST(dns)                                                                      \
    "[{\"name\":\"a\",\"dns\":[\"" dns "\"]},{\"name\":\"b\",\"dns\":[\"10.0.0.2\"]}]"

static struct discovery *start(const char *url, const char *token_file)
{
    struct errors errs;
    errors_init(&errs);
    struct discovery_settings settings = {
        .source = url,
        .interval_us = 20000, /* it is asked again and again */
        .shrink = 50,
        .access = {.token_file = token_file},
    };
    struct discovery *d = discovery_new(&settings, (struct where){0}, &errs);
    assert_non_null(d);
    errors_release(&errs);
    assert_true(discovery_settle(d, 10000));
    return d;
}

static void note(void *context, struct inventory_record *r)
{
    char *text = context, dns[ADDR_TEXT_MAX];
    size_t at = strlen(text);
    addr_print_ip(inventory_dns(r), dns);
    snprintf(text + at, 256 - at, "%s=%s ", inventory_name(r), dns);
}

static bool holds(struct discovery *d, const char *part)
{
    char text[256] = "";
    discovery_each(d, note, text);
    return strstr(text, part) != NULL;
}

static void wait_for(struct discovery *d, const char *part)
{
    for (int i = 0; i < 1000 && !holds(d, part); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(holds(d, part));
}

static void what_a_url_gives_is_held_and_asked_for_again(void **unused)
{
    static const char *const replies[] = {
        WEB_OK("ETag: \"1\"\r\n", LIST("10.0.0.1")),
        "HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"1\"\r\n\r\n",
        WEB_OK("ETag: \"2\"\r\n", LIST("10.0.0.9")), NULL};
    static struct web w;
    web_open(&w, replies);
    struct discovery *d = start(w.url, NULL);
    assert_true(holds(d, "a=10.0.0.1") && holds(d, "b=10.0.0.2"));
    wait_for(d, "a=10.0.0.9");
    discovery_free(d);
    web_close(&w);
    assert_non_null(strstr(w.asked, "If-None-Match: \"1\"\r\n"));
}

static void failures_take_nothing_away(void **unused)
{
    static const char *const replies[] = {
        WEB_OK("", LIST("10.0.0.1")),
        "HTTP/1.1 401 No\r\nConnection: close\r\n\r\n",
        WEB_OK("", "<html>"),
        WEB_OK("", "[]"),
        WEB_OK("", ""),
        "HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n[]",
        WEB_OK("", LIST("10.0.0.7")),
        NULL};
    static struct web w;
    struct discovery_status status;
    web_open(&w, replies);
    struct discovery *d = start(w.url, NULL);
    wait_for(d, "a=10.0.0.7"); /* all were asked for by then */
    discovery_status(d, &status);
    assert_int_equal(status.clusters, 2);
    discovery_free(d);
    web_close(&w);
}

/* Nor does it show up anywhere. */
static void a_token_that_cannot_be_read_is_a_failure(void **unused)
{
    struct discovery_status status;
    struct discovery *d = start("http://127.0.0.1:1/list", "/nowhere/token");
    discovery_status(d, &status);
    assert_non_null(strstr(status.error, "no token can be read from /nowhere/token"));
    assert_int_equal(status.clusters, 0);
    discovery_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_url_gives_is_held_and_asked_for_again),
        cmocka_unit_test(failures_take_nothing_away),
        cmocka_unit_test(a_token_that_cannot_be_read_is_a_failure),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
