/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sound_test.c - what the verifier accepts never faults.
 *
 * Programs are made from snippets that look like what people write (bounds checks, look-ups, loops,
 * spills, callbacks, subprograms, records), often with a check left out or off by one.  Each accepted
 * one runs in the checked interpreter on random inputs, and each instruction's result is compared with
 * the range that the verifier promised.  Then each rule of the verifier is switched off in turn: the
 * same generator must find a program that goes wrong.
 *   sound_test [seed [accepted]]      FUZZ=1: a hundred times as many */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "helpers/helpers.h"
#include "loader/loader.h"
#include "verifier/verifier.h"
#include "vm/code.h"

enum { MAX_SLOTS = 2000, NR_MAPS = 4 };
static const char *const rule_name[RULE_COUNT] = {
#define R(id, text) text,
	VERIFY_RULES(R)
#undef R
};
static struct uebpf_env *env;
static struct uebpf_map *maps[NR_MAPS];
static struct helper_table helpers;
static uint64_t seed = 1;
static unsigned want = 100000;

static uint64_t rng;
static uint64_t rnd(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}
static uint32_t below(uint32_t n) { return (uint32_t)(rnd() % n); }
static bool chance(uint32_t percent) { return below(100) < percent; }

/* ---- the generator ---- */

struct gen {
	uint8_t slots[MAX_SLOTS * 8];
	uint32_t n;
	bool xdp;
	uint32_t depth, loops, budget;
	int sub_call[8], nr_sub_calls;	/* slots to be patched with a subprogram's start */
	int cb_load[8], nr_cb;
	bool in_sub;
	uint32_t exits[64], nr_exits;
};
static struct gen g;

static uint32_t emit(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	struct raw_insn r = { code, dst, src, off, imm };

	if (g.n < MAX_SLOTS - 40)
		raw_store(g.slots + 8 * g.n++, r);
	return g.n - 1;
}
static void patch_off(uint32_t at)	/* jump at `at` leads here */
{
	struct raw_insn r = raw_load(g.slots + 8 * at);

	r.off = (int16_t)(g.n - at - 1);
	raw_store(g.slots + 8 * at, r);
}
static void mov_k(int d, int32_t k) { emit(0xb7, (uint8_t)d, 0, 0, k); }
static void mov_x(int d, int s) { emit(0xbf, (uint8_t)d, (uint8_t)s, 0, 0); }
static void add_k(int d, int32_t k) { emit(0x07, (uint8_t)d, 0, 0, k); }
static void add_x(int d, int s) { emit(0x0f, (uint8_t)d, (uint8_t)s, 0, 0); }
static const uint8_t ldx[] = { 0x71, 0x69, 0x61, 0x79 }, stx[] = { 0x73, 0x6b, 0x63, 0x7b };
static const uint8_t st[] = { 0x72, 0x6a, 0x62, 0x7a };

static int32_t odd_number(void)
{
	static const int32_t n[] = { 0, 1, -1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 255, 256, 1023, 0x7fffffff,
				     INT32_MIN, -8, -2, 0xffff, 48, 20, 14 };

	return chance(80) ? n[below(sizeof n / sizeof *n)] : (int32_t)rnd();
}
/* registers for numbers: r0-r5, r9; r6 context or memory, r7 data, r8 end or length */
static int num(void)
{
	static const int r[] = { 0, 1, 2, 3, 4, 5, 9 };

	return r[below(7)];
}

static void alu(void)
{
	static const uint8_t op[] = { 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0 };
	uint8_t o = op[below(12)], cls = chance(60) ? 7 : 4;
	int d = num(), s = num();

	if (chance(8)) {
		static const int16_t sx[] = { 8, 16, 32 };

		emit(0xb0 | 8 | cls, (uint8_t)d, (uint8_t)s, sx[below(cls == 7 ? 3 : 2)], 0);
	} else if (chance(5)) {
		emit(cls == 7 ? 0xd7 : (chance(50) ? 0xdc : 0xd4), (uint8_t)d, 0, 0, 16 << below(3));
	} else if (chance(4)) {
		emit(0x80 | cls, (uint8_t)d, 0, 0, 0);
	} else if (chance(50)) {
		emit((uint8_t)(o | cls), (uint8_t)d, 0, (o == 0x30 || o == 0x90) && chance(30), odd_number());
	} else {
		emit((uint8_t)(o | 8 | cls), (uint8_t)d, (uint8_t)s, (o == 0x30 || o == 0x90) && chance(30), 0);
	}
}

static uint8_t jump_op(void)
{
	static const uint8_t op[] = { 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0 };

	return (uint8_t)(op[below(11)] | (chance(65) ? 5 : 6));
}

