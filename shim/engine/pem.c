/* SPDX-License-Identifier: MIT */
/*
 * Certificates from a PEM file into a store.
 */
#include "pem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>
#include "arena.h"
#include "failure.h"

#define SIZE_LIMIT (64 << 20)

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
		return PEM_NOT_REGULAR;
	if (st.st_size > SIZE_LIMIT)
		return PEM_TOO_BIG;
	*buf = arena_alloc((size_t)st.st_size);
	if (!*buf)
		return ENOMEM;
	error = read_all(fd, *buf, (size_t)st.st_size, len);
	if (error)
		arena_free(*buf);
	return error;
}

/* The whole file; the caller frees *buf when the result is 0. */
static int read_file(const char *path, char **buf, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error;

	if (fd < 0)
		return errno;
	error = read_descriptor(fd, buf, len);
	close(fd);
	return error;
}

/* The default would ask at the program's terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

/* Nothing more that looks like PEM: the normal end. */
static bool is_end_of_pem(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM &&
	       ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int parse(X509_STORE *store, BIO *bio, unsigned *n)
{
	X509 *cert;
	int added;

	ERR_clear_error();
	/* _AUX reads "TRUSTED CERTIFICATE" as well, with its restrictions. */
	while ((cert = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL))) {
		added = X509_STORE_add_cert(store, cert);
		X509_free(cert);
		if (!added)
			return ENOMEM;
		++*n;
	}
	return is_end_of_pem() ? 0 : PEM_GARBAGE;
}

int pem_load(X509_STORE *store, const char *path, unsigned *n)
{
	size_t len = 0;
	char *buf = NULL;
	BIO *bio;
	int result;

	*n = 0;
	result = read_file(path, &buf, &len);
	if (result)
		return result;
	bio = BIO_new_mem_buf(buf, (int)len);
	result = bio ? parse(store, bio, n) : ENOMEM;
	BIO_free(bio);
	arena_free(buf);
	ERR_clear_error();
	return result;
}

const char *pem_error_text(int result)
{
	switch (result) {
	case PEM_NOT_REGULAR:
		return "not a regular file";
	case PEM_TOO_BIG:
		return "too big for a CA file";
	case PEM_GARBAGE:
		return "a certificate in it is damaged";
	default:
		return failure_errno_text(result);
	}
}
