#include "config/discovery/etcd_client.h"

#include "base/base64.h"
#include "base/json_out.h"
#include "base/limits.h"
#include "base/tree.h"

#include <stdio.h>
#include <stdlib.h>

#define LOCAL     "http://127.0.0.1:2379"
#define PAGE_KEYS 1000
#define SILENCE_S 1500 /* etcd tells every ten minutes that it is there */
#define LEASE_S   5    /* patience for one lease: a watch waits meanwhile */

int etcd_client_why(struct etcd_client *c, const char *why)
{
    snprintf(c->why, sizeof c->why, "%.90s: %.160s", c->endpoint, why);
    return -1;
}

/* ---- life ---- */

int etcd_client_init(struct etcd_client *c, const struct etcd_client_settings *settings)
{
    *c = (struct etcd_client){.settings = *settings};
    arena_init(&c->arena, NULL, 0);
    arena_init(&c->kept, NULL, 0);
    char *prefix = arena_text(&c->kept, settings->prefix);
    char *end = arena_text(&c->kept, settings->prefix);
    if (prefix == NULL || end == NULL)
        return -1;
    c->prefix = text_of(prefix);
    end[c->prefix.len - 1]++; /* the slash */
    c->from64 = base64_print(&c->kept, c->prefix);
    c->end64 = base64_print(&c->kept, text_of(end));
    return c->from64 == NULL || c->end64 == NULL ? -1 : 0;
}

static void disconnect(struct etcd_client *c)
{
    http_free(c->http);
    c->http = NULL;
}

void etcd_client_release(struct etcd_client *c)
{
    disconnect(c);
    arena_release(&c->arena);
    arena_release(&c->kept);
}

void etcd_client_failed(struct etcd_client *c)
{
    c->turn++;
    disconnect(c);
}

/* ---- connections ---- */

