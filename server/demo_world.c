#include "server/demo_world.h"

#include "resolver/msg.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct demo_cluster {
    char letter;
    char other;
    unsigned services; /* 10.N.0.0/16 */
    unsigned pods;
    unsigned loopback; /* its DNS listens on 127.N.0.10 */
};

static const struct demo_cluster clusters[] = {
    {'a', 'b', 96, 244, 1},
    {'b', 'a', 97, 245, 2},
};

#define CLUSTERS_N (sizeof clusters / sizeof *clusters)

/* ---- zones, as a cluster's own DNS serves them ---- */

static void write_names(FILE *out, const struct demo_cluster *c)
{
    fprintf(out,
            "$ORIGIN cluster.local.\n$TTL 30\n"
            "@ IN SOA ns.dns hostmaster 1 7200 1800 86400 5\n"
            "@ IN NS ns.dns\n"
            "ns.dns IN A 10.%u.0.10\n"
            "dns-version IN TXT \"1.1.0\"\n"
            "kubernetes.default.svc IN A 10.%u.0.1\n"
            "app.web.svc IN A 10.%u.7.21\n"
            "_http._tcp.app.web.svc IN SRV 0 100 80 app.web.svc\n",
            c->services, c->services, c->services);
    fprintf(out,
            "db.web.svc IN A 10.%u.1.10\n"
            "db.web.svc IN A 10.%u.2.11\n"
            "db-0.db.web.svc IN A 10.%u.1.10\n"
            "db-1.db.web.svc IN A 10.%u.2.11\n"
            "_pg._tcp.db.web.svc IN SRV 0 50 5432 db-0.db.web.svc\n"
            "_pg._tcp.db.web.svc IN SRV 0 50 5432 db-1.db.web.svc\n"
            "alias.web.svc IN CNAME app.web.svc\n"
            "partner.web.svc IN CNAME app.web.svc.cluster-%c.local.\n",
            c->pods, c->pods, c->pods, c->pods, c->other);
}

static void write_reverse(FILE *out, unsigned octet, const char *pointers)
{
    fprintf(
        out,
        "$ORIGIN %u.10.in-addr.arpa.\n$TTL 30\n"
        "@ IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5\n"
        "@ IN NS ns.dns.cluster.local.\n%s",
        octet, pointers);
}

static const char service_pointers[] =
    "10.0 IN PTR kube-dns.kube-system.svc.cluster.local.\n"
    "21.7 IN PTR app.web.svc.cluster.local.\n";

static const char pod_pointers[] = "10.1 IN PTR db-0.db.web.svc.cluster.local.\n"
                                   "11.2 IN PTR db-1.db.web.svc.cluster.local.\n";

static const char *const kinds[] = {"names", "services", "pods"};

static void zone_path(char *out, size_t cap, const char *dir, char letter,
                      const char *kind)
{
    snprintf(out, cap, "%s/%c.%s", dir, letter, kind);
}

static int write_zone(const char *dir, const struct demo_cluster *c, unsigned kind)
{
    char path[256];
    zone_path(path, sizeof path, dir, c->letter, kinds[kind]);
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return -1;
    if (kind == 0)
        write_names(out, c);
    else if (kind == 1)
        write_reverse(out, c->services, service_pointers);
    else
        write_reverse(out, c->pods, pod_pointers);
    return fclose(out) == 0 ? 0 : -1;
}

int demo_write_zones(const char *dir)
{
    for (size_t i = 0; i < CLUSTERS_N; i++) {
        for (unsigned kind = 0; kind < 3; kind++) {
            if (write_zone(dir, &clusters[i], kind) < 0)
                return -1;
        }
    }
    return 0;
}

void demo_remove_zones(const char *dir)
{
    char path[256];
    for (size_t i = 0; i < CLUSTERS_N; i++) {
        for (unsigned kind = 0; kind < 3; kind++) {
            zone_path(path, sizeof path, dir, clusters[i].letter, kinds[kind]);
            unlink(path);
        }
    }
    rmdir(dir);
}

/* ---- the Corefile ---- */

