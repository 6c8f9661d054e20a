/* SPDX-License-Identifier: MIT */
/* fork() in a signal handler that came in the middle of a call on a
 * connection: tests/lib/amid.c. */
#include "oracle.h"
#include <dlfcn.h>
#include <sys/wait.h>

static int the_fd;
static bool returns;
static volatile pid_t child = -1;
static char buf[100];

static void fork_amid(int sig)
{
	(void)sig;
	child = fork();
	if (child == 0 && !returns) {
		show("child writes", write(the_fd, "child", 5));
		show("child reads", read(the_fd, buf, sizeof(buf)));
		_exit(0);
	}
}

static void amid(void)
{
	volatile sig_atomic_t *armed = dlsym(RTLD_DEFAULT, "amid_armed");
	int status = -1;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, fork_amid);
	the_fd = dial();
	*armed = 1;
	show("write", write(the_fd, "parent", 6));
	if (child == 0) {
		show("child writes", write(the_fd, "child", 5));
		show("child reads", read(the_fd, buf, sizeof(buf)));
		show("child closes", close(the_fd));
		_exit(0);
	}
	waitpid(child, &status, 0);
	show("status", status);
	peer("recv 6");
	peer("send answer");
	show_bytes("answer", read(the_fd, buf, sizeof(buf)), buf);
}

static void in_handler(void)
{
	amid();
}

static void after_it(void)
{
	returns = true;
	amid();
}

SCENARIOS({"in-handler", in_handler}, {"after-it", after_it})
