/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* program_calls.c - pieces of programs that go elsewhere: loops, callbacks, subprograms, tail calls, helpers
 * whose results have to be given back. */
#include "tests/gen/programs_in.h"

void part_loop(void)
{
	int32_t n = 1 + (int32_t)below(chance(80) ? 40 : 300), step = chance(80) ? 1 : 2 + (int32_t)below(3);
	bool on_stack = chance(20), may = chance(8);
	uint32_t head, j = 0, gone = 0, form = below(made_work.type == MADE_RAW ? 7 : 5);
	int i = 9;

	if (made_work.loops >= 3)
		return;
	made_work.loops++;
	if (form >= 5 && chance(95))	/* up to the length, tested at the bottom */
		leave(emit(0x15, 8, 0, 0, 0));
	mov_k(i, form == 4 ? n : form >= 5 && chance(10) ? 1 : 0);
	head = made_work.n;
	if (may)
		gone = emit(0xe5, 0, 0, 0, 0);
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
			made_bounded(5, 56 + below(12));
		add_x(0, 5);
		made_access(0, 4 + (int32_t)below(8));
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
		if (made_work.type == MADE_XDP) {
			mov_x(3, 2);
			add_k(3, 1 + (int32_t)below(4));
			leave(emit(0x2d, 3, 8, 0, 0));
		} else if (form < 5 && made_work.type == MADE_RAW) {
			leave(emit(chance(90) ? 0x3d : 0x2d, (uint8_t)i, 8, 0, 0));
		}
		emit(0x71, 3, 2, (int16_t)(chance(90) ? 0 : 1), 0);
		break;
	default:
		made_body(1 + (int)below(2));
	}
	if (on_stack)
		emit(0x79, (uint8_t)i, 10, -80, 0);
	switch (form) {
	case 0: case 1:
		add_k(i, step);
		emit(0x05, 0, 0, (int16_t)(head - made_work.n - 1), 0);
		patch_off(j);
		break;
	case 2:
		add_k(i, step);
		emit(0x55, (uint8_t)i, 0, (int16_t)(head - made_work.n - 1), n * step);
		break;
	case 3:
		emit(0x04, (uint8_t)i, 0, 0, step);
		emit(0xa6, (uint8_t)i, 0, (int16_t)(head - made_work.n - 1), n);
		break;
	case 5: case 6:
		add_k(i, chance(95) ? 1 : 2);
		emit(form == 5 ? 0x5d : 0xad, (uint8_t)i, 8, (int16_t)(head - made_work.n - 1), 0);
		break;
	default:
		add_k(i, -1);
		emit(chance(50) ? 0x55 : 0x65, (uint8_t)i, 0, (int16_t)(head - made_work.n - 1), 0);
	}
	made_work.loops--;
	if (may)
		patch_off(gone);
}

/* The numbers of an iterator at r10 - 104, each used as an index or beside other pieces.  Kernel functions are called
 * by their ids here (MADE_ITER_...). */
static void iterator_call(int32_t id)
{
	mov_x(1, 10);
	add_k(1, -104 + (chance(1) ? 4 : 0));
	emit(0x85, 0, 0, 0, id);
}

void part_iterator(void)
{
	uint32_t head, end, over = 0, form = below(4);
	bool early = chance(20);

	if (made_work.loops >= 2)
		return;
	made_work.loops++;
	mov_k(2, (int32_t)below(4) - 1);
	if (chance(80))
		mov_k(3, (int32_t)below(chance(80) ? 12 : 100));
	else
		mov_x(3, 9);
	iterator_call(MADE_ITER_NEW);
	if (chance(20))
		emit(0x15, 0, 0, 0, 0);
	head = made_work.n;
	iterator_call(MADE_ITER_NEXT);
	end = emit(chance(97) ? 0x15 : 0x55, 0, 0, 0, 0);
	if (chance(3))
		emit(0x62, 0, 0, 0, 1);		/* which is not to be written */
	emit(0x61, 5, 0, (int16_t)(chance(97) ? 0 : 4), 0);
	if (early)
		over = emit(chance(50) ? 0x25 : 0x65, 5, 0, 0, (int32_t)below(30));
	if (form < 2) {		/* bytes of a buffer on the stack */
		emit(0x57, 5, 0, 0, (1 << (2 + below(3))) - 1);
		mov_x(4, 10);
		add_k(4, -(int32_t)(8u << below(3)) + (chance(4) ? 1 : 0));
		add_x(4, 5);
		emit(form ? 0x73 : 0x71, 4, 4, 0, 0);
	} else if (form == 2) {
		emit(0x63, 10, 5, -4, 0);
		ld_map(1, MADE_ARRAY);
		mov_x(2, 10);
		add_k(2, -4);
		emit(0x85, 0, 0, 0, 1);
		emit(0x15, 0, 0, (int16_t)(chance(97) ? 1 : 0), 0);
		emit(0x71, 3, 0, (int16_t)below(66), 0);
	} else {
		made_body(1);
	}
	emit(0x05, 0, 0, (int16_t)(head - made_work.n - 1), 0);
	patch_off(end);
	if (early)
		patch_off(over);
	if (chance(96))
		iterator_call(MADE_ITER_DESTROY);
	if (chance(3))
		iterator_call(MADE_ITER_NEXT);
	made_work.loops--;
}

