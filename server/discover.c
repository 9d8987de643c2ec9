/* `isthmus discover`: what clusters say of themselves, as lines for a Corefile. */
#include "base/json_out.h"
#include "base/limits.h"
#include "server/command.h"
#include "server/discover_files.h"
#include "server/discover_kube.h"
#include "server/ladder_words.h"
#include "server/ladders.h"

#include <stdlib.h>
#include <string.h>

/* Where the DNS stands in a Service subnet: kubeadm's rule, Kubespray's, and one more
 * that is met with. Nothing else is tried. */
static const uint32_t indexes[] = {10, 3, 2};
#define INDEXES_N (sizeof indexes / sizeof indexes[0])

struct target {
    const char *word;
    bool is_subnet; /* else an address */
    struct cidr subnet;
    struct addr address;
    char zone[NAME_TEXT_MAX];
    uint32_t index; /* of the address that is told; 0: an address was given */
    struct ladder_question question;
    struct ladder_result result;
    bool found;
};

struct discover {
    struct target *targets;
    uint32_t n;
    const char *parent, *out;
    bool json, force;
};

/* ---- the words ---- */

/* [ZONE=]CIDR or [ZONE=]ADDRESS. 0, or -1: it is neither. */
static int read_target(const struct discover *d, struct target *t, uint32_t number)
{
    const char *equals = strchr(t->word, '=');
    const char *what = equals == NULL ? t->word : equals + 1;
    struct name zone;
    bool host_bits = false;
    int len = equals == NULL ? snprintf(t->zone, sizeof t->zone, "cluster-%u.%s",
                                        number, d->parent)
                             : snprintf(t->zone, sizeof t->zone, "%.*s",
                                        (int)(equals - t->word), t->word);
    if (len < 0 || (size_t)len >= sizeof t->zone ||
        name_parse(&zone, text_of(t->zone)) < 0 || zone.len < 2)
        return -1;
    t->is_subnet = strchr(what, '/') != NULL;
    if (t->is_subnet)
        return cidr_parse(&t->subnet, text_of(what), &host_bits) < 0 || host_bits ? -1
                                                                                  : 0;
    return addr_parse(&t->address, text_of(what), 53) < 0 || t->address.port == 0 ? -1
                                                                                  : 0;
}

/* ---- the questions ---- */

/* An address whose last bits are those of the rule probably stands in a subnet that
 * begins ten below; its DNS is asked whether that is so. */
static void guess_subnet(struct target *t)
{
    struct ladder_question *q = &t->question;
    unsigned len = t->address.family == 4 ? 4 : 16;
    q->dns_only = true;
    if ((t->address.ip[len - 1] & 15) != indexes[0])
        return;
    q->has_services = true;
    q->services =
        (struct cidr){.family = t->address.family, .bits = (uint8_t)(len * 8 - 4)};
    memcpy(q->services.ip, t->address.ip, len);
    q->services.ip[len - 1] &= 0xf0;
}

/* The next address to ask; false: there is none. */
static bool prepare(struct target *t, unsigned round)
{
    t->question = (struct ladder_question){.dns = t->address};
    if (!t->is_subnet) {
        guess_subnet(t);
        return round == 0;
    }
    t->question.has_services = true;
    t->question.services = t->subnet;
    if (round >= INDEXES_N ||
        cidr_nth(&t->subnet, indexes[round], &t->question.dns) < 0)
        return false;
    t->question.dns.port = 53;
    return true;
}

/* The result of the first address stays when no other answers. */
static void take(struct target *t, unsigned round, const struct ladder_question *q,
                 const struct ladder_result *r)
{
    bool found = r->domain.len > 0;
    if (round > 0 && !found)
        return;
    t->index = t->is_subnet ? indexes[round] : 0;
    t->question = *q;
    t->result = *r;
    t->found = found;
}

