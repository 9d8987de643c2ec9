/* What one look brings, and what of it counts. */
#include "config/discovery/discovery_own.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"

#include <stdlib.h>

#define SEEN_GONE 0  /* a round that never is: the text says that it has left */
#define AHEAD     16 /* records of a part that may have gone before the next known one */

/* ---- names and parts ---- */

static bool is_record(const void *entry, const void *key)
{
    return strcmp(inventory_name(entry), key) == 0;
}

static bool is_part(const void *entry, const void *key)
{
    return strcmp(((const struct discovery_part *)entry)->name, key) == 0;
}

struct inventory_record *discovery_find(const struct discovery *d, const char *name)
{
    return table_get(&d->names, hash_text(name), is_record, name);
}

static struct discovery_part *part_new(const char *name)
{
    struct discovery_part *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->place = inventory_place_new(name);
    if (p->place == NULL) {
        free(p);
        return NULL;
    }
    p->name = p->place->name;
    return p;
}

void discovery_part_free(struct discovery_part *p)
{
    inventory_place_drop(p->place);
    free(p->list);
    free(p->error);
    free(p);
}

struct discovery_part *discovery_part_of(struct discovery *d, const char *name)
{
    uint32_t hash = hash_text(name);
    struct discovery_part *p = table_get(&d->parts_by_name, hash, is_part, name);
    if (p != NULL)
        return p;
    p = part_new(name);
    if (p == NULL)
        return NULL;
    if (table_put(&d->parts_by_name, hash, p) < 0) {
        discovery_part_free(p);
        return NULL;
    }
    p->next = d->parts;
    d->parts = p;
    return p;
}

const char *discovery_part(struct discovery *d, const char *part)
{
    const struct discovery_part *p = discovery_part_of(d, part);
    return p == NULL ? "" : p->name;
}

/* ---- changes, under the lock ---- */

static int change_add(struct discovery *d, struct inventory_record *old,
                      struct inventory_record *now)
{
    if (!d->followed) {
        d->changed++;
        return 0;
    }
    struct discovery_change *c = malloc(sizeof *c);
    if (c == NULL)
        return -1;
    *c = (struct discovery_change){.number = ++d->changed};
    if (now != NULL)
        c->now = inventory_record_use(now);
    else
        c->old = inventory_record_use(old);
    *d->changes_end = c;
    d->changes_end = &c->next;
    return 0;
}

/* `now` in the place of `old`, either of which may be NULL. Takes `now`. */
static int hold(struct discovery *d, struct inventory_record *old,
                struct inventory_record *now)
{
    uint32_t hash = hash_text(inventory_name(now == NULL ? old : now));
    if (now != NULL && table_put(&d->names, hash, now) < 0) {
        inventory_record_drop(now);
        return -1;
    }
    if (change_add(d, old, now) < 0) {
        if (now != NULL)
            table_del(&d->names, hash, now);
        inventory_record_drop(now);
        return -1;
    }
    if (old == NULL)
        return 0;
    table_del(&d->names, hash, old);
    if (now == NULL) {
        inventory_record_drop(old);
        return 0;
    }
    /* Until the new is in use the old one goes on: the oldest of those that wait. */
    now->since_s = old->since_s;
    now->before = old->before != NULL ? old->before : old;
    if (old->before != NULL) {
        old->before = NULL;
        inventory_record_drop(old);
    }
    return 0;
}

int discovery_restore_record(struct discovery *d, struct inventory_record *r)
{
    struct discovery_part *p = discovery_part_of(d, r->file);
    struct inventory_record **list =
        p == NULL ? NULL : realloc(p->list, (p->n + 1) * sizeof *list);
    if (list == NULL)
        return -1;
    p->list = list;
    inventory_record_place(r, p->place);
    pthread_mutex_lock(&d->lock);
    inventory_record_use(r);
    int rc = hold(d, NULL, r);
    pthread_mutex_unlock(&d->lock);
    if (rc < 0)
        return -1;
    p->list[p->n++] = r;
    inventory_record_drop(r);
    return 0;
}

