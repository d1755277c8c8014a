# SPDX-License-Identifier: Apache-2.0 OR MIT
# size.mk - single files whose code is shorter with a gcc option that the rest is better without, measured one by one
# with gcc 12 (strip -o x build/libuebpf.so; 4 KB in all).  What another compiler does not know is left out.  A file that
# is renamed or written anew may simply be dropped from here: only bytes depend on it.
define with
$(2:%=$(BUILD)/obj/%.o): common += $(if $(cold),$(foreach f,$(1),$(shell $(CC) -Werror $f -fsyntax-only -x c /dev/null \
	2>/dev/null && echo $f)))
endef

# Half a kilobyte; 0.05 to 0.5 % more instructions in the checked interpreter.
$(eval $(call with,-fno-inline-small-functions,vm/call))
# 400 bytes, and no slower.
$(eval $(call with,-fno-thread-jumps -fno-reorder-blocks,maps/hash_write))
# Nothing of the host's runs beneath these, so that no exception and no cancelled thread unwinds through them.
$(eval $(call with,-fno-asynchronous-unwind-tables,vm/call helpers/map helpers/ring jit/miss))
# A map's operation is often just the call of another.
$(eval $(call with,-fno-asynchronous-unwind-tables -foptimize-sibling-calls,$(basename $(wildcard maps/*.c))))
$(eval $(call with,-fno-inline-functions-called-once,\
	helpers/dynptr jit/debug jit/gdb jit/x86_64/checked jit/x86_64/compile jit/x86_64/counted \
	jit/x86_64/facts jit/x86_64/lanes loader/elf/btf_cut loader/elf/core loader/elf/ext \
	loader/elf/legacy loader/filter/lttng loader/filter/sets loader/link loader/link_reloc loader/link_pack \
	loader/pipeline verifier/scalar_alu verifier/trusted vm/args vm/decode vm/lanes vm/rewrite/loop \
	vm/rewrite/place vm/rewrite/wide))
$(eval $(call with,-fno-guess-branch-probability,\
	jit/x86_64/counted jit/x86_64/entry jit/x86_64/frame loader/adjust loader/elf/btf loader/elf/core \
	loader/filter/cbpf loader/filter/cbpf_survey loader/filter/lttng loader/prog maps/lpm_index maps/lpm_write maps/mirror \
	verifier/arena verifier/call verifier/explore verifier/frame vm/args vm/desc vm/rewrite/fuse vm/rewrite/rename))
$(eval $(call with,-fno-tree-coalesce-vars,\
	jit/debug jit/x86_64/lanes loader/elf/core_match loader/elf/object loader/elf/view \
	loader/filter/check loader/filter/gen loader/filter/value loader/link loader/link_reloc loader/link_pack loader/open loader/type_text \
	loader/verified maps/arena maps/storage verifier/alu verifier/loop verifier/memory verifier/scan \
	vm/rewrite/stack))
$(eval $(call with,-fno-tree-fre,\
	helpers/print jit/x86_64/div jit/x86_64/lanes_op jit/x86_64/select jit/x86_64/tame jit/x86_64/unwind \
	loader/elf/first maps/map verifier/ctx_layout vm/asm vm/asm_value vm/insn vm/interp/slow vm/rewrite/rewrite \
	vm/rewrite/inline vm/rewrite/jump))
$(eval $(call with,-fno-forward-propagate,\
	helpers/table jit/x86_64/emit jit/x86_64/update loader/env_types loader/event_btf loader/plain \
	maps/share verifier/args verifier/jump verifier/scalar_branch verifier/state vm/lanes vm/lanes_fit \
	vm/rewrite/gather vm/rewrite/range vm/rewrite/value))
$(eval $(call with,-fno-tree-vrp,\
	jit/pages jit/x86_64/encode loader/elf/data maps/batch maps/hash_inline maps/inner vm/flow \
	vm/rewrite/chain))
$(eval $(call with,-fno-tree-sink,\
	helpers/proto helpers/stack loader/elf/map verifier/frame verifier/stack vm/mark vm/rewrite/dead))
$(eval $(call with,-fno-tree-loop-optimize,\
	helpers/inline jit/x86_64/dis))
$(eval $(call with,--param=max-inline-insns-size=4,\
	loader/elf/sym loader/slot_change))
$(eval $(call with,-ftree-sra,\
	loader/filter/text verifier/verify))
# Calls of C library functions that few others call go through the table of addresses: those need no procedure linkage
# (16 bytes each).
$(eval $(call with,-fno-plt,\
	helpers/inline helpers/probe helpers/ring helpers/stack helpers/task jit/pages jit/x86_64/unwind loader/elf/view \
	loader/filter/cbpf loader/filter/parse loader/link_pack loader/parse_addr maps/bpf maps/ring maps/share vm/mem \
	vm/message vm/self))
