/* SPDX-License-Identifier: MIT */
/*
 * The keeper token.  Knows the wiped page and process numbers; what a
 * connection is, it does not know.
 */
#include "keeper.h"

#include <sys/mman.h>
#include <unistd.h>
#include "idle.h"
#include "real.h"

uint64_t *keeper_page IDLE_DATA;

/* Ordinary memory: a copy of the process goes on counting from here, so that
 * no token of a parent is ever that of its child. */
static uint64_t last_token;
static pid_t keeper_pid;

static uint64_t *make_page(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, size, MADV_WIPEONFORK) < 0) {
		munmap(page, size);
		return NULL;
	}
	return page;
}

uint64_t keeper_claim(void)
{
	uint64_t *page = __atomic_load_n(&keeper_page, __ATOMIC_ACQUIRE);
	uint64_t token, none = 0;

	if (!page) {
		uint64_t *expected = NULL;

		page = make_page();
		if (!page)
			return 0;
		if (!__atomic_compare_exchange_n(&keeper_page, &expected, page,
			    false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			munmap(page, (size_t)sysconf(_SC_PAGESIZE));
			page = expected;
		}
	}
	token = __atomic_load_n(page, __ATOMIC_ACQUIRE);
	if (token)
		return token;
	__atomic_store_n(&keeper_pid, getpid(), __ATOMIC_RELAXED);
	token = __atomic_add_fetch(&last_token, 1, __ATOMIC_RELAXED);
	if (__atomic_compare_exchange_n(page, &none, token, false,
		    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return token;
	return none;
}

bool keeper_is_borrowed(void)
{
	return keeper_token() != 0 &&
	       getpid() != __atomic_load_n(&keeper_pid, __ATOMIC_RELAXED);
}
