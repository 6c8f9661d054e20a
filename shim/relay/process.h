/* SPDX-License-Identifier: MIT */
/*
 * What a relay knows of the program's process: it is not its child.
 */
#ifndef TLSSHIM_PROCESS_H
#define TLSSHIM_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * A pidfd (pidfd_open(2)) of a process that lives, close-on-exec; -1: there is
 * none.  It names this process for good, its number may be another's one day.
 */
int process_open(pid_t pid);

/* Stopped, by a signal or a debugger. */
bool process_is_stopped(pid_t pid);

/*
 * Did a signal end it, or is ending it?  Only where that is certain: false if
 * it lives, if it exited, and if there is no telling.  By Linux 6.15 it is
 * told for good; before that, until its parent has waited for it.
 */
bool process_was_killed(pid_t pid, int pidfd);

#endif
