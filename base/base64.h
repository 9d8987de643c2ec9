/* Base64 (RFC 4648 section 4), as kubeconfigs, Secrets and etcd have it. */
#ifndef ISTHMUS_BASE_BASE64_H
#define ISTHMUS_BASE_BASE64_H

#include "base/arena.h"

/* What `text` stands for, in the arena, NUL-terminated behind out->len; line ends in it
 * are passed over. 0, or -1: it is no base64 (or `out->at` is NULL: no memory). */
int base64_read(struct arena *a, struct text text, struct text *out);

/* In base64, NUL-terminated; NULL: no memory. */
char *base64_print(struct arena *a, struct text octets);

#endif
