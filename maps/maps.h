/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* maps.h - what the loader may ask of maps, and what the families of map types share.
 * Helpers and engines know maps only through struct map_ops (vm/desc.h). */
#ifndef UEBPF_MAPS_MAPS_H
#define UEBPF_MAPS_MAPS_H

#include <errno.h>
#include <linux/bpf.h>
#include "vm/code.h"
#include "vm/insn.h"
#include "vm/self.h"

#ifndef ENOTSUPP
#define ENOTSUPP 524	/* what the kernel returns where a map type lacks an operation */
#endif
/* Newer than the linux/bpf.h of Debian 12. */
enum { MAP_TYPE_CGRP_STORAGE = 32, MAP_TYPE_ARENA = 33 };
enum { MAP_F_SEGV_ON_FAULT = 1 << 17, MAP_F_NO_USER_CONV = 1 << 18 };

/* ---- for the loader ---- */

/* Creates a private map; *out has one reference.  0 or the kernel's negative errno with *err. */
int map_new(struct vm_host *host, const struct uebpf_map_opts *opts, struct uebpf_map **out,
	    struct uebpf_error *err);
/* What libbpf does to a definition before it asks the kernel: perf_event_array without a size gets
 * one slot a CPU, ring buffers are rounded up, stack_trace without value size gets 127 addresses. */
void map_adjust_opts(struct uebpf_map_opts *opts);
/* The row of a type, NULL if there is none; i counts rows (docs, tests). */
const struct map_ops *map_ops_find(uint32_t type);
const struct map_ops *map_ops_at(uint32_t i);
/* An option struct (its size first, at least `least` bytes) into *to, as options_copy(); NULL with *err. */
struct vm_host *map_opts_take(struct uebpf_env *env, const void *opts, size_t least, void *to, size_t size,
			      struct uebpf_error *err);
#define MAP_OPTS_LEAST offsetof(struct uebpf_map_opts, flags)
/* When no map of the host is left: gives its slots back. */
void maps_host_fini(struct vm_host *host);
/* A map of the kernel whose values name things of the kernel: no program here may use it. */
bool map_only_listed(const struct uebpf_map *map);
int map_from_kernel(struct vm_host *host, const struct uebpf_kernel_opts *opts, struct uebpf_map **out,
		    struct uebpf_error *err);
/* bpf(BPF_MAP_FREEZE): user-side updates give -EPERM from now on. */
int map_freeze(struct uebpf_map *map);
/* Gives up every program that a prog_array ever held: when nobody outside can reach the map any more,
 * and so nobody runs a program that uses it. */
void map_drop_progs(struct uebpf_map *map);
/* The i-th different program that a prog_array holds (also one that was replaced), NULL after the last. */
const struct uebpf_prog *map_held_prog(const struct uebpf_map *map, uint32_t i);

/* ---- for the families ---- */

/* Every handle begins so. */
struct map_local {
	struct uebpf_map m;
	struct vm_host *host;
	struct map_domain *domain;
	void *block;		/* from the host's allocator: the unaligned start of m.base; or NULL */
	size_t block_size;
	void *mapping;		/* what to unmap, `mapped` bytes; NULL: nothing */
	size_t mapped;
	_Atomic uint32_t *touched;	/* slots below it may hold values that differ from zero */
	/* shared maps (share.c) */
	struct store_head *store;	/* first page of the memfd or file, NULL: private */
	int fd;				/* when store */
	bool peers;			/* other processes see these bytes: shared maps, rings after fork */
	bool hostile, read_only;
	uint32_t window_pid;		/* whose window of slots it is: changes in a forked child */
	uint32_t window;		/* first slot of it */
	struct map_ops *own_ops;	/* read-only openers, mirrors */
	int kernel_fd;			/* + 1; 0: not the kernel's */
};
static inline struct map_local *map_local(const struct uebpf_map *map)
{
	return (struct map_local *)map;
}

static inline __attribute__((always_inline))
uint32_t get32(const _Atomic uint32_t *p) { return atomic_load_explicit(p, memory_order_acquire); }
static inline __attribute__((always_inline))
uint64_t get64(const _Atomic uint64_t *p) { return atomic_load_explicit(p, memory_order_acquire); }
static inline size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
enum { MT_KERNELS_OWN = MT_MAPS | MT_PROGS | MT_REDIRECT };	/* values that name what only the kernel has */
enum { MAP_PAGE = 4096, MAP_LINE = 64 };
/* How often something that a peer who is not trusted may go on changing is looked at again. */
enum { HOSTILE_TRIES = 300 };

