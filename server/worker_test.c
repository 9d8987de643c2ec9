/* A worker between real sockets on loopback, with a resolver of a few lines in place of
 * ours: it echoes a question, or forwards it when its first octet says so. */
#include "server/worker.h"

#include "base/hash.h"
#include "base/limits.h"
#include "resolver/resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct listen_from nothing = {0};

#define WAIT_S       10 /* a test that waits longer has failed */
#define QUOTA_OF_ONE 3  /* connections */

/* What the first octet of a question tells the stub to do. */
enum stub_do { STUB_ECHO = 1, STUB_FORWARD, STUB_FORWARD_UDP, STUB_HOLD };

struct waiting {
    struct client client;
    uint32_t conn;
    bool used;
};

/* One resolver at a time: tests start one worker. Only the worker's thread changes it.
 */
struct resolver {
    struct io *io;
    struct waiting waiting[256];
    struct endpoint upstream;
    uint32_t in_flight;
    uint64_t now_us;
};

static struct endpoint upstream;
static struct client last_client;
static _Atomic int lost_error;
static _Atomic uint32_t most_in_flight;

struct resolver *resolver_new(struct io *io, unsigned worker)
{
    struct resolver *r = calloc(1, sizeof *r);
    r->io = io;
    r->upstream = upstream;
    return r;
}

void resolver_free(struct resolver *r)
{
    for (size_t i = 0; i < 256; i++) {
        if (r->waiting[i].used && r->waiting[i].conn != CONN_NONE)
            r->io->settle(r->io, r->waiting[i].conn);
    }
    free(r);
}

uint64_t resolver_oldest_epoch(const struct resolver *r)
{
    return 0;
}

int resolver_adopt(struct resolver *r, struct plan *plan, uint64_t epoch)
{
    return 0;
}

void resolver_tick(struct resolver *r, uint64_t now_us)
{
    r->now_us = now_us;
}

static void answer(struct resolver *r, const struct client *c, const uint8_t *wire,
                   size_t len)
{
    size_t cap;
    uint8_t *out = r->io->reply_space(r->io, c, &cap);
    if (out != NULL && cap < len)
        abort();
    if (out != NULL)
        memcpy(out, wire, len);
    r->io->reply(r->io, c, out == NULL ? 0 : len);
}

/* The place of a question is its second octet. */
void resolver_query(struct resolver *r, const struct client *c, const uint8_t *wire,
                    size_t len)
{
    last_client = *c;
    if (len < 2 || wire[0] == STUB_ECHO) {
        answer(r, c, wire, len);
        return;
    }
    struct waiting *w = &r->waiting[wire[1]];
    *w = (struct waiting){.client = *c, .conn = CONN_NONE, .used = true};
    r->in_flight++;
    if (r->in_flight > most_in_flight)
        most_in_flight = r->in_flight;
    if (wire[0] != STUB_HOLD) {
        enum transport t = wire[0] == STUB_FORWARD ? c->transport : TRANSPORT_UDP;
        if (r->io->connect(r->io, &r->upstream, t, CONN_NONE, &w->conn) != 0)
            abort(); /* a failed assertion would jump out of the wrong thread */
        if (r->io->send(r->io, w->conn, &r->upstream, wire, len) != 0)
            abort();
    }
}

void resolver_foresee_questions(struct resolver *r, uint16_t server,
                                const struct span *wires, unsigned n)
{
}

static void finish(struct resolver *r, struct waiting *w, const uint8_t *wire,
                   size_t len)
{
    r->io->settle(r->io, w->conn);
    w->used = false;
    r->in_flight--;
    answer(r, &w->client, wire, len);
}

void resolver_datagram(struct resolver *r, uint32_t conn, const uint8_t *wire,
                       size_t len)
{
    struct waiting *w = &r->waiting[wire[1]];
    if (w->used && w->conn == conn)
        finish(r, w, wire, len);
}

void resolver_lost(struct resolver *r, uint32_t conn, int error)
{
    lost_error = error;
    for (size_t i = 0; i < 256; i++) {
        struct waiting *w = &r->waiting[i];
        uint8_t failed[2] = {0xff, (uint8_t)i};
        if (w->used && w->conn == conn)
            finish(r, w, failed, 2);
    }
}

