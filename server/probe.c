#include "server/probe.h"

#include "base/cursor.h"
#include "resolver/wire.h"
#include "server/turn.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define RECORDS 256 /* of an answer; with more it is none to our questions */

static const uint64_t patience_ms[3][2] = {
    [PROBE_UDP] = {400, 1100}, [PROBE_TCP] = {1500}, [PROBE_CONNECT] = {1500}};

static void attempt(struct probe *p);

/* ---- the end of an attempt ---- */

static void on_closed(uv_handle_t *handle)
{
    struct probe *p = handle->data;
    if (--p->open > 0)
        return;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    if (p->again)
        attempt(p);
    else
        p->done(p);
}

static void end(struct probe *p, enum probe_outcome outcome, int error)
{
    p->outcome = outcome;
    p->error = error;
    p->again = outcome == PROBE_SILENT && p->attempt < 2 &&
               patience_ms[p->question.kind][p->attempt] > 0;
    if (p->open == 2)
        uv_close((uv_handle_t *)&p->poll, on_closed);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void end_with_error(struct probe *p, int error)
{
    switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
        end(p, PROBE_CLOSED, error);
        break;
    case ETIMEDOUT:
        end(p, PROBE_SILENT, 0);
        break;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
        end(p, PROBE_FAILED, error);
        break;
    default:
        end(p, PROBE_UNREACHABLE, error);
        break;
    }
}

static void on_timeout(uv_timer_t *timer)
{
    end(timer->data, PROBE_SILENT, 0);
}

/* ---- the answer ---- */

static void take_text(struct probe *p, const struct rr *rr)
{
    const uint8_t *data = rr->base + rr->rdata;
    size_t len = data[0] < PROBE_TEXT_MAX ? data[0] : PROBE_TEXT_MAX - 1;
    for (size_t i = 0; i < len; i++)
        p->text[i] = data[1 + i] > 0x20 && data[1 + i] < 0x7f ? (char)data[1 + i] : '?';
    p->text[len] = '\0';
}

static void take_record(struct probe *p, const struct rr *rr)
{
    p->found = true;
    switch (rr->type) {
    case DNS_PTR:
        msg_name(rr, rr->rdata, &p->target);
        name_lower(p->target.wire, p->target.wire, p->target.len);
        break;
    case DNS_A:
    case DNS_AAAA:
        p->addr = (struct addr){.family = rr->type == DNS_A ? 4 : 6};
        memcpy(p->addr.ip, rr->base + rr->rdata, rr->rdlen);
        break;
    default:
        take_text(p, rr);
        break;
    }
}

static void take_answer(struct probe *p, struct span wire)
{
    struct rr list[RECORDS];
    struct msg m = {.rr = list, .rr_cap = RECORDS};
    if (wire_walk(wire, &m) != WIRE_OK) {
        end(p, PROBE_GARBAGE, 0);
        return;
    }
    p->rcode = m.rcode;
    p->rtt_us = (uint32_t)(turn_clock_us() - p->start_us);
    p->found = false;
    msg_each_rr (rr, &m) {
        if (rr->section == SECTION_ANSWER && rr->type == p->question.type && !p->found)
            take_record(p, rr);
    }
    end(p, PROBE_ANSWERED, 0);
}

static bool is_answer(const struct probe *p, struct span wire)
{
    struct span asked = {.at = p->out + 2 + DNS_HEADER_LEN,
                         .len = p->out_len - 2 - DNS_HEADER_LEN};
    return wire.len > DNS_HEADER_LEN && load_u16(wire.at) == p->id &&
           wire_answers(wire, asked);
}

/* ---- over UDP ---- */

static void on_datagram(struct probe *p)
{
    ssize_t n = recv(p->fd, p->in, sizeof p->in, 0);
    struct span wire = {.at = p->in, .len = n < 0 ? 0 : (size_t)n};
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        end_with_error(p, errno);
    else if (is_answer(p, wire))
        take_answer(p, wire);
    /* Anything else may be forged: the answer may still come. */
}

/* ---- over TCP ---- */

