#include "resolver/core.h"
#include "resolver/expr_code.h"
#include "resolver/metadata.h"
#include "resolver/rdata.h"

#include <inttypes.h>
#include <stdio.h>

struct machine {
    struct query *q;
    const struct plan_block *block;
    struct expr_value stack[EXPR_DEPTH_MAX];
    uint32_t n;
    size_t used;
    char room[EXPR_TEXT_MAX];
};

/* Every function that returns bool returns false when nothing can be true any more. */

static struct expr_value *top(struct machine *m)
{
    return &m->stack[m->n - 1];
}

static void set_truth(struct machine *m, bool truth)
{
    *top(m) = (struct expr_value){.kind = EXPR_BOOL, .truth = truth};
}

static void set_number(struct machine *m, int64_t number)
{
    *top(m) = (struct expr_value){.kind = EXPR_NUMBER, .number = number};
}

static void set_text(struct machine *m, struct text text)
{
    *top(m) = (struct expr_value){.kind = EXPR_TEXT, .text = text};
}

/* Keeps a text for the rest of the evaluation. */
static bool keep_text(struct machine *m, struct text text)
{
    if (text.len > EXPR_TEXT_MAX - m->used)
        return false;
    char *at = m->room + m->used;
    if (text.len > 0)
        memcpy(at, text.at, text.len);
    m->used += text.len;
    set_text(m, (struct text){.at = at, .len = text.len});
    return true;
}

/* ---- the question ---- */

static bool get_name(struct machine *m)
{
    char text[NAME_TEXT_MAX];
    size_t len = name_print(m->q->request.lower, text);
    return keep_text(m, (struct text){.at = text, .len = len});
}

static bool get_ip(struct machine *m, const struct addr *addr)
{
    char text[ADDR_TEXT_MAX];
    return keep_text(m, text_of(addr_print_ip(addr, text)));
}

static bool get_port(struct machine *m, const struct addr *addr)
{
    char text[8];
    snprintf(text, sizeof text, "%u", addr->port);
    return keep_text(m, text_of(text));
}

static bool get_number(struct machine *m, size_t number)
{
    set_number(m, (int64_t)number);
    return true;
}

static size_t request_len(const struct request *req)
{
    size_t len = DNS_HEADER_LEN + (size_t)req->name_len + 4;
    return len + (req->opt.present ? 11 + req->opt.options.len : 0);
}

static size_t reply_size(const struct query *q)
{
    const struct opt *opt = &q->request.opt;
    if (q->client.transport != TRANSPORT_UDP)
        return UINT16_MAX;
    return opt->present && opt->udp_size > 512 ? opt->udp_size : 512;
}

static bool get(struct machine *m, enum expr_field field)
{
    const struct query *q = m->q;
    const struct request *req = &q->request;
    char text[16];
    m->n++;
    switch (field) {
    case EXPR_BUFSIZE:
        return get_number(m, reply_size(q));
    case EXPR_CLASS:
        return keep_text(m, text_of(rdata_class_print(req->class, text)));
    case EXPR_CLIENT_IP:
        return get_ip(m, &q->client.peer);
    case EXPR_DO:
        set_truth(m, req->opt.present && req->opt.dnssec_ok);
        return true;
    case EXPR_ID:
        return get_number(m, req->id);
    case EXPR_NAME:
        return get_name(m);
    case EXPR_OPCODE:
        return get_number(m, DNS_OPCODE(req->flags));
    case EXPR_PORT:
        return get_port(m, &q->client.peer);
    case EXPR_PROTO:
        set_text(m, q->client.transport == TRANSPORT_UDP ? TEXT("udp") : TEXT("tcp"));
        return true;
    case EXPR_SERVER_IP:
        return get_ip(m, &q->client.local);
    case EXPR_SERVER_PORT:
        return get_port(m, &q->client.local);
    case EXPR_SIZE:
        return get_number(m, request_len(req));
    case EXPR_TYPE:
        return keep_text(m, text_of(rdata_type_print(req->type, text)));
    }
    return false;
}

/* ---- functions ---- */

static bool in_cidr(struct machine *m, const struct cidr *cidr)
{
    struct addr addr;
    if (addr_parse_ip(&addr, top(m)->text) < 0)
        return false;
    set_truth(m, cidr_contains(cidr, &addr));
    return true;
}

static bool in_cidr_text(struct machine *m)
{
    struct cidr cidr;
    struct text text = m->stack[--m->n].text;
    return cidr_parse(&cidr, text, NULL) == 0 && in_cidr(m, &cidr);
}

static bool metadata(struct machine *m)
{
    char label[METADATA_LABEL_MAX], value[METADATA_VALUE_MAX];
    struct text name = top(m)->text;
    size_t len = 0;
    if (name.len < sizeof label) {
        snprintf(label, sizeof label, "%.*s", (int)name.len, name.at);
        len = metadata_value(m->q, m->block, label, value);
    }
    return keep_text(m, (struct text){.at = value, .len = len});
}

static bool change_case(struct machine *m, char from, char to)
{
    if (!keep_text(m, top(m)->text))
        return false;
    struct text text = top(m)->text;
    char *at = m->room + m->used - text.len;
    for (size_t i = 0; i < text.len; i++) {
        if (at[i] >= from && at[i] <= from + 25)
            at[i] = (char)(at[i] - from + to);
    }
    return true;
}

