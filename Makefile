# SPDX-License-Identifier: Apache-2.0 OR MIT
# make                   the library and the command, in build/
# make demo | check      the two commands that a newcomer needs
# MODE=release|debug|asan|ubsan|tsan|cov   each in a tree of its own
# ELF=no without libelf;  FILTERS=no without filter expressions and LTTng bytecode;  JIT=no interpreter only
# WERROR=1 (CI)          CC CFLAGS CPPFLAGS LDFLAGS PREFIX LIBDIR DESTDIR as everywhere

MODE    ?= release
VERSION := $(shell cat VERSION)
SONAME  := libuebpf.so.$(firstword $(subst ., ,$(VERSION)))
BUILD   := build$(if $(filter-out release,$(MODE)),/$(MODE))$(if $(filter no,$(ELF)),/noelf)$(if $(filter no,$(JIT)),/nojit)$(if $(filter no,$(FILTERS)),/nofilters)
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
ELF     ?= yes
FILTERS ?= yes
JIT     ?= yes
CC      ?= cc
AR      ?= ar
OBJCOPY ?= objcopy
PKG_CONFIG ?= pkg-config

opt_release := -O2 -g
opt_debug   := -O0 -g3
opt_asan    := -O1 -g -fno-omit-frame-pointer
opt_ubsan   := -O1 -g
opt_tsan    := -O1 -g
opt_cov     := -O0 -g
opt_fuzz    := -O1 -g
san_asan    := -fsanitize=address,undefined -fno-sanitize-recover=undefined
san_ubsan   := -fsanitize=undefined -fno-sanitize-recover=undefined
# GCC says that TSan does not model fences; the code does not rely on TSan seeing them.
san_tsan    := -fsanitize=thread -Wno-unknown-warning-option -Wno-tsan
san_cov     := --coverage
ifeq ($(opt_$(MODE)),)
$(error MODE=$(MODE) is not one of release debug asan ubsan tsan cov fuzz)
endif
# Size matters: what a run passes through is built for speed and can be unwound; the rest
# (loading, verifying, text) for size.  A user's own CFLAGS win.
hot  := vm/interp/interp vm/interp/access vm/interp/call vm/call maps/hash_find maps/hash_lru maps/hash_twin maps/hash_write \
	maps/lpm_find maps/ring_write helpers/callback helpers/map helpers/ring jit/miss jit/run loader/run loader/slot
# What gcc 12 still does at -Oz although it makes this code longer: 4 % of the whole, measured one by one.
lean := -fno-tree-dominator-opts -fno-tree-sra -fno-caller-saves -fno-thread-jumps -fno-ipa-sra \
	-fno-move-loop-invariants -fno-tree-forwprop -fno-jump-tables -fira-region=all -fno-tree-pta \
	-fno-optimize-sibling-calls -fno-tree-loop-im -fno-tree-tail-merge -fno-shrink-wrap -fno-if-conversion \
	-fno-ssa-phiopt -ftree-slp-vectorize -fno-tree-scev-cprop -fno-partial-inlining
cold := $(if $(filter undefined,$(origin CFLAGS)),$(if $(filter release,$(MODE)),$(shell \
	$(CC) -Oz -fsyntax-only -x c /dev/null 2>/dev/null && echo -Oz || echo -Os) \
	-fno-asynchronous-unwind-tables -fno-unwind-tables \
	$(foreach f,$(lean),$(shell $(CC) -Werror $f -fsyntax-only -x c /dev/null 2>/dev/null && echo $f))))
CFLAGS ?= $(opt_$(MODE))
# Texts for people are packed (vm/message.h).
pack := $(if $(cold),-DUEBPF_PACK -Wno-format-security)
HOSTCC ?= cc
# clang does not know these.
dense := $(shell $(CC) -Werror -fno-align-jumps -fno-align-labels -fno-reorder-blocks-and-partition -fsyntax-only \
	-x c /dev/null 2>/dev/null && echo -fno-align-jumps -fno-align-labels -fno-reorder-blocks-and-partition)

