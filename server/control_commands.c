/* `isthmus status`, `flush`, `drain`, `undrain`, `accept`, `log-level` and `reload`. */
#include "server/control_client.h"

#define EXITS "0: done\n1: not done, or no server there"

static const struct command_option options[] = {CONTROL_OPTIONS, {NULL, NULL, NULL}};

/* Asks, and says whether there is something left to print for people. */
static bool ask(const struct command_line *l, struct control_reply *r)
{
    const char *words[] = {l->command->name, NULL, NULL, NULL};
    for (unsigned i = 0; i < l->words_n; i++)
        words[i + 1] = l->words[i];
    *r = control_ask(l, words);
    return r->status == 0 && !command_given(l, "json");
}

static int finish(struct control_reply *r)
{
    int status = r->status;
    control_reply_free(r);
    return status;
}

/* ---- status ---- */

/* "3 h 20 min", "12 s". */
static const char *span_print(double seconds, char out[40])
{
    unsigned long s = (unsigned long)seconds;
    if (s < 120)
        snprintf(out, 40, "%lu s", s);
    else if (s < 7200)
        snprintf(out, 40, "%lu min", s / 60);
    else if (s < 172800)
        snprintf(out, 40, "%lu h %lu min", s / 3600, s / 60 % 60);
    else
        snprintf(out, 40, "%lu d %lu h", s / 86400, s / 3600 % 24);
    return out;
}

static void print_config(const cJSON *root)
{
    const cJSON *config = tree_get(root, "config"), *line;
    const cJSON *refused = tree_get(config, "refused");
    char span[40];
    printf("config     %s, loaded %s ago%s\n", tree_text_of(config, "file"),
           span_print(tree_number_of(config, "age_s"), span),
           tree_is(config, "reloading") ? ", another is being taken into use" : "");
    if (refused == NULL)
        return;
    puts("REFUSED    the file as it is now; the one before stays in use:");
    cJSON_ArrayForEach(line, refused) printf("           %s\n", line->valuestring);
}

static void print_listeners(const cJSON *root)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, tree_get(root, "listeners"))
        printf("listens    %s://%s, %.0f zone%s\n", tree_text_of(one, "scheme"),
               tree_text_of(one, "address"), tree_number_of(one, "zones"),
               tree_number_of(one, "zones") > 1 ? "s" : "");
}

static void print_names(const cJSON *list)
{
    const cJSON *name;
    unsigned n = 0;
    cJSON_ArrayForEach(name, list)
    {
        if (n++ < 4)
            printf("%s%s", n == 1 ? "" : " ", name->valuestring);
    }
    if (n > 4)
        printf(" and %u more", n - 4);
}

static void print_caches(const cJSON *root)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, tree_get(root, "caches"))
    {
        fputs("cache      ", stdout);
        print_names(tree_get(one, "block"));
        printf(": %.0f answers, %.0f denials, %.0f KiB\n",
               tree_number_of(one, "success"), tree_number_of(one, "denial"),
               tree_number_of(one, "bytes") / 1024);
    }
}

static void print_address(const cJSON *one)
{
    char span[40];
    double rtt_us = tree_number_of(one, "rtt_us");
    printf("           %-22s %s", tree_text_of(one, "address"),
           tree_text_of(one, "state"));
    if (tree_get(one, "fails") != NULL)
        printf(" for %s: %s", span_print(tree_number_of(one, "failing_s"), span),
               tree_text_of(one, "error"));
    else if (rtt_us > 0)
        printf("  %.1f ms", rtt_us / 1000);
    if (tree_is(one, "drained"))
        fputs(", drained", stdout);
    if (tree_is(one, "tcp_only"))
        fputs(", over TCP only", stdout);
    if (tree_is(one, "wrong_domain"))
        fputs(", serves another domain", stdout);
    putchar('\n');
}

static void print_clusters(const cJSON *root)
{
    const cJSON *one, *address;
    cJSON_ArrayForEach(one, tree_get(root, "clusters"))
    {
        printf("cluster    %s  %s  domain %s  ", tree_text_of(one, "name"),
               tree_text_of(one, "state"), tree_text_of(one, "domain"));
        print_names(tree_get(one, "services"));
        putchar('\n');
        cJSON_ArrayForEach(address, tree_get(one, "servers")) print_address(address);
    }
}

