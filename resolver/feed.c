#include "resolver/feed.h"

#include <stdlib.h>

void feed_init(struct feed *f, struct feeds *all, const struct feed_source *source)
{
    *f = (struct feed){
        .source = *source, .all = all, .next = all->list, .at = &all->list};
    atomic_init(&f->value, NULL);
    if (f->next != NULL)
        f->next->at = &f->next;
    all->list = f;
}

struct feed *feed_new(struct feeds *all, struct arena *a,
                      const struct feed_source *source)
{
    struct feed *f = arena_alloc(a, sizeof *f);
    if (f != NULL)
        feed_init(f, all, source);
    return f;
}

/* Out of the list first: a value may end other feeds. */
void feed_end(struct feed *f)
{
    if (f->at != NULL) {
        *f->at = f->next;
        if (f->next != NULL)
            f->next->at = f->at;
        f->at = NULL;
    }
    feed_value_free(f->passed);
    feed_value_free(f->replaced);
    feed_value_free(atomic_exchange(&f->value, NULL));
    f->passed = f->replaced = NULL;
}

struct feed_value *feed_value_new(void)
{
    struct feed_value *v = calloc(1, sizeof *v);
    if (v != NULL)
        arena_init(&v->arena, NULL, 0);
    return v;
}

void feed_value_free(struct feed_value *v)
{
    while (v != NULL) {
        struct feed_value *older = v->older;
        if (v->release != NULL && v->data != NULL)
            v->release(v->data);
        arena_release(&v->arena);
        free(v);
        v = older;
    }
}

void feed_publish(struct feed *f, struct feed_value *v)
{
    struct feed_value *old = atomic_exchange(&f->value, v);
    if (old == NULL)
        return;
    old->older = f->replaced;
    f->replaced = old;
}

void feed_refresh(struct feed *f)
{
    f->source.look(f, f->source.context);
}

void feed_read(struct feed *f)
{
    struct feeds *all = f->all;
    if (f->reading)
        return;
    f->reading = true;
    all->reading_n++;
    if (all->run != NULL)
        all->run(f, all->runner);
    else if (!all->later)
        feed_done(f, f->source.read(f->source.context));
}

void feed_stop(struct feed *f)
{
    f->source.interval_us = 0;
    if (f->reading && f->all->run == NULL)
        feed_dropped(f);
}

void feed_dropped(struct feed *f)
{
    f->reading = false;
    f->all->reading_n--;
}

const _Atomic bool *feed_stopped(const struct feed *f)
{
    return &f->all->stopped;
}

void feed_done(struct feed *f, void *reading)
{
    feed_dropped(f);
    f->source.take(f, f->source.context, reading);
}

const void *feed_get(const struct feed *f)
{
    const struct feed_value *v = atomic_load_explicit(&f->value, memory_order_acquire);
    return v == NULL ? NULL : v->data;
}

/* ---- the control thread ---- */

void feeds_begin(struct feeds *all, void (*run)(struct feed *f, void *runner),
                 void *runner)
{
    all->run = run;
    all->runner = runner;
    for (struct feed *f = all->list; f != NULL; f = f->next) {
        if (f->reading)
            run(f, runner);
    }
}

/* The first look is the setup's, hence an interval passes before the second. */
static void feed_set_due(struct feed *f, uint64_t now_us)
{
    f->due_us = f->source.interval_us == 0 ? UINT64_MAX
                                           : now_us + (uint64_t)f->source.interval_us;
}

static bool has_news(const struct feed *f)
{
    return f->source.news != NULL && f->source.news(f, f->source.context);
}

/* What was replaced so far is what workers are passed by for. */
static bool pass(struct feed *f)
{
    struct feed_value **end = &f->passed;
    while (*end != NULL)
        end = &(*end)->older;
    *end = f->replaced;
    f->replaced = NULL;
    return f->passed != NULL;
}

bool feeds_refresh(struct feeds *all, uint64_t now_us)
{
    bool replaced = false;
    for (struct feed *f = all->list; f != NULL; f = f->next) {
        if ((f->due_us != 0 && f->due_us <= now_us) || has_news(f)) {
            if (!f->reading)
                feed_refresh(f);
            feed_set_due(f, now_us);
        }
        replaced = pass(f) || replaced;
    }
    return replaced;
}

uint64_t feeds_due_us(struct feeds *all, uint64_t now_us)
{
    uint64_t due_us = UINT64_MAX;
    for (struct feed *f = all->list; f != NULL; f = f->next) {
        if (f->due_us == 0)
            feed_set_due(f, now_us);
        if (f->due_us < due_us)
            due_us = f->due_us;
    }
    return due_us;
}

/* A value may end other feeds, also the next. */
void feeds_reclaim(struct feeds *all)
{
    for (struct feed *f = all->list; f != NULL; f = f->next) {
        struct feed_value *passed = f->passed;
        f->passed = NULL;
        feed_value_free(passed);
    }
}

void feeds_stop(struct feeds *all)
{
    atomic_store(&all->stopped, true);
}

void feeds_release(struct feeds *all)
{
    while (all->list != NULL)
        feed_end(all->list);
}
