/* kubeconfigs: how to reach the APIs of clusters, and as whom.
 *
 *     k = kubeconfig_read("/root/.kube/config", &errs);
 *     if (kubeconfig_context(k, "kind-a", &c, &errs) == 0) ...
 *     kubeconfig_free(k);
 *
 * Several files, with colons between them as in $KUBECONFIG, are one: the first that
 * has a name says what it means. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_KUBECONFIG_H
#define ISTHMUS_CONFIG_DISCOVERY_KUBECONFIG_H

#include "base/arena.h"
#include "base/error.h"
#include "base/tree.h"

/* Where one context leads. Texts, NULL: none, live as long as the kubeconfig and the
 * arena that they were read into. */
struct kube_context {
    const char *name;
    const char *server;  /* its URL; a path in it stays in front of all others */
    const char *ca;      /* PEM, as cert and key */
    const char *ca_data; /* the same in base64, where the file has it so */
    const char *cert, *key;
    const char *token, *token_file;
    const char *user, *password;
    const char *server_name; /* that the certificate is for, if it is another */
    const char *proxy;
    bool insecure;     /* the file asks for no verification */
    const cJSON *exec; /* a program that knows the credentials (kube_exec.h) */
};

struct kubeconfig;

/* NULL after adding an error. */
struct kubeconfig *kubeconfig_read(const char *paths, struct errors *errs);
void kubeconfig_free(struct kubeconfig *k); /* NULL is fine */

const char *kubeconfig_current(const struct kubeconfig *k); /* NULL: not said */

/* The name of the i-th context, each once; NULL behind the last. */
const char *kubeconfig_name(const struct kubeconfig *k, uint32_t i);

/* Changes when any of the files does; what they name is not among it. */
uint64_t kubeconfig_digest(const struct kubeconfig *k);

/* The same without reading them. */
uint64_t kubeconfig_stamp(const char *paths);

/* 0, or -1 after adding an error. No credential is part of one. Several threads may ask
 * at once, each with its own arena. */
int kubeconfig_context(const struct kubeconfig *k, const char *name, struct arena *a,
                       struct kube_context *out, struct errors *errs);

#endif
