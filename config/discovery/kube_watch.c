#include "config/discovery/kube_watch.h"

#include "base/limits.h"
#include "config/discovery/rest.h"

#include <stdio.h>

#define PAGE_OBJECTS 500
#define PAGES_MAX    1000 /* that is half a million objects */
#define WATCH_S      450  /* with jitter, 300 to 600 as clients of the API do */
#define GRACE_S      30   /* behind that it is dead */

/* ---- lists ---- */

struct page {
    char next[1024]; /* `continue` of the page before; "": the first, or no more */
    char version[128];
    unsigned number; /* of pages that another follows */
};

/* What may stand in a URL as it is. */
static void print_escaped(const char *text, char *out, size_t cap)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t n = 0;
    for (; *text != '\0' && n + 4 < cap; text++)
        n += (size_t)snprintf(out + n, cap - n, strchr(plain, *text) ? "%c" : "%%%02X",
                              (unsigned char)*text);
    out[n] = '\0';
}

/* A list must end: one that goes on where it was, or for ever, is none. */
static int turn_page(struct kube_watch *w, struct page *p, const char *next)
{
    bool same = next[0] != '\0' && strcmp(next, p->next) == 0;
    p->number += next[0] != '\0';
    if (!same && p->number < PAGES_MAX && strlen(next) < sizeof p->next) {
        snprintf(p->next, sizeof p->next, "%s", next);
        return 0;
    }
    snprintf(w->why, sizeof w->why, "the list at %.150s does not end: %s", w->path,
             same                    ? "it goes on with the same token"
             : p->number < PAGES_MAX ? "its token is too long"
                                     : "it has too many pages");
    return -1;
}

static bool is_too_much(struct kube_watch *w, const cJSON *items, size_t octets)
{
    w->too_much = !list_size_add(&w->size, octets, items);
    if (w->too_much)
        snprintf(w->why, sizeof w->why, LIST_SIZE_WHY);
    return w->too_much;
}

static int read_page(struct kube_watch *w, struct page *p, struct text text)
{
    cJSON *tree = tree_parse(text.at, text.len);
    const cJSON *meta = tree_get(tree, "metadata"), *items = tree_get(tree, "items");
    bool good = items != NULL && (items->type & 0xff) == cJSON_Array && meta != NULL;
    if (!good)
        snprintf(w->why, sizeof w->why, "no list of objects at %.150s", w->path);
    good = good && !is_too_much(w, items, text.len);
    for (const cJSON *v = good ? items->child : NULL; v != NULL; v = v->next) {
        w->object(w->context, v, false);
        w->listed++;
    }
    snprintf(p->version, sizeof p->version, "%s",
             tree_text_of(meta, "resourceVersion"));
    good = good && turn_page(w, p, tree_text_of(meta, "continue")) == 0;
    tree_free(tree);
    return good ? 0 : -1;
}

static int get_page(struct kube_watch *w, struct page *p)
{
    char url[4096], next[3 * sizeof p->next];
    struct http_reply reply;
    print_escaped(p->next, next, sizeof next);
    snprintf(url, sizeof url, "%.512s?%.256s%slimit=%d%s%s", w->path,
             w->query == NULL ? "" : w->query, w->query == NULL ? "" : "&",
             PAGE_OBJECTS, next[0] == '\0' ? "" : "&continue=", next);
    struct http_request get = {
        .url = url, .most = INVENTORY_OCTETS_MAX, .patience_s = HTTP_PATIENCE_S};
    int rc = kube_api_do(w->api, &get, &reply);
    w->status = reply.status;
    w->retry_after_s = reply.retry_after_s;
    if (rc == 0 && reply.status == 200) {
        rc = read_page(w, p, (struct text){.at = reply.body, .len = reply.len});
    } else {
        snprintf(w->why, sizeof w->why, "%s", reply.why);
        rc = -1;
    }
    http_reply_release(&reply);
    return rc;
}

