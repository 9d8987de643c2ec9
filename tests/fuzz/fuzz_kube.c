/* Any text as an object of an API of Kubernetes, and as YAML: something is told of it
 * or it is refused, in bounded time. */
#include "base/hash.h"
#include "config/discovery/kube_facts.h"
#include "config/inventory_draft.h"
#include "config/yaml.h"

#include <assert.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return hash_seed();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static kube_read *const readers[] = {kube_read_service, kube_read_openshift,
                                         kube_read_service_cidr, kube_read_kubeadm};
    struct text text = {.at = (const char *)data, .len = len};
    struct arena a;
    struct errors errs;
    char address[16];
    arena_init(&a, NULL, 0);
    cJSON *object = tree_parse(text.at, text.len);
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        struct kube_facts f = {0};
        int rc = readers[i](&a, object, &f);
        assert(rc >= -1 && rc <= 1);
    }
    struct inventory_draft draft = {0};
    char why[INVENTORY_WRONG_MAX];
    kube_draft_capi(&a, object, &draft, why);
    tree_free(object);
    kube_read_node(text, address, sizeof address);
    errors_init(&errs);
    cJSON *tree = yaml_parse("f", text, &errs);
    assert(tree != NULL || errs.n > 0);
    tree_free(tree);
    errors_release(&errs);
    arena_release(&a);
    return 0;
}
