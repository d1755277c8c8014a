/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* loop.h - the body of the interpreter, included by interp.c.  Cases are made of the steps in
 * step.h, one to four each.  A traced run executes a copy of the program whose every op is X_BAD:
 * that case calls the tracer and goes on with the op of the original, so that other runs pay nothing.
 *
 * Dispatch is threaded: each case ends in its own indirect jump through a table of labels, so that
 * the branch predictor learns pairs of instructions.  UEBPF_SWITCH (or a compiler without labels as
 * values) selects one switch in a loop; the cases are the same. */

#if defined(__GNUC__) && !defined(UEBPF_SWITCH)
#define CASE(n) do_##n:
#define FAR_CASES do_FAR:
#define DISPATCH goto *label[pc->op]
#define ORIGINAL(at) goto *label[(at)->op]
#define NEXT do { pc++; DISPATCH; } while (0)
#else
#define CASE(n) case X_##n:
#define FAR_CASES default:
#define DISPATCH goto dispatch
#define ORIGINAL(at) do { op = (at)->op; goto again; } while (0)
#define NEXT goto next
#endif

#define DST r[pc->d]
#define SRC r[pc->s]
#define K ((uint64_t)pc->k)
#define JUMP_FROM(at) (const struct xinsn *)(const void *)((const char *)(at) + (at)->off)
#define JUMP do { pc = JUMP_FROM(pc); DISPATCH; } while (0)
#define DECODED (&e->call.code->insn[pc - e->call.code->run])

/* The k-th instruction of a case; `rel`: what it takes from the one before. */
#define RUN(k, name, rel, keep) \
		switch (step_##name(e, pc + (k), r, &v, &left, REL_##rel, keep)) { \
		case STEP_JUMP: pc = JUMP_FROM(pc + (k)); DISPATCH; \
		case STEP_STOP: pc += (k); goto stop; \
		case STEP_MISS: pc += (k); goto miss; \
		case STEP_LEAVE: goto leave; \
		case STEP_ON: break; \
		}
#define KEEP(rel, next) !(REL_##rel == REL_D && WRITES_##next)
#define ONE(name) CASE(name) { uint64_t v; RUN(0, name, N, true) NEXT; }

