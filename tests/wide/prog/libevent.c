/* SPDX-License-Identifier: MIT */
/* libevent's bufferevents: libevent HOST PORT TEXT has it echoed. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_read(struct bufferevent *bev, void *text)
{
	struct evbuffer *in = bufferevent_get_input(bev);

	if (evbuffer_get_length(in) < strlen(text))
		return;
	printf("%.*s\n", (int)strlen(text), evbuffer_pullup(in, -1));
	event_base_loopexit(bufferevent_get_base(bev), NULL);
}

static void on_event(struct bufferevent *bev, short what, void *text)
{
	if (what & BEV_EVENT_CONNECTED)
		bufferevent_write(bev, text, strlen(text));
	else
		exit(1);
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct bufferevent *bev =
		bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	if (argc != 4)
		return 2;
	bufferevent_setcb(bev, on_read, NULL, on_event, argv[3]);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	bufferevent_socket_connect_hostname(
		bev, NULL, AF_INET, argv[1], atoi(argv[2]));
	event_base_dispatch(base);
	bufferevent_free(bev);
	return 0;
}
