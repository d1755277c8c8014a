/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The element of a constant index. */
#include "bpf_min.h"

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, u32); __type(value, u64); __uint(max_entries, 8); } array SEC(".maps");

SEC("raw/third") u64 third(u8 *mem, u64 len)
{
	u32 key = 3;
	u64 *v = bpf_map_lookup_elem(&array, &key);

	return v ? *v : 0;
}
