/* SPDX-License-Identifier: MIT */
/* Connections behind streams and other calls that read and write inside libc,
 * where no hook sees them. */
#include "oracle.h"
#include <aio.h>

static char buf[100000];

static FILE *open_stream(int fd, const char *mode)
{
	FILE *f = fdopen(fd, mode);

	if (!f)
		give_up("fdopen");
	return f;
}

static void one_stream(void)
{
	int fd = dial();
	FILE *f = open_stream(fd, "r+");
	char line[100];

	peer("&echo");
	show("fprintf", fprintf(f, "hello %d\n", 42));
	show("fflush", fflush(f));
	say("fgets = %s", fgets(line, sizeof(line), f));
	show("fputs", fputs("abcdef\n", f));
	show("fflush", fflush(f));
	show("fgetc", fgetc(f));
	show("ungetc", ungetc('Z', f));
	say("fgets = %s", fgets(line, sizeof(line), f));
	show("fileno", fileno(f) == fd);
	show("fclose", fclose(f));
	show("closed", write(fd, "x", 1));
}

/* The usual way: one to read, one to write. */
static void two_streams(void)
{
	int fd = dial();
	FILE *in = open_stream(fd, "r"), *out = open_stream(dup(fd), "w");
	char *line = NULL;
	size_t room = 0;

	peer("&echo");
	setvbuf(out, NULL, _IOLBF, 0);
	fprintf(out, "first line\nsecond line\n");
	show("getline", getline(&line, &room, in));
	say("%s", line);
	show("getline", getline(&line, &room, in));
	say("%s", line);
	show("fclose", fclose(out));
	show("half-close", shutdown(fd, SHUT_WR));
	peer("finish");
	show("end", getline(&line, &room, in) == -1);
	show("feof", feof(in) != 0);
	show("fclose", fclose(in));
	free(line);
}

static void unbuffered(void)
{
	int fd = dial();
	FILE *f = open_stream(fd, "r+");

	peer("&echo");
	setvbuf(f, NULL, _IONBF, 0);
	fill_pattern(buf, 0, 50000);
	show("fwrite", (long)fwrite(buf, 1, 50000, f));
	memset(buf, 0, 50000);
	show("fread", (long)fread(buf, 1, 50000, f));
	say("%s\n", is_pattern(buf, 0, 50000) ? "right" : "wrong");
	fclose(f);
}

/* fileno() and select(), reads by stream and by number. */
static void mixed(void)
{
	int fd = dial();
	FILE *f = open_stream(fd, "r");
	fd_set in;
	char line[50];

	peer("send line\\nrest");
	FD_ZERO(&in);
	FD_SET(fileno(f), &in);
	show("select", select(fd + 1, &in, NULL, NULL, NULL));
	setvbuf(f, NULL, _IONBF, 0);
	say("fgets = %s", fgets(line, sizeof(line), f));
	show_bytes("read", read(fd, buf, 10), buf);
	show("write", write(fd, "raw", 3));
	show("dprintf", dprintf(fd, "%s-%d", "formatted", 7));
	say("peer: %s\n", peer("recv 14"));
	fclose(f);
}

static int call_vdprintf(int fd, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int call_vdprintf(int fd, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vdprintf(fd, format, ap);
	va_end(ap);
	return r;
}

static void formatted(void)
{
	int fd = dial();

	show("dprintf", dprintf(fd, "%d %s\n", 5, "words"));
	show("vdprintf", call_vdprintf(fd, "%d %s\n", 5, "words"));
	say("peer: %s\n", peer("recv 16"));
	peer("send answer");
	show_bytes("read", read(fd, buf, 10), buf);
	close(fd);
}

/* What this process had decrypted before the stream was opened. */
static void late(void)
{
	int fd = dial();
	FILE *f;
	char line[50];

	peer("send one\\ntwo\\nthree\\n");
	show_bytes("read", read(fd, buf, 4), buf);
	show("write", write(fd, "before", 6));
	f = open_stream(fd, "r");
	say("fgets = %s", fgets(line, sizeof(line), f));
	say("fgets = %s", fgets(line, sizeof(line), f));
	fclose(f);
}

static void wait_aio(struct aiocb *cb)
{
	const struct aiocb *list[] = {cb};

	while (aio_error(cb) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
}

static void asynchronous(void)
{
	int fd = dial();
	struct aiocb w = {
		.aio_fildes = fd, .aio_buf = "async", .aio_nbytes = 5};
	struct aiocb r = {.aio_fildes = fd, .aio_buf = buf, .aio_nbytes = 5};
	struct aiocb *both[] = {&w, NULL};

	peer("&echo");
	show("aio_write", aio_write(&w));
	wait_aio(&w);
	show("written", aio_return(&w));
	show("aio_read", aio_read(&r));
	wait_aio(&r);
	show_bytes("read", aio_return(&r), buf);
	show("lio_listio", lio_listio(LIO_WAIT, both, 2, NULL));
	read_all(fd, buf, 5);
	close(fd);
}

/* fclose() is the only one to close it: close_notify is sent. */
static void closed(void)
{
	int fd = dial();
	FILE *f = open_stream(fd, "w");

	fputs("unflushed", f);
	show("fclose", fclose(f));
	say("peer: %s\n", peer("end"));
	fd = dial();
	f = open_stream(fd, "w");
	fputs("until the exit", f);
}

/* Everything is closed by number: what of it is the shim's must not be. */
static void close_all(void)
{
	int fd = dial(), relayed = dial(), out = 200;
	FILE *f = open_stream(relayed, "w");

	peer("@2 nothing");
	setvbuf(f, NULL, _IONBF, 0);
	for (int i = 3; i < 5000; i++)
		if (i != fd && i != relayed && i != oracle_control && i != out)
			close(i);
	show("write", write(fd, "hello", 5));
	say("peer: %s\n", peer("@1 recv 5"));
	show("fputs", fputs("hello", f));
	say("peer: %s\n", peer("@2 recv 5"));
	show("close", close(fd));
	show("close", close(fd));
	say("peer: %s\n", peer("@1 end"));
	dup2(oracle_control, 3);
	oracle_control = 3;
	show("close_range", close_range(4, ~0U, 0));
	say("peer: %s\n", peer("@2 end"));
	fd = dial();
	show("write", write(fd, "again", 5));
	say("peer: %s\n", peer("@3 recv 5"));
}

SCENARIOS({"one", one_stream}, {"two", two_streams}, {"unbuffered", unbuffered},
	{"mixed", mixed}, {"formatted", formatted}, {"late", late},
	{"aio", asynchronous}, {"closed", closed}, {"close-all", close_all})
