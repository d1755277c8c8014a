/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_rows.h - the ops of the instruction table's rows, one FORM(name, form, text, shape, code, size, flags, group)
 * each: included by insn.c, which defines FORM, once for each thing that it keeps of an op. */
/* Conformance groups: RFC 9669 section 2.4 and appendix A. */
#define DIVMUL(c, w) ((c) == 2 || (c) == 3 || (c) == 9 ? ISA_DIVMUL##w : ISA_BASE##w)
#define GROUP_LINUX(n) (OP_##n == OP_CALLX || OP_##n == OP_CALL_KFUNC || OP_##n == OP_MAY_GOTO || \
			OP_##n == OP_CAST_USER || OP_##n == OP_CAST_KERN)

#define ROW(name, text, shape, code, size, flags, group) FORM(name, , text, shape, code, size, flags, group)
#define ALUS(n, c, w) \
	FORM(n, w##_K, n, SHAPE_ALU_K, (c) << 4 | ALU##w, 0, WIDTH(w), DIVMUL(c, w)) \
	FORM(n, w##_X, n, SHAPE_ALU_X, (c) << 4 | ALU##w | X, 0, WIDTH(w), DIVMUL(c, w))
#define JCCS(n, c, w) \
	FORM(n, w##_K, n, SHAPE_JCC_K, (c) << 4 | JMP##w, 0, WIDTH(w), ISA_BASE##w) \
	FORM(n, w##_X, n, SHAPE_JCC_X, (c) << 4 | JMP##w | X, 0, WIDTH(w), ISA_BASE##w)
#define ATOMICS(n, flags) \
	FORM(n, 64, n, SHAPE_ATOMIC, ATOM | 0x18 | STX, 8, OPF_WIDTH64 | (flags), ISA_ATOMIC64) \
	FORM(n, 32, n, SHAPE_ATOMIC, ATOM | STX, 4, flags, ISA_ATOMIC32)
#define WIDTH(w) ((w) == 64 ? OPF_WIDTH64 : 0)
#define BASE(size) ((size) == 8 ? ISA_BASE64 : ISA_BASE32)
	ROW(BAD, BAD, SHAPE_BAD, 0, 0, 0, 0)
#define ALU(n, c, o, t, e) ALUS(n, c, 64) ALUS(n, c, 32)
#define MOVSX(n, w, o, t, type) ROW(n##w##_X, n##w, SHAPE_ALU_X, 0xb0 | ALU##w | X, 0, WIDTH(w), ISA_BASE##w)
#define UN(n, c, i, t, e) ROW(n, n, SHAPE_UN, c, 0, WIDTH(((c) & 7) == ALU64 ? 64 : i), \
			      ((c) & 7) == ALU64 || (i) == 64 ? ISA_BASE64 : ISA_BASE32)
#define JCC(n, c, t, e) JCCS(n, c, 64) JCCS(n, c, 32)
#define MEM(n, s, type) \
	ROW(LD_##n, MEM_##n, SHAPE_LOAD, MEMORY | (s) | LDX, SIZE_##n, 0, BASE(SIZE_##n)) \
	ROW(STX_##n, MEM_##n, SHAPE_STORE_X, MEMORY | (s) | STX, SIZE_##n, 0, BASE(SIZE_##n)) \
	ROW(ST_##n, MEM_##n, SHAPE_STORE_K, MEMORY | (s) | ST, SIZE_##n, 0, BASE(SIZE_##n))
#define LDSX(n, s, type) ROW(LD_##n, MEM_##n, SHAPE_LOAD, MEMSX | (s) | LDX, SIZE_##n, OPF_SIGNED, ISA_BASE64)
#define ATOMIC(n, i, t, e) ATOMICS(n, 0)
#define FETCH(n, i, t, e) ATOMICS(n, OPF_FETCH)
#define ACQREL(n, s, type) \
	ROW(LDACQ_##n, MEM_##n, SHAPE_LOAD, ATOM | (s) | STX, SIZE_##n, OPF_LINUX, ISA_LINUX) \
	ROW(STREL_##n, MEM_##n, SHAPE_STORE_X, ATOM | (s) | STX, SIZE_##n, OPF_LINUX, ISA_LINUX)
#define PKT(n, s, type) \
	ROW(ABS_##n, MEM_##n, SHAPE_PKT_ABS, ABS | (s) | LD, SIZE_##n, 0, ISA_PACKET) \
	ROW(IND_##n, MEM_##n, SHAPE_PKT_IND, IND | (s) | LD, SIZE_##n, 0, ISA_PACKET)
#define WIDE(n, s, t) ROW(n, n, SHAPE_WIDE, 0x18, 0, OPF_WIDTH64, ISA_BASE64)
#define OP(n, shape, c, s, t) \
	ROW(n, n, shape, c, shape == SHAPE_ATOMIC ? ((c) == 0xdb ? 8 : 4) : 0, \
	    (shape == SHAPE_ATOMIC ? OPF_FETCH | ((c) == 0xdb ? OPF_WIDTH64 : 0) : 0) | \
	    (shape == SHAPE_ALU_X ? OPF_WIDTH64 : 0) | (GROUP_LINUX(n) ? OPF_LINUX : 0), \
	    shape == SHAPE_ATOMIC ? ((c) == 0xdb ? ISA_ATOMIC64 : ISA_ATOMIC32) : \
	    GROUP_LINUX(n) ? ISA_LINUX : ISA_BASE32)
#define OURS(n, form, t, shape, size, flags) FORM(n, form, t, shape, 0, size, OPF_INNER | (flags), ISA_INTERNAL)
#define INNER(n, shape, t) OURS(n, , n, shape, 0, 0)
#define FUSED(n, shape, w, t) OURS(n, , n, shape, 0, WIDTH(w))
#define INDEX(n, s, type) OURS(LDI_##n, , MEM_##n, SHAPE_FUSED_LOAD, s, 0) OURS(STI_##n, , MEM_##n, SHAPE_FUSED_STORE, s, 0)
#define MEMOP(n, t, e) OURS(n, 64, n, SHAPE_FUSED_LOAD, 8, OPF_WIDTH64) OURS(n, 32, n, SHAPE_FUSED_LOAD, 4, 0)
#define MEMJCC(n, t, e) \
	OURS(n, _B, n, SHAPE_FUSED_JUMP, 1, 0) OURS(n, _H, n, SHAPE_FUSED_JUMP, 2, 0) \
	OURS(n, _W, n, SHAPE_FUSED_JUMP, 4, 0) OURS(n, _DW, n, SHAPE_FUSED_JUMP, 8, 0)
#include "vm/isa.def"
#undef DIVMUL
#undef GROUP_LINUX
#undef FORM
#undef ROW
#undef ALUS
#undef JCCS
#undef ATOMICS
#undef WIDTH
#undef BASE
#undef OURS
