#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The main job with more clients: those of `scripts/deps wide`.  Each proves the
# same three things as main_job.bats.

load ../lib/programs

# Debian's extensions are opened with RTLD_DEEPBIND, which sanitizers refuse:
# there php comes without them.
php_program()
{
	PHP=(php)
	! sanitized || PHP+=(-n)
}

@test "php's streams" {
	requires php
	start_http
	php_program
	run -0 shim "${PHP[@]}" -r 'echo file_get_contents($argv[1]);' \
		"http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "php's fsockopen and stream_select" {
	requires php
	start_greeter
	php_program
	run -0 shim "${PHP[@]}" -r '
		$s = fsockopen("db.test", (int)$argv[1], $no, $why, 10) or die($why);
		echo fgets($s);
		fwrite($s, $argv[2] . "\n");
		$r = [$s]; $w = $e = null;
		echo stream_select($r, $w, $e, 10), "\n", fgets($s);' "$PORT" "$MARKER"
	assert_output "220 $MARKER"$'\r\n1\n'"$MARKER"
	assert_tls db.test
}

@test "php's curl (an extension loaded with RTLD_DEEPBIND)" {
	php_has curl
	start_http
	run -0 shim php -r '
		$c = curl_init($argv[1]);
		curl_setopt($c, CURLOPT_RETURNTRANSFER, true);
		echo curl_exec($c), curl_error($c);' "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "php's sockets (an extension loaded with RTLD_DEEPBIND)" {
	requires php
	skip_if_sanitized "it refuses RTLD_DEEPBIND"
	start_greeter
	run -0 shim php -r '
		$s = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
		socket_connect($s, gethostbyname("db.test"), (int)$argv[1])
			or die(socket_strerror(socket_last_error()));
		echo socket_read($s, 100);
		socket_write($s, $argv[2]);
		echo socket_read($s, 100);' "$PORT" "$MARKER"
	assert_output "220 $MARKER"$'\r\n'"$MARKER"
	assert_tls db.test
}

@test "java's Socket (IPv4-mapped addresses)" {
	requires java javac
	skip_if_sanitized "the Java machine has its own ideas of memory"
	cat >"$RUN_DIR/Client.java" <<-'JAVA'
	import java.io.*;
	import java.net.*;
	public class Client {
		public static void main(String[] args) throws Exception {
			try (Socket s = new Socket(args[0], Integer.parseInt(args[1]))) {
				BufferedReader in = new BufferedReader(
					new InputStreamReader(s.getInputStream()));
				System.out.println(in.readLine());
				s.getOutputStream().write((args[2] + "\n").getBytes());
				System.out.println(in.readLine());
				s.shutdownOutput();
				System.out.println(in.readLine());
			}
		}
	}
	JAVA
	javac -d "$RUN_DIR" "$RUN_DIR/Client.java"
	start_greeter
	run -0 shim java -Xshare:auto -cp "$RUN_DIR" Client db.test "$PORT" "$MARKER"
	assert_output "220 $MARKER"$'\n'"$MARKER"$'\nnull'
	assert_tls db.test
}

@test "node's http (an executable that exports an OpenSSL of its own)" {
	requires node
	skip_if_sanitized "node has its own ideas of memory"
	start_http
	run -0 shim node -e '
		require("http").get(process.argv[1], r => r.pipe(process.stdout));' \
		"http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "node itself is as it was, with and without settings" {
	requires node
	skip_if_sanitized "node has its own ideas of memory"
	local program='console.log(process.version, require("crypto")
		.createHash("sha256").update("x").digest("hex"),
		require("child_process").execSync("echo child").toString())'
	node -e "$program" >"$RUN_DIR/plain"
	shim node -e "$program" >"$RUN_DIR/shim"
	cmp "$RUN_DIR/plain" "$RUN_DIR/shim"
	TLSSHIM_PORTS=443 shim node -e "$program" >"$RUN_DIR/shim"
	cmp "$RUN_DIR/plain" "$RUN_DIR/shim"
}

@test "ruby's net/http and TCPSocket (a second connect() tells completion)" {
	requires ruby
	start_http
	run -0 shim ruby -rnet/http -e '
		puts Net::HTTP.get(URI(ARGV[0]))' "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
	start_greeter
	run -0 shim ruby -rsocket -e '
		s = Socket.tcp("db.test", ARGV[0].to_i, connect_timeout: 10)
		print s.gets; s.puts ARGV[1]; print s.gets' "$PORT" "$MARKER"
	assert_output "220 $MARKER"$'\r\n'"$MARKER"
	assert_tls db.test
}

@test "links shows a page" {
	requires links
	start_http
	run -0 shim links -dump "http://db.test:$PORT/say/$MARKER"
	assert_output --partial "$MARKER"
	assert_tls db.test
}

@test "socat" {
	requires socat
	start_server tlsserver db.test handshake echo
	run -0 shim socat -t 10 - "TCP4:db.test:$PORT" <<<"$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "ncat" {
	requires ncat
	start_server tlsserver db.test handshake echo
	run -0 shim ncat db.test "$PORT" <<<"$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}
