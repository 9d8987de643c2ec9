/* A directory of files while it changes. */
#include "config/discovery/discovery.h"

#include "base/hash.h"
#include "base/log.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* Where an allocation is made to fail what is waited for may never come. */
static int wait_ms(void)
{
    return getenv("ISTHMUS_OOM") == NULL ? 5000 : 200;
}

struct place {
    char path[64];
    struct discovery *d;
    struct discovery_settings settings;
};

static void file_path(const struct place *p, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", p->path, name);
}

static void write_file(const struct place *p, const char *name, const char *text)
{
    char path[128], fresh[132];
    file_path(p, name, path);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *f = fopen(fresh, "w");
    assert_non_null(f);
    fputs(text, f);
    fflush(f);
    /* Of what was written long ago nobody waits for the rest. */
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(futimens(fileno(f), old), 0);
    fclose(f);
    assert_int_equal(rename(fresh, path), 0);
}

static void remove_file(const struct place *p, const char *name)
{
    char path[128];
    file_path(p, name, path);
    assert_int_equal(unlink(path), 0);
}

#define CLUSTER(name, dns) "{\"name\":\"" name "\",\"dns\":[\"" dns "\"]}"

static void place_open(struct place *p)
{
    *p = (struct place){.path = "/tmp/isthmus-inventory-XXXXXX",
                        .settings = {.shrink = 50, .interval_us = 50000}};
    assert_non_null(mkdtemp(p->path));
    p->settings.source = p->path;
}

/* What was there at the start, as changes, in the order in which it came. */
struct beginning {
    struct inventory_record *list[16];
    unsigned n, told;
};

static struct beginning beginning;

static void note_beginning(void *context, struct inventory_record *r)
{
    struct beginning *b = context;
    unsigned at = b->n++;
    assert_true(b->n <= sizeof b->list / sizeof *b->list);
    for (; at > 0 && b->list[at - 1]->seq > r->seq; at--)
        b->list[at] = b->list[at - 1];
    b->list[at] = inventory_record_use(r);
}

static void forget_beginning(void)
{
    while (beginning.n > 0)
        inventory_record_drop(beginning.list[--beginning.n]);
    beginning.told = 0;
}

static void place_start(struct place *p)
{
    struct errors errs;
    errors_init(&errs);
    p->d = discovery_new(&p->settings, (struct where){0}, &errs);
    assert_non_null(p->d);
    assert_true(discovery_settle(p->d, (unsigned)wait_ms()));
    forget_beginning();
    discovery_each(p->d, note_beginning, &beginning);
    assert_null(discovery_take(p->d)); /* no news */
    errors_release(&errs);
}

static void place_close(struct place *p)
{
    char command[128];
    forget_beginning();
    discovery_free(p->d);
    static const char *const names[] = {"a.json", "b.json", "c.json", "d.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        file_path(p, names[i], command);
        unlink(command);
    }
    assert_int_equal(rmdir(p->path), 0);
}

/* "a +b": names held, sorted by the table's whim; so one looks for each. */
static char held[1024];

static void add_held(void *context, struct inventory_record *r)
{
    size_t len = strlen(held);
    snprintf(held + len, sizeof held - len, "%s ", inventory_name(r));
}

static bool holds(const struct place *p, const char *name)
{
    char word[80];
    held[0] = '\0';
    discovery_each(p->d, add_held, NULL);
    snprintf(word, sizeof word, "%s ", name);
    return strstr(held, word) != NULL;
}

/* The next change: "+a", "-a". Waits for it. */
static const char *next_change(const struct place *p)
{
    static char text[80];
    static struct discovery_change *list;
    if (beginning.told < beginning.n) {
        snprintf(text, sizeof text, "+%s",
                 inventory_name(beginning.list[beginning.told++]));
        return text;
    }
    for (int ms = 0; list == NULL && ms < wait_ms(); ms += 5) {
        list = discovery_take(p->d);
        if (list == NULL)
            usleep(5000);
    }
    assert_non_null(list);
    struct discovery_change *c = list;
    snprintf(text, sizeof text, "%c%s", c->now == NULL ? '-' : '+',
             inventory_name(c->now == NULL ? c->old : c->now));
    list = c->next;
    discovery_change_free(c);
    return text;
}

static void pass_changes(const struct place *p, unsigned n)
{
    while (n-- > 0)
        next_change(p);
}

/* A place whose source has read a.json and b.json; a text that is NULL: there is no
 * such file. */
static void place_begin(struct place *p, const char *a, const char *b)
{
    place_open(p);
    if (a != NULL)
        write_file(p, "a.json", a);
    if (b != NULL)
        write_file(p, "b.json", b);
    place_start(p);
}

