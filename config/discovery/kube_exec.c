#include "config/discovery/kube_exec.h"

#include "base/json_out.h"
#include "base/limits.h"
#include "config/discovery/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MAX  (256 * 1024)
#define PATIENCE_MS 60000
#define LEAVE_MS    5000 /* to end, once all is said */
#define ENTER_MS    50   /* between looks whether there is room */
#define WORDS_MAX   256  /* arguments, or variables that the kubeconfig adds */

struct run {
    struct arena *arena;
    const struct kube_context *context;
    int stop_fd;
    char *why;
    pid_t pid;
    int fd; /* its standard output */
    char *output;
    size_t len;
};

static int fail(struct run *r, const char *what)
{
    snprintf(r->why, KUBE_WHY_MAX, "exec %.80s: %s",
             tree_text_of(r->context->exec, "command"), what);
    return -1;
}

/* ---- what it is given ---- */

static uint32_t count(const cJSON *list)
{
    uint32_t n = 0;
    for (const cJSON *v = list == NULL ? NULL : list->child; v != NULL; v = v->next)
        n++;
    return n;
}

static const char **arguments(struct run *r)
{
    const cJSON *exec = r->context->exec, *list = tree_get(exec, "args");
    uint32_t n = count(list), i = 0;
    const char **words =
        n > WORDS_MAX ? NULL : arena_array(r->arena, n + 2, sizeof *words);
    if (words == NULL)
        return NULL;
    words[i++] = tree_text_of(exec, "command");
    for (const cJSON *v = list == NULL ? NULL : list->child; v != NULL; v = v->next)
        words[i++] = v->valuestring == NULL ? "" : v->valuestring;
    return words;
}

/* KUBERNETES_EXEC_INFO, with the cluster where the kubeconfig wants it told. */
static const char *exec_info(struct run *r)
{
    struct json_out j = {0};
    const struct kube_context *c = r->context;
    json_open(&j, NULL, '{');
    json_text(&j, "kind", "ExecCredential");
    json_text(&j, "apiVersion", tree_text_of(c->exec, "apiVersion"));
    json_open(&j, "spec", '{');
    json_bool(&j, "interactive", false);
    if (tree_is(c->exec, "provideClusterInfo")) {
        json_open(&j, "cluster", '{');
        json_text(&j, "server", c->server);
        if (c->ca_data != NULL)
            json_text(&j, "certificate-authority-data", c->ca_data);
        json_close(&j, '}');
    }
    json_close(&j, '}');
    json_close(&j, '}');
    char *text = sheet_take(&j.sheet, NULL);
    const char *out =
        text == NULL ? NULL : arena_printf(r->arena, "KUBERNETES_EXEC_INFO=%s", text);
    free(text);
    return out;
}

static const char **environment(struct run *r)
{
    const cJSON *list = tree_get(r->context->exec, "env");
    uint32_t n = 0, added = count(list), at = 0;
    while (environ[n] != NULL)
        n++;
    const char **all =
        added > WORDS_MAX ? NULL : arena_array(r->arena, n + added + 2, sizeof *all);
    if (all == NULL)
        return NULL;
    /* Of two with one name the first counts. */
    for (const cJSON *v = list == NULL ? NULL : list->child; v != NULL; v = v->next)
        all[at++] = arena_printf(r->arena, "%s=%s", tree_text_of(v, "name"),
                                 tree_text_of(v, "value"));
    all[at++] = exec_info(r);
    for (uint32_t i = 0; i < at; i++) {
        if (all[i] == NULL)
            return NULL;
    }
    memcpy(all + at, environ, n * sizeof *environ);
    return all;
}

/* ---- at work ---- */

static int spawn(struct run *r, char *const *words, char *const *variables, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int error =
        posix_spawnp(&r->pid, words[0], &actions, &attributes, words, variables);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error == 0 ? 0 : fail(r, strerror(error));
}

static int start(struct run *r)
{
    const char **words = arguments(r), **variables = environment(r);
    int ends[2];
    if (words == NULL || variables == NULL)
        return fail(r, "out of memory, or too many arguments");
    if (words[0][0] == '\0')
        return fail(r, "no command");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(r, strerror(errno));
    int rc = spawn(r, (char *const *)(uintptr_t)words,
                   (char *const *)(uintptr_t)variables, ends[1]);
    close(ends[1]);
    r->fd = ends[0];
    if (rc < 0)
        close(ends[0]);
    return rc;
}

