/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* differ.bpf.c - programs on which we and the kernel disagree, each explained in the table of
 * tests/verifier/agree_test.c, which holds that table against both verdicts. */
#include "corpus.h"

SEC("xdp") int diff_percpu_key(struct xdp_md *ctx)
{
	u32 key = 0;
	struct value *v = lookup(&percpu, &key);

	v->count++;
	return 0;
}

SEC("xdp") int diff_long_loop(struct xdp_md *ctx)
{
	u64 s = 0;

	for (u32 i = 0; i < 10000000; i++) {
		barrier(s);
		s += i;
	}
	return s & 1;
}

SEC("xdp") int diff_packet_part(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(long)ctx->data, *end = (u8 *)(long)ctx->data_end;
	u64 i = prandom() & 63;

	if (data + 64 > end)
		return 1;
	barrier(i);
	return data[i] & 1;
}

SEC("xdp") int diff_packet_loop(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(long)ctx->data, *end = (u8 *)(long)ctx->data_end;
	u32 state = 0;

	if (data + 1024 > end)
		return 1;
	for (u32 i = 0; i < 1024; i++) {
		u8 c = data[i];

		barrier(state);
		if (state == 0)
			state = c == '"' ? 1 : c > ' ' ? 2 : 0;
		else if (state == 1)
			state = c == '"' ? 0 : c == '\\' ? 3 : 1;
		else if (state == 2)
			state = c > ' ' ? 2 : 0;
		else
			state = 1;
	}
	return state & 3;
}

struct kept { const u32 *key; };
static long keeps_key(void *map, const u32 *key, struct value *v, struct kept *k)
{
	k->key = key;
	return 0;
}

SEC("xdp") int diff_kept_key(struct xdp_md *ctx)
{
	static const u32 none;
	struct kept k = { &none };

	for_each(&arr, keeps_key, &k, 0);
	return *(volatile u32 *)k.key & 1;
}

__attribute__((noinline)) int moves_and_reads(struct xdp_md *ctx, u64 *p)
{
	if (!p)
		return 0;
	adjust_head(ctx, 8);
	return *(volatile u64 *)p & 1;
}

SEC("xdp") int diff_packet_to_global(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(long)ctx->data, *end = (u8 *)(long)ctx->data_end;

	if (data + 8 > end)
		return 1;
	return moves_and_reads(ctx, (u64 *)data);
}
