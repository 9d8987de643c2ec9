#include "base/log.h"

#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOST_TEXT_MAX 80
#define POLL_MS       50 /* how soon a writer nobody reads from sees that it is to stop */

/* The ring and its writer: one log per process, for every thread. The mutex covers all
 * but the text of lines being written: octets between `head` and `head + used` are the
 * writer's until it moves `head`, so that it writes without holding the lock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_t writer;
    int fd;
    bool running, stopping;
    uint64_t stop_ms;  /* when to give up, once stopping */
    size_t head, used; /* of ring */
    uint64_t lost_new; /* lost, and not told yet */
    uint64_t lost_told;
    char ring[LOG_RING_SIZE];
} logger = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .filled = PTHREAD_COND_INITIALIZER,
    .fd = STDOUT_FILENO,
};
static _Atomic bool debug_on;
static _Atomic int level_set = LOG_DEFAULT;

struct line {
    size_t len;
    bool cut;
    char at[LOG_LINE_MAX];
};

static uint64_t now_ms(void)
{
    struct timespec ts = {0};

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Adds text with its control characters escaped, as far as "..." and the newline leave
 * room. */
static void line_add(struct line *line, const char *from, size_t len)
{
    const size_t max = sizeof line->at - strlen("...\n");

    for (size_t i = 0; i < len && !line->cut; i++) {
        uint8_t c = (uint8_t)from[i];
        bool control = c < 0x20 || c == 0x7f;
        if (max - line->len < (control ? 4 : 1)) {
            line->cut = true;
        } else if (control) {
            char *at = line->at + line->len;
            at[0] = '\\';
            at[1] = (char)('0' + c / 100);
            at[2] = (char)('0' + c / 10 % 10);
            at[3] = (char)('0' + c % 10);
            line->len += 4;
        } else {
            line->at[line->len++] = (char)c;
        }
    }
}

static void line_end(struct line *line)
{
    if (line->cut) {
        memcpy(line->at + line->len, "...", 3);
        line->len += 3;
    }
    line->at[line->len++] = '\n';
}

static void line_begin(struct line *line, enum log_level level)
{
    static const char *const prefix[] = {
        [LOG_DEBUG] = "[DEBUG] ",     [LOG_INFO] = "[INFO] ",
        [LOG_WARNING] = "[WARNING] ", [LOG_ERROR] = "[ERROR] ",
        [LOG_FATAL] = "[FATAL] ",
    };

    line->len = 0;
    line->cut = false;
    line_add(line, prefix[level], strlen(prefix[level]));
}

static void line_format(struct line *line, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static void line_format(struct line *line, const char *fmt, va_list args)
{
    char text[LOG_LINE_MAX];
    int len = vsnprintf(text, sizeof text, fmt, args);

    if (len < 0)
        return;
    if ((size_t)len < sizeof text) {
        line_add(line, text, (size_t)len);
    } else {
        line_add(line, text, sizeof text - 1);
        line->cut = true;
    }
}

static uint64_t count_lines(const char *at, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += at[i] == '\n';
    return n;
}

/* Writes for as long as it takes, unless `fd` fails. Before the writer thread there is,
 * only. */
static void write_now(const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(logger.fd, at, len);
        if (n >= 0) {
            at += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = logger.fd, .events = POLLOUT};
            poll(&p, 1, POLL_MS);
        } else if (errno != EINTR) {
            logger.lost_new += count_lines(at, len);
            return;
        }
    }
}

static bool ring_has_room(size_t len)
{
    return sizeof logger.ring - logger.used >= len;
}

static void ring_put(const char *at, size_t len)
{
    size_t tail = (logger.head + logger.used) % sizeof logger.ring;
    size_t first = sizeof logger.ring - tail;

    if (first > len)
        first = len;
    memcpy(logger.ring + tail, at, first);
    memcpy(logger.ring, at + first, len - first);
    logger.used += len;
}

