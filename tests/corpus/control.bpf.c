/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* control.bpf.c - loops, subprograms, callbacks, records, locks. */
#include "corpus.h"

#define LOOPS(N) \
SEC("xdp") int up_##N(struct xdp_md *ctx) { u64 s = 0; for (int i = 0; i < N; i++) { barrier(s); s += i; } return s & 1; } \
SEC("xdp") int down_##N(struct xdp_md *ctx) { u64 s = 0; for (int i = N; i > 0; i--) { barrier(s); s += i; } return s & 1; } \
SEC("xdp") int step_##N(struct xdp_md *ctx) { u64 s = 0; for (int i = 0; i < N * 3; i += 3) { barrier(s); s += i; } return s & 1; } \
SEC("xdp") int brk_##N(struct xdp_md *ctx) { u64 s = 0; for (int i = 0; i < N; i++) { barrier(s); if (prandom() == 7) break; s += i; } return s & 1; } \
SEC("xdp") int nest_##N(struct xdp_md *ctx) { u64 s = 0; for (int i = 0; i < N; i++) for (int j = 0; j < 4; j++) { barrier(s); s += i ^ j; } return s & 1; } \
SEC("xdp") int bad_endless_##N(struct xdp_md *ctx) { u32 s = N; while (s) { barrier(s); s |= 1; } return 0; } \
SEC("xdp") int bad_forever_##N(struct xdp_md *ctx) { u32 i = 0; for (;;) { if (prandom() == N) i = 0; i++; barrier(i); if (i == 0) break; } return 0; } \
SEC("tc") int branchy_##N(struct __sk_buff *ctx) { u32 st = 0, s = 0; for (int i = 0; i < N; i++) { u32 r = prandom(); barrier(s); \
	if (st == 0) { if (r > 9) st = 1; else if (r > 5) st = 2; } else if (st == 1) { s += 2; if (r & 1) st = 0; } else { s++; st = r & 1; } } return s & 1; }
LOOPS(8)
LOOPS(50)
LOOPS(200)
LOOPS(20)
LOOPS(30)

noinline_ int twice(int x) { barrier(x); return x * 2; }
noinline_ int sum3(int a, int b, int c) { barrier(a); return twice(a) + b + c; }
noinline_ int fill(u8 *p, u32 i) { if (!p || i > 15) return 0; p[i] = 1; barrier(i); return i; }
noinline_ int small(u32 x) { barrier(x); return x & 15; }
SEC("xdp") int calls(struct xdp_md *ctx) { return sum3(prandom(), 2, 3) & 1; }
SEC("xdp") int calls_stack(struct xdp_md *ctx) { u8 b[16] = {}; fill(b, prandom()); return b[3]; }
SEC("xdp") int bad_calls_stack(struct xdp_md *ctx) { u8 b[8] = {}; fill(b, prandom()); return b[3]; }
SEC("xdp") int calls_index(struct xdp_md *ctx) { u8 b[16] = {}; return b[small(prandom())]; }
SEC("xdp") int bad_calls_index(struct xdp_md *ctx) { u64 b[1] = {}; u32 i = small(prandom()); barrier(i); ((volatile u8 *)b)[i] = 1; return b[0] & 1; }
noinline_ int deep3(u32 x) { u8 b[120] = {}; barrier(x); b[x & 63] = 1; return b[3]; }
noinline_ int deep2(u32 x) { u8 b[120] = {}; barrier(x); b[x & 63] = 1; return b[3] + deep3(x); }
SEC("xdp") int deep(struct xdp_md *ctx) { return deep2(prandom()); }
noinline_ int big2(u32 x) { u8 b[300] = {}; barrier(x); b[x & 63] = 1; return b[3]; }
SEC("xdp") int form_too_deep(struct xdp_md *ctx) { u8 b[300] = {}; u32 x = prandom(); b[x & 63] = 1; return b[3] + big2(x); }

