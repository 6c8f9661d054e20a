/* SPDX-License-Identifier: MIT */
/*
 * What this process gives back to children whose environment was cleaned: the
 * library and the settings, as text that was made once, at start, for the
 * process may change its environment, its working directory and its root.
 */
#ifndef TLSSHIM_INHERIT_H
#define TLSSHIM_INHERIT_H

#include <stdbool.h>
#include "config/childenv.h"
#include "config/config.h"

/*
 * Makes the text, of the settings in envp and the absolute paths that config
 * has for them.  For config_get(), once, where settings are active.  Without
 * memory there will be nothing to give.
 */
void inherit_setup(char *const envp[], const struct config *config);

/* What is given, whether or not TLSSHIM_INHERIT allows it; NULL: there is none.
 * Async-signal-safe. */
const struct childenv_own *inherit_own(void);

/* Is the file at the library's path still the one that is loaded here?  It is
 * not under another root.  One system call. */
bool inherit_is_at_its_path(void);

#endif
