#include "server/lookup.h"

#include "base/cursor.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"
#include "server/entropy.h"
#include "server/host_lookup.h"
#include "server/pktinfo.h"
#include "server/turn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define WAIT_US    UINT64_C(2000000) /* for one server, as CoreDNS */
#define SYSTEM_MS  5000              /* for all that the system asks */
#define ANSWER_LEN 4096              /* no EDNS is sent: an answer has 512 at most */
#define RECORDS    (ANSWER_LEN / 11)

struct lookup {
    uint8_t question[DNS_HEADER_LEN + NAME_WIRE_MAX + 4];
    size_t question_len;
    uint16_t type;
    struct outside_addrs *out;
};

static int build_question(struct lookup *l, const struct name *name)
{
    uint16_t id;
    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return -1;
    struct wr wr = wr_init(l->question, sizeof l->question);
    wr_u16(&wr, id);
    wr_u16(&wr, DNS_RD);
    wr_u16(&wr, 1);
    wr_u32(&wr, 0);
    wr_u16(&wr, 0);
    wr_bytes(&wr, name->wire, name->len);
    wr_u16(&wr, l->type);
    wr_u16(&wr, DNS_IN);
    l->question_len = wr.at;
    return 0;
}

static int open_socket(const struct addr *server)
{
    union pktinfo_sockaddr sa;
    int domain = server->family == 4 ? AF_INET : AF_INET6;
    int fd = socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = pktinfo_address(&sa, server, server->family);
    if (fd >= 0 && connect(fd, &sa.any, len) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Waits for the answer to our question; anything else is passed over. -1: none came. */
static ssize_t receive(const struct lookup *l, int fd, uint8_t *answer)
{
    struct span asked = {.at = l->question + DNS_HEADER_LEN,
                         .len = l->question_len - DNS_HEADER_LEN};
    uint64_t end_us = turn_clock_us() + WAIT_US;
    for (uint64_t now_us; (now_us = turn_clock_us()) < end_us;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)((end_us - now_us) / 1000 + 1)) < 1)
            continue;
        ssize_t n = recv(fd, answer, ANSWER_LEN, MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        struct span wire = {.at = answer, .len = n < 0 ? 0 : (size_t)n};
        if (n > DNS_HEADER_LEN && load_u16(answer) == load_u16(l->question) &&
            wire_answers(wire, asked))
            return n;
    }
    errno = ETIMEDOUT;
    return -1;
}

/* Every address record of the answer section counts: aliases stand in between. */
static void take_addrs(const struct lookup *l, const struct msg *m)
{
    uint16_t len = l->type == DNS_A ? 4 : 16;
    msg_each_rr (rr, m) {
        if (rr->section != SECTION_ANSWER || rr->type != l->type || rr->rdlen != len ||
            l->out->n == OUTSIDE_ADDRS_MAX)
            continue;
        struct addr *addr = &l->out->list[l->out->n++];
        *addr = (struct addr){.family = len == 4 ? 4 : 6};
        memcpy(addr->ip, rr->base + rr->rdata, len);
    }
}

static int fail(const struct lookup *l, const struct addr *server, const char *why)
{
    char text[ADDR_TEXT_MAX];
    snprintf(l->out->reason, sizeof l->out->reason, "%s: %s", addr_print(server, text),
             why);
    return -1;
}

static int read_answer(const struct lookup *l, const struct addr *server,
                       struct span wire)
{
    char text[RDATA_MNEMONIC_MAX];
    struct rr rr[RECORDS];
    struct msg m = {.rr = rr, .rr_cap = RECORDS};
    if (wire_walk(wire, &m) != WIRE_OK)
        return fail(l, server, "malformed answer");
    if (m.rcode != DNS_NOERROR)
        return fail(l, server, rcode_print(m.rcode, text));
    take_addrs(l, &m);
    return 0;
}

static int ask(const struct lookup *l, const struct addr *server)
{
    uint8_t answer[ANSWER_LEN];
    ssize_t n = -1;
    int fd = open_socket(server);
    if (fd >= 0 && send(fd, l->question, l->question_len, MSG_NOSIGNAL) >= 0)
        n = receive(l, fd, answer);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return fail(l, server, strerror(error));
    return read_answer(l, server, (struct span){.at = answer, .len = (size_t)n});
}

/* ---- as other programs of the host do ---- */

static void take_list(const struct addrinfo *list, struct outside_addrs *out)
{
    for (; list != NULL && out->n < OUTSIDE_ADDRS_MAX; list = list->ai_next) {
        union pktinfo_sockaddr sa;
        memcpy(&sa, list->ai_addr,
               list->ai_addrlen < sizeof sa ? list->ai_addrlen : sizeof sa);
        pktinfo_peer(&out->list[out->n++], &sa);
    }
}

/* /etc/hosts, then the nameservers and the search list of /etc/resolv.conf, or whatever
 * else nsswitch.conf says. */
static int ask_system(const struct name *name, uint8_t family,
                      struct outside_addrs *out)
{
    char host[NAME_TEXT_MAX];
    const struct addrinfo *list = NULL;
    size_t len = name_print(name->wire, host);
    if (len > 1)
        host[len - 1] = '\0'; /* a final dot would keep the search list from it */
    struct in_addr old; /* `1.1.1` is 1.1.0.1 to getaddrinfo(): nobody means that */
    if (inet_aton(host, &old) != 0) {
        snprintf(out->reason, sizeof out->reason, "no such host");
        return -1;
    }
    struct host_lookup *l =
        host_lookup_new(host, "0", family == 4 ? AF_INET : AF_INET6, 0);
    int rc = host_lookup_wait(l, SYSTEM_MS, &list);
    if (rc == 0)
        take_list(list, out);
    else
        snprintf(out->reason, sizeof out->reason, "%s", gai_strerror(rc));
    host_lookup_free(l);
    return rc == 0 || rc == EAI_NONAME || rc == EAI_NODATA || rc == EAI_ADDRFAMILY ? 0
                                                                                   : -1;
}

int lookup_addrs(const struct name *name, uint8_t family, const struct addr *servers,
                 uint32_t servers_n, struct outside_addrs *out)
{
    struct lookup l = {.type = family == 4 ? DNS_A : DNS_AAAA, .out = out};
    *out = (struct outside_addrs){0};
    if (servers_n == 0)
        return ask_system(name, family, out);
    if (build_question(&l, name) < 0)
        return -1;
    for (uint32_t i = 0; i < servers_n; i++) {
        if (ask(&l, &servers[i]) == 0)
            return 0;
    }
    return -1;
}
