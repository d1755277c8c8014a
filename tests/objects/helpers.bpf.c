/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* helpers.bpf.c - programs that return 0 when a family of helpers did what it should, else the line.
 * The kernel runs the same object and must agree. */
#include "bpf_min.h"

#define CHECK(condition) do { if (!(condition)) return __LINE__; } while (0)
#define XDP_REDIRECT 4

static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static long (*bpf_trace_printk)(const char *fmt, u32 size, ...) = (void *)6;
static u32 (*bpf_get_prandom_u32)(void) = (void *)7;
static u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static long (*bpf_get_current_comm)(void *buf, u32 size) = (void *)16;
static long (*bpf_perf_event_output)(void *ctx, void *map, u64 flags, void *data, u64 size) = (void *)25;
static long (*bpf_get_numa_node_id)(void) = (void *)42;
static long (*bpf_redirect_map)(void *map, u64 key, u64 flags) = (void *)51;
static long (*bpf_map_push_elem)(void *map, const void *value, u64 flags) = (void *)87;
static long (*bpf_map_pop_elem)(void *map, void *value) = (void *)88;
static long (*bpf_map_peek_elem)(void *map, void *value) = (void *)89;
static void (*bpf_spin_lock)(void *lock) = (void *)93;
static void (*bpf_spin_unlock)(void *lock) = (void *)94;
static long (*bpf_strtol)(const char *buf, u64 len, u64 flags, s64 *res) = (void *)105;
static u64 (*bpf_jiffies64)(void) = (void *)118;
static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_ringbuf_output)(void *rb, void *data, u64 size, u64 flags) = (void *)130;
static void *(*bpf_ringbuf_reserve)(void *rb, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;
static void (*bpf_ringbuf_discard)(void *data, u64 flags) = (void *)133;
static u64 (*bpf_ringbuf_query)(void *rb, u64 flags) = (void *)134;
static u64 (*bpf_ktime_get_coarse_ns)(void) = (void *)160;
static long (*bpf_for_each_map_elem)(void *map, void *fn, void *ctx, u64 flags) = (void *)164;
static long (*bpf_snprintf)(char *str, u32 size, const char *fmt, u64 *data, u32 len) = (void *)165;
static void *(*bpf_map_lookup_percpu_elem)(void *map, const void *key, u32 cpu) = (void *)195;
static long (*bpf_dynptr_from_mem)(void *data, u32 size, u64 flags, void *ptr) = (void *)197;
static long (*bpf_ringbuf_reserve_dynptr)(void *rb, u32 size, u64 flags, void *ptr) = (void *)198;
static void (*bpf_ringbuf_submit_dynptr)(void *ptr, u64 flags) = (void *)199;
static void (*bpf_ringbuf_discard_dynptr)(void *ptr, u64 flags) = (void *)200;
static long (*bpf_dynptr_read)(void *dst, u32 len, const void *src, u32 offset, u64 flags) = (void *)201;
static long (*bpf_dynptr_write)(const void *dst, u32 offset, void *src, u32 len, u64 flags) = (void *)202;
static void *(*bpf_dynptr_data)(const void *ptr, u32 offset, u32 len) = (void *)203;
static u64 (*bpf_ktime_get_tai_ns)(void) = (void *)208;

struct bpf_spin_lock { u32 val; };
struct bpf_dynptr { u64 opaque[2]; } __attribute__((aligned(8)));
struct locked { struct bpf_spin_lock lock; u32 count; };

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 10); __type(key, u32); __type(value, u64); } numbers SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __type(key, u32); __type(value, u64); } table SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 2); __type(key, u32); __type(value, u64); } percpu SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, u32); __type(value, struct locked); } locks SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
struct { __uint(type, 22); __uint(max_entries, 2); __uint(value_size, 8); } queue SEC(".maps");
struct { __uint(type, 14); __uint(max_entries, 4); __type(key, u32); __type(value, u32); } devices SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(max_entries, 2); __type(key, u32); __type(value, u32); } events SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 2); __type(key, u32); __type(value, u32); } jumps SEC(".maps");
int itself(void *ctx);
int nested(void *ctx);
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 1); __type(key, u32);
	__array(values, int (void *));
} again SEC(".maps") = { .values = { (void *)&itself } };
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 1); __type(key, u32);
	__array(values, int (void *));
} deeper SEC(".maps") = { .values = { (void *)&nested } };
u32 executions;

