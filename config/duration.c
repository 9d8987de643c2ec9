#include "config/duration.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_US 1000
#define US_PER_S  INT64_C(1000000)
#define NS_MAX    ((uint64_t)INT64_MAX) /* Go's durations are nanoseconds in 63 bits */

/* One number and its unit, `1.5h`. */
struct duration_part {
    uint64_t whole;
    uint64_t fraction, scale; /* fraction / scale is what stands behind the point */
};

static bool duration_is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static bool duration_whole(const char **at, struct duration_part *part)
{
    for (; duration_is_digit(**at); (*at)++) {
        if (part->whole > NS_MAX / 10)
            return false;
        part->whole = part->whole * 10 + (uint64_t)(**at - '0');
    }
    return part->whole <= NS_MAX;
}

/* Digits that are too fine to matter are read, not kept. */
static void duration_fraction(const char **at, struct duration_part *part)
{
    for (part->scale = 1; duration_is_digit(**at); (*at)++) {
        if (part->scale > NS_MAX / 100000)
            continue;
        part->fraction = part->fraction * 10 + (uint64_t)(**at - '0');
        part->scale *= 10;
    }
}

/* Nanoseconds of the unit that begins at `at`, which is passed; 0 when it is none. */
static uint64_t duration_unit(const char **at)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"ns", 1},
        {"us", NS_PER_US},
        {"\xc2\xb5s", NS_PER_US}, /* the micro sign */
        {"\xce\xbcs", NS_PER_US}, /* the Greek letter mu */
        {"ms", 1000000},
        {"s", UINT64_C(1000000000)},
        {"m", UINT64_C(60000000000)},
        {"h", UINT64_C(3600000000000)},
    };
    size_t len = strcspn(*at, ".0123456789");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == len && strncmp(*at, units[i].name, len) == 0) {
            *at += len;
            return units[i].ns;
        }
    }
    return 0;
}

static enum duration_flaw duration_part(const char **at, uint64_t *ns)
{
    struct duration_part part = {.scale = 1};
    const char *start = *at;
    if (!duration_whole(at, &part))
        return DURATION_INVALID;
    bool digits = *at > start;
    if (**at == '.') {
        const char *point = (*at)++;
        duration_fraction(at, &part);
        digits = digits || *at > point + 1;
    }
    if (!digits)
        return DURATION_INVALID;
    if (**at == '\0' || **at == '.')
        return DURATION_NO_UNIT;
    uint64_t unit = duration_unit(at);
    if (unit == 0)
        return DURATION_BAD_UNIT;
    if (part.whole > NS_MAX / unit)
        return DURATION_INVALID;
    *ns = part.whole * unit +
          (uint64_t)((double)part.fraction * ((double)unit / (double)part.scale));
    return DURATION_GOOD;
}

enum duration_flaw duration_parse(const char *text, int64_t *us)
{
    uint64_t sum = 0, ns = 0;
    bool negative = *text == '-';
    *us = 0;
    if (*text == '-' || *text == '+')
        text++;
    if (strcmp(text, "0") == 0)
        return DURATION_GOOD;
    if (*text == '\0')
        return DURATION_INVALID;
    while (*text != '\0') {
        enum duration_flaw flaw = duration_part(&text, &ns);
        if (flaw != DURATION_GOOD)
            return flaw;
        if (ns > NS_MAX - sum)
            return DURATION_INVALID;
        sum += ns;
    }
    int64_t whole = (int64_t)(sum / NS_PER_US);
    if (whole == 0 && sum > 0)
        whole = 1;
    *us = negative ? -whole : whole;
    return DURATION_GOOD;
}

/* `1.5`, without zeros at the end. `part` counts the digits behind the point in
 * `digits`. */
static int duration_decimal(char *out, size_t cap, uint64_t value, unsigned digits)
{
    uint64_t scale = 1;
    for (unsigned i = 0; i < digits; i++)
        scale *= 10;
    uint64_t part = value % scale;
    while (digits > 0 && part % 10 == 0) {
        part /= 10;
        digits--;
    }
    if (digits == 0)
        return snprintf(out, cap, "%" PRIu64, value / scale);
    return snprintf(out, cap, "%" PRIu64 ".%0*" PRIu64, value / scale, (int)digits,
                    part);
}

char *duration_print(int64_t us, char *out)
{
    char number[DURATION_TEXT_MAX / 2];
    uint64_t n = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t minutes = n / (60 * US_PER_S);
    const char *sign = us < 0 ? "-" : "";
    bool below_s = n > 0 && n < US_PER_S;
    unsigned digits = !below_s ? 6 : n < 1000 ? 0 : 3;
    const char *unit = !below_s ? "s" : n < 1000 ? "us" : "ms";
    duration_decimal(number, sizeof number, n % (60 * US_PER_S), digits);
    if (minutes >= 60)
        snprintf(out, DURATION_TEXT_MAX, "%s%" PRIu64 "h%" PRIu64 "m%s%s", sign,
                 minutes / 60, minutes % 60, number, unit);
    else if (minutes > 0)
        snprintf(out, DURATION_TEXT_MAX, "%s%" PRIu64 "m%s%s", sign, minutes, number,
                 unit);
    else
        snprintf(out, DURATION_TEXT_MAX, "%s%s%s", sign, number, unit);
    return out;
}
