/* JSON (RFC 8259) written as it comes: what commands print with --json, what the
 * control socket answers, and /clusters. Who reads JSON has base/tree.h.
 *
 *     struct json_out j = {0};
 *     json_open(&j, NULL, '{');
 *     json_text(&j, "zone", "cluster-b.local");
 *     json_open(&j, "addresses", '[');
 *     json_text(&j, NULL, "10.97.0.10");     // in a list there are no keys
 *     json_close(&j, ']');
 *     json_close(&j, '}');
 *     json_end(&j, stdout)                        // or sheet_take(&j.sheet, &len)
 *
 * Text of any octets is fine: what is no UTF-8 comes out as U+FFFD. Without memory
 * `sheet.failed` is set, and nothing more is written. */
#ifndef ISTHMUS_BASE_JSON_OUT_H
#define ISTHMUS_BASE_JSON_OUT_H

#include "base/sheet.h"

#include <stdint.h>
#include <stdio.h>

struct json_out {
    struct sheet sheet;
    bool comma; /* one is due before the next value */
};

void json_open(struct json_out *j, const char *key, char bracket);
void json_close(struct json_out *j, char bracket);
void json_text(struct json_out *j, const char *key, const char *value); /* NULL: null */
void json_print(struct json_out *j, const char *key, const char *form, ...)
    __attribute__((format(printf, 3, 4)));
void json_number(struct json_out *j, const char *key, int64_t value);
void json_decimal(struct json_out *j, const char *key, double value); /* 3 places */
void json_bool(struct json_out *j, const char *key, bool value);

/* Writes the whole as a line and frees it. 0; -1 after saying on standard error that
 * there is no memory. */
int json_end(struct json_out *j, FILE *out);

#endif
