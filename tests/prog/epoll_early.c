/* SPDX-License-Identifier: MIT */
/*
 * What epoll tells of registrations before and during connect(), and in
 * processes that share a set.
 * How to run it: loops.h.
 */
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "loops.h"

/* ---- when it is registered ---- */

static void early(uint32_t how)
{
	int set = new_set(), other = new_set(), fd = new_socket();

	add(set, fd, IN | OUT | how, 1);
	add(other, fd, OUT | how, 2);
	dial(fd);
	peer_say(&peer, "accept");
	show("open", set, LONG);
	show("the other set", other, LONG);
	peer_done(&peer);
	modify(set, fd, IN | how, 3);
	look("IN alone", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	take(fd, 0, 100);
	tell_result("ADD", control(set, EPOLL_CTL_ADD, fd, IN, 1));
	tell_result("DEL", control(set, EPOLL_CTL_DEL, fd, 0, 0));
	tell_result("DEL", control(set, EPOLL_CTL_DEL, fd, 0, 0));
	tell_result("DEL", control(other, EPOLL_CTL_DEL, fd, 0, 0));
	look("deleted", set);
}

static void early_level(void)
{
	early(0);
}

static void early_edge(void)
{
	early(ET);
}

/* An unconnected socket is told at once: tcp_poll(). */
static void early_looked_at(void)
{
	int set = new_set(), fd = new_socket();

	add(set, fd, IN | OUT, 1);
	look("not connected", set);
	modify(set, fd, IN, 2);
	look("not connected", set);
	dial(fd);
	finish(fd);
	look("open", set);
	peer_do(&peer, "send 0 1");
	look("1 byte", set);
}

static void early_deleted(void)
{
	int set = new_set(), fd = new_socket();

	add(set, fd, IN | OUT, 1);
	tell_result("DEL", control(set, EPOLL_CTL_DEL, fd, 0, 0));
	dial(fd);
	finish(fd);
	look("open", set);
	tell_result("MOD", control(set, EPOLL_CTL_MOD, fd, OUT, 0));
	add(set, fd, OUT, 3);
	look("added", set);
}

static void early_many(void)
{
	enum { SETS = 3, MANY = 2000 };
	int sets[SETS], fds[MANY], fd = new_socket();

	for (int i = 0; i < SETS; i++)
		sets[i] = new_set();
	for (int i = 0; i < MANY; i++) {
		fds[i] = new_socket();
		for (int j = 0; j < SETS; j++)
			add(sets[j], fds[i], IN | ET, 7);
	}
	for (int j = 0; j < SETS; j++)
		add(sets[j], fd, OUT | ET, (uint64_t)j);
	dial(fd);
	finish(fd);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	for (int j = 0; j < SETS; j++)
		look("open", sets[j]);
}

static void between(void)
{
	int set = new_set(), fd = new_socket();

	dial(fd);
	add(set, fd, IN | OUT, 1);
	peer_say(&peer, "accept");
	show("open", set, LONG);
	peer_done(&peer);
	tell_error(fd);
	modify(set, fd, IN, 2);
	look("IN alone", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
}

static void reconnect(void)
{
	int set = new_set(), fd = new_socket();
	struct sockaddr_in addr;

	set_port(&addr, 1); /* nobody listens there */
	add(set, fd, IN | OUT | ET, 1);
	connect(fd, (void *)&addr, sizeof(addr));
	show("refused", set, LONG);
	tell_error(fd);
	/* inet_stream_connect(): it says once more that it failed. */
	connect(fd, (void *)&addr, sizeof(addr));
	printf("connect: %s\n", strerrorname_np(errno));
	dial(fd);
	peer_say(&peer, "accept");
	show("open", set, LONG);
	peer_done(&peer);
	tell_error(fd);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	take(fd, 0, 100);
}

/* ---- processes ---- */

/* Until so many bytes are there to be read. */
static void await(int fd, int bytes)
{
	int there = 0;

	for (int i = 0; i < LONG && there < bytes; i++) {
		poll(NULL, 0, i ? 1 : 0);
		ioctl(fd, FIONREAD, &there);
	}
}

static void forked(void)
{
	int set = new_set(), fd = open_connection();
	pid_t child;

	add(set, fd, IN | ET, 1);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	take(fd, 0, 4);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		close(set);
		close(fd);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	/* It comes through another process from now on, and takes its time. */
	peer_do(&peer, "send 0 10");
	await(fd, 16);
	look("10 more", set);
	take(fd, 0, 100);
	peer_do(&peer, "send 0 10");
	await(fd, 10);
	look("10 more", set);
}

/* What it printed so far is printed once, and it has ended. */
static void in_child(void (*run)(int set, int fd), int set, int fd)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		/* It holds what the test's end waits for. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(set, fd);
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, &status, 0);
	printf("the child: %d\n", status);
}

static void use_inherited(int set, int fd)
{
	int own;

	peer_do(&peer, "send 0 10");
	await(fd, 10);
	look("the child, 10 bytes", set);
	take(fd, 0, 100);
	own = open_connection();
	add(set, own, IN, 2);
	look("the child, its own", set);
	peer_do(&peer, "send 1 10");
	look("the child, 10 bytes for its own", set);
	take(own, 1, 4);
	look("the child, 6 left", set);
	take(own, 1, 100);
	peer_do(&peer, "read 1 0");
	close(own);
	look("the child, closed", set);
}

/* Both processes have the set and the connection. */
static void inherited(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN, 1);
	look("open", set);
	in_child(use_inherited, set, fd);
	received[0] = 10;
	look("the parent", set);
	peer_do(&peer, "send 0 10");
	await(fd, 10);
	look("the parent, 10 bytes", set);
	take(fd, 0, 100);
}

/*
 * Two processes have the set, and one registers a connection of which the
 * other has no number: the other gets the program's data of it, or nothing.
 */
enum { OTHERS = 0x1234, SHARED = 0x99 };

/* Until what both have is ready; false: there was something else. */
static bool sees_no_other(int set)
{
	struct epoll_event event;

	do {
		if (epoll_wait(set, &event, 1, LONG) != 1)
			return false;
		if (event.data.u64 == SHARED)
			return true;
	} while (event.data.u64 == OTHERS);
	return false;
}

static void await_byte(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		peer_die("read");
}

static void send_byte(int fd)
{
	if (write(fd, "", 1) != 1)
		peer_die("write");
}

static void registered_by_parent(void)
{
	int set = new_set(), begin[2], shared[2], fd, status;
	pid_t child;

	if (pipe(begin) < 0 || pipe(shared) < 0)
		peer_die("pipe");
	add(set, shared[0], IN, SHARED);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		await_byte(begin[0]);
		_exit(!sees_no_other(set));
	}
	fd = open_connection();
	add(set, fd, IN | OUT, OTHERS);
	look("open", set);
	send_byte(begin[1]);
	peer_do(&peer, "send 0 10");
	look("the parent, 10 bytes", set);
	take(fd, 0, 100);
	modify(set, fd, IN, OTHERS);
	look("the parent, none left", set);
	send_byte(shared[1]);
	waitpid(child, &status, 0);
	printf("the child: %x\n", status);
}

