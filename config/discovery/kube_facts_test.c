#include "config/discovery/kube_facts.h"

#include "base/hash.h"
#include "config/inventory_draft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define UDP53 "\"ports\":[{\"port\":53,\"protocol\":\"UDP\"}]"

/* The DNS addresses and subnets that one object gives. */
static int read_one(kube_read *read, const char *text, char *out, size_t cap)
{
    struct arena a;
    struct kube_facts f = {0};
    char word[ADDR_TEXT_MAX];
    size_t at = 0;
    arena_init(&a, NULL, 0);
    cJSON *tree = tree_parse(text, strlen(text));
    int rc = read(&a, tree, &f);
    tree_free(tree);
    out[0] = '\0';
    for (uint32_t i = 0; i < f.draft.dns.n; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s ",
                               addr_print(&f.draft.dns.list[i], word));
    for (uint32_t i = 0; i < f.draft.services.n; i++)
        at += (size_t)snprintf(out + at, cap - at, "s%s ",
                               cidr_print(&f.draft.services.list[i], word));
    for (uint32_t i = 0; i < f.draft.pods.n; i++)
        at += (size_t)snprintf(out + at, cap - at, "p%s ",
                               cidr_print(&f.draft.pods.list[i], word));
    if (f.draft.domain.len > 0)
        name_print(f.draft.domain.wire, out + at);
    arena_release(&a);
    return rc;
}

