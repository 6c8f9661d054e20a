/* SPDX-License-Identifier: MIT */
/*
 * What the kernel itself says of files and of this process's rights.  The C
 * library's names for these calls are others' to define as well: fakeroot tells
 * of owners, modes and users that are not the kernel's, and asks for them at a
 * server of its own, over TCP and under a lock.  Asked by those names while one
 * of its connections is judged, or while the settings are read, it would wait
 * for itself.
 *
 * As the calls of the same names, see section 2 of the manual.
 */
#ifndef TLSSHIM_KERNEL_H
#define TLSSHIM_KERNEL_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include "base/real.h"

#ifndef __x86_64__
#error "is the C library's struct stat the kernel's?"
#endif

static inline int kernel_fstat(int fd, struct stat *st)
{
	return (int)real(syscall)(SYS_fstat, fd, st);
}

/* Follows symbolic links. */
static inline int kernel_stat_at(int dir, const char *path, struct stat *st)
{
	return (int)real(syscall)(SYS_newfstatat, dir, path, st, 0);
}

static inline ssize_t kernel_fgetxattr(
	int fd, const char *name, void *value, size_t size)
{
	return real(syscall)(SYS_fgetxattr, fd, name, value, size);
}

/* Of what no other library keeps count of: a file of our own. */
static inline int kernel_close(int fd)
{
	return (int)real(syscall)(SYS_close, fd);
}

static inline void kernel_getresuid(uid_t *uid, uid_t *euid, uid_t *saved)
{
	real(syscall)(SYS_getresuid, uid, euid, saved);
}

static inline void kernel_getresgid(gid_t *gid, gid_t *egid, gid_t *saved)
{
	real(syscall)(SYS_getresgid, gid, egid, saved);
}

#endif
