/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* program_parts.c - pieces of programs that touch memory. */
#include "tests/gen/programs_in.h"

static const uint8_t ldx[] = { 0x71, 0x69, 0x61, 0x79 }, stx[] = { 0x73, 0x6b, 0x63, 0x7b };
static const uint8_t st[] = { 0x72, 0x6a, 0x62, 0x7a };

/* Classic loads, which may end the program. */
void part_packet_load(void)
{
	static const uint8_t size[] = { 0x30, 0x28, 0x20 };
	uint8_t code = size[below(3)];

	if (chance(60))
		emit(code, 0, 0, 0, (int32_t)below(80) - (chance(10) ? 80 : 0));
	else
		emit(code ^ 0x60, 0, (uint8_t)num(), 0, (int32_t)below(40));
	if (chance(60)) {	/* what came is an index */
		made_bounded(0, 8u << below(4));
		mov_x(5, 10);
		add_k(5, -(int32_t)(8u << below(5)));
		add_x(5, 0);
		emit(chance(50) ? 0x73 : 0x71, 5, 5, 0, 0);
	}
}

void part_packet(void)
{
	int32_t n = 1 + (int32_t)below(40);
	int p = 2, q = 3;
	uint32_t j;

	if (made_work.type == MADE_SOCKET) {
		part_packet_load();
		return;
	}
	if (made_work.type == MADE_RAW) {		/* memory of r8 bytes at r7 */
		switch (below(4)) {
		case 0:
			leave(emit(0xa5, 8, 0, 0, n));
			made_access(7, n + chance(4));
			return;
		case 1:
			made_unknown(4);
			made_bounded(4, 1u << below(8));
			mov_x(q, 4);
			add_k(q, n);
			j = emit((uint8_t)(0x2d | (chance(10) ? 0x10 : 0)), (uint8_t)q, 8, 0, 0);
			leave(j);
			mov_x(p, 7);
			add_x(p, 4);
			made_access(p, n + chance(4));
			return;
		case 2:
			made_unknown(4);
			leave(emit(chance(90) ? 0x3d : 0x2d, 4, 8, 0, 0));
			mov_x(p, 7);
			add_x(p, 4);
			made_access(p, 1);
			return;
		default:
			mov_x(p, 7);
			add_x(p, 8);
			mov_x(q, 7);
			add_k(q, n);
			leave(emit(chance(80) ? 0x2d : 0x3d, (uint8_t)q, (uint8_t)p, 0, 0));
			made_access(7, n + chance(4));
			return;
		}
	}
	if (chance(30)) {
		emit(0x61, 7, 6, 0, 0);
		emit(0x61, 8, 6, 4, 0);
	}
	mov_x(p, 7);
	if (chance(40)) {
		made_unknown(4);
		made_bounded(4, 1u << below(8));
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
	if (chance(made_work.focus == RULE_PACKET_MOVED ? 70 : 12)) {	/* helper that moves the packet */
		mov_x(1, 6);
		mov_k(2, (int32_t)below(8) - 4);
		emit(0x85, 0, 0, 0, 44);
		if (chance(60)) {
			emit(0x61, 7, 6, 0, 0);
			emit(0x61, 8, 6, 4, 0);
			return;
		}
		made_access(7, n);
		return;
	}
	made_access(chance(90) ? p : q, n + (chance(4) ? 1 : 0));
}

void part_lookup(void)
{
	static const int32_t value[] = { 64, 48, 16, 8 };
	int map = chance(made_work.focus == RULE_RDONLY ? 60 : 5) ? 3 : (int)below(2);	/* 3: programs only read it */
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
		made_bounded(d, (uint32_t)value[map] - 7 + below(9));
		add_x(5, d);
		made_access(5, 1 + (int32_t)below(8));
	} else if (chance(20)) {	/* atomics */
		mov_x(5, 0);
		mov_k(3, 1);
		emit(chance(50) ? 0xdb : 0xc3, 5, 3, (int16_t)(8 * below(9)), chance(50) ? 0 : chance(50) ? 1 : 0xe1);
	} else {
		made_access(0, value[map]);
	}
}

