/* Any template on any name: refused, or it runs in bounded time, and what it writes is
 * read as a record or refused. The input is a template, a newline, then the name; or,
 * where it begins with `=`, the text of a record. */
#include "base/limits.h"
#include "resolver/gotmpl.h"
#include "resolver/rdata.h"
#include "resolver/zonefile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_record(struct text text)
{
    uint8_t *room = malloc(65536);
    struct zonefile_record record;
    struct errors errs;
    if (room == NULL)
        return;
    errors_init(&errs);
    int rc = zonefile_record(text, (struct zonefile_room){room, 65536}, &record, &errs);
    if ((rc < 0) != (errs.n > 0))
        abort();
    if (rc > 0 && (record.rdata.len > UINT16_MAX ||
                   name_len(record.owner.wire) != record.owner.len))
        abort();
    errors_release(&errs);
    free(room);
}

static void run(const struct gotmpl *t, const struct pattern *p, struct text name,
                struct arena *a)
{
    struct pattern_scratch *scratch = NULL;
    struct pattern_found found;
    if (pattern_match(p, &scratch, name, &found) == PATTERN_MATCH) {
        struct gotmpl_data d = {.zone = TEXT("test."),
                                .name = name,
                                .class = TEXT("IN"),
                                .type = TEXT("A"),
                                .remote = TEXT("192.0.2.1"),
                                .regex = TEXT("x"),
                                .pattern = p,
                                .found = &found,
                                .question = {name, 1, 1}};
        struct gotmpl_out out = {.at = malloc(TEMPLATE_TEXT_MAX),
                                 .cap = TEMPLATE_TEXT_MAX};
        if (out.at != NULL && gotmpl_run(t, &d, a, &out) == 0)
            read_record((struct text){out.at, out.len});
        free(out.at);
    }
    pattern_scratch_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char why[GOTMPL_WHY_MAX], pattern_why[PATTERN_WHY_MAX];
    struct arena a;
    struct text source = {(const char *)data, len};
    if (len == 0 || rdata_start() < 0)
        return 0;
    if (data[0] == '=') {
        read_record(text_from(source, 1));
        return 0;
    }
    const uint8_t *line = memchr(data, '\n', len);
    struct text name = TEXT("a-1.test.");
    if (line != NULL) {
        source.len = (size_t)(line - data);
        name = (struct text){(const char *)line + 1, len - source.len - 1};
    }
    arena_init(&a, NULL, 0);
    const struct pattern *p = pattern_new(&a, "^(?P<a>[^.-]*)-?(.*)$", 0, pattern_why);
    const struct gotmpl *t = gotmpl_new(&a, source, why);
    if (p != NULL && t != NULL)
        run(t, p, name, &a);
    else if (t == NULL && why[0] == '\0')
        abort();
    arena_release(&a);
    return 0;
}
