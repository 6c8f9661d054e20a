/* SPDX-License-Identifier: MIT */
/*
 * A program with a function of its own called connect, which the dynamic linker
 * gives to every library; it passes connections on.
 *
 *	own_connect PORT
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MARKER "plaintext-marker"

__attribute__((visibility("default"))) int connect(
	int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*next)(int, const struct sockaddr *, socklen_t);

	*(void **)&next = dlsym(RTLD_NEXT, "connect");
	return next(fd, addr, len);
}

int main(int argc, char **argv)
{
	char answer[sizeof(MARKER)] = "";
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((in_port_t)atoi(argv[argc - 1])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0) {
		perror("connect");
		return 1;
	}
	if (write(fd, MARKER, strlen(MARKER)) > 0 &&
		recv(fd, answer, strlen(MARKER), MSG_WAITALL) > 0)
		puts(answer);
	return 0;
}
