#include "resolver/timers.h"

#include <stddef.h>
#include <string.h>

#define WORD_BITS 64u

static uint32_t slot_at(uint64_t us)
{
    return (uint32_t)(us / TIMERS_SLOT_US % TIMERS_SLOTS);
}

static void mark(struct timers *w, uint32_t slot, bool used)
{
    uint64_t bit = UINT64_C(1) << slot % WORD_BITS;
    if (used)
        w->used[slot / WORD_BITS] |= bit;
    else
        w->used[slot / WORD_BITS] &= ~bit;
}

void timers_init(struct timers *w, void *context, uint64_t now_us)
{
    memset(w, 0, sizeof *w);
    w->context = context;
    w->now_us = now_us;
}

static void link_in(struct timers *w, struct timer *t)
{
    uint32_t slot = slot_at(t->due_us);
    struct timer **head = &w->slot[slot];
    t->next = *head;
    if (t->next != NULL)
        t->next->prev = &t->next;
    t->prev = head;
    *head = t;
    mark(w, slot, true);
}

static void unlink_from(struct timers *w, struct timer *t)
{
    *t->prev = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    t->next = NULL;
    t->prev = NULL;
    uint32_t slot = slot_at(t->due_us);
    if (w->slot[slot] == NULL)
        mark(w, slot, false);
}

void timers_disarm(struct timers *w, struct timer *t)
{
    if (t->prev == NULL)
        return;
    unlink_from(w, t);
    w->armed--;
}

void timers_arm(struct timers *w, struct timer *t, uint64_t due_us)
{
    timers_disarm(w, t);
    /* Not earlier than now: slots before it will not be looked at for a round. */
    t->due_us = due_us < w->now_us ? w->now_us : due_us;
    link_in(w, t);
    w->armed++;
}

/* Fires what is due in one slot. The list is taken off first, so that timers armed
 * meanwhile wait for the next run: nothing can keep this loop going for ever. */
static void run_slot(struct timers *w, uint32_t slot)
{
    struct timer *list = w->slot[slot], *t;
    if (list == NULL)
        return;
    list->prev = &list;
    w->slot[slot] = NULL;
    mark(w, slot, false);
    while ((t = list) != NULL) {
        if (t->due_us > w->now_us) {
            unlink_from(w, t);
            link_in(w, t);
            continue;
        }
        timers_disarm(w, t);
        t->fire(t, w->context);
    }
}

void timers_run(struct timers *w, uint64_t now_us)
{
    uint64_t from = w->now_us / TIMERS_SLOT_US, to = now_us / TIMERS_SLOT_US;
    if (now_us < w->now_us)
        return;
    w->now_us = now_us;
    if (to - from >= TIMERS_SLOTS)
        from = to - TIMERS_SLOTS + 1;
    for (uint64_t turn = from; turn <= to && w->armed > 0; turn++)
        run_slot(w, (uint32_t)(turn % TIMERS_SLOTS));
}

/* The first used slot at or behind `slot`, round the wheel; how many slots behind. */
static uint32_t distance(const struct timers *w, uint32_t slot)
{
    uint32_t words = TIMERS_SLOTS / WORD_BITS;
    uint64_t first = w->used[slot / WORD_BITS] >> slot % WORD_BITS;
    if (first != 0)
        return (uint32_t)__builtin_ctzll(first);
    for (uint32_t i = 1; i <= words; i++) {
        uint64_t word = w->used[(slot / WORD_BITS + i) % words];
        if (word != 0)
            return i * WORD_BITS - slot % WORD_BITS + (uint32_t)__builtin_ctzll(word);
    }
    return TIMERS_SLOTS;
}

uint64_t timers_next_us(const struct timers *w)
{
    if (w->armed == 0)
        return UINT64_MAX;
    uint64_t turn = w->now_us / TIMERS_SLOT_US;
    return (turn + distance(w, slot_at(w->now_us)) + 1) * TIMERS_SLOT_US;
}
