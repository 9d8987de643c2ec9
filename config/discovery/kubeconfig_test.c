#include "config/discovery/kubeconfig.h"

#include "base/hash.h"
#include "config/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static char place[] = "/tmp/isthmus-kubeconfig-XXXXXX";
static char path[2][128];

static void put(unsigned i, const char *text)
{
    snprintf(path[i], sizeof path[i], "%s/%u", place, i);
    FILE *f = fopen(path[i], "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char two[] =
    "apiVersion: v1\n"
    "kind: Config\n"
    "current-context: kind-a\n"
    "contexts:\n"
    "- {name: kind-a, context: {cluster: kind-a, user: kind-a}}\n"
    "- name: rancher\n"
    "  context:\n"
    "    cluster: r\n"
    "    user: r\n"
    "clusters:\n"
    "- name: kind-a\n"
    "  cluster:\n"
    "    server: https://127.0.0.1:6443\n"
    "    certificate-authority-data: Q0E=\n"
    "- name: r\n"
    "  cluster: {server: 'https://rancher.example/k8s/clusters/c-1', "
    "insecure-skip-tls-verify: true, tls-server-name: api, proxy-url: "
    "'socks5://10.0.0.1:1080'}\n"
    "users:\n"
    "- name: kind-a\n"
    "  user:\n"
    "    client-certificate-data: Q0VSVA==\n"
    "    client-key-data: S0VZ\n"
    "- name: r\n"
    "  user: {tokenFile: 1}\n";

static struct kubeconfig *read_good(const char *paths)
{
    struct errors errs;
    errors_init(&errs);
    struct kubeconfig *k = kubeconfig_read(paths, &errs);
    if (k == NULL)
        errors_print(&errs, stderr);
    assert_non_null(k);
    errors_release(&errs);
    return k;
}

static struct arena arena; /* of what is read of contexts */

static void contexts_say_where_and_as_whom(void **unused)
{
    struct kube_context c;
    struct errors errs;
    errors_init(&errs);
    put(0, two);
    struct kubeconfig *k = read_good(path[0]);
    assert_string_equal(kubeconfig_current(k), "kind-a");
    assert_string_equal(kubeconfig_name(k, 1), "rancher");
    assert_null(kubeconfig_name(k, 2));
    assert_int_equal(kubeconfig_context(k, "kind-a", &arena, &c, &errs), 0);
    assert_string_equal(c.server, "https://127.0.0.1:6443");
    assert_string_equal(c.ca, "CA");
    assert_string_equal(c.cert, "CERT");
    assert_string_equal(c.key, "KEY");
    assert_false(c.insecure);
    assert_null(c.token_file);
    assert_int_equal(kubeconfig_context(k, "rancher", &arena, &c, &errs), 0);
    assert_string_equal(c.server, "https://rancher.example/k8s/clusters/c-1");
    assert_string_equal(c.server_name, "api");
    assert_string_equal(c.proxy, "socks5://10.0.0.1:1080");
    assert_true(c.insecure);
    put(1, "");
    assert_string_equal(c.token_file, path[1]); /* beside the kubeconfig */
    assert_int_equal(kubeconfig_context(k, "x", &arena, &c, &errs), -1);
    assert_non_null(strstr(errs.list[0].text, "there is no context x"));
    kubeconfig_free(k);
    errors_release(&errs);
}

static void of_several_files_the_first_counts(void **unused)
{
    struct kube_context c;
    struct errors errs;
    char paths[400];
    errors_init(&errs);
    put(0, two);
    put(1,
        "{\"contexts\": [{\"name\": \"b\", \"context\": {\"cluster\": \"b\"}}, "
        "{\"name\": \"kind-a\", \"context\": {\"cluster\": \"b\"}}],"
        "\"clusters\": [{\"name\": \"b\", \"cluster\": {\"server\": \"http://b\"}}]}");
    snprintf(paths, sizeof paths, "%s/nowhere:%s::%s", place, path[0], path[1]);
    struct kubeconfig *k = read_good(paths);
    assert_string_equal(kubeconfig_name(k, 2), "b");
    assert_null(kubeconfig_name(k, 3));
    assert_int_equal(kubeconfig_context(k, "b", &arena, &c, &errs), 0);
    assert_string_equal(c.server, "http://b");
    assert_int_equal(kubeconfig_context(k, "kind-a", &arena, &c, &errs), 0);
    assert_string_equal(c.ca, "CA");
    kubeconfig_free(k);
    errors_release(&errs);
}

#define ONE(cluster, user)                                                             \
    "contexts: [{name: a, context: {cluster: a, user: a}}]\n"                          \
    "clusters: [{name: a, cluster: " cluster "}]\n"                                    \
    "users: [{name: a, user: " user "}]\n"

static void what_is_wrong_is_said(void **unused)
{
    static const struct {
        const char *text, *why;
        uint32_t line;
    } cases[] = {
        {"a: [", "no YAML", 2},
        {"", "empty", 1},
        {"a: &x 1\nb: *x\n", "anchors", 1},
        {"a: 1\n---\nb: 1\n", "second document", 2},
        {"a:\n  ? [x]\n  : y\n", "no text", 2},
        {"[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "too deep", 1},
        {ONE("{}", "{}"), "server: missing", 0},
        {ONE("{server: x, certificate-authority-data: '*'}", "{}"), "no base64", 0},
        {ONE("{server: x}", "{client-certificate-data: QQ==}"), "give both", 0},
        {ONE("{server: x}", "{auth-provider: {name: gcp}}"), "no more", 0},
        {"contexts: [{name: a, context: {cluster: b}}]", "cluster b is not there", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kube_context c;
        struct errors errs;
        errors_init(&errs);
        put(0, cases[i].text);
        struct kubeconfig *k = kubeconfig_read(path[0], &errs);
        if (k != NULL)
            assert_int_equal(kubeconfig_context(k, "a", &arena, &c, &errs), -1);
        assert_int_equal(errs.n, 1);
        if (strstr(errs.list[0].text, cases[i].why) == NULL)
            fail_msg("'%s' gives: %s", cases[i].text, errs.list[0].text);
        assert_int_equal(errs.list[0].at.line, cases[i].line);
        kubeconfig_free(k);
        errors_release(&errs);
    }
}

/* A thousand: whoever compared each with each would be noticed. */
static void many_contexts_are_told_in_their_order(void **unused)
{
    struct kube_context c;
    struct errors errs;
    enum { MANY = 1000 };
    char *text = NULL, name[32];
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    errors_init(&errs);
    fputs("contexts:\n", out);
    for (int i = 0; i < MANY; i++)
        fprintf(out, "- {name: c%d, context: {cluster: a}}\n", i % (MANY / 2));
    fputs("clusters: [{name: a, cluster: {server: x}}]\n", out);
    fclose(out);
    put(0, text);
    struct kubeconfig *k = read_good(path[0]);
    for (uint32_t i = 0; i < MANY / 2; i++) {
        snprintf(name, sizeof name, "c%u", i);
        assert_string_equal(kubeconfig_name(k, i), name);
    }
    assert_null(kubeconfig_name(k, MANY / 2));
    assert_int_equal(kubeconfig_context(k, "c499", &arena, &c, &errs), 0);
    kubeconfig_free(k);
    errors_release(&errs);
    free(text);
}

static void scalars_of_yaml(void **unused)
{
    struct errors errs;
    errors_init(&errs);
    cJSON *tree = yaml_parse(
        "x",
        TEXT("a: true\nb: 'true'\nc: 010\nd: ~\ne: [x, \"\\t\\\"\"]\nf: |\n  two\n  "
             "lines\n"),
        &errs);
    assert_true(tree_is(tree, "a"));
    assert_string_equal(tree_text_of(tree, "b"), "true");
    assert_string_equal(tree_text_of(tree, "c"), "010");
    assert_int_equal(tree_get(tree, "d")->type, cJSON_NULL);
    assert_string_equal(tree_get(tree, "e")->child->valuestring, "x");
    assert_string_equal(tree_get(tree, "e")->child->next->valuestring, "\t\"");
    assert_string_equal(tree_text_of(tree, "f"), "two\nlines\n");
    tree_free(tree);
    errors_release(&errs);
}

static int open_place(void **unused)
{
    arena_init(&arena, NULL, 0);
    return mkdtemp(place) == NULL || hash_seed() < 0 ? -1 : 0;
}

static int close_place(void **unused)
{
    arena_release(&arena);
    for (unsigned i = 0; i < 2; i++)
        unlink(path[i]);
    return rmdir(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_say_where_and_as_whom),
        cmocka_unit_test(of_several_files_the_first_counts),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(many_contexts_are_told_in_their_order),
        cmocka_unit_test(scalars_of_yaml),
    };
    return cmocka_run_group_tests_name("kubeconfig", tests, open_place, close_place);
}
