/* SPDX-License-Identifier: MIT */
/* libuv, which closes with syscall(SYS_close): libuv HOST PORT TEXT has it
 * echoed, twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static char *text;
static struct sockaddr_storage where;
static int left = 2;

static void dial(void);

static void on_close(uv_handle_t *handle)
{
	free(handle);
	if (--left)
		dial();
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	(void)handle;
	*buf = uv_buf_init(malloc(size), (unsigned)size);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	if (n > 0)
		printf("%.*s\n", (int)n, buf->base);
	free(buf->base);
	uv_close((uv_handle_t *)s, on_close);
}

static void on_connect(uv_connect_t *req, int status)
{
	uv_write_t *write = malloc(sizeof(*write));
	uv_buf_t buf = uv_buf_init(text, (unsigned)strlen(text));

	if (status < 0)
		exit(1);
	uv_write(write, req->handle, &buf, 1, NULL);
	uv_read_start(req->handle, on_alloc, on_read);
}

static void dial(void)
{
	uv_tcp_t *tcp = malloc(sizeof(*tcp));

	uv_tcp_init(uv_default_loop(), tcp);
	uv_tcp_connect(malloc(sizeof(uv_connect_t)), tcp,
		(struct sockaddr *)&where, on_connect);
}

int main(int argc, char **argv)
{
	uv_getaddrinfo_t lookup;
	struct addrinfo hints = {.ai_family = AF_INET};

	if (argc != 4 || uv_getaddrinfo(uv_default_loop(), &lookup, NULL,
				 argv[1], argv[2], &hints) < 0)
		return 2;
	memcpy(&where, lookup.addrinfo->ai_addr, lookup.addrinfo->ai_addrlen);
	text = argv[3];
	dial();
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
