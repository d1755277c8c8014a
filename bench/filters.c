/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filters.c - what a tracer's filter costs: hard-coded C, UeBPF compiled and interpreted, an LTTng-style
 * interpreter, LTTng-UST itself.  One process, arms take turns sample by sample; a sample is a batch of
 * about 200 us; the median of the samples counts, with its 95 % interval by ranks.
 * `filters --list`: events and filters for `lttng`; `--c`: source of the C arm; else FIGURES... of
 * predicates degree total first, results in build/bench. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench/filter_set.h"
#include "bench/lttng_vm.h"
#include "include/uebpf.h"

enum { PLACES = 8, ROUNDS = 48, BITS = 10, EVENTS = 1 << BITS };
enum arm { C, JIT, INTERP, STYLE, REAL, TRACER, TRACER_INTERP, ARMS };
static const char *const arm_name[ARMS] = { "C", "JIT", "interpreter", "LTTng-style", "LTTng-UST", "small tracer",
					    "small tracer, interpreted" };
static const char *out_dir = "build/bench";
static struct uebpf_env *env;
static FILE *csv;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "filters: %s\n", what);
	exit(1);
}

/* ---- one filter in every arm ---- */

struct block {
	int64_t n[5], last;
	const char *s[5];
};
typedef int (*c_fn)(const struct fb_event *);
struct subject {
	const struct fb_filter *filter;
	c_fn c[PLACES];
	const struct uebpf_prog *jit[PLACES], *interp;
	uebpf_entry entry[PLACES];
	struct lv_filter *style;
	struct uebpf_slot slot[2];
	struct fb_event event[EVENTS];
	struct block block[EVENTS];
};

static const struct uebpf_prog *load(const char *expr, uint32_t engine)
{
	struct uebpf_load_opts how = { .size = sizeof how, .engine = engine };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_filter(env, expr, "fb", NULL, &err);
	const struct uebpf_prog *prog;

	if (!obj || uebpf_object_load(obj, &how, &err))
		fail(err.text);
	prog = uebpf_prog_ref(uebpf_object_prog(obj, NULL));
	uebpf_object_free(obj);
	return prog;
}

static struct lv_filter *style(const struct fb_filter *f)
{
#define F(name, at) { name, LV_S64, offsetof(struct block, at), 0, 0, 0 }
#define S(name, at) { name, LV_STRING, offsetof(struct block, at), 0, 0, 0 }
	static const struct lv_field fields[] = { F("n0", n[0]), F("n1", n[1]), F("n2", n[2]), F("n3", n[3]), F("n4", n[4]),
		F("last", last), S("s0", s[0]), S("s1", s[1]), S("s2", s[2]), S("s3", s[3]), S("s4", s[4]) };
	static const struct lv_event event = { fields, NULL, sizeof fields / sizeof *fields, 0 };
	uint8_t code[8192];
	uint32_t reloc, len = fb_bytecode(f, code, &reloc);
	const char *why;
	struct lv_filter *l = lv_link(code, len, reloc, &event, &why);

	if (!l)
		fail(why);
	return l;
}

static void describe_event(void)
{
	static struct uebpf_field field[11];
	static char names[11][4];
	struct uebpf_type_opts type = { .size = sizeof type, .name = "fb", .ctx_size = sizeof(struct fb_event),
					.fields = field, .nr_fields = 11 };
	struct uebpf_error err;

	for (uint32_t i = 0; i < 5; i++) {
		snprintf(names[i], 4, "n%u", i);
		snprintf(names[i + 5], 4, "s%u", i);
		field[i] = (struct uebpf_field){ .name = names[i], .offset = 4 * i, .size = 4, .value = UEBPF_VALUE_SIGNED };
		field[i + 5] = (struct uebpf_field){ .name = names[i + 5], .kind = UEBPF_FIELD_BYTES, .size = 16,
			.offset = (uint32_t)offsetof(struct fb_event, s) + 16 * i, .value = UEBPF_VALUE_TEXT };
	}
	field[10] = (struct uebpf_field){ .name = "last", .offset = 20, .size = 4, .value = UEBPF_VALUE_SIGNED };
	env = uebpf_env_new(NULL);
	if (!env || uebpf_env_add_type(env, &type, &err))
		fail(err.text);
}