/* ---- a listing ---- */

void discovery_begin(struct discovery *d, const char *part)
{
    struct discovery_part *p = discovery_part_of(d, part);
    d->round++;
    d->listing = (struct listing){.part = p, .shrink = discovery_settings(d).shrink};
}

static int append(struct listing *l, struct inventory_record *r)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap == 0 ? 4 : l->cap * 2;
        struct inventory_record **list = realloc(l->list, cap * sizeof *list);
        if (list == NULL)
            return -1;
        l->list = list;
        l->cap = cap;
    }
    l->list[l->n++] = r;
    return 0;
}

/* Records come in the order they came in last time, but for what has changed. */
static bool known(void *context, uint64_t digest)
{
    struct discovery *d = context;
    struct listing *l = &d->listing;
    const struct discovery_part *p = l->part;
    for (uint32_t i = 0; p != NULL && i < AHEAD && l->at + i < p->n; i++) {
        struct inventory_record *r = p->list[l->at + i];
        if (r->digest != digest || digest == 0 || r->seen == d->round)
            continue;
        if (append(l, r) < 0)
            break;
        r->seen = d->round;
        l->at += i + 1;
        return true;
    }
    return false;
}

static int twice(struct errors *errs, const struct inventory_record *r,
                 const struct inventory_record *first)
{
    struct where at = {.file = r->file, .line = r->line};
    return error_at(errs, at,
                    "cluster %s is there already (%s:%u): the older stays; give each a "
                    "name of its own",
                    inventory_name(r), first->file, first->line);
}

static int no_memory(struct errors *errs, const struct inventory_record *r)
{
    return error_at(errs, (struct where){.file = r->file, .line = r->line},
                    "out of memory");
}

/* The same as before but for its place in the text. */
static void refresh(struct inventory_record *held, struct inventory_record *r)
{
    held->digest = r->digest;
    held->line = r->line;
    inventory_record_drop(r);
}

static int put(void *context, struct inventory_record *r, struct errors *errs)
{
    struct discovery *d = context;
    struct listing *l = &d->listing;
    const char *name = inventory_name(r);
    if (l->part == NULL)
        return no_memory(errs, r);
    struct inventory_record *held = discovery_find(d, name);
    struct inventory_record *fresh =
        table_get(&l->names, hash_text(name), is_record, name);
    if (held != NULL && (held->seen == d->round || held->file != l->part->name))
        return twice(errs, r, held);
    if (fresh != NULL)
        return twice(errs, r, fresh);
    if (d->names.n + l->names.n >= INVENTORY_CLUSTERS_MAX)
        return error_at(errs, (struct where){.file = r->file, .line = r->line},
                        "more than %d clusters", INVENTORY_CLUSTERS_MAX);
    bool same = held != NULL && inventory_same(held, r);
    if (append(l, same ? held : r) < 0)
        return no_memory(errs, r);
    if (!same && table_put(&l->names, hash_text(name), r) < 0) {
        l->n--;
        return no_memory(errs, r);
    }
    if (held != NULL) {
        held->seen = d->round; /* it is not missing */
        l->at++;
    }
    if (same)
        refresh(held, r);
    return 0;
}

/* The text itself says so: this is no list that got shorter. */
static void gone(void *context, const char *name)
{
    struct discovery *d = context;
    struct inventory_record *held = discovery_find(d, name);
    if (held != NULL && d->listing.part != NULL && held->file == d->listing.part->name)
        held->seen = SEEN_GONE;
}

const struct inventory_sink *discovery_sink(struct discovery *d)
{
    d->sink =
        (struct inventory_sink){.context = d, .known = known, .put = put, .gone = gone};
    return &d->sink;
}

/* ---- what counts of it ---- */

