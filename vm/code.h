/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* code.h - a program that is ready to be verified, rewritten, compiled or run, and the state of
 * one run.  The engines, the verifier and the helpers meet here. */
#ifndef UEBPF_VM_CODE_H
#define UEBPF_VM_CODE_H

#include <stdarg.h>
#include "vm/desc.h"
#include "vm/insn.h"

struct uebpf_call;

struct subprog {
	uint32_t start, end;	/* decoded instructions [start, end); sub[0] is the program */
	uint32_t slot;		/* source slot of start */
	const char *name;	/* "" if unknown; owned by the code */
	bool global;		/* verified on its own */
	bool callback;		/* its address is taken */
	uint32_t zero;		/* bytes below its r10 that a run zeroes on entry (code_bind); unless code->no_zero */
};

/* What runs, maps and helpers need of the env; struct uebpf_env begins with it (vm_host_of). */
struct vm_host {
	struct uebpf_hooks hooks;
	uint32_t probe;			/* enum uebpf_probe */
	uint32_t stack_size, max_frames, cpu_slots;
	uint64_t budget;
	bool rseq, rdpid;		/* ways to the CPU's number that may be used */
	_Atomic bool wary;		/* a map of it is open to peers that are not trusted: no lock in a value is waited for
					 * without end */
	uint64_t _Atomic random_state;
	struct uebpf_env *env;
	/* A reference to the env: +1 takes, -1 drops (maps outlive their object and hold their env). */
	void (*hold)(struct vm_host *host, int n);
	/* uebpf_env_opts.alloc; only vm/mem.c calls it */
	void *(*alloc)(void *ctx, void *old, size_t old_size, size_t new_size);
	void *alloc_ctx;
	/* Gives a map its types: BTF bytes, ids of key and value.  0, -EINVAL (no sound BTF) or -ENOMEM.  Set by
	 * the loader, which knows BTF; NULL: maps stay untyped. */
	int (*type_map)(struct uebpf_map *map, const void *btf, size_t len, uint32_t key, uint32_t value);
	/* Writes a value of the type `id` of the target at most cap (> 0) bytes long; its length or -errno.  Set by
	 * the loader, too; NULL: there are no types. */
	long (*type_text)(struct uebpf_call *call, char *out, size_t cap, uint64_t at, uint32_t id, uint64_t flags);
	struct map_domain *_Atomic domain;	/* maps/domain.c: slots of per-CPU maps; maps_host_fini() */
};

static inline struct vm_host *vm_host_of(struct uebpf_env *env)
{
	return (struct vm_host *)env;
}

/* What is known of a helper call on every path (from the verifier). */
struct call_site {
	const struct code *code;	/* set when an inliner is asked */
	uint32_t slot;			/* of the call */
	const struct uebpf_map *map;	/* its map argument, or NULL */
	bool key_known;			/* the key is the u32 `key` */
	bool key_inside;		/* the key is below the array's max_entries */
	uint32_t key;
	uint32_t known;			/* bit i: its argument i, which must be a constant, is arg[i] on every path */
	uint64_t arg[4];		/* of a function: its index in code->sub; of a string: where it lies */
	int32_t scratch;		/* offset from r10 of four words that the call may use; 0: none */
};

/* Immutable once built: any number of threads run it. */
struct code {
	struct insn *insn;
	uint32_t n;
	uint32_t *slot;			/* source slot of insn[i] */
	uint32_t slots;			/* source length in slots */
	struct subprog *sub;
	uint32_t nr_sub;
	struct uebpf_map **map;		/* referenced */
	uint32_t nr_map;
	const struct helper **helper;	/* helpers used; a prepared CALL holds the index in off and fn in imm */
	uint32_t nr_helper;
	const struct prog_type *type;
	const struct helper_table *helpers;
	struct vm_host *host;
	struct region *region;		/* static: map values, read-only data */
	uint32_t nr_region;
	uint32_t stack_size;		/* bytes a frame */
	uint32_t frames;		/* frames that a run can need (call graph; callx, callbacks: the limit) */
	uint32_t max_frames;
	bool checked;			/* run with need checks */
	bool metered;			/* steps are counted (checked: always) */
	bool bound, marked;		/* code_bind, code_mark done */
	bool no_zero;			/* frames need no zeroing: the verifier saw no read of unwritten stack */
	bool calls;			/* uses helpers that look at the call */
	bool compiled;			/* meant for a compiler: inliners may use many instructions */
	bool gpl;			/* object's licence */
	bool uses_stack;
	uint64_t budget;
	const struct uebpf_prog *owner;
	struct jit_code *jit;		/* machine code (jit/jit.h), NULL: interpreted */
	struct xinsn *run;		/* the interpreter's form (interp_prepare), NULL: compiled */
	struct call_site *site;		/* by slot; only calls that something is known of */
	uint32_t nr_site;
};

