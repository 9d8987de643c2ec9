#include "server/command.h"

const struct command *const command_list[] = {
#define COMMAND(symbol, name) &command_##symbol,
#include "server/commands.def"
#undef COMMAND
    NULL,
};

struct command_words command_names(void)
{
    static const char *const list[] = {
#define COMMAND(symbol, name) name,
#include "server/commands.def"
#undef COMMAND
    };
    return (struct command_words){list, sizeof list / sizeof list[0]};
}
