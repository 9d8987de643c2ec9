#include "config/discovery/skydns_source.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/table.h"
#include "config/discovery/discovery_own.h"
#include "config/discovery/etcd_client.h"
#include "config/discovery/rest.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define S             UINT64_C(1000000) /* microseconds */
#define LOOKS_S_MAX   30                /* between looks that fail */
#define LEASES_FIRST  200 /* asked about before a list is served; the rest follows */
#define LEASES_TICK   50  /* and at a time later */
#define LEASE_S_MAX   60  /* between two questions about one */
#define LEFT_S_MAX    UINT32_MAX /* no TTL is longer */
#define LEASE_REST_US (30 * S)   /* after one that failed */

struct skydns_source {
    struct skydns_source_settings settings;
    char *prefix;
    struct skydns_map map;
    struct etcd_client client, leases_client; /* a watch is in the way of the first */
    pthread_t thread;
    bool started;
    int stop_fd, looked_fd;
    _Atomic uint32_t came; /* keys, to see that they do */

    /* the source's thread */
    bool looked;
    bool listing;
    bool lost; /* a change that could not be taken: all is to be read again */
    struct skydns **list; /* of the listing, in order */
    uint32_t list_n, list_cap;
    struct table leases; /* of struct skydns_lease, by id */
    uint64_t *fresh;     /* ids of those nobody has asked about yet */
    uint32_t fresh_n, fresh_cap;
    uint32_t lease_at;      /* where the next round begins */
    uint64_t lease_rest_us; /* none is asked about before */
    unsigned failures;
    char told[HTTP_WHY_MAX]; /* the error logged last; "": none */
    struct log_limit limit;
};

static uint64_t now_us(void)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * S + (uint64_t)ts.tv_nsec / 1000;
}

/* False: it is time to end. */
static bool wait_ms(const struct skydns_source *s, int ms)
{
    struct pollfd stop = {.fd = s->stop_fd, .events = POLLIN};
    return poll(&stop, 1, ms) <= 0;
}

/* ---- leases ---- */

static uint32_t hash_of(uint64_t id)
{
    return (uint32_t)hash_bytes(&id, sizeof id);
}

static bool is_lease(const void *entry, const void *key)
{
    return ((const struct skydns_lease *)entry)->id == *(const uint64_t *)key;
}

/* One that finds no place is met on the next round. */
static void note_fresh(struct skydns_source *s, uint64_t id)
{
    if (s->fresh_n == s->fresh_cap) {
        uint32_t cap = s->fresh_cap == 0 ? 16 : s->fresh_cap * 2;
        uint64_t *more = realloc(s->fresh, cap * sizeof *more);
        if (more == NULL)
            return;
        s->fresh = more;
        s->fresh_cap = cap;
    }
    s->fresh[s->fresh_n++] = id;
}

static struct skydns_lease *find_lease(const struct skydns_source *s, uint64_t id)
{
    return table_get(&s->leases, hash_of(id), is_lease, &id);
}

/* One use of it; NULL: no memory. */
static struct skydns_lease *use_lease(struct skydns_source *s, uint64_t id)
{
    struct skydns_lease *l = find_lease(s, id);
    if (l == NULL) {
        l = calloc(1, sizeof *l);
        if (l == NULL || table_put(&s->leases, hash_of(id), l) < 0) {
            free(l);
            return NULL;
        }
        l->id = id;
        note_fresh(s, id);
    }
    l->uses++;
    return l;
}

static void record_ended(void *context, struct skydns *r)
{
    struct skydns_source *s = context;
    struct skydns_lease *l = r->lease;
    if (l != NULL && --l->uses == 0) {
        table_del(&s->leases, hash_of(l->id), l);
        free(l);
    }
    skydns_free(r);
}

