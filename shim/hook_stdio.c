/* SPDX-License-Identifier: MIT */
/*
 * libc's names for what reads and writes without read() and write(): glibc's
 * streams and asynchronous I/O use calls of their own inside, which no hook
 * sees.  The connection is handed over to a relay first.
 */
#include "hook.h"

#include <stdarg.h>
#include "plug.h"

HOOK FILE *fdopen(int fd, const char *mode)
{
	plug_fd(fd);
	return real(fdopen)(fd, mode);
}
HOOK_ALIAS(_IO_fdopen, fdopen);

HOOK int vdprintf(int fd, const char *format, va_list ap)
{
	plug_fd(fd);
	return real(vdprintf)(fd, format, ap);
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
	plug_fd(fd);
	return real(__vdprintf_chk)(fd, flag, format, ap);
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
		plug_fd(request->aio_fildes);                                  \
		return real(name)(request);                                    \
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
			if (list[i])                                           \
				plug_fd(list[i]->aio_fildes);                  \
		return real(name)(mode, list, n, event);                       \
	}
HOOK_LIO(lio_listio, aiocb)
HOOK_LIO(lio_listio64, aiocb64)
