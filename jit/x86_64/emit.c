/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* emit.c - one emitter per row of vm/isa.def.  The table at the end is made from the .def, so a row
 * without emitter does not compile. */
#include "jit/x86_64/jc.h"

typedef void emit_fn(struct jc *c);

bool live_after(const struct jc *c, int guest)
{
	return flow_live_after(c->code, &c->flow, c->i) >> guest & 1;
}

static int dst(const struct jc *c) { return c->reg[c->in->dst]; }
static int src(const struct jc *c) { return c->reg[c->in->src]; }

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
	uint64_t key;

	if (!blinded(c, (int64_t)k)) {
		x_mov_k(&c->b, reg, (int64_t)k, false);
		return;
	}
	/* reg = k - key; reg += key in two halves of 32 bits that never hold k */
	key = next_key(c) & 0x7fffffff;
	x_mov_k(&c->b, reg, (int64_t)((k << 32 | k >> 32) - key), true);
	x_alu_k(&c->b, true, X_ADD, reg, (int32_t)key);
	x_shift_k(&c->b, true, X_ROL, reg, 32);
}

static struct form alu_form(const struct jc *c)
{
	const struct op_info *op = &isa_op[c->in->op];

	return (struct form){ (op->flags & OPF_WIDTH64) != 0, c->reg[c->in->dst], c->reg[c->in->src],
			      op->shape == SHAPE_ALU_K || op->shape == SHAPE_JCC_K, c->in->imm };
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

static void group1(struct jc *c, enum x_alu op)
{
	struct form f = unblind(c, alu_form(c));

	if (f.imm)
		x_alu_k(&c->b, f.w, op, f.d, (int32_t)f.k);
	else
		x_alu(&c->b, f.w, op, f.d, f.s);
}

static void alu_ADD(struct jc *c) { group1(c, X_ADD); }
static void alu_SUB(struct jc *c) { group1(c, X_SUB); }
static void alu_OR(struct jc *c) { group1(c, X_OR); }
static void alu_XOR(struct jc *c) { group1(c, X_XOR); }

static void alu_AND(struct jc *c)
{
	struct form f = alu_form(c);

	if (f.imm && (f.k == 0xff || f.k == 0xffff)) {
		x_ext(&c->b, f.k == 0xff ? 1 : 2, false, false, f.d, f.d);
		return;
	}
	if (f.imm && f.k >= 0 && !blinded(c, f.k))	/* clears the upper half in either width */
		x_alu_k(&c->b, false, X_AND, f.d, (int32_t)f.k);
	else
		group1(c, X_AND);
}

static void alu_MUL(struct jc *c)
{
	struct form f = unblind(c, alu_form(c));

	if (f.imm)
		x_imul_k(&c->b, f.w, f.d, f.d, (int32_t)f.k);
	else
		x_imul(&c->b, f.w, f.d, f.s);
}

static void alu_MOV(struct jc *c)
{
	struct form f = alu_form(c);

	if (f.imm)
		emit_const(c, f.d, f.w ? (uint64_t)f.k : (uint32_t)f.k);
	else
		x_mov(&c->b, f.w, f.d, f.s);
}

static void alu_LSH(struct jc *c) { emit_shift(c, alu_form(c), X_SHL); }
static void alu_RSH(struct jc *c) { emit_shift(c, alu_form(c), X_SHR); }
static void alu_ARSH(struct jc *c) { emit_shift(c, alu_form(c), X_SAR); }
static void alu_DIV(struct jc *c) { emit_divmod(c, alu_form(c), false, false); }
static void alu_MOD(struct jc *c) { emit_divmod(c, alu_form(c), false, true); }
static void alu_SDIV(struct jc *c) { emit_divmod(c, alu_form(c), true, false); }
static void alu_SMOD(struct jc *c) { emit_divmod(c, alu_form(c), true, true); }

static void movsx_64MOVSB(struct jc *c) { x_ext(&c->b, 1, true, true, dst(c), src(c)); }
static void movsx_64MOVSH(struct jc *c) { x_ext(&c->b, 2, true, true, dst(c), src(c)); }
static void movsx_64MOVSW(struct jc *c) { x_ext(&c->b, 4, true, true, dst(c), src(c)); }
static void movsx_32MOVSB(struct jc *c) { x_ext(&c->b, 1, true, false, dst(c), src(c)); }
static void movsx_32MOVSH(struct jc *c) { x_ext(&c->b, 2, true, false, dst(c), src(c)); }

static void un_NEG64_(struct jc *c) { x_unary(&c->b, true, X_NEG, dst(c)); }
static void un_NEG32_(struct jc *c) { x_unary(&c->b, false, X_NEG, dst(c)); }
static void un_LE16_(struct jc *c) { x_ext(&c->b, 2, false, false, dst(c), dst(c)); }
static void un_LE32_(struct jc *c) { x_mov(&c->b, false, dst(c), dst(c)); }
static void un_LE64_(struct jc *c) { (void)c; }
static void un_BE16_(struct jc *c) { x_rol16_8(&c->b, dst(c)); x_ext(&c->b, 2, false, false, dst(c), dst(c)); }
static void un_BE32_(struct jc *c) { x_bswap(&c->b, false, dst(c)); }
static void un_BE64_(struct jc *c) { x_bswap(&c->b, true, dst(c)); }
#define un_BSWAP16_ un_BE16_
#define un_BSWAP32_ un_BE32_
#define un_BSWAP64_ un_BE64_

/* ---- jumps ---- */

static uint32_t target(struct jc *c) { return emit_leave(c, c->insn_label + (uint32_t)c->in->off); }

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

static void jump_if(struct jc *c, enum x_cc cc, bool test)
{
	compare(c, alu_form(c), test);
	jc_jcc(c, cc, target(c));
}

static void jcc_JEQ(struct jc *c) { jump_if(c, CC_E, false); }
static void jcc_JNE(struct jc *c) { jump_if(c, CC_NE, false); }
static void jcc_JGT(struct jc *c) { jump_if(c, CC_A, false); }
static void jcc_JGE(struct jc *c) { jump_if(c, CC_AE, false); }
static void jcc_JLT(struct jc *c) { jump_if(c, CC_B, false); }
static void jcc_JLE(struct jc *c) { jump_if(c, CC_BE, false); }
static void jcc_JSET(struct jc *c) { jump_if(c, CC_NE, true); }
static void jcc_JSGT(struct jc *c) { jump_if(c, CC_G, false); }
static void jcc_JSGE(struct jc *c) { jump_if(c, CC_GE, false); }
static void jcc_JSLT(struct jc *c) { jump_if(c, CC_L, false); }
static void jcc_JSLE(struct jc *c) { jump_if(c, CC_LE, false); }

static void op_JA(struct jc *c)
{
	if ((uint32_t)c->in->off != c->i + 1)
		jc_jmp(c, target(c));
}
#define op_JA32 op_JA
/* The frame counts down from MAY_GOTO_LIMIT at [rsp]. */
static void op_MAY_GOTO(struct jc *c)
{
	x_alu_mem_k(&c->b, 8, X_SUB, x_at(RSP, 0), 1);
	uint32_t go_on = jc_label(c);

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

	if (!(c->cpu & JIT_CPU_MOVBE) || c->checked || c->i + 1 >= c->code->n || next->dst != c->in->dst ||
	    c->flow.mark[c->i + 1] & FLOW_TARGET ||
	    (size == 4 ? next->op != OP_BE32 && next->op != OP_BSWAP32 :
			 size != 8 || (next->op != OP_BE64 && next->op != OP_BSWAP64)))
		return false;
	x_movbe_load(&c->b, w, dst(c), x_at(src(c), c->in->off));
	c->skip = 1;
	return true;
}

static void emit_load(struct jc *c, int size, bool sign)
{
	uint32_t cold;
	struct x_mem m;

	if ((!sign && (load_swapped(c, size) || (size == 8 && emit_vector(c)))) || emit_ctx_field(c, size, sign))
		return;
	m = emit_guard(c, c->in->src, c->in->off, size, ACCESS_READ, &cold);

	x_load(&c->b, size, sign, dst(c), m);
	emit_guard_end(c, cold, dst(c));
}

static void emit_store_x(struct jc *c, int size)
{
	uint32_t cold;
	struct x_mem m = emit_guard(c, c->in->dst, c->in->off, size, ACCESS_WRITE, &cold);

	x_store(&c->b, size, m, src(c));
	emit_guard_end(c, cold, NOREG);
}

/* Two neighbouring words of zeroes in one store. */
static bool store_zeroes(struct jc *c)
{
	const struct insn *in = c->in, *next = in + 1;	/* none behind one that stands alone: checked code's rounds */

	if (c->checked || c->i + 1 >= c->code->n || in->imm || next->op != OP_ST_DW || next->imm ||
	    next->dst != in->dst || c->flow.mark[c->i + 1] & FLOW_TARGET ||
	    (in->off - next->off != 8 && next->off - in->off != 8))
		return false;
	if (c->zeroes_at != c->i || c->flow.mark[c->i] & FLOW_TARGET)
		x_pxor(&c->b, 0, 0);
	x_movups_store(&c->b, x_at(dst(c), in->off < next->off ? in->off : next->off), 0);
	c->zeroes_at = c->i + 2;	/* xmm0 is still zero there */
	c->skip = 1;
	return true;
}

static void emit_store_k(struct jc *c, int size)
{
	uint32_t cold;
	struct x_mem m;

	if (size == 8 && c->rules & RULE_PAIR && store_zeroes(c))
		return;
	m = emit_guard(c, c->in->dst, c->in->off, size, ACCESS_WRITE, &cold);

	if (blinded(c, c->in->imm)) {
		emit_const(c, TMP, (uint64_t)c->in->imm);
		x_store(&c->b, size, m, TMP);
	} else {
		x_store_k(&c->b, size, m, (int32_t)c->in->imm);
	}
	emit_guard_end(c, cold, NOREG);
}

static struct x_mem atomic_mem(struct jc *c, bool w, uint32_t *cold)
{
	return emit_guard(c, c->in->dst, c->in->off, w ? 8 : 4, GUARD_ATOMIC | ACCESS_READ | ACCESS_WRITE, cold);
}

static void plain_atomic(struct jc *c, bool w, enum x_alu op)
{
	uint32_t cold;
	struct x_mem m = atomic_mem(c, w, &cold);

	x_alu_store(&c->b, w ? 8 : 4, op, m, src(c), true);
	emit_guard_end(c, cold, NOREG);
}
static void atomic_XADD(struct jc *c, bool w) { plain_atomic(c, w, X_ADD); }
static void atomic_XOR_M(struct jc *c, bool w) { plain_atomic(c, w, X_XOR); }
static void atomic_OR_M(struct jc *c, bool w) { plain_atomic(c, w, X_OR); }
static void atomic_AND_M(struct jc *c, bool w) { plain_atomic(c, w, X_AND); }

static void fetch_FADD(struct jc *c, bool w)
{
	uint32_t cold;
	struct x_mem m = atomic_mem(c, w, &cold);

	x_xadd(&c->b, w, m, src(c));
	emit_guard_end(c, cold, NOREG);
}

static void fetch_XCHG(struct jc *c, bool w)
{
	uint32_t cold;
	struct x_mem m = atomic_mem(c, w, &cold);

	x_xchg_mem(&c->b, w, m, src(c));
	emit_guard_end(c, cold, NOREG);
}

/* No x86 instruction fetches and combines: compare-exchange until nobody came between.  Any of the
 * guest's registers may be rax, so: TMP operand, TMP2 new value, r9 address, xmm0 keeps rax. */
static void fetch_loop(struct jc *c, bool w, enum x_alu op)
{
	uint32_t cold, again;
	struct x_mem m = atomic_mem(c, w, &cold);
	int s = src(c);

	if (c->metered)
		x_store(&c->b, 8, x_at(STATE, offsetof(struct jit_state, call.left)), LEFT);
	else if (c->exit_label != UNSET)	/* a batch has its results there */
		x_rr(&c->b, X_W | X_66 | X_0F, 0x6e, 1, R9);
	x_lea(&c->b, true, R9, m);
	x_mov(&c->b, true, TMP, s);
	if (s != RAX)
		x_rr(&c->b, X_W | X_66 | X_0F, 0x6e, 0, RAX);	/* movq xmm0, rax */
	x_load(&c->b, w ? 8 : 4, false, RAX, x_at(R9, 0));
	again = jc_here(c);
	x_mov(&c->b, w, TMP2, RAX);
	x_alu(&c->b, w, op, TMP2, TMP);
	x_cmpxchg(&c->b, w, x_at(R9, 0), TMP2);
	jc_jcc(c, CC_NE, again);
	x_mov(&c->b, w, s, RAX);
	if (s != RAX)
		x_rr(&c->b, X_W | X_66 | X_0F, 0x7e, 0, RAX);
	if (c->metered)
		x_load(&c->b, 8, false, LEFT, x_at(STATE, offsetof(struct jit_state, call.left)));
	else if (c->exit_label != UNSET)
		x_rr(&c->b, X_W | X_66 | X_0F, 0x7e, 1, R9);
	emit_guard_end(c, cold, NOREG);
}
static void fetch_FXOR(struct jc *c, bool w) { fetch_loop(c, w, X_XOR); }
static void fetch_FOR(struct jc *c, bool w) { fetch_loop(c, w, X_OR); }
static void fetch_FAND(struct jc *c, bool w) { fetch_loop(c, w, X_AND); }

static void cmpxchg(struct jc *c, bool w)
{
	uint32_t cold;
	struct x_mem m = atomic_mem(c, w, &cold);

	x_cmpxchg(&c->b, w, m, src(c));
	if (!w)		/* on success eax is not written, so the upper half is still there */
		x_mov(&c->b, false, RAX, RAX);
	emit_guard_end(c, cold, NOREG);
}
static void op_CMPXCHG64(struct jc *c) { cmpxchg(c, true); }
static void op_CMPXCHG32(struct jc *c) { cmpxchg(c, false); }

/* Under x86's memory order a load acquires and a store releases. */
static void emit_ldacq(struct jc *c, int size)
{
	uint32_t cold;
	struct x_mem m = emit_guard(c, c->in->src, c->in->off, size, GUARD_ATOMIC | ACCESS_READ, &cold);

	x_load(&c->b, size, false, dst(c), m);
	emit_guard_end(c, cold, NOREG);
}

static void emit_strel(struct jc *c, int size)
{
	uint32_t cold;
	struct x_mem m = emit_guard(c, c->in->dst, c->in->off, size, GUARD_ATOMIC | ACCESS_READ | ACCESS_WRITE,
				    &cold);

	x_store(&c->b, size, m, src(c));
	emit_guard_end(c, cold, NOREG);
}

/* ---- packet loads (LD_ABS, LD_IND) ---- */

static void packet_load(struct jc *c, int size, bool indirect)
{
	uint32_t inside = jc_label(c);

	if (c->metered)
		x_store(&c->b, 8, x_at(STATE, offsetof(struct jit_state, call.left)), LEFT);
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
	x_mov_k(&c->b, RCX, size, false);
	emit_call_c(c, (const void *)jit_packet_load);
	x_mov(&c->b, false, TMP, RAX);
	x_pop(&c->b, RAX);
	for (int r = 5; r >= 1; r--)
		x_pop(&c->b, c->reg[r]);
	if (c->metered)
		x_load(&c->b, 8, false, LEFT, x_at(STATE, offsetof(struct jit_state, call.left)));
	x_load(&c->b, 8, false, RAX, x_at(STATE, offsetof(struct jit_state, r)));
	x_alu_k(&c->b, false, X_CMP, TMP, 1);
	emit_fault_if(c, CC_A, 0);
	jc_jcc(c, CC_E, inside);
	emit_exit(c);
	jc_bind(c, inside);
}

/* ---- wide immediates ---- */

static void op_LDDW(struct jc *c) { emit_const(c, dst(c), (uint64_t)c->in->imm); }
static void op_LD_MAP(struct jc *c)
{
	x_mov_k(&c->b, dst(c), (int64_t)code_map_address(c->code, c->in), false);
}
#define op_LD_MAPVAL op_LD_MAP
static void op_LD_FUNC(struct jc *c)	/* the interpreter's value: see function_at there */
{
	x_mov_k(&c->b, dst(c), (int64_t)(intptr_t)&c->code->insn[c->in->off], false);
}
/* Binding refuses these. */
static void op_unsupported(struct jc *c) { c->unsupported = c->in; }
#define op_LD_MAPFD op_unsupported
#define op_LD_MAPVALFD op_unsupported
#define op_LD_BTFVAR op_unsupported
#define op_CALL_KFUNC op_unsupported

static void op_CAST_USER(struct jc *c) { x_mov(&c->b, true, dst(c), src(c)); }
#define op_CAST_KERN op_CAST_USER

/* ---- calls and exit ---- */

static void op_CALL(struct jc *c) { emit_helper(c); }
#define op_CALL_TAIL op_CALL
static void op_CALL_LOCAL(struct jc *c) { emit_local(c); }
static void op_CALLX(struct jc *c) { emit_callx(c); }
static void op_EXIT(struct jc *c) { emit_exit(c); }

/* ---- marks ---- */

static void op_CHARGE(struct jc *c) { emit_charge(c); }
static void op_INIT_SET(struct jc *c)
{
	x_alu_mem_k(&c->b, 4, X_OR, x_at(STATE, offsetof(struct jit_state, init)), 1 << c->in->dst);
}
static void op_INIT_CHECK(struct jc *c) { emit_init_check(c); }

/* ---- fused forms ---- */

static void rotate(struct jc *c, bool w) { x_shift_k(&c->b, w, X_ROL, dst(c), (unsigned)c->in->imm); }
static void op_ROL64(struct jc *c) { rotate(c, true); }
static void op_ROL32(struct jc *c) { rotate(c, false); }

static void lea(struct jc *c, bool w)
{
	if (blinded(c, c->in->imm)) {
		emit_const(c, TMP, (uint64_t)c->in->imm);
		x_lea(&c->b, w, dst(c), x_idx(src(c), TMP, 0, 0));
	} else {
		x_lea(&c->b, w, dst(c), x_at(src(c), (int32_t)c->in->imm));
	}
}
static void op_LEA64(struct jc *c) { lea(c, true); }
static void op_LEA32(struct jc *c) { lea(c, false); }

/* rsp cannot be an index; r10 can live there. */
static struct x_mem indexed(struct jc *c, int base)
{
	int index = c->reg[c->in->imm_lo & 15];

