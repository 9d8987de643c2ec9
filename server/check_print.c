#include "server/check.h"

#include "base/json_out.h"
#include "resolver/rdata.h"
#include "server/ladder_words.h"
#include "server/terminal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- findings ---- */

static void print_finding(const struct finding *f)
{
    static const enum terminal_colour colours[] = {[FINDING_NOTE] = COLOUR_GOOD,
                                                   [FINDING_WARNING] = COLOUR_DOUBTFUL,
                                                   [FINDING_ERROR] = COLOUR_BAD};
    if (f->at.line > 0)
        printf("%s:%u - ", f->at.file, f->at.line);
    if (f->level != FINDING_ERROR) {
        terminal_print(stdout, colours[f->level], finding_level_print(f->level));
        fputs(": ", stdout);
    }
    puts(f->text);
}

/* A fleet would fill the screen with one sentence: told of the first few, then counted.
 */
#define ALIKE_MAX 5
#define KINDS_MAX 16 /* as many are counted; further ones are all told */

struct kinds {
    const char *kind[KINDS_MAX];
    uint32_t told[KINDS_MAX];
    uint32_t n;
};

/* Whether this one is still to be told. */
static bool is_told(struct kinds *k, const struct finding *f)
{
    uint32_t i = 0;
    while (i < k->n && k->kind[i] != f->kind)
        i++;
    if (f->kind == NULL || f->level == FINDING_ERROR || i == KINDS_MAX)
        return true;
    if (i == k->n)
        k->kind[k->n++] = f->kind;
    return k->told[i]++ < ALIKE_MAX;
}

static void print_findings(const struct findings *all)
{
    struct kinds kinds = {.n = 0};
    for (const struct finding *f = all->first; f != NULL; f = f->next)
        if (is_told(&kinds, f))
            print_finding(f);
    for (uint32_t i = 0; i < kinds.n; i++)
        if (kinds.told[i] > ALIKE_MAX)
            printf("%u more like \"%.*s ...\" (all with --json)\n",
                   kinds.told[i] - ALIKE_MAX, (int)strcspn(kinds.kind[i], "%"),
                   kinds.kind[i]);
}

/* ---- clusters ---- */

#define WIDTH_MAX                                                                      \
    40 /* of the column of zones: a longer zone pushes its own line out                \
        */

static int zones_width(const struct check *k)
{
    size_t width = 8;
    for (uint32_t i = 0; i < k->clusters_n; i++) {
        size_t len = strlen(k->clusters[i].label);
        if (len > width && len <= WIDTH_MAX)
            width = len;
    }
    return (int)width;
}

static unsigned terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 60)
        return 0;
    return size.ws_col;
}

/* Prints text that begins in column `at`; on a terminal its lines are broken between
 * words, and go on under `indent`. */
static void print_wrapped(const char *text, unsigned at, unsigned indent)
{
    unsigned width = terminal_width();
    while (*text != '\0') {
        unsigned space = (unsigned)strspn(text, " ");
        unsigned len = space + (unsigned)strcspn(text + space, " ");
        if (width > 0 && at + len > width && at > indent) {
            printf("\n%*s", (int)indent, "");
            at = indent;
            text += space;
            len -= space;
        }
        printf("%.*s", (int)len, text);
        at += len;
        text += len;
    }
    putchar('\n');
}

static void explain(const struct check *k, const struct check_cluster *c, char *what,
                    char *mend)
{
    ladder_words(&k->questions[c->broken], &k->results[c->broken], what, mend);
    size_t len = strlen(what);
    if (c->n > 1)
        len += (size_t)snprintf(what + len, LADDER_TEXT_MAX - len,
                                "  (%u of %u addresses ok)", c->well, c->n);
    if (c->cached > 0 && len < LADDER_TEXT_MAX)
        len += (size_t)snprintf(
            what + len, LADDER_TEXT_MAX - len, "; serving stale (%llu %s)",
            (unsigned long long)c->cached, c->cached == 1 ? "name" : "names");
    if (c->drained && len < LADDER_TEXT_MAX)
        snprintf(what + len, LADDER_TEXT_MAX - len, "  drained");
}

