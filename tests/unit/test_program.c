/* SPDX-License-Identifier: MIT */
/* What executable files are, by their first page, and what rights they bring.
 */
#include "unit.h"

#include <elf.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include "base/program.h"

#define GLIBC "/lib64/ld-linux-x86-64.so.2"
#define INTERPRETER_AT 1000
#define NOTE_AT 1500

static unsigned char head[PROGRAM_HEAD];
static const struct program own = {.elf_class = ELFCLASS64, .machine = 62};

/* An ELF file for x86-64 with up to one interpreter. */
static void make_elf(unsigned type, const char *interpreter)
{
	Elf64_Ehdr header = {.e_type = (uint16_t)type,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = interpreter ? 1 : 0};
	Elf64_Phdr segment = {.p_type = PT_INTERP, .p_offset = INTERPRETER_AT};

	memset(head, 0, sizeof(head));
	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	memcpy(head, &header, sizeof(header));
	if (!interpreter)
		return;
	segment.p_filesz = strlen(interpreter) + 1;
	memcpy(head + sizeof(header), &segment, sizeof(segment));
	memcpy(head + INTERPRETER_AT, interpreter, strlen(interpreter) + 1);
}

static void add_note(const char *name)
{
	Elf64_Nhdr other = {4, 8, 1}, note = {4, 2, 4};
	Elf64_Phdr segment = {.p_type = PT_NOTE,
		.p_offset = NOTE_AT,
		.p_filesz = 2 * sizeof(note) + 4 + 8 + 4 + 4};
	Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)head;
	unsigned char *at = head + NOTE_AT;

	memcpy(head + sizeof(*header) + header->e_phnum++ * sizeof(segment),
		&segment, sizeof(segment));
	memcpy(at, &other, sizeof(other));
	memcpy(at + sizeof(other), "GNU", 4);
	at += sizeof(other) + 4 + 8;
	memcpy(at, &note, sizeof(note));
	memcpy(at + sizeof(note), name, 4);
}

static enum program_reach reach_of(size_t n, const char *name)
{
	struct program program;

	program_parse(&program, head, n);
	return program_reach(&program, &own, name);
}

static void elf_is_reached_where_glibc_links_it(void **state)
{
	static const struct {
		unsigned type;
		const char *interpreter, *name;
		enum program_reach reach;
	} rows[] = {
		{ET_DYN, GLIBC, "/bin/true", PROGRAM_REACHED},
		{ET_EXEC, GLIBC, "/bin/old", PROGRAM_REACHED},
		{ET_DYN, "/nix/store/x/ld-linux-x86-64.so.2", "p",
			PROGRAM_REACHED},
		{ET_EXEC, NULL, "busybox", PROGRAM_STATIC},
		{ET_DYN, NULL, "static-pie", PROGRAM_STATIC},
		/* The dynamic linker as a command. */
		{ET_DYN, NULL, GLIBC, PROGRAM_REACHED},
		{ET_DYN, NULL, "/usr/bin/ld.so", PROGRAM_REACHED},
		{ET_EXEC, NULL, "ld-linux", PROGRAM_STATIC},
		{ET_DYN, NULL, "/lib/ld-musl-x86_64.so.1", PROGRAM_STATIC},
		{ET_DYN, "/lib/ld-musl-x86_64.so.1", "apk", PROGRAM_MUSL},
		{ET_DYN, "/system/bin/linker64", "p", PROGRAM_OTHER_LIBC},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		make_elf(rows[i].type, rows[i].interpreter);
		assert_int_equal(
			rows[i].reach, reach_of(sizeof(head), rows[i].name));
	}
}

static void other_classes_and_processors_are_foreign(void **state)
{
	Elf32_Ehdr small = {.e_type = ET_EXEC, .e_machine = EM_386};

	(void)state;
	make_elf(ET_DYN, GLIBC);
	((Elf64_Ehdr *)(void *)head)->e_machine = EM_AARCH64;
	assert_int_equal(PROGRAM_FOREIGN, reach_of(sizeof(head), "p"));
	memset(head, 0, sizeof(head));
	memcpy(small.e_ident, ELFMAG, SELFMAG);
	small.e_ident[EI_CLASS] = ELFCLASS32;
	memcpy(head, &small, sizeof(small));
	assert_int_equal(PROGRAM_FOREIGN, reach_of(sizeof(small), "p"));
	small.e_machine = EM_X86_64; /* x32 */
	memcpy(head, &small, sizeof(small));
	assert_int_equal(PROGRAM_FOREIGN, reach_of(sizeof(small), "p"));
}

static void a_note_of_go_tells_go(void **state)
{
	(void)state;
	make_elf(ET_EXEC, GLIBC);
	add_note("Go\0");
	assert_int_equal(PROGRAM_GO, reach_of(sizeof(head), "p"));
	make_elf(ET_EXEC, NULL);
	add_note("Go\0");
	assert_int_equal(PROGRAM_GO, reach_of(sizeof(head), "p"));
	make_elf(ET_DYN, GLIBC);
	add_note("GNU");
	assert_int_equal(PROGRAM_REACHED, reach_of(sizeof(head), "p"));
}

