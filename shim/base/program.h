/* SPDX-License-Identifier: MIT */
/*
 * What an executable file is, from its first page, and whether the dynamic
 * linker of glibc would preload a library of this process's kind into it.
 * Pure: bytes and numbers in, an answer out.  It is a diagnosis, not a
 * boundary: the file may be another one by the time that it is executed.
 */
#ifndef TLSSHIM_PROGRAM_H
#define TLSSHIM_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* So much of a file is looked at. */
#define PROGRAM_HEAD 4096
/* So many scripts may be the interpreters of each other: execve(2). */
#define PROGRAM_SCRIPTS 4
/* The kernel reads so much of a line that begins with "#!". */
#define PROGRAM_INTERPRETER 256

enum program_kind {
	PROGRAM_UNKNOWN, /* for binfmt_misc, or for nobody */
	PROGRAM_TEXT,	 /* without "#!": shells and execvp(3) run it by sh */
	PROGRAM_SCRIPT,
	PROGRAM_ELF,
};

struct program {
	enum program_kind kind;
	unsigned char elf_class; /* EI_CLASS */
	uint16_t machine;	 /* e_machine */
	bool is_shared;		 /* ET_DYN: a PIE or a library */
	bool is_dynamic;	 /* PT_INTERP */
	bool is_cut; /* what would tell more lies behind the first page */
	bool is_go;
	/* Of a script, or the dynamic linker; "": it lies further behind. */
	char interpreter[PROGRAM_INTERPRETER];
};

/* Reads head[0..n), the beginning of the file. */
void program_parse(struct program *program, const void *head, size_t n);

/* What LD_PRELOAD does to it. */
enum program_reach {
	PROGRAM_REACHED,
	PROGRAM_UNCLEAR, /* it may or may not be */
	PROGRAM_STATIC,
	PROGRAM_GO,
	PROGRAM_FOREIGN, /* of another class or processor */
	PROGRAM_MUSL,
	PROGRAM_OTHER_LIBC,
};

/* own is this process's; name is the file's, for the dynamic linker itself is
 * known by it alone.  Not for scripts. */
enum program_reach program_reach(const struct program *program,
	const struct program *own, const char *name);

/* What the kernel goes by when it decides on AT_SECURE (getauxval(3)), where
 * the dynamic linker ignores LD_PRELOAD. */
struct program_rights {
	uid_t owner;
	gid_t group;
	mode_t mode;
	const void *capabilities; /* the attribute security.capability */
	size_t n_capabilities;
	bool is_nosuid;	       /* the file system is mounted so */
	bool has_no_new_privs; /* prctl(2) */
	uid_t uid, euid;       /* this process's */
	gid_t gid, egid;
};

enum program_privilege {
	PROGRAM_PLAIN,
	PROGRAM_SETUID,
	PROGRAM_SETGID,
	PROGRAM_CAPABLE,
	PROGRAM_OWN_IDS, /* ours differ already, real and effective */
};
enum program_privilege program_privilege(const struct program_rights *rights);

/* May the rest of the rights matter, which cost system calls? */
bool program_may_gain(const struct program_rights *rights);

#endif