/* Tells, where they are missing, how many lines are. There is room for LOST_TEXT_MAX.
 */
static void tell_lost(void)
{
    char text[LOST_TEXT_MAX];

    if (logger.lost_new == 0)
        return;
    int len = snprintf(text, sizeof text, "[WARNING] log: %llu lines lost\n",
                       (unsigned long long)logger.lost_new);
    ring_put(text, (size_t)len);
    logger.lost_told += logger.lost_new;
    logger.lost_new = 0;
}

/* The line comes with the news of those lost before it, or is lost with them: otherwise
 * a ring almost full would fill with such news. */
static void ring_put_line(const struct line *line)
{
    if (!ring_has_room(line->len + (logger.lost_new > 0 ? LOST_TEXT_MAX : 0))) {
        logger.lost_new++;
        return;
    }
    tell_lost();
    ring_put(line->at, line->len);
    pthread_cond_signal(&logger.filled);
}

static void line_put(const struct line *line)
{
    pthread_mutex_lock(&logger.lock);
    if (logger.running)
        ring_put_line(line);
    else
        write_now(line->at, line->len);
    pthread_mutex_unlock(&logger.lock);
}

/* The next octets to write: whole lines where possible, and never so many that a pipe
 * which poll() calls writable would block. */
static size_t next_chunk(void)
{
    const char *at = logger.ring + logger.head;
    size_t len = sizeof logger.ring - logger.head;

    if (len > logger.used)
        len = logger.used;
    if (len <= PIPE_BUF)
        return len;
    const char *end = memrchr(at, '\n', PIPE_BUF);
    return end == NULL ? PIPE_BUF : (size_t)(end - at) + 1;
}

/* Writes some of `len` octets, or nothing when nobody reads for a while. Returns how
 * many are done with: written, or given up because the descriptor fails. Without the
 * lock. */
static size_t write_some(const char *at, size_t len, bool *works)
{
    struct pollfd p = {.fd = logger.fd, .events = POLLOUT};

    *works = true;
    if (poll(&p, 1, POLL_MS) == 0)
        return 0;
    ssize_t n = write(logger.fd, at, len);
    if (n >= 0)
        return (size_t)n;
    if (errno == EINTR || errno == EAGAIN)
        return 0;
    *works = false;
    return len;
}

/* One round of the writer; the lock is held on entry and on return. */
static void write_round(void)
{
    const char *at = logger.ring + logger.head;
    size_t len = next_chunk();
    bool works;

    pthread_mutex_unlock(&logger.lock);
    size_t done = write_some(at, len, &works);
    pthread_mutex_lock(&logger.lock);
    if (!works)
        logger.lost_new += count_lines(at, done);
    logger.head = (logger.head + done) % sizeof logger.ring;
    logger.used -= done;
    /* A descriptor that fails would lose this line too, and so for ever: then the next
     * line brings it along. */
    if (logger.used == 0 && works)
        tell_lost();
}

/* Time is up. A line that is written in part is lost, too. */
static void drop_rest(void)
{
    size_t first = sizeof logger.ring - logger.head;

    if (first > logger.used)
        first = logger.used;
    logger.lost_new += count_lines(logger.ring + logger.head, first);
    logger.lost_new += count_lines(logger.ring, logger.used - first);
    logger.used = 0;
}

static void *write_lines(void *unused)
{
    pthread_mutex_lock(&logger.lock);
    for (;;) {
        while (logger.used == 0 && !logger.stopping)
            pthread_cond_wait(&logger.filled, &logger.lock);
        if (logger.used == 0 || (logger.stopping && now_ms() >= logger.stop_ms))
            break;
        write_round();
    }
    drop_rest();
    pthread_mutex_unlock(&logger.lock);
    return unused;
}