/* Makes a handle whose storage() sets m.base (and shares, slots), then the family's init. */
int map_build(struct vm_host *host, const struct uebpf_map_opts *opts,
	      int (*storage)(struct map_local *local, void *arg), void *arg, bool fresh,
	      struct uebpf_map **out, struct uebpf_error *err);
/* The same with the row given and what the kernel checked not checked again. */
int map_build_ops(struct vm_host *host, const struct map_ops *ops, const struct uebpf_map_opts *opts,
		  int (*storage)(struct map_local *local, void *arg), void *arg, bool fresh,
		  struct uebpf_map **out, struct uebpf_error *err);

/* ---- share.c: a map in a memfd or file ---- */

enum { STORE_HEAD = MAP_PAGE, SLOT_WINDOWS = 8, WINDOW_SLOTS = 32 };
/* Self-describing; geometry is copied out at open and never read again. */
struct store_head {
	uint64_t magic;
	uint32_t version, ready;	/* ready: written last */
	uint32_t type, key_size, value_size, max_entries, flags, cpu_slots;
	uint64_t extra, bytes;		/* of the family's part, behind this page */
	uint32_t spin_lock_off, btf_key, btf_value, btf_bytes;	/* BTF blob behind the family's part */
	uint32_t creator_pid, creator_uid;
	uint64_t pid_ns;		/* peers must share it: locks name their owner by thread id */
	_Atomic uint32_t frozen, touched, repairs;
	char name[64], library[16];
	_Atomic uint64_t window[SLOT_WINDOWS];	/* owner: tid 22 bits, birth 10 bits, 0 free */
};
_Static_assert(sizeof(struct store_head) <= STORE_HEAD, "the head is one page");
int map_new_shared(struct vm_host *host, const struct uebpf_map_opts *opts, const char *path, uint32_t mode,
		   uint32_t flags, struct uebpf_map **out, struct uebpf_error *err);
/* path NULL: fd. */
int map_open_shared(struct vm_host *host, const char *path, int fd, uint32_t flags, struct uebpf_map **out,
		    struct uebpf_error *err);
void share_fini(struct map_local *local);
/* Storage of `bytes` zeroed bytes aligned to a cache line, at map->base. */
int storage_private(struct map_local *local, size_t bytes);
void storage_free(struct map_local *local);
int arena_map(struct map_local *local, int fd);	/* arena.c */

/* Values travel as 8-byte relaxed atomics: element memory is shared with lock-free readers.
 * `shared` is 8-aligned; n is rounded up to 8 there, the caller's side is touched exactly. */
void words_store(void *shared, const void *from, size_t n);
void words_load(void *to, const void *shared, size_t n);
void words_zero(void *shared, size_t n);
/* A whole value in or out; the lock word inside it (map->spin_lock_off) stays or reads as 0. */
void value_store(const struct uebpf_map *map, void *shared, const void *from);
void value_init(const struct uebpf_map *map, void *shared, const void *from);	/* lock word zeroed */
void value_load(const struct uebpf_map *map, void *to, const void *shared);
/* BPF_F_LOCK: under the value's own spin lock. 0 or -EBUSY. */
int value_store_locked(const struct uebpf_map *map, void *shared, const void *from);
int value_load_locked(const struct uebpf_map *map, void *to, const void *shared);

/* Flags that the kernel's bpf_map_flags_access_ok refuses: both _PROG rights taken away. */
static inline bool access_flags_ok(uint32_t flags)
{
	return (flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG)) != (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG);
}
enum { MAP_ACCESS_FLAGS = BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG };

uint32_t possible_cpus(void);

/* ---- domain.c: who runs, and on which slot of per-CPU maps ---- */

enum { DOMAIN_MAX_SLOTS = 1024 };
struct domain_slot { _Atomic uint32_t busy; uint32_t pad[MAP_LINE / 4 - 1]; };
/* One for each host.  `live` is wiped to zeroes in a forked child. */
struct map_domain {
	uint32_t slots;			/* capacity */
	_Atomic uint32_t used;		/* 1 + the highest slot that a run of this process ever took */
	struct domain_slot *live;
	size_t live_bytes;
};
struct map_domain *domain_get(struct vm_host *host);	/* NULL: short of memory */
/* The slot of a run (taken when it has none), of the calling thread when call is NULL.  -1: no slot
 * came free for a second; the run ends with -EUSERS. */
