/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench.c - --bench: the user's own program and input in each engine and mode, and in the kernel when it lets
 * us, in one table.  Samples of the arms are taken in turn, so that a busy moment hits all of them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

enum { ROUNDS = 21, MAX_INPUTS = 4096, SAMPLE_NS = 4000000, CALIBRATE_NS = 1000000 };
struct arm {
	const char *name;
	uint32_t engine, mode;
	struct session s;		/* an object of its own: maps are not shared between arms */
	struct kernel *kernel;
	const char *absent;		/* why it has no row of figures */
	bool idle;			/* nothing to compare with: no row */
	char why[sizeof ((struct uebpf_error *)0)->text];
	uint64_t passes;		/* over all inputs, per sample */
	uint64_t first_r0;
	bool faulted;			/* its runs do not end well */
	bool one;			/* a sample is one input again and again, as the kernel's */
	double sample[ROUNDS];
	struct timing t;
	uint64_t load_ns;
};
struct bench { struct arm *arm; size_t nr_arms; struct input *in; size_t nr_inputs; bool restore; };

static const char *refuse(struct arm *a, const char *why)
{
	size_t place = strcspn(why, " ");

	/* "prog.o:xdp/drop: " is the same in every row */
	if (place && why[place - 1] == ':' && why[place])
		why += place + 1;
	snprintf(a->why, sizeof a->why, "%s", why);
	return a->absent = a->why;
}

static bool arm_open(const struct session *base, struct arm *a)
{
	struct uebpf_load_opts opts;
	struct uebpf_error err = { 0 };
	uint64_t start;

	if ((a->engine == UEBPF_ENGINE_JIT && !has_feature("jit")) ||
	    (a->mode == UEBPF_MODE_VERIFIED && !has_feature("verifier")))
		return refuse(a, "not in this build"), false;
	a->s = *base;
	a->s.compiled = NULL;
	a->s.obj = session_object(&a->s, &err);
	if (!a->s.obj)
		return refuse(a, err.text), false;
	maps_resize(&a->s);
	maps_bind(&a->s, a->s.obj);
	maps_set_globals(&a->s);
	opts = session_load_opts(&a->s);
	opts.engine = a->engine;
	opts.mode = a->mode;
	start = now_ns();
	if (load_program(&a->s, &opts, &err))
		return refuse(a, err.text), false;
	a->load_ns = now_ns() - start;
	uebpf_prog_info(a->s.prog, &a->s.info);
	if (a->s.info.engine != a->engine || a->s.info.mode != a->mode)
		return refuse(a, "this program does not run so here"), false;
	maps_init(&a->s);
	return true;
}

static void refuse_run(struct arm *a, int status, const struct uebpf_run *run)
{
	struct uebpf_error err = { 0 };

	uebpf_prog_explain(a->s.prog, status, run, &err);
	refuse(a, err.text);
}

/* As many runs as there are inputs, from one on, by steps of 1 or all of that one; false: a run did not end, and the
 * arm is out. */
static bool pass(struct bench *b, struct arm *a, struct input *from, size_t step)
{
	struct uebpf_run run = { .size = sizeof run, .budget = a->s.opt->budget };
	uint64_t r0;

	for (size_t i = 0; i < b->nr_inputs; i++) {
		struct input *in = from + i * step;
		int status;

		if (b->restore)
			input_reset(in);
		status = uebpf_prog_run(a->s.prog, input_ctx(in), input_len(in), &run, &r0);
		if (status) {
			refuse_run(a, status, &run);
			return false;
		}
	}
	return true;
}

static struct input *round_input(struct bench *b, int round)
{
	return &b->in[(size_t)round * b->nr_inputs / ROUNDS];
}

/* A call costs the kernel milliseconds when it repeats (it waits for its readers), so that a sample is one
 * input run many times; the rounds go through inputs from the whole set. */
static double kernel_sample(struct bench *b, struct arm *a, int round)
{
	struct input *in = round_input(b, round);
	struct kernel_result res;

	input_reset(in);
	if (kernel_run(a->kernel, in, (uint32_t)a->passes, &res)) {
		refuse(a, "BPF_PROG_TEST_RUN failed");
		return 0;
	}
	return (double)res.ns;
}

static void take_sample(struct bench *b, struct arm *a, int round)
{
	uint64_t start;

	if (a->kernel) {
		a->sample[round] = kernel_sample(b, a, round);
		return;
	}
	start = now_ns();
	for (uint64_t p = 0; p < a->passes; p++)
		if (!pass(b, a, a->one ? round_input(b, round) : b->in, !a->one))
			return;
	a->sample[round] = (double)(now_ns() - start) / (double)(a->passes * b->nr_inputs);
}

