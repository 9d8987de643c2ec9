/* `isthmus demo`: the main job without anything else being there. Two servers made of
 * this very program play the clusters on loopback, a dozen questions are asked and told
 * with their answers. */
#include "resolver/rdata.h"
#include "server/command.h"
#include "server/demo_client.h"
#include "server/demo_world.h"
#include "server/process.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define START_MS  5000 /* for the servers to answer */
#define ANSWER_MS 3000

struct demo {
    char dir[64];
    char corefile[96];
    struct addr server;
    struct arguments args;
    pthread_t thread;
    _Atomic bool ended; /* process_run has returned */
};

/* ---- the world ---- */

/* A port that is free on UDP and TCP now; the servers take it a moment later. */
static uint16_t free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    uint16_t port = 0;
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (tcp >= 0 && udp >= 0 && bind(tcp, (struct sockaddr *)&in, len) == 0 &&
        getsockname(tcp, (struct sockaddr *)&in, &len) == 0 &&
        bind(udp, (struct sockaddr *)&in, len) == 0)
        port = ntohs(in.sin_port);
    if (tcp >= 0)
        close(tcp);
    if (udp >= 0)
        close(udp);
    return port;
}

static int write_corefile(struct demo *d, uint16_t port)
{
    struct arena a;
    int rc = -1;
    arena_init(&a, NULL, 0);
    const char *text = demo_corefile(&a, d->dir, port);
    FILE *out = text == NULL ? NULL : fopen(d->corefile, "w");
    if (out != NULL) {
        rc = fputs(text, out) < 0 ? -1 : 0;
        if (fclose(out) != 0)
            rc = -1;
    }
    arena_release(&a);
    return rc;
}

static int make_world(struct demo *d)
{
    uint16_t port = 0;
    for (unsigned i = 0; i < 20 && port == 0; i++)
        port = free_port();
    snprintf(d->dir, sizeof d->dir, "/tmp/isthmus-demo.XXXXXX");
    if (port == 0 || mkdtemp(d->dir) == NULL)
        return -1;
    snprintf(d->corefile, sizeof d->corefile, "%s/Corefile", d->dir);
    d->server = (struct addr){.family = 4, .port = port, .ip = {127, 0, 0, 1}};
    d->args = (struct arguments){.conf = d->corefile, .quiet = true};
    return demo_write_zones(d->dir) < 0 ? -1 : write_corefile(d, port);
}

static void *serve(void *argument)
{
    struct demo *d = argument;
    process_run(&d->args);
    d->ended = true;
    return NULL;
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

/* Waits until the first question is answered rightly. */
static bool wait_until_up(const struct demo *d)
{
    const struct demo_question *q = &demo_questions[0];
    char answer[DEMO_ANSWER_MAX];
    for (long waited = 0; waited < START_MS && !d->ended; waited += 20) {
        if (demo_ask(&d->server, q, 500, answer) == 0 &&
            strcmp(answer, q->expected) == 0)
            return true;
        pause_ms(20);
    }
    return false;
}

/* ---- the questions ---- */

static bool ask_one(const struct demo *d, const struct demo_question *q)
{
    char answer[DEMO_ANSWER_MAX] = "no reply", type[16];
    demo_ask(&d->server, q, ANSWER_MS, answer);
    bool right = strcmp(answer, q->expected) == 0;
    printf("  %s %s %s\n      %s %s   (%s: %s)\n", q->name,
           rdata_type_print(q->type, type), q->tcp ? "over TCP" : "over UDP",
           right ? "=" : "WRONG:", answer, q->from, q->shows);
    if (!right)
        printf("      expected %s\n", q->expected);
    return right;
}

static unsigned ask_all(const struct demo *d)
{
    unsigned right = 0;
    printf("Two clusters, both called cluster.local, and isthmus in front of them on "
           "127.0.0.1:%u:\n\n"
           "    cluster cluster-a.local 10.96.0.0/16 { pods 10.244.0.0/16 }\n"
           "    cluster cluster-b.local 10.97.0.0/16 { pods 10.245.0.0/16 }\n\n",
           d->server.port);
    for (unsigned i = 0; i < demo_questions_n; i++)
        right += ask_one(d, &demo_questions[i]);
    printf("\n%u of %u answers right\n", right, demo_questions_n);
    return demo_questions_n - right;
}

static void print_tries(const struct demo *d)
{
    unsigned port = d->server.port;
    printf("\nServing until you press Ctrl-C. Try:\n\n"
           "    dig -p %u @127.0.0.1 app.web.svc.cluster-b.local +noall +answer\n"
           "    dig -p %u @127.0.0.1 _pg._tcp.db.web.svc.cluster-a.local SRV +noall "
           "+answer\n"
           "    dig -p %u @127.0.0.1 -x 10.97.7.21 +noall +answer\n"
           "    dig -p %u @127.1.0.10 app.web.svc.cluster.local +noall +answer   "
           "# cluster-a's own DNS\n"
           "    dig -p %u @127.2.0.10 app.web.svc.cluster.local +noall +answer   "
           "# cluster-b's own DNS\n"
           "    cat %s\n",
           port, port, port, port, port, d->corefile);
    fflush(stdout);
}

/* ---- the run ---- */

static int demo(struct demo *d, bool stay)
{
    if (pthread_create(&d->thread, NULL, serve, d) != 0) {
        fputs("isthmus demo: no thread to be had\n", stderr);
        return 1;
    }
    int status = 1;
    if (!wait_until_up(d)) {
        fputs("isthmus demo: the servers did not come up\n", stderr);
    } else {
        status = ask_all(d) == 0 ? 0 : 1;
        if (stay)
            print_tries(d);
    }
    fflush(stdout);
    if (!d->ended && (!stay || status != 0))
        kill(getpid(), SIGTERM);
    pthread_join(d->thread, NULL);
    return status;
}

static int demo_run(const struct command_line *l)
{
    bool stay = command_given(l, "stay");
    struct demo d = {0};
    int status = 1;
    if (make_world(&d) < 0)
        perror("isthmus demo: cannot make its files under /tmp");
    else
        status = demo(&d, stay);
    if (d.dir[0] != '\0') {
        unlink(d.corefile);
        demo_remove_zones(d.dir);
    }
    return status;
}

static const struct command_option options[] = {
    {"stay", NULL, "go on serving, and print dig lines to try"},
    {NULL, NULL, NULL},
};

const struct command command_demo = {
    .name = "demo",
    .line = "two clusters in a box, and a dozen questions",
    .help =
        "Starts two miniature clusters, both called cluster.local, on loopback\n"
        "addresses and high ports, and the forwarder in front of them; asks a dozen\n"
        "questions over UDP and TCP, and prints question, answer and the cluster that\n"
        "gave it.",
    .exits = "0: every answer was right\n1: one was wrong, or nothing could be started",
    .options = options,
    .run = demo_run,
};
