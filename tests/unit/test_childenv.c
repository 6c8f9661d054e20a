/* SPDX-License-Identifier: MIT */
/* Environments of children: what is given back, and what is left alone. */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include "config/childenv.h"

#define LIB "/opt/libtlsshim.so"
#define PORTS "TLSSHIM_PORTS=443"
#define MARK CHILDENV_GIVEN "=yes"

static const char *const settings[] = {PORTS, MARK};
static const struct childenv_own own = {
	"LD_PRELOAD=" LIB, "libtlsshim.so", settings, 2};

/* The entries of the new environment, joined by blanks and '|'. */
static const char *made_of(
	const struct childenv_own *from, char **envp, char *extra)
{
	static char joined[4096];
	char *to[32], text[1024] = "";
	struct childenv_plan plan;

	childenv_plan(&plan, from, envp);
	assert_uint_in_range(plan.entries, 1, N_ROWS(to) - 1);
	assert_uint_in_range(plan.preload_len, 0, sizeof(text));
	memset(text, '!', sizeof(text));
	childenv_make(&plan, to, text, extra);
	joined[0] = '\0';
	for (size_t i = 0; to[i]; i++) {
		strcat(joined, to[i]);
		strcat(joined, "|");
	}
	for (size_t i = plan.preload_len; i < sizeof(text); i++)
		assert_int_equal('!', text[i]);
	return joined;
}

#define ENV(...) ((char *[]){__VA_ARGS__, NULL})

static void what_is_lacking_is_given(void **state)
{
	char *none[] = {NULL};

	(void)state;
	assert_string_equal("LD_PRELOAD=" LIB "|" PORTS "|" MARK "|",
		made_of(&own, none, NULL));
	assert_string_equal("LD_PRELOAD=" LIB "|" PORTS "|" MARK "|",
		made_of(&own, NULL, NULL));
	assert_string_equal(PORTS "|" MARK "|LD_PRELOAD=" LIB "|",
		made_of(&own, ENV("LD_PRELOAD=" LIB), NULL));
	assert_string_equal("LD_PRELOAD=" LIB ":/x.so|" PORTS "|" MARK "|A=b|",
		made_of(&own, ENV("A=b", "LD_PRELOAD=/x.so"), NULL));
}

static void some_settings_are_all(void **state)
{
	(void)state;
	assert_string_equal("LD_PRELOAD=" LIB ":/x.so|TLSSHIM_LOG=none|",
		made_of(&own, ENV("TLSSHIM_LOG=none", "LD_PRELOAD=/x.so"),
			NULL));
	assert_string_equal("LD_PRELOAD=" LIB "|TLSSHIM_LOG=none|",
		made_of(&own, ENV("LD_PRELOAD=" LIB, "TLSSHIM_LOG=none"),
			NULL));
}

static void settings_without_a_library_are_a_decision(void **state)
{
	static const char *const blank[] = {
		NULL, "LD_PRELOAD=", "LD_PRELOAD= : "};
	struct childenv_plan plan;

	(void)state;
	for (size_t i = 0; i < N_ROWS(blank); i++) {
		char *envp[] = {PORTS, (char *)blank[i], NULL};

		childenv_plan(&plan, &own, envp);
		assert_true(plan.is_left_out);
		assert_false(plan.sets_preload || plan.gives_settings);
		/* Ours alone are no settings. */
		envp[0] = MARK;
		childenv_plan(&plan, &own, envp);
		assert_false(plan.is_left_out);
		assert_true(plan.sets_preload && plan.gives_settings);
	}
}

