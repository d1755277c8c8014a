/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* lttng_vm.h - an interpreter for LTTng's filter bytecode in LTTng's own style (stack of typed entries,
 * opcodes specialised by type when the filter is linked to its event, threaded dispatch), written from
 * the description of the format.  It is what UeBPF is compared with in one process, and one voice of
 * the differential test.  Not part of the library. */
#ifndef BENCH_LTTNG_VM_H
#define BENCH_LTTNG_VM_H
#include <stddef.h>
#include <stdint.h>

/* What a filter sees of an event: as in LTTng-UST a small block that the tracepoint fills, 8 bytes for
 * a number (signed or unsigned 64 bits) and a double, a pointer for a string, a count and a pointer for
 * arrays and sequences, of text or of numbers. */
enum lv_kind { LV_S64, LV_U64, LV_DOUBLE, LV_STRING, LV_TEXT, LV_NUMBERS };
struct lv_field {
	const char *name;
	enum lv_kind kind;
	uint32_t offset;		/* in the block */
	uint32_t fixed;			/* LV_NUMBERS: elements of an array, 0: a sequence */
	uint8_t size, is_signed;	/* LV_NUMBERS: of an element */
};
/* A value from outside of the event, asked at run time ("$ctx.vpid"). */
struct lv_context {
	const char *name;		/* with "$ctx." or "$app." */
	enum lv_kind kind;		/* LV_S64, LV_U64, LV_DOUBLE, LV_STRING */
	void (*get)(void *value);	/* writes 8 bytes */
};
struct lv_event {
	const struct lv_field *field;
	const struct lv_context *context;
	uint32_t nr_field, nr_context;
};

struct lv_filter;
/* data: the bytecode, its relocation table at reloc.  NULL: refused, *why says why (LTTng-UST then
 * records nothing). */
struct lv_filter *lv_link(const void *data, uint32_t len, uint32_t reloc, const struct lv_event *event,
			  const char **why);
/* 1: record the event; 0: do not; -1: an error on the way, the event is not recorded. */
int lv_run(const struct lv_filter *filter, const void *block);
void lv_free(struct lv_filter *filter);
#endif