static struct discovery_status status_with_error(const struct place *p, bool error)
{
    struct discovery_status s;
    for (int ms = 0; ms < wait_ms(); ms += 5) {
        discovery_status(p->d, &s);
        if ((s.error[0] != '\0') == error)
            return s;
        usleep(5000);
    }
    fail_msg("error is '%s'", s.error);
    return s;
}

static void files_bring_and_take_their_clusters(void **unused)
{
    struct place p;
    place_begin(&p, CLUSTER("a", "10.0.0.1"), CLUSTER("b", "10.0.0.2"));
    assert_string_equal(next_change(&p), "+a");
    assert_string_equal(next_change(&p), "+b");
    write_file(&p, "c.json", CLUSTER("c", "10.0.0.3"));
    assert_string_equal(next_change(&p), "+c");
    write_file(&p, "c.json", CLUSTER("c", "10.0.0.4"));
    assert_string_equal(next_change(&p), "+c");
    remove_file(&p, "c.json");
    assert_string_equal(next_change(&p), "-c");
    assert_true(holds(&p, "a") && holds(&p, "b") && !holds(&p, "c"));
    place_close(&p);
}

static void what_cannot_be_read_takes_nothing(void **unused)
{
    static const char *const texts[] = {"", "{", "[]", "[1]", "{\"name\":\"a\"}", "x"};
    struct place p;
    place_begin(&p, "[" CLUSTER("a", "10.0.0.1") "]", CLUSTER("b", "10.0.0.2"));
    pass_changes(&p, 2);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(&p, "a.json", texts[i]);
        struct discovery_status s = status_with_error(&p, true);
        assert_int_equal(s.clusters, 2);
        assert_true(holds(&p, "a"));
        write_file(&p, "a.json", "[" CLUSTER("a", "10.0.0.1") "]");
        s = status_with_error(&p, false);
        assert_int_equal(s.clusters, 2);
    }
    assert_null(discovery_take(p.d));
    place_close(&p);
}

#define ABC                                                                            \
    CLUSTER("a", "10.0.0.1") "," CLUSTER("b", "10.0.0.2") "," CLUSTER("c", "10.0.0.3")

static void a_list_that_lost_more_than_half_is_not_believed(void **unused)
{
    struct place p;
    place_begin(&p, "[" ABC "," CLUSTER("d", "10.0.0.4") "]", NULL);
    pass_changes(&p, 4);
    write_file(&p, "a.json", "[" CLUSTER("b", "10.0.0.9") "]");
    assert_string_equal(next_change(&p), "+b"); /* what is there counts */
    struct discovery_status s = status_with_error(&p, true);
    assert_int_equal(s.kept, 3);
    assert_int_equal(s.clusters, 4);
    write_file(&p, "a.json", "[" ABC "]");
    status_with_error(&p, false);
    assert_string_equal(next_change(&p), "-d");
    assert_string_equal(next_change(&p), "+b");
    write_file(&p, "a.json", "[" CLUSTER("b", "10.0.0.2") ",{}]");
    assert_true(status_with_error(&p, true).wrong == 1);
    assert_true(holds(&p, "a") &&
                holds(&p, "c")); /* one of them may be the wrong one */
    p.settings.shrink = 100;
    discovery_set(p.d, &p.settings);
    write_file(&p, "a.json", "[" CLUSTER("b", "10.0.0.2") "]");
    pass_changes(&p, 2);
    assert_true(holds(&p, "b") && !holds(&p, "a") && !holds(&p, "c"));
    place_close(&p);
}

static void many_files_that_are_gone_at_once_are_not_believed(void **unused)
{
    struct place p;
    char away[80];
    place_begin(&p, CLUSTER("a", "10.0.0.1"), CLUSTER("b", "10.0.0.2"));
    pass_changes(&p, 2);
    snprintf(away, sizeof away, "%s.away", p.path);
    assert_int_equal(rename(p.path, away), 0);
    status_with_error(&p, true); /* no such directory */
    assert_int_equal(mkdir(p.path, 0700), 0);
    struct discovery_status s;
    do
        s = status_with_error(&p, true);
    while (s.kept != 2);
    assert_int_equal(rmdir(p.path), 0);
    assert_int_equal(rename(away, p.path), 0);
    s = status_with_error(&p, false);
    assert_int_equal(s.clusters, 2);
    assert_null(discovery_take(p.d));
    place_close(&p);
}

