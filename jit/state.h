/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* state.h - the state of one compiled run, as C and machine code share it, and what a compiled
 * program keeps.  Backend-neutral: a backend addresses the fields by offsetof. */
#ifndef UEBPF_JIT_STATE_H
#define UEBPF_JIT_STATE_H

#include "jit/backend.h"

/* What checked code compares an address with.  An access of `size` bytes at `addr` is inside when
 * addr - lo < limit[log2(size)]; limits of a region that is absent or too small are 0. */
struct jit_window { uint64_t lo; uint64_t read[4], write[4]; };

/* The first windows are for what the compiler can tell of a base register: the program's context and
 * packet.  The others belong to pointers of unknown kind and remember the region that was last hit
 * through them.  The current frame needs none: it is compared with the frame pointer. */
enum { WINDOW_CTX, WINDOW_PACKET, WINDOW_FREE, WINDOWS = 24 };

struct jit_state {
	struct uebpf_call call;		/* first: helpers get its address */
	struct jit_code *jit;		/* of the program that runs now */
	uint64_t exit_sp;		/* stack pointer to return through when the run ends early */
	uint64_t r[6];			/* arguments of a checked helper; r[0]: result of the miss path */
	uint32_t init;			/* registers written (INIT_SET), checked code */
	uint32_t verdict;		/* scratch of the miss path */
	uint64_t fp;			/* guest's frame pointer at the last helper call, checked code */
	uint64_t ctx_room;		/* bytes of context that the program may touch, checked code */
	uint64_t reserve;		/* steps beyond call.left: sliced code (jit_refill) */
	uint64_t stack_end;		/* r10 of the first frame, checked code */
	uint32_t frame_size, frames;	/* bytes of a frame; how many there are */
	uint32_t stack_memo;		/* some window remembers a frame of the stack */
	bool ready;			/* `call` is complete; checked runs make it so when they need it */
	struct jit_window window[WINDOWS];
};

/* One checked access, for the miss path. */
struct jit_site {
	uint32_t insn;
	int32_t rest;			/* steps charged for blocks that a fault here never reaches */
	uint8_t window, size, access, atomic;
};

struct jit_code {
	struct vm_host *host;
	struct jit_pages *pages;
	uint8_t *text;			/* executable */
	size_t bytes;
	uint64_t (*plain)(void *ctx, size_t len, void *host);	/* NULL: needs a state */
	uint64_t (*bare)(void *ctx, size_t len, void *host);	/* builds the state and calls full */
	uint64_t (*full)(struct jit_state *state);
	/* Of checked code: the program as it runs without options on a context of tame_need bytes, where nothing
	 * in it can fault and its budget suffices.  NULL: no such. */
	uint64_t (*tame)(void *ctx, size_t len, void *host);
	uint32_t tame_need;
	struct code *tame_code;		/* it was compiled from (tame.c) */
	/* Runs the code at `entry` one frame deeper with args[0..4] in r1-r5. */
	uint64_t (*callback)(struct jit_state *state, const void *entry, const uint64_t *args);
	int (*run)(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);
	bool quick;			/* run_quick will do */
	const void *tail;		/* where a tail call enters: machine code, not a C function */
	const void *result;		/* machine code that returns state.r[0] */
	const struct prog_type *tail_type;	/* code of this type without checks and counts may go to `tail` itself; or NULL */
	jit_batch_fn batch, packets;
	bool packets_view;		/* packets looks at the view */
	uint8_t *map;			/* machine offset of each instruction: deltas, see code_map */
	uint32_t map_bytes;
	struct jit_site *site;
	uint32_t nr_site;
	uint32_t nr_window;		/* windows in use */
	const struct code *code;
	void *unwind;			/* frame information, NULL: none */
	bool unwinds;			/* ... which the process's unwinder knows */
	size_t unwind_bytes;
	void *gdb;			/* told to GDB (gdb.c), NULL: not */
	struct jit_code *next, *before;	/* of the same pages (pages.c) */
	uint32_t *sub_off;		/* machine offset of each subprogram's prologue */
	bool needs_state, listed;
	/* of checked code: what the context window grants */
	uint32_t ctx_access, ctx_size;	/* enum access; bytes, UINT32_MAX: as many as are given */
	uint32_t frames, frame_size, init, min_len;
	bool packet_window, ctx_window, inits;
	/* Steps are handed out in slices, and the abort flag is looked at between them: code without
	 * helper calls, which might raise the flag or ask for what is left. */
	bool sliced;
	uint64_t first_slice, first_reserve;	/* of the program's own budget */
};

/* ---- called by machine code (run.c, miss.c) ---- */
/* A checked access missed its window: 0 it is good, go on; 1 done, a load's value is in r[0]; 2 fault. */
uint32_t jit_miss(struct jit_state *state, uint32_t site, uint64_t addr);
/* call.left is less than the block at `insn` needs: 0 there is more now, 1 there is no more, 2 the abort
 * flag is up and status is set. */
uint32_t jit_refill(struct jit_state *state, uint32_t insn);
/* Checked helper call of instruction `insn`, arguments in r[1..5]; a value that it returns is expected to be
 * reached through `window`. */
uint64_t jit_checked_call(struct jit_state *state, uint32_t insn, uint32_t window);
/* A helper asked for a tail call: where to go on; NULL: after the call, or status is set. */
const void *jit_take_tail(struct jit_state *state);
/* LD_ABS, LD_IND: 1 the value is in r[0]; 0 outside the packet; 2 status is set. */
uint32_t jit_packet_load(struct jit_state *state, uint64_t r6, uint32_t off, uint32_t size);
/* Machine address of the function whose guest address is fn; NULL: status is set. */
/* callx: where the subprogram at `fn` begins; JIT_CALLED when it was the number of a helper, which has
 * run then (r1-r5 in state->r, result in r[0]); NULL: call.status is set. */
#define JIT_CALLED ((const void *)1)
const void *jit_callx(struct jit_state *state, uint64_t fn);
/* A frame ended, or memory may have gone: windows that remember what was hit are emptied. */
void jit_forget(struct jit_state *state);

/* ---- between run.c and miss.c ---- */
enum { JIT_SLICE = 1 << 14 };	/* steps, some microseconds */
/* The first slice of what call.left says; none when the abort flag is up. */
void jit_slice(struct jit_state *state);
void jit_open_window(struct jit_window *w, uint64_t lo, uint64_t hi, uint32_t access);
/* The context's and the packet's windows as the call has them; the others are emptied. */
void jit_own_windows(struct jit_state *state);
/* The call's region of the stack, as deep as the run is. */
void jit_stack_region(struct jit_state *state);
void jit_remember(struct jit_state *state, struct jit_window *w, const struct region *r, uint64_t addr);
uint64_t jit_run_callback(struct uebpf_call *call, uint64_t fn, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4,
			  uint64_t r5);
/* Most checked runs never leave the compiled code, so what only helpers and the long way look at is
 * filled in when one of them is reached. */
void jit_make_ready(struct jit_state *state);
static inline void jit_get_ready(struct jit_state *state)
{
	if (!state->ready)
		jit_make_ready(state);
}

/* ---- of a compiled program ---- */
/* enum access that programs of this type have to their context itself. */
uint32_t jit_ctx_access(const struct prog_type *type);
/* Fills in what run.c needs to know of a compiled program. */
void jit_plan_run(struct jit_code *jit);
/* The bare entry of a program that needs a state. */
uint64_t jit_run_bare(void *ctx, size_t len, void *host, struct jit_code *jit);

#endif
