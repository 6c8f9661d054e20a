/* SPDX-License-Identifier: MIT */
/*
 * The memory of names: what is a name, what is found for an address, across
 * forks, in a full table, in a ring that another process has scribbled over,
 * names that move, and the identity of results that are still alive.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "names/memory.h"
#include "names/names.h"
#include "names/shared.h"

#define LABEL_63                                                               \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_253                                                               \
	LABEL_63 "." LABEL_63 "." LABEL_63 ".aaaaaaaaaaaaaaaaaaaaaaa"          \
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* A result of getaddrinfo() as a program holds it: up to four addresses. */
struct answer {
	struct addrinfo ai[4];
	struct sockaddr_in6 sa[4]; /* a sockaddr_in, too, fits in */
};

static void set_address(struct addrinfo *ai, void *sa, const char *text)
{
	struct sockaddr_in *in = sa;
	struct sockaddr_in6 *in6 = sa;
	bool v6 = strchr(text, ':');

	memset(sa, 0, sizeof(*in6));
	in->sin_family = v6 ? AF_INET6 : AF_INET;
	in->sin_port = htons(443);
	assert_int_equal(
		1, inet_pton(in->sin_family, text,
			   v6 ? (void *)&in6->sin6_addr : &in->sin_addr));
	ai->ai_family = in->sin_family;
	ai->ai_addr = sa;
	ai->ai_addrlen = v6 ? sizeof(*in6) : sizeof(*in);
}

static void make(struct answer *a, const char *const texts[], int n)
{
	memset(a, 0, sizeof(*a));
	for (int i = 0; i < n; i++) {
		set_address(&a->ai[i], &a->sa[i], texts[i]);
		a->ai[i].ai_next = i + 1 < n ? &a->ai[i + 1] : NULL;
	}
}

/* A lookup whose result is freed at once. */
static void learn(const char *node, const char *text)
{
	struct answer a;

	make(&a, &text, 1);
	names_learn_result(node, a.ai);
	names_forget(a.ai);
}

/* connect() with a sockaddr of the program's own making. */
static enum names_source find(const char *text, struct names_found *found)
{
	struct addrinfo ai;
	struct sockaddr_in6 sa;

	set_address(&ai, &sa, text);
	memset(found, 0x5a, sizeof(*found));
	names_find(ai.ai_addr, ai.ai_addrlen, found);
	return found->source;
}

static void assert_only(const char *text, const char *name)
{
	struct names_found found;

	assert_int_equal(NAMES_ONLY, find(text, &found));
	assert_int_equal(1, found.n);
	assert_string_equal(name, found.names[0]);
}

static void assert_source(const char *text, enum names_source source)
{
	struct names_found found;

	assert_int_equal(source, find(text, &found));
	assert_int_equal(0, found.n);
}

static uint32_t seconds;

static uint32_t injected_time(void)
{
	return seconds;
}

static int fresh_table(void **state)
{
	(void)state;
	seconds = 1000000;
	names_now = injected_time;
	names_memory_reset();
	return names_setup();
}

static void without_a_table_nothing_is_sure(void **state)
{
	struct answer a;
	struct names_found found;
	size_t size;

	(void)state;
	assert_null(names_shared_memory(&size));
	learn("a.test", "192.0.2.1");
	assert_source("192.0.2.1", NAMES_UNSURE);
	make(&a, (const char *[]){"192.0.2.1"}, 1);
	names_learn_result("a.test", a.ai);
	names_find(a.ai[0].ai_addr, a.ai[0].ai_addrlen, &found);
	assert_int_equal(NAMES_IDENTITY, found.source);
	names_forget(a.ai);
}

