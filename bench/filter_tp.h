/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_tp.h - struct fb_event as LTTng-UST tracepoints: fb:i00-i1f have the integers, fb:s00-s1f the
 * strings, fb:m00-m1f both. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER fb
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "bench/filter_tp.h"
#if !defined(BENCH_FILTER_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define BENCH_FILTER_TP_H
#include <lttng/tracepoint.h>
#include "bench/filter_set.h"

#ifndef FB_EACH
#define FB_ROW(c, p) FB_ONE(c, p##0) FB_ONE(c, p##1) FB_ONE(c, p##2) FB_ONE(c, p##3) FB_ONE(c, p##4) FB_ONE(c, p##5) \
	FB_ONE(c, p##6) FB_ONE(c, p##7) FB_ONE(c, p##8) FB_ONE(c, p##9) FB_ONE(c, p##a) FB_ONE(c, p##b) FB_ONE(c, p##c) \
	FB_ONE(c, p##d) FB_ONE(c, p##e) FB_ONE(c, p##f)
#define FB_EACH FB_ROW(ints, i0) FB_ROW(ints, i1) FB_ROW(strs, s0) FB_ROW(strs, s1) FB_ROW(both, m0) FB_ROW(both, m1)
#endif
#define FB_INTS lttng_ust_field_integer(int32_t, n0, e->n[0]) lttng_ust_field_integer(int32_t, n1, e->n[1]) \
	lttng_ust_field_integer(int32_t, n2, e->n[2]) lttng_ust_field_integer(int32_t, n3, e->n[3]) \
	lttng_ust_field_integer(int32_t, n4, e->n[4]) \
	lttng_ust_field_integer(int32_t, last, e->last)
#define FB_STRS lttng_ust_field_string(s0, e->s[0]) lttng_ust_field_string(s1, e->s[1]) \
	lttng_ust_field_string(s2, e->s[2]) lttng_ust_field_string(s3, e->s[3]) lttng_ust_field_string(s4, e->s[4])

LTTNG_UST_TRACEPOINT_EVENT_CLASS(fb, ints, LTTNG_UST_TP_ARGS(const struct fb_event *, e), LTTNG_UST_TP_FIELDS(FB_INTS))
LTTNG_UST_TRACEPOINT_EVENT_CLASS(fb, strs, LTTNG_UST_TP_ARGS(const struct fb_event *, e), LTTNG_UST_TP_FIELDS(FB_STRS))
LTTNG_UST_TRACEPOINT_EVENT_CLASS(fb, both, LTTNG_UST_TP_ARGS(const struct fb_event *, e),
	LTTNG_UST_TP_FIELDS(FB_INTS FB_STRS))

#define FB_ONE(class, name) LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(fb, class, fb, name, \
	LTTNG_UST_TP_ARGS(const struct fb_event *, e))
FB_EACH
#undef FB_ONE

#endif
#include <lttng/tracepoint-event.h>
