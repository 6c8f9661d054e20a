/* SPDX-License-Identifier: MIT */
/* The list of inherited connections as text, there and back. */
#include "unit.h"

#include <arpa/inet.h>
#include <string.h>
#include "handoff/peers.h"

static const char *value_of(const char *text)
{
	assert_memory_equal(PEERS_VARIABLE "=", text, sizeof(PEERS_VARIABLE));
	return text + sizeof(PEERS_VARIABLE);
}

static struct peer make(unsigned i)
{
	struct peer one = {.cookie = 0xfedcba9876543210u - i,
		.relay = {UINT64_MAX - i, UINT64_MAX}};

	one.peer.in = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)(443 + i))};
	one.self.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
		.sin6_port = htons(8),
		.sin6_scope_id = i};
	memset(&one.self.in6.sin6_addr, 0xff, 16);
	return one;
}

static void what_is_put_is_read(void **state)
{
	struct peers before = {.n = 0}, after = {.n = 0};
	static char text[PEERS_TEXT_MAX(PEERS_MAX)];

	(void)state;
	for (unsigned i = 0; i < PEERS_MAX + 5; i++) {
		struct peer one = make(i);

		peers_add(&before, &one);
		peers_add(&before, &one);
	}
	assert_int_equal(PEERS_MAX, before.n);
	peers_put(&before, text, sizeof(text));
	peers_parse(&after, value_of(text));
	assert_int_equal(PEERS_MAX, after.n);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void what_has_no_room_is_left_out(void **state)
{
	struct peers before = {.n = 0};
	char text[PEERS_TEXT_MAX(2)];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct peer one = make(i);

		peers_add(&before, &one);
	}
	for (unsigned size = sizeof(PEERS_VARIABLE) + 1; size <= sizeof(text);
		size++) {
		struct peers after = {.n = 0};

		memset(text, '!', sizeof(text));
		peers_put(&before, text, size);
		peers_parse(&after, value_of(text));
		assert_uint_in_range(after.n, size == sizeof(text) ? 2 : 0, 2);
		for (unsigned i = size; i < sizeof(text); i++)
			assert_int_equal('!', text[i]);
	}
}

static void what_is_no_entry_ends_it(void **state)
{
	static const char *const bad[] = {"", ",", ":", "1",
		"1:", "1::", "1:02:02,", "x:0200:0200,",
		/* a family that is none, and an address that is too long */
		"1:03000050000000000000000000000000:"
		"02000050000000000000000000000000,",
		"1:0200005000000000000000000000000000:"
		"02000050000000000000000000000000,",
		/* cut */
		"1:02000050000000000000000000000000:"
		"0200005000000000000000000000000",
		"1:02000050000000000000000000000000:"
		"02000050000000000000000000000000",
		/* no relay, half of one, and one that is no number */
		"1:02000050000000000000000000000000:"
		"02000050000000000000000000000000,",
		"1:02000050000000000000000000000000:"
		"02000050000000000000000000000000:5,",
		"1:02000050000000000000000000000000:"
		"02000050000000000000000000000000:5:x,"};
	static const char good[] = "1:02000050000000000000000000000000:"
				   "02000050000000000000000000000000:a:b,2";
	struct peers peers = {.n = 0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		peers_parse(&peers, bad[i]);
	peers_parse(&peers, NULL);
	assert_int_equal(0, peers.n);
	peers_parse(&peers, good);
	assert_int_equal(1, peers.n);
	assert_int_equal(htons(0x50), peers.all[0].peer.in.sin_port);
	assert_int_equal(10, peers.all[0].relay.name);
	assert_int_equal(11, peers.all[0].relay.secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_read),
		cmocka_unit_test(what_has_no_room_is_left_out),
		cmocka_unit_test(what_is_no_entry_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
