/* Every limit of the program: its name, its value (a default where an option can change
 * it), its unit, and the reason, with the RFC where there is one. Each name is a
 * constant:
 *
 *     if (q->steps++ == QUERY_STEPS_MAX) ...
 *
 * and the whole is a table for whoever prints one, such as the manual:
 *
 *     #define ROW(name, value, unit, reason) {#name, value, unit, reason},
 *     static const struct row rows[] = {LIMITS(ROW)};
 *
 * A limit that is met is a counter and a clean refusal, never a truncation. */
#ifndef ISTHMUS_BASE_LIMITS_H
#define ISTHMUS_BASE_LIMITS_H

#define LIMITS_QUERY(LIMIT)                                                            \
    LIMIT(QUERIES_IN_FLIGHT_MAX, 65536, "queries per worker",                          \
          "sizes the pool: a flood costs answers, not memory")                         \
    LIMIT(QUERY_DEADLINE_MS, 10000, "ms",                                              \
          "longer than any wait a plugin allows itself; a query never outlives it")    \
    LIMIT(QUERY_STEPS_MAX, 256, "steps of the driver",                                 \
          "a fuse: plugins that send a query in circles end in SERVFAIL")              \
    LIMIT(QUERY_DEPTH_MAX, 8, "look-ups",                                              \
          "started by look-ups: a chain of CNAME ends (RFC 1034, 5.2.2)")              \
    LIMIT(TRACE_STEPS_MAX, 1000, "steps",                                              \
          "written down of one question that is explained; then it says so")           \
    LIMIT(PATTERN_STEPS_MAX, 100000, "steps of one match",                             \
          "2 ms: a name that makes a pattern go further gets SERVFAIL")                \
    LIMIT(PATTERN_HEAP_MAX_KB, 1024, "KiB of one match",                               \
          "as with its steps: backtracking remembers")                                 \
    LIMIT(EXPR_TEXT_MAX, 4096, "octets of texts of one expression",                    \
          "made from a query: a name has 1 KiB at most; beyond it is false")           \
    LIMIT(DETACHED_MAX, 1000, "queries per worker",                                    \
          "prefetches and refreshes that no client waits for")                         \
    LIMIT(CLUSTER_IN_FLIGHT, 4096, "queries per cluster",                              \
          "max_concurrent: a cluster that is silent must not hold all queries")        \
    LIMIT(ANSWER_MAX, 65535, "octets",                                                 \
          "a DNS message can be no longer (RFC 1035, 4.2.2)")                          \
    LIMIT(UDP_ANSWER_MAX, 4096, "octets",                                              \
          "sent by UDP, whatever a client offers; beyond it is TC (RFC 6891, 6.2.5)")  \
    LIMIT(UDP_SIZE_OURS, 1232, "octets",                                               \
          "offered by us: a packet that needs no fragments (RFC 9715)")                \
    LIMIT(EDNS_OPTIONS_MAX, 400, "octets",                                             \
          "options passed on: with them a question still fits one packet")             \
    LIMIT(GOTMPL_STEPS_MAX, 10000, "instructions of one run",                          \
          "a template that counts to a million would hold up all other queries")       \
    LIMIT(ETCD_SCAN_MAX, 65536, "keys of one question",                                \
          "`etcd`: looked at, with those of targets; beyond it is SERVFAIL")           \
    LIMIT(ETCD_LOOKUPS_MAX, 32, "look-ups of one question",                            \
          "`etcd`: of targets outside its zones, one after another")                   \
    LIMIT(TEMPLATE_TEXT_MAX, 16384, "octets of one record's text",                     \
          "made from a query: a quarter of what a message holds at most")

