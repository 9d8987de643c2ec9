/* What `forward` accepts, passes on and gives back. */
#include "resolver/plugins/forward_setup.h"

#include "base/cursor.h"
#include "resolver/edns.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define A "10.0.0.1:53"
#define B "10.0.0.2:53"

static const struct world_answer good = {.address = "192.0.2.7"};

/* ---- the directive ---- */

static bool loads(const char *arguments, const char *options, char *text, size_t cap)
{
    char corefile[2048];
    snprintf(corefile, sizeof corefile, ". {\n    forward %s%s%s%s\n}\n", arguments,
             options[0] == '\0' ? "" : " {\n        ", options,
             options[0] == '\0' ? "" : "\n    }");
    return world_loads(corefile, text, cap);
}

static void what_is_accepted(void **unused)
{
    static const char *const rows[][2] = {
        {". 127.0.0.1", ""},
        {". 127.0.0.1:5353 ::1 [::1] [::1]:53 dns://10.0.0.1 dns://[::1]:5", ""},
        {"example.org. 127.0.0.1", ""},
        {"EXAMPLE.org:53 127.0.0.1", ""},
        {"10.0.0.0/24 127.0.0.1", ""},
        {"10.0.0.0/12 127.0.0.1", ""},
        {". fe80::1%lo", ""},
        {". 127.0.0.1:99999", ""},
        {". 127.0.0.1", "except a..b"},
        {". 127.0.0.1", "except example.org 10.0.0.0/8\nexcept example.net"},
        {". 127.0.0.1", "expire 1h30m\nhealth_check .5s no_rec domain example.org"},
        {". 127.0.0.1", "max_concurrent 0\nmax_fails 0\nforce_tcp\nprefer_udp"},
        {". 127.0.0.1", "policy round_robin"},
        {". 127.0.0.1", "next NXDOMAIN refused\nnext_on_nodata\nfailover SERVFAIL"},
        {". 127.0.0.1", "failfast_all_unhealthy_upstreams\nread_timeout 1s"},
        {". 127.0.0.1", "max_connect_attempts 0\nmax_idle_conns 3"},
        {". 127.0.0.1 ::1", "source_address 127.0.0.2\nresolver 127.0.0.1 ::1"},
        {". 127.0.0.1", "expire 5s\nmax_age 5s"},
        {". 127.0.0.1", "health_check 0"},
        {". 127.0.0.1 { max_fails 1 }", ""},
        {". 127.0.0.1 127.0.0.1:53 127.0.0.1", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512] = "";
        if (!loads(rows[i][0], rows[i][1], text, sizeof text))
            fail_msg("forward %s { %s }: %s", rows[i][0], rows[i][1], text);
    }
}

static void assert_refused(const char *const rows[][3], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[512] = "";
        if (loads(rows[i][0], rows[i][1], text, sizeof text) ||
            strstr(text, rows[i][2]) == NULL)
            fail_msg("forward %s { %s }: %s, not: %s", rows[i][0], rows[i][1], text,
                     rows[i][2]);
    }
}

