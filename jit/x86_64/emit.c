/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* emit.c - the emitters of the rows of vm/isa.def.  The table at the end is made from the .def, so a row
 * without emitter does not compile.  Rows that differ in one detail share an emitter, which gets it as `arg`. */
#include "jit/x86_64/jc.h"

bool live_after(const struct jc *c, int guest)
{
	return flow_live_after(c->code, &c->flow, c->i) >> guest & 1;
}

static int dst(const struct jc *c) { return c->reg[c->in->dst]; }
static int src(const struct jc *c) { return c->reg[c->in->src]; }
static int size(const struct jc *c) { return isa_op[c->in->op].size; }
static bool wide(const struct jc *c) { return isa_op[c->in->op].flags & OPF_WIDTH64; }

/* ---- constants of the program ---- */

static uint64_t next_key(struct jc *c)
{
	c->blind ^= c->blind << 13;
	c->blind ^= c->blind >> 7;
	c->blind ^= c->blind << 17;
	return c->blind;
}

static bool blinded(const struct jc *c, int64_t k)
{
	return (c->flags & JIT_BLIND) && (k < -128 || k > 127);
}

void emit_const(struct jc *c, int reg, uint64_t k)
{
	uint64_t keys, half;

	if (!blinded(c, (int64_t)k)) {
		x_mov_k(&c->b, reg, (int64_t)k, false);
		return;
	}
	/* Each half has a key of its own: whoever chose k knows nothing of the bytes. */
	keys = next_key(c);
	half = k ^ (uint64_t)(int32_t)keys;
	x_mov_k(&c->b, reg, (int64_t)((half << 32 | half >> 32) ^ (uint64_t)((int64_t)keys >> 32)), true);
	x_alu_k(&c->b, true, X_XOR, reg, (int32_t)(keys >> 32));
	x_shift_k(&c->b, true, X_ROL, reg, 32);
	x_alu_k(&c->b, true, X_XOR, reg, (int32_t)keys);
}

static struct form alu_form(const struct jc *c)
{
	uint8_t shape = isa_op[c->in->op].shape;

	return (struct form){ wide(c), c->reg[c->in->dst], c->reg[c->in->src],
			      1u << shape & (1u << SHAPE_ALU_K | 1u << SHAPE_JCC_K | 1u << SHAPE_FUSED | 1u << SHAPE_WIDE),
			      c->in->imm };
}

/* A large immediate goes through TMP when constants are blinded. */
static struct form unblind(struct jc *c, struct form f)
{
	if (f.imm && blinded(c, f.k)) {
		emit_const(c, TMP, (uint64_t)f.k);
		f.imm = false;
		f.s = TMP;
	}
	return f;
}

/* ---- arithmetic ---- */

static void group1(struct jc *c, unsigned op)
{
	struct form f = unblind(c, alu_form(c));

	if (f.imm)
		x_alu_k(&c->b, f.w, op, f.d, (int32_t)f.k);
	else
		x_alu(&c->b, f.w, op, f.d, f.s);
	keep_flags(c);
}

static void and(struct jc *c, unsigned op)
{
	const struct insn *in = c->in;
	int64_t k = isa_op[in->op].shape == SHAPE_ALU_K ? in->imm : -1;

	if (emit_flags(c, 0, x_at(dst(c), 0)))
		return;
	if (k == 0xff || k == 0xffff)
		x_ext(&c->b, k == 0xff ? 1 : 2, false, false, dst(c), dst(c));
	else if (k >= 0 && !blinded(c, k))	/* clears the upper half in either width */
		x_alu_k(&c->b, false, X_AND, dst(c), (int32_t)k);
	else
		group1(c, op);
}

