/* SPDX-License-Identifier: MIT */
/*
 * libc's names for what reads and writes without read() and write(): glibc's
 * streams and asynchronous I/O use calls of their own inside, which no hook
 * sees.  The connection is handed over to a relay first.
 */
#include "hooks/hook.h"

#include <errno.h>
#include <stdarg.h>
#include "handoff/origin.h"
#include "handoff/plug.h"
#include "socket/numbers.h"

HOOK FILE *fdopen(int fd, const char *mode)
{
	FILE *stream = plug_fd(fd) ? real(fdopen)(fd, mode) : NULL;

	/* It may be a socket that is connected later. */
	if (stream)
		origin_of_stdio(fd);
	return stream;
}
HOOK_ALIAS(_IO_fdopen, fdopen);

/* They close the number by themselves. */
HOOK int fclose(FILE *stream)
{
	int saved_errno = errno, fd = fileno_unlocked(stream), r;
	struct conn *c = numbers_closing(fd);

	errno = saved_errno;
	r = real(fclose)(stream);
	numbers_closed(c);
	return r;
}
HOOK_ALIAS(_IO_fclose, fclose);

#define HOOK_REOPEN(name)                                                      \
	HOOK FILE *name(const char *restrict path, const char *restrict mode,  \
		FILE *restrict stream)                                         \
	{                                                                      \
		int saved_errno = errno, fd = fileno_unlocked(stream);         \
		struct conn *c = numbers_closing(fd);                          \
		FILE *again;                                                   \
                                                                               \
		errno = saved_errno;                                           \
		again = real(name)(path, mode, stream);                        \
		numbers_closed(c);                                             \
		return again;                                                  \
	}
HOOK_REOPEN(freopen)
HOOK_REOPEN(freopen64)

HOOK int vdprintf(int fd, const char *format, va_list ap)
{
	return plug_fd(fd) ? real(vdprintf)(fd, format, ap) : -1;
}

HOOK int dprintf(int fd, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vdprintf(fd, format, ap);
	va_end(ap);
	return r;
}

HOOK int __vdprintf_chk(int fd, int flag, const char *format, va_list ap)
{
	return plug_fd(fd) ? real(__vdprintf_chk)(fd, flag, format, ap) : -1;
}

HOOK int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __vdprintf_chk(fd, flag, format, ap);
	va_end(ap);
	return r;
}

#define HOOK_AIO(name, block)                                                  \
	HOOK int name(struct block *request)                                   \
	{                                                                      \
		return plug_fd(request->aio_fildes) ? real(name)(request)      \
						    : -1;                      \
	}
HOOK_AIO(aio_read, aiocb)
HOOK_AIO(aio_write, aiocb)
HOOK_AIO(aio_read64, aiocb64)
HOOK_AIO(aio_write64, aiocb64)

#define HOOK_LIO(name, block)                                                  \
	HOOK int name(int mode, struct block *const list[], int n,             \
		struct sigevent *event)                                        \
	{                                                                      \
		for (int i = 0; i < n; i++)                                    \
			if (list[i] && !plug_fd(list[i]->aio_fildes))          \
				return -1;                                     \
		return real(name)(mode, list, n, event);                       \
	}
HOOK_LIO(lio_listio, aiocb)
HOOK_LIO(lio_listio64, aiocb64)