/* One of the endpoints, each in its turn. */
static int choose_endpoint(struct etcd_client *c, const char *list)
{
    const char *at = list == NULL ? LOCAL : list;
    uint32_t n = 0;
    for (const char *w = at; *(w += strspn(w, " ")) != '\0'; w += strcspn(w, " "))
        n++;
    for (uint32_t skip = n == 0 ? 0 : c->turn % n; skip > 0; skip--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    size_t len = strcspn(at, " ");
    if (len >= sizeof c->endpoint) {
        snprintf(c->why, sizeof c->why, "an endpoint that is too long");
        return -1;
    }
    memcpy(c->endpoint, at, len);
    while (len > 0 && c->endpoint[len - 1] == '/')
        len--;
    c->endpoint[len] = '\0';
    return 0;
}

/* A proxy may send back what it was sent. Where there is a secret only the words of an
 * error that quotes nothing and does not hold it are told. */
static bool may_be_told(const char *secret, const char *error)
{
    return secret == NULL || (strpbrk(error, "\"\\") == NULL &&
                              (secret[0] == '\0' || strstr(error, secret) == NULL));
}

/* What etcd says of a failure, in the words of its JSON or as it is. */
static void explain(struct etcd_client *c, const char *path,
                    const struct http_reply *reply)
{
    char why[200];
    cJSON *tree = tree_parse(reply->body, reply->len);
    const char *error = tree_text_of(tree, "error");
    if (error[0] == '\0' && c->secret == NULL)
        error = reply->body;
    int len = may_be_told(c->secret, error) ? (int)strcspn(error, "\r\n") : 0;
    snprintf(why, sizeof why, "HTTP status %ld of %s%s%.*s", reply->status, path,
             len == 0 ? "" : ": ", len > 120 ? 120 : len, error);
    tree_free(tree);
    etcd_client_why(c, why);
}

/* 0: a reply whose status is 200. */
static int post(struct etcd_client *c, const char *path, struct http_request *request,
                struct http_reply *reply)
{
    char url[sizeof c->endpoint + 64];
    *reply = (struct http_reply){0};
    if (request->body == NULL)
        return etcd_client_why(c, "out of memory");
    snprintf(url, sizeof url, "%s%s", c->endpoint, path);
    request->url = url;
    if (request->patience_s == 0)
        request->patience_s = HTTP_PATIENCE_S;
    if (http_do(c->http, request, reply) < 0)
        return etcd_client_why(c, reply->why);
    c->wait_s = reply->retry_after_s;
    if (reply->status == 200)
        return 0;
    explain(c, path, reply);
    return -1;
}

/* The token that stands for the user from now on. */
static int authenticate(struct etcd_client *c, struct http_settings *out)
{
    const struct discovery_access *a = c->settings.access;
    struct json_out j = {0};
    struct http_reply reply;
    struct http_request request = {.most = KUBE_OBJECT_MAX};
    const char *password = access_password(&c->arena, a, c->why);
    if (password == NULL)
        return -1;
    json_open(&j, NULL, '{');
    json_text(&j, "name", a->user);
    json_text(&j, "password", password);
    json_close(&j, '}');
    char *text = sheet_take(&j.sheet, NULL);
    request.body = text;
    c->secret = password;
    int rc = post(c, "/v3/auth/authenticate", &request, &reply);
    c->secret = NULL;
    cJSON *tree = rc == 0 ? tree_parse(reply.body, reply.len) : NULL;
    if (rc == 0)
        out->token = arena_text(&c->arena, text_of(tree_text_of(tree, "token")));
    if (rc == 0 && (out->token == NULL || out->token[0] == '\0'))
        rc = etcd_client_why(c, "no token for its user");
    tree_free(tree);
    http_reply_release(&reply);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    return rc;
}

static int connect_etcd(struct etcd_client *c)
{
    const struct discovery_access *a = c->settings.access;
    struct discovery_access bare = *a;
    struct http_settings more = {.stop_fd = c->settings.stop_fd};
    c->wait_s = 0;
    arena_reset(&c->arena);
    if (c->http != NULL)
        return 0;
    bare.user = bare.password_file = NULL; /* its gateway takes tokens only */
    if (choose_endpoint(c, a->endpoints) < 0)
        return -1;
    c->http = access_open_with(&bare, &more, c->why);
    if (c->http == NULL || a->user == NULL)
        return c->http == NULL ? -1 : 0;
    more.bare_token = true;
    int rc = authenticate(c, &more);
    disconnect(c);
    if (rc == 0)
        c->http = access_open_with(&bare, &more, c->why);
    return c->http == NULL ? -1 : 0;
}

/* ---- keys ---- */

static int key_of(struct etcd_client *c, const cJSON *kv, struct text *out)
{
    return base64_read(&c->arena, text_of(tree_text_of(kv, "key")), out);
}

static bool is_ours(struct etcd_client *c, const cJSON *kv, struct text *key)
{
    return key_of(c, kv, key) == 0 && text_starts(*key, c->prefix);
}

static bool put(struct etcd_client *c, const cJSON *kv)
{
    struct etcd_key k = {0};
    if (!is_ours(c, kv, &k.key))
        return true;
    k.is_coded =
        base64_read(&c->arena, text_of(tree_text_of(kv, "value")), &k.value) == 0;
    k.lease = strtoull(tree_text_of(kv, "lease"), NULL, 10);
    return c->settings.sink->put(c->settings.context, &k);
}

/* ---- all of them ---- */

static bool is_before(struct text a, struct text b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order < 0 || (order == 0 && a.len < b.len);
}

/* Where the page behind this one begins. A server that gives the same keys again and
 * again would be asked without end. */
static int find_next(struct etcd_client *c, const char *from, const cJSON *last,
                     const char **next)
{
    struct text begin, key;
    if (base64_read(&c->arena, text_of(from), &begin) < 0)
        return etcd_client_why(c, "out of memory");
    if (!is_ours(c, last, &key) || is_before(key, begin))
        return etcd_client_why(c, "pages of keys that do not go on");
    key.len++; /* the NUL behind it: the next key there could be */
    *next = base64_print(&c->arena, key);
    return *next == NULL ? etcd_client_why(c, "out of memory") : 0;
}

/* The page from `from` on, in base64; *next is where the next one begins, NULL: that
 * was all. */
static int take_page(struct etcd_client *c, const char *from, const cJSON *tree,
                     const char **next)
{
    const char *revision = tree_text_of(tree_get(tree, "header"), "revision");
    const cJSON *kvs = tree_get(tree, "kvs"), *last = NULL;
    *next = NULL;
    if (revision[0] == '\0')
        return etcd_client_why(c, "no answer of etcd 3.4 or later");
    if (c->revision[0] == '\0')
        snprintf(c->revision, sizeof c->revision, "%s", revision);
    for (const cJSON *kv = kvs == NULL ? NULL : kvs->child; kv != NULL; kv = kv->next) {
        if (!put(c, kv))
            return -1;
        last = kv;
    }
    return tree_is(tree, "more") ? find_next(c, from, last, next) : 0;
}

/* Before anything of the page is used. */
static int weigh_page(struct etcd_client *c, const cJSON *tree, size_t octets)
{
    char why[100];
    c->too_much = !list_size_add(&c->size, octets, tree_get(tree, "kvs"));
    if (!c->too_much)
        return 0;
    snprintf(why, sizeof why, LIST_SIZE_WHY);
    return etcd_client_why(c, why);
}

/* They come in the order of their keys; asked for that order, etcd would read and sort
 * all that follow for every page. */
static int get_page(struct etcd_client *c, const char *from, const char **next)
{
    struct http_reply reply;
    struct http_request request = {.most = INVENTORY_OCTETS_MAX};
    request.body = arena_printf(
        &c->arena,
        "{\"key\":\"%s\",\"range_end\":\"%s\",\"limit\":\"%d\",\"revision\":\"%s\"}",
        from, c->end64, PAGE_KEYS, c->revision[0] == '\0' ? "0" : c->revision);
    int rc = post(c, "/v3/kv/range", &request, &reply);
    cJSON *tree = rc == 0 ? tree_parse(reply.body, reply.len) : NULL;
    if (rc == 0)
        rc = weigh_page(c, tree, reply.len);
    if (rc == 0)
        rc = take_page(c, from, tree, next);
    tree_free(tree);
    http_reply_release(&reply);
    return rc;
}

int etcd_client_list(struct etcd_client *c)
{
    const char *from = c->from64;
    char *page = NULL;
    int rc = connect_etcd(c);
    c->revision[0] = '\0';
    c->too_much = false;
    c->size = (struct list_size){0};
    while (rc == 0 && from != NULL) {
        const char *next;
        rc = get_page(c, from, &next);
        free(page);
        page = rc == 0 && next != NULL ? strdup(next) : NULL;
        if (rc == 0 && next != NULL && page == NULL)
            rc = etcd_client_why(c, "out of memory");
        from = page;
        arena_reset(&c->arena);
    }
    free(page);
    return rc;
}

/* ---- and what becomes of them ---- */

/* In their order: a key may go and come again. */
static void take_events(struct etcd_client *c, const cJSON *events)
{
    struct text key;
    for (const cJSON *v = events->child; v != NULL; v = v->next) {
        const cJSON *kv = tree_get(v, "kv");
        if (strcmp(tree_text_of(v, "type"), "DELETE") != 0)
            put(c, kv);
        else if (is_ours(c, kv, &key))
            c->settings.sink->gone(c->settings.context, key);
    }
}

static bool on_line(void *context, struct text line)
{
    struct etcd_client *c = context;
    cJSON *tree = tree_parse(line.at, line.len);
    const cJSON *result = tree_get(tree, "result"),
                *events = tree_get(result, "events");
    bool good = result != NULL && !tree_is(result, "canceled");
    if (good && events != NULL)
        take_events(c, events);
    if (good)
        good = c->settings.sink->told(c->settings.context, events != NULL);
    else
        etcd_client_why(c, result == NULL
                               ? "the watch has failed"
                               : "the watch begins at a revision that is no more");
    c->wrong = !good;
    tree_free(tree);
    arena_reset(&c->arena);
    return good;
}

static void on_idle(void *context)
{
    struct etcd_client *c = context;
    c->settings.sink->idle(c->settings.context);
}

void etcd_client_watch(struct etcd_client *c)
{
    struct http_reply reply;
    struct http_request request = {.most = 4 * KUBE_OBJECT_MAX,
                                   .line = on_line,
                                   .idle = on_idle,
                                   .context = c,
                                   .silence_s = SILENCE_S};
    char *body = NULL;
    c->wrong = false;
    if (asprintf(&body,
                 "{\"create_request\":{\"key\":\"%s\",\"range_end\":\"%s\","
                 "\"start_revision\":\"%llu\",\"progress_notify\":true}}",
                 c->from64, c->end64, strtoull(c->revision, NULL, 10) + 1) < 0)
        body = NULL;
    request.body = body;
    if (post(c, "/v3/watch", &request, &reply) == 0 && !c->wrong)
        etcd_client_why(c, "the watch has ended");
    http_reply_release(&reply);
    free(body);
}

/* ---- leases ---- */

int etcd_client_lease(struct etcd_client *c, uint64_t lease, int64_t *left,
                      int64_t *granted)
{
    char body[48];
    struct http_reply reply = {0};
    struct http_request request = {
        .most = KUBE_OBJECT_MAX, .body = body, .patience_s = LEASE_S};
    snprintf(body, sizeof body, "{\"ID\":\"%llu\"}", (unsigned long long)lease);
    if (connect_etcd(c) < 0)
        return -1;
    int rc = post(c, "/v3/lease/timetolive", &request, &reply);
    cJSON *tree = rc == 0 ? tree_parse(reply.body, reply.len) : NULL;
    *left = strtoll(tree_text_of(tree, "TTL"), NULL, 10);
    *granted = strtoll(tree_text_of(tree, "grantedTTL"), NULL, 10);
    if (rc == 0 && tree_get(tree, "header") == NULL)
        rc = etcd_client_why(c, "no answer about a lease");
    tree_free(tree);
    http_reply_release(&reply);
    return rc;
}
