/* The functions of templates, as text/template and CoreDNS define them. */
#include "resolver/gotmpl_code.h"

#include <string.h>

static int fail(struct gotmpl_call *c, const char *why)
{
    c->error = why;
    return -1;
}

static int give_bool(struct gotmpl_call *c, bool truth)
{
    c->result = (struct gotmpl_value){.type = GOTMPL_BOOL, .truth = truth};
    return 0;
}

static int give_number(struct gotmpl_call *c, uint64_t magnitude)
{
    c->result = (struct gotmpl_value){.type = GOTMPL_NUMBER, .magnitude = magnitude};
    return 0;
}

static int give_text(struct gotmpl_call *c, struct text text)
{
    c->result = (struct gotmpl_value){.type = GOTMPL_TEXT, .text = text};
    return 0;
}

/* ---- truth and comparison ---- */

bool gotmpl_is_true(const struct gotmpl_value *v, const struct gotmpl_data *data)
{
    switch (v->type) {
    case GOTMPL_NONE:
        return false;
    case GOTMPL_BOOL:
        return v->truth;
    case GOTMPL_NUMBER:
        return v->magnitude != 0;
    case GOTMPL_TEXT:
        return v->text.len > 0;
    case GOTMPL_LIST:
    case GOTMPL_GROUPS:
        return data->found->n > 0;
    case GOTMPL_QUESTION:
    case GOTMPL_QUESTIONS:
    case GOTMPL_MESSAGE:
    case GOTMPL_DATA:
    case GOTMPL_MIXED:
        break;
    }
    return true;
}

static int compare_numbers(const struct gotmpl_value *a, const struct gotmpl_value *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    int order = (a->magnitude > b->magnitude) - (a->magnitude < b->magnitude);
    return a->negative ? -order : order;
}

static int compare_texts(struct text a, struct text b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.at, b.at, shorter);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Equality of what Go calls basic kinds. 1, 0, or -1 when the two cannot be compared.
 */
static int is_equal(const struct gotmpl_value *a, const struct gotmpl_value *b)
{
    if (a->type == GOTMPL_NONE || b->type == GOTMPL_NONE)
        return a->type == b->type;
    if (a->type != b->type)
        return -1;
    if (a->type == GOTMPL_BOOL)
        return a->truth == b->truth;
    if (a->type == GOTMPL_NUMBER)
        return compare_numbers(a, b) == 0;
    return a->type == GOTMPL_TEXT ? text_equal(a->text, b->text) : -1;
}

/* `eq a b c`: whether a is one of the others. */
static int call_eq(struct gotmpl_call *c)
{
    for (uint32_t i = 1; i < c->n; i++) {
        int equal = is_equal(&c->args[0], &c->args[i]);
        if (equal < 0)
            return fail(c, "values of different types are compared");
        if (equal > 0)
            return give_bool(c, true);
    }
    return give_bool(c, false);
}

static int call_order(struct gotmpl_call *c)
{
    const struct gotmpl_value *a = &c->args[0], *b = &c->args[1];
    int order;
    if (a->type != b->type || (a->type != GOTMPL_NUMBER && a->type != GOTMPL_TEXT))
        return fail(c, "only two numbers or two texts have an order");
    order = a->type == GOTMPL_NUMBER ? compare_numbers(a, b)
                                     : compare_texts(a->text, b->text);
    if (c->function == GOTMPL_FN_LT)
        return give_bool(c, order < 0);
    if (c->function == GOTMPL_FN_LE)
        return give_bool(c, order <= 0);
    if (c->function == GOTMPL_FN_GT)
        return give_bool(c, order > 0);
    return give_bool(c, order >= 0);
}

/* ---- parts ---- */

struct gotmpl_value gotmpl_group(const struct gotmpl_data *data, const char *key)
{
    struct gotmpl_value v = {.type = GOTMPL_TEXT};
    unsigned n = 0;
    bool digits = *key != '\0' && (*key != '0' || key[1] == '\0');
    for (const char *p = key; *p != '\0' && digits; p++) {
        digits = *p >= '0' && *p <= '9' && n < 100000;
        n = n * 10 + (unsigned)(*p - '0');
    }
    if (!digits)
        n = pattern_group_named(data->pattern, key);
    if (n >= data->found->n || (!digits && n == 0))
        return (struct gotmpl_value){.type = GOTMPL_NONE};
    v.text = pattern_group(data->found, n);
    return v;
}

