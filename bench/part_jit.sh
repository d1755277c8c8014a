#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Calls, batches and compile time (bench/jit.c); $OUT and the libraries are there.  Part of bench/run.
set -eu
native=$OUT/jit_native.c
cc=$(command -v clang-19 || command -v clang)
repeat() { for _ in $(seq "$1"); do printf '%s' "$2"; done; }
{
	echo '#include <stddef.h>'
	echo '#include <stdint.h>'
	echo 'typedef uint64_t u64; typedef uint32_t u32;'
	echo 'struct record { const void *data; size_t len; };'
	echo 'extern u64 native_helper(u64, u64, u64, u64, u64);'
	echo '__attribute__((noinline)) static u64 f(u64 a) { __asm__ volatile(""); return a * 3 + 1; }'
	for n in 1 33; do
		echo "u64 native_helper_$n(void *c, size_t l, void *h) { u64 s = 0; $(repeat $n 's += native_helper(1, 2, 3, 4, 5); ')return s; }"
		echo "u64 native_local_$n(void *c, size_t l, void *h) { u64 s = 0; $(repeat $n 's = f(s); ')return s; }"
	done
} >"$native"
# The loops of batches come once a placement: padding in front moves every one by 16 bytes.
loops=$OUT/jit_loops.c
{
	echo '#include <stddef.h>'
	echo '#include <stdint.h>'
	echo 'typedef uint64_t u64; typedef uint32_t u32;'
	echo 'struct record { const void *data; size_t len; };'
	echo '#define NAME_(what, p) what ## p'
	echo '#define NAME(what, p) NAME_(what, p)'
	for n in 1 10 50; do
		echo "static inline u64 filter_$n(const u32 *v, size_t len) { if (len < 64) return 0;"
		for i in $(seq 0 $((n - 1))); do echo "if (v[$((i % 16))] == $((1000 + 7 * i + i * i))u) return 0;"; done
		echo 'return 1; }'
		echo "void NAME(native_batch_${n}_, P)(const void *base, size_t n, u64 *r) {"
		echo "for (size_t i = 0; i < n; i++) r[i] = filter_$n((const u32 *)((const char *)base + i * 64), 64); }"
		echo "void NAME(native_records_${n}_, P)(const void *base, size_t n, u64 *r) { const struct record *a = base;"
		echo "for (size_t i = 0; i < n; i++) r[i] = filter_$n(a[i].data, a[i].len); }"
	done
} >"$loops"
placed=()
for p in $(seq 0 15); do
	printf '.text\n.skip %d\n.section .note.GNU-stack,"",@progbits\n' $((p * 16)) | $cc -c -x assembler - -o "$OUT/jit_pad$p.o"
	$cc -O2 -DP="$p" -c "$loops" -o "$OUT/jit_loops$p.o"
	placed+=("$OUT/jit_pad$p.o" "$OUT/jit_loops$p.o")
done
{
	echo '#include "bench/jit_batch.h"'
	for what in batch records; do
		for n in 1 10 50; do
			for p in $(seq 0 15); do echo "native_loop native_${what}_${n}_$p;"; done
			echo "native_loop *const native_${what}_${n}[16] = { $(for p in $(seq 0 15); do echo "native_${what}_${n}_$p,"; done) };"
		done
	done
} >"$OUT"/jit_table.c
for f in "native_helper(" "host_helper("; do
	echo "unsigned long ${f}unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e$([ "$f" = "host_helper(" ] && echo ', void *call'))"
	echo '{ return a ^ b + c ^ d + e; }'
done >"$OUT"/jit_helper.c
$cc -O2 -Wno-parentheses -c "$native" -o "$OUT"/jit_native.o
$cc -O2 -Wno-parentheses -c "$OUT"/jit_helper.c -o "$OUT"/jit_helper.o
cc -O2 -g -std=gnu11 -I. -o "$OUT"/jit bench/jit.c "$OUT"/jit_table.c "${placed[@]}" "$OUT"/jit_native.o "$OUT"/jit_helper.o build/libuebpf-inner.a -lelf -lm -lpthread
"$OUT"/jit | tee "$OUT"/jit.md
# Calls that stand in compiled code.
clang -O2 -g -target bpf -mcpu=v3 -c bench/objects/inline.bpf.c -o "$OUT"/inline.o
$cc -O2 -DNATIVE -c bench/objects/inline.bpf.c -o "$OUT"/inline_native.o
cc -O2 -g -std=gnu11 -I. -o "$OUT"/inline bench/inline.c "$OUT"/inline_native.o build/libuebpf-inner.a -lelf -lm -lpthread
"$OUT"/inline "$OUT"/inline.o | tee -a "$OUT"/jit.md
