/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cbpf_survey.c - what is known of a classic filter before it is translated.
 *
 * Classic code only jumps forward, so one sweep back and one forth tell, for each instruction,
 *  - what is read before it is written (nothing else is zeroed);
 *  - how long a packet must be for the filter not to end with 0 whatever happens, which one comparison in front of the
 *    first load asks for, and how long it is known to be: a load within needs no comparison;
 *  - whether a loaded word is only compared for equality or masked: then the constants are in network order instead. */
#include "loader/filter/cbpf_in.h"

#define ANCILLARY 0xfffff000u	/* SKF_AD_OFF: offsets from here on are not packet bytes */
#define NONE UINT16_MAX

/* ---- the classic side ---- */

const char *cbpf_wrong(const struct uebpf_cbpf_insn *in, uint32_t left)
{
	const char *const scratch = MESSAGE_TEXT("a scratch word outside of M[0..15]");
	uint32_t code = in->code, k = in->k, mode = code & 0xe0, size = code & 0x18, op = code & 0xf0;
	bool to_x = (code & 7) == C_LDX;

	if (code > 0xff)
		return MESSAGE_TEXT("an unknown opcode");
	switch (code & 7) {
	case C_LD: case C_LDX:
		if (size == 0x18)
			return MESSAGE_TEXT("a load of 8 bytes");
		if (mode == M_ABS || mode == M_IND)
			return to_x ? MESSAGE_TEXT("a packet load into X") : k < ANCILLARY ? NULL :
			       MESSAGE_TEXT("an ancillary load (SKF_AD_OFF, SKF_LL_OFF, SKF_NET_OFF): only the kernel "
					    "has its data");
		if (mode == M_MSH)
			return to_x && size == SZ_B ? NULL : MESSAGE_TEXT("a 4*([k]&0xf) load that is not a byte into X");
		if (mode > M_MSH)
			return MESSAGE_TEXT("a load with an unknown mode");
		return size != SZ_W ?
		       MESSAGE_TEXT("a load of a constant, a scratch word or the length that is not a word") :
		       mode == M_MEM && k >= SCRATCH ? scratch : NULL;
	case C_ST: case C_STX:
		return k >= SCRATCH || code & 0xf8 ? scratch : NULL;
	case C_ALU:
		return op > ALU_XOR ? MESSAGE_TEXT("an unknown arithmetic operation") :
		       code & SRC_X ? NULL :
		       (op == ALU_DIV || op == ALU_MOD) && !k ?
		       MESSAGE_TEXT("a division by the constant 0") :
		       (op == ALU_LSH || op == ALU_RSH) && k >= 32 ? MESSAGE_TEXT("a shift by 32 or more") : NULL;
	case C_JMP:
		return op > J_JSET ? MESSAGE_TEXT("an unknown jump") :
		       (op == J_JA ? k : in->jt > in->jf ? in->jt : in->jf) >= left ?
		       MESSAGE_TEXT("a jump past the end") : NULL;
	case C_RET:
		return size == SRC_X || size == 0x18 || mode ? MESSAGE_TEXT("an unknown return") : NULL;
	default:
		return (code | MISC_TXA) != 0x87 ? MESSAGE_TEXT("an unknown instruction of class misc") : NULL;
	}
}