static void open_subject(struct subject *s, const struct fb_filter *f)
{
	memset(s, 0, sizeof *s);
	s->filter = f;
	for (int k = 0; k < PLACES; k++) {
		char path[512];
		void *so;

		snprintf(path, sizeof path, "%s/filters_c_%d.so", out_dir, k);
		so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (!so)
			fail(dlerror());
		*(void **)&s->c[k] = dlsym(so, f->name);
		s->jit[k] = load(f->expr, UEBPF_ENGINE_JIT);
		s->entry[k] = uebpf_prog_entry(s->jit[k]);
		if (!s->c[k] || !s->entry[k])
			fail("a filter without code");
	}
	s->interp = load(f->expr, UEBPF_ENGINE_INTERP);
	s->style = style(f);
	for (int i = 0; i < 2; i++)
		if (uebpf_slot_init(&s->slot[i], env) || uebpf_slot_set(&s->slot[i], i ? s->interp : s->jit[0], NULL))
			fail("a slot");
}

static void close_subject(struct subject *s)
{
	for (int i = 0; i < 2; i++)
		uebpf_slot_fini(&s->slot[i]);
	for (int k = 0; k < PLACES; k++)
		uebpf_prog_unref(s->jit[k]);
	uebpf_prog_unref(s->interp);
	lv_free(s->style);
}

/* Events of which `percent` pass a DEGREE filter. */
static void fill(struct subject *s, int percent)
{
	uint32_t random = 12345;

	for (int i = 0; i < EVENTS; i++) {
		random = random * 1664525 + 1013904223;
		fb_event(&s->event[i], (int)(random >> 8) % 100 >= percent);
		for (int k = 0; k < 5; k++) {
			s->block[i].n[k] = s->event[i].n[k];
			s->block[i].s[k] = s->event[i].s[k];
		}
		s->block[i].last = s->event[i].last;
	}
}

/* ---- a tracer of our own: copies the event, asks the slot, writes into its CPU's buffer ---- */

enum { ROOM = 1 << 12 };
static struct { _Alignas(64) unsigned at; struct fb_event event[ROOM]; } buffer[64];

static inline bool tracepoint(struct uebpf_slot *slot, const struct fb_event *from, bool strings)
{
	struct fb_event event;
	unsigned cpu;

	memcpy(&event, from, offsetof(struct fb_event, s));
	if (strings)
		memcpy(event.s, from->s, sizeof event.s);
	if (!uebpf_slot_accepts(slot, &event, sizeof event, NULL))
		return false;
	cpu = (unsigned)sched_getcpu() % 64;
	buffer[cpu].event[__atomic_fetch_add(&buffer[cpu].at, 1, __ATOMIC_RELAXED) % ROOM] = event;
	return true;
}

/* ---- measuring ---- */

