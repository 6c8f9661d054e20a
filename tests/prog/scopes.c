/* SPDX-License-Identifier: MIT */
/*
 * A program that gets at connect(2) in every way but by being linked to it.
 *
 *	scopes PORT WAY LIBRARY
 *
 * Ways: handle, version, handle-version (the functions are looked up in the C
 * library, by a version, by both); open, deep (LIBRARY is loaded and says a
 * line to the port: lib/converse.c), base, new (the same by dlmopen()).  Prints
 * the answer of an echo server or an errno.
 *
 *	scopes look
 *
 * Says what look-ups give and what dlerror(3) says, without a connection.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MARKER "plaintext-marker"
#define VERSION "GLIBC_2.2.5"

static const char *way;

static void *find(const char *name)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);

	if (!strcmp(way, "handle"))
		return dlsym(libc, name);
	if (!strcmp(way, "version"))
		return dlvsym(RTLD_DEFAULT, name, VERSION);
	return dlvsym(libc, name, VERSION);
}

static void converse(int port)
{
	int (*to)(int, const struct sockaddr *, socklen_t);
	ssize_t (*say)(int, const void *, size_t);
	ssize_t (*hear)(int, void *, size_t, int);
	char answer[sizeof(MARKER)] = "";
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((in_port_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*(void **)&to = find("connect");
	*(void **)&say = find("write");
	*(void **)&hear = find("recv");
	if (to(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		printf("%s\n", strerrorname_np(errno));
	else if (say(fd, MARKER, strlen(MARKER)) > 0 &&
		 hear(fd, answer, strlen(MARKER), MSG_WAITALL) > 0)
		printf("%s\n", answer);
}

static void *load(const char *library)
{
	if (!strcmp(way, "open"))
		return dlopen(library, RTLD_NOW);
	if (!strcmp(way, "deep"))
		return dlopen(library, RTLD_NOW | RTLD_DEEPBIND);
	if (!strcmp(way, "base"))
		return dlmopen(LM_ID_BASE, library, RTLD_NOW | RTLD_DEEPBIND);
	return dlmopen(LM_ID_NEWLM, library, RTLD_NOW);
}

static void tell(const char *what, const void *found)
{
	const char *error = dlerror();

	printf("%s: %s, %s\n", what, found ? "found" : "not found",
		error ? error : "no error");
}

/* A look-up leaves no error and tells none that is older. */
static void look(void)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);

	tell("default", dlsym(RTLD_DEFAULT, "connect"));
	tell("next", dlsym(RTLD_NEXT, "connect"));
	tell("handle", dlsym(libc, "connect"));
	tell("none", dlsym(libc, "no_such_function"));
	dlsym(libc, "no_such_function");
	tell("after none", dlsym(libc, "connect"));
	tell("handle, version", dlvsym(libc, "connect", VERSION));
	tell("no such version", dlvsym(libc, "connect", "NONE_1"));
	tell("no such version", dlvsym(RTLD_DEFAULT, "connect", "NONE_1"));
	tell("next version", dlvsym(RTLD_NEXT, "connect", VERSION));
	tell("another", dlsym(libc, "qsort"));
	/* One function has one address. */
	printf("%d\n",
		dlsym(libc, "connect") == dlsym(RTLD_DEFAULT, "connect"));
}

int main(int argc, char **argv)
{
	void (*go)(int) = converse;
	void *library;

	if (argc < 3) {
		look();
		return 0;
	}
	way = argv[2];
	if (argc > 3) {
		library = load(argv[3]);
		if (!library) {
			puts(dlerror());
			return 1;
		}
		*(void **)&go = dlsym(library, "converse");
	}
	go(atoi(argv[1]));
	return 0;
}
