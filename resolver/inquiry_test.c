/* The rules of retrying, each with a clock that stands until told. */
#include "resolver/inquiry.h"

#include "base/limits.h"
#include "tests/unit/asker.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define A       "10.0.0.1:53"
#define B       "10.0.0.2:53"
#define C       "10.0.0.3:53"
#define SLOT_MS (TIMERS_SLOT_US / 1000) /* a timer may be as late */

static const char *const one[] = {"10.0.0.1", NULL};
static const char *const two[] = {"10.0.0.1", "10.0.0.2", NULL};
static const char *const three[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", NULL};

static const struct world_answer good = {.address = "192.0.2.7"};
static const struct world_answer servfail = {.rcode = DNS_SERVFAIL};
static const struct world_answer refused = {.rcode = DNS_REFUSED};
static const struct world_answer nxdomain = {.rcode = DNS_NXDOMAIN};
static const struct world_answer cut = {.flags = DNS_TC};
static const struct world_answer garbage = {.garbage = true};

static const struct upstream_rules *const kinds[] = {&asker_cluster, &asker_forward};

/* forward with CoreDNS's limit on attempts. */
static struct upstream_rules forward_of(uint32_t n)
{
    struct upstream_rules g = asker_forward;
    g.attempts_max = 2 * n;
    return g;
}

static void assert_answered(struct asker *a, uint64_t client)
{
    char text[ADDR_TEXT_MAX];
    assert_string_equal(world_address(&a->w, client, text), "192.0.2.7");
}

static uint64_t ask_over(struct asker *a, enum transport t)
{
    struct world_question q = {.name = "www.test", .transport = t};
    return world_ask_as(&a->w, &q);
}

/* ---- silence ---- */

static void after_50_ms_of_silence_the_next_address_is_asked_as_well(void **unused)
{
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        asker_open(&a, two, kinds[i]);
        uint64_t client = world_ask(&a.w, "www.test");
        world_expect(&a.w, A, TRANSPORT_UDP);
        world_run(&a.w, 49);
        world_expect_silence(&a.w);
        world_run(&a.w, 1 + SLOT_MS);
        struct fake_sent *second = world_expect(&a.w, B, TRANSPORT_UDP);
        world_answer(&a.w, second, &good);
        assert_answered(&a, client);
        asker_close(&a);
    }
}

static void the_first_good_answer_wins_whoever_was_asked_first(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    uint64_t client = world_ask(&a.w, "www.test");
    struct fake_sent *first = world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 60);
    struct fake_sent *second = world_expect(&a.w, B, TRANSPORT_UDP);
    world_answer(&a.w, first, &good);
    assert_answered(&a, client);
    world_answer(&a.w, second, &nxdomain); /* comes too late to matter */
    assert_int_equal(a.wakes, 1);
    assert_int_equal(a.w.io->replies_n, 1);
    asker_close(&a);
}

static void one_address_is_asked_again_from_another_port(void **unused)
{
    /* A cluster after 50 ms; forward, which CoreDNS would have ask once, after half an
     * attempt. */
    static const unsigned waits_ms[] = {60, 1010};
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        asker_open(&a, one, kinds[i]);
        uint64_t client = world_ask(&a.w, "www.test");
        struct fake_sent *first = world_expect(&a.w, A, TRANSPORT_UDP);
        world_run(&a.w, waits_ms[i] - 20);
        world_expect_silence(&a.w);
        world_run(&a.w, 20);
        struct fake_sent *second = world_expect(&a.w, A, TRANSPORT_UDP);
        assert_int_not_equal(first->conn, second->conn);
        assert_memory_equal(first->wire + 2, second->wire + 2, first->len - 2);
        world_answer(&a.w, second, &good);
        assert_answered(&a, client);
        asker_close(&a);
    }
}