static void tells_names_from_addresses(void **state)
{
	static const struct {
		const char *node;
		enum names_kind kind;
		const char *canonical;
	} rows[] = {
		{"a.test", NAMES_IS_NAME, "a.test"},
		{"A.Test", NAMES_IS_NAME, "a.test"},
		{"a.test.", NAMES_IS_NAME, "a.test"},
		{"localhost", NAMES_IS_NAME, "localhost"},
		{"_gateway", NAMES_IS_NAME, "_gateway"},
		{"xn--bcher-kva.test", NAMES_IS_NAME, "xn--bcher-kva.test"},
		{"3com.test", NAMES_IS_NAME, "3com.test"},
		{"1.2.3.4.test", NAMES_IS_NAME, "1.2.3.4.test"},
		{"cafe", NAMES_IS_NAME, "cafe"},
		{"0xcafe.test", NAMES_IS_NAME, "0xcafe.test"},
		{LABEL_63 ".test", NAMES_IS_NAME, LABEL_63 ".test"},
		{NAME_253, NAMES_IS_NAME, NAME_253},
		{NAME_253 ".", NAMES_IS_NAME, NAME_253},
		{"127.0.0.1", NAMES_IS_ADDRESS, ""},
		{"127.1", NAMES_IS_ADDRESS, ""},
		{"1", NAMES_IS_ADDRESS, ""},
		{"0x7f000001", NAMES_IS_ADDRESS, ""},
		{"0x7F.1", NAMES_IS_ADDRESS, ""},
		{"017700000001", NAMES_IS_ADDRESS, ""},
		{"::1", NAMES_IS_ADDRESS, ""},
		{"::", NAMES_IS_ADDRESS, ""},
		{"fe80::1%lo", NAMES_IS_ADDRESS, ""},
		{"fe80::1%1", NAMES_IS_ADDRESS, ""},
		{"::ffff:192.0.2.1", NAMES_IS_ADDRESS, ""},
		{"2001:DB8::a", NAMES_IS_ADDRESS, ""},
		{"", NAMES_IS_NEITHER, ""},
		{".", NAMES_IS_NEITHER, ""},
		{".com", NAMES_IS_NEITHER, ""},
		{"a..test", NAMES_IS_NEITHER, ""},
		{"a.test..", NAMES_IS_NEITHER, ""},
		{"*.test", NAMES_IS_NEITHER, ""},
		{"a b.test", NAMES_IS_NEITHER, ""},
		{"127.0.0.1 x", NAMES_IS_NEITHER, ""},
		{"a\n.test", NAMES_IS_NEITHER, ""},
		{"b\xc3\xbc"
		 "cher.test",
			NAMES_IS_NEITHER, ""},
		{"1.2.3.4.5", NAMES_IS_NEITHER, ""},
		{"256.0.0.1", NAMES_IS_NEITHER, ""},
		{"a.test.0x1f", NAMES_IS_NEITHER, ""},
		{"127.0.0.1.", NAMES_IS_NEITHER, ""},
		{"[::1]", NAMES_IS_NEITHER, ""},
		{"a.test:443", NAMES_IS_NEITHER, ""},
		{"https://a.test", NAMES_IS_NEITHER, ""},
		{LABEL_63 "a.test", NAMES_IS_NEITHER, ""},
		{"a" NAME_253, NAMES_IS_NEITHER, ""},
		{NAME_253 "a", NAMES_IS_NEITHER, ""},
		{NAME_253 "..", NAMES_IS_NEITHER, ""},
	};

	(void)state;
	assert_int_equal(253, strlen(NAME_253));
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		char canonical[NAMES_NAME_MAX];

		if (names_canonical(rows[i].node, canonical) != rows[i].kind)
			fail_msg("\"%s\" is of another kind", rows[i].node);
		assert_string_equal(rows[i].canonical, canonical);
	}
}

static void finds_the_only_name(void **state)
{
	(void)state;
	assert_source("192.0.2.1", NAMES_NONE);
	learn("A.Test.", "192.0.2.1");
	learn("a.test", "192.0.2.1");
	learn("other.test", "192.0.2.2");
	learn("six.test", "2001:db8::1");
	assert_only("192.0.2.1", "a.test");
	assert_only("::ffff:192.0.2.1", "a.test");
	assert_only("192.0.2.2", "other.test");
	assert_only("2001:db8::1", "six.test");
	assert_source("192.0.2.3", NAMES_NONE);
	assert_source("::192.0.2.1", NAMES_NONE);
}

static void every_address_of_a_result_gets_the_name(void **state)
{
	static const char *const texts[] = {
		"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.7", "192.0.2.2"};
	struct answer a;

	(void)state;
	make(&a, texts, 4);
	a.ai[3].ai_addrlen = 3; /* not an address, whatever it is */
	names_learn_result("a.test", a.ai);
	names_forget(a.ai);
	assert_only("192.0.2.1", "a.test");
	assert_only("2001:db8::1", "a.test");
	assert_only("192.0.2.7", "a.test");
	assert_source("192.0.2.2", NAMES_NONE);
}

