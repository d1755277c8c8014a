/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* desc.h - descriptors: what the engine, verifier and JIT may know of helpers, maps and program
 * types.  Rows live in helpers/, maps/ and loader/; nothing here names one of them, so a test can
 * pass fakes. */
#ifndef UEBPF_VM_DESC_H
#define UEBPF_VM_DESC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "include/uebpf.h"
#include "vm/message.h"

struct insn;
struct code;
struct call_site;

/* Texts of tables lie one behind the other and are counted: a pointer to each would cost eight bytes and a
 * relocation. */
/* Text that grows in a buffer: n counts what would not fit too.  buf may be NULL when cap is 0.  The format may be a
 * MESSAGE_TEXT. */
struct text_out { char *buf; size_t cap, n; };
void text_put(struct text_out *to, const char *form, ...) __attribute__((format(printf, 2, 3)));
const char *text_next(const char *text);
const char *text_nth(const char *text, size_t n);
/* 0-9, 10-35 for a letter, else 255: what <ctype.h> says of the C locale, whatever the host's is. */
uint32_t text_digit(char c);

/* ---- memory a program may touch ---- */

enum access {
	ACCESS_READ = 1, ACCESS_WRITE = 2,
	ACCESS_CTX = 4,		/* through the field table; with ACCESS_READ: only writes */
	ACCESS_OBJECT = 8,	/* what a helper returned and helpers take back (inner map, socket); not memory */
};
/* [lo, hi).  With stride: only bytes first .. first+len of each stride-sized element (values of a
 * map, without keys and links); an access must lie inside one element. */
struct region {
	uintptr_t lo, hi;
	uint32_t stride, first, len;
	uint32_t access;		/* enum access bits */
};
static inline bool region_holds(const struct region *r, uint64_t addr, uint64_t size)
{
	uint64_t at = addr - r->lo;
	if (addr < r->lo || size > r->hi - r->lo || at > r->hi - r->lo - size)
		return false;
	if (!r->stride)
		return true;
	at = at <= UINT32_MAX ? (uint32_t)at % r->stride : at % r->stride;
	return at >= r->first && at - r->first + size <= r->len;
}

/* ---- helpers ---- */

enum arg_kind {
	ARG_NONE,
	ARG_ANY,		/* any initialised value (may leak a pointer where the policy allows) */
	ARG_SCALAR,		/* a number */
	ARG_CTX,		/* the program's own context */
	ARG_MAP,		/* a map; `size` unused */
	ARG_KEY,		/* readable, key_size of the map argument */
	ARG_VALUE,		/* readable, value_size of the map argument */
	ARG_VALUE_OUT,		/* writable, value_size of the map argument; need not be initialised */
	ARG_MEM,		/* readable memory, length in the next ARG_SIZE or ARG_SIZE0 argument */
	ARG_MEM_OUT,		/* writable memory, length the same way, need not be initialised */
	ARG_MEM_INOUT,		/* readable and writable memory, length the same way */
	ARG_SIZE,		/* length of the memory arguments before, > 0 */
	ARG_SIZE0,		/* length of the memory arguments before, may be 0 */
	ARG_ALLOC_SIZE,		/* constant: how much memory the result has, and an optional memory argument before */
	ARG_CSTR,		/* constant NUL-terminated string in read-only memory */
	ARG_FUNC,		/* a subprogram of this program, called back; `size`: enum callback */
	ARG_STACK,		/* pointer to stack memory handed to the callback, or NULL */
	ARG_ACQUIRED,		/* what an acquiring helper returned; released when the row says so */
	ARG_SPIN_LOCK,		/* struct bpf_spin_lock inside a map value */
	ARG_TIMER,		/* struct bpf_timer inside a map value */
	ARG_DYNPTR,		/* initialised dynptr on the stack; `size`: enum dynptr or 0 = any */
	ARG_DYNPTR_OUT,		/* uninitialised dynptr on the stack; `size`: enum dynptr made */
	ARG_SOCK,		/* a socket object of the host */
	ARG_BTF,		/* a kernel object by BTF (task, inode ...) */
	ARG_KPTR,		/* kernel pointer slot inside a map value */
	ARG_FIXED,		/* readable memory of `size` bytes */
	ARG_FIXED_OUT,		/* writable memory of `size` bytes, aligned to it when 4 or 8 */
	ARG_KIND_COUNT
};
enum arg_flags { ARG_OR_NULL = 1 /* NULL allowed */, ARG_CONST = 2 /* value known at load */ };
enum callback { CALLBACK_LOOP, CALLBACK_MAP_ELEM, CALLBACK_DYNPTR, CALLBACK_TIMER, CALLBACK_VMA };
/* Numbers iterators (bpf_iter_num_new) are objects on the stack like dynptrs, but of eight bytes. */
enum dynptr { DYNPTR_ANY, DYNPTR_LOCAL, DYNPTR_RINGBUF, DYNPTR_SKB, DYNPTR_XDP, DYNPTR_NUMBERS };
static inline unsigned dynptr_slots(enum dynptr kind) { return kind == DYNPTR_NUMBERS ? 1 : 2; }
struct arg { uint8_t kind, flags; uint16_t size; };	/* size of a constant number: 1: it must be 0 */

