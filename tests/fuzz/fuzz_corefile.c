/* Any text as a Corefile: it loads or is refused with errors, in bounded time. What
 * loads is read as plugins read it. Imports find no files: relative ones start in a
 * directory that does not exist, and an absolute path cannot be written. */
#include "config/config.h"
#include "config/key.h"
#include "config/reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct state {
    bool flag;
    uint32_t number;
    int64_t duration_us;
    unsigned word;
    struct zones zones;
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDOUT_FILENO); /* warnings are of no use here */
    clearenv();
    setenv("A", "value", 1);
    setenv("B", "{$A}{%A%}", 1);
    setenv("C", "{$C}x", 1);
    return 0;
}

static int read_custom(struct reader *rd, void *state)
{
    const char *word;
    while (reader_arg(rd, &word))
        continue;
    return 0;
}

static void read_directive(struct config *c, const struct directive *d,
                           struct errors *errs)
{
    static const char *const words[] = {"random", "sequential", NULL};
    static const struct option options[] = {
        {.name = "f", .kind = OPTION_FLAG, .offset = offsetof(struct state, flag)},
        {.name = "n", .kind = OPTION_U32, .offset = offsetof(struct state, number)},
        {.name = "d",
         .kind = OPTION_DURATION,
         .offset = offsetof(struct state, duration_us)},
        {.name = "w",
         .kind = OPTION_WORD,
         .offset = offsetof(struct state, word),
         .words = words},
        {.name = "z", .kind = OPTION_ZONES, .offset = offsetof(struct state, zones)},
        {.name = "c", .kind = OPTION_CUSTOM, .parse = read_custom},
        {.name = "r", .kind = OPTION_REFUSED, .help = "why"},
    };
    struct state state = {0};
    struct reader rd = reader_init(d, &c->arena, errs);
    while (reader_next(&rd)) {
        reader_args(&rd);
        reader_options(&rd, options, sizeof options / sizeof *options, &state);
    }
}

static void read_block(struct config *c, const struct block *b, struct errors *errs)
{
    struct key key;
    for (uint32_t i = 0; i < b->keys_n; i++)
        key_parse(&c->arena, b->keys[i].text, b->keys[i].at, &key, errs);
    for (uint32_t i = 0; i < b->directives_n; i++)
        read_directive(c, &b->directives[i], errs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const known[] = {"a", "log", "whoami"};
    static const struct vocabulary words = {.words = known, .words_n = 3};
    struct errors errs;
    char *text = malloc(len + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    bool imports = strstr(text, "import") != NULL;
    for (size_t i = 0; i < len && imports; i++)
        if (text[i] == '/')
            text[i] = '_';
    errors_init(&errs);
    struct config *c =
        config_load_text("/nonexistent/f", (struct text){text, len}, &words, &errs);
    if ((c == NULL || c->flawed) != (errs.n > 0))
        abort();
    for (uint32_t i = 0; c != NULL && i < c->corefile.blocks_n; i++)
        read_block(c, &c->corefile.blocks[i], &errs);
    config_free(c);
    errors_release(&errs);
    free(text);
    return 0;
}
