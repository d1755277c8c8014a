/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* interp_loop.h - the body of the interpreter, included by interp.c once per build of it.
 * BODY: the function's name; CHECKED: what it does besides.  A traced run executes a
 * copy of the code whose every op is OP_BAD: that case calls the tracer and goes on with the op of the
 * original, so that other runs pay nothing.
 *
 * Dispatch is threaded: each case ends in its own indirect jump through a table of labels, so that
 * the branch predictor learns pairs of instructions.  UEBPF_SWITCH (or a compiler without labels as
 * values) selects one switch in a loop; the cases are the same. */

#if defined(__GNUC__) && !defined(UEBPF_SWITCH)
#define CASE(n) do_##n:
#define DISPATCH goto *label[pc->op]
#define ORIGINAL goto *label[original(e, pc)->op]
#define NEXT do { pc++; DISPATCH; } while (0)
#else
#define CASE(n) case OP_##n:
#define DISPATCH goto dispatch
#define ORIGINAL do { op = original(e, pc)->op; goto again; } while (0)
#define NEXT goto next
#endif

#define D r[pc->dst]
#define S r[pc->src]
#define K ((uint64_t)pc->imm)
#define INSNS (e->call.code->insn)
#define JUMP do { pc = insns + pc->off; DISPATCH; } while (0)
#define AT(type, addr) (((mem_##type *)(uintptr_t)(addr))->v)
#define LOG(type) (sizeof(type) == 8 ? 3 : sizeof(type) == 4 ? 2 : sizeof(type) == 2 ? 1 : 0)