	return x_idx(base, index, c->in->imm_lo >> 4, c->in->off);
}
static void op_LEAX64(struct jc *c) { x_lea(&c->b, true, dst(c), indexed(c, src(c))); }
static void op_LEAX32(struct jc *c) { x_lea(&c->b, false, dst(c), indexed(c, src(c))); }

static void mul3(struct jc *c, bool w)
{
	if (blinded(c, c->in->imm)) {
		emit_const(c, TMP, (uint64_t)c->in->imm);
		x_imul(&c->b, w, TMP, src(c));
		x_mov(&c->b, w, dst(c), TMP);
	} else {
		x_imul_k(&c->b, w, dst(c), src(c), (int32_t)c->in->imm);
	}
}
static void op_MUL3_64(struct jc *c) { mul3(c, true); }
static void op_MUL3_32(struct jc *c) { mul3(c, false); }
/* tzcnt; a processor without it runs the same bytes as bsf */
static void op_CTZ64(struct jc *c) { x_8(&c->b, 0xf3); x_rr(&c->b, X_W | X_0F, 0xbc, dst(c), src(c)); }

static void op_LD_CALL(struct jc *c)
{
	x_load(&c->b, 4, true, dst(c), x_at(STATE, (int32_t)offsetof(struct jit_state, call) + (int32_t)c->in->imm));
}
/* mov dst, fs:[imm] */
static void load_thread(struct jc *c, bool w)
{
	unsigned reg = (unsigned)dst(c);

	x_8(&c->b, 0x64);
	x_head(&c->b, w ? X_W : 0, 0x8b, reg >> 3 << 2);
	x_8(&c->b, (reg & 7) << 3 | 4);
	x_8(&c->b, 0x25);
	x_32(&c->b, (uint32_t)c->in->imm);
}
static void op_LD_TLS64(struct jc *c) { load_thread(c, true); }
static void op_LD_TLS32(struct jc *c) { load_thread(c, false); }

static void load_indexed(struct jc *c, int size)
{
	if (size != 8 || !emit_vector(c))
		x_load(&c->b, size, false, dst(c), indexed(c, src(c)));
}
static void store_indexed(struct jc *c, int size) { x_store(&c->b, size, indexed(c, dst(c)), src(c)); }

static void memop(struct jc *c, bool w, enum x_alu op)
{
	x_alu_load(&c->b, w, op, dst(c), x_at(src(c), c->in->off));
}
static void memop_emit_MADD(struct jc *c, bool w) { memop(c, w, X_ADD); }
static void memop_emit_MSUB(struct jc *c, bool w) { memop(c, w, X_SUB); }
static void memop_emit_MAND(struct jc *c, bool w) { memop(c, w, X_AND); }
static void memop_emit_MOR(struct jc *c, bool w) { memop(c, w, X_OR); }
static void memop_emit_MXOR(struct jc *c, bool w) { memop(c, w, X_XOR); }

static void memjcc(struct jc *c, int size, enum x_cc cc, bool test)
{
	struct x_mem m = x_at(dst(c), c->in->imm_hi);

	if (blinded(c, c->in->imm_lo)) {
		emit_const(c, TMP, (uint64_t)(int64_t)c->in->imm_lo);
		if (test)
			x_rm(&c->b, (size == 8 ? X_W : 0) | (size == 2 ? X_66 : 0) | (size == 1 ? X_REG8 : 0),
			     size == 1 ? 0x84 : 0x85, TMP, m);
		else
			x_alu_store(&c->b, size, X_CMP, m, TMP, false);
	} else if (test) {
		x_test_mem_k(&c->b, size, m, c->in->imm_lo);
	} else if (size == 2 && !x_fits8(c->in->imm_lo)) {
		/* a 16-bit immediate stalls the decoder of many processors */
		x_load(&c->b, 2, false, TMP, m);
		x_alu_k(&c->b, false, X_CMP, TMP, (uint16_t)c->in->imm_lo);
	} else {
		x_alu_mem_k(&c->b, size, X_CMP, m, c->in->imm_lo);
	}
	jc_jcc(c, cc, target(c));
}
static void memjcc_emit_MJEQ(struct jc *c, int size) { memjcc(c, size, CC_E, false); }
static void memjcc_emit_MJNE(struct jc *c, int size) { memjcc(c, size, CC_NE, false); }
static void memjcc_emit_MJGT(struct jc *c, int size) { memjcc(c, size, CC_A, false); }
static void memjcc_emit_MJGE(struct jc *c, int size) { memjcc(c, size, CC_AE, false); }
static void memjcc_emit_MJLT(struct jc *c, int size) { memjcc(c, size, CC_B, false); }
static void memjcc_emit_MJLE(struct jc *c, int size) { memjcc(c, size, CC_BE, false); }
static void memjcc_emit_MJSET(struct jc *c, int size) { memjcc(c, size, CC_NE, true); }

/* ---- the table ---- */


#define ALU(n, ...) \
static void emit_##n##64_K(struct jc *c) { alu_##n(c); } \
static void emit_##n##64_X(struct jc *c) { alu_##n(c); } \
static void emit_##n##32_K(struct jc *c) { alu_##n(c); } \
static void emit_##n##32_X(struct jc *c) { alu_##n(c); }
#define MOVSX(n, w, ...) static void emit_##n##w##_X(struct jc *c) { movsx_##w##n(c); }
#define UN(n, ...) static void emit_##n(struct jc *c) { un_##n##_(c); }
#define JCC(n, ...) \
static void emit_##n##64_K(struct jc *c) { jcc_##n(c); } \
static void emit_##n##64_X(struct jc *c) { jcc_##n(c); } \
static void emit_##n##32_K(struct jc *c) { jcc_##n(c); } \
static void emit_##n##32_X(struct jc *c) { jcc_##n(c); }
#define MEM(n, s, type) \
static void emit_LD_##n(struct jc *c) { emit_load(c, sizeof(type), false); } \
static void emit_STX_##n(struct jc *c) { emit_store_x(c, sizeof(type)); } \
static void emit_ST_##n(struct jc *c) { emit_store_k(c, sizeof(type)); }
#define LDSX(n, s, type) static void emit_LD_##n(struct jc *c) { emit_load(c, sizeof(type), true); }
#define ATOMIC(n, ...) \
static void emit_##n##64(struct jc *c) { atomic_##n(c, true); } \
static void emit_##n##32(struct jc *c) { atomic_##n(c, false); }
#define FETCH(n, ...) \
static void emit_##n##64(struct jc *c) { fetch_##n(c, true); } \
static void emit_##n##32(struct jc *c) { fetch_##n(c, false); }
#define ACQREL(n, s, type) \
static void emit_LDACQ_##n(struct jc *c) { emit_ldacq(c, sizeof(type)); } \
static void emit_STREL_##n(struct jc *c) { emit_strel(c, sizeof(type)); }
#define PKT(n, s, type) \
static void emit_ABS_##n(struct jc *c) { packet_load(c, sizeof(type), false); } \
static void emit_IND_##n(struct jc *c) { packet_load(c, sizeof(type), true); }
#define WIDE(n, ...) static void emit_##n(struct jc *c) { op_##n(c); }
#define OP(n, ...) static void emit_##n(struct jc *c) { op_##n(c); }
#define INNER(n, ...) static void emit_##n(struct jc *c) { op_##n(c); }
#define FUSED INNER
#define INDEX(n, s, type) \
static void emit_LDI_##n(struct jc *c) { load_indexed(c, s); } \
static void emit_STI_##n(struct jc *c) { store_indexed(c, s); }
#define MEMOP(n, ...) \
static void emit_##n##64(struct jc *c) { memop_emit_##n(c, true); } \
static void emit_##n##32(struct jc *c) { memop_emit_##n(c, false); }
#define MEMJCC(n, ...) \
static void emit_##n##_B(struct jc *c) { memjcc_emit_##n(c, 1); } \
static void emit_##n##_H(struct jc *c) { memjcc_emit_##n(c, 2); } \
static void emit_##n##_W(struct jc *c) { memjcc_emit_##n(c, 4); } \
static void emit_##n##_DW(struct jc *c) { memjcc_emit_##n(c, 8); }
#include "vm/isa.def"

static emit_fn *const emitter[OP_COUNT] = {
#define ALU(n, ...) emit_##n##64_K, emit_##n##64_X, emit_##n##32_K, emit_##n##32_X,
#define MOVSX(n, w, ...) emit_##n##w##_X,
#define UN(n, ...) emit_##n,
#define JCC(n, ...) emit_##n##64_K, emit_##n##64_X, emit_##n##32_K, emit_##n##32_X,
#define MEM(n, ...) emit_LD_##n, emit_STX_##n, emit_ST_##n,
#define LDSX(n, ...) emit_LD_##n,
#define ATOMIC(n, ...) emit_##n##64, emit_##n##32,
#define FETCH(n, ...) emit_##n##64, emit_##n##32,
#define ACQREL(n, ...) emit_LDACQ_##n, emit_STREL_##n,
#define PKT(n, ...) emit_ABS_##n, emit_IND_##n,
#define WIDE(n, ...) emit_##n,
#define OP(n, ...) emit_##n,
#define INNER(n, ...) emit_##n,
#define FUSED(n, ...) emit_##n,
#define INDEX(n, ...) emit_LDI_##n, emit_STI_##n,
#define MEMOP(n, ...) emit_##n##64, emit_##n##32,
#define MEMJCC(n, ...) emit_##n##_B, emit_##n##_H, emit_##n##_W, emit_##n##_DW,
	op_unsupported,
#include "vm/isa.def"
};

void emit_insn(struct jc *c)
{
	emitter[c->in->op](c);
}
