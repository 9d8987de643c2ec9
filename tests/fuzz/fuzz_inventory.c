/* Any text as an inventory: it brings records or errors, in bounded time. Read twice:
 * what is known by its digest is the same the second time. */
#include "base/hash.h"
#include "config/inventory_json.h"

#include <assert.h>
#include <stdlib.h>

#define KNOWN_MAX 64

struct seen {
    uint64_t digests[KNOWN_MAX];
    uint32_t n, again;
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return hash_seed();
}

/* All of a record can be read, and a copy of it says the same. */
static int put(void *context, struct inventory_record *r, struct errors *errs)
{
    struct seen *s = context;
    char text[NAME_TEXT_MAX], addr[ADDR_TEXT_MAX];
    for (unsigned i = 0; i < r->zones_n; i++)
        name_print(inventory_zone(r, i), text);
    for (unsigned i = 0; i < r->services_n; i++)
        cidr_print(&inventory_services(r)[i], addr);
    for (unsigned i = 0; i < r->pods_n; i++)
        cidr_print(&inventory_pods(r)[i], addr);
    for (unsigned i = 0; i < r->dns_n; i++)
        addr_print(&inventory_dns(r)[i], addr);
    if (inventory_domain(r) != NULL)
        name_print(inventory_domain(r), text);
    assert(inventory_name(r)[0] != '\0');
    assert(inventory_same(r, r));
    if (s->n < KNOWN_MAX && r->digest != 0)
        s->digests[s->n++] = r->digest;
    inventory_record_drop(r);
    return 0;
}

static bool known(void *context, uint64_t digest)
{
    struct seen *s = context;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->digests[i] == digest) {
            s->again++;
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct seen seen = {0};
    struct errors errs;
    struct text text = {.at = (const char *)data, .len = len};
    struct inventory_sink sink = {.context = &seen, .put = put};
    errors_init(&errs);
    enum inventory_result first = inventory_read_json("f", text, &sink, &errs);
    assert(first == INVENTORY_WHOLE || errs.n > 0);
    uint32_t n = seen.n;
    sink.known = known;
    inventory_read_json("f", text, &sink, &errs);
    assert(n == KNOWN_MAX || seen.again >= n);
    errors_release(&errs);
    return 0;
}