/* Twice: a connection may be over, and so may the token of a user. */
static int ask_twice(struct skydns_source *s, uint64_t id, int64_t *left_s,
                     int64_t *granted_s)
{
    for (unsigned i = 0; i < 2; i++) {
        if (etcd_client_lease(&s->leases_client, id, left_s, granted_s) == 0)
            return 0;
        etcd_client_failed(&s->leases_client);
    }
    log_limited(&s->limit, 10, LOG_WARNING,
                "plugin/etcd: %s: TTLs count down without news: %s", s->prefix,
                s->leases_client.why);
    s->lease_rest_us = now_us() + LEASE_REST_US;
    return -1;
}

/* The seconds are whole ones, and the last begins at their end. */
static int ask_lease(struct skydns_source *s, struct skydns_lease *l)
{
    int64_t left_s, granted_s;
    if (ask_twice(s, l->id, &left_s, &granted_s) < 0)
        return -1;
    if (left_s > LEFT_S_MAX)
        left_s = LEFT_S_MAX;
    uint64_t now = now_us();
    uint64_t again_s = granted_s < 6 ? 1 : (uint64_t)granted_s / 6;
    atomic_store_explicit(&l->ends_us,
                          left_s <= 0 ? 1 : now + (uint64_t)left_s * S + (S - 1),
                          memory_order_relaxed);
    l->due_us = now + (again_s > LEASE_S_MAX ? LEASE_S_MAX : again_s) * S;
    return 0;
}

/* Returns how many more may be asked about. */
static unsigned ask_fresh(struct skydns_source *s, unsigned most)
{
    while (most > 0 && s->fresh_n > 0 && now_us() >= s->lease_rest_us) {
        struct skydns_lease *l = find_lease(s, s->fresh[s->fresh_n - 1]);
        if (l != NULL && l->due_us == 0) {
            if (ask_lease(s, l) < 0)
                return 0;
            most--;
        }
        s->fresh_n--;
    }
    return most;
}

static void ask_due(struct skydns_source *s, unsigned most)
{
    struct skydns_lease *l;
    uint64_t now = now_us();
    uint32_t at = s->lease_at;
    if (now < s->lease_rest_us)
        return;
    while (most > 0 && (l = table_next(&s->leases, &at)) != NULL) {
        if (l->due_us > now)
            continue;
        most--;
        if (ask_lease(s, l) < 0)
            break;
    }
    s->lease_at = most > 0 ? 0 : at;
}

/* ---- records ---- */

/* NULL: no memory. */
static struct skydns *record_of(struct skydns_source *s, const struct etcd_key *key)
{
    char why[SKYDNS_WHY_MAX];
    struct skydns *r = skydns_new(key->key, s->client.prefix.len,
                                  key->is_coded ? &key->value : NULL, why);
    if (r == NULL)
        return NULL;
    if (key->lease != 0 && (r->lease = use_lease(s, key->lease)) == NULL) {
        skydns_free(r);
        return NULL;
    }
    if (why[0] != '\0')
        log_limited(&s->limit, 10, LOG_WARNING, "plugin/etcd: %s: %s: %s", r->key,
                    r->bad ? "value not used" : "member not used", why);
    return r;
}

static int add_to_list(struct skydns_source *s, struct skydns *r)
{
    if (s->list_n == s->list_cap) {
        uint32_t cap = s->list_cap == 0 ? 256 : s->list_cap * 2;
        struct skydns **list = realloc(s->list, cap * sizeof *list);
        if (list == NULL)
            return -1;
        s->list = list;
        s->list_cap = cap;
    }
    s->list[s->list_n++] = r;
    return 0;
}

/* How many there will be. */
static uint32_t count(const struct skydns_source *s)
{
    const struct skydns_view *v = s->map.draft != NULL ? s->map.draft : s->map.newest;
    return s->listing ? s->list_n : v == NULL ? 0 : v->n;
}

