/* Who is believed, who is not, and what is kept. Both ends are in this process, on a
 * socket pair. */
#include "server/tls.h"

#include "tests/unit/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static SSL_CTX *server_of(const struct identity *who)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    assert_non_null(c);
    assert_int_equal(SSL_CTX_use_certificate(c, who->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(c, who->key), 1);
    return c;
}

struct pair {
    int fd[2];
    struct tls_stream *client;
    SSL *server;
};

/* Lets both sides talk until the client's handshake is over; what that came to. */
static int meet(struct pair *p, const void *tls, SSL_CTX *server,
                struct tls_session **session)
{
    assert_non_null(tls);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fd), 0);
    p->client = tls_open(tls, p->fd[0], session);
    assert_non_null(p->client);
    p->server = SSL_new(server);
    SSL_set_fd(p->server, p->fd[1]);
    SSL_set_accept_state(p->server);
    int error = EAGAIN;
    for (int i = 0; i < 100 && error == EAGAIN; i++) {
        error = tls_handshake(p->client);
        SSL_do_handshake(p->server);
    }
    return error;
}

static void part(struct pair *p)
{
    tls_close(p->client);
    SSL_free(p->server);
    close(p->fd[0]);
    close(p->fd[1]);
}

static void only_the_right_name_of_a_trusted_server_is_believed(void **unused)
{
    static const struct {
        const char *has, *wanted;
        bool trusted;
        int error;
    } rows[] = {
        {"DNS:dns.test", "dns.test", true, 0},
        {"DNS:dns.test", "DNS.Test", true, 0},
        {"DNS:*.up.test", "dns.up.test", true, 0},
        {"DNS:dns.test", "wrong.test", true, EKEYREJECTED},
        {"DNS:dns.test", "dns.test", false, EKEYREJECTED},
        {"IP:127.0.0.1", "127.0.0.1", true, 0},
        {"IP:127.0.0.1", "127.0.0.2", true, EKEYREJECTED},
        {"DNS:127.0.0.1", "127.0.0.1", true, EKEYREJECTED},
        {"IP:::1", "::1", true, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct identity server, other;
        struct pair p;
        struct tls_session *session = NULL;
        char reason[OUTSIDE_REASON_MAX];
        make_identity(&server, rows[i].has);
        make_identity(&other, rows[i].has);
        struct outside_tls files = {.ca = rows[i].trusted ? server.cert_pem
                                                          : other.cert_pem,
                                    .servername = rows[i].wanted};
        void *tls = tls_new(&files, reason);
        SSL_CTX *context = server_of(&server);
        assert_non_null(tls);
        assert_int_equal(meet(&p, tls, context, &session), rows[i].error);
        assert_true(rows[i].error == 0 || strlen(tls_flaw(p.client)) > 0);
        part(&p);
        tls_session_free(session);
        tls_free(tls);
        SSL_CTX_free(context);
        drop_identity(&server);
        drop_identity(&other);
    }
}

static void old_versions_are_not_spoken(void **unused)
{
    struct identity server;
    struct pair p;
    struct tls_session *session = NULL;
    char reason[OUTSIDE_REASON_MAX];
    make_identity(&server, "DNS:dns.test");
    struct outside_tls files = {.ca = server.cert_pem, .servername = "dns.test"};
    void *tls = tls_new(&files, reason);
    SSL_CTX *context = server_of(&server);
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
    assert_int_equal(meet(&p, tls, context, &session), EPROTO);
    part(&p);
    tls_free(tls);
    SSL_CTX_free(context);
    drop_identity(&server);
}

/* Sends "ping" there and "pong" back: tickets come before what is read first. */
static void talk(struct pair *p)
{
    char got[8];
    assert_int_equal(tls_write(p->client, "ping", 4), 4);
    assert_int_equal(SSL_read(p->server, got, sizeof got), 4);
    assert_int_equal(SSL_write(p->server, "pong", 4), 4);
    assert_int_equal(tls_read(p->client, got, 2), 2);
    assert_true(tls_has_more(p->client));
    assert_int_equal(tls_read(p->client, got + 2, sizeof got - 2), 2);
    assert_memory_equal(got, "pong", 4);
    assert_false(tls_has_more(p->client));
    assert_int_equal(tls_read(p->client, got, sizeof got), -1);
    assert_int_equal(errno, EAGAIN);
}

static void the_next_connection_takes_up_the_session(void **unused)
{
    struct identity server;
    struct tls_session *session = NULL;
    char reason[OUTSIDE_REASON_MAX], octet;
    make_identity(&server, "DNS:dns.test");
    struct outside_tls files = {.ca = server.cert_pem, .servername = "dns.test"};
    void *tls = tls_new(&files, reason);
    SSL_CTX *context = server_of(&server);
    for (int i = 0; i < 2; i++) {
        struct pair p;
        assert_int_equal(meet(&p, tls, context, &session), 0);
        assert_int_equal(SSL_session_reused(p.server), i);
        talk(&p);
        assert_non_null(session);
        SSL_shutdown(p.server);
        assert_int_equal(tls_read(p.client, &octet, 1), 0);
        part(&p);
    }
    tls_session_free(session);
    tls_free(tls);
    SSL_CTX_free(context);
    drop_identity(&server);
}

static void settings_outlive_their_maker_while_someone_keeps_them(void **unused)
{
    struct identity server;
    struct pair p;
    struct tls_session *session = NULL;
    char reason[OUTSIDE_REASON_MAX];
    make_identity(&server, "DNS:dns.test");
    struct outside_tls files = {.ca = server.cert_pem, .servername = "dns.test"};
    void *tls = tls_new(&files, reason);
    assert_non_null(tls);
    tls_keep(tls);
    tls_free(tls);
    SSL_CTX *context = server_of(&server);
    assert_int_equal(meet(&p, tls, context, &session), 0);
    tls_free(tls);
    talk(&p);
    part(&p);
    tls_session_free(session);
    SSL_CTX_free(context);
    drop_identity(&server);
}

static int accept_any(int good, X509_STORE_CTX *context)
{
    return 1;
}

static void our_own_certificate_is_shown_when_asked_for(void **unused)
{
    struct identity server, client;
    struct pair p;
    struct tls_session *session = NULL;
    char reason[OUTSIDE_REASON_MAX];
    make_identity(&server, "DNS:dns.test");
    make_identity(&client, "DNS:client.test");
    struct outside_tls files = {.cert = client.cert_pem,
                                .key = client.key_pem,
                                .ca = server.cert_pem,
                                .servername = "dns.test"};
    void *tls = tls_new(&files, reason);
    SSL_CTX *context = server_of(&server);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       accept_any);
    assert_int_equal(meet(&p, tls, context, &session), 0);
    SSL_do_handshake(p.server);
    X509 *shown = SSL_get1_peer_certificate(p.server);
    assert_non_null(shown);
    assert_int_equal(X509_cmp(shown, client.cert), 0);
    X509_free(shown);
    part(&p);
    tls_session_free(session);
    tls_free(tls);
    SSL_CTX_free(context);
    drop_identity(&server);
    drop_identity(&client);
}

