/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What may be done with dynptrs and with pairs and what not: programs named good_... and bad_...; Linux 6.18 takes those
 * that end in _alone (it ties a slice to its dynptr, not to the record), so nobody asks it. */
#include "bpf_min.h"
#include "kfuncs.h"

u64 out[8];
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, u32); __type(value, u64[8]); } array SEC(".maps");
#define MEMORY(x) __asm__ volatile("" : : "r"(&(x)) : "memory")

static __always_inline int local(struct bpf_dynptr *d)
{
	u32 key = 1;
	void *v = bpf_map_lookup_elem(&array, &key);

	if (!v)
		return 1;
	bpf_dynptr_from_mem(v, 64, 0, d);
	return 0;
}

SEC("syscall") int bad_size_of_nothing(void *ctx)
{
	struct bpf_dynptr d = { { 0, 0 } };

	MEMORY(d);
	return bpf_dynptr_size(&d);
}
SEC("syscall") int bad_clone_leaks(void *ctx)
{
	struct bpf_dynptr d, e;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &d);
	bpf_dynptr_clone(&d, &e);
	return 0;
}
SEC("syscall") int bad_clone_after_submit(void *ctx)
{
	struct bpf_dynptr d, e;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &d);
	bpf_dynptr_clone(&d, &e);
	bpf_ringbuf_submit_dynptr(&d, 0);
	return bpf_dynptr_size(&e);
}
SEC("syscall") int bad_both_submitted(void *ctx)
{
	struct bpf_dynptr d, e;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &d);
	bpf_dynptr_clone(&d, &e);
	bpf_ringbuf_submit_dynptr(&d, 0);
	bpf_ringbuf_submit_dynptr(&e, 0);
	return 0;
}
SEC("syscall") int bad_slice_after_submit_alone(void *ctx)
{
	struct bpf_dynptr d;
	u8 *p;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &d);
	p = bpf_dynptr_slice(&d, 0, 0, 8);
	bpf_ringbuf_submit_dynptr(&d, 0);
	return p ? *p : 0;
}
SEC("syscall") int bad_slice_of_clone_after_submit_alone(void *ctx)
{
	struct bpf_dynptr d, e;
	u8 *p;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &d);
	bpf_dynptr_clone(&d, &e);
	p = bpf_dynptr_slice(&e, 0, 0, 8);
	bpf_ringbuf_submit_dynptr(&d, 0);
	return p ? *p : 0;
}
SEC("syscall") int bad_clone_released_as_local(void *ctx)
{
	struct bpf_dynptr d, e;

	if (local(&d))
		return 1;
	bpf_dynptr_clone(&d, &e);
	bpf_ringbuf_submit_dynptr(&e, 0);
	return 0;
}
SEC("syscall") int bad_slice_may_be_null(void *ctx)
{
	struct bpf_dynptr d;

	return local(&d) ? 0 : *(u8 *)bpf_dynptr_slice(&d, 0, 0, 8);
}
SEC("syscall") int bad_slice_is_read_only(void *ctx)
{
	struct bpf_dynptr d;
	u8 *p;

	if (local(&d))
		return 0;
	p = bpf_dynptr_slice(&d, 0, 0, 8);
	if (p)
		*p = 1;
	return 0;
}
SEC("syscall") int bad_slice_is_short(void *ctx)
{
	struct bpf_dynptr d;
	u8 *p;

	if (local(&d))
		return 0;
	p = bpf_dynptr_slice(&d, 0, 0, 8);
	return p ? p[8] : 0;
}
SEC("tc") int bad_slice_to_write_alone(void *ctx)
{
	struct bpf_dynptr d;
	u8 *p;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &d);
	p = bpf_dynptr_slice_rdwr(&d, 0, 0, 8);
	bpf_ringbuf_submit_dynptr(&d, 0);
	if (p)
		*p = 1;
	return 0;
}
SEC("syscall") int bad_slice_of_any_size(void *ctx)
{
	struct bpf_dynptr d;

	if (local(&d))
		return 0;
	return bpf_dynptr_slice(&d, 0, 0, out[0] & 15) != 0;
}
SEC("syscall") int bad_short_buffer(void *ctx)
{
	struct bpf_dynptr d;
	u8 buffer[8];

	if (local(&d))
		return 0;
	return bpf_dynptr_slice(&d, 0, buffer, 1024) != 0;
}
SEC("syscall") int bad_stray_store(void *ctx)
{
	struct bpf_dynptr d, e;

	if (local(&d))
		return 0;
	bpf_dynptr_clone(&d, &e);
	*(volatile u64 *)&e = 0;
	return bpf_dynptr_size(&e);
}
SEC("syscall") int bad_clone_over_record(void *ctx)
{
	struct bpf_dynptr d, e;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &d);
	if (!local(&e))
		bpf_dynptr_clone(&e, &d);
	bpf_ringbuf_discard_dynptr(&d, 0);
	return 0;
}
SEC("syscall") int bad_rcu_left(void *ctx)
{
	bpf_rcu_read_lock();
	return 0;
}
static __noinline u64 inside(u64 x)
{
	bpf_rcu_read_lock();
	x += out[2];
	bpf_rcu_read_unlock();
	return x;
}
SEC("syscall") int form_rcu_twice(void *ctx)
{
	bpf_rcu_read_lock();
	out[0] = inside(out[1]);
	bpf_rcu_read_unlock();
	return 0;
}
SEC("syscall") int bad_rcu_not_begun(void *ctx)
{
	bpf_rcu_read_unlock();
	return 0;
}
SEC("syscall") int bad_preempt_left_once(void *ctx)
{
	bpf_preempt_disable();
	bpf_preempt_disable();
	bpf_preempt_enable();
	return 0;
}
SEC("syscall") int bad_preempt_not_begun(void *ctx)
{
	bpf_rcu_read_lock();
	bpf_preempt_enable();
	bpf_rcu_read_unlock();
	return 0;
}
SEC("syscall") int bad_left_on_one_path(void *ctx)
{
	bpf_preempt_disable();
	if (out[1])
		bpf_preempt_enable();
	return 0;
}
static int left_in_callback(u32 i, void *ctx)
{
	bpf_rcu_read_lock();
	return 1;
}
SEC("syscall") int bad_left_in_callback(void *ctx)
{
	bpf_loop(4, left_in_callback, 0, 0);
	return 0;
}
static int ended_in_callback(u32 i, void *ctx)
{
	bpf_preempt_enable();
	return 1;
}
SEC("syscall") int bad_ended_in_callback(void *ctx)
{
	bpf_preempt_disable();
	bpf_loop(1, ended_in_callback, 0, 0);
	return 0;
}
SEC("syscall") int good_in_a_loop(void *ctx)
{
	for (u32 i = 0; i < 100; i++) {
		bpf_rcu_read_lock();
		out[i & 7] += i;
		bpf_rcu_read_unlock();
	}
	return 0;
}
static int paired_in_callback(u32 i, void *ctx)
{
	bpf_rcu_read_lock();
	bpf_preempt_disable();
	out[0] += i;
	bpf_rcu_read_unlock();
	bpf_preempt_enable();
	return 0;
}
SEC("syscall") int good_in_callback(void *ctx)
{
	bpf_loop(100, paired_in_callback, 0, 0);
	return 0;
}
SEC("syscall") int good_on_both_paths(void *ctx)
{
	bpf_preempt_disable();
	if (out[1])
		bpf_preempt_enable();
	else
		bpf_preempt_enable();
	return 0;
}
SEC("syscall") int good_clone_submitted(void *ctx)
{
	struct bpf_dynptr d, e;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &d);
	bpf_dynptr_clone(&d, &e);
	bpf_ringbuf_submit_dynptr(&e, 0);
	return 0;
}
SEC("syscall") int good_buffer(void *ctx)
{
	struct bpf_dynptr d;
	u8 buffer[8] = { 0 }, *p;

	if (local(&d))
		return 0;
	p = bpf_dynptr_slice(&d, 0, buffer, sizeof(buffer));
	return p ? p[7] : 0;
}
SEC("syscall") int good_clone_of_clone(void *ctx)
{
	struct bpf_dynptr d, e, f;

	if (local(&d))
		return 0;
	bpf_dynptr_clone(&d, &e);
	bpf_dynptr_clone(&e, &f);
	bpf_dynptr_clone(&f, &e);
	return bpf_dynptr_size(&e);
}
char _license[] SEC("license") = "GPL";
