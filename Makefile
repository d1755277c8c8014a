# SPDX-License-Identifier: Apache-2.0 OR MIT
# make                 library and command in build/
# make demo | check    the two commands a newcomer needs
# MODE=release|debug|asan|ubsan|tsan|cov    each in its own tree; ELF=no builds without libelf
MODE    ?= release
BUILD   := build$(if $(filter-out release,$(MODE)),/$(MODE))
VERSION := $(shell cat VERSION)
CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
ELF     ?= yes

mode_release :=
mode_debug   := -O0 -g3
mode_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
mode_ubsan   := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined
mode_tsan    := -O1 -g -fsanitize=thread
mode_cov     := -O0 -g --coverage
all_cflags   := -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra $(if $(WERROR),-Werror) -fPIC -fvisibility=hidden \
	-fno-strict-aliasing $(CPPFLAGS) $(CFLAGS) $(mode_$(MODE)) -DUEBPF_VERSION='"$(VERSION)"' -MMD -MP
all_ldflags  := $(mode_$(MODE)) $(LDFLAGS)

lib_dirs := vm verifier jit jit/x86_64 helpers maps loader
lib_src  := $(sort $(foreach d,$(lib_dirs),$(wildcard $(d)/*.c)))
lib_obj  := $(lib_src:%.c=$(BUILD)/obj/%.o)
inner    := $(BUILD)/libuebpf-inner.a

all: $(inner)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(all_cflags) -c -o $@ $<

$(inner): $(lib_obj)
	@rm -f $@
	$(AR) rcsD $@ $(lib_obj)

# tests/<folder>/<name>_test.c: one Check program each
test_src := $(sort $(wildcard tests/*/*_test.c))
test_bin := $(test_src:%.c=$(BUILD)/%)
$(BUILD)/tests/%_test: tests/%_test.c $(inner)
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(all_ldflags) -o $@ $< $(inner) -lcheck -lsubunit -lm -lrt -lelf -lpthread

check: $(test_bin)
	@for t in $(test_bin); do $$t || exit 1; done

clean:
	rm -rf build

-include $(lib_obj:.o=.d)
.PHONY: all check clean
