/* What the plugins say of themselves, from the tables that also parse their options: on
 * the terminal (`isthmus plugins NAME`) and as the second half of the manual page. */
#ifndef ISTHMUS_SERVER_MANUAL_H
#define ISTHMUS_SERVER_MANUAL_H

/* `isthmus plugins`: a line each. `isthmus plugins NAME`: its options. `isthmus plugins
 * --man`: the sections PLUGINS and LIMITS of isthmus-corefile(5) in roff. Returns the
 * exit status. */
int manual_run(int argc, char **argv);

#endif
