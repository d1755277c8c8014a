#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# tests/fuzz/seeds.sh: makes the committed seeds of the ELF and BTF fuzzers anew from tests/objects.
set -eu
cd "$(dirname "$0")/../.."
clang=${CLANG:-clang}
mkdir -p tests/fuzz/corpus/elf tests/fuzz/corpus/btf
build() { # name source flags
	local out=tests/fuzz/corpus/elf/$1.o; shift
	local source=$1; shift
	"$clang" --target=bpf -c -ffile-prefix-map="$PWD"=. -o "$out" "tests/objects/$source" "$@"
	llvm-strip -g "$out" 2>/dev/null || llvm-strip-19 -g "$out"
}
build functions functions.bpf.c -O2 -g -mcpu=v3
build functions-v1-plain functions.bpf.c -O2 -mcpu=v1
build data data.bpf.c -O2 -g -mcpu=v3
build maps maps.bpf.c -O2 -g -mcpu=v3
build legacy legacy.bpf.c -O2 -mcpu=v2
build legacy-iproute legacy.bpf.c -O2 -mcpu=v2 -DIPROUTE
build core core.bpf.c -O2 -g -mcpu=v3
build externs externs.bpf.c -O2 -g -mcpu=v3
build types types.bpf.c -O2 -mcpu=v3
if command -v clang-19 >/dev/null; then	# address space 1 wants a newer clang
	clang=clang-19 build arena arena_globals.bpf.c -O2 -g -mcpu=v4
fi
for object in format maps core externs; do
	source=tests/objects/$object.bpf.c
	temp=$(mktemp)
	"$clang" --target=bpf -O2 -g -c -ffile-prefix-map="$PWD"=. -o "$temp" "$source"
	$(command -v llvm-objcopy || command -v llvm-objcopy-19) --dump-section .BTF="$temp.btf" "$temp"
	{
		printf '\001'; head -c 64 /dev/zero
		cat "$temp.btf"
		printf '%-48s' '{byte: 1, name: "abc", at: [{x = 2}], which: ONE}'
	} >"tests/fuzz/corpus/btf/$object"
	rm "$temp" "$temp.btf"
done
du -sh tests/fuzz/corpus/elf tests/fuzz/corpus/btf
