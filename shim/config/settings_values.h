/* SPDX-License-Identifier: MIT */
/*
 * The parsers that the table of settings names: text in, a field of struct
 * config or an error out.  The value is not empty.  For the files of settings
 * alone.
 */
#ifndef TLSSHIM_SETTINGS_VALUES_H
#define TLSSHIM_SETTINGS_VALUES_H

#include "config/value.h"

#define PARSER(name)                                                           \
	void settings_##name(struct config_parser *p, const char *value)

/* settings_dest.c */
PARSER(server_name);
PARSER(ca_file);
PARSER(ca_dir);
PARSER(verify);
PARSER(crl_file);
PARSER(crl_dir);
PARSER(crl);
PARSER(ocsp);
PARSER(resume);
PARSER(x509_strict);
PARSER(partial_chain);
PARSER(pins);
PARSER(pin_file);
PARSER(cert);
PARSER(key);
PARSER(key_password_file);
PARSER(min_version);
PARSER(max_version);
PARSER(alpn);
PARSER(openssl);
PARSER(keylog);
PARSER(eof);
PARSER(timeout);

/* settings_process.c */
PARSER(ports);
PARSER(linger);
PARSER(plaintext);
PARSER(unreached);
PARSER(inherit);
PARSER(names);
PARSER(log);
PARSER(log_level);
PARSER(log_format);
PARSER(config);

#undef PARSER

#define CHOOSE(p, value, words, chosen, expected)                              \
	value_choose(p, value, words, sizeof(words) / sizeof((words)[0]),      \
		chosen, expected)

#endif
