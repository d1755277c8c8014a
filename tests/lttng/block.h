/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* block.h - struct lt_event as the LTTng-style interpreter (bench/lttng_vm.h) sees it. */
#ifndef TESTS_LTTNG_BLOCK_H
#define TESTS_LTTNG_BLOCK_H
#include <arpa/inet.h>
#include "bench/lttng_vm.h"
#include "tests/lttng/event.h"

struct lt_block {
	uint64_t id;
	int64_t s8, u8, s16, u16, s32, u32, s64;
	uint64_t u64;
	int64_t be16, be32;
	double f, d;
	const char *str;
	struct { unsigned long n; const void *p; } text, seq_text, arr, seq;
	int64_t en, on;
};

#define N(name) { #name, LV_S64, offsetof(struct lt_block, name), 0, 0, 0 }
static const struct lv_field lt_fields[] = {
	N(id), N(s8), N(u8), N(s16), N(u16), N(s32), N(u32), N(s64), N(u64), N(be16), N(be32), N(en), N(on),
	{ "f", LV_DOUBLE, offsetof(struct lt_block, f), 0, 0, 0 },
	{ "d", LV_DOUBLE, offsetof(struct lt_block, d), 0, 0, 0 },
	{ "str", LV_STRING, offsetof(struct lt_block, str), 0, 0, 0 },
	{ "text", LV_TEXT, offsetof(struct lt_block, text), 0, 0, 0 },
	{ "seq_text", LV_TEXT, offsetof(struct lt_block, seq_text), 0, 0, 0 },
	{ "arr", LV_NUMBERS, offsetof(struct lt_block, arr), 4, 4, 1 },
	{ "seq", LV_NUMBERS, offsetof(struct lt_block, seq), 0, 4, 1 },
};
#undef N

static inline void lt_block(const struct lt_event *e, struct lt_block *b)
{
	*b = (struct lt_block){
		e->id, e->s8, e->u8, e->s16, e->u16, e->s32, e->u32, e->s64, e->u64, ntohs(e->be16), ntohl(e->be32),
		(double)e->f, e->d, e->str, { 8, e->text }, { e->seq_text_len, e->seq_text }, { 4, e->arr },
		{ e->seq_len, e->seq }, e->en, e->on,
	};
}
#endif
