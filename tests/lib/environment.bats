#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# For harness.bats: tells what a test sees of the environment.

load helpers

setup_file()
{
	export FROM_SETUP_FILE=1
}

@test "what there is" {
	{
		compgen -e
		umask
	} | sed 's/^/# /' >&3
}
