/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scalar.h - the verifier's numbers: what is known of a value of `w` bits.
 *
 * A scalar is a set of numbers described three ways at once: known bits (val where !unk), an
 * unsigned and a signed range of the whole, and an unsigned and a signed range of its low half.
 * A number belongs to the set when it satisfies all of them.  Every function takes the width, so
 * the same code runs at 64 bits (half 32), at 32 bits (no half) and, in the tests, at 3, 4 and 8
 * bits where every input can be tried.
 *
 * Must not know instructions' encodings, registers or pointers. */
#ifndef UEBPF_VERIFIER_SCALAR_H
#define UEBPF_VERIFIER_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

/* Width of the numbers and of their low half (0: halves are not tracked). */
struct width {
	uint8_t w, h;
};
#define width64 ((struct width){ 64, 32 })
#define width32 ((struct width){ 32, 0 })

struct scalar {
	uint64_t val, unk;		/* known bits; val & unk == 0 */
	uint64_t umin, umax;
	int64_t smin, smax;		/* sign-extended from w bits */
	uint32_t hmin, hmax;		/* low half, unsigned */
	int32_t hsmin, hsmax;		/* low half, signed */
};

/* Ranges of one width, both signs: the shape that the range arithmetic works on. */
struct range {
	uint64_t umin, umax;
	int64_t smin, smax;
};

enum alu {
	ALU_ADD, ALU_SUB, ALU_MUL, ALU_DIV, ALU_SDIV, ALU_OR, ALU_AND, ALU_LSH, ALU_RSH, ALU_MOD,
	ALU_SMOD, ALU_XOR, ALU_MOV, ALU_ARSH, ALU_COUNT
};
enum cmp {
	CMP_EQ, CMP_GT, CMP_GE, CMP_SET, CMP_NE, CMP_SGT, CMP_SGE, CMP_LT, CMP_LE, CMP_SLT, CMP_SLE,
	CMP_COUNT
};

static inline uint64_t width_mask(unsigned w)
{
	return w >= 64 ? UINT64_MAX : (UINT64_C(1) << w) - 1;
}
static inline int64_t width_sext(uint64_t v, unsigned w)
{
	return (int64_t)(v << (64 - w)) >> (64 - w);
}

void scalar_const(struct scalar *out, struct width w, uint64_t v);
void scalar_any(struct scalar *out, struct width w);
void scalar_urange(struct scalar *out, struct width w, uint64_t lo, uint64_t hi);
void scalar_srange(struct scalar *out, struct width w, int64_t lo, int64_t hi);
void scalar_bits(struct scalar *out, unsigned bits);	/* any number of 8, 16, 32 or 64 bits, zero-extended to 64 */
bool scalar_has(struct width w, const struct scalar *s, uint64_t v);
static inline bool scalar_is_const(const struct scalar *s) { return s->umin == s->umax; }
bool scalar_is_any(struct width w, const struct scalar *s);

/* Lets every part narrow the others until nothing changes; false when the set is empty. */
bool scalar_tidy(struct width w, struct scalar *s);

/* *out: a op b as the instruction table means it (division by zero included). */
void scalar_alu(struct scalar *out, struct width w, enum alu op, const struct scalar *a, const struct scalar *b);
void scalar_add_k(struct scalar *s, int64_t k);	/* 64 bits: *s += k */
void scalar_shift_right(struct scalar *s, unsigned by);	/* 64 bits: *s >>= by, unsigned */
void scalar_sext(struct scalar *out, struct width w, const struct scalar *a, unsigned from);
void scalar_zext(struct scalar *out, struct width w, const struct scalar *a, unsigned from);
/* Reverses the low `bytes` bytes and clears the rest (64-bit numbers only). */
void scalar_bswap(struct scalar *out, const struct scalar *a, unsigned bytes);

/* Narrows a and b by the fact that `a op b` came out as `taken`; false: it cannot. */
bool scalar_branch(struct width w, enum cmp op, bool taken, struct scalar *a, struct scalar *b);

bool scalar_meet(struct width w, struct scalar *a, const struct scalar *b);	/* false: empty */
void scalar_join(struct scalar *out, struct width w, const struct scalar *a, const struct scalar *b);
bool scalar_within(const struct scalar *in, const struct scalar *out);	/* in is a subset of out */
/* A set that holds old and new and grows at once to `limit` above or below when new outgrew old:
 * repeated widening ends.  limit_lo/limit_hi: unsigned bounds to stop at first. */
void scalar_widen(struct scalar *out, struct width w, const struct scalar *old, const struct scalar *new_,
			   uint64_t limit_lo, uint64_t limit_hi);

/* The low half as a number of its own, and back: 64 -> 32 -> 64 bits. */
void scalar_low(struct scalar *out, struct width w, const struct scalar *a);
void scalar_from_low(struct scalar *out, struct width w, const struct scalar *low);	/* zero-extends */
bool scalar_set_low(struct width w, struct scalar *a, const struct scalar *low);	/* narrows */

/* "[0..1023]", "0x40", "any", "[-4..7] bits 0x..." */
int scalar_text(char *buf, unsigned cap, const struct scalar *s);

#endif