/* d = s * k in steps that are faster together than imul's three cycles: k is 3, 5, 9 or 2^n - 1 or 2^n + 1. */
static bool multiply_quickly(struct jc *c, bool w, int d, int s, int64_t k)
{
	bool minus = k > 0 && !(k & (k + 1));
	unsigned n = (unsigned)__builtin_ctzll((uint64_t)(minus ? k + 1 : k - 1) | 1ull << 63);
	const struct insn *next = c->in + 1;

	if (k < 3 || s == RSP || !(c->rules & RULE_MAGIC) || (!minus && k != (1ll << n) + 1))
		return false;
	jc_hit(c, RULE_MAGIC);
	if (n <= 3 && (!minus || k == 3)) {
		x_lea(&c->b, w, d, x_idx(s, s, minus ? 1 : (int)n, 0));
		return true;
	}
	x_mov(&c->b, true, TMP, s);
	x_shift_k(&c->b, w, X_SHL, TMP, n);
	if (d == s && jc_follows(c, c->i) && next->op == (w ? OP_ADD64_X : OP_ADD32_X) && next->dst == c->in->dst && next->src != next->dst) {
		x_alu(&c->b, w, minus ? X_SUB : X_ADD, d, c->reg[next->src]);	/* beside the shift */
		x_alu(&c->b, w, minus ? X_SUB : X_ADD, minus ? TMP : d, minus ? d : TMP);
		if (minus)
			x_mov(&c->b, w, d, TMP);
		c->skip = 1;
		return true;
	}
	if (!minus) {
		x_lea(&c->b, w, d, x_idx(TMP, s, 0, 0));
		return true;
	}
	x_alu(&c->b, w, X_SUB, TMP, s);
	x_mov(&c->b, w, d, TMP);
	return true;
}

/* dst *= operand; dst = src * imm */
static void multiply(struct jc *c, unsigned three)
{
	struct form f = unblind(c, alu_form(c));

	int s = three ? src(c) : f.d;

	if (f.imm && !multiply_quickly(c, f.w, f.d, s, f.k)) {
		x_imul_k(&c->b, f.w, f.d, s, (int32_t)f.k);
	} else if (!f.imm && !three) {
		x_imul(&c->b, f.w, f.d, f.s);
	} else if (!f.imm) {	/* blinded: the constant is in TMP */
		x_imul(&c->b, f.w, TMP, s);
		x_mov(&c->b, f.w, f.d, TMP);
	}
}

static void move(struct jc *c, unsigned unused)
{
	struct form f = alu_form(c);

	(void)unused;
	if (f.imm ? emit_set(c) : emit_flags(c, 1, x_at(f.s, 0)))
		return;
	if (f.imm)
		emit_const(c, f.d, f.w ? (uint64_t)f.k : (uint32_t)f.k);
	else
		x_mov(&c->b, f.w, f.d, f.s);
}

static void shift(struct jc *c, unsigned op) { emit_shift(c, alu_form(c), op); }
enum { SIGN = 1, MOD = 2 };
static void divide(struct jc *c, unsigned how) { emit_divmod(c, alu_form(c), how & SIGN, how & MOD); }
static void move_signed(struct jc *c, unsigned size) { x_ext(&c->b, (int)size, true, wide(c), dst(c), src(c)); }
static void negate(struct jc *c, unsigned op) { x_unary(&c->b, wide(c), op, dst(c)); }
static void truncate(struct jc *c, unsigned size)
{
	if (size < 8)
		x_ext(&c->b, (int)size, false, false, dst(c), dst(c));
}
static void swap(struct jc *c, unsigned size)
{
	if (size > 2)
		x_bswap(&c->b, size == 8, dst(c));
	else
		x_rol16_8(&c->b, dst(c));
	if (size == 2)
		truncate(c, size);
}

/* ---- jumps ---- */

static uint32_t target(struct jc *c)
{
	return c->i == c->lanes_tail ? c->lanes_head : emit_leave(c, c->insn_label + (uint32_t)c->in->off);
}

static void compare(struct jc *c, struct form f, bool test)
{
	f = unblind(c, f);
	if (test) {
		if (f.imm)
			x_test_k(&c->b, f.w, f.d, (int32_t)f.k);
		else
			x_test(&c->b, f.w, f.d, f.s);
	} else if (f.imm && f.k == 0) {
		x_test(&c->b, f.w, f.d, f.d);
	} else if (f.imm) {
		x_alu_k(&c->b, f.w, X_CMP, f.d, (int32_t)f.k);
	} else {
		x_alu(&c->b, f.w, X_CMP, f.d, f.s);
	}
}

enum { TEST = 16 };	/* beside a condition */

static void jump_on(struct jc *c, enum x_cc cc)
{
	if (!emit_select(c, cc))
		jc_jcc(c, cc, target(c));
}

static void jump_if(struct jc *c, unsigned cc)
{
	if (c->flags_at != c->i || cc & TEST) {
		if (emit_between(c))
			return;
		compare(c, alu_form(c), cc & TEST);
		c->only_zero = false;
	}
	jump_on(c, cc & 15);
	if (!(cc & TEST))
		emit_kept(c);
}