struct acc { u64 sum, n; };
static int add_one(u32 i, struct acc *a) { a->sum += i; a->n++; return 0; }
static int stop_early(u32 i, struct acc *a) { a->n++; return i > 3; }
static int bad_cb(u32 i, struct acc *a) { a[1].n++; return 0; }
static int each(void *map, u32 *key, struct value *v, struct acc *a) { a->sum += v->count + *key; return 0; }
static int bad_each(void *map, u32 *key, struct value *v, struct acc *a) { a->sum += v[1].count; return 0; }
SEC("xdp") int cb_loop(struct xdp_md *ctx) { struct acc a = {}; loop(100, add_one, &a, 0); return a.sum & 1; }
SEC("xdp") int cb_stop(struct xdp_md *ctx) { struct acc a = {}; loop(prandom() & 255, stop_early, &a, 0); return a.n & 1; }
SEC("xdp") int bad_cb_loop(struct xdp_md *ctx) { struct acc a = {}; loop(100, bad_cb, &a, 0); return a.sum & 1; }
SEC("tc") int cb_each(struct __sk_buff *ctx) { struct acc a = {}; for_each(&hash, each, &a, 0); return a.sum & 1; }
SEC("tc") int bad_cb_each(struct __sk_buff *ctx) { struct acc a = {}; for_each(&hash, bad_each, &a, 0); return a.sum & 1; }
SEC("xdp") int cb_index(struct xdp_md *ctx) { struct acc a = {}; u8 b[32] = {}; loop(5, add_one, &a, 0); if (a.n > 31) return 0; return b[a.n & 31]; }
SEC("xdp") int bad_cb_index(struct xdp_md *ctx) { struct acc a = {}; struct value v = {}; loop(3000, add_one, &a, 0); barrier(a.n); v.bytes[a.n] = 1; return v.bytes[3]; }

SEC("tp/x/y") int record(void *ctx) { u64 *r = reserve(&ring, 32, 0); if (!r) return 0; r[0] = ktime(); r[3] = pid_tgid(); submit(r, 0); return 0; }
SEC("tp/x/y") int record_drop(void *ctx) { u64 *r = reserve(&ring, 32, 0); if (!r) return 0; if (prandom() & 1) { discard(r, 0); return 0; } r[1] = 1; submit(r, 0); return 0; }
SEC("tp/x/y") int bad_record_null(void *ctx) { u64 *r = reserve(&ring, 32, 0); r[0] = 1; submit(r, 0); return 0; }
SEC("tp/x/y") int bad_record_leak(void *ctx) { u64 *r = reserve(&ring, 32, 0); if (!r) return 0; if (prandom() & 1) return 0; submit(r, 0); return 0; }
SEC("tp/x/y") int bad_record_after(void *ctx) { u64 *r = reserve(&ring, 32, 0); if (!r) return 0; submit(r, 0); r[0] = 1; return 0; }
SEC("tp/x/y") int bad_record_size(void *ctx) { u64 *r = reserve(&ring, 32, 0); if (!r) return 0; r[4] = 1; submit(r, 0); return 0; }
SEC("tp/x/y") int bad_record_twice(void *ctx) { u64 *r = reserve(&ring, 32, 0); if (!r) return 0; submit(r, 0); submit(r, 0); return 0; }
SEC("tp/x/y") int out(void *ctx) { u64 v[4] = { ktime() }; return output(&ring, v, sizeof v, 0) != 0; }
SEC("kprobe/x") int string(void *ctx) { char b[32]; long n = probe_read_str(b, sizeof b, (void *)pid_tgid()); if (n < 1) return 0; return b[(n - 1) & 31]; }
SEC("kprobe/x") int sized(void *ctx) { char b[64]; u32 n = prandom(); if (n > sizeof b) return 0; return probe_read(b, n, ctx) != 0; }
SEC("kprobe/x") int bad_sized(void *ctx) { char b[64]; u32 n = prandom(); if (n > sizeof b + 1) return 0; return probe_read(b, n, ctx) != 0; }
SEC("kprobe/x") int bad_sized_signed(void *ctx) { char b[64]; s32 n = prandom(); s64 m = n; barrier(m); if (m > 64) return 0; return probe_read(b, m, ctx) != 0; }

struct locked { struct bpf_spin_lock { u32 v; } lock; u32 n; };
struct { __uint(type, 2); __uint(max_entries, 1); __type(key, u32); __type(value, struct locked); } locks SEC(".maps");
#define LOCKED u32 key = prandom() & 3; struct locked *v = lookup(&locks, &key); if (!v) return 0
SEC("tc") int lock_ok(struct __sk_buff *ctx) { LOCKED; lock_(&v->lock); v->n++; unlock_(&v->lock); return 0; }
SEC("tc") int bad_lock_leak(struct __sk_buff *ctx) { LOCKED; lock_(&v->lock); v->n++; if (v->n > 5) return 0; unlock_(&v->lock); return 0; }
SEC("tc") int bad_lock_twice(struct __sk_buff *ctx) { LOCKED; lock_(&v->lock); lock_(&v->lock); unlock_(&v->lock); return 0; }
SEC("tc") int bad_unlock(struct __sk_buff *ctx) { LOCKED; unlock_(&v->lock); return 0; }
SEC("tc") int bad_lock_call(struct __sk_buff *ctx) { LOCKED; lock_(&v->lock); v->n = ktime(); unlock_(&v->lock); return 0; }
SEC("tc") int bad_lock_touch(struct __sk_buff *ctx) { LOCKED; v->lock.v = 1; return 0; }