static volatile uint64_t sink;
static uint64_t run(struct subject *s, enum arm arm, int place, unsigned bits, uint64_t count)
{
	uint64_t accepted = 0, r0, mask = (1u << bits) - 1;

	switch (arm) {
	case C:
		for (uint64_t i = 0; i < count; i++)
			accepted += s->c[place](&s->event[i & mask]) != 0;
		break;
	case JIT:
		for (uint64_t i = 0; i < count; i++)
			accepted += s->entry[place](&s->event[i & mask], sizeof(struct fb_event), NULL) != 0;
		break;
	case INTERP:
		for (uint64_t i = 0; i < count; i++) {
			uebpf_prog_run(s->interp, &s->event[i & mask], sizeof(struct fb_event), NULL, &r0);
			accepted += r0 != 0;
		}
		break;
	case STYLE:
		for (uint64_t i = 0; i < count; i++)
			accepted += lv_run(s->style, &s->block[i & mask]) == 1;
		break;
	case REAL:
		fb_emit(s->filter->event, s->event, bits, count);
		break;
	default:
		for (uint64_t i = 0; i < count; i++)
			accepted += tracepoint(&s->slot[arm == TRACER_INTERP], &s->event[i & mask],
					       s->filter->kind == FB_STR || s->filter->kind == FB_MIX || s->filter->kind == FB_NINE);
	}
	sink = accepted;
	return accepted;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct result { double ns, lo, hi; };
static struct result summarize(double *v, int n)
{
	int d = (int)(0.98 * sqrt(n));

	qsort(v, (size_t)n, sizeof *v, by_value);
	return (struct result){ (v[n / 2] + v[(n - 1) / 2]) / 2, v[(n - 1) / 2 - d], v[n / 2 + d] };
}

/* All arms of a subject, interleaved.  `want`: how many of EVENTS pass (what every arm must say). */
static void measure(struct subject *s, const char *figure, int x, unsigned bits, uint64_t want, struct result out[ARMS])
{
	static double v[ARMS][ROUNDS];
	uint64_t n[ARMS];

	for (int a = 0; a < ARMS; a++) {
		double t = 0;

		if (a == REAL && !fb_has_lttng)
			continue;
		if (run(s, (enum arm)a, 0, bits, 1u << bits) != want && a != REAL)
			fail("an arm gives another verdict");
		for (n[a] = 1024; t < 100e3; n[a] *= 2) {
			t = now();
			run(s, (enum arm)a, 0, bits, n[a]);
			t = now() - t;
		}
		n[a] = (uint64_t)((double)n[a] / 2 * 200e3 / t) + 1;
	}
	for (int r = 0; r < ROUNDS; r++)
		for (int a = 0; a < ARMS; a++) {
			double t = now();

			if (a == REAL && !fb_has_lttng)
				continue;
			run(s, (enum arm)a, r % PLACES, bits, n[a]);
			v[a][r] = (now() - t) / (double)n[a];
			fprintf(csv, "%s,%s,%d,%s,%d,%.6g\n", figure, s->filter->name, x, arm_name[a], r, v[a][r]);
		}
	for (int a = 0; a < ARMS; a++)
		out[a] = summarize(v[a], ROUNDS);
}

static FILE *data(const char *name)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.dat", out_dir, name);
	f = fopen(path, "w");
	if (!f)
		fail(path);
	fprintf(f, "x");	/* no comment: gnuplot takes the names from here */
	for (int a = 0; a < ARMS; a++)
		fprintf(f, "\t%s\tlow\thigh", arm_name[a]);
	fprintf(f, "\n");
	return f;
}

static void row(FILE *f, double x, const struct result r[ARMS])
{
	fprintf(f, "%g", x);
	for (int a = 0; a < ARMS; a++)
		a == REAL && !fb_has_lttng ? fprintf(f, "\t?\t?\t?") : fprintf(f, "\t%.6g\t%.6g\t%.6g", r[a].ns, r[a].lo, r[a].hi);
	fprintf(f, "\n");
	printf("| %g |", x);
	for (int a = 0; a < ARMS; a++)
		a == REAL && !fb_has_lttng ? printf(" - |") : printf(" %.2f [%.2f, %.2f] |", r[a].ns, r[a].lo, r[a].hi);
	printf("\n");
}

static void head(const char *x)
{
	printf("\n| %s |", x);
	for (int a = 0; a < ARMS; a++)
		printf(" %s |", arm_name[a]);
	printf("\n|---|");
	for (int a = 0; a < ARMS; a++)
		printf("---|");
	printf("\n");
}

/* Least squares over the first n points: ns = fixed + slope * predicates. */
static void line(const struct result r[][ARMS], int arm, int n, double *fixed, double *slope)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0;

	for (int i = 0; i < n; i++) {
		double x = fb_sizes[i], y = r[i][arm].ns;

		sx += x, sy += y, sxx += x * x, sxy += x * y;
	}
	*slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
	*fixed = (sy - *slope * sx) / n;
}

