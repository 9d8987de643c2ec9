/* What resolver/ does to messages, done again by ldns: slowly, name by name, without
 * compression, and sharing no code with what it judges. */
#ifndef ISTHMUS_TESTS_UNIT_REFERENCE_H
#define ISTHMUS_TESTS_UNIT_REFERENCE_H

#include "resolver/encode.h"

/* What build_text() must give for the answer renamed by the map: its question mapped
 * too, without signatures, AD and OPT. Lives until build_release(). */
const char *reference_rename(struct span answer, const struct name_map *map);

/* Names in the RDATA of a type, as ldns counts them. */
unsigned reference_names_n(uint16_t type);

#endif
