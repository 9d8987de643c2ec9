/* `isthmus check`: what is wrong with a Corefile, and with each cluster it names. */
#include "server/check.h"

#include "resolver/clusters.h"
#include "resolver/plan.h"
#include "server/check_live.h"
#include "server/command.h"
#include "server/control_client.h"
#include "server/ladders.h"
#include "server/lint.h"
#include "server/offline.h"
#include "server/which_file.h"

#include <stdlib.h>
#include <string.h>

/* ---- which clusters, which addresses ---- */

static int grow(void **list, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return 0;
    uint32_t wanted = *cap == 0 ? 64 : *cap * 2;
    void *bigger = realloc(*list, wanted * size);
    if (bigger == NULL)
        return -1;
    *list = bigger;
    *cap = wanted;
    return 0;
}

static struct ladder_question question_of(const struct cluster *c,
                                          const struct addr *dns)
{
    struct name_ref domain = cluster_domain(c);
    struct subnets all = cluster_services(c);
    struct ladder_question q = {.dns = *dns,
                                .domain.len = domain.len,
                                .force_tcp = c->rules->servers.force_tcp};
    memcpy(q.domain.wire, domain.wire, domain.len);
    for (uint32_t i = 0; i < all.n; i++) {
        const struct cidr *services = &all.list[i];
        bool better = cidr_contains(services, dns) && !cidr_contains(&q.services, dns);
        if (better || !q.has_services)
            q.services = *services;
        q.has_services = true;
        if (services->family != all.list[0].family)
            q.dual_stack = true;
    }
    return q;
}

static void out_of_memory(struct check *k)
{
    findings_add(&k->findings, FINDING_ERROR, (struct where){0}, "out of memory");
}

static void add_address(struct check *k, struct check_cluster *to,
                        const struct addr *dns)
{
    void *list = k->questions;
    if (grow(&list, k->results_n, &k->results_cap, sizeof *k->questions) < 0) {
        out_of_memory(k);
        return;
    }
    k->questions = list;
    k->questions[k->results_n++] = question_of(to->cluster, dns);
    to->n++;
}

static void add_cluster(const struct cluster *c, void *context)
{
    struct check *k = context;
    char text[NAME_TEXT_MAX];
    void *list = k->clusters;
    const char *label = arena_text(&k->findings.arena, text_of(cluster_label(c, text)));
    if (label == NULL ||
        grow(&list, k->clusters_n, &k->clusters_cap, sizeof *k->clusters) < 0) {
        out_of_memory(k);
        return;
    }
    k->clusters = list;
    k->clusters[k->clusters_n++] = (struct check_cluster){.cluster = c, .label = label};
}

static int by_servers(const struct cluster *a, const struct cluster *b)
{
    struct addr x[INVENTORY_LIST_MAX], y[INVENTORY_LIST_MAX];
    struct name_ref mine = cluster_domain(a), other = cluster_domain(b);
    uint32_t n = cluster_dns(a, x), m = cluster_dns(b, y);
    int order = n == m ? memcmp(x, y, n * sizeof *x) : (n > m) - (n < m);
    if (order == 0)
        order = (mine.len > other.len) - (mine.len < other.len);
    return order != 0 ? order : memcmp(mine.wire, other.wire, mine.len);
}

/* By zone, then by addresses and domain. */
static int by_identity(const void *a, const void *b)
{
    const struct check_cluster *x = *(struct check_cluster *const *)a;
    const struct check_cluster *y = *(struct check_cluster *const *)b;
    int order = strcmp(x->label, y->label);
    return order != 0 ? order : by_servers(x->cluster, y->cluster);
}

/* A cluster that several blocks name, by a snippet say, is asked once. */
static int drop_doubles(struct check *k)
{
    struct check_cluster **sorted = calloc(k->clusters_n + 1, sizeof(void *));
    uint32_t n = 0;
    if (sorted == NULL)
        return -1;
    for (uint32_t i = 0; i < k->clusters_n; i++)
        sorted[i] = &k->clusters[i];
    qsort(sorted, k->clusters_n, sizeof *sorted, by_identity);
    for (uint32_t i = 1; i < k->clusters_n; i++)
        sorted[i]->doubled = by_identity(&sorted[i - 1], &sorted[i]) == 0;
    free(sorted);
    for (uint32_t i = 0; i < k->clusters_n; i++) {
        if (!k->clusters[i].doubled)
            k->clusters[n++] = k->clusters[i];
    }
    k->clusters_n = n;
    return 0;
}

/* What an inventory has that cannot be served, and what is wrong with it. Texts are the
 * plan's, the list is in the findings' arena. */
static void report(const struct clusters_report *r, void *context)
{
    struct check *k = context;
    for (const struct cluster_refusal *x = r->refused; x != NULL; x = x->next) {
        struct check_refused *one = arena_alloc(&k->findings.arena, sizeof *one);
        if (one == NULL)
            break;
        *one = (struct check_refused){
            .name = inventory_name(x->record),
            .why = x->why == NULL ? "out of memory" : x->why,
            .at = {.file = x->record->file, .line = x->record->line},
            .next = k->refused};
        k->refused = one;
    }
    if (r->source.error[0] != '\0')
        findings_add(&k->findings, FINDING_WARNING, r->at, "inventory %s: %s",
                     r->source.source, r->source.error);
    if ((r->refused != NULL || r->source.error[0] != '\0') && k->status == 0)
        k->status = 1;
}

