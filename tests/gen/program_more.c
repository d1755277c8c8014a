/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* program_more.c - pieces of programs about what two places share: linked numbers, parts of stack slots,
 * atomics, locks, rounds of loops and callbacks that two paths disagree about. */
#include "tests/gen/programs_in.h"

static const uint8_t ldx[] = { 0x71, 0x69, 0x61, 0x79 }, stx[] = { 0x73, 0x6b, 0x63, 0x7b };
static const uint8_t st[] = { 0x72, 0x6a, 0x62, 0x7a };

/* A byte of the stack at an index in register `by`, which should be below `room`. */
static void index_stack(int by, uint32_t room)
{
	mov_x(5, 10);
	add_k(5, -(int32_t)room);
	add_x(5, by);
	emit(chance(50) ? 0x71 : 0x73, chance(50) ? 4 : 5, 5, 0, 0);
}

/* Branches that teach nothing of r`keep`: places where paths may meet again. */
static void forks(int keep, uint32_t n)
{
	int other = keep == 4 ? 3 : 4;

	made_unknown(other);
	while (n--) {
		uint32_t j = emit(made_jump(), (uint8_t)other, 0, 0, made_odd());

		mov_k(1, made_odd());
		mov_k(2, made_odd());
		patch_off(j);
	}
}

/* How many rounds: r`d` is a number that two paths disagree about, or that a bound is known of. */
void made_rounds(int d)
{
	uint32_t j;

	if (made_work.focus != RULE_ROUNDS && chance(30)) {
		mov_k(d, 1 + (int32_t)below(20));
		return;
	}
	if (made_work.focus != RULE_ROUNDS && chance(40)) {
		made_unknown(d);
		made_bounded(d, 1u << below(6));
		return;
	}
	made_unknown(4);
	mov_k(9, (int32_t)below(80));
	j = emit(made_jump(), 4, 0, 0, made_odd());
	mov_k(9, (int32_t)below(chance(90) ? 9 : 200));
	patch_off(j);
	forks(9, 3);
	mov_x(d, 9);
}

/* One number in two registers, perhaps some way apart; a bound for one is one for the other. */
void part_linked(void)
{
	uint32_t room = 8u << below(5);
	int a = 9, b = 3;
	bool spill = chance(25);

	made_unknown(a);
	if (chance(50))
		made_bounded(a, room * (1 + below(3)));
	emit(chance(75) ? 0xbf : 0xbc, (uint8_t)b, (uint8_t)a, 0, 0);
	if (chance(60))
		emit(chance(70) ? 0x07 : 0x04, (uint8_t)(chance(50) ? a : b), 0, 0, (int32_t)below(9) - 4);
	if (spill)
		emit(stx[3 - below(2)], 10, (uint8_t)b, -104, 0);
	if (chance(30))
		forks(9, 2);
	if (chance(90))
		made_bounded(a, room + below(4));
	if (spill)
		emit(ldx[3 - below(2)], (uint8_t)b, 10, -104, 0);
	if (chance(20))
		emit(0x07, (uint8_t)b, 0, 0, (int32_t)below(9) - 4);
	index_stack(b, room);
}

/* A pointer to a place of the stack comes back out of its slot; what lies at the place is an index. */
void part_back(void)
{
	uint32_t room = 8u << below(5), j;

	emit(0x7a, 10, 0, -120, (int32_t)below(room));
	mov_x(1, 10);
	add_k(1, -120);
	emit(0x7b, 10, 1, -128, 0);
	mov_k(9, 0);
	switch (below(3)) {
	case 0:			/* atomic_fetch_or */
		emit(0xdb, 10, 9, -128, 0x41);
		break;
	case 1:			/* load_acquire */
		emit(0xdb, 9, 10, -128, 0x100);
		break;
	default:
		emit(0x79, 9, 10, -128, 0);
	}
	forks(9, 3);
	emit(0x7a, 10, 0, -120, (int32_t)below(chance(80) ? room : 2 * room));
	j = emit(made_jump(), 4, 0, 0, made_odd());
	emit(0x7a, 10, 0, -120, (int32_t)below(room));
	patch_off(j);
	emit(0x79, 3, 9, 0, 0);
	index_stack(3, room);
	mov_k(9, 1);
}

/* Stores of every width beside and over each other, then one load. */
void part_widths(void)
{
	uint32_t room = 8u << below(6);

	made_unknown(3);
	made_bounded(3, room);
	for (uint32_t n = 2 + below(4); n--;) {
		uint32_t w = below(4);
		int16_t at = (int16_t)(-112 + (int)(below(16u >> w) << w));

		if (chance(55))
			emit(stx[w], 10, 3, at, 0);
		else
			emit(st[w], 10, 0, at, chance(70) ? (int32_t)below(2 * room) : made_odd());
		if (chance(15)) {
			uint32_t j = emit(made_jump(), 3, 0, 0, made_odd());

			emit(st[w], 10, 0, at, (int32_t)below(2 * room));
			patch_off(j);
		}
	}
	uint32_t w = below(4);

	emit(ldx[w], 4, 10, (int16_t)(-112 + (int)(below(16u >> w) << w)), 0);
	if (chance(30))
		emit(0x77, 4, 0, 0, (int32_t)(8 * below(8)));
	if (chance(20))
		made_bounded(4, room);
	index_stack(4, room);
}