int kube_list(struct kube_watch *w)
{
    struct page p = {0};
    w->listed = 0;
    w->too_much = false;
    w->size = (struct list_size){0};
    do {
        if (get_page(w, &p) < 0)
            return -1;
    } while (p.next[0] != '\0');
    snprintf(w->version, sizeof w->version, "%s", p.version);
    return 0;
}

/* ---- watches ---- */

static void note_version(struct kube_watch *w, const cJSON *object)
{
    const char *version = tree_text_of(tree_get(object, "metadata"), "resourceVersion");
    if (version[0] != '\0')
        snprintf(w->version, sizeof w->version, "%s", version);
}

static void take_error(struct kube_watch *w, const cJSON *status)
{
    w->expired = tree_number_of(status, "code") > 409 && /* 410, Gone or Expired */
                 tree_number_of(status, "code") < 411;
    w->wrong = !w->expired;
    snprintf(w->why, sizeof w->why, "the API ends the watch: %.150s",
             tree_text_of(status, "message"));
}

static void take_event(struct kube_watch *w, const cJSON *event)
{
    const char *type = tree_text_of(event, "type");
    const cJSON *object = tree_get(event, "object");
    bool bookmark = strcmp(type, "BOOKMARK") == 0;
    bool deleted = strcmp(type, "DELETED") == 0;
    if (strcmp(type, "ERROR") == 0) {
        take_error(w, object);
        return;
    }
    if (object == NULL || (!bookmark && !deleted && strcmp(type, "ADDED") != 0 &&
                           strcmp(type, "MODIFIED") != 0)) {
        w->wrong = true;
        snprintf(w->why, sizeof w->why, "a line of the watch is no event");
        return;
    }
    if (bookmark)
        w->quiet(w->context);
    else
        w->object(w->context, object, deleted);
    note_version(w, object);
}

static bool on_line(void *context, struct text line)
{
    struct kube_watch *w = context;
    cJSON *event = tree_parse(line.at, line.len);
    take_event(w, event);
    tree_free(event);
    return !w->expired && !w->wrong && !w->enough;
}

static void on_idle(void *context)
{
    struct kube_watch *w = context;
    if (w->idle != NULL)
        w->idle(w->context);
}

static enum kube_watched judge(struct kube_watch *w, const struct http_reply *reply)
{
    if (w->expired || reply->status == 410)
        return KUBE_RELIST;
    if (w->wrong)
        return KUBE_CUT;
    if (reply->left || (reply->status == 200 && reply->why[0] == '\0'))
        return KUBE_AGAIN;
    snprintf(w->why, sizeof w->why, "%s", reply->why);
    return KUBE_CUT;
}

static struct http_request ask(struct kube_watch *w)
{
    char version[3 * sizeof w->version];
    unsigned seconds = (unsigned)rest_jitter(WATCH_S * 1000) / 1000;
    print_escaped(w->version, version, sizeof version);
    snprintf(w->url, sizeof w->url,
             "%.512s?%.256s%swatch=true&allowWatchBookmarks=true&resourceVersion=%s&"
             "timeoutSeconds=%u",
             w->path, w->query == NULL ? "" : w->query, w->query == NULL ? "" : "&",
             version, seconds);
    w->expired = w->wrong = w->enough = false;
    return (struct http_request){.url = w->url,
                                 .most = KUBE_OBJECT_MAX,
                                 .patience_s = HTTP_PATIENCE_S,
                                 .line = on_line,
                                 .idle = on_idle,
                                 .context = w,
                                 .silence_s = seconds + GRACE_S};
}

void kube_watch(struct kube_watch *const *list, unsigned n, int64_t ms)
{
    struct http_request requests[HTTP_STREAMS_MAX];
    struct http_reply replies[HTTP_STREAMS_MAX];
    for (unsigned i = 0; i < n; i++)
        requests[i] = ask(list[i]);
    kube_api_watch(list[0]->api, requests, replies, n, ms);
    for (unsigned i = 0; i < n; i++) {
        struct kube_watch *w = list[i];
        w->how = judge(w, &replies[i]);
        w->left = replies[i].left;
        w->status = replies[i].status;
        w->retry_after_s = replies[i].retry_after_s;
        http_reply_release(&replies[i]);
    }
}