static void what_is_refused_and_why(void **unused)
{
    static const char sixteen[] =
        ". 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8 "
        "10.0.0.9 10.0.0.10 10.0.0.11 10.0.0.12 10.0.0.13 10.0.0.14 10.0.0.15 10.0.0.1";
    static const char *const rows[][3] = {
        {"", "", "Wrong argument count"},
        {".", "", "Wrong argument count"},
        {"a..b 127.0.0.1", "", "unable to normalize 'a..b'"},
        {". not_a..name", "",
         "not an IP address, file, or valid domain: \"not_a..name\""},
        {"127.0.0.1", "", "after '127.0.0.1': expected `forward FROM TO...`"},
        {". 127.0.0.1", "health_check 1s domain", "expected `health_check DURATION"},
        {". /nonexistent/resolv.conf", "",
         "not an IP address, file, or valid domain: \"/nonexistent/resolv.conf\": there "
         "is no such file"},
        {". dns.example.org", "resolver 127.0.0.1", "failed to resolve"},
        {". dns.example.org:53", "", "failed to resolve \"dns.example.org\""},
        {". [dns.example.org]:53", "", "failed to resolve \"dns.example.org\""},
        {". tls://dns.example.org:853", "", "failed to resolve \"dns.example.org\""},
        {". dns.example.org:domain", "", "not an IP address, file, or valid domain"},
        {". dns.example.org:", "", "not an IP address, file, or valid domain"},
        {". :53", "", "not an IP address, file, or valid domain"},
        {". 2001:db8::x:53", "", "not an IP address, file, or valid domain"},
        {". \"\"", "", "invalid address: \"\""},
        {". dns://", "", "invalid address: \"dns://\""},
        {sixteen, "", "more than 15 TOs configured: 16"},
        {". quic://127.0.0.1", "",
         "'quic' is not supported as a destination protocol in forward: "
         "quic://127.0.0.1:853"},
        {". unix:///run/dns", "", "'unix' is not supported as a destination protocol"},
        {". tls://1.1.1.1", "tls /nonexistent.pem",
         "error reading /nonexistent.pem: could not read /nonexistent.pem: No such file"},
        {". tls://1.1.1.1", "tls a b c d", "Wrong argument count"},
        {". tls://127.0.0.1%a.test", "tls_servername b.test",
         "both forward ('b.test') and proxy level ('a.test') TLS servernames are set "
         "for upstream proxy 'tls://127.0.0.1:853'"},
        {". /dev/null", "", "null"},
        {". 127.0.0.1", "policy fastest", "unknown policy 'fastest'"},
        {". 127.0.0.1", "expire -1s", "expire can't be negative: -1s"},
        {". 127.0.0.1", "expire 5", "missing unit in duration"},
        {". 127.0.0.1", "expire 5s\nmax_age 1s",
         "max_age (1s) must not be less than expire (5s)"},
        {". 127.0.0.1", "health_check", "Wrong argument count"},
        {". 127.0.0.1", "health_check -1s", "health_check can't be negative: -1s"},
        {". 127.0.0.1", "health_check 1s domain",
         "Wrong argument count or unexpected line ending after 'domain'"},
        {". 127.0.0.1", "health_check 1s domain a..b", "invalid domain name a..b"},
        {". 127.0.0.1", "health_check 1s often", "unknown option often"},
        {". 127.0.0.1", "force_tcp yes", "line ending after 'yes'"},
        {". 127.0.0.1", "except", "line ending after 'except'"},
        {". 127.0.0.1", "max_fails -1", "invalid number '-1'"},
        {". 127.0.0.1", "max_concurrent many", "invalid number 'many'"},
        {". 127.0.0.1", "max_fail 1", "did you mean 'max_fails'?"},
        {". 127.0.0.1", "next", "Wrong argument count"},
        {". 127.0.0.1", "next NONSENSE", "NONSENSE is not a valid rcode"},
        {". 127.0.0.1", "failover NOERROR", "NoError cannot be used in failover"},
        {". 127.0.0.1", "read_timeout 0s", "read_timeout must be positive: 0s"},
        {". 127.0.0.1", "max_connect_attempts -1", "invalid number '-1'"},
        {". 127.0.0.1", "max_idle_conns -1", "invalid number '-1'"},
        {". 127.0.0.1", "source_address nowhere", "invalid IP address: nowhere"},
        {". 127.0.0.1", "resolver nowhere", "resolver: 'nowhere' is no address"},
    };
    assert_refused(rows, sizeof rows / sizeof *rows);
}