static void leave(uint32_t jump)	/* this jump leaves the function */
{
	if (g.nr_exits < 64)
		g.exits[g.nr_exits++] = jump;
	else
		patch_off(jump);
}

static void body(int n);
static int focus = -1;	/* rule whose absence is looked for: its snippets come more often */

static void branch(void)
{
	uint32_t j = chance(55) ? emit(jump_op(), (uint8_t)num(), 0, 0, odd_number()) :
				  emit(jump_op() | 8, (uint8_t)num(), (uint8_t)num(), 0, 0), skip;

	body(1 + (int)below(3));
	if (chance(40)) {
		skip = emit(0x05, 0, 0, 0, 0);
		patch_off(j);
		body(1 + (int)below(2));
		patch_off(skip);
	} else {
		patch_off(j);
	}
}

/* A number with a bound in register d. */
static void bounded(int d, uint32_t bound)
{
	uint32_t j;

	switch (below(6)) {
	case 0:
		emit(0x57, (uint8_t)d, 0, 0, (int32_t)(bound ? bound - 1 + (chance(5)) : 0));
		break;
	case 1:
		emit(0x97, (uint8_t)d, 0, 0, (int32_t)(bound + chance(4)));
		break;
	case 2:
		j = emit(0x25, (uint8_t)d, 0, 0, (int32_t)bound - 1 + (int)chance(4));
		leave(j);
		break;
	case 3:
		j = emit(chance(50) ? 0xa5 : 0xa6, (uint8_t)d, 0, 1, (int32_t)bound);
		leave(emit(0x05, 0, 0, 0, 0));
		if (chance(10))
			patch_off(j);
		break;
	case 4:		/* signed, one side or both */
		j = emit(0x65, (uint8_t)d, 0, 0, (int32_t)bound - 1);
		leave(j);
		if (chance(80))
			leave(emit(0xc5, (uint8_t)d, 0, 0, 0));
		break;
	default:
		emit(0x77, (uint8_t)d, 0, 0, 64 - (31 - __builtin_clz(bound | 1)));
	}
}

static void unknown(int d)
{
	if (g.xdp && chance(50))
		emit(0x61, (uint8_t)d, 6, 12, 0);
	else if (chance(60)) {
		emit(0x85, 0, 0, 0, chance(50) ? 7 : 5);
		if (d)
			mov_x(d, 0);
	} else {
		mov_x(d, num());
	}
}

static void access_at(int base, int32_t size)
{
	uint32_t w = below(4);
	int16_t off = (int16_t)((int32_t)below((uint32_t)(size > 0 ? size : 1)) + (chance(6) ? 1 : 0));

	if (chance(70) && size >= 1 << w)
		off = (int16_t)below((uint32_t)(size - (1 << w) + 1 + chance(3)));
	if (chance(50))
		emit(ldx[w], (uint8_t)num(), (uint8_t)base, off, 0);
	else if (chance(50))
		emit(stx[w], (uint8_t)base, (uint8_t)num(), off, 0);
	else
		emit(st[w], (uint8_t)base, 0, off, odd_number());
}

static void packet(void)
{
	int32_t n = 1 + (int32_t)below(40);
	int p = 2, q = 3;
	uint32_t j;

	if (!g.xdp) {		/* memory of r8 bytes at r7 */
		switch (below(4)) {
		case 0:
			leave(emit(0xa5, 8, 0, 0, n));
			access_at(7, n + chance(4));
			return;
		case 1:
			unknown(4);
			bounded(4, 1u << below(8));
			mov_x(q, 4);
			add_k(q, n);
			j = emit((uint8_t)(0x2d | (chance(10) ? 0x10 : 0)), (uint8_t)q, 8, 0, 0);
			leave(j);
			mov_x(p, 7);
			add_x(p, 4);
			access_at(p, n + chance(4));
			return;
		case 2:
			unknown(4);
			leave(emit(chance(90) ? 0x3d : 0x2d, 4, 8, 0, 0));
			mov_x(p, 7);
			add_x(p, 4);
			access_at(p, 1);
			return;
		default:
			mov_x(p, 7);
			add_x(p, 8);
			mov_x(q, 7);
			add_k(q, n);
			leave(emit(chance(80) ? 0x2d : 0x3d, (uint8_t)q, (uint8_t)p, 0, 0));
			access_at(7, n + chance(4));
			return;
		}
	}
	if (chance(30)) {
		emit(0x61, 7, 6, 0, 0);
		emit(0x61, 8, 6, 4, 0);
	}
	mov_x(p, 7);
	if (chance(40)) {
		unknown(4);
		bounded(4, 1u << below(8));
		add_x(p, 4);
	}
	mov_x(q, p);
	add_k(q, n);
	switch (below(6)) {
	case 0: leave(emit(0x2d, (uint8_t)q, 8, 0, 0)); break;
	case 1: leave(emit(0x3d, (uint8_t)q, 8, 0, 0)); break;
	case 2: leave(emit(0xad, 8, (uint8_t)q, 0, 0)); break;
	case 3: leave(emit(0xbd, 8, (uint8_t)q, 0, 0)); break;
	case 4: emit(chance(50) ? 0xbd : 0xad, (uint8_t)q, 8, 1, 0); leave(emit(0x05, 0, 0, 0, 0)); break;
	default: emit(chance(50) ? 0x3d : 0x2d, 8, (uint8_t)q, 1, 0); leave(emit(0x05, 0, 0, 0, 0)); break;
	}
	if (chance(focus == RULE_PACKET_MOVED ? 70 : 12)) {	/* helper that moves the packet */
		mov_x(1, 6);
		mov_k(2, (int32_t)below(8) - 4);
		emit(0x85, 0, 0, 0, 44);
		if (chance(60)) {
			emit(0x61, 7, 6, 0, 0);
			emit(0x61, 8, 6, 4, 0);
			return;
		}
		access_at(7, n);
		return;
	}
	access_at(chance(90) ? p : q, n + (chance(4) ? 1 : 0));
}

