/* SPDX-License-Identifier: MIT */
/*
 * Writes one byte too many, for the harness to notice a sanitizer that does
 * not watch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	char *volatile p = malloc(8);

	(void)argv;
	memset(p, 'x', 8 + (size_t)argc);
	putchar(p[0]);
	free(p);
	return 0;
}