bool resolver_datagram_from(struct resolver *r, uint32_t conn, const struct addr *from,
                            struct span wire)
{
    resolver_datagram(r, conn, wire.at, wire.len);
    return true;
}

void resolver_foresee(struct resolver *r, const struct span *wires, unsigned n)
{
}

void resolver_lost_one(struct resolver *r, uint32_t conn, const struct addr *peer,
                       struct span sent, int error)
{
    resolver_lost(r, conn, error);
}

bool resolver_awaits(const struct resolver *r, uint32_t conn, const struct addr *peer,
                     struct span sent)
{
    return false;
}

void resolver_count(struct resolver *r, const struct meter *m, uint32_t cell,
                    uint64_t n)
{
}

bool resolver_writable(struct resolver *r, uint64_t handle)
{
    return false;
}

uint64_t resolver_next_us(const struct resolver *r)
{
    return UINT64_MAX;
}

uint32_t resolver_in_flight(const struct resolver *r)
{
    return r->in_flight;
}

/* ---- the test's side ---- */

static struct addr loopback(uint8_t family, uint16_t port)
{
    struct addr a = {.family = family, .port = port};
    if (family == 4)
        memcpy(a.ip, (uint8_t[]){127, 0, 0, 1}, 4);
    else
        a.ip[15] = 1;
    return a;
}

static int new_socket(uint8_t family, int type)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    int fd = socket(family == 4 ? AF_INET : AF_INET6, type, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    return fd;
}

static void connect_to(int fd, const struct addr *a)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(a, &sa);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
}

static struct addr bound_to(int fd)
{
    struct sockaddr_storage sa;
    struct addr a;
    socklen_t len = sizeof sa;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    addr_from_sockaddr(&a, (struct sockaddr *)&sa);
    return a;
}

/* A socket of ours that plays the upstream. */
static int new_upstream(int type)
{
    int fd = new_socket(4, type);
    struct sockaddr_storage sa;
    struct addr a = loopback(4, 0);
    socklen_t len = addr_to_sockaddr(&a, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 8), 0);
    upstream = (struct endpoint){.id = 7, .addr = bound_to(fd)};
    return fd;
}

struct fixture {
    struct worker *worker;
    struct listen_set *set;
    struct worker_order order;
    uv_loop_t loop;
    uv_async_t notify;
    struct quota *quota;
    struct addr udp, tcp; /* where it listens; loopback when it listens everywhere */
};

static void on_notify(uv_async_t *async)
{
    struct fixture *f = async->data;
    if (worker_ended(f->worker))
        uv_stop(&f->loop);
}

static void start(struct fixture *f, const struct addr *where)
{
    struct plan_server server = {.addr = *where};
    struct plan plan = {.servers = &server, .servers_n = 1};
    f->quota = quota_new(100, QUOTA_OF_ONE);
    struct worker_settings settings = {.notify = &f->notify, .quota = f->quota};
    struct errors errs;
    errors_init(&errs);
    uv_loop_init(&f->loop);
    uv_async_init(&f->loop, &f->notify, on_notify);
    f->notify.data = f;
    f->set = listen_open(&plan, &nothing, 1, &errs);
    assert_non_null(f->set);
    uint8_t family = where->family == 0 ? 4 : where->family;
    f->udp = loopback(family, bound_to(f->set->list[0].fds[0].udp).port);
    f->tcp = loopback(family, bound_to(f->set->list[0].fds[0].tcp).port);
    f->order = (struct worker_order){.plan = &plan, .listeners = f->set, .left = 1};
    f->worker = worker_new(&settings, &f->order, &errs);
    assert_non_null(f->worker);
    assert_int_equal(worker_start(f->worker, &errs), 0);
    errors_release(&errs);
}

