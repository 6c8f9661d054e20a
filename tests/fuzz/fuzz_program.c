/* SPDX-License-Identifier: MIT */
/*
 * The first page of a file that is to be executed.  Whatever it says, the
 * parser stays in it, and its strings end.
 */
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct program own = {
		.elf_class = ELFCLASS64, .machine = EM_X86_64};
	size_t n = size < PROGRAM_HEAD ? size : PROGRAM_HEAD;
	void *head = malloc(n);
	struct program program;
	struct program_rights rights = {.uid = 1, .euid = 1};

	if (n)
		memcpy(head, data, n);
	program_parse(&program, head, n);
	if (!memchr(program.interpreter, 0, sizeof(program.interpreter)))
		abort();
	if (program.kind == PROGRAM_SCRIPT && !program.interpreter[0])
		abort();
	if (program_reach(&program, &own, "name") == PROGRAM_REACHED &&
		program.kind == PROGRAM_ELF && !program.is_dynamic)
		abort();
	rights.capabilities = head;
	rights.n_capabilities = n;
	program_privilege(&rights);
	free(head);
	return 0;
}