static uint64_t run_body(struct engine *e, const struct xinsn *pc, uint64_t *r, uint32_t init)
{
	const uint32_t bottom = e->call.depth;
	uint64_t left = e->call.left;	/* kept here between calls: a chain through memory is slow */
	uint32_t loops = MAY_GOTO_LIMIT, zero, callee_init;
	const struct xinsn *callee;

#if defined(__GNUC__) && !defined(UEBPF_SWITCH)
#define NEAR(n) [X_##n] = &&do_##n,
#define FAR(n) [X_##n] = &&do_FAR,
	static const void *const label[X_COUNT] = {
#define ALU(n, ...) HOT(n)(NEAR(n##64_K) NEAR(n##64_X) NEAR(n##32_K) NEAR(n##32_X), \
			   FAR(n##64_K) FAR(n##64_X) FAR(n##32_K) FAR(n##32_X))
#define MOVSX(n, w, ...) HOT(n##w)(NEAR(n##w##_X), FAR(n##w##_X))
#define UN(n, ...) HOT(n)(NEAR(n), FAR(n))
#define JCC(n, ...) NEAR(n##64_K) NEAR(n##64_X) NEAR(n##32_K) NEAR(n##32_X)
#define MEM(n, ...) NEAR(LD_##n) NEAR(STX_##n) NEAR(ST_##n) NEAR(CLD_##n) NEAR(CSTX_##n) NEAR(CST_##n)
#define LDSX(n, ...) NEAR(LD_##n) NEAR(CLD_##n)
#define ATOMIC(n, ...) FAR(n##64) FAR(n##32)
#define FETCH ATOMIC
#define ACQREL(n, ...) FAR(LDACQ_##n) FAR(STREL_##n)
#define PKT(n, ...) FAR(ABS_##n) FAR(IND_##n)
#define WIDE(n, ...) FAR(n)
#define FUSED(n, ...) NEAR(n)
#define INDEX(n, ...) NEAR(LDI_##n) NEAR(STI_##n) NEAR(LDI0_##n) NEAR(STI0_##n)
#define MEMOP(n, ...) NEAR(n##64) NEAR(n##32)
#define MEMJCC(n, ...) NEAR(n##_B) NEAR(n##_H) NEAR(n##_W) NEAR(n##_DW)
#include "vm/isa.def"
		FAR(CMPXCHG64) FAR(CMPXCHG32) FAR(CALL_KFUNC) FAR(JA32) FAR(CAST_USER) FAR(CAST_KERN)
		NEAR(BAD) NEAR(JA) NEAR(CALL) NEAR(CALL_LOCAL) NEAR(CALLX) NEAR(EXIT) NEAR(MAY_GOTO) NEAR(CHARGE)
		NEAR(INIT_SET) NEAR(INIT_CHECK) NEAR(CALL_TAIL) NEAR(LD_CALL) NEAR(LD_TLS64) NEAR(LD_TLS32)
		NEAR(LEAX64_0) NEAR(LEAX32_0)
#define FUSE2(a, ab, b) NEAR(a##_##ab##_##b)
#define FUSE3(a, ab, b, bc, c) NEAR(a##_##ab##_##b##_##bc##_##c)
#define FUSE4(a, ab, b, bc, c, cd, d) NEAR(a##_##ab##_##b##_##bc##_##c##_##cd##_##d)
#include "vm/interp/fuse.def"
	};
	DISPATCH;
#undef NEAR
#undef FAR
#undef FETCH
#else
	uint16_t op;
dispatch:
	op = pc->op;
again:
	switch ((enum xop)op) {
#endif

#define ALU(n, ...) HOT(n)(ONE(n##64_K) ONE(n##64_X) ONE(n##32_K) ONE(n##32_X), )
#define MOVSX(n, w, ...) HOT(n##w)(ONE(n##w##_X), )
#define UN(n, ...) HOT(n)(ONE(n), )
#define JCC(n, ...) ONE(n##64_K) ONE(n##64_X) ONE(n##32_K) ONE(n##32_X)
#define MEM(n, ...) ONE(LD_##n) ONE(STX_##n) ONE(ST_##n) ONE(CLD_##n) ONE(CSTX_##n) ONE(CST_##n)
#define LDSX(n, ...) ONE(LD_##n) ONE(CLD_##n)
#define FUSED(n, ...) ONE(n)
#define INDEX(n, ...) ONE(LDI_##n) ONE(STI_##n) ONE(LDI0_##n) ONE(STI0_##n)
#define MEMOP(n, ...) ONE(n##64) ONE(n##32)
#define MEMJCC(n, ...) ONE(n##_B) ONE(n##_H) ONE(n##_W) ONE(n##_DW)
#include "vm/isa.def"
	ONE(LEAX64_0) ONE(LEAX32_0)
	ONE(JA)
	ONE(CHARGE)

#define FUSE2(a, ab, b) \
	CASE(a##_##ab##_##b) { \
		uint64_t v; \
		RUN(0, a, N, KEEP(ab, b)) \
		RUN(1, b, ab, true) \
		pc += 2; \
		DISPATCH; \
	}
#define FUSE3(a, ab, b, bc, c) \
	CASE(a##_##ab##_##b##_##bc##_##c) { \
		uint64_t v; \
		RUN(0, a, N, KEEP(ab, b)) \
		RUN(1, b, ab, KEEP(bc, c)) \
		RUN(2, c, bc, true) \
		pc += 3; \
		DISPATCH; \
	}
#define FUSE4(a, ab, b, bc, c, cd, d) \
	CASE(a##_##ab##_##b##_##bc##_##c##_##cd##_##d) { \
		uint64_t v; \
		RUN(0, a, N, KEEP(ab, b)) \
		RUN(1, b, ab, KEEP(bc, c)) \
		RUN(2, c, bc, KEEP(cd, d)) \
		RUN(3, d, cd, true) \
		pc += 4; \
		DISPATCH; \
	}
#include "vm/interp/fuse.def"

	CASE(LD_CALL) DST = (uint64_t)(int64_t)*(const int32_t *)((const char *)&e->call + K); NEXT;
	CASE(LD_TLS64) DST = *(const uint64_t *)(self_thread() + (int64_t)K); NEXT;
	CASE(LD_TLS32) DST = *(const volatile uint32_t *)(self_thread() + (int64_t)K); NEXT;
	CASE(MAY_GOTO) if (!loops) JUMP; loops--; NEXT;

	CASE(INIT_SET) init |= 1u << pc->d; NEXT;
	CASE(INIT_CHECK) {
		if (!(init >> pc->d & 1)) {
			e->call.status = -EFAULT;
			goto stop;
		}
		NEXT;
	}

	CASE(CALL) {
		const struct helper *helper = e->call.code->helper[pc->off];

		e->call.left = left;
		if (e->call.code->checked) {
			if (!interp_call(e, helper, (uebpf_helper_fn)(intptr_t)pc->k, r))
				goto failed;
			goto called;
		}
		e->call.helper = helper;
		r[0] = ((uebpf_helper_fn)(intptr_t)pc->k)(r[1], r[2], r[3], r[4], r[5], &e->call);
		if (unlikely(e->call.status))
			goto failed;
		left = e->call.left;
		NEXT;
	}
	CASE(CALL_TAIL) {
		const struct code *to;

		e->call.left = left;
		to = interp_tail(e, pc, r);
		if (e->call.status)
			goto failed;
		if (!to)
			goto called;
		if (e->call.depth > 1) {
			run_nested(e, to, r);
			if (e->call.status)
				goto failed;
			left = e->call.left;
			goto leave;
		}
		left = e->call.left;
		init = first_init(to);
		loops = MAY_GOTO_LIMIT;
		pc = to->run;
		DISPATCH;
	}
	CASE(CALLX) {
		const struct subprog *sub = code_function(e->call.code, DST);

		if (!sub) {
			e->call.left = left;
			if (!interp_call_number(e, DST, init, r))
				goto failed;
called:
			left = e->call.left;
			init = (init & ~0x3eu) | 1;
			NEXT;
		}
		callee = e->call.code->run + sub->start;
		zero = sub->zero;
		callee_init = 1u << 10 | 0x3e;
		goto enter;
	}
	CASE(CALL_LOCAL) {
		struct frame *f;
		uint32_t depth;

		callee = JUMP_FROM(pc);
		zero = (uint32_t)pc->k;
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
		if (f->code->checked)
			interp_frame_changed(e);
		init = callee_init;
		loops = MAY_GOTO_LIMIT;
		pc = callee;
		DISPATCH;
	}
	CASE(EXIT) {
		uint32_t depth;
		const struct frame *f;

leave:
		depth = e->call.depth;
		if (depth == bottom) {
			e->call.left = left;
			return r[0];
		}
		f = &e->frame[depth - 1];
		e->call.depth = depth - 1;
		memcpy(&r[6], f->saved, sizeof f->saved);
		r[10] += e->frame_size;
		pc = f->back;
		init = f->init;
		loops = f->loops;
		e->call.code = f->code;
		if (f->code->checked) {
			interp_frame_changed(e);
			interp_forget(e);
		}
		DISPATCH;
	}

	CASE(BAD) {
		const struct xinsn *own = interp_traced(e, pc, r);

		if (!own) {
			e->call.status = -ENOEXEC;
			goto stop;
		}
		ORIGINAL(own);
	}
	FAR_CASES
		switch (interp_far(e, DECODED, r)) {
		case STEP_ON: NEXT;
		case STEP_LEAVE: goto leave;
		default: goto stop;
		}
miss:
		if (!interp_access(e, DECODED, r))
			goto stop;
		NEXT;
#if !defined(__GNUC__) || defined(UEBPF_SWITCH)
	}
next:
	pc++;
	goto dispatch;
#endif
stop:
	e->call.left = left;
failed:		/* in a call, which may have charged steps of its own */
	if (e->call.pc == UINT32_MAX)
		e->call.pc = (uint32_t)(pc - e->call.code->run);
	return 0;
}

#undef CASE
#undef FAR_CASES
#undef DISPATCH
#undef ORIGINAL
#undef NEXT
#undef DST
#undef SRC
#undef K
#undef JUMP_FROM
#undef JUMP
#undef DECODED
#undef RUN
#undef KEEP
#undef ONE