/* The key under a passphrase. */
static void lock_key(const EVP_PKEY *key, char *out, size_t cap)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), "x", 1, NULL, NULL),
        1);
    int n = BIO_read(bio, out, (int)cap - 1);
    assert_true(n > 0);
    out[n] = '\0';
    BIO_free(bio);
}

static void files_that_will_not_do_say_why(void **unused)
{
    struct identity a, b;
    char locked[2048], cut[4096];
    make_identity(&a, "DNS:a.test");
    make_identity(&b, "DNS:b.test");
    lock_key(a.key, locked, sizeof locked);
    snprintf(cut, sizeof cut, "%s%.300s", a.cert_pem, b.cert_pem);
    const struct {
        struct outside_tls files;
        const char *reason;
    } rows[] = {
        {{.ca = "no PEM"}, "error reading the CA's certificates"},
        {{.cert = "no PEM", .key = a.key_pem, .ca = a.cert_pem},
         "error reading the certificate"},
        {{.cert = a.cert_pem, .key = "no PEM", .ca = a.cert_pem},
         "error reading the key"},
        {{.cert = a.cert_pem, .key = b.key_pem, .ca = a.cert_pem}, "key"},
        {{.cert = a.cert_pem, .key = locked, .ca = a.cert_pem}, "it is encrypted"},
        {{.ca = cut}, "error reading the CA's certificates"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char reason[OUTSIDE_REASON_MAX] = "";
        struct outside_tls files = rows[i].files;
        files.servername = "dns.test";
        assert_null(tls_new(&files, reason));
        assert_non_null(strstr(reason, rows[i].reason));
    }
    drop_identity(&a);
    drop_identity(&b);
}

static void a_renewed_certificate_of_ours_begins_new_sessions(void **unused)
{
    struct identity server, first, second;
    struct tls_session *session = NULL;
    char reason[OUTSIDE_REASON_MAX];
    make_identity(&server, "DNS:dns.test");
    make_identity(&first, "DNS:first.test");
    make_identity(&second, "DNS:second.test");
    struct outside_tls files = {.cert = first.cert_pem,
                                .key = first.key_pem,
                                .ca = server.cert_pem,
                                .servername = "dns.test"};
    void *tls = tls_new(&files, reason);
    SSL_CTX *context = server_of(&server);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"x", 1);
    for (int i = 0; i < 4; i++) {
        struct pair p;
        assert_int_equal(meet(&p, tls, context, &session), 0);
        SSL_do_handshake(p.server);
        assert_int_equal(SSL_session_reused(p.server), i % 2);
        X509 *shown = SSL_get1_peer_certificate(p.server);
        assert_int_equal(X509_cmp(shown, i < 2 ? first.cert : second.cert), 0);
        X509_free(shown);
        talk(&p);
        SSL_shutdown(p.server);
        tls_read(p.client, reason, 1);
        part(&p);
        if (i != 1)
            continue;
        files.cert = second.cert_pem;
        assert_int_equal(tls_renew(tls, &files, reason), -1);
        files.key = second.key_pem;
        assert_int_equal(tls_renew(tls, &files, reason), 0);
    }
    tls_session_free(session);
    tls_free(tls);
    SSL_CTX_free(context);
    drop_identity(&server);
    drop_identity(&first);
    drop_identity(&second);
}

