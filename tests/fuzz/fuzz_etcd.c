/* Any keys and values below a path of etcd, and any question: there is one reply, which
 * ldns can read. A line for the question, then one for each record:
 *
 *     A web.test
 *     web/a {"host": "192.0.2.1"} */
#include "base/hash.h"
#include "base/log.h"
#include "resolver/plugins/etcd/etcd_own.h"
#include "resolver/rdata.h"
#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <assert.h>
#include <stdlib.h>

#define PREFIX      "/skydns/test/"
#define RECORDS_MAX 200
#define KEY_MAX     300

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    log_set_level(LOG_FATAL);
    return hash_seed() < 0 || rdata_start() < 0 ? -1 : 0;
}

static struct text take(struct text *rest, char end)
{
    const char *at = rest->len == 0 ? NULL : memchr(rest->at, end, rest->len);
    struct text part = {rest->at, at == NULL ? rest->len : (size_t)(at - rest->at)};
    *rest = text_from(*rest, part.len + 1);
    return part;
}

static const struct etcd *etcd_of(const struct world *w)
{
    return ((const struct etcd_plugin *)w->plan->blocks[0].chain[0].state)->list;
}

static void put(struct skydns_map *m, struct text line)
{
    char key[KEY_MAX], why[SKYDNS_WHY_MAX];
    struct text path = take(&line, ' ');
    if (sizeof PREFIX + path.len > sizeof key)
        return;
    memcpy(key, PREFIX, sizeof PREFIX - 1);
    if (path.len > 0)
        memcpy(key + sizeof PREFIX - 1, path.at, path.len);
    struct skydns *s =
        skydns_new((struct text){key, sizeof PREFIX - 1 + path.len}, 8, &line, why);
    assert(s != NULL && (why[0] != '\0' || !s->bad));
    assert(skydns_ttl(s, 0, 1, 2) > 0);
    if (skydns_map_put(m, s) < 0)
        abort();
}

static void ask(struct world *w, struct text question)
{
    char text[SHOW_MAX], asked[NAME_TEXT_MAX];
    uint16_t type;
    struct name name;
    if (rdata_type_parse(take(&question, ' '), &type) < 0 ||
        name_parse(&name, question) < 0 ||
        !name_under(name.wire, build_name("test"), NULL))
        return;
    name_print(name.wire, asked);
    uint64_t client =
        world_ask_as(w, &(struct world_question){
                            .name = asked, .type = type, .transport = TRANSPORT_TCP});
    show_reply(w, client, text);
    assert(strcmp(text, "none") != 0 && strncmp(text, "malformed", 9) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct text rest = {(const char *)data, len};
    struct text question = take(&rest, '\n');
    struct world w;
    world_load(&w, "test {\n etcd\n}\n");
    struct skydns_map *m = skydns_source_map(*etcd_of(&w)->source);
    for (unsigned n = 0; rest.len > 0 && n < RECORDS_MAX; n++)
        put(m, take(&rest, '\n'));
    if (skydns_map_publish(m) < 0)
        abort();
    feeds_refresh(&w.plan->feeds, w.now_us);
    ask(&w, question);
    world_close(&w);
    build_release();
    return 0;
}
