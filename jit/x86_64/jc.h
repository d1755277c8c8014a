/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* jc.h - state of one compilation.  Private to jit/x86_64. */
#ifndef UEBPF_JIT_X86_JC_H
#define UEBPF_JIT_X86_JC_H

#include "jit/jit.h"
#include "jit/state.h"
#include "jit/x86_64/encode.h"
#include "vm/flow.h"

/* Registers that are not the guest's.  R9, R12 carry the run's state only where there is one. */
enum { TMP = R10, TMP2 = R11, LEFT = R9, STATE = R12 };

#define FIELD(f) x_at(STATE, (int32_t)offsetof(struct jit_state, f))
#define CALL_FIELD(f) x_at(STATE, (int32_t)offsetof(struct jit_state, call.f))

/* Code goes to a staging buffer without its jumps; layout() then chooses their sizes, and the copy
 * to the final place inserts them.  A label remembers how many jumps precede it. */
struct label { uint32_t at, fixes; };
enum fix_kind { FIX_JMP, FIX_JCC, FIX_CALL, FIX_ALIGN, FIX_NEAR /* label: index in jc.callee */ };
struct fix { uint32_t at, label; uint8_t kind, cc, size; };
enum { UNSET = UINT32_MAX };

/* Out-of-line code: what rarely happens. */
enum cold_kind { COLD_FAULT, COLD_MISS, COLD_DIV_ZERO, COLD_DIV_MINUS, COLD_BUDGET, COLD_FORGET, COLD_LEAVE };
struct cold {
	uint8_t kind, reg, size, access, fp;
	bool wide, flag;
	uint32_t insn, label, back, after, site;
	int32_t disp, value;
	int32_t rest;		/* steps charged for blocks that come later: given back when leaving here */
};

/* What is known for certain of a register (facts.c). */
enum fact_kind { FACT_NONE, FACT_MAP, FACT_CONST, FACT_CTX, FACT_FRAME, FACT_VALUE, FACT_MAYBE /* value or NULL */, FACT_TOP = 0xff };
/* off .. off + span: paths may differ */
struct fact { int32_t off; uint16_t span; uint8_t kind, map; };
enum { INLINE_MOST = 24 };

/* A loop [head, last] whose rounds are counted in a register (counted.c). */
struct counted {
	uint32_t head, last;
	uint32_t enter;			/* where it is entered: its head, or the body behind the test (clang's rotated form) */
	int32_t end;			/* the register's value that ends it: the first at or beyond, or (exact) that */
	int32_t rounds;			/* at most; 0: never entered, -1: not known */
	int32_t delta[10];		/* what registers grow by each round */
	uint8_t reg;
	bool exact;
};
enum { COUNTED = 8 };			/* loops looked at */

struct jsub {
	uint32_t entry;			/* label of the prologue */
	uint16_t writes;		/* guest registers written */
	bool stack, leaf, red_zone, rbp;
	bool private;			/* nothing points into its frame */
	bool loops;			/* has may_goto: a counter at [rsp] */
	bool inits;			/* keeps state.init over its calls at [rsp + 8] */
	int32_t frame;			/* bytes of guest stack really used, a multiple of 16 */
	uint32_t zero;			/* bytes below r10 to zero on entry */
	uint64_t zero_bytes[8];		/* and these: a bit per byte, bit 0 = r10 - 1 (vm/flow.h) */
	uint8_t saved[4], nr_saved;	/* host registers to keep for the caller */
};

enum jit_rule { RULE_MAGIC = 1, RULE_ALIGN = 2, RULE_PAIR = 4, RULE_VECTOR = 8, RULE_SELECT = 16, RULE_LANES = 32,
		RULE_UPDATE = 64, RULE_PREDICT = 128, RULE_BETWEEN = 256, RULE_FLAGS = 512 };	/* jit_rule_names (jit/cpu.c) */

