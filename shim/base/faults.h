/* SPDX-License-Identifier: MIT */
/*
 * Signals that an instruction of the thread raises, and no wait: managed
 * runtimes and crash reporters have handlers for them, and held back they
 * would kill, whatever the handler.
 */
#ifndef TLSSHIM_FAULTS_H
#define TLSSHIM_FAULTS_H

#include <signal.h>

static const int faults[] = {
	SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
#define N_FAULTS (sizeof(faults) / sizeof(faults[0]))

#endif
