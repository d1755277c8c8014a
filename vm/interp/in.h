/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* in.h - the state of an interpreted run, and what of a run is too rare to stand in the loop (access.c, call.c; built
 * for size: far.c, trace.c).  Private to vm/interp*. */
#ifndef UEBPF_VM_INTERP_IN_H
#define UEBPF_VM_INTERP_IN_H

#include "vm/interp/form.h"

/* What a callee must give back to its caller. */
struct frame {
	const struct xinsn *back;
	const struct code *code;	/* a tail call may have replaced the callee's program */
	uint64_t saved[4];		/* r6-r9 */
	uint32_t init;			/* registers known to be written (checked) */
	uint32_t loops;			/* may_goto budget */
};

/* The last regions that were hit: an access of 2^k bytes at addr is inside when addr - lo < limit[k]. */
struct hit { uint64_t lo, limit[4]; };

struct engine {
	struct uebpf_call call;
	struct hit rd[2], wr[2];
	uint32_t rd_next, wr_next;
	uint8_t *stack_end;		/* r10 of the first frame */
	uint32_t frame_size, frames;
	struct frame *frame;
	uebpf_trace_fn step;		/* NULL: not traced */
	void *step_arg;
	struct traced *traced;		/* all copies of this run */
};

struct any16 { uint16_t v; } __attribute__((packed, may_alias));
struct any32 { uint32_t v; } __attribute__((packed, may_alias));
struct any64 { uint64_t v; } __attribute__((packed, may_alias));
typedef struct { uint8_t v; } mem_uint8_t;
typedef struct { int8_t v; } mem_int8_t;
typedef struct any16 mem_uint16_t;
typedef struct any32 mem_uint32_t;
typedef struct any64 mem_uint64_t;
typedef struct { int16_t v; } __attribute__((packed, may_alias)) mem_int16_t;
typedef struct { int32_t v; } __attribute__((packed, may_alias)) mem_int32_t;

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* How a step ends: with the next, a jump to its target, the run's end by a fault, the function's end, or a
 * checked access that is in none of the last regions. */
enum step { STEP_ON, STEP_JUMP, STEP_STOP, STEP_LEAVE, STEP_MISS };

/* Checked: an access that missed, with all checks and effects; false: the run faults. */
bool interp_access(struct engine *e, const struct insn *in, uint64_t *r);
/* The instructions that have no case of their own. */
enum step interp_far(struct engine *e, const struct insn *in, uint64_t *r);

/* A call with the checks of the code's mode; false: the run ends. */
bool interp_call(struct engine *e, const struct helper *helper, uebpf_helper_fn fn, uint64_t *r);
/* The same for callx of a helper's number, and for a helper that may ask for a tail call: NULL without a
 * status: it did not happen. */
bool interp_call_number(struct engine *e, uint64_t number, uint32_t init, uint64_t *r);
const struct code *interp_tail(struct engine *e, const struct xinsn *pc, uint64_t *r);

/* Checked: nothing is known of what may be touched; what most programs touch first. */
void interp_forget(struct engine *e);
void interp_expect(struct engine *e);
/* Checked: a value that a helper returned is used next. */
void interp_expect_value(struct engine *e, const struct region *values, uint64_t addr, uint32_t len);
/* Checked: the stack region grew or shrank by one frame. */
void interp_frame_changed(struct engine *e);
static inline void zero_stack(const struct engine *e, uint64_t fp, uint32_t size)
{
	if (size && fp && !e->call.code->no_zero)	/* fp 0: a run that has no frames */
		__builtin_memset((char *)(uintptr_t)fp - size, 0, size);
}

/* Traced runs execute a copy of the code whose every op is X_BAD.  interp_traced: step, then the
 * instruction that the one at pc stands for; NULL: the run is not traced. */
const struct code *interp_trace_copy(struct engine *e, const struct code *code);
const struct xinsn *interp_traced(struct engine *e, const struct xinsn *pc, const uint64_t *r);
void interp_trace_free(struct engine *e);
/* The copy of the program that a tail call leads to, as it was before it was rewritten; NULL: status is set. */
const struct code *interp_trace_tail(struct engine *e, const struct code *code);

#endif
