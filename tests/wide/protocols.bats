#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Clients that speak the protocols of redis, LDAP, MQTT, SMTP, IRC, svn and HTTP,
# and the libraries of several languages that do, with real servers where
# there are some.

load ../lib/programs

# Debian's Python may lack a module.
python_has()
{
	"$PYTHON" -c "import $1" 2>/dev/null ||
		skip "Python's $1 is not installed (scripts/deps wide)"
}

# --- redis

start_redis_server()
{
	start_server redis db.test
}

@test "php's redis: one value of 200 KB, and a pipeline" {
	php_has redis
	start_redis_server
	run -0 shim php -r '
		$r = new Redis;
		$r->connect("db.test", (int)$argv[1]);
		$r->set("k", str_repeat($argv[2], 13000));
		echo md5($r->get("k")) === md5(str_repeat($argv[2], 13000)) ? "same\n" : "other\n";
		$p = $r->pipeline();
		for ($i = 0; $i < 1000; $i++)
			$p->incr("c");
		echo array_sum($p->exec());' "$PORT" "$MARKER"
	assert_output "same
500500"
	assert_tls db.test
}

@test "Python's redis: pipeline, publish and subscribe, 50 at once with asyncio" {
	python_has redis.asyncio
	start_redis_server
	run -0 shim "$PYTHON" - "$PORT" "$MARKER" <<-'PYTHON'
	import asyncio, redis, sys
	from redis import asyncio as aio
	port, marker = int(sys.argv[1]), sys.argv[2]
	r = redis.Redis("db.test", port)
	p = r.pipeline()
	for i in range(2000):
	    p.set("k%d" % i, marker)
	print(len(p.execute()))
	s = r.pubsub()
	s.subscribe("c")
	print(s.get_message(timeout=10)["type"])
	r.publish("c", marker)
	print(s.get_message(timeout=10)["data"].decode())
	async def main():
	    r = aio.Redis(host="db.test", port=port)
	    got = await asyncio.gather(*[r.get("k%d" % i) for i in range(50)])
	    print(set(got))
	    await r.close()
	asyncio.run(main())
	PYTHON
	assert_output "2000
subscribe
$MARKER
{b'$MARKER'}"
	assert_tls db.test
}

@test "ruby's and perl's redis" {
	requires ruby perl
	ruby -e 'require "redis"' 2>/dev/null || skip "ruby-redis is not installed (scripts/deps wide)"
	perl -MRedis -e1 2>/dev/null || skip "libredis-perl is not installed (scripts/deps wide)"
	start_redis_server
	run -0 shim ruby -rredis -e '
		r = Redis.new(host: "db.test", port: ARGV[0].to_i)
		r.set("k", ARGV[1])
		puts r.pipelined { |p| 500.times { p.get("k") } }.uniq' "$PORT" "$MARKER"
	assert_output "$MARKER"
	run -0 shim perl -MRedis -e '
		print Redis->new(server => "db.test:$ARGV[0]")->get("k")' "$PORT"
	assert_output "$MARKER"
	assert_tls db.test
}

# --- LDAP

@test "php's ldap, an extension over libldap" {
	php_has ldap
	start_server slapd db.test
	run -0 shim php -r '
		$l = ldap_connect("ldap://db.test:$argv[1]");
		ldap_set_option($l, LDAP_OPT_PROTOCOL_VERSION, 3);
		ldap_bind($l) or die(ldap_error($l));
		$r = ldap_search($l, "dc=test", "(cn=marker)");
		echo ldap_get_entries($l, $r)[0]["description"][0];' "$PORT"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "Python's ldap3 and ldap" {
	python_has ldap3
	python_has ldap
	start_server slapd db.test
	run -0 shim "$PYTHON" -W ignore - "$PORT" <<-'PYTHON'
	import ldap, ldap3, sys
	port = int(sys.argv[1])
	c = ldap3.Connection(ldap3.Server("db.test", port), auto_bind=True)
	c.search("dc=test", "(cn=marker)", attributes=["description"])
	print(c.entries[0].description.value)
	c.unbind()
	c = ldap.initialize("ldap://db.test:%d" % port)
	print(c.search_s("dc=test", 2, "(cn=marker)")[0][1]["description"][0].decode())
	PYTHON
	assert_output "$MARKER
$MARKER"
	assert_tls db.test
}

@test "perl's Net::LDAP" {
	perl -MNet::LDAP -e1 2>/dev/null || skip "libnet-ldap-perl is not installed (scripts/deps wide)"
	start_server slapd db.test
	run -0 shim perl -MNet::LDAP -e '
		$l = Net::LDAP->new("db.test:$ARGV[0]", timeout => 20) or die $@;
		print $l->search(base => "dc=test", filter => "(cn=marker)")
			->entry(0)->get_value("description")' "$PORT"
	assert_output "$MARKER"
	assert_tls db.test
}

# --- MQTT