static void write_more(struct probe *p)
{
    while (p->sent < p->out_len) {
        ssize_t n = send(p->fd, p->out + p->sent, p->out_len - p->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno != EINTR) {
            end_with_error(p, errno);
            return;
        }
        p->sent += n > 0 ? (size_t)n : 0;
    }
}

/* Whether the connection stands. False: it does not, and what that means is settled. */
static bool is_connected(struct probe *p)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error != 0)
        end_with_error(p, error);
    return error == 0;
}

static void read_more(struct probe *p)
{
    ssize_t n = recv(p->fd, p->in + p->got, sizeof p->in - p->got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        end_with_error(p, errno);
        return;
    }
    p->got += (size_t)n;
    size_t len = p->got < 2 ? 0 : load_u16(p->in);
    struct span wire = {.at = p->in + 2, .len = len};
    if (p->got >= 2 && p->got >= 2 + len && is_answer(p, wire))
        take_answer(p, wire);
    else if (n == 0 || len + 2 > sizeof p->in || (p->got >= 2 && p->got >= 2 + len))
        end(p, n == 0 && p->got == 0 ? PROBE_CLOSED : PROBE_GARBAGE, 0);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct probe *p = poll->data;
    if (p->question.kind == PROBE_UDP) {
        on_datagram(p);
        return;
    }
    if ((events & UV_WRITABLE) != 0 || status < 0) {
        if (!is_connected(p))
            return;
        if (p->question.kind == PROBE_CONNECT) {
            end(p, PROBE_ANSWERED, 0);
            return;
        }
        write_more(p);
        if (p->sent == p->out_len && !uv_is_closing((uv_handle_t *)poll))
            uv_poll_start(poll, UV_READABLE, on_event);
    } else if ((events & UV_READABLE) != 0) {
        read_more(p);
    }
}

/* ---- an attempt ---- */

static int write_question(struct probe *p)
{
    if (getrandom(&p->id, sizeof p->id, 0) != sizeof p->id)
        return -1;
    struct wr wr = wr_init(p->out, sizeof p->out);
    const struct name *name = &p->question.name;
    wr_u16(&wr, (uint16_t)(DNS_HEADER_LEN + name->len + 4));
    wr_u16(&wr, p->id);
    wr_u16(&wr, DNS_RD);
    wr_u16(&wr, 1);
    wr_u32(&wr, 0);
    wr_u16(&wr, 0);
    wr_bytes(&wr, name->wire, name->len);
    wr_u16(&wr, p->question.type);
    wr_u16(&wr, DNS_IN);
    p->out_len = wr.at;
    return 0;
}

/* Returns 0 or an errno. */
static int open_socket(struct probe *p)
{
    struct sockaddr_storage to;
    socklen_t len = addr_to_sockaddr(&p->question.to, &to);
    bool udp = p->question.kind == PROBE_UDP;
    p->fd = socket(to.ss_family,
                   (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0)
        return errno;
    if (connect(p->fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)
        return errno;
    if (udp && send(p->fd, p->out + 2, p->out_len - 2, MSG_NOSIGNAL) < 0)
        return errno;
    return 0;
}

static void attempt(struct probe *p)
{
    p->start_us = turn_clock_us();
    p->sent = p->got = 0;
    p->again = false;
    uv_timer_init(p->loop, &p->timer);
    p->timer.data = p->poll.data = p;
    p->open = 1;
    uint64_t wait_ms = patience_ms[p->question.kind][p->attempt++];
    p->error = write_question(p) < 0 ? EIO : open_socket(p);
    if (p->error == 0 && uv_poll_init(p->loop, &p->poll, p->fd) == 0) {
        p->open = 2;
        uv_poll_start(&p->poll,
                      p->question.kind == PROBE_UDP ? UV_READABLE : UV_WRITABLE,
                      on_event);
        uv_timer_start(&p->timer, on_timeout, wait_ms, 0);
    } else {
        end_with_error(p, p->error == 0 ? EMFILE : p->error);
    }
}

void probe_start(struct probe *p, uv_loop_t *loop)
{
    p->loop = loop;
    p->fd = -1;
    p->attempt = 0;
    attempt(p);
}
