/* `etcd:PREFIX`: the map that many replicas share. Each key below the prefix is a part
 * of its own, and its value is read as a file's text would be.
 *
 * Spoken to through the JSON gateway of etcd 3.4 and later: keys and values in base64,
 * numbers of 64 bits as texts. Everything below the prefix is read once, page by page
 * at one revision, and watched from the revision after it; whenever a watch ends it is
 * read again, so that nothing can be missed. A key that is deleted takes its clusters
 * along; a prefix that is empty all at once is not believed. */
#include "base/base64.h"
#include "base/json_out.h"
#include "base/limits.h"
#include "base/tree.h"
#include "config/discovery/access.h"
#include "config/discovery/discovery_own.h"
#include "config/discovery/rest.h"

#include <stdio.h>
#include <stdlib.h>

#define SCHEME    "etcd:"
#define LOCAL     "http://127.0.0.1:2379"
#define USUAL_MS  30000
#define PAGE_KEYS 500
#define SILENCE_S 1500 /* etcd tells every ten minutes that it is there */

struct etcd {
    struct discovery *d;
    struct arena arena; /* of one request */
    struct arena kept;  /* of the prefix */
    struct text prefix;
    char *from64, *end64; /* the prefix, and behind all keys with it, in base64 */
    char endpoint[512];   /* the one in use, without a slash at its end */
    uint32_t turn;        /* of the endpoints: on failure the next */
    struct http *http;
    struct rest rest;
    uint32_t stamp; /* of keys that the list under way has named */
    char revision[32];
    bool wrong; /* the watch said something that is no event */
    char why[HTTP_WHY_MAX];
};

static int fail_with(struct etcd *e, const char *why)
{
    snprintf(e->why, sizeof e->why, "%.100s: %.140s", e->endpoint, why);
    return -1;
}

/* ---- connections ---- */

static void disconnect(struct etcd *e)
{
    http_free(e->http);
    e->http = NULL;
}

