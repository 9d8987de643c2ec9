#include "server/receiver.h"

#include "base/hash.h"
#include "base/limits.h"
#include "resolver/axfr.h"
#include "resolver/registry.h"
#include "server/frames.h"
#include "server/turn.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

#define ROOM    (64 * 1024)
#define HANDLES 2

#define FAILURES_TOLD_PER_S 10

/* Records that are put in order at once: another thread would take longer to hear of
 * it. */
#define SEAL_HERE_MAX 1000

/* One zone being asked for. The handles are those of one primary; they are opened anew
 * for the next. What is sealed counts as one. */
struct fetch {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    uv_work_t seal;
    struct receiver *receiver;
    struct inbound *zone; /* a claim of our own */
    struct fetch *next;
    unsigned handles;
    uint32_t primary; /* in hand */
    bool current;     /* a primary has said that ours is the newest */
    bool ending;      /* no further primary */
    bool whole;       /* nothing more is taken from this one */
    uint16_t id;
    uint64_t begun_us;
    struct axfr *axfr; /* NULL: the SOA was asked for */
    struct frames in;
    uint8_t question[2 + NAME_WIRE_MAX + 16];
    uint8_t room[ROOM];
};

void receiver_init(struct receiver *r, uv_loop_t *loop, struct registry *reg,
                   void (*changed)(void *context), void *context)
{
    *r = (struct receiver){
        .loop = loop, .registry = reg, .changed = changed, .context = context};
}

static uint32_t draw(void)
{
    uint32_t n = 0;
    if (getrandom(&n, sizeof n, GRND_NONBLOCK) != (ssize_t)sizeof n)
        n = (uint32_t)turn_clock_us();
    return n;
}

/* ---- the end of a primary, and of all ---- */

static void try_primary(struct fetch *f);

static void finish(struct fetch *f)
{
    struct receiver *r = f->receiver;
    struct fetch **at = &r->running;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    r->running_n--;
    registry_drop(r->registry, f->zone);
    free(f);
    if (r->changed != NULL)
        r->changed(r->context);
}

static void fail(struct receiver *r, struct inbound *z)
{
    uint64_t now_us = turn_clock_us();
    inbound_failed(z, now_us, draw());
    inbound_queue(z, now_us, z->member ? &r->turn_members_us : &r->turn_us);
}

static void end_primary(struct fetch *f)
{
    if (--f->handles > 0)
        return;
    frames_release(&f->in);
    axfr_free(f->axfr);
    f->axfr = NULL;
    if (!f->ending && ++f->primary < f->zone->primaries_n) {
        try_primary(f);
        return;
    }
    if (f->current)
        inbound_current(f->zone, turn_clock_us(), draw());
    else if (f->zone->busy)
        fail(f->receiver, f->zone);
    finish(f);
}

static void on_closed(uv_handle_t *handle)
{
    end_primary(handle->data);
}

static void close_primary(struct fetch *f)
{
    if (uv_is_closing((uv_handle_t *)&f->tcp))
        return;
    uv_close((uv_handle_t *)&f->tcp, on_closed);
    uv_close((uv_handle_t *)&f->timer, on_closed);
}

/* A catalog may name thousands that its primary does not serve, and each is asked for
 * again and again. */
static void tell_failure(struct fetch *f, const char *why)
{
    char apex[NAME_TEXT_MAX], who[ADDR_TEXT_MAX];
    struct receiver *r = f->receiver;
    struct log_limit *limit = f->zone->member ? &r->log_members : &r->log;
    uint64_t *told = &f->zone->flaws[f->primary];
    uint64_t flaw = hash_bytes(why, strlen(why)) | 1; /* never 0 */
    if (*told == flaw)
        return;
    name_print(f->zone->apex.wire, apex);
    addr_print(&f->zone->primaries[f->primary], who);
    if (log_limited(limit, FAILURES_TOLD_PER_S, LOG_WARNING,
                    "plugin/secondary: Failed to transfer `%s' from \"%s\": %s", apex,
                    who, why))
        *told = flaw;
}

