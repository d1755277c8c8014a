/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dis.c - text of the machine code that this backend emits (Intel's order of operands), for
 * --dump=x86.  It knows the forms of encode.h and no others; what it does not know it shows as a byte.
 * tests/jit/encode_test.c compares it with llvm-mc. */
#include <stdio.h>
#include <string.h>
#include "jit/x86_64/jc.h"
#include "jit/x86_64/dis.h"
#include "vm/message.h"

/* Where text goes, and one instruction being read. */
struct ins {
	const uint8_t *p, *end;
	bool rex_seen, w, o16, rep, fs, have;	/* have: ModRM and what follows it were read */
	int r, x, b;			/* REX bits, shifted */
	int reg, rm, vvvv;
	uint32_t pp;			/* VEX: which prefix it stands for */
	int vector;			/* bytes of a vector */
	bool vex;
	bool mem;
	int base, index, scale;
	int32_t disp;
	int size;
	uint32_t op;
	int64_t target;
};

/* A form: opcodes of one map (0: one byte, 1: 0f, 2: 0f38, 3, 4: VEX of 0f38 and 0f3a) and, in texts, how it reads.  Small letters
 * stand for themselves; a capital and the letter after it for an operand:
 *   E r/m  G reg  Z the opcode's register  A rax  V VEX's extra register  P both, as xchg puts them
 *     of b, w, d, q: 1, 2, 4, 8 bytes; v: as the prefixes say; o: b where the opcode is even, else v;
 *     n: memory whose size is not told; x: a vector; p: what is made wider to be one
 *   I immediate: b, d signed; u unsigned byte; z 2 or 4 bytes; q what mov to a register has; t only of test
 *   J target of a jump, b or d    X, Y vector register: g reg, e r/m, x r/m of 16 bytes; X: VEX's extra one beside it
 *   N name: of group 1 by opcode (1) or by reg (r), of shifts (s), of group 3 (t), of group 5 (f), condition (c);
 *     m, p, q, b, v, d, o: what a prefix decides; of vectors: l, L a lane's size, u, z both, x shifts, n extremes,
 *     k a register told by the last byte
 *   O reads ModRM and shows nothing */
static const struct { uint8_t map, value, mask; } rows[] = {
	{ 0, 0x00, 0xc6 }, { 0, 0x02, 0xc6 }, { 0, 0x05, 0xc7 },
	{ 0, 0x50, 0xf8 }, { 0, 0x58, 0xf8 }, { 0, 0xb8, 0xf8 }, { 0, 0x63, 0xff }, { 0, 0x69, 0xff },
	{ 0, 0x6b, 0xff }, { 0, 0x70, 0xf0 }, { 0, 0x80, 0xff }, { 0, 0x81, 0xff }, { 0, 0x83, 0xff },
	{ 0, 0x84, 0xfe }, { 0, 0x87, 0xff }, { 0, 0x88, 0xfe },
	{ 0, 0x8b, 0xff }, { 0, 0x8d, 0xff }, { 0, 0x8f, 0xff }, { 0, 0x90, 0xff }, { 0, 0x99, 0xff },
	{ 0, 0xa8, 0xff }, { 0, 0xc1, 0xff }, { 0, 0xc3, 0xff }, { 0, 0xc6, 0xff }, { 0, 0xc7, 0xff },
	{ 0, 0xc9, 0xff }, { 0, 0xcc, 0xff }, { 0, 0xd1, 0xff }, { 0, 0xd3, 0xff }, { 0, 0xe8, 0xff },
	{ 0, 0xe9, 0xff }, { 0, 0xeb, 0xff }, { 0, 0xf6, 0xff }, { 0, 0xf7, 0xff }, { 0, 0xff, 0xff },
	{ 1, 0x67, 0xff }, { 1, 0x6b, 0xff }, { 1, 0x70, 0xff }, { 1, 0x77, 0xff }, { 1, 0xda, 0xff },
	{ 1, 0xde, 0xff }, { 1, 0xf4, 0xff },
	{ 1, 0x10, 0xff }, { 1, 0x11, 0xff }, { 1, 0x1e, 0xff }, { 1, 0x1f, 0xff }, { 1, 0x40, 0xf0 },
	{ 1, 0x6c, 0xff }, { 1, 0x6d, 0xff }, { 1, 0x6e, 0xff }, { 1, 0x6f, 0xff }, { 1, 0x7e, 0xff },
	{ 1, 0x80, 0xf0 }, { 1, 0x90, 0xf0 }, { 1, 0xae, 0xff }, { 1, 0xaf, 0xff }, { 1, 0xb1, 0xff },
	{ 1, 0xb6, 0xff }, { 1, 0xb7, 0xff }, { 1, 0xbc, 0xff }, { 1, 0xbe, 0xff }, { 1, 0xbf, 0xff },
	{ 1, 0xc1, 0xff }, { 1, 0xc8, 0xf8 }, { 1, 0xd4, 0xff }, { 1, 0xdb, 0xff }, { 1, 0xeb, 0xff },
	{ 1, 0xef, 0xff }, { 1, 0xf8, 0xfc }, { 1, 0xfc, 0xfc }, { 1, 0x60, 0xfc }, { 1, 0x64, 0xfc },
	{ 1, 0x74, 0xfc }, { 1, 0x70, 0xfc }, { 1, 0xd5, 0xff }, { 1, 0xdf, 0xff }, { 1, 0xf6, 0xff },
	{ 2, 0xf0, 0xff }, { 3, 0xf6, 0xff }, { 3, 0xf7, 0xff }, { 3, 0x38, 0xf8 }, { 3, 0x30, 0xf8 },
	{ 3, 0x40, 0xff }, { 3, 0x58, 0xfe }, { 3, 0x78, 0xfe }, { 4, 0x00, 0xff }, { 4, 0x38, 0xff },
	{ 4, 0x39, 0xff }, { 4, 0x4c, 0xff },
};
static const char texts[] MESSAGE_PACKED =
	"N1 Eo, Go\0" "N1 Go, Eo\0" "N1 Av, Iz\0"
	"push Zq\0" "pop Zq\0" "Nm Zv, Iq\0" "movsxd Gq, Ed\0" "imul Gv, Ev, Id\0"
	"imul Gv, Ev, Ib\0" "jNcJb\0" "Nr Eb, Ib\0" "Nr Ev, Iz\0" "Nr Ev, Ib\0"
	"test Eo, Go\0" "xchg Pv\0" "mov Eo, Go\0"
	"mov Gv, Ev\0" "lea Gv, En\0" "pop Eq\0" "Np\0" "Nq\0"
	"test al, Ib\0" "Ns Ev, Iu\0" "ret\0" "mov Eb, Ib\0" "mov Ev, Iz\0"
	"leave\0" "int3\0" "Ns Ev\0" "Ns Ev, cl\0" "callJd\0"
	"jmpJd\0" "jmpJb\0" "test Eb, Ib\0" "Nt EvIt\0" "Nf Eq\0"
	"packuswb Xg, Xe\0" "packssdw Xg, Xe\0" "pshufd Yg, Ye, Iu\0" "zeroupper\0" "pminub Xg, Xe\0"
	"pmaxub Xg, Xe\0" "pmuludq Xg, Xe\0"
	"movupNo Yg, Ex\0" "movupNo Ex, Yg\0" "endbr64On\0" "nopOn\0" "cmovNc Gv, Ev\0"
	"punpcklqdq Xg, Xe\0" "punpckhqdq Xg, Xe\0" "movNd Yg, Ev\0" "movdqa Yg, Ye\0" "movNd Ev, Yg\0"
	"jNcJd\0" "setNc Eb\0" "lfenceOn\0" "imul Gv, Ev\0" "cmpxchg Ev, Gv\0"
	"movzx Gv, Eb\0" "movzx Gv, Ew\0" "Nb Gv, Ev\0" "movsx Gv, Eb\0" "movsx Gv, Ew\0"
	"xadd Ev, Gv\0" "bswap Zv\0" "paddq Xg, Xe\0" "pand Xg, Xe\0" "por Xg, Xe\0"
	"pxor Xg, Xe\0" "psubNl Xg, Xe\0" "paddNl Xg, Xe\0" "punpckNu Xg, Xe\0" "pcmpgtNl Xg, Xe\0"
	"pcmpeqNl Xg, Xe\0" "psNxNl Xe, Iu\0" "pmullw Xg, Xe\0" "pandn Xg, Xe\0" "psadbw Xg, Xe\0"
	"movbe Gv, Ev\0" "mulx Gv, Vv, Ev\0" "Nv Gv, Ev, Vv\0" "vpNn Xg, Xe\0" "vpmovzxNz Yg, Ep\0"
	"vpmulld Xg, Xe\0" "vpbroadcastNL Yg, Yx\0" "vpbroadcastNL Yg, Yx\0" "vpermq Yg, Ye, Iu\0" "vinserti128 Xg, Yx, Iu\0"
	"vextracti128 Yx, Yg, Iu\0" "vpblendvb Xg, Xe, Nk";

/* Word k of those that are `width` wide, blanks filling them. */
static void put_word(struct text_out *o, const char *words, int width, uint32_t k)
{
	words = message_text(words) + (uint32_t)width * k;
	while (width > 1 && words[width - 1] == ' ')
		width--;
	text_put(o, "%.*s", width, words);
}

static void put_reg(struct text_out *o, int size, int r, bool rex)
{
	if (r >= 8)
		text_put(o, "r%d%s", r & 15, size == 8 ? "" : size == 4 ? "d" : size == 2 ? "w" : "b");
	else if (size == 1)
		put_word(o, rex ? MESSAGE_TEXT("al cl dl bl splbplsildil") : MESSAGE_TEXT("al cl dl bl ah ch dh bh "), 3,
			 (uint32_t)r);
	else
		text_put(o, "%s%.2s", size == 8 ? "r" : size == 4 ? "e" : "", &"axcxdxbxspbpsidi"[2 * r]);
}

static uint32_t take(struct ins *in, int n)
{
	uint32_t v = 0;

	for (int k = 0; k < n && in->p < in->end; k++)
		v |= (uint32_t)*in->p++ << 8 * k;
	return v;
}

static int32_t take_signed(struct ins *in, int n)
{
	uint32_t v = take(in, n);

	return n == 1 ? (int32_t)(v << 24) >> 24 : (int32_t)v;
}

static void modrm(struct ins *in)
{
	uint32_t m, sib;

	if (in->have)
		return;
	in->have = true;
	m = take(in, 1);
	in->reg = (int)(m >> 3 & 7) | in->r;
	in->rm = (int)(m & 7) | in->b;
	in->mem = m < 0xc0;
	in->index = -1;
	in->base = in->rm;
	if (in->mem && (m & 7) == 4) {
		sib = take(in, 1);
		in->base = (int)(sib & 7) | in->b;
		in->scale = 1 << (sib >> 6);
		in->index = (int)(sib >> 3 & 7) | in->x;
		if (in->index == 4)
			in->index = -1;
	}
	if (in->mem && m < 0x40 && (in->base & 7) == 5) {	/* nothing of ours asks for rip */
		in->base = -1;
		in->disp = take_signed(in, 4);
	}
	if (in->mem && m >> 6)
		in->disp = take_signed(in, m >> 6 == 1 ? 1 : 4);
}

static void put_rm(struct text_out *o, const struct ins *in, int size)
{
	if (!in->mem) {
		put_reg(o, size, in->rm, in->rex_seen);
		return;
	}
	if (size) {
		put_word(o, MESSAGE_TEXT("byte   word   dword  qword  xmmwordymmword"), 7, (uint32_t)__builtin_ctz((unsigned)size));
		text_put(o, " ptr ");
	}
	text_put(o, in->fs ? "fs:[" : "[");
	if (in->base < 0) {
		text_put(o, "%d]", in->disp);
		return;
	}
	put_reg(o, 8, in->base, true);
	if (in->index >= 0) {
		text_put(o, in->scale > 1 ? " + %d*" : " + ", in->scale);
		put_reg(o, 8, in->index, true);
	}
	if (in->disp)
		text_put(o, " %c %lld", in->disp < 0 ? '-' : '+', in->disp < 0 ? -(long long)in->disp : (long long)in->disp);
	text_put(o, "]");
}

static void put_vector(struct text_out *o, const struct ins *in, int r)
{
	text_put(o, "%cmm%d", in->vector > 16 ? 'y' : 'x', r);
}

static void put_name(struct text_out *o, struct ins *in, char kind)
{
	static const char group1[] MESSAGE_PACKED = "add or  adc sbb and sub xor cmp ";

	switch (kind) {
	case '1': put_word(o, group1, 4, in->op >> 3); break;
	case 'r': put_word(o, group1, 4, in->reg & 7); break;
	case 's': put_word(o, MESSAGE_TEXT("rolrorrclrcrshlshrsalsar"), 3, in->reg & 7); break;
	case 't': put_word(o, MESSAGE_TEXT("testtestnot neg mul imuldiv idiv"), 4, in->reg & 7); break;
	case 'f': put_word(o, MESSAGE_TEXT("inc dec callcalljmp jmp push"), 4, in->reg & 7); break;
	case 'c': put_word(o, MESSAGE_TEXT("o nob aee nebea s nsp npl gele" "g "), 2, in->op & 15); break;
	case 'm': text_put(o, in->w ? "movabs" : "mov"); break;
	case 'p': text_put(o, in->rep ? "pause" : "nop"); break;
	case 'q': text_put(o, in->w ? "cqo" : "cdq"); break;
	case 'b': text_put(o, in->rep ? "tzcnt" : "bsf"); break;
	case 'l': put_word(o, "bwdq", 1, in->op & 3); break;
	case 'u': put_word(o, "lbwlwdldq", 3, in->op & 3); break;
	case 'x': put_word(o, MESSAGE_TEXT("   ll rl rldra "), 3, (uint32_t)in->reg % 5); break;
	case 'v': put_word(o, MESSAGE_TEXT("    shlxsarxshrx"), 4, in->pp); break;
	case 'd': text_put(o, in->w ? "q" : "d"); break;
	case 'o': text_put(o, in->vex ? "d" : "s"); break;
	case 'L': put_word(o, "dqbw", 1, (in->op & 1) | (in->op >> 4 & 2)); break;
	case 'z': put_word(o, "bwbdbqwdwqdq", 2, in->op & 7); break;
	case 'n': put_word(o, MESSAGE_TEXT("minsbminsdminuwminudmaxsbmaxsdmaxuwmaxud"), 5, in->op & 7); break;
	case 'k': put_vector(o, in, (int)take(in, 1) >> 4); break;
	}
}

static void put_imm(struct text_out *o, struct ins *in, char kind)
{
	int wide = in->o16 ? 2 : 4;
	uint64_t v;

	switch (kind) {
	case 'b': text_put(o, "%d", take_signed(in, 1)); break;
	case 'd': text_put(o, "%d", take_signed(in, 4)); break;
	case 'u': text_put(o, "%u", take(in, 1)); break;
	case 'z': text_put(o, "%d", take_signed(in, wide)); break;
	case 't':
		if ((in->reg & 7) < 2)
			text_put(o, ", %d", take_signed(in, wide));
		break;
	default:
		v = take(in, 4);
		if (in->w)
			v |= (uint64_t)take(in, 4) << 32;
		text_put(o, in->w ? "%lld" : "0x%llx", (long long)v);
	}
}

static void put_extra(struct text_out *o, struct ins *in, const char *before, const char *after)
{
	text_put(o, "%s", before);
	put_vector(o, in, in->vvvv);
	text_put(o, "%s", after);
	in->vvvv = -1;
}

static void put_operand(struct text_out *o, struct ins *in, char what, char kind)
{
	int size = kind == 'b' || (kind == 'o' && !(in->op & 1)) ? 1 : kind == 'w' ? 2 : kind == 'd' ? 4 : kind == 'q' ? 8 :
		   kind == 'n' ? 0 : kind == 'x' ? in->vector : kind == 'p' ? in->vector >> (0x121321 >> (in->op & 7) * 4 & 15) :
		   in->size;

	switch (what) {
	case 'A': put_reg(o, size, RAX, true); break;
	case 'E': put_rm(o, in, size); break;
	case 'G': put_reg(o, size, in->reg, in->rex_seen); break;
	case 'I': put_imm(o, in, kind); break;
	case 'J':
		in->target = take_signed(in, size);
		break;
	case 'N': put_name(o, in, kind); break;
	case 'P':
		put_operand(o, in, in->mem ? 'E' : 'G', kind);
		text_put(o, ", ");
		put_operand(o, in, in->mem ? 'G' : 'E', kind);
		break;
	case 'V': put_reg(o, size, in->vvvv, true); break;
	case 'X': case 'Y':
		if (what == 'X' && in->vex && in->vvvv >= 0 && kind == 'e')
			put_extra(o, in, "", ", ");
		if (kind == 'x')
			text_put(o, "xmm%d", in->rm);
		else
			put_vector(o, in, kind == 'g' ? in->reg : in->rm);
		if (what == 'X' && in->vex && kind == 'g')
			put_extra(o, in, ", ", "");
		break;
	case 'Z': put_reg(o, size, (int)(in->op & 7) | in->b, true); break;
	}
}

static bool put_form(struct text_out *o, struct ins *in, uint8_t map)
{
	const char *at = message_text(texts);
	size_t k = 0;

	while (k < sizeof rows / sizeof *rows && (rows[k].map != map || (in->op & rows[k].mask) != rows[k].value)) {
		at += strlen(at) + 1;
		k++;
	}
	if (k == sizeof rows / sizeof *rows)
		return false;
	if (at[strcspn(at, "EGXYOP")])
		modrm(in);
	if (in->vex && map == 1)
		text_put(o, "v");
	for (; *at; at++) {
		if (*at < 'A' || *at > 'Z') {
			text_put(o, "%c", *at);
		} else {
			put_operand(o, in, at[0], at[1]);
			at++;
		}
	}
	return true;
}

static uint8_t prefixes(struct ins *in, bool *lock)
{
	for (;; in->p++) {
		uint8_t op = in->p < in->end ? *in->p : 0;

		if (op == 0xf0)
			*lock = true;
		else if (op == 0x66)
			in->o16 = true;
		else if (op == 0xf3)
			in->rep = true;
		else if (op == 0x64)
			in->fs = true;
		else
			return op;
	}
}

uint32_t x86_text(const uint8_t *code, uint32_t len, char *buf, size_t cap, int64_t *target)
{
	struct ins in = { .p = code, .end = code + len, .target = INT64_MIN, .vector = 16 };
	struct text_out o = { .buf = buf, .cap = cap };
	bool lock = false;
	uint8_t map = 0;
	uint32_t rex = 0, vex;

	*target = INT64_MIN;
	if (cap)
		*buf = 0;
	if ((prefixes(&in, &lock) & 0xf0) == 0x40) {
		rex = take(&in, 1);
		in.rex_seen = true;
	}
	in.op = take(&in, 1);
	if (in.op == 0xc4 || in.op == 0xc5) {
		in.vex = true;
		rex = take(&in, 1);
		vex = in.op == 0xc4 ? take(&in, 1) : rex & 0x7f;
		map = in.op == 0xc5 || (rex & 3) == 1 ? 1 : (rex & 3) + 1;
		rex = ~rex >> 5 & (in.op == 0xc4 ? 7 : 4);
		in.vector = vex & 4 ? 32 : 16;
		rex |= vex >> 4 & 8;
		in.pp = vex & 3;
		in.vvvv = (int)(~vex >> 3 & 15);
		in.rex_seen = true;
		in.op = take(&in, 1);
	} else if (in.op == 0x0f) {
		in.op = take(&in, 1);
		map = 1;
		if (in.op == 0x38) {
			in.op = take(&in, 1);
			map = 2;
		}
	}
	in.w = rex & 8;
	in.r = rex & 4 ? 8 : 0;
	in.x = rex & 2 ? 8 : 0;
	in.b = rex & 1 ? 8 : 0;
	in.size = in.w ? 8 : in.o16 ? 2 : 4;
	if (lock)
		text_put(&o, "lock ");
	if (!put_form(&o, &in, map)) {
		o.n = 0;
		text_put(&o, ".byte 0x%02x", code[0]);
		return 1;
	}
	if (in.target != INT64_MIN)
		*target = in.p - code + in.target;
	return (uint32_t)(in.p - code);
}

/* ---- a whole program ---- */

static void put_line(struct text_out *o, const struct jit_code *jit, uint32_t *at)
{
	char text[96];
	int64_t target;
	uint32_t n = x86_text(jit->text + *at, (uint32_t)jit->bytes - *at, text, sizeof text, &target);

	text_put(o, "  %6x:  ", *at);
	for (uint32_t k = 0; k < 11; k++)
		text_put(o, k < n ? "%02x" : "  ", jit->text[*at + k]);
	text_put(o, "  %s", text);
	if (target != INT64_MIN)
		text_put(o, " 0x%llx", (unsigned long long)*at + (unsigned long long)target);
	text_put(o, "\n");
	*at += n;
}

static void put_lines(struct text_out *o, const struct jit_code *jit, uint32_t *at, size_t to)
{
	while (*at < to)
		put_line(o, jit, at);
}

static void put_code(struct text_out *o, const struct code *code, const char *(*note)(void *arg, uint32_t slot), void *arg)
{
	const struct jit_code *jit = code->jit;
	uint32_t map = 0, next = 0, at = 0, sub = 0;
	char text[160];

	for (uint32_t i = 0; i < code->n; i++) {
		jit_map_next(jit, &map, &next);
		for (; sub < code->nr_sub && code->sub[sub].start == i; sub++) {
			at = jit->sub_off[sub];
			text_put(o, "%s:\n", *code->sub[sub].name ? code->sub[sub].name : "sub");
		}
		put_lines(o, jit, &at, next);
		if (note)
			text_put(o, "%s", note(arg, code->slot[i]));
		insn_text(text, sizeof text, code, i);
		text_put(o, "%6u: %s\n", code->slot[i], text);
	}
	put_lines(o, jit, &at, jit->sub_off[code->nr_sub]);	/* the last one's code, then entries and cold code */
	text_put(o, MESSAGE_TEXT("(entries, batch loop and out-of-line code)\n"));
	put_lines(o, jit, &at, jit->bytes);
}

long jit_dump(const struct code *code, char *buf, size_t cap, const char *(*note)(void *arg, uint32_t slot),
	      void *arg)
{
	const struct jit_code *jit = code->jit;
	struct text_out o = { .buf = buf, .cap = cap };

	if (!jit)
		return -1;
	put_code(&o, code, note, arg);
	if (jit->tame_code) {
		text_put(&o, MESSAGE_TEXT("(without options, and with %u bytes of context or more:)\n"), jit->tame_need);
		put_code(&o, jit->tame_code, note, arg);
	}
	return (long)o.n;
}
