#include "server/notifier.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "base/log.h"
#include "resolver/rdata.h"

#include <stdlib.h>
#include <sys/random.h>

#define MESSAGE_MAX (DNS_HEADER_LEN + NAME_WIRE_MAX + 4)
#define FIRST_MS    1000 /* until it is said again; doubled each time */
#define HANDLES     2

/* One NOTIFY on its way. */
struct notifier_try {
    uv_udp_t udp;
    uv_timer_t again;
    struct notifier *notifier;
    struct notify *what;
    struct notifier_try *next;
    unsigned tries, handles;
    uint8_t wire[MESSAGE_MAX];
    size_t len;
    uint8_t room[512]; /* for its answer */
};

void notifier_init(struct notifier *n, uv_loop_t *loop)
{
    *n = (struct notifier){.loop = loop};
    n->waiting_end = &n->waiting;
}

static void start_some(struct notifier *n);

/* ---- the end of one ---- */

static void on_closed(uv_handle_t *handle)
{
    struct notifier_try *t = handle->data;
    if (--t->handles > 0)
        return;
    free(t->what);
    free(t);
}

static void end(struct notifier_try *t)
{
    struct notifier *n = t->notifier;
    struct notifier_try **at = &n->running;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    n->running_n--;
    uv_close((uv_handle_t *)&t->udp, on_closed);
    uv_close((uv_handle_t *)&t->again, on_closed);
}

static void give_up(struct notifier_try *t, const char *why)
{
    char zone[NAME_TEXT_MAX], to[ADDR_TEXT_MAX];
    name_print(t->what->zone.wire, zone);
    log_warning(
        "plugin/transfer: notify for zone \"%s\" was not accepted by \"%s\": %s", zone,
        addr_print(&t->what->to, to), why);
    end(t);
}

/* ---- what comes back ---- */

static bool is_answer(const struct notifier_try *t, const uint8_t *at, ssize_t len)
{
    return len >= DNS_HEADER_LEN && at[0] == t->wire[0] && at[1] == t->wire[1] &&
           (at[2] & 0x80) != 0 && DNS_OPCODE(load_u16(at + 2)) == DNS_NOTIFY;
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct notifier_try *t = handle->data;
    *buf = uv_buf_init((char *)t->room, sizeof t->room);
}

static void on_answer(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf,
                      const struct sockaddr *from, unsigned flags)
{
    struct notifier_try *t = udp->data;
    char code[RDATA_MNEMONIC_MAX];
    if (!is_answer(t, t->room, len))
        return; /* an ICMP error too: perhaps it is about to start */
    uint16_t rcode = DNS_RCODE(load_u16(t->room + 2));
    struct notifier *n = t->notifier;
    if (rcode != DNS_NOERROR)
        give_up(t, rcode_print(rcode, code));
    else
        end(t);
    start_some(n);
}

/* ---- sending ---- */

static void say(uv_timer_t *timer)
{
    struct notifier_try *t = timer->data;
    struct notifier *n = t->notifier;
    uv_buf_t buf = uv_buf_init((char *)t->wire, (unsigned)t->len);
    if (t->tries == NOTIFY_TRIES) {
        give_up(t, "no answer");
        start_some(n);
        return;
    }
    uv_udp_try_send(&t->udp, &buf, 1, NULL);
    uv_timer_start(timer, say, (uint64_t)FIRST_MS << t->tries++, 0);
}

static void write_message(struct notifier_try *t)
{
    uint8_t id[2] = {0};
    struct wr wr = wr_init(t->wire, sizeof t->wire);
    if (getrandom(id, sizeof id, GRND_NONBLOCK) != (ssize_t)sizeof id)
        log_debug("plugin/transfer: no random ID to be had");
    wr_bytes(&wr, id, sizeof id);
    wr_u16(&wr, DNS_NOTIFY << 11 | DNS_AA);
    wr_u16(&wr, 1);
    wr_u16(&wr, 0);
    wr_u32(&wr, 0);
    wr_bytes(&wr, t->what->zone.wire, t->what->zone.len);
    wr_u16(&wr, DNS_SOA);
    wr_u16(&wr, DNS_IN);
    t->len = wr.at;
}

/* Where the kernel chooses it binds by connecting. 0, or an error of libuv. */
static int open_socket(struct notifier_try *t)
{
    struct sockaddr_storage to, from;
    int rc = 0;
    addr_to_sockaddr(&t->what->to, &to);
    if (t->what->source.family != 0) {
        addr_to_sockaddr(&t->what->source, &from);
        rc = uv_udp_bind(&t->udp, (const struct sockaddr *)&from, 0);
    }
    if (rc == 0)
        rc = uv_udp_connect(&t->udp, (const struct sockaddr *)&to);
    return rc == 0 ? uv_udp_recv_start(&t->udp, on_room, on_answer) : rc;
}

static void start(struct notifier *n, struct notify *what)
{
    struct notifier_try *t = calloc(1, sizeof *t);
    if (t == NULL) {
        log_error("plugin/transfer: a NOTIFY is not sent: out of memory");
        free(what);
        return;
    }
    t->notifier = n;
    t->what = what;
    t->handles = HANDLES;
    t->next = n->running;
    n->running = t;
    n->running_n++;
    uv_udp_init(n->loop, &t->udp);
    uv_timer_init(n->loop, &t->again);
    t->udp.data = t->again.data = t;
    write_message(t);
    int rc = open_socket(t);
    if (rc < 0)
        give_up(t, uv_strerror(rc));
    else
        say(&t->again);
}

static void start_some(struct notifier *n)
{
    while (n->waiting != NULL && n->running_n < NOTIFY_RUNNING_MAX && !n->stopped) {
        struct notify *what = n->waiting;
        n->waiting = what->next;
        if (n->waiting == NULL)
            n->waiting_end = &n->waiting;
        start(n, what);
    }
}

void notifier_send(struct notifier *n, struct notify **list)
{
    if (*list == NULL)
        return;
    *n->waiting_end = *list;
    *list = NULL;
    while (*n->waiting_end != NULL)
        n->waiting_end = &(*n->waiting_end)->next;
    start_some(n);
}

void notifier_stop(struct notifier *n)
{
    n->stopped = true;
    notifies_free(n->waiting);
    n->waiting = NULL;
    n->waiting_end = &n->waiting;
    while (n->running != NULL)
        end(n->running);
}