static void ld_map(int d, int map)
{
	emit(0x18, (uint8_t)d, 5, 0, map);
	emit(0, 0, 0, 0, 0);
}

static void lookup(void)
{
	static const int32_t value[] = { 64, 48, 16, 8 };
	int map = chance(focus == RULE_RDONLY ? 60 : 5) ? 3 : (int)below(2);	/* 3: programs only read it */
	int16_t key = (int16_t)(-4 - 4 * (int)below(6));

	if (chance(70))
		emit(0x62, 10, 0, key, (int32_t)below(6));
	else if (chance(80))
		emit(0x63, 10, (uint8_t)num(), key, 0);
	mov_x(2, 10);
	add_k(2, key);
	ld_map(1, map);
	emit(0x85, 0, 0, 0, 1);
	if (chance(15)) {	/* through the stack */
		emit(0x7b, 10, 0, -64, 0);
		emit(0x79, 0, 10, -64, 0);
	}
	if (chance(92))
		leave(emit(chance(95) ? 0x15 : 0x55, 0, 0, 0, 0));
	if (chance(45)) {
		int d = chance(50) ? 9 : 3;

		mov_x(5, 0);
		if (chance(60))
			emit(0x79, (uint8_t)d, 5, 8, 0);
		else
			mov_x(d, 9);
		bounded(d, (uint32_t)value[map] - 7 + below(9));
		add_x(5, d);
		access_at(5, 1 + (int32_t)below(8));
	} else if (chance(20)) {	/* atomics */
		mov_x(5, 0);
		mov_k(3, 1);
		emit(chance(50) ? 0xdb : 0xc3, 5, 3, (int16_t)(8 * below(9)), chance(50) ? 0 : chance(50) ? 1 : 0xe1);
	} else {
		access_at(0, value[map]);
	}
}

static void stack(void)
{
	int16_t off = (int16_t)(-8 * (1 + (int)below(10))), w = (int16_t)below(4);

	switch (below(8)) {
	case 0:
		emit(0x7b, 10, (uint8_t)num(), off, 0);
		break;
	case 1:
		emit(0x79, (uint8_t)num(), 10, off, 0);
		break;
	case 2:
		emit(stx[w], 10, (uint8_t)num(), (int16_t)(off + (chance(50) ? 0 : (1 << w) * (int)below(8u >> w))), 0);
		break;
	case 3:
		emit(ldx[w], (uint8_t)num(), 10, (int16_t)(off + (1 << w) * (int)below(8u >> w)), 0);
		break;
	case 4:
		emit(st[w], 10, 0, (int16_t)(off + (1 << w) * (int)below(8u >> w)), odd_number());
		break;
	case 5:		/* variable offset */
		unknown(4);
		bounded(4, 8u << below(4));
		mov_x(5, 10);
		add_k(5, -(int32_t)(8u << below(5)));
		add_x(5, 4);
		if (chance(50))
			emit(0x73, 5, (uint8_t)num(), 0, 0);
		else
			emit(0x71, (uint8_t)num(), 5, 0, 0);
		break;
	case 6: {	/* a pointer goes and comes */
		int p = chance(50) ? 7 : 10;

		emit(0x7b, 10, (uint8_t)p, -72, 0);
		if (chance(20))
			emit(0x62, 10, 0, (int16_t)(-72 + 4 * (int)below(2)), odd_number());
		if (chance(10))
			emit(0xdb, 10, 3, -72, 0);
		emit(0x79, 5, 10, -72, 0);
		if (p == 10)
			emit(0x71, (uint8_t)num(), 5, (int16_t)(-1 - (int)below(80)), 0);
		else
			mov_x(7, 5);
		break;
	}
	default:
		emit(chance(50) ? 0xdb : 0xc3, 10, (uint8_t)num(), off, chance(50) ? 1 : 0xe1);
	}
}