/* "DOWN 38s": as far as the running server knows. */
static void print_state(const struct check *k, const struct check_cluster *c, char *out,
                        size_t cap)
{
    const char *state = ladder_state_print(k->results[c->broken].state);
    if (c->failing_s > 0)
        snprintf(out, cap, "%s %llus", state, (unsigned long long)c->failing_s);
    else
        snprintf(out, cap, "%s", state);
}

static void print_cluster(const struct check *k, const struct check_cluster *c,
                          unsigned width)
{
    char what[LADDER_TEXT_MAX], mend[LADDER_TEXT_MAX], state[40], padded[48];
    static const enum terminal_colour colours[] = {COLOUR_GOOD, COLOUR_DOUBTFUL,
                                                   COLOUR_BAD};
    if (k->problems && c->level == 0)
        return;
    explain(k, c, what, mend);
    print_state(k, c, state, sizeof state);
    snprintf(padded, sizeof padded, "%-8s", state);
    printf("%-*s  ", (int)width, c->label);
    terminal_print(stdout, colours[c->level], padded);
    fputs("  ", stdout);
    print_wrapped(what, width + 4 + (unsigned)strlen(padded), width + 2);
    if (mend[0] == '\0')
        return;
    printf("%*sfix: ", (int)width + 2, "");
    print_wrapped(mend, width + 7, width + 7);
}

/* Of two that overlap the older is served. */
static void print_refused(const struct check *k, unsigned width)
{
    static const char prefix[] = "plugin/cluster: ";
    for (const struct check_refused *r = k->refused; r != NULL; r = r->next) {
        bool cut = strncmp(r->why, prefix, sizeof prefix - 1) == 0;
        char text[LADDER_TEXT_MAX];
        snprintf(text, sizeof text, "%s (%s:%u)",
                 r->why + (cut ? sizeof prefix - 1 : 0), r->at.file, r->at.line);
        printf("%-*s  ", (int)width, r->name);
        terminal_print(stdout, COLOUR_BAD, "REJECTED");
        fputs("  ", stdout);
        print_wrapped(text, width + 12, width + 2);
    }
}

static void print_summary(const struct check *k)
{
    uint32_t counts[LADDER_HERE + 1] = {0};
    if (k->clusters_n < 2)
        return;
    for (uint32_t i = 0; i < k->clusters_n; i++)
        counts[k->results[k->clusters[i].broken].state]++;
    printf("%u clusters:", k->clusters_n);
    for (unsigned s = 0, n = 0; s <= LADDER_HERE; s++) {
        if (counts[s] > 0)
            printf("%s %u %s", n++ == 0 ? "" : ",", counts[s],
                   ladder_state_print((enum ladder_state)s));
    }
    putchar('\n');
}

void check_print(const struct check *k)
{
    unsigned width = (unsigned)zones_width(k);
    if (k->whose != NULL)
        printf("checks %s, %s\n", k->conf, k->whose);
    print_findings(&k->findings);
    print_refused(k, width);
    if (k->asked && k->clusters_n > 0) {
        for (uint32_t i = 0; i < k->clusters_n; i++)
            print_cluster(k, &k->clusters[i], width);
        print_summary(k);
    } else if (k->findings.n[FINDING_ERROR] == 0) {
        uint32_t warnings = k->findings.n[FINDING_WARNING];
        printf("%s: no errors, %u warning%s; %u cluster%s%s\n",
               k->conf == NULL ? "Corefile" : k->conf, warnings,
               warnings == 1 ? "" : "s", k->clusters_n, k->clusters_n == 1 ? "" : "s",
               k->asked ? "" : ", not asked");
    }
}

/* ---- as JSON ---- */