SEC("kprobe/x") int form_lock_traced(void *ctx) { LOCKED; lock_(&v->lock); v->n++; unlock_(&v->lock); return 0; }
SEC("socket") int form_lock_socket(struct __sk_buff *ctx) { LOCKED; lock_(&v->lock); v->n++; unlock_(&v->lock); return 0; }

struct timed { u32 n; struct bpf_timer { u64 opaque[2]; } timer __attribute__((aligned(8))); u64 fired; };
struct { __uint(type, 1); __uint(max_entries, 16); __type(key, u32); __type(value, struct timed); } timers SEC(".maps"), others SEC(".maps");
static int again(void *map, u32 *key, struct timed *v) { v->fired += *key; timer_start(&v->timer, 1000000, 0); return 0; }
static int remove(void *map, u32 *key, struct timed *v) { u32 k = *key; delete(map, &k); return 0; }
static int not_zero(void *map, u32 *key, struct timed *v) { return 1; }
static int writes_key(void *map, u32 *key, struct timed *v) { *key = 1; return 0; }
static int past_value(void *map, u32 *key, struct timed *v) { (&v->fired)[1] = 1; return 0; }
static int touches(void *map, u32 *key, struct timed *v) { *(volatile u64 *)&v->timer.opaque[1] = 1; return 0; }
#define TIMED u32 key = prandom() & 3; struct timed *v = lookup(&timers, &key); if (!v) return 0
#define TIMER(name, f) \
	SEC("tc") int name(struct __sk_buff *ctx) { TIMED; timer_init(&v->timer, &timers, 1); timer_callback(&v->timer, f); return timer_start(&v->timer, 5, 0) & 1; }
TIMER(timer_again, again) TIMER(timer_remove, remove) TIMER(form_timer_not_zero, not_zero)
TIMER(bad_timer_writes_key, writes_key) TIMER(bad_timer_past_value, past_value) TIMER(bad_timer_touches, touches)
SEC("xdp") int timer_cancelled(struct xdp_md *ctx) { TIMED; return timer_cancel(&v->timer) & 1; }
SEC("xdp") int bad_timer_map(struct xdp_md *ctx) { TIMED; return timer_init(&v->timer, &others, 1) & 1; }
SEC("xdp") int bad_timer_place(struct xdp_md *ctx) { TIMED; return timer_init(&v->fired, &timers, 1) & 1; }
SEC("xdp") int bad_timer_near(struct xdp_md *ctx) { TIMED; return timer_cancel((u8 *)&v->timer + (prandom() & 8)) & 1; }
SEC("xdp") int bad_timer_stack(struct xdp_md *ctx) { u64 t[2] = { 0 }; return timer_cancel(t) & 1; }
SEC("kprobe/x") int form_timer_traced(void *ctx) { TIMED; return timer_cancel(&v->timer) & 1; }

const volatile u32 limit = 8;
const volatile u32 table[16] = { 1, 2, 3 };
u32 counter; u64 totals[16];
SEC("xdp") int globals(struct xdp_md *ctx) { counter++; totals[counter & 15] += 1; return 0; }
SEC("xdp") int bad_globals(struct xdp_md *ctx) { u32 i = counter; if (i > 16) return 0; barrier(i); totals[i] += 1; return 0; }
SEC("xdp") int rodata(struct xdp_md *ctx) { u64 s = 0; for (u32 i = 0; i < limit; i++) { barrier(s); s += totals[i]; } return s & 1; }
SEC("xdp") int ro_table(struct xdp_md *ctx) { return table[prandom() & 15] & 1; }
SEC("xdp") int bad_ro_table(struct xdp_md *ctx) { return table[prandom() & 31] & 1; }
SEC("xdp") int bad_ro_write(struct xdp_md *ctx) { *(volatile u32 *)&table[1] = 1; return 0; }
SEC("xdp") int ctx_fields(struct xdp_md *ctx) { return (ctx->ingress_ifindex + ctx->rx_queue_index) & 1; }
SEC("xdp") int bad_ctx_write(struct xdp_md *ctx) { ctx->rx_queue_index = 1; return 0; }
SEC("xdp") int bad_ctx_beyond(struct xdp_md *ctx) { return ((u32 *)ctx)[6]; }
SEC("tc") int skb_mark(struct __sk_buff *ctx) { ctx->mark = 7; return 0; }
SEC("tc") int skb_fields(struct __sk_buff *ctx) { ctx->mark = ctx->len + ctx->hash; ctx->cb[2] = 3; return ctx->cb[1] & 1; }
SEC("tc") int bad_skb_write(struct __sk_buff *ctx) { ctx->len = 3; return 0; }
SEC("socket") int bad_sock_data(struct __sk_buff *ctx) { return ctx->data & 1; }
