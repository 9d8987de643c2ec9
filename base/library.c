#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

void *library_open(const char *file, const struct library_call *calls, size_t n,
                   void *table)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; handle != NULL && i < n; i++) {
        void *at = dlsym(handle, calls[i].name);
        if (at == NULL) {
            dlclose(handle);
            return NULL;
        }
        /* ISO C has no cast from what dlsym() gives to a function. */
        memcpy((char *)table + calls[i].at, &at, sizeof at);
    }
    return handle;
}

void library_close(void *handle)
{
    if (handle != NULL)
        dlclose(handle);
}
