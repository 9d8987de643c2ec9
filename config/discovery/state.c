/* The last known map of a source, on disk: what is served at a start while the source
 * itself cannot be had. */
#include "config/discovery/discovery_own.h"

void discovery_restore(struct discovery *d)
{
}

void discovery_save(struct discovery *d, bool now)
{
}
