/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* programs.c - random programs: numbers, branches, and the frame that holds the pieces together. */
#include "tests/gen/programs_in.h"

struct made_work made_work;
static uint64_t rng;

void made_seed(uint64_t seed)
{
	rng = seed;
}

uint64_t made_random(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static const uint8_t ldx[] = { 0x71, 0x69, 0x61, 0x79 }, stx[] = { 0x73, 0x6b, 0x63, 0x7b };
static const uint8_t st[] = { 0x72, 0x6a, 0x62, 0x7a };

int32_t made_odd(void)
{
	static const int32_t n[] = { 0, 1, -1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 255, 256, 1023, 0x7fffffff,
				     INT32_MIN, -8, -2, 0xffff, 48, 20, 14 };

	return chance(80) ? n[below(sizeof n / sizeof *n)] : (int32_t)made_random();
}
uint8_t made_jump(void)
{
	static const uint8_t op[] = { 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0 };

	return (uint8_t)(op[below(11)] | (chance(65) ? 5 : 6));
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
		emit((uint8_t)(o | cls), (uint8_t)d, 0, (o == 0x30 || o == 0x90) && chance(30), made_odd());
	} else {
		emit((uint8_t)(o | 8 | cls), (uint8_t)d, (uint8_t)s, (o == 0x30 || o == 0x90) && chance(30), 0);
	}
}

static void branch(void)
{
	uint32_t j = chance(55) ? emit(made_jump(), (uint8_t)num(), 0, 0, made_odd()) :
				  emit(made_jump() | 8, (uint8_t)num(), (uint8_t)num(), 0, 0), skip;

	made_body(1 + (int)below(3));
	if (chance(40)) {
		skip = emit(0x05, 0, 0, 0, 0);
		patch_off(j);
		made_body(1 + (int)below(2));
		patch_off(skip);
	} else {
		patch_off(j);
	}
}

/* A number with a bound in register d. */
void made_bounded(int d, uint32_t bound)
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

void made_unknown(int d)
{
	if (made_work.type != MADE_RAW && chance(50))
		emit(0x61, (uint8_t)d, 6, 12, 0);
	else if (chance(60)) {
		emit(0x85, 0, 0, 0, chance(50) ? 7 : 5);
		if (d)
			mov_x(d, 0);
	} else {
		mov_x(d, num());
	}
}

void made_access(int base, int32_t size)
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
		emit(st[w], (uint8_t)base, 0, off, made_odd());
}

static bool focused(void)
{
	switch (made_work.focus) {
	case RULE_PACKET_MOVED: case RULE_PACKET_BOUNDS: case RULE_MEM_BOUNDS: part_packet(); return true;
	case RULE_SPILL_CLOBBER: case RULE_NARROW_FILL: case RULE_ATOMIC_CLOBBER: case RULE_PRUNE_STACK:
		part_stack();
		return true;
	case RULE_HELPER_SIZE: part_sized(); return true;
	case RULE_PRECISION: case RULE_PRUNE_RANGE: part_merge(); return true;
	case RULE_ROUNDS: case RULE_SCOPE: part_callback(); return true;
	case RULE_RELEASE: part_record(); return true;
	case RULE_INDUCTION: part_loop(); return true;
	case RULE_VALUE_BOUNDS: case RULE_NULL: case RULE_RDONLY: part_lookup(); return true;
	default: return false;
	}
}

void made_body(int n)
{
	if (made_work.depth > 3)
		return;
	made_work.depth++;
	while (n-- && made_work.n < MADE_SLOTS / 2 && made_work.budget) {
		made_work.budget--;
		if (made_work.focus >= 0 && chance(60) && focused())
			continue;
		switch (below(24)) {
		case 20: chance(50) ? part_linked() : part_widths(); break;
		case 21: part_atomic(); break;
		case 22: chance(50) ? part_lock() : part_meta(); break;
		case 23: chance(50) ? part_may_goto() : part_region_loop(); break;
		case 16: part_merge(); break;
		case 17: part_dynptr(); break;
		case 18: chance(30) ? part_tail() : part_callback(); break;
		case 19: chance(60) ? part_halves() : part_back(); break;
		case 0: case 1: case 2: alu(); break;
		case 3: case 4: branch(); break;
		case 5: case 6: part_packet(); break;
		case 7: case 8: part_lookup(); break;
		case 9: case 10: part_stack(); break;
		case 11: part_sized(); break;
		case 12: chance(50) ? part_record() : chance(50) ? part_callback() : part_iterator(); break;
		case 13: part_loop(); break;
		case 14: part_subcall(); break;
		default: part_copy();
		}
		if (chance(85))		/* calls leave r1-r5 undefined */
			for (int r = 0; r < 6; r++)
				if (chance(90))
					mov_k(r, made_odd());
	}
	made_work.depth--;
}

static void finish(void)
{
	for (uint32_t i = 0; i < made_work.nr_exits; i++)
		patch_off(made_work.exits[i]);
	made_work.nr_exits = 0;
	mov_k(0, (int32_t)below(3));
	emit(0x95, 0, 0, 0, 0);
}

static void start_numbers(void)
{
	for (int r = 0; r < 6; r++)
		if (chance(85))
			mov_k(r, made_odd());
	if (chance(90))
		made_unknown(9);
	for (int r = 0; r < 6; r++)
		if (chance(85))
			mov_k(r, made_odd());
}

void make_program(struct made *out, uint64_t at, int focus, enum made_type only)
{
	made_seed(at * 0x2545f4914f6cdd1d + 77);
	memset(&made_work, 0, sizeof made_work);
	out->nr_subs = 0;
	made_work.slots = out->slots;
	made_work.type = chance(50) ? MADE_XDP : chance(70) ? MADE_RAW : MADE_SOCKET;
	if (only < MADE_TYPES)
		made_work.type = only;
	made_work.budget = 24;
	made_work.focus = focus;
	mov_x(6, 1);
	if (made_work.type == MADE_XDP) {
		emit(0x61, 7, 6, 0, 0);
		emit(0x61, 8, 6, 4, 0);
	} else if (made_work.type == MADE_RAW) {
		mov_x(7, 1);
		mov_x(8, 2);
	} else {
		mov_x(7, 6);
		emit(0x61, 8, 6, 0, 0);		/* skb->len */
	}
	start_numbers();
	made_body(2 + (int)below(7));
	finish();
	made_subprograms(out);
	made_callbacks(out);
	out->n = made_work.n;
	out->type = made_work.type;
}