/* ---- the server's side ---- */

struct guest {
    const struct identity *shows; /* NULL: no certificate */
    const char *alpn;             /* in wire form; NULL: none */
    int version_max;              /* 0: any */
    const char *asks_for;         /* by name; NULL: for nobody */
};

static SSL_CTX *guest_context(const struct guest *g)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    assert_non_null(c);
    if (g->shows != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(c, g->shows->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(c, g->shows->key), 1);
    }
    if (g->alpn != NULL)
        SSL_CTX_set_alpn_protos(c, (const unsigned char *)g->alpn,
                                (unsigned)strlen(g->alpn));
    SSL_CTX_set_security_level(c, 0);
    SSL_CTX_set_max_proto_version(c, g->version_max);
    return c;
}

struct visit {
    int fd[2];
    SSL_CTX *context;
    SSL *guest;
    struct tls_stream *host;
};

/* What the host's handshake came to. */
static int receive_guest(struct visit *v, const void *tls, enum tls_talk talk,
                         const struct guest *g)
{
    assert_non_null(tls);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, v->fd), 0);
    v->host = tls_accept(tls, v->fd[0], talk);
    assert_non_null(v->host);
    v->context = guest_context(g);
    v->guest = SSL_new(v->context);
    SSL_set_fd(v->guest, v->fd[1]);
    if (g->asks_for != NULL)
        SSL_set_tlsext_host_name(v->guest, g->asks_for);
    SSL_set_connect_state(v->guest);
    int error = EAGAIN;
    for (int i = 0; i < 100 && error == EAGAIN; i++) {
        SSL_do_handshake(v->guest);
        error = tls_handshake(v->host);
    }
    return error;
}

static void see_off(struct visit *v)
{
    tls_close(v->host);
    SSL_free(v->guest);
    SSL_CTX_free(v->context);
    close(v->fd[0]);
    close(v->fd[1]);
}