static void bar(const char *what, double seen, const char *how, double limit, bool met)
{
	printf("- %s: %.2f, bar %s %g: %s\n", what, seen, how, limit, met ? "met" : "MISSED");
}
#define AT_LEAST(what, seen, limit) bar(what, seen, "at least", limit, (seen) >= (limit))
#define AT_MOST(what, seen, limit) bar(what, seen, "at most", limit, (seen) <= (limit))

/* ---- figures ---- */

static struct result seen[FB_KINDS][FB_CASES][7][ARMS], nine[FB_CASES][ARMS];

static void predicates_bars(void)
{
	struct result (*i)[ARMS] = seen[FB_INT][FB_FALSE_LAST], (*s)[ARMS] = seen[FB_STR][FB_FALSE_LAST];
	double fixed_i = 0, slope_i = 0, fixed_s = 0, slope_s = 0, f, m;

	printf("\n| arm | ns per integer predicate | fixed | ns per string predicate | fixed |\n|---|---|---|---|---|\n");
	for (int a = 0; a < ARMS; a++) {
		double fi, mi, fs, ms;

		if (a == REAL && !fb_has_lttng)
			continue;
		line(i, a, 5, &fi, &mi);		/* up to 30: LTTng fails beyond */
		line(s, a, 5, &fs, &ms);
		printf("| %s | %.2f | %.1f | %.2f | %.1f |\n", arm_name[a], mi, fi, ms, fs);
		if (a == (fb_has_lttng ? REAL : STYLE))
			slope_i = mi, slope_s = ms;
	}
	/* what is left without predicates: the line through 1 and 5 of them (later ones cost more each) */
	fixed_i = i[0][fb_has_lttng ? REAL : STYLE].ns * 1.25 - i[1][fb_has_lttng ? REAL : STYLE].ns * 0.25;
	fixed_s = s[0][fb_has_lttng ? REAL : STYLE].ns * 1.25 - s[1][fb_has_lttng ? REAL : STYLE].ns * 0.25;
	line(i, STYLE, 5, &f, &m);
	printf("\nThe LTTng-style interpreter's slope is %.0f %% of %s's for integers", 100 * m / slope_i,
	       fb_has_lttng ? "LTTng-UST" : "itself (no LTTng-UST here)");
	line(s, STYLE, 5, &f, &m);
	printf(", %.0f %% for strings.\nBars (LTTng's filter: its time without the fixed part, %.1f ns for integers, %.1f for "
	       "strings):\n\n", 100 * m / slope_s, fixed_i, fixed_s);
	int peer = fb_has_lttng ? REAL : STYLE;

	AT_LEAST("JIT over LTTng's filter, 10 integers FALSE at the last, times", (i[2][peer].ns - fixed_i) / i[2][JIT].ns, 10.0);
	AT_LEAST("JIT over LTTng's filter, 9 strings and 1 integer, times", (nine[FB_FALSE_LAST][peer].ns - fixed_s) /
		 nine[FB_FALSE_LAST][JIT].ns, 8.0);
	AT_LEAST("JIT over our interpreter, 10 integers, times", i[2][INTERP].ns / i[2][JIT].ns, 3.0);
	AT_LEAST("JIT over our interpreter, 9 strings and 1 integer, times", nine[1][INTERP].ns / nine[1][JIT].ns, 3.0);
	for (int n = 1; n < 5; n++) {
		printf("- %d integers: interpreter %.1f ns, LTTng's filter %.1f ns: %s\n", fb_sizes[n], i[n][INTERP].ns,
		       i[n][peer].ns - fixed_i, i[n][INTERP].ns < i[n][peer].ns - fixed_i ? "faster" : "NOT faster");
		printf("- %d strings: interpreter %.1f ns, LTTng's filter %.1f ns: %s\n", fb_sizes[n], s[n][INTERP].ns,
		       s[n][peer].ns - fixed_s, s[n][INTERP].ns < s[n][peer].ns - fixed_s ? "faster" : "NOT faster");
	}
	AT_MOST("JIT over C, 10 integers, times", i[2][JIT].ns / i[2][C].ns, 1.1);
	AT_MOST("JIT over C, 50 integers, times", i[6][JIT].ns / i[6][C].ns, 1.1);
	AT_MOST("JIT over C, 10 strings, times", s[2][JIT].ns / s[2][C].ns, 1.3);
	AT_MOST("JIT over C, 50 strings, times", s[6][JIT].ns / s[6][C].ns, 1.3);
	AT_MOST("small tracer, 10 integers FALSE at the last, ns", i[2][TRACER].ns, 6.0);
	AT_MOST("small tracer, 9 strings and 1 integer, ns", nine[1][TRACER].ns, 20.0);
}