static void a_lone_slow_address_is_asked_again_in_time_for_the_answer(void **unused)
{
    struct asker a;
    asker_open(&a, one, &asker_cluster);
    a.list[0]->srtt_us = 850000;
    uint64_t client = world_ask(&a.w, "www.test");
    world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 890); /* it is not asked everything twice */
    world_expect_silence(&a.w);
    world_run(&a.w, 20);
    struct fake_sent *second = world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 850);
    world_answer(&a.w, second, &good);
    assert_answered(&a, client);
    asker_close(&a);
}

static void the_hedge_waits_four_smoothed_round_trips(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    for (int i = 0; i < 20; i++) {
        world_ask(&a.w, "www.test");
        struct fake_sent *s = world_expect(&a.w, A, TRANSPORT_UDP);
        world_run(&a.w, 30);
        world_answer(&a.w, s, &good);
    }
    world_ask(&a.w, "www.test");
    world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 119);
    world_expect_silence(&a.w);
    world_run(&a.w, 1 + SLOT_MS);
    world_expect(&a.w, B, TRANSPORT_UDP);
    asker_close(&a);
}

static void forward_has_two_questions_out_at_most(void **unused)
{
    struct asker a;
    struct upstream_rules g = forward_of(3);
    asker_open(&a, three, &g);
    world_ask(&a.w, "www.test");
    world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 60);
    world_expect(&a.w, B, TRANSPORT_UDP);
    world_run(&a.w, 1900);
    world_expect_silence(&a.w);
    world_run(&a.w, 60); /* A has been silent for 2 s */
    world_expect(&a.w, C, TRANSPORT_UDP);
    asker_close(&a);
}

static void a_clusters_waits_double(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    world_ask(&a.w, "www.test");
    world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 50 + SLOT_MS);
    world_expect(&a.w, B, TRANSPORT_UDP);
    world_run(&a.w, 98);
    world_expect_silence(&a.w);
    world_run(&a.w, 2 + SLOT_MS);
    world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 198);
    world_expect_silence(&a.w);
    world_run(&a.w, 2 + SLOT_MS);
    world_expect(&a.w, B, TRANSPORT_UDP);
    asker_close(&a);
}

static void no_address_is_asked_more_than_three_times(void **unused)
{
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        struct upstream_rules g = *kinds[i];
        g.max_fails = 0; /* no probes */
        asker_open(&a, one, &g);
        world_ask(&a.w, "www.test");
        world_run(&a.w, 6000);
        assert_int_equal(a.w.io->sent_n, UPSTREAM_TRIES);
        assert_int_equal(a.wakes, 1);
        asker_close(&a);
    }
}

static void an_answer_after_the_attempt_timed_out_is_still_an_answer(void **unused)
{
    struct asker a;
    struct upstream_rules g = forward_of(1);
    asker_open(&a, one, &g);
    uint64_t client = world_ask(&a.w, "www.test");
    struct fake_sent *first = world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 3000);
    world_answer(&a.w, first, &good);
    assert_answered(&a, client);
    asker_close(&a);
}

static void silence_ends_at_the_deadline(void **unused)
{
    static const struct {
        const struct upstream_rules *kind;
        uint32_t attempts_max;
        int64_t attempt_ms;
        unsigned end_ms;
    } rows[] = {
        {&asker_cluster, 0, 1000, 1800}, {&asker_forward, 2, 2000, 4000},
        {&asker_forward, 6, 2000, 5000}, {&asker_forward, 1, 200, 200},
        {&asker_forward, 2, 300, 600},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asker a;
        struct upstream_rules g = *rows[i].kind;
        g.attempts_max = rows[i].attempts_max;
        g.attempt_us = rows[i].attempt_ms * 1000;
        asker_open(&a, one, &g);
        uint64_t client = world_ask(&a.w, "www.test");
        world_run(&a.w, rows[i].end_ms - 1);
        assert_int_equal(world_rcode(&a.w, client), -1);
        world_run(&a.w, 1 + SLOT_MS);
        assert_int_equal(world_rcode(&a.w, client), DNS_SERVFAIL);
        assert_int_equal(a.last.outcome, UPSTREAM_SILENT);
        assert_string_equal(a.error, "i/o timeout");
        assert_int_equal(a.last.error_code, 0);
        assert_ptr_equal(a.last.upstream, a.list[0]);
        asker_close(&a);
    }
}

