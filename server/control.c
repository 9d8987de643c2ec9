#include "server/control.h"

#include "base/limits.h"
#include "base/log.h"
#include "server/control_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_MODE 0660
#define BACKLOG     16
#define LOOK_MS     1000

/* ---- one client ---- */

enum client_state {
    CLIENT_READING,    /* a command */
    CLIENT_EXPLAINING, /* a worker has its question */
    CLIENT_RELOADING,  /* waits for the end of it */
    CLIENT_WRITING,    /* an answer */
    CLIENT_CLOSING,
};

struct control_client {
    uv_pipe_t pipe;
    struct control *control;
    struct control_client *next;
    enum client_state state;
    uint64_t active_ms; /* when something happened last, on the loop's clock */
    size_t len;
    char line[CONTROL_LINE_MAX];
    struct explain *explain; /* also while closing: the worker has it */
    bool closed;             /* its handle; the rest waits for the worker */
    uv_write_t write;
    char *reply;
};

static void next_command(struct control_client *client);

/* Frees a client whose handle is closed and whose question is done, or will never be.
 */
static void forget(struct control_client *client)
{
    struct control_client **at = &client->control->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    client->control->clients_n--;
    explain_free(client->explain);
    free(client->reply);
    free(client);
}

static bool is_explained(const struct control_client *client)
{
    return client->explain == NULL || atomic_load(&client->explain->question.done);
}

static void on_closed(uv_handle_t *handle)
{
    struct control_client *client = handle->data;
    client->closed = true;
    if (is_explained(client))
        forget(client);
}

static void close_client(struct control_client *client)
{
    if (client->state == CLIENT_CLOSING)
        return;
    client->state = CLIENT_CLOSING;
    uv_close((uv_handle_t *)&client->pipe, on_closed);
}

/* ---- answers ---- */

static void touch(struct control_client *client)
{
    client->active_ms = uv_now(client->pipe.loop);
}

static void on_written(uv_write_t *write, int status)
{
    struct control_client *client = write->data;
    free(client->reply);
    client->reply = NULL;
    if (client->state == CLIENT_CLOSING)
        return;
    if (status < 0) {
        close_client(client);
        return;
    }
    touch(client);
    next_command(client);
}

/* Takes what was written. */
static void answer(struct control_client *client, struct json_out *j)
{
    static char end[] = "\n";
    static char no_memory[] = "{\"error\":\"out of memory\"}";
    size_t len;
    client->state = CLIENT_WRITING;
    client->reply = sheet_take(&j->sheet, &len);
    uv_buf_t parts[] = {{.base = client->reply, .len = len}, {.base = end, .len = 1}};
    if (client->reply == NULL)
        parts[0] = (uv_buf_t){.base = no_memory, .len = sizeof no_memory - 1};
    client->write.data = client;
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, parts, 2, on_written) <
        0)
        close_client(client);
}

/* ---- commands ---- */

static void split(char *line, struct control_words *words)
{
    char *rest = line, *word;
    *words = (struct control_words){0};
    for (unsigned i = 0; i < CONTROL_WORDS_MAX; i++)
        words->list[i] = "";
    while (words->n < CONTROL_WORDS_MAX && (word = strsep(&rest, " ")) != NULL) {
        if (word[0] != '\0')
            words->list[words->n++] = word;
    }
}

/* At once where a bad file was refused. */
static void answer_reloaded(struct control_client *client)
{
    struct reload *r = client->control->reload;
    struct json_out j = {0};
    if (reload_is_going_on(r))
        return;
    control_reloaded(&j, r);
    answer(client, &j);
}

static void run_line(struct control_client *client, char *line)
{
    struct control *c = client->control;
    struct control_words words;
    struct json_out j = {0};
    split(line, &words);
    struct control_later later;
    control_run(&j, c->reload, &words, &later);
    if (later.reload) {
        client->state = CLIENT_RELOADING;
        answer_reloaded(client);
        return;
    }
    client->explain = later.explain;
    if (client->explain == NULL) {
        answer(client, &j);
        return;
    }
    client->state = CLIENT_EXPLAINING;
    struct worker *w = c->reload->workers[c->turn++ % c->reload->workers_n];
    worker_ask(w, &client->explain->question);
}

