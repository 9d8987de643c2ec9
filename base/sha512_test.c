#include "base/sha512.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *hex(const uint8_t digest[SHA512_LEN], char text[2 * SHA512_LEN + 1])
{
    for (unsigned i = 0; i < SHA512_LEN; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}

/* Whole, and octet by octet. */
static void check(const void *from, size_t len, const char *expected)
{
    char text[2 * SHA512_LEN + 1];
    uint8_t digest[SHA512_LEN];
    struct sha512 s;
    sha512_init(&s);
    sha512_add(&s, from, len);
    sha512_end(&s, digest);
    assert_string_equal(hex(digest, text), expected);
    sha512_init(&s);
    for (size_t i = 0; i < len; i++)
        sha512_add(&s, (const uint8_t *)from + i, 1);
    sha512_end(&s, digest);
    assert_string_equal(hex(digest, text), expected);
}

/* The example of FIPS 180-4. */
static void abc_is_as_in_the_standard(void **unused)
{
    check("abc", 3,
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

/* Around the ends of blocks, with and without room for the length; by sha512sum. */
static void every_length_ends_right(void **unused)
{
    static const struct {
        size_t len;
        char octet;
        const char *expected;
    } cases[] = {
        {0, 'a',
         "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
         "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
        {1, 'a',
         "1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f53"
         "02860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75"},
        {111, 'b',
         "419c4a5a61a60515b115bc4c67f412b9d5e3a9b044451cccf91fd9cf917ff148"
         "8c05942ea6598d2fc40183befd85786cff8ac0bcd5fd7fff666968a198f22e21"},
        {112, 'b',
         "fd29e3caf85c0e469f0f157a3d8dad942e776c4cf8fcd1e10fc5592af6024ade"
         "7e2c163a127cee9f6053311cae50c40d682260c8f1d4d2b63608a55a66e44f1d"},
        {127, 'c',
         "0f9d1ae89709cbfd900a53947d3e873864bd7e3c6b5024ca80fa2b4691b21b63"
         "4db79a41a006f9abca20b4943ddeb3b3a68b0cd3c3858d17e69af8e702487a6e"},
        {128, 'c',
         "1cadae2171fd051aa72f31d7d11d232d867e9823e0da1fab3f40288c46c009ab"
         "a8a378454514fa6756d00c1037ffbc32b3716df881569c545a2e190ce426c79b"},
        {129, 'c',
         "e8cf4f792e6653d0ceb6e0151b0b5cd4dbf3b1444d213e1e63bf73b3891a07b6"
         "600929be2dc6d9a38912b4afc5020f42072e88a490e24475d28efcc944354194"},
        {1000, 'd',
         "34179a2e2771e4dcd975df4361abb0b7b3cc287d981eb230bb2c965ff73ce6c3"
         "50ddcc1484faa4ae29c83193bd28e552b35930abd8959acf307238836e416eb8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000];
        memset(text, cases[i].octet, sizeof text);
        check(text, cases[i].len, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abc_is_as_in_the_standard),
        cmocka_unit_test(every_length_ends_right),
    };
    return cmocka_run_group_tests_name("sha512", tests, NULL, NULL);
}
