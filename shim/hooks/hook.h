/* SPDX-License-Identifier: MIT */
/*
 * What every hook file includes.  A hook knows no TLS and no policy:
 *
 *	HOOK ssize_t recv(int fd, void *buf, size_t len, int flags)
 *	{
 *		conn_ref struct conn *c = descriptor_get(fd);
 *
 *		if (!c)
 *			return real(recv)(fd, buf, len, flags);
 *		return ERRNO_KEPT(io_recv(
 *			c, fd, &(struct iovec){ buf, len }, 1, flags));
 *	}
 *
 * It takes no lock and allocates nothing where the number is not ours.
 */
#ifndef TLSSHIM_HOOK_H
#define TLSSHIM_HOOK_H

#include "base/fail.h"
#include "base/fdtab.h"
#include "base/real.h"
#include "conn/conn.h"
#include "conn/descriptors.h"

#define HOOK __attribute__((visibility("default")))

/*
 * The result of a call on a connection of ours.  Where it succeeded, errno is
 * what it was before, as after libc's own wrappers: calls that the shim made
 * on the way may have failed.
 */
#define ERRNO_KEPT(call)                                                       \
	({                                                                     \
		int errno_before_ = errno;                                     \
		__typeof__(call) result_ = (call);                             \
                                                                               \
		if (result_ != -1)                                             \
			errno = errno_before_;                                 \
		result_;                                                       \
	})

/* Another exported name of a hook in the same file.  By the assembler, since
 * the attributes of the libc declarations differ between the names. */
#define HOOK_ALIAS(name, target)                                               \
	__asm__(".globl " #name "\n.type " #name ", @function\n"               \
		".set " #name ", " #target)

#endif
