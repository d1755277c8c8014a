/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter.h - one compilation of a filter, between its files: check.c gives every node its type
 * and what it names, gen.c and text.c emit eBPF, save.c writes it as a file. */
#ifndef UEBPF_LOADER_FILTER_H
#define UEBPF_LOADER_FILTER_H

#include "loader/filter/tree.h"

struct filter {
	struct uebpf_env *env;
	struct arena arena;
	const struct prog_type *type;	/* in use */
	struct helper_set *helpers;
	const char *source;		/* NULL: bytecode */
	struct uebpf_error *err;	/* never NULL */
	bool calls;			/* somewhere a helper is called */
	uint8_t *uses;			/* of each field that fits a register, up to 255 */
};
/* -EINVAL (or -ENOMEM, code UEBPF_E_MEMORY) with *err: the place, the sentence and a caret line. */
int filter_fail(struct filter *f, uint32_t column, enum uebpf_code code, const char *text, ...)
	__attribute__((format(printf, 4, 5)));
#ifdef __clang_analyzer__	/* which does not look into functions with "..." */
#define filter_fail(f, ...) ((void)filter_fail(f, __VA_ARGS__), -1)
#else
#define filter_fail(f, column, code, ...) filter_fail(f, column, code, MESSAGE(__VA_ARGS__))
#endif
int filter_no_memory(struct filter *f);

struct tree *filter_parse(struct filter *f);		/* f->source; NULL: f->err */
int filter_check(struct filter *f, struct tree *root);

/* ---- emitting ---- */

enum { SPILLS = 5, STACK_MAX = 512 };
enum { PART_ALL, PART_LOW, PART_HIGH };	/* of a context's 64 bits */
/* The library's own helpers for filters, by name in helpers.def. */
enum gen_helper { FILTER_NUMBER, FILTER_STR, FILTER_STR_MEM, FILTER_MEM, FILTER_HEAD, FILTER_HELPERS };
struct label { uint32_t *fix; uint32_t n; };		/* jumps to a place that comes later */
struct gen {
	struct filter *f;
	uint8_t *slot;
	uint32_t n;
	struct filter_reloc *reloc;
	uint32_t nr_relocs;
	struct label reject;
	uint32_t stack;		/* bytes below the frame pointer in use */
	uint8_t ctx;		/* register */
	uint8_t cache[SPILLS];	/* field's register, for fields in cached[] */
	uint16_t cached[SPILLS];
	const struct helper *helper[FILTER_HELPERS];	/* found so far */
	uint32_t room;			/* depths of evaluation that have registers */
	uint32_t nr_cached, have;	/* have: bit per cached field that was loaded on every path here */
	bool failed;		/* f->err says why */
};
enum wire {		/* opcodes of RFC 9669 that filters use */
	W_LDX = 0x61, W_LDXS = 0x81, W_ST = 0x62, W_STX = 0x63,	/* | size */
	W_B = 0x10, W_H = 0x08, W_W = 0x00, W_DW = 0x18,
	W_LDDW = 0x18, W_MOV = 0xbf, W_MOVK = 0xb7, W_MOV32K = 0xb4, W_CALL = 0x85, W_EXIT = 0x95, W_BE = 0xdc,
	W_ADDK = 0x07, W_SUB = 0x1f, W_LSHK = 0x67, W_RSHK = 0x77, W_RSH = 0x7f, W_ARSHK = 0xc7, W_XOR = 0xaf, W_NEG = 0x87,
	W_JA = 0x05, W_JEQ = 0x15, W_JGT = 0x25, W_JGE = 0x35, W_JSET = 0x45, W_JNE = 0x55, W_JSGT = 0x65,
	W_JSGE = 0x75, W_JLT = 0xa5, W_JLE = 0xb5, W_JSLT = 0xc5, W_JSLE = 0xd5, W_X = 0x08, W_32 = 0x03,
	FP = 10
};
/* The register of depth d of the evaluation: 0, 2, 3, 4, 5. */
static inline uint8_t reg_at(uint32_t d) { return (uint8_t)(d ? d + 1 : 0); }
static inline uint8_t width_bits(uint32_t size)
{
	return size == 1 ? W_B : size == 2 ? W_H : size == 4 ? W_W : W_DW;
}
/* The whole program; false: f->err says why not. */
bool filter_generate(struct gen *g, const struct tree *root);
void gen_no_memory(struct gen *g);
void gen(struct gen *g, uint8_t code, uint32_t dst, uint32_t src, int32_t off, int32_t imm);
void gen_const(struct gen *g, uint32_t reg, int64_t v);
/* An instruction with two operands, ALU or jump: with W_X the second one is a register, else a constant. */
void gen_op(struct gen *g, uint8_t code, uint32_t dst, uint32_t operand);
void gen_jump(struct gen *g, uint8_t code, uint32_t dst, uint32_t operand, struct label *to);
void gen_bind(struct gen *g, struct label *label);
/* Where a condition leads; `fall`: `yes` is what comes next, otherwise `no`. */
struct way { struct label *yes, *no; bool fall; };
struct way gen_turn(const struct way *w);
void gen_branch(struct gen *g, uint8_t code, uint32_t dst, uint32_t operand, const struct way *w);
void gen_goto(struct gen *g, bool is, const struct way *w);
/* Fails when the frame does not have so many bytes. */
void gen_stack(struct gen *g, const struct tree *t, uint32_t bytes);
/* The number or pointer in a field, in its cache or in register `reg`; NULL pointers reject. */
uint32_t gen_field(struct gen *g, const struct uebpf_field *field, uint32_t reg);
/* Element i of an array or sequence; one that is not there rejects. */
void gen_element(struct gen *g, const struct uebpf_field *field, uint32_t i, uint32_t reg);
/* `size` bytes at byte `at` of the event's field, zero-extended. */
void gen_load(struct gen *g, uint8_t code, uint32_t reg, const struct uebpf_field *field, uint32_t at);
void gen_address(struct gen *g, uint32_t reg, const struct uebpf_field *field);
/* Before a call's arguments are set: registers of depths below d; after it they are back, and its result
 * is in reg_at(d). */
