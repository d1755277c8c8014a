/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Numbers iterators, as bpf_for() of libbpf's bpf_helpers.h makes them, in shapes that a verifier has to follow.
 * Each program leaves what it found in `out`. */
#include "bpf_min.h"

struct bpf_iter_num { u64 opaque[1]; } __attribute__((aligned(8)));
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym __weak;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym __weak;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym __weak;
extern int bpf_no_such_kfunc(int x) __ksym __weak;

#define for_each(i, start, end) for ( \
	struct bpf_iter_num it __attribute__((cleanup(bpf_iter_num_destroy))), \
	*made __attribute__((unused)) = (bpf_iter_num_new(&it, (start), (end)), (void)bpf_iter_num_destroy, (void *)0); \
	({ int *at = bpf_iter_num_next(&it); at && ((i) = *at, 1); });)

u64 out[8], in[4] = { 5, 100, 3, 7 };
u32 values[16];

SEC("syscall") int sum(void *ctx)
{
	u64 n = 0, rounds = 0;
	int i;

	for_each(i, (int)in[0], (int)in[1]) {
		n += i;
		rounds++;
	}
	out[0] = n;
	out[1] = rounds;
	return 0;
}

SEC("syscall") int nested(void *ctx)
{
	u64 n = 0;
	int i, j;

	for_each(i, 0, 40)
		for_each(j, i, 50) {
			if (j == 49)
				break;
			n += i * j;
			values[(i + j) & 15]++;
		}
	out[0] = n;
	return 0;
}

SEC("syscall") int indexed(void *ctx)
{
	u32 seen = 0;
	int i;

	for_each(i, -4, 30)
		if (i >= 0 && i < 16) {
			values[i] = values[i] * 3 + i;
			seen |= 1u << i;
		}
	out[0] = seen;
	return 0;
}

SEC("syscall") int errors(void *ctx)
{
	struct bpf_iter_num it;
	int *at;

	out[0] = (s64)bpf_iter_num_new(&it, 3, 2);
	out[1] = bpf_iter_num_next(&it) == 0;
	bpf_iter_num_destroy(&it);
	out[2] = (s64)bpf_iter_num_new(&it, 0, (1 << 23) + 1);
	out[3] = bpf_iter_num_next(&it) == 0;
	bpf_iter_num_destroy(&it);
	out[4] = (s64)bpf_iter_num_new(&it, -2147483647 - 1, -2147483640);
	at = bpf_iter_num_next(&it);
	out[5] = at ? (s64)*at : 1;
	at = bpf_iter_num_next(&it);
	out[6] = at ? (s64)*at : 1;
	bpf_iter_num_destroy(&it);
	out[7] = (s64)bpf_iter_num_new(&it, 2147483640, 2147483647);
	while ((at = bpf_iter_num_next(&it)))
		out[7] += *at;
	bpf_iter_num_destroy(&it);
	return 0;
}

static __attribute__((noinline)) u64 rest(struct bpf_iter_num *it)
{
	u64 n = 0;
	int *at;

	while ((at = bpf_iter_num_next(it)))
		n += *at;
	return n;
}

SEC("syscall") int handed_on(void *ctx)
{
	struct bpf_iter_num it;
	int *at;

	bpf_iter_num_new(&it, in[2], in[3]);
	at = bpf_iter_num_next(&it);
	out[0] = at ? *at : 1000;
	out[1] = rest(&it);
	bpf_iter_num_destroy(&it);
	return 0;
}

SEC("syscall") int exists(void *ctx)
{
	out[0] = (bpf_iter_num_new != 0) + 2 * (bpf_no_such_kfunc != 0);
	if (bpf_no_such_kfunc)
		out[1] = bpf_no_such_kfunc(1);
	return 0;
}
char _license[] SEC("license") = "GPL";