static void collect(struct check *k, const struct plan *p)
{
    clusters_each_report(p, report, k);
    for (uint32_t i = 0; i < p->blocks_n; i++) {
        if (p->blocks[i].clusters != NULL)
            cluster_map_each(p->blocks[i].clusters, add_cluster, k);
    }
    if (drop_doubles(k) < 0)
        out_of_memory(k);
    for (uint32_t i = 0; i < k->clusters_n; i++) {
        struct check_cluster *c = &k->clusters[i];
        c->first = k->results_n;
        struct addr dns[INVENTORY_LIST_MAX];
        uint32_t dns_n = cluster_dns(c->cluster, dns);
        for (uint32_t n = 0; n < dns_n; n++)
            add_address(k, c, &dns[n]);
    }
}

/* ---- how they are ---- */

static void judge(struct check *k, struct check_cluster *c)
{
    c->broken = c->first;
    for (uint32_t i = c->first; i < c->first + c->n; i++) {
        int level = ladder_level(k->results[i].state);
        c->well += level == 0;
        if (level > c->level) {
            c->level = level;
            c->broken = i;
        }
    }
    if (c->well > 0 && c->level > 1)
        c->level = 1;
    if (c->level > k->status)
        k->status = c->level;
}

static void ask(struct check *k, bool confirm)
{
    struct terminal_progress progress = {0};
    k->results = calloc(k->results_n > 0 ? k->results_n : 1, sizeof *k->results);
    for (uint32_t i = 0; i < k->results_n; i++)
        k->questions[i].confirm = confirm;
    struct ladders all = {.questions = k->questions,
                          .results = k->results,
                          .n = k->results_n,
                          .progress = &progress};
    int error = k->results == NULL ? -1 : ladders_run(&all);
    if (error != 0) {
        out_of_memory(k);
        return;
    }
    k->asked = true;
    for (uint32_t i = 0; i < k->clusters_n; i++)
        judge(k, &k->clusters[i]);
}

/* ---- isthmus check ---- */

static void check(struct check *k, const struct command_line *l)
{
    struct offline o = {.lookups = !command_given(l, "offline")};
    offline_load(&o, k->conf, &k->findings);
    if (o.plan != NULL) {
        lint_plan(o.plan, &k->findings);
        collect(k, o.plan);
        if (o.lookups) {
            ask(k, command_given(l, "fcrdns"));
            check_live(k, o.plan, l);
        }
    }
    if (k->findings.n[FINDING_ERROR] > 0)
        k->status = 2;
    if (!command_given(l, "json"))
        check_print(k);
    else if (check_print_json(k) < 0)
        k->status = 2;
    offline_release(&o);
}

static int check_run(const struct command_line *l)
{
    struct check k = {.problems = command_given(l, "problems")};
    struct which_file w = {.conf = l->words_n > 0 ? l->words[0] : NULL};
    findings_init(&k.findings);
    if (w.conf == NULL || command_given(l, "conf"))
        which_file(&w, l, !command_given(l, "offline"));
    k.conf = w.conf;
    k.whose = w.whose;
    check(&k, l);
    which_file_release(&w);
    findings_release(&k.findings);
    free(k.clusters);
    free(k.questions);
    free(k.results);
    return k.status;
}

static const struct command_option options[] = {
    {"conf", "FILE",
     "the Corefile, as FILE without --conf; `stdin` reads standard input"},
    {"offline", NULL, "only read the file: nothing is asked of anybody"},
    {"fcrdns", NULL,
     "also see that the names of the PTRs lead back to their addresses"},
    {"problems", NULL, "say nothing of clusters that are well"},
    {"control", "SOCKET",
     "of the running server, which knows since when (" CONTROL_PATH " if it is there)"},
    {"json", NULL, "print one JSON object"},
    {NULL, NULL, NULL},
};

const struct command command_check = {
    .name = "check",
    .words = "[FILE]",
    .words_max = 1,
    .line = "what is wrong with a Corefile, and with each cluster it names",
    .help =
        "Without FILE it is the Corefile of the running server, when one answers and\n"
        "without --offline; else ./Corefile; else " WHICH_FILE_INSTALLED
        ". It says which.\n\n"
        "Tells every error of the file with its line and how to mend it, and warns of\n"
        "what may not do what was meant: a block that anybody may ask, reverse names\n"
        "that are never asked of their block, caches that never hold anything, zones\n"
        "that end in .local.\n\n"
        "Then each DNS address of each cluster is asked, all at once, and a line a\n"
        "cluster tells the first thing that is wrong and what usually mends it: no\n"
        "route, silent, filtered, UDP or TCP only, REFUSED, another domain than the\n"
        "Corefile says, another cluster, no reverse names, no dns-version, Services that\n"
        "do not answer. This needs no credentials. Questions go to the DNS addresses,\n"
        "and one connection to port 443 of the first address of the Service subnet,\n"
        "which is the API's in every cluster; to nothing else.",
    .exits =
        "0: all is well; there may be warnings and notes\n"
        "1: a cluster works in part, does not answer now, or an inventory has faults\n"
        "2: the file has an error, or a cluster stays broken until it is mended",
    .options = options,
    .run = check_run,
};