static void clients_show_as_much_as_is_asked_of_them(void **unused)
{
    static const struct {
        enum client_auth auth;
        bool none, known, strange; /* who comes in */
    } rows[] = {
        {CLIENT_AUTH_NONE, true, true, true},
        {CLIENT_AUTH_REQUEST, true, true, true},
        {CLIENT_AUTH_REQUIRE, false, true, true},
        {CLIENT_AUTH_VERIFY_IF_GIVEN, true, true, false},
        {CLIENT_AUTH_REQUIRE_AND_VERIFY, false, true, false},
    };
    struct identity host, known, strange;
    make_identity(&host, "DNS:dns.test");
    make_identity(&known, "DNS:known.test");
    make_identity(&strange, "DNS:strange.test");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct {
            const struct identity *who;
            bool welcome;
        } guests[] = {
            {NULL, rows[i].none}, {&known, rows[i].known}, {&strange, rows[i].strange}};
        struct outside_tls_server files = {.cert = host.cert_pem,
                                           .key = host.key_pem,
                                           .ca = known.cert_pem,
                                           .client_auth = rows[i].auth};
        char reason[OUTSIDE_REASON_MAX];
        void *tls = tls_server_new(&files, reason);
        assert_non_null(tls);
        for (size_t n = 0; n < sizeof guests / sizeof *guests; n++) {
            struct visit v;
            struct guest g = {.shows = guests[n].who};
            int error = receive_guest(&v, tls, TLS_DNS, &g);
            assert_int_equal(error == 0, guests[n].welcome);
            see_off(&v);
        }
        tls_free(tls);
    }
    drop_identity(&host);
    drop_identity(&known);
    drop_identity(&strange);
}

static void a_protocol_is_chosen_and_of_http_one_is_needed(void **unused)
{
    static const struct {
        enum tls_talk talk;
        const char *offered, *chosen; /* NULL: sent away */
    } rows[] = {
        {TLS_DNS, NULL, ""},
        {TLS_DNS, "\3dot", "dot"},
        {TLS_DNS, "\5other", ""},
        {TLS_HTTP, NULL, ""},
        {TLS_HTTP, "\10http/1.1\2h2", "h2"},
        {TLS_HTTP, "\10http/1.1", "http/1.1"},
        {TLS_HTTP, "\3dot", NULL},
    };
    struct identity host;
    char reason[OUTSIDE_REASON_MAX];
    make_identity(&host, "DNS:dns.test");
    struct outside_tls_server files = {.cert = host.cert_pem, .key = host.key_pem};
    void *tls = tls_server_new(&files, reason);
    assert_non_null(tls);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const unsigned char *name;
        unsigned len;
        struct visit v;
        struct guest g = {.alpn = rows[i].offered};
        int error = receive_guest(&v, tls, rows[i].talk, &g);
        assert_int_equal(error, rows[i].chosen == NULL ? EPROTO : 0);
        SSL_get0_alpn_selected(v.guest, &name, &len);
        if (rows[i].chosen != NULL) {
            assert_int_equal(len, strlen(rows[i].chosen));
            assert_memory_equal(len > 0 ? (const char *)name : "", rows[i].chosen, len);
        }
        see_off(&v);
    }
    tls_free(tls);
    drop_identity(&host);
}

static void guests_with_old_versions_are_sent_away(void **unused)
{
    static const struct {
        int version, error;
    } rows[] = {{TLS1_1_VERSION, EPROTO}, {TLS1_2_VERSION, 0}, {TLS1_3_VERSION, 0}};
    struct identity host;
    char reason[OUTSIDE_REASON_MAX];
    make_identity(&host, "DNS:dns.test");
    struct outside_tls_server files = {.cert = host.cert_pem, .key = host.key_pem};
    void *tls = tls_server_new(&files, reason);
    assert_non_null(tls);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct visit v;
        struct guest g = {.version_max = rows[i].version};
        assert_int_equal(receive_guest(&v, tls, TLS_DNS, &g), rows[i].error);
        see_off(&v);
    }
    tls_free(tls);
    drop_identity(&host);
}

static void a_key_log_has_lines_and_settings_live_as_long_as_streams(void **unused)
{
    struct identity host;
    char reason[OUTSIDE_REASON_MAX], path[] = "/tmp/isthmus-keylog-XXXXXX", text[64];
    struct visit v;
    struct guest g = {0};
    int fd = mkstemp(path);
    make_identity(&host, "DNS:dns.test");
    struct outside_tls_server files = {
        .cert = host.cert_pem, .key = host.key_pem, .keylog = path};
    void *tls = tls_server_new(&files, reason);
    assert_non_null(tls);
    assert_int_equal(receive_guest(&v, tls, TLS_DNS, &g), 0);
    tls_free(tls); /* a reload */
    assert_true(read(fd, text, sizeof text) == sizeof text);
    assert_memory_equal(text, "SERVER_HANDSHAKE", 16);
    SSL_write(v.guest, "ping", 4);
    assert_int_equal(tls_read(v.host, text, sizeof text), 4);
    tls_goodbye(v.host);
    assert_int_equal(SSL_read(v.guest, text, sizeof text), 0);
    see_off(&v);
    close(fd);
    unlink(path);
    drop_identity(&host);
}

