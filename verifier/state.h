/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* state.h - what the verifier knows at one point of one path, and the machinery that its files
 * share.  Internal to verifier/.
 *
 * A path is explored instruction by instruction in one working state.  At branches the other side is
 * saved and put on a stack.  At some instructions the state is kept as a node: once everything that
 * follows a node was explored, another path that arrives with a state that the node covers need not
 * go on.  Numbers that no decision below the node needed are not compared (precise.c finds which by
 * walking the path backwards); registers and stack that cannot be read any more are not even kept
 * (scan.c). */
#ifndef UEBPF_VERIFIER_STATE_H
#define UEBPF_VERIFIER_STATE_H

#include <string.h>
#include "verifier/scalar.h"
#include "verifier/verifier.h"

enum { MAX_UNEVEN = 200 };	/* paths within a trial that differ in an induction step; then it proves nothing */

enum kind {
	K_NONE,			/* never written */
	K_SCALAR,
	K_CTX,
	K_STACK,		/* r10 of frame `frame` + off */
	K_MAP,			/* a map itself */
	K_VALUE,		/* value of a map */
	K_PACKET, K_META, K_END,
	K_MEM,			/* memory of `size` bytes; with region: at least the region's known length */
	K_CSTR,			/* host's string: helpers may read it */
	K_PROBE,		/* address that only probe_read may follow */
	K_FUNC,			/* a subprogram */
	K_OBJECT,		/* socket, task, inner object of the host */
	K_DYNPTR,		/* dynptr handed to a callback */
	K_ARENA,		/* an arena pointer's low 32 bits, any number: arena.c makes accesses safe */
	K_COUNT
};
enum reg_flags {
	R_MAYBE_NULL = 1,
	R_RDONLY = 2,
	R_DIRECT = 4,		/* K_VALUE: from a map-value load, the first element */
	R_LOOSE = 8,		/* its base may lie at any address */
	R_ALWAYS = 16,		/* K_OBJECT, maybe NULL here: the kernel has one always */
};

/* 104 bytes; a plain value. */
struct reg {
	struct scalar s;	/* number, or variable part of a pointer's offset */
	uint8_t kind, flags;
	uint8_t frame;		/* K_STACK */
	uint8_t len;		/* K_SCALAR: region index + 1 whose length it is (+ delta) */
	uint8_t region;		/* K_MEM: region index + 1 of memory with a run-time length */
	uint8_t below;		/* K_SCALAR: region index + 1; number + range <= its length */
	uint16_t obj;		/* K_OBJECT: enum object; K_SCALAR: region whose byte it is */
	int32_t off;		/* pointer: fixed offset; number: delta from the linked ones' base */
	int32_t range;		/* packet, region memory: bytes proven from base + variable part */
	uint32_t id;		/* same id: linked numbers; same nullness; same variable packet offset */
	uint32_t ref;		/* acquired thing it belongs to */
	uint32_t since;		/* instruction that made it (messages only) */
	union {
		const struct uebpf_map *map;	/* K_MAP, K_VALUE */
		uint64_t size;			/* K_MEM */
		uint32_t func;			/* K_FUNC: start */
	};
};

/* Bytes of a slot: what was last written there. */
enum byte { B_NONE, B_MISC, B_ZERO, B_SPILL, B_DYNPTR };
struct slot {
	struct reg r;		/* the value in the bytes that are B_SPILL */
	uint8_t byte[8];	/* byte[0]: lowest address */
	uint8_t dynptr;		/* B_DYNPTR: enum dynptr + 1, in the first slot */
	uint32_t dynptr_ref;
};
enum { NR_REGS = 11, MAX_FRAMES = 16, MAX_REGIONS = 64, MAX_REFS = 16, MAX_SLOTS = 512 };
/* No memory of a process is longer: lengths and the offsets that they bound never wrap. */
#define MAX_LEN (UINT64_C(1) << 56)
enum { INDUCTION = 1u << 31 };	/* bit of ids that loop summaries hand out */