/* One address of each target that has not answered yet. */
static int ask_round(struct discover *d, unsigned round, bool *more)
{
    struct ladder_question *questions = calloc(d->n, sizeof *questions);
    struct ladder_result *results = calloc(d->n, sizeof *results);
    uint32_t *whose = calloc(d->n, sizeof *whose), n = 0;
    struct terminal_progress progress = {0};
    int rc = questions == NULL || results == NULL || whose == NULL ? -1 : 0;
    for (uint32_t i = 0; rc == 0 && i < d->n; i++) {
        struct target copy = d->targets[i];
        if (d->targets[i].found || !prepare(&copy, round))
            continue;
        questions[n] = copy.question;
        whose[n++] = i;
    }
    struct ladders all = {
        .questions = questions, .results = results, .n = n, .progress = &progress};
    if (rc == 0 && n > 0)
        rc = ladders_run(&all);
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        take(&d->targets[whose[i]], round, &questions[i], &results[i]);
    *more = n > 0;
    free(questions);
    free(results);
    free(whose);
    return rc;
}

/* ---- the answers ---- */

/* Who installs its DNS under which name. */
static const char *flavour(const struct name *dns)
{
    static const struct {
        const char *service, *flavour;
    } rows[] = {
        {"kube-dns.kube-system.", "kubeadm, kind, k3s and most others"},
        {"coredns.kube-system.", "Kubespray"},
        {"rke2-coredns-rke2-coredns.kube-system.", "RKE2"},
        {"dns-default.openshift-dns.", "OpenShift"},
    };
    char text[NAME_TEXT_MAX] = "";
    if (dns->len > 0)
        name_print(dns->wire, text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strncmp(text, rows[i].service, strlen(rows[i].service)) == 0)
            return rows[i].flavour;
    }
    return NULL;
}

static const char *print_bare(const struct name *n, char *out)
{
    size_t len = n->len > 0 ? name_print(n->wire, out) : 0;
    out[len > 1 ? len - 1 : len] = '\0';
    return out;
}

static bool is_usual(const struct name *domain)
{
    struct name usual;
    return name_parse(&usual, TEXT("cluster.local")) == 0 &&
           name_equal(usual.wire, domain->wire);
}

static void print_found(const struct target *t)
{
    const struct ladder_result *r = &t->result;
    char dns[ADDR_TEXT_MAX], domain[NAME_TEXT_MAX], name[NAME_TEXT_MAX];
    const char *made_by = flavour(&r->dns_name);
    printf("# %s: %s answers in %.1f ms; domain %s, spec %s", t->word,
           addr_print_ip(&t->question.dns, dns), r->rtt_us / 1000.0,
           print_bare(&r->domain, domain), r->version[0] == '\0' ? "-" : r->version);
    if (r->dns_name.len > 0)
        printf("; it is %s", print_bare(&r->dns_name, name));
    printf("%s%s%s\n", made_by == NULL ? "" : " (", made_by == NULL ? "" : made_by,
           made_by == NULL ? "" : ")");
}

/* Why the line alone may not do. */
static void print_doubts(const struct target *t)
{
    char what[LADDER_TEXT_MAX], mend[LADDER_TEXT_MAX], text[ADDR_TEXT_MAX];
    const struct ladder_question *q = &t->question;
    bool guessed = q->dns_only && q->has_services;
    if (guessed && t->result.state == LADDER_OK) {
        printf("# Its Service subnet begins at %.*s, how long it is DNS does not tell: "
               "write `cluster %s CIDR` for reverse names\n",
               (int)strcspn(cidr_print(&q->services, text), "/"), text, t->zone);
        return;
    }
    if (q->dns_only)
        printf(
            "# Without its Service subnet there are no reverse names: write `cluster "
            "%s CIDR` if you know it\n",
            t->zone);
    if (t->result.state == LADDER_OK || (guessed && t->result.state == LADDER_CLUSTER))
        return;
    ladder_words(q, &t->result, what, mend);
    printf("# %s: %s%s%s\n", ladder_state_print(t->result.state), what,
           mend[0] == '\0' ? "" : "; fix: ", mend);
}