/* Globals, so that the kernel's verifier meets the same state in each round of a callback. */
u64 sum, seen;
u32 over_limit = (1 << 23) + 1, at_most = 1000;

static long add_index(u32 i, void *ctx)
{
	sum += i;
	return i == 99;
}

static long count_only(u32 i, void *ctx)
{
	sum += 1;
	return 0;
}

SEC("xdp") int loop_over_2_23_is_e2big(void *ctx)
{
	sum = 0;
	CHECK(bpf_loop(10, add_index, (void *)0, 0) == 10 && sum == 45);
	sum = 0;
	CHECK(bpf_loop(at_most, add_index, (void *)0, 0) == 100 && sum == 4950);
	CHECK(bpf_loop(10, add_index, (void *)0, 1) == -22);
	sum = 0;
	/* as int: where Linux 6.18 inlines bpf_loop, the error is not sign-extended */
	CHECK((int)bpf_loop(over_limit, count_only, (void *)0, 0) == -7 && sum == 0);
	CHECK(bpf_loop(0, count_only, (void *)0, 0) == 0 && sum == 0);
	return 0;
}

static long visit(void *map, const u32 *key, u64 *value, void *ctx)
{
	sum += *value + *key;
	seen++;
	*value += 1;
	return 0;
}

static long visit_third(void *map, const u32 *key, u64 *value, void *ctx)
{
	return *key == 2;
}

SEC("xdp") int for_each_map_elem_visits_all(void *ctx)
{
	u32 key;
	u64 value;

	for (u32 i = 0; i < 10; i++) {
		key = i;
		value = i * 100;
		bpf_map_update_elem(&numbers, &key, &value, 0);
		bpf_map_update_elem(&table, &key, &value, 0);
	}
	sum = seen = 0;
	CHECK(bpf_for_each_map_elem(&numbers, visit, (void *)0, 0) == 10);
	CHECK(sum == 4545 && seen == 10);
	sum = seen = 0;
	CHECK(bpf_for_each_map_elem(&table, visit, (void *)0, 0) == 10);
	CHECK(sum == 4545 && seen == 10);
	CHECK(bpf_for_each_map_elem(&numbers, visit_third, (void *)0, 0) == 3);
	CHECK(bpf_for_each_map_elem(&numbers, visit, (void *)0, 5) == -22);
	return 0;
}

SEC("xdp") int maps_give_the_kernels_errno(void *ctx)
{
	u32 key = 77;
	u64 value = 5, *found;

	CHECK(bpf_map_update_elem(&table, &key, &value, 2) == -2);
	CHECK(bpf_map_update_elem(&table, &key, &value, 1) == 0);
	CHECK(bpf_map_update_elem(&table, &key, &value, 1) == -17);
	CHECK(bpf_map_update_elem(&table, &key, &value, 9) == -22);
	found = bpf_map_lookup_elem(&table, &key);
	CHECK(found && *found == 5);
	CHECK(bpf_map_delete_elem(&table, &key) == 0);
	CHECK(bpf_map_delete_elem(&table, &key) == -2);
	CHECK(!bpf_map_lookup_elem(&table, &key));
	CHECK(bpf_map_update_elem(&numbers, &key, &value, 0) == -7);
	key = 0;
	CHECK(bpf_map_delete_elem(&numbers, &key) == -22);
	found = bpf_map_lookup_percpu_elem(&percpu, &key, 0);
	CHECK(found);
	CHECK(!bpf_map_lookup_percpu_elem(&percpu, &key, 100000));
	return 0;
}

SEC("xdp") int queue_pushes_pops_and_evicts(void *ctx)
{
	u64 value = 1;

	bpf_map_pop_elem(&queue, &value);
	bpf_map_pop_elem(&queue, &value);
	CHECK(bpf_map_peek_elem(&queue, &value) == -2);
	value = 1;
	CHECK(bpf_map_push_elem(&queue, &value, 0) == 0);
	value = 2;
	CHECK(bpf_map_push_elem(&queue, &value, 0) == 0);
	value = 3;
	CHECK(bpf_map_push_elem(&queue, &value, 0) == -7);
	CHECK(bpf_map_push_elem(&queue, &value, 2) == 0);
	CHECK(bpf_map_peek_elem(&queue, &value) == 0 && value == 2);
	CHECK(bpf_map_pop_elem(&queue, &value) == 0 && value == 2);
	CHECK(bpf_map_pop_elem(&queue, &value) == 0 && value == 3);
	CHECK(bpf_map_pop_elem(&queue, &value) == -2);
	return 0;
}