/* First run: result for the comparison of arms, and whether inputs must be restored between runs. */
static void first_run(struct bench *b, struct arm *a)
{
	struct uebpf_run run = { .size = sizeof run, .budget = a->s.opt->budget };
	uint64_t start, took;

	for (size_t i = 0; i < b->nr_inputs && !a->absent; i++) {
		struct input *in = &b->in[i];
		uint64_t r0 = 0;
		int status;

		input_reset(in);
		status = uebpf_prog_run(a->s.prog, input_ctx(in), input_len(in), &run, &r0);
		if (status) {
			refuse_run(a, status, &run);
			a->faulted = true;
			return;
		}
		b->restore |= input_changed(in);
		input_reset(in);
		if (!i)
			a->first_r0 = r0;
	}
	start = now_ns();
	a->passes = 0;
	do {
		if (a->absent || !pass(b, a, b->in, !a->one))
			return;
		a->passes++;
		took = now_ns() - start;
	} while (took < CALIBRATE_NS);
	a->passes = a->s.opt->repeat ? a->s.opt->repeat : 1 + a->passes * SAMPLE_NS / (took + 1);
}

static void kernel_first(struct bench *b, struct arm *a, struct session *s)
{
	const char *why = NULL;
	struct kernel_result res;
	uint64_t repeat = s->opt->repeat ? s->opt->repeat : 20000;

	if (b->restore) {
		refuse(a, "the program changes its packet, and the kernel does not restore it between runs");
		return;
	}
	a->s = *s;
	a->kernel = kernel_open(s, true, &why);
	if (!a->kernel) {
		refuse(a, why);
		return;
	}
	if (!kernel_times(a->kernel)) {
		refuse(a, "BPF_PROG_TEST_RUN runs programs of this type once and does not time them");
		return;
	}
	a->load_ns = kernel_load_ns(a->kernel);	/* its verifier and JIT are in this */
	a->s.info.verify_ns = a->s.info.compile_ns = 0;
	a->s.info.code_bytes = kernel_code_bytes(a->kernel);
	a->passes = repeat > 1000000 ? 1000000 : repeat;
	if (kernel_run(a->kernel, &b->in[0], 1, &res)) {
		refuse(a, "BPF_PROG_TEST_RUN does not take this input");
		return;
	}
	a->first_r0 = res.retval;
}

static void row_text(const struct arm *a, double best)
{
	if (a->absent) {
		printf("%-23s %s\n", a->name, a->absent);
		return;
	}
	printf("%-23s %10.1f %10.1f %7.1f %% %7.2f %10.1f %10.1f %10.1f %8zu\n", a->name, a->t.median, a->t.min,
	       100 * a->t.spread, a->t.median / best, (double)a->load_ns / 1000, (double)a->s.info.verify_ns / 1000,
	       (double)a->s.info.compile_ns / 1000, a->s.info.code_bytes);
}

static void row_csv(const struct arm *a, double best)
{
	if (a->absent) {
		printf("%s,,,,,,,,,\"", a->name);
		for (const char *p = a->absent; *p; p++)
			printf(*p == '"' ? "\"\"" : *p == '\n' ? " " : "%c", *p);
		printf("\"\n");
		return;
	}
	printf("%s,%.2f,%.2f,%.4f,%.3f,%.2f,%.2f,%.2f,%zu,\n", a->name, a->t.median, a->t.min, a->t.spread,
	       a->t.median / best, (double)a->load_ns / 1000, (double)a->s.info.verify_ns / 1000,
	       (double)a->s.info.compile_ns / 1000, a->s.info.code_bytes);
}

static void row_json(const struct arm *a, double best)
{
	json_open(NULL, '{');
	json_string("arm", a->name);
	json_string("absent", a->absent);
	if (!a->absent) {
		json_double("median_ns", a->t.median);
		json_double("min_ns", a->t.min);
		json_double("spread", a->t.spread);
		json_double("ratio", a->t.median / best);
		json_double("load_us", (double)a->load_ns / 1000);
		json_double("verify_us", (double)a->s.info.verify_ns / 1000);
		json_double("compile_us", (double)a->s.info.compile_ns / 1000);
		json_u64("code_bytes", a->s.info.code_bytes);
	}
	json_close();
}

