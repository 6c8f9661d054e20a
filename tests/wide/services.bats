#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs that are services, again and at other moments: see ../services.bats.

load ../lib/services

@test "a thousand services that end or are stopped" {
	skip_if_sanitized "one in thirty does it there"
	all_is_there 1000 --seed 1
}