/* What floors below the loader may know of a program (prog_array, tail calls); the loader's own struct
 * begins with it.  hold: +1 takes, -1 drops a reference from inside the library; such references do
 * not keep a prog_array and its own object alive in a circle, as uebpf_prog_ref would. */
struct uebpf_prog {
	const struct code *code;	/* NULL: refused at load */
	const struct code *source;	/* the same before it was rewritten, for traces */
	void (*hold)(const struct uebpf_prog *prog, int n);
};

/* ---- building ---- */

/* Decodes n slots (wire form) and checks structure: opcodes, reserved fields, registers, jumps,
 * subprogram boundaries, ends (RFC 9669 and vm/isa.def).  subs: start slots of known subprograms
 * (nr_subs may be 0: found from calls).  0 or -errno with *err (pc, code, text).
 * Fills insn, n, slot, slots, sub, nr_sub; the caller zeroes *code first, sets host (its memory comes
 * from there, vm/mem.h; NULL: malloc) and frees with code_free. */
struct sub_def { uint32_t slot; const char *name; bool global; };
int code_decode(struct code *code, const void *slots, uint32_t n, const struct sub_def *subs,
		uint32_t nr_subs, uint32_t max_insns, struct uebpf_error *err);
/* The subprogram that holds decoded instruction `index`; the one that begins there, or NULL. */
struct subprog *code_sub_of(const struct code *code, uint32_t index);
struct subprog *code_sub_at(const struct code *code, uint32_t index);
/* The subprogram whose address LD_FUNC gave (the address of its first instruction), or NULL. */
const struct subprog *code_function(const struct code *code, uint64_t address);
/* The caller sets type, helpers, host, map, nr_map, checked, metered and, where not the host's, region,
 * stack_size, max_frames and budget; then, in this order (code_prepare does what was not done yet):
 *
 * code_bind     tests that helpers, maps and the type fit; CALL gets off = index in code->helper and
 *               imm = (intptr_t)fn (a function that fails the run with -ENOSYS where the row has none);
 *               rows with HF_TAIL become CALL_TAIL; CALL_LOCAL gets imm = bytes of the callee's frame
 *               to zero; map values join code->region; counts frames.
 *               Instruction indices stay: facts of a verifier that ran before or after hold.
 * code_mark     inserts CHARGE at each basic block of the program as it stands (metered or checked) and
 *               INIT_SET / INIT_CHECK where a register might be read before it is written (checked).
 *               A rewriter that removes or merges blocks must run after it and keep every CHARGE.
 *               *moved: old index -> new index of the instruction itself, n + 1 entries, freed with
 *               mem_free(host, moved, (old n + 1) * 4); NULL: not wanted.
 * LD_MAP and LD_MAPVAL keep index and offset for good; code_map_address gives the pointer. */
int code_bind(struct code *code, struct uebpf_error *err);
/* callx of a register that holds a helper's number becomes a call of it (callx.c).  code_bind does it
 * where the caller did not; who verifies calls it before. */
int code_resolve_callx(struct code *code, struct uebpf_error *err);
int code_mark(struct code *code, uint32_t **moved, struct uebpf_error *err);
int code_prepare(struct code *code, struct uebpf_error *err);
/* Sets code->frames of bound code as it stands. */
int code_count_frames(struct code *code, struct uebpf_error *err);
/* What LD_MAP (the handle) or LD_MAPVAL (address of a value's byte) puts into its register. */
static inline uint64_t code_map_address(const struct code *code, const struct insn *insn)
{
	struct uebpf_map *map = code->map[insn->imm_lo];

	return insn->op == OP_LD_MAP ? (uintptr_t)map :
	       (uint64_t)(map->values.lo + map->values.first) + (uint32_t)insn->imm_hi;
}
/* The row of a CALL or CALL_TAIL, bound or not; NULL when the id is unknown. */
static inline const struct helper *code_helper(const struct code *code, const struct insn *insn)
{
	return code->bound ? code->helper[insn->off] : helper_find(code->helpers, (uint32_t)insn->imm);
}
/* Registers r1-r5 that must be set for a helper, as a bit mask (bit 1 = r1); and those it looks at. */
uint32_t helper_needs(const struct helper *helper);
uint32_t helper_reads(const struct helper *helper);
/* callx of a number: the helper, or NULL with call->status set (none; one that replaces the program; or,
 * checked, a register of `init` that it needs was not written). */
