/* The ladder of questions that tells what is wrong with a cluster's DNS, by DNS alone
 * and without credentials: is there a route, does it answer over UDP and TCP, does it
 * answer us, does it say that it is the cluster we mean (PTR of its own address and of
 * the first one of its Service subnet), does it know the domain, and does a Service
 * address answer.
 *
 * The names of a cluster's own Services are fixed by the Kubernetes DNS specification,
 * and the first address of the Service subnet is that of kubernetes.default in every
 * cluster. Traffic goes to the DNS address and to that first address (port 443), to
 * nothing else. */
#ifndef ISTHMUS_SERVER_LADDER_H
#define ISTHMUS_SERVER_LADDER_H

#include "server/probe.h"

/* What is wrong, in the order of the rungs: the first broken one is told. */
enum ladder_state {
    LADDER_OK,
    LADDER_NO_ROUTE, /* the network says that nothing is there */
    LADDER_CLOSED,   /* a host is there, its port 53 is closed: no endpoints? */
    LADDER_FILTERED, /* DNS is silent, but the cluster's first Service answers */
    LADDER_DOWN,     /* all is silent */
    LADDER_NOT_DNS,  /* what answers speaks no DNS */
    LADDER_REFUSED,  /* it does not answer us */
    LADDER_FAILING,  /* SERVFAIL and the like */
    LADDER_DOMAIN,   /* its names end in another domain */
    LADDER_CLUSTER,  /* it belongs to another cluster, or the subnet is wrong */
    LADDER_REVERSE,  /* it has no reverse names */
    LADDER_VERSION,  /* no dns-version: its state cannot be watched */
    LADDER_TCP_ONLY, /* UDP is silent */
    LADDER_UDP_ONLY, /* TCP does not work: long answers are lost */
    LADDER_CONFIRM,  /* asked for: name and address do not lead to each other */
    LADDER_SERVICES, /* names resolve, but Service addresses do not answer */
    LADDER_HERE,     /* it could not be tried: no sockets */
};

struct ladder_question {
    struct addr dns;
    bool has_services; /* `services` is the subnet with `dns`, or the cluster's first */
    struct cidr services;
    bool dual_stack;    /* there are subnets of both families: kubernetes.default has an
                           address in the cluster's first one only */
    struct name domain; /* what the names are expected to end in; len 0: not known */
    bool force_tcp;     /* UDP is not used, and not asked for */
    bool confirm;       /* also: name -> address -> name */
    bool dns_only;      /* nothing goes to the first address of `services` */
};

struct ladder_result {
    enum ladder_state state;
    bool unsteady;                    /* it answers some questions only */
    struct name domain;               /* what its names end in; len 0: not found out */
    struct name dns_name, first_name; /* the PTRs; len 0: none */
    struct addr first;                /* the first address of the subnet; family 0 */
    enum probe_outcome udp, tcp, service; /* service: of the first address, port 443 */
    int error;                            /* an errno: LADDER_NO_ROUTE, LADDER_HERE */
    uint16_t rcode;                       /* LADDER_REFUSED, LADDER_FAILING */
    uint32_t rtt_us;                      /* of the answer over UDP, or TCP; 0: none */
    char version[PROBE_TEXT_MAX];         /* of the schema: "1.1.0"; "": not told */
};

enum ladder_stage {
    REACHING,   /* the first question over UDP and TCP; the first Service */
    NAMING,     /* the PTRs */
    VERSIONING, /* dns-version under the domain they told */
    CONFIRMING, /* the names of the PTRs lead back */
};

#define LADDER_PROBES 3 /* at the same time */

struct ladder {
    struct ladder_question question;
    void (*done)(struct ladder *l); /* afterwards l may be started anew */
    uint32_t number;                /* the caller's, as context is */
    void *context;                  /* the caller's */

    struct ladder_result result;
    uv_loop_t *loop;
    enum ladder_stage stage;
    unsigned waiting;          /* probes under way */
    bool ready[LADDER_PROBES]; /* to be started */
    struct probe probes[LADDER_PROBES];
};

/* `done`, `question` and `context` are set. Takes at most 6 s. */
void ladder_start(struct ladder *l, uv_loop_t *loop);

/* 0: all is well; 1: it works less well, or is away for now; 2: it stays broken until
 * somebody mends it. */
int ladder_level(enum ladder_state state);

/* "WRONG DOMAIN", "ok". */
const char *ladder_state_print(enum ladder_state state);

/* The last labels of a Service's name in a cluster, its domain: of
 * `kube-dns.kube-system.svc.cluster.local` it is cluster.local. 0, or -1: it is no such
 * name. */
int ladder_domain(const struct name *service, struct name *out);

#endif
