/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tp.h - struct lt_event as 256 LTTng-UST tracepoints (lt:e00 .. lt:eff) of one class: each can have a
 * filter of its own, so that one trace holds the verdicts of 256 filters about the same records. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER lt
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "tp.h"
#if !defined(TESTS_LTTNG_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TESTS_LTTNG_TP_H
#include <lttng/tracepoint.h>
#include "event.h"

#ifndef LT_EACH
#define LT_ROW(p) LT_ONE(p##0) LT_ONE(p##1) LT_ONE(p##2) LT_ONE(p##3) LT_ONE(p##4) LT_ONE(p##5) \
	LT_ONE(p##6) LT_ONE(p##7) LT_ONE(p##8) LT_ONE(p##9) LT_ONE(p##a) LT_ONE(p##b) LT_ONE(p##c) \
	LT_ONE(p##d) LT_ONE(p##e) LT_ONE(p##f)
#define LT_EACH LT_ROW(e0) LT_ROW(e1) LT_ROW(e2) LT_ROW(e3) LT_ROW(e4) LT_ROW(e5) LT_ROW(e6) LT_ROW(e7) \
	LT_ROW(e8) LT_ROW(e9) LT_ROW(ea) LT_ROW(eb) LT_ROW(ec) LT_ROW(ed) LT_ROW(ee) LT_ROW(ef)
#endif

LTTNG_UST_TRACEPOINT_ENUM(lt, state, LTTNG_UST_TP_ENUM_VALUES(
	lttng_ust_field_enum_value("IDLE", 0) lttng_ust_field_enum_value("BUSY", 1)
	lttng_ust_field_enum_value("LATE", 2) lttng_ust_field_enum_value("GONE", 3)))

LTTNG_UST_TRACEPOINT_EVENT_CLASS(lt, all, LTTNG_UST_TP_ARGS(const struct lt_event *, r), LTTNG_UST_TP_FIELDS(
	lttng_ust_field_integer(uint64_t, id, r->id)
	lttng_ust_field_integer(int8_t, s8, r->s8)
	lttng_ust_field_integer(uint8_t, u8, r->u8)
	lttng_ust_field_integer(int16_t, s16, r->s16)
	lttng_ust_field_integer(uint16_t, u16, r->u16)
	lttng_ust_field_integer(int32_t, s32, r->s32)
	lttng_ust_field_integer_hex(uint32_t, u32, r->u32)
	lttng_ust_field_integer(int64_t, s64, r->s64)
	lttng_ust_field_integer(uint64_t, u64, r->u64)
	lttng_ust_field_integer_network(uint16_t, be16, r->be16)
	lttng_ust_field_integer_network(uint32_t, be32, r->be32)
	lttng_ust_field_float(float, f, r->f)
	lttng_ust_field_float(double, d, r->d)
	lttng_ust_field_string(str, r->str)
	lttng_ust_field_array_text(char, text, r->text, 8)
	lttng_ust_field_sequence_text(char, seq_text, r->seq_text, uint32_t, r->seq_text_len)
	lttng_ust_field_array(int32_t, arr, r->arr, 4)
	lttng_ust_field_sequence(int32_t, seq, r->seq, uint32_t, r->seq_len)
	lttng_ust_field_enum(lt, state, int32_t, en, r->en)
	lttng_ust_field_integer(uint8_t, on, r->on)))

#define LT_ONE(name) LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(lt, all, lt, name, \
	LTTNG_UST_TP_ARGS(const struct lt_event *, r))
LT_EACH
#undef LT_ONE

#endif
#include <lttng/tracepoint-event.h>
