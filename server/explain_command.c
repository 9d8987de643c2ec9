/* `isthmus explain`: the way of one question, for people. */
#include "base/error.h"
#include "base/log.h"
#include "server/control_client.h"
#include "server/explain.h"

#include <stdlib.h>

static const struct command_option options[] = {
    {"from", "IP", "the client's address (127.0.0.1)"},
    {"conf", "FILE", "ask this Corefile, in this process, and no server"},
    CONTROL_OPTIONS,
    {NULL, NULL, NULL},
};

/* ---- lines ---- */

/* A name without its final dot. */
static const char *bare(const cJSON *object, const char *key, char out[1100])
{
    size_t len = strlen(tree_text_of(object, key));
    snprintf(out, 1100, "%s", tree_text_of(object, key));
    if (len > 1 && len < 1100 && out[len - 1] == '.')
        out[len - 1] = '\0';
    return out;
}

static bool is(const cJSON *object, const char *key, const char *value)
{
    return strcmp(tree_text_of(object, key), value) == 0;
}

/* Steps of questions that the first one led to stand further in. */
static void head(const cJSON *step, const char *word)
{
    printf("%*s%-10s ", 2 * (int)tree_number_of(step, "depth"), "", word);
}

static void print_block(const cJSON *step)
{
    char zone[1100];
    head(step, "block");
    if (tree_get(step, "zone") == NULL) {
        puts(tree_text_of(step, "says"));
        return;
    }
    printf("%s", bare(step, "zone", zone));
    if (tree_get(step, "view") != NULL)
        printf("  view %s", tree_text_of(step, "view"));
    printf("   %s\n", tree_text_of(step, "at"));
}

/* All plugins that saw the question on its way down, in order. */
static void print_plugins(const cJSON *steps)
{
    const cJSON *step;
    unsigned n = 0;
    cJSON_ArrayForEach(step, steps)
    {
        if (!is(step, "step", "plugin") || !is(step, "on", "query") ||
            tree_number_of(step, "depth") > 0)
            continue;
        if (n++ == 0)
            head(NULL, "plugins");
        else
            fputs(" → ", stdout);
        fputs(tree_text_of(step, "plugin"), stdout);
        if (is(step, "verdict", "done"))
            fputs(" (answers)", stdout);
        else if (is(step, "verdict", "drop"))
            fputs(" (drops it)", stdout);
    }
    if (n > 0)
        putchar('\n');
}

static void print_cluster(const cJSON *step)
{
    char zone[1100], domain[1100];
    head(step, "zone");
    printf("%s → cluster \"%s\" (domain %s%s)   %s\n", bare(step, "zone", zone),
           tree_text_of(step, "cluster"), bare(step, "domain", domain),
           is(step, "by", "address") ? "; its subnet has the address" : "",
           tree_text_of(step, "at"));
}

static unsigned answers_in(const cJSON *records)
{
    const cJSON *one;
    unsigned n = 0;
    cJSON_ArrayForEach(one, records) n += is(one, "section", "answer");
    return n;
}

/* An attempt, once it is known what became of it. */
static void print_attempt(const cJSON *step)
{
    char name[1100];
    head(step, "asks");
    printf("%s %s  @%s %s  %.1f ms  ", bare(step, "question", name),
           tree_text_of(step, "type"), tree_text_of(step, "to"),
           tree_text_of(step, "transport"), tree_number_of(step, "took_us") / 1000);
    if (is(step, "step", "silent")) {
        puts("silent");
    } else if (is(step, "step", "failed")) {
        puts(tree_text_of(step, "error"));
    } else {
        unsigned n = answers_in(tree_get(step, "records"));
        printf("%s  %u answer%s%s\n", tree_text_of(step, "rcode"), n, n == 1 ? "" : "s",
               is(step, "tc", "yes") ? ", cut" : "");
    }
}

static void print_renames(const cJSON *step)
{
    const cJSON *one;
    char from[1100], to[1100];
    cJSON_ArrayForEach(one, tree_get(step, "renames"))
    {
        head(step, "rewrites");
        printf("%s %s → %s\n", tree_text_of(one, "what"), bare(one, "from", from),
               bare(one, "to", to));
    }
}

