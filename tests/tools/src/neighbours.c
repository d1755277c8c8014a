/* One program that runs beside two that do not. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int good(struct xdp_md *ctx)
{
	return XDP_TX;
}

SEC("xdp")
int unchecked(struct xdp_md *ctx)
{
	return *(char *)(long)ctx->data;
}

SEC("fentry/vfs_read")
int typed(unsigned long *args)
{
	return args[0] != 0;
}

char LICENSE[] SEC("license") = "GPL";
