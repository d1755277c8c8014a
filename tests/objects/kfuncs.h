/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kfuncs.h - kernel functions that objects of tests call by name. */
struct bpf_dynptr { u64 opaque[2]; } __attribute__((aligned(8)));
extern u32 bpf_dynptr_size(const struct bpf_dynptr *p) __ksym;
extern bool bpf_dynptr_is_null(const struct bpf_dynptr *p) __ksym;
extern bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *p) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *p, u32 start, u32 end) __ksym;
extern int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *p, u32 offset, void *buffer, u32 size) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, u32 offset, void *buffer, u32 size) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void bpf_preempt_disable(void) __ksym;
extern void bpf_preempt_enable(void) __ksym;

static long (*bpf_dynptr_from_mem)(void *data, u32 size, u64 flags, struct bpf_dynptr *p) = (void *)197;
static long (*bpf_ringbuf_reserve_dynptr)(void *ring, u32 size, u64 flags, struct bpf_dynptr *p) = (void *)198;
static void (*bpf_ringbuf_submit_dynptr)(struct bpf_dynptr *p, u64 flags) = (void *)199;
static void (*bpf_ringbuf_discard_dynptr)(struct bpf_dynptr *p, u64 flags) = (void *)200;
static void *(*bpf_dynptr_data)(const struct bpf_dynptr *p, u32 offset, u32 size) = (void *)203;
static long (*bpf_dynptr_read)(void *to, u32 size, const struct bpf_dynptr *p, u32 offset, u64 flags) = (void *)201;
static long (*bpf_dynptr_write)(const struct bpf_dynptr *p, u32 offset, void *from, u32 size, u64 flags) = (void *)202;
