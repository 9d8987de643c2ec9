#include "server/http1_text.h"

#include <strings.h>

size_t http1_head(struct span in, size_t *scanned)
{
    size_t from = *scanned < 3 ? 0 : *scanned - 3;
    const uint8_t *end =
        in.len == 0 ? NULL : memmem(in.at + from, in.len - from, "\r\n\r\n", 4);
    *scanned = in.len;
    return end == NULL ? 0 : (size_t)(end - in.at) + 4;
}

struct text http1_line(struct text *from, bool *flawed)
{
    struct text line = http1_cut(from, '\n');
    if (line.len == 0 || line.at[line.len - 1] != '\r')
        *flawed = true;
    else
        line.len--;
    if (line.len > 0 && (memchr(line.at, '\r', line.len) != NULL ||
                         memchr(line.at, '\0', line.len) != NULL))
        *flawed = true;
    return line;
}

struct text http1_cut(struct text *from, char separator)
{
    const char *end = from->len == 0 ? NULL : memchr(from->at, separator, from->len);
    size_t len = end == NULL ? from->len : (size_t)(end - from->at);
    struct text part = {from->at, len};
    *from = text_from(*from, len + 1);
    return part;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct text http1_trimmed(struct text t)
{
    while (t.len > 0 && is_blank(t.at[0]))
        t = text_from(t, 1);
    while (t.len > 0 && is_blank(t.at[t.len - 1]))
        t.len--;
    return t;
}

bool http1_same(struct text a, const char *b)
{
    return a.len == strlen(b) && strncasecmp(a.at, b, a.len) == 0;
}

bool http1_lists(struct text list, const char *word)
{
    bool found = false;
    while (list.len > 0)
        found = http1_same(http1_trimmed(http1_cut(&list, ',')), word) || found;
    return found;
}

bool http1_is_token(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.at[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return t.len > 0;
}

int64_t http1_number(struct text t)
{
    int64_t n = 0;
    for (size_t i = 0; i < t.len; i++) {
        if (t.at[i] < '0' || t.at[i] > '9')
            return -1;
        if (n <= UINT32_MAX)
            n = n * 10 + (t.at[i] - '0');
    }
    return t.len == 0 ? -1 : n;
}
