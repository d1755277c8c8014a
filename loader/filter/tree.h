/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tree.h - a filter as a small typed tree: what the expression parser (parse.c) and the
 * LTTng bytecode reader (lttng.c) build and gen.c turns into eBPF.
 *
 * The meaning is LTTng-UST's filter machine:
 *  - integers are 64 bits; comparisons are signed, also of unsigned fields; a comparison yields 0 or 1;
 *  - & | ^ ~ << >> work on the 64 bits, >> fills with zeroes; a shift count outside 0..63 rejects;
 *  - a string compares only with a string (by bytes as signed, up to its NUL or its end), a number only
 *    with a number; when one side is a double the other is converted, as a signed integer;
 *  - "rejects" means that the whole filter yields 0 at once, whatever stands around the node: NULL
 *    strings and unknown fields reject;
 *  - && yields 0 or its right side's value, || yields 1 when its left side is not 0, else its right
 *    side's value; the right side is not evaluated when the left decides.  Their operands are integers: a
 *    double is cut to one first (0.5 is false);
 *  - the filter accepts when the root, an integer, is not 0.
 *
 * Nodes live in one arena and are never freed singly; text that they point to must live as long. */
#ifndef UEBPF_LOADER_FILTER_TREE_H
#define UEBPF_LOADER_FILTER_TREE_H

#include "loader/arena.h"
#include "loader/object.h"

enum tree_kind {
	/* leaves */
	TREE_INT,	/* i */
	TREE_DOUBLE,	/* d */
	TREE_STRING,	/* text, len: bytes as they are, escapes resolved; may hold any byte but NUL */
	TREE_GLOB,	/* text, len: pattern; '*' any bytes, '\' takes the next byte as it is */
	TREE_FIELD,	/* text, len: of the event type, nested ones "a.b"; or a label (also as TREE_STRING) of
			 * the field that it is compared with */
	TREE_CONTEXT,	/* text, len: "ctx.vtid", "app.PROVIDER:TYPE" */
	TREE_REJECT,	/* rejects; text, len: why, for messages */
	/* one operand: left */
	TREE_INDEX,	/* i: element of an array or sequence field; outside of it: an array refuses to
			 * compile, a sequence rejects */
	TREE_TO_INT, TREE_TO_DOUBLE,		/* casts; a double is cut towards 0 */
	TREE_PLUS, TREE_MINUS, TREE_BIT_NOT,	/* a number; BIT_NOT: an integer */
	TREE_NOT,				/* number -> 0 or 1 */
	/* two operands: left, right */
	TREE_EQ, TREE_NE, TREE_LT, TREE_GE, TREE_GT, TREE_LE,	/* n ^ 1 is the opposite; with a glob: EQ, NE */
	TREE_BIT_AND, TREE_BIT_OR, TREE_BIT_XOR, TREE_LSHIFT, TREE_RSHIFT,
	TREE_AND, TREE_OR,
	TREE_KIND_COUNT
};
_Static_assert((TREE_EQ ^ 1) == TREE_NE && (TREE_LT ^ 1) == TREE_GE && (TREE_GT ^ 1) == TREE_LE,
	       "comparisons stand in opposite pairs");

enum tree_type { TREE_NUMBER, TREE_FLOATING, TREE_TEXT, TREE_PATTERN, TREE_COMPOUND };

struct tree {
	uint8_t kind;			/* enum tree_kind */
	uint8_t type;			/* enum tree_type; the generator's, filled when it checks */
	uint8_t regs;			/* the generator's */
	bool calls;			/* the generator's: a helper is called inside */
	uint32_t column;		/* from 1; bytecode: offset of the instruction + 1 */
	uint32_t len;
	struct tree *left, *right;
	union {
		int64_t i;
		double d;
		const char *text;
	};
	const void *what;		/* the generator's: the field or helper it means */
};

/* A new node, NULL when memory is short. */
static inline struct tree *tree_node(struct arena *arena, enum tree_kind kind, uint32_t column,
				     struct tree *left, struct tree *right)
{
	struct tree *t = arena_alloc(arena, sizeof(*t));

	if (t) {
		t->kind = (uint8_t)kind;
		t->column = column;
		t->left = left;
		t->right = right;
	}
	return t;
}

/* Checks the tree against event type `type` of the env, generates its program and opens it as an object
 * with one program "filter" of that type.  `source`: the text that columns count in, for messages; NULL
 * for bytecode (messages then say "offset N").  NULL with *err: what, where; err->column is set. */
struct uebpf_object *tree_object(struct uebpf_env *env, struct tree *root, const char *type, const char *source,
				 const struct uebpf_open_opts *opts, struct uebpf_error *err);

#endif
