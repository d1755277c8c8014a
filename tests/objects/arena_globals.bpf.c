/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Variables in an arena, a list whose nodes point at each other, and one that the program makes longer. */
#include "bpf_min.h"
#define ARENA __attribute__((address_space(1)))

struct { __uint(type, 33); __uint(map_flags, 1 << 10); __uint(max_entries, 4); } arena SEC(".maps");
struct node { struct node ARENA *next; u64 value; };
struct node ARENA third = { 0, 300 };
struct node ARENA second = { &third, 20 };
struct node ARENA first = { &second, 1 };
struct node ARENA pool[8];
struct node ARENA *ARENA head = &first;
u32 ARENA used;
u64 ARENA sums[4] = { 7 };
static u32 ARENA runs = 40;

struct xdp_md;
SEC("xdp") int walk(struct xdp_md *ctx)
{
	struct node ARENA *n;
	u64 sum = 0;
	u32 i;

	__asm__ volatile("" : : "r"(&arena));
	i = __sync_fetch_and_add(&used, 1);
	if (i < 8) {
		n = &pool[i];
		n->value = 1000 * (i + 1);
		n->next = head;
		head = n;
	}
	n = head;
	for (i = 0; i < 64 && n; i++) {
		sum += n->value;
		n = n->next;
	}
	sums[i & 3] += sum;
	runs++;
	return (int)(sum + runs);
}
char _license[] SEC("license") = "GPL";