/* ---- what does not fit ---- */

static void what_does_not_fit_is_ignored_and_waiting_goes_on(void **unused)
{
    static const struct world_answer lies[] = {
        {.address = "203.0.113.1", .other_id = true},
        {.address = "203.0.113.1", .other_name = true},
    };
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        asker_open(&a, one, kinds[i]);
        uint64_t client = world_ask(&a.w, "www.test");
        struct fake_sent *s = world_expect(&a.w, A, TRANSPORT_UDP);
        world_answer(&a.w, s, &lies[0]);
        world_answer(&a.w, s, &lies[1]);
        resolver_datagram(a.w.r, s->conn, s->wire, s->len); /* our own: QR is 0 */
        resolver_datagram(a.w.r, s->conn, s->wire, 0);
        resolver_datagram(a.w.r, s->conn, s->wire, 2);
        world_expect_silence(&a.w);
        assert_int_equal(world_rcode(&a.w, client), -1);
        world_answer(&a.w, s, &good);
        assert_answered(&a, client);
        assert_int_equal(a.list[0]->fails, 0);
        asker_close(&a);
    }
}

static void an_answer_on_another_conn_is_none(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    uint64_t client = world_ask(&a.w, "www.test");
    struct fake_sent *first = world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 60);
    struct fake_sent lie = *world_expect(&a.w, B, TRANSPORT_UDP);
    struct fake_sent *forged = malloc(sizeof lie + first->len);
    *forged = lie;
    memcpy(forged->wire, first->wire, first->len); /* A's ID on B's conn */
    world_answer(&a.w, forged, &good);
    assert_int_equal(world_rcode(&a.w, client), -1);
    free(forged);
    asker_close(&a);
}

static void garbage_under_the_right_id_ends_that_attempt_only(void **unused)
{
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        asker_open(&a, two, kinds[i]);
        uint64_t client = world_ask(&a.w, "www.test");
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &garbage);
        world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
        assert_answered(&a, client);
        assert_int_equal(a.list[0]->fails, 0);
        asker_close(&a);
    }
}

static void garbage_from_all_is_a_failure_that_says_so(void **unused)
{
    struct asker a;
    struct upstream_rules g = forward_of(1);
    asker_open(&a, one, &g);
    uint64_t client = world_ask(&a.w, "www.test");
    for (unsigned i = 0; i < g.attempts_max; i++)
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &garbage);
    assert_int_equal(world_rcode(&a.w, client), DNS_SERVFAIL);
    assert_int_equal(a.last.outcome, UPSTREAM_UNREACHED);
    assert_string_equal(a.error, "malformed answer");
    asker_close(&a);
}

/* ---- network errors ---- */

static void an_icmp_error_moves_the_question_on_at_once(void **unused)
{
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        asker_open(&a, two, kinds[i]);
        uint64_t client = world_ask(&a.w, "www.test");
        world_lose(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), ECONNREFUSED);
        world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
        assert_answered(&a, client);
        asker_close(&a);
    }
}

static void an_address_without_a_route_is_passed_over_at_once(void **unused)
{
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        asker_open(&a, two, kinds[i]);
        fake_io_refuse(a.w.io, &a.list[0]->endpoint.addr, ENETUNREACH);
        uint64_t client = world_ask(&a.w, "www.test");
        world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
        assert_answered(&a, client);
        asker_close(&a);
    }
}