#define LIMITS_CLIENT(LIMIT)                                                           \
    LIMIT(UDP_BATCH, 64, "datagrams",                                                  \
          "per system call: more gains little and delays the first")                   \
    LIMIT(TAP_WORKERS_MAX, 1024, "workers",                                            \
          "`dnstap`: as many as `multisocket` takes")                                  \
    LIMIT(TAP_SINKS_MAX, 64, "connections",                                            \
          "`dnstap listen`: every message is written to each of them")                 \
    LIMIT(TAP_FLUSH_MS, 100, "ms", "`dnstap`: a message waits no longer to be sent")   \
    LIMIT(TAP_WAIT_S, 4, "s", "`dnstap`: for a peer, at each step; as CoreDNS")        \
    LIMIT(TAP_BACKLOG_MAX, 1024 * 1024, "octets",                                      \
          "`dnstap listen`: that wait for one reader; it misses what comes then")      \
    LIMIT(TAP_END_MS, 1000, "ms",                                                      \
          "`dnstap`: for all peers at the end, which a reload waits for")              \
    LIMIT(TAP_NEWCOMERS_MAX, 16, "connections",                                        \
          "`dnstap listen`: that shake hands; the oldest gives up its place")          \
    LIMIT(TAP_NAME_MS, 1000, "ms",                                                     \
          "`dnstap listen`: for the host's name, which a reload waits for")            \
    LIMIT(TAP_RETRY_S, 10, "s",                                                        \
          "`dnstap`: between attempts to reach a peer, and lines about losses")        \
    LIMIT(SHED_DEPTH, 1024, "answers per UDP socket",                                  \
          "`shed`: a burst, some 15 ms of what a socket takes")                        \
    LIMIT(TCP_CLIENTS_MAX, 10000, "connections",                                       \
          "of all clients, so that descriptors remain (RFC 7766, 10)")                 \
    LIMIT(TCP_CLIENTS_PER_ADDRESS, 1000, "connections",                                \
          "a default: one client must not take them all (RFC 7766, 10)")               \
    LIMIT(TCP_FIRST_MS, 3000, "ms",                                                    \
          "until the first query is whole: who connects has a question")               \
    LIMIT(TCP_IDLE_MS, 10000, "ms",                                                    \
          "between queries: some seconds are asked for (RFC 7766, 6.2.3)")             \
    LIMIT(TCP_WRITE_MS, 5000, "ms", "until a client takes some of what waits for it")  \
    LIMIT(TCP_TOTAL_S, 3600, "s",                                                      \
          "life of a connection: clients spread again over changed servers")           \
    LIMIT(TCP_PIPELINE_MAX, 100, "queries per connection",                             \
          "in flight; then reading rests until answers are out (RFC 7766, 10)")        \
    LIMIT(TCP_WRITE_QUEUE_MAX, 1024 * 1024, "octets per connection",                   \
          "not taken by the client: reading rests from the first, here it is cut off") \
    LIMIT(TLS_TURN_US, 5000, "us per turn of a worker",                                \
          "of handshakes: who opens many must not keep others waiting")                \
    LIMIT(TLS_GREETING_MAX, 512, "handshakes per worker",                              \
          "under way: each has some 50 KiB; the oldest gives up its place")            \
    LIMIT(HTTPS_CLIENTS, 200, "connections per address",                               \
          "a default of https, as in CoreDNS: idle ones make room")                    \
    LIMIT(HTTP_HEAD_MAX, 96 * 1024, "octets",                                          \
          "of one request: 64 KiB in base64, and what browsers add")                   \
    LIMIT(HTTP2_TABLE_MAX, 1024, "octets per connection",                              \
          "of header fields that a client need not repeat (RFC 7541, 4.2)")            \
    LIMIT(CHUNKS_ASIDE_MAX, 4096, "octets",                                            \
          "of one chunked body: extensions and trailers, which mean nothing")          \
    LIMIT(TRANSFER_STALL_MS, 60000, "ms",                                              \
          "between two messages of a zone transfer: then the other end is given up")   \
    LIMIT(TCP_BUFFERS_MAX, 32 * 1024 * 1024, "octets per worker",                      \
          "of all connections: answers not taken, queries not whole")

#define LIMITS_ADMIN(LIMIT)                                                            \
    LIMIT(ADMIN_CLIENTS_MAX, 64, "connections per address",                            \
          "scrapers and probes of health: more is somebody else")                      \
    LIMIT(ADMIN_CLIENTS_PER_PEER, 32, "connections per address and client",            \
          "half of them: one client must not keep the probe of health out")            \
    LIMIT(ADMIN_IDLE_S, 10, "s", "then a connection for pages is closed")              \
    LIMIT(ADMIN_REQUEST_MAX, 16384, "octets per connection",                           \
          "for the head of a request and that of the answer")

#define LIMITS_CONTROL(LIMIT)                                                          \
    LIMIT(CONTROL_CLIENTS_MAX, 16, "connections",                                      \
          "to the control socket: people and scripts, not the public")                 \
    LIMIT(CONTROL_LINE_MAX, 4096, "octets", "of one command: the longest name fits")   \
    LIMIT(CONTROL_IDLE_S, 15, "s",                                                     \
          "without a command, or without taking an answer: longer than any question")