/* What a host object is to programs: they may read the fields that the kernel lets them read, laid out
 * as in its uapi (struct bpf_sock, bpf_tcp_sock, bpf_xdp_sock); an opaque one is only handed on. */
enum object { OBJECT_OPAQUE, OBJECT_SOCK_COMMON, OBJECT_SOCK, OBJECT_TCP_SOCK, OBJECT_XDP_SOCK, OBJECT_COUNT };
uint32_t object_size(enum object object);	/* bytes that the host has there; 0: opaque */
bool object_field(enum object object, uint32_t off, uint32_t size);	/* may so many bytes be read there? */

enum ret_kind {
	RET_SCALAR,		/* a number in [lo, hi] when lo < hi, of 32 bits when lo is 0 and hi -1, else any */
	RET_VOID,		/* r0 unreadable afterwards for the verifier; 0 in the engines */
	RET_VALUE_OR_NULL,	/* value of the map argument */
	RET_VALUE,		/* the same, never NULL (per-CPU this_cpu_ptr) */
	RET_MEM_OR_NULL,	/* memory of the ARG_ALLOC_SIZE argument's size, or `size` when non-zero */
	RET_MEM,		/* memory of `size` bytes, never NULL */
	RET_SOCK_OR_NULL,	/* `size`: enum object */
	RET_BTF_OR_NULL, RET_BTF,
	RET_NEVER,		/* tail call: returns only on failure */
	RET_FIRST		/* the first argument */
};
struct ret { uint8_t kind, flags; uint16_t size; int32_t lo, hi; };
enum ret_flags {
	RET_ACQUIRES = 1,	/* must be released, by a helper that releases, on every path */
	RET_UPTO_SIZE = 2,	/* scalar in [-4095, value of the first ARG_SIZE or ARG_SIZE0 argument] */
	RET_DOUBLE = 4,		/* scalar: the bits of a double (filter expressions) */
	RET_RDONLY = 8,		/* memory that is not to be written */
	RET_ALONE = 8,		/* of nothing: kernel policy: not while one like it is held */
};

enum helper_flags {
	HF_PURE = 1,		/* same arguments, same result, no effect: may be folded or removed */
	HF_RELEASES = 2,	/* its ARG_ACQUIRED argument is gone afterwards; of a helper without arguments, what
				 * the row before acquired last */
	HF_MOVES_PACKET = 4,	/* packet pointers are invalid afterwards */
	HF_CALLS_BACK = 8,	/* runs ARG_FUNC */
	HF_TAIL = 16,		/* may replace the program (sets call->tail) */
	HF_GPL = 32,		/* kernel policy: only in GPL-compatible objects */
	HF_LOCKS = 64, HF_UNLOCKS = 128,	/* bpf_spin_lock / unlock */
	HF_NEEDS_CALL = 256,	/* the function looks at its struct uebpf_call */
	HF_MAY_FAULT = 512,	/* may set call->status */
	HF_CAST = 2048,		/* the result is the first argument in another guise: goes when that is released */
	HF_PACKET_ARGS = 4096,	/* kernel policy: memory arguments may be packet memory */
	HF_VARIADIC = 1024,	/* looks at all of r1-r5; those beyond its arguments need not be set */
	/* Behind it, memory that was accessible may not be: what engines remember of a checked run is forgotten. */
	HF_DISTURBS = HF_RELEASES | HF_CALLS_BACK | HF_MOVES_PACKET | HF_TAIL | HF_UNLOCKS,
};
/* Which program types offer it (kernel policy).  A program type's row names HG_BASE and the bits of its
 * own kind; a helper's row the kinds that the kernel gives it to (HG_BASE: all).
 * tests/helpers/groups_kernel_test.c compares. */
