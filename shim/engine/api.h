/* SPDX-License-Identifier: MIT */
/*
 * What the rest of the shim may know of TLS.  No OpenSSL type appears here:
 * the functions are those of a table that the engine (engine.so, the only
 * code that sees OpenSSL) exports and that tls_load() finds.
 *
 * A session never touches a descriptor: ciphertext moves through the
 * transport callbacks that its owner gives it, so that a whole handshake can
 * be run over memory.  No function here blocks, and none may be called for
 * one session by two threads at once: the caller holds the connection's
 * lock.  Different sessions may be used by different threads at once.  errno is
 * left as found by all of them.
 */
#ifndef TLSSHIM_ENGINE_API_H
#define TLSSHIM_ENGINE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Raised whenever a struct or a function of this header changes. */
#define TLS_ENGINE_ABI 8u

enum tls_result {
	TLS_OK,		/* it is done; *done says how much of it */
	TLS_PAUSED,	/* as TLS_OK, but one call has worked enough: there may
			 * be more without the transport */
	TLS_EOF,	/* the peer sent close_notify; there is no more */
	TLS_WANT_READ,	/* call again when the transport can be read */
	TLS_WANT_WRITE, /* call again when the transport can be written */
	TLS_FAILED,	/* tls->failure() says why; every later call fails,
			 * but see writev() */
};

/* What went wrong, in the classes that the caller tells apart (errno). */
enum tls_failure_kind {
	TLS_FAIL_NONE,
	TLS_FAIL_TRUST,	    /* the peer is not trusted: chain, date, name... */
	TLS_FAIL_PROTOCOL,  /* not TLS, no common version or cipher, alert */
	TLS_FAIL_TRUNCATED, /* end of stream without close_notify */
	TLS_FAIL_RECORD,    /* a bad record after the handshake */
	TLS_FAIL_TRANSPORT, /* a callback returned an error: .transport_errno */
	TLS_FAIL_SETUP,	    /* bad or unreadable setting, such as the CA file */
	TLS_FAIL_MEMORY,
};

/* What the log tells of a certificate that was refused, beside the text. */
struct tls_refusal {
	int depth;	    /* in the chain; 0: the server's own */
	const char *reason; /* OpenSSL's words for it */
	const char *hint;   /* what to set or to do; never NULL */
	/* All printable ASCII; dates as 2026-03-01. */
	char subject[256], issuer[256], names[256];
	char not_before[16], not_after[16];
};

struct tls_failure {
	enum tls_failure_kind kind;
	int transport_errno;
	/* One clause without a full stop, printable ASCII, for the log line:
	 * "certificate expired 2026-03-01 (CN=db, issuer CN=Corp CA)". */
	char text[512];
	/* Of a certificate that was refused, else NULL.  The session's. */
	const struct tls_refusal *refusal;
};

enum tls_verify {
	TLS_VERIFY_FULL,
	TLS_VERIFY_INSECURE_NO_NAME, /* the chain, but not whose it is */
	TLS_VERIFY_INSECURE_NONE,    /* nothing but the pins, if there are */
};

enum tls_ocsp {
	TLS_OCSP_STAPLED, /* a response that is given must be good */
	TLS_OCSP_REQUIRED,
	TLS_OCSP_OFF, /* not asked for, not even by must-staple */
};

#define TLS_RESUME_SECONDS 3600 /* the default */

#define TLS_VERSION_1_2 0x0303u
#define TLS_VERSION_1_3 0x0304u

/*
 * Whom to trust, with which credentials, by which protocol.  All zero: the
 * system's trust store, full verification, any version from TLS 1.2.  Strings
 * are copied by context_new().
 */
struct tls_settings {
	const char
		*ca_file; /* NULL: none; with no ca_dir either, the system's */
	const char *ca_dir; /* a directory of hashed names, or NULL */
	/* Is a certificate of ca_file or ca_dir that is not self-signed no
	 * anchor? */
	bool no_partial_chain;
	bool x509_strict;     /* X509_V_FLAG_X509_STRICT */
	const char *crl_file; /* with either, all of a chain is checked */
	const char *crl_dir;
	bool crl_insecure_soft; /* a missing or outdated CRL will do */
	enum tls_ocsp ocsp;
	enum tls_verify verify;
	/* Is an end of TCP without close_notify an end?  Within a record it is
	 * an error all the same. */
	bool eof_insecure_lax;
	bool no_resume;		 /* each session is a new one */
	unsigned resume_seconds; /* so long after a verification a session may
				  * be resumed, at most; 0: the default */
	const char *pins;	 /* "sha256//BASE64 ..."; NULL: none */
	const char *pin_file;	 /* the same, in a file */