static void addresses_are_not_names(void **state)
{
	struct answer a;
	struct names_found found;

	(void)state;
	learn("192.0.2.1", "192.0.2.1");
	learn("::ffff:192.0.2.1", "192.0.2.1");
	learn(NULL, "192.0.2.1");
	assert_source("192.0.2.1", NAMES_NONE);
	make(&a, (const char *[]){"192.0.2.1"}, 1);
	names_learn_result("192.0.2.1", a.ai);
	names_find(a.ai[0].ai_addr, a.ai[0].ai_addrlen, &found);
	assert_int_equal(NAMES_NONE, found.source);
	learn("a.test", "192.0.2.1");
	learn("192.0.2.1", "192.0.2.1");
	assert_only("192.0.2.1", "a.test");
}

/* Else the only other name of the address would answer for it. */
static void a_name_that_cannot_be_kept_makes_unsure(void **state)
{
	char *list[] = {(char *)"\xc0\x00\x02\x03", NULL};
	struct hostent host = {
		.h_addrtype = AF_INET, .h_length = 4, .h_addr_list = list};

	(void)state;
	learn("a.test", "192.0.2.1");
	learn("b\xc3\xbc"
	      "cher.test",
		"192.0.2.1");
	learn("a" NAME_253, "192.0.2.2");
	names_learn_hostent("*.test", &host);
	assert_source("192.0.2.1", NAMES_UNSURE);
	assert_source("192.0.2.2", NAMES_UNSURE);
	assert_source("192.0.2.3", NAMES_UNSURE);
	assert_source("192.0.2.4", NAMES_NONE);
	/* Nor does it become less so. */
	learn("a.test", "192.0.2.1");
	assert_source("192.0.2.1", NAMES_UNSURE);
}

static void keeps_names_of_the_longest_length(void **state)
{
	(void)state;
	learn(NAME_253 ".", "192.0.2.1");
	assert_only("192.0.2.1", NAME_253);
}

static void of_several_names_the_latest_is_first(void **state)
{
	struct names_found found;

	(void)state;
	learn("a.test", "192.0.2.1");
	learn("b.test", "192.0.2.1");
	learn("c.test", "192.0.2.1");
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
	assert_int_equal(3, found.n);
	assert_string_equal("c.test", found.names[0]);
	learn("A.test", "192.0.2.1");
	find("192.0.2.1", &found);
	assert_int_equal(3, found.n);
	assert_string_equal("a.test", found.names[0]);
	learn("b.test", "192.0.2.2");
	find("192.0.2.1", &found);
	assert_string_equal("a.test", found.names[0]);
}

static void more_names_than_fit_are_unsure(void **state)
{
	struct names_found found;
	char name[24];

	(void)state;
	for (int i = 0; i < NAMES_FOUND_MAX; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		learn(name, "192.0.2.1");
	}
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
	assert_int_equal(NAMES_FOUND_MAX, found.n);
	assert_string_equal("n7.test", found.names[0]);
	learn("n8.test", "192.0.2.1");
	assert_source("192.0.2.1", NAMES_UNSURE);
}

/* Learns count pairs, the i-th of the name i % names; how many of the last ones
 * are known, and none wrongly? */
static unsigned count_sure(unsigned count, unsigned names, unsigned last)
{
	unsigned sure = 0;
	char name[32], text[32];
	struct names_found found;

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "n%u.test", i % names);
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16,
			i >> 8 & 255, i & 255);
		learn(name, text);
	}
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "n%u.test", i % names);
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16,
			i >> 8 & 255, i & 255);
		if (find(text, &found) == NAMES_UNSURE ||
			found.source == NAMES_NONE)
			continue;
		assert_int_equal(NAMES_ONLY, found.source);
		assert_string_equal(name, found.names[0]);
		sure += i >= count - last;
	}
	return sure;
}

/* A daemon that runs for months, and whose server's address changes. */
static void remembers_fifty_thousand_addresses(void **state)
{
	(void)state;
	assert_int_equal(50000, count_sure(50000, 100, 50000));
}

/* The oldest give way. */
static void a_table_full_of_names_knows_the_last_ones(void **state)
{
	(void)state;
	assert_uint_in_range(count_sure(40000, 40000, 4000), 3990, 4000);
}

static void a_table_full_of_addresses_knows_the_last_ones(void **state)
{
	(void)state;
	assert_uint_in_range(count_sure(300000, 3, 40000), 39900, 40000);
}

/* Of an address that lost a name the other one must not be taken for the only
 * one, until the lost one is known again. */
