/* `isthmus client-config`: what makes other resolvers send cluster names here. */
#include "base/json_out.h"
#include "resolver/cluster_map.h"
#include "server/command.h"
#include "server/control_client.h"
#include "server/offline.h"
#include "server/which_file.h"

#include <stdlib.h>
#include <string.h>

struct client_config {
    struct zones zones; /* of all clusters, in file order; in `arena` */
    struct cidr *subnets;
    uint32_t subnets_n, subnets_cap;
    struct addr server;
    struct arena arena;
    bool reverse, failed;
};

struct kind {
    const char *name;
    const char *path;  /* where it goes */
    const char *apply; /* what makes it count */
    void (*print)(const struct client_config *c, FILE *out);
};

/* ---- pieces ---- */

static const char *print_zone(const struct name *zone, char *out)
{
    size_t len = name_print(zone->wire, out);
    out[len > 1 ? len - 1 : len] = '\0';
    return out;
}

/* The server as "IP", or "IP<mark>PORT" where the port is not 53. */
static const char *print_server(const struct client_config *c, const char *mark,
                                char *out)
{
    char ip[ADDR_TEXT_MAX];
    if (c->server.port == 53)
        return addr_print_ip(&c->server, out);
    snprintf(out, ADDR_TEXT_MAX + 8, "%.56s%s%u", addr_print_ip(&c->server, ip), mark,
             c->server.port);
    return out;
}

/* Calls `each` for every zone, then for every reverse zone that is wanted. */
static void each_zone(const struct client_config *c, FILE *out,
                      void (*each)(const struct client_config *c, const char *zone,
                                   FILE *out))
{
    char text[NAME_TEXT_MAX];
    for (uint32_t i = 0; i < c->zones.n; i++)
        each(c, print_zone(&c->zones.list[i], text), out);
    for (uint32_t i = 0; c->reverse && i < c->subnets_n; i++) {
        for (unsigned n = 0; n < cidr_reverse_zones(&c->subnets[i]); n++) {
            struct name zone;
            cidr_reverse_zone(&c->subnets[i], n, &zone);
            each(c, print_zone(&zone, text), out);
        }
    }
}

/* ---- CoreDNS ---- */

#define KEYS_ON_A_LINE 8

static void print_coredns(const struct client_config *c, FILE *out)
{
    char text[NAME_TEXT_MAX], subnet[ADDR_TEXT_MAX];
    uint32_t n = c->zones.n + (c->reverse ? c->subnets_n : 0);
    const char *between = n > KEYS_ON_A_LINE ? ",\n" : " ";
    for (uint32_t i = 0; i < n; i++)
        fprintf(out, "%s%s:53", i == 0 ? "" : between,
                i < c->zones.n ? print_zone(&c->zones.list[i], text)
                               : cidr_print(&c->subnets[i - c->zones.n], subnet));
    fprintf(out, " {\n    errors\n    cache 30\n    forward . %s\n}\n",
            c->server.port == 53 ? addr_print_ip(&c->server, text)
                                 : addr_print(&c->server, text));
}

/* ---- systemd-resolved ---- */

static void print_route(const struct client_config *c, const char *zone, FILE *out)
{
    fprintf(out, "Domains=~%s\n", zone);
}

#define RESOLVED_DOMAINS_MAX 256

static void count_zone(const struct client_config *c, const char *zone, FILE *out)
{
    putc('.', out);
}

/* How many zones there are, reverse ones included. */
static size_t zones_n(const struct client_config *c)
{
    char *text;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return 0;
    each_zone(c, out, count_zone);
    fclose(out);
    free(text);
    return len;
}

static void print_resolved(const struct client_config *c, FILE *out)
{
    char text[ADDR_TEXT_MAX];
    fputs(
        "# From systemd 258 on better in a file of its own, with [Delegate] instead of\n"
        "# [Resolve]: /etc/systemd/dns-delegate.d/isthmus.dns-delegate\n"
        "[Resolve]\n",
        out);
    if (zones_n(c) > RESOLVED_DOMAINS_MAX)
        fprintf(
            out,
            "# systemd-resolved takes %d domains: put the zones under one parent, and "
            "only that here\n",
            RESOLVED_DOMAINS_MAX);
    fprintf(out, "DNS=%s\n",
            c->server.port == 53 ? addr_print_ip(&c->server, text)
                                 : addr_print(&c->server, text));
    each_zone(c, out, print_route);
}

/* ---- dnsmasq ---- */

/* --stop-dns-rebind would take the addresses of Services for an attack. */
static void print_dnsmasq_zone(const struct client_config *c, const char *zone,
                               FILE *out)
{
    char server[ADDR_TEXT_MAX + 8];
    fprintf(out, "server=/%s/%s\nrebind-domain-ok=/%s/\n", zone,
            print_server(c, "#", server), zone);
}

