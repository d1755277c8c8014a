/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.c - one program on one input: the result, its faults, its outputs; --repeat and --time. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

const char *verdict_name(const struct session *s, uint64_t r0)
{
	return uebpf_prog_verdict(s->prog, r0);
}

void json_fault(const char *key, int status, const struct uebpf_run *run, const struct uebpf_error *err)
{
	json_open(key, '{');
	json_string("text", err->text);
	json_string("code", uebpf_code_name(err->code));
	json_i64("status", status);
	json_u64("pc", run->pc);
	if (status == -EFAULT)
		json_u64("address", run->address);
	json_string("file", err->file);
	json_u64("line", err->line);
	json_close();
}

int tell_fault(struct session *s, int status, const struct uebpf_run *run, struct uebpf_error *err)
{
	memset(err, 0, sizeof *err);
	uebpf_prog_explain(s->prog, status, run, err);
	fflush(stdout);
	if (!*err->text)
		snprintf(err->text, sizeof err->text, "%s: %s", s->path, strerror(-status));
	fprintf(stderr, "%s\n", err->text);
	return err->code ? exit_of(err) : status == -ETIME ? EXIT_BUDGET : EXIT_FAULT;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct timing timing_of(double *samples, size_t n)
{
	struct timing t;

	qsort(samples, n, sizeof *samples, by_value);
	t.min = samples[0];
	t.median = n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
	t.spread = t.median > 0 ? (samples[n * 9 / 10] - samples[n / 10]) / t.median : 0;
	return t;
}

/* Runs `n` times; the time of a sample is that of many runs, since a clock costs more than a program. */
static int repeat(struct session *s, struct input *in, uint64_t n, uint64_t *r0, struct uebpf_run *run,
		  struct timing *t)
{
	enum { SAMPLES = 51 };
	double sample[SAMPLES] = { 0 };
	uint64_t done = 0, samples = n < SAMPLES ? n : SAMPLES;
	bool restore;
	int status = uebpf_prog_run(s->prog, input_ctx(in), input_len(in), run, r0);

	restore = input_changed(in);
	for (uint64_t i = 0; i < samples && !status; i++) {
		uint64_t upto = (n - 1) * (i + 1) / samples, k = upto - done, start = now_ns();

		for (; done < upto && !status; done++) {
			if (restore)
				input_reset(in);
			status = uebpf_prog_run(s->prog, input_ctx(in), input_len(in), run, r0);
		}
		sample[i] = k ? (double)(now_ns() - start) / (double)k : INFINITY;
	}
	if (status)
		return status;
	*t = timing_of(sample, samples);
	if (s->opt->json) {
		json_open("time", '{');
		json_u64("runs", n);
		json_double("min_ns", t->min);
		json_double("median_ns", t->median);
		json_bool("input_restored", restore);
		json_close();
	} else if (s->opt->time && !s->opt->quiet) {
		printf("%llu runs: min %.1f ns, median %.1f ns%s\n", (unsigned long long)n, t->min, t->median,
		       restore ? " (restoring the input that the program changes is in it)" : "");
	}
	return 0;
}

static void tell_result(const struct session *s, struct input *in, uint64_t r0, const struct uebpf_run *run)
{
	const char *name = verdict_name(s, r0);
	struct bytes after = input_frame(in);

	if (s->opt->quiet) {
		printf("%llx\n", (unsigned long long)r0);
		return;
	}
	if (!s->opt->json) {
		printf("r0 = 0x%llx%s%s%s\n", (unsigned long long)r0, name ? " (" : "", name ? name : "",
		       name ? ")" : "");
		return;
	}
	json_u64("r0", r0);
	json_string("verdict", name);
	json_u64("steps", run->steps);
	if (in->kind == UEBPF_CTX_PACKET) {
		json_bytes("packet", after.data, after.len);
		if (in->packet.redirect_kind != UEBPF_REDIRECT_NONE) {
			json_open("redirect", '{');
			json_u64("kind", in->packet.redirect_kind);
			json_u64("target", in->packet.redirect_ifindex);
			json_string("map", in->packet.redirect_map ? uebpf_map_name(in->packet.redirect_map) : NULL);
			json_close();
		}
	} else {
		json_bytes("ctx", after.data, after.len);
	}
}

static void tell_redirect(const struct session *s, const struct input *in)
{
	const struct uebpf_packet *p = &in->packet;

	if (s->opt->json || in->kind != UEBPF_CTX_PACKET || p->redirect_kind == UEBPF_REDIRECT_NONE)
		return;
	if (p->redirect_kind == UEBPF_REDIRECT_MAP && p->redirect_map)
		note("redirected to entry %u of map %s", p->redirect_ifindex, uebpf_map_name(p->redirect_map));
	else
		note("redirected to interface %u", p->redirect_ifindex);
}

static void write_outputs(const struct session *s, struct input *in)
{
	struct bytes after = input_frame(in);

	if (s->opt->packet_out) {
		if (in->kind != UEBPF_CTX_PACKET)
			die(EXIT_USAGE, "--packet-out: a program of type %s has no packet", s->info.type);
		write_all(s->opt->packet_out, after.data, after.len);
	}
	if (s->opt->ctx_out) {
		if (in->kind == UEBPF_CTX_PACKET)
			die(EXIT_USAGE, "--ctx-out: a program of type %s has a packet: --packet-out", s->info.type);
		write_all(s->opt->ctx_out, after.data, after.len);
	}
}

static int compare_with_kernel(struct session *s, struct input *before, struct input *after, uint64_t r0)
{
	const char *why = NULL;
	struct kernel *k = kernel_open(s, false, &why);
	struct kernel_result res;
	uint64_t times = s->opt->repeat ? s->opt->repeat : 1;
	bool same;

	for (uint64_t i = 0; i < times; i++) {
		int r = kernel_run(k, before, 1, &res);

		if (r)
			die(EXIT_KERNEL, "--kernel: BPF_PROG_TEST_RUN: %s%s", strerror(-r), r == -EINVAL &&
			    s->info.ctx_kind == UEBPF_CTX_PACKET && before->first.len < 15 ?
			    " (the kernel takes no packet shorter than an Ethernet header and a byte)" : "");
	}
	if (s->opt->json)
		json_open("kernel", '{');
	same = kernel_same_result(s, &res, after, r0, true);
	same &= kernel_same_maps(k, s);
	if (s->opt->json) {
		json_u64("r0", res.retval);
		json_bool("same", same);
		json_close();
	}
	kernel_close(k);
	return same ? EXIT_RAN : EXIT_DIFFERS;
}

int run_one(struct session *s)
{
	struct uebpf_run run = { .size = sizeof run, .budget = s->opt->budget };
	struct uebpf_error err;
	struct input in = { 0 };
	struct timing t;
	uint64_t r0 = 0;
	int status, code = EXIT_RAN;

	input_from_options(s, &in);
	s->show_perf = !s->opt->repeat;
	if (s->opt->trace)
		status = run_trace(s, &in, &r0, &run);
	else if (s->opt->repeat)
		status = repeat(s, &in, s->opt->repeat, &r0, &run, &t);
	else
		status = uebpf_prog_run(s->prog, input_ctx(&in), input_len(&in), &run, &r0);
	if (status) {
		code = tell_fault(s, status, &run, &err);
		if (s->opt->json)
			json_fault("fault", status, &run, &err);
	} else {
		tell_result(s, &in, r0, &run);
		tell_redirect(s, &in);
		write_outputs(s, &in);
	}
	if (s->opt->kernel && !status)
		code = compare_with_kernel(s, &in, &in, r0);
	else if (s->opt->kernel)
		note("--kernel: not asked: the run here did not end");
	mocks_tell(s);
	maps_push(s);
	maps_dump(s);
	input_free(&in);
	return code;
}