/* A helper with memory and a size. */
static void sized(void)
{
	int32_t buf = 8 << below(5);

	mov_x(1, 10);
	add_k(1, -buf - (chance(3) ? -8 : 0));
	if (chance(50)) {
		mov_k(2, buf + (chance(4) ? 1 : 0));
	} else {
		unknown(2);
		mov_x(1, 10);
		add_k(1, -buf);
		if (chance(focus == RULE_HELPER_SIZE ? 50 : 95))
			bounded(2, (uint32_t)buf + chance(20));
	}
	mov_k(3, 0);
	if (chance(50)) {
		emit(0x85, 0, 0, 0, chance(50) ? 4 : 16);	/* probe_read, get_current_comm */
	} else {
		mov_x(3, 1);
		mov_x(4, 2);
		mov_k(1, 0);
		mov_k(2, 0);
		mov_k(5, 0);
		emit(0x85, 0, 0, 0, 28);		/* csum_diff */
	}
}

static void record(void)
{
	int32_t size = 8 << below(4);
	bool twice = chance(4);

	ld_map(1, 2);
	mov_k(2, size);
	mov_k(3, 0);
	emit(0x85, 0, 0, 0, 131);
	if (chance(95)) {
		uint32_t j = emit(0x55, 0, 0, 1, 0);

		leave(emit(0x05, 0, 0, 0, 0));
		(void)j;
	}
	mov_x(9, 0);
	access_at(9, size + chance(4));
	if (chance(94)) {
		mov_x(1, 9);
		mov_k(2, 0);
		emit(0x85, 0, 0, 0, chance(50) ? 132 : 133);
	}
	if (twice || chance(5))
		access_at(9, size);
	if (chance(90))
		mov_k(9, 3);
}

static void loop(void)
{
	int32_t n = 1 + (int32_t)below(chance(80) ? 40 : 300), step = chance(80) ? 1 : 2 + (int32_t)below(3);
	bool on_stack = chance(20);
	uint32_t head, j = 0, form = below(g.xdp ? 5 : 7);
	int i = 9;

	if (g.loops >= 3)
		return;
	g.loops++;
	if (form >= 5 && chance(95))	/* up to the length, tested at the bottom */
		leave(emit(0x15, 8, 0, 0, 0));
	mov_k(i, form == 4 ? n : form >= 5 && chance(10) ? 1 : 0);
	head = g.n;
	if (on_stack)
		emit(0x7b, 10, (uint8_t)i, -80, 0);
	if (form == 0)
		j = emit(0x35, (uint8_t)i, 0, 0, n);
	else if (form == 1)
		j = emit(0x7d - 8 + 0, (uint8_t)i, 0, 0, n);
	switch (below(5)) {
	case 0: {	/* index into a value */
		ld_map(1, 0);
		emit(0x62, 10, 0, -4, 1);
		mov_x(2, 10);
		add_k(2, -4);
		emit(0x85, 0, 0, 0, 1);
		leave(emit(0x15, 0, 0, 0, 0));
		mov_x(5, i);
		if (chance(50))
			bounded(5, 56 + below(12));
		add_x(0, 5);
		access_at(0, 4 + (int32_t)below(8));
		break;
	}
	case 1:		/* bytes of a buffer on the stack */
		mov_x(5, 10);
		add_k(5, -(int32_t)(8u << below(5)));
		add_x(5, i);
		emit(chance(50) ? 0x73 : 0x71, 5, 5, 0, 0);
		break;
	case 2:		/* bytes of memory or packet */
		mov_x(2, 7);
		add_x(2, i);
		if (g.xdp) {
			mov_x(3, 2);
			add_k(3, 1 + (int32_t)below(4));
			leave(emit(0x2d, 3, 8, 0, 0));
		} else if (form < 5) {
			leave(emit(chance(90) ? 0x3d : 0x2d, (uint8_t)i, 8, 0, 0));
		}
		emit(0x71, 3, 2, (int16_t)(chance(90) ? 0 : 1), 0);
		break;
	default:
		body(1 + (int)below(2));
	}
	if (on_stack)
		emit(0x79, (uint8_t)i, 10, -80, 0);
	switch (form) {
	case 0: case 1:
		add_k(i, step);
		emit(0x05, 0, 0, (int16_t)(head - g.n - 1), 0);
		patch_off(j);
		break;
	case 2:
		add_k(i, step);
		emit(0x55, (uint8_t)i, 0, (int16_t)(head - g.n - 1), n * step);
		break;
	case 3:
		emit(0x04, (uint8_t)i, 0, 0, step);
		emit(0xa6, (uint8_t)i, 0, (int16_t)(head - g.n - 1), n);
		break;
	case 5: case 6:
		add_k(i, chance(95) ? 1 : 2);
		emit(form == 5 ? 0x5d : 0xad, (uint8_t)i, 8, (int16_t)(head - g.n - 1), 0);
		break;
	default:
		add_k(i, -1);
		emit(chance(50) ? 0x55 : 0x65, (uint8_t)i, 0, (int16_t)(head - g.n - 1), 0);
	}
	g.loops--;
}