int log_start(int fd)
{
    sigset_t all, before;

    pthread_mutex_lock(&logger.lock);
    if (logger.running) {
        pthread_mutex_unlock(&logger.lock);
        return -1;
    }
    logger.fd = fd;
    logger.stopping = false;
    logger.head = logger.used = 0;
    /* Signals are for the thread that waits for them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    logger.running = pthread_create(&logger.writer, NULL, write_lines, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    int rc = logger.running ? 0 : -1;
    pthread_mutex_unlock(&logger.lock);
    return rc;
}

void log_stop(unsigned wait_ms)
{
    pthread_mutex_lock(&logger.lock);
    bool running = logger.running && !logger.stopping;
    logger.stopping = true;
    logger.stop_ms = now_ms() + wait_ms;
    pthread_cond_signal(&logger.filled);
    pthread_mutex_unlock(&logger.lock);
    if (!running)
        return;
    pthread_join(logger.writer, NULL);
    pthread_mutex_lock(&logger.lock);
    logger.running = false;
    pthread_mutex_unlock(&logger.lock);
}

void log_enable_debug(bool on)
{
    atomic_store_explicit(&debug_on, on, memory_order_relaxed);
}

void log_set_level(int least)
{
    atomic_store_explicit(&level_set, least, memory_order_relaxed);
}

enum log_level log_least(void)
{
    int least = atomic_load_explicit(&level_set, memory_order_relaxed);
    if (least != LOG_DEFAULT)
        return (enum log_level)least;
    return atomic_load_explicit(&debug_on, memory_order_relaxed) ? LOG_DEBUG : LOG_INFO;
}

static bool log_wanted(enum log_level level)
{
    return level >= log_least();
}

void log_line(enum log_level level, const char *fmt, ...)
{
    struct line line;
    va_list args;

    if (!log_wanted(level))
        return;
    line_begin(&line, level);
    va_start(args, fmt);
    line_format(&line, fmt, args);
    va_end(args);
    line_end(&line);
    line_put(&line);
}

void log_errors(enum log_level level, const char *prefix, const struct errors *errs)
{
    for (uint32_t i = 0; i < errors_told(errs); i++) {
        const struct error *e = &errs->list[i];
        if (e->at.line > 0)
            log_line(level, "%s: %s:%u - %s", prefix, e->at.file, e->at.line, e->text);
        else
            log_line(level, "%s: %s", prefix, e->text);
    }
}

void log_raw(const char *from, size_t len)
{
    struct line line;

    line.len = 0;
    line.cut = false;
    line_add(&line, from, len);
    line_end(&line);
    line_put(&line);
}

uint64_t log_lost(void)
{
    pthread_mutex_lock(&logger.lock);
    uint64_t lost = logger.lost_told + logger.lost_new;
    pthread_mutex_unlock(&logger.lock);
    return lost;
}

/* Whether the call site still has a line in this second. */
static bool limit_allows(struct log_limit *limit, uint32_t per_s)
{
    uint64_t now_s = now_ms() / 1000;
    uint64_t second = atomic_load(&limit->second);

    if (second != now_s &&
        atomic_compare_exchange_strong(&limit->second, &second, now_s))
        atomic_store(&limit->lines, 0);
    if (atomic_fetch_add(&limit->lines, 1) < per_s)
        return true;
    atomic_fetch_add(&limit->held, 1);
    return false;
}

bool log_limited(struct log_limit *limit, uint32_t per_s, enum log_level level,
                 const char *fmt, ...)
{
    struct line line;
    char more[40];
    va_list args;

    if (!log_wanted(level))
        return true;
    if (!limit_allows(limit, per_s))
        return false;
    line_begin(&line, level);
    va_start(args, fmt);
    line_format(&line, fmt, args);
    va_end(args);
    uint32_t held = atomic_exchange(&limit->held, 0);
    if (held > 0) {
        int len = snprintf(more, sizeof more, " (%u more like this)", held);
        line_add(&line, more, (size_t)len);
    }
    line_end(&line);
    line_put(&line);
    return true;
}