/* One of the endpoints, each in its turn. */
static int choose_endpoint(struct etcd *e, const char *list)
{
    const char *at = list == NULL ? LOCAL : list;
    uint32_t n = 0;
    for (const char *w = at; *(w += strspn(w, " ")) != '\0'; w += strcspn(w, " "))
        n++;
    for (uint32_t skip = n == 0 ? 0 : e->turn % n; skip > 0; skip--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    size_t len = strcspn(at, " ");
    if (len >= sizeof e->endpoint) {
        snprintf(e->why, sizeof e->why, "an endpoint that is too long");
        return -1;
    }
    memcpy(e->endpoint, at, len);
    while (len > 0 && e->endpoint[len - 1] == '/')
        len--;
    e->endpoint[len] = '\0';
    return 0;
}

/* 0: a reply whose status is 200. */
static int post(struct etcd *e, const char *path, struct http_request *request,
                struct http_reply *reply)
{
    char url[sizeof e->endpoint + 64], why[96];
    *reply = (struct http_reply){0};
    if (request->body == NULL)
        return fail_with(e, "out of memory");
    snprintf(url, sizeof url, "%s%s", e->endpoint, path);
    request->url = url;
    request->patience_s = HTTP_PATIENCE_S;
    if (http_do(e->http, request, reply) < 0)
        return fail_with(e, reply->why);
    e->rest.wait_s = reply->retry_after_s;
    if (reply->status == 200)
        return 0;
    snprintf(why, sizeof why, "HTTP status %ld of %s%s", reply->status, path,
             reply->status == 401 || reply->status == 403
                 ? ": its user may not read the prefix"
                 : "");
    return fail_with(e, why);
}

/* The token that stands for the user from now on. */
static int authenticate(struct etcd *e, const struct discovery_access *a,
                        struct http_settings *out)
{
    struct json_out j = {0};
    struct http_reply reply;
    struct http_request request = {.most = KUBE_OBJECT_MAX};
    const char *password = access_password(&e->arena, a, e->why);
    if (password == NULL)
        return -1;
    json_open(&j, NULL, '{');
    json_text(&j, "name", a->user);
    json_text(&j, "password", password);
    json_close(&j, '}');
    char *text = sheet_take(&j.sheet, NULL);
    request.body = text;
    int rc = post(e, "/v3/auth/authenticate", &request, &reply);
    cJSON *tree = rc == 0 ? tree_parse(reply.body, reply.len) : NULL;
    if (rc == 0)
        out->token = arena_text(&e->arena, text_of(tree_text_of(tree, "token")));
    if (rc == 0 && (out->token == NULL || out->token[0] == '\0'))
        rc = fail_with(e, "no token for its user");
    tree_free(tree);
    http_reply_release(&reply);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    return rc;
}

static int connect_etcd(struct etcd *e)
{
    struct discovery_settings s = discovery_settings(e->d);
    struct discovery_access bare = s.access;
    struct http_settings more = {.stop_fd = discovery_stop_fd(e->d)};
    if (e->http != NULL)
        return 0;
    bare.user = bare.password_file = NULL; /* its gateway takes tokens only */
    if (choose_endpoint(e, s.access.endpoints) < 0)
        return -1;
    e->http = access_open_with(&bare, &more, e->why);
    if (e->http == NULL || s.access.user == NULL)
        return e->http == NULL ? -1 : 0;
    more.bare_token = true;
    int rc = authenticate(e, &s.access, &more);
    disconnect(e);
    if (rc == 0)
        e->http = access_open_with(&bare, &more, e->why);
    return e->http == NULL ? -1 : 0;
}

/* ---- keys ---- */

static bool is_printable(struct text t)
{
    for (size_t i = 0; i < t.len; i++) {
        if ((unsigned char)t.at[i] < ' ' || t.at[i] == 0x7f)
            return false;
    }
    return t.len > 0;
}

static int key_of(struct etcd *e, const cJSON *kv, struct text *out)
{
    return base64_read(&e->arena, text_of(tree_text_of(kv, "key")), out);
}

/* NULL: it is none of ours. */
static struct discovery_part *part_of(struct etcd *e, const cJSON *kv)
{
    struct text key;
    if (key_of(e, kv, &key) < 0 || !is_printable(key) || !text_starts(key, e->prefix))
        return NULL;
    const char *name = arena_printf(&e->arena, SCHEME "%s", key.at);
    return name == NULL ? NULL : discovery_part_of(e->d, name);
}

static void put(struct etcd *e, const cJSON *kv)
{
    struct discovery_part *p = part_of(e, kv);
    struct text value;
    struct errors errs;
    if (p == NULL)
        return;
    p->stamp = e->stamp;
    errors_init(&errs);
    enum inventory_result result = INVENTORY_BAD;
    discovery_begin(e->d, p->name);
    if (base64_read(&e->arena, text_of(tree_text_of(kv, "value")), &value) < 0)
        error_at(&errs, ((struct where){.file = p->name, .line = 1}),
                 "no base64, or no memory");
    else
        result = inventory_read_json(p->name, value, discovery_sink(e->d), &errs);
    discovery_end(e->d, result, &errs);
    errors_release(&errs);
}

/* ---- all of them ---- */

/* From `from` on, in base64; *next is where the next page begins, NULL: that was all.
 */
static int read_page(struct etcd *e, struct text body, const char **next)
{
    cJSON *tree = tree_parse(body.at, body.len);
    const cJSON *header = tree_get(tree, "header"), *kvs = tree_get(tree, "kvs"),
                *last = NULL;
    struct text key;
    *next = NULL;
    if (tree_text_of(header, "revision")[0] == '\0') {
        tree_free(tree);
        return fail_with(e, "no answer of etcd 3.4 or later");
    }
    if (e->revision[0] == '\0')
        snprintf(e->revision, sizeof e->revision, "%s",
                 tree_text_of(header, "revision"));
    for (const cJSON *kv = kvs == NULL ? NULL : kvs->child; kv != NULL; kv = kv->next) {
        put(e, kv);
        last = kv;
    }
    int rc = 0;
    if (tree_is(tree, "more") && last != NULL) {
        rc = key_of(e, last, &key);
        key.len++; /* the NUL behind it: the next key there could be */
        *next = rc < 0 ? NULL : base64_print(&e->arena, key);
        rc = *next == NULL ? fail_with(e, "out of memory") : 0;
    }
    tree_free(tree);
    return rc;
}

static int get_page(struct etcd *e, const char *from, const char **next)
{
    struct http_reply reply;
    struct http_request request = {.most = INVENTORY_OCTETS_MAX};
    request.body = arena_printf(
        &e->arena,
        "{\"key\":\"%s\",\"range_end\":\"%s\",\"limit\":\"%d\",\"revision\":\"%s\","
        "\"sort_order\":\"ASCEND\",\"sort_target\":\"KEY\"}",
        from, e->end64, PAGE_KEYS, e->revision[0] == '\0' ? "0" : e->revision);
    int rc = post(e, "/v3/kv/range", &request, &reply);
    if (rc == 0)
        rc = read_page(e, (struct text){.at = reply.body, .len = reply.len}, next);
    http_reply_release(&reply);
    return rc;
}

static int list(struct etcd *e)
{
    const char *from = e->from64;
    char *page = NULL;
    int rc = 0;
    e->stamp++;
    e->revision[0] = '\0';
    while (rc == 0 && from != NULL) {
        const char *next;
        rc = get_page(e, from, &next);
        free(page);
        page = rc == 0 && next != NULL ? strdup(next) : NULL;
        from = page;
        arena_reset(&e->arena);
    }
    free(page);
    if (rc == 0 && discovery_unstamped_gone(e->d, e->stamp) < 0)
        rc = fail_with(e, "nothing is there, which is not believed");
    return rc;
}

/* ---- and what becomes of them ---- */

/* Keys of one step: who deletes a whole prefix by mistake is not believed. */
struct drops {
    const char **parts;
    uint32_t n;
};

static void add_drop(struct etcd *e, struct drops *drops, const cJSON *kv)
{
    const struct discovery_part *p = part_of(e, kv);
    if (p != NULL && p->n > 0)
        drops->parts[drops->n++] = p->name;
}

static void drop_all(struct etcd *e, struct drops *drops)
{
    if (drops->n > 0)
        discovery_parts_gone(e->d, drops->parts, drops->n);
    drops->n = 0;
}

/* In their order: a key may go and come again. */
static void take_events(struct etcd *e, const cJSON *events)
{
    struct drops drops = {0};
    uint32_t n = 0;
    for (const cJSON *v = events->child; v != NULL; v = v->next)
        n++;
    drops.parts = arena_array(&e->arena, n + 1, sizeof *drops.parts);
    for (const cJSON *v = drops.parts == NULL ? NULL : events->child; v != NULL;
         v = v->next) {
        const cJSON *kv = tree_get(v, "kv");
        if (strcmp(tree_text_of(v, "type"), "DELETE") == 0) {
            add_drop(e, &drops, kv);
            continue;
        }
        drop_all(e, &drops);
        put(e, kv);
    }
    drop_all(e, &drops);
}

static void take_result(struct etcd *e, const cJSON *result)
{
    const cJSON *events = tree_get(result, "events");
    if (events != NULL)
        take_events(e, events);
    else
        discovery_quiet(e->d); /* it is there, and nothing has changed */
}

static bool on_line(void *context, struct text line)
{
    struct etcd *e = context;
    cJSON *tree = tree_parse(line.at, line.len);
    const cJSON *result = tree_get(tree, "result");
    bool good = result != NULL && !tree_is(result, "canceled");
    if (good)
        take_result(e, result);
    else
        fail_with(e, result == NULL ? "the watch has failed"
                                    : "the watch begins at a revision that is no more");
    e->wrong = !good;
    tree_free(tree);
    arena_reset(&e->arena);
    return good;
}

static void on_idle(void *context)
{
    struct etcd *e = context;
    discovery_wait(e->d, -1, 0);
}

static void watch(struct etcd *e)
{
    struct http_reply reply;
    struct http_request request = {.most = 4 * KUBE_OBJECT_MAX,
                                   .line = on_line,
                                   .idle = on_idle,
                                   .context = e,
                                   .silence_s = SILENCE_S};
    char *body = NULL;
    e->wrong = false;
    if (asprintf(&body,
                 "{\"create_request\":{\"key\":\"%s\",\"range_end\":\"%s\","
                 "\"start_revision\":\"%llu\",\"progress_notify\":true}}",
                 e->from64, e->end64, strtoull(e->revision, NULL, 10) + 1) < 0)
        body = NULL;
    request.body = body;
    if (post(e, "/v3/watch", &request, &reply) == 0 && !e->wrong)
        fail_with(e, "the watch has ended");
    http_reply_release(&reply);
    free(body);
}

/* ---- at work ---- */

/* Behind all keys that begin with the prefix, which ends in a slash. */
static int set_prefix(struct etcd *e)
{
    const char *word = discovery_settings(e->d).source + sizeof SCHEME - 1;
    size_t len = strlen(word);
    bool slash = len > 0 && word[len - 1] == '/';
    char *prefix = arena_printf(&e->kept, "%s%s", word, slash ? "" : "/");
    if (prefix == NULL)
        return -1;
    e->prefix = text_of(prefix);
    char *end = arena_text(&e->kept, e->prefix);
    if (end != NULL)
        end[e->prefix.len - 1]++;
    e->from64 = base64_print(&e->kept, e->prefix);
    e->end64 = end == NULL ? NULL : base64_print(&e->kept, text_of(end));
    return e->from64 == NULL || e->end64 == NULL ? -1 : 0;
}

static bool look(struct etcd *e)
{
    e->rest.wait_s = 0;
    arena_reset(&e->arena);
    if (connect_etcd(e) == 0 && list(e) == 0) {
        uint64_t began_ns = discovery_now_ns();
        e->rest.failures = 0;
        if (!discovery_wait(e->d, -1, 0))
            return false;
        watch(e);
        if (discovery_now_ns() - began_ns > 60 * 1000000000u)
            return discovery_wait(e->d, -1, 0);
    }
    if (!discovery_wait(e->d, -1, 0))
        return false;
    e->rest.failures++;
    e->turn++;
    discovery_failed(e->d, "%s", e->why);
    disconnect(e);
    return discovery_wait(e->d, -1, rest_ms(e->d, &e->rest, USUAL_MS));
}

static void run(struct discovery *d)
{
    struct etcd e = {.d = d};
    arena_init(&e.arena, NULL, 0);
    arena_init(&e.kept, NULL, 0);
    bool on = set_prefix(&e) == 0;
    if (!on)
        discovery_failed(d, "out of memory");
    while (on)
        on = look(&e);
    disconnect(&e);
    arena_release(&e.arena);
    arena_release(&e.kept);
}

const struct discovery_source discovery_etcd = {
    .name = "etcd", .scheme = SCHEME, .run = run};
