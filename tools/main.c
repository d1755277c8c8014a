/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* main.c - uebpf-run from start to end: what is asked decides who works; and how it ends, with a
 * message and one of the eight exit codes. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tools/tool.h"

struct session session;
static struct options options;

void *need(void *memory)
{
	if (!memory) {
		fputs("uebpf-run: out of memory\n", stderr);
		session_close(&session);
		_exit(EXIT_USAGE);
	}
	return memory;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void finish(int code)
{
	if (json_inside()) {
		json_i64("exit", code);
		json_end();
	}
	out_flush();
	session_close(&session);
	exit(code);
}

/* Closes arrays and inner objects first, so that the error stands at the top of the document. */
static void json_error(const char *text, const struct uebpf_error *err)
{
	if (!options.json)
		return;
	json_end_inner();
	json_open("error", '{');
	json_string("text", text);
	if (err) {
		json_string("code", uebpf_code_name(err->code));
		json_string("stage", uebpf_stage_name(err->stage));
		json_i64("errno", err->err);
		json_string("object", err->object);
		json_string("section", err->section);
		json_string("symbol", err->symbol);
		json_string("file", err->file);
		json_u64("line", err->line);
		if (err->pc != UINT32_MAX)
			json_u64("pc", err->pc);
	}
	json_close();
}

void die(int code, const char *text, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, text);
	vsnprintf(line, sizeof line, text, ap);
	va_end(ap);
	fflush(stdout);
	fprintf(stderr, "uebpf-run: %s\n", line);
	json_error(line, NULL);
	finish(code);
}

void note(const char *text, ...)
{
	va_list ap;

	if (options.quiet)
		return;
	fflush(stdout);
	va_start(ap, text);
	fputs("uebpf-run: ", stderr);
	vfprintf(stderr, text, ap);
	fputc('\n', stderr);
	va_end(ap);
}

int exit_of(const struct uebpf_error *err)
{
	switch (err->code) {
	case UEBPF_OK:
		return EXIT_RAN;
	case UEBPF_E_ARGUMENT: case UEBPF_E_MEMORY: case UEBPF_E_IO: case UEBPF_E_STATE:
	case UEBPF_E_CONTEXT: case UEBPF_E_FIELD: case UEBPF_E_SYNTAX:
		return EXIT_USAGE;
	case UEBPF_E_UNSAFE: case UEBPF_E_FORM: case UEBPF_E_COMPLEX:
		return EXIT_REJECTED;
	case UEBPF_E_FAULT: case UEBPF_E_ABORTED: case UEBPF_E_DEPTH:
		return EXIT_FAULT;
	case UEBPF_E_BUDGET:
		return EXIT_BUDGET;
	default:
		return EXIT_UNSUPPORTED;
	}
}

void die_error(const struct session *s, const struct uebpf_error *err)
{
	const char *log = s->obj ? uebpf_object_log(s->obj) : "";
	int code = exit_of(err);

	fflush(stdout);
	if (*log && code == EXIT_REJECTED) {
		fputs(log, stderr);
		if (log[strlen(log) - 1] != '\n')
			fputc('\n', stderr);
	}
	if (code != EXIT_REJECTED || !strstr(log, err->text))	/* else the log has said it */
		fprintf(stderr, "%s\n", *err->text ? err->text : uebpf_code_name(err->code));
	json_error(err->text, err);
	finish(code);
}

bool has_feature(const char *word)
{
	char all[512], *save = NULL;
	size_t n = strlen(word);

	uebpf_features(all, sizeof all);
	for (char *w = strtok_r(all, " ", &save); w; w = strtok_r(NULL, " ", &save))
		if (!strncmp(w, word, n) && (!w[n] || w[n] == '='))
			return true;
	return false;
}

/* Parts that this build does not have are refused by the option that asks for them. */
static void check_parts(const struct options *o)
{
	char features[512];

	uebpf_features(features, sizeof features);
	if (o->engine == UEBPF_ENGINE_JIT && !has_feature("jit"))
		die(EXIT_UNSUPPORTED, "--engine jit: no JIT here (this build has: %s)", features);
	if ((o->mode == UEBPF_MODE_VERIFIED || o->verify_only) && !has_feature("verifier"))
		die(EXIT_UNSUPPORTED, "%s: no verifier here (this build has: %s)",
		    o->verify_only ? "--verify-only" : "--mode verified", features);
	if ((o->max_states || o->max_ns || o->log_level) && !has_feature("verifier"))
		die(EXIT_UNSUPPORTED, "--log, --max-states, --max-time: no verifier here (this build has: %s)",
		    features);
	if (o->policy == UEBPF_POLICY_KERNEL && !has_feature("verifier"))
		die(EXIT_UNSUPPORTED, "--policy kernel: no verifier here (this build has: %s)", features);
}

/* A trusted program's wild access is this process's own: say so and end with the code of a fault. */
static void on_wild_access(int sig)
{
	static const char text[] = "uebpf-run: the program touched memory that is not there; in trusted mode nothing is "
				   "checked: --mode checked names the instruction\n";

	(void)sig;
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(EXIT_USAGE);
	_exit(EXIT_FAULT);
}

static int act(struct session *s)
{
	const struct options *o = s->opt;

	if (o->map) {
		session_env(s);
		return map_command(s);
	}
	if (o->ctf)
		return run_ctf(s);
	session_open(s);
	if (o->emit)
		return emit_filter(s);
	if (o->list)
		return list_object(s);
	if (o->verify_only)
		return verify_only(s);
	if (o->kernel_object)
		return run_coop(s);
	session_choose(s);
	session_load(s);
	if (o->dump)
		return dump_stages(s);
	if (o->bench)
		return run_bench(s);
	if (o->pcap || o->events)
		return run_stream(s);
	return run_one(s);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);	/* a closed pipe is an error of write(), told like any other */
	session.opt = &options;
	options_parse(&options, argc, argv);
	check_parts(&options);
	if (options.mode == UEBPF_MODE_TRUSTED) {
		signal(SIGSEGV, on_wild_access);
		signal(SIGBUS, on_wild_access);
	}
	if (options.watch)
		json_lines();
	if (options.json)
		json_open(NULL, '{');
	finish(act(&session));
}
