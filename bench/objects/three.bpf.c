/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* three.bpf.c - the seed's filter of three predicates (device name, protocol, length), one object for the
 * kernel (raw_tp net_dev_queue: a packet is handed to a device) and for user space: the same program, with
 * the same CO-RE accesses, is run there on a copy of what it saw here.  For each packet the kernel side
 * sends what it looked at and what it decided. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct net_device { char name[16]; };
struct sk_buff { u32 len; u16 protocol; struct net_device *dev; };
#pragma clang attribute pop

struct seen { char name[16]; u32 len; u16 protocol, verdict; };
struct { __uint(type, 27); __uint(max_entries, 1 << 18); } packets SEC(".maps");	/* ring buffer */

static long (*probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*ringbuf_output)(void *map, void *data, u64 size, u64 flags) = (void *)130;

static inline __attribute__((always_inline)) int wanted(const struct seen *s)
{
	return s->name[0] == 'l' && s->name[1] == 'o' && !s->name[2] && s->protocol == 0x0008 && s->len > 100;
}

static inline __attribute__((always_inline)) int look(const struct sk_buff *skb, struct seen *s)
{
	struct net_device *dev;

	__builtin_memset(s, 0, sizeof *s);
	probe_read_kernel(&dev, sizeof dev, &skb->dev);
	probe_read_kernel(s->name, sizeof s->name, &dev->name);
	probe_read_kernel(&s->len, sizeof s->len, &skb->len);
	probe_read_kernel(&s->protocol, sizeof s->protocol, &skb->protocol);
	return wanted(s);
}

SEC("raw_tp/net_dev_queue")
int three(u64 *ctx)
{
	struct seen s;

	s.verdict = 0;
	if (look((const struct sk_buff *)ctx[0], &s))
		s.verdict = 1;
	ringbuf_output(&packets, &s, sizeof s, 0);
	return s.verdict;
}

/* Where this kernel has the members: user space lays its copy out with these. */
SEC("raw_tp/offsets")
u64 offsets(u64 *ctx)
{
	const struct sk_buff *skb = 0;
	const struct net_device *dev = 0;

	return (u64)__builtin_preserve_field_info(skb->dev, 0) | (u64)__builtin_preserve_field_info(skb->len, 0) << 16 |
	       (u64)__builtin_preserve_field_info(skb->protocol, 0) << 32 |
	       (u64)__builtin_preserve_field_info(dev->name, 0) << 48;
}
char _license[] SEC("license") = "GPL";
