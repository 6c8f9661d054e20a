/* SPDX-License-Identifier: MIT */
/*
 * Executable files as bytes: ELF (elf(5)), scripts, and the rights that they
 * bring.
 */
#include "base/program.h"

#include <elf.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>

/* ---- ELF, of either class, of this machine's byte order ---- */

struct segment {
	uint32_t type;
	uint64_t offset, size;
};

struct elf {
	const unsigned char *head;
	size_t n;
	bool is_64;
	uint64_t offset; /* of the program headers */
	unsigned count, size;
};

static bool read_header(struct elf *elf, struct program *program)
{
	Elf64_Ehdr e64;
	Elf32_Ehdr e32;

	elf->is_64 = elf->head[EI_CLASS] == ELFCLASS64;
	program->elf_class = elf->head[EI_CLASS];
	if (elf->n < (elf->is_64 ? sizeof(e64) : sizeof(e32)))
		return false;
	memcpy(&e64, elf->head, elf->is_64 ? sizeof(e64) : sizeof(e32));
	memcpy(&e32, elf->head, sizeof(e32));
	program->machine = e64.e_machine; /* in the same place in both */
	program->is_shared = e64.e_type == ET_DYN;
	elf->offset = elf->is_64 ? e64.e_phoff : e32.e_phoff;
	elf->count = elf->is_64 ? e64.e_phnum : e32.e_phnum;
	elf->size = elf->is_64 ? e64.e_phentsize : e32.e_phentsize;
	return true;
}

static bool read_segment(
	const struct elf *elf, unsigned i, struct segment *segment)
{
	size_t size = elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	uint64_t offset = elf->offset + (uint64_t)i * elf->size;
	Elf64_Phdr p64;
	Elf32_Phdr p32;

	if (elf->size < size || elf->offset > elf->n || offset > elf->n ||
		elf->n - offset < size)
		return false;
	memcpy(&p32, elf->head + offset, sizeof(p32));
	*segment = (struct segment){p32.p_type, p32.p_offset, p32.p_filesz};
	if (!elf->is_64)
		return true;
	memcpy(&p64, elf->head + offset, sizeof(p64));
	*segment = (struct segment){p64.p_type, p64.p_offset, p64.p_filesz};
	return true;
}

static bool is_in_head(const struct elf *elf, const struct segment *segment)
{
	return segment->offset <= elf->n &&
	       segment->size <= elf->n - segment->offset;
}

static void read_interpreter(struct program *program, const struct elf *elf,
	const struct segment *segment)
{
	size_t n = segment->size;

	program->is_dynamic = true;
	if (!is_in_head(elf, segment) || n >= sizeof(program->interpreter)) {
		program->is_cut = true;
		return;
	}
	memcpy(program->interpreter, elf->head + segment->offset, n);
	program->interpreter[n] = '\0';
}

static size_t padded(uint32_t n)
{
	return ((size_t)n + 3) & ~(size_t)3;
}

/* Is one of these notes the build identity that the linker of Go makes, or
 * has it made? */
static bool has_go_note(const unsigned char *notes, size_t n)
{
	Elf64_Nhdr note; /* as Elf32_Nhdr */

	while (n >= sizeof(note)) {
		size_t size;

		memcpy(&note, notes, sizeof(note));
		size = sizeof(note) + padded(note.n_namesz) +
		       padded(note.n_descsz);
		if (n - sizeof(note) >= 4 && note.n_namesz == 4 &&
			!memcmp(notes + sizeof(note), "Go\0", 4))
			return true;
		if (size > n)
			return false;
		notes += size;
		n -= size;
	}
	return false;
}

static void parse_elf(struct program *program, const void *head, size_t n)
{
	struct elf elf = {.head = head, .n = n};
	struct segment segment;

	program->kind = PROGRAM_ELF;
	if (!read_header(&elf, program)) {
		program->kind = PROGRAM_UNKNOWN;
		return;
	}
	for (unsigned i = 0; i < elf.count; i++) {
		if (!read_segment(&elf, i, &segment)) {
			program->is_cut = true;
			return;
		}
		if (segment.type == PT_INTERP)
			read_interpreter(program, &elf, &segment);
		if (segment.type == PT_NOTE && is_in_head(&elf, &segment))
			program->is_go |= has_go_note(
				elf.head + segment.offset, segment.size);
	}
}

/* ---- scripts ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The interpreter ends at a blank; a line without one is no script for the
 * kernel. */
