/* SPDX-License-Identifier: MIT */
/* What the process has used. */
#include <stdio.h>
#include <unistd.h>

static long resident_kb(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long total, resident = 0;

	if (file && fscanf(file, "%ld %ld", &total, &resident) != 2)
		resident = 0;
	if (file)
		fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}
