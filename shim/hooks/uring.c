/* SPDX-License-Identifier: MIT */
/*
 * liburing's names for setting a ring up.  Its operations go round every hook,
 * and many builds of liburing make their system calls themselves, so that
 * hooks/syscall.c does not see them: as if the kernel had none.  These return
 * the error negated.
 */
#include "hooks/hook.h"

#include <errno.h>
#include "config/config.h"

#define HOOK_RING(name, params, args)                                          \
	HOOK int name params                                                   \
	{                                                                      \
		return config_active() ? -ENOSYS : real(name) args;            \
	}
HOOK_RING(io_uring_setup, (unsigned entries, struct io_uring_params *params),
	(entries, params))
HOOK_RING(io_uring_queue_init,
	(unsigned entries, struct io_uring *ring, unsigned flags),
	(entries, ring, flags))
HOOK_RING(io_uring_queue_init_params,
	(unsigned entries, struct io_uring *ring,
		struct io_uring_params *params),
	(entries, ring, params))
HOOK_RING(io_uring_queue_init_mem,
	(unsigned entries, struct io_uring *ring,
		struct io_uring_params *params, void *buf, size_t size),
	(entries, ring, params, buf, size))