static void print_dnsmasq(const struct client_config *c, FILE *out)
{
    each_zone(c, out, print_dnsmasq_zone);
}

/* ---- Unbound ---- */

static void print_unbound_zone(const struct client_config *c, const char *zone,
                               FILE *out)
{
    fprintf(out,
            "    domain-insecure: \"%s.\"\n"
            "    private-domain: \"%s.\"\n"
            "    local-zone: \"%s.\" transparent\n",
            zone, zone, zone);
}

static void print_unbound_forward(const struct client_config *c, const char *zone,
                                  FILE *out)
{
    char server[ADDR_TEXT_MAX + 8];
    fprintf(out, "forward-zone:\n    name: \"%s.\"\n    forward-addr: %s\n", zone,
            print_server(c, "@", server));
}

/* local-zone: Unbound answers some zones itself, such as test and the reverse names of
 * private addresses; without signatures above them nothing here can be validated. */
static void print_unbound(const struct client_config *c, FILE *out)
{
    fputs("server:\n", out);
    each_zone(c, out, print_unbound_zone);
    each_zone(c, out, print_unbound_forward);
}

static const struct kind kinds[] = {
    {"coredns", "the Corefile of the cluster (ConfigMap coredns in kube-system)",
     "CoreDNS reads it again by itself, with `reload` in its Corefile", print_coredns},
    {"resolved", "/etc/systemd/resolved.conf.d/isthmus.conf",
     "systemctl restart systemd-resolved", print_resolved},
    {"dnsmasq",
     "/etc/dnsmasq.d/isthmus.conf, or /etc/NetworkManager/dnsmasq.d/isthmus.conf",
     "systemctl restart dnsmasq, or NetworkManager", print_dnsmasq},
    {"unbound", "/etc/unbound/unbound.conf.d/isthmus.conf", "unbound-control reload",
     print_unbound},
};

/* ---- what the Corefile says ---- */

static bool knows(const struct client_config *c, const uint8_t *zone)
{
    for (uint32_t i = 0; i < c->zones.n; i++) {
        if (name_equal(c->zones.list[i].wire, zone))
            return true;
    }
    return false;
}

/* Of two blocks, by a view say, each may have a cluster of the zone. */
static void add_zone(struct client_config *c, const uint8_t *zone)
{
    char text[NAME_TEXT_MAX];
    name_print(zone, text);
    if (!knows(c, zone) && zones_add(&c->arena, &c->zones, text) < 0)
        c->failed = true;
}

static void add_subnets(struct client_config *c, const struct subnets *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (c->subnets_n == c->subnets_cap) {
            uint32_t cap = c->subnets_cap == 0 ? 64 : 2 * c->subnets_cap;
            void *list = realloc(c->subnets, cap * sizeof *c->subnets);
            if (list == NULL) {
                c->failed = true;
                return;
            }
            c->subnets = list;
            c->subnets_cap = cap;
        }
        c->subnets[c->subnets_n++] = s->list[i];
    }
}

static void add_cluster(const struct cluster *cluster, void *context)
{
    struct client_config *c = context;
    struct subnets services = cluster_services(cluster), pods = cluster_pods(cluster);
    for (uint32_t i = 0; i < cluster->zones_n; i++)
        add_zone(c, cluster_zone_wire(cluster_zone(cluster, i)));
    add_subnets(c, &services);
    add_subnets(c, &pods);
}

/* The one address that the Corefile says clients reach; false: none, or several. */
static bool find_server(const struct plan *p, struct addr *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->servers_n; i++) {
        const struct plan_server *s = &p->servers[i];
        if (s->scheme != SCHEME_DNS || s->addr.family == 0 ||
            addr_is_loopback(&s->addr))
            continue;
        *out = s->addr;
        n++;
    }
    return n == 1;
}

/* ---- isthmus client-config ---- */

static int print_json(const struct client_config *c, const struct kind *k)
{
    struct json_out j = {0};
    char server[ADDR_TEXT_MAX], *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return -1;
    k->print(c, out);
    fclose(out);
    json_open(&j, NULL, '{');
    json_text(&j, "kind", k->name);
    json_text(&j, "server", addr_print(&c->server, server));
    json_text(&j, "path", k->path);
    json_text(&j, "apply", k->apply);
    json_text(&j, "text", text);
    json_close(&j, '}');
    free(text);
    return json_end(&j, stdout);
}

