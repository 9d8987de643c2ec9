#include "server/demo_client.h"

#include "base/cursor.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#define REPLY_MAX 65535

/* ---- the exchange ---- */

static size_t build_query(const char *name, uint16_t type, uint8_t *out, size_t cap)
{
    struct name n;
    if (name_parse(&n, text_of(name)) < 0)
        return 0;
    struct wr wr = wr_init(out, cap);
    wr_u16(&wr, 0x1d0e);
    wr_u16(&wr, DNS_RD);
    wr_u16(&wr, 1);
    wr_u16(&wr, 0);
    wr_u32(&wr, 0);
    wr_bytes(&wr, n.wire, n.len);
    wr_u16(&wr, type);
    wr_u16(&wr, DNS_IN);
    return wr.failed ? 0 : wr.at;
}

static bool read_all(int fd, uint8_t *to, size_t len)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = recv(fd, to + got, len - got, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static ssize_t exchange_tcp(int fd, const uint8_t *query, size_t len, uint8_t *reply)
{
    uint8_t framed[600];
    store_u16(framed, (uint16_t)len);
    memcpy(framed + 2, query, len);
    if (send(fd, framed, len + 2, MSG_NOSIGNAL) != (ssize_t)(len + 2))
        return -1;
    uint8_t head[2];
    if (!read_all(fd, head, 2))
        return -1;
    size_t reply_len = load_u16(head);
    return read_all(fd, reply, reply_len) ? (ssize_t)reply_len : -1;
}

static ssize_t exchange_udp(int fd, const uint8_t *query, size_t len, uint8_t *reply)
{
    if (send(fd, query, len, MSG_NOSIGNAL) != (ssize_t)len)
        return -1;
    return recv(fd, reply, REPLY_MAX, 0);
}

static ssize_t exchange(const struct addr *server, bool tcp, struct span query,
                        unsigned wait_ms, uint8_t *reply)
{
    struct sockaddr_storage to;
    socklen_t to_len = addr_to_sockaddr(server, &to);
    int fd = socket(to.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
                           .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    ssize_t len = -1;
    if (connect(fd, (struct sockaddr *)&to, to_len) == 0)
        len = tcp ? exchange_tcp(fd, query.at, query.len, reply)
                  : exchange_udp(fd, query.at, query.len, reply);
    close(fd);
    return len;
}

/* ---- the answer in words ---- */

static void print_name_at(const struct rr *rr, uint32_t at, char *out)
{
    struct name n;
    msg_name(rr, at, &n);
    name_print(n.wire, out);
}

static void print_rdata(const struct rr *rr, char *out, size_t cap)
{
    const uint8_t *data = rr->base + rr->rdata;
    char name[NAME_TEXT_MAX] = "";
    struct addr addr = {.family = rr->type == DNS_A ? 4 : 6};
    switch (rr->type) {
    case DNS_A:
    case DNS_AAAA:
        memcpy(addr.ip, data, rr->rdlen);
        addr_print_ip(&addr, name);
        break;
    case DNS_SRV:
        print_name_at(rr, rr->rdata + 6, name);
        snprintf(out, cap, "%u %u %u %.130s", load_u16(data), load_u16(data + 2),
                 load_u16(data + 4), name);
        return;
    case DNS_TXT:
        snprintf(out, cap, "\"%.*s\"", (int)data[0], (const char *)data + 1);
        return;
    default:
        print_name_at(rr, rr->rdata, name);
        break;
    }
    snprintf(out, cap, "%.150s", name); /* longer ones are not in the demo */
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

#define SHOWN_MAX 16

static void print_empty(const struct msg *m, char *answer)
{
    char zone[NAME_TEXT_MAX] = "no SOA", code[16];
    msg_each_rr (rr, m) {
        if (rr->type == DNS_SOA)
            print_name_at(rr, rr->owner, zone);
    }
    if (m->rcode != DNS_NOERROR)
        snprintf(answer, DEMO_ANSWER_MAX, "%s (SOA %.200s)",
                 rcode_print(m->rcode, code), zone);
    else
        snprintf(answer, DEMO_ANSWER_MAX, "no data (SOA %.200s)", zone);
}

static void print_answer(const struct msg *m, char *answer)
{
    char shown[SHOWN_MAX][160];
    size_t n = 0, len = 0;
    msg_each_rr (rr, m) {
        if (rr->section == SECTION_ANSWER && n < SHOWN_MAX)
            print_rdata(rr, shown[n++], sizeof shown[0]);
    }
    if (n == 0 || m->rcode != DNS_NOERROR) {
        print_empty(m, answer);
        return;
    }
    qsort(shown, n, sizeof shown[0], by_text);
    for (size_t i = 0; i < n && len < DEMO_ANSWER_MAX; i++)
        len += (size_t)snprintf(answer + len, DEMO_ANSWER_MAX - len, "%s%s",
                                i == 0 ? "" : ", ", shown[i]);
}

int demo_ask(const struct addr *server, const struct demo_question *q, unsigned wait_ms,
             char *answer)
{
    uint8_t query[512];
    size_t len = build_query(q->name, q->type, query, sizeof query);
    uint8_t *reply = malloc(REPLY_MAX);
    struct rr *index = calloc(WIRE_RR_MAX, sizeof *index);
    int rc = -1;
    if (reply == NULL || index == NULL || len == 0)
        goto out;
    struct span asked = {.at = query, .len = len};
    ssize_t got = exchange(server, q->tcp, asked, wait_ms, reply);
    struct msg m = {.rr = index, .rr_cap = WIRE_RR_MAX};
    struct span packet = {.at = reply, .len = got < 0 ? 0 : (size_t)got};
    if (got < 0 || wire_walk(packet, &m) != WIRE_OK || m.id != 0x1d0e)
        goto out;
    print_answer(&m, answer);
    rc = 0;
out:
    free(index);
    free(reply);
    return rc;
}
