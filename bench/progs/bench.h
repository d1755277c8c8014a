/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench.h - one source, three targets: BPF for us and DPDK (r1 = memory, r2 = its length), BPF for
 * the kernel (-DBENCH_XDP: the packet is the memory), native (the limit).
 * These files were written before any JIT existed and are not changed to suit one. */
#ifndef BENCH_H
#define BENCH_H
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

#define inline_always static inline __attribute__((always_inline))
#define noinline_call static __attribute__((noinline))

#if !defined(__bpf__)
/* ENTRY(name) { ... }: u8 *mem, u64 len in, u64 out. */
#define ENTRY(name) __attribute__((visibility("default"))) u64 name(u8 *mem, u64 len)
#elif defined(BENCH_XDP)
struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
#define ENTRY(name) \
	inline_always u64 name##_body(u8 *mem, u8 *end); \
	__attribute__((section("xdp"), used)) int name(struct xdp_md *ctx) \
	{ return (int)name##_body((u8 *)(long)ctx->data, (u8 *)(long)ctx->data_end); } \
	inline_always u64 name##_body(u8 *mem, u8 *end)
char _license[] __attribute__((section("license"), used)) = "GPL";
#else
#define ENTRY(name) __attribute__((section("raw"), used)) u64 name(u8 *mem, u64 len)
#endif

/* The first statement of each program: at least n bytes, else 0. */
#if defined(BENCH_SIZED)		/* DPDK: the size of the memory is declared at load, r2 is nothing */
#define NEED(n) do { (void)len; } while (0)
#elif defined(__bpf__) && defined(BENCH_XDP)
#define NEED(n) do { if (mem + (n) > end) return 0; } while (0)
#else
#define NEED(n) do { if (len < (n)) return 0; } while (0)
#endif
#endif
