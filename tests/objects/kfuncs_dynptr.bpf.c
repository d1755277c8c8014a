/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Dynptrs by name (bpf_dynptr_size, _adjust, _clone, _slice ...) and pairs that mean something in a kernel only.
 * Each program leaves what it found in `out`. */
#include "bpf_min.h"
#include "kfuncs.h"

u64 out[16], in[4] = { 4, 12, 40, 3 };
u8 memory[64], copy[64];
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, u32); __type(value, u64[8]); } array SEC(".maps");

/* The kernel leaves what its compiler leaves above a bool's byte. */
#define YES(b) ({ u64 yes_ = (b); __asm__ volatile("" : "+r"(yes_)); yes_ & 1; })

static u8 *value(void)
{
	u32 key = 1;

	return bpf_map_lookup_elem(&array, &key);
}

SEC("syscall") int sizes(void *ctx)
{
	struct bpf_dynptr d, none;
	u8 *v = value();

	if (!v)
		return 1;
	out[0] = bpf_dynptr_from_mem(v, 64, 0, &d);
	out[1] = bpf_dynptr_size(&d);
	out[2] = YES(bpf_dynptr_is_null(&d)) + 2 * YES(bpf_dynptr_is_rdonly(&d));
	out[3] = bpf_dynptr_from_mem(v, 64, 1, &none);	/* no such flag: it has no memory */
	out[4] = bpf_dynptr_size(&none);
	out[5] = YES(bpf_dynptr_is_null(&none)) + 2 * YES(bpf_dynptr_is_rdonly(&none));
	out[6] = bpf_dynptr_adjust(&none, 0, 0);
	out[7] = bpf_dynptr_slice(&none, 0, 0, 4) != 0;
	return 0;
}

SEC("syscall") int adjusted(void *ctx)
{
	struct bpf_dynptr d;
	u8 *v = value(), byte = 7;
	u32 at = 0;

	if (!v)
		return 1;
	bpf_dynptr_from_mem(v, 64, 0, &d);
	out[at++] = bpf_dynptr_adjust(&d, in[0], in[2]);
	out[at++] = bpf_dynptr_size(&d);
	out[at++] = bpf_dynptr_adjust(&d, in[1], in[0]);	/* ends before it begins */
	out[at++] = bpf_dynptr_adjust(&d, 0, in[2]);		/* longer than it is */
	out[at++] = bpf_dynptr_adjust(&d, 37, 37);
	out[at++] = bpf_dynptr_adjust(&d, 36, 36);
	out[at++] = bpf_dynptr_size(&d);
	out[at++] = bpf_dynptr_write(&d, 0, &byte, 1, 0);
	bpf_dynptr_from_mem(v, 64, 0, &d);
	out[at++] = bpf_dynptr_adjust(&d, in[0], in[2]);
	out[at++] = bpf_dynptr_adjust(&d, in[3], in[1]);
	out[at++] = bpf_dynptr_write(&d, 0, &byte, 1, 0);
	out[at++] = bpf_dynptr_write(&d, 8, &byte, 1, 0);
	out[at++] = bpf_dynptr_write(&d, 9, &byte, 1, 0);
	for (u32 i = 0; i < 64; i++)
		copy[i] = v[i];
	return 0;
}

SEC("syscall") int cloned(void *ctx)
{
	struct bpf_dynptr d, e, none;
	u8 *v = value(), bytes[4] = { 1, 2, 3, 4 };

	if (!v)
		return 1;
	bpf_dynptr_from_mem(v, 64, 0, &d);
	bpf_dynptr_adjust(&d, in[0], in[2]);
	out[0] = bpf_dynptr_clone(&d, &e);
	bpf_dynptr_adjust(&e, in[1], in[2] - in[0]);
	out[1] = bpf_dynptr_size(&d);
	out[2] = bpf_dynptr_size(&e);
	out[3] = bpf_dynptr_write(&e, 2, bytes, 4, 0);
	out[4] = bpf_dynptr_read(bytes, 4, &d, in[1], 0);
	out[5] = *(u32 *)bytes;
	bpf_dynptr_from_mem(v, 64, 8, &none);
	out[6] = bpf_dynptr_clone(&none, &e);
	out[7] = YES(bpf_dynptr_is_null(&e));
	return 0;
}

