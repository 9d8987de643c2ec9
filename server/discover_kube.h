/* `isthmus discover --kubeconfig`: what the APIs of clusters tell, and whether their
 * DNS can be reached from here. */
#ifndef ISTHMUS_SERVER_DISCOVER_KUBE_H
#define ISTHMUS_SERVER_DISCOVER_KUBE_H

struct command_line;

/* Returns the exit status. */
int discover_kube(const struct command_line *l);

#endif