struct jc {				/* what is used most first: one byte reaches it */
	struct x_buf b;
	const struct code *code;
	struct jit_code *jit;
	uint32_t i;			/* instruction being emitted */
	const struct insn *in;
	struct jsub *cur;
	uint32_t cur_start;
	uint32_t zeroes_at;		/* instruction at which xmm0 is zero */
	uint32_t flags_at, set_at;	/* the jump whose comparison is done; the jump over a move that setcc stands for */
	uint32_t lanes_tail, lanes_head;	/* the jump back of a loop in lanes goes to this label */
	uint8_t reg[11];
	bool state, metered, checked;
	bool dynamic;			/* the call depth is counted */
	bool only_zero;			/* the flags at flags_at tell whether a result is 0 and nothing else */
	uint32_t skip;			/* so many next instructions are part of this one */
	bool tails, inits, main_called, packet_window, calls_c;
	uint32_t cpu, flags;
	bool far;			/* no direct calls: they would not reach */
	uint8_t call_window;
	bool calls_helper;		/* some helper call is not inlined */
	bool fast, sliced, bails, ctx_window;
	uint8_t *base;
	size_t cap;
	struct vm_host *host;
	struct label *label;
	uint32_t nr_label, cap_label;
	struct fix *fix;
	uint32_t nr_fix, cap_fix;
	const void **callee;		/* C functions that are called directly */
	uint32_t nr_callee, cap_callee;
	struct cold *cold;
	uint32_t nr_cold, cap_cold;
	struct jit_site *site;
	uint32_t nr_site, cap_site;
	uint32_t nr_window;
	struct flow flow;
	struct jsub *sub;
	uint32_t *fact_index, nr_fact;	/* of jump targets; NULL: nothing is known */
	struct fact *fact_at;
	uint32_t nr_counted;
	uint32_t ctx_access, ctx_size, ctx_need;
	uint32_t slow_label;		/* instruction 0 of the copy that tests everything; UNSET: none */
	uint32_t chain_end;		/* blocks before it are charged already */
	int32_t rest;			/* steps charged for those that are still to come */
	uint32_t refill_label;
	uint32_t next_packet, batch_end;	/* where an exit goes on in the loop over packets, or 0; the loops' end */
	uint32_t insn_label;		/* label of instruction 0 in the copy being emitted */
	uint32_t abort_label, miss_label, retpoline_label, retpoline_ret_label;
	uint8_t saved[4], nr_saved;	/* of all functions */
	uint8_t kind[11];		/* what each register points to: a window, or KIND_x */
	uint8_t (*kind_at)[11];		/* at jump targets */
	uint8_t next_window;
	uint32_t frame_size;		/* checked code: bytes of a guest frame */
	uint64_t blind;			/* random state of constant blinding */
	uint32_t rules;			/* enum jit_rule bits */
	uint32_t hits[JIT_RULE_COUNT];	/* of each: code that it made */
	bool no_memory;
	const struct insn *unsupported;
	struct fact fact[11];
	struct counted counted[COUNTED];
};
/* Is c->in one of the program's own, not of an inlined call in checked code (call.c)? */
static inline bool is_own(const struct jc *c) { return c->in == &c->code->insn[c->i]; }

static inline void jc_hit(struct jc *c, enum jit_rule rule) { c->hits[__builtin_ctz(rule)]++; }

/* ---- buf.c ---- */
void jc_room(struct jc *c, size_t bytes);
uint32_t jc_label(struct jc *c);
uint32_t jc_labels(struct jc *c, uint32_t n);	/* n > 0 of them, the first is returned */
void jc_bind(struct jc *c, uint32_t label);
uint32_t jc_here(struct jc *c);			/* a label bound here */
void jc_jmp(struct jc *c, uint32_t label);
void jc_jcc(struct jc *c, enum x_cc cc, uint32_t label);
void jc_call(struct jc *c, uint32_t label);
void jc_call_near(struct jc *c, const void *fn);
void jc_align(struct jc *c, unsigned to);
struct cold *jc_cold(struct jc *c, enum cold_kind kind);	/* NULL: no memory */
size_t jc_layout(struct jc *c, uint32_t *inserted);	/* inserted: nr_fix + 1 */
/* `at`: where the code will run.  false: a direct call does not reach. */
bool jc_copy(struct jc *c, const uint32_t *inserted, uint8_t *to, const uint8_t *at);
static inline uint32_t jc_pos(const struct jc *c, const uint32_t *inserted, uint32_t label)
{
	return c->label[label].at + inserted[c->label[label].fixes];
}

