/* An XDP program that drops what is shorter than an Ethernet header and an IPv4 header. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp/drop_short")
int drop_short(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data < 34 ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