static void errors_of_all_end_the_question_at_once(void **unused)
{
    struct asker a;
    struct upstream_rules g = forward_of(2);
    asker_open(&a, two, &g);
    uint64_t client = world_ask(&a.w, "www.test");
    for (unsigned i = 0; i < 4; i++)
        world_lose(&a.w, world_expect(&a.w, i % 2 == 0 ? A : B, TRANSPORT_UDP),
                   ECONNREFUSED);
    assert_int_equal(world_rcode(&a.w, client), DNS_SERVFAIL);
    assert_int_equal(a.last.outcome, UPSTREAM_UNREACHED);
    assert_int_equal(a.last.error_code, ECONNREFUSED);
    assert_string_equal(a.error, "connection refused");
    world_expect_silence(&a.w);
    asker_close(&a);
}

static void no_route_to_any_fails_before_anything_is_waited_for(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    fake_io_refuse(a.w.io, &a.list[0]->endpoint.addr, EHOSTUNREACH);
    fake_io_refuse(a.w.io, &a.list[1]->endpoint.addr, EHOSTUNREACH);
    uint64_t client = world_ask(&a.w, "www.test");
    assert_int_equal(world_rcode(&a.w, client), DNS_SERVFAIL);
    assert_int_equal(a.last.error_code, EHOSTUNREACH);
    asker_close(&a);
}

static void want_of_sockets_is_nobodys_fault(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    fake_io_refuse(a.w.io, &a.list[0]->endpoint.addr, EMFILE);
    fake_io_refuse(a.w.io, &a.list[1]->endpoint.addr, EMFILE);
    uint64_t client = world_ask(&a.w, "www.test");
    assert_int_equal(world_rcode(&a.w, client), DNS_SERVFAIL);
    assert_int_equal(a.last.outcome, UPSTREAM_BUSY);
    assert_int_equal(a.last.error_code, EMFILE);
    assert_int_equal(a.list[0]->fails, 0);
    asker_close(&a);
}

/* ---- rcodes ---- */

static void a_cluster_fails_over_on_servfail_and_refused_only(void **unused)
{
    const struct world_answer *bad[] = {&servfail, &refused};
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        asker_open(&a, two, &asker_cluster);
        uint64_t client = world_ask(&a.w, "www.test");
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), bad[i]);
        world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
        assert_answered(&a, client);
        client = world_ask(&a.w, "nx.test");
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &nxdomain);
        assert_int_equal(world_rcode(&a.w, client), DNS_NXDOMAIN);
        world_expect_silence(&a.w);
        asker_close(&a);
    }
}

static void where_all_fail_alike_the_failure_is_passed_on(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    uint64_t client = world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &refused);
    world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &servfail);
    assert_int_equal(world_rcode(&a.w, client), DNS_REFUSED);
    assert_int_equal(a.last.outcome, UPSTREAM_ANSWER);
    assert_ptr_equal(a.last.upstream, a.list[0]);
    world_expect_silence(&a.w);
    asker_close(&a);
}

static void an_rcode_beats_silence(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    uint64_t client = world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &refused);
    world_expect(&a.w, B, TRANSPORT_UDP);
    world_run(&a.w, 1900);
    assert_int_equal(world_rcode(&a.w, client), DNS_REFUSED);
    assert_int_equal(a.w.io->sent_n - asker_take_probes(&a), 2);
    asker_close(&a);
}

static void forward_passes_rcodes_on(void **unused)
{
    const struct world_answer *bad[] = {&servfail, &refused, &nxdomain};
    for (size_t i = 0; i < 3; i++) {
        struct asker a;
        asker_open(&a, two, &asker_forward);
        uint64_t client = world_ask(&a.w, "www.test");
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), bad[i]);
        assert_int_equal(world_rcode(&a.w, client), bad[i]->rcode);
        asker_close(&a);
    }
}

/* ---- TC and TCP ---- */

