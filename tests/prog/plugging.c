/* SPDX-License-Identifier: MIT */
/* Many hand-overs while other threads are in the engine, or asleep on the very
 * connections. */
#include "oracle.h"
#include <stdatomic.h>
#include <sys/wait.h>

#define BUSY 8
#define ROUNDS 40
#define ASLEEP 4

static atomic_bool done;

/* A connection of its own, bytes there and back until all is over. */
static void *busy(void *arg)
{
	char out[5000], in[5000];
	size_t at = 0;
	int fd = *(int *)arg;

	while (!done) {
		fill_pattern(out, at, sizeof(out));
		write_all(fd, out, sizeof(out));
		read_all(fd, in, sizeof(in));
		if (!is_pattern(in, at, sizeof(in)))
			return "wrong";
		at += sizeof(in);
		usleep(5000);
	}
	return "right";
}

static void *asleep(void *arg)
{
	char word[8];
	int fd = *(int *)arg;
	size_t n = 0;

	while (n < 5) {
		ssize_t r = read(fd, word + n, 5 - n);

		if (r <= 0)
			return "ended";
		n += (size_t)r;
	}
	return memcmp(word, "awake", 5) == 0 ? "right" : "wrong";
}

static void start(pthread_t *t, void *(*run)(void *), int *fd)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	if (pthread_create(t, &attr, run, fd))
		give_up("pthread_create");
}

static int count_right(pthread_t *threads, int n)
{
	int right = 0;

	for (int i = 0; i < n; i++) {
		void *how;

		pthread_join(threads[i], &how);
		right += strcmp(how, "right") == 0;
	}
	return right;
}

/* Each round: connections with sleeping readers are handed over one by one
 * while the peer's words are on their way. */
static int round_of_sleepers(int number)
{
	pthread_t threads[ASLEEP];
	int fds[ASLEEP];

	for (int i = 0; i < ASLEEP; i++) {
		fds[i] = dial();
		start(&threads[i], asleep, &fds[i]);
	}
	for (int i = 0; i < ASLEEP; i++) {
		/* Before, at once, or after the sleeper is asleep. */
		if (number % 3)
			usleep((useconds_t)(number * 50));
		if (number % 2)
			peer("&@%d send awake", BUSY + number * ASLEEP + i + 1);
		dprintf(fds[i], "%s", "");
		if (number % 2 == 0)
			peer("&@%d send awake", BUSY + number * ASLEEP + i + 1);
	}
	number = count_right(threads, ASLEEP);
	for (int i = 0; i < ASLEEP; i++)
		close(fds[i]);
	return number;
}

/* The engine's threads keep their connections: only others are handed over. */
static void engine(void)
{
	pthread_t threads[BUSY];
	int fds[BUSY], right = 0;

	for (int i = 0; i < BUSY; i++) {
		fds[i] = dial();
		peer("&@%d echo", i + 1);
		start(&threads[i], busy, &fds[i]);
	}
	for (int i = 0; i < ROUNDS; i++)
		right += round_of_sleepers(i);
	done = true;
	show("awake", right == ROUNDS * ASLEEP);
	show("busy", count_right(threads, BUSY));
}

/* All are handed over by forks, while they are used. */
static void forks(void)
{
	pthread_t threads[BUSY];
	int fds[BUSY];

	for (int i = 0; i < BUSY; i++) {
		fds[i] = dial();
		peer("&@%d echo", i + 1);
		start(&threads[i], busy, &fds[i]);
	}
	for (int i = 0; i < ROUNDS; i++) {
		int own = dial(), status = -1;
		pid_t pid = fork();

		if (pid == 0)
			_exit(close(own));
		waitpid(pid, &status, 0);
		if (status)
			show("child", status);
		close(own);
	}
	done = true;
	show("busy", count_right(threads, BUSY));
}

/* A process with a sleeping reader forks and is killed in that sleep: its
 * child hears what comes. */
static void leave_a_child(int result)
{
	pthread_t sleeper;
	char word[5];
	int fd = dial();

	start(&sleeper, asleep, &fd);
	usleep(20000);
	if (fork()) {
		pause();
		_exit(1);
	}
	if (write(result, "!", 1) != 1)
		_exit(1);
	read_all(fd, word, 5);
	_exit(write(result, word, 5) == 5 ? 0 : 1);
}

static void killed(void)
{
	char said[6];
	int right = 0;

	for (int i = 0; i < 10; i++) {
		int result[2];
		pid_t pid;

		if (pipe(result))
			give_up("pipe");
		pid = fork();
		if (pid == 0)
			leave_a_child(result[1]);
		read_all(result[0], said, 1);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		peer("send awake");
		read_all(result[0], said, 5);
		right += memcmp(said, "awake", 5) == 0;
		close(result[0]);
		close(result[1]);
	}
	show("right", right);
}

static void *forker(void *arg)
{
	for (int i = 0; i < 10; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, &status, 0);
		if (status)
			return "wrong";
	}
	(void)arg;
	return "right";
}

/* Several threads want the same connection handed over at once. */
static void together(void)
{
	double begun = now();

	for (int i = 0; i < 10; i++) {
		pthread_t threads[4];
		char word[4];
		int fd = dial();

		for (int j = 0; j < 4; j++)
			start(&threads[j], forker, &fd);
		write_all(fd, "word", 4);
		peer("recv 4");
		peer("send back");
		read_all(fd, word, 4);
		if (count_right(threads, 4) != 4)
			say("wrong\n");
		close(fd);
	}
	show("soon", now() - begun < 10);
}

SCENARIOS({"engine", engine}, {"forks", forks}, {"killed", killed},
	{"together", together})
