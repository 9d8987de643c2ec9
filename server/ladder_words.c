#include "server/ladder_words.h"

#include "resolver/rdata.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct words {
    const struct ladder_question *question;
    const struct ladder_result *result;
    char *what, *mend;
    char dns[ADDR_TEXT_MAX]; /* with the port where it is not 53 */
    char first[ADDR_TEXT_MAX], services[ADDR_TEXT_MAX];
    char domain[NAME_TEXT_MAX], found[NAME_TEXT_MAX]; /* with final dots */
    char dns_name[NAME_TEXT_MAX], first_name[NAME_TEXT_MAX];
};

static void what(struct words *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void what(struct words *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->what, LADDER_TEXT_MAX, fmt, args);
    va_end(args);
}

static void mend(struct words *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void mend(struct words *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->mend, LADDER_TEXT_MAX, fmt, args);
    va_end(args);
}

/* ---- nobody answers ---- */

static const char *route_error(int error)
{
    switch (error) {
    case ENETUNREACH:
        return "network unreachable from this host";
    case EHOSTUNREACH:
        return "host unreachable, says a router or this host";
    case EACCES:
    case EPERM:
        return "forbidden by a firewall or route of this host";
    default:
        return strerror(error);
    }
}

static void explain_silence(struct words *w)
{
    const struct ladder_result *r = w->result;
    switch ((int)r->state) {
    case LADDER_NO_ROUTE:
        what(w, "%s: %s", w->dns, route_error(r->error));
        mend(w, "a route to %s through the cluster's nodes (BGP, VPN, ip route add)",
             w->services);
        break;
    case LADDER_CLOSED:
        what(w, "%s: the port is closed", w->dns);
        mend(w, "is the cluster's DNS running (its Service has endpoints)? Is this its "
                "address? `dns ADDRESS` tells another");
        break;
    case LADDER_FILTERED:
        what(w,
             "%s: udp and tcp silent, but %s:443 answers: DNS is blocked, or the CNI "
             "does not serve ClusterIPs for UDP from outside (Calico eBPF; Cilium: "
             "bpf.lbExternalClusterIP)",
             w->dns, w->first);
        break;
    case LADDER_NOT_DNS:
        what(w, "%s: what answers there speaks no DNS", w->dns);
        mend(w, "`dns ADDRESS[:PORT]` or `port` of the cluster's DNS");
        break;
    case LADDER_HERE:
        what(w, "%s: could not be tried: %s", w->dns, strerror(r->error));
        break;
    default:
        what(w, "%s  timeout on udp and tcp", w->dns);
        mend(w, "is the cluster up? Do routes and firewalls let 53/udp and 53/tcp "
                "through, in both directions?");
        break;
    }
}

/* ---- somebody answers ---- */

static void explain_refusal(struct words *w)
{
    char code[RDATA_MNEMONIC_MAX];
    const struct ladder_result *r = w->result;
    if (r->state == LADDER_REFUSED) {
        what(w, "%s answers REFUSED", w->dns);
        mend(w,
             "let this host ask (acl or view in the cluster's Corefile); or its "
             "names do not end in %s: `domain`",
             w->domain);
    } else if (r->unsteady) {
        what(w, "%s answers some questions and is silent to others", w->dns);
        mend(w, "packet loss, or a DNS that is overloaded");
    } else {
        what(w, "%s answers %s", w->dns, rcode_print(r->rcode, code));
        mend(w, "the log of the cluster's DNS says why");
    }
}

static void explain_domain(struct words *w)
{
    const struct ladder_result *r = w->result;
    const char *domain = w->found;
    size_t len = strlen(domain);
    if (r->domain.len == 0) {
        what(w, "%s answers, but knows no dns-version.%s", w->dns, w->domain);
        mend(w, "`domain NAME`: what the cluster's own names end in");
        return;
    }
    bool own = r->dns_name.len > 0;
    what(w, "%s answers, but says its names end in %s (PTR %s = %s)", w->dns, w->found,
         own ? w->dns : w->first, own ? w->dns_name : w->first_name);
    mend(w, "domain %.*s", (int)(len > 1 ? len - 1 : len), domain);
}

static void explain_cluster(struct words *w)
{
    const struct ladder_result *r = w->result;
    what(w, "PTR %s is not kubernetes.default%s%s%s: Services subnet is not %s",
         w->first, r->first_name.len > 0 ? " (but " : "",
         r->first_name.len > 0 ? w->first_name : "", r->first_name.len > 0 ? ")" : "",
         w->services);
    mend(w,
         "the cluster's own Service subnet (kube-apiserver --service-cluster-ip-range; "
         "kubectl get servicecidrs)");
}

