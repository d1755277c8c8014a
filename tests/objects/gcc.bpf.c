/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* For bpf-gcc, whose assembler leaves symbol values in the instructions. */
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(name) __attribute__((section(name), used))
#define NOINLINE __attribute__((noinline))
struct def { u32 type, key, value, max, flags; };
struct def first SEC("maps") = { 1, 4, 8, 4, 0 };
struct def counts SEC("maps") = { 2, 4, 8, 4, 0 };
void *lookup(void *map, const void *key) __attribute__((kernel_helper(1)));

u64 total = 5;
static volatile u64 first_static = 6, second_static = 7;
const volatile u32 read_only = 8;
static NOINLINE int one(int x) { volatile int y = x; return y + 10; }
static NOINLINE int two(int x) { volatile int y = x; return y + 20 + read_only; }
NOINLINE int three(int x) { volatile int y = x; return y + 30; }

SEC("raw") int calls(void *ctx) { return one(1) * 10000 + two(1) * 100 + three(1); }
SEC("raw") int data(void *ctx) { total += 1; second_static++; return first_static * 100 + second_static * 10 + total; }
SEC("raw") int map(void *ctx)
{
	u32 key = 1;
	u64 *value = lookup(&counts, &key);

	if (!value)
		return -1;
	*value += 3;
	return *value;
}
char _license[] SEC("license") = "GPL";
