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
/* ---- for_each_map_elem ---- */

static long (*for_each)(void *map, void *fn, void *arg, u64 flags) = (void *)164;
struct wide { u32 a, b, c; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 37); __type(key, u32); __type(value, u64); } words SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 256); __type(key, u32); __type(value, u64); } bytes SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 5); __type(key, u32); __type(value, struct wide); } wides SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, u32); __type(value, u8); } single SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 6); __type(key, u32); __type(value, u64); } own SEC(".maps");

static long add_word(void *map, u32 *key, u64 *value, struct sum *s)
{
	*value = *value * 5 + *key + s->inner;
	s->sum += *value;
	return *key == s->stop;
}

SEC("xdp") int each_word(struct xdp_md *ctx)
{
	BEGIN;
	u64 kept = *(u64 *)(in + 8), more = *(u64 *)(in + 24);
	struct sum s = { .stop = *(u64 *)(in + 16), .inner = in[0] };

	out[0] = for_each(&words, add_word, &s, 0);
	out[1] = s.sum;
	out[2] = kept * more;
	out[3] = kept ^ more;
	return 2;
}

SEC("xdp") int each_flags(struct xdp_md *ctx)
{
	BEGIN;
	struct sum s = { .stop = ~0ull };

	out[0] = for_each(&words, add_word, &s, *(u64 *)(in + 8));
	out[1] = s.sum;
	return 2;
}

SEC("xdp") int each_own(struct xdp_md *ctx)
{
	BEGIN;
	struct sum s = { .stop = *(u64 *)(in + 16) };

	out[0] = for_each(&own, add_word, &s, 0);
	out[1] = s.sum;
	return 2;
}

static long add_byte(void *map, u32 *key, u8 *value, struct sum *s)
{
	s->inner += *value + *key;
	*value += s->sum;
	return 0;
}

/* The map comes from the callback's own argument, and another loop is inside. */
static long add_wide(void *map, u32 *key, struct wide *value, struct sum *s)
{
	struct wide *again = bpf_map_lookup_elem(map, key);

	if (again != value)
		return 1;
	value->c += value->a ^ *key;
	value->a += value->c + s->sum;
	s->sum += value->a + for_each(&single, add_byte, s, 0);
	return 0;
}

__noinline static u64 nest(u64 a, u64 b)
{
	struct sum s = { .sum = a };
	u64 n = for_each(&wides, add_wide, &s, 0);

	return n * b + s.sum + s.inner;
}

SEC("xdp") int each_nested(struct xdp_md *ctx)
{
	BEGIN;
	out[0] = nest(*(u64 *)in, *(u64 *)(in + 8));
	out[1] = nest(in[3], in[4]);
	return 2;
}

/* ---- tail calls: what led there stays in the packet, too ---- */

/* The address of the map's values is a constant of each loop. */
SEC("raw") u64 look_loop(u8 *in, u64 len)
{
	u64 sum = 0, *v;
	u32 k;

	if (len < IN)
		return 0;
#pragma nounroll
	for (int i = 0; i < IN; i++) {
		k = in[i];
		v = bpf_map_lookup_elem(&bytes, &k);
		if (v)
			*v += 1;
	}
#pragma nounroll
	for (int i = 0; i < 8; i++) {
		k = in[i];
		v = bpf_map_lookup_elem(&bytes, &k);
		if (v)
			sum += *v;
	}
	return sum;
}

struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 6); __type(key, u32); __type(value, u32); } next SEC(".maps");

SEC("xdp") int tail_any(struct xdp_md *ctx)
{
	BEGIN;
	u64 kept = *(u64 *)(in + 24);

	out[0] = 1;
	out[1] = bpf_tail_call(ctx, &next, *(u64 *)(in + 8));
	out[2] = kept;
	return 2;
}

SEC("xdp") int tail_known(struct xdp_md *ctx)
{
	BEGIN;
	out[0] = 1;
	bpf_tail_call(ctx, &next, 1);
	return 2;
}

SEC("xdp") int tail_beyond(struct xdp_md *ctx)
{
	BEGIN;
	out[1] = bpf_tail_call(ctx, &next, 6);
	return 2;
}

/* Goes to itself: how often, and then on. */
SEC("xdp") int tail_self(struct xdp_md *ctx)
{
	BEGIN;
	out[1]++;
	out[2] = bpf_tail_call(ctx, &next, 0);
	return out[1];
}

SEC("xdp") int target_small(struct xdp_md *ctx) { return 1; }

static long square(u32 i, struct sum *s) { s->sum += i * s->stop; return 0; }

/* With a state, a frame and values over calls. */
SEC("xdp") int target_large(struct xdp_md *ctx)
{
	BEGIN;
	struct sum s = { .stop = in[5] };
	u64 a = *(u64 *)(in + 16), b = *(u64 *)(in + 24), c = *(u64 *)(in + 32);

	bpf_loop(in[0], square, &s, 0);
	for_each(&own, add_word, &s, 0);
	out[3] = s.sum;
	out[4] = a * 3 + b * 5 + c * 7;
	return 3;
}

__noinline static int leave(struct xdp_md *ctx, u64 at)
{
	bpf_tail_call(ctx, &next, at);
	return 100;
}

/* In a function: its result comes back here, and so does what is in registers. */
SEC("xdp") int tail_function(struct xdp_md *ctx)
{
	BEGIN;
	u64 a = *(u64 *)(in + 16), b = *(u64 *)(in + 24), c = *(u64 *)(in + 32);
	int r = leave(ctx, *(u64 *)(in + 8));

	in = (u8 *)(long)ctx->data;
	out = (u64 *)(in + OUT);
	if (in + ALL > (u8 *)(long)ctx->data_end)
		return 0;
	out[0] = r;
	out[5] = a ^ b * 3 ^ c * 5;
	return r == 100;
}
char _license[] SEC("license") = "GPL";
