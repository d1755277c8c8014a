/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lttng_tp.h - the example's event as an LTTng-UST tracepoint. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER example
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "lttng_tp.h"
#if !defined(LTTNG_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LTTNG_TP_H
#include <lttng/tracepoint.h>
#include "event.h"

LTTNG_UST_TRACEPOINT_EVENT(example, event, LTTNG_UST_TP_ARGS(const struct event *, e), LTTNG_UST_TP_FIELDS(
	lttng_ust_field_integer(uint64_t, sequence, e->sequence)
	lttng_ust_field_integer(uint32_t, size, e->size)
	lttng_ust_field_integer(int32_t, status, e->status)
	lttng_ust_field_string(name, e->name)))

#endif
#include <lttng/tracepoint-event.h>
