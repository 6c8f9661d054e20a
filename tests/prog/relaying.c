/* SPDX-License-Identifier: MIT */
/* What a relay is to the program that has it, and what becomes of the program
 * where none can be had. */
#include "oracle.h"
#include "relays.h"
#include <ifaddrs.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char buf[1 << 20];

static void talk(int fd, const char *word)
{
	write_all(fd, word, strlen(word));
	peer("recv %zu", strlen(word));
	peer("send %s", word);
	show_bytes("answer", read(fd, buf, sizeof(buf)), buf);
}

/* ---- nothing of it is seen ---- */

static int chld_count;

static void count_chld(int sig)
{
	(void)sig;
	chld_count++;
}

static int count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void unseen(void)
{
	int before = 0;

	signal(SIGCHLD, count_chld);
	for (int i = 0; i < 20; i++) {
		int fd = dial();

		if (i == 1)
			before = count_descriptors();
		hand_over(fd);
		peer("&echo");
		write_all(fd, "word", 4);
		read_all(fd, buf, 4);
		if (i == 19)
			show("descriptors", count_descriptors() <= before);
		close(fd);
	}
	usleep(100000);
	show("SIGCHLD", chld_count);
	show("wait", wait(NULL));
	show("waitpid", waitpid(-1, NULL, WNOHANG));
	show("of our group", waitpid(0, NULL, WNOHANG));
}

/* A subreaper inherits orphans: not these. */
static void subreaper(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	unseen();
}

/* ---- what it is ---- */

static long status_of(pid_t pid, const char *key)
{
	char path[64], line[200];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid,
		strcmp(key, "Pss:") == 0 ? "smaps_rollup" : "status");
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			value = (long)strtoul(line + strlen(key), NULL,
				strncmp(key, "Sig", 3) ? 10 : 16);
	if (f)
		fclose(f);
	return value;
}