static char *cluster_block(struct arena *a, const char *dir,
                           const struct demo_cluster *c, unsigned port)
{
    return arena_printf(
        a,
        "cluster.local:%u %u.10.in-addr.arpa:%u %u.10.in-addr.arpa:%u {\n"
        "    bind 127.%u.0.10\n"
        "    file \"%s/%c.names\" cluster.local\n"
        "    file \"%s/%c.services\" %u.10.in-addr.arpa\n"
        "    file \"%s/%c.pods\" %u.10.in-addr.arpa\n"
        "}\n",
        port, c->services, port, c->pods, port, c->loopback, dir, c->letter, dir,
        c->letter, c->services, dir, c->letter, c->pods);
}

static char *forwarder_block(struct arena *a, unsigned port)
{
    char *text = arena_printf(a, ".:%u {\n    bind 127.0.0.1\n", port);
    for (size_t i = 0; i < CLUSTERS_N && text != NULL; i++) {
        const struct demo_cluster *c = &clusters[i];
        text = arena_printf(a,
                            "%s    cluster cluster-%c.local 10.%u.0.0/16 {\n"
                            "        pods 10.%u.0.0/16\n"
                            "        dns 127.%u.0.10:%u\n"
                            "    }\n",
                            text, c->letter, c->services, c->pods, c->loopback, port);
    }
    return text == NULL ? NULL : arena_printf(a, "%s    errors\n}\n", text);
}

char *demo_corefile(struct arena *a, const char *dir, uint16_t port)
{
    char *one = cluster_block(a, dir, &clusters[0], port);
    char *two = cluster_block(a, dir, &clusters[1], port);
    char *forwarder = forwarder_block(a, port);
    if (one == NULL || two == NULL || forwarder == NULL)
        return NULL;
    return arena_printf(a, "%s%s%s", one, two, forwarder);
}

/* ---- the questions ---- */

#define A_LOCAL "cluster-a.local"
#define B_LOCAL "cluster-b.local"

const struct demo_question demo_questions[] = {
    {"app.web.svc." A_LOCAL, DNS_A, false, "10.96.7.21", "cluster-a", "ClusterIP"},
    {"app.web.svc." B_LOCAL, DNS_A, false, "10.97.7.21", "cluster-b",
     "the same name, the other cluster"},
    {"App.WEB.svc.Cluster-B.LOCAL", DNS_A, false, "10.97.7.21", "cluster-b",
     "case does not matter"},
    {"db.web.svc." B_LOCAL, DNS_A, true, "10.245.1.10, 10.245.2.11", "cluster-b",
     "headless: every endpoint"},
    {"db-1.db.web.svc." A_LOCAL, DNS_A, false, "10.244.2.11", "cluster-a",
     "one endpoint by name"},
    {"_pg._tcp.db.web.svc." B_LOCAL, DNS_SRV, false,
     "0 50 5432 db-0.db.web.svc." B_LOCAL "., 0 50 5432 db-1.db.web.svc." B_LOCAL ".",
     "cluster-b", "SRV targets come back renamed"},
    {"_http._tcp.app.web.svc." A_LOCAL, DNS_SRV, true,
     "0 100 80 app.web.svc." A_LOCAL ".", "cluster-a", "over TCP"},
    {"alias.web.svc." A_LOCAL, DNS_A, false, "10.96.7.21, app.web.svc." A_LOCAL ".",
     "cluster-a", "ExternalName inside the cluster"},
    {"partner.web.svc." A_LOCAL, DNS_A, false, "10.97.7.21, app.web.svc." B_LOCAL ".",
     "cluster-b", "ExternalName into the other cluster"},
    {"21.7.97.10.in-addr.arpa", DNS_PTR, false, "app.web.svc." B_LOCAL ".", "cluster-b",
     "reverse name of a Service"},
    {"10.1.244.10.in-addr.arpa", DNS_PTR, true, "db-0.db.web.svc." A_LOCAL ".",
     "cluster-a", "reverse name of a Pod"},
    {"dns-version." B_LOCAL, DNS_TXT, false, "\"1.1.0\"", "cluster-b",
     "Kubernetes DNS specification"},
    {"nosuch.web.svc." B_LOCAL, DNS_A, false, "NXDOMAIN (SOA " B_LOCAL ".)",
     "cluster-b", "a negative answer that caches accept"},
    {"app.web.svc." A_LOCAL, DNS_AAAA, false, "no data (SOA " A_LOCAL ".)", "cluster-a",
     "no IPv6 here"},
};

const unsigned demo_questions_n = sizeof demo_questions / sizeof *demo_questions;