/* How a frame was entered. */
struct entry {
	uint32_t sub;
	uint32_t ret;		/* caller's call instruction */
	uint32_t rounds;	/* callback: which round this is; ANY_ROUND in a summary */
	uint8_t callback;	/* enum callback + 1 when entered from a helper */
	uint8_t refs_at_entry;	/* callback: references held by the caller */
	bool fresh;		/* callback: a round begins */
};
struct frame {
	struct reg r[NR_REGS];
	struct slot *slot;	/* slot[k]: r10 - 8*(k+1) .. ; env->nr_slots of them */
	uint32_t depth;		/* slots in use */
	struct entry in;
};
enum { ANY_ROUND = 1 << 30 };
struct ref { uint32_t id, pc, rounds; };	/* rounds: of an iterator, so far */
/* What a path holds and knows beside registers and stack. */
struct held {
	uint32_t nr_refs;
	uint32_t lock;		/* id of the value whose lock is held, 0 none */
	uint32_t may_goto;	/* may_goto instructions on this path */
	const struct uebpf_map *lock_map;
	struct ref ref[MAX_REFS];
	uint64_t min_len[MAX_REGIONS];
};
struct state {
	uint32_t nr_frames;	/* >= 1; the current one is f[nr_frames - 1] */
	struct held h;
	struct frame f[MAX_FRAMES];
};

/* A kept state: only what can still be read. */
struct cell {
	struct reg r;
	uint8_t byte[8];	/* slots */
	uint8_t frame, is_slot, precise, dynptr;
	uint16_t index;
	uint32_t dynptr_ref;
};
struct saved {
	uint32_t nr_frames, nr_cells;
	uint32_t apart;		/* the cell that last told another state from this one */
	struct entry f[MAX_FRAMES];
	struct held h;
	size_t bytes;
	struct cell cell[];
};
struct node {
	struct node *next;	/* at the same instruction, once everything below was explored */
	struct saved *s;
	uint32_t pc;
	uint32_t iter;		/* how many times the loop head was met on this path */
	uint32_t hits, misses;
	uint32_t hash;
	uint32_t serial;	/* order of creation */
	bool summary;		/* under trial: stands for every iteration of its loop */
	bool proven;		/* was a summary that held */
	/* A summary proves that its loop ends by a number that every way round moves up (or down). */
	uint64_t up, down;	/* candidates left, by cell */
	uint32_t id_base;	/* induction id of cell i: id_base + i */
	bool needs_end, asked;
	struct saved *came;	/* summary: the state that it did not cover */
};

/* ---- the path walked, for precision ---- */

enum step_kind { ST_NODE, ST_DEF, ST_MOV, ST_BIN, ST_PAIR, ST_FILL, ST_SPILL, ST_JOIN, ST_CLEAR, ST_CALL, ST_RET,
		 ST_HELPER, ST_LINK, ST_PC };
struct step {
	uint8_t kind, frame, dst, src;	/* frame: of the registers */
	uint16_t slot, n;		/* n: ST_LINK: members that follow */
	uint8_t slot_frame;
	uint32_t pc;
	struct node *node;
};

/* ---- scan.c: what does not depend on paths ---- */

struct live { uint16_t regs; uint64_t bytes4[2]; bool all; };	/* bytes4: 4-byte units down from r10 */
/* One for each instruction. */
struct flow {
	struct live live;	/* before it */
	uint32_t loop_begin, loop_end;	/* loop head: first and last instruction of its loop */
	uint32_t loop_of;	/* head of the innermost loop, UINT32_MAX: none */
	uint32_t sub;		/* subprogram */
	uint8_t mark;		/* enum flow_mark */
	uint8_t back;		/* some edge from here leads back to a loop head */
	uint8_t fails;		/* summaries that failed here */
	uint8_t loose;		/* facts.c: paths end here whose numbers did not matter */
	struct node *at;	/* nodes kept here */
};
enum flow_mark { FLOW_PRUNE = 1, FLOW_HEAD = 2, FLOW_CALLBACK = 4, FLOW_REACHED = 8, FLOW_LED_TO = 16 /* ctx_layout.c: by a jump or call */,
		 FLOW_LED_AGAIN = 32 /* by more than one */ };

enum pending_kind { PEND_FALLS, PEND_JUMPS, PEND_FINISH, PEND_GO, PEND_LEAVE };
struct pending {
	struct saved *s;
	uint32_t pc, steps, path;
	uint32_t jumps, since_node;
	uint8_t kind;
};

/* A summary under trial: what leaves the loop is put aside until the loop itself is proven. */
struct trial {
	struct trial *outer;
	uint32_t begin, end, frames;
	struct { struct saved *s; uint32_t pc; } *exit;
	uint32_t nr, cap;
};

struct part {
	struct proto proto;
	uint32_t depth;		/* stack bytes used */
	bool alone, done;	/* verified on its own; it was */
};

/* What walking the paths needs (explore.c). */
struct walk {
	struct { struct node *node; uint32_t step; } *path;	/* nodes of the current path */
	struct step *step;
	struct pending *pend;
	uint32_t nr_path, cap_path, nr_steps, cap_steps, nr_pend, cap_pend;
	uint32_t jumps, since_node;	/* since the last node */
};