static void callback(void)
{
	if (g.in_sub || g.nr_cb >= 2)
		return;
	emit(0x7a, 10, 0, -16, (int32_t)below(4));
	mov_k(1, 1 + (int32_t)below(20));
	g.cb_load[g.nr_cb++] = (int)g.n;
	emit(0x18, 2, 4, 0, 0);
	emit(0, 0, 0, 0, 0);
	mov_x(3, 10);
	add_k(3, -16);
	mov_k(4, 0);
	emit(0x85, 0, 0, 0, 181);
	emit(0x79, 3, 10, -16, 0);
	if (chance(70)) {
		if (chance(70))
			bounded(3, 1u << below(6));
		mov_x(5, 10);
		add_k(5, -(8 << (int32_t)below(5)));
		add_x(5, 3);
		emit(0x72, 5, 0, 0, 1);
	}
}

static void subcall(void)
{
	if (g.in_sub || g.nr_sub_calls >= 3)
		return;
	mov_x(1, chance(70) ? num() : 7);
	mov_x(2, 10);
	add_k(2, -(8 << (int32_t)below(4)));
	if (chance(50))
		mov_k(3, (int32_t)below(16));
	else
		mov_x(3, num());
	g.sub_call[g.nr_sub_calls++] = (int)g.n;
	emit(0x85, 0, 1, 0, 0);
	if (chance(30)) {	/* what it returned is an index */
		mov_x(5, 10);
		add_k(5, -32);
		add_x(5, 0);
		emit(0x71, 3, 5, 0, 0);
	}
}

static void copy(void)
{
	int a = num(), b = num();

	mov_x(a, b);
	if (chance(40))
		add_k(a, (int32_t)below(9) - 4);
	if (chance(60)) {
		bounded(b, 1u << (1 + below(6)));
		mov_x(5, 10);
		add_k(5, -(8 << (int32_t)below(5)));
		add_x(5, a);
		if (chance(50))
			add_k(5, (int32_t)below(5));
		emit(chance(50) ? 0x71 : 0x73, chance(50) ? 4 : 3, 5, 0, 0);
	}
}

/* Two ways meet with different numbers in a register that becomes an index. */
static void merge(void)
{
	int32_t room = 8 << below(5);
	uint32_t j;

	unknown(4);
	mov_k(9, (int32_t)below(2 * (uint32_t)room));
	j = emit(jump_op(), 4, 0, 0, odd_number());
	mov_k(9, (int32_t)below((uint32_t)room));
	patch_off(j);
	for (int i = 0; i < 3; i++) {
		mov_k(1, odd_number());
		mov_k(2, odd_number());
		j = emit(jump_op(), 4, 0, 0, odd_number());
		mov_k(3, odd_number());
		patch_off(j);
	}
	mov_x(5, 10);
	add_k(5, -room);
	add_x(5, 9);
	emit(chance(50) ? 0x71 : 0x73, chance(50) ? 4 : 3, 5, 0, 0);
}

static bool focused(void)
{
	switch (focus) {
	case RULE_PACKET_MOVED: packet(); return true;
	case RULE_SPILL_CLOBBER: case RULE_NARROW_FILL: case RULE_ATOMIC_CLOBBER: case RULE_PRUNE_STACK:
		stack();
		return true;
	case RULE_HELPER_SIZE: sized(); return true;
	case RULE_PRECISION: case RULE_PRUNE_RANGE: merge(); return true;
	case RULE_RELEASE: record(); return true;
	case RULE_INDUCTION: loop(); return true;
	case RULE_VALUE_BOUNDS: case RULE_NULL: case RULE_RDONLY: lookup(); return true;
	default: return false;
	}
}

