#include "resolver/retire.h"

void retirement_init(struct retirement *all, uint64_t epoch)
{
    *all = (struct retirement){.epoch = epoch};
    all->last = &all->first;
}

void retire(struct retirement *all, struct retired *r, void (*end)(struct retired *r))
{
    *r = (struct retired){.epoch = all->epoch, .end = end};
    *all->last = r;
    all->last = &r->next;
    all->waiting = true;
}

/* They stand in the order of their epochs. */
void retirement_reclaim(struct retirement *all, uint64_t oldest)
{
    while (all->first != NULL && all->first->epoch <= oldest) {
        struct retired *r = all->first;
        all->first = r->next;
        if (all->first == NULL)
            all->last = &all->first;
        r->end(r);
    }
}

void retirement_release(struct retirement *all)
{
    retirement_reclaim(all, UINT64_MAX);
}
