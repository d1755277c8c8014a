/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chain.bpf.c - the programs of the chains, from one source for the kernel's tc (-DKERNEL) and for user space, where a
 * program of type raw gets the packet's address and length and costs a bare call. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifdef KERNEL
#define PROGRAM(name) SEC("tc") int name(struct __sk_buff *skb)
#define HAS(size) ((void *)(long)skb->data + (size) <= (void *)(long)skb->data_end)
#define DATA ((void *)(long)skb->data)
#else
#define PROGRAM(name) SEC("raw") int name(void *data, unsigned long len)
#define HAS(size) (len >= (size))
#define DATA data
#endif

enum { VALUE = 256 };
struct value { __u64 word[VALUE / 8]; };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1024); __type(key, __u32); __type(value, struct value);
} array SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1024); __type(key, __u32);
	__type(value, struct value);
} percpu SEC(".maps");

/* How many elements are used; the host sets it before load. */
const volatile __u32 entries = 1024;

PROGRAM(empty)
{
	return TC_ACT_UNSPEC;	/* on to the next */
}

PROGRAM(filter)
{
	if (!HAS(sizeof(struct ethhdr)))
		return TC_ACT_SHOT;
	return ((struct ethhdr *)DATA)->h_proto == bpf_htons(ETH_P_ARP) ? TC_ACT_OK : TC_ACT_UNSPEC;
}

/* A pseudo-random element each time: 10 writes to 1 element, or 1 write to each of 10. */
static __always_inline int spread(void *map, int elements, int writes)
{
	__u32 random = bpf_get_prandom_u32();

	for (int e = 0; e < elements; e++) {
		__u32 key = (random + e * 7) % entries;
		struct value *v = bpf_map_lookup_elem(map, &key);

		for (int w = 0; v && w < writes; w++)
			*(volatile __u64 *)&v->word[w * 3 & (VALUE / 8 - 1)] += 1;
	}
	return TC_ACT_UNSPEC;
}

PROGRAM(array_10x1) { return spread(&array, 1, 10); }
PROGRAM(array_1x10) { return spread(&array, 10, 1); }
PROGRAM(percpu_10x1) { return spread(&percpu, 1, 10); }
PROGRAM(percpu_1x10) { return spread(&percpu, 10, 1); }

char LICENSE[] SEC("license") = "GPL";