/* The listing comes to nothing: new records go, those held stay as they are. */
static void forget(struct listing *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->list[i]->seq == 0)
            inventory_record_drop(l->list[i]);
    }
    free(l->list);
}

static bool is_missing(const struct discovery *d, const struct inventory_record *r)
{
    return r->seen != d->round && r->seen != SEEN_GONE;
}

static bool is_too_many(uint32_t gone, uint32_t of, uint32_t percent)
{
    return (uint64_t)gone * 100 > (uint64_t)of * percent;
}

/* Those that are not listed any more, but not said to be gone: kept on doubt, or all
 * without. Returns how many are kept. */
static uint32_t keep_missing(struct discovery *d, bool doubt)
{
    struct listing *l = &d->listing;
    struct discovery_part *p = l->part;
    uint32_t listed = l->n, missing = 0;
    for (uint32_t i = 0; i < p->n; i++)
        missing += is_missing(d, p->list[i]);
    bool shrunk =
        p->n > listed && is_too_many(missing < p->n - listed ? missing : p->n - listed,
                                     p->n, d->listing.shrink);
    p->shrunk = missing > 0 && shrunk && !doubt;
    if (missing == 0 || (!doubt && !shrunk))
        return 0;
    for (uint32_t i = 0; i < p->n; i++) {
        if (is_missing(d, p->list[i]) && append(l, p->list[i]) == 0)
            p->list[i]->seen = d->round;
    }
    return missing;
}

/* Under the lock. */
static void hold_new(struct discovery *d)
{
    struct listing *l = &d->listing;
    uint64_t now_ns = discovery_now_ns();
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        struct inventory_record *r = l->list[i];
        if (r->seq == 0) {
            struct inventory_record *old = discovery_find(d, inventory_name(r));
            r->seq = now_ns + i;
            r->seen = d->round;
            inventory_record_place(r, l->part->place);
            if (r->since_s == 0)
                r->since_s = (uint32_t)(now_ns / 1000000000u);
            if (hold(d, old, r) < 0)
                continue;
        }
        l->list[n++] = r;
    }
    l->n = n;
}

static void drop_unlisted(struct discovery *d, const struct discovery_part *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        struct inventory_record *r = p->list[i];
        if (r->seen != d->round && discovery_find(d, inventory_name(r)) == r)
            hold(d, r, NULL);
    }
}

/* Under the lock: what a look that succeeded means for the status. */
static void note_look(struct discovery *d, uint64_t before)
{
    uint64_t now_s = discovery_now_ns() / 1000000000u;
    d->status.looked_s = now_s;
    if (d->changed != before)
        d->status.changed_s = now_s;
    d->status.stale = false;
}

static uint32_t kept_of(const struct discovery_part *p)
{
    return p->away ? p->n : p->kept;
}

static uint32_t held_of(const struct discovery_part *p)
{
    return p->away || p->shrunk ? kept_of(p) : 0;
}

/* Under the lock: what all parts have to say for the status. Each listing only counts
 * its own anew: there may be as many as clusters. */
static void count_parts(struct discovery *d)
{
    d->status.kept = d->status.held = d->status.wrong = 0;
    for (const struct discovery_part *p = d->parts; p != NULL; p = p->next) {
        d->status.kept += kept_of(p);
        d->status.held += held_of(p);
        d->status.wrong += p->wrong;
    }
}

/* Before and after a listing. */
static void count_part(struct discovery *d, bool after)
{
    const struct discovery_part *p = d->listing.part;
    if (p == NULL)
        return;
    uint32_t kept = kept_of(p), held = held_of(p), wrong = p->wrong;
    pthread_mutex_lock(&d->lock);
    d->status.kept += after ? kept : -kept;
    d->status.held += after ? held : -held;
    d->status.wrong += after ? wrong : -wrong;
    pthread_mutex_unlock(&d->lock);
}