const struct helper *call_by_number(struct uebpf_call *call, uint64_t number, uint32_t init);
struct code *code_copy(const struct code *code);	/* deep; NULL when memory is short */
void code_free(struct code *code);			/* contents and maps' references, not *code */

/* ---- text ---- */

/* One instruction in clang's form; target resolves labels ("+3" relative if NULL). snprintf-like. */
int insn_text(char *buf, size_t cap, const struct code *code, uint32_t index);
/* Disassembly of raw slots; returns slots consumed (1 or 2). */
int raw_text(char *buf, size_t cap, const void *slots, uint32_t n);
/* Assembles text (clang's form, one a line, labels "name:", comments // # ;) into wire slots.
 * *out is malloc'ed (caller frees).  Error: err->line and err->column. */
int asm_text(const char *text, void **out, uint32_t *n, struct uebpf_error *err);

/* ---- running ---- */

enum { CALL_REGIONS = 16, CALL_HOLDS = 8 };
/* Something a run holds and must give up when it ends early: a record of a ring buffer, or without a map a
 * bpf_spin_lock. */
struct call_hold { struct uebpf_map *map; void *what; };
/* A call of a helper on a map of the program whose arguments were good, and what of them may differ next time: the
 * memory that keys and values lie in. */
struct call_memo {
	const struct helper *helper;	/* NULL: none */
	const struct uebpf_map *map;	/* r1 */
	uint32_t n, size[2];
	uint8_t reg[2], access[2];
	bool quiet;			/* the helper adds, moves and takes away no memory, but for a value that it returns */
};
enum own_region { OWN_CTX, OWN_PACKET, OWN_META, OWN_STACK, OWN_FIRST_FREE };
struct uebpf_call {
	const struct code *code;
	void *ctx;
	size_t ctx_len;
	void *host;			/* uebpf_run.host */
	struct uebpf_run *run;
	struct vm_host *env;
	const struct helper *helper;	/* the one being called */
	int status;			/* 0, or negative errno: the run ends */
	uint32_t pc;			/* decoded index of the fault */
	uint64_t address;
	uint64_t left, budget;		/* steps that may still be charged; at the start */
	const uint32_t *abort;
	const struct code *tail;	/* set by a tail call: continue there */
	uint32_t tails;			/* tail calls so far; the engine counts and holds the limit of 33 */
	uint32_t depth;			/* frames in use */
	int32_t slot;			/* per-CPU slot owned by this run, -1: none yet */
	void (*on_exit)(struct uebpf_call *call);	/* gives the slot back; NULL: nothing to do */
	/* Runs the subprogram at `fn` (value of LD_FUNC) with r1-r5; set by the engine. */
	uint64_t (*callback)(struct uebpf_call *call, uint64_t fn, uint64_t r1, uint64_t r2,
			     uint64_t r3, uint64_t r4, uint64_t r5);
	void *engine;			/* the engine's own state */
	struct region own[CALL_REGIONS];
	const struct region *last;	/* found by call_find_region; NULL: none */
	struct call_memo memo;		/* call_check_args */
	uint32_t nr_own;
	uint32_t next_own;		/* the next to give way when all are taken */
	uint32_t packet_gen;		/* grows when a helper moves the packet */
	void *held;			/* helpers' and maps' own chain of things to release at exit */
	uint32_t nr_hold;		/* what helpers acquired and did not release yet */
	struct call_hold hold[CALL_HOLDS];
};
/* Engines call this when a run ends, however it ended, before on_exit. */
void call_drop_holds(struct uebpf_call *call);

/* Is [addr, addr+size) accessible to the program?  Slow and exact; also used for helper arguments. */
bool call_may_access(struct uebpf_call *call, uint64_t addr, uint64_t size, uint32_t access);
/* Memory that a helper hands to the program for the rest of the run / takes back. */
int call_add_region(struct uebpf_call *call, const void *base, size_t size, uint32_t access);
void call_put_region(struct uebpf_call *call, const struct region *region);
void call_drop_region(struct uebpf_call *call, const void *base);
/* The packet of this run or NULL; call_packet_moved after its bounds changed. */
struct uebpf_packet *call_packet(struct uebpf_call *call);
void call_packet_moved(struct uebpf_call *call);
/* Is it the handle of a map of the program? */
bool call_has_map(const struct uebpf_call *call, uint64_t addr);
/* Tests each argument against helper->arg (checked mode).  REFUSED: call->status and address are set; AGAIN: it is the
 * call in call->memo. */