static void what_is_refused_of_https(void **unused)
{
    static const char *const rows[][3] = {
        {". https://1.1.1.1/dns-query", "",
         "paths are not allowed in HTTPS upstream addresses (the /dns-query path is "
         "used by default): https://1.1.1.1/dns-query"},
        {". https://", "", "invalid address: \"https://\""},
        {". https://a..b", "", "not an IP address, file, or valid domain: \"a..b\""},
        {". https3://127.0.0.1", "", "'https3' is not supported as a destination"},
        {". https://127.0.0.1%a.test", "tls_servername b.test",
         "servernames are set for upstream proxy 'https://127.0.0.1:443'"},
        {". 127.0.0.1", "doh_method", "Wrong argument count"},
        {". 127.0.0.1", "doh_method PUT",
         "unknown doh_method 'PUT': expected POST or GET"},
        {". 127.0.0.1", "doh_method post", "unknown doh_method 'post'"},
    };
    assert_refused(rows, sizeof rows / sizeof *rows);
}

/* A file in the manner of resolv.conf, and the Corefile that names it. */
static void write_file(char *path, const char *lines)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
    close(fd);
}

static void a_file_gives_its_nameserver_lines_and_nothing_else(void **unused)
{
    char path[] = "/tmp/forward_test.XXXXXX", corefile[256];
    struct world w;
    write_file(path, "# nameserver 10.9.9.9\nsearch a b\n"
                     "nameserver 10.0.0.1\n  nameserver\tfe80::1%lo trailing\n"
                     "nameserver 10.0.0.1\noptions ndots:5\nnameserver 10.0.0.2");
    snprintf(corefile, sizeof corefile,
             ". {\n forward . %s {\n policy sequential\n }\n}\n", path);
    world_load(&w, corefile);
    world_ask(&w, "www.test");
    world_lose(&w, world_expect(&w, A, TRANSPORT_UDP), ECONNREFUSED);
    world_lose(&w, world_expect(&w, "[fe80::1]:53", TRANSPORT_UDP), ECONNREFUSED);
    world_expect(&w, B, TRANSPORT_UDP);
    world_close(&w);
    unlink(path);
}