/* A helper that calls back, with a counter of ours at r10 - 16. */
void part_callback(void)
{
	enum called how = (enum called)below(3);

	if (made_work.in_sub || made_work.nr_cb >= 2)
		return;
	if (made_work.focus == RULE_ROUNDS)
		how = CALLED_LOOP;
	else if (made_work.focus == RULE_SCOPE)
		how = CALLED_ELEM;
	made_work.cb[made_work.nr_cb].keeps = how != CALLED_LOOP && chance(made_work.focus == RULE_SCOPE ? 70 : 20);
	emit(0x7a, 10, 0, -16, made_work.cb[made_work.nr_cb].keeps ? 0 : (int32_t)below(4));
	if (how == CALLED_LOOP)
		made_rounds(1);
	else
		ld_map(1, how == CALLED_DRAIN ? MADE_USER_RING : chance(50) ? MADE_ARRAY : MADE_HASH);
	made_work.cb[made_work.nr_cb].how = how;
	made_work.cb[made_work.nr_cb++].load = (int)made_work.n;
	emit(0x18, 2, 4, 0, 0);
	emit(0, 0, 0, 0, 0);
	mov_x(3, 10);
	add_k(3, -16);
	mov_k(4, 0);
	emit(0x85, 0, 0, 0, how == CALLED_LOOP ? 181 : how == CALLED_ELEM ? 164 : 209);
	emit(0x79, 3, 10, -16, 0);
	if (made_work.cb[made_work.nr_cb - 1].keeps) {	/* what it kept may be gone */
		leave(emit(0x15, 3, 0, 0, 0));
		emit(0x71, 4, 3, 0, 0);
	} else if (chance(70)) {
		if (chance(60))
			made_bounded(3, 1u << below(6));
		mov_x(5, 10);
		add_k(5, -(8 << (int32_t)below(5)));
		add_x(5, 3);
		emit(0x72, 5, 0, 0, 1);
	}
}

/* The counter at r`ctx` goes up, or not. */
static void count(int ctx)
{
	emit(0x79, 3, (uint8_t)ctx, 0, 0);
	if (chance(60))
		add_k(3, 1 + (int32_t)below(3));
	else if (chance(50))
		mov_k(3, (int32_t)below(8));
	if (chance(40)) {
		uint32_t j = emit(0x25, 3, 0, 0, 1 + (int32_t)below(30));

		emit(0x7b, (uint8_t)ctx, 3, 0, 0);
		patch_off(j);
	} else {
		emit(0x7b, (uint8_t)ctx, 3, 0, 0);
	}
}

static void dynptr_part(int dynptr, int32_t have)
{
	int32_t len = 1 + (int32_t)below((uint32_t)have);
	uint32_t j;

	mov_x(1, dynptr);
	if (dynptr == 10)
		add_k(1, -96);
	mov_k(2, (int32_t)below(4));
	mov_k(3, len);
	emit(0x85, 0, 0, 0, 203);		/* dynptr_data */
	j = emit(chance(95) ? 0x15 : 0x55, 0, 0, 0, 0);
	made_access(0, len + chance(4));
	patch_off(j);
}

