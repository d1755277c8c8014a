/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Map definitions of every form in .maps. */
#include "bpf_min.h"

struct key { u32 a; u16 b, c; };
struct value { u64 packets, bytes; u32 kind; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 100); __type(key, struct key);
	 __type(value, struct value); __uint(map_flags, 1); } typed SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __uint(key_size, 4);
	 __uint(value_size, 12); __uint(pinning, 1); } sized SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_BLOOM_FILTER); __uint(max_entries, 10); __uint(value_size, 4);
	 __uint(map_extra, 3); } bloom SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_BLOOM_FILTER); __uint(max_entries, 1); __type(value, u32);
	 enum { unique_1 = 5ull } map_extra; } extra SEC(".maps");

struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 2); __type(key, u32); __type(value, u64); };
struct inner inner_a SEC(".maps"), inner_b SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 3); __uint(key_size, 4);
	 __array(values, struct inner); } outer SEC(".maps") = { .values = { [0] = &inner_a, [2] = &inner_b } };
struct { __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS); __uint(max_entries, 3); __type(key, u32);
	 __array(values, struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 9);
		 __type(key, u64); __type(value, u32); }); } hash_outer SEC(".maps");

int target_zero(void *ctx);
int target_two(void *ctx);
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 4); __uint(key_size, 4);
	 __array(values, int (void *)); } jumps SEC(".maps") = {
	.values = { [0] = (void *)&target_zero, [2] = (void *)&target_two } };

SEC("raw") int target_zero(void *ctx) { return 40; }
SEC("raw") int target_two(void *ctx) { return 42; }
SEC("raw") int jump(void *ctx) { bpf_tail_call(ctx, &jumps, 2); return -1; }
SEC("raw") int write_inner(void *ctx)
{
	u32 two = 2, one = 1;
	void *map = bpf_map_lookup_elem(&outer, &two);
	u64 *value = map ? bpf_map_lookup_elem(map, &one) : 0;

	if (!value)
		return -1;
	*value = 99;
	value = bpf_map_lookup_elem(&inner_b, &one);
	return value ? *value : -2;
}
SEC("raw") int update(void *ctx)
{
	struct key key = { 1, 2, 3 };
	struct value value = { 5, 6, 7 }, *found;

	if (bpf_map_update_elem(&typed, &key, &value, 0))
		return -1;
	found = bpf_map_lookup_elem(&typed, &key);
	return found ? found->bytes : -2;
}
char _license[] SEC("license") = "GPL";
