/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Programs whose helper calls need nothing of the run, and two that do.  Each returns 0 when all is as it should be. */
#include "bpf_min.h"

static u32 (*prandom)(void) = (void *)7;
static u32 (*cpu_id)(void) = (void *)8;
#define MAP(name, kind, key_type, entries, map_flags_) \
	struct { __uint(type, kind); __uint(max_entries, entries); __uint(map_flags, map_flags_); \
		 __type(key, key_type); __type(value, u64); } name SEC(".maps")
struct odd { u32 a, b, c; };
struct prefix { u32 len; u32 data; };
MAP(words, 1, u64, 100, 0);
MAP(odds, 1, struct odd, 100, 0);
MAP(recent, 9, u64, 100, 0);
MAP(prefixes, 11, struct prefix, 100, 1);
MAP(percpu, 5, u64, 100, 0);
u64 pid_tgid, least_ns, cpus, drawn[2];

SEC("xdp") int plain_hash(void *ctx)
{
	u64 k = 7, *v = bpf_map_lookup_elem(&words, &k);

	if (!v || *v != 70)
		return 1;
	k = 8;
	return bpf_map_lookup_elem(&words, &k) != 0;
}
SEC("xdp") int plain_odd(void *ctx)
{
	struct odd k = { 1, 2, 3 };
	u64 *v = bpf_map_lookup_elem(&odds, &k);

	if (!v || *v != 123)
		return 1;
	k.a = 2;
	return bpf_map_lookup_elem(&odds, &k) != 0;
}
SEC("xdp") int plain_lru(void *ctx)
{
	u64 k = 5, *v = bpf_map_lookup_elem(&recent, &k);

	return !v || *v != 50;
}
SEC("xdp") int plain_lpm(void *ctx)
{
	struct prefix k = { 32, 0x0302010a };
	u64 *v = bpf_map_lookup_elem(&prefixes, &k);

	return !v || *v != 10;
}
SEC("xdp") int plain_who(void *ctx) { return bpf_get_current_pid_tgid() != pid_tgid; }
SEC("xdp") int plain_when(void *ctx) { return bpf_ktime_get_ns() < least_ns; }
SEC("xdp") int plain_where(void *ctx) { return cpu_id() >= cpus; }
SEC("xdp") int plain_chance(void *ctx)
{
	drawn[0] = prandom();
	drawn[1] = prandom();
	return drawn[0] == drawn[1];
}
SEC("xdp") int state_percpu(void *ctx)
{
	u64 k = 5, *v = bpf_map_lookup_elem(&percpu, &k);

	return v != 0;
}
SEC("xdp") int state_update(void *ctx)
{
	u64 k = 9, v = 90;

	return bpf_map_update_elem(&words, &k, &v, 0) != 0;
}
char _license[] SEC("license") = "GPL";
