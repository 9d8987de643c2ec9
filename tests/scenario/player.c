/* Plays scenarios: a Corefile, questions, what goes to upstreams, answers, time,
 * replies, as text. No sockets; time passes only where a scenario says so, so a rule
 * about five seconds is tested in microseconds.
 *
 *     scenario FILE.scn...        each file is one test
 *
 * A scenario is lines of these forms; `#` begins a comment, and what belongs to a step
 * stands indented below it:
 *
 *     corefile                     the configuration, on the lines below
 *     ask c1 www.test A [tcp] [edns SIZE] [do] [nord] [cd]    a client's question
 *     sent s1 10.0.0.1:53 udp www.test A     the oldest message to an upstream not told
 * yet probe 10.0.0.1:53            the same, of which only the address matters quiet
 * nothing else was sent answer s1                    the upstream answers; text as
 * build_answer() takes it lose s1 refused|closed|unreachable     the conn breaks wait
 * 50ms                    time passes reply c1                     what the client got,
 * as show_reply() prints it none c1                      the client has no reply yet
 *     ede c1 22 TEXT               the reply has this extended error; TEXT is part of
 * its text */
#include "tests/unit/build.h"
#include "tests/unit/show.h"
#include "tests/unit/world.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define NAMES_MAX 64
#define WORDS_MAX 16
#define BODY_MAX  8192

struct named {
    char name[16];
    uint64_t client;
    struct fake_sent *sent;
};

struct play {
    const char *path;
    FILE *in;
    unsigned line;
    char next[1024]; /* the line read ahead; empty at the end */
    struct world w;
    bool open;
    struct named named[NAMES_MAX];
    unsigned named_n;
};

/* ---- the text ---- */

static bool read_ahead(struct play *p)
{
    p->next[0] = '\0';
    do {
        if (fgets(p->next, sizeof p->next, p->in) == NULL)
            return false;
        p->line++;
    } while (p->next[0] == '#' || p->next[0] == '\n');
    return true;
}

/* The indented lines below a step, without their indentation. */
static void read_body(struct play *p, char *body)
{
    size_t len = 0;
    body[0] = '\0';
    while (read_ahead(p) && p->next[0] == ' ') {
        const char *text = p->next + strspn(p->next, " ");
        int n = snprintf(body + len, BODY_MAX - len, "%s", text);
        if (n < 0 || (size_t)n >= BODY_MAX - len)
            fail_msg("%s:%u: too much text", p->path, p->line);
        len += (size_t)n;
    }
}

static unsigned split(char *line, char *words[WORDS_MAX])
{
    unsigned n = 0;
    for (char *at = line; n < WORDS_MAX;) {
        at += strspn(at, " \n");
        if (*at == '\0')
            break;
        words[n++] = at;
        at += strcspn(at, " \n");
        if (*at != '\0')
            *at++ = '\0';
    }
    return n;
}

/* ---- names of clients and messages ---- */

static struct named *named(struct play *p, const char *name, bool make)
{
    for (unsigned i = 0; i < p->named_n; i++) {
        if (strcmp(p->named[i].name, name) == 0)
            return &p->named[i];
    }
    if (!make || p->named_n == NAMES_MAX)
        fail_msg("%s:%u: no '%s'", p->path, p->line, name);
    struct named *n = &p->named[p->named_n++];
    snprintf(n->name, sizeof n->name, "%s", name);
    return n;
}

static uint16_t type_of(const char *text)
{
    uint16_t type = 0;
    assert_int_equal(rdata_type_parse(text_of(text), &type), 0);
    return type;
}

/* ---- steps ---- */

static void step_ask(struct play *p, char **word, unsigned n)
{
    struct world_question q = {.name = word[2], .type = type_of(word[3])};
    for (unsigned i = 4; i < n; i++) {
        if (strcmp(word[i], "tcp") == 0)
            q.transport = TRANSPORT_TCP;
        else if (strcmp(word[i], "do") == 0)
            q.edns = q.dnssec_ok = true;
        else if (strcmp(word[i], "nord") == 0)
            q.no_rd = true;
        else if (strcmp(word[i], "cd") == 0)
            q.flags |= DNS_CD;
        else if (strcmp(word[i], "edns") == 0 && i + 1 < n) {
            q.edns = true;
            q.udp_size = (uint16_t)strtoul(word[++i], NULL, 10);
        } else
            fail_msg("%s:%u: ask ... '%s'", p->path, p->line, word[i]);
    }
    named(p, word[1], true)->client = world_ask_as(&p->w, &q);
}

static void step_sent(struct play *p, char **word)
{
    enum transport t = strcmp(word[3], "tcp") == 0 ? TRANSPORT_TCP : TRANSPORT_UDP;
    struct fake_sent *s = world_expect(&p->w, word[2], t);
    struct name asked;
    char text[NAME_TEXT_MAX];
    struct span packet = {.at = s->wire, .len = s->len};
    size_t end = wire_name(packet, DNS_HEADER_LEN, &asked);
    assert_true(end > 0 && end + 4 <= s->len);
    name_print(asked.wire, text);
    text[strlen(text) - 1] = '\0';
    assert_string_equal(text, word[4]);
    assert_int_equal(load_u16(s->wire + end), type_of(word[5]));
    named(p, word[1], true)->sent = s;
}

