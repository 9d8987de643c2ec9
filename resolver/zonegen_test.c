#include "resolver/zonegen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The lines with `|` for their ends, or `!` and the reason. */
static void expect(const char *rest, const char *lines)
{
    struct arena a;
    const char *why;
    char text[2048];
    arena_init(&a, NULL, 0);
    struct text got = zonegen_expand(&a, rest, &why);
    if (got.at == NULL)
        snprintf(text, sizeof text, "!%s", why);
    else
        snprintf(text, sizeof text, "%.*s", (int)got.len, got.at);
    for (char *p = text; (p = strchr(p, '\n')) != NULL;)
        *p = '|';
    arena_release(&a);
    if (got.at == NULL ? strstr(text, lines) == NULL : strcmp(text, lines) != 0)
        fail_msg("%s: %s, not %s", rest, text, lines);
}

static void each_number_makes_a_line(void **unused)
{
    expect(" 1-3 h$ A 10.0.0.$", "h1 A 10.0.0.1|h2 A 10.0.0.2|h3 A 10.0.0.3|");
    expect("0-30/20 h$ A 10.0.0.$", "h0 A 10.0.0.0|h20 A 10.0.0.20|");
    expect("7-7 @ TXT \"$$ \\$ \\\\ \\.\" $", "@ TXT \"$ $ \\\\ \\.\" 7|");
}

static void modifiers_shift_pad_and_change_the_base(void **unused)
{
    expect("9-10 a${0} b${5} c${-9} d${0,3} e${1,4,x} f${246,0,X} g${0,0,o}",
           "a9 b14 c0 d009 e000a fFF g11|a10 b15 c1 d010 e000b f100 g12|");
}

static void what_cannot_be_meant_is_told(void **unused)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "1",
                                        "1-",
                                        "2-1 x",
                                        "1-3/0 x",
                                        "1-3/-1 x",
                                        "1-65537 x",
                                        "1-3",
                                        "-1-3 x",
                                        "1-3x y",
                                        "0-99999999999 x",
                                        "0-9999999999 x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect(wrong[i], "FIRST-LAST");
    static const char *const bad[] = {"1-2 ${",    "1-2 ${}",      "1-2 ${x}",
                                      "1-2 ${0,}", "1-2 ${0,0,b}", "1-2 ${0,0,d,1}",
                                      "1-2 ${-2}", "1-2 ${0,256}", "1-2 ${2147483647}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect(bad[i], "OFFSET");
}

static void there_is_an_end(void **unused)
{
    enum { LONG = 400 };
    char rest[LONG + 20] = "1-65536 ";
    memset(rest + 8, 'x', LONG);
    expect(rest, "16 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_number_makes_a_line),
        cmocka_unit_test(modifiers_shift_pad_and_change_the_base),
        cmocka_unit_test(what_cannot_be_meant_is_told),
        cmocka_unit_test(there_is_an_end),
    };
    return cmocka_run_group_tests_name("zonegen", tests, NULL, NULL);
}