/* What a plugin changed, or why it failed. */
static void print_plugin(const cJSON *step)
{
    const char *plugin = tree_text_of(step, "plugin"), *on = tree_text_of(step, "on");
    char name[1100];
    if (is(step, "on", "query") && tree_get(step, "question") != NULL) {
        head(step, "changed");
        printf("question by %s: %s %s\n", plugin, bare(step, "question", name),
               tree_text_of(step, "type"));
    }
    if (tree_get(step, "error") != NULL && strcmp(on, "response") != 0) {
        head(step, "failed");
        printf("%s: %s\n", plugin, tree_text_of(step, "error"));
    }
    print_renames(step);
    if (strcmp(on, "response") == 0 && tree_get(step, "records") != NULL) {
        head(step, "changed");
        printf("answer by %s\n", plugin);
    }
}

static void print_step(const cJSON *step)
{
    const char *kind = tree_text_of(step, "step");
    if (strcmp(kind, "block") == 0) {
        print_block(step);
    } else if (strcmp(kind, "plugin") == 0) {
        print_plugin(step);
    } else if (strcmp(kind, "cluster") == 0) {
        print_cluster(step);
    } else if (strcmp(kind, "silent") == 0 || strcmp(kind, "failed") == 0 ||
               strcmp(kind, "answer") == 0) {
        print_attempt(step);
    } else if (tree_get(step, "says") != NULL && strcmp(kind, "cache") != 0) {
        head(step, kind);
        puts(tree_text_of(step, "says"));
    }
}

static void print_steps(const cJSON *steps)
{
    const cJSON *step;
    bool first = true;
    cJSON_ArrayForEach(step, steps)
    {
        print_step(step);
        if (first)
            print_plugins(steps);
        first = false;
    }
}

/* ---- the ends ---- */

static const char *judgement(const cJSON *steps)
{
    const cJSON *step;
    cJSON_ArrayForEach(step, steps)
    {
        if (is(step, "plugin", "acl") && is(step, "on", "query"))
            return is(step, "verdict", "pass") ? " (allowed by acl)"
                                               : " (stopped by acl)";
    }
    return "";
}

static void print_question(const cJSON *root)
{
    const cJSON *asked = tree_get(root, "question");
    char name[1100];
    head(NULL, "question");
    printf("%s %s from %s%s\n", bare(asked, "name", name), tree_text_of(asked, "type"),
           tree_text_of(asked, "from"), judgement(tree_get(root, "steps")));
}

static void print_cache(const cJSON *steps)
{
    const cJSON *step;
    unsigned n = 0;
    cJSON_ArrayForEach(step, steps)
    {
        if (is(step, "step", "cache") && tree_number_of(step, "depth") < 0.5)
            printf("%s%s", n++ == 0 ? "  (cache: " : ", ", tree_text_of(step, "says"));
    }
    if (n > 0)
        putchar(')');
}

#define SHOWN_MAX 8 /* records on the line of the result */

static void print_result(const cJSON *root)
{
    const cJSON *result = tree_get(root, "result"), *one;
    unsigned n = 0, all = answers_in(tree_get(result, "records"));
    char data[1100];
    head(NULL, "result");
    fputs(tree_text_of(result, "rcode"), stdout);
    cJSON_ArrayForEach(one, tree_get(result, "records"))
    {
        if (is(one, "section", "answer") && n++ < SHOWN_MAX)
            printf("  %s", bare(one, "data", data));
    }
    if (all > SHOWN_MAX)
        printf("  and %u more", all - SHOWN_MAX);
    if (all > 0)
        printf("  ttl %.0f", tree_number_of(tree_get(result, "records")->child, "ttl"));
    print_cache(tree_get(root, "steps"));
    putchar('\n');
    const cJSON *ede = tree_get(result, "ede");
    if (ede != NULL) {
        const char *text = tree_text_of(ede, "text");
        head(NULL, "reason");
        printf("%s%s(extended error %.0f)\n", text, text[0] == '\0' ? "" : " ",
               tree_number_of(ede, "code"));
    }
}