static void predicates(struct subject *s)
{
	for (int k = FB_INT; k <= FB_NINE; k++)
		for (int v = 0; v < FB_CASES; v++) {
			char name[64];
			FILE *f;

			snprintf(name, sizeof name, "filters_%s_%s", fb_kind_name[k], fb_case_name[v]);
			f = data(name);
			printf("\n%s, %s: ns per event\n", fb_kind_name[k], fb_case_name[v]);
			head("predicates");
			for (int n = 0; n < 7; n++) {
				const struct fb_filter *filter = fb_find((enum fb_kind)k, fb_sizes[n], (enum fb_case)v);

				if (!filter)
					continue;
				open_subject(s, filter);
				fill(s, 100);
				measure(s, "predicates", filter->n, 0, v == FB_TRUE, k == FB_NINE ? nine[v] : seen[k][v][n]);
				close_subject(s);
				row(f, filter->n, k == FB_NINE ? nine[v] : seen[k][v][n]);
			}
			fclose(f);
		}
	predicates_bars();
}

static void degree(struct subject *s)
{
	FILE *f = data("filters_degree");

	printf("\n10 integer predicates, of which the last decides: ns per event by %% of events that pass\n");
	head("% TRUE");
	open_subject(s, fb_find(FB_DEGREE, 10, FB_TRUE));
	for (int percent = 0; percent <= 100; percent += 10) {
		struct result r[ARMS];
		uint64_t want = 0;

		fill(s, percent);
		for (int i = 0; i < EVENTS; i++)
			want += (uint64_t)s->event[i].last;
		measure(s, "degree", percent, BITS, want, r);
		row(f, percent, r);
	}
	close_subject(s);
	fclose(f);
}

static void total(struct subject *s)
{
	const char *given = getenv("MAX_EVENTS");
	double most = given ? atof(given) : 1e8;
	FILE *f = data("filters_total");

	printf("\n50 integer predicates, FALSE at the last: seconds\n");
	head("events");
	open_subject(s, fb_find(FB_INT, 50, FB_FALSE_LAST));
	fill(s, 100);
	for (uint64_t events = 100000; (double)events <= most; events *= 10) {
		struct result r[ARMS] = { 0 };

		for (int a = 0; a < ARMS; a++) {
			double t = now();

			if (a == REAL && !fb_has_lttng)
				continue;
			run(s, (enum arm)a, 0, 0, events);
			r[a].ns = r[a].lo = r[a].hi = (now() - t) / 1e9;
			fprintf(csv, "total,%s,%g,%s,0,%.6f\n", s->filter->name, (double)events, arm_name[a], r[a].ns);
		}
		row(f, (double)events, r);
	}
	printf("LTTng-UST: from 40 predicates on this filter has ten `<=`, and LTTng 2.13 loses a stack entry for each: it "
	       "refuses the filter (\"Stack full\") and drops every event, so its time is that of an error.\n");
	close_subject(s);
	fclose(f);
}

