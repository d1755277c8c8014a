/* An event filter over a struct of the host's. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct event { __u32 level, code; };

SEC("uebpf/filter")
int errors(struct event *e)
{
	return e->level >= 3 && e->code != 7;
}

char LICENSE[] SEC("license") = "GPL";
