/* SPDX-License-Identifier: MIT */
/*
 * A library whose constructor connects to $EARLY_PORT and says a line: where it
 * stands behind libtlsshim.so in the preload list, that is before the shim's
 * own constructors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((constructor)) static void early(void)
{
	const char *port = getenv("EARLY_PORT"), *line = "plaintext-marker";
	char answer[64] = "";
	struct sockaddr_in in = {.sin_family = AF_INET};
	int fd;

	if (!port)
		return;
	in.sin_port = htons((in_port_t)atoi(port));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		dprintf(1, "early: %s\n", strerrorname_np(errno));
	else if (write(fd, line, strlen(line)) > 0 &&
		 recv(fd, answer, strlen(line), MSG_WAITALL) > 0)
		dprintf(1, "early: %s\n", answer);
	close(fd);
}