static void what_lies_further_behind_is_unclear(void **state)
{
	Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)head;

	(void)state;
	make_elf(ET_DYN, GLIBC);
	for (size_t n = 8; n < INTERPRETER_AT + sizeof(GLIBC); n++)
		assert_int_equal(PROGRAM_UNCLEAR, reach_of(n, "p"));
	assert_int_equal(
		PROGRAM_REACHED, reach_of(INTERPRETER_AT + sizeof(GLIBC), "p"));
	header->e_phoff = UINT64_MAX - 10;
	assert_int_equal(PROGRAM_UNCLEAR, reach_of(sizeof(head), "p"));
	header->e_phoff = sizeof(head);
	assert_int_equal(PROGRAM_UNCLEAR, reach_of(sizeof(head), "p"));
	header->e_phoff = sizeof(*header);
	header->e_phentsize = 1;
	assert_int_equal(PROGRAM_UNCLEAR, reach_of(sizeof(head), "p"));
}

static void scripts_name_their_interpreter(void **state)
{
	static const struct {
		const char *text;
		enum program_kind kind;
		const char *interpreter;
	} rows[] = {
		{"#!/bin/sh\n", PROGRAM_SCRIPT, "/bin/sh"},
		{"#! \t/usr/bin/env -S python3 -u\nx", PROGRAM_SCRIPT,
			"/usr/bin/env"},
		{"#!/bin/sh", PROGRAM_SCRIPT, "/bin/sh"},
		{"#!sh\n", PROGRAM_SCRIPT, "sh"},
		{"#!\n/bin/sh", PROGRAM_UNKNOWN, ""},
		{"#!", PROGRAM_UNKNOWN, ""},
		{"echo hello\n", PROGRAM_TEXT, ""},
		{"", PROGRAM_TEXT, ""},
		{"#", PROGRAM_TEXT, ""},
	};
	char longest[PROGRAM_INTERPRETER + 20];
	struct program program;

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		program_parse(&program, rows[i].text, strlen(rows[i].text));
		assert_int_equal(rows[i].kind, program.kind);
		assert_string_equal(rows[i].interpreter, program.interpreter);
	}
	program_parse(&program, "MZ\0\1", 4);
	assert_int_equal(PROGRAM_UNKNOWN, program.kind);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "#!", 2);
	program_parse(&program, longest, sizeof(longest));
	assert_int_equal(PROGRAM_SCRIPT, program.kind);
	assert_int_equal(PROGRAM_INTERPRETER - 2, strlen(program.interpreter));
}

/* ---- rights ---- */

#define USER .uid = 1000, .euid = 1000, .gid = 1000, .egid = 1000
#define ROOT .uid = 0, .euid = 0, .gid = 0, .egid = 0

static void privilege_is_where_at_secure_would_be_set(void **state)
{
	static const uint32_t effective[5] = {
		VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, 1 << 10};
	static const uint32_t permitted[5] = {VFS_CAP_REVISION_2, 0, 0, 1};
	static const uint32_t inheritable[5] = {VFS_CAP_REVISION_2, 0, 1};
	static const struct {
		struct program_rights rights;
		enum program_privilege privilege;
	} rows[] = {
		{{USER, .mode = 0755}, PROGRAM_PLAIN},
		{{USER, .mode = 04755}, PROGRAM_SETUID},
		{{USER, .mode = 04755, .owner = 1000}, PROGRAM_PLAIN},
		{{ROOT, .mode = 04755}, PROGRAM_PLAIN},
		{{ROOT, .mode = 04755, .owner = 7}, PROGRAM_SETUID},
		{{USER, .mode = 04755, .is_nosuid = true}, PROGRAM_PLAIN},
		{{USER, .mode = 04755, .has_no_new_privs = true},
			PROGRAM_PLAIN},
		{{USER, .mode = 02755, .group = 5}, PROGRAM_SETGID},
		/* Mandatory locking, once. */
		{{USER, .mode = 02745, .group = 5}, PROGRAM_PLAIN},
		{{.uid = 0, .euid = 1000, .mode = 0755}, PROGRAM_OWN_IDS},
		{{.uid = 1000, .gid = 1000, .euid = 1000, .egid = 5},
			PROGRAM_OWN_IDS},
		{{USER, .capabilities = effective, .n_capabilities = 20},
			PROGRAM_CAPABLE},
		{{USER, .capabilities = permitted, .n_capabilities = 20},
			PROGRAM_CAPABLE},
		{{USER, .capabilities = inheritable, .n_capabilities = 20},
			PROGRAM_PLAIN},
		{{ROOT, .capabilities = effective, .n_capabilities = 20},
			PROGRAM_PLAIN},
		{{USER, .capabilities = effective, .n_capabilities = 20,
			 .is_nosuid = true},
			PROGRAM_PLAIN},
		{{USER, .capabilities = effective, .n_capabilities = 20,
			 .has_no_new_privs = true},
			PROGRAM_CAPABLE},
		{{USER, .capabilities = permitted, .n_capabilities = 20,
			 .has_no_new_privs = true},
			PROGRAM_PLAIN},
		{{USER, .capabilities = effective, .n_capabilities = 3},
			PROGRAM_PLAIN},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		assert_int_equal(
			rows[i].privilege, program_privilege(&rows[i].rights));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elf_is_reached_where_glibc_links_it),
		cmocka_unit_test(other_classes_and_processors_are_foreign),
		cmocka_unit_test(a_note_of_go_tells_go),
		cmocka_unit_test(what_lies_further_behind_is_unclear),
		cmocka_unit_test(scripts_name_their_interpreter),
		cmocka_unit_test(privilege_is_where_at_secure_would_be_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
