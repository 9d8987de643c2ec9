#include "server/http2.h"
#include "server/stream_core.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define DRAIN_READS 16 /* of a connection, at the end */
/* Questions of all connections in one turn, besides what the last read brings: a flood
 * over many connections must not keep UDP waiting. */
#define TURN_QUESTIONS 1024
#define SWEEP_MS       250
#define LINGER_US      (2 * 1000000ull) /* for the client to see our end of the stream */
#define MS             1000ull          /* microseconds */
#define NO_EVENT       0

const struct stream_limits stream_limits_default = {
    .read_ms = TCP_FIRST_MS, .write_ms = TCP_WRITE_MS, .idle_ms = TCP_IDLE_MS};

static void on_event(uv_poll_t *poll, int status, int events);
static void on_sweep(uv_timer_t *timer);

int streams_init(struct streams *s, struct turn *turn, struct quota *quota)
{
    *s = (struct streams){.turn = turn, .quota = quota};
    s->tail = calloc(1, sizeof *s->tail);
    s->room = malloc(STREAM_ROOM);
    if (s->tail == NULL || s->room == NULL) {
        streams_release(s);
        return ENOMEM;
    }
    uv_timer_init(&turn->loop, &s->sweep);
    s->sweep.data = s;
    return 0;
}

void streams_release(struct streams *s)
{
    free(s->tail);
    free(s->room);
    conns_release(&s->list);
    http2_free(s->doh);
    *s = (struct streams){0};
}

int streams_speak_http(struct streams *s)
{
    if (s->doh == NULL)
        s->doh = doh_shared_new();
    return s->doh == NULL ? ENOMEM : 0;
}

/* ---- lists ---- */

void stream_leave_idle(struct stream *c)
{
    struct stream_queue *q = c->queue;
    if (q == NULL)
        return;
    *(c->older == NULL ? &q->oldest : &c->older->newer) = c->newer;
    *(c->newer == NULL ? &q->newest : &c->newer->older) = c->older;
    c->older = c->newer = NULL;
    c->queue = NULL;
    q->n--;
}

void stream_join_idle(struct stream *c)
{
    struct streams *s = c->streams;
    struct stream_queue *q = c->channel.greeting ? &s->greeting : &s->idle;
    if (c->queue != NULL || c->unanswered > 0 || stream_owes(c) ||
        c->state == STREAM_CLOSED)
        return;
    c->older = q->newest;
    *(q->newest == NULL ? &q->oldest : &q->newest->newer) = c;
    q->newest = c;
    c->queue = q;
    q->n++;
}

void stream_attend(struct stream *c)
{
    if (c->attended)
        return;
    c->attended = true;
    c->attend_next = c->streams->attend;
    c->streams->attend = c;
}

static void forget_attention(struct stream *c)
{
    struct stream **at = &c->streams->attend;
    if (!c->attended)
        return;
    while (*at != c)
        at = &(*at)->attend_next;
    *at = c->attend_next;
    c->attended = false;
}

/* ---- life ---- */

bool stream_within_budget(struct stream *c)
{
    struct streams *s = c->streams;
    size_t http = c->doh == NULL ? 0 : doh_held(c->doh);
    size_t held = c->in.cap + c->out.cap + http;
    s->held = s->held - c->held + held;
    c->held = held;
    return s->held <= TCP_BUFFERS_MAX && http <= TCP_WRITE_QUEUE_MAX;
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *c = handle->data;
    conns_del(&c->streams->list, c->number);
    free(c);
}

void stream_close(struct stream *c)
{
    struct streams *s = c->streams;
    if (c->state == STREAM_CLOSED)
        return;
    if (s->tail->owner == c)
        s->tail->owner = NULL;
    forget_attention(c);
    c->state = STREAM_CLOSED;
    stream_leave_idle(c);
    frames_release(&c->in);
    outbox_release(&c->out);
    doh_free(c->doh);
    c->doh = NULL;
    stream_within_budget(c);
    uv_close((uv_handle_t *)&c->poll, on_closed);
    channel_close(&c->channel);
    quota_give(s->quota, &c->who.peer);
    quota_leave(s->quota, c->place);
    s->open--;
    while (c->partial && s->turn->resolver != NULL)
        c->partial = resolver_writable(s->turn->resolver, c->who.handle);
}

static void watch(struct stream *c)
{
    int events = NO_EVENT;
    if (c->state == STREAM_LINGER || (stream_listens(c) && !c->paused))
        events |= UV_READABLE;
    bool tls_waits = stream_listens(c) && channel_wants_write(&c->channel);
    if (c->out.len > 0 || c->partial || tls_waits)
        events |= UV_WRITABLE;
    if (events == c->watched)
        return;
    c->watched = events;
    if (events == NO_EVENT)
        uv_poll_stop(&c->poll);
    else
        uv_poll_start(&c->poll, events, on_event);
}

