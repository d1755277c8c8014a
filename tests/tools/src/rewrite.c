/* Changes the packet: swaps the addresses, and cuts a byte off the end. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int rewrite(struct xdp_md *ctx)
{
	__u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (p + 20 > end)
		return XDP_ABORTED;
	for (int i = 0; i < 6; i++) {
		__u8 t = p[i];

		p[i] = p[i + 6];
		p[i + 6] = t;
	}
	bpf_xdp_adjust_tail(ctx, -1);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