/* CoreDNS's goes into a file that is there already. Returns the exit status. */
static int print(const struct client_config *c, const struct kind *k,
                 const struct command_line *l)
{
    if (command_given(l, "json"))
        return print_json(c, k) < 0 ? 1 : 0;
    if (k->path[0] == '/')
        printf("# %s\n# then: %s\n", k->path, k->apply);
    k->print(c, stdout);
    return 0;
}

static void tell_errors(const struct findings *f)
{
    for (const struct finding *one = f->first; one != NULL; one = one->next) {
        if (one->level != FINDING_ERROR)
            continue;
        if (one->at.line > 0)
            fprintf(stderr, "%s:%u - ", one->at.file, one->at.line);
        fprintf(stderr, "%s\n", one->text);
    }
}

/* Fills `c` from the Corefile and the line. Returns the exit status. */
static int read_plan(struct client_config *c, const struct plan *p,
                     const struct command_line *l)
{
    const char *server = command_value(l, "server");
    for (uint32_t i = 0; i < p->blocks_n; i++) {
        if (p->blocks[i].clusters != NULL)
            cluster_map_each(p->blocks[i].clusters, add_cluster, c);
    }
    if (c->failed || c->zones.n == 0) {
        fprintf(
            stderr, "isthmus client-config: %s\n",
            c->failed
                ? "out of memory"
                : "the Corefile has no `cluster` lines, and no inventory that brings any");
        return 1;
    }
    if (server != NULL && addr_parse(&c->server, text_of(server), 53) < 0)
        return command_wrong(l->command,
                             "--server '%s': expected an address, ADDRESS:PORT or "
                             "[V6]:PORT",
                             server);
    if (server == NULL && !find_server(p, &c->server))
        return command_wrong(l->command,
                             "say at which address clients reach isthmus: --server IP "
                             "(without it there must be one `bind` address)");
    return 0;
}

static const struct kind *find_kind(const char *name)
{
    const struct kind *k = kinds;
    while (strcmp(k->name, name) != 0)
        k++; /* it is one of them: command_run() has seen to that */
    return k;
}

static int client_config_run(const struct command_line *l)
{
    struct offline o = {.lookups = false};
    struct client_config c = {.reverse = command_given(l, "reverse")};
    struct which_file w;
    struct findings f;
    int status = 1;
    findings_init(&f);
    arena_init(&c.arena, NULL, 0);
    which_file(&w, l, true);
    if (w.whose != NULL)
        fprintf(stderr, "isthmus client-config: %s, %s\n", w.conf, w.whose);
    offline_load(&o, w.conf, &f);
    if (o.plan == NULL)
        tell_errors(&f);
    else
        status = read_plan(&c, o.plan, l);
    if (status == 0)
        status = print(&c, find_kind(l->words[0]), l);
    free(c.subnets);
    arena_release(&c.arena);
    offline_release(&o);
    findings_release(&f);
    which_file_release(&w);
    return status;
}

static struct command_words kind_names(void)
{
    static const char *const list[] = {"coredns", "resolved", "dnsmasq", "unbound"};
    return (struct command_words){list, sizeof list / sizeof list[0]};
}

static const struct command_option options[] = {
    {"server", "IP",
     "where clients reach isthmus, with :PORT if it is not 53; without "
     "it the one address that `bind` names, besides loopback"},
    {"conf", "FILE", "the Corefile; `stdin` reads standard input"},
    {"control", "SOCKET", "of the running server (" CONTROL_PATH " if it is there)"},
    {"reverse", NULL, "also the reverse names of the Service and Pod subnets"},
    {"json", NULL, "print JSON: the text, where it goes, what makes it count"},
    {NULL, NULL, NULL},
};

const struct command command_client_config = {
    .name = "client-config",
    .words = "coredns|resolved|dnsmasq|unbound",
    .words_min = 1,
    .words_max = 1,
    .choices = kind_names,
    .line = "what makes other resolvers send cluster names here",
    .help =
        "Prints a file for:\n\n"
        "  coredns   a cluster's own CoreDNS: add it to the ConfigMap coredns\n"
        "  resolved  /etc/systemd/resolved.conf.d/isthmus.conf\n"
        "  dnsmasq   /etc/dnsmasq.d/isthmus.conf, or with NetworkManager\n"
        "            /etc/NetworkManager/dnsmasq.d/isthmus.conf\n"
        "  unbound   /etc/unbound/unbound.conf.d/isthmus.conf\n\n"
        "Without --conf it is the Corefile of the running server, when one answers; else\n"
        "./Corefile; else " WHICH_FILE_INSTALLED ". It says which.\n\n"
        "Zones are those of the Corefile's clusters; put them under one parent zone\n"
        "and clients need no change when a cluster joins.",
    .exits = "0: it is printed\n1: the Corefile has errors, or no clusters",
    .options = options,
    .run = client_config_run,
};
