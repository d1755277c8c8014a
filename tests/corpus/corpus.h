/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* corpus.h - what the corpus' programs share.  A program whose name begins with bad_ is unsafe and must
 * be refused; every other one must be accepted. */
#ifndef CORPUS_H
#define CORPUS_H
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
typedef signed char s8; typedef short s16; typedef int s32; typedef long long s64;
#define SEC(n) __attribute__((section(n), used))
#define __uint(n, v) int (*n)[v]
#define __type(n, t) __typeof__(t) *n
#define inline_ static inline __attribute__((always_inline))
#define noinline_ static __attribute__((noinline))
#define NULL ((void *)0)
#define barrier(x) asm volatile("" : "+r"(x))
static void *(*lookup)(void *, const void *) = (void *)1;
static long (*update)(void *, const void *, const void *, u64) = (void *)2;
static long (*delete)(void *, const void *) = (void *)3;
static u64 (*ktime)(void) = (void *)5;
static u32 (*prandom)(void) = (void *)7;
static u32 (*cpu)(void) = (void *)8;
static u64 (*pid_tgid)(void) = (void *)14;
static long (*comm)(void *, u32) = (void *)16;
static long (*adjust_head)(void *, int) = (void *)44;
static long (*probe_read_str)(void *, u32, const void *) = (void *)115;
static long (*probe_read)(void *, u32, const void *) = (void *)113;
static void *(*reserve)(void *, u64, u64) = (void *)131;
static void (*submit)(void *, u64) = (void *)132;
static void (*discard)(void *, u64) = (void *)133;
static long (*output)(void *, void *, u64, u64) = (void *)130;
static long (*for_each)(void *, void *, void *, u64) = (void *)164;
static long (*loop)(u32, void *, void *, u64) = (void *)181;
static long (*skb_load)(const void *, u32, void *, u32) = (void *)26;
static long (*skb_store)(void *, u32, const void *, u32, u64) = (void *)9;
static s64 (*csum_diff)(void *, u32, void *, u32, u32) = (void *)28;
static void (*lock_)(void *) = (void *)93;
static void (*unlock_)(void *) = (void *)94;
static long (*timer_init)(void *, void *, u64) = (void *)169;
static long (*timer_callback)(void *, void *) = (void *)170;
static long (*timer_start)(void *, u64, u64) = (void *)171;
static long (*timer_cancel)(void *) = (void *)172;
struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id, family;
};
struct value { u64 count, index; u32 small, flag; u8 bytes[40]; };
struct { __uint(type, 2); __uint(max_entries, 16); __type(key, u32); __type(value, struct value); } arr SEC(".maps");
struct { __uint(type, 1); __uint(max_entries, 64); __type(key, u32); __type(value, struct value); } hash SEC(".maps");
struct { __uint(type, 6); __uint(max_entries, 4); __type(key, u32); __type(value, struct value); } percpu SEC(".maps");
struct { __uint(type, 27); __uint(max_entries, 4096); } ring SEC(".maps");
char _license[] SEC("license") = "GPL";
#endif
