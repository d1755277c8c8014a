/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cbpf_in.h - between the two files that translate classic filters: the classic machine, and what is known of a filter. */
#ifndef UEBPF_LOADER_CBPF_IN_H
#define UEBPF_LOADER_CBPF_IN_H

#include "loader/filter/cbpf.h"
#include "vm/code.h"

/* Classic opcode fields (linux/filter.h). */
enum { C_LD, C_LDX, C_ST, C_STX, C_ALU, C_JMP, C_RET, C_MISC };
enum { M_IMM = 0x00, M_ABS = 0x20, M_IND = 0x40, M_MEM = 0x60, M_LEN = 0x80, M_MSH = 0xa0 };
enum { SZ_W = 0x00, SZ_B = 0x10, SRC_X = 0x08, RET_A = 0x10, MISC_TXA = 0x80 };
enum { ALU_DIV = 0x30, ALU_OR = 0x40, ALU_AND = 0x50, ALU_LSH = 0x60, ALU_RSH = 0x70, ALU_NEG = 0x80, ALU_MOD = 0x90,
       ALU_XOR = 0xa0 };
enum { J_JA = 0x00, J_JEQ = 0x10, J_JGT = 0x20, J_JGE = 0x30, J_JSET = 0x40 };
enum { SCRATCH = 16 };
enum { HELPER_SKB_LOAD_BYTES = 26, FAR_LIMIT = 0xffff };
enum { NEAR = 0x7fff };			/* offsets that an instruction holds */
enum { READ_A = 1, READ_X = 2, READ_M = 4 };	/* READ_M << k */
#define ALL UINT32_MAX

enum { NO_LOAD, ABS, IND };		/* a load of packet bytes whose address a verifier follows; IND: from r2 on */

/* A classic instruction and what holds in front of it. */
struct spot {
	uint32_t reads, writes;		/* READ_... */
	uint32_t live;			/* READ_... before they are written */
	uint32_t end;			/* of a load: behind its last byte */
	uint32_t need, need_x;		/* bytes from the packet's begin, from X on, without which the filter
					 * returns 0; ALL: it does anyway */
	uint32_t have, have_x;		/* bytes known to be there (x: r2 is valid); ALL: not reachable */
	uint32_t start;			/* its first slot */
	uint16_t to[2];			/* what may come next */
	uint16_t value;			/* which load A comes from, if it is read: see cbpf_same() */
	uint16_t like;			/* of a load: another one that meets it in a use */
	uint8_t nr_to;
	uint8_t size, kind;		/* of a load */
	bool number;			/* of a load: somebody needs it in this machine's order */
};

struct out {
	const struct uebpf_cbpf_insn *in;
	uint32_t nr_in;
	struct spot *spot;		/* nr_in, and one that stands for whatever is no load */
	uint8_t *slot;			/* room for SLOTS each */
	uint32_t n;
	uint32_t resolved;		/* slots whose jumps to "return 0" are done */
	uint32_t first_drop;		/* or ALL */
	bool calls;			/* a load may lie far away: skb_load_bytes */
	uint8_t x, ctx, data, end;	/* registers */
};

/* Bytes to ask for where `end` are needed now and `need` at last. */
static inline uint32_t to_ask(uint32_t need, uint32_t end)
{
	return need <= NEAR ? need : end;
}

/* ---- cbpf_survey.c ---- */
/* Why instruction *in with `left` others behind it is none, or NULL. */
const char *cbpf_wrong(const struct uebpf_cbpf_insn *in, uint32_t left);
/* Fills o->spot and what of *o depends on the whole. */
void cbpf_survey(struct out *o);
/* Loads that one use may see are one group, of which the last one here speaks. */
struct spot *cbpf_same(const struct out *o, uint32_t i);
/* A constant operand that can be in network order: A == k, A & k, A | k, A ^ k. */
bool cbpf_swaps(const struct uebpf_cbpf_insn *in, const struct spot *load);

#endif
