/* What `inventory` shows to its source, and what it believes: the options of sources
 * over HTTP. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_CLUSTER_ACCESS_H
#define ISTHMUS_RESOLVER_PLUGINS_CLUSTER_ACCESS_H

#include "resolver/clusters.h"
#include "resolver/plugin.h"

/* The address of a DNS server, port 53 unless it says another. -1: the error is said.
 */
int access_parse_address(struct reader *rd, const char *word, struct addr *out);

int access_parse_tls(struct reader *rd, void *spec);
int access_parse_user(struct reader *rd, void *spec);
int access_parse_token_file(struct reader *rd, void *spec);
int access_parse_endpoint(struct reader *rd, void *spec);
int access_parse_dns(struct reader *rd, void *spec);
int access_parse_kubeconfig(struct reader *rd, void *spec);

#define ACCESS_FIELD(name) offsetof(struct cluster_spec, access.name)

#define ACCESS_OPTIONS_N 8
#define ACCESS_OPTIONS                                                                 \
    {.name = "tls",                                                                    \
     .kind = OPTION_CUSTOM,                                                            \
     .parse = access_parse_tls,                                                        \
     .args = "[CERT KEY] [CA]",                                                        \
     .help = "files of what is shown to an https:// source, and of the authorities "   \
             "that are believed instead of the system's"},                             \
        {.name = "token_file",                                                         \
         .kind = OPTION_CUSTOM,                                                        \
         .parse = access_parse_token_file,                                             \
         .args = "FILE",                                                               \
         .help = "a bearer token for the source; read again for every request"},       \
        {.name = "user",                                                               \
         .kind = OPTION_CUSTOM,                                                        \
         .parse = access_parse_user,                                                   \
         .args = "NAME PASSWORD-FILE",                                                 \
         .help = "a user of the source"},                                              \
        {.name = "insecure",                                                           \
         .kind = OPTION_FLAG,                                                          \
         .offset = ACCESS_FIELD(insecure),                                             \
         .help = "believe any certificate: whoever is on the way can say what "        \
                 "clusters there are"},                                                \
        {.name = "kubeconfig",                                                         \
         .kind = OPTION_CUSTOM,                                                        \
         .parse = access_parse_kubeconfig,                                             \
         .args = "FILE[:FILE...]",                                                     \
         .fallback = "$KUBECONFIG, else ~/.kube/config",                               \
         .help = "how to reach APIs of Kubernetes, and as whom"},                      \
        {.name = "dns",                                                                \
         .kind = OPTION_CUSTOM,                                                        \
         .parse = access_parse_dns,                                                    \
         .args = "ADDRESS[:PORT]...",                                                  \
         .fallback = "what the source says, else the rule",                            \
         .help = "addresses of the DNS, for a source of one cluster"},                 \
        {.name = "exec",                                                               \
         .kind = OPTION_FLAG,                                                          \
         .offset = ACCESS_FIELD(exec),                                                 \
         .help = "run the programs by which a kubeconfig gets its credentials"},       \
    {                                                                                  \
        .name = "endpoint", .kind = OPTION_CUSTOM, .parse = access_parse_endpoint,     \
        .args = "URL...", .fallback = "http://127.0.0.1:2379",                         \
        .help = "members of etcd, asked in turn"                                       \
    }

/* After all options: file names as they are for the process, and a word about what is
 * insecure. 0, or -1 after adding an error. */
int access_settle(struct setup *s, struct cluster_spec *spec);

#endif
