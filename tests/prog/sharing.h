/* SPDX-License-Identifier: MIT */
/*
 * What programs of the tests that share connections with other processes have
 * in common; after oracle.h.
 */
#ifndef SHARING_H
#define SHARING_H

#include <sys/wait.h>

/* Waits for the child; a test has nothing to say of an unusual end but that. */
static UNUSED void reap(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	say("child ended with %x\n", status);
}

/* An open connection whose peer says everything back. */
static UNUSED int dial_echo(void)
{
	int fd = dial();

	peer("&echo");
	return fd;
}

/* Says the text and hears it. */
static UNUSED void answer(int fd, const char *text)
{
	char heard[100];

	write_all(fd, text, strlen(text));
	read_all(fd, heard, strlen(text));
	show_bytes("answer", (long)strlen(text), heard);
}

/* The connection is standard input and output from now on. */
static UNUSED void become_stdio(int fd)
{
	dup2(fd, 0);
	dup2(fd, 1);
	close(fd);
}

#endif