static void tell(const struct session *s, struct bench *b, double best)
{
	bool json = s->opt->json || s->opt->format == FORMAT_JSON;

	if (json && !s->opt->json)
		json_open(NULL, '{');
	if (json) {
		json_u64("inputs", b->nr_inputs);
		json_bool("input_restored", b->restore);
		json_double("open_us", (double)s->open_ns / 1000);
		json_open("bench", '[');
	} else if (s->opt->format == FORMAT_CSV) {
		puts("arm,median_ns,min_ns,spread,ratio,load_us,verify_us,compile_us,code_bytes,absent");
	} else {
		printf("%zu input%s, %d interleaved samples per arm, times of one run; object opened in %.1f us\n",
		       b->nr_inputs, b->nr_inputs == 1 ? "" : "s", ROUNDS, (double)s->open_ns / 1000);
		if (b->nr_inputs > 1)
			puts(b->arm[b->nr_arms - 1].absent ? "each sample goes through all inputs" :
			     "each sample goes through all inputs; of the kernel and \"one input\" it is one of them, again "
			     "and again (branches learn it)");
		if (b->restore)
			puts("the program changes its input: restoring it before each run is in every figure");
		printf("%-23s %10s %10s %9s %7s %10s %10s %10s %8s\n", "engine, mode", "median ns", "min ns",
		       "spread", "ratio", "load us", "verify us", "compile us", "code B");
	}
	for (size_t i = 0; i < b->nr_arms; i++)
		if (!b->arm[i].idle)
			(json ? row_json : s->opt->format == FORMAT_CSV ? row_csv : row_text)(&b->arm[i], best);
	if (json)
		json_close();
}

int run_bench(struct session *s)
{
	struct arm arms[] = {
		{ .name = "interp checked", .engine = UEBPF_ENGINE_INTERP, .mode = UEBPF_MODE_CHECKED },
		{ .name = "interp verified", .engine = UEBPF_ENGINE_INTERP, .mode = UEBPF_MODE_VERIFIED },
		{ .name = "interp trusted", .engine = UEBPF_ENGINE_INTERP, .mode = UEBPF_MODE_TRUSTED },
		{ .name = "jit checked", .engine = UEBPF_ENGINE_JIT, .mode = UEBPF_MODE_CHECKED },
		{ .name = "jit verified", .engine = UEBPF_ENGINE_JIT, .mode = UEBPF_MODE_VERIFIED },
		{ .name = "jit trusted", .engine = UEBPF_ENGINE_JIT, .mode = UEBPF_MODE_TRUSTED },
		{ .name = "jit verified one input", .engine = UEBPF_ENGINE_JIT, .mode = UEBPF_MODE_VERIFIED, .one = true },
		{ .name = "kernel" },
	};
	struct bench b = { .arm = arms, .nr_arms = sizeof arms / sizeof arms[0] };
	struct arm *kernel = &arms[b.nr_arms - 1], *reference = NULL;
	double best = 0;

	b.nr_inputs = collect_inputs(s, &b.in, MAX_INPUTS);
	for (struct arm *a = arms; a < kernel; a++) {
		/* Nothing is checked there: what faults when it is checked would end this process. */
		if (a->mode == UEBPF_MODE_TRUSTED && arms[0].faulted)
			refuse(a, "not tried: the checked run does not end well");
		else if (arm_open(s, a))
			first_run(&b, a);
	}
	kernel_first(&b, kernel, s);
	if (kernel->absent || b.nr_inputs == 1) {
		kernel[-1].idle = true;
		kernel[-1].absent = "";
	}
	for (int r = 0; r < ROUNDS; r++)
		for (size_t i = 0; i < b.nr_arms; i++) {
			struct arm *a = &arms[(i + (size_t)r) % b.nr_arms];

			if (!a->absent)
				take_sample(&b, a, r);
		}
	for (struct arm *a = arms; a <= kernel; a++) {
		if (a->absent)
			continue;
		a->t = timing_of(a->sample, ROUNDS);
		if (!best || a->t.median < best)
			best = a->t.median;
		if (!reference)
			reference = a;
		if ((uint32_t)a->first_r0 != (uint32_t)reference->first_r0)
			note("%s returned 0x%" PRIx64 " for the first input, %s 0x%" PRIx64, a->name, a->first_r0,
			     reference->name, reference->first_r0);
	}
	tell(s, &b, best);
	for (struct arm *a = arms; a < kernel; a++)
		if (a->s.obj && a->s.obj != s->obj)
			uebpf_object_free(a->s.obj);
	if (kernel->kernel)
		kernel_close(kernel->kernel);
	for (size_t i = 0; i < b.nr_inputs; i++)
		input_free(&b.in[i]);
	free(b.in);
	return EXIT_RAN;
}
