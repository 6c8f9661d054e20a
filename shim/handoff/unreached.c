/* SPDX-License-Identifier: MIT */
/*
 * Looks at files as execve(2) would find them, and says what it has found.
 * What bytes and rights mean, program.c knows.
 */
#include "handoff/unreached.h"

#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/kernel.h"
#include "base/library.h"
#include "base/program.h"
#include "base/real.h"
#include "config/config.h"
#include "config/inherit.h"
#include "log/log.h"

#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
#define CAPABILITIES_MAX 24 /* XATTR_CAPS_SZ_3 */

enum reason {
	REACHED,
	ABSENT, /* the kernel will say why */
	UNREADABLE,
	UNKNOWN,
	STATIC,
	GO,
	FOREIGN,
	MUSL,
	OTHER_LIBC,
	SETUID,
	SETGID,
	CAPABLE,
	OWN_IDS,
	LEFT_OUT,
	GONE,
	TOO_LONG,
};

/* In the words that follow "executes PROGRAM: ". */
static const char *sentence(enum reason reason)
{
	switch (reason) {
	case UNREADABLE:
		return "it cannot be read, and so nobody can tell whether the "
		       "library will be in it";
	case UNKNOWN:
		return "it is of no format that is known here, and so nobody "
		       "can tell whether the library will be in what runs it";
	case STATIC:
		return "it is linked statically, so the library cannot be in "
		       "it: its connections will not be TLS";
	case GO:
		return "it is written in Go, which does not call the C library "
		       "to connect: its connections will not be TLS";
	case FOREIGN:
		return "it is for another processor or word size than the "
		       "library: its connections will not be TLS";
	case MUSL:
		return "it uses musl, not glibc: it will not start with the "
		       "library's path in LD_PRELOAD, and without it its "
		       "connections will not be TLS";
	case OTHER_LIBC:
		return "it does not use glibc, so the library cannot be in "
		       "it: its connections will not be TLS";
	case SETUID:
		return "it runs as another user (setuid), and so ignores "
		       "LD_PRELOAD: its connections will not be TLS";
	case SETGID:
		return "it runs as another group (setgid), and so ignores "
		       "LD_PRELOAD: its connections will not be TLS";
	case CAPABLE:
		return "it has file capabilities, and so ignores LD_PRELOAD: "
		       "its connections will not be TLS";
	case OWN_IDS:
		return "this process's real and effective ids differ, so that "
		       "LD_PRELOAD will be ignored: its connections will not "
		       "be TLS";
	case LEFT_OUT:
		return "its environment leaves the library or its settings "
		       "out: its connections will not be TLS";
	case GONE:
		return "the library is not to be found at its path any more "
		       "(another root, or it was replaced): its connections "
		       "will not be TLS";
	case TOO_LONG:
		return "its arguments leave no room for library and settings, "
		       "which its environment lacks: its connections will not "
		       "be TLS";
	case REACHED:
	case ABSENT:
		break;
	}
	return "";
}

/* ---- what was said already ---- */

/* Of the latest ones, without a lock: two threads may say it both. */
#define SAID_MAX 64
static _Atomic uint64_t said[SAID_MAX];
static _Atomic unsigned n_said;

static bool was_said(const struct stat *st, enum reason reason)
{
	uint64_t key = (((uint64_t)st->st_ino * 31 + st->st_dev) << 4 |
			       (uint64_t)reason) +
		       1;

	for (unsigned i = 0; i < SAID_MAX; i++)
		if (atomic_load_explicit(&said[i], memory_order_relaxed) == key)
			return true;
	atomic_store(&said[atomic_fetch_add(&n_said, 1) % SAID_MAX], key);
	return false;
}

/* ---- finding the file ---- */

struct found {
	const struct executed *executed;
	struct stat st;	   /* zeros: it could not be found */
	const char *place; /* of PATH, n bytes; NULL: path says it all */
	int n_place;
	char script[PROGRAM_INTERPRETER]; /* what runs it, or "" */
};

/* One that may be executed, or -1 and errno. */
static int open_program(int dir, const char *path, int flags, struct stat *st)
{
	int fd = real(openat)(dir, path, OPEN_FLAGS | flags);

	if (fd < 0)
		return -1;
	if (kernel_fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
		st->st_mode & 0111)
		return fd;
	real(close)(fd);
	errno = EACCES;
	return -1;
}

/* After EACCES: is it one that may be executed and not read? */
static bool is_unreadable(int dir, const char *path, struct stat *st)
{
	return kernel_stat_at(dir, path, st) == 0 && S_ISREG(st->st_mode) &&
	       faccessat(dir, path, X_OK, AT_EACCESS) == 0;
}

static const char *path_in(char *const env[])
{
	for (; env && *env; env++)
		if (childenv_is(*env, "PATH"))
			return *env + 5;
	return "/bin:/usr/bin"; /* confstr(_CS_PATH) */
}