static void the_transport_follows_the_client_unless_told_otherwise(void **unused)
{
    static const struct {
        enum transport client;
        bool force_tcp, prefer_udp;
        enum transport upstream;
    } rows[] = {
        {TRANSPORT_UDP, false, false, TRANSPORT_UDP},
        {TRANSPORT_TCP, false, false, TRANSPORT_TCP},
        {TRANSPORT_TLS, false, false, TRANSPORT_TCP},
        {TRANSPORT_HTTPS, false, false, TRANSPORT_TCP},
        {TRANSPORT_UDP, true, false, TRANSPORT_TCP},
        {TRANSPORT_TCP, false, true, TRANSPORT_UDP},
        {TRANSPORT_UDP, true, true, TRANSPORT_TCP},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asker a;
        struct upstream_rules g = asker_forward;
        g.force_tcp = rows[i].force_tcp;
        g.prefer_udp = rows[i].prefer_udp;
        asker_open(&a, one, &g);
        uint64_t client = ask_over(&a, rows[i].client);
        world_answer(&a.w, world_expect(&a.w, A, rows[i].upstream), &good);
        assert_answered(&a, client);
        asker_close(&a);
    }
}

static void forward_passes_a_cut_answer_on(void **unused)
{
    struct asker a;
    asker_open(&a, one, &asker_forward);
    uint64_t client = world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &cut);
    assert_true((world_flags(&a.w, client) & DNS_TC) != 0);
    world_expect_silence(&a.w);
    asker_close(&a);
}

static void a_cluster_and_prefer_udp_ask_again_over_tcp(void **unused)
{
    struct upstream_rules prefer = asker_forward;
    prefer.prefer_udp = true;
    const struct upstream_rules *groups[] = {&asker_cluster, &prefer};
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        asker_open(&a, two, groups[i]);
        uint64_t client = world_ask(&a.w, "www.test");
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &cut);
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_TCP), &good);
        assert_answered(&a, client);
        assert_int_equal(world_flags(&a.w, client) & DNS_TC, 0);
        asker_close(&a);
    }
}

static void an_answer_cut_in_mid_record_says_that_it_is_cut(void **unused)
{
    static const struct world_answer torn = {.garbage = true, .flags = DNS_TC};
    struct asker a;
    asker_open(&a, one, &asker_forward);
    uint64_t client = world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &torn);
    assert_int_equal(world_rcode(&a.w, client), DNS_NOERROR);
    assert_true((world_flags(&a.w, client) & DNS_TC) != 0);
    asker_close(&a);
}

static void tcp_that_hangs_is_hedged_like_silence(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    uint64_t client = world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &cut);
    world_expect(&a.w, A, TRANSPORT_TCP);
    world_run(&a.w, 110);
    world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
    assert_answered(&a, client);
    assert_int_equal(a.list[0]->fails, 0); /* its UDP works */
    asker_close(&a);
}

static void tcp_that_is_refused_moves_on_and_the_cut_answer_is_the_last_resort(
    void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    uint64_t client = world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &cut);
    world_lose(&a.w, world_expect(&a.w, A, TRANSPORT_TCP), ECONNREFUSED);
    world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &servfail);
    assert_int_equal(world_rcode(&a.w, client), DNS_NOERROR);
    assert_true((world_flags(&a.w, client) & DNS_TC) != 0);
    asker_close(&a);
}

static void a_kept_connection_that_was_closed_is_no_failure(void **unused)
{
    static const int ends[] = {0, ECONNRESET, EPIPE};
    for (size_t i = 0; i < 3; i++) {
        struct asker a;
        asker_open(&a, two, &asker_cluster);
        uint64_t client = ask_over(&a, TRANSPORT_TCP);
        struct fake_sent *first = world_expect(&a.w, A, TRANSPORT_TCP);
        world_lose(&a.w, first, ends[i]);
        struct fake_sent *second = world_expect(&a.w, A, TRANSPORT_TCP);
        assert_int_not_equal(first->conn, second->conn);
        assert_int_equal(a.list[0]->fails, 0);
        world_lose(&a.w, second, ends[i]); /* once, not for ever */
        world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_TCP), &good);
        assert_answered(&a, client);
        assert_int_equal(a.list[0]->fails, 1);
        asker_close(&a);
    }
}

