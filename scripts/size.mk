# SPDX-License-Identifier: Apache-2.0 OR MIT
# size.mk - single files whose code is shorter with a gcc option that the rest is better without, measured one by one
# with gcc 12 (strip -o x build/libuebpf.so; 7 KB in all).  What another compiler does not know is left out.  A file that
# is renamed or written anew may simply be dropped from here: only bytes depend on it.
define with
$(2:%=$(BUILD)/obj/%.o): common += $(if $(cold),$(foreach f,$(1),$(shell $(CC) -Werror $f -fsyntax-only -x c /dev/null \
	2>/dev/null && echo $f)))
endef

# Half a kilobyte; 0.05 to 0.5 % more instructions in the checked interpreter.
$(eval $(call with,-fno-inline-small-functions,vm/call))
# 400 bytes, and no slower.
$(eval $(call with,-fno-thread-jumps -fno-reorder-blocks,maps/hash_write))
# A map's operation is often just the call of another.
$(eval $(call with,-fno-asynchronous-unwind-tables -foptimize-sibling-calls,$(basename $(wildcard maps/*.c))))
$(eval $(call with,-fno-inline-functions-called-once,\
	helpers/csum helpers/dynptr helpers/text jit/debug jit/gdb jit/pages jit/x86_64/checked \
	jit/x86_64/compile jit/x86_64/counted jit/x86_64/encode jit/x86_64/facts jit/x86_64/lanes \
	loader/elf/btf_cut loader/elf/core loader/elf/ext loader/elf/legacy loader/filter/lttng \
	loader/filter/sets loader/link loader/link_pack loader/object loader/pipeline loader/slot_change \
	maps/bpf maps/cgroup maps/domain maps/hash_iter maps/inner maps/target verifier/ctx_layout \
	verifier/scalar_alu verifier/scan verifier/trusted vm/args vm/asm vm/decode vm/lanes vm/mark \
	vm/rewrite/chain vm/rewrite/invariant vm/rewrite/loop vm/rewrite/place vm/rewrite/wide))
$(eval $(call with,-fno-guess-branch-probability,\
	helpers/redirect jit/pages jit/x86_64/between jit/x86_64/compile jit/x86_64/counted jit/x86_64/encode \
	jit/x86_64/entry jit/x86_64/frame jit/x86_64/select loader/elf/btf loader/elf/core loader/elf/core_match \
	loader/elf/data loader/env loader/filter/cbpf loader/filter/cbpf_survey loader/filter/lttng loader/open \
	loader/prog maps/lpm_index maps/lpm_write maps/map maps/mirror maps/ring verifier/arena verifier/call \
	verifier/explore verifier/facts verifier/frame verifier/scalar verifier/scalar_branch verifier/state \
	verifier/trusted vm/args vm/asm_value vm/callx vm/decode vm/desc vm/rewrite/bits vm/rewrite/fuse \
	vm/rewrite/rename))
$(eval $(call with,-fno-tree-coalesce-vars,\
	helpers/room jit/debug jit/pages jit/x86_64/lanes jit/x86_64/select loader/arena loader/elf/core_match \
	loader/elf/object loader/elf/view loader/filter/check loader/link loader/link_pack loader/link_reloc \
	loader/open loader/type_text loader/verified maps/arena maps/array maps/domain maps/share maps/storage \
	verifier/alu verifier/loop verifier/memory vm/asm_value vm/rewrite/dead vm/rewrite/rewrite \
	vm/rewrite/stack))
$(eval $(call with,-fno-tree-fre,\
	helpers/packet helpers/print jit/debug jit/pages jit/x86_64/between jit/x86_64/checked \
	jit/x86_64/counted jit/x86_64/div jit/x86_64/emit jit/x86_64/frame jit/x86_64/lanes_op jit/x86_64/tame \
	jit/x86_64/unwind loader/elf/ext loader/elf/first loader/env_types loader/filter/cbpf \
	loader/filter/parse maps/map maps/owned verifier/alu verifier/ctx_layout verifier/state vm/args \
	vm/asm_value vm/insn vm/interp/far vm/lanes vm/mark vm/rewrite/bits vm/rewrite/chain vm/rewrite/dead \
	vm/rewrite/inline vm/rewrite/jump vm/rewrite/rewrite))
$(eval $(call with,-fno-forward-propagate,\
	helpers/table jit/debug jit/x86_64/compile jit/x86_64/counted jit/x86_64/emit jit/x86_64/encode \
	jit/x86_64/frame jit/x86_64/lanes jit/x86_64/lanes_op jit/x86_64/select loader/elf/core_match \
	loader/elf/first loader/elf/kconfig loader/elf/object loader/env loader/env_types loader/event_btf \
	loader/filter/cbpf loader/filter/parse loader/object loader/plain maps/map maps/ring maps/share \
	maps/target verifier/alu verifier/arena verifier/args verifier/jump verifier/loop verifier/scalar_branch \
	verifier/state vm/asm vm/asm_value vm/callx vm/desc vm/flow vm/lanes vm/lanes_fit vm/rewrite/chain \
	vm/rewrite/fuse vm/rewrite/gather vm/rewrite/range vm/rewrite/value vm/rewrite/wide))
$(eval $(call with,-fno-tree-vrp,\
	jit/pages jit/x86_64/compile jit/x86_64/encode jit/x86_64/lanes loader/elf/data loader/elf/first \
	loader/prog maps/batch maps/hash_inline maps/inner maps/mirror maps/storage verifier/facts vm/desc \
	vm/flow vm/rewrite/chain))
$(eval $(call with,-fno-tree-sink,\
	helpers/proto helpers/stack jit/x86_64/facts loader/elf/map loader/parse maps/batch maps/domain \
	verifier/args verifier/frame verifier/stack vm/flow vm/mark vm/rewrite/dead))
$(eval $(call with,-fno-tree-loop-optimize,\
	helpers/inline jit/cpu jit/x86_64/counted jit/x86_64/dis loader/elf/object loader/filter/cbpf \
	loader/filter/check loader/filter/lttng loader/parse maps/hash_iter maps/hash_repair maps/lpm_index \
	verifier/trusted vm/flow vm/lanes vm/rewrite/inline vm/rewrite/wide))
$(eval $(call with,--param=max-inline-insns-size=4,\
	loader/elf/sym loader/slot_change))
$(eval $(call with,-ftree-sra,\
	loader/filter/text verifier/verify))
$(eval $(call with,-foptimize-sibling-calls,\
	helpers/dynptr helpers/inline helpers/kfunc helpers/packet helpers/probe helpers/storage helpers/task \
	jit/x86_64/buf jit/x86_64/encode loader/arena loader/env loader/env_tables loader/event_btf \
	loader/filter/cbpf loader/open loader/slot_change verifier/precise verifier/scalar vm/text))
$(eval $(call with,-fcaller-saves,\
	jit/cpu jit/x86_64/tame loader/elf/data loader/elf/kconfig loader/filter/lttng loader/filter/parse \
	maps/batch maps/kernel maps/stacks verifier/arena verifier/jump vm/interp/far vm/rewrite/rewrite vm/text))
$(eval $(call with,-fno-ivopts,\
	jit/gdb jit/x86_64/compile loader/filter/sets maps/stacks verifier/args verifier/facts verifier/jump \
	verifier/precise verifier/scan_loops vm/rewrite/dead))
$(eval $(call with,-fno-inline-small-functions,\
	jit/gdb jit/x86_64/compile jit/x86_64/dis jit/x86_64/encode jit/x86_64/facts vm/rewrite/wide))
$(eval $(call with,-fno-tree-ch,\
	jit/x86_64/checked jit/x86_64/dis loader/elf/object loader/event_btf loader/filter/check loader/link \
	verifier/ctx_layout verifier/facts verifier/jump vm/interp/form vm/rewrite/invariant))
$(eval $(call with,-fjump-tables,\
	jit/x86_64/emit loader/filter/cbpf verifier/args verifier/scalar_branch verifier/trusted vm/args \
	vm/decode vm/interp/far))
$(eval $(call with,-fno-code-hoisting,\
	jit/debug jit/x86_64/checked jit/x86_64/div jit/x86_64/facts jit/x86_64/lanes jit/x86_64/tame \
	loader/elf/first loader/env_tables loader/filter/cbpf loader/filter/check loader/link_pack maps/share \
	verifier/facts verifier/precise verifier/scan_loops))
$(eval $(call with,-fshrink-wrap,\
	jit/x86_64/encode maps/array verifier/args verifier/jump vm/prepare))
$(eval $(call with,-fno-tree-dse,\
	jit/x86_64/facts loader/filter/cbpf loader/slot_change maps/bpf vm/asm_value))
$(eval $(call with,-fno-gcse,\
	helpers/probe jit/x86_64/div loader/filter/sets loader/prog loader/slot_change maps/kernel maps/owned \
	vm/prepare vm/rewrite/inline vm/rewrite/jump))
# Calls of C library functions that few others call go through the table of addresses: those need no procedure linkage
# (16 bytes each).
$(eval $(call with,-fno-plt,\
	helpers/inline helpers/probe helpers/ring helpers/stack helpers/task jit/pages jit/x86_64/unwind loader/elf/view \
	loader/filter/cbpf loader/filter/parse loader/link_pack loader/parse_addr maps/bpf maps/ring maps/share vm/mem \
	vm/message vm/self))
