#include "server/tap_sink.h"

#include "base/limits.h"
#include "server/host_lookup.h"
#include "server/outbox.h"
#include "server/tls.h"

#include <errno.h>
#include <fstrm.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 100 /* between looks whether all is to end */

/* How long one call may wait. */
struct patience {
    int64_t until_ms;
    const tap_end *end;
};

struct tap_sink {
    int fd;
    struct patience patience; /* of the call that is going on */
    struct tls_stream *tls;
    struct tls_session *session; /* nobody's use: the next connection is another sink */
    struct fstrm_writer *writer;
    struct outbox backlog; /* what was offered and not yet taken */
    int64_t moved_ms;      /* when the peer last took some of it, or there was none */
    bool offers, gone;     /* a call of tap_sink_offer() goes on; nobody is spoken to */
};

/* ---- the socket, for libfstrm ---- */

static fstrm_res on_open(void *object)
{
    return fstrm_res_success; /* it is connected */
}

static fstrm_res on_close(void *object)
{
    return fstrm_res_success; /* tap_sink_close() does it */
}

int64_t tap_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct patience patience_of(const tap_end *end)
{
    return (struct patience){.until_ms = tap_now_ms() + TAP_WAIT_S * 1000, .end = end};
}

static int64_t left_ms(const struct patience *p)
{
    int64_t end_ms = atomic_load(p->end);
    return (end_ms < p->until_ms ? end_ms : p->until_ms) - tap_now_ms();
}

/* Waits until the socket is ready; false: patience is at its end. */
static bool wait_for(const struct patience *patience, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left;
    while ((left = left_ms(patience)) > 0) {
        int n = poll(&p, 1, left < LOOK_MS ? (int)left : LOOK_MS);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
    return false;
}

static ssize_t read_some(struct tap_sink *s, void *to, size_t len)
{
    return s->tls != NULL ? tls_read(s->tls, to, len) : recv(s->fd, to, len, 0);
}

static ssize_t write_some(struct tap_sink *s, const void *from, size_t len)
{
    return s->tls != NULL ? tls_write(s->tls, from, len)
                          : send(s->fd, from, len, MSG_NOSIGNAL);
}

/* After a call that would have had to wait. */
static bool wait_again(struct tap_sink *s, short events)
{
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN)
        return false;
    if (s->tls != NULL)
        events = tls_wants_write(s->tls) ? POLLOUT : POLLIN;
    return wait_for(&s->patience, s->fd, events);
}

static fstrm_res on_read(void *object, void *to, size_t len)
{
    struct tap_sink *s = object;
    uint8_t *at = to;
    if (s->gone)
        return fstrm_res_failure;
    while (len > 0) {
        ssize_t n = read_some(s, at, len);
        if (n == 0)
            return fstrm_res_stop;
        if (n < 0 && !wait_again(s, POLLIN))
            return fstrm_res_failure;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return fstrm_res_success;
}

static fstrm_res write_all(struct tap_sink *s, const uint8_t *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write_some(s, at, len);
        if (n < 0 && !wait_again(s, POLLOUT))
            return fstrm_res_failure;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return fstrm_res_success;
}

static fstrm_res keep_all(struct tap_sink *s, const struct iovec *iov, int iov_n)
{
    for (int i = 0; i < iov_n; i++) {
        if (outbox_put(&s->backlog, iov[i].iov_base, iov[i].iov_len, SIZE_MAX) < 0)
            return fstrm_res_failure;
    }
    return fstrm_res_success;
}

/* As far as one call takes them all; the rest piece by piece. */
static fstrm_res send_all(struct tap_sink *s, const struct iovec *iov, int iov_n)
{
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                       .msg_iovlen = (size_t)iov_n};
    ssize_t sent = s->tls == NULL ? sendmsg(s->fd, &m, MSG_NOSIGNAL) : 0;
    size_t over = sent > 0 ? (size_t)sent : 0;
    for (int i = 0; i < iov_n; i++) {
        size_t done = over < iov[i].iov_len ? over : iov[i].iov_len;
        over -= done;
        if (write_all(s, (const uint8_t *)iov[i].iov_base + done,
                      iov[i].iov_len - done) != fstrm_res_success)
            return fstrm_res_failure;
    }
    return fstrm_res_success;
}

