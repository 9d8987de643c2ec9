/* JSON (RFC 8259) written as it comes, for what the commands print with --json.
 *
 *     struct json_out j = json_out(stdout);
 *     json_open(&j, NULL, '{');
 *     json_text(&j, "zone", "cluster-b.local");
 *     json_open(&j, "addresses", '[');
 *     json_text(&j, NULL, "10.97.0.10");     // in a list there are no keys
 *     json_close(&j, ']');
 *     json_close(&j, '}');                   // the outermost ends the line
 *
 * Text of any octets is fine: what is no UTF-8 comes out as U+FFFD. */
#ifndef ISTHMUS_SERVER_JSON_OUT_H
#define ISTHMUS_SERVER_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_out {
    FILE *out;
    unsigned depth;
    bool comma; /* one is due before the next value */
};

static inline struct json_out json_out(FILE *out)
{
    return (struct json_out){.out = out};
}

void json_open(struct json_out *j, const char *key, char bracket);
void json_close(struct json_out *j, char bracket);
void json_text(struct json_out *j, const char *key, const char *value); /* NULL: null */
void json_number(struct json_out *j, const char *key, int64_t value);
void json_decimal(struct json_out *j, const char *key, double value); /* 3 places */
void json_bool(struct json_out *j, const char *key, bool value);

#endif