static void explained(struct control_client *client)
{
    struct json_out j = {0};
    explain_json(&j, client->explain, client->control->reload->plan);
    explain_free(client->explain);
    client->explain = NULL;
    answer(client, &j);
}

void control_poll(struct control *c)
{
    struct control_client *next;
    for (struct control_client *client = c->clients; client != NULL; client = next) {
        next = client->next;
        if (client->explain == NULL || !is_explained(client))
            continue;
        if (client->state == CLIENT_EXPLAINING)
            explained(client);
        else if (client->closed)
            forget(client);
    }
}

void control_follow(struct control *c)
{
    struct control_client *next;
    for (struct control_client *client = c->clients; client != NULL; client = next) {
        next = client->next;
        if (client->state == CLIENT_RELOADING)
            answer_reloaded(client);
    }
}

/* ---- reading ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct control_client *client = handle->data;
    *buf = uv_buf_init(client->line + client->len,
                       (unsigned)(sizeof client->line - client->len));
}

static void refuse_line(struct control_client *client)
{
    struct json_out j = {0};
    client->len = 0;
    log_warning("control: a command longer than %d octets was refused",
                CONTROL_LINE_MAX);
    control_error(&j, "longer than %d octets, or without an end of line",
                  CONTROL_LINE_MAX);
    answer(client, &j);
}

/* Runs the first command that is whole. False: there is none yet. */
static bool run_first(struct control_client *client)
{
    char line[CONTROL_LINE_MAX];
    char *end = memchr(client->line, '\n', client->len);
    if (end == NULL)
        return false;
    size_t len = (size_t)(end - client->line);
    memcpy(line, client->line, len);
    line[len] = '\0';
    line[strcspn(line, "\r")] = '\0';
    client->len -= len + 1;
    memmove(client->line, end + 1, client->len);
    run_line(client, line);
    return true;
}

/* Reading rests while a command is carried out: a client is answered as fast as it
 * takes the answers. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct control_client *client = stream->data;
    if (n < 0) {
        close_client(client);
        return;
    }
    if (n == 0)
        return;
    touch(client);
    client->len += (size_t)n;
    if (run_first(client))
        uv_read_stop(stream);
    else if (client->len == sizeof client->line) {
        uv_read_stop(stream);
        refuse_line(client);
    }
}

static void next_command(struct control_client *client)
{
    client->state = CLIENT_READING;
    if (run_first(client))
        return;
    if (uv_read_start((uv_stream_t *)&client->pipe, on_room, on_read) < 0)
        close_client(client);
}

/* ---- clients ---- */

static void on_turned_away(uv_handle_t *handle)
{
    free(handle);
}

/* Accepted and told, for otherwise it would wait in line without knowing why. */
static void turn_away(struct control *c)
{
    static char text[] = "{\"error\":\"too many clients of the control socket\"}\n";
    uv_buf_t buf = {.base = text, .len = sizeof text - 1};
    uv_pipe_t *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL)
        return;
    uv_pipe_init(c->listener.loop, pipe, 0);
    if (uv_accept((uv_stream_t *)&c->listener, (uv_stream_t *)pipe) == 0)
        uv_try_write((uv_stream_t *)pipe, &buf, 1);
    uv_close((uv_handle_t *)pipe, on_turned_away);
}

static void look_for_idle(uv_timer_t *timer)
{
    struct control *c = timer->data;
    uint64_t now = uv_now(timer->loop);
    for (struct control_client *client = c->clients; client != NULL;
         client = client->next) {
        /* A reload takes what it takes: large zones are read, peers are waited for. */
        if (client->state == CLIENT_RELOADING)
            touch(client);
        if (now - client->active_ms > CONTROL_IDLE_S * 1000)
            close_client(client);
    }
    if (c->clients == NULL)
        uv_timer_stop(timer);
}

static void on_client(uv_stream_t *listener, int status)
{
    struct control *c = listener->data;
    if (status < 0)
        return;
    struct control_client *client =
        c->clients_n >= CONTROL_CLIENTS_MAX ? NULL : calloc(1, sizeof *client);
    if (client == NULL) {
        turn_away(c);
        return;
    }
    uv_pipe_init(listener->loop, &client->pipe, 0);
    client->pipe.data = client;
    client->control = c;
    client->next = c->clients;
    c->clients = client;
    c->clients_n++;
    touch(client);
    if (uv_accept(listener, (uv_stream_t *)&client->pipe) < 0)
        close_client(client);
    else
        next_command(client);
    if (!uv_is_active((uv_handle_t *)&c->timer))
        uv_timer_start(&c->timer, look_for_idle, LOOK_MS, LOOK_MS);
}

