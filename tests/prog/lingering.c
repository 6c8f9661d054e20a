/* SPDX-License-Identifier: MIT */
/* The end of a relayed connection: what the log says of it, and how long it
 * may take. */
#include "oracle.h"
#include "relays.h"

static char buf[60000];

static pid_t the_relay(void)
{
	char args[300];

	return find_relay(args, sizeof(args));
}

static void relay_ends(pid_t pid)
{
	show("the relay ends", ends(pid));
}

/* More than all buffers on the way have room for, and a peer that reads none
 * of it. */
static void gives_up(void)
{
	int fd = dial();
	pid_t pid;

	peer("uncounted");
	hand_over(fd);
	pid = the_relay();
	set_nonblocking(fd, true);
	for (int idle = 0; idle < 10;) {
		bool taken = write(fd, buf, sizeof(buf)) > 0;

		idle = taken ? 0 : idle + 1;
		if (!taken)
			usleep(10000);
	}
	show("close", close(fd));
	relay_ends(pid);
	say("peer: %s\n", peer("end"));
}

/* The program still waits for an answer: that it was cut off is news. */
static void cut_while_it_waits(void)
{
	int fd = dial();
	pid_t pid;

	hand_over(fd);
	pid = the_relay();
	show("half-close", shutdown(fd, SHUT_WR));
	say("peer: %s\n", peer("end"));
	peer("cut");
	show("read", read(fd, buf, 1));
	relay_ends(pid);
	close(fd);
}

static void in_a_file(void)
{
	int file = open(getenv("STDERR_FILE"), O_WRONLY | O_CREAT, 0600);

	if (dup2(file, STDERR_FILENO) < 0)
		give_up("STDERR_FILE");
	cut_while_it_waits();
}

/* Nobody has the socket any more, and nobody cares. */
static void cut_after_close(void)
{
	int fd = dial();
	pid_t pid;

	hand_over(fd);
	pid = the_relay();
	show("write", write(fd, "last words", 10));
	show("close", close(fd));
	say("peer: %s\n", peer("end"));
	peer("cut");
	relay_ends(pid);
}

static void counts(void)
{
	int fd = dial();
	pid_t pid;

	show("write", write(fd, "before", 6));
	hand_over(fd);
	pid = the_relay();
	show("write", write(fd, "and after", 9));
	peer("recv 15");
	peer("send answer");
	read_all(fd, buf, 6);
	show("close", close(fd));
	peer("close");
	relay_ends(pid);
}

SCENARIOS({"gives-up", gives_up}, {"cut-while-it-waits", cut_while_it_waits},
	{"in-a-file", in_a_file}, {"cut-after-close", cut_after_close},
	{"counts", counts})