static void jump(struct jc *c, unsigned unused)
{
	(void)unused;
	if ((uint32_t)c->in->off != c->i + 1)
		jc_jmp(c, target(c));
}

/* The frame counts down from MAY_GOTO_LIMIT at [rsp]. */
static void may_goto(struct jc *c, unsigned unused)
{
	uint32_t go_on = jc_label(c);

	(void)unused;
	x_alu_mem_k(&c->b, 8, X_SUB, x_at(RSP, 0), 1);
	jc_jcc(c, CC_AE, go_on);
	x_store_k(&c->b, 8, x_at(RSP, 0), 0);
	jc_jmp(c, target(c));
	jc_bind(c, go_on);
}

/* ---- memory ---- */

/* A load whose bytes the next instruction swaps is one movbe (not for 16 bits: a partial register). */
static bool load_swapped(struct jc *c, int size)
{
	const struct insn *next = c->in + 1;
	bool w = size == 8;

	if (!(c->cpu & JIT_CPU_MOVBE) || !jc_follows(c, c->i) || next->dst != c->in->dst ||
	    (size == 4 ? next->op != OP_BE32 && next->op != OP_BSWAP32 :
			 size != 8 || (next->op != OP_BE64 && next->op != OP_BSWAP64)))
		return false;
	x_movbe_load(&c->b, w, dst(c), x_at(src(c), c->in->off));
	c->skip = 1;
	return true;
}

static bool ctx_field(struct jc *c, bool sign)
{
	struct insn in;

	if (!fact_field(c, size(c), sign, &in))
		return false;
	x_load(&c->b, isa_op[in.op].size, false, dst(c), x_at(src(c), in.off));
	return true;
}

/* What is loaded and used at once. */
static bool load_into(struct jc *c, struct x_mem m) { return emit_update(c, m) || emit_flags(c, 1, m); }

/* acquire: under x86's memory order a load acquires and a store releases. */
static void load(struct jc *c, unsigned acquire)
{
	bool sign = isa_op[c->in->op].flags & OPF_SIGNED;
	uint32_t cold;
	struct x_mem m;

	if (!acquire && ((!sign && (load_swapped(c, size(c)) || (size(c) == 8 && emit_vector(c)))) ||
			 ctx_field(c, sign) || (!sign && load_into(c, x_at(src(c), c->in->off)))))
		return;
	m = emit_guard(c, c->in->src, c->in->off, size(c), acquire ? GUARD_ATOMIC | ACCESS_READ : ACCESS_READ, &cold);
	x_load(&c->b, size(c), sign, dst(c), m);
	emit_guard_end(c, cold, acquire ? NOREG : dst(c));
}

static struct x_mem atomic_mem(struct jc *c, uint32_t *cold)
{
	return emit_guard(c, c->in->dst, c->in->off, size(c), GUARD_ATOMIC | ACCESS_READ | ACCESS_WRITE, cold);
}

static struct x_mem store_mem(struct jc *c, uint32_t *cold)
{
	return emit_guard(c, c->in->dst, c->in->off, size(c), ACCESS_WRITE, cold);
}

static void store_x(struct jc *c, unsigned release)
{
	uint32_t cold;
	struct x_mem m = release ? atomic_mem(c, &cold) : store_mem(c, &cold);

	x_store(&c->b, size(c), m, src(c));
	emit_guard_end(c, cold, NOREG);
}

/* Two neighbouring words of zeroes in one store. */
static bool store_zeroes(struct jc *c)
{
	const struct insn *in = c->in, *next = in + 1;	/* none behind one that stands alone: checked code's rounds */

	if (!jc_follows(c, c->i) || in->imm || next->op != OP_ST_DW || next->imm || next->dst != in->dst ||
	    (in->off - next->off != 8 && next->off - in->off != 8))
		return false;
	jc_hit(c, RULE_PAIR);
	if (c->zeroes_at != c->i || c->flow.mark[c->i] & FLOW_TARGET)
		x_pxor(&c->b, 0, 0);
	x_movups_store(&c->b, x_at(dst(c), in->off < next->off ? in->off : next->off), 0);
	c->zeroes_at = c->i + 2;	/* xmm0 is still zero there */
	c->skip = 1;
	return true;
}

