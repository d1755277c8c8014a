/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Pages of an arena: one operation a run, as `io` says; and a list whose nodes lie in pages of their own. */
#include "bpf_min.h"
#define ARENA __attribute__((address_space(1)))

extern void ARENA *bpf_arena_alloc_pages(void *map, void ARENA *at, u32 n, int node, u64 flags) __ksym __weak;
extern void bpf_arena_free_pages(void *map, void ARENA *at, u32 n) __ksym __weak;
extern int bpf_arena_reserve_pages(void *map, void ARENA *at, u32 n) __ksym __weak;

struct { __uint(type, 33); __uint(map_flags, 1 << 10); __uint(max_entries, 200); } arena SEC(".maps");
enum what { TAKE, TAKE_AT, GIVE, RESERVE, WRITE, READ };
struct { u64 base, at, flags, value; u32 what, n; s32 node; u32 pad; s64 result; } io;

SEC("syscall") int step(void *ctx)
{
	void ARENA *at = (void ARENA *)(io.base + io.at);
	void ARENA *got;

	switch (io.what) {
	case TAKE:
	case TAKE_AT:
		got = bpf_arena_alloc_pages(&arena, io.what == TAKE ? 0 : at, io.n, io.node, io.flags);
		io.result = got ? (s64)((u64)got - io.base) : -1;
		break;
	case GIVE:
		bpf_arena_free_pages(&arena, at, io.n);
		io.result = 0;
		break;
	case RESERVE:
		io.result = bpf_arena_reserve_pages(&arena, at, io.n);
		break;
	case WRITE:
		*(u64 ARENA *)at = io.value;
		io.result = 0;
		break;
	case READ:
		io.result = *(u64 ARENA *)at;
		break;
	}
	return 0;
}

struct node { struct node ARENA *next; u64 value; };
u64 head, sum;

SEC("syscall") int push(void *ctx)
{
	struct node ARENA *n = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);

	if (!n)
		return 1;
	n->value = io.value;
	n->next = (struct node ARENA *)head;
	head = (u64)n;
	return 0;
}

SEC("syscall") int pop(void *ctx)
{
	struct node ARENA *n = (struct node ARENA *)head;

	__asm__ volatile("" : : "r"(&arena));
	if (!n)
		return 1;
	sum += n->value;
	head = (u64)n->next;
	bpf_arena_free_pages(&arena, n, 1);
	return 0;
}
char _license[] SEC("license") = "GPL";
