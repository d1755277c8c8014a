/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* agree_test.c - our verdicts against this kernel's, program by program, over tests/corpus.
 *
 * Compiles the corpus with clang, loads each program alone through libbpf (BPF_PROG_LOAD) and through
 * our loader with the kernel's policy.  Programs named bad_ are unsafe whoever says otherwise; those
 * named form_ are refused by the kernel's policy alone.  Of the programs that the kernel accepts we
 * must accept 97 %; none that it refuses as unsafe may be accepted.  Where bpf() or clang are not to be
 * had the names decide alone, or the test says that it is skipped.
 *   agree_test [object.o ...]    other objects: only the table of differences */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <check.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "tests/util/run.h"

static int nr_files;
static char **files;
static unsigned both, neither, ours_only, kernel_only, wrong_name, known_bad, programs, refused_here;
static bool have_kernel = true;

/* Where the verdicts differ, and why.  Each row has to be true; a difference without a row fails. */
static const struct difference { const char *name; bool kernel, ours; const char *why; } differences[] = {
	{ "diff_percpu_key", true, false, "a per-CPU value: our slot table may be full, then there is none" },
	{ "diff_kept_key", true, false, "an array's key lies on the host's stack: it is gone when the callback returns" },
	{ "diff_packet_to_global", true, false, "packet memory handed to a function that moves the packet" },
	{ "diff_long_loop", false, true, "ten million rounds: proven by induction, not walked" },
	{ "diff_packet_part", false, true, "what was proven from a pointer holds further on, less the way there" },
	{ "diff_packet_loop", false, true, "a state machine over the packet: one summary instead of 1,024 rounds" },
};
enum { NR_DIFFERENCES = sizeof differences / sizeof differences[0] };
static bool met[NR_DIFFERENCES];
static unsigned unexplained;

static void explain(const char *name, bool kernel, bool ours)
{
	for (int i = 0; i < NR_DIFFERENCES; i++)
		if (!strcmp(differences[i].name, name) && differences[i].kernel == kernel &&
		    differences[i].ours == ours) {
			met[i] = true;
			return;
		}
	unexplained++;
}

static int no_print(enum libbpf_print_level level, const char *text, va_list ap)
{
	(void)level;
	(void)text;
	(void)ap;
	return 0;
}

/* 1 accepted, 0 refused, -1 cannot be asked. */
static int ask_kernel(const char *file, const char *name, char *log, size_t cap)
{
	struct bpf_object *obj = bpf_object__open_file(file, NULL);
	struct bpf_program *p, *it;
	int rc;

	if (!have_kernel || !obj || libbpf_get_error(obj))
		return -1;
	p = bpf_object__find_program_by_name(obj, name);
	bpf_object__for_each_program(it, obj)
		bpf_program__set_autoload(it, it == p);
	if (!p) {
		bpf_object__close(obj);
		return -1;
	}
	*log = 0;
	bpf_program__set_log_buf(p, log, cap);
	bpf_program__set_log_level(p, 1);
	rc = bpf_object__load(obj);
	bpf_object__close(obj);
	return rc == -EPERM ? -1 : rc == 0;
}

static void last_line(const char *log, char *out, size_t cap)
{
	const char *line = "", *p = log;

	while (p && *p) {
		const char *end = strchr(p, '\n');

		if (strncmp(p, "processed", 9) && strncmp(p, "verification", 12) && end != p && strncmp(p, "stack", 5))
			line = p;
		p = end ? end + 1 : NULL;
	}
	snprintf(out, cap, "%.*s", (int)strcspn(line, "\n"), line);
}

static int ask_us(struct uebpf_object *obj, const char *name, struct uebpf_error *err)
{
	const struct uebpf_prog *p = uebpf_object_prog(obj, name);

	memset(err, 0, sizeof *err);
	if (!p)
		return -1;
	if (!uebpf_prog_error(p, err))
		return 1;
	return err->stage == UEBPF_STAGE_VERIFY ? 0 : -1;
}

