#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Real servers that start programs with an environment of their own choice: what
# they connect to is TLS all the same.

load lib/helpers

# asks PORT: does the server there pass on what is asked of it?
asks()
{
	curl -sS --max-time 10 "http://127.0.0.1:$1/say/$MARKER" >"$RUN_DIR/said" 2>/dev/null &&
		[[ $(<"$RUN_DIR/said") == "$MARKER" ]]
}

# A daemon: nginx ignores USR2 from where it was started.  One whose port
# another process was faster to take ends with an error.
start_proxy()
{
	local try

	for try in 1 2 3 4 5 6 7 8; do
		PROXY=$((10000 + (RANDOM * 7 + BASHPID + try) % 20000))
		cat >"$RUN_DIR/proxy.conf" <<-CONF
		worker_processes 1;
		user $(id -un) $(id -gn);
		pid $RUN_DIR/proxy.pid;
		error_log $RUN_DIR/proxy.log;
		events { }
		http {
			access_log off;
			client_body_temp_path $RUN_DIR;
			proxy_temp_path $RUN_DIR;
			fastcgi_temp_path $RUN_DIR;
			uwsgi_temp_path $RUN_DIR;
			scgi_temp_path $RUN_DIR;
			server {
				listen 127.0.0.1:$PROXY;
				location / { proxy_pass http://localhost:$PORT; }
			}
		}
		CONF
		if shim "$(server_program nginx)" -p "$RUN_DIR" \
			-c "$RUN_DIR/proxy.conf" -e "$RUN_DIR/proxy.log" \
			>"$RUN_DIR/proxy.out" 2>&1 </dev/null 3>&-; then
			wait_for test -s "$RUN_DIR/proxy.pid"
			cat "$RUN_DIR/proxy.pid" >>"$RUN_DIR/pids"
			return 0
		fi
	done
	fail "nginx does not start" || return
}

# The program that nginx -s upgrade starts gets TZ and little else.
@test "nginx: the binary that is started by USR2 speaks TLS to its upstream" {
	local old

	start_server tlsserver localhost handshake http
	add_host localhost 127.0.0.1
	start_proxy
	WAIT=60 wait_for asks "$PROXY"
	old=$(<"$RUN_DIR/proxy.pid")
	kill -USR2 "$old"
	wait_for test -s "$RUN_DIR/proxy.pid.oldbin"
	wait_for test -s "$RUN_DIR/proxy.pid"
	cat "$RUN_DIR/proxy.pid" >>"$RUN_DIR/pids"
	refute [ "$(<"$RUN_DIR/proxy.pid")" = "$old" ]
	kill -QUIT "$old"
	WAIT=60 wait_for eval '! is_running '"$old"
	WAIT=60 wait_for asks "$PROXY"
	assert_tls localhost
}
