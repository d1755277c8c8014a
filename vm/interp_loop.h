/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* interp_loop.h - the body of the interpreter, included by interp.c once per build of it.
 * BODY: the function's name; CHECKED: what it does besides.  Cases are made of the steps in
 * interp_step.h, one to four each.  A traced run executes a copy of the program whose every op
 * is X_BAD: that case calls the tracer and goes on with the op of the original, so that other runs
 * pay nothing.
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
#define CASE(n) case X_##n:
#define DISPATCH goto dispatch
#define ORIGINAL do { op = original(e, pc)->op; goto again; } while (0)
#define NEXT goto next
#endif

#define DST r[pc->d]
#define SRC r[pc->s]
#define K ((uint64_t)pc->k)
#define JUMP_FROM(at) (const struct xinsn *)(const void *)((const char *)(at) + (at)->off)
#define JUMP do { pc = JUMP_FROM(pc); DISPATCH; } while (0)

/* The k-th instruction of a case; `rel`: what it takes from the one before. */
#define RUN(k, name, rel, keep) \
		switch (step_##name(e, pc + (k), r, &v, REL_##rel, keep, CHECKED)) { \
		case STEP_JUMP: pc = JUMP_FROM(pc + (k)); DISPATCH; \
		case STEP_STOP: pc += (k); goto stop; \
		case STEP_LEAVE: goto leave; \
		case STEP_ON: break; \
		}
#define KEEP(rel, next) !(REL_##rel == REL_D && WRITES_##next)
#define ONE(name) CASE(name) { uint64_t v; RUN(0, name, N, true) NEXT; }

