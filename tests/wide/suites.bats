#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Whole suites of other projects through the shim: scripts/suites, with the
# quick ones of CPython's.  Every test in them fares as it does plainly.

load ../lib/helpers

# as_plainly MODES MODULE...
as_plainly()
{
	local modes=$1 gone
	shift

	skip_if_sanitized "other people's suites in its memory"
	requires ip
	"$PYTHON" -c 'import test.test_socket' 2>/dev/null ||
		skip "no tests of CPython's (libpython3.N-testsuite) are installed (scripts/deps wide)"
	unshare -n true 2>/dev/null || unshare -rn true 2>/dev/null ||
		skip "no network namespaces for this user"
	run -0 "$REPO/scripts/suites" -m "$modes" "$@"
	refute_output --partial DIFFERS
	gone=$(grep -cE '^test_[a-z]+ +gone ' <<<"$output" || :)
	((gone == 0)) || grep -E '^test_[a-z]+ +gone ' <<<"$output" |
		sed "s/^/# $BATS_TEST_DESCRIPTION: /" >&3
	# A suite that did not run has proven nothing.
	((gone < $#))
	assert_equal "$(grep -cE ' [1-9][0-9]* ok' <<<"$output")" \
		$((($# - gone) * $(tr , ' ' <<<"plain,$modes" | wc -w)))
}

@test "CPython's tests of HTTP clients and servers" {
	as_plainly tls test_httplib test_urllib2_localnet test_xmlrpc
}

@test "CPython's tests of mail, news, file transfer and telnet" {
	as_plainly tls test_smtplib test_poplib test_nntplib test_ftplib test_telnetlib
}

@test "CPython's tests of socket servers and event loops" {
	as_plainly tls test_socketserver test_selectors test_epoll test_asyncore test_asynchat
}

@test "CPython's tests of sockets" {
	as_plainly tls test_socket
}

@test "CPython's tests of processes and descriptors, with the shim preloaded for nothing" {
	as_plainly idle,ports test_fork1 test_posix test_fcntl test_threadsignals test_pty
}