static int count_entries(pid_t pid, const char *what)
{
	char path[64];
	DIR *d;
	int n = -2;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

static bool ignores(pid_t pid, int sig)
{
	return status_of(pid, "SigIgn:") >> (sig - 1) & 1;
}

static void anatomy(void)
{
	int fd, other;
	char args[300], cwd[300], path[64];
	sigset_t all;
	pid_t pid;

	setpgid(0, 0);
	signal(SIGTERM, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	fd = dial();
	other = dial();
	hand_over(fd);
	pid = find_relay(args, sizeof(args));
	show("found", pid > 0);
	show("not our child", status_of(pid, "PPid:") != getpid());
	show("own session", getsid(pid) == pid);
	show("threads", count_entries(pid, "task"));
	/* Two sockets, the log, the program, and where it is told of options.
	 */
	show("descriptors", count_entries(pid, "fd"));
	show("blocked", status_of(pid, "SigBlk:"));
	show("ignores what asks it to end",
		ignores(pid, SIGTERM) && ignores(pid, SIGINT) &&
			ignores(pid, SIGHUP) && ignores(pid, SIGQUIT) &&
			ignores(pid, SIGRTMAX));
	show("ignores faults", ignores(pid, SIGSEGV) || ignores(pid, SIGABRT));
	show("caught", status_of(pid, "SigCgt:"));
	snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	cwd[readlink(path, cwd, sizeof(cwd) - 1)] = 0;
	say("in %s\n", cwd);
	/* The program's group: a terminal's ^C. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	kill(0, SIGINT);
	kill(0, SIGHUP);
	peer("@1 recv %d", (int)write(fd, "alive", 5));
	close(fd);
	peer("@1 close");
	show("ends with its connection", ends(pid));
	hand_over(other);
	pid = find_relay(args, sizeof(args));
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
	kill(pid, SIGHUP);
	peer("recv %d", (int)write(other, "still", 5));
	peer("send there");
	show_bytes("after SIGTERM", read(other, buf, 5), buf);
	kill(pid, SIGKILL);
	show("SIGKILL ends it", ends(pid));
	show("reset", read(other, buf, 1));
}

static void killed(void)
{
	int fd = dial();
	char args[300];
	pid_t pid;

	hand_over(fd);
	talk(fd, "before");
	pid = find_relay(args, sizeof(args));
	kill(pid, SIGKILL);
	ends(pid);
	show("read", read(fd, buf, 1));
	signal(SIGPIPE, SIG_IGN);
	show("write", write(fd, "after", 5));
}

static void short_linger(int fd)
{
	int seconds = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &seconds, sizeof(seconds)))
		give_up("TCP_LINGER2");
}

/* The program is gone and the peer silent: the relay does not stay. */
static void orphaned(void)
{
	int fd = dial();
	char args[300];
	pid_t pid;

	hand_over(fd);
	short_linger(fd);
	pid = find_relay(args, sizeof(args));
	write_all(fd, "last words", 10);
	show("close", close(fd));
	say("peer: %s\n", peer("end"));
	show("stays a while", kill(pid, 0));
	show("ends", ends(pid));
}

/* A program that only half-closed may wait longer than that. */
static void patient(void)
{
	int fd = dial();

	hand_over(fd);
	short_linger(fd);
	show("half-close", shutdown(fd, SHUT_WR));
	say("peer: %s\n", peer("end"));
	sleep(4);
	peer("send late answer");
	show_bytes("read", read(fd, buf, 20), buf);
	peer("finish");
	show("end", read(fd, buf, 20));
	close(fd);
}

/* More than the peer takes at once, and exit: pid 1 takes all others of its
 * namespace with it. */
static void first_process(void)
{
	int fd = dial();
	long sum = 0;

	show("pid", getpid());
	hand_over(fd);
	peer("&sleep 1");
	peer("&read");
	set_nonblocking(fd, true);
	for (int idle = 0; idle < 10;) {
		ssize_t r = write(fd, buf, 60000);

		if (r > 0)
			sum += r;
		else
			usleep(10000);
		idle = r > 0 ? 0 : idle + 1;
	}
	say("peer: %ld bytes\n", sum);
}

static void strangers(void)
{
	for (int i = 0; i < 5; i++) {
		int fd = dial();

		hand_over(fd);
		talk(fd, "secret");
		close(fd);
	}
}

/* All connections of one event have one relay. */
static void shared(void)
{
	int fds[10];
	char args[300];
	pid_t pid;

	for (int i = 0; i < 10; i++)
		fds[i] = dial();
	if (fork() == 0)
		_exit(0);
	wait(NULL);
	pid = find_relay(args, sizeof(args));
	show("descriptors", count_entries(pid, "fd"));
	for (int i = 0; i < 10; i++) {
		show("alive", kill(pid, 0));
		close(fds[i]);
		peer("@%d close", i + 1);
	}
	show("ended", ends(pid));
}

/* ---- weight ---- */

static char *map_behind_file(size_t size)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char *page = mmap(NULL, 4096 + size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED ||
		mmap(page, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) !=
			page)
		give_up("mmap");
	close(fd);
	return page + 4096;
}

static void weight(void)
{
	size_t size = 1UL << 30;
	/* Behind a file, as behind a library's last page. */
	char *heap = map_behind_file(size);
	char args[300];
	double start, took;
	int fd = dial();
	pid_t pid;

	memset(heap, 'x', size);
	__asm__ volatile("" : : "r"(heap) : "memory");
	start = now();
	memset(heap, 'z', size);
	__asm__ volatile("" : : "r"(heap) : "memory");
	fprintf(stderr, "writing 1 GiB: %.0f ms\n", (now() - start) * 1e3);
	start = now();
	hand_over(fd);
	took = now() - start;
	pid = find_relay(args, sizeof(args));
	talk(fd, "light");
	fprintf(stderr,
		"relay of a program with 1 GiB: RSS %ld kB, PSS %ld kB, "
		"plug %.1f ms\n",
		status_of(pid, "VmRSS:"), status_of(pid, "Pss:"), took * 1e3);
	show("RSS below 16 MB", status_of(pid, "VmRSS:") < 16000);
	show("PSS below 4 MB", status_of(pid, "Pss:") < 4000);
	start = now();
	memset(heap, 'y', size);
	__asm__ volatile("" : : "r"(heap) : "memory");
	fprintf(stderr, "rewriting it after: %.0f ms\n", (now() - start) * 1e3);
	close(fd);
}

/* A peer that says more than the program reads is held back. */
static void slow_reader(void)
{
	int fd = dial();
	char args[300];
	pid_t pid;

	hand_over(fd);
	peer("&pattern 100000000");
	usleep(500000);
	pid = find_relay(args, sizeof(args));
	show("RSS below 16 MB", status_of(pid, "VmRSS:") < 16000);
	for (size_t got = 0; got < 100000000;) {
		ssize_t r = read(fd, buf, sizeof(buf));

		if (r <= 0)
			give_up("read");
		if (!is_pattern(buf, got, (size_t)r))
			give_up("pattern");
		got += (size_t)r;
	}
	show("all came", 1);
	close(fd);
}

/* ---- where there can be none ---- */

/* The connection goes on in the process; the child has nothing. */
static void try_fork(int fd)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		show("child writes", write(fd, "plaintext-marker", 16));
		show("child reads", read(fd, buf, 1));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	talk(fd, "parent");
}

static void limit_processes(int fd)
{
	struct rlimit none = {0, 0};

	if (getuid() == 0 && setuid(65534) < 0)
		give_up("setuid");
	if (setrlimit(RLIMIT_NPROC, &none))
		give_up("RLIMIT_NPROC");
	signal(SIGPIPE, SIG_IGN);
	show("dprintf", dprintf(fd, "plaintext-marker"));
	talk(fd, "parent");
}

static void no_processes(void)
{
	limit_processes(dial());
}

static void no_loopback(void)
{
	int fd = dial();

	/* The connection stays; everything new is in an empty network. */
	if (unshare(CLONE_NEWNET) < 0)
		give_up("unshare");
	try_fork(fd);
}

SCENARIOS({"unseen", unseen}, {"subreaper", subreaper}, {"anatomy", anatomy},
	{"killed", killed}, {"orphaned", orphaned}, {"patient", patient},
	{"strangers", strangers}, {"first-process", first_process},
	{"shared", shared}, {"weight", weight}, {"slow-reader", slow_reader},
	{"no-processes", no_processes}, {"no-loopback", no_loopback})
