/* What a source over HTTP shows and believes: from file names to connections. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_ACCESS_H
#define ISTHMUS_CONFIG_DISCOVERY_ACCESS_H

#include "base/sha512.h"
#include "config/discovery/discovery.h"
#include "config/discovery/http.h"

struct reader;

/* A copy of its own. 0, or -1: no memory; to be released all the same. */
int access_keep(struct discovery_access *to, const struct discovery_access *from);
void access_release(struct discovery_access *a);

/* An endpoint that an option names. -1: the error is said, for it has a user, and logs
 * and pages show it; `option` is where the user belongs. */
int access_check_endpoint(struct reader *rd, const char *endpoint, const char *option);

/* Likewise for the SOURCE of an inventory, if it is a URL: a path may have an `@`. */
int access_check_source(struct reader *rd, const char *source);

/* Reads the files, and is ready to ask. NULL: `why` (HTTP_WHY_MAX) says what is wrong.
 */
struct http *access_open(const struct discovery_access *a, int stop_fd, char *why);

/* The same; what the access does not say is as in `more`. */
struct http *access_open_with(const struct discovery_access *a,
                              const struct http_settings *more, char *why);

/* What the password file says now, in the arena. NULL: there is none to be had. */
const char *access_password(struct arena *arena, const struct discovery_access *a,
                            char *why);

/* All that it says; nothing is added when it says nothing. */
void access_digest(const struct discovery_access *a, struct sha512 *s);

#endif
