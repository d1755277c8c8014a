/* Three programs of three types. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int first(struct xdp_md *ctx)
{
	return XDP_TX;
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	return skb->mark + 1;
}

SEC("socket")
int third(struct __sk_buff *skb)
{
	return skb->len;
}

char LICENSE[] SEC("license") = "GPL";
