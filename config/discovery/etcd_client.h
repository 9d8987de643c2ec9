/* etcd, for whoever follows the keys below a prefix: the source `etcd:PREFIX` of
 * inventories and the plugin `etcd`.
 *
 *     etcd_client_init(&c, &settings);          // 0, or -1: no memory
 *     if (etcd_client_list(&c) == 0)            // all keys: put() for each ...
 *         etcd_client_watch(&c);                // ... and what changes from there on
 *     etcd_client_failed(&c);                   // c.why says why; the next endpoint
 *     etcd_client_release(&c);
 *
 * Spoken to through the JSON gateway of etcd 3.4 and later: keys and values in base64,
 * numbers of 64 bits as texts. Everything below the prefix is read page by page at one
 * revision, in the order of the keys, and watched from the revision after it. A watch
 * always ends some time; read all again then, so that nothing can be missed.
 *
 * On the source's own thread, which may wait; whatever is under way ends when the
 * source is told to. No credential is ever part of a message. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_ETCD_CLIENT_H
#define ISTHMUS_CONFIG_DISCOVERY_ETCD_CLIENT_H

#include "config/discovery/access.h"
#include "config/discovery/list_size.h"

/* A key as etcd has it; good until the call it is given to returns. */
struct etcd_key {
    struct text key; /* begins with the prefix; any octets; NUL-terminated */
    struct text value;
    bool is_coded;  /* false: the value was no base64, or there was no memory */
    uint64_t lease; /* 0: none */
};

/* Who is told. `context` is the settings'. */
struct etcd_sink {
    /* False: no more can be taken. A list ends with that, for the `why` that was set;
     * of a watch told() says so. */
    bool (*put)(void *context, const struct etcd_key *key);
    void (*gone)(void *context, struct text key); /* of the watch only */
    /* A message of the watch is over; without events it says that etcd is there. False
     * ends the watch; c.why is to say why. */
    bool (*told)(void *context, bool events);
    void (*idle)(void *context); /* about once a second of a silent watch */
};

struct etcd_client_settings {
    struct text prefix;                    /* ends in a slash */
    const struct discovery_access *access; /* read at each connect; outlives it */
    const struct etcd_sink *sink;
    void *context;
    int stop_fd; /* readable when it is time to end */
};

struct etcd_client {
    struct etcd_client_settings settings;
    struct arena arena; /* of one request */
    struct arena kept;  /* of the prefix */
    struct text prefix;
    char *from64, *end64; /* the prefix, and behind all keys with it, in base64 */
    char endpoint[512];   /* the one in use, without a slash at its end */
    uint32_t turn;        /* of the endpoints: on failure the next */
    struct http *http;
    const char
        *secret;     /* of the request under way, which a reply may repeat; or NULL */
    unsigned wait_s; /* asked for by the server; 0: not */
    char revision[32];
    bool wrong;            /* the watch said something that is no event */
    bool too_much;         /* the list is refused */
    struct list_size size; /* of it */
    char why[HTTP_WHY_MAX];
};

/* To be released also after -1. */
int etcd_client_init(struct etcd_client *c,
                     const struct etcd_client_settings *settings);
void etcd_client_release(struct etcd_client *c);

/* Connects where it is not, authenticates a user, and reads all. 0 or -1. */
int etcd_client_list(struct etcd_client *c);

/* Returns when the watch has ended, for `why`. */
void etcd_client_watch(struct etcd_client *c);

/* Seconds that a lease has left, and had when it was granted or kept alive last; *left
 * is -1 when there is no such lease. Connects where it is not. 0 or -1. */
int etcd_client_lease(struct etcd_client *c, uint64_t lease, int64_t *left,
                      int64_t *granted);

/* Disconnects; another endpoint has its turn. */
void etcd_client_failed(struct etcd_client *c);

/* `why` begins with the endpoint. Returns -1. */
int etcd_client_why(struct etcd_client *c, const char *why);

#endif
