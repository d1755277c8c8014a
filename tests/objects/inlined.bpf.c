/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inlined.bpf.c - calls that become instructions (tests/jit/inline_test.c): what they give goes into the packet
 * from byte OUT on, so that arms can be compared. */
#include "bpf_min.h"

enum { IN = 64, OUT = 64, ALL = 128 };
#define BEGIN \
	u8 *in = (u8 *)(long)ctx->data; \
	u64 *out = (u64 *)(in + OUT); \
	if (in + ALL > (u8 *)(long)ctx->data_end) \
		return 2

#define COMPARE(n, text) \
SEC("xdp") int compare_##n(struct xdp_md *ctx) { BEGIN; out[0] = bpf_strncmp((char *)in, n, text); return !out[0]; }
COMPARE(1, "G")
COMPARE(2, "GE")
COMPARE(3, "GET")
COMPARE(4, "GET")
COMPARE(5, "GET /")
COMPARE(7, "GET /in")
COMPARE(8, "GET /ind")
COMPARE(9, "GET /inde")
COMPARE(16, "GET /ind")
COMPARE(17, "GET /index.html?a")
COMPARE(33, "GET /index.html?a=1234567890 HTTP")
COMPARE(64, "GET /index.html?a=1234567890 HTTP/1.1 and so on, to the very en")
COMPARE(60, "")

struct sum { u64 sum, stop, inner; };

static long add(u32 i, struct sum *s)
{
	s->sum += i * 3 + 1;
	return i == s->stop;
}

/* The round at which a loop ends, its result, and what the caller kept over it in registers. */
SEC("xdp") int loop_plain(struct xdp_md *ctx)
{
	BEGIN;
	u32 n = *(u32 *)in;
	u64 kept = *(u64 *)(in + 8), more = *(u64 *)(in + 24);
	struct sum s = { .stop = *(u64 *)(in + 16) };

	out[0] = bpf_loop(n, add, &s, 0);
	out[1] = s.sum;
	out[2] = kept * more;
	out[3] = kept ^ more;
	return 2;
}

SEC("xdp") int loop_flags(struct xdp_md *ctx)
{
	BEGIN;
	struct sum s = { .stop = ~0ull };

	out[0] = bpf_loop(5, add, &s, *(u64 *)(in + 8));
	out[1] = s.sum;
	return 2;
}

static long outer(u32 i, struct sum *s)
{
	s->stop = ~0ull;
	s->inner += bpf_loop(i & 15, add, s, 0);
	return 0;
}

SEC("xdp") int loop_nested(struct xdp_md *ctx)
{
	BEGIN;
	struct sum s = { 0 };

	out[0] = bpf_loop(in[0], outer, &s, 0);
	out[1] = s.sum;
	out[2] = s.inner;
	return 2;
}

static long only_count(u32 i, void *nothing)
{
	return i > 100;
}

__noinline static u64 count(u64 a, u64 b)
{
	u64 n = bpf_loop(a & 255, only_count, 0, 0);

	return n * b + bpf_loop(b & 127, only_count, 0, 0);
}

SEC("xdp") int loop_in_function(struct xdp_md *ctx)
{
	BEGIN;
	out[0] = count(*(u64 *)in, *(u64 *)(in + 8));
	return 2;
}

/* Two functions that might be called: nothing is known, the helper does it. */
static long twice(u32 i, struct sum *s) { s->sum += 2; return 0; }
static long thrice(u32 i, struct sum *s) { s->sum += 3; return 0; }

SEC("xdp") int loop_either(struct xdp_md *ctx)
{
	BEGIN;
	struct sum s = { 0 };
	void *fn = in[0] & 1 ? (void *)twice : (void *)thrice;

	asm volatile("" : "+r"(fn));
	out[0] = bpf_loop(10, fn, &s, 0);
	out[1] = s.sum;
	return 2;
}
char _license[] SEC("license") = "GPL";