/* ---- the socket ---- */

static int fill_address(struct sockaddr_un *sun, const char *path, struct errors *errs)
{
    *sun = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof sun->sun_path)
        return error_at(
            errs, (struct where){0},
            "control socket %s: the path of a socket has at most %zu octets", path,
            sizeof sun->sun_path - 1);
    memcpy(sun->sun_path, path, strlen(path));
    return 0;
}

/* Whether the file is the socket of a process that has ended: nobody answers there. */
static bool is_stale(const struct sockaddr_un *sun)
{
    struct stat st;
    if (lstat(sun->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    int rc = connect(fd, (const struct sockaddr *)sun, sizeof *sun);
    bool stale = rc < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_fresh(int fd, const struct sockaddr_un *sun)
{
    const struct sockaddr *at = (const struct sockaddr *)sun;
    if (bind(fd, at, sizeof *sun) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return errno;
    if (!is_stale(sun) || unlink(sun->sun_path) < 0)
        return EADDRINUSE;
    return bind(fd, at, sizeof *sun) < 0 ? errno : 0;
}

static const char *mend(int error)
{
    switch (error) {
    case EADDRINUSE:
        return ": another server listens there, or it is no socket: give this one "
               "another path with -control";
    case ENOENT:
        return ": its folder is not there: make it, or give another path with -control";
    case EACCES:
    case EROFS:
        return ": this user may not make a file there: give another path with -control";
    default:
        return "";
    }
}

/* Nobody can connect before the mode is set: it does not listen yet. */
static int open_socket(const char *path, struct errors *errs)
{
    struct sockaddr_un sun;
    if (fill_address(&sun, path, errs) < 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? errno : bind_fresh(fd, &sun);
    if (error == 0 && (chmod(path, SOCKET_MODE) < 0 || listen(fd, BACKLOG) < 0))
        error = errno;
    if (error == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return error_at(errs, (struct where){0}, "control socket %s: %s%s", path,
                    strerror(error), mend(error));
}

static void note_file(struct control *c)
{
    struct stat st;
    if (lstat(c->path, &st) == 0) {
        c->device = st.st_dev;
        c->inode = st.st_ino;
    }
}

/* Unless another server has put its own there meanwhile. */
static void remove_file(const struct control *c)
{
    struct stat st;
    if (lstat(c->path, &st) == 0 && st.st_dev == c->device && st.st_ino == c->inode)
        unlink(c->path);
}

void control_init(struct control *c, struct reload *r)
{
    *c = (struct control){.reload = r};
}

int control_open(struct control *c, const char *path, struct errors *errs)
{
    uv_loop_t *loop = c->reload->wake->loop;
    int fd = open_socket(path, errs);
    if (fd < 0)
        return -1;
    c->path = path;
    note_file(c);
    uv_pipe_init(loop, &c->listener, 0);
    uv_timer_init(loop, &c->timer);
    c->listener.data = c->timer.data = c;
    int rc = uv_pipe_open(&c->listener, fd);
    if (rc < 0)
        close(fd);
    else
        rc = uv_listen((uv_stream_t *)&c->listener, BACKLOG, on_client);
    if (rc == 0)
        return 0;
    control_close(c);
    return error_at(errs, (struct where){0}, "control socket %s: %s", path,
                    uv_strerror(rc));
}

void control_close(struct control *c)
{
    if (c->path == NULL)
        return;
    remove_file(c);
    c->path = NULL;
    uv_close((uv_handle_t *)&c->listener, NULL);
    uv_close((uv_handle_t *)&c->timer, NULL);
    for (struct control_client *client = c->clients; client != NULL;
         client = client->next)
        close_client(client);
}

/* No worker has a question any more, whether it is done or not. */
void control_release(struct control *c)
{
    struct control_client *next;
    control_close(c);
    for (struct control_client *client = c->clients; client != NULL; client = next) {
        next = client->next;
        if (client->explain != NULL)
            atomic_store(&client->explain->question.done, true);
        if (client->closed)
            forget(client);
    }
}
