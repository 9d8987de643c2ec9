#include "server/control_client.h"

#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 20 /* longer than the server's own */
#define REPLY_MAX  (256u * 1024 * 1024)

static const char *path_of(const struct command_line *l)
{
    const char *path = command_value(l, "control");
    if (path == NULL)
        path = getenv(CONTROL_VARIABLE);
    return path == NULL || path[0] == '\0' ? CONTROL_PATH : path;
}

static int complain(const struct command_line *l, const char *path, int error)
{
    const char *mend =
        error == ENOENT || error == ECONNREFUSED
            ? ": no server listens there; start it with -control SOCKET, or name its "
              "socket with --control or $" CONTROL_VARIABLE
        : error == EACCES
            ? ": the socket belongs to the server's user and group: be one of them, or root"
        : error == EAGAIN ? ": the server does not answer"
                          : "";
    fprintf(stderr, "isthmus %s: %s: %s%s\n", l->command->name, path, strerror(error),
            mend);
    return 1;
}

/* ---- the exchange ---- */

static int open_path(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = PATIENCE_S};
    if (strlen(path) >= sizeof to.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(to.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int send_line(int fd, const char *const *words)
{
    char line[CONTROL_LINE_MAX];
    size_t n = 0;
    for (; *words != NULL; words++) {
        size_t len = strlen(*words);
        if ((*words)[strcspn(*words, " \n\r")] != '\0' || len + 1 > sizeof line - n) {
            errno = EINVAL;
            return -1;
        }
        memcpy(line + n, *words, len);
        n += len;
        line[n++] = ' ';
    }
    line[n - 1] = '\n';
    if (send(fd, line, n, MSG_NOSIGNAL) == (ssize_t)n)
        return 0;
    /* A server with too many clients has said so, and gone. */
    return errno == EPIPE || errno == ECONNRESET ? 0 : -1;
}

/* One line from the heap, without its end; NULL with errno. */
static char *read_line(int fd)
{
    size_t cap = 65536, n = 0;
    char *text = malloc(cap);
    while (text != NULL) {
        ssize_t got = recv(fd, text + n, cap - n - 1, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? ECONNRESET : errno;
            break;
        }
        char *end = memchr(text + n, '\n', (size_t)got);
        n += (size_t)got;
        if (end != NULL) {
            *end = '\0';
            return text;
        }
        if (cap - n > 1)
            continue;
        char *more = cap >= REPLY_MAX ? NULL : realloc(text, cap * 2);
        if (more == NULL)
            break;
        text = more;
        cap *= 2;
    }
    int error = errno;
    free(text);
    errno = error;
    return NULL;
}

static char *exchange(const char *path, const char *const *words)
{
    int fd = open_path(path);
    if (fd < 0)
        return NULL;
    char *text = send_line(fd, words) == 0 ? read_line(fd) : NULL;
    int error = errno;
    close(fd);
    errno = error;
    return text;
}

/* ---- replies ---- */

struct control_reply control_ask(const struct command_line *l, const char *const *words)
{
    struct control_reply r = {.status = 1};
    const char *path = path_of(l);
    r.text = exchange(path, words);
    if (r.text == NULL) {
        complain(l, path, errno);
        return r;
    }
    r.root = tree_parse(r.text, strlen(r.text));
    if (r.root == NULL)
        fprintf(stderr, "isthmus %s: %s\n", l->command->name,
                tree_ready() ? "the server's answer is no JSON" : TREE_MEND);
    else if (tree_get(r.root, "error") != NULL)
        fprintf(stderr, "isthmus %s: %s\n", l->command->name,
                tree_text_of(r.root, "error"));
    else
        r.status = 0;
    if (r.status == 0 && command_given(l, "json"))
        puts(r.text);
    return r;
}

cJSON *control_try(const struct command_line *l, const char *const *words)
{
    char *text = exchange(path_of(l), words);
    cJSON *root = text == NULL ? NULL : tree_parse(text, strlen(text));
    free(text);
    if (tree_get(root, "error") == NULL)
        return root;
    tree_free(root);
    return NULL;
}

void control_reply_free(struct control_reply *r)
{
    tree_free(r->root);
    free(r->text);
    *r = (struct control_reply){0};
}