/* Numbers and watches the connection; -1: that cannot be had. */
static int add(struct streams *s, struct stream *c)
{
    c->number = conns_add(&s->list, c);
    if (c->number == CONN_NONE)
        return -1;
    c->poll.data = c;
    if (uv_poll_init(&s->turn->loop, &c->poll, c->channel.fd) == 0)
        return 0;
    conns_del(&s->list, c->number);
    return -1;
}

/* The descriptor stays the caller's on failure. */
static struct stream *new_stream(struct streams *s, int fd, enum transport transport,
                                 const void *tls)
{
    enum tls_talk talk = transport == TRANSPORT_HTTPS ? TLS_HTTP : TLS_DNS;
    struct stream *c = calloc(1, sizeof *c);
    struct doh_ask ask = {
        .question = stream_ask, .answered = stream_answered, .owner = c};
    if (c == NULL)
        return NULL;
    if (talk == TLS_HTTP)
        c->doh = doh_new(s->doh, &ask);
    bool made = channel_open(&c->channel, fd, tls, talk) == 0;
    if (made && (talk == TLS_DNS || c->doh != NULL) && add(s, c) == 0)
        return c;
    tls_close(c->channel.tls);
    doh_free(c->doh);
    free(c);
    return NULL;
}

static bool evict(struct stream *c)
{
    if (c == NULL)
        return false;
    c->streams->counters.evicted++;
    stream_close(c);
    return true;
}

int streams_admit(struct streams *s, int fd, const struct client *who,
                  uint32_t listener, const struct stream_terms *terms)
{
    struct stream *c = new_stream(s, fd, (enum transport)who->transport, terms->tls);
    if (c == NULL) {
        close(fd);
        quota_give(s->quota, &who->peer);
        quota_leave(s->quota, terms->place);
        return ENOMEM;
    }
    c->streams = s;
    c->listener = listener;
    c->place = terms->place;
    c->limits = terms->limits;
    c->who = *who;
    c->who.handle = (uint64_t)s->admitted++ << 32 | c->number;
    const struct stream_limits *limits = &terms->limits;
    c->header =
        limits->proxy == NULL ? PROXY_SKIP : proxy_policy_of(limits->proxy, &who->peer);
    c->born_us = c->active_us = s->turn->now_us;
    stream_join_idle(c);
    watch(c);
    if (s->greeting.n > TLS_GREETING_MAX)
        evict(s->greeting.oldest);
    if (s->open++ == 0)
        uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return 0;
}

static struct stream *oldest_of(const struct stream_queue *q, uint32_t listener)
{
    struct stream *c = q->oldest;
    while (c != NULL && c->listener != listener)
        c = c->newer;
    return c;
}

static struct stream *older_of(struct stream *a, struct stream *b)
{
    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    return a->active_us < b->active_us ? a : b;
}

bool streams_evict(struct streams *s)
{
    return evict(older_of(s->idle.oldest, s->greeting.oldest));
}

bool streams_evict_of(struct streams *s, uint32_t listener)
{
    return evict(
        older_of(oldest_of(&s->idle, listener), oldest_of(&s->greeting, listener)));
}

void streams_close(struct streams *s)
{
    for (uint32_t i = 0; i < s->list.n; i++) {
        if (s->list.list[i] != NULL)
            stream_close(s->list.list[i]);
    }
    uv_close((uv_handle_t *)&s->sweep, NULL);
}

/* ---- answers ---- */

static struct stream *stream_of(const struct streams *s, const struct client *who)
{
    struct stream *c = conns_get(&s->list, (uint32_t)who->handle);
    bool same = c != NULL && c->who.handle == who->handle;
    return same && c->state != STREAM_CLOSED ? c : NULL;
}

/* Hands octets to the kernel; what it does not take waits in the outbox. */
static void send_octets(struct stream *c, const uint8_t *at, size_t len)
{
    struct streams *s = c->streams;
    if (c->out.len == 0) {
        ssize_t n = channel_write(&c->channel, at, len);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            c->broken = true;
            return;
        }
        c->active_us = s->turn->now_us;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    if (outbox_put(&c->out, at, len, TCP_WRITE_QUEUE_MAX) < 0 ||
        !stream_within_budget(c)) {
        s->counters.full++;
        c->broken = true;
    }
}

static void send_tail(struct streams *s)
{
    struct stream_tail *t = s->tail;
    struct stream *c = t->owner;
    t->owner = NULL;
    if (c != NULL && t->used > 0 && !c->broken) {
        send_octets(c, t->octets, t->used);
        if (c->broken || c->out.len > 0) {
            stream_leave_idle(c);
            stream_attend(c);
        }
    }
    t->used = 0;
}

/* What HTTP has to say, as far as the socket takes it. */
static void send_http(struct stream *c)
{
    struct stream_tail *t = c->streams->tail;
    size_t n;
    send_tail(c->streams);
    while (c->out.len == 0 && !c->broken &&
           (n = doh_take(c->doh, t->octets, sizeof t->octets)) > 0)
        send_octets(c, t->octets, n);
    if (!stream_within_budget(c))
        c->broken = true;
    if (stream_owes(c))
        stream_leave_idle(c);
    else
        stream_join_idle(c);
    if (doh_ended(c->doh))
        stream_begin_end(c);
}

/* What was written into the room for replies. */
static void answer_http(struct stream *c, uint32_t request, size_t len)
{
    const struct stream_tail *t = c->streams->tail;
    const uint8_t *answer = t->octets + t->used + 2;
    if (doh_answer(c->doh, request, answer, len) < 0)
        c->broken = true;
    stream_attend(c);
}

uint8_t *streams_reply_space(struct streams *s, const struct client *who, size_t *cap)
{
    struct stream *c = stream_of(s, who);
    if (c == NULL)
        return NULL;
    if (s->tail->owner != c || STREAM_TAIL - s->tail->used < STREAM_MESSAGE)
        send_tail(s);
    s->tail->owner = c;
    *cap = ANSWER_MAX;
    return s->tail->octets + s->tail->used + 2;
}

static void put_tail(struct streams *s, size_t len)
{
    uint8_t *at = s->tail->octets + s->tail->used;
    if (len == 0)
        return;
    at[0] = (uint8_t)(len >> 8);
    at[1] = (uint8_t)len;
    s->tail->used += 2 + len;
}

/* The kernel says in the next turn whether there is room: others have theirs meanwhile.
 */
void streams_reply_part(struct streams *s, const struct client *who, size_t len)
{
    struct stream *c = stream_of(s, who);
    if (c == NULL)
        return;
    s->counters.answers += len > 0;
    put_tail(s, len);
    c->partial = true;
    stream_attend(c);
}

void streams_reply(struct streams *s, const struct client *who, size_t len)
{
    struct stream *c = stream_of(s, who);
    if (c == NULL)
        return;
    c->unanswered--;
    s->counters.answers += len > 0;
    if (c->doh != NULL)
        answer_http(c, who->request, len);
    else
        put_tail(s, len);
    if (c->paused || c->state == STREAM_ENDING)
        stream_attend(c);
    stream_join_idle(c);
}

/* ---- the end of a turn ---- */

static void finish(struct stream *c)
{
    if (channel_end(&c->channel) != 0) {
        stream_close(c);
        return;
    }
    c->state = STREAM_LINGER;
    c->active_us = c->streams->turn->now_us;
}

/* What can go on does. */
static void go_on(struct stream *c)
{
    if (c->state == STREAM_OPEN && stream_has_room(c) && c->paused && !c->broken)
        stream_go_on(c);
    if (channel_has_more(&c->channel) && stream_listens(c) && !c->paused)
        stream_read(c, 1);
    if (c->doh != NULL && !c->broken)
        send_http(c);
}

static void look_at(struct stream *c)
{
    go_on(c);
    if (c->broken) {
        stream_close(c);
        return;
    }
    if (c->state == STREAM_ENDING && c->unanswered == 0 && !stream_owes(c))
        finish(c);
    /* Reading that rests only because of a full pipeline ends with the next event, if
     * there is one before answers make room: most of the time that saves two calls. */
    bool full_pipeline = c->state == STREAM_OPEN && c->paused && c->out.len == 0;
    if (c->state != STREAM_CLOSED && !full_pipeline)
        watch(c);
}

bool streams_flush(struct streams *s)
{
    bool any = false;
    send_tail(s);
    while (s->attend != NULL) {
        struct stream *c = s->attend;
        s->attend = c->attend_next;
        c->attended = false;
        any = true;
        look_at(c);
        send_tail(s);
    }
    return any;
}

/* ---- events ---- */

static void on_writable(struct stream *c)
{
    size_t before = c->out.len;
    if (channel_flush(&c->channel, &c->out) != 0)
        c->broken = true;
    if (c->out.len < before)
        c->active_us = c->streams->turn->now_us;
    stream_within_budget(c);
    stream_join_idle(c);
    stream_attend(c);
    if (!c->partial || c->out.len > 0 || c->broken)
        return;
    c->partial = false;
    if (resolver_writable(c->streams->turn->resolver, c->who.handle))
        c->partial = true;
}