static void print_addresses(const cJSON *root)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, tree_get(tree_get(root, "result"), "addresses"))
    {
        if (tree_get(one, "cluster") == NULL)
            continue;
        head(NULL, "address");
        printf("%s is inside %s %s %s\n", tree_text_of(one, "address"),
               tree_text_of(one, "cluster"), tree_text_of(one, "range"),
               tree_text_of(one, "subnet"));
    }
}

static void print_drained(const cJSON *root)
{
    const cJSON *one, *address;
    cJSON_ArrayForEach(one, tree_get(root, "drained"))
    {
        const char *cluster = tree_text_of(one, "cluster");
        if (tree_is(one, "whole")) {
            head(NULL, "drained");
            printf("%s is asked only what the cache does not have (`isthmus undrain "
                   "%s`)\n",
                   cluster, cluster);
            continue;
        }
        cJSON_ArrayForEach(address, tree_get(one, "addresses"))
        {
            head(NULL, "drained");
            printf("%s of %s is asked only when the others are down or fail\n",
                   address->valuestring, cluster);
        }
    }
}

static void print_all(const cJSON *root)
{
    print_question(root);
    print_steps(tree_get(root, "steps"));
    if (tree_get(root, "near") != NULL) {
        head(NULL, "zone");
        printf("no cluster has this zone; near: %s\n", tree_text_of(root, "near"));
    }
    print_drained(root);
    if (tree_is(root, "cut"))
        puts("... and further steps that were not written down");
    print_result(root);
    print_addresses(root);
}

/* ---- asking ---- */

static int ask_server(const struct command_line *l)
{
    const char *from = command_value(l, "from");
    const char *words[] = {"explain", l->words[0], l->words_n > 1 ? l->words[1] : "-",
                           from == NULL ? "-" : from, NULL};
    struct control_reply r = control_ask(l, words);
    int status = r.status;
    if (status == 0 && !command_given(l, "json"))
        print_all(r.root);
    control_reply_free(&r);
    return status;
}

/* Returns the exit status. */
static int tell(const struct command_line *l, struct json_out *j)
{
    if (command_given(l, "json"))
        return json_end(j, stdout) < 0 ? 1 : 0;
    size_t len;
    char *text = sheet_take(&j->sheet, &len);
    cJSON *root = text == NULL ? NULL : tree_parse(text, len);
    free(text);
    if (root == NULL)
        fprintf(stderr, "isthmus explain: %s\n",
                tree_ready() ? "out of memory" : TREE_MEND);
    else
        print_all(root);
    tree_free(root);
    return root == NULL ? 1 : 0;
}

static int ask_file(const struct command_line *l)
{
    const char *from = command_value(l, "from");
    struct explain_what what = {.name = l->words[0],
                                .type = l->words_n > 1 ? l->words[1] : "",
                                .from = from == NULL ? "" : from};
    struct json_out j = {0};
    struct errors errs;
    int status = 1;
    errors_init(&errs);
    log_set_level(LOG_FATAL); /* standard output is the answer's */
    if (explain_offline(&j, command_value(l, "conf"), &what, &errs) == 0)
        status = tell(l, &j);
    errors_print(&errs, stderr);
    errors_release(&errs);
    return status;
}

static int explain_run(const struct command_line *l)
{
    return command_given(l, "conf") ? ask_file(l) : ask_server(l);
}

const struct command command_explain = {
    .name = "explain",
    .words = "NAME [TYPE]",
    .words_min = 1,
    .words_max = 2,
    .line = "why a name resolves as it does",
    .help =
        "Has the running server answer the question as if a client had asked it, and\n"
        "prints its way: the block and its plugins, the cluster and why it is that one,\n"
        "the question as it was asked and of whom, what the answer was renamed to, what\n"
        "the cache had or kept, and what is drained. It is a real question: it counts,\n"
        "and is cached.\n"
        "\n"
        "TYPE is A without it; an address for NAME asks for its reverse name. With --conf no server is needed: the Corefile is read\n"
        "and the question answered in this process, which sends to the addresses that\n"
        "the Corefile names.",
    .exits =
        "0: there was an answer, whatever it says\n1: there was none, or no server "
        "there",
    .options = options,
    .run = explain_run,
};