enum helper_group {
	HG_BASE = 1, HG_TRACING = 2, HG_XDP = 4, HG_TC = 8, HG_SOCKET = 16, HG_SOCK_OPS = 32,
	HG_CGROUP_SOCK = 64, HG_CGROUP_ADDR = 128, HG_CGROUP_SKB = 256, HG_SK_MSG = 512, HG_SK_SKB = 1024,
	HG_LWT = 2048, HG_LSM = 4096, HG_SYSCALL = 8192, HG_SK_LOOKUP = 1 << 14, HG_CGROUP = 1 << 15,
	HG_PERF = 1 << 16, HG_KPROBE = 1 << 17, HG_LWT_XMIT = 1 << 18, HG_SEG6LOCAL = 1 << 19,
	HG_REUSEPORT = 1 << 20, HG_FLOW = 1 << 21, HG_SYSCTL = 1 << 22, HG_SOCKOPT = 1 << 23,
	HG_BTF = 1 << 24 /* fentry, tp_btf */, HG_NETFILTER = 1 << 25, HG_LWT_IN = 1 << 26,
	HG_ITER = 1 << 27, HG_LIRC = 1 << 28, HG_HOST = 1 << 30
};
/* What a row says, packed: there are two hundred of them.  Where the rows are (helpers/table.c) are the
 * functions below, which say it at length. */
struct helper {
	uint32_t args;			/* helper_arg(): six bits each */
	uint16_t flags;			/* enum helper_flags, above them enum uebpf_may */
	uint16_t ret;			/* helper_ret(): its kind in the low four bits; helper_inliner(), helper_check() */
	uint8_t groups;			/* helper_groups() */
	uint8_t maps;			/* helper_takes() */
	uint8_t support;		/* helper_support() */
	uint8_t fn;			/* helper_fn(); HELPER_OF_HOST: the row is that of a struct host_helper */
};
enum { HELPER_MAY_SHIFT = 13, HELPER_OF_HOST = 255, HELPER_GROUPS_HOST = 0, HELPER_RET_KIND = 15 };
/* A row with its own function, name and contract. */
struct host_helper {
	struct helper row;		/* first; fn is HELPER_OF_HOST, the low bits of ret are ret.kind */
	uint32_t id;
	struct arg arg[5];
	struct ret ret;
	const char *name;
	uebpf_helper_fn fn;
	void *host;			/* uebpf_call_helper_host() */
};
/* Writes instructions that do the same at this place; r1-r5 in and free afterwards, r0 out.  Jumps hold
 * in `off` an index into out, its length for the end; OP_CALL is the call itself, with r1-r5 as they
 * were, of the function in imm if that is not 0, its dst an enum call_form or 0.  Returns how many, 0 = no. */
typedef int (*helper_inliner_fn)(const struct call_site *site, struct insn *out, int cap);
enum { IN_PLACE_MOST = 60 };	/* instructions in place of one call in compiled code */
/* Load-time test of a constant ARG_CSTR argument; size: value of the last size argument, when known (else
 * UINT64_MAX).  0, or -EINVAL with *why. */
typedef int (*helper_check_fn)(const char *text, uint64_t size, const char **why);

uint32_t helper_id(const struct helper *h);
const char *helper_name(const struct helper *h);	/* without the bpf_ prefix */
/* "full", "adapted: how", "host: through the host's function", "refused: why" */
const char *helper_support(const struct helper *h);
uebpf_helper_fn helper_fn(const struct helper *h);	/* NULL: contract only; a run that reaches it gets -ENOSYS */
helper_inliner_fn helper_inliner(const struct helper *h);	/* or NULL */
helper_check_fn helper_check(const struct helper *h);		/* or NULL */
bool helper_wants_types(const struct helper *h);		/* names types of the target */
bool helper_wants_caller(const struct helper *h);	/* looks at uebpf_run.ip and .frame */
uint32_t helper_groups(const struct helper *h);			/* enum helper_group */
struct arg helper_arg(const struct helper *h, unsigned i);
struct ret helper_ret(const struct helper *h);
bool helper_takes(const struct helper *h, uint32_t map_type);	/* as ARG_MAP */
/* Index of the argument that holds the length of memory argument i; 5: none. */
unsigned helper_length(const struct helper *h, unsigned i);
/* Index of the first argument of that kind; 5: none. */
unsigned helper_find_arg(const struct helper *h, enum arg_kind kind);
static inline enum ret_kind helper_returns(const struct helper *h)
{
	return (enum ret_kind)(h->ret & HELPER_RET_KIND);
}
static inline uint32_t helper_may(const struct helper *h)	/* enum uebpf_may */
{
	return (uint32_t)h->flags >> HELPER_MAY_SHIFT;
}
static inline const struct host_helper *helper_of_host(const struct helper *h)	/* NULL: a built-in row */
{
	return h->fn == HELPER_OF_HOST ? (const struct host_helper *)h : NULL;
}
/* Does a call of it need the state of a run (struct uebpf_call)? */
static inline bool helper_needs_call(const struct helper *h)
{
	return !helper_fn(h) || (h->flags & (HF_NEEDS_CALL | HF_CALLS_BACK | HF_TAIL | HF_MAY_FAULT | HF_MOVES_PACKET));
}
enum { HELPER_INTERNAL = 0x7f000000 /* ids of the library's own rows; hosts count from 0x10000 */ };
/* Id of the call that replaces an instruction which cannot work here (a CO-RE relocation or weak
 * extern without target).  Binding accepts it, the verifier refuses it where it is reachable, a run
 * that reaches it ends with -ENOSYS and its pc. */
