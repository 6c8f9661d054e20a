/* SPDX-License-Identifier: MIT */
/*
 * Files of the settings.
 */
#include "engine/files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/arena.h"
#include "engine/failure.h"

#define SIZE_LIMIT (64 << 20)
/* A directory may hold a CRL for each CA; beyond this it alone is watched. */
#define ENTRIES_MAX 1024

struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct files_entry {
	char *path;
	struct stamp stamp; /* all zero: it is not there */
};

/* Reads size bytes, or fewer when the file became shorter: *len. */
static int read_all(int fd, char *buf, size_t size, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len < size) {
		n = read(fd, buf + *len, size - *len);
		if (n < 0 && errno != EINTR)
			return errno;
		if (n == 0)
			break;
		if (n > 0)
			*len += (size_t)n;
	}
	return 0;
}

static int read_descriptor(int fd, char **buf, size_t *len)
{
	struct stat st;
	int error;

	if (fstat(fd, &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode))
		return FILES_NOT_REGULAR;
	if (st.st_size > SIZE_LIMIT)
		return FILES_TOO_BIG;
	if (!st.st_size)
		return FILES_EMPTY;
	*buf = arena_alloc((size_t)st.st_size);
	if (!*buf)
		return ENOMEM;
	error = read_all(fd, *buf, (size_t)st.st_size, len);
	if (error)
		arena_free(*buf);
	return error;
}

int files_read(const char *path, char **buf, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error;

	if (fd < 0)
		return errno;
	error = read_descriptor(fd, buf, len);
	close(fd);
	return error;
}

void files_free_secret(char *buf, size_t len)
{
	if (buf)
		OPENSSL_cleanse(buf, len);
	arena_free(buf);
}

const char *files_error_text(int result)
{
	switch (result) {
	case FILES_NOT_REGULAR:
		return "not a regular file";
	case FILES_TOO_BIG:
		return "too big";
	case FILES_EMPTY:
		return "it is empty";
	default:
		return failure_errno_text(result);
	}
}

static struct stamp stamp_of(const char *path)
{
	struct stamp s;
	struct stat st;

	memset(&s, 0, sizeof(s)); /* compared with its padding */
	if (stat(path, &st))
		return s;
	s.dev = st.st_dev;
	s.ino = st.st_ino;
	s.size = st.st_size;
	s.mtime = st.st_mtim;
	s.ctime = st.st_ctim;
	return s;
}

static bool make_room(struct files *f)
{
	struct files_entry *more;
	unsigned size = f->size ? 2 * f->size : 8;

	if (f->n < f->size)
		return true;
	if (f->n == ENTRIES_MAX)
		return false;
	more = arena_realloc(f->entries, size * sizeof(*more));
	if (!more)
		return false;
	f->entries = more;
	f->size = size;
	return true;
}

static void note(struct files *f, const char *path, struct stamp stamp)
{
	struct files_entry *e;
	size_t size = strlen(path) + 1;

	if (!make_room(f))
		return;
	e = &f->entries[f->n];
	e->path = arena_alloc(size);
	if (!e->path)
		return;
	memcpy(e->path, path, size);
	e->stamp = stamp;
	f->n++;
}

void files_note(struct files *f, const char *path)
{
	if (path)
		note(f, path, stamp_of(path));
}

static bool is_noted(const struct files *f, const char *path)
{
	for (unsigned i = 0; i < f->n; i++)
		if (!strcmp(f->entries[i].path, path))
			return true;
	return false;
}

bool files_note_found(struct files *f, const char *path)
{
	struct stamp stamp = stamp_of(path);

	if (!stamp.ino)
		return false;
	if (!is_noted(f, path))
		note(f, path, stamp);
	return true;
}

bool files_changed(const struct files *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct stamp now = stamp_of(f->entries[i].path);

		if (memcmp(&now, &f->entries[i].stamp, sizeof(now)) != 0)
			return true;
	}
	return false;
}

void files_clear(struct files *f)
{
	while (f->n)
		arena_free(f->entries[--f->n].path);
	arena_free(f->entries);
	*f = (struct files){0};
}

bool files_is_public(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) &&
	       (st.st_mode & S_IROTH);
}
