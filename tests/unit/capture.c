#include "tests/unit/capture.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 10000

void capture_start(struct capture *c)
{
    assert_int_equal(pipe(c->fd), 0);
    assert_int_equal(log_start(c->fd[1]), 0);
}

const char *capture_stop(struct capture *c)
{
    size_t len = 0;
    ssize_t n;
    log_stop(WAIT_MS);
    close(c->fd[1]);
    while ((n = read(c->fd[0], c->text + len, sizeof c->text - 1 - len)) > 0)
        len += (size_t)n;
    close(c->fd[0]);
    c->text[len] = '\0';
    /* Lines logged from now on must not go to a closed pipe. */
    assert_int_equal(log_start(STDOUT_FILENO), 0);
    log_stop(WAIT_MS);
    return c->text;
}
