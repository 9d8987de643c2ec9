/* The rules `rewrite edns0 local|nsid|subnet set|append|replace|unset`: EDNS options of
 * the question as the plugins below, and so the upstream, see them. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_REWRITE_EDNS0_H
#define ISTHMUS_RESOLVER_PLUGINS_REWRITE_EDNS0_H

#include "resolver/plugins/rewrite/rewrite_match.h"
#include "resolver/query.h"

enum rewrite_edns0_action {
    EDNS0_SET,     /* replaced where it is there, else added */
    EDNS0_APPEND,  /* added */
    EDNS0_REPLACE, /* only where it is there */
    EDNS0_UNSET,   /* removed */
};

enum rewrite_edns0_value {
    EDNS0_TEXT,      /* `data` as it is */
    EDNS0_QNAME,     /* printed, with a final dot */
    EDNS0_QTYPE,     /* two octets, as the ports */
    EDNS0_CLIENT_IP, /* 4 or 16 octets */
    EDNS0_CLIENT_PORT,
    EDNS0_PROTOCOL, /* "udp" or "tcp" */
    EDNS0_SERVER_IP,
    EDNS0_SERVER_PORT,
    EDNS0_LABEL,      /* the value of the metadata label that `data` names */
    EDNS0_NSID_WISH,  /* nothing: asks for the server's identifier (RFC 5001) */
    EDNS0_CLIENT_NET, /* RFC 7871, of the client's address */
};

struct rewrite_edns0 {
    enum rewrite_edns0_action action;
    enum rewrite_edns0_value value;
    uint16_t code;
    bool revert; /* undone in the answer */
    uint8_t v4_bits, v6_bits;
    struct span data;
};

/* What a change replaced, for revert. */
struct rewrite_edns0_old {
    bool added; /* there was nothing: the option goes again */
    struct span data;
};

/* Changes q->request.opt, whose options must live as long as the query: *old points
 * there. REWRITE_YES when the rule applied. */
enum rewrite_result rewrite_edns0_apply(const struct rewrite_edns0 *e, struct query *q,
                                        struct rewrite_edns0_old *old);

/* Undoes it in q->response->options. 0, or -1: no memory. */
int rewrite_edns0_revert(const struct rewrite_edns0 *e, struct query *q,
                         const struct rewrite_edns0_old *old);

/* A variable such as `{qname}`; false when it is none. */
bool rewrite_edns0_variable(const char *word, enum rewrite_edns0_value *out);

#endif
