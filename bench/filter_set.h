/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_set.h - the filters that `bench/run filters` compares and the event that they ask about. */
#ifndef BENCH_FILTER_SET_H
#define BENCH_FILTER_SET_H
#include <stddef.h>
#include <stdint.h>

struct fb_event {
	int32_t n[5], last;		/* `last`: asked by DEGREE alone */
	char s[5][16];
};

/* What the predicates are about; NINE: nine strings, then one integer; DEGREE: ten integers, the last of
 * which decides. */
enum fb_kind { FB_INT, FB_STR, FB_MIX, FB_NINE, FB_DEGREE, FB_KINDS };
enum fb_case { FB_TRUE, FB_FALSE_LAST, FB_FALSE_FIRST, FB_CASES };
struct fb_filter {
	enum fb_kind kind;
	enum fb_case verdict;
	int n;				/* predicates, joined by && */
	char name[32];			/* "int_10_last": also its C function */
	char event[8];			/* its LTTng tracepoint: "i00", "s1f" */
	char *expr;
};
enum { FB_MAX = 96 };
extern struct fb_filter fb_filter[FB_MAX];
extern int fb_filters;
extern const char *const fb_kind_name[FB_KINDS], *const fb_case_name[FB_CASES];
extern const int fb_sizes[7];

void fb_make(void);			/* fills the list */
const struct fb_filter *fb_find(enum fb_kind kind, int n, enum fb_case verdict);
/* The event: every predicate of a TRUE filter holds, but DEGREE's last one when `other`. */
void fb_event(struct fb_event *e, int other);
/* The C source of all filters, as somebody would write them by hand. */
void fb_print_c(void);

/* What `lttng` makes of f->expr: returns the length, *reloc is the offset of the relocation table. */
uint32_t fb_bytecode(const struct fb_filter *f, uint8_t *out, uint32_t *reloc);

/* ---- LTTng-UST itself: filter_real.c, or filter_none.c where it is not installed ---- */
extern const int fb_has_lttng;
/* Emits `count` events through the tracepoint `name`, from the 1 << bits events at e in turns. */
void fb_emit(const char *name, const struct fb_event *e, unsigned bits, uint64_t count);

#endif