/* ---- emit.c ---- */
void emit_insn(struct jc *c);
void emit_const(struct jc *c, int reg, uint64_t k);	/* the program's own constant (blinded on request) */
bool live_after(const struct jc *c, int guest);
int emit_group1(uint16_t op);	/* the enum x_alu that it is; -1: none */
enum spare { SPARE_NONE, SPARE_R9 = 4, SPARE_ALL = 7 };	/* that much of home[] in frame.c */
enum spare emit_spare(const struct jc *c, uint32_t i);	/* what instruction i leaves alone */

/* ---- select.c ---- */
/* After the comparison of c->in: a conditional move in place of its jump over a move; false: it is none. */
bool emit_select(struct jc *c, enum x_cc cc);
/* r = 0 or 1, c->in, and then by a jump over a move the other: the first part of a setcc; false: it is none. */
bool emit_set(struct jc *c);
/* Behind c->in, a jump, and a move that is none: the next jump may compare the same, whose flags are still there. */
void emit_kept(struct jc *c);

/* May the next instruction be done with instruction i?  Not in checked code, whose inlined calls (call.c) are emitted as
 * if they were none: they are numbered by themselves, and flow is the program's. */
static inline bool jc_follows(const struct jc *c, uint32_t i)
{
	return !c->code->checked && i + 1 < c->code->n && !(c->flow.mark[i + 1] & FLOW_TARGET);
}

/* ---- between.c ---- */
bool emit_between(struct jc *c);			/* c->in and the next instruction; false: they ask something else */
bool between_at(const struct jc *c, uint32_t i);	/* would those at i do? */

/* ---- update.c ---- */
/* From load c->in on, whose operand is m, one operation on memory; false: it is none. */
bool emit_update(struct jc *c, struct x_mem m);
bool made_for_update(const struct jc *c);	/* Only such reads the address that c->in makes. */

/* ---- flags.c ---- */
/* A jump on whether r & k is 0, the AND `behind` instructions behind c->in, as a test of register m.base or, where c->in
 * is a load, of m; false: it is none. */
bool emit_flags(struct jc *c, uint32_t behind, struct x_mem m);
/* c->in's flags are those of its result: a jump on whether that is 0 needs no comparison. */
void keep_flags(struct jc *c);

/* ---- vector.c ---- */
bool emit_vector(struct jc *c);	/* what begins at c->in, in one; false: it does not */

/* ---- lanes.c ---- */
/* The loop that begins at c->i, in lanes: binds its label, and lanes_head where it goes on as it is; false: it does not. */
bool emit_lanes(struct jc *c);

/* ---- div.c ---- */
struct form { bool w; uint8_t d, s; bool imm; int64_t k; };
void emit_divmod(struct jc *c, struct form f, bool sign, bool mod);
void emit_shift(struct jc *c, struct form f, enum x_shift op);

/* ---- frame.c ---- */
void zero_registers(struct jc *c);	/* those that the program may read first */
void zero_frame(struct jc *c, const struct jsub *j);
bool plan_frames(struct jc *c);
void emit_prologue(struct jc *c);
void emit_epilogue(struct jc *c);
void emit_exit(struct jc *c);

/* ---- call.c ---- */
void emit_helper(struct jc *c);
void emit_local(struct jc *c);
void emit_callx(struct jc *c);
/* Around C: the steps left go to the state and come back. */
void leave_guest(struct jc *c);
void enter_guest(struct jc *c);
void emit_call_c(struct jc *c, const void *fn);
/* Through a register (retpolines: by way of rax). */
void emit_call_r(struct jc *c, int r);
void emit_jump_r(struct jc *c, int r);

