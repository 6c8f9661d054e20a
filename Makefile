# SPDX-License-Identifier: MIT
# Builds build/libtlsshim.so (thin: libc alone) and build/tlsshim/engine.so
# (OpenSSL inside).  `make help` lists the targets, V=1 shows the commands.

PREFIX  ?= /usr/local
DESTDIR ?=
LIBDIR  ?= $(PREFIX)/lib
MANDIR  ?= $(PREFIX)/share/man
CFLAGS  ?= -O2 -g
# shared: link libssl.so and libcrypto.so instead of their static libraries.
ENGINE  ?= static
# address,undefined or thread: sanitized, in a folder of its own.
SAN     ?=
# A checkout is a developer's, for whom warnings are errors.
WERROR  ?= $(if $(wildcard .git),-Werror)

ifeq ($(or $(MAKELEVEL),0),0)
MAKEFLAGS += -j$(shell nproc)
endif
# Scripts may run make: afresh, with the variables of this one.
script = MAKELEVEL= MAKEFLAGS='$(filter-out -j% --jobserver%,$(MAKEFLAGS))' scripts

comma := ,
BUILD := build$(addprefix -,$(subst $(comma),-,$(SAN)))
OBJ   := $(BUILD)/obj

ifneq ($(V),1)
Q := @
say = @printf '  %-5s %s\n'
else
say = @:
endif

# Link-time optimization does not see that something is referred to by assembly
# alone, or only once code is generated: it would drop the second names of
# hooks (HOOK_ALIAS) from the exports, and all of unwind.c.
NO_LTO = -fno-lto
# Fortified calls would be others than those that calls.def names; -Wp, undoes
# the -Wp, of distributions.  Paths from here: objects are the same in whichever
# folder they are made.
ALL_CFLAGS = $(CPPFLAGS) $(CFLAGS) $(SAN_CFLAGS) -std=gnu11 -D_GNU_SOURCE \
	-U_FORTIFY_SOURCE -Wp,-U_FORTIFY_SOURCE $(NO_LTO) -fPIC -fexceptions \
	'-ffile-prefix-map=$(CURDIR)=.' -MMD -MP $(WARN)
