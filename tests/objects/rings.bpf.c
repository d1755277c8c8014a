/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rings.bpf.c - both halves of the test that sends numbers through two rings: `down` from the kernel (-DKERNEL) to
 * user space, `up` back.  To the reader of a ring it is a user_ringbuf, to the writer a ringbuf. */
#include "bpf_min.h"
#ifdef KERNEL
#define TYPE "socket"
enum { DOWN = 27, UP = 31 };
#else
#define TYPE "raw"
enum { DOWN = 31, UP = 27 };
#endif
static void *(*bpf_ringbuf_reserve)(void *rb, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;
static long (*bpf_dynptr_read)(void *dst, u32 len, const void *src, u32 offset, u64 flags) = (void *)201;
static long (*bpf_user_ringbuf_drain)(void *rb, void *fn, void *ctx, u64 flags) = (void *)209;

struct { __uint(type, DOWN); __uint(max_entries, 65536); } down SEC(".maps");
struct { __uint(type, UP); __uint(max_entries, 65536); } up SEC(".maps");
/* What this half wrote and read; wrong: numbers that were not the next. */
u64 written, refused, read, wrong, limit;

#ifdef KERNEL
#define OUT down
#define IN up
#else
#define OUT up
#define IN down
#endif

SEC(TYPE) int produce(void *ctx)
{
	u64 *r;

	if (written >= limit)
		return 0;
	r = bpf_ringbuf_reserve(&OUT, sizeof(*r), 0);
	if (!r) {
		refused++;
		return 1;
	}
	*r = written++;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

static long one(void *sample, void *ctx)
{
	u64 n = 0;

	if (bpf_dynptr_read(&n, sizeof(n), sample, 0, 0) || n != read)
		wrong++;
	read++;
	return 0;
}

SEC(TYPE) int consume(void *ctx)
{
	return bpf_user_ringbuf_drain(&IN, one, 0, 0);
}

char _license[] SEC("license") = "GPL";
