/* Base64 (RFC 4648): section 4, as kubeconfigs, Secrets and etcd have it, and section
 * 5, as URLs do. */
#ifndef ISTHMUS_BASE_BASE64_H
#define ISTHMUS_BASE_BASE64_H

#include "base/arena.h"

#include <sys/types.h>

/* What `text` stands for, in the arena, NUL-terminated behind out->len; line ends in it
 * are passed over. 0, or -1: it is no base64 (or `out->at` is NULL: no memory). */
int base64_read(struct arena *a, struct text text, struct text *out);

/* base64url without padding, in place. Returns octets, or -1: it is none. */
ssize_t base64url_read(uint8_t *text, size_t len);

/* In base64, NUL-terminated; NULL: no memory. */
char *base64_print(struct arena *a, struct text octets);

/* Characters that so many octets become in base64url without padding. */
#define BASE64URL_LEN(n) (((n)*4 + 2) / 3)

/* Writes those to `to`, without a NUL. Returns how many. */
size_t base64url_print(char *to, struct span octets);

#endif