static void parse_script(struct program *program, const char *line, size_t n)
{
	size_t from = 2, to;

	program->kind = PROGRAM_UNKNOWN;
	if (n > PROGRAM_INTERPRETER)
		n = PROGRAM_INTERPRETER;
	while (from < n && is_blank(line[from]))
		from++;
	for (to = from; to < n && line[to] && line[to] != '\n'; to++)
		if (is_blank(line[to]))
			break;
	if (to == from || to - from >= sizeof(program->interpreter))
		return;
	program->kind = PROGRAM_SCRIPT;
	memcpy(program->interpreter, line + from, to - from);
	program->interpreter[to - from] = '\0';
}

void program_parse(struct program *program, const void *head, size_t n)
{
	*program = (struct program){.kind = PROGRAM_UNKNOWN};
	if (n >= EI_NIDENT && !memcmp(head, ELFMAG, SELFMAG))
		parse_elf(program, head, n);
	else if (n >= 2 && !memcmp(head, "#!", 2))
		parse_script(program, head, n);
	else if (!memchr(head, '\0', n))
		program->kind = PROGRAM_TEXT;
}

/* ---- reach ---- */

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* glibc's: ld-linux-x86-64.so.2; the newest is called ld.so as well, and the
 * old ones ld-2.31.so. */
static bool is_linker(const char *path)
{
	const char *name = base(path);

	return begins(name, "ld-linux") || !strcmp(name, "ld.so") ||
	       begins(name, "ld-2.");
}

enum program_reach program_reach(const struct program *program,
	const struct program *own, const char *name)
{
	if (program->kind == PROGRAM_TEXT)
		return PROGRAM_REACHED; /* the shell is */
	if (program->kind != PROGRAM_ELF)
		return PROGRAM_UNCLEAR;
	if (program->elf_class != own->elf_class ||
		program->machine != own->machine)
		return PROGRAM_FOREIGN;
	if (program->is_go)
		return PROGRAM_GO;
	if (!program->is_dynamic && program->is_cut)
		return PROGRAM_UNCLEAR;
	if (!program->is_dynamic)
		return program->is_shared && is_linker(name) ? PROGRAM_REACHED
							     : PROGRAM_STATIC;
	if (!program->interpreter[0])
		return PROGRAM_UNCLEAR;
	if (begins(base(program->interpreter), "ld-musl"))
		return PROGRAM_MUSL;
	return is_linker(program->interpreter) ? PROGRAM_REACHED
					       : PROGRAM_OTHER_LIBC;
}

/* ---- rights: cap_bprm_creds_from_file() of the kernel ---- */

static bool sets_group(const struct program_rights *rights)
{
	const mode_t both = S_ISGID | S_IXGRP;

	return (rights->mode & both) == both;
}

bool program_may_gain(const struct program_rights *rights)
{
	return (rights->mode & S_ISUID) || sets_group(rights) ||
	       rights->n_capabilities;
}

/* Of every version the first words are flags and permitted capabilities;
 * of version 2 and 3 further permitted ones stand in the fourth word.  With
 * no_new_privs they add nothing, and the flag counts all the same. */
static bool has_capabilities(const struct program_rights *rights)
{
	uint32_t words[4] = {0};

	if (rights->n_capabilities < XATTR_CAPS_SZ_1)
		return false;
	memcpy(words, rights->capabilities,
		rights->n_capabilities < sizeof(words) ? rights->n_capabilities
						       : sizeof(words));
	if ((words[0] & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_1)
		words[3] = 0;
	if (words[0] & VFS_CAP_FLAGS_EFFECTIVE)
		return true;
	return !rights->has_no_new_privs && (words[1] || words[3]);
}

enum program_privilege program_privilege(const struct program_rights *rights)
{
	bool sets = !rights->is_nosuid && !rights->has_no_new_privs;
	uid_t uid =
		sets && (rights->mode & S_ISUID) ? rights->owner : rights->euid;
	gid_t gid = sets && sets_group(rights) ? rights->group : rights->egid;

	if (uid != rights->euid)
		return PROGRAM_SETUID;
	if (gid != rights->egid)
		return PROGRAM_SETGID;
	if (uid != rights->uid || gid != rights->gid)
		return PROGRAM_OWN_IDS;
	/* The real root has them all, and no use for the file's. */
	if (!rights->is_nosuid && rights->uid != 0 && has_capabilities(rights))
		return PROGRAM_CAPABLE;
	return PROGRAM_PLAIN;
}