static void registered_by_child(void)
{
	int set = new_set(), shared[2], end[2], fd, status;
	pid_t child;

	if (pipe(shared) < 0 || pipe(end) < 0)
		peer_die("pipe");
	add(set, shared[0], IN, SHARED);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open_connection();
		add(set, fd, IN | OUT, OTHERS);
		send_byte(shared[1]);
		await_byte(end[0]);
		_exit(0);
	}
	printf("no other data: %d\n", sees_no_other(set));
	send_byte(end[1]);
	waitpid(child, &status, 0);
	printf("the child: %x\n", status);
}

static void connect_inherited(int set, int fd)
{
	dial(fd);
	peer_say(&peer, "accept");
	show("open", set, LONG);
	peer_done(&peer);
	modify(set, fd, IN, 2);
	peer_do(&peer, "send 0 10");
	/* A socket that others have is handed over: a relay passes them on. */
	show("10 bytes", set, LONG);
	take(fd, 0, 4);
	look("6 left", set);
	take(fd, 0, 100);
	look("none left", set);
}

/* The parent has no connection, and its child connects. */
static void early_forked(void)
{
	int set = new_set(), fd = new_socket();

	add(set, fd, IN | OUT, 1);
	in_child(connect_inherited, set, fd);
}

static const struct scenario scenarios[] = {SCENARIO(early_level),
	SCENARIO(early_edge), SCENARIO(early_looked_at),
	SCENARIO(early_deleted), SCENARIO(early_many), SCENARIO(between),
	SCENARIO(reconnect), SCENARIO(forked), SCENARIO(inherited),
	SCENARIO(early_forked), SCENARIO(registered_by_parent),
	SCENARIO(registered_by_child)};

int main(int argc, char **argv)
{
	return run_scenario(argc, argv, scenarios,
		sizeof(scenarios) / sizeof(scenarios[0]));
}
