/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* packet.bpf.c - bounds checks on packets in every form, right and off by one. */
#include "corpus.h"

#define START void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end; u8 *p = data
/* good, and bad by `over` bytes */
#define FORMS(N) \
SEC("xdp") int gt_##N(struct xdp_md *ctx) { START; if (p + N > (u8 *)end) return 1; return p[N - 1]; } \
SEC("xdp") int bad_gt_##N(struct xdp_md *ctx) { START; if (p + N > (u8 *)end) return 1; return p[N]; } \
SEC("xdp") int ge_##N(struct xdp_md *ctx) { START; if (p + N >= (u8 *)end) return 1; return p[N]; } \
SEC("xdp") int bad_ge_##N(struct xdp_md *ctx) { START; if (p + N >= (u8 *)end) return 1; return p[N + 1]; } \
SEC("xdp") int lt_##N(struct xdp_md *ctx) { START; if ((u8 *)end < p + N) return 1; return p[N - 1]; } \
SEC("xdp") int bad_lt_##N(struct xdp_md *ctx) { START; if ((u8 *)end < p + N) return 1; return p[N]; } \
SEC("xdp") int le_##N(struct xdp_md *ctx) { START; if (p + N <= (u8 *)end) return p[N - 1]; return 1; } \
SEC("xdp") int bad_le_##N(struct xdp_md *ctx) { START; if (p + N <= (u8 *)end) return p[N]; return 1; } \
SEC("xdp") int less_##N(struct xdp_md *ctx) { START; if (p + N < (u8 *)end) return p[N]; return 1; } \
SEC("xdp") int wrong_side_ok_##N(struct xdp_md *ctx) { START; if (p + N > (u8 *)end) return 1; p += N / 2; return p[0]; } \
SEC("xdp") int bad_moved_##N(struct xdp_md *ctx) { START; if (p + N > (u8 *)end) return 1; p += N; return p[0]; } \
SEC("xdp") int write_##N(struct xdp_md *ctx) { START; if (p + N > (u8 *)end) return 1; p[N - 1] = 3; return 2; } \
SEC("xdp") int bad_after_adjust_##N(struct xdp_md *ctx) { START; if (p + N > (u8 *)end) return 1; \
	if (adjust_head(ctx, 4)) return 1; return p[0]; } \
SEC("xdp") int reload_##N(struct xdp_md *ctx) { START; if (adjust_head(ctx, -4)) return 1; \
	data = (void *)(long)ctx->data; end = (void *)(long)ctx->data_end; p = data; \
	if (p + N > (u8 *)end) return 1; return p[N - 1]; } \
SEC("xdp") int var_##N(struct xdp_md *ctx) { START; if (p + 1 > (u8 *)end) return 1; u32 ihl = (p[0] & 15) << 2; \
	p += ihl; if (p + N > (u8 *)end) return 1; return p[N - 1]; } \
SEC("xdp") int bad_var_##N(struct xdp_md *ctx) { START; if (p + 1 > (u8 *)end) return 1; u32 ihl = (p[0] & 15) << 2; \
	if (p + N > (u8 *)end) return 1; return p[ihl + N - 1]; } \
SEC("tc") int tc_gt_##N(struct __sk_buff *ctx) { START; if (p + N > (u8 *)end) return 1; return p[N - 1]; } \
SEC("tc") int bad_tc_gt_##N(struct __sk_buff *ctx) { START; if (p + N > (u8 *)end) return 1; return p[N + 3]; } \
SEC("tc") int tc_load_##N(struct __sk_buff *ctx) { u8 b[N]; if (skb_load(ctx, 0, b, N)) return 0; return b[N - 1]; } \
SEC("socket") int sock_load_##N(struct __sk_buff *ctx) { u8 b[N]; if (skb_load(ctx, 0, b, N)) return 0; return b[0]; }
FORMS(4)
FORMS(14)
FORMS(34)
FORMS(8)
FORMS(20)
FORMS(60)

struct vlan { u16 tci, proto; };
struct eth { u8 dst[6], src[6]; u16 proto; };
struct ip { u8 vihl, tos; u16 len, id, frag; u8 ttl, proto; u16 check; u32 src, dst; };
struct l4 { u16 src, dst; };

SEC("xdp") int parse(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth *eth = data;
	struct ip *ip;
	struct l4 *l4;
	u16 proto;
	u64 off = sizeof(*eth);

	if ((void *)(eth + 1) > end)
		return 1;
	proto = eth->proto;
#pragma unroll
	for (int i = 0; i < 2; i++)
		if (proto == 0x0081 || proto == 0xa888) {
			struct vlan *v = data + off;

			off += sizeof(*v);
			if (data + off > end)
				return 1;
			proto = v->proto;
		}
	if (proto != 8)
		return 2;
	ip = data + off;
	if ((void *)(ip + 1) > end)
		return 1;
	off += (ip->vihl & 15) * 4;
	if (off > 60)
		return 1;
	l4 = data + off;
	if ((void *)(l4 + 1) > end)
		return 1;
	return l4->dst == 0x3500 ? 1 : 2;
}
SEC("xdp") int checksum(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u16 *p = data;
	u32 sum = 0;

	for (int i = 0; i < 20; i++) {
		if ((void *)(p + 1) > end)
			break;
		sum += *p++;
	}
	return sum & 3;
}
