#include "config/discovery/kubeconfig.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/table.h"
#include "config/source.h"
#include "config/yaml.h"

#include <stdio.h>
#include <stdlib.h>

struct file {
    const char *path;
    cJSON *tree;
    struct file *next;
};

struct context {
    const char *name;
    const struct file *file;
    const cJSON *entry;
};

struct kubeconfig {
    struct arena arena;
    struct file *files; /* in their order */
    uint64_t digest;
    struct context *contexts; /* each once, in their order */
    uint32_t contexts_n;
    struct table contexts_by_name;
};

/* ---- reading ---- */

static int read_file(struct kubeconfig *k, const char *path, struct errors *errs)
{
    struct text text;
    struct file **last = &k->files;
    struct file *f = arena_alloc(&k->arena, sizeof *f);
    if (f == NULL)
        return error_at(errs, (struct where){.file = path}, "out of memory");
    if (source_read(&k->arena, path, (struct where){.file = path}, &text, errs) < 0)
        return -1;
    f->path = path;
    f->tree = yaml_parse(path, text, errs);
    if (f->tree == NULL)
        return -1;
    k->digest = k->digest * 31 + hash_bytes(text.at, text.len);
    while (*last != NULL)
        last = &(*last)->next;
    *last = f;
    return 0;
}

static int read_files(struct kubeconfig *k, const char *paths, struct errors *errs)
{
    bool single = strchr(paths, ':') == NULL;
    while (*paths != '\0') {
        struct text part = {.at = paths, .len = strcspn(paths, ":")};
        char *path = arena_text(&k->arena, part);
        struct source_stamp stamp;
        paths += part.len + (paths[part.len] == ':');
        if (path == NULL)
            return error_at(errs, (struct where){0}, "out of memory");
        /* Of several some may not be there, as kubectl has it. */
        if (part.len == 0 || (!single && source_stamp(path, &stamp) != 0))
            continue;
        if (read_file(k, path, errs) < 0)
            return -1;
    }
    if (k->files == NULL)
        return error_at(errs, (struct where){0}, "none of the kubeconfigs is there");
    return 0;
}

/* NULL: none, or empty. */
static const char *text_at(const cJSON *object, const char *key)
{
    const char *text = tree_text_of(object, key);
    return text[0] == '\0' ? NULL : text;
}

static const cJSON *entries(const struct file *f, const char *list)
{
    const cJSON *all = tree_get(f->tree, list);
    return all == NULL ? NULL : all->child;
}

static bool is_context(const void *entry, const void *name)
{
    return strcmp(((const struct context *)entry)->name, name) == 0;
}

static struct context *context_of(const struct kubeconfig *k, const char *name)
{
    uint32_t hash = hash_text(name);
    return table_get(&k->contexts_by_name, hash, is_context, name);
}

/* Of several with one name the first counts. */
static int list_contexts(struct kubeconfig *k, const struct file *f)
{
    for (const cJSON *v = entries(f, "contexts"); v != NULL; v = v->next) {
        const char *name = text_at(v, "name");
        if (name == NULL || context_of(k, name) != NULL)
            continue;
        struct context *c = &k->contexts[k->contexts_n];
        *c = (struct context){.name = name, .file = f, .entry = v};
        uint32_t hash = hash_text(name);
        if (table_put(&k->contexts_by_name, hash, c) < 0)
            return -1;
        k->contexts_n++;
    }
    return 0;
}

static int list_all(struct kubeconfig *k, struct errors *errs)
{
    uint32_t n = 1;
    int rc = 0;
    for (const struct file *f = k->files; f != NULL; f = f->next) {
        for (const cJSON *v = entries(f, "contexts"); v != NULL; v = v->next)
            n++;
    }
    k->contexts = arena_array(&k->arena, n, sizeof *k->contexts);
    for (const struct file *f = k->files; f != NULL && rc == 0; f = f->next)
        rc = k->contexts == NULL ? -1 : list_contexts(k, f);
    return rc < 0 ? error_at(errs, (struct where){0}, "out of memory") : 0;
}

struct kubeconfig *kubeconfig_read(const char *paths, struct errors *errs)
{
    struct kubeconfig *k = calloc(1, sizeof *k);
    if (k == NULL) {
        error_at(errs, (struct where){0}, "out of memory");
        return NULL;
    }
    arena_init(&k->arena, NULL, 0);
    if (read_files(k, paths, errs) == 0 && list_all(k, errs) == 0)
        return k;
    kubeconfig_free(k);
    return NULL;
}

void kubeconfig_free(struct kubeconfig *k)
{
    if (k == NULL)
        return;
    for (struct file *f = k->files; f != NULL; f = f->next)
        tree_free(f->tree);
    table_release(&k->contexts_by_name);
    arena_release(&k->arena);
    free(k);
}

uint64_t kubeconfig_digest(const struct kubeconfig *k)
{
    return k->digest;
}

uint64_t kubeconfig_stamp(const char *paths)
{
    uint64_t stamp = 1;
    while (*paths != '\0') {
        char path[4096];
        struct source_stamp s = {0};
        size_t len = strcspn(paths, ":");
        snprintf(path, sizeof path, "%.*s", (int)len, paths);
        paths += len + (paths[len] == ':');
        if (len > 0 && len < sizeof path && source_stamp(path, &s) == 0)
            stamp =
                stamp * 31 + (uint64_t)s.size * 7 + (uint64_t)s.changed_ns + s.inode;
        stamp = stamp * 31 + 1;
    }
    return stamp;
}

