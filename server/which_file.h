/* The Corefile that a command is about when none is named: that of the running server,
 * when one answers; else ./Corefile; else WHICH_FILE_INSTALLED.
 *
 *     struct which_file w;
 *     which_file(&w, l, true);
 *     if (w.whose != NULL)
 *         printf("%s, %s\n", w.conf, w.whose);
 *     which_file_release(&w); */
#ifndef ISTHMUS_SERVER_WHICH_FILE_H
#define ISTHMUS_SERVER_WHICH_FILE_H

#include "server/command.h"

#define WHICH_FILE_INSTALLED "/etc/isthmus/Corefile"

struct which_file {
    const char *conf; /* NULL: there is none, so ./Corefile is missed */
    const char
        *whose; /* for whoever is to know it; NULL: it was named, or is missing */
    char *live; /* its own */
};

/* Named is what --conf says. The server is asked by the option --control, where
 * `ask_server`. */
void which_file(struct which_file *w, const struct command_line *l, bool ask_server);
void which_file_release(struct which_file *w);

#endif
