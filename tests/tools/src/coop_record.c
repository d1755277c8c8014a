/* For each record of coop_perf.c: is it the one? */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("raw")
int record(__u64 *r, unsigned long len)
{
	return len >= 16 && r[0] == 271 && r[1] == 42;
}

char LICENSE[] SEC("license") = "GPL";
