#include "server/offline.h"

#include "base/hash.h"
#include "base/log.h"
#include "resolver/rdata.h"
#include "resolver/registry.h"
#include "server/outside.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG_STOP_MS 1000

/* ---- the world ---- */

static struct plan *build(struct offline *o, const char *conf, struct errors *errs)
{
    struct plan_flags flags = {.outside =
                                   o->lookups ? &outside_asking : &outside_offline};
    struct config *config = config_load(conf, plugin_vocabulary(), errs);
    return config == NULL ? NULL : plan_build(config, o->registry, &flags, errs);
}

/* ---- what is logged meanwhile ---- */

/* Of what is only logged the warnings are of interest; of `cluster` and of inventories
 * check.c and lint.c tell more, of each. */
static void take_line(const char *line, size_t len, struct findings *f)
{
    static const char warning[] = "[WARNING] ";
    if (len < sizeof warning || strncmp(line, warning, sizeof warning - 1) != 0 ||
        strncmp(line + sizeof warning - 1, "plugin/cluster:", 15) == 0 ||
        strstr(line, " not used: plugin/cluster: ") != NULL)
        return;
    findings_add(f, FINDING_WARNING, (struct where){0}, "%.*s",
                 (int)(len - sizeof warning + 1), line + sizeof warning - 1);
}

static void take_log(FILE *log, struct findings *f)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    rewind(log);
    while ((len = getline(&line, &cap, log)) > 0)
        take_line(line, (size_t)len - (line[len - 1] == '\n'), f);
    free(line);
}

static void take_errors(const struct errors *errs, struct findings *f)
{
    uint32_t n = errs->list == NULL ? 0 : errs->n < ERRORS_MAX ? errs->n : ERRORS_MAX;
    for (uint32_t i = 0; i < n; i++)
        findings_add(f, FINDING_ERROR, errs->list[i].at, "%s", errs->list[i].text);
    if (errs->n > n)
        findings_add(f, FINDING_ERROR, (struct where){0}, "and %u more", errs->n - n);
}

void offline_load(struct offline *o, const char *conf, struct findings *f)
{
    struct errors errs;
    errors_init(&errs);
    int fd = memfd_create("log", MFD_CLOEXEC);
    o->log = fd < 0 ? NULL : fdopen(fd, "r+");
    bool caught = o->log != NULL && log_start(fd) == 0;
    o->registry = registry_new();
    if (!caught || o->registry == NULL || hash_seed() < 0 || rdata_start() < 0)
        error_at(&errs, (struct where){0}, "out of memory");
    else if (conf == NULL && access("Corefile", F_OK) < 0)
        error_at(&errs, (struct where){0},
                 "there is no Corefile in this folder: name one with --conf FILE");
    else
        o->plan = build(o, conf, &errs);
    if (caught)
        log_stop(LOG_STOP_MS);
    if (o->log != NULL)
        take_log(o->log, f);
    take_errors(&errs, f);
    errors_release(&errs);
}

void offline_release(struct offline *o)
{
    if (o->plan != NULL)
        plan_free(o->plan);
    registry_free(o->registry);
    if (o->log != NULL)
        fclose(o->log);
}
