/* `etcd:PREFIX`: the map that many replicas share. Each key below the prefix is a part
 * of its own, and its value is read as a file's text would be.
 *
 * A key that is deleted takes its clusters along; a prefix that is empty all at once is
 * not believed. */
#include "base/limits.h"
#include "config/discovery/discovery_own.h"
#include "config/discovery/etcd_client.h"
#include "config/discovery/rest.h"

#include <stdlib.h>

#define SCHEME   "etcd:"
#define USUAL_MS 30000

/* Keys of one step: who deletes a whole prefix by mistake is not believed. */
struct drops {
    const char **parts;
    uint32_t n, cap;
};

struct source {
    struct discovery *d;
    struct discovery_access access;
    struct etcd_client client;
    struct rest rest;
    uint32_t stamp; /* of keys that the list under way has named */
    struct drops drops;
};

/* ---- keys ---- */

static bool is_printable(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        if ((unsigned char)t.at[i] < ' ' || t.at[i] == 0x7f)
            return false;
    }
    return t.len > 0;
}

/* NULL: it is none of ours. */
static struct discovery_part *part_of(struct source *e, struct text key)
{
    char *name = NULL;
    struct discovery_part *p = NULL;
    if (is_printable(key) && asprintf(&name, SCHEME "%s", key.at) >= 0) {
        p = discovery_part_of(e->d, name);
        free(name);
    }
    return p;
}

static void drop_all(struct source *e)
{
    if (e->drops.n > 0)
        discovery_parts_gone(e->d, e->drops.parts, e->drops.n);
    e->drops.n = 0;
}

static bool put(void *context, const struct etcd_key *key)
{
    struct source *e = context;
    struct discovery_part *p = part_of(e, key->key);
    struct errors errs;
    drop_all(e);
    if (p == NULL)
        return true;
    discovery_stamp(p, e->stamp);
    errors_init(&errs);
    enum inventory_result result = INVENTORY_BAD;
    discovery_begin(e->d, p->name);
    if (!key->is_coded)
        error_at(&errs, ((struct where){.file = p->name, .line = 1}),
                 "no base64, or no memory");
    else
        result = inventory_read_json(p->name, key->value, discovery_sink(e->d), &errs);
    discovery_end(e->d, result, &errs);
    errors_release(&errs);
    return true;
}

/* One that cannot be noted stays until all is read again. */
static void gone(void *context, struct text key)
{
    struct source *e = context;
    struct drops *drops = &e->drops;
    struct discovery_part *p = part_of(e, key);
    if (p == NULL)
        return;
    if (p->n == 0) {
        discovery_part_error(e->d, p, ""); /* it was wrong */
        return;
    }
    if (drops->n == drops->cap) {
        uint32_t cap = drops->cap == 0 ? 16 : drops->cap * 2;
        const char **more = realloc(drops->parts, cap * sizeof *more);
        if (more == NULL)
            return;
        drops->parts = more;
        drops->cap = cap;
    }
    drops->parts[drops->n++] = p->name;
}

static bool told(void *context, bool events)
{
    struct source *e = context;
    drop_all(e);
    discovery_sweep_some(e->d, e->stamp);
    if (!events)
        discovery_quiet(e->d); /* it is there, and nothing has changed */
    return true;
}

static void idle(void *context)
{
    discovery_wait(((struct source *)context)->d, -1, 0);
}

static const struct etcd_sink sink = {
    .put = put, .gone = gone, .told = told, .idle = idle};

/* ---- at work ---- */

static int list(struct source *e)
{
    e->stamp++;
    int rc = etcd_client_list(&e->client);
    if (rc < 0 && e->client.too_much)
        discovery_refuse(e->d, e->stamp);
    if (rc < 0)
        return -1;
    discovery_sweep(e->d, e->stamp);
    if (discovery_unstamped_gone(e->d, e->stamp) < 0)
        return etcd_client_why(&e->client, "nothing is there, which is not believed");
    return 0;
}

static bool look(struct source *e)
{
    if (list(e) == 0) {
        uint64_t began_ns = discovery_now_ns();
        e->rest.failures = 0;
        if (!discovery_wait(e->d, -1, 0))
            return false;
        etcd_client_watch(&e->client);
        if (discovery_now_ns() - began_ns > 60 * 1000000000u)
            return discovery_wait(e->d, -1, 0);
    }
    if (!discovery_wait(e->d, -1, 0))
        return false;
    e->rest.failures++;
    e->rest.wait_s = e->client.wait_s;
    discovery_failed(e->d, "%s", e->client.why);
    etcd_client_failed(&e->client);
    return discovery_wait(e->d, -1, rest_ms(e->d, &e->rest, USUAL_MS));
}

/* The prefix, with a slash at its end; from the heap. */
static char *prefix_of(struct discovery *d)
{
    const char *word = discovery_settings(d).source + sizeof SCHEME - 1;
    size_t len = strlen(word);
    char *prefix = NULL;
    int n = asprintf(&prefix, "%s%s", word, len > 0 && word[len - 1] == '/' ? "" : "/");
    return n < 0 ? NULL : prefix;
}

static void run(struct discovery *d)
{
    struct source e = {.d = d, .access = discovery_settings(d).access};
    char *prefix = prefix_of(d);
    struct etcd_client_settings settings = {.prefix =
                                                text_of(prefix == NULL ? "/" : prefix),
                                            .access = &e.access,
                                            .sink = &sink,
                                            .context = &e,
                                            .stop_fd = discovery_stop_fd(d)};
    bool on = etcd_client_init(&e.client, &settings) == 0 && prefix != NULL;
    if (!on)
        discovery_failed(d, "out of memory");
    while (on)
        on = look(&e);
    etcd_client_release(&e.client);
    free(e.drops.parts);
    free(prefix);
}

const struct discovery_source discovery_etcd = {
    .name = "etcd", .scheme = SCHEME, .run = run};