void made_callbacks(struct made *out)
{
	for (int i = 0; i < made_work.nr_cb; i++) {
		struct raw_insn r = raw_load(made_work.slots + 8 * (uint32_t)made_work.cb[i].load);

		r.imm = (int32_t)made_work.n - made_work.cb[i].load - 1;
		raw_store(made_work.slots + 8 * (uint32_t)made_work.cb[i].load, r);
		if (out->nr_subs < MADE_SUBS) {
			out->sub[out->nr_subs].slot = made_work.n;
			out->sub[out->nr_subs++].global = false;
		}
		switch (made_work.cb[i].how) {
		case CALLED_LOOP:
			if (chance(made_work.focus == RULE_ROUNDS ? 80 : 30)) {	/* the round as an index */
				mov_x(5, 10);
				add_k(5, -(8 << (int32_t)below(4)));
				add_x(5, 1);
				emit(0x72, 5, 0, 0, 0);
			}
			count(2);
			break;
		case CALLED_ELEM:
			if (chance(50))
				made_access(2, 4);
			mov_x(6, 4);
			if (chance(70))
				made_access(3, 48 + (int32_t)below(18));
			if (made_work.cb[i].keeps)
				emit(0x7b, 6, chance(70) ? 3 : 2, 0, 0);
			else
				count(6);
			break;
		default:
			mov_x(6, 2);
			mov_x(7, 1);
			dynptr_part(7, 16);
			if (chance(30)) {
				mov_x(1, 10);
				add_k(1, -16);
				mov_k(2, 8 + (int32_t)below(10));
				mov_x(3, 7);
				mov_k(4, 0);
				mov_k(5, 0);
				emit(0x85, 0, 0, 0, 201);	/* dynptr_read */
			}
			if (made_work.cb[i].keeps) {
				mov_x(1, 7);
				mov_k(2, 0);
				mov_k(3, 8);
				emit(0x85, 0, 0, 0, 203);
				emit(0x7b, 6, 0, 0, 0);
			} else {
				count(6);
			}
		}
		mov_k(0, (int32_t)below(2));
		emit(0x95, 0, 0, 0, 0);
	}
}

/* A dynptr at r10 - 96 over a record or a map value. */
void part_dynptr(void)
{
	bool ring = chance(60);
	int32_t size = 8 << below(4);

	if (ring) {
		ld_map(1, MADE_RING);
		mov_k(2, size);
	} else {
		emit(0x62, 10, 0, -4, (int32_t)below(4));
		mov_x(2, 10);
		add_k(2, -4);
		ld_map(1, MADE_ARRAY);
		emit(0x85, 0, 0, 0, 1);
		leave(emit(0x15, 0, 0, 0, 0));
		mov_x(1, 0);
		mov_k(2, size = chance(95) ? 64 : 65);
	}
	mov_k(3, 0);
	mov_x(4, 10);
	add_k(4, -96 + (chance(3) ? 4 : 0));
	emit(0x85, 0, 0, 0, ring ? 198 : 197);
	if (chance(80))
		dynptr_part(10, size);
	if (chance(40)) {
		mov_x(1, 10);
		add_k(1, -96);
		mov_k(2, 0);
		mov_x(3, 10);
		add_k(3, -64);
		mov_k(4, 1 + (int32_t)below(64) + chance(3) * 64);
		mov_k(5, 0);
		emit(0x85, 0, 0, 0, 202);		/* dynptr_write */
	}
	if (chance(5))
		emit(0x7b, 10, 9, (int16_t)(-96 + 8 * (int)below(2)), 0);
	mov_x(9, 0);
	if (ring && chance(95)) {
		mov_x(1, 10);
		add_k(1, -96);
		mov_k(2, 0);
		emit(0x85, 0, 0, 0, chance(50) ? 199 : 200);
	}
	if (chance(5))
		dynptr_part(10, size);
}

/* Another program may take over; if none does, the next instruction runs. */
void part_tail(void)
{
	mov_x(1, made_work.in_sub ? 1 : made_work.type == MADE_RAW ? 7 : 6);
	ld_map(2, MADE_PROGS);
	if (chance(60))
		mov_k(3, (int32_t)below(6));
	else
		mov_x(3, 9);
	emit(0x85, 0, 0, 0, 12);
}