	const char *cert; /* of ours: a file or a URI of OSSL_STORE */
	const char *key;  /* NULL: beside the certificate */
	const char *key_password_file;

	unsigned min_version, max_version; /* 0: not set */
	const char *alpn;		   /* "h2,http/1.1" */
	const char *openssl;		   /* SSL_CONF: "Name=Value ..." */
	const char *keylog_file; /* insecure: the secrets of all sessions */

	/* What is wrong but stops nothing, such as a changed file that cannot
	 * be read: one sentence.  NULL: not wanted. */
	void (*complain)(const char *text);
};

#define TLS_NAMES_MAX 8

/*
 * Whom the peer must prove to be.  With names: the certificate must be valid
 * for every one of them.  Without: for the address ip, or, where or_localhost
 * is set (a loopback address), for the name "localhost", or for or_name where
 * that is not NULL.  SNI is sent when sni is not NULL.  The subject's CN never
 * counts.  With none of these no certificate will do.  Copied by
 * session_new().
 */
struct tls_identity {
	const char *sni;
	const char *names[TLS_NAMES_MAX];
	unsigned n_names;
	unsigned char ip[16];
	unsigned ip_len; /* 4 or 16 */
	bool or_localhost;
	const char *or_name;
	/*
	 * The destination ("host:port" as dialled): session tickets are used
	 * again only for the same context, the same cache_key and an equal
	 * identity in every other field.  NULL: no resumption.
	 */
	const char *cache_key;
};

/* What a session may call.  The pointed-to struct outlives the session. */
struct tls_transport {
	/* Like recv(MSG_DONTWAIT): > 0 bytes, 0 end of stream, or -errno
	 * (-EAGAIN: nothing there). */
	ssize_t (*recv)(void *owner, void *buf, size_t len);
	/* Like send(MSG_DONTWAIT|MSG_NOSIGNAL): bytes taken, or -errno. */
	ssize_t (*send)(void *owner, const void *buf, size_t len);
	/* One step of the handshake, for the debug log: a clause without a
	 * newline.  NULL: not wanted, and then costs nothing. */
	void (*trace)(void *owner, const char *step);
};

/* What was agreed, for the log; valid until session_free(). */
struct tls_info {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
	const char *group;   /* "X25519", or "" */
	char subject[256];   /* of the peer's certificate, printable ASCII */
	char issuer[256];
	char names[256];     /* of its subjectAltName */
	char not_before[16]; /* 2026-03-01 */
	char not_after[16];
	char alpn[256]; /* what the server chose, or "" */
	bool resumed;
	uint64_t received, sent; /* plaintext bytes so far */
};

struct tls_context; /* trust and settings, shared by many sessions */
struct tls_session; /* one connection */

struct tls_engine {
	unsigned abi; /* TLS_ENGINE_ABI */

	/* Loads trust anchors and settings.  NULL on failure, with *why
	 * filled in.  Reads files; may take milliseconds.  Never freed: a
	 * context lives as long as the process.  New sessions have the files
	 * read again when they changed; what is bad then is complained of,
	 * and what was good stays in force. */
	struct tls_context *(*context_new)(
		const struct tls_settings *settings, struct tls_failure *why);
	/* Before chroot(), setuid() and the like: loads what context_new()
	 * left to be looked up when needed (a directory of hashed names), so
	 * that from now on no session reads a file, changed or not.  May take
	 * tens of milliseconds; again costs nothing.  What cannot be read is
	 * not trusted.  Any thread. */
	void (*context_preload)(struct tls_context *ctx);

	/* A client session that has sent nothing yet.  NULL: out of memory.
	 * owner is what the transport's callbacks get. */
	struct tls_session *(*session_new)(struct tls_context *ctx,
		const struct tls_identity *id,
		const struct tls_transport *transport, void *owner);
	/* Sends nothing (shutdown() does).  Frees; NULL is allowed. */
	void (*session_free)(struct tls_session *s);

	/* Moves the handshake as far as it goes.  TLS_OK: the peer is
	 * verified (later calls say so again).  No plaintext is accepted or
	 * taken before.  What could not be sent stays in the output buffer:
	 * TLS_WANT_WRITE, or TLS_OK when it is the last flight; then
	 * pending_out() is not 0.  While it waits for TLS_WANT_WRITE the peer
	 * may speak too (an alert): wait for both. */
	enum tls_result (*handshake)(struct tls_session *s);