static void end(struct fixture *f, enum worker_end how)
{
    worker_end(f->worker, how);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    worker_join(f->worker);
    listen_free(f->set);
    quota_free(f->quota);
    uv_close((uv_handle_t *)&f->notify, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static void expect(int fd, const void *wire, size_t len)
{
    uint8_t got[512];
    ssize_t n = recv(fd, got, sizeof got, 0);
    assert_int_equal(n, len);
    assert_memory_equal(got, wire, len);
}

/* ---- UDP ---- */

static void udp_question_is_answered_from_the_address_that_was_asked(void **unused)
{
    static const struct addr everywhere = {0};
    struct fixture f;
    start(&f, &everywhere);
    struct addr asked = f.udp;
    asked.ip[3] = 77; /* all of 127.0.0.0/8 is this host's */
    int fd = new_socket(4, SOCK_DGRAM);
    connect_to(fd, &asked); /* so that only replies from there arrive */
    const uint8_t q[] = {STUB_ECHO, 0, 'q'};
    assert_int_equal(send(fd, q, sizeof q, 0), sizeof q);
    expect(fd, q, sizeof q);
    struct addr me = bound_to(fd);
    end(&f, WORKER_STOP);
    assert_true(addr_equal(&last_client.peer, &me));
    assert_int_equal(last_client.local.family, 4);
    assert_memory_equal(last_client.local.ip, asked.ip, 4);
    close(fd);
}

static void udp_batch_over_the_limit_is_answered_whole(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    start(&f, &where);
    int fd = new_socket(4, SOCK_DGRAM);
    connect_to(fd, &f.udp);
    for (uint8_t i = 0; i < 200; i++) {
        uint8_t q[] = {STUB_ECHO, i};
        assert_int_equal(send(fd, q, sizeof q, 0), sizeof q);
    }
    for (uint8_t i = 0; i < 200; i++) {
        uint8_t q[] = {STUB_ECHO, i};
        expect(fd, q, sizeof q);
    }
    end(&f, WORKER_STOP);
    close(fd);
}

static void udp_question_is_forwarded_and_its_answer_comes_back(void **unused)
{
    struct fixture f;
    struct addr where = loopback(6, 0);
    int up = new_upstream(SOCK_DGRAM);
    start(&f, &where);
    int fd = new_socket(6, SOCK_DGRAM);
    connect_to(fd, &f.udp);
    const uint8_t q[] = {STUB_FORWARD, 5, 'a'}, a[] = {9, 5, 'b', 'c'};
    assert_int_equal(send(fd, q, sizeof q, 0), sizeof q);
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    uint8_t got[16];
    assert_int_equal(recvfrom(up, got, sizeof got, 0, (struct sockaddr *)&from, &len),
                     sizeof q);
    assert_memory_equal(got, q, sizeof q);
    sendto(up, a, sizeof a, 0, (struct sockaddr *)&from, len);
    expect(fd, a, sizeof a);
    end(&f, WORKER_DRAIN);
    close(fd);
    close(up);
}

static void closed_upstream_port_is_told_to_the_resolver(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    close(new_upstream(SOCK_DGRAM));
    start(&f, &where);
    int fd = new_socket(4, SOCK_DGRAM);
    connect_to(fd, &f.udp);
    for (uint8_t i = 0; i < 20; i++) { /* the socket goes on being watched */
        const uint8_t q[] = {STUB_FORWARD, i}, failed[] = {0xff, i};
        assert_int_equal(send(fd, q, sizeof q, 0), sizeof q);
        expect(fd, failed, sizeof failed);
    }
    assert_int_equal(lost_error, ECONNREFUSED);
    end(&f, WORKER_DRAIN);
    close(fd);
}

static void drain_answers_what_is_in_flight(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    int up = new_upstream(SOCK_DGRAM);
    start(&f, &where);
    int fd = new_socket(4, SOCK_DGRAM);
    connect_to(fd, &f.udp);
    const uint8_t q[] = {STUB_FORWARD, 5};
    assert_int_equal(send(fd, q, sizeof q, 0), sizeof q);
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    uint8_t got[16];
    assert_int_equal(recvfrom(up, got, sizeof got, 0, (struct sockaddr *)&from, &len),
                     2);
    worker_end(f.worker, WORKER_DRAIN);
    sendto(up, got, 2, 0, (struct sockaddr *)&from, len);
    expect(fd, q, sizeof q);
    end(&f, WORKER_DRAIN);
    close(fd);
    close(up);
}

/* ---- TCP ---- */

static int tcp_client(const struct fixture *f)
{
    int fd = new_socket(f->tcp.family, SOCK_STREAM);
    connect_to(fd, &f->tcp);
    return fd;
}

static void read_octets(int fd, uint8_t *to, size_t len)
{
    assert_int_equal(recv(fd, to, len, MSG_WAITALL), len);
}

static void write_octets(int fd, const void *from, size_t len)
{
    assert_int_equal(send(fd, from, len, 0), len);
}

/* One message with its length. */
static size_t put_message(uint8_t *to, uint8_t what, uint8_t place, size_t len)
{
    memset(to, 'x', len + 2);
    to[0] = (uint8_t)(len >> 8);
    to[1] = (uint8_t)len;
    to[2] = what;
    to[3] = place;
    return len + 2;
}

static void tcp_questions_in_one_write_are_all_answered(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    static uint8_t out[256 * 60], in[sizeof out];
    size_t len = 0;
    start(&f, &where);
    int fd = tcp_client(&f);
    for (unsigned i = 0; i < 256; i++)
        len += put_message(out + len, STUB_ECHO, (uint8_t)i, 40);
    write_octets(fd, out, len);
    read_octets(fd, in, len);
    assert_memory_equal(in, out, len);
    end(&f, WORKER_STOP);
    close(fd);
}

static void tcp_question_in_single_octets_is_answered(void **unused)
{
    static const struct addr everywhere = {0};
    struct fixture f;
    uint8_t out[64], in[64];
    start(&f, &everywhere);
    int fd = tcp_client(&f);
    size_t len = put_message(out, STUB_ECHO, 1, 30);
    for (size_t i = 0; i < len; i++)
        write_octets(fd, out + i, 1);
    read_octets(fd, in, len);
    assert_memory_equal(in, out, len);
    struct addr me = bound_to(fd);
    end(&f, WORKER_STOP);
    assert_true(addr_equal(&last_client.peer, &me));
    assert_true(addr_equal(&last_client.local, &f.tcp));
    close(fd);
}

static void tcp_longest_message_passes(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    static uint8_t out[3 * 65537], in[sizeof out];
    size_t len = 0;
    start(&f, &where);
    int fd = tcp_client(&f);
    for (unsigned i = 0; i < 3; i++)
        len += put_message(out + len, STUB_ECHO, (uint8_t)i, 65535);
    write_octets(fd, out, len);
    read_octets(fd, in, len);
    assert_memory_equal(in, out, len);
    end(&f, WORKER_STOP);
    close(fd);
}

static void tcp_answers_overtake_those_that_wait(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    uint8_t out[64], in[64];
    start(&f, &where);
    int fd = tcp_client(&f);
    size_t held = put_message(out, STUB_HOLD, 1, 10);
    size_t len = put_message(out + held, STUB_ECHO, 2, 10);
    write_octets(fd, out, held + len);
    read_octets(fd, in, len);
    assert_memory_equal(in, out + held, len);
    end(&f, WORKER_STOP);
    close(fd);
}

/* Reads from upstream what a worker asked over a connection, and answers it in kind. */
static int serve_one(int up, uint8_t *message, size_t len)
{
    int c = accept(up, NULL, NULL);
    assert_true(c >= 0);
    read_octets(c, message, len);
    return c;
}

static void tcp_half_closed_client_gets_its_answers(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    uint8_t out[64], in[64];
    int up = new_upstream(SOCK_STREAM);
    start(&f, &where);
    int fd = tcp_client(&f);
    size_t len = put_message(out, STUB_FORWARD, 9, 20);
    write_octets(fd, out, len);
    shutdown(fd, SHUT_WR);
    int c = serve_one(up, in, len);
    assert_memory_equal(in, out, len);
    write_octets(c, in, len);
    read_octets(fd, in, len);
    assert_memory_equal(in, out, len);
    assert_int_equal(recv(fd, in, 1, 0), 0); /* and then the end */
    end(&f, WORKER_DRAIN);
    close(fd);
    close(c);
    close(up);
}

static void upstream_connection_is_used_again(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    uint8_t out[64], in[64];
    int up = new_upstream(SOCK_STREAM), c = -1;
    start(&f, &where);
    int fd = tcp_client(&f);
    for (uint8_t i = 0; i < 5; i++) {
        size_t len = put_message(out, STUB_FORWARD, i, 20);
        write_octets(fd, out, len);
        if (c < 0)
            c = serve_one(up, in, len);
        else
            read_octets(c, in, len);
        write_octets(c, in, len);
        read_octets(fd, in, len);
        assert_memory_equal(in, out, len);
    }
    end(&f, WORKER_DRAIN);
    close(fd);
    close(c);
    close(up);
}

static void upstream_that_closes_is_told_to_the_resolver(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    uint8_t out[64], in[64];
    const uint8_t failed[] = {0, 2, 0xff, 4};
    int up = new_upstream(SOCK_STREAM);
    start(&f, &where);
    int fd = tcp_client(&f);
    size_t len = put_message(out, STUB_FORWARD, 4, 20);
    write_octets(fd, out, len);
    close(serve_one(up, in, len));
    read_octets(fd, in, sizeof failed);
    assert_memory_equal(in, failed, sizeof failed);
    assert_int_equal(lost_error, 0);
    close(up);
    write_octets(fd, out, len); /* now nobody listens */
    read_octets(fd, in, sizeof failed);
    assert_int_equal(lost_error, ECONNREFUSED);
    end(&f, WORKER_DRAIN);
    close(fd);
}

static void tcp_pipeline_over_the_limit_waits_and_goes_on(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    static uint8_t out[250 * 12], in[sizeof out];
    size_t len = 0;
    int up = new_upstream(SOCK_DGRAM);
    start(&f, &where);
    int fd = tcp_client(&f);
    for (unsigned i = 0; i < 250; i++)
        len += put_message(out + len, STUB_FORWARD_UDP, (uint8_t)i, 10);
    write_octets(fd, out, len);
    for (unsigned i = 0; i < 250; i++) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof from;
        uint8_t q[16];
        ssize_t n = recvfrom(up, q, sizeof q, 0, (struct sockaddr *)&from, &from_len);
        assert_int_equal(n, 10);
        sendto(up, q, 10, 0, (struct sockaddr *)&from, from_len);
    }
    read_octets(fd, in, len);
    assert_int_equal(most_in_flight, TCP_PIPELINE_MAX);
    end(&f, WORKER_DRAIN);
    close(fd);
    close(up);
}

static void tcp_connections_of_one_address_are_limited(void **unused)
{
    struct fixture f;
    struct addr where = loopback(4, 0);
    int fd[QUOTA_OF_ONE + 1];
    uint8_t out[64], in[64];
    start(&f, &where);
    for (unsigned i = 0; i < QUOTA_OF_ONE; i++) {
        fd[i] = tcp_client(&f);
        size_t len = put_message(out, STUB_ECHO, 1, 10);
        write_octets(fd[i], out, len);
        read_octets(fd[i], in, len);
    }
    fd[QUOTA_OF_ONE] = tcp_client(&f);
    assert_int_equal(recv(fd[QUOTA_OF_ONE], in, 1, 0), 0);
    end(&f, WORKER_STOP);
    for (unsigned i = 0; i <= QUOTA_OF_ONE; i++)
        close(fd[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(udp_question_is_answered_from_the_address_that_was_asked),
        cmocka_unit_test(udp_batch_over_the_limit_is_answered_whole),
        cmocka_unit_test(udp_question_is_forwarded_and_its_answer_comes_back),
        cmocka_unit_test(closed_upstream_port_is_told_to_the_resolver),
        cmocka_unit_test(drain_answers_what_is_in_flight),
        cmocka_unit_test(tcp_questions_in_one_write_are_all_answered),
        cmocka_unit_test(tcp_question_in_single_octets_is_answered),
        cmocka_unit_test(tcp_longest_message_passes),
        cmocka_unit_test(tcp_answers_overtake_those_that_wait),
        cmocka_unit_test(tcp_half_closed_client_gets_its_answers),
        cmocka_unit_test(upstream_connection_is_used_again),
        cmocka_unit_test(upstream_that_closes_is_told_to_the_resolver),
        cmocka_unit_test(tcp_pipeline_over_the_limit_waits_and_goes_on),
        cmocka_unit_test(tcp_connections_of_one_address_are_limited),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