static void trim(struct machine *m)
{
    static const char blanks[] = " \t\r\n";
    struct text *text = &top(m)->text;
    while (text->len > 0 && memchr(blanks, text->at[0], 4) != NULL)
        *text = text_from(*text, 1);
    while (text->len > 0 && memchr(blanks, text->at[text->len - 1], 4) != NULL)
        text->len--;
}

/* ---- operators ---- */

static int compare(const struct expr_value *a, const struct expr_value *b)
{
    if (a->kind == EXPR_NUMBER)
        return a->number < b->number ? -1 : a->number > b->number;
    if (a->kind == EXPR_BOOL)
        return a->truth != b->truth;
    size_t len = a->text.len < b->text.len ? a->text.len : b->text.len;
    int order = len == 0 ? 0 : memcmp(a->text.at, b->text.at, len);
    if (order != 0 || a->text.len == b->text.len)
        return order;
    return a->text.len < b->text.len ? -1 : 1;
}

static bool is_in(const struct expr_value *v, const struct expr_list *list)
{
    if (list->range)
        return v->kind == EXPR_NUMBER && v->number >= list->low &&
               v->number <= list->high;
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].kind == v->kind && compare(v, &list->items[i]) == 0)
            return true;
    }
    return false;
}

static bool ends_with(struct text a, struct text end)
{
    return a.len >= end.len && text_equal(text_from(a, a.len - end.len), end);
}

static bool add(struct machine *m, const struct expr_value *b)
{
    struct expr_value *a = top(m);
    if (a->kind == EXPR_NUMBER)
        return !__builtin_add_overflow(a->number, b->number, &a->number);
    struct text first = a->text;
    size_t from = m->used;
    if (!keep_text(m, first) || !keep_text(m, b->text))
        return false;
    set_text(m, (struct text){.at = m->room + from, .len = m->used - from});
    return true;
}

static bool calculate(struct machine *m, enum expr_op op, int64_t b)
{
    int64_t *a = &top(m)->number;
    if (op == EXPR_SUBTRACT)
        return !__builtin_sub_overflow(*a, b, a);
    if (op == EXPR_MULTIPLY)
        return !__builtin_mul_overflow(*a, b, a);
    if (b == 0 || b == -1) {
        *a = 0;
        return b != 0;
    }
    *a %= b;
    return true;
}

static bool match(struct machine *m, const struct pattern *pattern)
{
    struct pattern_found found;
    enum pattern_result result =
        pattern_match(pattern, &m->q->r->patterns, top(m)->text, &found);
    set_truth(m, result == PATTERN_MATCH);
    return result != PATTERN_GAVE_UP;
}

static bool run_binary(struct machine *m, enum expr_op op)
{
    struct expr_value b = m->stack[--m->n], a = *top(m);
    switch ((unsigned)op) {
    case EXPR_EQUAL:
        set_truth(m, compare(&a, &b) == 0);
        return true;
    case EXPR_LESS:
        set_truth(m, compare(&a, &b) < 0);
        return true;
    case EXPR_LESS_EQUAL:
        set_truth(m, compare(&a, &b) <= 0);
        return true;
    case EXPR_IN:
        set_truth(m, is_in(&a, b.list));
        return true;
    case EXPR_CONTAINS:
        set_truth(m, b.text.len == 0 ||
                         memmem(a.text.at, a.text.len, b.text.at, b.text.len) != NULL);
        return true;
    case EXPR_STARTS:
        set_truth(m, text_starts(a.text, b.text));
        return true;
    case EXPR_ENDS:
        set_truth(m, ends_with(a.text, b.text));
        return true;
    case EXPR_ADD:
        return add(m, &b);
    default:
        return calculate(m, op, b.number);
    }
}

static bool run(struct machine *m, const struct expr_instr *i)
{
    switch ((unsigned)i->op) {
    case EXPR_PUSH:
        m->stack[m->n++] = i->value;
        return true;
    case EXPR_GET:
        return get(m, i->field);
    case EXPR_INCIDR:
        return in_cidr(m, &i->cidr);
    case EXPR_INCIDR_TEXT:
        return in_cidr_text(m);
    case EXPR_METADATA:
        return metadata(m);
    case EXPR_LEN:
        set_number(m, (int64_t)top(m)->text.len);
        return true;
    case EXPR_LOWER:
        return change_case(m, 'A', 'a');
    case EXPR_UPPER:
        return change_case(m, 'a', 'A');
    case EXPR_TRIM:
        trim(m);
        return true;
    case EXPR_NOT:
        set_truth(m, !top(m)->truth);
        return true;
    case EXPR_NEGATE:
        return !__builtin_sub_overflow(0, top(m)->number, &top(m)->number);
    case EXPR_MATCHES:
        return match(m, i->pattern);
    case EXPR_FAIL:
        return false;
    default:
        return run_binary(m, i->op);
    }
}

bool expr_true(const struct expr *e, struct query *q, const struct plan_block *b)
{
    struct machine m;
    m.q = q;
    m.block = b;
    m.n = 0;
    m.used = 0;
    if (!e->condition)
        return false;
    for (uint32_t i = 0; i < e->n; i++) {
        const struct expr_instr *instr = &e->list[i];
        bool stays = instr->op == EXPR_JUMP_TRUE;
        if (instr->op == EXPR_JUMP_FALSE || instr->op == EXPR_JUMP_TRUE) {
            if (top(&m)->truth == stays)
                i = instr->to - 1;
            else
                m.n--;
        } else if (!run(&m, instr)) {
            return false;
        }
    }
    return top(&m)->truth;
}