static uint32_t most(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* Instruction i by itself; *max_x grows to what it may set X to. */
static void describe(struct out *o, uint32_t i, uint32_t *max_x)
{
	const struct uebpf_cbpf_insn *in = &o->in[i];
	struct spot *s = &o->spot[i];
	uint32_t mode = in->code & 0xe0, x = in->code & SRC_X ? READ_X : 0, m = (uint32_t)READ_M << (in->k & 15);
	bool always = (in->code & 0xf0) == J_JA;

	*s = (struct spot){ .have = ALL, .have_x = ALL, .like = (uint16_t)i, .value = NONE, .nr_to = 1,
			    .size = (uint8_t)(4u >> (in->code >> 3 & 3)), .to = { (uint16_t)(i + 1) } };
	switch (in->code & 7) {
	case C_LDX:
		*max_x = most(*max_x, mode == M_MSH ? 60 : mode == M_IMM ? in->k : ALL);
		/* fallthrough */
	case C_LD:
		s->writes = (in->code & 7) == C_LDX ? READ_X : READ_A;
		s->reads = mode == M_IND ? READ_X : mode == M_MEM ? m : 0;
		s->end = in->k + s->size;
		if (mode == M_IND)
			s->kind = IND;
		else if ((mode == M_ABS || mode == M_MSH) && s->end <= FAR_LIMIT && s->end > in->k)
			s->kind = ABS;
		else
			o->calls |= mode == M_ABS || mode == M_MSH;
		break;
	case C_ST: case C_STX:
		s->reads = in->code & 1 ? READ_X : READ_A;
		s->writes = m;
		break;
	case C_ALU:
		s->reads = READ_A | ((in->code & 0xf0) == ALU_NEG ? 0 : x);
		s->writes = READ_A;
		break;
	case C_JMP:
		s->reads = always ? 0 : READ_A | x;
		s->nr_to = always ? 1 : 2;
		s->to[0] = (uint16_t)(i + 1 + (always ? in->k : in->jt));
		s->to[1] = (uint16_t)(i + 1 + in->jf);
		break;
	case C_RET:
		s->reads = in->code & RET_A ? READ_A : 0;
		s->nr_to = 0;
		break;
	default:
		s->reads = in->code & MISC_TXA ? READ_X : READ_A;
		s->writes = in->code & MISC_TXA ? READ_A : READ_X;
		*max_x = in->code & MISC_TXA ? *max_x : ALL;
	}
}

/* ---- what is known ---- */

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Before instruction i, what comes behind it being known: live, need. */
static void look_back(const struct out *o, uint32_t i)
{
	struct spot *s = &o->spot[i];

	s->need = s->need_x = s->nr_to || (!s->reads && !o->in[i].k) ? ALL : 0;	/* no follower: a return */
	for (uint32_t n = 0; n < s->nr_to; n++) {
		const struct spot *t = &o->spot[s->to[n]];

		s->live |= t->live;
		s->need = least(s->need, t->need);
		s->need_x = least(s->need_x, t->need_x);
	}
	s->live = (s->live & ~s->writes) | s->reads;
	if (s->writes & READ_X && s->need_x != ALL)
		s->need_x = 0;
	if (s->kind == ABS)
		s->need = most(s->need, s->end);
	else if (s->kind)
		s->need_x = most(s->need_x, s->end);
}

struct spot *cbpf_same(const struct out *o, uint32_t i)
{
	while (o->spot[i].like != i)
		i = o->spot[i].like = o->spot[o->spot[i].like].like;
	return &o->spot[i];
}

static void meet(const struct out *o, uint32_t a, uint32_t b)
{
	struct spot *x = cbpf_same(o, a), *y = cbpf_same(o, b);

	x->number |= y->number || x->size != y->size;
	y->like = x->like;
}

bool cbpf_swaps(const struct uebpf_cbpf_insn *in, const struct spot *load)
{
	uint32_t op = in->code & 0xf0;

	if (in->code & SRC_X)
		return false;
	if ((in->code & 7) == C_JMP)
		return op == J_JEQ || op == J_JSET;
	return (in->code & 7) == C_ALU &&
	       (op == ALU_AND || ((op == ALU_OR || op == ALU_XOR) && (load->size == 4 || !(in->k >> 8 * load->size))));
}

/* Behind instruction i, what is in front of it being known: have, and where A comes from. */
static void look_on(const struct out *o, uint32_t i)
{
	struct spot *s = &o->spot[i], *load = cbpf_same(o, s->value == NONE ? o->nr_in : s->value);
	uint32_t have = s->have, have_x = s->have_x, value = s->value;

	if (have == ALL)
		return;
	if (s->kind == ABS && s->end > have)
		have = to_ask(s->need, s->end);
	if (s->kind == IND && s->end > have_x)
		have_x = to_ask(s->need_x, s->end);
	if (s->writes & READ_X)
		have_x = 0;
	if (!cbpf_swaps(&o->in[i], load)) {
		load->number |= s->reads & READ_A;
		if (s->writes & READ_A)
			value = s->kind ? i : o->nr_in;
	}
	for (uint32_t n = 0; n < s->nr_to; n++) {
		struct spot *t = &o->spot[s->to[n]];

		t->have = least(t->have, have);
		t->have_x = least(t->have_x, have_x);
		if (!(t->live & READ_A) || t->value == value)
			continue;
		if (t->value != NONE)
			meet(o, value, t->value);
		t->value = (uint16_t)value;
	}
}

void cbpf_survey(struct out *o)
{
	uint32_t n = o->nr_in, max_x = 0;
	bool asks_len = false;

	for (uint32_t i = 0; i < n; i++) {
		describe(o, i, &max_x);
		asks_len |= (o->in[i].code & 6) == 0 && (o->in[i].code & 0xe0) == M_LEN;
	}
	/* libpcap's own filters set X to the length of a header, 60 at most: nothing in them lies far away. */
	for (uint32_t i = 0; i < n; i++)
		o->calls |= o->spot[i].kind == IND && (uint64_t)o->spot[i].end + max_x > NEAR;
	for (uint32_t i = 0; i < n; i++)
		if (o->calls && o->spot[i].kind == IND)
			o->spot[i].kind = NO_LOAD;
	o->spot[0].have = o->spot[0].have_x = 0;
	o->spot[0].value = (uint16_t)n;
	o->spot[n] = (struct spot){ .like = (uint16_t)n, .number = true };
	o->x = o->calls ? 9 : 5;
	o->ctx = o->calls || asks_len ? 6 : 1;
	o->data = o->calls ? 7 : 3;
	o->end = o->calls ? 8 : 4;
	for (uint32_t i = n; i-- > 0;)
		look_back(o, i);
	for (uint32_t i = 0; i < n; i++)
		look_on(o, i);
}
