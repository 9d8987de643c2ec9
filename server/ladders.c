#include "server/ladders.h"

#include "resolver/rdata.h"

#include <errno.h>
#include <stdlib.h>

struct walk {
    const struct ladders *all;
    uint32_t next, finished;
    uv_loop_t loop;
};

static void take_next(struct walk *w, struct ladder *l)
{
    if (w->next == w->all->n)
        return;
    uint32_t i = w->next++;
    l->question = w->all->questions[i];
    l->number = i;
    ladder_start(l, &w->loop);
}

static void on_done(struct ladder *l)
{
    struct walk *w = l->context;
    w->all->results[l->number] = l->result;
    w->finished++;
    if (w->all->progress != NULL)
        terminal_progress(w->all->progress, w->finished, w->all->n);
    take_next(w, l);
}

int ladders_run(const struct ladders *all)
{
    struct walk w = {.all = all};
    uint32_t n = all->n < LADDERS_AT_ONCE ? all->n : LADDERS_AT_ONCE;
    struct ladder *list = calloc(n > 0 ? n : 1, sizeof *list);
    if (list == NULL)
        return ENOMEM;
    int rc = rdata_start() < 0 ? UV_ENOMEM : uv_loop_init(&w.loop);
    if (rc == 0) {
        for (uint32_t i = 0; i < n; i++) {
            list[i].done = on_done;
            list[i].context = &w;
            take_next(&w, &list[i]);
        }
        uv_run(&w.loop, UV_RUN_DEFAULT);
        uv_loop_close(&w.loop);
        if (all->progress != NULL)
            terminal_progress_end(all->progress);
    }
    free(list);
    return -rc; /* libuv's codes are errnos with a sign */
}
