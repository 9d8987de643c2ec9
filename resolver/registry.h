/* What outlives a plan, by key: upstream health and RTT, caps, round-robin counters,
 * caches. Claimed while a plan is built, by the control thread; the plan gives its
 * claims back when it is freed. What keeps its key keeps its state over a reload.
 *
 * Workers touch the atomics in what was claimed, and the registry itself only when the
 * first question comes to a cluster. Each call holds the registry's lock, but not while
 * an object is made or released, which may take its time; whoever makes something of
 * several claims enters before them and leaves behind them. */
#ifndef ISTHMUS_RESOLVER_REGISTRY_H
#define ISTHMUS_RESOLVER_REGISTRY_H

#include "base/arena.h"

struct registry;

struct registry_kind {
    const char *name;
    size_t size; /* of the object, zeroed before init */
    int (*init)(void *object, const void *argument); /* 0 or -1 */
    void (*release)(void *object);                   /* may be NULL */
};

struct registry *registry_new(void);
void registry_free(struct registry *reg);

/* The object of this kind and key, made when it is new. Each claim needs one
 * registry_drop. NULL: no memory, or init failed. Also gives objects of a kind a small
 * dense number (*id), reused only after the object is gone. */
void *registry_claim(struct registry *reg, const struct registry_kind *kind,
                     struct span key, const void *argument, uint32_t *id);
void registry_drop(struct registry *reg, void *object);

/* Whether somebody has it. */
bool registry_has(struct registry *reg, const struct registry_kind *kind,
                  struct span key);

/* What is done in between is done at once, for all other threads. May be nested. */
void registry_enter(struct registry *reg);
void registry_leave(struct registry *reg);

/* A number that it has not given before; from 1. */
uint64_t registry_serial(struct registry *reg);

#endif