static void a_file_without_nameserver_or_with_a_bad_one_is_refused(void **unused)
{
    static const char *const rows[][2] = {
        {"search example.org\n", "no valid upstream addresses found"},
        {"", "no valid upstream addresses found"},
        {"nameserver ns.example.org\n", "nameserver 'ns.example.org' is no address"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[] = "/tmp/forward_test.XXXXXX", arguments[64], text[512] = "";
        write_file(path, rows[i][0]);
        snprintf(arguments, sizeof arguments, ". %s", path);
        assert_false(loads(arguments, "", text, sizeof text));
        assert_non_null(strstr(text, rows[i][1]));
        unlink(path);
    }
}

/* ---- which line ---- */

static void the_first_line_that_matches_takes_the_question(void **unused)
{
    static const struct {
        const char *name, *to; /* NULL: nobody */
    } rows[] = {
        {"www.example.org", A},
        {"www.corp.example.org", A},
        {"EXAMPLE.org", A},
        {"xexample.org", NULL},
        {"example.net", "10.0.0.3:53"},
        {"a.secret.net", NULL},
        {"not-secret.net", "10.0.0.3:53"},
        {"5.0.0.10.in-addr.arpa", B},
        {"5.1.0.10.in-addr.arpa", NULL},
        {"5.0.16.172.in-addr.arpa", B},
        {"5.0.17.172.in-addr.arpa", NULL}, /* of a prefix only the first zone */
    };
    struct world w;
    world_load(&w, ". {\n forward example.org 10.0.0.1\n"
                   " forward corp.example.org 10.0.0.2\n"
                   " forward 10.0.0.0/24 10.0.0.2\n"
                   " forward 172.16.0.0/12 10.0.0.2\n"
                   " forward net 10.0.0.3 {\n except secret.net\n }\n}\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t client = world_ask(&w, rows[i].name);
        if (rows[i].to == NULL) {
            assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
            continue;
        }
        world_answer(&w, world_expect(&w, rows[i].to, TRANSPORT_UDP), &good);
        assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    }
    world_close(&w);
}

static void a_name_equal_to_from_is_taken_whatever_except_says(void **unused)
{
    struct world w;
    world_load(&w, ". {\n forward net 10.0.0.1 {\n except net\n }\n}\n");
    world_ask(&w, "net");
    world_expect(&w, A, TRANSPORT_UDP);
    uint64_t client = world_ask(&w, "www.net");
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    world_expect_silence(&w);
    world_close(&w);
}

static void except_leaves_the_question_to_the_next_line(void **unused)
{
    struct world w;
    world_load(&w, ". {\n forward . 10.0.0.1 {\n except corp.test\n }\n"
                   " forward . 10.0.0.2\n}\n");
    world_ask(&w, "www.corp.test");
    world_expect(&w, B, TRANSPORT_UDP);
    world_ask(&w, "www.test");
    world_expect(&w, A, TRANSPORT_UDP);
    world_close(&w);
}

/* ---- what goes up ---- */

static const uint8_t option_65001[] = {0xfd, 0xe9, 0, 2, 0xab, 0xcd};
static const uint8_t options_hop[] = {
    0,    10,   0, 8, 1,    2,    3, 4,  5, 6, 7, 8, /* cookie */
    0xfd, 0xe9, 0, 2, 0xab, 0xcd, 0, 11, 0, 0,       /* ours, keepalive */
    0,    12,   0, 3, 0,    0,    0,                 /* padding */
};

static void the_question_goes_up_as_it_came_but_for_the_hop(void **unused)
{
    static const struct {
        struct world_question question;
        uint16_t flags;
        bool opt, dnssec_ok;
        uint16_t size;
        struct span options;
    } rows[] = {
        {.question = {.name = "X.TeSt"}, .flags = DNS_RD},
        {.question = {.name = "x.test", .no_rd = true}, .flags = 0},
        {.question = {.name = "x.test", .flags = DNS_AD}, .flags = DNS_RD | DNS_AD},
        {.question = {.name = "x.test", .flags = DNS_CD | DNS_Z | DNS_RA | DNS_AA},
         .flags = DNS_RD | DNS_CD},
        {.question = {.name = "x.test", .edns = true, .udp_size = 4096},
         .flags = DNS_RD,
         .opt = true,
         .size = 4096},
        {.question =
             {.name = "x.test", .edns = true, .udp_size = 512, .dnssec_ok = true},
         .flags = DNS_RD,
         .opt = true,
         .size = 512,
         .dnssec_ok = true},
        {.question = {.name = "x.test",
                      .edns = true,
                      .options = {.at = options_hop, .len = sizeof options_hop}},
         .flags = DNS_RD,
         .opt = true,
         .size = 1232,
         .options = {.at = option_65001, .len = sizeof option_65001}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        struct name name;
        uint8_t wire[512];
        world_load(&w, ". {\n forward . 10.0.0.1\n}\n");
        world_ask_as(&w, &rows[i].question);
        struct fake_sent *s = world_expect(&w, A, TRANSPORT_UDP);
        assert_int_equal(name_parse(&name, text_of(rows[i].question.name)), 0);
        struct wr wr = wr_init(wire, sizeof wire);
        wr_bytes(&wr, s->wire, 2);
        wr_u16(&wr, rows[i].flags);
        wr_u16(&wr, 1);
        wr_u32(&wr, 0);
        wr_u16(&wr, rows[i].opt);
        wr_bytes(&wr, name.wire, name.len);
        wr_u32(&wr, DNS_A << 16 | DNS_IN);
        if (rows[i].opt)
            edns_put_opt(&wr, rows[i].size, 0, rows[i].dnssec_ok, rows[i].options);
        assert_int_equal(s->len, wr.at);
        assert_memory_equal(s->wire, wire, wr.at);
        world_close(&w);
    }
}

static void options_that_do_not_fit_are_left_out_whole(void **unused)
{
    enum { MANY = 200 };
    uint8_t options[MANY * 4];
    struct world w;
    for (size_t i = 0; i < sizeof options; i += 4)
        memcpy(options + i, "\xfd\xe9\0\0", 4);
    world_load(&w, ". {\n forward . 10.0.0.1\n}\n");
    struct world_question q = {.name = "x.test",
                               .edns = true,
                               .options = {.at = options, .len = sizeof options}};
    uint64_t client = world_ask_as(&w, &q);
    struct fake_sent *s = world_expect(&w, A, TRANSPORT_UDP);
    assert_true(s->len < 512);
    world_answer(&w, s, &good);
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    world_close(&w);
}

/* ---- what comes back ---- */

static void the_answer_comes_back_with_its_flags_and_rcode(void **unused)
{
    static const struct world_answer rows[] = {
        {.address = "192.0.2.1"},
        {.address = "192.0.2.1", .flags = DNS_AA | DNS_RA},
        {.flags = DNS_TC | DNS_RA},
        {.flags = DNS_AD | DNS_CD},
        {.rcode = DNS_NXDOMAIN, .flags = DNS_AA},
        {.rcode = DNS_REFUSED},
        {.rcode = DNS_SERVFAIL, .flags = DNS_RA},
        {.rcode = DNS_YXDOMAIN},
        {.rcode = DNS_FORMERR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        world_load(&w, ". {\n forward . 10.0.0.1\n}\n");
        uint64_t client = world_ask(&w, "www.test");
        world_answer(&w, world_expect(&w, A, TRANSPORT_UDP), &rows[i]);
        assert_int_equal(world_flags(&w, client),
                         DNS_QR | DNS_RD | rows[i].flags | rows[i].rcode);
        world_close(&w);
    }
}

static void options_of_the_upstream_pass_but_for_the_hop(void **unused)
{
    for (int edns = 0; edns < 2; edns++) {
        struct world w;
        struct world_question q = {.name = "www.test", .edns = edns != 0};
        struct world_answer answer = {.address = "192.0.2.1"};
        answer.options = (struct span){.at = options_hop, .len = sizeof options_hop};
        world_load(&w, ". {\n forward . 10.0.0.1\n}\n");
        uint64_t client = world_ask_as(&w, &q);
        world_answer(&w, world_expect(&w, A, TRANSPORT_UDP), &answer);
        const struct fake_reply *r = fake_io_reply(w.io, client);
        assert_non_null(r);
        assert_int_equal(load_u16(r->wire + 10), edns);
        if (edns != 0)
            assert_memory_equal(r->wire + r->len - sizeof option_65001, option_65001,
                                sizeof option_65001);
        world_close(&w);
    }
}

static void what_is_longer_than_was_asked_for_over_udp_counts_as_cut(void **unused)
{
    static const struct {
        uint16_t size; /* 0: no OPT */
        enum transport transport;
        bool cut;
    } rows[] = {{0, TRANSPORT_UDP, true},
                {512, TRANSPORT_UDP, true},
                {700, TRANSPORT_UDP, false},
                {0, TRANSPORT_TCP, false}};
    uint8_t options[600] = {0xfd, 0xe9, (600 - 4) >> 8, (600 - 4) & 0xff};
    struct world_answer answer = {.address = "192.0.2.1"};
    answer.options = (struct span){.at = options, .len = sizeof options};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        struct world_question q = {.name = "www.test",
                                   .transport = rows[i].transport,
                                   .edns = rows[i].size != 0,
                                   .udp_size = rows[i].size};
        world_load(&w, ". {\n forward . 10.0.0.1\n}\n");
        uint64_t client = world_ask_as(&w, &q);
        world_answer(&w, world_expect(&w, A, rows[i].transport), &answer);
        assert_int_equal((world_flags(&w, client) & DNS_TC) != 0, rows[i].cut);
        world_close(&w);
    }
}

static void failures_name_the_upstream_and_the_reason(void **unused)
{
    struct world w;
    char text[128];
    struct world_question q = {.name = "www.test", .edns = true};
    world_load(&w, ". {\n forward . 10.0.0.1\n}\n");
    uint64_t client = world_ask_as(&w, &q);
    world_lose(&w, world_expect(&w, A, TRANSPORT_UDP), ECONNREFUSED);
    world_lose(&w, world_expect(&w, A, TRANSPORT_UDP), ECONNREFUSED);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    assert_int_equal(world_ede(&w, client, text, sizeof text), EDE_NETWORK);
    assert_string_equal(text, "10.0.0.1:53 connection refused");
    client = world_ask_as(&w, &q);
    world_run(&w, 5100);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    assert_int_equal(world_ede(&w, client, text, sizeof text), EDE_NO_REACHABLE);
    assert_string_equal(text, "10.0.0.1:53 silent 4s");
    world_close(&w);
}

static void beyond_max_concurrent_is_refused(void **unused)
{
    struct world w;
    world_load(&w, ". {\n forward . 10.0.0.1 {\n max_concurrent 1\n }\n}\n");
    world_ask(&w, "a.test");
    uint64_t second = world_ask(&w, "b.test");
    assert_int_equal(world_rcode(&w, second), DNS_REFUSED);
    world_close(&w);
}

static void the_probe_is_what_health_check_says(void **unused)
{
    static const struct {
        const char *option;
        uint8_t rd;
        const char *name;
    } rows[] = {
        {"health_check 1s", 1, "."},
        {"health_check 1s no_rec", 0, "."},
        {"health_check 1s domain probe.example", 1, "probe.example"},
        {"health_check 1s no_rec domain probe.example", 0, "probe.example"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        struct name name;
        char corefile[256];
        snprintf(corefile, sizeof corefile, ". {\n forward . 10.0.0.1 {\n %s\n }\n}\n",
                 rows[i].option);
        world_load(&w, corefile);
        world_ask(&w, "www.test");
        world_lose(&w, world_expect(&w, A, TRANSPORT_UDP), ECONNREFUSED);
        world_lose(&w, world_expect(&w, A, TRANSPORT_UDP), ECONNREFUSED);
        world_run(&w, 5);
        struct fake_sent *s = world_expect(&w, A, TRANSPORT_UDP);
        assert_int_equal(name_parse(&name, text_of(rows[i].name)), 0);
        assert_int_equal(s->wire[2], rows[i].rd);
        assert_int_equal(s->len, DNS_HEADER_LEN + name.len + 4u);
        assert_memory_equal(s->wire + DNS_HEADER_LEN, name.wire, name.len);
        assert_int_equal(load_u16(s->wire + s->len - 4), DNS_NS);
        world_close(&w);
    }
}

/* ---- one after the other ---- */

static void next_hands_over_to_the_following_forward(void **unused)
{
    static const struct {
        const char *option;
        struct world_answer first;
        bool goes_on;
    } rows[] = {
        {"next NXDOMAIN refused", {.rcode = DNS_NXDOMAIN}, true},
        {"next NXDOMAIN refused", {.rcode = DNS_REFUSED}, true},
        {"next NXDOMAIN refused", {.rcode = DNS_SERVFAIL}, false},
        {"next NXDOMAIN", {.rcode = DNS_NOERROR}, false},
        {"next_on_nodata", {.rcode = DNS_NOERROR}, true},
        {"next_on_nodata", {.rcode = DNS_NXDOMAIN}, false},
        {"next_on_nodata", {.address = "192.0.2.1"}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        char corefile[256], text[ADDR_TEXT_MAX];
        snprintf(corefile, sizeof corefile,
                 ". {\n forward . 10.0.0.1 {\n  %s\n }\n forward other 10.0.0.3\n"
                 " forward . 10.0.0.2\n}\n",
                 rows[i].option);
        world_load(&w, corefile);
        uint64_t client = world_ask(&w, "www.test");
        world_answer(&w, world_expect(&w, A, TRANSPORT_UDP), &rows[i].first);
        if (rows[i].goes_on) {
            world_answer(&w, world_expect(&w, B, TRANSPORT_UDP), &good);
            assert_string_equal(world_address(&w, client, text), "192.0.2.7");
        } else {
            assert_int_equal(world_rcode(&w, client), rows[i].first.rcode);
        }
        world_expect_silence(&w);
        world_close(&w);
    }
}

static void the_last_forward_has_none_to_hand_over_to(void **unused)
{
    struct world w;
    world_load(&w, ". {\n forward . 10.0.0.1 {\n  next NXDOMAIN\n }\n}\n");
    uint64_t client = world_ask(&w, "www.test");
    world_answer(&w, world_expect(&w, A, TRANSPORT_UDP),
                 &(struct world_answer){.rcode = DNS_NXDOMAIN});
    assert_int_equal(world_rcode(&w, client), DNS_NXDOMAIN);
    world_close(&w);
}

static void failover_asks_the_next_upstream_and_gives_the_last_answer(void **unused)
{
    struct world w;
    world_load(&w, ". {\n forward . 10.0.0.1 10.0.0.2 {\n  policy sequential\n"
                   "  failover SERVFAIL REFUSED\n }\n}\n");
    uint64_t client = world_ask(&w, "www.test");
    world_answer(&w, world_expect(&w, A, TRANSPORT_UDP),
                 &(struct world_answer){.rcode = DNS_SERVFAIL});
    world_answer(&w, world_expect(&w, B, TRANSPORT_UDP),
                 &(struct world_answer){.rcode = DNS_REFUSED});
    assert_int_equal(world_rcode(&w, client), DNS_REFUSED);
    world_close(&w);
}

static void attempts_and_read_timeout_bound_a_question(void **unused)
{
    struct world w;
    world_load(&w, ". {\n forward . 10.0.0.1 {\n  read_timeout 300ms\n"
                   "  max_connect_attempts 1\n }\n}\n");
    uint64_t client = world_ask(&w, "www.test");
    world_run(&w, 299);
    assert_int_equal(world_rcode(&w, client), -1);
    world_run(&w, 10);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    client = world_ask(&w, "www.test");
    while (fake_io_take(w.io) != NULL)
        continue;
    world_close(&w);
}

static void failfast_asks_nobody_while_all_are_down(void **unused)
{
    struct world w;
    world_load(&w, ". {\n forward . 10.0.0.1 {\n  max_fails 1\n"
                   "  failfast_all_unhealthy_upstreams\n }\n}\n");
    struct fake_sent *s;
    uint64_t client = world_ask(&w, "www.test");
    world_run(&w, 12000); /* neither the question nor the probes are answered */
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    uint32_t before = w.io->sent_n;
    client = world_ask(&w, "www2.test");
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    assert_int_equal(w.io->sent_n, before);
    while ((s = fake_io_take(w.io)) != NULL)
        continue;
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted),
        cmocka_unit_test(what_is_refused_and_why),
        cmocka_unit_test(what_is_refused_of_https),
        cmocka_unit_test(a_file_gives_its_nameserver_lines_and_nothing_else),
        cmocka_unit_test(a_file_without_nameserver_or_with_a_bad_one_is_refused),
        cmocka_unit_test(the_first_line_that_matches_takes_the_question),
        cmocka_unit_test(a_name_equal_to_from_is_taken_whatever_except_says),
        cmocka_unit_test(except_leaves_the_question_to_the_next_line),
        cmocka_unit_test(the_question_goes_up_as_it_came_but_for_the_hop),
        cmocka_unit_test(options_that_do_not_fit_are_left_out_whole),
        cmocka_unit_test(the_answer_comes_back_with_its_flags_and_rcode),
        cmocka_unit_test(options_of_the_upstream_pass_but_for_the_hop),
        cmocka_unit_test(what_is_longer_than_was_asked_for_over_udp_counts_as_cut),
        cmocka_unit_test(failures_name_the_upstream_and_the_reason),
        cmocka_unit_test(beyond_max_concurrent_is_refused),
        cmocka_unit_test(the_probe_is_what_health_check_says),
        cmocka_unit_test(next_hands_over_to_the_following_forward),
        cmocka_unit_test(the_last_forward_has_none_to_hand_over_to),
        cmocka_unit_test(failover_asks_the_next_upstream_and_gives_the_last_answer),
        cmocka_unit_test(attempts_and_read_timeout_bound_a_question),
        cmocka_unit_test(failfast_asks_nobody_while_all_are_down),
    };
    return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
