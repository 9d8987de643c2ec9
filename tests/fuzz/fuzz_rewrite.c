/* Any FROM and TO in any mode on any name: refused, or the new name is a legal one, in
 * bounded time. The input is a mode, then three texts with newlines between: FROM, TO
 * and the name. */
#include "resolver/plugins/rewrite/rewrite_match.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Takes a text up to the newline. */
static char *take(const uint8_t **at, const uint8_t *end, struct arena *a)
{
    const uint8_t *start = *at;
    while (*at < end && **at != '\n' && **at != '\0')
        ++*at;
    char *text =
        arena_text(a, (struct text){(const char *)start, (size_t)(*at - start)});
    if (*at < end)
        ++*at;
    return text;
}

static void check_legal(const struct name *name)
{
    size_t len = 0;
    while (name->wire[len] != 0) {
        if (name->wire[len] > NAME_LABEL_MAX)
            abort();
        len += (size_t)name->wire[len] + 1;
        if (len >= NAME_WIRE_MAX)
            abort();
    }
    if (len + 1 != name->len)
        abort();
}

static void try(const struct rewrite_match *m, const struct name *name)
{
    struct rewrite_subject s;
    struct name changed;
    struct pattern_scratch *scratch = NULL;
    rewrite_subject_init(&s, name->wire, &scratch);
    enum rewrite_result test = rewrite_match_test(m, &s);
    enum rewrite_result change = rewrite_match_change(m, &s, &changed);
    if ((test == REWRITE_NO) != (change == REWRITE_NO))
        abort();
    if (change == REWRITE_YES)
        check_legal(&changed);
    pattern_scratch_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *at = data + 1, *end = data + len;
    struct arena a;
    struct name name;
    struct rewrite_match m = {0};
    if (len < 1)
        return 0;
    arena_init(&a, NULL, 0);
    struct rewrite_words words = {.dotted = (data[0] & 8) == 0,
                                  .caseless = (data[0] & 16) != 0};
    words.from = take(&at, end, &a);
    words.to = take(&at, end, &a);
    const char *text = take(&at, end, &a);
    if (rewrite_match_init(&m, (enum rewrite_mode)(data[0] % 8 % 5), &words, &a) == 0 &&
        name_parse(&name, text_of(text)) == 0) {
        name_lower(name.wire, name.wire, name.len);
        try(&m, &name);
    }
    arena_release(&a);
    return 0;
}