static void commit(struct discovery *d, enum inventory_result result)
{
    struct listing *l = &d->listing;
    struct discovery_part *p = l->part;
    p->away = false;
    p->kept = keep_missing(d, result == INVENTORY_PART);
    pthread_mutex_lock(&d->lock);
    uint64_t before = d->changed;
    drop_unlisted(d, p); /* first: what is replaced may end with it */
    hold_new(d);
    note_look(d, before);
    pthread_mutex_unlock(&d->lock);
    free(p->list);
    p->list = l->list;
    p->n = l->n;
}

/* ---- what is said ---- */

static void first_error(const struct errors *errs, char *out)
{
    const struct error *e = &errs->list[0];
    int n = snprintf(out, DISCOVERY_ERROR_MAX, "%s:%u: %s",
                     e->at.file == NULL ? "" : e->at.file, e->at.line, e->text);
    if (errs->n > 1 && n < DISCOVERY_ERROR_MAX)
        snprintf(out + n, DISCOVERY_ERROR_MAX - (size_t)n, " (and %u more)",
                 errs->n - 1);
}

/* What `discovery_end` has to say in the status and, when it is news, in the log. */
static void describe(struct discovery *d, enum inventory_result result,
                     const struct errors *errs, char *out)
{
    const struct discovery_part *p = d->listing.part;
    out[0] = '\0';
    if (result != INVENTORY_WHOLE && errs->n > 0 && errs->list != NULL)
        first_error(errs, out);
    else if (result != INVENTORY_WHOLE)
        snprintf(out, DISCOVERY_ERROR_MAX, "out of memory");
    else if (p->kept > 0)
        snprintf(out, DISCOVERY_ERROR_MAX,
                 "%s lists %u of %u clusters: more than %u%% are gone at once, which "
                 "is not believed (option `shrink`; `isthmus accept` believes it)",
                 p->name, p->n - p->kept, p->n, d->listing.shrink);
}

void discovery_end(struct discovery *d, enum inventory_result result,
                   const struct errors *errs)
{
    struct listing *l = &d->listing;
    char text[DISCOVERY_ERROR_MAX];
    uint64_t before = d->changed;
    count_part(d, false);
    if (errs != NULL && l->part != NULL)
        l->part->wrong = result == INVENTORY_WHOLE ? 0 : errs->n;
    if (l->part == NULL || result == INVENTORY_BAD)
        forget(l);
    else
        commit(d, result);
    count_part(d, true);
    if (errs != NULL && l->part != NULL) {
        describe(d, result, errs, text);
        discovery_part_error(d, l->part, text);
    }
    table_release(&l->names);
    *l = (struct listing){0};
    discovery_report(d, "", before);
}

/* ---- single ones ---- */

static void drop_parts(struct discovery *d, const char *const *parts, uint32_t n)
{
    d->round++;
    for (uint32_t i = 0; i < n; i++) {
        struct discovery_part *p = discovery_part_of(d, parts[i]);
        drop_unlisted(d, p);
        discovery_part_error(d, p, "");
        p->n = p->kept = p->wrong = 0;
        p->shrunk = p->away = false;
    }
}

void discovery_parts_gone(struct discovery *d, const char *const *parts, uint32_t n)
{
    uint32_t clusters = 0, shrink = discovery_settings(d).shrink;
    uint64_t before = d->changed;
    char text[DISCOVERY_ERROR_MAX] = "";
    for (struct discovery_part *p = d->parts; p != NULL; p = p->next)
        p->away = false;
    for (uint32_t i = 0; i < n; i++)
        clusters += discovery_part_of(d, parts[i])->n;
    bool held = clusters > 1 && is_too_many(clusters, d->names.n, shrink);
    for (uint32_t i = 0; held && i < n; i++)
        discovery_part_of(d, parts[i])->away = true;
    if (held)
        snprintf(text, sizeof text,
                 "%u of %u clusters are gone at once, which is not believed (option "
                 "`shrink`; `isthmus accept` believes it)",
                 clusters, d->names.n);
    pthread_mutex_lock(&d->lock);
    if (!held)
        drop_parts(d, parts, n);
    count_parts(d);
    note_look(d, before);
    pthread_mutex_unlock(&d->lock);
    discovery_report(d, text, before);
}