static void print_line(const struct target *t)
{
    const struct ladder_result *r = &t->result;
    char dns[ADDR_TEXT_MAX], domain[NAME_TEXT_MAX], subnet[ADDR_TEXT_MAX];
    bool index = t->is_subnet && t->index != indexes[0];
    bool tcp = r->state == LADDER_TCP_ONLY;
    bool block = !t->is_subnet || index || tcp || !is_usual(&r->domain);
    printf("cluster %s%s%s%s\n", t->zone, t->is_subnet ? " " : "",
           t->is_subnet ? cidr_print(&t->subnet, subnet) : "", block ? " {" : "");
    if (index)
        printf("    index %u\n", t->index);
    if (!t->is_subnet)
        printf("    dns %s\n", addr_print(&t->address, dns));
    if (!is_usual(&r->domain))
        printf("    domain %s\n", print_bare(&r->domain, domain));
    if (tcp)
        puts("    force_tcp");
    if (block)
        puts("}");
}

static void print_silent(const struct target *t, FILE *out)
{
    char what[LADDER_TEXT_MAX], mend[LADDER_TEXT_MAX];
    ladder_words(&t->question, &t->result, what, mend);
    fprintf(out, "# %s: %s  %s\n", t->word, ladder_state_print(t->result.state), what);
    if (mend[0] != '\0')
        fprintf(out, "#     fix: %s\n", mend);
    if (t->is_subnet)
        fprintf(out,
                "#     addresses %u, %u and %u of the subnet were asked; `isthmus "
                "discover ADDRESS` asks another\n",
                indexes[0], indexes[1], indexes[2]);
}

static void print_target(const struct target *t)
{
    if (!t->found) {
        print_silent(t, stdout);
        return;
    }
    print_found(t);
    print_doubts(t);
    print_line(t);
}

/* In the form of an inventory: `inventory FILE` reads it. */
static void json_target(struct json_out *j, const struct target *t)
{
    char text[NAME_TEXT_MAX], name[NAME_TEXT_MAX];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(t->zone, "."), t->zone);
    json_open(j, NULL, '{');
    json_text(j, "name", name);
    json_open(j, "zones", '[');
    json_text(j, NULL, t->zone);
    json_close(j, ']');
    json_text(j, "domain", print_bare(&t->result.domain, text));
    if (t->is_subnet) {
        json_open(j, "services", '[');
        json_text(j, NULL, cidr_print(&t->subnet, text));
        json_close(j, ']');
        json_number(j, "index", t->index);
    } else {
        json_open(j, "dns", '[');
        json_text(j, NULL, addr_print(&t->address, text));
        json_close(j, ']');
    }
    json_close(j, '}');
}

static int print_json(const struct discover *d)
{
    struct json_out j = {0};
    json_open(&j, NULL, '{');
    json_open(&j, "clusters", '[');
    for (uint32_t i = 0; i < d->n; i++)
        if (d->targets[i].found)
            json_target(&j, &d->targets[i]);
    json_close(&j, ']');
    json_close(&j, '}');
    return json_end(&j, stdout);
}

static int add_file(struct discover_files *files, const struct target *target)
{
    char name[NAME_TEXT_MAX];
    struct json_out j = {0};
    json_target(&j, target);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(target->zone, "."), target->zone);
    sheet_text(&j.sheet, "\n");
    return discover_files_add(files, name, sheet_take(&j.sheet, NULL));
}

static int write_files(const struct discover *d)
{
    struct discover_files files = {.directory = d->out, .force = d->force};
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < d->n; i++) {
        if (d->targets[i].found)
            rc = add_file(&files, &d->targets[i]);
    }
    return discover_files_finish(&files, rc);
}

/* Routes cannot tell overlapping subnets apart. Returns how many do. */
static uint32_t tell_overlaps(const struct discover *d)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            const struct target *a = &d->targets[k], *b = &d->targets[i];
            if (!a->is_subnet || !b->is_subnet || !cidr_overlap(&a->subnet, &b->subnet))
                continue;
            fprintf(
                stderr,
                "%s and %s overlap: routes cannot tell them apart. Give each cluster "
                "a Service subnet of its own (kubeadm --service-cidr; kind: "
                "networking.serviceSubnet)\n",
                a->word, b->word);
            n++;
        }
    }
    return n;
}

