/* SPDX-License-Identifier: MIT */
/*
 * A library that programs load while they run: says a line to a port of this
 * host, by the functions that it is linked to, and prints the answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void converse(int port);

void converse(int port)
{
	static const char line[] = "plaintext-marker";
	char answer[sizeof(line)] = "";
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((in_port_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		printf("%s\n", strerrorname_np(errno));
	else if (write(fd, line, strlen(line)) > 0 &&
		 recv(fd, answer, strlen(line), MSG_WAITALL) > 0)
		printf("%s\n", answer);
	fflush(stdout);
	close(fd);
}