void part_stack(void)
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
		emit(st[w], 10, 0, (int16_t)(off + (1 << w) * (int)below(8u >> w)), made_odd());
		break;
	case 5:		/* variable offset */
		made_unknown(4);
		made_bounded(4, 8u << below(4));
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
			emit(0x62, 10, 0, (int16_t)(-72 + 4 * (int)below(2)), made_odd());
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
void part_sized(void)
{
	int32_t buf = 8 << below(5);

	mov_x(1, 10);
	add_k(1, -buf - (chance(3) ? -8 : 0));
	if (chance(50)) {
		mov_k(2, buf + (chance(4) ? 1 : 0));
	} else {
		made_unknown(2);
		mov_x(1, 10);
		add_k(1, -buf);
		if (chance(made_work.focus == RULE_HELPER_SIZE ? 50 : 95))
			made_bounded(2, (uint32_t)buf + chance(20));
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

void part_record(void)
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
	made_access(9, size + chance(4));
	if (chance(94)) {
		mov_x(1, 9);
		mov_k(2, 0);
		emit(0x85, 0, 0, 0, chance(50) ? 132 : 133);
	}
	if (twice || chance(5))
		made_access(9, size);
	if (chance(90))
		mov_k(9, 3);
}

void part_copy(void)
{
	int a = num(), b = num();

	mov_x(a, b);
	if (chance(40))
		add_k(a, (int32_t)below(9) - 4);
	if (chance(60)) {
		made_bounded(b, 1u << (1 + below(6)));
		mov_x(5, 10);
		add_k(5, -(8 << (int32_t)below(5)));
		add_x(5, a);
		if (chance(50))
			add_k(5, (int32_t)below(5));
		emit(chance(50) ? 0x71 : 0x73, chance(50) ? 4 : 3, 5, 0, 0);
	}
}

/* Two ways meet with different numbers in a register that becomes an index. */
void part_merge(void)
{
	int32_t room = 8 << below(5);
	uint32_t j;

	made_unknown(4);
	mov_k(9, (int32_t)below(2 * (uint32_t)room));
	j = emit(made_jump(), 4, 0, 0, made_odd());
	mov_k(9, (int32_t)below((uint32_t)room));
	patch_off(j);
	for (int i = 0; i < 3; i++) {
		mov_k(1, made_odd());
		mov_k(2, made_odd());
		j = emit(made_jump(), 4, 0, 0, made_odd());
		mov_k(3, made_odd());
		patch_off(j);
	}
	mov_x(5, 10);
	add_k(5, -room);
	add_x(5, 9);
	emit(chance(50) ? 0x71 : 0x73, chance(50) ? 4 : 3, 5, 0, 0);
}


/* A number in one part of a stack slot, something else in the other, and an index of what comes back. */
void part_halves(void)
{
	int16_t slot = (int16_t)(-8 * (1 + (int)below(6)));
	uint32_t w = below(3), room = 8u << below(4);
	int16_t at = (int16_t)(slot + (int)(below(8u >> w) << w)), other = (int16_t)(slot + (int)(below(8u >> w) << w));
	bool same = chance(70);

	made_unknown(4);
	made_bounded(4, room);
	if (chance(30))
		emit(0x7a, 10, 0, slot, chance(70) ? 0 : made_odd());
	if (chance(40))
		emit(stx[w], 10, (uint8_t)num(), other, 0);
	emit(stx[w], 10, 4, at, 0);
	if (chance(50)) {
		if (chance(50))
			emit(st[w], 10, 0, other, made_odd());
		else
			emit(stx[w], 10, (uint8_t)num(), other, 0);
	}
	if (chance(50)) {
		uint32_t j = emit(made_jump(), (uint8_t)num(), 0, 0, made_odd());

		emit(st[w], 10, 0, chance(50) ? at : other, (int32_t)below(2 * room));
		patch_off(j);
	}
	emit(same ? ldx[w] : ldx[below(4)], 3, 10, same ? at : slot, 0);
	if (!same && chance(50))
		emit(0x77, 3, 0, 0, 8 * (int32_t)below(8));
	mov_x(5, 10);
	add_k(5, -(int32_t)room);
	add_x(5, 3);
	emit(chance(50) ? 0x71 : 0x73, chance(50) ? 4 : 3, 5, 0, 0);
}