static int index_group(struct gotmpl_call *c, const struct gotmpl_value *key)
{
    if (key->type != GOTMPL_TEXT)
        return fail(c, "index: .Group has texts for keys");
    const char *name = arena_text(c->arena, key->text);
    if (name == NULL)
        return fail(c, "out of memory");
    c->result = gotmpl_group(c->data, name);
    c->result.type =
        GOTMPL_TEXT; /* what is not there is an empty text here, in Go too */
    return 0;
}

static int call_index(struct gotmpl_call *c)
{
    const struct gotmpl_value *from = &c->args[0], *at = &c->args[1];
    if (from->type == GOTMPL_GROUPS)
        return index_group(c, at);
    uint64_t n = from->type == GOTMPL_LIST        ? c->data->found->n
                 : from->type == GOTMPL_QUESTIONS ? 1
                                                  : from->text.len;
    if (at->type != GOTMPL_NUMBER || at->negative || at->magnitude >= n)
        return fail(c, "index: out of range");
    if (from->type == GOTMPL_LIST)
        return give_text(c, pattern_group(c->data->found, (unsigned)at->magnitude));
    if (from->type == GOTMPL_TEXT)
        return give_number(c, (unsigned char)from->text.at[at->magnitude]);
    if (from->type != GOTMPL_QUESTIONS)
        return fail(c, "index: neither list, map nor text");
    c->result = (struct gotmpl_value){.type = GOTMPL_QUESTION};
    return 0;
}

static int call_len(struct gotmpl_call *c)
{
    const struct gotmpl_value *of = &c->args[0];
    switch ((int)of->type) {
    case GOTMPL_TEXT:
        return give_number(c, of->text.len);
    case GOTMPL_LIST:
        return give_number(c, c->data->found->n);
    case GOTMPL_QUESTIONS:
        return give_number(c, 1);
    default:
        return fail(c, "len: neither list nor text");
    }
}

/* `slice text 1 3`: octets 1 and 2. */
static int call_slice(struct gotmpl_call *c)
{
    const struct gotmpl_value *of = &c->args[0];
    uint64_t at[2] = {0, of->text.len};
    if (of->type != GOTMPL_TEXT)
        return fail(c, "slice: no text");
    for (uint32_t i = 1; i < c->n; i++) {
        const struct gotmpl_value *v = &c->args[i];
        if (v->type != GOTMPL_NUMBER || v->negative || v->magnitude > of->text.len)
            return fail(c, "slice: out of range");
        at[i - 1] = v->magnitude;
    }
    if (at[0] > at[1])
        return fail(c, "slice: out of range");
    return give_text(c, (struct text){of->text.at + at[0], at[1] - at[0]});
}

/* ---- texts ---- */

#define PRINT_MAX 1024 /* octets of what print, println and printf give: four names */

static int begin_text(struct gotmpl_call *c, struct gotmpl_out *out)
{
    *out =
        (struct gotmpl_out){.at = arena_alloc(c->arena, PRINT_MAX), .cap = PRINT_MAX};
    return out->at == NULL ? fail(c, "out of memory") : 0;
}

static int end_text(struct gotmpl_call *c, int rc, const struct gotmpl_out *out)
{
    if (rc < 0)
        return fail(c, out->error);
    return give_text(c, (struct text){out->at, out->len});
}

/* Go puts blanks between two that are no texts, and with println between all. */
static int call_print(struct gotmpl_call *c)
{
    struct gotmpl_out out;
    bool lines = c->function == GOTMPL_FN_PRINTLN;
    int rc = begin_text(c, &out);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < c->n && rc == 0; i++) {
        bool texts = i > 0 && (c->args[i - 1].type == GOTMPL_TEXT ||
                               c->args[i].type == GOTMPL_TEXT);
        if (i > 0 && (lines || !texts))
            rc = gotmpl_put(&out, TEXT(" "));
        if (rc == 0)
            rc = gotmpl_format_plain(&c->args[i], &out);
    }
    if (rc == 0 && lines)
        rc = gotmpl_put(&out, TEXT("\n"));
    return end_text(c, rc, &out);
}

