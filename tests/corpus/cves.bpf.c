/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cves.bpf.c - the patterns behind faults of the kernel's verifier, by name; and those that ours had.  Left out, as
 * nothing here is like it: masks against speculation (CVE-2021-29155, CVE-2021-33200), kernel pointers in
 * maps and iterators (refused by name), program types that are not offered. */
#include "corpus.h"

struct dynptr { u64 opaque[2]; } __attribute__((aligned(8)));
static long (*strtol_)(const char *, u64, u64, long *) = (void *)105;
static long (*from_mem)(void *, u32, u64, struct dynptr *) = (void *)197;
static long (*dyn_read)(void *, u32, const struct dynptr *, u32, u64) = (void *)201;
static void *(*dyn_data)(const struct dynptr *, u32, u32) = (void *)203;
static long (*drain)(void *, void *, void *, u64) = (void *)209;
struct { __uint(type, 31); __uint(max_entries, 4096); } user_ring SEC(".maps");
static const volatile u8 table[64] = { 1 };
static const volatile long fixed = 1;
struct keep { void *p; };
static u8 spare[8];

inline_ struct value *element(u32 key)
{
	return lookup(&hash, &key);
}

/* CVE-2022-23222: arithmetic on what may be NULL, the check behind it */
SEC("xdp") int bad_cve_2022_23222(void *ctx)
{
	u8 *v = (u8 *)element(1);

	asm volatile("%0 += 8" : "+r"(v));
	return v ? v[0] & 1 : 0;
}

/* the same with a record of a ring buffer */
SEC("xdp") int bad_cve_2022_23222_record(void *ctx)
{
	u8 *r = reserve(&ring, 8, 0);

	asm volatile("%0 += 4" : "+r"(r));
	if (r) {
		r[0] = 1;
		asm volatile("%0 += -4" : "+r"(r));
		discard(r, 0);
	}
	return 0;
}

/* CVE-2021-4204: memory of a ring buffer behind the record */
SEC("xdp") int bad_cve_2021_4204(void *ctx)
{
	u8 *r = reserve(&ring, 8, 0);

	if (!r)
		return 0;
	*(volatile u8 *)(r + 8) = 1;
	submit(r, 0);
	return 0;
}

/* CVE-2021-4204: a record given back from its middle */
SEC("xdp") int bad_cve_2021_4204_moved(void *ctx)
{
	u8 *r = reserve(&ring, 16, 0);

	if (r)
		submit(r + 8, 0);
	return 0;
}

/* CVE-2022-0500: a helper writes to what is read-only */
SEC("xdp") int bad_cve_2022_0500(void *ctx)
{
	probe_read((void *)table, 8, (void *)0x1000);
	return 0;
}

/* CVE-2024-49861: a helper's result goes to what is read-only */
SEC("xdp") int bad_cve_2024_49861(void *ctx)
{
	char text[8] = "12";

	strtol_(text, 8, 0, (long *)&fixed);
	return 0;
}

/* CVE-2021-31440: 32-bit bounds from 64-bit ones that do not fit */
SEC("xdp") int bad_cve_2021_31440(void *ctx)
{
	struct value *v = element(1);
	u64 n = ktime();

	if (!v)
		return 0;
	asm volatile("r2 = %0\n"
		     "if r2 == 0 goto 1f\n"
		     "r3 = 0x100000000 ll\n"
		     "if r2 > r3 goto 1f\n"
		     "w3 = w2\n"		/* may be 0 */
		     "w3 += -1\n"
		     "r3 >>= 26\n"		/* 0 or 63 */
		     "%1 += r3\n"
		     "1:\n" : "+r"(n), "+r"(v) :: "r2", "r3");
	return v->bytes[0] & 1;
}

/* CVE-2020-27194: bounds of a 64-bit `or` taken for those of its low half */
SEC("xdp") int bad_cve_2020_27194(void *ctx)
{
	struct value *v = element(1);
	u64 n = ktime();

	if (!v)
		return 0;
	asm volatile("r2 = %0\n"
		     "r3 = 0x600000002 ll\n"
		     "if r2 >= r3 goto 1f\n"
		     "if r2 == 0 goto 1f\n"
		     "r2 |= 0\n"
		     "w3 = w2\n"
		     "w3 += -1\n"
		     "r3 >>= 26\n"
		     "%1 += r3\n"
		     "1:\n" : "+r"(n), "+r"(v) :: "r2", "r3");
	return v->bytes[0] & 1;
}

