/* SPDX-License-Identifier: MIT */
/*
 * The keeper token.  Knows the wiped page and process numbers; what a
 * connection is, it does not know.
 */
#include "base/keeper.h"

#include <unistd.h>
#include "base/idle.h"
#include "base/map.h"
#include "base/real.h"

struct keeper_page *keeper_page IDLE_DATA;

/* Ordinary memory: a copy of the process goes on counting from here, so that
 * no token of a parent is ever that of its child. */
static uint64_t last_token;

static struct keeper_page *make_page(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = map_memory(size);

	if (!page)
		return NULL;
	if (madvise(page, size, MADV_WIPEONFORK) < 0) {
		munmap(page, size);
		return NULL;
	}
	return page;
}

/* Made by whichever thread is first; NULL: no memory. */
static struct keeper_page *the_page(void)
{
	struct keeper_page *page =
		__atomic_load_n(&keeper_page, __ATOMIC_ACQUIRE);
	struct keeper_page *expected = NULL;

	if (page)
		return page;
	page = make_page();
	if (!page || __atomic_compare_exchange_n(&keeper_page, &expected, page,
			     false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return page;
	munmap(page, (size_t)sysconf(_SC_PAGESIZE));
	return expected;
}

void keeper_begin(void)
{
	struct keeper_page *page = the_page();

	if (page && !__atomic_load_n(&page->pid, __ATOMIC_ACQUIRE))
		__atomic_store_n(
			&page->pid, (uint64_t)getpid(), __ATOMIC_RELEASE);
}

uint64_t keeper_claim(void)
{
	struct keeper_page *page = the_page();
	uint64_t token, none = 0;

	if (!page)
		return 0;
	token = __atomic_load_n(&page->token, __ATOMIC_ACQUIRE);
	if (token)
		return token;
	keeper_begin();
	token = __atomic_add_fetch(&last_token, 1, __ATOMIC_RELAXED);
	if (__atomic_compare_exchange_n(&page->token, &none, token, false,
		    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return token;
	return none;
}

/* 0: not known. */
static pid_t known_pid(void)
{
	struct keeper_page *page =
		__atomic_load_n(&keeper_page, __ATOMIC_ACQUIRE);

	return page ? (pid_t)__atomic_load_n(&page->pid, __ATOMIC_ACQUIRE) : 0;
}

pid_t keeper_pid(void)
{
	pid_t pid = known_pid();

	return pid ? pid : getpid();
}

bool keeper_is_guest(void)
{
	pid_t pid = known_pid();

	return pid && pid != getpid();
}

bool keeper_is_borrowed(void)
{
	return keeper_token() != 0 && keeper_is_guest();
}
