/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verdicts_kernel_test.c - small programs at the assembler level, each with the verdict that it must get under the
 * kernel's policy, and this kernel's own (BPF_PROG_LOAD, where it can be asked) beside it.
 *
 * tests/verifier/verdicts.data holds the cases:
 *   == what it is about
 *   type
 *   instructions, one a line
 *   => accept | refuse | we accept: why the kernel does not
 * Maps: map(0) array 4 -> 64 bytes, map(1) hash 8 -> 48, map(2) ring buffer, map(3) array of one that programs may only
 * read, map(4) program array, map(5) user ring buffer, map(6) queue, map(7) per-CPU array, map(8) sockmap. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "helpers/helpers.h"
#include "loader/loader.h"
#include "tests/util/run.h"
#include "verifier/verifier.h"

static const struct { uint32_t type, key, value, n, flags; } row[] = {
	{ BPF_MAP_TYPE_ARRAY, 4, 64, 4, 0 }, { BPF_MAP_TYPE_HASH, 8, 48, 16, 0 },
	{ BPF_MAP_TYPE_RINGBUF, 0, 0, 65536, 0 }, { BPF_MAP_TYPE_ARRAY, 4, 16, 1, BPF_F_RDONLY_PROG },
	{ BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0 }, { BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 4096, 0 },
	{ BPF_MAP_TYPE_QUEUE, 0, 8, 4, 0 }, { BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16, 4, 0 },
	{ BPF_MAP_TYPE_SOCKMAP, 4, 4, 4, 0 },
};
enum { NR_MAPS = sizeof row / sizeof row[0], MAX_CASES = 600, LINE = 300 };
/* What a type of cgroup programs is loaded for. */
static const struct { const char *type; enum bpf_attach_type at; } attach[] = {
	{ "cgroup_sock", BPF_CGROUP_INET_SOCK_CREATE }, { "sock_ops", BPF_CGROUP_SOCK_OPS }, { "sk_msg", BPF_SK_MSG_VERDICT },
	{ "cgroup_sock_addr", BPF_CGROUP_INET4_CONNECT }, { "cgroup_sockopt", BPF_CGROUP_GETSOCKOPT },
	{ "sk_lookup", BPF_SK_LOOKUP },
};

struct verdict_case {
	char *title, *type, *insn, *verdict;
};
static struct verdict_case cases[MAX_CASES];
static int nr_cases;
static struct uebpf_env *env;
static struct uebpf_map *maps[NR_MAPS];
static struct helper_table helpers = { .builtin = true };
static bool have_kernel = true;
static unsigned asked, accepted;

static void read_cases(const char *path)
{
	FILE *f = fopen(path, "r");
	struct verdict_case *c = NULL;
	char line[LINE];

	if (!f) {
		perror(path);
		exit(1);
	}
	while (fgets(line, sizeof line, f)) {
		size_t had = c && c->insn ? strlen(c->insn) : 0;

		if (!strncmp(line, "== ", 3)) {
			if (nr_cases == MAX_CASES) {
				fprintf(stderr, "%s: more than %d cases\n", path, MAX_CASES);
				exit(1);
			}
			c = &cases[nr_cases++];
			c->title = strndup(line + 3, strcspn(line + 3, "\n"));
		} else if (!c || c->verdict || *line == '\n') {
			continue;
		} else if (!c->type) {
			c->type = strndup(line, strcspn(line, "\n"));
		} else if (!strncmp(line, "=> ", 3)) {
			c->verdict = strndup(line + 3, strcspn(line + 3, "\n"));
		} else {
			c->insn = realloc(c->insn, had + strlen(line) + 1);
			strcpy(c->insn + had, line);
		}
	}
	fclose(f);
}