/* The format was checked when the template was read. */
static int call_printf(struct gotmpl_call *c)
{
    struct gotmpl_out out;
    struct gotmpl_verb v;
    struct text format = c->args[0].text;
    uint32_t next = 1;
    int rc = begin_text(c, &out);
    if (rc < 0)
        return rc;
    while (rc == 0 && gotmpl_format_next(&format, &v))
        rc = v.verb == 0 ? gotmpl_put(&out, v.text)
                         : gotmpl_format_value(&v, &c->args[next++], &out);
    return end_text(c, rc, &out);
}

/* ---- parseInt ---- */

/* As strconv.ParseUint with base 0: the prefix tells. */
static unsigned take_base(struct text *t)
{
    if (t->len < 2 || t->at[0] != '0')
        return 10;
    char c = (char)(t->at[1] | 0x20);
    unsigned base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
    *t = text_from(*t, c == 'x' || c == 'b' || c == 'o' ? 2 : 1);
    return base;
}

static unsigned digit_of(char c)
{
    char lower = (char)(c | 0x20);
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return lower >= 'a' && lower <= 'z' ? (unsigned)(lower - 'a') + 10 : 99;
}

static bool is_small(const struct gotmpl_value *v, unsigned max)
{
    return v->type == GOTMPL_NUMBER && !v->negative && v->magnitude <= max;
}

/* `parseInt TEXT BASE BITS` is strconv.ParseUint: no sign, and too large is an error.
 */
static int call_parse_int(struct gotmpl_call *c)
{
    struct text t = c->args[0].text;
    if (c->args[0].type != GOTMPL_TEXT || !is_small(&c->args[1], 36) ||
        !is_small(&c->args[2], 64) || c->args[1].magnitude == 1)
        return fail(c,
                    "parseInt: expected a text, a base of 2 to 36 and up to 64 bits");
    unsigned base = (unsigned)c->args[1].magnitude,
             bits = (unsigned)c->args[2].magnitude;
    uint64_t max = bits == 0 || bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    uint64_t n = 0;
    if (base == 0)
        base = take_base(&t);
    for (size_t i = 0; i < t.len; i++) {
        unsigned digit = digit_of(t.at[i]);
        if (digit >= base)
            return fail(c, "parseInt: the text is no number");
        if (digit > max || n > (max - digit) / base)
            return fail(c, "parseInt: the number has too many bits");
        n = n * base + digit;
    }
    return t.len == 0 ? fail(c, "parseInt: the text is no number") : give_number(c, n);
}

/* ---- all ---- */

int gotmpl_call(struct gotmpl_call *c)
{
    switch (c->function) {
    case GOTMPL_FN_NOT:
        return give_bool(c, !gotmpl_is_true(&c->args[0], c->data));
    case GOTMPL_FN_EQ:
        return call_eq(c);
    case GOTMPL_FN_NE:
        if (call_eq(c) < 0)
            return -1;
        return give_bool(c, !c->result.truth);
    case GOTMPL_FN_LT:
    case GOTMPL_FN_LE:
    case GOTMPL_FN_GT:
    case GOTMPL_FN_GE:
        return call_order(c);
    case GOTMPL_FN_LEN:
        return call_len(c);
    case GOTMPL_FN_INDEX:
        return call_index(c);
    case GOTMPL_FN_SLICE:
        return call_slice(c);
    case GOTMPL_FN_PRINT:
    case GOTMPL_FN_PRINTLN:
        return call_print(c);
    case GOTMPL_FN_PRINTF:
        return call_printf(c);
    case GOTMPL_FN_PARSEINT:
        return call_parse_int(c);
    case GOTMPL_FN_META: /* no plugin of ours has metadata: every label is empty */
        return give_text(c, TEXT(""));
    case GOTMPL_FN_NONE:
    case GOTMPL_FN_AND:
    case GOTMPL_FN_OR:
        break;
    }
    return fail(c, "no such function");
}
