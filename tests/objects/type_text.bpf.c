/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* type_text.bpf.c - bpf_snprintf_btf of bytes that the host puts here, as a type of the target. */
#include "bpf_min.h"

struct btf_ptr { void *ptr; u32 type_id, flags; };
static long (*bpf_snprintf_btf)(char *str, u32 size, struct btf_ptr *what, u32 what_size, u64 flags) = (void *)149;

struct { u64 flags; s64 length; u32 id, size; char data[8192], text[32768]; } io;

SEC("raw_tp/sys_enter") int show(void *ctx)
{
	struct btf_ptr what = { .ptr = io.data, .type_id = io.id };
	u32 size = io.size;

	if (!size)
		return 0;
	__asm__ volatile("" : "+r"(size));	/* else both tests become one of size - 1 */
	if (size <= sizeof io.text)
		io.length = bpf_snprintf_btf(io.text, size, &what, sizeof what, io.flags);
	return 0;
}
