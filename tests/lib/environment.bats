#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# For harness.bats: tells what a test sees of the environment.

load helpers

setup_file()
{
	export FROM_SETUP_FILE=1
}

@test "one that the caller did not ask for" {
	false
}

@test "what there is" {
	{
		compgen -e
		umask
	} | sed 's/^/# /' >&3
}