/* What is known of loops (loop.c). */
struct loops {
	struct trial *trial;
	uint64_t left;			/* instructions left for trials of summaries */
	uint64_t stop;			/* res->insns at which the current trial gives up */
	uint32_t depth;			/* trials inside trials */
	uint32_t next_id;		/* for what moves with each round */
	uint32_t restarts;
	bool unroll;			/* no summaries now */
	bool hopeful;			/* when the patience ends, there is another way to try */
	bool arriving;			/* comparing with a summary: induction ids may have moved on */
};

/* What is used at every turn comes first: small offsets make small code. */
struct env {
	struct frame *top;		/* the current frame: &st.f[st.nr_frames - 1] */
	const struct code *code;
	struct verify_result *res;
	struct vm_host *host;
	uint32_t pc, next;
	const struct helper *callee;	/* whose argument is looked at */
	/* The instruction at pc: itself, its row, its registers in this frame, what is handed on of it. */
	const struct insn *in;
	const struct op_info *op;
	struct reg *d, *s;
	struct fact *fact;
	bool kernel;			/* policy */
	bool same;			/* the instruction leaves its number as it was */
	bool loose;			/* flow[..].loose somewhere */
	bool alone;			/* some subprogram was verified alone */
	uint32_t quiet;			/* > 0 inside a trial: errors are not written out */
	struct flow *flow;
	uint32_t nr_slots;
	uint32_t next_id;
	struct walk walk;
	struct uebpf_error *err;
	struct loops loops;
	uint32_t nr_regions;
	uint32_t cur_sub;		/* subprogram verified on its own (0: the program) */
	uint32_t deepest;		/* most frames so far */
	uint32_t serial, nr_nodes, rooms;	/* rooms: frames that have room for slots */
	uint32_t nr_ids;
	uint32_t cap_scratch;
	struct cell *scratch;		/* for saving */
	uint64_t mem_now;
	uint64_t deadline;
	struct part *sub;		/* by subprogram */
	struct verify_opts opts;
	struct state st;
	uint8_t uneven[1024];	/* by low bits of an induction id: met with another step, at most MAX_UNEVEN times */
	struct { const struct ctx_field *field; bool text; } region[MAX_REGIONS];	/* text: a C string */
	uint32_t id_old[64], id_new[64];	/* id maps of one comparison */
};

static inline bool rule(const struct env *e, enum verify_rule r) { return !(e->opts.rules_off >> r & 1); }
static inline bool is_ptr(const struct reg *r) { return r->kind > K_SCALAR; }
static inline bool is_number(const struct reg *r) { return r->kind == K_SCALAR; }
/* number + range <= a length <= MAX_LEN bounds the number itself, too. */
static inline void bound_by_length(struct reg *r)
{
	uint64_t most = MAX_LEN - (uint64_t)(int64_t)r->range;

	if (r->below && r->s.umax > most && r->s.umin <= most) {
		r->s.umax = most;
		scalar_tidy(width64, &r->s);
	}
}
static inline bool reg_const(const struct reg *r) { return r->kind == K_SCALAR && scalar_is_const(&r->s); }
/* A slot holds one value in a run of its bytes: all 8, or fewer of a number (little-endian hosts only).  Where
 * the run begins and how long it is; *n 0: no value. */
unsigned spill_run(const uint8_t byte[8], unsigned *n);
static inline bool spilled(const struct slot *s) { return memchr(s->byte, B_SPILL, 8); }

/* Outcome of one step: negative errno, or */
enum outcome { GO_ON, PATH_ENDS };
enum { TRIAL_FAILED = -4096 };	/* a summary did not hold; never leaves the verifier */