	/*
	 * Fills the caller's buffers, across records, until they are full or
	 * nothing more can be had without blocking: a short read means
	 * drained.  TLS_OK with *done > 0, else the reason why there is
	 * nothing.  An end or failure met after some bytes is kept for the
	 * next call.  TLS_PAUSED: the peer has put so many messages of TLS
	 * between the bytes that the rest is for another call.
	 */
	enum tls_result (*readv)(struct tls_session *s, const struct iovec *iov,
		int n_iov, size_t *done);

	/* Is there something for readv()?  Decrypts as far as is needed to
	 * know (a session ticket or half a record is nothing).  TLS_OK: at
	 * least one byte; TLS_EOF and TLS_FAILED: that is what readv() will
	 * say; TLS_WANT_READ: nothing. */
	enum tls_result (*probe)(struct tls_session *s);

	/* May a read succeed without the transport?  Bytes that are decrypted
	 * or buffered, an end or a failure that is known.  Half a record
	 * counts as well: probe() tells for sure. */
	bool (*pending_in)(const struct tls_session *s);

	/*
	 * Decrypts all that can be had without blocking (at most 1 MiB is
	 * ever held) and gives the number of bytes waiting in *avail.  The
	 * transport is asked once in any case, and while fewer than `want`
	 * bytes are waiting, until it has no more.  TLS_OK: that many, or as
	 * many as are ever held; TLS_PAUSED as for readv(); else why there are
	 * not more.  For MSG_PEEK, FIONREAD, SO_RCVLOWAT.
	 */
	enum tls_result (*fill)(
		struct tls_session *s, size_t want, size_t *avail);
	/* Copies waiting bytes without taking them; after fill(). */
	size_t (*peekv)(
		struct tls_session *s, const struct iovec *iov, int n_iov);

	/*
	 * Encrypts as much as the transport is likely to take and hands it
	 * over.  *done counts plaintext bytes encrypted: they are the
	 * engine's from then on and need not be offered again.  While the
	 * output buffer holds bytes of an earlier call that the transport
	 * still refuses, nothing is taken: TLS_WANT_WRITE.  TLS_OK with
	 * *done > 0 otherwise; several small buffers share one record.  At
	 * most 32 KiB wait in the output buffer, one record of 16 KiB where
	 * the transport was slow before.  After shutdown(): TLS_FAILED, with
	 * EPIPE.  When the transport's send() fails, writev(), flush() and
	 * shutdown() fail from then on, but reading goes on: what the peer
	 * sent before it went away can still be read, as with TCP.
	 */
	enum tls_result (*writev)(struct tls_session *s,
		const struct iovec *iov, int n_iov, size_t *done);

	/* Offers the output buffer to the transport.  TLS_OK: it is empty. */
	enum tls_result (*flush)(struct tls_session *s);
	/* Bytes encrypted that the transport has not taken. */
	size_t (*pending_out)(const struct tls_session *s);
	/* Puts close_notify behind what is pending and flushes; once only,
	 * later calls just flush.  Reading goes on.  Before the handshake is
	 * done there is nothing to close: it only flushes. */
	enum tls_result (*shutdown)(struct tls_session *s);
	/* After shutdown(): is what pending_out() counts all that is left to be
	 * done, so that whoever has the socket can do it without the session?
	 * Then *bytes are those, until the next call for this session.  false
	 * as well where a refusal may still come that only the session can
	 * read: of our certificate, in TLS 1.3, while the peer has sent no
	 * data. */
	bool (*rest)(
		const struct tls_session *s, const void **bytes, size_t *len);

	/* Why the last TLS_FAILED was returned. */
	const struct tls_failure *(*failure)(const struct tls_session *s);
	/* Bytes of plaintext that readv() and fill() have had from the peer. */
	uint64_t (*received)(const struct tls_session *s);
	/* After the handshake. */
	void (*info)(const struct tls_session *s, struct tls_info *info);

	/* Around every copy of the process, by the thread that makes it, while
	 * no other is in a function of this table: between the two nothing of
	 * the engine runs that nobody called, such as what OpenSSL does when
	 * a thread ends.  Waits for that, which is short. */
	void (*copy_begin)(void);
	void (*copy_end)(void);
	/* In the child of a fork(), instead of copy_end(). */
	void (*fork_child)(void);

	/* For a copy of the process that keeps nothing but its sessions: calls
	 * visit for all memory that the engine has from the system.  false:
	 * it does not know all (then keep everything). */
	bool (*memory)(void (*visit)(void *arg, const void *start, size_t size),
		void *arg);
};

/* The one symbol that engine.so exports. */
#define TLS_ENGINE_SYMBOL "tlsshim_engine"
extern const struct tls_engine tlsshim_engine;

#endif