/* Those that its list has not: they stand behind all others. */
static void drop_kept(struct discovery *d, struct discovery_part *p)
{
    d->round++;
    for (uint32_t i = 0; i + p->kept < p->n; i++)
        p->list[i]->seen = d->round;
    drop_unlisted(d, p);
    p->n -= p->kept;
    p->kept = 0;
    p->shrunk = false;
}

void discovery_let_go(struct discovery *d)
{
    uint64_t before = d->changed;
    for (struct discovery_part *p = d->parts; p != NULL; p = p->next) {
        const char *name = p->name;
        bool shrunk = p->shrunk;
        pthread_mutex_lock(&d->lock);
        if (p->away)
            drop_parts(d, &name, 1);
        else if (shrunk)
            drop_kept(d, p);
        pthread_mutex_unlock(&d->lock);
        if (shrunk)
            discovery_part_error(d, p, "");
    }
    pthread_mutex_lock(&d->lock);
    count_parts(d);
    note_look(d, before);
    pthread_mutex_unlock(&d->lock);
    discovery_report(d, "", before);
}

void discovery_quiet(struct discovery *d)
{
    pthread_mutex_lock(&d->lock);
    note_look(d, d->changed);
    pthread_mutex_unlock(&d->lock);
}

/* An empty list: nothing of it is believed, unless somebody accepts it. */
static void keep_all(struct discovery *d)
{
    for (struct discovery_part *p = d->parts; p != NULL; p = p->next)
        p->away = p->n > 0;
    pthread_mutex_lock(&d->lock);
    count_parts(d);
    pthread_mutex_unlock(&d->lock);
}

int discovery_unstamped_gone(struct discovery *d, uint32_t stamp)
{
    uint32_t n = 0, old = 0, listed = 0;
    struct discovery_part *p;
    for (p = d->parts; p != NULL; p = p->next) {
        listed += p->stamp == stamp;
        old += p->stamp != stamp && p->n > 0;
    }
    if (listed == 0 && old > 0) {
        keep_all(d);
        return -1;
    }
    const char **gone = calloc(old + 1, sizeof *gone);
    for (p = d->parts; gone != NULL && p != NULL; p = p->next) {
        if (p->stamp != stamp && p->n > 0)
            gone[n++] = p->name;
    }
    discovery_parts_gone(d, gone, n);
    free(gone);
    return 0;
}

/* ---- parts that are no more ---- */

void discovery_stamp(struct discovery_part *p, uint32_t stamp)
{
    if (p->n == 0 && p->stamp != stamp)
        p->born = stamp;
    p->stamp = stamp;
}

void discovery_refuse(struct discovery *d, uint32_t stamp)
{
    uint64_t before = d->changed;
    pthread_mutex_lock(&d->lock);
    for (struct discovery_part *p = d->parts; p != NULL; p = p->next) {
        const char *name = p->name;
        if (p->born == stamp)
            drop_parts(d, &name, 1);
    }
    count_parts(d);
    pthread_mutex_unlock(&d->lock);
    discovery_sweep(d, stamp);
    discovery_report(d, "", before);
}

void discovery_sweep(struct discovery *d, uint32_t stamp)
{
    struct discovery_part *p;
    for (struct discovery_part **at = &d->parts; (p = *at) != NULL;) {
        if (p->n > 0 || (p->error != NULL && p->stamp == stamp)) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        d->parts_wrong -= p->error != NULL;
        table_del(&d->parts_by_name, hash_text(p->name), p);
        discovery_part_free(p);
    }
    d->parts_swept = d->parts_by_name.n;
}

void discovery_sweep_some(struct discovery *d, uint32_t stamp)
{
    if (d->parts_by_name.n / 2 > d->parts_swept + 1000)
        discovery_sweep(d, stamp);
}