static void body(int n)
{
	if (g.depth > 3)
		return;
	g.depth++;
	while (n-- && g.n < MAX_SLOTS / 2 && g.budget) {
		g.budget--;
		if (focus >= 0 && chance(60) && focused())
			continue;
		switch (below(17)) {
		case 16: merge(); break;
		case 0: case 1: case 2: alu(); break;
		case 3: case 4: branch(); break;
		case 5: case 6: packet(); break;
		case 7: case 8: lookup(); break;
		case 9: case 10: stack(); break;
		case 11: sized(); break;
		case 12: chance(50) ? record() : callback(); break;
		case 13: loop(); break;
		case 14: subcall(); break;
		default: copy();
		}
		if (chance(60))		/* calls leave r1-r5 undefined */
			for (int r = 0; r < 6; r++)
				if (chance(50))
					mov_k(r, odd_number());
	}
	g.depth--;
}

static void finish(void)
{
	for (uint32_t i = 0; i < g.nr_exits; i++)
		patch_off(g.exits[i]);
	g.nr_exits = 0;
	mov_k(0, (int32_t)below(3));
	emit(0x95, 0, 0, 0, 0);
}

static void start_numbers(void)
{
	for (int r = 0; r < 6; r++)
		if (chance(85))
			mov_k(r, odd_number());
	if (chance(90))
		unknown(9);
	for (int r = 0; r < 6; r++)
		if (chance(85))
			mov_k(r, odd_number());
}

static void generate(uint64_t at)
{
	rng = at * 0x2545f4914f6cdd1d + 77;
	memset(&g, 0, sizeof g);
	g.xdp = chance(60);
	g.budget = 24;
	mov_x(6, 1);
	if (g.xdp) {
		emit(0x61, 7, 6, 0, 0);
		emit(0x61, 8, 6, 4, 0);
	} else {
		mov_x(7, 1);
		mov_x(8, 2);
	}
	start_numbers();
	body(2 + (int)below(7));
	finish();
	g.in_sub = true;
	for (int i = 0; i < g.nr_sub_calls; i++) {
		struct raw_insn r = raw_load(g.slots + 8 * (uint32_t)g.sub_call[i]);

		r.imm = (int32_t)g.n - g.sub_call[i] - 1;
		raw_store(g.slots + 8 * (uint32_t)g.sub_call[i], r);
		mov_k(0, 1);
		if (chance(50))
			access_at(2, 8 << below(3));
		if (chance(50))
			bounded(3, 1u << below(5));
		if (chance(60)) {
			add_x(2, 3);
			emit(0x71, 4, 2, 0, 0);
		}
		if (chance(40))
			mov_x(0, 3);
		for (uint32_t k = 0; k < g.nr_exits; k++)
			patch_off(g.exits[k]);
		g.nr_exits = 0;
		emit(0x95, 0, 0, 0, 0);
	}
	for (int i = 0; i < g.nr_cb; i++) {
		struct raw_insn r = raw_load(g.slots + 8 * (uint32_t)g.cb_load[i]);

		r.imm = (int32_t)g.n - g.cb_load[i] - 1;
		raw_store(g.slots + 8 * (uint32_t)g.cb_load[i], r);
		emit(0x79, 3, 2, 0, 0);
		if (chance(60))
			add_k(3, 1 + (int32_t)below(3));
		else
			mov_x(3, 1);
		if (chance(40)) {
			uint32_t j = emit(0x25, 3, 0, 0, 1 + (int32_t)below(30));

			emit(0x7b, 2, 3, 0, 0);
			patch_off(j);
		} else {
			emit(0x7b, 2, 3, 0, 0);
		}
		mov_k(0, (int32_t)below(2));
		emit(0x95, 0, 0, 0, 0);
	}
}

/* ---- running ---- */

struct watch {
	const struct code *code;	/* as verified */
	const struct fact *fact;
	const uint32_t *index;		/* slot -> decoded instruction */
	uint32_t last;
	char wrong[200];
};

