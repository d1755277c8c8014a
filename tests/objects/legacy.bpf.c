/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Definitions in section "maps", as tools before BTF wrote them. */
#include "bpf_min.h"

#ifdef IPROUTE
struct def { u32 type, key, value, max, flags, id, pinning, inner_id, inner_idx; };
struct def tail SEC("maps") = { BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 8, 0, 7 };
struct def inside SEC("maps") = { BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0, 9 };
struct def outside SEC("maps") = { BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, 5, 0, 10, 0, 9 };
SEC("7/3") int slot_three(void *ctx) { return 33; }
SEC("raw") int jump(void *ctx) { bpf_tail_call(ctx, &tail, 3); return -1; }
#elif defined(SAMPLES)
struct def { u32 type, key, value, max, flags, inner, numa; };
struct def a_inside SEC("maps") = { BPF_MAP_TYPE_ARRAY, 4, 8, 1 };
struct def b_outside SEC("maps") = { BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, 5, 0, 0 };
#elif defined(LONG)
struct def { u32 type, key, value, max, flags, pinning; char space[256]; };
struct def a SEC("maps/a") = { BPF_MAP_TYPE_HASH, 4, 8, 10, 0, 0, "ns" };
struct def b SEC("maps/b") = { BPF_MAP_TYPE_ARRAY, 4, 16, 3 };
#else
struct def { u32 type, key, value, max, flags; };
struct def a SEC("maps") = { BPF_MAP_TYPE_HASH, 4, 8, 10, 1 };
struct def b SEC("maps") = { BPF_MAP_TYPE_ARRAY, 4, 16, 3 };
struct ____btf_map_b { u32 key; struct { u64 x, y; } value; };
struct ____btf_map_b __attribute__((section(".maps.b"), used)) ____btf_map_b = {};
SEC("raw") int second_map(void *ctx)
{
	u32 key = 2;
	u64 *value = bpf_map_lookup_elem(&b, &key);

	if (!value)
		return -1;
	value[1] += 5;
	return value[1];
}
#endif
SEC("raw") int plain(void *ctx) { return 1; }
char _license[] SEC("license") = "GPL";