/* Reads until it has closed its output. 0, or -1: it is to be ended. */
static int hear(struct run *r)
{
    int64_t until_ms = clock_ms() + PATIENCE_MS;
    for (;;) {
        struct pollfd list[] = {{.fd = r->fd, .events = POLLIN},
                                {.fd = r->stop_fd, .events = POLLIN}};
        int64_t left_ms = until_ms - clock_ms();
        if (left_ms <= 0)
            return fail(r, "no answer within a minute");
        if (poll(list, 2, (int)left_ms) < 0 && errno != EINTR)
            return fail(r, strerror(errno));
        if ((list[1].revents & POLLIN) != 0)
            return fail(r, "ended");
        if (list[0].revents == 0)
            continue;
        ssize_t n = read(r->fd, r->output + r->len, OUTPUT_MAX - r->len);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return fail(r, strerror(errno));
        r->len += n > 0 ? (size_t)n : 0;
        if (r->len == OUTPUT_MAX)
            return fail(r, "more than 256 KiB of output");
    }
}

/* Whether it has ended by itself. */
static bool has_left(struct run *r, int *status)
{
    struct pollfd stop = {.fd = r->stop_fd, .events = POLLIN};
    int64_t until_ms = clock_ms() + LEAVE_MS;
    for (int ms = 1; clock_ms() < until_ms; ms = ms < 64 ? ms * 2 : ms) {
        if (waitpid(r->pid, status, WNOHANG) != 0)
            return true;
        if (poll(&stop, 1, ms) > 0)
            return false;
    }
    return false;
}

static void end(struct run *r, int *status)
{
    kill(-r->pid, SIGKILL);
    while (waitpid(r->pid, status, 0) < 0 && errno == EINTR)
        continue;
}

static int finish(struct run *r, int rc)
{
    int status = 0;
    char what[64];
    if (rc < 0 || !has_left(r, &status))
        end(r, &status);
    close(r->fd);
    if (rc < 0 || status == 0)
        return rc;
    snprintf(what, sizeof what, "it has failed with status %d; run it by hand",
             WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fail(r, what);
}

/* ---- what it says ---- */

static const char *text_at(struct run *r, const cJSON *object, const char *key)
{
    const char *text = tree_text_of(object, key);
    return text[0] == '\0' ? NULL : arena_text(r->arena, text_of(text));
}

/* RFC 3339, in UTC as Kubernetes prints it; 0: none. */
static uint64_t seconds_of(const char *text)
{
    struct tm tm = {0};
    time_t at = text[0] != '\0' && strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL
                    ? timegm(&tm)
                    : 0;
    return at > 0 ? (uint64_t)at : 0;
}

static int understand(struct run *r, struct kube_credential *out)
{
    cJSON *tree = tree_parse(r->output, r->len);
    const cJSON *status = tree_get(tree, "status");
    *out = (struct kube_credential){
        .token = text_at(r, status, "token"),
        .cert = text_at(r, status, "clientCertificateData"),
        .key = text_at(r, status, "clientKeyData"),
        .expires_s = seconds_of(tree_text_of(status, "expirationTimestamp"))};
    tree_free(tree);
    bool good = out->token != NULL || (out->cert != NULL && out->key != NULL);
    return good ? 0 : fail(r, "its output is no ExecCredential with a status");
}

/* ---- not all at once ---- */

static struct {
    pthread_mutex_t lock;
    unsigned running;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool enter(void)
{
    pthread_mutex_lock(&gate.lock);
    bool may = gate.running < KUBE_EXEC_MAX;
    gate.running += may;
    pthread_mutex_unlock(&gate.lock);
    return may;
}

static void leave(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.running--;
    pthread_mutex_unlock(&gate.lock);
}

static int wait_to_enter(struct run *r)
{
    struct pollfd stop = {.fd = r->stop_fd, .events = POLLIN};
    while (!enter()) {
        if (poll(&stop, 1, ENTER_MS) > 0)
            return fail(r, "ended");
    }
    return 0;
}

int kube_exec(struct arena *a, const struct kube_context *c, int stop_fd,
              struct kube_credential *out, char *why)
{
    struct run r = {.arena = a, .context = c, .stop_fd = stop_fd, .why = why};
    r.output = malloc(OUTPUT_MAX);
    int rc = r.output == NULL ? fail(&r, "out of memory") : wait_to_enter(&r);
    if (rc == 0) {
        rc = start(&r);
        if (rc == 0)
            rc = finish(&r, hear(&r));
        leave();
    }
    if (rc == 0)
        rc = understand(&r, out);
    if (r.output != NULL)
        explicit_bzero(r.output, r.len);
    free(r.output);
    return rc;
}