static void store_k(struct jc *c, unsigned unused)
{
	uint32_t cold;
	struct x_mem m;

	(void)unused;
	if (size(c) == 8 && c->rules & RULE_PAIR && store_zeroes(c))
		return;
	m = store_mem(c, &cold);
	if (blinded(c, c->in->imm)) {
		emit_const(c, TMP, (uint64_t)c->in->imm);
		x_store(&c->b, size(c), m, TMP);
	} else {
		x_store_k(&c->b, size(c), m, (int32_t)c->in->imm);
	}
	emit_guard_end(c, cold, NOREG);
}

enum { XADD = X_CMP + 1, XCHG, CMPXCHG };	/* beside the operations of enum x_alu */

static void atomic(struct jc *c, unsigned op)
{
	uint32_t cold;
	struct x_mem m = atomic_mem(c, &cold);

	switch (op) {
	case XADD: x_xadd(&c->b, wide(c), m, src(c)); break;
	case XCHG: x_xchg_mem(&c->b, wide(c), m, src(c)); break;
	case CMPXCHG:
		x_cmpxchg(&c->b, wide(c), m, src(c));
		if (!wide(c))	/* on success eax is not written, so the upper half is still there */
			x_mov(&c->b, false, RAX, RAX);
		break;
	default: x_alu_store(&c->b, size(c), op, m, src(c), true);
	}
	emit_guard_end(c, cold, NOREG);
}

/* No x86 instruction fetches and combines: compare-exchange until nobody came between.  Any of the
 * guest's registers may be rax, so: TMP operand, TMP2 new value, r9 address, xmm0 keeps rax. */
static void fetch_loop(struct jc *c, unsigned op)
{
	uint32_t cold, again;
	struct x_mem m = atomic_mem(c, &cold);
	bool w = wide(c);
	int s = src(c);

	x_movq_to(&c->b, 1, R9);	/* the steps left, or the results of a batch */
	x_lea(&c->b, true, R9, m);
	x_mov(&c->b, true, TMP, s);
	if (s != RAX)
		x_movq_to(&c->b, 0, RAX);
	x_load(&c->b, size(c), false, RAX, x_at(R9, 0));
	again = jc_here(c);
	x_mov(&c->b, w, TMP2, RAX);
	x_alu(&c->b, w, op, TMP2, TMP);
	x_cmpxchg(&c->b, w, x_at(R9, 0), TMP2);
	jc_jcc(c, CC_NE, again);
	x_mov(&c->b, w, s, RAX);
	if (s != RAX)
		x_movq_from(&c->b, 0, RAX);
	x_movq_from(&c->b, 1, R9);
	emit_guard_end(c, cold, NOREG);
}
/* ---- packet loads (LD_ABS, LD_IND) ---- */

static void packet_load(struct jc *c, unsigned indirect)
{
	uint32_t inside = jc_label(c);

	leave_guest(c);
	if (indirect) {
		x_mov(&c->b, false, TMP, src(c));
		x_alu_k(&c->b, false, X_ADD, TMP, (int32_t)c->in->imm);
	} else {
		x_mov_k(&c->b, TMP, (uint32_t)c->in->imm, false);
	}
	/* Unlike a call it leaves the guest's registers alone. */
	for (int r = 1; r <= 5; r++)
		x_push(&c->b, c->reg[r]);
	x_push(&c->b, RAX);
	x_mov(&c->b, true, RDI, STATE);
	x_mov(&c->b, true, RSI, c->reg[6]);
	x_mov(&c->b, false, RDX, TMP);
	x_mov_k(&c->b, RCX, size(c), false);
	emit_call_c(c, (const void *)jit_packet_load);
	x_mov(&c->b, false, TMP, RAX);
	x_pop(&c->b, RAX);
	for (int r = 5; r >= 1; r--)
		x_pop(&c->b, c->reg[r]);
	enter_guest(c);
	x_load(&c->b, 8, false, RAX, x_at(STATE, offsetof(struct jit_state, r)));
	x_alu_k(&c->b, false, X_CMP, TMP, 1);
	emit_fault_if(c, CC_A, 0);
	jc_jcc(c, CC_E, inside);
	emit_exit(c);
	jc_bind(c, inside);
}

/* ---- wide immediates ---- */