#define LIMITS_UPSTREAM(LIMIT)                                                         \
    LIMIT(UPSTREAM_UDP_SOCKETS, 4, "sockets per upstream and worker",                  \
          "each on a random port, which a forger must guess (RFC 5452, 9.2)")          \
    LIMIT(UPSTREAM_OWNERS, 8, "upstreams per worker",                                  \
          "that have sockets of their own; when more are in use the rest shares some") \
    LIMIT(UPSTREAM_SHARED_SOCKETS, 8, "sockets per worker and address family",         \
          "for those that share; each on a random port, one drawn in a turn")          \
    LIMIT(                                                                             \
        UPSTREAM_GUESSES, 16, "datagrams a minute",                                    \
        "under IDs never used, on shared sockets: of 65,536 IDs one is to be guessed") \
    LIMIT(UPSTREAM_ALIKE, 16, "questions per worker and upstream group",               \
          "out for one name that differ in options or letters; more go over TCP")      \
    LIMIT(UPSTREAM_SOCKET_QUESTIONS, 4096, "questions",                                \
          "then a socket retires: few IDs of one port are ever tried")                 \
    LIMIT(UPSTREAM_SOCKET_LIFE_S, 30, "s",                                             \
          "then a socket retires: a port found out is soon of no use (RFC 5452, 10)")  \
    LIMIT(UPSTREAM_SOCKET_IDLE_S, 10, "s", "unused, then a socket is closed")          \
    LIMIT(UPSTREAM_TCP_CONNECTIONS, 4, "connections per upstream and worker",          \
          "as few as the load allows (RFC 7766, 6.2.2)")                               \
    LIMIT(UPSTREAM_HTTP1_CONNECTIONS, 32, "connections per upstream and worker",       \
          "to https:// over HTTP/1.1, where each has one question out at a time")      \
    LIMIT(UPSTREAM_TCP_PIPELINE, 256, "questions per connection",                      \
          "unanswered; then the next connection takes over")                           \
    LIMIT(UPSTREAM_TRIES, 3, "tries",                                                  \
          "of one question at one server, the first included (RFC 9520, 3.1)")         \
    LIMIT(UPSTREAM_HEDGE_MS, 50, "ms",                                                 \
          "or 4 x RTT: silence after which another server is asked as well")           \
    LIMIT(UPSTREAM_TRIAL_MS, 250, "ms",                                                \
          "between trials while all of a cluster are down: back within a second")      \
    LIMIT(UPSTREAM_LATE_ANSWERS, 64, "questions per worker",                           \
          "listened for after another answered: who is late is not dead")              \
    LIMIT(PROBES_PER_S, 200, "probes per s",                                           \
          "of all upstreams: a thousand dead clusters must not make a flood")

#define LIMITS_ZONES(LIMIT)                                                            \
    LIMIT(NOTIFY_TRIES, 4, "tries",                                                    \
          "of one NOTIFY, 15 s in all: the refresh timer finds what is missed")        \
    LIMIT(FETCH_RUNNING_MAX, 16, "transfers",                                          \
          "of zones on their way in: the rest waits")                                  \
    LIMIT(INBOUND_RETRIES_PER_S, 100, "zones",                                         \
          "asked for again after a failure; and as many members of catalogs")          \
    LIMIT(FETCH_CONNECT_MS, 5000, "ms", "until a primary takes the connection")        \
    LIMIT(FETCH_STALL_MS, 20000, "ms",                                                 \
          "between two messages of a primary: then the next one is asked")             \
    LIMIT(FETCH_TOTAL_S, 1800, "s",                                                    \
          "of one transfer: who sends an octet a second must not hold its place")      \
    LIMIT(ZONE_OCTETS_MAX, 256 * 1024 * 1024, "octets",                                \
          "of one transfer, and of its records and names in full: fifty times more")   \
    LIMIT(ZONE_HOSTS_MAX, 256, "records of one name and type",                         \
          "whose hosts' addresses go along: of more they would hardly fit a message")  \
    LIMIT(NSEC3_ITERATIONS_MAX, 150, "iterations",                                     \
          "each question may hash four names: validators take no more (RFC 9276)")     \
    LIMIT(CATALOG_MEMBERS_MAX, 100000, "zones",                                        \
          "of one catalog: each may be a transfer, and has some hundred octets")       \
    LIMIT(NOTIFY_RUNNING_MAX, 64, "messages",                                          \
          "of all NOTIFYs without an answer: thousands of zones are told in turn")

