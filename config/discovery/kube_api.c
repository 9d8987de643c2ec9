#include "config/discovery/kube_api.h"

#include "base/limits.h"
#include "base/log.h"
#include "config/discovery/kube_exec.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
#define EARLY_S 30 /* before a credential ends it is got anew */

struct kube_api {
    struct kube_context context;
    struct discovery_access access; /* borrowed texts */
    int stop_fd;
    struct arena arena; /* of `server`, and of the Pod's own texts */
    const char *server; /* without a slash at its end */
    struct http *http;  /* NULL: to be made */
    uint64_t expires_s; /* of its credentials; 0: never */
};

/* ---- kubeconfigs ---- */

/* NULL: nobody says. `usual` is room for it. */
static const char *paths_of(const struct discovery_access *a, char usual[4096])
{
    const char *paths = a->kubeconfig, *home = getenv("HOME");
    if (paths == NULL)
        paths = getenv("KUBECONFIG");
    if (paths != NULL && paths[0] != '\0')
        return paths;
    if (home == NULL)
        return NULL;
    snprintf(usual, 4096, "%s/.kube/config", home);
    return usual;
}

struct kubeconfig *kube_config(const struct discovery_access *a, struct errors *errs)
{
    char usual[4096];
    const char *paths = paths_of(a, usual);
    if (paths != NULL)
        return kubeconfig_read(paths, errs);
    error_at(errs, (struct where){0},
             "no kubeconfig: expected the option `kubeconfig FILE`");
    return NULL;
}

uint64_t kube_config_stamp(const struct discovery_access *a)
{
    char usual[4096];
    const char *paths = paths_of(a, usual);
    return paths == NULL ? 0 : kubeconfig_stamp(paths);
}

void kube_first_error(const struct errors *errs, char *why)
{
    const struct error *e = errs->n > 0 ? errs->list : NULL;
    if (e != NULL && e->file != NULL)
        snprintf(why, HTTP_WHY_MAX, "%.100s:%u: %.130s", e->file, e->at.line, e->text);
    else
        snprintf(why, HTTP_WHY_MAX, "%.250s", e == NULL ? "out of memory" : e->text);
}

/* ---- opening ---- */

/* The context of a Pod: what its environment and its files say. */
static int own_context(struct kube_api *api, char *why)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    if (host == NULL || port == NULL) {
        snprintf(why, HTTP_WHY_MAX,
                 "this is no Pod of Kubernetes: KUBERNETES_SERVICE_HOST is not set");
        return -1;
    }
    bool v6 = strchr(host, ':') != NULL;
    api->context = (struct kube_context){
        .name = KUBE_IN_CLUSTER,
        .server = arena_printf(&api->arena, "https://%s%s%s:%s", v6 ? "[" : "", host,
                               v6 ? "]" : "", port),
        .token_file = ACCOUNT "token"};
    if (api->access.ca_file == NULL)
        api->access.ca_file = ACCOUNT "ca.crt";
    return 0;
}

static int find_context(struct kube_api *api, const struct kubeconfig *k,
                        const char *context, char *why)
{
    struct errors errs;
    errors_init(&errs);
    int rc = kubeconfig_context(k, context, &api->arena, &api->context, &errs);
    if (rc < 0)
        kube_first_error(&errs, why);
    errors_release(&errs);
    if (rc == 0 && api->context.insecure && !api->access.insecure) {
        snprintf(why, HTTP_WHY_MAX,
                 "context %.64s asks for no verification of certificates: that needs "
                 "the option `insecure` here, too",
                 context);
        rc = -1;
    }
    return rc;
}

struct kube_api *kube_api_open(const struct kubeconfig *k, const char *context,
                               const struct discovery_access *a, int stop_fd, char *why)
{
    struct kube_api *api = calloc(1, sizeof *api);
    if (api == NULL) {
        snprintf(why, HTTP_WHY_MAX, "out of memory");
        return NULL;
    }
    arena_init(&api->arena, NULL, 0);
    api->access = *a;
    api->stop_fd = stop_fd;
    int rc = k == NULL ? own_context(api, why) : find_context(api, k, context, why);
    struct text server = text_of(rc == 0 ? api->context.server : "");
    while (server.len > 0 && server.at[server.len - 1] == '/')
        server.len--;
    api->server = arena_text(&api->arena, server);
    if (rc == 0 && api->server != NULL)
        return api;
    if (rc == 0)
        snprintf(why, HTTP_WHY_MAX, "out of memory");
    kube_api_free(api);
    return NULL;
}

void kube_api_free(struct kube_api *api)
{
    if (api == NULL)
        return;
    http_free(api->http);
    arena_release(&api->arena);
    free(api);
}

/* ---- credentials ---- */

/* What a program says, where the kubeconfig names one and nothing else is known. */
static int ask_program(struct kube_api *api, struct arena *arena,
                       struct http_settings *s, char *why)
{
    struct kube_credential c;
    if (api->context.exec == NULL || api->access.token_file != NULL ||
        api->access.cert_file != NULL)
        return 0;
    if (!api->access.exec) {
        snprintf(why, HTTP_WHY_MAX,
                 "context %.64s gets its credentials from a program (%.64s): that "
                 "needs the option `exec` here, or a `token_file`",
                 api->context.name, tree_text_of(api->context.exec, "command"));
        return -1;
    }
    if (kube_exec(arena, &api->context, api->stop_fd, &c, why) < 0)
        return -1;
    if (c.token != NULL)
        s->token = c.token;
    if (c.cert != NULL && c.key != NULL) {
        s->cert = c.cert;
        s->key = c.key;
    }
    api->expires_s = c.expires_s;
    return 0;
}

