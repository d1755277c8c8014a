/* A tracepoint that no kernel has. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/uebpf_no_such_event")
int absent(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