SEC("syscall") int slices(void *ctx)
{
	u8 buffer[8] = { 9, 9, 9, 9, 9, 9, 9, 9 }, *p, *v = value();
	struct bpf_dynptr d;

	if (!v)
		return 1;
	for (u32 i = 0; i < 64; i++)
		v[i] = i * 3;
	bpf_dynptr_from_mem(v, 64, 0, &d);
	bpf_dynptr_adjust(&d, 2, 60);
	p = bpf_dynptr_slice(&d, in[0], buffer, sizeof(buffer));
	out[0] = p ? *(u64 *)p : 1;
	out[1] = *(u64 *)buffer;
	out[3] = bpf_dynptr_slice(&d, 50, 0, 8) != 0;
	out[4] = bpf_dynptr_slice(&d, 51, 0, 8) != 0;
	out[5] = bpf_dynptr_slice(&d, (u32)-1, 0, 8) != 0;
	p = bpf_dynptr_slice(&d, in[1] + in[3], 0, 1);
	out[6] = p ? *p : 0;
	return 0;
}

SEC("syscall") int records(void *ctx)
{
	struct bpf_dynptr d, e;
	u64 *p, n = 5;

	out[0] = bpf_ringbuf_reserve_dynptr(&ring, 48, 0, &d);
	out[1] = bpf_dynptr_size(&d);
	out[2] = bpf_dynptr_clone(&d, &e);
	out[3] = bpf_dynptr_adjust(&e, 8, 24);
	p = bpf_dynptr_data(&e, 8, 8);
	if (p)
		*p = 0x1122334455667788;
	out[4] = bpf_dynptr_read(&n, 8, &d, 16, 0);
	out[5] = n;
	if (in[3] & 1)
		bpf_ringbuf_discard_dynptr(&e, 0);	/* which ends both */
	else
		bpf_ringbuf_submit_dynptr(&d, 0);
	out[6] = bpf_ringbuf_reserve_dynptr(&ring, 8192, 0, &d);
	out[7] = YES(bpf_dynptr_is_null(&d));
	out[8] = bpf_dynptr_size(&d);
	bpf_ringbuf_discard_dynptr(&d, 0);
	return 0;
}

/* The kernel lets only programs that may write packets write slices. */
SEC("tc") int packet_slices(void *ctx)
{
	u8 buffer[4] = { 1, 2, 3, 4 }, *p, *v = value();
	struct bpf_dynptr d;
	u64 *q;

	if (!v)
		return 1;
	bpf_dynptr_from_mem(v, 64, 0, &d);
	p = bpf_dynptr_slice_rdwr(&d, in[1] & 31, buffer, 4);
	if (p)
		p[3] = 77;
	out[0] = *(u32 *)buffer;
	out[1] = v[in[1] & 31] + v[(in[1] & 31) + 3];
	out[2] = bpf_dynptr_slice_rdwr(&d, 61, 0, 4) != 0;
	if (bpf_ringbuf_reserve_dynptr(&ring, 16, 0, &d)) {
		bpf_ringbuf_discard_dynptr(&d, 0);
		return 2;
	}
	q = bpf_dynptr_slice_rdwr(&d, 8, 0, 8);
	if (q)
		*q = 99;
	bpf_dynptr_read(&out[3], 8, &d, 8, 0);
	bpf_ringbuf_discard_dynptr(&d, 0);
	return 0;
}

static __noinline u64 half(u64 x)
{
	bpf_rcu_read_unlock();
	return x / 2;
}

SEC("syscall") int pairs(void *ctx)
{
	u64 n = 0;

	bpf_rcu_read_lock();
	n = half(in[2]);
	bpf_preempt_disable();
	bpf_preempt_disable();
	bpf_rcu_read_lock();
	n += in[0];
	bpf_preempt_enable();
	bpf_rcu_read_unlock();
	bpf_preempt_enable();
	out[0] = n;
	return 0;
}
char _license[] SEC("license") = "GPL";
