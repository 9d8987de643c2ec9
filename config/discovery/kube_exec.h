/* Programs that know credentials, as `exec` in a kubeconfig names them
 * (client.authentication.k8s.io/v1): run without a shell, told by the environment what
 * is asked for, and heard on standard output. Their standard error goes nowhere: it may
 * have secrets in it. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_KUBE_EXEC_H
#define ISTHMUS_CONFIG_DISCOVERY_KUBE_EXEC_H

#include "config/discovery/kubeconfig.h"

#define KUBE_WHY_MAX 256

struct kube_credential {
    const char *token, *cert, *key; /* PEM; NULL: none */
    uint64_t expires_s;             /* UTC; 0: not said */
};

/* Runs what the context says, for a minute at most, until `stop_fd` (-1: none) is
 * readable. Texts are in the arena. 0, or -1 with the reason. */
int kube_exec(struct arena *a, const struct kube_context *c, int stop_fd,
              struct kube_credential *out, char *why);

#endif
