/* SPDX-License-Identifier: MIT */
/*
 * The table of settings as config.c and rules.c use it.  For them alone; the
 * table itself is in config.h.
 */
#ifndef TLSSHIM_SETTINGS_H
#define TLSSHIM_SETTINGS_H

#include "config/value.h"

/* The index of the setting of this name ("TLSSHIM_CA_FILE"), or -1. */
int settings_find(const char *name, size_t n);

/* May it stand in the file, in [default] or in a section of a destination? */
bool settings_is_for_file(int which, bool in_section);

/* Takes the value, which is not empty, or notes an error. */
void settings_parse(struct config_parser *p, int which, const char *value);

#endif