static void what_is_accepted_goes_once(void **unused)
{
    struct place p;
    place_begin(&p, "[" ABC "," CLUSTER("d", "10.0.0.4") "]", NULL);
    pass_changes(&p, 4);
    write_file(&p, "a.json", "[" CLUSTER("a", "10.0.0.1") "]");
    assert_int_equal(status_with_error(&p, true).held, 3);
    discovery_accept(p.d, 2); /* who saw less has not accepted this */
    write_file(&p, "b.json", CLUSTER("e", "10.0.0.5"));
    assert_string_equal(next_change(&p), "+e");
    discovery_accept(p.d, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(next_change(&p)[0], '-');
    struct discovery_status s = status_with_error(&p, false);
    assert_true(s.clusters == 2 && s.kept == 0 && s.held == 0);
    assert_true(holds(&p, "a"));
    place_close(&p);
}

static void of_two_with_one_name_the_older_stays(void **unused)
{
    struct place p;
    place_begin(&p, NULL, CLUSTER("a", "10.0.0.1"));
    assert_string_equal(next_change(&p), "+a");
    write_file(&p, "a.json", CLUSTER("a", "10.0.0.2"));
    struct discovery_status s = status_with_error(&p, true);
    assert_non_null(strstr(s.error, "cluster a is there already"));
    assert_non_null(strstr(s.error, "b.json:1"));
    assert_null(discovery_take(p.d));
    place_close(&p);
}

/* ---- the last known map ---- */

static void remove_state(const char *state)
{
    char command[200];
    glob_t found;
    snprintf(command, sizeof command, "%s/*", state);
    assert_int_equal(glob(command, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1); /* and nothing half written */
    assert_int_equal(unlink(found.gl_pathv[0]), 0);
    globfree(&found);
    assert_int_equal(rmdir(state), 0);
}

static void what_was_known_is_there_while_the_source_is_away(void **unused)
{
    struct place p;
    char away[80], state[] = "/tmp/isthmus-state-XXXXXX";
    assert_non_null(mkdtemp(state));
    place_open(&p);
    p.settings.state = state;
    write_file(&p, "a.json", "[" ABC "]");
    write_file(&p, "d.json",
               "{\"name\":\"d\",\"zones\":[\"d.x\",\"d\\\\.y\"],\"domain\":\"corp.x\","
               "\"services\":[\"10.1.0.0/16\"],\"pods\":[\"fd00::/64\"],\"index\":3,"
               "\"dns\":[\"[::1]:54\"],\"port\":5353}");
    place_start(&p);
    discovery_free(p.d);
    snprintf(away, sizeof away, "%s.away", p.path);
    assert_int_equal(rename(p.path, away), 0);
    place_start(&p);
    struct discovery_status s = status_with_error(&p, true);
    assert_int_equal(s.clusters, 4);
    assert_true(s.stale);
    pass_changes(&p, 4);
    assert_int_equal(rename(away, p.path), 0);
    s = status_with_error(&p, false);
    assert_false(s.stale);
    assert_null(discovery_take(p.d)); /* as it was, to the letter */
    remove_file(&p, "d.json");
    assert_string_equal(next_change(&p), "-d");
    place_close(&p);
    remove_state(state);
}

static void a_last_known_map_that_is_spoilt_is_not_needed(void **unused)
{
    struct place p;
    char command[200], state[] = "/tmp/isthmus-state-XXXXXX";
    glob_t found;
    assert_non_null(mkdtemp(state));
    place_open(&p);
    p.settings.state = state;
    write_file(&p, "a.json", CLUSTER("a", "10.0.0.1"));
    place_start(&p);
    discovery_free(p.d);
    snprintf(command, sizeof command, "%s/*", state);
    assert_int_equal(glob(command, 0, NULL, &found), 0);
    FILE *f = fopen(found.gl_pathv[0], "w");
    assert_non_null(f);
    fputs("{\"clusters\":[{\"name\":\"b\"", f);
    fclose(f);
    globfree(&found);
    place_start(&p);
    assert_string_equal(next_change(&p), "+a");
    place_close(&p);
    remove_state(state);
}

static int set_up(void **unused)
{
    return hash_seed();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_bring_and_take_their_clusters),
        cmocka_unit_test(what_cannot_be_read_takes_nothing),
        cmocka_unit_test(a_list_that_lost_more_than_half_is_not_believed),
        cmocka_unit_test(many_files_that_are_gone_at_once_are_not_believed),
        cmocka_unit_test(what_is_accepted_goes_once),
        cmocka_unit_test(of_two_with_one_name_the_older_stays),
        cmocka_unit_test(what_was_known_is_there_while_the_source_is_away),
        cmocka_unit_test(a_last_known_map_that_is_spoilt_is_not_needed),
    };
    const struct CMUnitTest quick[] = {
        cmocka_unit_test(files_bring_and_take_their_clusters),
    };
    if (getenv("ISTHMUS_OOM") != NULL)
        return cmocka_run_group_tests_name("discovery", quick, set_up, NULL);
    return cmocka_run_group_tests_name("discovery", tests, set_up, NULL);
}