enum { HELPER_POISON = 0x0bad2310 };
/* Helpers of an env by id: built-in rows below the host's own. */
struct helper_table {
	bool builtin;
	uint32_t nr_host;
	const struct host_helper *host;	/* overrides and additions, sorted by id */
};
const struct helper *helper_find(const struct helper_table *table, uint32_t id);
const struct helper *helper_find_name(const struct helper_table *table, const char *name);

/* ---- maps ---- */

enum map_traits {
	MT_ARRAY = 1,		/* key is a u32 index below max_entries; lookup of a good index never fails */
	MT_PERCPU = 2,
	MT_HASH = 4,
	MT_PROGS = 8,		/* values are programs */
	MT_MAPS = 16,		/* values are maps */
	MT_RINGBUF = 32,
	MT_NO_LOOKUP = 64,	/* programs cannot look values up */
	MT_NO_KEY = 128,	/* queue, stack, bloom, ring buffers */
	MT_REDIRECT = 256,	/* devmap, cpumap, xskmap, sockmap */
	MT_LRU = 512,
	MT_SIZED_BY_USER = 1024,/* max_entries 0 means possible CPUs (perf_event_array ...) */
	MT_EXTRA = 2048,	/* map_extra has a meaning */
	MT_MAPS_ITSELF = 8192,	/* its init makes the mapping (twice mapped rings, arena) */
	MT_ARENA = 16384,	/* memory that programs address directly, see `window` */
	MT_STORAGE = 4096,	/* local storage: the program reaches it by owner (ops->storage) */
};
/* The helper calls that a map type may replace. */
enum map_call { MAP_CALL_LOOKUP, MAP_CALL_LOOKUP_INSIDE /* the key is known to be below max_entries */, MAP_CALL_UPDATE, MAP_CALL_REMOVE, MAP_CALL_RESERVE,
		MAP_CALL_PROG /* r2 = the program at index r3 or NULL; or a jump to two behind it all */ };
