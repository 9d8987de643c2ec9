/* YAML 1.1 texts, as kubeconfigs are, by libyaml, which is loaded when the first one is
 * read.
 *
 * Every scalar becomes a text, but for plain `true`, `false` and nothing or `null`: who
 * asks for a text gets "10" as it stands. Anchors, aliases, merges and tags are
 * refused: no kubeconfig has them, and ten lines of them can stand for a gigabyte. */
#ifndef ISTHMUS_CONFIG_YAML_H
#define ISTHMUS_CONFIG_YAML_H

#include "base/error.h"
#include "base/tree.h"

#define YAML_MEND                                                                      \
    "YAML needs libyaml-0.so.2, which cannot be loaded: install libyaml-0-2"

/* The tree of the one document that `text` is. NULL after adding an error with file and
 * line. Freed by tree_free(). */
cJSON *yaml_parse(const char *file, struct text text, struct errors *errs);

#endif
