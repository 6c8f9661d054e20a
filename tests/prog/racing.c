/* SPDX-License-Identifier: MIT */
/*
 * Two threads let poll() write to the same array, for the harness to notice a
 * ThreadSanitizer that does not watch the shim: on a connection of its own it
 * is the shim that writes.
 *
 *	racing PORT
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct pollfd place = {.events = POLLIN | POLLOUT};

static void *polls(void *arg)
{
	for (int i = 0; i < 1000; i++)
		poll(&place, 1, 0);
	return arg;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	pthread_t thread;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons((uint16_t)atoi(argv[argc - 1]));
	place.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(place.fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return 1;
	if (pthread_create(&thread, NULL, polls, NULL))
		return 1;
	polls(NULL);
	pthread_join(thread, NULL);
	return close(place.fd);
}