enum map_pages { PAGES_TAKE, PAGES_TAKE_AT, PAGES_GIVE };
/* Operations that few types have. */
struct map_more {
	long (*push)(struct uebpf_map *map, const void *value, uint64_t flags);
	long (*pop)(struct uebpf_map *map, void *value);
	long (*peek)(struct uebpf_map *map, void *value);
	void *(*lookup_cpu)(struct uebpf_map *map, const void *key, uint32_t cpu);
	/* Ring buffer, producer: memory of a record (8-aligned) or NULL; then commit, once.  output
	 * copies.  flags: BPF_RB_x.  Commit returns 0, so that a helper may end with it. */
	void *(*reserve)(struct uebpf_map *map, uint64_t size);
	uint64_t (*commit)(struct uebpf_map *map, void *record, uint64_t flags, bool discard);
	uint64_t (*query)(struct uebpf_map *map, uint64_t what);	/* BPF_RB_AVAIL_DATA ... */
	/* User ring buffer: gives each sample to fn until it returns non-zero; how many, or -errno. */
	long (*drain)(struct uebpf_map *map, long (*fn)(void *arg, void *data, uint32_t len), void *arg,
		      uint64_t flags);
	/* Local storage keyed by an object (thread id for task storage, host's cookie for sockets):
	 * create: makes it when absent, from init or zeroes. */
	void *(*storage)(struct uebpf_map *map, uint64_t owner, const void *init, bool create);
	long (*storage_remove)(struct uebpf_map *map, uint64_t owner);
	/* stack_trace: the id of a stack of n words (an address, or four with BPF_F_STACK_BUILD_ID); flags
	 * BPF_F_FAST_STACK_CMP, BPF_F_REUSE_STACKID. */
	long (*stack_id)(struct uebpf_map *map, const uint64_t *ip, uint32_t n, uint64_t flags);
	/* arena: the address of n free pages that are now taken, or -errno.  at: which ones (lower 32 bits count); 0:
	 * any, unless `what` says that they are.  PAGES_GIVE: they are free again and read as zeroes. */
	long (*pages)(struct uebpf_map *map, enum map_pages what, uint64_t at, uint32_t n);
	/* prog_array: NULL when empty or out of range. */
	const struct uebpf_prog *(*prog)(struct uebpf_map *map, uint32_t index);
	/* devmap, cpumap, xskmap, sockmap, cgroup_array ...: is something at this key? */
	bool (*has_target)(struct uebpf_map *map, const void *key);
};
struct map_ops {
	const char *name;		/* "hash" */
	uint32_t flags;			/* BPF_F_x accepted at creation */
	uint16_t traits;
	uint8_t type;			/* BPF_MAP_TYPE_x */
	uint8_t may;			/* enum uebpf_may */
	uint8_t object;			/* enum object: what a look-up gives; of OBJECT_SOCK it acquires */
	uint16_t handle_size;		/* size of the process-local struct, begins with struct uebpf_map */
	/* 0 or -errno (the kernel's) with *why. */
	int (*check)(const struct uebpf_map_opts *opts, const char **why);
	size_t (*bytes)(const struct uebpf_map *map);	/* storage for the geometry in *map */
	int (*init)(struct uebpf_map *map, bool fresh);	/* storage is mapped; fresh: zeroed, lay it out */
	void (*fini)(struct uebpf_map *map);
	/* Program side: BPF semantics, return values of the helpers. call may be NULL (host calls). */
	void *(*lookup)(struct uebpf_map *map, const void *key, struct uebpf_call *call);
	long (*update)(struct uebpf_map *map, const void *key, const void *value, uint64_t flags,
		       struct uebpf_call *call);
	long (*remove)(struct uebpf_map *map, const void *key);
	/* User side: bpf() semantics. */
	int (*user_lookup)(struct uebpf_map *map, const void *key, void *value, uint64_t flags);
	int (*user_update)(struct uebpf_map *map, const void *key, const void *value, uint64_t flags);
	int (*next_key)(struct uebpf_map *map, const void *key, void *next);
	int (*lookup_delete)(struct uebpf_map *map, const void *key, void *value, uint64_t flags);
	/* Each element of this thread's view until fn returns non-zero; how many were visited, or
	 * -errno.  A visited element stays valid memory while fn runs, even when fn deletes it. */
	long (*for_each)(struct uebpf_map *map, uint64_t (*fn)(void *arg, void *key, void *value),
			 void *arg, struct uebpf_call *call);
	/* Instructions for an operation on this very map, as struct helper.inliner; how many, 0 = no. */
	int (*inline_call)(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap);
	const struct map_more *more;	/* never NULL */
};
extern const struct map_more map_no_more;
/* The process-local handle of a map; families extend it (handle_size). */
struct uebpf_map {
	const struct map_ops *ops;
	uint32_t type, key_size, value_size, max_entries, flags;
	uint32_t value_stride;		/* value_size rounded up to 8 */
	uint64_t extra;
	_Atomic uint32_t refs;
	uint32_t share;			/* enum uebpf_share */
	uint32_t cpu_slots;
	bool frozen;
	struct region values;		/* where values lie, for checked runs; lo == hi: nowhere */
	void *base;			/* storage: one contiguous mapping, offsets only */
	size_t bytes;
	struct uebpf_env *env;
	struct uebpf_map *inner;	/* template of map-in-map */
	/* Names and types of keys and values: the loader's BTF, a reference that btf_drop gives back. */
	const void *btf;
	void (*btf_drop)(const void *btf);
	uint32_t btf_key, btf_value;
	uint32_t spin_lock_off;		/* offset of struct bpf_spin_lock in the value, UINT32_MAX: none */
	uint32_t timer_off;		/* of struct bpf_timer, which only the verifier looks at */
	/* An arena: the mask of its window, 0 when it has none.  Whatever p is, all of
	 *	base - margin + ((p - base + margin) & window) + displacement	(32 bits inside the brackets)
	 * is memory that this process may read and write, and for addresses of the arena it is that address: verified
	 * code reaches an arena only so (verifier/arena.c).  maps/arena.c maps what this needs. */
	uint32_t window;
	char name[64];
};

