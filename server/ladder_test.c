#include "server/ladder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "resolver/msg.h"
#include "resolver/rdata.h"

static struct name name_of(const char *text)
{
    struct name n;
    assert_int_equal(name_parse(&n, text_of(text)), 0);
    return n;
}

static void the_domain_stands_behind_svc(void **unused)
{
    static const char *const rows[][2] = {
        {"kube-dns.kube-system.svc.cluster.local", "cluster.local."},
        {"kubernetes.default.svc.corp.example", "corp.example."},
        {"dns-default.openshift-dns.svc.local", "local."},
        {"a.b.svc", NULL},
        {"a.b", NULL},
        {"a", NULL},
        {"a.b.svcs.local", NULL},
        {".", NULL},
        {"a.svc.b.cluster.local", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct name service = name_of(rows[i][0]), domain;
        char text[NAME_TEXT_MAX];
        int rc = ladder_domain(&service, &domain);
        assert_int_equal(rc, rows[i][1] == NULL ? -1 : 0);
        if (rc == 0) {
            name_print(domain.wire, text);
            assert_string_equal(text, rows[i][1]);
        }
    }
    struct name none = {.len = 0}, domain;
    assert_int_equal(ladder_domain(&none, &domain), -1);
}

/* ---- a server that answers as it is told, over UDP ---- */

struct server {
    int fd, tcp;
    uv_poll_t poll;
    uv_loop_t *loop;
    struct addr addr;
    unsigned asked;
    enum { LOSES_FIRST, FORGES, BROKEN } manner;
};

static void answer(struct server *s, const uint8_t *query, size_t len,
                   const struct sockaddr_storage *to)
{
    uint8_t out[512];
    struct wr wr = wr_init(out, sizeof out);
    wr_bytes(&wr, query, len);
    store_u16(out + 2, DNS_QR | DNS_AA);
    if (s->manner == BROKEN) {
        store_u16(out + 6, 9); /* records that are not there */
    } else {
        store_u16(out + 6, 1);
        wr_u16(&wr, 0xc00c);
        wr_u16(&wr, DNS_TXT);
        wr_u16(&wr, DNS_IN);
        wr_u32(&wr, 30);
        wr_u16(&wr, 6);
        wr_bytes(&wr,
                 "\5"
                 "1.1\x07"
                 "0",
                 6);
    }
    if (s->manner == FORGES) {
        uint16_t id = load_u16(out);
        store_u16(out, (uint16_t)(id + 1));
        sendto(s->fd, out, wr.at, 0, (const struct sockaddr *)to,
               sizeof(struct sockaddr_in));
        store_u16(out, id);
    }
    sendto(s->fd, out, wr.at, 0, (const struct sockaddr *)to,
           sizeof(struct sockaddr_in));
}

static void on_question(uv_poll_t *poll, int status, int events)
{
    struct server *s = poll->data;
    uint8_t query[512];
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(s->fd, query, sizeof query, 0, (struct sockaddr *)&from, &len);
    assert_true(n > DNS_HEADER_LEN);
    if (s->asked++ > 0 || s->manner != LOSES_FIRST)
        answer(s, query, (size_t)n, &from);
}

static void server_open(struct server *s, uv_loop_t *loop)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    s->loop = loop;
    s->fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&in, &len), 0);
    addr_from_sockaddr(&s->addr, (struct sockaddr *)&in);
    assert_int_equal(uv_poll_init(loop, &s->poll, s->fd), 0);
    s->poll.data = s;
    uv_poll_start(&s->poll, UV_READABLE, on_question);
}

static void on_done(struct probe *p)
{
    struct server *s = p->context;
    uv_close((uv_handle_t *)&s->poll, NULL);
}

/* One probe of a server of that manner. */
static struct probe probe(struct server *s)
{
    static struct probe p;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    server_open(s, &loop);
    p = (struct probe){.done = on_done, .context = s};
    p.question = (struct probe_question){.kind = PROBE_UDP,
                                         .to = s->addr,
                                         .name = name_of("dns-version.x"),
                                         .type = DNS_TXT};
    probe_start(&p, &loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(s->fd);
    return p;
}

static void a_lost_datagram_is_sent_again(void **unused)
{
    struct server s = {.manner = LOSES_FIRST};
    struct probe p = probe(&s);
    assert_int_equal(p.outcome, PROBE_ANSWERED);
    assert_int_equal(p.rcode, DNS_NOERROR);
    assert_true(p.found);
    assert_string_equal(p.text, "1.1?0"); /* only what can be printed */
    assert_int_equal(s.asked, 2);
}

static void an_answer_with_another_id_is_passed_over(void **unused)
{
    struct server s = {.manner = FORGES};
    struct probe p = probe(&s);
    assert_int_equal(p.outcome, PROBE_ANSWERED);
    assert_int_equal(s.asked, 1);
}

static void what_cannot_be_read_is_no_answer(void **unused)
{
    struct server s = {.manner = BROKEN};
    assert_int_equal(probe(&s).outcome, PROBE_GARBAGE);
}

/* ---- a ladder ---- */

static void on_ladder(struct ladder *l)
{
    *(bool *)l->context = true;
}

static void where_nobody_listens_the_port_is_closed(void **unused)
{
    static struct ladder l;
    uv_loop_t loop;
    bool done = false;
    struct server s = {0};
    assert_int_equal(uv_loop_init(&loop), 0);
    server_open(&s, &loop); /* for a port that is free a moment later */
    close(s.fd);
    uv_close((uv_handle_t *)&s.poll, NULL);
    l.question = (struct ladder_question){.dns = s.addr, .domain = name_of("x")};
    l.done = on_ladder;
    l.context = &done;
    ladder_start(&l, &loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_true(done);
    assert_int_equal(l.result.state, LADDER_CLOSED);
    assert_string_equal(ladder_state_print(l.result.state), "CLOSED");
    assert_int_equal(ladder_level(l.result.state), 1);
}

static int start(void **unused)
{
    return rdata_start();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_domain_stands_behind_svc),
        cmocka_unit_test(a_lost_datagram_is_sent_again),
        cmocka_unit_test(an_answer_with_another_id_is_passed_over),
        cmocka_unit_test(what_cannot_be_read_is_no_answer),
        cmocka_unit_test(where_nobody_listens_the_port_is_closed),
    };
    return cmocka_run_group_tests_name("ladder", tests, start, NULL);
}