/* As execvp(3): the first that may be executed.  room is PATH_MAX bytes. */
static int open_in_path(struct found *found, char *room)
{
	const char *file = found->executed->path;
	const char *place = path_in(found->executed->search_in);
	int n, fd = -1;

	for (;; place += n + 1) {
		n = (int)(strchrnul(place, ':') - place);
		log_format(room, PATH_MAX, "%.*s%s%s", n, place, n ? "/" : "",
			file);
		fd = open_program(AT_FDCWD, room, 0, &found->st);
		if (fd >= 0 || (errno == EACCES && is_unreadable(AT_FDCWD, room,
							   &found->st)))
			break;
		if (!place[n]) {
			errno = ENOENT;
			return -1;
		}
	}
	found->place = place;
	found->n_place = n;
	if (fd < 0)
		errno = EACCES;
	return fd;
}

/* A descriptor may have been opened by O_PATH, which cannot be read. */
static int open_descriptor(struct found *found, int fd)
{
	char path[32];

	log_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open_program(AT_FDCWD, path, 0, &found->st);
}

static int open_executed(struct found *found, char *room)
{
	const struct executed *e = found->executed;
	int flags = e->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0, fd;

	if (!e->path || (e->flags & AT_EMPTY_PATH && !*e->path))
		return open_descriptor(found, e->dir);
	if (e->search_in && !strchr(e->path, '/'))
		return open_in_path(found, room);
	fd = open_program(e->dir, e->path, flags, &found->st);
	if (fd < 0 && errno == EACCES &&
		!is_unreadable(e->dir, e->path, &found->st))
		errno = ENOENT;
	return fd;
}

/* ---- what it is ---- */

static const struct program *own_program(struct program *own)
{
	program_parse(own, library_header(), sizeof(ElfW(Ehdr)));
	return own;
}

static enum reason reason_of_reach(enum program_reach reach)
{
	switch (reach) {
	case PROGRAM_REACHED:
		return REACHED;
	case PROGRAM_STATIC:
		return STATIC;
	case PROGRAM_GO:
		return GO;
	case PROGRAM_FOREIGN:
		return FOREIGN;
	case PROGRAM_MUSL:
		return MUSL;
	case PROGRAM_OTHER_LIBC:
		return OTHER_LIBC;
	case PROGRAM_UNCLEAR:
		break;
	}
	return UNKNOWN;
}

/* Of an open file; -1: nobody could open it.  Capabilities of files are
 * nothing to the real root. */
static enum reason reason_of_rights(int fd, const struct stat *st)
{
	unsigned char capabilities[CAPABILITIES_MAX];
	struct program_rights rights = {.owner = st->st_uid,
		.group = st->st_gid,
		.mode = st->st_mode,
		.capabilities = capabilities};
	uid_t saved_uid;
	gid_t saved_gid;
	ssize_t n = 0;
	struct statvfs fs;

	kernel_getresuid(&rights.uid, &rights.euid, &saved_uid);
	kernel_getresgid(&rights.gid, &rights.egid, &saved_gid);
	if (fd >= 0 && rights.uid != 0)
		n = kernel_fgetxattr(fd, "security.capability", capabilities,
			sizeof(capabilities));
	rights.n_capabilities = n > 0 ? (size_t)n : 0;
	if (program_may_gain(&rights)) {
		rights.has_no_new_privs =
			real(prctl)(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) > 0;
		rights.is_nosuid = fd >= 0 && fstatvfs(fd, &fs) == 0 &&
				   fs.f_flag & ST_NOSUID;
	}
	switch (program_privilege(&rights)) {
	case PROGRAM_SETUID:
		return SETUID;
	case PROGRAM_SETGID:
		return SETGID;
	case PROGRAM_CAPABLE:
		return CAPABLE;
	case PROGRAM_OWN_IDS:
		return OWN_IDS;
	case PROGRAM_PLAIN:
		break;
	}
	return fd < 0 ? UNREADABLE : REACHED;
}

static const char *name_of(const struct found *found)
{
	if (found->script[0])
		return found->script;
	return found->executed->path ? found->executed->path : "";
}

/* Of the file, or of what runs the script that it is: there the rights
 * count.  Closes fd. */
static __attribute__((noinline)) enum reason examine(
	struct found *found, int fd)
{
	unsigned char head[PROGRAM_HEAD];
	struct program program, own;
	enum reason reason = UNREADABLE;
	struct stat st = found->st;

	for (int i = 0; fd >= 0; i++) {
		ssize_t n = pread(fd, head, sizeof(head), 0);

		program_parse(&program, head, n > 0 ? (size_t)n : 0);
		reason = n < 0 ? UNREADABLE : reason_of_rights(fd, &st);
		real(close)(fd);
		if (n < 0)
			return UNREADABLE;
		if (program.kind != PROGRAM_SCRIPT)
			break;
		if (i == PROGRAM_SCRIPTS)
			return ABSENT; /* ELOOP */
		memcpy(found->script, program.interpreter,
			sizeof(found->script));
		fd = open_program(AT_FDCWD, found->script, 0, &st);
		if (fd < 0 && (errno != EACCES || !is_unreadable(AT_FDCWD,
							  found->script, &st)))
			return ABSENT;
	}
	if (fd < 0)
		return reason_of_rights(-1, &st);
	return reason != REACHED ? reason
				 : reason_of_reach(program_reach(&program,
					   own_program(&own), name_of(found)));
}

