#include "resolver/plugins/cluster_access.h"

#include "base/log.h"
#include "config/discovery/access.h"
#include "resolver/plan.h"

/* ---- options ---- */

static struct discovery_access *access_of(void *spec)
{
    return &((struct cluster_spec *)spec)->access;
}

/* As `tls` of `forward`: nothing, CA, CERT KEY, or CERT KEY CA. */
int access_parse_tls(struct reader *rd, void *spec)
{
    struct discovery_access *a = access_of(spec);
    struct token_list args = reader_args(rd);
    if (args.n == 0 || args.n > 3)
        return reader_error_args(rd);
    if (args.n >= 2) {
        a->cert_file = args.list[0].text;
        a->key_file = args.list[1].text;
    }
    if (args.n != 2)
        a->ca_file = args.list[args.n - 1].text;
    return 0;
}

int access_parse_user(struct reader *rd, void *spec)
{
    struct discovery_access *a = access_of(spec);
    struct token_list args = reader_args(rd);
    if (args.n != 2)
        return reader_error_args(rd);
    a->user = args.list[0].text;
    a->password_file = args.list[1].text;
    return 0;
}

int access_parse_token_file(struct reader *rd, void *spec)
{
    return reader_one(rd, &access_of(spec)->token_file);
}

int access_parse_kubeconfig(struct reader *rd, void *spec)
{
    return reader_one(rd, &access_of(spec)->kubeconfig);
}

/* All, with blanks between them. */
int access_parse_endpoint(struct reader *rd, void *spec)
{
    const char **all = &access_of(spec)->endpoints, *word;
    bool any = false;
    while (reader_arg(rd, &word)) {
        if (access_check_endpoint(rd, word, "user") < 0)
            return -1;
        if (strncmp(word, "http://", 7) != 0 && strncmp(word, "https://", 8) != 0)
            return reader_error(rd, "'%s' is no endpoint: expected http:// or https://",
                                word);
        *all = *all == NULL ? word : arena_printf(rd->arena, "%s %s", *all, word);
        if (*all == NULL)
            return reader_error(rd, "out of memory");
        any = true;
    }
    return any ? 0 : reader_error_args(rd);
}

int access_parse_address(struct reader *rd, const char *word, struct addr *out)
{
    if (addr_parse(out, text_of(word), 53) == 0 && out->port != 0)
        return 0;
    return reader_error(
        rd, "'%s' is no address: expected ADDRESS, ADDRESS:PORT or [V6]:PORT", word);
}

int access_parse_dns(struct reader *rd, void *spec)
{
    const char **all = &access_of(spec)->dns, *word;
    bool any = false;
    while (reader_arg(rd, &word)) {
        struct addr addr;
        if (access_parse_address(rd, word, &addr) < 0)
            return -1;
        *all = *all == NULL ? word : arena_printf(rd->arena, "%s %s", *all, word);
        if (*all == NULL)
            return reader_error(rd, "out of memory");
        any = true;
    }
    return any ? 0 : reader_error_args(rd);
}

/* ---- what they mean ---- */

/* Each of several paths with colons between them. */
static const char *settle_list(struct setup *s, const char *paths)
{
    const char *out = "";
    while (out != NULL && *paths != '\0') {
        struct text part = {.at = paths, .len = strcspn(paths, ":")};
        const char *path = arena_text(s->arena, part);
        paths += part.len + (paths[part.len] == ':');
        if (part.len == 0)
            continue;
        path = path == NULL ? NULL : plan_path(s->block, s->arena, path);
        out = path == NULL ? NULL
                           : arena_printf(s->arena, "%s%s%s", out,
                                          out[0] == '\0' ? "" : ":", path);
    }
    return out;
}

int access_settle(struct setup *s, struct cluster_spec *spec)
{
    struct discovery_access *a = &spec->access;
    const char **files[] = {&a->ca_file, &a->cert_file, &a->key_file, &a->token_file,
                            &a->password_file};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (*files[i] == NULL)
            continue;
        *files[i] = plan_path(s->block, s->arena, *files[i]);
        if (*files[i] == NULL)
            return error_at(s->errs, spec->draft.at, "out of memory");
    }
    if (a->kubeconfig != NULL) {
        a->kubeconfig = settle_list(s, a->kubeconfig);
        if (a->kubeconfig == NULL)
            return error_at(s->errs, spec->draft.at, "out of memory");
    }
    if (a->insecure)
        log_warning("plugin/inventory: %s:%u: insecure: whoever is on the way to the "
                    "source can say what clusters there are",
                    spec->draft.at.file, spec->draft.at.line);
    return 0;
}