int domain_slot_take(struct map_local *local, struct uebpf_call *call);
extern __thread uint32_t thread_slot_hint __attribute__((tls_model("initial-exec"), visibility("hidden")));
/* The same in a shared map: a process has a window of the map's slots. */
int shared_slot_take(struct map_local *local, struct uebpf_call *call);
static inline int map_slot(struct map_local *local, struct uebpf_call *call)
{
	if (__builtin_expect(local->store != NULL, 0))
		return shared_slot_take(local, call);
	if (call && call->slot >= 0)
		return call->slot;
	return domain_slot_take(local, call);
}
static inline uint32_t slots_touched(const struct uebpf_map *map)
{
	uint32_t n = atomic_load_explicit(map_local(map)->touched, memory_order_seq_cst);

	return n < map->cpu_slots ? n : map->cpu_slots;
}
void slots_touch(_Atomic uint32_t *touched, uint32_t slots);

/* ---- lock.c: locks that name their owner ---- */

/* 0: free; else tid (22 bits), birth (10, shared maps only) and pid (22) of the holder, so that a
 * waiter can tell its own thread (a signal handler: -EBUSY), a living peer (wait) and one that is
 * gone (take over). */
struct map_lock { _Atomic uint64_t owner; };
static inline uint64_t lock_me(struct map_local *local)
{
	return __builtin_expect(local->peers, 0) ? self_owner() : self_get()->pid_tid;
}
/* In one go; false: somebody has it, or who we are must be asked for. */
static inline bool lock_free(const struct map_local *local, struct map_lock *lock)
{
	uint64_t me = self_known(!local->peers), none = 0;

	return __builtin_expect(me && atomic_compare_exchange_strong_explicit(&lock->owner, &none, me,
				memory_order_acquire, memory_order_relaxed), 1);
}
/* 0: held now; 1: taken over from a dead owner, the caller repairs first; -EBUSY: this thread
 * already holds it.  try: -EAGAIN instead of waiting. */
int lock_wait(struct map_local *local, struct map_lock *lock, bool try);
/* One look, the n-th, at who holds a lock: 0: waited, look again; 1: he is gone; -EBUSY; try: -EAGAIN. */
int lock_look(struct map_local *local, uint64_t owner, uint64_t me, uint32_t n, bool try);
int lock_take(struct map_local *local, struct map_lock *lock);	/* as lock_wait, but first without looking */
static inline int lock_try(struct map_local *local, struct map_lock *lock)
{
	return lock_free(local, lock) ? 0 : lock_wait(local, lock, true);
}
static inline void lock_give(struct map_lock *lock)
{
	atomic_store_explicit(&lock->owner, 0, memory_order_release);
}

bool may_write(const struct uebpf_map *map);	/* the user's side */
uint64_t random_u64(void);
/* For ops->inline_call: the call, but of fn. */
static inline struct insn map_called(uebpf_helper_fn fn)
{
	return (struct insn){ .op = OP_CALL, .imm = (int64_t)(intptr_t)fn };
}
static inline struct insn map_called_alone(uebpf_helper_fn fn)
{
	return (struct insn){ .op = OP_CALL, .dst = CALL_ALONE, .imm = (int64_t)(intptr_t)fn };
}

/* ---- rows, one list (types.c) ---- */
extern const struct map_ops array_ops, percpu_array_ops, hash_ops, percpu_hash_ops, lru_hash_ops,
	lru_percpu_hash_ops, lpm_trie_ops, ringbuf_ops, user_ringbuf_ops, queue_ops, stack_ops,
	bloom_ops, prog_array_ops, perf_event_array_ops, cgroup_array_ops, array_of_maps_ops,
	hash_of_maps_ops, stack_trace_ops, devmap_ops, devmap_hash_ops, cpumap_ops, xskmap_ops,
	sockmap_ops, sockhash_ops, reuseport_array_ops, sk_storage_ops, inode_storage_ops,
	task_storage_ops, cgrp_storage_ops, arena_ops, cgroup_storage_ops, percpu_cgroup_storage_ops;

#endif