static int connect_http(struct kube_api *api, char *why)
{
    const struct kube_context *c = &api->context;
    struct http_settings s = {.ca = c->ca,
                              .cert = c->cert,
                              .key = c->key,
                              .token = c->token,
                              .token_file = c->token_file,
                              .user = c->user,
                              .password = c->password,
                              .proxy = c->proxy,
                              .server_name = c->server_name,
                              .stop_fd = api->stop_fd};
    struct arena arena;
    arena_init(&arena, NULL, 0);
    api->expires_s = 0;
    if (ask_program(api, &arena, &s, why) == 0)
        api->http = access_open_with(&api->access, &s, why);
    arena_release(&arena);
    return api->http == NULL ? -1 : 0;
}

static void disconnect(struct kube_api *api)
{
    http_free(api->http);
    api->http = NULL;
}

/* ---- requests ---- */

/* The last two of `/api/v1/namespaces/kube-system/services/kube-dns?...`: what the
 * permission that is missing is for. */
static void explain(struct http_reply *reply, const char *path)
{
    size_t len = strcspn(path, "?");
    if (reply->status == 401)
        snprintf(reply->why, sizeof reply->why,
                 "HTTP 401: the API does not accept the credentials");
    else if (reply->status == 403)
        snprintf(reply->why, sizeof reply->why,
                 "HTTP 403: not allowed to read %.*s: grant it by RBAC",
                 (int)(len < 160 ? len : 160), path);
    else
        snprintf(reply->why, sizeof reply->why, "HTTP status %ld of %.*s",
                 reply->status, (int)(len < 160 ? len : 160), path);
}

/* There is a connection, or there can be one: as somebody who is believed for a while.
 */
static int make_ready(struct kube_api *api, char *why)
{
    if (api->http != NULL && api->expires_s > 0 &&
        (uint64_t)time(NULL) + EARLY_S > api->expires_s)
        disconnect(api);
    return api->http == NULL ? connect_http(api, why) : 0;
}

static int try_once(struct kube_api *api, const struct http_request *request,
                    struct http_reply *reply)
{
    *reply = (struct http_reply){0};
    if (make_ready(api, reply->why) < 0)
        return -1;
    return http_do(api->http, request, reply);
}

int kube_api_do(struct kube_api *api, const struct http_request *request,
                struct http_reply *reply)
{
    struct http_request whole = *request;
    char *url = NULL;
    if (asprintf(&url, "%s%s", api->server, request->url) < 0) {
        *reply = (struct http_reply){.why = "out of memory"};
        return -1;
    }
    whole.url = url;
    int rc = try_once(api, &whole, reply);
    if (rc == 0 && reply->status == 401) {
        http_reply_release(reply);
        disconnect(api); /* files and programs may know better by now */
        rc = try_once(api, &whole, reply);
    }
    free(url);
    if (rc == 0 && reply->status != 200)
        explain(reply, request->url);
    if (rc < 0 || reply->status == 401)
        disconnect(api);
    return rc;
}

/* URLs instead of paths, which are kept in `paths`. 0, or -1: no memory. */
static int make_urls(const struct kube_api *api, struct http_request *requests,
                     const char **paths, unsigned n)
{
    int rc = 0;
    for (unsigned i = 0; i < n; i++) {
        char *url = NULL;
        paths[i] = requests[i].url;
        if (asprintf(&url, "%s%s", api->server, paths[i]) < 0) {
            url = NULL;
            rc = -1;
        }
        requests[i].url = url;
    }
    return rc;
}

static int watch_once(struct kube_api *api, struct http_request *requests,
                      struct http_reply *replies, unsigned n, int64_t ms)
{
    for (unsigned i = 0; i < n; i++)
        replies[i] = (struct http_reply){0};
    if (make_ready(api, replies[0].why) < 0)
        return -1;
    return http_watch(api->http, requests, replies, n, ms);
}

static bool is_refused(const struct http_reply *replies, unsigned n)
{
    bool refused = false;
    for (unsigned i = 0; i < n; i++)
        refused |= replies[i].status == 401;
    return refused;
}

int kube_api_watch(struct kube_api *api, struct http_request *requests,
                   struct http_reply *replies, unsigned n, int64_t ms)
{
    const char *paths[HTTP_STREAMS_MAX];
    int rc = make_urls(api, requests, paths, n);
    for (unsigned i = 0; i < n; i++)
        replies[i] = (struct http_reply){.why = "out of memory"};
    if (rc == 0)
        rc = watch_once(api, requests, replies, n, ms);
    if (rc == 0 && is_refused(replies, n)) {
        for (unsigned i = 0; i < n; i++)
            http_reply_release(&replies[i]);
        disconnect(api);
        rc = watch_once(api, requests, replies, n, ms);
    }
    for (unsigned i = 0; i < n; i++) {
        free((char *)(uintptr_t)requests[i].url);
        requests[i].url = paths[i];
        if (!replies[i].left && replies[i].status != 0 && replies[i].status != 200)
            explain(&replies[i], paths[i]);
    }
    if (rc < 0 || is_refused(replies, n))
        disconnect(api);
    return rc;
}

bool kube_api_rest(const struct kube_api *api, int64_t ms)
{
    struct pollfd stop = {.fd = api->stop_fd, .events = POLLIN};
    return poll(&stop, 1, ms > INT32_MAX ? INT32_MAX : (int)ms) <= 0;
}