#define LIMITS_CONFIG(LIMIT)                                                           \
    LIMIT(CONFIG_FILE_MAX, 64 * 1024 * 1024, "octets per file",                        \
          "whoever names an endless file by mistake is told")                          \
    LIMIT(CONFIG_IMPORTS_MAX, 100000, "imports of files per Corefile",                 \
          "files that import each other end in an error")                              \
    LIMIT(CONFIG_SNIPPETS_MAX, 10000, "snippets imported per Corefile",                \
          "snippets that import each other end in an error")                           \
    LIMIT(CONFIG_WORDS_MAX, 32 * 1024 * 1024, "words per Corefile",                    \
          "brought into one Corefile by imports: a small file can import large ones")  \
    LIMIT(PATTERN_LEN_MAX, 10000, "octets per regular expression", "as in CoreDNS")    \
    LIMIT(EXPR_DEPTH_MAX, 32, "values",                                                \
          "that an expression has in hand at a time: deeper nesting is refused")       \
    LIMIT(ENV_TEXT_MAX, 64 * 1024, "octets per token",                                 \
          "that variables add to one token: values can double one another")            \
    LIMIT(ENV_ROUNDS_MAX, 64, "substitutions per token",                               \
          "an environment variable that names itself ends in an error")

#define LIMITS_INVENTORY(LIMIT)                                                        \
    LIMIT(JSON_DEPTH_MAX, 8, "values inside each other",                               \
          "an inventory needs five: whoever nests deeper is told, and costs no stack") \
    LIMIT(YAML_DEPTH_MAX, 16, "values inside each other", "a kubeconfig needs seven")  \
    LIMIT(KUBE_OBJECT_MAX, 4 * 1024 * 1024, "octets of one object of an API",          \
          "Kubernetes and etcd keep none above 2 MiB")                                 \
    LIMIT(INVENTORY_OCTETS_MAX, 64 * 1024 * 1024, "octets of one answer over HTTP",    \
          "a list of a hundred thousand clusters has a quarter of that")               \
    LIMIT(KUBE_CONTEXTS_MAX, 1000, "contexts of one inventory",                        \
          "each has a thread and some connections")                                    \
    LIMIT(KUBE_EXEC_MAX, 4, "programs of kubeconfigs at once",                         \
          "those of the clouds take a hundred megabytes each")                         \
    LIMIT(HTTP_PATIENCE_S, 30, "s", "for one such answer")                             \
    LIMIT(INVENTORY_RECORD_MAX, 64 * 1024, "octets of one cluster's JSON",             \
          "with it a tree is small: a cluster has some hundred octets")                \
    LIMIT(INVENTORY_LIST_MAX, 64, "zones, subnets or addresses of one cluster",        \
          "of each: a cluster has one or two")                                         \
    LIMIT(ETCD_KEYS_MAX, 1000000, "keys below the path of one `etcd`",                 \
          "all are held: a path that is too short must not take all memory")           \
    LIMIT(LIST_MAX_MB, 4096, "MiB of one list that comes in pages",                    \
          "of etcd, of Kubernetes: a million objects of 4 KiB; all lists end")         \
    LIMIT(LIST_OBJECTS_MAX, 1000000, "objects of such a list",                         \
          "as many as clusters; with more the list is refused whole")                  \
    LIMIT(INVENTORY_CLUSTERS_MAX, 1000000, "clusters of one source",                   \
          "ten times what is tried: a source gone wrong must not take all memory")

#define LIMITS(LIMIT)                                                                  \
    LIMITS_QUERY(LIMIT)                                                                \
    LIMITS_CLIENT(LIMIT)                                                               \
    LIMITS_ADMIN(LIMIT)                                                                \
    LIMITS_CONTROL(LIMIT)                                                              \
    LIMITS_UPSTREAM(LIMIT)                                                             \
    LIMITS_ZONES(LIMIT)                                                                \
    LIMITS_CONFIG(LIMIT)                                                               \
    LIMITS_INVENTORY(LIMIT)

#define LIMITS_CONSTANT(name, value, unit, reason) name = (value),
enum { LIMITS(LIMITS_CONSTANT) };
#undef LIMITS_CONSTANT

#endif