static uint64_t BODY(struct engine *e, const struct insn *pc, uint64_t *r, uint32_t init)
{
	const struct insn *insns = INSNS;
	const uint32_t bottom = e->call.depth;
	uint32_t loops = MAY_GOTO_LIMIT, zero, callee_init;
	const struct insn *callee;

#if defined(__GNUC__) && !defined(UEBPF_SWITCH)
	static const void *const label[OP_COUNT] = {
		[OP_BAD] = &&do_BAD,
#define ALU(n, ...) [OP_##n##64_K] = &&do_##n##64_K, [OP_##n##64_X] = &&do_##n##64_X, \
		    [OP_##n##32_K] = &&do_##n##32_K, [OP_##n##32_X] = &&do_##n##32_X,
#define MOVSX(n, w, ...) [OP_##n##w##_X] = &&do_##n##w##_X,
#define UN(n, ...) [OP_##n] = &&do_##n,
#define JCC ALU
#define MEM(n, ...) [OP_LD_##n] = &&do_LD_##n, [OP_STX_##n] = &&do_STX_##n, [OP_ST_##n] = &&do_ST_##n,
#define LDSX(n, ...) [OP_LD_##n] = &&do_LD_##n,
#define ATOMIC(n, ...) [OP_##n##64] = &&do_##n##64, [OP_##n##32] = &&do_##n##32,
#define FETCH ATOMIC
#define ACQREL(n, ...) [OP_LDACQ_##n] = &&do_LDACQ_##n, [OP_STREL_##n] = &&do_STREL_##n,
#define PKT(n, ...) [OP_ABS_##n] = &&do_ABS_##n, [OP_IND_##n] = &&do_IND_##n,
#define WIDE(n, ...) [OP_##n] = &&do_##n,
#define OP WIDE
#define INNER WIDE
#define FUSED WIDE
#define INDEX(n, ...) [OP_LDI_##n] = &&do_LDI_##n, [OP_STI_##n] = &&do_STI_##n,
#define MEMOP ATOMIC
#define MEMJCC(n, ...) [OP_##n##_B] = &&do_##n##_B, [OP_##n##_H] = &&do_##n##_H, \
		       [OP_##n##_W] = &&do_##n##_W, [OP_##n##_DW] = &&do_##n##_DW,
#include "vm/isa.def"
#undef JCC
#undef FETCH
#undef MEMOP
	};
	DISPATCH;
#else
	uint16_t op;
dispatch:
	op = pc->op;
again:
	switch ((enum op)op) {
#endif

#define ALU(n, c, o, t, x) \
	CASE(n##64_K) D = alu64_##n(D, K); NEXT; \
	CASE(n##64_X) D = alu64_##n(D, S); NEXT; \
	CASE(n##32_K) D = alu32_##n((uint32_t)D, (uint32_t)K); NEXT; \
	CASE(n##32_X) D = alu32_##n((uint32_t)D, (uint32_t)S); NEXT;
#define MOVSX(n, w, o, t, x) CASE(n##w##_X) D = movsx##w##_##n(S); NEXT;
#define UN(n, c, i, t, x) CASE(n) D = un_##n(D); NEXT;
#define JCC(n, c, t, x) \
	CASE(n##64_K) if (jcc64_##n(D, K)) JUMP; NEXT; \
	CASE(n##64_X) if (jcc64_##n(D, S)) JUMP; NEXT; \
	CASE(n##32_K) if (jcc32_##n((uint32_t)D, (uint32_t)K)) JUMP; NEXT; \
	CASE(n##32_X) if (jcc32_##n((uint32_t)D, (uint32_t)S)) JUMP; NEXT;

	/* Loads and stores: a hit in the last regions, or the long way with all checks. */
/* A context field that holds a pointer comes back whole from a 4-byte load: no narrowing there. */
#define LOAD(type, wide, slow) { \
		uint64_t addr = S + (uint64_t)(int64_t)pc->off, v; \
		if (!CHECKED || is_hit(e->rd, addr, LOG(type))) { \
			D = (uint64_t)(wide)AT(type, addr); \
		} else { \
			if (!slow_load(e, addr, sizeof(type), &v)) \
				goto stop; \
			D = (slow); \
		} \
		NEXT; \
	}
#define STORE(type, value) { \
		uint64_t addr = D + (uint64_t)(int64_t)pc->off; \
		if (!CHECKED || is_hit(e->wr, addr, LOG(type))) \
			AT(type, addr) = (type)(value); \
		else if (!slow_store(e, addr, sizeof(type), (value))) \
			goto stop; \
		NEXT; \
	}
#define MEM(n, s, type) \
	CASE(LD_##n) LOAD(type, uint64_t, v) \
	CASE(STX_##n) STORE(type, S) \
	CASE(ST_##n) STORE(type, K)
#define LDSX(n, s, type) CASE(LD_##n) LOAD(type, int64_t, (uint64_t)(int64_t)(type)v)

	/* RFC 9669 5.3 says nothing of ordering; Linux: fully ordered with a fetched value, relaxed
	 * without.  We take the stronger for all. */
#define ATOMIC_AT(k) \
		uint64_t addr = D + (uint64_t)(int64_t)pc->off; \
		if (CHECKED && !atomic_ok(e, addr, k)) \
			goto stop;
#define RMW(n, w, k, result) { \
		ATOMIC_AT(k) \
		uint##w##_t *at = (uint##w##_t *)(uintptr_t)addr, b = (uint##w##_t)S; \
		uint##w##_t a = __atomic_load_n(at, __ATOMIC_RELAXED); \
		while (!__atomic_compare_exchange_n(at, &a, rmw##w##_##n(a, b), true, __ATOMIC_SEQ_CST, \
						    __ATOMIC_RELAXED)) \
			; \
		result; \
		NEXT; \
	}
#define ATOMIC(n, i, t, x) \
	CASE(n##64) RMW(n, 64, 3, (void)0) \
	CASE(n##32) RMW(n, 32, 2, (void)0)
#define FETCH(n, i, t, x) \
	CASE(n##64) RMW(n, 64, 3, S = a) \
	CASE(n##32) RMW(n, 32, 2, S = a)
#define CMPXCHG(w, k) { \
		ATOMIC_AT(k) \
		uint##w##_t old = (uint##w##_t)r[0]; \
		__atomic_compare_exchange_n((uint##w##_t *)(uintptr_t)addr, &old, (uint##w##_t)S, false, \
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
		r[0] = old; \
		NEXT; \
	}
	CASE(CMPXCHG64) CMPXCHG(64, 3)
	CASE(CMPXCHG32) CMPXCHG(32, 2)
#define ACQREL(n, s, type) \
	CASE(LDACQ_##n) { \
		uint64_t addr = S + (uint64_t)(int64_t)pc->off; \
		if (CHECKED && !atomic_ok_read(e, addr, LOG(type))) \
			goto stop; \
		D = __atomic_load_n((type *)(uintptr_t)addr, __ATOMIC_ACQUIRE); \
		NEXT; \
	} \
	CASE(STREL_##n) { \
		ATOMIC_AT(LOG(type)) \
		__atomic_store_n((type *)(uintptr_t)addr, (type)S, __ATOMIC_RELEASE); \
		NEXT; \
	}
#define PACKET(type, at) { \
		if (!call_packet_load(&e->call, r[6], (at), sizeof(type), &r[0])) \
			goto outside; \
		NEXT; \
	}
#define PKT(n, s, type) \
	CASE(ABS_##n) PACKET(type, (int32_t)pc->imm) \
	CASE(IND_##n) PACKET(type, (int32_t)((uint32_t)pc->imm + (uint32_t)S))
#include "vm/isa.def"

	/* Fused forms; those that touch memory never occur in checked code. */
#define INDEXED (r[pc->imm_lo & 15] << (pc->imm_lo >> 4))
#define INDEX(n, s, type) \
	CASE(LDI_##n) D = AT(type, S + INDEXED + (uint64_t)(int64_t)pc->off); NEXT; \
	CASE(STI_##n) AT(type, D + INDEXED + (uint64_t)(int64_t)pc->off) = (type)S; NEXT;
#define MEMOP(n, t, x) \
	CASE(n##64) D = memop_##n(D, AT(uint64_t, S + (uint64_t)(int64_t)pc->off)); NEXT; \
	CASE(n##32) D = (uint32_t)memop_##n(D, AT(uint32_t, S + (uint64_t)(int64_t)pc->off)); NEXT;
#define MEMJUMP(n, type) { \
		type v = AT(type, D + (uint64_t)(int64_t)pc->imm_hi); \
		if (memjcc_##n(v, sizeof(type) == 8 ? (uint64_t)(int64_t)pc->imm_lo : (type)pc->imm_lo)) JUMP; \
		NEXT; \
	}
#define MEMJCC(n, t, x) \
	CASE(n##_B) MEMJUMP(n, uint8_t) CASE(n##_H) MEMJUMP(n, uint16_t) \
	CASE(n##_W) MEMJUMP(n, uint32_t) CASE(n##_DW) MEMJUMP(n, uint64_t)
#include "vm/isa.def"
	CASE(ROL64) D = D << pc->imm | D >> (64 - pc->imm); NEXT;
	CASE(ROL32) D = (uint32_t)((uint32_t)D << pc->imm | (uint32_t)D >> (32 - pc->imm)); NEXT;
	CASE(LEA64) D = S + K; NEXT;
	CASE(LEA32) D = (uint32_t)(S + K); NEXT;
	CASE(LEAX64) D = S + INDEXED + (uint64_t)(int64_t)pc->off; NEXT;
	CASE(LEAX32) D = (uint32_t)(S + INDEXED + (uint64_t)(int64_t)pc->off); NEXT;
	CASE(MUL3_64) D = S * K; NEXT;
	CASE(MUL3_32) D = (uint32_t)(S * K); NEXT;

	CASE(LDDW) D = K; NEXT;
	CASE(LD_MAP) CASE(LD_MAPVAL)
		D = code_map_address(e->call.code, unlikely(e->step != NULL) ? original(e, pc) : pc);
		NEXT;
	CASE(LD_FUNC) D = (uintptr_t)(insns + pc->off); NEXT;
	CASE(LD_CALL) D = (uint64_t)(int64_t)*(const int32_t *)((const char *)&e->call + K); NEXT;
	CASE(LD_TLS64) D = *(const uint64_t *)(self_thread() + (int64_t)K); NEXT;
	CASE(LD_TLS32) D = *(const volatile uint32_t *)(self_thread() + (int64_t)K); NEXT;
	CASE(CAST_USER) CASE(CAST_KERN) D = S; NEXT;	/* arenas are mapped at one address here */
	CASE(JA) CASE(JA32) JUMP;
	CASE(MAY_GOTO) if (!loops) JUMP; loops--; NEXT;

	CASE(CHARGE) {
		struct uebpf_call *call = &e->call;

		if (unlikely(call->left < K)) {
			call->status = -ETIME;
			goto stop;
		}
		if (pc->dst && unlikely(__atomic_load_n(call->abort, __ATOMIC_RELAXED))) {
			call->status = -ECANCELED;
			goto stop;
		}
		call->left -= K;
		NEXT;
	}
	CASE(INIT_SET) init |= 1u << pc->dst; NEXT;
	CASE(INIT_CHECK) {
		if (CHECKED && !(init >> pc->dst & 1)) {
			e->call.status = -EFAULT;
			goto stop;
		}
		NEXT;
	}

	CASE(CALL) {
		const struct helper *helper = e->call.code->helper[pc->off];

		e->call.helper = helper;
		if (CHECKED && !call_check_args(&e->call, helper, r))
			goto stop;
		r[0] = ((uebpf_helper_fn)(intptr_t)pc->imm)(r[1], r[2], r[3], r[4], r[5], &e->call);
		if (unlikely(e->call.status))
			goto stop;
		if (CHECKED) {
			helper_returned(e, helper, r);
			init = (init & ~0x3eu) | 1;
		}
		NEXT;
	}
	CASE(CALL_TAIL) {
		const struct helper *helper = e->call.code->helper[pc->off];
		const struct code *to;

		e->call.helper = helper;
		if (CHECKED && !call_check_args(&e->call, helper, r))
			goto stop;
		r[0] = ((uebpf_helper_fn)(intptr_t)pc->imm)(r[1], r[2], r[3], r[4], r[5], &e->call);
		if (unlikely(e->call.status))
			goto stop;
		to = enter_tail(e, r);
		if (unlikely(e->call.status))
			goto stop;
		init = (init & ~0x3eu) | 1;
		if (!to)
			NEXT;
		e->step = NULL;		/* only the first program is a traced copy */
		init = first_init(to);
		loops = MAY_GOTO_LIMIT;
		pc = insns = to->insn;
		DISPATCH;
	}
	CASE(CALLX) {
		const struct subprog *sub = function_at(e, D);

		if (!sub)
			goto stop;
		callee = insns + sub->start;
		zero = sub->zero;
		callee_init = 1u << 10 | 0x3e;
		goto enter;
	}
	CASE(CALL_LOCAL) {
		struct frame *f;
		uint32_t depth;

		callee = insns + pc->off;
		zero = (uint32_t)pc->imm;
		callee_init = 1u << 10 | (init & 0x3e);
enter:
		depth = e->call.depth;
		if (unlikely(depth >= e->frames)) {
			e->call.status = -ELOOP;
			goto stop;
		}
		f = &e->frame[depth];
		f->back = pc + 1;
		f->code = e->call.code;
		f->init = (init & ~0x3eu) | 1;
		f->loops = loops;
		memcpy(f->saved, &r[6], sizeof f->saved);
		e->call.depth = depth + 1;
		r[10] -= e->frame_size;
		zero_stack(e, r[10], zero);
		if (CHECKED)
			stack_changed(e);
		init = callee_init;
		loops = MAY_GOTO_LIMIT;
		pc = callee;
		DISPATCH;
	}
outside:	/* of the packet: the function ends with 0 */
	if (e->call.status)
		goto stop;
	r[0] = 0;
	goto leave;
	CASE(EXIT) {
		uint32_t depth;
		const struct frame *f;

leave:
		depth = e->call.depth;
		if (depth == bottom)
			return r[0];
		f = &e->frame[depth - 1];
		e->call.depth = depth - 1;
		memcpy(&r[6], f->saved, sizeof f->saved);
		r[10] += e->frame_size;
		pc = f->back;
		init = f->init;
		loops = f->loops;
		e->call.code = f->code;
		insns = f->code->insn;
		if (CHECKED) {
			stack_changed(e);
			forget_hits(e);
		}
		DISPATCH;
	}

	CASE(BAD)
		if (!e->step)
			goto refused;
		trace_step(e, pc, r);
		ORIGINAL;

	/* Never reached: code_bind refuses them. */
	CASE(LD_MAPFD) CASE(LD_MAPVALFD) CASE(LD_BTFVAR) CASE(CALL_KFUNC)
refused:
		e->call.status = -ENOEXEC;
		goto stop;

#if !defined(__GNUC__) || defined(UEBPF_SWITCH)
	case OP_COUNT: break;
	}
next:
	pc++;
	goto dispatch;
#endif
stop:
	if (e->call.pc == UINT32_MAX)
		e->call.pc = (uint32_t)(pc - INSNS);
	return 0;
}

#undef CASE
#undef DISPATCH
#undef ORIGINAL
#undef NEXT
#undef D
#undef S
#undef K
#undef INSNS
#undef JUMP
#undef AT
#undef LOG
#undef LOAD
#undef STORE
#undef ATOMIC_AT
#undef RMW
#undef CMPXCHG
#undef INDEXED
#undef MEMJUMP
#undef PACKET