static bool put(void *context, const struct etcd_key *key)
{
    struct skydns_source *s = context;
    bool full = count(s) >= ETCD_KEYS_MAX;
    atomic_fetch_add_explicit(&s->came, 1, memory_order_relaxed);
    struct skydns *r = s->lost || full ? NULL : record_of(s, key);
    int rc = r == NULL    ? -1
             : s->listing ? add_to_list(s, r)
                          : skydns_map_put(&s->map, r);
    if (rc == 0)
        return true;
    if (r != NULL)
        record_ended(s, r);
    etcd_client_why(&s->client, full ? "more than a million keys" : "out of memory");
    s->lost = true;
    return false;
}

static void gone(void *context, struct text key)
{
    struct skydns_source *s = context;
    if (skydns_map_remove(&s->map, key) < 0)
        s->lost = true;
}

static void publish(struct skydns_source *s)
{
    if (skydns_map_publish(&s->map) < 0) {
        s->lost = true;
        return;
    }
    skydns_map_reclaim(&s->map);
    if (s->settings.changed != NULL)
        s->settings.changed(s->settings.context);
}

static bool told(void *context, bool events)
{
    struct skydns_source *s = context;
    ask_fresh(s, LEASES_TICK);
    if (events)
        publish(s);
    if (s->lost)
        etcd_client_why(&s->client, "a change could not be taken: all is read again");
    return !s->lost;
}

static void idle(void *context)
{
    struct skydns_source *s = context;
    ask_due(s, ask_fresh(s, LEASES_TICK));
    skydns_map_reclaim(&s->map);
}

static const struct etcd_sink sink = {
    .put = put, .gone = gone, .told = told, .idle = idle};

/* ---- at work ---- */

static void set_looked(struct skydns_source *s)
{
    if (!s->looked)
        eventfd_write(s->looked_fd, 1);
    s->looked = true;
}

/* etcd gives them in order, each once. */
static int take_list(struct skydns_source *s)
{
    for (uint32_t i = 1; i < s->list_n; i++) {
        const struct skydns *r = s->list[i];
        if (skydns_compare(s->list[i - 1], (struct text){r->key, r->key_len}) >= 0)
            return etcd_client_why(&s->client, "keys that are not in order");
    }
    if (skydns_map_fill(&s->map, s->list, s->list_n) < 0)
        return etcd_client_why(&s->client, "out of memory");
    s->list_n = 0;
    return 0;
}

static int list(struct skydns_source *s)
{
    s->listing = true;
    s->lost = false;
    int rc = etcd_client_list(&s->client);
    s->listing = false;
    uint32_t n = s->list_n;
    if (rc == 0)
        rc = take_list(s);
    while (s->list_n > 0)
        record_ended(s, s->list[--s->list_n]);
    free(s->list);
    s->list = NULL;
    s->list_cap = 0;
    if (rc < 0)
        return -1;
    ask_fresh(s, LEASES_FIRST);
    publish(s);
    if (s->failures > 0 || !s->looked)
        log_info("plugin/etcd: %s: %u keys of %s", s->prefix, n, s->client.endpoint);
    s->failures = 0;
    s->told[0] = '\0';
    set_looked(s);
    return 0;
}

/* Once: a look every few seconds would say it every few seconds. */
static void tell(struct skydns_source *s)
{
    const struct skydns_view *v = s->map.newest;
    if (strcmp(s->told, s->client.why) == 0)
        return;
    snprintf(s->told, sizeof s->told, "%s", s->client.why);
    if (v == NULL)
        log_error("plugin/etcd: %s: %s; nothing is known yet, answers are SERVFAIL",
                  s->prefix, s->told);
    else
        log_error("plugin/etcd: %s: %s; what was known stays (%u keys)", s->prefix,
                  s->told, v->n);
}

static int rest(struct skydns_source *s)
{
    unsigned seconds = s->failures > 5 ? LOOKS_S_MAX : 1u << (s->failures - 1);
    if (seconds < s->client.wait_s)
        seconds = s->client.wait_s;
    return rest_jitter((int64_t)seconds * 1000);
}

