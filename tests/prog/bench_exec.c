/* SPDX-License-Identifier: MIT */
/*
 * Measures what a preload library adds to the life of a short program:
 *
 *	bench_exec PAIRS LIBRARY COMMAND [ARGUMENT...]
 *
 * Runs the command PAIRS times without and with the library, taking turns in
 * who is first, and prints a line "WITHOUT WITH" in nanoseconds for each pair:
 * from the spawn to the end, as wait() tells of it.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long long life(char **argv, char **env)
{
	long long start = now();
	pid_t pid;
	int status;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, env) != 0 ||
		waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "bench_exec: %s does not end well\n", argv[0]);
		exit(1);
	}
	return now() - start;
}

int main(int argc, char **argv)
{
	int pairs = argc > 3 ? atoi(argv[1]) : 0, n = 0;
	char preload[4096], **env;
	long long without, with;

	if (pairs <= 0)
		return 2;
	while (environ[n])
		n++;
	env = calloc((size_t)n + 2, sizeof(*env));
	if (!env)
		return 1;
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", argv[2]);
	memcpy(env, environ, (size_t)n * sizeof(*env));
	env[n] = preload;

	for (int i = 0; i < pairs; i++) {
		if (i % 2) {
			with = life(argv + 3, env);
			without = life(argv + 3, environ);
		} else {
			without = life(argv + 3, environ);
			with = life(argv + 3, env);
		}
		printf("%lld %lld\n", without, with);
	}
	return 0;
}