/* scan.c, scan_loops.c */
int successors(const struct code *code, uint32_t i, uint32_t out[2]);	/* how many */
int scan_program(struct env *e);
int scan_reached(struct env *e);
int scan_loops(struct env *e);
void scan_free(struct env *e, uint32_t n);	/* n: instructions then */
/* state.c */
/* The register becomes this, made by the instruction at hand. */
void set_number(struct env *e, struct reg *r, const struct scalar *s);
void set_bits(struct env *e, struct reg *r, unsigned bits);	/* any number of so many bits */
void set_unknown(struct env *e, struct reg *r);
void set_constant(struct env *e, struct reg *r, uint64_t v);
void set_pointer(struct env *e, struct reg *r, enum kind kind);
void frame_pointer(struct env *e, uint32_t frame);	/* its r10 */
void state_init(struct env *e, uint32_t sub);
int frame_room(struct env *e, uint32_t frame);	/* slots of frame 0 .. frame exist */
struct saved *state_save(struct env *e, uint32_t pc);
void state_load(struct env *e, const struct saved *s);
void saved_free(struct env *e, struct saved *s);
bool state_covered(struct env *e, struct saved *old, bool exact);
bool state_same_place(const struct env *e, const struct saved *s);
uint32_t saved_hash(const struct saved *s);
bool saved_equal(const struct saved *a, const struct saved *b);
/* Did this path since then use up some of what is not endless: may_goto, rounds of one iterator? */
bool state_spends(const struct env *e, const struct held *before);
struct reg *state_cell(struct env *e, const struct cell *c);	/* the same place now */
bool dead_induction(const struct env *e, uint32_t id);	/* is not monotone */
bool reg_within(struct env *e, const struct reg *old, const struct reg *now, bool exact);
uint32_t new_id(struct env *e);
void for_each_reg(struct env *e, void (*fn)(struct env *, struct reg *, void *), void *arg);
void slot_scrub(struct slot *s, unsigned byte, enum byte what);
/* precise.c */
int step_add(struct env *e, struct step s);
int step_reg(struct env *e, enum step_kind kind, unsigned dst, unsigned src);
int step_insn(struct env *e, enum step_kind kind);	/* the registers of the instruction at hand */
int step_slot(struct env *e, enum step_kind kind, unsigned reg, unsigned frame, unsigned slot);
int precise_reg(struct env *e, unsigned reg);
int precise_slot(struct env *e, unsigned frame, unsigned slot);
int precise_from(struct env *e, const struct saved *old);	/* what a covering node needed */
int precise_all(struct env *e, const struct saved *s);
int step_link(struct env *e, uint32_t id);
/* alu.c */
int do_alu(struct env *e);
/* jump.c */
int do_jump(struct env *e);
int take_edge(struct env *e, bool taken);
void drop_ref(struct env *e, uint32_t id);
#define HOST_LITTLE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
/* memory.c */
enum access_how { READ = 1, WRITE = 2 };
int do_load(struct env *e);
int do_store(struct env *e);
int do_atomic(struct env *e);
/* Refuses an access whose address is not a multiple of `size` (the base is). */
int aligned(struct env *e, unsigned reg, const struct reg *p, int64_t off, unsigned size, const char *what);
int check_range(struct env *e, unsigned reg, const struct reg *p, int64_t off, uint64_t size, uint32_t how,
		const char *what);
/* The least address of an access, from the base, and the end of the greatest. */
int64_t touch_low(const struct reg *p, int64_t off);
int64_t touch_high(const struct reg *p, int64_t off, int64_t size);
const uint8_t *frozen_bytes(const struct uebpf_map *map, int64_t at, unsigned size);
bool frozen_value(const struct uebpf_map *map, int64_t at, unsigned size, uint64_t *v);
enum { F_RDONLY_PROG = 1 << 7, F_WRONLY_PROG = 1 << 8 };	/* BPF_F_x of BPF_MAP_CREATE */
/* stack.c */
struct slot *stack_slot(struct env *e, unsigned frame, int64_t off, unsigned *k);
int stack_read(struct env *e, const struct reg *p, int64_t off, unsigned size, unsigned dst);
int stack_write(struct env *e, unsigned reg, const struct reg *p, int64_t off, unsigned size, const struct reg *src,
		int src_reg);