static void a_lost_name_leaves_a_mark(void **state)
{
	char name[32], text[32];
	struct names_found found;

	(void)state;
	learn("lost.test", "192.0.2.1");
	for (unsigned i = 0; i < 40000; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16,
			i >> 8 & 255, i & 255);
		learn(name, text);
	}
	learn("hostile.test", "192.0.2.1");
	assert_source("192.0.2.1", NAMES_UNSURE);
	learn("lost.test", "192.0.2.1");
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
	assert_int_equal(2, found.n);
}

/* The same where the pair gave way, and not the name. */
static void a_lost_pair_leaves_a_mark(void **state)
{
	char text[32];
	struct names_found found;

	(void)state;
	learn("lost.test", "192.0.2.1");
	for (unsigned i = 0; i < 150000; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16,
			i >> 8 & 255, i & 255);
		learn("n.test", text);
	}
	learn("hostile.test", "192.0.2.1");
	find("192.0.2.1", &found);
	assert_true(
		found.source == NAMES_UNSURE || found.source == NAMES_SEVERAL);
	learn("lost.test", "192.0.2.1");
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
	assert_int_equal(2, found.n);
}

/* What a program connects to is not what gives way. */
static void what_is_used_stays(void **state)
{
	char name[32], text[32];

	(void)state;
	learn("db.test", "192.0.2.1");
	for (unsigned i = 0; i < 40000; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16,
			i >> 8 & 255, i & 255);
		learn(name, text);
		if (i % 100 == 0)
			assert_only("192.0.2.1", "db.test");
	}
	assert_only("192.0.2.1", "db.test");
}

/* Names that move. */

#define AN_HOUR 3600

static void a_name_that_moved_is_forgotten_after_an_hour(void **state)
{
	struct names_found found;

	(void)state;
	learn("old.test", "192.0.2.1");
	learn("new.test", "192.0.2.1");
	learn("old.test", "192.0.2.2");
	seconds += AN_HOUR - 1;
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
	seconds++;
	assert_only("192.0.2.1", "new.test");
	assert_only("192.0.2.2", "old.test");
	/* It comes back. */
	learn("old.test", "192.0.2.1");
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
}

static void age_alone_takes_no_name_away(void **state)
{
	struct names_found found;

	(void)state;
	learn("a.test", "192.0.2.1");
	learn("b.test", "192.0.2.1");
	learn("c.test", "192.0.2.3");
	seconds += 1000 * AN_HOUR;
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
	assert_only("192.0.2.3", "c.test");
	/* Another family's answer, and none at all, say nothing. */
	learn("a.test", "2001:db8::1");
	names_learn_result("a.test", NULL);
	seconds += AN_HOUR;
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
}

static void the_last_name_of_an_address_stays(void **state)
{
	struct names_found found;

	(void)state;
	learn("a.test", "192.0.2.1");
	learn("a.test", "192.0.2.2");
	seconds += 10 * AN_HOUR;
	assert_only("192.0.2.1", "a.test");
	/* Nor do two go together. */
	learn("b.test", "192.0.2.1");
	learn("b.test", "192.0.2.2");
	seconds += AN_HOUR;
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
}

static void learns_from_gethostbyname(void **state)
{
	char *v4[] = {
		(char *)"\xc0\x00\x02\x01", (char *)"\xc0\x00\x02\x02", NULL};
	char *v6[] = {
		(char *)"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", NULL};
	struct hostent host = {
		.h_addrtype = AF_INET, .h_length = 4, .h_addr_list = v4};
	struct hostent host6 = {
		.h_addrtype = AF_INET6, .h_length = 16, .h_addr_list = v6};
	struct hostent odd = {
		.h_addrtype = AF_INET6, .h_length = 4, .h_addr_list = v4};

	(void)state;
	names_learn_hostent("A.test", &host);
	names_learn_hostent("six.test", &host6);
	names_learn_hostent("odd.test", &odd);
	names_learn_hostent("192.0.2.1", &host);
	names_learn_hostent("none.test", NULL);
	names_learn_hostent(NULL, &host);
	assert_only("192.0.2.1", "a.test");
	assert_only("192.0.2.2", "a.test");
	assert_only("2001:db8::1", "six.test");
}

