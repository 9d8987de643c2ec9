/* How clients of TLS are met, by a block and by a listener: several blocks of one
 * address may have a certificate each. */
#ifndef ISTHMUS_RESOLVER_PLAN_TLS_H
#define ISTHMUS_RESOLVER_PLAN_TLS_H

#include "base/arena.h"
#include "base/error.h"
#include "resolver/outside.h"

/* What a block's `tls` says. */
struct plan_tls {
    const void *settings; /* of struct outside; NULL = not said */
    const char *ca; /* whose clients are believed, as written; NULL = the system's */
    enum client_auth client_auth;
    struct where at;
};

/* What a listener does. */
struct plan_listener_tls {
    const void *settings;  /* NULL: in the clear */
    void *joined;          /* the same, if they are its own */
    struct plan_tls *list; /* of its blocks, in file order */
    uint32_t n, cap;
};

/* Adds a block's; one that says nothing changes nothing. 0, or -1: no memory. */
int plan_tls_add(struct plan_listener_tls *l, struct arena *a,
                 const struct plan_tls *tls);

/* After the last: settings are there. A name is no lock: who asks for one block's
 * certificate can ask for another block's names, so all clients are asked for what the
 * strictest block asks for (the last of several); a warning tells where blocks differ.
 * 0, or -1 after adding an error. */
int plan_tls_finish(struct plan_listener_tls *l, struct arena *a,
                    const struct outside *outside, struct errors *errs);

void plan_tls_release(struct plan_listener_tls *l, const struct outside *outside);

#endif
