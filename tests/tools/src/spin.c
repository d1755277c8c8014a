/* Never ends by itself. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw")
int spin(void *mem, __u64 len)
{
	volatile __u64 i = 0;

	while (i != 1)
		i += 2;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