static fstrm_res on_write(void *object, const struct iovec *iov, int iov_n)
{
    struct tap_sink *s = object;
    if (s->gone)
        return fstrm_res_failure;
    return s->offers ? keep_all(s, iov, iov_n) : send_all(s, iov, iov_n);
}

/* ---- the stream ---- */

static struct fstrm_rdwr *new_rdwr(struct tap_sink *s)
{
    struct fstrm_rdwr *rdwr = fstrm_rdwr_init(s);
    fstrm_rdwr_set_open(rdwr, on_open);
    fstrm_rdwr_set_close(rdwr, on_close);
    fstrm_rdwr_set_read(rdwr, on_read);
    fstrm_rdwr_set_write(rdwr, on_write);
    return rdwr;
}

static int shake_hands(struct tap_sink *s)
{
    static const char content[] = "protobuf:dnstap.Dnstap";
    struct fstrm_writer_options *options = fstrm_writer_options_init();
    struct fstrm_rdwr *rdwr = new_rdwr(s);
    fstrm_writer_options_add_content_type(options, content, sizeof content - 1);
    s->writer = fstrm_writer_init(options, &rdwr);
    fstrm_writer_options_destroy(&options);
    if (s->writer == NULL) {
        fstrm_rdwr_destroy(&rdwr);
        return -1;
    }
    return fstrm_writer_open(s->writer) == fstrm_res_success ? 0 : -1;
}

static int give_up(char *reason, const char *why)
{
    snprintf(reason, OUTSIDE_REASON_MAX, "TLS: %s", why);
    return -1;
}

static int begin_tls(struct tap_sink *s, const struct outside_tap *how, char *reason)
{
    int error;
    s->tls = how->listen ? tls_accept(how->tls, s->fd, TLS_DNS)
                         : tls_open(how->tls, s->fd, &s->session);
    if (s->tls == NULL)
        return give_up(reason, "out of memory");
    while ((error = tls_handshake(s->tls)) == EAGAIN) {
        if (!wait_for(&s->patience, s->fd, tls_wants_write(s->tls) ? POLLOUT : POLLIN))
            return give_up(reason, "no answer");
    }
    if (error == 0)
        return 0;
    return give_up(reason, error == EKEYREJECTED ? tls_flaw(s->tls) : strerror(error));
}

/* Takes the descriptor. */
static struct tap_sink *begin(int fd, const struct outside_tap *how, const tap_end *end,
                              char *reason)
{
    struct tap_sink *s = calloc(1, sizeof *s);
    if (s == NULL) {
        close(fd);
        snprintf(reason, OUTSIDE_REASON_MAX, "out of memory");
        return NULL;
    }
    s->fd = fd;
    s->patience = patience_of(end);
    if (how->kind == TAP_TLS && begin_tls(s, how, reason) < 0) {
        tap_sink_close(s);
        return NULL;
    }
    if (shake_hands(s) == 0)
        return s;
    snprintf(reason, OUTSIDE_REASON_MAX, "it does not speak Frame Streams");
    tap_sink_close(s);
    return NULL;
}

struct tap_sink *tap_sink_accept(int fd, const struct outside_tap *how,
                                 const tap_end *end, char *reason)
{
    return begin(fd, how, end, reason);
}

int tap_sink_write(struct tap_sink *s, const struct iovec *iov, int n)
{
    s->patience = patience_of(s->patience.end);
    return fstrm_writer_writev(s->writer, iov, n) == fstrm_res_success ? 0 : -1;
}

/* ---- offers ---- */

/* False: the peer is gone. */
static bool send_backlog(struct tap_sink *s)
{
    struct outbox *b = &s->backlog;
    while (b->len > 0) {
        ssize_t n = write_some(s, b->octets + b->at, b->len);
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN;
        if (n > 0) {
            outbox_drop(b, (size_t)n);
            s->moved_ms = tap_now_ms();
        }
    }
    return true;
}