/* 1 accepted, 0 refused, -1 cannot be asked. */
static int ask_kernel(const struct verdict_case *c, uint32_t type, const void *program, uint32_t n)
{
	struct bpf_insn *slots = malloc(n * sizeof *slots);
	LIBBPF_OPTS(bpf_prog_load_opts, o);
	int fds[NR_MAPS], fd, ret;

	memcpy(slots, program, n * sizeof *slots);
	for (uint32_t i = 0; i < n; i++)	/* the index of a map is one into fd_array for the kernel */
		if (slots[i].code == (BPF_LD | BPF_IMM | BPF_DW)) {
			if (slots[i].src_reg == BPF_PSEUDO_MAP_FD || slots[i].src_reg == BPF_PSEUDO_MAP_VALUE)
				slots[i].src_reg += BPF_PSEUDO_MAP_IDX - BPF_PSEUDO_MAP_FD;
			i++;
		}
	for (unsigned i = 0; i < NR_MAPS; i++) {	/* a program array takes the type of its first user */
		LIBBPF_OPTS(bpf_map_create_opts, mo, .map_flags = row[i].flags);

		fds[i] = bpf_map_create(row[i].type, "m", row[i].key, row[i].value, row[i].n, &mo);
	}
	for (size_t i = 0; i < sizeof attach / sizeof attach[0]; i++)
		if (!strcmp(attach[i].type, c->type))
			o.expected_attach_type = attach[i].at;
	o.fd_array = fds;
	fd = bpf_prog_load((enum bpf_prog_type)type, "case", "GPL", slots, n, &o);
	ret = fd >= 0 ? 1 : fds[0] < 0 || fd == -EPERM ? -1 : 0;
	for (unsigned i = 0; i < NR_MAPS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (fd >= 0)
		close(fd);
	free(slots);
	return ret;
}

static bool ask_us(const struct verdict_case *c, const void *slots, uint32_t n, struct uebpf_error *err)
{
	struct verify_opts opts = { .policy = UEBPF_POLICY_KERNEL };
	struct verify_result res;
	struct code code = { .host = vm_host_of(env), .helpers = &helpers, .gpl = true, .stack_size = 512, .max_frames = 8,
			     .type = prog_type_find(c->type) };
	bool ok = !code_decode(&code, slots, n, NULL, 0, 1 << 20, err);

	if (ok) {
		code.map = calloc(NR_MAPS, sizeof *code.map);
		for (unsigned i = 0; i < NR_MAPS; i++)
			code.map[i] = uebpf_map_ref(maps[i]);
		code.nr_map = NR_MAPS;
		ok = !verify(&code, &opts, &res, err);
		verify_free(&res);
	}
	code_free(&code);
	return ok;
}

START_TEST(each_verdict)
{
	for (int i = 0; i < nr_cases; i++) {
		const struct verdict_case *c = &cases[i];
		bool want = c->verdict && strcmp(c->verdict, "refuse"), more = want && strcmp(c->verdict, "accept");
		const struct prog_type *type = prog_type_find(c->type);
		struct uebpf_error err = { 0 };
		void *slots = NULL;
		uint32_t n;
		int kernel;

		ck_assert_msg(type && c->verdict && c->insn, "%s: the case is not whole", c->title);
		ck_assert_msg(!more || !strncmp(c->verdict, "we accept: ", 11), "%s: verdict %s", c->title, c->verdict);
		ck_assert_msg(!asm_text(c->insn, &slots, &n, &err), "%s: %s", c->title, err.text);
		ck_assert_msg(ask_us(c, slots, n, &err) == want, "%s (%s): %s", c->title, c->type,
			      want ? err.text : "accepted");
		kernel = have_kernel ? ask_kernel(c, type->kernel_type, slots, n) : -1;
		free(slots);
		have_kernel = kernel >= 0;
		if (!have_kernel)
			continue;
		asked++;
		accepted += kernel == 1;
		ck_assert_msg(kernel == (want && !more), "%s (%s): this kernel %s it", c->title, c->type,
			      kernel ? "accepts" : "refuses");
	}
	if (have_kernel)
		printf("  %u programs, of which this kernel accepts %u\n", asked, accepted);
	else
		puts("  skip: the kernel could not be asked (bpf() refused)");
	ck_assert_int_ge(nr_cases, 200);
}
END_TEST

int main(void)
{
	TCase *tc = test_case("verdicts", 60);
	int failed;

	env = uebpf_env_new(NULL);
	for (unsigned i = 0; i < NR_MAPS; i++) {
		struct uebpf_map_opts o = { .size = sizeof o, .name = "m", .type = row[i].type, .key_size = row[i].key,
					    .value_size = row[i].value, .max_entries = row[i].n, .flags = row[i].flags };
		struct uebpf_error err;

		maps[i] = uebpf_map_create(env, &o, &err);
		if (!maps[i])
			return fprintf(stderr, "%s\n", err.text), 1;
	}
	read_cases("tests/verifier/verdicts.data");
	tcase_add_test(tc, each_verdict);
	failed = run_tests();
	for (unsigned i = 0; i < NR_MAPS; i++)
		uebpf_map_unref(maps[i]);
	for (int i = 0; i < nr_cases; i++) {
		free(cases[i].title);
		free(cases[i].type);
		free(cases[i].insn);
		free(cases[i].verdict);
	}
	uebpf_env_free(env);
	return failed;
}