static const char *silence(enum probe_outcome o)
{
    switch (o) {
    case PROBE_CLOSED:
        return "closed";
    case PROBE_UNREACHABLE:
        return "unreachable";
    case PROBE_GARBAGE:
        return "not DNS";
    case PROBE_ANSWERED:
    case PROBE_SILENT:
    case PROBE_FAILED:
        break;
    }
    return "silent";
}

static void explain_limits(struct words *w)
{
    const struct ladder_result *r = w->result;
    switch ((int)r->state) {
    case LADDER_REVERSE:
        what(w, "%s answers, but has no PTR of %s: no reverse names", w->dns, w->first);
        mend(w, "`kubernetes %.*s in-addr.arpa ip6.arpa` in the cluster's Corefile",
             (int)strlen(w->domain) - 1, w->domain);
        break;
    case LADDER_VERSION:
        what(w, "%s has no dns-version.%s, by which its health is watched", w->dns,
             w->domain);
        mend(w, "`max_fails 0`, or a DNS that keeps to the Kubernetes specification");
        break;
    case LADDER_TCP_ONLY:
        what(w, "udp %s, tcp ok: using tcp", silence(r->udp));
        mend(w, "let 53/udp through; or `force_tcp`");
        break;
    case LADDER_UDP_ONLY:
        what(w, "tcp %s, udp ok: long answers are lost", silence(r->tcp));
        mend(w, "let 53/tcp through");
        break;
    case LADDER_CONFIRM:
        what(w, "%s: the names of %s and %s do not lead back to them", w->dns, w->dns,
             w->first);
        break;
    default:
        what(w,
             "names resolve, but %s:443 is %s: Services may not be reachable from "
             "here",
             w->first, silence(r->service));
        mend(w,
             "a route to %s; Cilium: bpf.lbExternalClusterIP; EKS, GKE and AKS route "
             "no ClusterIPs",
             w->services);
        break;
    }
}

static void explain_ok(struct words *w)
{
    const struct ladder_result *r = w->result;
    size_t len = strlen(w->domain);
    what(w, "%s  %.1f ms  domain %.*s  spec %s", w->dns, r->rtt_us / 1000.0,
         (int)(len > 1 ? len - 1 : len), w->domain, r->version);
}

static void explain(struct words *w)
{
    switch (w->result->state) {
    case LADDER_OK:
        explain_ok(w);
        break;
    case LADDER_REFUSED:
    case LADDER_FAILING:
        explain_refusal(w);
        break;
    case LADDER_DOMAIN:
        explain_domain(w);
        break;
    case LADDER_CLUSTER:
        explain_cluster(w);
        break;
    case LADDER_REVERSE:
    case LADDER_VERSION:
    case LADDER_TCP_ONLY:
    case LADDER_UDP_ONLY:
    case LADDER_CONFIRM:
    case LADDER_SERVICES:
        explain_limits(w);
        break;
    case LADDER_NO_ROUTE:
    case LADDER_CLOSED:
    case LADDER_FILTERED:
    case LADDER_DOWN:
    case LADDER_NOT_DNS:
    case LADDER_HERE:
        explain_silence(w);
        break;
    }
}

/* ---- words for it ---- */

static void print_name(const struct name *n, char *out)
{
    out[0] = '\0';
    if (n->len > 0)
        name_print(n->wire, out);
}

void ladder_words(const struct ladder_question *q, const struct ladder_result *r,
                  char *text, char *how)
{
    struct words w = {.question = q, .result = r, .what = text, .mend = how};
    text[0] = how[0] = '\0';
    if (q->dns.port == 53)
        addr_print_ip(&q->dns, w.dns);
    else
        addr_print(&q->dns, w.dns);
    snprintf(w.first, sizeof w.first, "the first Service");
    snprintf(w.services, sizeof w.services, "its addresses");
    if (r->first.family != 0)
        addr_print_ip(&r->first, w.first);
    if (q->has_services)
        cidr_print(&q->services, w.services);
    print_name(&q->domain, w.domain);
    print_name(&r->domain, w.found);
    print_name(&r->dns_name, w.dns_name);
    print_name(&r->first_name, w.first_name);
    explain(&w);
}