enum call_check { CALL_REFUSED, CALL_GOOD, CALL_AGAIN };
enum call_check call_check_args(struct uebpf_call *call, const struct helper *helper, const uint64_t r[6]);

/* What every engine does around a run: fills *call (depth 1, no stack region yet), tests the context
 * and the options in *run; 0 or the status to return.  end: gives up what is held, writes *run back,
 * returns the status.  call->pc is UINT32_MAX until something faults. */
/* struct uebpf_run as hosts knew it before it had ip and frame. */
enum { RUN_MIN = offsetof(struct uebpf_run, ip) };
int call_begin(struct uebpf_call *call, const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run);
int call_end(struct uebpf_call *call);
/* After a helper in checked mode: makes what it returned accessible by its contract.  r: arguments as
 * they were, r[0] the result (may be changed: a void helper's is 0).  The region of a map's value, if it is one. */
const struct region *call_returned(struct uebpf_call *call, const struct helper *helper, uint64_t r[6]);
/* The region that grants `access` to [addr, addr + size); NULL: none. */
const struct region *call_find_region(struct uebpf_call *call, uint64_t addr, uint64_t size, uint32_t access);
/* A load or store of 1, 2, 4, 8 bytes with all checks (context fields too); false: -EFAULT is set. */
bool call_load(struct uebpf_call *call, uint64_t addr, uint32_t size, uint64_t *value);
bool call_store(struct uebpf_call *call, uint64_t addr, uint32_t size, uint64_t value);
/* The same without any check. */
uint64_t call_read(uint64_t addr, uint32_t size);
void call_write(uint64_t addr, uint32_t size, uint64_t value);
/* LD_ABS, LD_IND: the value in host order; false with status 0: outside of the packet, the program
 * ends with 0; false with status: r6 is not the context (checked). */
bool call_packet_load(struct uebpf_call *call, uint64_t r6, int32_t off, uint32_t size, uint64_t *value);
/* The tail call that a helper asked for may happen: takes call->tail, counts, sets call->code.
 * NULL: none was asked for, or the limit is reached; or it cannot be (status set). */
const struct code *call_take_tail(struct uebpf_call *call);
enum { TAIL_LIMIT = 33, MAY_GOTO_LIMIT = 8 << 20 /* Linux: BPF_MAX_LOOPS */ };

/* Makes the form that the interpreter executes of prepared (and rewritten) code: code->run.  Not needed
 * for interp_trace.  Again after instructions were changed in place.  0 or -ENOMEM. */
int interp_prepare(struct code *code);
/* Runs prepared code in the interpreter.  0 or negative status; *r0 set on 0. */
int interp_run(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);
/* Nothing but the program itself: no checks, no count, no helper that could look at the call, no second
 * frame.  A small filter is over before the general case has set its fields.  run_alone is for programs
 * that are, without options and with a context as large as the type says. */
bool interp_is_alone(const struct code *code);
int interp_run_alone(const struct code *code, void *ctx, size_t ctx_len, uint64_t *r0);
int interp_trace(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0,
		 uebpf_trace_fn step, void *arg);

/* Context access through the type's field table (checked mode). 0 or -EFAULT. */
int ctx_load(const struct prog_type *type, const void *ctx, uint32_t off, uint32_t size, uint64_t *value);
int ctx_store(const struct prog_type *type, void *ctx, uint32_t off, uint32_t size, uint64_t value);

/* ---- errors: one way to make them ---- */
/* error_set(err, stage, code, errnum, pc, text, ...) fills *err (may be NULL) and returns `errnum` (negative);
 * text is printf-like.  There are many such calls, so three of the arguments share a word. */
#define ERROR_WHAT(stage, code, errnum) ((uint32_t)(stage) << 28 | (uint32_t)(code) << 16 | (uint32_t)-(errnum))
#ifndef __clang_analyzer__
#define error_set(err, stage, code, errnum, pc, ...) \
	error_make(err, ERROR_WHAT(stage, code, errnum), pc, MESSAGE(__VA_ARGS__))
#else	/* which does not look into functions with "..." */
#define error_set(err, stage, code, errnum, ...) \
	((void)error_make(err, ERROR_WHAT(stage, code, errnum), __VA_ARGS__), (errnum))
#endif
int error_make(struct uebpf_error *err, uint32_t what, uint32_t pc, const char *text, ...)
	__attribute__((format(printf, 4, 5)));
int error_list(struct uebpf_error *err, uint32_t what, uint32_t pc, const char *text, va_list args)
	__attribute__((format(printf, 4, 0)));

#endif
