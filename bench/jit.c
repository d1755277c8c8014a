/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* jit.c - what the table of bench programs does not show of the compiler: a helper call, a local call,
 * batches over a million records, compile time.  The native side is build/bench/jit_native.c, which
 * part_jit.sh writes from the same numbers; batches come at 16 placements of both sides.
 *
 * A call's cost is the slope between programs with 1 and with 33 of them (beyond about 60 the
 * processor loses track of the returns, natively too).  Samples of both sides take
 * turns; reported are medians with the 95 % interval by ranks.  Raw samples go to jit.csv. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench/jit_batch.h"
#include "include/uebpf.h"
#include "jit/jit.h"
#include "vm/rewrite/rewrite.h"

enum { SAMPLES = 101, FEW = 1, MANY = 33, RECORDS = 1000000, RECORD = 64 };
static FILE *csv;

uint64_t native_helper(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
uint64_t native_helper_1(void *ctx, size_t len, void *host), native_helper_33(void *ctx, size_t len, void *host);
uint64_t native_local_1(void *ctx, size_t len, void *host), native_local_33(void *ctx, size_t len, void *host);

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct figure { double mid, lo, hi; };

static struct figure figure(double *v, int n)
{
	int d = (int)(0.98 * sqrt(n));

	qsort(v, (size_t)n, sizeof *v, by_value);
	return (struct figure){ v[n / 2], v[n / 2 - d], v[n / 2 + d] };
}

static void row(const char *what, const char *unit, double *native, double *ours, int n)
{
	for (int i = 0; i < n; i++)
		fprintf(csv, "%s,native,%d,%.4f\n%s,ours,%d,%.4f\n", what, i, native[i], what, i, ours[i]);
	struct figure a = figure(native, n), b = figure(ours, n);

	printf("| %s | %.2f [%.2f, %.2f] | %.2f [%.2f, %.2f] | %s | %.2f x, %+.2f |\n", what, a.mid, a.lo, a.hi, b.mid,
	       b.lo, b.hi, unit, b.mid / a.mid, b.mid - a.mid);
}

static const struct uebpf_prog *load(struct uebpf_env *env, const char *text, uint32_t mode)
{
	struct uebpf_open_opts o = { .size = sizeof o, .type = "raw" };
	struct uebpf_load_opts l = { .size = sizeof l, .mode = mode, .engine = UEBPF_ENGINE_JIT };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_text(env, text, &o, &err);

	if (!obj || uebpf_object_load(obj, &l, &err)) {
		fprintf(stderr, "bench: %s\n", err.text);
		exit(1);
	}
	return uebpf_object_prog(obj, NULL);
}

/* native_helper's body with a host helper's arguments, built by the same compiler (part_jit.sh). */
uint64_t host_helper(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct uebpf_call *call);

static double time_entry(uebpf_entry volatile entry)
{
	enum { RUNS = 20000 };
	double t = now();

	for (int i = 0; i < RUNS; i++)
		entry(NULL, 0, NULL);
	return (now() - t) / RUNS;
}

static void calls(struct uebpf_env *env, const char *what, const char *one, const char *tail, uebpf_entry few,
		  uebpf_entry many)
{
	static double native[SAMPLES], ours[SAMPLES];
	uebpf_entry entry[2];

	for (int k = 0; k < 2; k++) {
		char text[16384] = "r6 = 0\n";

		for (int i = 0; i < (k ? MANY : FEW); i++)
			strcat(text, one);
		strcat(text, "r0 = r6\nexit\n");
		strcat(text, tail);
		entry[k] = uebpf_prog_entry(load(env, text, UEBPF_MODE_TRUSTED));
	}
	if (!entry[0] || entry[0](NULL, 0, NULL) != few(NULL, 0, NULL) || entry[1](NULL, 0, NULL) != many(NULL, 0, NULL)) {
		fprintf(stderr, "bench: %s: results differ\n", what);
		exit(1);
	}
	for (int i = 0; i < SAMPLES; i++) {
		double a = time_entry(few), b = time_entry(entry[0]), c = time_entry(many), d = time_entry(entry[1]);

		native[i] = (c - a) / (MANY - FEW);
		ours[i] = (d - b) / (MANY - FEW);
	}
	row(what, "ns a call", native, ours, SAMPLES);
}

/* Predicate i of the filters: a field that never has that value. */
static uint32_t predicate(int i) { return 1000u + 7u * (uint32_t)i + (uint32_t)(i * i); }

static double a_record(double from) { return (now() - from) / RECORDS; }

static uint64_t sum_of(const uint64_t *results)
{
	uint64_t sum = 0;

	for (int i = 0; i < RECORDS; i++)
		sum += results[i];
	return sum;
}

/* Every round at another placement of both sides: earlier programs stay where they are. */
static void batch(struct uebpf_env *env, int predicates, native_loop *const *native, native_loop *const *by_pointer,
		  const uint8_t *base, uint64_t *results)
{
	enum { ROUNDS = 3 * PLACES };
	static double a[ROUNDS], b[ROUNDS], c[ROUNDS], d[ROUNDS];
	struct uebpf_record *record = malloc(RECORDS * sizeof *record);
	char text[8192] = "", what[64], *p = text;
	const struct uebpf_prog *prog[PLACES];
	size_t at;

	p += sprintf(p, "r0 = 0\nif r2 < 64 goto out\n");
	for (int i = 0; i < predicates; i++)
		p += sprintf(p, "r3 = *(u32 *)(r1 + %d)\nif r3 == %u goto out\n", i % 16 * 4, predicate(i));
	sprintf(p, "r0 = 1\nout: exit\n");
	for (int k = 0; k < PLACES; k++)
		prog[k] = load(env, text, UEBPF_MODE_VERIFIED);
	for (int i = 0; i < RECORDS; i++)
		record[i] = (struct uebpf_record){ (void *)(uintptr_t)(base + (size_t)i * RECORD), RECORD };
	for (int k = -1; k < ROUNDS; k++) {	/* the first is for warmth, its times are overwritten */
		int place = (k + PLACES) % PLACES, to = k < 0 ? 0 : k;
		uint64_t sum;
		double from = now();

		native[place](base, RECORDS, results);
		a[to] = a_record(from);
		sum = sum_of(results);
		from = now();
		if (uebpf_prog_run_batch(prog[place], (void *)(uintptr_t)base, RECORD, RECORDS, results, &at))
			exit(1);
		b[to] = a_record(from);
		if (!sum || sum_of(results) != sum)
			exit(fprintf(stderr, "bench: batch of %d predicates: results differ\n", predicates));
		from = now();
		if (uebpf_prog_run_records(prog[place], record, RECORDS, results, &at))
			exit(1);
		c[to] = a_record(from);
		if (sum_of(results) != sum)
			exit(fprintf(stderr, "bench: records of %d predicates: results differ\n", predicates));
		from = now();
		by_pointer[place](record, RECORDS, results);
		d[to] = a_record(from);
	}
	snprintf(what, sizeof what, "batch, %d predicates, by stride", predicates);
	row(what, "ns a record", a, b, ROUNDS);
	snprintf(what, sizeof what, "batch, %d predicates, by pointer", predicates);
	row(what, "ns a record", d, c, ROUNDS);
	free(record);
}

/* ---- compile time ---- */

static const struct prog_type raw = { .name = "raw", .flags = TYPE_RAW };
static const struct helper_table none;

/* Arithmetic, loads, stores and branches as compilers mix them; n instructions. */
static uint32_t mixed(uint8_t *slots, uint32_t n)
{
	uint32_t at = 0;

	raw_store(slots + 8 * at++, (struct raw_insn){ .code = 0xb7, .dst = 0 });
	while (at + 6 < n) {
		int16_t off = (int16_t)(at * 4 % 480);
		int32_t limit = (int32_t)at + 4;	/* another one each time */

		raw_store(slots + 8 * at++, (struct raw_insn){ .code = 0x61, .dst = 3, .src = 1, .off = off });
		raw_store(slots + 8 * at++, (struct raw_insn){ .code = 0x57, .dst = 3, .imm = 0xff0f });
		raw_store(slots + 8 * at++, (struct raw_insn){ .code = 0x0f, .dst = 0, .src = 3 });
		raw_store(slots + 8 * at++, (struct raw_insn){ .code = 0x25, .dst = 3, .off = 1, .imm = limit });
		raw_store(slots + 8 * at++, (struct raw_insn){ .code = 0x27, .dst = 0, .imm = 33 });
	}
	while (at + 1 < n)
		raw_store(slots + 8 * at++, (struct raw_insn){ .code = 0x07, .dst = 0, .imm = 3 });
	raw_store(slots + 8 * at++, (struct raw_insn){ .code = 0x95 });
	return at;
}

/* checked: 0 verified or trusted code, 1 checked, 2 checked and compiled once more without tests (tame.c) */
static struct figure compile(uint32_t n, uint32_t cpu, struct jit_pages *pages, int checked)
{
	enum { ROUNDS = 1001 };
	static double t[ROUNDS];
	uint8_t *slots = calloc(n, 8);
	struct uebpf_error err;

	for (int i = 0; i < ROUNDS; i++) {
		struct code code = { .type = &raw, .helpers = &none, .checked = checked, .metered = checked }, *source = NULL;
		struct jit_opts o = { .pages = pages, .cpu = cpu };
		double from;

		if (code_decode(&code, slots, mixed(slots, n), NULL, 0, 1000000, &err) || code_prepare(&code, &err))
			exit(fprintf(stderr, "bench: %s\n", err.text));
		o.source = source = checked == 2 ? code_copy(&code) : NULL;
		from = now();
		if (rewrite_code(&code, NULL, NULL) || jit_compile(&code, &o, &err))
			exit(1);
		t[i] = now() - from;
		fprintf(csv, "compile %u%s,ours,%d,%.1f\n", n, (const char *[]){ "", " checked", " checked twice" }[checked], i, t[i]);
		if (source)
			code_free(source);
		free(source);
		jit_free(&code);
		code_free(&code);
	}
	free(slots);
	return figure(t, ROUNDS);
}

int main(void)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct jit_pages *pages = jit_pages_new(NULL);
	_Alignas(64) static uint8_t base[RECORDS * RECORD];
	static uint64_t results[RECORDS];
	struct figure small, large;
	struct uebpf_error err;
	uint32_t cpu;
	int id;

	csv = fopen("build/bench/jit.csv", "w");
	if (!csv || !env || !jit_arch())
		return fprintf(stderr, "bench: no JIT, memory or build/bench\n"), 1;
	fprintf(csv, "what,side,sample,value\n");
	id = uebpf_env_add_helper(env, 0, "five", "u64 (scalar, scalar, scalar, scalar, scalar)", host_helper, NULL, &err);
	if (id <= 0)
		return fprintf(stderr, "bench: %s\n", err.text), 1;
	printf("| what | native | ours | unit | ours / native, difference |\n|---|---|---|---|---|\n");
	char one[160];

	snprintf(one, sizeof one, "r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\ncall %d\nr6 += r0\n", id);
	calls(env, "helper call, five arguments", one, "", native_helper_1, native_helper_33);
	calls(env, "local call", "r1 = r6\ncall f\nr6 = r0\n", "f: r0 = r1\nr0 *= 3\nr0 += 1\nexit\n", native_local_1,
	      native_local_33);
	for (size_t i = 0; i < (size_t)RECORDS * RECORD / 4; i++)
		((uint32_t *)base)[i] = (uint32_t)(i * 2654435761u >> 23);
	memset(results, 1, RECORDS * sizeof *results);
	batch(env, 1, native_batch_1, native_records_1, base, results);
	batch(env, 10, native_batch_10, native_records_10, base, results);
	batch(env, 50, native_batch_50, native_records_50, base, results);
	jit_cpu_detect(NULL, &cpu);
	small = compile(15, cpu, pages, 0);
	large = compile(150, cpu, pages, 0);
	printf("\n| rewriting and compiling | us | 95 %% interval |\n|---|---|---|\n");
	printf("| 15 instructions | %.2f | [%.2f, %.2f] |\n", small.mid / 1e3, small.lo / 1e3, small.hi / 1e3);
	printf("| 150 instructions | %.2f | [%.2f, %.2f] |\n", large.mid / 1e3, large.lo / 1e3, large.hi / 1e3);
	for (int checked = 1; checked < 3; checked++) {
		struct figure f = compile(150, cpu, pages, checked);

		printf("| 150 instructions, checked%s | %.2f | [%.2f, %.2f] |\n",
		       checked == 2 ? ", and once more for runs that need no test" : "", f.mid / 1e3, f.lo / 1e3, f.hi / 1e3);
	}
	printf("\nCompile: %.0f ns per further instruction, fixed %.1f us; %.0f ns per instruction at 150.\n",
	       (large.mid - small.mid) / 135, (small.mid - (large.mid - small.mid) / 9) / 1e3, large.mid / 150);
	fclose(csv);
	return 0;
}