/* ---- entry.c ---- */
struct entries { uint32_t full, callback, tail, bare, result; };
void entry_mark(struct jc *c);		/* whatever an indirect branch leads to begins with it */
void emit_entries(struct jc *c, struct entries *out);
void emit_plain_tail(struct jc *c, struct entries *out);
void emit_retpolines(struct jc *c);
void emit_batch(struct jc *c, uint32_t *label);
void emit_packets(struct jc *c, uint32_t *label);
void emit_round(struct jc *c, uint32_t next);

/* ---- compile.c ---- */
void begin_sub(struct jc *c, uint32_t index);
void emit_body(struct jc *c, uint32_t index);

/* ---- unwind.c ---- */
/* Code [from, to): CFA = rsp (or rbp) + cfa; saved[k] lies at CFA - 16 - 8 k. */
struct unwind_frame { uint32_t from, to, cfa; bool fp; uint8_t saved[8], nr; };
void unwind_register(struct jit_code *jit, const struct unwind_frame *frames, uint32_t n, bool gdb);
void unwind_drop(struct jit_code *jit);
void unwind_of_sub(const struct jc *c, uint32_t index, struct unwind_frame *out);
void unwind_of_entry(const struct jc *c, struct unwind_frame *out);
void unwind_of_batch(struct unwind_frame *out);

/* ---- facts.c ---- */
enum judgement { JUDGE_TEST, JUDGE_GOOD, JUDGE_CTX /* when the context has *need bytes */, JUDGE_NULL /* unless NULL */ };
void facts_build(struct jc *c);
void facts_free(struct jc *c);
void fact_enter(struct jc *c);
void fact_leave(struct jc *c);
void fact_step(const struct jc *c, const struct insn *in, struct fact now[11]);
enum judgement fact_judge(const struct jc *c, int base, int32_t off, uint32_t size, uint32_t access, bool atomic,
			  uint32_t *need);
/* Is the load c->in of a translated field whose place is certain, so that the host's struct, which every run has
 * whole (acceptable() in jit/run.c), can be read?  *out: as that load. */
bool fact_field(const struct jc *c, int size, bool sign, struct insn *out);
uint32_t fact_inline(const struct jc *c, const struct insn *in, const struct fact now[11],
		     struct insn out[INLINE_MOST], uint16_t *map);

/* ---- counted.c ---- */
void counted_find(struct jc *c);
struct counted *counted_at(struct jc *c, uint32_t enter);	/* NULL: none is entered there */
void counted_enter(struct counted *l, struct fact now[11]);	/* from before the loop: what holds in all rounds */
uint64_t counted_steps(const struct jc *c);

/* ---- tame.c ---- */
void tame_compile(struct jit_code *jit, const struct jit_opts *opts);	/* sets tame and what belongs to it, or not */
void tame_drop(struct code *code);

/* ---- checked.c ---- */
uint8_t new_window(struct jc *c);
uint32_t emit_leave(struct jc *c, uint32_t label);	/* where a jump out of a chain goes */
enum { KIND_UNKNOWN = 0xff, KIND_FRAME = 0xfe };
enum { GUARD_ATOMIC = 0x100 };	/* with enum access: aligned, memory only */
struct x_mem emit_guard(struct jc *c, int base, int32_t off, int size, uint32_t access, uint32_t *cold);
void emit_guard_end(struct jc *c, uint32_t cold, int load_reg);
void track_kinds(struct jc *c);		/* after each instruction: what its result points to */
void enter_kinds(struct jc *c);		/* before each */
void emit_colds(struct jc *c);
void emit_charge(struct jc *c);
void emit_init_check(struct jc *c);
/* Ends the run when cc holds: status (0: it is set already) and this instruction's pc. */
void emit_fault_if(struct jc *c, enum x_cc cc, int status);
void emit_forget_if(struct jc *c, enum x_cc cc);

#endif
