/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The arena hash from programs, for the kernel (xdp) and here (the same). */
#include "bpf_min.h"
#ifdef BITS
#define UEBPF_ARENA_BITS BITS
#endif
#include "../../include/uebpf_arena_hash.h"

struct { __uint(type, 33); __uint(map_flags, 1 << 10); __uint(max_entries, 64); } arena SEC(".maps");
u64 table;		/* address, set before load */
u64 state = 1;
u64 wrong;

struct xdp_md;
/* Each round counts one of 1,000 keys, and writes and reads keys of this side's own. */
SEC("xdp") int count(struct xdp_md *ctx)
{
	struct uebpf_arena_hash UEBPF_ARENA *t = UEBPF_ARENA_AT(table);
	u64 UEBPF_ARENA *v;
	u64 k, n = state;

	UEBPF_ARENA_USES(arena);
	n = n * 6364136223846793005ull + 1442695040888963407ull;
	state = n;
	k = (n >> 33) % 1000;
	if (uebpf_arena_hash_add(t, k + 1, 1))
		wrong++;
	k += 1000000;
	if (uebpf_arena_hash_update(t, k, n >> 1, UEBPF_ARENA_ANY))
		wrong++;
	v = uebpf_arena_hash_find(t, k);
	if (!v || *v != n >> 1 || uebpf_arena_hash_get(t, k) != n >> 1)
		wrong++;
	if ((n >> 40) % 4 == 0 && uebpf_arena_hash_delete(t, k))
		wrong++;
	return 2;
}
char _license[] SEC("license") = "GPL";