/* CVE-2021-3490: bounds of a 32-bit `and` with a number whose low half is known */
SEC("xdp") int bad_cve_2021_3490(void *ctx)
{
	struct value *v = element(1);
	u64 n = ktime();

	if (!v)
		return 0;
	asm volatile("r3 = 0x100000002 ll\n"
		     "r4 = %0\n"
		     "r4 <<= 32\n"
		     "r4 |= 1\n"
		     "r4 &= r3\n"
		     "r4 += 1\n"
		     "r4 >>= 1\n"
		     "r4 >>= 20\n"
		     "%1 += r4\n" : "+r"(n), "+r"(v) :: "r3", "r4");
	return v->bytes[0] & 1;
}

/* CVE-2023-2163: of two numbers compared with each other, one is an index, the other differs by path */
SEC("xdp") int bad_cve_2023_2163(void *ctx)
{
	struct value *v = element(1);
	u64 x = prandom(), y = 4, fork = prandom();

	if (!v)
		return 0;
	barrier(fork);
	if (fork & 1)
		y = 4000;
	barrier(y);
	barrier(x);
	fork = prandom();
	barrier(fork);
	if (fork & 2)
		barrier(fork);
	if (fork & 4)
		barrier(fork);
	if (fork & 8)
		barrier(fork);
	if (x == y)
		return v->bytes[x];
	return 0;
}

/* CVE-2023-52920: what a spill through another register than r10 needs of its number */
SEC("xdp") int bad_cve_2023_52920(void *ctx)
{
	struct value *v = element(1);
	u64 fork = prandom(), y = 4;

	if (!v)
		return 0;
	barrier(fork);
	if (fork & 1)
		y = 4000;
	barrier(y);
	fork = prandom();
	barrier(fork);
	if (fork & 2)
		barrier(fork);
	if (fork & 4)
		barrier(fork);
	asm volatile("r3 = r10\n"
		     "r3 += -48\n"
		     "*(u64 *)(r3 + 8) = %0\n"
		     "%0 = 0\n"
		     "%0 = *(u64 *)(r10 - 40)\n" : "+r"(y) :: "r3", "memory");
	v = (void *)v + y;
	return v->small & 1;
}

/* CVE-2023-39191: a dynptr's inside is written over */
SEC("xdp") int bad_cve_2023_39191(void *ctx)
{
	struct value *v = element(1);
	struct dynptr d;
	u64 out = 0;

	if (!v)
		return 0;
	from_mem(v->bytes, 40, 0, &d);
	*(volatile u64 *)&d.opaque[1] = 1 << 20;
	dyn_read(&out, 8, &d, 0, 0);
	return out & 1;
}

/* CVE-2024-43910: a callback's dynptr that was moved */
static long moved(struct dynptr *d, struct keep *k)
{
	u64 out;

	asm volatile("%0 += 8" : "+r"(d));
	return dyn_read(&out, 8, d, 0, 0) & 1;
}

SEC("socket") int bad_cve_2024_43910(void *ctx)
{
	struct keep k = { 0 };

	drain(&user_ring, moved, &k, 0);
	return 0;
}

/* Ours, found by reading: what a callback is given is gone when it returns. */
static long keeps_dynptr(struct dynptr *d, struct keep *k)
{
	k->p = d;
	return 0;
}

SEC("socket") int bad_kept_dynptr(void *ctx)
{
	struct keep k = { 0 };
	u64 out = 0;

	drain(&user_ring, keeps_dynptr, &k, 0);
	if (k.p)
		dyn_read(&out, 8, k.p, 0, 0);
	return out & 1;
}

static long keeps_slice(struct dynptr *d, struct keep *k)
{
	void *p = dyn_data(d, 0, 8);

	if (p)
		k->p = p;
	return 0;
}

SEC("socket") int bad_kept_slice(void *ctx)
{
	struct keep k = { spare };

	drain(&user_ring, keeps_slice, &k, 0);
	return *(volatile u8 *)k.p & 1;
}

/* Ours: how often a callback runs, where two paths disagree about it */
struct count { u64 n; };
static long counts(u32 i, struct count *c)
{
	c->n++;
	return 0;
}

inline_ u64 times(u64 less, u64 more)
{
	u64 n = less, fork = prandom();

	barrier(fork);
	if (fork & 1)
		n = more;
	barrier(n);
	fork = prandom();
	barrier(fork);
	if (fork & 2)
		barrier(fork);
	if (fork & 4)
		barrier(fork);
	return n;
}

SEC("xdp") int bad_rounds_counted(void *ctx)
{
	struct value *v = element(1);
	struct count c = { 0 };

	if (!v)
		return 0;
	loop(times(1, 2), counts, &c, 0);
	v = (void *)v + 63 * c.n - 32;
	return c.n ? *(volatile u8 *)v : 0;
}

static long indexes(u32 i, struct keep *k)
{
	((volatile u8 *)k->p)[i] = 1;
	return 0;
}

SEC("xdp") int bad_rounds_as_index(void *ctx)
{
	struct keep k = { element(1) };

	if (k.p)
		loop(times(8, 2000), indexes, &k, 0);
	return 0;
}
