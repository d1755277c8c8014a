#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# With --jit gdb a backtrace from a helper names the program's functions and source lines and goes on to
# main; and by default nothing is told and no file is written.
set -eu
cd "$(dirname "$0")/../.."
run=$PWD/${BUILD_DIR:-build}/uebpf-run clang=${CLANG:-clang}
command -v gdb >/dev/null || { echo "skip: no gdb"; exit 0; }
command -v "$clang" >/dev/null || { echo "skip: no clang to compile a program"; exit 0; }
"$run" --version | grep -qE 'features:.* jit(=| |$)' || { echo "skip: no JIT here"; exit 0; }
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >bt.bpf.c <<'BPF'
static long (*printk)(const char *fmt, unsigned n, ...) = (void *)6;
static __attribute__((noinline)) long inner(long a)
{
	char f[] = "hello %d";
	return printk(f, sizeof f, a) + a;	/* line 5 */
}
__attribute__((section("raw"), used)) long outer(void *m, long n)
{
	return n + inner(n);			/* line 9 */
}
char _license[] __attribute__((section("license"), used)) = "GPL";
BPF
"$clang" --target=bpf -O2 -g -c bt.bpf.c -o bt.o
trace() { gdb -q -nx -batch -ex 'set debuginfod enabled off' -ex 'break helper_trace_printk' -ex run -ex bt --args "$run" bt.o --engine jit --ctx-hex 00 "$@" 2>&1; }
for mode in verified checked; do
	trace --mode $mode --jit gdb >bt.txt
	if grep -q 'ptrace' bt.txt; then echo "skip: gdb may not trace here"; exit 0; fi
	grep -Eq '^#[0-9]+ .* in bpf:outer:inner \(\) at .*bt\.bpf\.c:5' bt.txt
	grep -Eq '^#[0-9]+ .* in bpf:outer(:outer)? \(\) at .*bt\.bpf\.c:9' bt.txt
	grep -Eq '^#[0-9]+ .*main \(' bt.txt
done
trace --mode verified >bt.txt
if grep -q 'bpf:outer' bt.txt; then echo "told without being asked"; exit 1; fi
"$run" bt.o --engine jit --ctx-hex 00 >/dev/null 2>&1
if ls ./*.dump 2>/dev/null; then echo "a dump that nobody asked for"; exit 1; fi
"$run" bt.o --engine jit --ctx-hex 00 --jit jitdump,blind,retpoline,endbr >/dev/null 2>&1
[ "$(head -c 4 jit-*.dump)" = DTiJ ] || { echo "jitdump: no file or wrong magic"; exit 1; }
# Each stage can be shown: facts, and machine code between the program's lines and source lines.
"$run" bt.o --engine jit --dump=insns,facts,rewrite,x86 >dump.txt
grep -Eq 'call 0x6' dump.txt
grep -Eq '; stack-[0-9]+' dump.txt
grep -Eq '^; .*bt\.bpf\.c:9: ' dump.txt
grep -Eq '^ +[0-9a-f]+:  [0-9a-f]+ +call ' dump.txt
echo "gdb, jitdump and dumps: as asked"