static void step_answer(struct play *p, const struct fake_sent *s, const char *text)
{
    struct span made = build_answer(text);
    uint8_t *packet = build_keep(made.len);
    memcpy(packet, made.at, made.len);
    memcpy(packet, s->wire, 2);
    resolver_datagram(p->w.r, s->conn, packet, made.len);
}

static void step_lose(struct play *p, const struct fake_sent *s, const char *how)
{
    static const struct {
        const char *word;
        int error;
    } hows[] = {
        {"refused", ECONNREFUSED}, {"closed", 0}, {"unreachable", EHOSTUNREACH}};
    for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
        if (strcmp(hows[i].word, how) == 0) {
            world_lose(&p->w, s, hows[i].error);
            return;
        }
    }
    fail_msg("%s:%u: lose ... '%s'", p->path, p->line, how);
}

static void step_ede(struct play *p, char **word, unsigned n)
{
    char text[256];
    int code = world_ede(&p->w, named(p, word[1], false)->client, text, sizeof text);
    assert_int_equal(code, (int)strtol(word[2], NULL, 10));
    for (unsigned i = 3; i < n; i++) {
        if (strstr(text, word[i]) == NULL)
            fail_msg("%s:%u: no '%s' in '%s'", p->path, p->line, word[i], text);
    }
}

static void step_with_body(struct play *p, char **word, const char *body)
{
    char text[SHOW_MAX];
    if (strcmp(word[0], "corefile") == 0) {
        world_load(&p->w, body);
        p->open = true;
    } else if (strcmp(word[0], "answer") == 0) {
        step_answer(p, named(p, word[1], false)->sent, body);
    } else {
        assert_string_equal(show_reply(&p->w, named(p, word[1], false)->client, text),
                            body);
    }
}

/* With so many words, itself included. */
static bool is_step(char **word, unsigned n, const char *step, unsigned least,
                    unsigned most)
{
    return strcmp(word[0], step) == 0 && n >= least && n <= most;
}

/* Returns false when the word is none of the plain steps. */
static bool step_plain(struct play *p, char **word, unsigned n)
{
    if (is_step(word, n, "ask", 4, WORDS_MAX))
        step_ask(p, word, n);
    else if (is_step(word, n, "sent", 6, 6))
        step_sent(p, word);
    else if (is_step(word, n, "probe", 2, 2))
        world_expect(&p->w, word[1], TRANSPORT_UDP);
    else if (is_step(word, n, "quiet", 1, WORDS_MAX))
        world_expect_silence(&p->w);
    else if (is_step(word, n, "lose", 3, 3))
        step_lose(p, named(p, word[1], false)->sent, word[2]);
    else if (is_step(word, n, "wait", 2, 2))
        world_run(&p->w, strtoul(word[1], NULL, 10));
    else if (is_step(word, n, "none", 2, 2))
        assert_int_equal(world_rcode(&p->w, named(p, word[1], false)->client), -1);
    else if (is_step(word, n, "ede", 3, WORDS_MAX))
        step_ede(p, word, n);
    else
        return false;
    return true;
}

static bool takes_body(const char *step)
{
    return strcmp(step, "corefile") == 0 || strcmp(step, "answer") == 0 ||
           strcmp(step, "reply") == 0;
}

static void play(void **state)
{
    struct play p = {.path = *state};
    static char line[sizeof p.next], body[BODY_MAX];
    char *word[WORDS_MAX];
    p.in = fopen(p.path, "r");
    assert_non_null(p.in);
    read_ahead(&p);
    while (p.next[0] != '\0') {
        memcpy(line, p.next, sizeof line);
        unsigned at = p.line, n = split(line, word);
        print_message("%s:%u: %s\n", p.path, at, word[0]);
        if (takes_body(word[0])) {
            read_body(&p, body);
            step_with_body(&p, word, body);
            continue;
        }
        if (!step_plain(&p, word, n))
            fail_msg("%s:%u: unknown step '%s'", p.path, at, word[0]);
        read_ahead(&p);
    }
    fclose(p.in);
    if (p.open)
        world_close(&p.w);
    build_release();
}

int main(int argc, char **argv)
{
    size_t n = (size_t)(argc > 1 ? argc - 1 : 0);
    struct CMUnitTest *tests = calloc(n + 1, sizeof *tests);
    if (tests == NULL || hash_seed() < 0 || rdata_start() < 0)
        return 1;
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){
            .name = argv[i + 1], .test_func = play, .initial_state = argv[i + 1]};
    int failed = _cmocka_run_group_tests("scenario", tests, n, NULL, NULL);
    free(tests);
    printf("%zu passed, %d failed\n", n - (size_t)failed, failed);
    return failed;
}