/* Displacements reach 32 KB to both sides of an arena; one of nearly 4 GB has no bits for that. */
enum { ARENA_REACH = 1 << 15 };
static inline uint32_t arena_margin(uint64_t bytes)
{
	return bytes + 2 * ARENA_REACH <= UINT64_C(1) << 32 ? ARENA_REACH : 0;
}

/* ---- program types ---- */

enum ctx_kind {
	CTX_SCALAR,
	CTX_PACKET, CTX_PACKET_END, CTX_PACKET_META,	/* 4 bytes in the program's view, a pointer here */
	CTX_MEM,		/* pointer to memory, its byte count in the host field size_off */
	CTX_CSTR,		/* pointer to a NUL-terminated string */
	CTX_PTR,		/* pointer that only probe_read may follow */
	CTX_SOCK,		/* host socket or NULL */
};
enum ctx_flags {		/* CTX_SOCK: enum object in the bits below CTX_ALWAYS */
	CTX_MEM_WRITE = ACCESS_WRITE,	/* programs write what it points to */
	CTX_OR_NULL = 4,	/* pointer that may be NULL */
	CTX_ALWAYS = 16,	/* CTX_SOCK: never NULL in the kernel */
};
struct ctx_field {
	uint16_t off, size;		/* in the program's view */
	uint16_t count;			/* array of such fields (0 = 1) */
	uint8_t kind;			/* enum ctx_kind */
	uint8_t access : 2;		/* ACCESS_READ | ACCESS_WRITE */
	uint8_t narrow : 1;		/* smaller aligned loads inside the field are allowed */
	uint8_t flags : 5;		/* enum ctx_flags */
	uint16_t host_off;		/* in the host's struct */
	uint16_t host_size;		/* bytes there: widened or narrowed to `size` */
	uint16_t size_off;		/* CTX_MEM: host offset of a 64-bit (or size_width) byte count */
	uint8_t size_width;		/* bytes of that count, 0 = 8 */
	uint8_t name;			/* ctx_field_name() */
};
enum type_flags {
	TYPE_PACKET = 1,	/* host context is struct uebpf_packet */
	TYPE_PACKET_WRITE = 2,	/* programs may write packet bytes */
	TYPE_DIRECT = 4,	/* program's view is the host's bytes: no field translation */
	TYPE_RAW = 8,		/* r1 = memory (read-write), r2 = its length */
	TYPE_REFUSED = 16,	/* known, cannot run in user space: `why` */
	TYPE_LD_ABS = 32,	/* LD_ABS / LD_IND allowed */
	TYPE_OPEN = 128,		/* the caller chooses ctx_len (ctx_size is the most a program may touch):
				 * a run needs as many bytes as the program touches */
	TYPE_SOCK = 256,	/* the context is a socket (struct bpf_sock) */
	TYPE_CTX_WRITE = 64,	/* TYPE_DIRECT without fields: programs may write the struct */
};
struct prog_type {
	const char *name;		/* "xdp" */
	union {
		const struct ctx_field *fields;
		const char *why;	/* TYPE_REFUSED; through message_text() */
	};
	const struct uebpf_field *event; /* of a host's type: what its fields mean, beside `fields`; or NULL */
	uint32_t groups;		/* enum helper_group: kernel policy offers these */
	uint16_t flags;			/* enum type_flags */
	uint16_t ctx_size;		/* bytes of the program's view; TYPE_RAW: 0 */
	uint16_t host_size;		/* bytes that uebpf_prog_run needs at least */
	uint16_t nr_fields;
	uint8_t kernel_type;		/* BPF_PROG_TYPE_x, 0 = ours */
	uint8_t verdicts;		/* prog_type_result() */
	int8_t ret_lo, ret_hi;		/* allowed r0, unless ret_hi is 0 */
};
/* The field that an access of `size` bytes at `off` of the program's view touches, or NULL. */
const struct ctx_field *ctx_field_at(const struct prog_type *type, uint32_t off, uint32_t size, bool write);
/* Kept where the rows are (loader/types.c). */
const char *ctx_field_name(const struct prog_type *type, const struct ctx_field *field);

#endif