static uint64_t BODY(struct engine *e, const struct xinsn *pc, uint64_t *r, uint32_t init)
{
	const uint32_t bottom = e->call.depth;
	uint32_t loops = MAY_GOTO_LIMIT, zero, callee_init;
	const struct xinsn *callee;

#if defined(__GNUC__) && !defined(UEBPF_SWITCH)
	static const void *const label[X_COUNT] = {
		[X_BAD] = &&do_BAD,
#define ALU(n, ...) [X_##n##64_K] = &&do_##n##64_K, [X_##n##64_X] = &&do_##n##64_X, \
		    [X_##n##32_K] = &&do_##n##32_K, [X_##n##32_X] = &&do_##n##32_X,
#define MOVSX(n, w, ...) [X_##n##w##_X] = &&do_##n##w##_X,
#define UN(n, ...) [X_##n] = &&do_##n,
#define JCC ALU
#define MEM(n, ...) [X_LD_##n] = &&do_LD_##n, [X_STX_##n] = &&do_STX_##n, [X_ST_##n] = &&do_ST_##n,
#define LDSX(n, ...) [X_LD_##n] = &&do_LD_##n,
#define ATOMIC(n, ...) [X_##n##64] = &&do_##n##64, [X_##n##32] = &&do_##n##32,
#define FETCH ATOMIC
#define ACQREL(n, ...) [X_LDACQ_##n] = &&do_LDACQ_##n, [X_STREL_##n] = &&do_STREL_##n,
#define PKT(n, ...) [X_ABS_##n] = &&do_ABS_##n, [X_IND_##n] = &&do_IND_##n,
#define WIDE(n, ...) [X_##n] = &&do_##n,
#define OP WIDE
#define INNER WIDE
#define FUSED WIDE
#define INDEX(n, ...) [X_LDI_##n] = &&do_LDI_##n, [X_STI_##n] = &&do_STI_##n, \
		      [X_LDI0_##n] = &&do_LDI0_##n, [X_STI0_##n] = &&do_STI0_##n,
#define MEMOP ATOMIC
#define MEMJCC(n, ...) [X_##n##_B] = &&do_##n##_B, [X_##n##_H] = &&do_##n##_H, \
		       [X_##n##_W] = &&do_##n##_W, [X_##n##_DW] = &&do_##n##_DW,
#include "vm/isa.def"
		[X_LEAX64_0] = &&do_LEAX64_0, [X_LEAX32_0] = &&do_LEAX32_0,
#define FUSE2(a, ab, b) [X_##a##_##ab##_##b] = &&do_##a##_##ab##_##b,
#define FUSE3(a, ab, b, bc, c) [X_##a##_##ab##_##b##_##bc##_##c] = &&do_##a##_##ab##_##b##_##bc##_##c,
#define FUSE4(a, ab, b, bc, c, cd, d) [X_##a##_##ab##_##b##_##bc##_##c##_##cd##_##d] = \
	&&do_##a##_##ab##_##b##_##bc##_##c##_##cd##_##d,
#if !CHECKED
#define PLAIN2 FUSE2
#define PLAIN3 FUSE3
#define PLAIN4 FUSE4
#endif
#include "vm/fuse.def"
	};
	DISPATCH;
#else
	uint16_t op;
dispatch:
	op = pc->op;
again:
	switch ((enum xop)op) {
#endif

#define ALU(n, ...) ONE(n##64_K) ONE(n##64_X) ONE(n##32_K) ONE(n##32_X)
#define MOVSX(n, w, ...) ONE(n##w##_X)
#define UN(n, ...) ONE(n)
#define JCC ALU
#define MEM(n, ...) ONE(LD_##n) ONE(STX_##n) ONE(ST_##n)
#define LDSX(n, ...) ONE(LD_##n)
#define FUSED(n, ...) ONE(n)
#define INDEX(n, ...) ONE(LDI_##n) ONE(STI_##n) ONE(LDI0_##n) ONE(STI0_##n)
#define MEMOP(n, ...) ONE(n##64) ONE(n##32)
#define MEMJCC(n, ...) ONE(n##_B) ONE(n##_H) ONE(n##_W) ONE(n##_DW)

	/* RFC 9669 5.3 says nothing of ordering; Linux: fully ordered with a fetched value, relaxed
	 * without.  We take the stronger for all. */
#define ATOMIC_AT(k) \
		uint64_t addr = DST + (uint64_t)(int64_t)pc->off; \
		if (CHECKED && !atomic_ok(e, addr, k)) \
			goto stop;
#define RMW(n, w, k, result) { \
		ATOMIC_AT(k) \
		uint##w##_t *at = (uint##w##_t *)(uintptr_t)addr, b = (uint##w##_t)SRC; \
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
	CASE(n##64) RMW(n, 64, 3, SRC = a) \
	CASE(n##32) RMW(n, 32, 2, SRC = a)
#define CMPXCHG(w, k) { \
		ATOMIC_AT(k) \
		uint##w##_t old = (uint##w##_t)r[0]; \
		__atomic_compare_exchange_n((uint##w##_t *)(uintptr_t)addr, &old, (uint##w##_t)SRC, false, \
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
		r[0] = old; \
		NEXT; \
	}
	CASE(CMPXCHG64) CMPXCHG(64, 3)
	CASE(CMPXCHG32) CMPXCHG(32, 2)
#define ACQREL(n, s, type) \
	CASE(LDACQ_##n) { \
		uint64_t addr = SRC + (uint64_t)(int64_t)pc->off; \
		if (CHECKED && !atomic_ok_read(e, addr, LOG(type))) \
			goto stop; \
		DST = __atomic_load_n((type *)(uintptr_t)addr, __ATOMIC_ACQUIRE); \
		NEXT; \
	} \
	CASE(STREL_##n) { \
		ATOMIC_AT(LOG(type)) \
		__atomic_store_n((type *)(uintptr_t)addr, (type)SRC, __ATOMIC_RELEASE); \
		NEXT; \
	}
#define PACKET(type, at) { \
		if (!call_packet_load(&e->call, r[6], (at), sizeof(type), &r[0])) \
			goto outside; \
		NEXT; \
	}
#define PKT(n, s, type) \
	CASE(ABS_##n) PACKET(type, (int32_t)pc->k) \
	CASE(IND_##n) PACKET(type, (int32_t)((uint32_t)pc->k + (uint32_t)SRC))
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
#if !CHECKED
#define PLAIN2 FUSE2
#define PLAIN3 FUSE3
#define PLAIN4 FUSE4
#endif
#include "vm/fuse.def"


	CASE(LDDW) DST = K; NEXT;
	CASE(LD_CALL) DST = (uint64_t)(int64_t)*(const int32_t *)((const char *)&e->call + K); NEXT;
	CASE(LD_TLS64) DST = *(const uint64_t *)(self_thread() + (int64_t)K); NEXT;
	CASE(LD_TLS32) DST = *(const volatile uint32_t *)(self_thread() + (int64_t)K); NEXT;
	CASE(MAY_GOTO) if (!loops) JUMP; loops--; NEXT;

	CASE(INIT_SET) init |= 1u << pc->d; NEXT;
	CASE(INIT_CHECK) {
		if (CHECKED && !(init >> pc->d & 1)) {
			e->call.status = -EFAULT;
			goto stop;
		}
		NEXT;
	}

	CASE(CALL) {
		const struct helper *helper = e->call.code->helper[pc->off];
		const struct regions was = regions_now(e);

		e->call.helper = helper;
		if (CHECKED && !call_check_args(&e->call, helper, r))
			goto stop;
		r[0] = ((uebpf_helper_fn)(intptr_t)pc->k)(r[1], r[2], r[3], r[4], r[5], &e->call);
		if (unlikely(e->call.status))
			goto stop;
		if (CHECKED) {
			helper_returned(e, helper, r, was);
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
		r[0] = ((uebpf_helper_fn)(intptr_t)pc->k)(r[1], r[2], r[3], r[4], r[5], &e->call);
		if (unlikely(e->call.status))
			goto stop;
		to = enter_tail(e, r);
		if (unlikely(e->call.status))
			goto stop;
		init = (init & ~0x3eu) | 1;
		if (!to)
			NEXT;
		init = first_init(to);
		loops = MAY_GOTO_LIMIT;
		pc = to->run;
		DISPATCH;
	}
	CASE(CALLX) {
		const struct subprog *sub = function_at(e, DST);

		if (!sub) {
			const struct helper *helper = call_by_number(&e->call, DST, init);
			const struct regions was = regions_now(e);

			if (!helper)
				goto stop;
			e->call.helper = helper;
			if (CHECKED && !call_check_args(&e->call, helper, r))
				goto stop;
			r[0] = helper_fn(helper)(r[1], r[2], r[3], r[4], r[5], &e->call);
			if (unlikely(e->call.status))
				goto stop;
			if (CHECKED)
				helper_returned(e, helper, r, was);
			else if (helper_returns(helper) == RET_VOID)
				r[0] = 0;
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

	/* Never reached: code_bind refuses the first, the others became something else. */
	CASE(LD_MAPFD) CASE(LD_MAPVALFD) CASE(LD_BTFVAR) CASE(CALL_KFUNC)
	CASE(LD_MAP) CASE(LD_MAPVAL) CASE(LD_FUNC) CASE(JA32) CASE(CAST_USER) CASE(CAST_KERN)
refused:
		e->call.status = -ENOEXEC;
		goto stop;

#if !defined(__GNUC__) || defined(UEBPF_SWITCH)
	case X_COUNT: default: break;
	}
next:
	pc++;
	goto dispatch;
#endif
stop:
	if (e->call.pc == UINT32_MAX)
		e->call.pc = (uint32_t)(pc - e->call.code->run);
	return 0;
}

#undef CASE
#undef DISPATCH
#undef ORIGINAL
#undef NEXT
#undef DST
#undef SRC
#undef K
#undef JUMP_FROM
#undef JUMP
#undef RUN
#undef KEEP
#undef ONE
#undef ATOMIC_AT
#undef RMW
#undef CMPXCHG
#undef PACKET