/* Whose certificate a guest is shown. */
static bool is_shown(const void *tls, const struct guest *g, const struct identity *who)
{
    struct visit v;
    assert_int_equal(receive_guest(&v, tls, TLS_DNS, g), 0);
    SSL_do_handshake(v.guest);
    X509 *shown = SSL_get1_peer_certificate(v.guest);
    bool same = X509_cmp(shown, who->cert) == 0;
    X509_free(shown);
    see_off(&v);
    return same;
}

static struct outside_tls_server files_of(const struct identity *who)
{
    return (struct outside_tls_server){.cert = who->cert_pem, .key = who->key_pem};
}

static void renewed_certificates_are_for_guests_to_come(void **unused)
{
    struct identity old, new;
    char reason[OUTSIDE_REASON_MAX], text[8], cut[2200];
    struct visit v;
    struct guest g = {0};
    make_identity(&old, "DNS:dns.test");
    make_identity(&new, "DNS:dns.test");
    struct outside_tls_server files = files_of(&old);
    void *tls = tls_server_new(&files, reason);
    assert_int_equal(receive_guest(&v, tls, TLS_DNS, &g), 0);
    files.key = new.key_pem;
    assert_int_equal(tls_server_renew(tls, &files, reason), -1);
    assert_non_null(strstr(reason, "key"));
    snprintf(cut, sizeof cut, "%s%.*s", new.cert_pem, 100, old.cert_pem);
    files.cert = cut; /* whoever writes it is not done with the chain */
    assert_int_equal(tls_server_renew(tls, &files, reason), -1);
    assert_true(is_shown(tls, &g, &old));
    files.cert = new.cert_pem;
    assert_int_equal(tls_server_renew(tls, &files, reason), 0);
    assert_non_null(strstr(reason, "DNS:dns.test, good until 20"));
    assert_true(is_shown(tls, &g, &new));
    SSL_write(v.guest, "ping", 4);
    assert_int_equal(tls_read(v.host, text, sizeof text), 4);
    tls_free(tls);
    see_off(&v);
    drop_identity(&old);
    drop_identity(&new);
}

static void of_several_certificates_the_guest_names_one(void **unused)
{
    enum { EXACT, WILD, RSA, LAST, N };
    static const char *const names[N] = {"DNS:a.test,DNS:x.wild.test",
                                         "DNS:*.wild.test", "DNS:rsa.test",
                                         "DNS:last.test"};
    static const struct {
        const char *name;
        unsigned shown;
    } rows[] = {
        {"a.test", EXACT},     {"A.Test", EXACT}, {"x.wild.test", EXACT},
        {"y.wild.test", WILD}, {"rsa.test", RSA}, {"last.test", LAST},
        {"other.test", LAST},  {NULL, LAST},      {"wild.test", LAST},
    };
    static struct identity who[N];
    struct identity renewed;
    void *list[N];
    char reason[OUTSIDE_REASON_MAX];
    for (unsigned i = 0; i < N; i++) {
        make_identity_of(&who[i], names[i],
                         i == RSA ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
        struct outside_tls_server files = files_of(&who[i]);
        list[i] = tls_server_new(&files, reason);
        assert_non_null(list[i]);
    }
    void *tls = tls_server_join((const void *const *)list, N, EXACT);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            struct guest g = {.asks_for = rows[i].name, .version_max = version};
            assert_true(is_shown(tls, &g, &who[rows[i].shown]));
        }
    }
    make_identity(&renewed, "DNS:a.test");
    struct outside_tls_server files = files_of(&renewed);
    assert_int_equal(tls_server_renew(list[EXACT], &files, reason), 0);
    for (unsigned i = 0; i < N; i++)
        tls_free(list[i]); /* the listener keeps them */
    struct guest g = {.asks_for = "a.test"};
    assert_true(is_shown(tls, &g, &renewed));
    tls_free(tls);
    drop_identity(&renewed);
    for (unsigned i = 0; i < N; i++)
        drop_identity(&who[i]);
}

