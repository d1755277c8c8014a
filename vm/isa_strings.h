/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_strings.h - the strings of the instruction table, twice included by insn.c with NAME(op, string)
 * and TEXT(row, string): as members of a struct and as their contents.  An op has a name, to which forms of
 * one row add an end (insn.c); a row has a text. */
NAME(BAD, "BAD") TEXT(BAD, "bad")
#define ALU(n, c, o, t, e)	NAME(n, #n) TEXT(n, t)
#define MOVSX(n, w, o, t, type)	NAME(n##w##_X, #n #w "_X") TEXT(n##w, t)
#define UN(n, c, i, t, e)	NAME(n, #n) TEXT(n, t)
#define JCC(n, c, t, e)		NAME(n, #n) TEXT(n, t)
#define MEM(n, s, type)		NAME(LD_##n, "LD_" #n) NAME(STX_##n, "STX_" #n) NAME(ST_##n, "ST_" #n) TEXT(MEM_##n, #type)
#define LDSX(n, s, type)	NAME(LD_##n, "LD_" #n) TEXT(MEM_##n, #type)
#define ATOMIC(n, i, t, e)	NAME(n, #n) TEXT(n, t)
#define FETCH			ATOMIC
#define ACQREL(n, s, type)	NAME(LDACQ_##n, "LDACQ_" #n) NAME(STREL_##n, "STREL_" #n)
#define PKT(n, s, type)		NAME(ABS_##n, "ABS_" #n) NAME(IND_##n, "IND_" #n)
#define WIDE(n, s, t)		NAME(n, #n) TEXT(n, t)
#define OP(n, shape, c, s, t)	NAME(n, #n) TEXT(n, t)
#define INNER(n, shape, t)	NAME(n, #n) TEXT(n, t)
#define FUSED(n, shape, w, t)	NAME(n, #n) TEXT(n, t)
#define INDEX(n, s, type)	NAME(LDI_##n, "LDI_" #n) NAME(STI_##n, "STI_" #n)
#define MEMOP(n, t, e)		NAME(n, #n) TEXT(n, t)
#define MEMJCC(n, t, e)		NAME(n, #n) TEXT(n, t)
#include "vm/isa.def"
#undef FETCH
#undef NAME
#undef TEXT
