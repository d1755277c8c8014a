/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What may be done with iterators and what not: programs named good_... and bad_...; the kernel explores those that
 * end in _alone for ten seconds and more until it gives up, so nobody asks it. */
#include "bpf_min.h"

struct bpf_iter_num { u64 opaque[1]; } __attribute__((aligned(8)));
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;
#define USED(x) __asm__ volatile("" : "+r"(x))
#define MEMORY(x) __asm__ volatile("" : : "r"(&(x)) : "memory")

u64 out[8], zero;
u32 values[16];
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, u32); __type(value, u64); } memory SEC(".maps");

SEC("syscall") int bad_leak(void *ctx)
{
	struct bpf_iter_num it;

	bpf_iter_num_new(&it, 0, 4);
	return 0;
}
SEC("syscall") int bad_leak_on_one_path(void *ctx)
{
	struct bpf_iter_num it;

	bpf_iter_num_new(&it, 0, 4);
	if (!bpf_iter_num_next(&it))
		return 1;
	bpf_iter_num_destroy(&it);
	return 0;
}
SEC("syscall") int bad_after_destroy(void *ctx)
{
	struct bpf_iter_num it;
	int *at;

	bpf_iter_num_new(&it, 0, 4);
	at = bpf_iter_num_next(&it);
	bpf_iter_num_destroy(&it);
	return at ? *at : 0;
}
SEC("syscall") int bad_next_after_destroy(void *ctx)
{
	struct bpf_iter_num it;

	bpf_iter_num_new(&it, 0, 4);
	bpf_iter_num_destroy(&it);
	return bpf_iter_num_next(&it) != 0;
}
SEC("syscall") int bad_destroyed_twice(void *ctx)
{
	struct bpf_iter_num it;

	bpf_iter_num_new(&it, 0, 4);
	bpf_iter_num_destroy(&it);
	bpf_iter_num_destroy(&it);
	return 0;
}
SEC("syscall") int bad_made_twice(void *ctx)
{
	struct bpf_iter_num it;

	bpf_iter_num_new(&it, 0, 4);
	bpf_iter_num_new(&it, 0, 4);
	bpf_iter_num_destroy(&it);
	return 0;
}
SEC("syscall") int bad_never_made(void *ctx)
{
	struct bpf_iter_num it = { { 0 } };

	MEMORY(it);
	return bpf_iter_num_next(&it) != 0;
}
SEC("syscall") int bad_null(void *ctx)
{
	struct bpf_iter_num it;
	int n;

	bpf_iter_num_new(&it, 0, 4);
	n = *bpf_iter_num_next(&it);
	bpf_iter_num_destroy(&it);
	return n;
}
SEC("syscall") int bad_write(void *ctx)
{
	struct bpf_iter_num it;
	int *at;

	bpf_iter_num_new(&it, 0, 4);
	at = bpf_iter_num_next(&it);
	if (at)
		*at = 0;
	bpf_iter_num_destroy(&it);
	return 0;
}
SEC("syscall") int bad_behind_it(void *ctx)
{
	struct bpf_iter_num it;
	int *at, n = 0;

	bpf_iter_num_new(&it, 0, 4);
	at = bpf_iter_num_next(&it);
	if (at) {
		USED(at);
		n = at[1];
	}
	bpf_iter_num_destroy(&it);
	return n;
}
SEC("syscall") int bad_overwritten(void *ctx)
{
	struct bpf_iter_num it;
	int n = 0;

	bpf_iter_num_new(&it, 0, 4);
	*(volatile u64 *)&it = 1ull << 62;
	while (bpf_iter_num_next(&it))
		n++;
	bpf_iter_num_destroy(&it);
	return n;
}
SEC("syscall") int bad_in_a_map(void *ctx)
{
	u32 k = 0;
	struct bpf_iter_num *it = bpf_map_lookup_elem(&memory, &k);

	if (!it)
		return 0;
	bpf_iter_num_new(it, 0, 4);
	bpf_iter_num_destroy(it);
	return 0;
}
/* The iterator ends each time, the loop around it never. */
SEC("syscall") int bad_endless(void *ctx)
{
	struct bpf_iter_num it;

	for (;;) {
		bpf_iter_num_new(&it, 0, 4);
		if (bpf_iter_num_next(&it))
			out[0]++;
		bpf_iter_num_destroy(&it);
	}
}
SEC("syscall") int bad_goes_on_alone(void *ctx)
{
	struct bpf_iter_num it;
	int *at;

	bpf_iter_num_new(&it, 0, 4);
	do {
		at = bpf_iter_num_next(&it);
		out[0]++;
	} while (!at || *at < 100);
	bpf_iter_num_destroy(&it);
	return 0;
}
SEC("syscall") int bad_index(void *ctx)
{
	struct bpf_iter_num it;
	int *at;
	u32 n = 0;

	bpf_iter_num_new(&it, 0, 4);
	while ((at = bpf_iter_num_next(&it))) {
		USED(n);
		values[n++] = 1;
	}
	bpf_iter_num_destroy(&it);
	return 0;
}
SEC("syscall") int bad_number_as_index(void *ctx)
{
	struct bpf_iter_num it;
	int *at;

	bpf_iter_num_new(&it, 0, 4);
	while ((at = bpf_iter_num_next(&it)))
		values[(u32)*at] = 1;
	bpf_iter_num_destroy(&it);
	return 0;
}
SEC("syscall") int good_counter_alone(void *ctx)
{
	struct bpf_iter_num it;
	u32 n = 0;

	bpf_iter_num_new(&it, 0, 1000);
	while (bpf_iter_num_next(&it)) {
		USED(n);
		if (n < 16)
			values[n]++;
		n++;
	}
	bpf_iter_num_destroy(&it);
	return n;
}
SEC("syscall") int good_pointer(void *ctx)
{
	struct bpf_iter_num it;
	u32 *at = values, *end = values;

	bpf_iter_num_new(&it, 0, 1000);
	while (bpf_iter_num_next(&it)) {
		u32 k = (u32)out[1]++ & 15;

		values[k]++;
	}
	bpf_iter_num_destroy(&it);
	return 0;
}
SEC("syscall") int good_two(void *ctx)
{
	struct bpf_iter_num a, b;
	u64 n = 0;

	bpf_iter_num_new(&a, 0, 1000);
	bpf_iter_num_new(&b, 0, 50);
	while (bpf_iter_num_next(&a))
		if (bpf_iter_num_next(&b))
			n++;
	bpf_iter_num_destroy(&b);
	bpf_iter_num_destroy(&a);
	out[2] = n;
	return 0;
}
SEC("syscall") int good_state_machine(void *ctx)
{
	struct bpf_iter_num it;
	int *at, state = 0;

	bpf_iter_num_new(&it, 0, 200);
	while ((at = bpf_iter_num_next(&it))) {
		if (state == 0)
			state = *at > 10 ? 1 : 0;
		else if (state == 1)
			state = *at & 3 ? 2 : 1;
		else
			state = values[*at & 15] ? 0 : 2;
		values[state]++;
	}
	bpf_iter_num_destroy(&it);
	return state;
}
SEC("syscall") int good_in_a_counted_loop(void *ctx)
{
	struct bpf_iter_num it;

	for (u32 k = 0; k < 20; k++) {
		bpf_iter_num_new(&it, 0, k);
		while (bpf_iter_num_next(&it))
			out[3] += k;
		bpf_iter_num_destroy(&it);
	}
	return 0;
}
char _license[] SEC("license") = "GPL";