@test "Python's paho: 50 messages of QoS 2, there and back, with a thread" {
	python_has paho.mqtt.client
	start_server mosquitto db.test
	run -0 shim "$PYTHON" -W ignore - "$PORT" "$MARKER" <<-'PYTHON'
	import paho.mqtt.client as mqtt, sys, threading
	got, all_there, ready = [], threading.Event(), threading.Event()
	def on_message(client, data, message):
	    got.append(message.payload)
	    if len(got) == 50:
	        all_there.set()
	c = mqtt.Client("c")
	c.on_message = on_message
	c.on_subscribe = lambda *args: ready.set()
	c.connect("db.test", int(sys.argv[1]))
	c.loop_start()
	c.subscribe("t/#", 2)
	ready.wait(20)
	for i in range(50):
	    c.publish("t/a", sys.argv[2], 2).wait_for_publish()
	print(all_there.wait(20), len(set(got)))
	c.disconnect()
	c.loop_stop()
	PYTHON
	assert_output "True 1"
	assert_tls db.test
}

# --- SMTP: programs that ask for this machine's name to introduce themselves

# smtp_server CERTIFICATE: takes one mail.  This machine's name is a loopback
# address, as /etc/hosts may have it.
smtp_server()
{
	add_host "$(uname -n)" 127.0.0.1
	start_server tlsserver "$1" handshake 'send=220 hi\r\n' line \
		'send=250 me\r\n' line 'send=250 ok\r\n' line 'send=250 ok\r\n' \
		line 'send=354 go\r\n' read
}

@test "swaks, which looks up this machine's name as well" {
	requires swaks
	smtp_server localhost
	add_host localhost 127.0.0.1
	run shim swaks --server localhost --port "$PORT" --from a@db.test \
		--to b@db.test --body "$MARKER" --timeout 3s
	assert_log "localhost:$PORT \([^ ]*\): connected"
	assert_output --partial "354 go"
	assert_wire_is_tls
}

@test "Python's smtplib, which looks up this machine's name as well" {
	smtp_server db.test
	run -0 shim "$PYTHON" - "$PORT" <<-'PYTHON'
	import smtplib, sys
	s = smtplib.SMTP("db.test", int(sys.argv[1]))
	print(s.helo()[0], s.mail("a@db.test")[0])
	s.close()
	PYTHON
	assert_output "250 250"
	assert_tls db.test
}

# --- svn

try_svnserve()
{
	background svnserve svnserve -d --foreground --listen-host 127.0.0.1 \
		--listen-port "$SERVER_PORT" -r "$RUN_DIR/svn"
}

@test "svn checks out and commits" {
	requires svn svnserve svnadmin
	svnadmin create "$RUN_DIR/svn"
	printf '[general]\nanon-access = write\n' >"$RUN_DIR/svn/conf/svnserve.conf"
	try_ports try_svnserve
	start_server tlsserver db.test handshake "proxy=$SERVER_PORT"
	shim svn checkout -q "svn://db.test:$PORT/" "$RUN_DIR/work"
	head -c 300000 /dev/urandom >"$RUN_DIR/work/file"
	echo "$MARKER" >"$RUN_DIR/work/marker"
	svn add -q "$RUN_DIR/work/file" "$RUN_DIR/work/marker"
	shim svn commit -q -m x "$RUN_DIR/work"
	shim svn export -q "svn://db.test:$PORT/" "$RUN_DIR/copy"
	cmp "$RUN_DIR/work/file" "$RUN_DIR/copy/file"
	assert_tls db.test
}

# --- HTTP

start_page()
{
	start_server nginx db.test
	echo "$MARKER" >"$RUN_DIR/www/page"
}

@test "siege, httperf and h2load load a server" {
	requires siege httperf h2load
	start_page
	run -0 shim siege -R /dev/null -c 5 -r 10 -b "http://db.test:$PORT/page"
	assert_output --regexp 'vailability"?:\s*100'
	run -0 shim httperf --server db.test --port "$PORT" --uri /page \
		--num-conns 10 --num-calls 5
	assert_output --partial "replies 50"
	run -0 shim h2load --h1 -n 100 -c 5 "http://db.test:$PORT/page"
	assert_output --partial "100 succeeded"
	assert_tls db.test
}

@test "httping asks for TCP_INFO and TIOCOUTQ" {
	requires httping
	start_page
	run -0 shim httping -c 2 -i 0.1 -S "http://db.test:$PORT/page"
	assert_output --partial "2 ok"
	assert_tls db.test
}

@test "elinks (looks up in a child) and w3m show a page" {
	requires elinks w3m
	start_page
	run -0 shim elinks -dump "http://db.test:$PORT/page"
	assert_output --partial "$MARKER"
	run -0 shim w3m -dump_source "http://db.test:$PORT/page"
	assert_output --partial "$MARKER"
	assert_tls db.test
}

@test "apt's http method, which gives up its rights" {
	local apt=$RUN_DIR/apt
	requires apt-get
	start_page
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	chmod -R a+rwX "$RUN_DIR"
	echo "Package: $MARKER" >"$RUN_DIR/www/Packages"
	echo "deb [trusted=yes] http://db.test:$PORT/ ./" >"$apt/list"
	run -0 shim apt-get -o Dir::Etc::SourceList="$apt/list" \
		-o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt/lists" \
		-o Dir::Cache="$apt" -o Acquire::http::Proxy=DIRECT \
		-o Acquire::Languages=none -o APT::Sandbox::User=root update
	assert_output --partial "./ Packages [$(wc -c <"$RUN_DIR/www/Packages") B]"
	assert_tls db.test
}