static void print_forwards(const cJSON *root)
{
    const cJSON *one, *address;
    cJSON_ArrayForEach(one, tree_get(root, "forwards"))
    {
        printf("forward    %s   %s\n", tree_text_of(one, "zone"),
               tree_text_of(one, "at"));
        cJSON_ArrayForEach(address, tree_get(one, "servers")) print_address(address);
    }
}

static void print_server(const cJSON *root)
{
    const cJSON *log = tree_get(root, "log");
    char span[40];
    printf("isthmus    %s, pid %.0f, %s for %s, %.0f workers, log level %s\n",
           tree_text_of(root, "version"), tree_number_of(root, "pid"),
           tree_text_of(root, "state"),
           span_print(tree_number_of(root, "uptime_s"), span),
           tree_number_of(root, "workers"), tree_text_of(log, "level"));
    if (tree_number_of(log, "lost") > 0)
        printf("LOST       %.0f lines of the log\n", tree_number_of(log, "lost"));
    print_config(root);
    print_listeners(root);
    print_caches(root);
    print_forwards(root);
}

static int status_run(const struct command_line *l)
{
    struct control_reply r;
    if (ask(l, &r)) {
        if (l->words_n == 0)
            print_server(r.root);
        print_clusters(r.root);
    }
    return finish(&r);
}

const struct command command_status = {
    .name = "status",
    .words = "[ZONE]",
    .words_max = 1,
    .line = "what the running server is doing, cluster by cluster",
    .help =
        "Asks the running server: its configuration, and the errors of a file that was\n"
        "refused; its listeners and caches; each cluster with its DNS addresses, and\n"
        "whether they answer. With ZONE only that cluster.",
    .exits = EXITS,
    .options = options,
    .run = status_run,
};

/* ---- flush ---- */

static int flush_run(const struct command_line *l)
{
    struct control_reply r;
    if (ask(l, &r)) {
        double n = tree_number_of(r.root, "flushed");
        const char *name = tree_text_of(r.root, "name");
        printf("%s: %.0f answer%s flushed\n",
               name[0] != '\0' ? name : tree_text_of(r.root, "zone"), n,
               n > 0.5 && n < 1.5 ? "" : "s");
        if (tree_get(r.root, "near") != NULL)
            printf("no cluster %s, did you mean %s?\n", l->words[0],
                   tree_text_of(r.root, "near"));
    }
    return finish(&r);
}

const struct command command_flush = {
    .name = "flush",
    .words = "ZONE [NAME]",
    .words_min = 1,
    .words_max = 2,
    .line = "have cached answers forgotten",
    .help =
        "Every cache of the running server forgets what it has at or under ZONE; of a\n"
        "cluster also the names of its addresses. With NAME only that name is\n"
        "forgotten, whatever its type; it may leave out the zone. `flush .` forgets\n"
        "everything. Questions go on meanwhile.",
    .exits = EXITS,
    .options = options,
    .run = flush_run,
};

/* ---- drain ---- */

static int drain_run(const struct command_line *l)
{
    struct control_reply r;
    if (ask(l, &r)) {
        const char *address = tree_text_of(r.root, "address");
        const char *warning = tree_text_of(r.root, "warning");
        bool on = tree_is(r.root, "drained");
        printf("%s%s%s: %s", tree_text_of(r.root, "cluster"),
               address[0] == '\0' ? "" : " ", address, on ? "drained" : "in use again");
        if (on && strcmp(tree_text_of(r.root, "until"), "restart") == 0)
            fputs(" until it is undrained or the server ends", stdout);
        putchar('\n');
        if (address[0] != '\0' && on && tree_is(r.root, "whole"))
            puts("every address of the cluster is drained now");
        if (warning[0] != '\0')
            fprintf(stderr, "isthmus %s: %s\n", l->command->name, warning);
    }
    return finish(&r);
}

