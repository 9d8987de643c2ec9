/* Who is down, and how we find out that he is back. For upstream.c and inquiry.c.
 *
 * forward, as CoreDNS: an error starts at most one loop of probes per address: at once,
 * then every interval until one succeeds. Failed probes are counted, not failed
 * questions; more than max_fails in a row are down.
 *
 * cluster: attempts count: max_fails failures in a row are down, any answer ends that.
 * While an address is in use it is probed every interval; a doubted one (it failed
 * last) and one that is down every 250 to 500 ms, then ever more slowly up to 2 s. A
 * probe alone never takes an address down. While all are down, questions send one trial
 * per UPSTREAM_TRIAL_MS.
 *
 * Silence while another answered is a failure at once, lest every question should have
 * to wait for it anew; but an answer that comes after all makes up for it. Any answer
 * to a question brings back who is down, in `forward` too.
 *
 * A probe is `NAME TYPE` of the group; any answer to it is success. All probes of the
 * process together keep to PROBES_PER_S. */
#ifndef ISTHMUS_RESOLVER_HEALTH_H
#define ISTHMUS_RESOLVER_HEALTH_H

#include "resolver/inquiry.h"

/* Where the news came from: the worker, and the group with the plan it belongs to. */
struct health_of {
    struct upstreams *u;
    const struct upstream_group *group;
    struct plan_hold *hold;
};

bool health_down(const struct upstream_group *g, const struct upstream *up);
bool health_all_down(const struct upstream_group *g);

/* Whether every address has been drained (`isthmus drain`): whoever has a choice of
 * clusters takes another, and what the cache has is given as it is. The cluster is
 * asked all the same for what nobody else knows. */
bool health_drained(const struct upstream_group *g);

/* Whether it has been asked, or has answered a probe. */
bool health_known(const struct upstream *up);

/* "up", "degraded" (some address is down), "drained", "down" or "not asked yet", which
 * NULL is too: a cluster without a group. */
const char *health_state(const struct upstream_group *g);

/* Whether some address is drained and another is up: the former is then passed over. */
bool health_spares(const struct upstream_group *g);

/* An answer came after `rtt_us`. */
void health_alive(const struct health_of *of, struct upstream *up, uint64_t rtt_us);

/* An attempt that was sent at `sent_us` failed with this errno (0: silence). */
void health_failed(const struct health_of *of, struct upstream *up, uint64_t sent_us,
                   int error);

/* A question goes to `up`, or passes it over because it is down: it is watched. */
void health_used(const struct health_of *of, struct upstream *up);
void health_passed_over(const struct health_of *of, struct upstream *up);

/* All are down: one of them is tried, if none has been lately. */
void health_trial(const struct health_of *of);

/* Silence after which another address is asked as well. */
uint64_t health_hedge_us(const struct upstream_group *g, const struct upstream *up);

/* How long it has been failing; 0 when it is not. */
uint64_t health_failing_us(const struct upstream *up, uint64_t now_us);

/* What is said of a group that is down as a whole: its first address, and why. */
struct upstream_result health_down_result(const struct upstream_group *g,
                                          uint64_t now_us);

/* `a`, open, is waited for no more. An answer that comes late all the same says that
 * the server is alive: it is listened for a while, if not too many are. `a` is closed.
 */
void health_listen(const struct health_of *of, struct attempt *a);

/* A message that matched a probe's attempt; the conn of one broke. */
void health_answered(struct attempt *a, struct span wire);
void health_lost(struct attempt *a, int error);

/* Ends all probes of a worker. */
void health_stop(struct upstreams *u);

/* The process's allowance of probes, one every 1/PROBES_PER_S. */
struct probe_budget {
    _Atomic uint64_t next_us;
};

/* Takes one; false when none is left, and *next_us says when there will be. */
bool health_budget_take(struct probe_budget *b, uint64_t now_us, uint64_t *next_us);

#endif