/* Called before each instruction: was the last one's promise kept? */
static void watch_step(void *arg, uint32_t pc, const uint64_t regs[11], const char *text)
{
	struct watch *w = arg;
	uint32_t now = w->index[pc], last = w->last;
	const struct fact *f;
	const struct insn *in;

	(void)text;
	if (!(w->fact[now].flags & FACT_SEEN) && !*w->wrong)
		snprintf(w->wrong, sizeof w->wrong, "slot %u runs but was never explored", pc);
	w->last = now;
	if (last == UINT32_MAX || *w->wrong)
		return;
	f = &w->fact[last];
	in = &w->code->insn[last];
	if (isa_op[in->op].shape == SHAPE_JCC_K || isa_op[in->op].shape == SHAPE_JCC_X) {
		if (in->off != (int32_t)last + 1 &&
		    !(f->flags & (now == last + 1 ? FACT_FALLS : FACT_JUMPS)))
			snprintf(w->wrong, sizeof w->wrong, "jump at slot %u takes an edge called impossible",
				 w->code->slot[last]);
		return;
	}
	if (now != last + 1 || !(f->flags & FACT_RANGE))
		return;
	uint32_t dst = isa_op[in->op].shape == SHAPE_CALL ? 0 : in->dst;

	if (isa_op[in->op].shape == SHAPE_ATOMIC)
		dst = in->op == OP_CMPXCHG64 || in->op == OP_CMPXCHG32 ? 0 : in->src;
	if (regs[dst] < f->lo || regs[dst] > f->hi)
		snprintf(w->wrong, sizeof w->wrong, "slot %u: r%u = 0x%" PRIx64 ", promised %" PRIu64 "..%" PRIu64,
			 w->code->slot[last], dst, regs[dst], f->lo, f->hi);
}

static void load(struct code *code, const struct prog_type *type, bool checked)
{
	memset(code, 0, sizeof *code);
	code->host = vm_host_of(env);
	code->type = type;
	code->helpers = &helpers;
	code->checked = code->metered = checked;
	code->gpl = true;
	code->budget = 1 << 22;
	code->stack_size = 512;
	code->max_frames = 8;
}

static void own_maps(struct code *code)
{
	code->map = calloc(NR_MAPS, sizeof *code->map);
	for (int i = 0; i < NR_MAPS; i++)
		code->map[i] = uebpf_map_ref(maps[i]);
	code->nr_map = NR_MAPS;
}

static int drop_record(void *arg, const void *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return 0;
}

/* 0, or a negative status of a run; *wrong says what. */
static int run_one(const struct code *code, struct watch *w)
{
	uint8_t memory[400];
	struct uebpf_packet pkt = { .size = sizeof pkt };
	struct uebpf_run run = { .size = sizeof run, .budget = 1 << 22 };
	uint32_t len = chance(30) ? below(20) : below(256);
	uint64_t r0;
	int rc;

	for (uint32_t i = 0; i < sizeof memory; i += 8) {
		uint64_t v = chance(50) ? rnd() & 15 : rnd();

		memcpy(memory + i, &v, 8);
	}
	for (uint32_t key = 0; key < 4; key++)	/* what programs read back steers them */
		for (int m = 0; m < 2; m++) {
			uint64_t *v = uebpf_map_value(maps[m], &key);

			for (uint32_t i = 0; v && i < 6; i++)
				v[i] = chance(60) ? rnd() & 63 : rnd();
		}
	uebpf_map_consume(maps[2], drop_record, NULL);	/* a full ring hides what follows a reservation */
	w->last = UINT32_MAX;
	pkt.head = memory;
	pkt.data = memory + 64;
	pkt.data_end = pkt.data + len;
	pkt.tail = memory + sizeof memory;
	pkt.ifindex = (uint32_t)rnd();
	if (code->type->flags & TYPE_PACKET)
		rc = interp_trace(code, &pkt, sizeof pkt, &run, &r0, watch_step, w);
	else
		rc = interp_trace(code, memory + 64, len, &run, &r0, watch_step, w);
	if (rc)
		snprintf(w->wrong, sizeof w->wrong, "run ends with %s at slot %u", strerrorname_np(-rc), run.pc);
	return *w->wrong ? -EFAULT : 0;
}

static void show(void)
{
	for (uint32_t i = 0; i < g.n;) {
		char text[128];
		int used = raw_text(text, sizeof text, g.slots + 8 * i, g.n - i);

		fprintf(stderr, "%4u: %s\n", i, text);
		i += (uint32_t)used;
	}
}

