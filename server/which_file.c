#include "server/which_file.h"

#include "base/tree.h"
#include "server/control_client.h"

#include <stdlib.h>
#include <unistd.h>

/* By its whole path, if it can be seen from here. */
static char *live_file(const struct command_line *l)
{
    cJSON *status = control_try(l, (const char *const[]){"status", NULL});
    const char *path = tree_text_of(tree_get(status, "config"), "path");
    char *file = access(path, F_OK) < 0 ? NULL : strdup(path);
    tree_free(status);
    return file;
}

void which_file(struct which_file *w, const struct command_line *l, bool ask_server)
{
    *w = (struct which_file){.conf = command_value(l, "conf")};
    if (w->conf != NULL)
        return;
    w->live = ask_server ? live_file(l) : NULL;
    if (w->live != NULL)
        *w = (struct which_file){w->live, "the running server's", w->live};
    else if (access("Corefile", F_OK) == 0)
        *w = (struct which_file){"Corefile", "of this folder", NULL};
    else if (access(WHICH_FILE_INSTALLED, F_OK) == 0)
        *w = (struct which_file){WHICH_FILE_INSTALLED, "as none is in this folder",
                                 NULL};
}

void which_file_release(struct which_file *w)
{
    free(w->live);
    *w = (struct which_file){.conf = NULL};
}