static void json_findings(struct json_out *j, const struct findings *all)
{
    json_open(j, "findings", '[');
    for (const struct finding *f = all->first; f != NULL; f = f->next) {
        json_open(j, NULL, '{');
        json_text(j, "level", finding_level_print(f->level));
        json_text(j, "file", f->at.file);
        json_number(j, "line", f->at.line);
        json_text(j, "text", f->text);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static const uint8_t *wire_of(const struct name *n)
{
    return n->len == 0 ? NULL : n->wire;
}

static void json_name(struct json_out *j, const char *key, const uint8_t *name)
{
    char text[NAME_TEXT_MAX];
    if (name == NULL) {
        json_text(j, key, NULL);
        return;
    }
    size_t len = name_print(name, text);
    if (len > 1)
        text[len - 1] = '\0';
    json_text(j, key, text);
}

static void json_address(struct json_out *j, const struct ladder_question *q,
                         const struct ladder_result *r)
{
    char text[ADDR_TEXT_MAX], code[RDATA_MNEMONIC_MAX];
    json_open(j, NULL, '{');
    json_text(j, "address", addr_print(&q->dns, text));
    json_text(j, "state", ladder_state_print(r->state));
    json_number(j, "level", ladder_level(r->state));
    if (r->rtt_us > 0) {
        json_text(j, "rcode", rcode_print(r->rcode, code));
        json_decimal(j, "rtt_ms", r->rtt_us / 1000.0);
    }
    json_name(j, "domain", wire_of(&r->domain));
    json_name(j, "dns_name", wire_of(&r->dns_name));
    json_name(j, "first_name", wire_of(&r->first_name));
    json_text(j, "spec", r->version[0] == '\0' ? NULL : r->version);
    json_close(j, '}');
}

static void json_cluster(struct json_out *j, const struct check *k,
                         const struct check_cluster *c)
{
    char what[LADDER_TEXT_MAX], mend[LADDER_TEXT_MAX];
    struct where at = cluster_at(c->cluster);
    json_open(j, NULL, '{');
    json_text(j, "zone", c->label);
    json_text(j, "file", at.file);
    json_number(j, "line", at.line);
    json_name(j, "domain", cluster_domain(c->cluster).wire);
    if (k->asked) {
        explain(k, c, what, mend);
        json_text(j, "state", ladder_state_print(k->results[c->broken].state));
        json_number(j, "level", c->level);
        json_text(j, "text", what);
        json_text(j, "fix", mend[0] == '\0' ? NULL : mend);
        if (c->failing_s > 0)
            json_number(j, "failing_s", (int64_t)c->failing_s);
        json_number(j, "stale", (int64_t)c->cached);
        json_bool(j, "drained", c->drained);
        json_open(j, "addresses", '[');
        for (uint32_t i = c->first; i < c->first + c->n; i++)
            json_address(j, &k->questions[i], &k->results[i]);
        json_close(j, ']');
    }
    json_close(j, '}');
}

int check_print_json(const struct check *k)
{
    struct json_out j = {0};
    json_open(&j, NULL, '{');
    json_text(&j, "file", k->conf == NULL ? "Corefile" : k->conf);
    json_number(&j, "status", k->status);
    json_bool(&j, "asked", k->asked);
    json_findings(&j, &k->findings);
    json_open(&j, "rejected", '[');
    for (const struct check_refused *r = k->refused; r != NULL; r = r->next) {
        json_open(&j, NULL, '{');
        json_text(&j, "name", r->name);
        json_text(&j, "file", r->at.file);
        json_number(&j, "line", r->at.line);
        json_text(&j, "text", r->why);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_open(&j, "clusters", '[');
    for (uint32_t i = 0; i < k->clusters_n; i++) {
        if (!k->problems || k->clusters[i].level > 0)
            json_cluster(&j, k, &k->clusters[i]);
    }
    json_close(&j, ']');
    json_close(&j, '}');
    return json_end(&j, stdout);
}