static void one(const char *file, struct uebpf_object *obj, const char *name, bool corpus)
{
	static char log[1 << 20];
	struct uebpf_error err;
	char reason[300];
	int us = ask_us(obj, name, &err), kernel = ask_kernel(file, name, log, sizeof log);
	bool bad = !strncmp(name, "bad_", 4), form = !strncmp(name, "form_", 5), differs = !strncmp(name, "diff_", 5);

	programs++;
	if (us < 0) {
		refused_here++;
		return;
	}
	if (corpus && !differs && us == (bad || form)) {
		printf("  %s: %s by us: %s\n", name, us ? "ACCEPTED" : "refused", err.text);
		wrong_name++;
	}
	if (kernel < 0)
		return;
	both += us && kernel;
	neither += !us && !kernel;
	if (us == kernel)
		return;
	last_line(log, reason, sizeof reason);
	ours_only += us;
	kernel_only += kernel;
	known_bad += us && bad;
	explain(name, kernel, us);
	printf("  %-28s kernel %s, we %s: %s\n", name, kernel ? "accepts" : "refuses", us ? "accept" : "refuse",
	       us ? reason : err.text);
}

static void object(const char *file, bool corpus)
{
	struct uebpf_env_opts eo = { .size = sizeof eo, .mode = UEBPF_MODE_VERIFIED, .policy = UEBPF_POLICY_KERNEL,
				     .engine = UEBPF_ENGINE_INTERP };
	struct uebpf_env *env = uebpf_env_new(&eo);
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_file(env, file, NULL, &err);
	const struct uebpf_prog *p = NULL;

	if (!obj) {
		printf("  %s: %s\n", file, err.text);
		ck_assert(!corpus);
	} else {
		uebpf_object_load(obj, NULL, &err);
		while ((p = uebpf_object_next_prog(obj, p)))
			one(file, obj, uebpf_prog_name(p), corpus);
	}
	uebpf_object_free(obj);
	uebpf_env_free(env);
}

static void totals(void)
{
	printf("  %u programs: both accept %u, both refuse %u, kernel alone accepts %u, we alone accept %u, "
	       "not offered here %u\n", programs, both, neither, kernel_only, ours_only, refused_here);
}

START_TEST(corpus)
{
	glob_t g;
	char line[1000], out[400];

	if (system("clang --version >/dev/null 2>&1")) {
		puts("skip: no clang");
		return;
	}
	ck_assert(!glob("tests/corpus/*.bpf.c", 0, NULL, &g));
	for (size_t i = 0; i < g.gl_pathc; i++) {
		snprintf(out, sizeof out, "/tmp/uebpf-corpus-%d-%zu.o", (int)getpid(), i);
		snprintf(line, sizeof line, "clang --target=bpf -mcpu=v3 -O2 -g -Wno-everything -c %s -o %s",
			 g.gl_pathv[i], out);
		ck_assert_msg(!system(line), "%s", line);
		object(out, true);
		unlink(out);
	}
	globfree(&g);
	totals();
	ck_assert_uint_ge(programs, 300);
	ck_assert_msg(!wrong_name, "%u programs have another verdict than their name says", wrong_name);
	ck_assert_msg(!known_bad, "%u unsafe programs are accepted", known_bad);
	if (both + kernel_only) {
		ck_assert_msg(!unexplained, "%u differences have no row in the table", unexplained);
		for (int i = 0; i < NR_DIFFERENCES; i++)
			ck_assert_msg(met[i], "%s: no longer a difference (%s)", differences[i].name,
				      differences[i].why);
	}
	if (both + kernel_only)
		ck_assert_msg(both * 100 >= 97 * (both + kernel_only), "agreement below 97 %%");
	else
		puts("  skip: the kernel could not be asked (bpf() refused)");
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tc = test_case("agreement", 600);

	libbpf_set_print(no_print);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	nr_files = argc - 1;
	files = argv + 1;
	if (nr_files) {
		for (int i = 0; i < nr_files; i++)
			object(files[i], false);
		totals();
		return 0;
	}
	tcase_add_test(tc, corpus);
	return run_tests();
}
