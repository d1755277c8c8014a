/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Calls of the compiler's memory functions, as objects of older tools have (build: -fno-builtin). */
#include "bpf_min.h"
extern void *memcpy(void *, const void *, unsigned long);
extern void *memset(void *, int, unsigned long);

SEC("raw") int builtin(u8 *ctx)
{
	u8 copy[16];

	memset(copy, 3, 16);
	memcpy(copy, ctx, 10);
	return copy[9] * 256 + copy[10];
}
char _license[] SEC("license") = "GPL";