common := -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror) \
	-ffile-prefix-map=$(CURDIR)=. -fvisibility=hidden -fno-strict-aliasing \
	-ffunction-sections -fdata-sections -fno-ident \
	$(CPPFLAGS) $(CFLAGS) $(san_$(MODE)) -DUEBPF_VERSION='"$(VERSION)"' -MMD -MP
# Bound at start: the first call of a C function from a signal handler on a small stack must not need
# the dynamic linker's own kilobytes there.
ldflags := -Wl,-z,now $(san_$(MODE)) $(LDFLAGS)
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)')

# ---- library ----
# Relative relocations packed into a few bytes, where the linker can.
relr := $(shell $(CC) -shared -Wl,-z,pack-relative-relocs -Werror -o /dev/null -x c /dev/null 2>/dev/null && \
	echo -Wl,-z,pack-relative-relocs)
# No holes where sections of one alignment follow another; procedure linkage has no frames to describe.
tight := $(if $(cold),$(foreach f,--sort-section=alignment --no-ld-generated-unwind-info,$(shell $(CC) -shared -Wl,$(f) \
	-o /dev/null -x c /dev/null 2>/dev/null && echo -Wl,$(f))))
machine  := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
has_jit  := $(and $(filter-out no,$(JIT)),$(wildcard jit/x86_64/*.c),$(filter x86_64,$(if $(findstring -m32,$(CFLAGS) $(CPPFLAGS)),i386,$(machine))))
folders  := vm vm/rewrite vm/interp verifier jit $(if $(has_jit),jit/x86_64) helpers maps loader loader/elf loader/filter
lib_src  := $(sort $(wildcard $(folders:=/*.c)))
# A part that is left out has a file of its own that says so.
lib_src  := $(filter-out $(if $(filter no,$(ELF)),loader/elf/view.c,loader/no_elf.c) \
	$(if $(filter no,$(FILTERS)),$(filter-out %/cbpf.c %/cbpf_survey.c,$(wildcard loader/filter/*.c)),loader/no_filters.c) \
	$(if $(has_jit),jit/none.c,jit/run.c jit/miss.c jit/code.c jit/pages.c jit/debug.c jit/gdb.c),$(lib_src))
lib_obj  := $(lib_src:%.c=$(BUILD)/obj/%.o)
lib_libs := $(if $(filter no,$(ELF)),,-lelf)
inner    := $(BUILD)/libuebpf-inner.a

all: $(BUILD)/libuebpf.a $(BUILD)/libuebpf.so $(if $(wildcard tools/*.c),$(BUILD)/uebpf-run) $(BUILD)/uebpf.pc

$(filter-out $(hot:%=$(BUILD)/obj/%.o),$(lib_obj)): common += $(cold)
$(lib_obj): common += $(pack)
$(hot:%=$(BUILD)/obj/%.o): common += $(if $(cold),$(dense))
# Cold, but the host's function is called from here, and an exception of its goes through.
$(BUILD)/obj/vm/interp/trace.o: common += $(if $(cold),-fasynchronous-unwind-tables)
# File by file, what makes the library shorter.
include scripts/size.mk
# Copies of what is known of a register: calls are half a microsecond faster per program than rep movs.
$(BUILD)/obj/vm/rewrite/local.o: common += $(if $(cold),$(shell $(CC) -Werror -mstringop-strategy=libcall -fsyntax-only \
	-x c /dev/null 2>/dev/null && echo -mstringop-strategy=libcall))
# clang 19 merges the interpreter's indirect jumps into one and then declines to duplicate so large a block.
$(BUILD)/obj/vm/interp/interp.o: common += $(shell $(CC) -mllvm -tail-dup-pred-size=10000 -mllvm \
	-tail-dup-succ-size=10000 -fsyntax-only -x c /dev/null 2>/dev/null && \
	echo -mllvm -tail-dup-pred-size=10000 -mllvm -tail-dup-succ-size=10000)
$(BUILD)/obj/%.o: %.c VERSION Makefile scripts/size.mk
	@mkdir -p $(@D)
	$(call say,CC   $<)
	$(Q)$(CC) $(common) -fPIC -c -o $@ $<

# For tests and tools of this tree only: every name visible to the linker.
$(inner): $(lib_obj)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $(lib_obj)

# What users link: one object, only uebpf_ names (hidden ones made local).
joined := $(BUILD)/uebpf.o
join = $(CC) -r -nostdlib $(filter -m32 -m64,$(CFLAGS)) -o
$(joined): $(lib_obj) $(if $(pack),$(BUILD)/pack)
	$(call say,LINK $@)
ifeq ($(pack),)
	$(Q)$(join) $@ $(lib_obj)
else
	$(Q)$(join) $@.plain $(lib_obj)
	$(Q)$(OBJCOPY) -O binary -j uebpf_message $@.plain $@.texts
	$(Q)$(OBJCOPY) -O binary -j uebpf_rows $@.plain $@.rows
	$(Q)$(BUILD)/pack $@.texts $@.rows > $@.texts.c
	$(Q)$(CC) $(common) -g0 -fPIC -c -o $@.texts.o -x c - < $@.texts.c
	$(Q)$(OBJCOPY) --rename-section uebpf_message=.bss.uebpf_message,alloc \
		--add-symbol message_start=.bss.uebpf_message:0,global \
		--rename-section uebpf_rows=.bss.uebpf_rows,alloc \
		--add-symbol message_rows_start=.bss.uebpf_rows:0,global $@.plain
	$(Q)$(join) $@ $@.plain $@.texts.o
endif
	$(Q)$(OBJCOPY) --localize-hidden $@
$(BUILD)/pack: scripts/pack.c vm/message.c vm/message.h
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -std=c11 -D_GNU_SOURCE -O2 -I. -o $@ scripts/pack.c vm/message.c -lm

$(BUILD)/libuebpf.a: $(joined)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $(joined)

# The library has no constructors, so it needs nothing of the start-up files either.
$(BUILD)/libuebpf.so: $(joined) libuebpf.map
	$(call say,LINK $@)
	$(Q)$(CC) $(common) $(ldflags) -shared $(if $(cold),-nostartfiles) -Wl,-soname,$(SONAME) -Wl,--version-script=libuebpf.map \
		-Wl,-z,now -Wl,-z,relro -Wl,-Bsymbolic -Wl,--gc-sections -Wl,-z,noseparate-code $(relr) $(tight) -o $@ $(joined) $(lib_libs)
	$(Q)ln -sf libuebpf.so $(BUILD)/$(SONAME)

pc = sed -e 's|@PREFIX@|$(PREFIX)|;s|@LIBDIR@|$(LIBDIR)|;s|@VERSION@|$(VERSION)|;s|@LIBS@|$(lib_libs)|' uebpf.pc.in
$(BUILD)/uebpf.pc: uebpf.pc.in VERSION
	@mkdir -p $(@D)
	$(Q)$(pc) > $@

# ---- the command; optional libraries are detected, their absence is named by the option ----
optional = $(shell $(PKG_CONFIG) --exists $(1) 2>/dev/null && echo yes)
tool_flags :=
tool_libs  :=
ifneq ($(NO_OPTIONAL),1)
define use_optional
ifeq ($(call optional,$(1)),yes)
tool_flags += -DHAVE_$(2) $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
tool_libs  += $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
endif
endef
$(eval $(call use_optional,libpcap,LIBPCAP))
$(eval $(call use_optional,libbpf,LIBBPF))
$(eval $(call use_optional,json-c,JSONC))
$(eval $(call use_optional,babeltrace2,BABELTRACE2))
$(eval $(call use_optional,zlib,ZLIB))
endif
tool_obj := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard tools/*.c)))
$(tool_obj): common += $(tool_flags)
# asm/types.h, for compiling a user's prog.c, lies here on Debian
$(BUILD)/obj/tools/compile.o: common += -DMULTIARCH='"$(shell $(CC) -print-multiarch 2>/dev/null)"'
$(BUILD)/uebpf-run: $(tool_obj) $(inner)
	$(call say,LINK $@)
	$(Q)$(CC) $(common) $(ldflags) -o $@ $(tool_obj) $(inner) $(tool_libs) $(lib_libs) -lpthread -lm

# ---- tests: tests/<folder>/<name>_test.c, one Check program each ----
test_src  := $(sort $(wildcard tests/*/*_test.c))
test_bin  := $(test_src:%.c=$(BUILD)/%)
test_util := $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard tests/gen/*.c tests/util/*.c)))
test_libs := -lcheck -lsubunit -lm -lrt $(tool_libs) $(lib_libs) -lpthread -ldl
$(test_util) $(test_bin): common += $(tool_flags)
$(test_bin): $(BUILD)/tests/%_test: tests/%_test.c $(test_util) $(inner)
	@mkdir -p $(@D)
	$(call say,TEST $@)
	$(Q)$(CC) $(common) $(ldflags) -o $@ $< $(test_util) $(inner) $(test_libs)

tests: $(test_bin)

# ---- generated documents: fail in `make check` when stale ----
$(BUILD)/gendoc: docs/gendoc.c $(inner)
	$(call say,LINK $@)
	$(Q)$(CC) $(common) $(ldflags) -o $@ $< $(inner) $(lib_libs) -lpthread -lm
docs-build: $(BUILD)/gendoc
docs: $(BUILD)/gendoc
	$(BUILD)/gendoc docs

# ---- the two commands of the README, and the long runs ----
deps-%:
	@scripts/deps $*
check: deps-check
	@WERROR=$(WERROR) scripts/check
demo: deps-demo
	@$(MAKE) --no-print-directory all
	@examples/demo/run.sh
bench: deps-bench
	@bench/run
soak: deps-check
	@scripts/check soak
fuzz: deps-check
	@scripts/check fuzz

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i
lint: deps-lint
	@scripts/lint

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(MANDIR)/man1
	install -m 755 $(BUILD)/uebpf-run $(DESTDIR)$(BINDIR)/
	install -m 644 $(BUILD)/libuebpf.a $(DESTDIR)$(LIBDIR)/
	install -m 755 $(BUILD)/libuebpf.so $(DESTDIR)$(LIBDIR)/libuebpf.so.$(VERSION)
	ln -sf libuebpf.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libuebpf.so
	install -m 644 $(wildcard include/*.h) $(DESTDIR)$(PREFIX)/include/
	$(pc) > $(DESTDIR)$(LIBDIR)/pkgconfig/uebpf.pc	# for this PREFIX, whatever `make all` was told
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/uebpf.pc
	sed 's/@VERSION@/$(VERSION)/' docs/uebpf-run.1 > $(DESTDIR)$(MANDIR)/man1/uebpf-run.1
	chmod 644 $(DESTDIR)$(MANDIR)/man1/uebpf-run.1
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/uebpf-run $(DESTDIR)$(LIBDIR)/libuebpf.a $(DESTDIR)$(LIBDIR)/libuebpf.so* \
		$(DESTDIR)$(LIBDIR)/pkgconfig/uebpf.pc $(addprefix $(DESTDIR)$(PREFIX)/,$(wildcard include/*.h)) \
		$(DESTDIR)$(MANDIR)/man1/uebpf-run.1
dist:
	git archive --prefix=uebpf-$(VERSION)/ -o uebpf-$(VERSION).tar.gz HEAD
clean:
	rm -rf build

-include $(lib_obj:.o=.d) $(tool_obj:.o=.d) $(test_util:.o=.d) $(addsuffix .d,$(test_bin))
.PHONY: all tests docs-build docs check demo bench soak fuzz format lint install uninstall dist clean
.SECONDARY:
