#include "resolver/metrics.h"
#include "server/stream_core.h"

#include <errno.h>

/* ---- questions ---- */

bool stream_has_room(const struct stream *c)
{
    return c->unanswered < TCP_PIPELINE_MAX && c->out.len == 0 &&
           (c->doh == NULL || !doh_is_full(c->doh));
}

bool stream_owes(const struct stream *c)
{
    return c->out.len > 0 || (c->doh != NULL && doh_owes(c->doh));
}

/* HTTP/2 makes room for an answer by what it reads. */
bool stream_listens(const struct stream *c)
{
    bool to_the_end = c->doh != NULL && c->state == STREAM_ENDING && stream_owes(c);
    return (c->state == STREAM_OPEN || to_the_end) && !c->no_more;
}

static bool has_asked_all(const struct stream *c)
{
    return c->limits.questions_max > 0 && c->questions >= c->limits.questions_max;
}

static void ask(struct stream *c, const struct client *who, struct span message)
{
    struct streams *s = c->streams;
    stream_leave_idle(c);
    c->unanswered++;
    c->questions += c->questions < UINT32_MAX;
    s->counters.questions++;
    resolver_query(s->turn->resolver, who, message.at, message.len);
}

/* After something was read: `asked`, also of whole questions; `begun`, of one that is
 * not whole. */
static void note_reading(struct stream *c, bool asked, bool begun)
{
    uint64_t now_us = c->streams->turn->now_us;
    if (asked)
        c->active_us = now_us;
    if (asked || c->begun_us == 0)
        c->begun_us = begun ? now_us : 0;
    c->paused = !stream_has_room(c);
    if (has_asked_all(c))
        stream_begin_end(c);
}

static void give_up_for_size(struct stream *c)
{
    c->streams->counters.full++;
    c->broken = true;
    stream_attend(c);
}

/* Hands whole messages to the resolver for as long as the client may ask, and keeps the
 * rest. */
static void take_questions(struct stream *c, struct span in)
{
    struct span message;
    bool any = false;
    while (stream_has_room(c) && !c->broken && !has_asked_all(c) &&
           frames_next(&in, &message)) {
        any = true;
        ask(c, &c->who, message);
    }
    note_reading(c, any, in.len > 0);
    if (frames_keep(&c->in, in) < 0 || !stream_within_budget(c))
        give_up_for_size(c);
}

bool stream_ask(void *stream, uint32_t request, struct span message)
{
    struct stream *c = stream;
    struct client who = c->who;
    if (c->state != STREAM_OPEN || c->broken || has_asked_all(c))
        return false;
    who.request = request;
    ask(c, &who, message);
    return true;
}

void stream_answered(void *stream, unsigned status)
{
    const struct stream *c = stream;
    resolver_count(c->streams->turn->resolver, c->limits.https,
                   metrics_status_cell(status), 1);
}

/* The same by HTTP, which keeps the rest by itself, and may have to say something of
 * its own. */
static void take_requests(struct stream *c, const uint8_t *at, size_t len)
{
    uint64_t before = c->streams->counters.questions;
    c->broken = c->broken || doh_feed(c->doh, at, len) < 0;
    note_reading(c, c->streams->counters.questions != before, doh_partial(c->doh));
    stream_attend(c);
    if (!stream_within_budget(c))
        give_up_for_size(c);
}

void stream_go_on(struct stream *c)
{
    if (c->doh != NULL)
        take_requests(c, NULL, 0);
    else
        take_questions(c, frames_kept(&c->in));
}

void stream_begin_end(struct stream *c)
{
    if (c->state != STREAM_OPEN)
        return;
    c->state = STREAM_ENDING;
    if (c->doh != NULL)
        doh_end(c->doh);
    stream_attend(c);
}

enum reading {
    READ_MORE,  /* there may be more at once */
    READ_WAIT,  /* the kernel says when */
    READ_ENDED, /* the client's end of the stream */
    READ_FAILED,
};

static enum reading read_some(struct stream *c)
{
    size_t len = STREAM_ROOM;
    uint8_t *at = c->streams->room;
    if (c->doh == NULL)
        at = frames_room(&c->in, at, STREAM_ROOM, &len);
    if (at == NULL)
        return READ_FAILED;
    ssize_t n = channel_read(&c->channel, at, len);
    if (n == 0)
        return READ_ENDED;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? READ_WAIT : READ_FAILED;
    bool more = (size_t)n == len || channel_has_more(&c->channel);
    if (c->doh != NULL)
        take_requests(c, at, (size_t)n);
    else
        take_questions(c, frames_got(&c->in, at, (size_t)n));
    return more ? READ_MORE : READ_WAIT;
}

/* Takes a proxy's header off; the connection then counts as its client's. */
static enum reading read_header(struct stream *c)
{
    struct client who = c->who;
    switch (proxy_take(c->channel.fd, c->header, &c->header_seen, &who)) {
    case PROXY_STEP_WAIT:
        return READ_WAIT;
    case PROXY_STEP_END:
        return READ_FAILED;
    case PROXY_STEP_GO:
        break;
    }
    if (quota_move(c->streams->quota, &c->who.peer, &who.peer) != QUOTA_TAKEN)
        return READ_FAILED;
    c->who = who;
    c->header = PROXY_SKIP;
    return READ_MORE;
}

/* Goes on with a handshake, if the turn has time for it. */
static enum reading greet(struct stream *c)
{
    struct streams *s = c->streams;
    uint64_t began_us = turn_clock_us();
    if (s->greeted_us >= TLS_TURN_US)
        return READ_WAIT;
    int error = channel_greet(&c->channel);
    s->greeted_us += turn_clock_us() - began_us;
    if (error == EAGAIN)
        return READ_WAIT;
    s->counters.strange += error != 0;
    stream_leave_idle(c);
    stream_join_idle(c); /* now among those that are idle */
    return error == 0 ? READ_MORE : READ_FAILED;
}

/* What comes before the client's first octet. */
static enum reading prepare(struct stream *c)
{
    enum reading got = c->header == PROXY_SKIP ? READ_MORE : read_header(c);
    return got == READ_MORE && c->channel.greeting ? greet(c) : got;
}

/* Reads so many times, and what TLS has decrypted: that no kernel reports. */
static enum reading read_while_open(struct stream *c, unsigned times)
{
    enum reading got = prepare(c);
    for (unsigned n = 0; got == READ_MORE; n++) {
        bool may = n < times || channel_has_more(&c->channel);
        if (!may || c->paused || c->broken || !stream_listens(c))
            break;
        got = read_some(c);
    }
    return got;
}

void stream_read(struct stream *c, unsigned times)
{
    enum reading got = read_while_open(c, times);
    if (got == READ_ENDED) {
        c->no_more = true;
        stream_begin_end(c);
    }
    if (got == READ_FAILED) {
        c->broken = true;
        stream_attend(c);
    }
    if (channel_wants_write(&c->channel))
        stream_attend(c); /* to be watched for that */
}

void stream_discard(struct stream *c)
{
    ssize_t n = channel_discard(&c->channel, c->streams->room, STREAM_ROOM);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        stream_close(c);
}
