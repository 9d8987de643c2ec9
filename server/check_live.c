#include "server/check_live.h"

#include "base/tree.h"
#include "server/control_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the configuration ---- */

static bool is_same_file(const char *a, const char *b)
{
    char *x = realpath(a, NULL), *y = realpath(b, NULL);
    bool same = x != NULL && y != NULL && strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

static bool is_loaded(const struct plan *plan, const char *sha512)
{
    char text[2 * SHA512_LEN + 1];
    for (size_t i = 0; i < SHA512_LEN; i++)
        snprintf(text + 2 * i, 3, "%02x", plan->config->digest[i]);
    return strcmp(text, sha512) == 0;
}

/* A server that has refused a new file serves on with the old one. */
static void tell_config(struct check *k, const struct plan *plan, const cJSON *status)
{
    const cJSON *config = tree_get(status, "config"), *refused;
    const char *file = tree_text_of(config, "file");
    struct where at = {.file = file};
    if (!is_same_file(file, k->conf))
        return;
    refused = tree_get(config, "refused");
    if (refused != NULL)
        findings_add(&k->findings, FINDING_WARNING, at,
                     "the running server refused %s when it last looked, and serves on "
                     "with what it loaded %.0f s ago",
                     file, tree_number_of(config, "age_s"));
    else if (!is_loaded(plan, tree_text_of(config, "sha512")))
        findings_add(&k->findings, FINDING_NOTE, at,
                     "the running server has loaded another state of %s: SIGHUP loads "
                     "this one",
                     file);
}

/* ---- clusters ---- */

static const cJSON *address_of(const cJSON *cluster, const struct addr *addr)
{
    const cJSON *servers = tree_get(cluster, "servers"), *one;
    char text[ADDR_TEXT_MAX];
    addr_print(addr, text);
    cJSON_ArrayForEach(one, servers)
    {
        if (strcmp(tree_text_of(one, "address"), text) == 0)
            return one;
    }
    return NULL;
}

static double ask_cached(const struct command_line *l, const char *zone)
{
    cJSON *root = control_try(l, (const char *const[]){"cached", zone, NULL});
    double n = tree_number_of(root, "cached");
    tree_free(root);
    return n;
}

static void note(struct check *k, struct check_cluster *c, const cJSON *cluster,
                 const struct command_line *l)
{
    const cJSON *address = address_of(cluster, &k->questions[c->broken].dns);
    c->drained = tree_is(cluster, "drained");
    if (c->level == 0)
        return;
    c->failing_s = (uint64_t)tree_number_of(address, "failing_s");
    if (k->results[c->broken].rtt_us == 0 && c->well == 0)
        c->cached = (uint64_t)ask_cached(l, c->label);
}

static int by_label(const void *a, const void *b)
{
    const struct check_cluster *x = *(struct check_cluster *const *)a;
    const struct check_cluster *y = *(struct check_cluster *const *)b;
    return strcmp(x->label, y->label);
}

static int is_labelled(const void *label, const void *one)
{
    const struct check_cluster *c = *(struct check_cluster *const *)one;
    return strcmp(label, c->label);
}

/* Those that the server has too, found by their first zone. */
static void tell_clusters(struct check *k, const cJSON *status,
                          const struct command_line *l)
{
    struct check_cluster **sorted = calloc(k->clusters_n + 1, sizeof(void *));
    const cJSON *list = tree_get(status, "clusters"), *one;
    if (sorted == NULL)
        return;
    for (uint32_t i = 0; i < k->clusters_n; i++)
        sorted[i] = &k->clusters[i];
    qsort(sorted, k->clusters_n, sizeof *sorted, by_label);
    cJSON_ArrayForEach(one, list)
    {
        struct check_cluster **found =
            bsearch(tree_text_of(one, "name"), sorted, k->clusters_n, sizeof *sorted,
                    is_labelled);
        if (found != NULL)
            note(k, *found, one, l);
    }
    free(sorted);
}

void check_live(struct check *k, const struct plan *plan, const struct command_line *l)
{
    cJSON *status = control_try(l, (const char *const[]){"status", NULL});
    if (status == NULL)
        return;
    tell_config(k, plan, status);
    tell_clusters(k, status, l);
    tree_free(status);
}
