/* What is logged, for tests that judge lines.
 *
 *     capture_start(&c);
 *     world_ask(&w, "www.test");
 *     assert_string_equal(capture_stop(&c), "[ERROR] plugin/errors: ...\n"); */
#ifndef ISTHMUS_TESTS_UNIT_CAPTURE_H
#define ISTHMUS_TESTS_UNIT_CAPTURE_H

#include <stddef.h>

struct capture {
    int fd[2];
    char text[8192];
};

/* From now on lines go to a pipe; no more than fit `text`. */
void capture_start(struct capture *c);

/* Lines logged since, and the log writes to standard output again. */
const char *capture_stop(struct capture *c);

#endif