static void give_up(struct fetch *f, const char *why)
{
    if (uv_is_closing((uv_handle_t *)&f->tcp))
        return;
    tell_failure(f, why);
    close_primary(f);
}

static void primary_is_well(struct fetch *f)
{
    f->zone->flaws[f->primary] = 0;
    close_primary(f);
}

static void on_late(uv_timer_t *timer)
{
    give_up(timer->data, "it took too long");
}

static void on_silent(uv_timer_t *timer)
{
    give_up(timer->data, "no connection or no answer in time");
}

/* ---- messages ---- */

static void on_written(uv_write_t *write, int status)
{
    if (status < 0 && status != UV_ECANCELED)
        give_up(write->handle->data, uv_strerror(status));
}

static void ask(struct fetch *f, uint16_t type)
{
    f->id = (uint16_t)draw();
    size_t len = axfr_ask(&f->zone->apex, type, f->id, f->question + 2);
    f->question[0] = (uint8_t)(len >> 8);
    f->question[1] = (uint8_t)len;
    if (type == DNS_AXFR) {
        f->axfr = axfr_new(&f->zone->apex, f->id);
        if (f->axfr == NULL) {
            give_up(f, "out of memory");
            return;
        }
    }
    uv_buf_t buf = uv_buf_init((char *)f->question, (unsigned)(2 + len));
    int rc = uv_write(&f->write, (uv_stream_t *)&f->tcp, &buf, 1, on_written);
    if (rc < 0)
        give_up(f, uv_strerror(rc));
    else
        uv_timer_start(&f->timer, on_silent, FETCH_STALL_MS, 0);
}

static void take_soa(struct fetch *f, struct span message)
{
    uint32_t serial;
    const char *why;
    const struct zone *have = f->zone->zone;
    if (axfr_serial(&f->zone->apex, f->id, message, &serial, &why) < 0) {
        give_up(f, why);
        return;
    }
    if (have == NULL || zone_serial_after(serial, have->serial)) {
        ask(f, DNS_AXFR);
        return;
    }
    f->current = true;
    primary_is_well(f);
}

static void take_zone(struct fetch *f)
{
    char apex[NAME_TEXT_MAX], who[ADDR_TEXT_MAX];
    struct zone *zone = axfr_take(f->axfr);
    if (zone == NULL) {
        give_up(f, axfr_reason(f->axfr));
        return;
    }
    name_print(f->zone->apex.wire, apex);
    addr_print(&f->zone->primaries[f->primary], who);
    log_info("plugin/secondary: Transferred: %s from %s: %" PRIu32
             " records, serial %" PRIu32,
             apex, who, axfr_records(f->axfr), zone->serial);
    if (axfr_outside(f->axfr) > 0)
        log_warning(
            "plugin/secondary: %s from %s: records outside of the zone are passed "
            "over: %" PRIu32,
            apex, who, axfr_outside(f->axfr));
    inbound_loaded(f->zone, zone, turn_clock_us(), draw());
    f->current = false;
    f->ending = true;
    primary_is_well(f);
}

static void seal(uv_work_t *work)
{
    struct fetch *f = work->data;
    axfr_seal(f->axfr, f->zone->catalog);
}

static void on_sealed(uv_work_t *work, int status)
{
    struct fetch *f = work->data;
    if (!f->ending)
        take_zone(f);
    end_primary(f);
}

/* The primary is heard no more. */
static void seal_zone(struct fetch *f)
{
    f->whole = true;
    uv_read_stop((uv_stream_t *)&f->tcp);
    uv_timer_stop(&f->timer);
    f->seal.data = f;
    if (axfr_records(f->axfr) > SEAL_HERE_MAX &&
        uv_queue_work(f->receiver->loop, &f->seal, seal, on_sealed) == 0) {
        f->handles++;
        return;
    }
    axfr_seal(f->axfr, f->zone->catalog);
    take_zone(f);
}