static void objects_and_what_they_tell(void **unused)
{
    static const struct {
        kube_read *read;
        const char *text, *told;
        int rc;
    } cases[] = {
        {kube_read_service,
         "{\"metadata\":{},\"spec\":{\"clusterIPs\":[\"10.96.0.10\",\"fd00::a\"]," UDP53
         "}}",
         "10.96.0.10:53 [fd00::a]:53 ", 1},
        {kube_read_service,
         "{\"metadata\":{},\"spec\":{\"clusterIP\":\"10.96.0.10\",\"ports\":[{\"port\":"
         "9153,\"protocol\":\"TCP\"},{\"port\":5353,\"protocol\":\"UDP\"}]}}",
         "10.96.0.10:5353 ", 1},
        {kube_read_service,
         "{\"metadata\":{},\"spec\":{\"clusterIP\":\"None\"," UDP53 "}}", "", 0},
        {kube_read_service,
         "{\"metadata\":{},\"spec\":{\"clusterIP\":\"10.0.0.1\",\"ports\":[{\"port\":"
         "9153,\"protocol\":\"TCP\"}]}}",
         "", 0},
        {kube_read_service, "{\"kind\":\"Status\"}", "", -1},
        {kube_read_service, "<html>", "", -1},
        {kube_read_openshift,
         "{\"metadata\":{},\"status\":{\"clusterIP\":\"172.30.0.10\",\"clusterDomain\":"
         "\"Cluster.Example\"}}",
         "172.30.0.10:53 cluster.example.", 1},
        {kube_read_openshift, "{\"metadata\":{}}", "", 0},
        {kube_read_openshift, "[]", "", -1},
        {kube_read_service_cidr,
         "{\"spec\":{\"cidrs\":[\"10.96.0.0/12\",\"fd00::/112\"]},"
         "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
         "s10.96.0.0/12 sfd00::/112 ", 1},
        {kube_read_service_cidr, "{\"spec\":{\"cidrs\":[\"10.112.0.0/16\"]}}", "", 0},
        {kube_read_service_cidr, "{}", "", -1},
        {kube_read_kubeadm,
         "{\"data\":{\"ClusterConfiguration\":\"networking:\\n  dnsDomain: k8s.lan\\n  "
         "podSubnet: 10.244.0.0/16,fd01::/48\\n  serviceSubnet: 10.96.0.0/16\\n\"}}",
         "s10.96.0.0/16 p10.244.0.0/16 pfd01::/48 k8s.lan.", 1},
        {kube_read_kubeadm, "{\"data\":{\"ClusterConfiguration\":\"a: [\"}}", "", -1},
        {kube_read_kubeadm, "{\"data\":{}}", "", 0},
        {kube_read_kubeadm, "7", "", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char told[512];
        int rc = read_one(cases[i].read, cases[i].text, told, sizeof told);
        if (rc != cases[i].rc || strcmp(told, cases[i].told) != 0)
            fail_msg("%s: %d, %s", cases[i].text, rc, told);
    }
}

static void what_is_said_first_counts(void **unused)
{
    struct arena a;
    struct kube_facts one = {.uid = "u"}, two = {0}, all = {0};
    struct cidr c = {.family = 4, .bits = 16, .ip = {10, 1}};
    struct addr addr = {.family = 4, .ip = {10, 1, 0, 10}};
    arena_init(&a, NULL, 0);
    assert_int_equal(inventory_add_addr(&a, &one.draft.dns, &addr), 0);
    assert_int_equal(inventory_add_cidr(&a, &two.draft.services, &c), 0);
    addr.ip[3] = 11;
    assert_int_equal(inventory_add_addr(&a, &two.draft.dns, &addr), 0);
    assert_int_equal(kube_add_facts(&a, &one, &all), 0);
    assert_int_equal(kube_add_facts(&a, &two, &all), 0);
    assert_true(all.draft.dns.n == 1 && all.draft.dns.list[0].ip[3] == 10);
    assert_int_equal(all.draft.services.n, 1);
    assert_string_equal(all.uid, "u");
    arena_release(&a);
}

static void clusters_of_cluster_api(void **unused)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{\"metadata\":{\"name\":\"b\"},\"spec\":{\"clusterNetwork\":{\"services\":{"
         "\"cidrBlocks\":[\"10.97.0.0/16\"]},\"serviceDomain\":\"k8s.lan\"}}}",
         NULL},
        {"{\"metadata\":{\"name\":\"b\"},\"spec\":{\"clusterNetwork\":{\"services\":{"
         "\"cidrBlocks\":[\"10.97.0.0\"]}}}}",
         "no subnet"},
        {"{\"metadata\":{\"name\":\"b\"},\"spec\":{}}", "neither services nor dns"},
        {"{}", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        struct inventory_draft d = {0};
        char why[INVENTORY_WRONG_MAX];
        arena_init(&a, NULL, 0);
        cJSON *tree = tree_parse(cases[i].text, strlen(cases[i].text));
        int rc = kube_draft_capi(&a, tree, &d, why);
        assert_int_equal(rc, cases[i].why == NULL ? 0 : -1);
        if (rc < 0)
            assert_non_null(strstr(why, cases[i].why));
        else
            assert_true(d.services.n == 1 && d.domain.len > 0 && text_is(d.name, "b"));
        tree_free(tree);
        arena_release(&a);
    }
}

static void names_of_contexts(void **unused)
{
    static const char *const cases[][2] = {
        {"kind-a", "kind-a"},
        {"arn:aws:eks:eu-1:12:cluster/prod", "prod"},
        {"admin@c.example:6443", "admin-c.example-6443"},
        {"a/", "a-"},
        {"@@", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[64];
        kube_name_cluster(cases[i][0], name, sizeof name);
        assert_string_equal(name, cases[i][1]);
    }
}

static void the_address_of_a_node(void **unused)
{
    char address[64];
    assert_int_equal(
        kube_read_node(TEXT("{\"items\":[{\"status\":{\"addresses\":[{\"type\":"
                            "\"Hostname\",\"address\":\"n\"},{\"type\":\"InternalIP\","
                            "\"address\":\"172.18.0.3\"}]}}]}"),
                       address, sizeof address),
        0);
    assert_string_equal(address, "172.18.0.3");
    assert_int_equal(kube_read_node(TEXT("{}"), address, sizeof address), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_what_they_tell),
        cmocka_unit_test(what_is_said_first_counts),
        cmocka_unit_test(clusters_of_cluster_api),
        cmocka_unit_test(names_of_contexts),
        cmocka_unit_test(the_address_of_a_node),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("kube_facts", tests, NULL, NULL);
}
