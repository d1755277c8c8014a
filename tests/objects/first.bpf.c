/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Counts its runs in a value of the run's own slot and sends the memory's first word through a ring: 0 when both were
 * done. */
#include "bpf_min.h"

struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __type(key, u32); __type(value, u64); __uint(max_entries, 1); } runs SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
static void *(*reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*submit)(void *data, u64 flags) = (void *)132;

SEC("raw/send") u64 send(u8 *mem, u64 len)
{
	u32 zero = 0;
	u64 *n = bpf_map_lookup_elem(&runs, &zero), *r;

	if (!n || len < 8)
		return 1;
	*n += 1;
	r = reserve(&ring, 8, 0);
	if (!r)
		return 2;
	*r = *(u64 *)mem;
	submit(r, 0);
	return 0;
}