static void take_message(struct fetch *f, struct span message)
{
    if (f->axfr == NULL) {
        take_soa(f, message);
        return;
    }
    switch (axfr_message(f->axfr, message)) {
    case AXFR_MORE:
        if (turn_clock_us() - f->begun_us > FETCH_TOTAL_S * UINT64_C(1000000))
            on_late(&f->timer);
        else
            uv_timer_start(&f->timer, on_silent, FETCH_STALL_MS, 0);
        break;
    case AXFR_DONE:
        seal_zone(f);
        break;
    case AXFR_BAD:
        give_up(f, axfr_reason(f->axfr));
        break;
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct fetch *f = handle->data;
    size_t len = 0;
    uint8_t *at = frames_room(&f->in, f->room, sizeof f->room, &len);
    *buf = uv_buf_init((char *)at, at == NULL ? 0 : (unsigned)len);
}

static bool is_heard(const struct fetch *f)
{
    return !f->whole && !uv_is_closing((const uv_handle_t *)&f->tcp);
}

static void on_octets(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct fetch *f = stream->data;
    struct span in, message;
    if (n <= 0) {
        if (n < 0)
            give_up(f, n == UV_EOF ? "the primary closed the connection"
                                   : uv_strerror((int)n));
        return;
    }
    in = frames_got(&f->in, (const uint8_t *)buf->base, (size_t)n);
    while (is_heard(f) && frames_next(&in, &message))
        take_message(f, message);
    if (is_heard(f) && frames_keep(&f->in, in) < 0)
        give_up(f, "out of memory");
}

/* ---- connections ---- */

static void on_connected(uv_connect_t *connect, int status)
{
    struct fetch *f = connect->handle->data;
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&f->tcp, on_room, on_octets);
    if (status == 0)
        ask(f, f->zone->zone == NULL || f->zone->anew ? DNS_AXFR : DNS_SOA);
    else if (status != UV_ECANCELED)
        give_up(f, uv_strerror(status));
}

static void try_primary(struct fetch *f)
{
    struct sockaddr_storage to;
    uv_loop_t *loop = f->receiver->loop;
    f->in = (struct frames){0};
    f->handles = HANDLES;
    f->whole = false;
    f->begun_us = turn_clock_us();
    uv_tcp_init(loop, &f->tcp);
    uv_timer_init(loop, &f->timer);
    f->tcp.data = f->timer.data = f;
    addr_to_sockaddr(&f->zone->primaries[f->primary], &to);
    int rc = uv_tcp_connect(&f->connect, &f->tcp, (const struct sockaddr *)&to,
                            on_connected);
    if (rc < 0)
        give_up(f, uv_strerror(rc));
    else
        uv_timer_start(&f->timer, on_silent, FETCH_CONNECT_MS, 0);
}

static void start(struct receiver *r, struct inbound *z)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (f != NULL)
        f->zone = inbound_claim(r->registry, z);
    if (f == NULL || f->zone == NULL) {
        log_error("plugin/secondary: a zone is not asked for: out of memory");
        fail(r, z); /* or it would be due at once */
        free(f);
        return;
    }
    f->receiver = r;
    f->next = r->running;
    r->running = f;
    r->running_n++;
    inbound_begin(f->zone);
    try_primary(f);
}

/* ---- all ---- */

uint64_t receiver_run(struct receiver *r, const struct plan *plan, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;
    for (struct inbound_use *use = plan->inbound; use != NULL;
         use = use->next_of_plan) {
        bool room = r->running_n < FETCH_RUNNING_MAX;
        if (inbound_tick(use->zone, now_us) && room)
            start(r, use->zone);
        uint64_t due_us = inbound_due_us(use->zone);
        /* Without room the end of another says when. */
        if (due_us < next_us && (room || due_us > now_us))
            next_us = due_us;
    }
    return next_us;
}

void receiver_stop(struct receiver *r)
{
    r->changed = NULL;
    for (struct fetch *f = r->running; f != NULL; f = f->next) {
        f->ending = true;
        close_primary(f);
    }
    while (r->running_n > 0)
        uv_run(r->loop, UV_RUN_ONCE);
}
