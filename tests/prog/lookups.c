/* SPDX-License-Identifier: MIT */
/*
 * Looks names up in every way that libc has and connects to what it found.
 *
 *	lookups PORT STEP...
 *
 * Each look-up fills the next slot (0, 1, ...), each connect prints "STEP: 0"
 * or its errno:
 *	look=NAME	getaddrinfo
 *	wait=NAME	getaddrinfo_a(GAI_WAIT)
 *	nowait=NAME	getaddrinfo_a(GAI_NOWAIT), gai_suspend, gai_error
 *	host=NAME	gethostbyname; host2=, host_r= and host2_r=: its kin
 *	use=SLOT	connect to the sockaddr in the result itself
 *	copy=SLOT	connect to a copy of it
 *	free=SLOT	freeaddrinfo
 *	to=ADDRESS	connect to an address in digits
 *	child STEP	the next step, in a forked child
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 32

static const char *port;
static struct addrinfo *results[SLOTS];
static struct sockaddr_storage addresses[SLOTS];
static socklen_t lengths[SLOTS];
static int n_slots;

static int die(const char *what)
{
	fprintf(stderr, "%s failed\n", what);
	exit(99);
}

static void keep(struct addrinfo *result)
{
	results[n_slots] = result;
	lengths[n_slots] = result->ai_addrlen;
	memcpy(&addresses[n_slots++], result->ai_addr, result->ai_addrlen);
}

static void keep_host(const struct hostent *host)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&addresses[n_slots];

	if (!host)
		die("gethostbyname");
	in->sin_family = AF_INET;
	in->sin_port = htons((in_port_t)atoi(port));
	memcpy(&in->sin_addr, host->h_addr_list[0], 4);
	lengths[n_slots++] = sizeof(*in);
}

static void look(const char *name)
{
	struct addrinfo hints = {
		.ai_family = strchr(name, ':') ? AF_INET6 : AF_INET,
		.ai_socktype = SOCK_STREAM};
	struct addrinfo *result;

	if (getaddrinfo(name, port, &hints, &result) != 0)
		die("getaddrinfo");
	keep(result);
}

static void look_async(const char *name, int mode)
{
	static const struct addrinfo hints = {
		.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	static struct gaicb request;
	struct gaicb *list[] = {&request};

	request = (struct gaicb){
		.ar_name = name, .ar_service = port, .ar_request = &hints};
	if (getaddrinfo_a(mode, list, 1, NULL) != 0)
		die("getaddrinfo_a");
	while (mode == GAI_NOWAIT && gai_error(&request) == EAI_INPROGRESS)
		gai_suspend((const struct gaicb *const *)list, 1, NULL);
	if (gai_error(&request) != 0)
		die("gai_error");
	keep(request.ar_result);
}

static void look_host_r(const char *name, int two)
{
	static char buf[8192];
	struct hostent host, *result = NULL;
	int error;

	if (two)
		gethostbyname2_r(name, AF_INET, &host, buf, sizeof(buf),
			&result, &error);
	else
		gethostbyname_r(name, &host, buf, sizeof(buf), &result, &error);
	keep_host(result);
}

static void go(const char *step, const struct sockaddr *to, socklen_t len)
{
	int fd = socket(to->sa_family, SOCK_STREAM, 0);
	int r = connect(fd, to, len);

	printf("%s: %s\n", step, r == 0 ? "0" : strerrorname_np(errno));
	fflush(stdout);
	close(fd);
}

static void go_to(const char *step, const char *digits)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};

	in.sin_port = in6.sin6_port = htons((in_port_t)atoi(port));
	if (inet_pton(AF_INET, digits, &in.sin_addr) == 1)
		go(step, (struct sockaddr *)&in, sizeof(in));
	else if (inet_pton(AF_INET6, digits, &in6.sin6_addr) == 1)
		go(step, (struct sockaddr *)&in6, sizeof(in6));
	else
		die("inet_pton");
}

static void run_lookup(const char *step, const char *arg)
{
	if (!strncmp(step, "look=", 5))
		look(arg);
	else if (!strncmp(step, "wait=", 5))
		look_async(arg, GAI_WAIT);
	else if (!strncmp(step, "nowait=", 7))
		look_async(arg, GAI_NOWAIT);
	else if (!strncmp(step, "host=", 5))
		keep_host(gethostbyname(arg));
	else if (!strncmp(step, "host2=", 6))
		keep_host(gethostbyname2(arg, AF_INET));
	else if (!strncmp(step, "host_r=", 7))
		look_host_r(arg, 0);
	else if (!strncmp(step, "host2_r=", 8))
		look_host_r(arg, 1);
	else
		die(step);
}

static void run(const char *step)
{
	const char *arg = strchr(step, '=');
	int slot = arg ? atoi(++arg) % SLOTS : 0;

	if (!arg)
		die(step);
	if (!strncmp(step, "use=", 4))
		go(step, results[slot]->ai_addr, results[slot]->ai_addrlen);
	else if (!strncmp(step, "copy=", 5))
		go(step, (struct sockaddr *)&addresses[slot], lengths[slot]);
	else if (!strncmp(step, "free=", 5))
		freeaddrinfo(results[slot]);
	else if (!strncmp(step, "to=", 3))
		go_to(step, arg);
	else
		run_lookup(step, arg);
}

int main(int argc, char **argv)
{
	port = argv[1];
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "child") != 0) {
			run(argv[i]);
			continue;
		}
		i++;
		if (fork() == 0) {
			run(argv[i]);
			_exit(0);
		}
		wait(NULL);
	}
	return 0;
}