/* ---- isthmus discover ---- */

static int discover(struct discover *d)
{
    bool more = true;
    uint32_t found = 0;
    for (unsigned round = 0; more; round++) {
        if (ask_round(d, round, &more) != 0) {
            fputs("isthmus discover: out of memory or of sockets\n", stderr);
            return 1;
        }
    }
    for (uint32_t i = 0; i < d->n; i++) {
        found += d->targets[i].found;
        if (!d->json)
            print_target(&d->targets[i]);
        else if (!d->targets[i].found)
            print_silent(&d->targets[i], stderr);
    }
    if (d->json && print_json(d) < 0)
        return 1;
    if (tell_overlaps(d) > 0 || (d->out != NULL && write_files(d) < 0))
        return 1;
    return found < d->n ? 1 : 0;
}

static int discover_run(const struct command_line *l)
{
    const char *parent = command_value(l, "parent");
    bool kube = command_given(l, "kubeconfig") || command_given(l, "context");
    if (kube && l->words_n == 0)
        return discover_kube(l);
    if (kube || l->words_n == 0)
        return command_wrong(l->command, "expected subnets and addresses, or "
                                         "--kubeconfig FILE, and one of them");
    struct discover d = {.n = l->words_n,
                         .parent = parent == NULL ? "lan" : parent,
                         .out = command_value(l, "out"),
                         .force = command_given(l, "force"),
                         .json = command_given(l, "json")};
    d.targets = calloc(d.n, sizeof *d.targets);
    int status = d.targets == NULL ? 1 : 0;
    for (uint32_t i = 0; status == 0 && i < d.n; i++) {
        d.targets[i].word = l->words[i];
        if (read_target(&d, &d.targets[i], i + 1) < 0)
            status =
                command_wrong(l->command,
                              "'%s': expected a Service subnet such as "
                              "10.97.0.0/16 (without bits behind its length), or an "
                              "address; ZONE= may stand in front",
                              l->words[i]);
    }
    if (status == 0)
        status = discover(&d);
    free(d.targets);
    return status;
}

static const struct command_option options[] = {
    {"parent", "ZONE", "what the zones of clusters without ZONE= end in (lan)"},
    {"json", NULL, "print JSON, as `inventory` reads it"},
    {"out", "DIR", "write each to a file of an inventory there, NAME.json"},
    {"force", NULL, "with --out: replace files that say something else"},
    {"kubeconfig", "FILE", "ask the APIs of Kubernetes that this file names"},
    {"context", "NAME", "of these only this one"},
    {"exec", NULL, "run the programs by which the kubeconfig gets its credentials"},
    {"insecure", NULL, "believe any certificate where the kubeconfig wants that"},
    {NULL, NULL, NULL},
};

const struct command command_discover = {
    .name = "discover",
    .words = "[[ZONE=]CIDR|ADDRESS...]",
    .line = "what clusters say of themselves, as lines for a Corefile",
    .help =
        "Give the Service subnet of each cluster (CIDR), or the address of its DNS. Its\n"
        "DNS is looked for at the 10th address of the subnet, then at the 3rd and the\n"
        "2nd, and at no other; it tells the cluster's domain, under which name it was\n"
        "installed, and the version of the Kubernetes DNS specification it keeps to. No\n"
        "credentials are needed.\n\n"
        "  isthmus discover b.k8s.lan=10.97.0.0/16 >>Corefile.clusters\n\n"
        "With --kubeconfig the APIs of its contexts tell: what `inventory kubernetes:*`\n"
        "would bring, with the command that makes the route where there is none.\n\n"
        "  isthmus discover --kubeconfig ~/.kube/config --out clusters.d\n\n"
        "With --out what was found is written to DIR, a file for each cluster, for\n"
        "`inventory DIR`. A file that says something else is not replaced, and while\n"
        "subnets overlap nothing is written.",
    .exits = "0: all were found\n"
             "1: some were not, subnets overlap, or a file of --out is in the way\n"
             "2: by a kubeconfig: subnets overlap",
    .options = options,
    .run = discover_run,
};