/* Whether the turn has room for more questions; if not, the kernel reports the
 * connection again. */
static bool may_read(struct streams *s)
{
    if (s->limited_turn != s->turn->number) {
        s->limited_turn = s->turn->number;
        s->questions_limit = s->counters.questions + TURN_QUESTIONS;
        s->greeted_us = 0;
    }
    return s->counters.questions < s->questions_limit;
}

static void on_readable(struct stream *c)
{
    if (!may_read(c->streams))
        return;
    stream_read(c, 1);
    if (c->channel.tls != NULL)
        watch(c);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct stream *c = poll->data;
    turn_begin(c->streams->turn);
    if (status < 0) { /* reset, or worse */
        stream_close(c);
        return;
    }
    /* TLS may have to write something of its own before it can read on. */
    bool read_on = stream_listens(c) && channel_wants_write(&c->channel);
    if (events & UV_WRITABLE)
        on_writable(c);
    if (!(events & UV_READABLE) && !read_on)
        return;
    if (c->state == STREAM_LINGER)
        stream_discard(c);
    else if (c->paused)
        watch(c);
    else
        on_readable(c);
}

/* When the connection is given up; UINT64_MAX: not while the resolver owes it answers.
 */
static uint64_t deadline_us(const struct stream *c)
{
    if (c->state == STREAM_LINGER)
        return c->active_us + LINGER_US;
    if (stream_owes(c))
        return c->active_us + c->limits.write_ms * MS;
    if (c->unanswered > 0)
        return UINT64_MAX;
    if (c->questions == 0)
        return c->born_us + c->limits.read_ms * MS;
    uint64_t idle_us = c->active_us + c->limits.idle_ms * MS;
    uint64_t begun_us = c->begun_us + c->limits.read_ms * MS;
    return c->begun_us != 0 && begun_us > idle_us ? begun_us : idle_us;
}

/* HTTP/2 says goodbye, so that the client knows which requests were taken. */
static void give_up(struct stream *c)
{
    if (c->doh != NULL && c->state == STREAM_OPEN && !stream_owes(c)) {
        doh_end(c->doh);
        send_http(c);
    }
    stream_close(c);
}

void streams_sweep(struct streams *s)
{
    turn_begin(s->turn);
    uint64_t now_us = s->turn->now_us;
    for (uint32_t i = 0; i < s->list.n; i++) {
        struct stream *c = s->list.list[i];
        if (c == NULL || c->state == STREAM_CLOSED)
            continue;
        if (now_us >= deadline_us(c)) {
            s->counters.late++;
            give_up(c);
        } else if (now_us - c->born_us >= TCP_TOTAL_S * 1000 * MS) {
            stream_begin_end(c);
        }
    }
    if (s->open == 0)
        uv_timer_stop(&s->sweep);
}

static void on_sweep(uv_timer_t *timer)
{
    streams_sweep(timer->data);
}

/* ---- reload and end ---- */

void streams_serve(struct streams *s, uint32_t listener, uint16_t server)
{
    for (uint32_t i = 0; i < s->list.n; i++) {
        struct stream *c = s->list.list[i];
        if (c != NULL && c->listener == listener)
            c->who.server = server;
    }
}

void streams_limit(struct streams *s, uint32_t listener,
                   const struct stream_limits *limits)
{
    for (uint32_t i = 0; i < s->list.n; i++) {
        struct stream *c = s->list.list[i];
        if (c != NULL && c->listener == listener)
            c->limits = *limits;
    }
}

void streams_orphan(struct streams *s, uint32_t listener)
{
    for (uint32_t i = 0; i < s->list.n; i++) {
        struct stream *c = s->list.list[i];
        if (c == NULL || c->listener != listener)
            continue;
        c->limits.proxy = NULL; /* they go with the plan, which may end first */
        c->limits.https = NULL;
        stream_begin_end(c);
    }
}

void streams_drain(struct streams *s)
{
    for (uint32_t i = 0; i < s->list.n; i++) {
        struct stream *c = s->list.list[i];
        if (c == NULL || c->state != STREAM_OPEN)
            continue;
        stream_read(c, DRAIN_READS);
        stream_begin_end(c);
    }
}

bool streams_quiet(const struct streams *s)
{
    for (uint32_t i = 0; i < s->list.n; i++) {
        const struct stream *c = s->list.list[i];
        if (c != NULL && c->state != STREAM_CLOSED && stream_owes(c))
            return false;
    }
    return true;
}