static void the_library_comes_first(void **state)
{
	static const struct {
		const char *list, *made;
	} rows[] = {
		{LIB ":/x.so", LIB ":/x.so"},
		{" " LIB " /x.so", " " LIB " /x.so"},
		{"/x.so:" LIB, LIB ":/x.so"},
		{"  /x.so ::" LIB " : y", LIB ":/x.so:y"},
		/* where another directory may be another file */
		{"libtlsshim.so", LIB},
		{"libtlsshim.so:/x.so", LIB ":/x.so"},
		{"/elsewhere/libtlsshim.so", LIB ":/elsewhere/libtlsshim.so"},
		{"/usr/libasan.so.8:" LIB ":/x.so",
			"/usr/libasan.so.8:" LIB ":/x.so"},
		{"/usr/libasan.so.8:/x.so:" LIB,
			"/usr/libasan.so.8:" LIB ":/x.so"},
		{"libasan.so.8 /a/libclang_rt.ubsan.so",
			"libasan.so.8:/a/libclang_rt.ubsan.so:" LIB},
		{"/libasan/x.so", LIB ":/libasan/x.so"},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		char entry[200] = "LD_PRELOAD=", made[200];

		strcat(entry, rows[i].list);
		snprintf(made, sizeof(made), "LD_PRELOAD=%s|", rows[i].made);
		assert_non_null(
			strstr(made_of(&own, ENV(entry, PORTS), NULL), made));
		/* Once that is so, it stays so. */
		made[strlen(made) - 1] = '\0';
		snprintf(entry, sizeof(entry), "%s|%s|", made, PORTS);
		assert_string_equal(
			entry, made_of(&own, ENV(made, PORTS), NULL));
	}
}

static void a_name_with_the_linkers_tokens_stays(void **state)
{
	const struct childenv_own both = {
		"LD_PRELOAD=" LIB, "/opt/$LIB/libtlsshim.so", settings, 2};

	(void)state;
	assert_string_equal("LD_PRELOAD=/opt/$LIB/libtlsshim.so:x|" PORTS "|",
		made_of(&both,
			ENV("LD_PRELOAD=/opt/$LIB/libtlsshim.so:x", PORTS),
			NULL));
}

static void of_several_lists_the_last_counts(void **state)
{
	(void)state;
	assert_string_equal("LD_PRELOAD=" LIB ":/x.so|" PORTS "|",
		made_of(&own, ENV("LD_PRELOAD=" LIB, "LD_PRELOAD=/x.so", PORTS),
			NULL));
	assert_string_equal("LD_PRELOAD=" LIB "|" PORTS "|",
		made_of(&own, ENV("LD_PRELOAD=/x.so", "LD_PRELOAD=" LIB, PORTS),
			NULL));
}

static void without_a_preload_settings_alone_are_given(void **state)
{
	const struct childenv_own system = {NULL, NULL, settings, 2};
	struct childenv_plan plan;

	(void)state;
	assert_string_equal(PORTS "|" MARK "|LD_PRELOAD=/x.so|",
		made_of(&system, ENV("LD_PRELOAD=/x.so"), NULL));
	childenv_plan(&plan, &system, ENV(PORTS));
	assert_false(plan.is_left_out);
}

static void the_list_of_peers_is_replaced(void **state)
{
	char peers[] = CHILDENV_PEERS "=1:2:3,";

	(void)state;
	assert_string_equal("LD_PRELOAD=" LIB "|" PORTS "|" CHILDENV_PEERS
			    "=1:2:3,|",
		made_of(&own,
			ENV("LD_PRELOAD=" LIB, CHILDENV_PEERS "=old", PORTS),
			peers));
}

static void names_are_compared_by_their_file(void **state)
{
	(void)state;
	assert_true(childenv_names("a.so /usr/$LIB/libtlsshim.so", LIB));
	assert_true(childenv_names("libtlsshim.so", LIB));
	assert_false(childenv_names("libtlsshim.so.1 tlsshim.so", LIB));
	assert_false(childenv_names("", LIB));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_lacking_is_given),
		cmocka_unit_test(some_settings_are_all),
		cmocka_unit_test(settings_without_a_library_are_a_decision),
		cmocka_unit_test(the_library_comes_first),
		cmocka_unit_test(a_name_with_the_linkers_tokens_stays),
		cmocka_unit_test(of_several_lists_the_last_counts),
		cmocka_unit_test(without_a_preload_settings_alone_are_given),
		cmocka_unit_test(the_list_of_peers_is_replaced),
		cmocka_unit_test(names_are_compared_by_their_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
