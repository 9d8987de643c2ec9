#include "tests/unit/show.h"

#include "resolver/msg.h"
#include "tests/unit/build.h"

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct page {
    char *text;
    size_t len;
};

static void put(struct page *p, const char *word)
{
    size_t len = strlen(word);
    assert_true(p->len + len < SHOW_MAX);
    memcpy(p->text + p->len, word, len + 1);
    p->len += len;
}

/* ldns writes a tab between fields and a line end behind the record. */
static void put_record(struct page *p, const char *section, const ldns_rr *rr)
{
    char *text = ldns_rr2str(rr);
    assert_non_null(text);
    for (char *c = strchr(text, '\t'); c != NULL; c = strchr(c, '\t'))
        *c = ' ';
    put(p, section);
    put(p, text);
    free(text);
}

static void put_section(struct page *p, const char *name, const ldns_rr_list *list)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
        put_record(p, name, ldns_rr_list_rr(list, i));
}

static void put_head(struct page *p, const ldns_pkt *m)
{
    char *rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(m));
    put(p, rcode);
    free(rcode);
    if (ldns_pkt_aa(m))
        put(p, " aa");
    if (ldns_pkt_tc(m))
        put(p, " tc");
    if (ldns_pkt_ra(m))
        put(p, " ra");
    if (ldns_pkt_ad(m))
        put(p, " ad");
    if (ldns_pkt_cd(m))
        put(p, " cd");
    put(p, "\n");
}

const char *show_packet(struct span packet, char text[SHOW_MAX])
{
    struct page page = {.text = text};
    ldns_pkt *m = NULL;
    text[0] = '\0';
    assert_int_equal(ldns_wire2pkt(&m, packet.at, packet.len), LDNS_STATUS_OK);
    put_head(&page, m);
    put_section(&page, "AN ", ldns_pkt_answer(m));
    put_section(&page, "NS ", ldns_pkt_authority(m));
    put_section(&page, "AR ", ldns_pkt_additional(m));
    ldns_pkt_free(m);
    return text;
}

const char *show_reply(const struct world *w, uint64_t client, char text[SHOW_MAX])
{
    const struct fake_reply *reply = fake_io_reply(w->io, client);
    if (reply != NULL && reply->len > 0)
        return show_packet((struct span){.at = reply->wire, .len = reply->len}, text);
    memcpy(text, "none", 5);
    return text;
}

const char *show_asked(struct world *w, const char *name, uint16_t type,
                       char text[SHOW_MAX])
{
    struct world_question q = {.name = name, .type = type, .transport = TRANSPORT_TCP};
    return show_reply(w, world_ask_as(w, &q), text);
}

const char *show_through(struct world *w, const struct world_question *q,
                         const char *answer, char text[SHOW_MAX])
{
    uint64_t client = world_ask_as(w, q);
    if (answer != NULL) {
        enum transport t =
            q->transport == TRANSPORT_UDP ? TRANSPORT_UDP : TRANSPORT_TCP;
        struct world_answer a = {.message = build_answer(answer)};
        world_answer(w, world_expect(w, "10.0.0.1:53", t), &a);
    }
    world_expect_silence(w);
    return show_reply(w, client, text);
}