static void other_families_have_no_names(void **state)
{
	struct sockaddr sa = {.sa_family = AF_UNIX};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct names_found found = {.source = NAMES_ONLY, .n = 1};

	(void)state;
	names_find(&sa, sizeof(sa), &found);
	assert_int_equal(NAMES_NONE, found.source);
	assert_int_equal(0, found.n);
	names_find((struct sockaddr *)&in, sizeof(in) - 1, &found);
	assert_int_equal(NAMES_NONE, found.source);
}

/* Forks. */

static void in_child(void (*run)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (!pid) {
		names_fork_child();
		run();
		_exit(0);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_int_equal(0, status);
}

static void child_learns(void)
{
	learn("child.test", "192.0.2.1");
	learn("b.test", "192.0.2.2");
}

static void what_a_child_learns_the_parent_finds(void **state)
{
	struct names_found found;

	(void)state;
	learn("a.test", "192.0.2.2");
	in_child(child_learns);
	assert_only("192.0.2.1", "child.test");
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.2", &found));
	assert_string_equal("b.test", found.names[0]);
}

static void child_finds(void)
{
	struct names_found found;

	if (find("192.0.2.1", &found) != NAMES_ONLY ||
		strcmp(found.names[0], "parent.test") != 0)
		_exit(1);
}

static void what_the_parent_learns_a_child_finds(void **state)
{
	(void)state;
	learn("parent.test", "192.0.2.1");
	in_child(child_finds);
}

static void child_learns_other(void)
{
	learn("other.test", "192.0.2.1");
	learn("a.test", "192.0.2.2"); /* has moved, as the child has it */
	learn("own.test", "192.0.2.9");
}

static void child_learns_anew(void)
{
	learn("own.test", "192.0.2.8");
}

static void others_add_demands_and_replace_nothing(void **state)
{
	struct names_found found;

	(void)state;
	learn("a.test", "192.0.2.1");
	in_child(child_learns_other);
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
	assert_int_equal(2, found.n);
	/* What others look up does not move this process's own. */
	seconds += AN_HOUR;
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
	learn("own.test", "192.0.2.9");
	in_child(child_learns_anew);
	seconds += AN_HOUR;
	learn("b.test", "192.0.2.9");
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.9", &found));
}

/* What moved by another's answers was the other's. */
static void names_of_others_move_too(void **state)
{
	struct names_found found;

	(void)state;
	in_child(child_learns_other);
	assert_only("192.0.2.9", "own.test");
	in_child(child_learns_anew);
	seconds += AN_HOUR;
	assert_only("192.0.2.9", "own.test");
	learn("b.test", "192.0.2.9");
	assert_only("192.0.2.9", "b.test");
	assert_int_equal(NAMES_ONLY, find("192.0.2.8", &found));
}

static void child_changes_user(void)
{
	names_part();
	learn("hostile.test", "192.0.2.1");
	learn("hostile.test", "192.0.2.2");
}

static void child_changes_user_unseen(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(1);
	learn("hostile.test", "192.0.2.1");
	learn("hostile.test", "192.0.2.2");
}

static void who_has_other_rights_is_not_believed(void **state)
{
	(void)state;
	learn("a.test", "192.0.2.1");
	in_child(child_changes_user);
	if (!geteuid())
		in_child(child_changes_user_unseen);
	assert_only("192.0.2.1", "a.test");
	assert_source("192.0.2.2", NAMES_NONE);
}

/* A daemon that gives up its rights and looks up in children then. */
static void a_process_with_fewer_rights_has_kin_again(void **state)
{
	(void)state;
	learn("a.test", "192.0.2.5");
	names_part();
	assert_only("192.0.2.5", "a.test");
	in_child(child_learns);
	assert_only("192.0.2.1", "child.test");
}

/* The ring. */

static char *in_ring(const void *bytes, size_t n)
{
	size_t size;
	char *ring = names_shared_memory(&size);
	char *found = memmem(ring, size, bytes, n);

	assert_non_null(found);
	return found;
}

static void child_tells_victim(void)
{
	learn("victim.test", "192.0.2.1");
}

static void what_was_taken_is_not_changed_any_more(void **state)
{
	(void)state;
	learn("own.test", "192.0.2.2");
	in_child(child_tells_victim);
	assert_only("192.0.2.1", "victim.test");
	strcpy(in_ring("victim.test", 12), "other.test");
	strcpy(in_ring("own.test", 9), "o.test");
	assert_only("192.0.2.1", "victim.test");
	assert_only("192.0.2.2", "own.test");
}

/* An hour long, then it is as if they had never been there. */
static void a_forged_name_is_not_believed(void **state)
{
	static const char *const forged[] = {"other.test", "", ".", ".test",
		"*.test", "A.test", "a.test\n", "127.0.0.1", "a.test.", "a\"b"};

	(void)state;
	learn("own.test", "192.0.2.2");
	for (size_t i = 0; i < N_ROWS(forged); i++) {
		fresh_table(NULL);
		learn("own.test", "192.0.2.2");
		in_child(child_tells_victim);
		strcpy(in_ring("victim.test", 12), forged[i]);
		assert_source("192.0.2.1", NAMES_UNSURE);
		assert_only("192.0.2.2", "own.test");
		seconds += AN_HOUR;
		assert_source("192.0.2.1", NAMES_NONE);
	}
}

static void child_claims_and_dies(void)
{
	size_t size;
	_Atomic uint32_t *tickets = names_shared_memory(&size);

	atomic_fetch_add(tickets, 1);
	learn("late.test", "192.0.2.1");
}

static void a_process_that_dies_while_telling_costs_an_entry(void **state)
{
	(void)state;
	in_child(child_claims_and_dies);
	assert_source("192.0.2.1", NAMES_UNSURE); /* what did it tell? */
	seconds += AN_HOUR;
	assert_only("192.0.2.1", "late.test");
}

static void child_tells_too_much(void)
{
	char text[32];

	for (unsigned i = 0; i < NAMES_SHARED + 10; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
		learn("flood.test", text);
	}
}

/* The names of this process stand, whatever others tell. */
static void a_flood_of_others_hides_nothing_of_ours(void **state)
{
	(void)state;
	learn("own.test", "192.0.2.2");
	in_child(child_tells_victim);
	in_child(child_tells_too_much);
	assert_only("192.0.2.2", "own.test");
	assert_source("192.0.2.1", NAMES_UNSURE);
}

static void learn_and_find_something(void)
{
	struct names_found found;
	char canonical[NAMES_NAME_MAX];

	learn("a.test", "192.0.2.1");
	find("192.0.2.1", &found);
	find("200:0:200:0:200:0:200:0", &found); /* as the table is filled */
	assert_true(found.n <= NAMES_FOUND_MAX);
	for (unsigned i = 0; i < found.n; i++)
		assert_int_equal(NAMES_IS_NAME,
			names_canonical(found.names[i], canonical));
}

static void survives_any_bytes_in_the_ring(void **state)
{
	static const uint32_t fills[] = {0xffffffff, 0, 1, 2, 0x02020202};
	size_t size;
	uint32_t *table = names_shared_memory(&size);

	(void)state;
	for (size_t f = 0; f < N_ROWS(fills); f++) {
		for (size_t i = 0; i < size / 4; i++)
			table[i] = fills[f];
		learn_and_find_something();
	}
	srand(1);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < size / 4; i++)
			table[i] = (uint32_t)(rand() & rand() & 3);
		learn_and_find_something();
	}
}