/* Callers patched, and the subprogram's place noted; r0 is `ret` to begin with. */
static bool sub_start(struct made *out, int i)
{
	if (made_work.sub_call[i].as == i) {
		if (out->nr_subs < MADE_SUBS) {
			out->sub[out->nr_subs].slot = made_work.n;
			out->sub[out->nr_subs++].global = made_work.sub_call[i].global;
		}
		for (int k = i; k < made_work.nr_sub_calls; k++) {
			struct raw_insn r = raw_load(made_work.slots + 8 * (uint32_t)made_work.sub_call[k].at);

			r.imm = (int32_t)made_work.n - made_work.sub_call[k].at - 1;
			if (made_work.sub_call[k].as == i)
				raw_store(made_work.slots + 8 * (uint32_t)made_work.sub_call[k].at, r);
		}
	}
	return made_work.sub_call[i].as == i;
}

static void sub_end(void)
{
	for (uint32_t k = 0; k < made_work.nr_exits; k++)
		patch_off(made_work.exits[k]);
	made_work.nr_exits = 0;
}

/* r1 any number, r2 8 bytes or NULL, r3 any number */
static void global_body(void)
{
	if (chance(92))
		leave(emit(0x15, 2, 0, 0, 0));
	made_access(2, MADE_GLOBAL_MEM + chance(4));
	if (chance(60)) {
		made_bounded(3, 8 + (uint32_t)chance(10));
		add_x(2, 3);
		emit(chance(50) ? 0x71 : 0x73, 2, 2, 0, 0);
	}
	mov_k(4, (int32_t)below(64));
	made_work.depth = 3;
	made_body(1);
	made_work.depth = 0;
	sub_end();
	if (chance(97))
		mov_k(0, (int32_t)below(8));
}

void made_subprograms(struct made *out)
{
	made_work.in_sub = true;
	for (int i = 0; i < made_work.nr_sub_calls; i++) {
		bool tail = made_work.sub_call[i].tail;

		if (!sub_start(out, i))
			continue;
		mov_k(0, 1);
		if (made_work.sub_call[i].global) {
			global_body();
			emit(0x95, 0, 0, 0, 0);
			continue;
		}
		if (tail) {
			mov_x(6, 2);
			mov_x(7, 3);
			part_tail();
			mov_x(2, 6);
			mov_x(3, 7);
		}
		if (chance(50))
			made_access(2, 8 << below(3));
		if (chance(50))
			made_bounded(3, 1u << below(5));
		if (chance(60)) {
			add_x(2, 3);
			emit(0x71, 4, 2, 0, 0);
		}
		if (chance(40))
			mov_x(0, 3);
		sub_end();
		if (tail)
			mov_k(0, 1);
		emit(0x95, 0, 0, 0, 0);
	}
}

void part_subcall(void)
{
	int i = made_work.nr_sub_calls;
	bool tail, global;

	if (made_work.in_sub || i >= 4)
		return;
	made_work.sub_call[i].as = i && chance(25) ? made_work.sub_call[i - 1].as : i;
	tail = made_work.sub_call[i].tail = chance(15);
	global = made_work.sub_call[i].global = !tail && chance(30);
	if (made_work.sub_call[i].as != i) {
		tail = made_work.sub_call[made_work.sub_call[i].as].tail;
		global = made_work.sub_call[made_work.sub_call[i].as].global;
	}
	mov_x(1, tail && chance(95) ? made_work.type == MADE_RAW ? 7 : 6 : chance(70) || global ? num() : 7);
	mov_x(2, chance(85) ? 10 : made_work.type == MADE_RAW ? 7 : 10);
	add_k(2, -(8 << (int32_t)below(4)));
	if (global && chance(20))
		mov_k(2, 0);
	if (chance(50))
		mov_k(3, (int32_t)below(16));
	else
		mov_x(3, num());
	made_work.sub_call[i].at = (int)made_work.n;
	made_work.nr_sub_calls++;
	emit(0x85, 0, 1, 0, 0);
	if (chance(30)) {	/* what it returned is an index */
		if (global && chance(90))
			made_bounded(0, 32);
		mov_x(5, 10);
		add_k(5, -32);
		add_x(5, 0);
		emit(0x71, 3, 5, 0, 0);
	}
}
