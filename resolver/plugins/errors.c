/* errors: a line for each query that ended in an error of ours.
 *
 *     [ERROR] plugin/errors: 2 example.org. A: plugin/forward: no healthy proxies
 *
 * The number is the response code. An answer that merely carries an error code, such as
 * an upstream's SERVFAIL, is no error here. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "resolver/rdata.h"

struct errors_plugin {
    bool stacktrace;
};

static const struct option options[] = {
    {.name = "stacktrace",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct errors_plugin, stacktrace),
     .help = "traces of Go's panics; accepted with a warning, for there are none"},
    {.name = "consolidate",
     .kind = OPTION_REFUSED,
     .args = "DURATION REGEX [LEVEL] [show_first]",
     .help = "counting alike errors is not in this version of isthmus; leave it out: "
             "each error has its line"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

static int read_argument(struct reader *rd)
{
    const char *word;
    if (!reader_arg(rd, &word))
        return 0;
    if (strcmp(word, "stdout") != 0)
        return reader_error(rd, "invalid log file: %s: expected stdout or nothing",
                            word);
    return reader_no_arg(rd);
}

static int setup(struct setup *s, const struct directive *d)
{
    struct errors_plugin e = {0};
    struct reader rd = reader_init(d, s->arena, s->errs);
    reader_next(&rd);
    if (read_argument(&rd) < 0 || reader_options(&rd, options, OPTIONS_N, &e) < 0)
        return -1;
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    if (e.stacktrace)
        log_warning("%s:%u: plugin/errors: stacktrace changes nothing: no panic of "
                    "this program is caught and gone on from",
                    d->at.file, d->at.line);
    return 0;
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct response *res = &q->response;
    char name[NAME_TEXT_MAX], type[16];
    if (!res->failed || res->error == NULL)
        return PASS;
    name_print(q->request.lower, name);
    log_error("plugin/errors: %u %s %s: %s", res->msg.rcode, name,
              rdata_type_print(q->request.type, type), res->error);
    return PASS;
}

const struct plugin plugin_errors = {
    .name = "errors",
    .help = "prints a line for each query that ended in an error",
    .synopsis = "errors [stdout]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .on_response = on_response,
};
