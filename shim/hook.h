/* SPDX-License-Identifier: MIT */
/*
 * What every hook file includes.  A hook knows no TLS and no policy:
 *
 *	HOOK ssize_t recv(int fd, void *buf, size_t len, int flags)
 *	{
 *		conn_ref struct conn *c = fdtab_get(fd);
 *
 *		if (!c)
 *			return real(recv)(fd, buf, len, flags);
 *		return io_recv(c, fd, &(struct iovec){ buf, len }, 1, flags);
 *	}
 *
 * It takes no lock and allocates nothing where the number is not ours.
 */
#ifndef TLSSHIM_HOOK_H
#define TLSSHIM_HOOK_H

#include "conn.h"
#include "fail.h"
#include "fdtab.h"
#include "real.h"

#define HOOK __attribute__((visibility("default")))

/* Another exported name of a hook in the same file.  By the assembler, since
 * the attributes of the libc declarations differ between the names. */
#define HOOK_ALIAS(name, target)                                               \
	__asm__(".globl " #name "\n.type " #name ", @function\n"               \
		".set " #name ", " #target)

#endif