static void a_connection_that_is_refused_counts_at_once(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_forward);
    uint64_t client = ask_over(&a, TRANSPORT_TCP);
    world_lose(&a.w, world_expect(&a.w, A, TRANSPORT_TCP), ECONNREFUSED);
    world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_TCP), &good);
    assert_answered(&a, client);
    asker_close(&a);
}

static void where_udp_is_silent_and_tcp_answers_udp_rests_for_a_minute(void **unused)
{
    struct asker a;
    asker_open(&a, one, &asker_cluster);
    uint64_t client = world_ask(&a.w, "www.test");
    world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 60);
    world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 110);
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_TCP), &good);
    assert_answered(&a, client);
    client = world_ask(&a.w, "www2.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_TCP), &good);
    assert_answered(&a, client);
    world_run(&a.w, 61000);
    asker_take_probes(&a);
    world_ask(&a.w, "www3.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    asker_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_50_ms_of_silence_the_next_address_is_asked_as_well),
        cmocka_unit_test(the_first_good_answer_wins_whoever_was_asked_first),
        cmocka_unit_test(one_address_is_asked_again_from_another_port),
        cmocka_unit_test(a_lone_slow_address_is_asked_again_in_time_for_the_answer),
        cmocka_unit_test(the_hedge_waits_four_smoothed_round_trips),
        cmocka_unit_test(forward_has_two_questions_out_at_most),
        cmocka_unit_test(a_clusters_waits_double),
        cmocka_unit_test(no_address_is_asked_more_than_three_times),
        cmocka_unit_test(an_answer_after_the_attempt_timed_out_is_still_an_answer),
        cmocka_unit_test(silence_ends_at_the_deadline),
        cmocka_unit_test(what_does_not_fit_is_ignored_and_waiting_goes_on),
        cmocka_unit_test(an_answer_on_another_conn_is_none),
        cmocka_unit_test(garbage_under_the_right_id_ends_that_attempt_only),
        cmocka_unit_test(garbage_from_all_is_a_failure_that_says_so),
        cmocka_unit_test(an_icmp_error_moves_the_question_on_at_once),
        cmocka_unit_test(an_address_without_a_route_is_passed_over_at_once),
        cmocka_unit_test(errors_of_all_end_the_question_at_once),
        cmocka_unit_test(no_route_to_any_fails_before_anything_is_waited_for),
        cmocka_unit_test(want_of_sockets_is_nobodys_fault),
        cmocka_unit_test(a_cluster_fails_over_on_servfail_and_refused_only),
        cmocka_unit_test(where_all_fail_alike_the_failure_is_passed_on),
        cmocka_unit_test(an_rcode_beats_silence),
        cmocka_unit_test(forward_passes_rcodes_on),
        cmocka_unit_test(the_transport_follows_the_client_unless_told_otherwise),
        cmocka_unit_test(forward_passes_a_cut_answer_on),
        cmocka_unit_test(a_cluster_and_prefer_udp_ask_again_over_tcp),
        cmocka_unit_test(an_answer_cut_in_mid_record_says_that_it_is_cut),
        cmocka_unit_test(tcp_that_hangs_is_hedged_like_silence),
        cmocka_unit_test(
            tcp_that_is_refused_moves_on_and_the_cut_answer_is_the_last_resort),
        cmocka_unit_test(a_kept_connection_that_was_closed_is_no_failure),
        cmocka_unit_test(a_connection_that_is_refused_counts_at_once),
        cmocka_unit_test(where_udp_is_silent_and_tcp_answers_udp_rests_for_a_minute),
    };
    return cmocka_run_group_tests_name("inquiry", tests, NULL, NULL);
}