/* Of a map; of a function: the interpreter's value, see function_at there. */
static void address(struct jc *c, unsigned function)
{
	x_mov_k(&c->b, dst(c), function ? (int64_t)(intptr_t)&c->code->insn[c->in->off] :
					  (int64_t)code_map_address(c->code, c->in), false);
}
static void call_field(struct jc *c, unsigned unused)
{
	(void)unused;
	x_load(&c->b, 4, true, dst(c), x_at(STATE, (int32_t)offsetof(struct jit_state, call) + (int32_t)c->in->imm));
}
static void thread(struct jc *c, unsigned flags) { x_load_fs(&c->b, flags, dst(c), (int32_t)c->in->imm); }

/* ---- calls, exit, marks ---- */

static void unsupported(struct jc *c, unsigned unused) { (void)unused; c->unsupported = c->in; }	/* binding refuses it */
static void call(struct jc *c, unsigned unused) { (void)unused; emit_helper(c); }
static void call_local(struct jc *c, unsigned unused) { (void)unused; emit_local(c); }
static void callx(struct jc *c, unsigned unused) { (void)unused; emit_callx(c); }
static void leave(struct jc *c, unsigned unused) { (void)unused; emit_exit(c); }
static void charge(struct jc *c, unsigned unused) { (void)unused; emit_charge(c); }
static void init_check(struct jc *c, unsigned unused) { (void)unused; emit_init_check(c); }
static void init_set(struct jc *c, unsigned unused)
{
	(void)unused;
	x_alu_mem_k(&c->b, 4, X_OR, x_at(STATE, offsetof(struct jit_state, init)), 1 << c->in->dst);
}

/* ---- fused forms ---- */

static void lea(struct jc *c, unsigned unused)
{
	struct form f = unblind(c, alu_form(c));

	(void)unused;
	x_lea(&c->b, f.w, f.d, f.imm ? x_at(src(c), (int32_t)f.k) : x_idx(src(c), TMP, 0, 0));
}

/* rsp cannot be an index; r10 can live there. */
static struct x_mem indexed(struct jc *c, int base)
{
	int index = c->reg[c->in->imm_lo & 15];

	return x_idx(base, index, c->in->imm_lo >> 4, c->in->off);
}
static void lea_indexed(struct jc *c, unsigned unused)
{
	(void)unused;
	if (!made_for_update(c))
		x_lea(&c->b, wide(c), dst(c), indexed(c, src(c)));
}
static void load_indexed(struct jc *c, unsigned unused)
{
	struct x_mem m = indexed(c, src(c));

	(void)unused;
	if (!load_into(c, m))
		x_load(&c->b, size(c), false, dst(c), m);
}
static void store_indexed(struct jc *c, unsigned unused)
{
	(void)unused;
	x_store(&c->b, size(c), indexed(c, dst(c)), src(c));
}
static void count_zeroes(struct jc *c, unsigned unused) { (void)unused; x_tzcnt(&c->b, dst(c), src(c)); }
static void load_and(struct jc *c, unsigned op) { x_alu_load(&c->b, wide(c), op, dst(c), x_at(src(c), c->in->off)); }

static void load_jump(struct jc *c, unsigned cc)
{
	struct x_mem m = x_at(dst(c), c->in->imm_hi);
	int32_t k = c->in->imm_lo;

	if (blinded(c, k)) {
		emit_const(c, TMP, (uint64_t)(int64_t)k);
		if (cc & TEST)
			x_test_mem(&c->b, size(c), m, TMP);
		else
			x_alu_store(&c->b, size(c), X_CMP, m, TMP, false);
	} else if (cc & TEST) {
		x_test_mem_k(&c->b, size(c), m, k);
	} else if (size(c) == 2 && !x_fits8(k)) {
		/* a 16-bit immediate stalls the decoder of many processors */
		x_load(&c->b, 2, false, TMP, m);
		x_alu_k(&c->b, false, X_CMP, TMP, (uint16_t)k);
	} else {
		x_alu_mem_k(&c->b, size(c), X_CMP, m, k);
	}
	jump_on(c, cc & 15);
}

/* ---- the table ---- */

