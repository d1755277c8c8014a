/* Asks the kernel's routing table: only a host, a kernel or --mock can answer. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int route(struct xdp_md *ctx)
{
	struct bpf_fib_lookup q = { .family = 2, .ifindex = 1 };
	long r = bpf_fib_lookup(ctx, &q, sizeof q, 0);

	return r ? XDP_DROP : q.ifindex == 9 ? XDP_TX : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