/* Apart from each other, so that the stack has one page of them at a time. */
static __attribute__((noinline)) int find(struct found *found)
{
	char room[PATH_MAX];

	return open_executed(found, room);
}

static enum reason look(struct found *found)
{
	int fd = find(found);

	if (fd >= 0)
		return examine(found, fd);
	switch (errno) {
	case EACCES:
		return reason_of_rights(-1, &found->st);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return UNREADABLE;
	}
	return ABSENT;
}

/* ---- what is said and done ---- */

static void say(const struct found *found, enum reason reason,
	enum log_level level, bool is_refused)
{
	const struct executed *e = found->executed;
	bool has_place = found->place && found->n_place;
	char number[32];

	if (!log_wants(level) || was_said(&found->st, reason))
		return;
	log_format(number, sizeof(number), "descriptor %d", e->dir);
	log_line(level, "%s %.*s%s%s%s%s%s: %s%s",
		is_refused ? "refuses to execute" : "executes",
		has_place ? found->n_place : 0, has_place ? found->place : "",
		has_place ? "/" : "", e->path ? e->path : number,
		found->script[0] ? " (run by " : "", found->script,
		found->script[0] ? ")" : "", sentence(reason),
		is_refused ? " (TLSSHIM_UNREACHED=warn allows it)"
			   : " (TLSSHIM_UNREACHED=refuse forbids it, allow "
			     "drops this line)");
}

/* What is a decision of somebody's, or of which nothing is known, is worth no
 * error. */
static enum log_level level_of(enum reason reason)
{
	return reason == UNREADABLE || reason == UNKNOWN || reason == LEFT_OUT
		       ? LOG_LEVEL_INFO
		       : LOG_LEVEL_ERROR;
}

/* May it be executed? */
static bool judge(const struct found *found, enum reason reason)
{
	enum config_unreached policy = config_unreached(config_get());

	if (reason == REACHED || reason == ABSENT ||
		policy == CONFIG_UNREACHED_ALLOW)
		return true;
	if (policy == CONFIG_UNREACHED_REFUSE) {
		say(found, reason, LOG_LEVEL_ERROR, true);
		return false;
	}
	say(found, reason, level_of(reason), false);
	return true;
}

/* Where nothing is given, is something lacking? */
static bool lacks(
	const struct childenv_own *own, const struct childenv_plan *plan)
{
	if (plan->gives_settings)
		return true;
	return own->preload &&
	       !(plan->list && childenv_names(plan->list, own->preload));
}

/* Will the library be in what is executed with envp? */
static enum reason reason_of_environment(char *const envp[])
{
	const struct childenv_own *own = inherit_own();
	struct childenv_plan plan;

	if (!own)
		return GONE;
	childenv_plan(&plan, own, envp);
	if (plan.is_left_out)
		return LEFT_OUT;
	if (config_get()->is_not_inherited)
		return lacks(own, &plan) ? LEFT_OUT : REACHED;
	if (own->preload && !inherit_is_at_its_path())
		return GONE;
	return REACHED;
}

/* Does LD_PRELOAD make the dynamic linker complain there, or worse? */
static bool is_for_others(enum reason reason)
{
	return reason == FOREIGN || reason == MUSL || reason == OTHER_LIBC ||
	       (reason >= SETUID && reason <= OWN_IDS);
}

enum unreached_give unreached_ask(
	const struct executed *executed, char *const envp[])
{
	struct found found = {.executed = executed};
	int saved_errno = errno;
	enum reason file = look(&found), environment = REACHED;
	enum unreached_give give = UNREACHED_GIVE;

	if (!is_for_others(file))
		environment = reason_of_environment(envp);
	if (!judge(&found, file) || !judge(&found, environment))
		give = UNREACHED_REFUSE;
	else if (is_for_others(file) || environment != REACHED ||
		 config_get()->is_not_inherited)
		give = UNREACHED_LEAVE;
	errno = saved_errno;
	return give;
}

bool unreached_too_long(const struct executed *executed)
{
	struct found found = {.executed = executed};
	int saved_errno = errno;
	bool may_run;

	look(&found);
	may_run = judge(&found, TOO_LONG);
	errno = saved_errno;
	return may_run;
}

void unreached_prepare(void)
{
	static atomic_bool is_done;
	static const struct executed self = {
		.dir = AT_FDCWD, .path = "/proc/self/exe"};
	struct found found = {.executed = &self};
	int saved_errno = errno;

	if (atomic_exchange(&is_done, true))
		return;
	look(&found);
	reason_of_environment(NULL);
	errno = saved_errno;
}