/* ---- names ---- */

const char *kubeconfig_current(const struct kubeconfig *k)
{
    const char *name = NULL;
    for (const struct file *f = k->files; f != NULL && name == NULL; f = f->next)
        name = text_at(f->tree, "current-context");
    return name;
}

const char *kubeconfig_name(const struct kubeconfig *k, uint32_t i)
{
    return i < k->contexts_n ? k->contexts[i].name : NULL;
}

/* The first file that has the name, in `list`; the value is under `key`. */
static const cJSON *find(const struct kubeconfig *k, const char *list, const char *name,
                         const struct file **where)
{
    for (const struct file *f = k->files; f != NULL; f = f->next) {
        for (const cJSON *v = entries(f, list); v != NULL; v = v->next) {
            *where = f;
            if (strcmp(tree_text_of(v, "name"), name) == 0)
                return v;
        }
    }
    return NULL;
}

/* ---- one context ---- */

struct part {
    const struct kubeconfig *k;
    struct arena *arena;
    const struct file *file;
    const cJSON *object;
    const char *name; /* of the entry */
    struct errors *errs;
};

static int wrong(const struct part *p, const char *key, const char *why)
{
    return error_at(p->errs, (struct where){.file = p->file->path}, "%.64s: %s: %s",
                    p->name, key, why);
}

/* The text of KEY-data in base64, or of the file that KEY names. */
static int read_pem(const struct part *p, const char *key, const char **out)
{
    char data_key[48];
    struct text text;
    snprintf(data_key, sizeof data_key, "%s-data", key);
    const char *data = text_at(p->object, data_key), *path = text_at(p->object, key);
    if (data != NULL) {
        if (base64_read(p->arena, text_of(data), &text) < 0)
            return wrong(p, data_key, "no base64");
        *out = text.at;
        return 0;
    }
    if (path == NULL)
        return 0;
    path = source_relative(p->arena, p->file->path, path);
    if (path == NULL)
        return wrong(p, key, "out of memory");
    if (source_read(p->arena, path, (struct where){.file = p->file->path}, &text,
                    p->errs) < 0)
        return -1;
    *out = text.at;
    return 0;
}

static int read_cluster(const struct part *p, struct kube_context *c)
{
    const cJSON *insecure = tree_get(p->object, "insecure-skip-tls-verify");
    c->server = text_at(p->object, "server");
    c->server_name = text_at(p->object, "tls-server-name");
    c->proxy = text_at(p->object, "proxy-url");
    c->ca_data = text_at(p->object, "certificate-authority-data");
    c->insecure = insecure != NULL && tree_is(p->object, "insecure-skip-tls-verify");
    if (c->server == NULL)
        return wrong(p, "server", "missing: expected the URL of the API");
    return read_pem(p, "certificate-authority", &c->ca);
}

static int read_user(const struct part *p, struct kube_context *c)
{
    c->token = text_at(p->object, "token");
    c->token_file = text_at(p->object, "tokenFile");
    c->user = text_at(p->object, "username");
    c->password = text_at(p->object, "password");
    c->exec = tree_get(p->object, "exec");
    if (tree_get(p->object, "auth-provider") != NULL)
        return wrong(p, "auth-provider",
                     "Kubernetes has it no more: use `exec`, or a token");
    if (c->token_file != NULL) {
        c->token_file = source_relative(p->arena, p->file->path, c->token_file);
        if (c->token_file == NULL)
            return wrong(p, "tokenFile", "out of memory");
    }
    if (read_pem(p, "client-certificate", &c->cert) < 0 ||
        read_pem(p, "client-key", &c->key) < 0)
        return -1;
    if ((c->cert == NULL) != (c->key == NULL))
        return wrong(p, "client-certificate", "goes with client-key: give both");
    return 0;
}

/* The entry of `list` that the context names. */
static int find_part(struct part *p, const cJSON *context, const char *list,
                     const char *key)
{
    const char *name = text_at(context, key);
    const cJSON *entry = name == NULL ? NULL : find(p->k, list, name, &p->file);
    if (entry == NULL)
        return error_at(p->errs, (struct where){.file = p->k->files->path},
                        "context %.64s: its %s %.64s is not there", p->name, key,
                        name == NULL ? "" : name);
    p->name = name;
    p->object = tree_get(entry, key);
    return 0;
}

int kubeconfig_context(const struct kubeconfig *k, const char *name, struct arena *a,
                       struct kube_context *out, struct errors *errs)
{
    const struct context *found = context_of(k, name);
    struct part p = {.k = k, .arena = a, .name = name, .errs = errs};
    *out = (struct kube_context){.name = name};
    if (found == NULL)
        return error_at(errs, (struct where){.file = k->files->path},
                        "there is no context %.64s", name);
    p.file = k->files;
    const cJSON *context = tree_get(found->entry, "context");
    if (find_part(&p, context, "clusters", "cluster") < 0 || read_cluster(&p, out) < 0)
        return -1;
    p.name = name;
    if (text_at(context, "user") == NULL)
        return 0; /* anonymous, as kubectl has it */
    if (find_part(&p, context, "users", "user") < 0)
        return -1;
    return read_user(&p, out);
}