SEC("xdp") int ring_buffer_records(void *ctx)
{
	u64 before = bpf_ringbuf_query(&ring, 3), *record, data = 7;

	CHECK(bpf_ringbuf_query(&ring, 1) == 4096);
	record = bpf_ringbuf_reserve(&ring, 24, 0);
	CHECK(record);
	record[0] = 1;
	record[2] = 3;
	bpf_ringbuf_submit(record, 0);
	CHECK(bpf_ringbuf_query(&ring, 3) == before + 32);
	record = bpf_ringbuf_reserve(&ring, 8, 0);
	CHECK(record);
	bpf_ringbuf_discard(record, 0);
	CHECK(bpf_ringbuf_output(&ring, &data, 8, 0) == 0);
	CHECK(bpf_ringbuf_output(&ring, &data, 8, 4) == -22);
	record = bpf_ringbuf_reserve(&ring, 5000, 0);
	if (record) {
		bpf_ringbuf_discard(record, 0);
		return __LINE__;
	}
	CHECK(bpf_ringbuf_query(&ring, 3) == before + 32 + 16 + 16);
	return 0;
}

SEC("xdp") int dynptrs(void *ctx)
{
	struct bpf_dynptr ptr;
	char text[8] = "abcdefg", back[8] = {};
	u32 key = 3;
	u64 *value = bpf_map_lookup_elem(&numbers, &key), *inside;

	CHECK(value);
	CHECK(bpf_dynptr_from_mem(value, 8, 0, &ptr) == 0);
	CHECK(bpf_dynptr_write(&ptr, 0, text, 8, 0) == 0);
	CHECK(bpf_dynptr_write(&ptr, 1, text, 8, 0) == -7);
	CHECK(bpf_dynptr_write(&ptr, 0, text, 8, 1) == -22);
	CHECK(bpf_dynptr_write(&ptr, 1, text, 8, 1) == -7);
	CHECK(bpf_dynptr_read(back, 4, &ptr, 2, 0) == 0 && back[0] == 'c' && back[3] == 'f');
	CHECK(bpf_dynptr_read(back, 4, &ptr, 5, 0) == -7);
	CHECK(bpf_dynptr_read(back, 4, &ptr, 0, 7) == -22);
	inside = bpf_dynptr_data(&ptr, 0, 8);
	CHECK(inside && (char)*inside == 'a');
	CHECK(!bpf_dynptr_data(&ptr, 4, 8));
	CHECK(bpf_dynptr_from_mem(value, 8, 1, &ptr) == -22);
	CHECK(bpf_dynptr_read(back, 4, &ptr, 0, 0) == -22);
	if (bpf_ringbuf_reserve_dynptr(&ring, 40, 0, &ptr)) {
		bpf_ringbuf_discard_dynptr(&ptr, 0);
		return __LINE__;
	}
	if (bpf_dynptr_write(&ptr, 32, text, 8, 0)) {
		bpf_ringbuf_discard_dynptr(&ptr, 0);
		return __LINE__;
	}
	bpf_ringbuf_submit_dynptr(&ptr, 0);
	if (bpf_ringbuf_reserve_dynptr(&ring, 100000, 0, &ptr) != -22) {
		bpf_ringbuf_discard_dynptr(&ptr, 0);
		return __LINE__;
	}
	bpf_ringbuf_discard_dynptr(&ptr, 0);
	return 0;
}

SEC("tc") int locks_exclude(void *ctx)
{
	u32 key = 0;
	struct locked *value = bpf_map_lookup_elem(&locks, &key);

	CHECK(value);
	bpf_spin_lock(&value->lock);
	value->count++;
	bpf_spin_unlock(&value->lock);
	bpf_spin_lock(&value->lock);
	value->count--;
	bpf_spin_unlock(&value->lock);
	return 0;
}