void gen_save(struct gen *g, uint32_t d);
void gen_call(struct gen *g, const struct helper *h, uint32_t d);
const struct helper *gen_helper(struct gen *g, enum gen_helper which);
/* How many bytes of a sequence are there. */
void gen_count(struct gen *g, const struct uebpf_field *field, uint32_t reg);
void gen_cond(struct gen *g, const struct tree *t, uint32_t d, const struct way *w);
/* The same for && and ||, which decide nothing else (sets.c). */
void gen_chain(struct gen *g, const struct tree *t, uint32_t d, const struct way *w);
enum { SET_USES = 3 };		/* a field that is named more often may be asked with registers d + 1 and d + 2 */
/* Comparison of texts (text.c); op: enum tree_kind. */
void gen_text(struct gen *g, const struct tree *t, uint32_t d, const struct way *w);
static inline uint32_t field_index(const struct gen *g, const struct uebpf_field *field)
{
	return (uint32_t)(field - g->f->type->event);
}
static inline bool is_comparison(uint32_t kind) { return kind >= TREE_EQ && kind <= TREE_LE; }
/* a OP b as b OP' a. */
static inline uint32_t mirrored(uint32_t kind)
{
	static const uint8_t other[] = { TREE_EQ, TREE_NE, TREE_GT, TREE_LE, TREE_LT, TREE_GE };

	return other[kind - TREE_EQ];
}
/* How a comparison of texts, checked and the constant on the right, is made. */
enum { HEAD_MIN = 3, HEAD_MAX = 16 };	/* bytes of a C string that helper filter_head compares */
enum text_way { TEXT_WORDS, TEXT_HEAD, TEXT_CALL };
enum text_way text_way(const struct tree *t);

#endif