static int keep_messages(struct tap_sink *s, const struct iovec *iov, int n)
{
    int lost = 0;
    s->offers = true;
    if (s->backlog.len == 0)
        s->moved_ms = tap_now_ms();
    for (int i = 0; i < n; i++) {
        size_t len = sizeof(uint32_t) + iov[i].iov_len;
        if (len > TAP_BACKLOG_MAX || s->backlog.len > TAP_BACKLOG_MAX - len)
            lost++;
        else if (fstrm_writer_writev(s->writer, &iov[i], 1) != fstrm_res_success)
            s->gone = true; /* half of a message may wait: no memory */
    }
    s->offers = false;
    return lost;
}

int tap_sink_offer(struct tap_sink *s, const struct iovec *iov, int n)
{
    s->gone = s->gone || !send_backlog(s);
    int lost = s->gone ? 0 : keep_messages(s, iov, n);
    s->gone = s->gone || !send_backlog(s) ||
              (s->backlog.len > 0 && tap_now_ms() - s->moved_ms > TAP_WAIT_S * 1000);
    return s->gone ? -1 : lost;
}

bool tap_sink_has_backlog(const struct tap_sink *s)
{
    return s->backlog.len > 0;
}

void tap_sink_close(struct tap_sink *s)
{
    if (s == NULL)
        return;
    s->patience = patience_of(s->patience.end);
    if (!s->gone && s->backlog.len > 0)
        s->gone = write_all(s, s->backlog.octets + s->backlog.at, s->backlog.len) !=
                  fstrm_res_success;
    outbox_release(&s->backlog);
    if (s->writer != NULL)
        fstrm_writer_destroy(&s->writer); /* STOP, and waits for FINISH */
    tls_close(s->tls);
    tls_session_free(s->session);
    close(s->fd);
    free(s);
}

/* ---- connecting ---- */

static int connect_to(int fd, const struct sockaddr *to, socklen_t len,
                      const tap_end *end)
{
    struct patience patience = patience_of(end);
    if (connect(fd, to, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    int error = ETIMEDOUT;
    socklen_t error_len = sizeof error;
    if (wait_for(&patience, fd, POLLOUT))
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
    return error;
}

static int open_and_connect(const struct sockaddr *to, socklen_t len, uint32_t buffer,
                            const tap_end *end, int *error)
{
    int size = buffer > INT32_MAX ? INT32_MAX : (int)buffer;
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *error = errno;
        return -1;
    }
    if (to->sa_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    *error = connect_to(fd, to, len, end);
    if (*error == 0)
        return fd;
    close(fd);
    return -1;
}

static int connect_unix(const struct outside_tap *how, const tap_end *end, char *reason)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int error = 0;
    memcpy(to.sun_path, how->path, strlen(how->path)); /* its length has been checked */
    int fd = open_and_connect((const struct sockaddr *)&to, sizeof to, 0, end, &error);
    if (fd < 0)
        snprintf(reason, OUTSIDE_REASON_MAX, "%s", strerror(error));
    return fd;
}

/* What getaddrinfo() would return. */
static int wait_for_result(const struct host_lookup *l, const tap_end *end,
                           const struct addrinfo **list)
{
    struct patience patience = patience_of(end);
    if (l == NULL)
        return EAI_MEMORY;
    if (!wait_for(&patience, host_lookup_fd(l), POLLIN))
        return EAI_AGAIN;
    return host_lookup_result(l, list);
}

/* Each address of the name in turn. */
static int connect_tcp(const struct outside_tap *how, const tap_end *end, char *reason)
{
    const struct addrinfo *list = NULL;
    int fd = -1, error = EHOSTUNREACH;
    struct host_lookup *l = host_lookup_new(how->host, how->port, AF_UNSPEC, 0);
    int rc = wait_for_result(l, end, &list);
    for (const struct addrinfo *a = list; rc == 0 && a != NULL && fd < 0;
         a = a->ai_next)
        fd = open_and_connect(a->ai_addr, a->ai_addrlen, how->send_buffer, end, &error);
    host_lookup_free(l);
    if (fd < 0)
        snprintf(reason, OUTSIDE_REASON_MAX, "%s",
                 rc != 0 ? gai_strerror(rc) : strerror(error));
    return fd;
}

struct tap_sink *tap_sink_connect(const struct outside_tap *how, const tap_end *end,
                                  char *reason)
{
    int fd = how->kind == TAP_UNIX ? connect_unix(how, end, reason)
                                   : connect_tcp(how, end, reason);
    return fd < 0 ? NULL : begin(fd, how, end, reason);
}