static void a_name_is_no_way_around_what_guests_are_asked_for(void **unused)
{
    struct identity open, closed, known;
    char reason[OUTSIDE_REASON_MAX];
    make_identity(&open, "DNS:open.test");
    make_identity(&closed, "DNS:closed.test");
    make_identity(&known, "DNS:known.test");
    struct outside_tls_server lax = files_of(&open), strict = files_of(&closed);
    strict.client_auth = CLIENT_AUTH_REQUIRE_AND_VERIFY;
    strict.ca = known.cert_pem;
    void *list[] = {tls_server_new(&lax, reason), tls_server_new(&strict, reason)};
    assert_true(list[0] != NULL && list[1] != NULL);
    void *tls = tls_server_join((const void *const *)list, 2, 1);
    for (unsigned i = 0; i < 4; i++) {
        struct guest g = {.asks_for = i % 2 == 0 ? "open.test" : "closed.test",
                          .shows = i < 2 ? NULL : &known};
        struct visit v;
        assert_int_equal(receive_guest(&v, tls, TLS_DNS, &g) == 0, i >= 2);
        see_off(&v);
    }
    tls_free(tls);
    tls_free(list[0]);
    tls_free(list[1]);
    drop_identity(&open);
    drop_identity(&closed);
    drop_identity(&known);
}

static void a_server_s_files_that_will_not_do_say_why(void **unused)
{
    struct identity a, b;
    char locked[2048], cut[4096];
    make_identity(&a, "DNS:a.test");
    make_identity(&b, "DNS:b.test");
    lock_key(a.key, locked, sizeof locked);
    snprintf(cut, sizeof cut, "%s%.300s", a.cert_pem, b.cert_pem);
    const struct {
        struct outside_tls_server files;
        const char *reason;
    } rows[] = {
        {{.cert = a.key_pem, .key = a.key_pem}, "error reading the certificate"},
        {{.cert = a.cert_pem, .key = a.cert_pem}, "error reading the key"},
        {{.cert = a.cert_pem, .key = b.key_pem}, "key"},
        {{.cert = a.cert_pem, .key = locked}, "it is encrypted"},
        {{.cert = a.cert_pem, .key = a.key_pem, .ca = cut},
         "error reading the CA's certificates"},
        {{.cert = a.cert_pem, .key = a.key_pem, .ca = "no PEM"},
         "error reading the CA's certificates"},
        {{.cert = a.cert_pem, .key = a.key_pem, .keylog = "/nonexistent/log"},
         "/nonexistent/log"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char reason[OUTSIDE_REASON_MAX] = "";
        assert_null(tls_server_new(&rows[i].files, reason));
        assert_non_null(strstr(reason, rows[i].reason));
    }
    drop_identity(&a);
    drop_identity(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_name_of_a_trusted_server_is_believed),
        cmocka_unit_test(old_versions_are_not_spoken),
        cmocka_unit_test(the_next_connection_takes_up_the_session),
        cmocka_unit_test(settings_outlive_their_maker_while_someone_keeps_them),
        cmocka_unit_test(our_own_certificate_is_shown_when_asked_for),
        cmocka_unit_test(files_that_will_not_do_say_why),
        cmocka_unit_test(a_renewed_certificate_of_ours_begins_new_sessions),
        cmocka_unit_test(clients_show_as_much_as_is_asked_of_them),
        cmocka_unit_test(a_protocol_is_chosen_and_of_http_one_is_needed),
        cmocka_unit_test(guests_with_old_versions_are_sent_away),
        cmocka_unit_test(a_key_log_has_lines_and_settings_live_as_long_as_streams),
        cmocka_unit_test(renewed_certificates_are_for_guests_to_come),
        cmocka_unit_test(of_several_certificates_the_guest_names_one),
        cmocka_unit_test(a_name_is_no_way_around_what_guests_are_asked_for),
        cmocka_unit_test(a_server_s_files_that_will_not_do_say_why),
    };
    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
