/* The seam, outward, of set-up: what a plugin's setup needs of the world besides files.
 * server/outside.c implements it, tests with a script. Used on the control thread only;
 * a call may take seconds. */
#ifndef ISTHMUS_RESOLVER_OUTSIDE_H
#define ISTHMUS_RESOLVER_OUTSIDE_H

#include "base/addr.h"
#include "base/name.h"

#define OUTSIDE_ADDRS_MAX                                                              \
    32 /* of one name and family; a server with more has enough                        \
        */
#define OUTSIDE_REASON_MAX 160

struct outside_addrs {
    struct addr list[OUTSIDE_ADDRS_MAX]; /* ports are 0 */
    uint32_t n;
    char reason[OUTSIDE_REASON_MAX]; /* why there are none */
};

/* PEM text, NUL-terminated; NULL: none. */
struct outside_tls {
    const char *cert, *key; /* of the client; both or none */
    const char *ca;         /* NULL: those the system trusts */
    const char *servername; /* whose certificate it must be; NULL: the address's */
    bool unverified;        /* any certificate will do */
    bool https;             /* HTTP is said inside, for ALPN */
};

/* Whether clients are to show a certificate, as Go's crypto/tls names it. */
enum client_auth {
    CLIENT_AUTH_NONE,
    CLIENT_AUTH_REQUEST,         /* asked for; any will do, or none */
    CLIENT_AUTH_REQUIRE,         /* any will do */
    CLIENT_AUTH_VERIFY_IF_GIVEN, /* one that the CA has signed, or none */
    CLIENT_AUTH_REQUIRE_AND_VERIFY,
};

/* PEM text, as above. */
struct outside_tls_server {
    const char *cert, *key;
    const char *ca; /* of clients; NULL: those the system trusts */
    enum client_auth client_auth;
    const char *keylog; /* a file that secrets of connections are added to; NULL */
};

/* Where dnstap messages go (Frame Streams, https://dnstap.info). */
enum tap_kind { TAP_UNIX, TAP_TCP, TAP_TLS };

struct outside_tap {
    enum tap_kind kind;
    bool listen;      /* wait for those who want them, instead of connecting */
    const char *path; /* TAP_UNIX */
    const char *host; /* else: a name or an address */
    const char *port;
    uint32_t queue;       /* messages of usual length that may wait, for each worker */
    uint32_t send_buffer; /* octets, for TCP */
    const void *tls;      /* TAP_TLS: of tls_new(), or tls_server_new() to listen; it
                             outlives the tap */
};

/* What a plan is made for. */
enum outside_use {
    OUTSIDE_SERVE,
    OUTSIDE_ASK,  /* it is looked at, by `isthmus check` say: nothing is written */
    OUTSIDE_READ, /* and nobody is asked */
};

struct outside {
    enum outside_use use;

    /* Asks each server in turn for the addresses of a family (4 or 6), 2 s each;
     * without servers the system, as its other programs do, 5 s in all. 0, or -1: no
     * server said anything, or that there is no such name. */
    int (*lookup)(const struct name *name, uint8_t family, const struct addr *servers,
                  uint32_t servers_n, struct outside_addrs *out);

    /* Settings for connections by TLS. NULL: `reason`, which holds OUTSIDE_REASON_MAX,
     * says why. tls_free() may be called while connections made with them are open. */
    void *(*tls_new)(const struct outside_tls *files, char *reason);
    /* The same for connections of clients. */
    void *(*tls_server_new)(const struct outside_tls_server *files, char *reason);
    /* Others in their place, for the same servername, as below. */
    int (*tls_renew)(void *tls, const struct outside_tls *files, char *reason);
    /* Others in their place, for connections to come. 0: `reason` says whose they are
     * and until when; -1: why not, and all stays. The key log goes on. */
    int (*tls_server_renew)(void *tls, const struct outside_tls_server *files,
                            char *reason);
    /* For a listener of several: the certificate of each, chosen by the name that the
     * client asks for (the last, if none has it); what is asked of clients is
     * list[policy]'s. NULL: no memory. */
    void *(*tls_server_join)(const void *const *list, uint32_t n, uint32_t policy);
    void (*tls_free)(void *tls);

    /* NULL: there are no streams, and a directive for one is only read.
     * Copies what it keeps. A peer that is not there is tried again from time to time;
     * NULL: no memory, or an address that cannot be listened on: `reason` says why. */
    void *(*tap_open)(const struct outside_tap *how, char *reason);
    void (*tap_close)(void *tap);

    /* An inventory has something new: clusters_refresh() is to be called. On any
     * thread; may be NULL. */
    void (*changed)(void *context);
    void *context;
};

#endif