static bool look(struct skydns_source *s)
{
    if (list(s) == 0) {
        uint64_t began_us = now_us();
        if (!s->lost && wait_ms(s, 0))
            etcd_client_watch(&s->client);
        /* The end of a long one is how watches are. */
        if (wait_ms(s, 0) && now_us() - began_us > 60 * S)
            return true;
    }
    if (!wait_ms(s, 0))
        return false;
    s->failures++;
    tell(s);
    set_looked(s);
    etcd_client_failed(&s->client);
    skydns_map_reclaim(&s->map);
    return wait_ms(s, rest(s));
}

static void *run(void *context)
{
    struct skydns_source *s = context;
    while (look(s))
        continue;
    return NULL;
}

/* ---- life ---- */

static int init_clients(struct skydns_source *s)
{
    struct etcd_client_settings settings = {.prefix = text_of(s->prefix),
                                            .access = &s->settings.access,
                                            .sink = &sink,
                                            .context = s,
                                            .stop_fd = s->stop_fd};
    int rc = etcd_client_init(&s->client, &settings);
    return etcd_client_init(&s->leases_client, &settings) < 0 ? -1 : rc;
}

static int open_parts(struct skydns_source *s,
                      const struct skydns_source_settings *settings)
{
    s->settings = *settings;
    skydns_map_init(&s->map, record_ended, s);
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->looked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->prefix = strdup(settings->prefix);
    int rc = access_keep(&s->settings.access, &settings->access);
    if (rc < 0 || s->stop_fd < 0 || s->looked_fd < 0 || s->prefix == NULL)
        return -1;
    s->settings.prefix = s->prefix;
    return init_clients(s);
}

struct skydns_source *skydns_source_new(const struct skydns_source_settings *settings)
{
    struct skydns_source *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    int rc = open_parts(s, settings);
    if (rc == 0 && !settings->quiet) {
        rc = discovery_start_thread(&s->thread, "etcd", run, s);
        s->started = rc == 0;
    }
    if (rc == 0)
        return s;
    skydns_source_free(s);
    return NULL;
}

void skydns_source_free(struct skydns_source *s)
{
    if (s->started) {
        eventfd_write(s->stop_fd, 1);
        pthread_join(s->thread, NULL);
    }
    etcd_client_release(&s->client);
    etcd_client_release(&s->leases_client);
    skydns_map_release(&s->map);
    table_release(&s->leases);
    free(s->fresh);
    access_release(&s->settings.access);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    if (s->looked_fd >= 0)
        close(s->looked_fd);
    free(s->prefix);
    free(s);
}

void skydns_source_digest(const struct skydns_source_settings *settings,
                          uint8_t digest[SHA512_LEN])
{
    struct sha512 sha;
    sha512_init(&sha);
    sha512_add(&sha, settings->prefix, strlen(settings->prefix) + 1);
    access_digest(&settings->access, &sha);
    sha512_end(&sha, digest);
}

#define STOP_MS 50 /* between looks whether nobody waits any more */

static bool has_looked(const struct skydns_source *s, int ms, const _Atomic bool *stop)
{
    struct pollfd looked = {.fd = s->looked_fd, .events = POLLIN};
    for (; ms > 0 && !atomic_load(stop); ms -= STOP_MS) {
        if (poll(&looked, 1, ms < STOP_MS ? ms : STOP_MS) > 0)
            return true;
    }
    return false;
}

/* Slices of the time: one in which no key has come is the last. */
void skydns_source_settle(struct skydns_source *s, int ms, int ms_max,
                          const _Atomic bool *stop)
{
    uint32_t before;
    do {
        before = atomic_load(&s->came);
        if (has_looked(s, ms, stop))
            return;
        ms_max -= ms;
    } while (ms_max > 0 && !atomic_load(stop) && atomic_load(&s->came) != before);
}

struct skydns_map *skydns_source_map(struct skydns_source *s)
{
    return &s->map;
}
