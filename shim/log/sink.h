/* SPDX-License-Identifier: MIT */
/*
 * Where lines go.  For the files of log.
 */
#ifndef TLSSHIM_LOG_SINK_H
#define TLSSHIM_LOG_SINK_H

#include "log/log.h"
#include "log/text.h"

/* As log_setup(), but errno is not kept. */
int log_sink_open(enum log_sink sink, const char *path);
bool log_sink_is_none(void);

/* Writes prefix, body and newline in one call; to stderr where the sink does
 * not take them. */
void log_sink_write(enum log_level level, const struct log_text *body);

#endif