/* name(emitter) */
#define EMITTERS(E) \
	E(group1) E(and) E(multiply) E(move) E(shift) E(divide) E(move_signed) E(negate) E(truncate) E(swap) \
	E(jump_if) E(jump) E(may_goto) E(load) E(store_x) E(store_k) E(atomic) E(fetch_loop) E(packet_load) \
	E(address) E(call_field) E(thread) E(unsupported) E(call) \
	E(call_local) E(callx) E(leave) E(charge) E(init_check) E(init_set) E(lea) E(lea_indexed) E(load_indexed) \
	E(store_indexed) E(count_zeroes) E(load_and) E(load_jump)
enum {
#define E(name) BY_##name,
	EMITTERS(E)
#undef E
};
#include "jit/x86_64/emit_rows.h"

static const struct { uint8_t by, arg; } row[OP_COUNT] = {
	[OP_BAD] = { BY_unsupported, 0 },
#define ALU(n, ...) \
	[OP_##n##64_K] = { R_##n }, [OP_##n##64_X] = { R_##n }, [OP_##n##32_K] = { R_##n }, [OP_##n##32_X] = { R_##n },
#define MOVSX(n, w, ...) [OP_##n##w##_X] = { R_##n },
#define UN(n, ...) [OP_##n] = { R_##n },
#define JCC ALU
#define MEM(n, ...) [OP_LD_##n] = { BY_load, 0 }, [OP_STX_##n] = { BY_store_x, 0 }, [OP_ST_##n] = { BY_store_k, 0 },
#define LDSX(n, ...) [OP_LD_##n] = { BY_load, 0 },
#define ATOMIC(n, ...) [OP_##n##64] = { R_##n }, [OP_##n##32] = { R_##n },
#define FETCH ATOMIC
#define ACQREL(n, ...) [OP_LDACQ_##n] = { BY_load, 1 }, [OP_STREL_##n] = { BY_store_x, 1 },
#define PKT(n, ...) [OP_ABS_##n] = { BY_packet_load, 0 }, [OP_IND_##n] = { BY_packet_load, 1 },
#define WIDE UN
#define OP UN
#define INNER UN
#define FUSED UN
#define INDEX(n, ...) [OP_LDI_##n] = { BY_load_indexed, 0 }, [OP_STI_##n] = { BY_store_indexed, 0 },
#define MEMOP ATOMIC
#define MEMJCC(n, ...) \
	[OP_##n##_B] = { R_##n }, [OP_##n##_H] = { R_##n }, [OP_##n##_W] = { R_##n }, [OP_##n##_DW] = { R_##n },
#include "vm/isa.def"
};

void emit_insn(struct jc *c)
{
	unsigned arg = row[c->in->op].arg;

	switch (row[c->in->op].by) {
#define E(name) case BY_##name: name(c, arg); break;
	EMITTERS(E)
#undef E
	}
}

int emit_group1(uint16_t op)
{
	return row[op].by == BY_group1 || row[op].by == BY_and ? row[op].arg : -1;
}

/* Which of the registers that are not the guest's does instruction i need? */
enum spare emit_spare(const struct jc *c, uint32_t i)
{
	const uint64_t none = 1ull << BY_group1 | 1ull << BY_and | 1ull << BY_multiply | 1ull << BY_move | 1ull << BY_shift |
			      1ull << BY_move_signed | 1ull << BY_negate | 1ull << BY_truncate | 1ull << BY_swap |
			      1ull << BY_jump_if | 1ull << BY_jump | 1ull << BY_load | 1ull << BY_store_x | 1ull << BY_store_k |
			      1ull << BY_atomic | 1ull << BY_address | 1ull << BY_thread | 1ull << BY_leave | 1ull << BY_lea |
			      1ull << BY_lea_indexed | 1ull << BY_load_indexed | 1ull << BY_store_indexed |
			      1ull << BY_count_zeroes | 1ull << BY_load_and | 1ull << BY_load_jump;
	const struct insn *in = &c->code->insn[i];
	uint8_t by = row[in->op].by, shape = isa_op[in->op].shape;

	if (by == BY_fetch_loop)
		return SPARE_NONE;
	if (!(none >> by & 1) || (flow_is_jump(in) && (uint32_t)in->off == i + 2) || (by == BY_multiply && shape != SHAPE_ALU_X) ||
	    (by == BY_shift && shape == SHAPE_ALU_X && !(c->cpu & JIT_CPU_BMI2)) ||
	    (by == BY_load_jump && isa_op[in->op].size == 2) || (by == BY_jump_if && between_at(c, i)))
		return SPARE_R9;
	return SPARE_ALL;
}
