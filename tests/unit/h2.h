/* Frames of HTTP/2 made by hand (RFC 9113 section 4.1), and header fields in the form
 * that needs no table (RFC 7541 section 6.2.3), so that tests can say anything. */
#ifndef ISTHMUS_TESTS_UNIT_H2_H
#define ISTHMUS_TESTS_UNIT_H2_H

#include "base/span.h"

#define H2_FRAME_MAX 1000 /* octets of one of ours, head and all */

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, GOAWAY = 7, WINDOW = 8 };
enum { END_STREAM = 1, END_HEADERS = 4 };

struct h2_head {
    uint8_t type, flags;
    uint32_t stream;
};

/* Both return how many octets they have written; a frame's room is H2_FRAME_MAX. */
size_t h2_frame(uint8_t *to, struct h2_head head, struct span payload);
size_t h2_field(uint8_t *to, const char *name, const char *value);

#endif