/* -1: not accepted (or not a program); 0: fine; 1: wrong. */
static int try_one(uint64_t at, uint32_t rules_off, int runs, struct watch *w, struct verify_result *res)
{
	static uint32_t index[MAX_SLOTS + 1];
	const struct prog_type *type;
	struct verify_opts opts = { .rules_off = rules_off, .max_insns = 4000, .exact = at & 1 };
	struct code plain, checked;
	struct uebpf_error err;
	int rc, ret = -1;

	generate(at);
	type = prog_type_find(g.xdp ? "xdp" : "raw");
	load(&plain, type, false);
	load(&checked, type, true);
	if (code_decode(&plain, g.slots, g.n, NULL, 0, 1 << 20, &err) ||
	    code_decode(&checked, g.slots, g.n, NULL, 0, 1 << 20, &err)) {
		code_free(&plain);
		code_free(&checked);
		return -2;
	}
	own_maps(&plain);
	own_maps(&checked);
	rc = verify(&plain, &opts, res, &err);
	ck_assert_msg(rc == 0 || rc == -EACCES || rc == -E2BIG || rc == -EINVAL || rc == -EOPNOTSUPP, "%d: %s", rc,
		      err.text);
	if (!rc && !code_prepare(&checked, &err)) {
		for (uint32_t i = 0; i < plain.n; i++)
			index[plain.slot[i]] = i;
		*w = (struct watch){ .code = &plain, .fact = res->fact, .index = index };
		ret = 0;
		rng = at ^ 0x5555;
		for (int i = 0; i < runs && !ret; i++)
			ret = run_one(&checked, w) ? 1 : 0;
	}
	verify_free(res);
	code_free(&plain);
	code_free(&checked);
	return ret;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

START_TEST(accepted_programs_never_fault)
{
	struct verify_result res;
	struct watch w;
	uint64_t start = now_ms(), insns = 0;
	unsigned ok = 0, tried = 0, broken = 0;

	for (uint64_t at = seed; ok < want; at++) {
		int r = try_one(at, 0, 2, &w, &res);

		tried++;
		broken += r == -2;
		ok += r >= 0;
		insns += res.insns;
		if (r == 1) {
			show();
			ck_abort_msg("seed %" PRIu64 ": accepted, but %s", at, w.wrong);
		}
		ck_assert_msg(now_ms() - start < 1000000 || ok > want / 2, "too slow");
	}
	printf("  %u programs, %u accepted, %u not decodable, %" PRIu64 " instructions explored, %" PRIu64 " ms\n",
	       tried, ok, broken, insns, now_ms() - start);
}
END_TEST

START_TEST(each_missing_rule_is_found)
{
	struct verify_result res;
	struct watch w;
	unsigned missed = 0;

	for (int rule = 0; rule < RULE_COUNT; rule++) {
		unsigned tried = 0, found = 0;
		uint64_t start = now_ms();

		focus = rule;
		for (uint64_t at = seed + 1000000; !found && now_ms() - start < 4000; at++, tried++)
			found = try_one(at, UINT32_C(1) << rule, 3, &w, &res) == 1;
		printf("  without %-26s %s after %u programs%s%s\n", rule_name[rule],
		       found ? "found" : "MISSED", tried, found ? ": " : "",
		       found ? w.wrong : "");
		missed += !found;
	}
	focus = -1;
	ck_assert_msg(!missed, "%u rules can be removed without anybody noticing", missed);
}
END_TEST

static struct uebpf_map *make(uint32_t type, uint32_t key, uint32_t value, uint32_t n, uint32_t flags)
{
	struct uebpf_map_opts o = { .size = sizeof o, .name = "m", .type = type, .key_size = key,
				    .value_size = value, .max_entries = n, .flags = flags };
	struct uebpf_error err;
	struct uebpf_map *map = uebpf_map_create(env, &o, &err);

	if (!map) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return map;
}

int main(int argc, char **argv)
{
	Suite *s = suite_create("soundness");
	TCase *tc = tcase_create("generated programs");
	SRunner *sr;
	uint8_t value[64] = { 5 };
	int failed;

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		want = (unsigned)strtoul(argv[2], NULL, 0);
	if (getenv("FUZZ"))
		want *= 100;
	env = uebpf_env_new(NULL);
	helpers = (struct helper_table){ .builtin = true };
	maps[0] = make(2, 4, 64, 4, 0);	/* array */
	maps[1] = make(1, 4, 48, 16, 0);	/* hash */
	maps[2] = make(27, 0, 0, 65536, 0);	/* ring buffer */
	maps[3] = make(2, 4, 8, 1, 1 << 7 /* BPF_F_RDONLY_PROG */);
	for (uint32_t k = 0; k < 6; k++)
		uebpf_map_update(maps[1], &k, value, 0);
	tcase_set_timeout(tc, 36000);
	tcase_add_test(tc, accepted_programs_never_fault);
	tcase_add_test(tc, each_missing_rule_is_found);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	for (int i = 0; i < NR_MAPS; i++)
		uebpf_map_unref(maps[i]);
	uebpf_env_free(env);
	return failed != 0;
}