LIB_CFLAGS = -fvisibility=hidden -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual
WARN = -Wall -Wextra $(WERROR)
# The NEEDs stay libc alone: see shim/unwind.c.
ALL_LDFLAGS = $(LDFLAGS) $(SAN_CFLAGS) $(NO_LTO) -static-libgcc -Wl,-z,defs
# Every exec pays for loading the thin library: fewer mappings (-5 % of the
# life of /bin/true), symbols bound when used (-z now: +3 %).
THIN_LDFLAGS = -Wl,-O1,-z,noseparate-code,-z,relro,-z,lazy
# What OpenSSL registers for the end of a thread: see thread_end.c.
ENGINE_LDFLAGS = -Wl,-z,relro,--wrap=pthread_key_create
ifneq ($(SAN),)
SAN_CFLAGS = -fsanitize=$(SAN) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -DTLSSHIM_SANITIZED
ALL_LDFLAGS := $(filter-out -static-libgcc,$(ALL_LDFLAGS))
# A sanitizer's runtime looks functions up by our dlsym() before it has memory
# for what sanitized code asks it: there is none on the way.
UNSANITIZED := $(addprefix $(OBJ)/shim/,base/real.o base/scope.o hooks/dl.o)
$(UNSANITIZED): private SAN_CFLAGS =
# Hooks pass on what programs give them, pointers that must not be NULL too.
HOOKS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard shim/hooks/*.c))
$(filter-out $(UNSANITIZED),$(HOOKS)): \
	private SAN_CFLAGS += -fno-sanitize=nonnull-attribute
endif

# What the static OpenSSL was built to use (zlib, zstd) is linked in as well; of
# the C library nothing is.
ENGINE_LIBS_static = -Wl,-Bstatic $(filter-out -pthread -ldl -lpthread -lm -latomic, \
	$(shell pkg-config --static --libs libssl libcrypto)) -Wl,-Bdynamic \
	-Wl,-Bsymbolic,--exclude-libs,ALL
ENGINE_LIBS_shared = $$(pkg-config --libs libssl libcrypto)

# Sorted: objects are linked in the same order everywhere.
objects = $(patsubst %,$(OBJ)/%.o,$(sort $(basename $(1))))
THIN_SRC := $(filter-out shim/engine/%,$(wildcard $(addprefix shim/*/,*.c x86_64/*.S)))
THIN    := $(call objects,$(THIN_SRC))
ENGINE_O := $(call objects,$(wildcard shim/engine/*.c))
HELPERS := $(call objects,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
UNIT    := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
PROG    := $(patsubst tests/prog/%.c,$(BUILD)/prog/%,$(wildcard tests/prog/*.c)) \
	$(patsubst tests/prog/%.cc,$(BUILD)/prog/%,$(wildcard tests/prog/*.cc))
TESTLIB := $(patsubst tests/lib/%.c,$(BUILD)/lib/%.so,$(wildcard tests/lib/*.c))
MAN     := $(wildcard shim/man/*.[1-9])

THIN_SO   := $(BUILD)/libtlsshim.so
ENGINE_SO := $(BUILD)/tlsshim/engine.so

all: $(THIN_SO) $(ENGINE_SO)	## build the library and its engine

$(THIN_SO): $(THIN) $(OBJ)/calls.map
	$(say) LD $@
	$(Q)$(CC) -shared -o $@ $(THIN) $(ALL_LDFLAGS) $(THIN_LDFLAGS) \
		-Wl,-soname,libtlsshim.so,--version-script=$(OBJ)/calls.map

$(ENGINE_SO): $(ENGINE_O) $(OBJ)/engine.map
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -shared -o $@ $(ENGINE_O) $(ALL_LDFLAGS) $(ENGINE_LDFLAGS) \
		-Wl,--version-script=$(OBJ)/engine.map $(ENGINE_LIBS_$(ENGINE))

# What the libraries export: the names of calls.def, and one symbol.
$(OBJ)/calls.map: shim/base/calls.def $(OBJ)/flags
	$(Q){ echo '{ global:'; \
	  $(CC) -E -P -x c -std=c11 '-DCALL(n)=n;' '-DALIAS(n,t)=n;' $<; \
	  echo 'local: *; };'; } >$@
$(OBJ)/engine.map: $(OBJ)/flags
	$(Q)echo '{ global: tlsshim_engine; local: *; };' >$@

$(OBJ)/shim/%.o: shim/%.c $(OBJ)/flags
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LIB_CFLAGS) -Ishim -c -o $@ $<
$(OBJ)/shim/%.o: shim/%.S $(OBJ)/flags
	$(say) AS $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Ishim -c -o $@ $<
$(OBJ)/tests/%.o: tests/%.c $(OBJ)/flags | $(OBJ)/has-unit
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Ishim -Itests/unit -c -o $@ $<

# Changed flags rebuild, and so does a source that came or went: this file is
# rewritten when they differ.
FLAGS := $(CC) $(ALL_CFLAGS) $(LIB_CFLAGS) $(ALL_LDFLAGS) \
	$(THIN_LDFLAGS) $(ENGINE_LDFLAGS) $(ENGINE) $(THIN) $(ENGINE_O) \
	not sanitized: $(UNSANITIZED)
$(OBJ)/flags: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(FLAGS)' | cmp -s - $@ || { $(has) build && $(has_linker) && echo '$(FLAGS)' >$@; }
# Before a compiler says it in a page: what is missing, in one line.
has = CC='$(CC)' CXX='$(CXX)' CPPFLAGS='$(CPPFLAGS)' LDFLAGS='$(LDFLAGS)' \
	ENGINE=$(ENGINE) scripts/deps -c
# gold cannot place the segments as the thin library wants them, and is no
# longer maintained.
has_linker = if $(CC) $(CFLAGS) $(LDFLAGS) -Wl,--version 2>/dev/null | grep -q '^GNU gold'; \
	then echo 'Makefile: gold cannot link the library: use another linker (LDFLAGS=-fuse-ld=bfd, lld or mold)' >&2; \
	exit 1; fi
$(OBJ)/has-unit: $(OBJ)/flags
	$(Q)$(has) unit && touch $@

# Unit tests link archives, so that a test takes what it uses and may put a
# fake in the place of the rest.  Hooks are never linked: only preloaded.
$(OBJ)/thin.a: $(filter-out $(OBJ)/shim/hooks/%,$(THIN))
$(OBJ)/engine.a: $(ENGINE_O)
$(OBJ)/helpers.a: $(HELPERS)
%.a:
	$(Q)rm -f $@ && $(AR) qcs $@ $^
# By itself: a sanitizer's library has these functions as well, and comes first.
$(BUILD)/unit/test_engine_libc: $(OBJ)/shim/engine/libc.o
$(BUILD)/unit/%: $(OBJ)/tests/unit/%.o $(OBJ)/helpers.a $(OBJ)/engine.a $(OBJ)/thin.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
		$(LDFLAGS) $(SAN_CFLAGS) $(NO_LTO) -pthread -lcmocka \
		$(if $(filter test_engine%,$*),$(ENGINE_LDFLAGS) -lssl -lcrypto)

# The plaintext programs of the tests know nothing of the shim, nor of SAN.
$(BUILD)/prog/%: tests/prog/%.c
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O1 -g -D_GNU_SOURCE $(WARN) -MMD -MP -MF $@.d -pthread \
		$(if $(filter %_static,$*),-static) \
		$(if $(filter %_fortified,$*),-O2 -D_FORTIFY_SOURCE=2) -o $@ $< \
		$(if $(filter tls_%,$*),-lssl -lcrypto)
$(BUILD)/prog/%: tests/prog/%.cc | $(OBJ)/has-unit
	$(say) CXX $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) -O1 -g $(WARN) -MMD -MP -MF $@.d -o $@ $<
$(BUILD)/lib/%.so: tests/lib/%.c
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O1 -g -D_GNU_SOURCE $(WARN) -MMD -MP -MF $@.d -pthread \
		-fPIC -shared $(if $(filter early,$*),-Wl$(comma)-z$(comma)initfirst) -o $@ $<

# Fuzz targets: clang's libFuzzer, with the libraries' archives instrumented.
$(BUILD)/fuzz/%: tests/fuzz/%.c $(OBJ)/engine.a $(OBJ)/thin.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -Ishim -fsanitize=fuzzer \
		-o $@ $^ -lssl -lcrypto -pthread

## Targets for people

tests: all $(UNIT) $(PROG) $(TESTLIB)	## build the libraries and all test programs

unit: $(UNIT) $(ENGINE_SO)	## run the unit tests alone
	$(Q)$(script)/test $(BUILD) unit

demo:				## see it work: client, verified peer, the wire
	$(Q)scripts/deps demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(script)/demo $(BUILD)

test:				## install what the tests need, build, run them (TESTS=core some)
	$(Q)scripts/deps core
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)$(script)/test $(BUILD) $(TESTS)

lint:				## formatter, analysers, the structure of the objects
	$(Q)scripts/deps lint
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)$(script)/lint $(BUILD)

format:				## have clang-format rewrite what lint would complain of
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

check:				## lint, all tests with the wide set, both sanitizers
	$(Q)$(script)/check

fuzz:				## fuzz the parsers and the handshake, FUZZ_SECONDS each (20)
	$(Q)scripts/deps fuzz
	$(Q)scripts/fuzz

bench:				## what the shim costs, in pairs (ROWS=... some rows)
	$(Q)scripts/deps bench
	$(Q)$(MAKE) -s --no-print-directory all $(PROG)
	$(Q)$(script)/bench $(BUILD) $(ROWS)

install: all			## into $(DESTDIR)$(PREFIX)
	$(may_write)
	$(Q)install -d $(DESTDIR)$(LIBDIR)/tlsshim
	$(Q)install -m 644 $(THIN_SO) $(DESTDIR)$(LIBDIR)/libtlsshim.so
	$(Q)install -m 644 $(ENGINE_SO) $(DESTDIR)$(LIBDIR)/tlsshim/engine.so
	$(Q)for page in $(MAN); do install -D -m 644 $$page \
		$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit; done
	$(LDCONFIG)
	@echo 'installed $(DESTDIR)$(LIBDIR)/libtlsshim.so, its engine, and the man page tlsshim(7); try:'
	@echo '  LD_PRELOAD=$(LIBDIR)/libtlsshim.so TLSSHIM_PORTS=80:443 TLSSHIM_LOG_LEVEL=info curl -sSI http://example.com/'

uninstall:			## remove what install put there
	$(may_write)
	$(Q)rm -f $(DESTDIR)$(LIBDIR)/libtlsshim.so
	$(Q)rm -f $(DESTDIR)$(LIBDIR)/tlsshim/engine.so
	$(Q)rm -f $(foreach page,$(notdir $(MAN)),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(page))
	$(Q)[ ! -d $(DESTDIR)$(LIBDIR)/tlsshim ] || rmdir $(DESTDIR)$(LIBDIR)/tlsshim
	$(LDCONFIG)
	@echo 'removed $(DESTDIR)$(LIBDIR)/libtlsshim.so, its engine and the man page'
	@echo 'programs whose LD_PRELOAD still names it will run in plaintext: look in units, scripts and /etc/ld.so.preload'

# Of each folder, whether it or what it would be made in can be written to.
may_write = $(Q)for dir in '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(MANDIR)'; do \
	while [ ! -e "$$dir" ]; do dir=$$(dirname "$$dir"); done; \
	[ -d "$$dir" ] && [ -w "$$dir" ] || { echo "Makefile: $$dir cannot be written to: run make $@ as root (sudo), or with PREFIX=$$HOME/.local" >&2; \
	exit 1; }; done

# LD_PRELOAD=libtlsshim.so is found by name through the linker's cache.
LDCONFIG = $(Q)[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

clean:				## remove what was built
	$(Q)rm -rf build build-suites build-address-undefined build-thread build-fuzzer-no-link-address-undefined

help:				## this list
	@awk -F '\t+## ' '/^[a-z]+:.*\t## / { sub(/:.*/, "", $$1); printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Variables: PREFIX DESTDIR LIBDIR CC CFLAGS ENGINE=shared SAN=address,undefined SAN=thread V=1 STRICT=1'

FORCE:
.DEFAULT_GOAL := all
.PHONY: all tests unit demo test lint format check fuzz bench install uninstall clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