/* Atomics on a map's value, a record of the stack, or a number kept there. */
void part_atomic(void)
{
	static const uint8_t op[] = { 0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1 };
	uint8_t code = chance(50) ? 0xdb : 0xc3, o = op[below(10)];
	uint32_t room = 16u << below(4);
	int16_t off = (int16_t)(8 * below(chance(90) ? 6 : 9));
	int base = 5;

	if (chance(60)) {
		emit(0x62, 10, 0, -4, (int32_t)below(4));
		mov_x(2, 10);
		add_k(2, -4);
		ld_map(1, (int)below(2));
		emit(0x85, 0, 0, 0, 1);
		if (chance(95))
			leave(emit(0x15, 0, 0, 0, 0));
		mov_x(base, 0);
	} else {
		base = 10;
		off = (int16_t)(-8 * (1 + (int)below(10)));
		if (chance(70))
			emit(code == 0xdb ? 0x7a : 0x62, 10, 0, off, (int32_t)below(room));
	}
	mov_k(3, chance(80) ? (int32_t)below(room) : made_odd());
	mov_k(0, chance(80) ? (int32_t)below(room) : made_odd());
	emit(code, (uint8_t)base, 3, (int16_t)(off + (chance(5) ? 4 : 0)), o);
	if (chance(30) && base == 10)
		emit(code == 0xdb ? 0x79 : 0x61, 3, 10, off, 0);
	if (chance(30))
		made_bounded(o == 0xf1 ? 0 : 3, room);
	index_stack(o == 0xf1 ? 0 : 3, room);
}

/* A value with a lock in its first bytes. */
void part_lock(void)
{
	if (made_work.in_sub)
		return;
	emit(0x62, 10, 0, -4, (int32_t)below(3));
	mov_x(2, 10);
	add_k(2, -4);
	ld_map(1, MADE_LOCK);
	emit(0x85, 0, 0, 0, 1);
	if (chance(95))
		leave(emit(0x15, 0, 0, 0, 0));
	mov_x(9, 0);
	mov_x(1, 9);
	if (chance(4))
		add_k(1, 4);
	emit(0x85, 0, 0, 0, chance(98) ? 93 : 94);
	if (chance(4))
		emit(0x85, 0, 0, 0, 5);
	mov_x(5, 9);
	if (chance(95))
		add_k(5, 4);
	made_access(5, 60);
	if (chance(30)) {
		uint32_t j = emit(made_jump(), 0, 0, 0, made_odd());

		emit(0x79, 3, 9, 8, 0);
		patch_off(j);
	}
	mov_x(1, 9);
	if (chance(95))
		emit(0x85, 0, 0, 0, 94);
	mov_k(9, 3);
}

/* What lies before the packet. */
void part_meta(void)
{
	int32_t n = 4 * (1 + (int32_t)below(4));

	if (made_work.type != MADE_XDP)
		return;
	if (chance(60)) {
		mov_x(1, 6);
		mov_k(2, -n);
		emit(0x85, 0, 0, 0, 54);
		if (chance(95)) {
			emit(0x61, 7, 6, 0, 0);
			emit(0x61, 8, 6, 4, 0);
		}
	}
	emit(0x61, 2, 6, 8, 0);
	mov_x(3, 2);
	add_k(3, n);
	leave(emit(chance(80) ? 0x2d : 0x3d, 3, chance(95) ? 7 : 8, 0, 0));
	made_access(2, n + chance(5));
	if (chance(30))
		made_access(7, 1 + (int32_t)below(4));
}

/* Rounds that only a may_goto ends; what they count is an index behind them. */
void part_may_goto(void)
{
	uint32_t room = 8u << below(5), head, gone, j = 0;
	bool bound = chance(70), stack = chance(30);

	if (made_work.loops >= 2)
		return;
	mov_k(9, (int32_t)below(3));
	head = made_work.n;
	gone = emit(0xe5, 0, 0, 0, 0);
	if (stack)
		emit(0x7b, 10, 9, -88, 0);
	if (bound)
		j = emit(chance(80) ? 0x35 : 0x25, 9, 0, 0, (int32_t)room - 1 + chance(10));
	if (chance(40))
		index_stack(9, room);
	if (stack)
		emit(0x79, 9, 10, -88, 0);
	add_k(9, chance(80) ? 1 : (int32_t)below(4));
	emit(0x05, 0, 0, (int16_t)(head - made_work.n - 1), 0);
	if (bound)
		patch_off(j);
	patch_off(gone);
	index_stack(9, room);
}

/* Memory of r8 bytes at r7, walked by index, by pointer or from its end. */
void part_region_loop(void)
{
	uint32_t w = below(4), head, j;
	int32_t k = 1 << w;

	if (made_work.type != MADE_RAW || made_work.loops >= 2)
		return;
	switch (below(3)) {
	case 0:			/* for (i = 0; i + k <= len; i += k) */
		mov_k(9, 0);
		head = made_work.n;
		mov_x(3, 9);
		add_k(3, k - chance(4));
		j = emit(0x2d, 3, 8, 0, 0);
		mov_x(2, 7);
		add_x(2, 9);
		emit(ldx[w], 4, 2, (int16_t)chance(4), 0);
		add_k(9, chance(95) ? k : 1);
		break;
	case 1:			/* for (p = mem; p + k <= end; p += k) */
		mov_x(9, 7);
		mov_x(5, 7);
		add_x(5, 8);
		head = made_work.n;
		mov_x(3, 9);
		add_k(3, k - chance(4));
		j = emit(chance(95) ? 0x2d : 0x3d, 3, 5, 0, 0);
		emit(ldx[w], 4, 9, (int16_t)chance(4), 0);
		add_k(9, k);
		break;
	default:		/* for (i = len; i--;) */
		mov_x(9, 8);
		head = made_work.n;
		j = emit(0x15, 9, 0, 0, 0);
		add_k(9, -1);
		mov_x(2, 7);
		add_x(2, 9);
		emit(chance(95) ? 0x71 : 0x69, 4, 2, 0, 0);
	}
	emit(0x05, 0, 0, (int16_t)(head - made_work.n - 1), 0);
	patch_off(j);
	mov_k(9, 1);
}