/* Identity. */

static enum names_source find_in(
	const struct addrinfo *ai, struct names_found *found)
{
	names_find(ai->ai_addr, ai->ai_addrlen, found);
	return found->source;
}

static void a_live_result_is_recognised(void **state)
{
	static const char *const texts[] = {"192.0.2.1", "2001:db8::1"};
	struct names_found found;
	struct answer a, b;

	(void)state;
	make(&a, texts, 2);
	make(&b, texts, 2);
	names_learn_result("a.test", a.ai);
	names_learn_result("B.test.", b.ai);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(NAMES_IDENTITY, find_in(&a.ai[i], &found));
		assert_int_equal(1, found.n);
		assert_string_equal("a.test", found.names[0]);
		assert_int_equal(NAMES_IDENTITY, find_in(&b.ai[i], &found));
		assert_string_equal("b.test", found.names[0]);
	}
	assert_int_equal(NAMES_SEVERAL, find("192.0.2.1", &found));
	names_forget(a.ai);
	assert_int_equal(NAMES_SEVERAL, find_in(&a.ai[0], &found));
	assert_int_equal(NAMES_SEVERAL, find_in(&a.ai[1], &found));
	assert_int_equal(NAMES_IDENTITY, find_in(&b.ai[0], &found));
	names_forget(b.ai);
}