const struct command command_drain = {
    .name = "drain",
    .words = "ZONE [ADDRESS]",
    .words_min = 1,
    .words_max = 2,
    .line = "take a cluster, or one of its DNS addresses, out of use",
    .help =
        "A drained address is asked only when the cluster's others are down or fail.\n"
        "A drained cluster is asked only for names that the cache does not have, not\n"
        "even expired: what the cache has is given as it is, for up to an hour after\n"
        "it has expired, and is not asked anew. So no name fails because of a drain,\n"
        "and what is drained can be stopped without anybody waiting for it.\n"
        "\n"
        "Questions that are out already are waited for. A drain holds until `undrain`,\n"
        "over reloads, and over restarts where the server has a $STATE_DIRECTORY (the\n"
        "unit of examples/ has).",
    .exits = EXITS,
    .options = options,
    .run = drain_run,
};

const struct command command_undrain = {
    .name = "undrain",
    .words = "ZONE [ADDRESS]",
    .words_min = 1,
    .words_max = 2,
    .line = "put it back into use",
    .help =
        "Without ADDRESS all addresses of the cluster, also those drained by themselves.",
    .exits = EXITS,
    .options = options,
    .run = drain_run,
};

/* ---- accept ---- */

static int accept_run(const struct command_line *l)
{
    struct control_reply r;
    if (ask(l, &r)) {
        double n = tree_number_of(r.root, "accepted");
        printf("%s: %.0f cluster%s that it does not list any more go%s\n",
               tree_text_of(r.root, "source"), n, n > 1.5 ? "s" : "",
               n > 1.5 ? "" : "es");
    }
    return finish(&r);
}

const struct command command_accept = {
    .name = "accept",
    .words = "SOURCE",
    .words_min = 1,
    .words_max = 1,
    .line = "believe an inventory that has lost many clusters at once",
    .help =
        "When the source of an `inventory` lists `shrink` percent fewer clusters than\n"
        "before, or none at all, that is not believed: they are served on, and the log\n"
        "and `status --json` say so. This says that it is right: what is held for that\n"
        "reason goes. The next such list is held again. SOURCE is as the Corefile has it.",
    .exits = EXITS,
    .options = options,
    .run = accept_run,
};

/* ---- log-level ---- */

static struct command_words levels(void)
{
    static const char *const list[] = {"debug", "info", "warning", "error", "default"};
    return (struct command_words){list, sizeof list / sizeof list[0]};
}

static int log_level_run(const struct command_line *l)
{
    struct control_reply r;
    if (ask(l, &r))
        printf("log level %s\n", tree_text_of(r.root, "level"));
    return finish(&r);
}

const struct command command_log_level = {
    .name = "log-level",
    .words = "LEVEL",
    .words_min = 1,
    .words_max = 1,
    .choices = levels,
    .line = "which lines the running server logs",
    .help =
        "LEVEL is debug, info, warning or error: lines below it are left out until the\n"
        "server ends; `default` is what the Corefile says, info or, with `debug`,\n"
        "debug. Lines of the `log` plugin are no concern of it.",
    .exits = EXITS,
    .options = options,
    .run = log_level_run,
};

/* ---- reload ---- */

static int reload_run(const struct command_line *l)
{
    struct control_reply r;
    const cJSON *line;
    bool people = ask(l, &r), done = tree_is(r.root, "reloaded");
    if (people && done)
        printf("%s: reloaded\n", tree_text_of(r.root, "file"));
    if (people && !done) {
        cJSON_ArrayForEach(line, tree_get(r.root, "refused"))
            fprintf(stderr, "%s\n", line->valuestring);
        fputs("isthmus reload: refused; the old configuration stays in use\n", stderr);
    }
    if (!done)
        r.status = 1;
    return finish(&r);
}

const struct command command_reload = {
    .name = "reload",
    .line = "have the Corefile loaded anew, and say how it went",
    .help =
        "The running server loads its Corefile anew, as on SIGHUP, and this waits for\n"
        "it. Of a file with errors each is told, with file and line, and the old\n"
        "configuration stays in use.",
    .exits = "0: the Corefile as it is now is in use\n1: it is not, or no server there",
    .options = options,
    .run = reload_run,
};