int stack_helper(struct env *e, const struct reg *p, uint64_t size, uint32_t how);
void stack_forget_packets(struct env *e);
/* args.c */
/* What the arguments seen so far say. */
struct args {
	const struct helper *h;
	const struct uebpf_map *map;
	uint64_t alloc;		/* constant memory size */
	uint64_t size;		/* most that the last size argument can be */
	uint32_t release;	/* reference that goes */
	uint32_t dynptr;	/* reference of the dynptr that the result is a part of, and */
	enum dynptr kind;	/* its kind */
	bool key_const;		/* `key` is one number, or */
	bool key_inside;	/* names an element of the array for sure */
	struct scalar key;
	/* the argument at hand: its contract, register and number (from 1) */
	struct arg c;
	struct reg *r;
	int n;
};
int hold(struct env *e, uint32_t *ref);	/* something is acquired: *ref, new when 0 */
int check_args(struct env *e, struct args *a);	/* each argument of a->h against its contract */
bool is_null(const struct reg *r);
/* call.c */
void release_ref(struct env *e, uint32_t ref);	/* is over, whatever hangs on it */
void lose_arguments(struct env *e);		/* r1-r5, as a call does */
int do_call(struct env *e);
int do_local(struct env *e);
uint32_t most_frames(const struct env *e);	/* that may be nested */
int too_deep(struct env *e);
int do_exit(struct env *e);
int do_packet_load(struct env *e);
int helper_finish(struct env *e);
/* The callback of the call at `ret` is about to run for the first time (round 0) or has returned. */
int callback_returns(struct env *e, uint32_t ret, uint32_t round);
int leave_early(struct env *e);
/* explore.c, loop.c */
bool late(const struct env *e);		/* the time is spent: too_late() says so */
int too_late(struct env *e);
void fetch(struct env *e, uint32_t pc);	/* pc is the instruction at hand */
int push_other(struct env *e, bool taken);
int push_finish(struct env *e);
int push_leave(struct env *e);	/* the instruction may end its function */
struct node *node_add(struct env *e, uint32_t pc, struct saved *s);
int summary_try(struct env *e, const struct saved *before);
int node_enter(struct env *e, struct node *n);
void node_drop(struct env *e, struct node *n);
void pend_drop(struct env *e, uint32_t to);
void path_done(struct env *e, uint32_t from);
void path_drop(struct env *e, uint32_t from);
int run_from(struct env *e, uint32_t base);
void note_covered(struct env *e, const struct saved *old);
int push_exit(struct env *e, struct saved *s, uint32_t pc);
int trial_exit(struct env *e);
struct node *culprit(struct env *e);
int summary_arrive(struct env *e, struct node *head);
void forget_after(struct env *e, uint32_t serial);
/* say.c */
int refuse(struct env *e, enum uebpf_code code, const char *text, ...)
	__attribute__((format(printf, 3, 4)));
int unsafe_(struct env *e, int reg, const char *advice, const char *text, ...)
	__attribute__((format(printf, 4, 5)));
#ifdef __clang_analyzer__	/* which does not look into functions with "..." */
#define refuse(e, ...) ((void)refuse(e, __VA_ARGS__), -1)
#define unsafe_(e, ...) ((void)unsafe_(e, __VA_ARGS__), -1)
#else
#define refuse(e, code, ...) refuse(e, code, MESSAGE(__VA_ARGS__))
#define unsafe_(e, reg, advice, ...) unsafe_(e, reg, advice, MESSAGE(__VA_ARGS__))
#endif
int unwritten(struct env *e, unsigned reg, const char *how);	/* "read", "stored" */
const char *follow_advice(struct env *e, const struct reg *r);	/* to who follows what is no pointer */
void describe(struct env *e, const struct reg *r, char *buf, size_t cap);
void say(struct env *e, const char *text, ...) __attribute__((format(printf, 2, 3)));
#define say(e, ...) say(e, MESSAGE(__VA_ARGS__))
void say_state(struct env *e);
void say_insn(struct env *e, uint32_t pc);
/* facts.c */
void fact_memory(struct env *e, const struct reg *p, int64_t off);
void fact_result(struct env *e, const struct reg *r);
void fact_constant(struct env *e, const struct args *a, bool known, uint64_t v);
void fact_key(struct env *e, const struct args *a);
int facts_settle(struct env *e);
void fact_zero(struct env *e, uint32_t sub, unsigned k, uint8_t bytes);

/* arena.c */
int do_cast(struct env *e);
bool arena_alu(struct env *e, const struct reg *src, int *err);

/* ctx_layout.c: what translating instructions needs.  held[p]: the register that has the address that p, an arena
 * pointer, stands for; fresh: the one that this instruction made. */
enum { NOT_HELD = 0xff };
struct layout {
	struct code *code;
	struct verify_result *res;
	struct uebpf_error *err;
	uint32_t *moved;	/* old index -> new */
	const struct flow *flow;	/* NULL until somebody asks for registers in use; always there beside an arena */
	struct env *e;
	uint8_t held[10], fresh;
	struct held_ahead { uint32_t at; uint8_t held[10]; } ahead[4];	/* where the last branches lead, as they found it */
	uint32_t nr_ahead;
};
const struct uebpf_map *arena_of(const struct code *code, bool *more);	/* NULL: none; more: of several one */
int no_memory(struct uebpf_error *err, uint32_t stage);	/* -ENOMEM, said in *err */
int layout_mixed(struct layout *l, uint32_t i, const char *what);
/* The instructions for old instruction i where it has to do with an arena; how many, 0: not, or -errno.  To be
 * called for each by turns. */
int arena_layout(struct layout *l, struct insn *out, uint32_t i);

#endif
