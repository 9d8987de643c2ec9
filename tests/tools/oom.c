/* MODE=oom: the allocations of our own modules are counted here, and the one whose
 * number stands in ISTHMUS_OOM fails, as do all after it when ISTHMUS_OOM_ALL is set.
 * Without the first nothing fails. tests/tools/run-tests.sh goes through the numbers
 * one after another. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void *oom_malloc(size_t size);
void *oom_calloc(size_t n, size_t size);
void *oom_realloc(void *old, size_t size);

static atomic_ulong count;

/* At exit the runner learns from this line whether the number was ever reached. */
static void report(void)
{
    fprintf(stderr, "oom: %lu allocations\n", atomic_load(&count));
}

static bool fails(void)
{
    const char *number = getenv("ISTHMUS_OOM");
    unsigned long now = atomic_fetch_add(&count, 1) + 1;

    if (now == 1)
        atexit(report);
    if (number == NULL)
        return false;
    unsigned long chosen = strtoul(number, NULL, 10);
    return now == chosen || (now > chosen && getenv("ISTHMUS_OOM_ALL") != NULL);
}

void *oom_malloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

void *oom_calloc(size_t n, size_t size)
{
    return fails() ? NULL : calloc(n, size);
}

void *oom_realloc(void *old, size_t size)
{
    return fails() ? NULL : realloc(old, size);
}