/* Programs set the port in place; another address there is another matter. */
static void identity_is_of_the_address_not_of_the_port(void **state)
{
	static const char *const text = "192.0.2.1";
	struct names_found found;
	struct answer a;

	(void)state;
	make(&a, &text, 1);
	learn("b.test", text);
	names_learn_result("a.test", a.ai);
	((struct sockaddr_in *)a.ai[0].ai_addr)->sin_port = htons(80);
	assert_int_equal(NAMES_IDENTITY, find_in(&a.ai[0], &found));
	((struct sockaddr_in *)a.ai[0].ai_addr)->sin_addr.s_addr++;
	assert_int_equal(NAMES_NONE, find_in(&a.ai[0], &found));
	names_forget(a.ai);
}

/* lists that a program took apart and frees piece by piece */
static void a_part_of_a_result_can_be_forgotten(void **state)
{
	static const char *const texts[] = {"192.0.2.1", "192.0.2.2"};
	struct names_found found;
	struct answer a;

	(void)state;
	make(&a, texts, 2);
	names_learn_result("a.test", a.ai);
	a.ai[0].ai_next = NULL;
	names_forget(&a.ai[1]);
	assert_int_equal(NAMES_ONLY, find_in(&a.ai[1], &found));
	assert_int_equal(NAMES_IDENTITY, find_in(&a.ai[0], &found));
	names_forget(&a.ai[0]);
	assert_int_equal(NAMES_ONLY, find_in(&a.ai[0], &found));
}

/* Memory that was freed past the hooks and holds another answer now. */
static void a_new_result_replaces_what_lay_there(void **state)
{
	static const char *const text = "192.0.2.1";
	struct names_found found;
	struct answer a;

	(void)state;
	make(&a, &text, 1);
	names_learn_result("a.test", a.ai);
	names_learn_result("b.test", a.ai);
	assert_int_equal(NAMES_IDENTITY, find_in(&a.ai[0], &found));
	assert_string_equal("b.test", found.names[0]);
	names_learn_result("192.0.2.1", a.ai);
	assert_int_equal(NAMES_SEVERAL, find_in(&a.ai[0], &found));
	names_learn_result("a.test", a.ai);
	names_forget(a.ai);
	assert_int_equal(NAMES_SEVERAL, find_in(&a.ai[0], &found));
}

static void more_results_than_fit_are_addresses(void **state)
{
	enum { MANY = 2000 };
	static struct answer answers[MANY];
	struct names_found found;
	int known = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		const char *text = "192.0.2.1";

		make(&answers[i], &text, 1);
		names_learn_result("a.test", answers[i].ai);
	}
	for (int i = 0; i < MANY; i++) {
		if (find_in(answers[i].ai, &found) == NAMES_IDENTITY)
			known++;
		else
			assert_int_equal(NAMES_ONLY, found.source);
		assert_string_equal("a.test", found.names[0]);
	}
	assert_uint_in_range(known, 256, MANY - 1);
	assert_int_equal(NAMES_IDENTITY, find_in(answers[MANY - 1].ai, &found));
	for (int i = 0; i < MANY; i++)
		names_forget(answers[i].ai);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(NAMES_ONLY, find_in(answers[i].ai, &found));
}

static struct answer inherited;

static void child_knows_the_identity(void)
{
	struct names_found found;

	if (find_in(inherited.ai, &found) != NAMES_IDENTITY)
		_exit(1);
	names_forget(inherited.ai);
	if (find_in(inherited.ai, &found) != NAMES_SEVERAL)
		_exit(2);
}

static void identities_are_copied_by_fork_not_shared(void **state)
{
	static const char *const text = "192.0.2.1";
	struct names_found found;

	(void)state;
	learn("b.test", text);
	make(&inherited, &text, 1);
	names_learn_result("a.test", inherited.ai);
	in_child(child_knows_the_identity);
	assert_int_equal(NAMES_IDENTITY, find_in(inherited.ai, &found));
	names_forget(inherited.ai);
}

static void leaves_errno_and_the_signal_mask(void **state)
{
	static const char *const text = "192.0.2.1";
	struct names_found found;
	struct answer a;
	sigset_t before, after;

	(void)state;
	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = EXDEV;
	make(&a, &text, 1);
	names_learn_result("a.test", a.ai);
	names_learn_result("10.0.0.1", a.ai);
	names_learn_result("::1%0", a.ai);
	find_in(a.ai, &found);
	names_forget(a.ai);
	assert_int_equal(EXDEV, errno);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig <= 64; sig++)
		assert_int_equal(
			sigismember(&before, sig), sigismember(&after, sig));
}

/* Threads. */