/* The first event after a filter is installed, and what else a slot costs. */
static void first(struct subject *s)
{
	enum { TIMES = 1000 };
	static double v[2][TIMES], compile[TIMES], none[TIMES];
	const struct fb_filter *f = fb_find(FB_INT, 10, FB_FALSE_LAST);
	static struct uebpf_slot empty = UEBPF_SLOT_INIT, slot = UEBPF_SLOT_INIT;
	double t, with, without;
	struct result r;

	open_subject(s, f);
	fill(s, 100);
	uebpf_slot_init(&slot, env);
	for (int i = 0; i < 2 * TIMES; i++) {
		const struct uebpf_prog *p;

		t = now();
		p = load(f->expr, UEBPF_ENGINE_JIT);
		compile[i / 2] = (now() - t) / 1e3;
		if (i & 1)
			uebpf_prog_prefault(p);
		uebpf_slot_set(&slot, p, NULL);
		uebpf_prog_unref(p);
		t = now();
		none[i / 2] = now() - t;
		t = now();
		sink = (uint64_t)uebpf_slot_accepts(&slot, &s->event[0], sizeof(struct fb_event), NULL);
		v[i & 1][i / 2] = now() - t;
	}
	r = summarize(none, TIMES);
	with = r.ns;
	for (int i = 0; i < 2; i++) {
		r = summarize(v[i], TIMES);
		printf("- first event after install, %s prefault: p50 %.0f ns, p99 %.0f ns (clock's own %.0f ns included)\n",
		       i ? "with" : "without", r.ns, v[i][TIMES * 99 / 100], with);
		fprintf(csv, "first,%s,%d,p50,0,%.0f\nfirst,%s,%d,p99,0,%.0f\n", f->name, i, r.ns, f->name, i, v[i][TIMES * 99 / 100]);
	}
	uebpf_slot_fini(&slot);
	r = summarize(compile, TIMES);
	AT_MOST("expression of 10 predicates to running code, us", r.ns, 100.0);
	without = with = 1e9;
	for (int k = 0; k < 20; k++) {		/* the least of 20 of each */
		enum { N = 1000000 };
		struct fb_event *e = &s->event[0];

		t = now();
		for (int i = 0; i < N; i++)
			__asm__ volatile("" : "+r"(e) : : "memory");
		t = (now() - t) / N;
		without = t < without ? t : without;
		t = now();
		for (int i = 0; i < N; i++) {
			__asm__ volatile("" : "+r"(e) : : "memory");
			if (!uebpf_slot_accepts(&empty, e, sizeof *e, NULL))
				fail("an empty slot says no");
		}
		t = (now() - t) / N;
		with = t < with ? t : with;
	}
	AT_MOST("an empty slot's check, ns", with - without, 0.5);
	close_subject(s);
}

int main(int argc, char **argv)
{
	static struct subject s;
	static const struct { const char *name; void (*draw)(struct subject *); } figure[] = {
		{ "predicates", predicates }, { "degree", degree }, { "total", total }, { "first", first } };
	char path[512];

	fb_make();
	if (argc > 1 && !strcmp(argv[1], "--c"))
		return fb_print_c(), 0;
	for (int i = 0; argc > 1 && !strcmp(argv[1], "--list") && i < fb_filters; i++)
		printf("fb:%s\t%s\n", fb_filter[i].event, fb_filter[i].expr);
	if (argc > 1 && !strcmp(argv[1], "--list"))
		return 0;
	if (getenv("OUT"))
		out_dir = getenv("OUT");
	snprintf(path, sizeof path, "%s/filters.csv", out_dir);
	csv = fopen(path, "w");
	if (!csv)
		fail(path);
	fprintf(csv, "figure,filter,x,arm,round,ns\n");
	describe_event();
	for (size_t f = 0; f < sizeof figure / sizeof *figure; f++)
		for (int i = 1; i < (argc > 1 ? argc : 2); i++)
			if (argc == 1 || !strcmp(argv[i], figure[f].name))
				figure[f].draw(&s);
	fclose(csv);
	uebpf_env_free(env);
	return 0;
}
