/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Many programs in one section, static and global subprograms, callbacks. */
#include "bpf_min.h"

/* Global: the call has the function's own symbol.  Kept apart by volatile. */
__noinline int first_global(int x) { volatile int y = x; return y + 100; }
__noinline int second_global(int x) { volatile int y = x; return y + 200; }
/* Static: the call has the section's symbol and an addend. */
static __noinline int first_static(int x) { volatile int y = x; return y + 1000; }
static __noinline int second_static(int x) { volatile int y = x; return first_static(y) + 2000; }
__hidden __noinline int hidden_one(int x) { volatile int y = x; return y + 5; }

static long add(u64 index, void *ctx)
{
	*(u64 *)ctx += index;
	return 0;
}

SEC("raw") int calls_first(void *ctx) { return first_global(1); }
SEC("raw") int calls_second_global(void *ctx) { return second_global(2); }
SEC("raw") int calls_first_static(void *ctx) { return first_static(3); }
SEC("raw") int calls_second_static(void *ctx) { return second_static(4); }
SEC("raw") int calls_all(void *ctx)
{
	return first_global(1) + second_global(1) + second_static(1) + hidden_one(1);
}
SEC("raw") int calls_back(void *ctx)
{
	u64 sum = 0;

	bpf_loop(5, add, &sum, 0);
	return sum;
}
/* Two functions of a program section: the second calls the first one in its own section. */
SEC("raw/other") __noinline int callee(void *ctx) { volatile int y = 7; return y; }
SEC("raw/other") int caller(void *ctx) { return callee(ctx) * 2; }
/* Nobody calls it; it cannot be linked. */
extern int nowhere(int);
__noinline int bad_neighbour(int x) { return nowhere(x); }
SEC("raw") int uses_nowhere(void *ctx) { return bad_neighbour(1); }
SEC("raw") int uses_printf(void *ctx)
{
	extern int printf(const char *, ...);
	return printf("x");
}
char _license[] SEC("license") = "Dual BSD/GPL";