static _Atomic bool stop;

static void *look_up_all_the_time(void *arg)
{
	unsigned me = *(unsigned *)arg;

	for (unsigned i = 0; i < 3000 && !stop; i++) {
		struct names_found found;
		struct answer a;
		char name[32], text[32];
		const char *texts[] = {text, "192.0.2.1"};

		snprintf(name, sizeof(name), "n%u.test", i % 50);
		snprintf(text, sizeof(text), "10.%u.0.%u", me, i % 50);
		make(&a, texts, 2);
		names_learn_result(name, a.ai);
		assert_int_equal(NAMES_IDENTITY, find_in(&a.ai[0], &found));
		assert_string_equal(name, found.names[0]);
		names_forget(a.ai);
		assert_int_equal(NAMES_ONLY, find_in(&a.ai[0], &found));
		assert_string_equal(name, found.names[0]);
	}
	return NULL;
}

static void many_threads_look_up_at_once(void **state)
{
	static unsigned me[8];
	pthread_t threads[8];

	(void)state;
	stop = false;
	for (unsigned i = 0; i < 8; i++) {
		me[i] = i;
		pthread_create(&threads[i], NULL, look_up_all_the_time, &me[i]);
	}
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_source("192.0.2.1", NAMES_UNSURE); /* of 50 names */
}

/* A child of a process with threads leaves them behind, TSan would say. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "report_thread_leaks=0";
}

static void child_looks_up(void)
{
	struct answer a;
	struct names_found found;
	const char *text = "192.0.2.9";

	make(&a, &text, 1);
	names_learn_result("child.test", a.ai);
	if (find_in(a.ai, &found) != NAMES_IDENTITY)
		_exit(1);
}

/* The parent's other thread may hold the lock at that moment. */
static void a_fork_amid_lookups_does_not_hang(void **state)
{
	static unsigned me = 9;
	pthread_t thread;

	(void)state;
	stop = false;
	pthread_create(&thread, NULL, look_up_all_the_time, &me);
	for (int i = 0; i < 300; i++)
		in_child(child_looks_up);
	stop = true;
	pthread_join(thread, NULL);
}

int main(void)
{
#define fresh(test) cmocka_unit_test_setup(test, fresh_table)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_table_nothing_is_sure),
		cmocka_unit_test(tells_names_from_addresses),
		fresh(finds_the_only_name),
		fresh(every_address_of_a_result_gets_the_name),
		fresh(addresses_are_not_names),
		fresh(a_name_that_cannot_be_kept_makes_unsure),
		fresh(keeps_names_of_the_longest_length),
		fresh(of_several_names_the_latest_is_first),
		fresh(more_names_than_fit_are_unsure),
		fresh(remembers_fifty_thousand_addresses),
		fresh(a_table_full_of_names_knows_the_last_ones),
		fresh(a_table_full_of_addresses_knows_the_last_ones),
		fresh(a_lost_name_leaves_a_mark),
		fresh(a_lost_pair_leaves_a_mark),
		fresh(what_is_used_stays),
		fresh(a_name_that_moved_is_forgotten_after_an_hour),
		fresh(age_alone_takes_no_name_away),
		fresh(the_last_name_of_an_address_stays),
		fresh(learns_from_gethostbyname),
		fresh(other_families_have_no_names),
		fresh(what_a_child_learns_the_parent_finds),
		fresh(what_the_parent_learns_a_child_finds),
		fresh(others_add_demands_and_replace_nothing),
		fresh(names_of_others_move_too),
		fresh(who_has_other_rights_is_not_believed),
		fresh(a_process_with_fewer_rights_has_kin_again),
		fresh(what_was_taken_is_not_changed_any_more),
		fresh(a_forged_name_is_not_believed),
		fresh(a_process_that_dies_while_telling_costs_an_entry),
		fresh(a_flood_of_others_hides_nothing_of_ours),
		fresh(survives_any_bytes_in_the_ring),
		fresh(a_live_result_is_recognised),
		fresh(identity_is_of_the_address_not_of_the_port),
		fresh(a_part_of_a_result_can_be_forgotten),
		fresh(a_new_result_replaces_what_lay_there),
		fresh(more_results_than_fit_are_addresses),
		fresh(identities_are_copied_by_fork_not_shared),
		fresh(leaves_errno_and_the_signal_mask),
		fresh(many_threads_look_up_at_once),
		fresh(a_fork_amid_lookups_does_not_hang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
