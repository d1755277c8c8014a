/* Reads through a pointer that the packet gives: a fault in line 13 whenever the first word says so. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp/fault")
int fault(struct xdp_md *ctx)
{
	__u64 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 1 > end)
		return XDP_PASS;
	if (*data & 1)
		return *(volatile __u32 *)(*data & ~1ull);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
