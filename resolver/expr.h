/* Conditions over a question, in the part of expr-lang that views need
 * (coredns-reference 1.11):
 *
 *     type() in ['A', 'AAAA'] && incidr(client_ip(), '10.0.0.0/8')
 *     name() matches '^www\\.' or not (server_port() == '53')
 *
 * Functions of the question: bufsize class client_ip do id name opcode port proto
 * server_ip server_port size type. Others: incidr(ip, cidr), metadata(label),
 * len(text), lower, upper, trim. Operators, loosest first: or ||, and &&, == != < > <=
 * >= in contains startsWith endsWith matches (each of these words also behind `not`), +
 * -,
 * * %, not !. Values are truths, texts in '' "" or ``, whole numbers, and for `in`
 * lists of such, [1, 2], and ranges, 1..9.
 *
 * Kinds are checked when a condition is compiled, so that `port() == 53` (a text and a
 * number) is told at start. What cannot be computed for a question (an address that is
 * none, a regular expression over its budget) makes the whole condition false, also
 * behind a `not`, as in CoreDNS. */
#ifndef ISTHMUS_RESOLVER_EXPR_H
#define ISTHMUS_RESOLVER_EXPR_H

#include "resolver/query.h"

struct expr; /* immutable, shared by all threads */

#define EXPR_WHY_MAX 200

/* Everything lives in the arena, a copy of the text too. NULL with the reason in `why`.
 */
const struct expr *expr_compile(struct arena *a, const char *text,
                                char why[EXPR_WHY_MAX])
    __attribute__((warn_unused_result));

/* What CoreDNS takes without a word and its author cannot mean: an expression that
 * gives no truth, a subnet that is none. NULL: nothing. */
const char *expr_warning(const struct expr *e);

/* Allocates nothing but the worker's memory for regular expressions, at their first.
 * `b` is the block that is being considered: metadata("view/name") is its. */
bool expr_true(const struct expr *e, struct query *q, const struct plan_block *b);

#endif