SEC("tc") int text_and_time(void *ctx)
{
	static const char format[] = "%d %s %llx";
	char out[32], comm[16] = "?", tiny[3];
	u64 args[3], before = bpf_ktime_get_ns();
	s64 number = 0;

	args[0] = -5;
	args[1] = (u64)(unsigned long)"";
	args[2] = 0xabcdef0123;
	CHECK(bpf_snprintf(out, sizeof(out), format, args, sizeof(args)) >= 15);
	CHECK(out[0] == '-' && out[1] == '5' && out[2] == ' ');
	CHECK(bpf_strtol("-42x", 4, 0, &number) == 3 && number == -42);
	CHECK(bpf_get_current_comm(comm, sizeof(comm)) == 0 && comm[0] && !comm[15]);
	CHECK(bpf_get_current_comm(tiny, sizeof(tiny)) == 0 && tiny[0] == comm[0] && !tiny[2]);
	CHECK(bpf_strncmp(comm, 1, "\x7f") != 0);
	CHECK(bpf_get_current_pid_tgid() >> 32);
	CHECK(bpf_get_smp_processor_id() < 4096 && bpf_get_numa_node_id() < 64);
	CHECK(bpf_ktime_get_ns() >= before && bpf_ktime_get_boot_ns() >= before);
	CHECK(bpf_ktime_get_coarse_ns() <= bpf_ktime_get_ns() && bpf_ktime_get_tai_ns() > before);
	CHECK(bpf_jiffies64() > 0xff000000);
	CHECK(bpf_get_prandom_u32() != bpf_get_prandom_u32() || bpf_get_prandom_u32() != bpf_get_prandom_u32());
	return 0;
}

SEC("xdp") int redirect_map_on_missing_key_returns_flag_bits(void *ctx)
{
	CHECK(bpf_redirect_map(&devices, 1, 0) == 0);
	CHECK(bpf_redirect_map(&devices, 1, 2) == 2);
	CHECK(bpf_redirect_map(&devices, 1, 3) == 3);
	CHECK(bpf_redirect_map(&devices, 1, 4) == 0);
	CHECK(bpf_redirect_map(&devices, 1, 8) == XDP_REDIRECT);
	return 0;
}

SEC("xdp") int perf_event_output_errno(void *ctx)
{
	u64 data = 1;

	CHECK(bpf_perf_event_output(ctx, &events, 0, &data, 8) == -2);
	CHECK(bpf_perf_event_output(ctx, &events, 2, &data, 8) == -7);
	CHECK(bpf_perf_event_output(ctx, &events, 1ull << 53, &data, 8) == -22);
	CHECK(bpf_perf_event_output(ctx, &events, 4000ull << 32, &data, 8) == -14);
	return 0;
}

/* Out of a missing slot the program goes on. */
SEC("xdp") int tail_call_to_an_empty_slot(void *ctx)
{
	bpf_tail_call(ctx, &jumps, 0);
	bpf_tail_call(ctx, &jumps, 5);
	return 0;
}

/* 33 tail calls and no more: a program that calls itself executes 34 times. */
SEC("xdp") int itself(void *ctx)
{
	u32 n;

	executions++;
	bpf_tail_call(ctx, &again, 0);
	n = executions;
	executions = 0;
	CHECK(n == 34);
	return 0;
}

static __attribute__((noinline)) int into_nested(void *ctx)
{
	volatile int here = 3;

	bpf_tail_call(ctx, &deeper, 0);
	return here;
}

/* Neither does it matter how deep: each tail call takes the place of a function, whose caller goes on. */
SEC("xdp") int nested(void *ctx)
{
	u32 first = executions++ == 0, n, ended;

	ended = into_nested(ctx) + 1;
	if (!first)
		return ended;
	n = executions;
	executions = 0;
	CHECK(n == 34);
	CHECK(ended == 3 + 34);
	return 0;
}

/* r3 to r5 of trace_printk are read although its contract does not name them. */
SEC("tc") int trace_printk_takes_three(void *ctx)
{
	char format[] = "%d %d %d";

	CHECK(bpf_trace_printk(format, sizeof(format), 1, 22, 333) == 8);
	CHECK(bpf_trace_printk(format, sizeof(format) - 1, 1, 22, 333) == -22);
	return 0;
}

char _license[] SEC("license") = "GPL";
