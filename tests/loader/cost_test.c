/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cost_test.c - what opening costs: time of objects without CO-RE, each allocation that fails in
 * turn, nothing left behind. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "helpers/helpers.h"
#include "include/uebpf.h"
#include "loader/elf/inner.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

static struct { long live, count, fail_at, bytes; } memory;

static void *alloc(void *ctx, void *old, size_t old_size, size_t new_size)
{
	(void)ctx;
	if (!new_size) {
		memory.bytes -= old ? (long)old_size : 0;
		memory.live -= old != NULL;
		free(old);
		return NULL;
	}
	if (memory.fail_at && ++memory.count >= memory.fail_at)
		return NULL;
	memory.live += old == NULL;
	memory.bytes += (long)new_size - (old ? (long)old_size : 0);
	return realloc(old, new_size);
}

static const char *const sources[] = { "functions.bpf.c", "data.bpf.c", "maps.bpf.c", "held.bpf.c", "core.bpf.c",
				       "externs.bpf.c", "legacy.bpf.c" };

START_TEST(each_allocation_fails_in_turn)
{
	struct uebpf_env_opts eo = { .size = sizeof(eo), .alloc = alloc };
	struct uebpf_load_opts load = { .size = sizeof(load), .mode = UEBPF_MODE_CHECKED,
					.engine = UEBPF_ENGINE_INTERP };
	struct uebpf_open_opts opts = { .size = sizeof(opts), .name = "short.o",
					.kconfig = "tests/objects/kconfig.txt" };
	const char *path = compile(NULL, sources[_i], "-O2 -g -mcpu=v3");
	struct uebpf_env *env;
	struct bytes b;
	long at, done = 0;

	opts.btf = path ? compile(NULL, "core_target.c", "-O2 -g") : NULL;
	if (!opts.btf)
		return;
	b = slurp(path);
	memory.fail_at = 0;
	memory.live = 0;
	env = uebpf_env_new(&eo);
	/* Round 0 does not fail: what the env keeps for all objects is made then. */
	for (at = 0; at < 3000 && !done; at++) {
		struct uebpf_object *obj;
		struct uebpf_error err;
		long live = memory.live;
		int ret;

		memory.count = 0;
		memory.fail_at = at;
		obj = uebpf_object_open_memory(env, b.data, b.len, &opts, &err);
		if (!obj)
			ck_assert_msg(err.code == UEBPF_E_MEMORY, "allocation %ld: %s", at, err.text);
		ret = obj ? uebpf_object_load(obj, &load, &err) : -ENOMEM;
		if (obj && ret)
			ck_assert_msg(err.code == UEBPF_E_MEMORY, "allocation %ld: %s", at, err.text);
		done = at && !ret && memory.count < at;
		memory.fail_at = 0;
		uebpf_object_free(obj);
		ck_assert_msg(!at || memory.live == live, "allocation %ld: %ld blocks left", at, memory.live - live);
	}
	ck_assert_msg(done, "did not load after %ld allocations", at);
	uebpf_env_free(env);
	ck_assert_int_eq(memory.live, 0);
	free(b.data);
}
END_TEST

/* What a program says of itself, of instruction `pc` too. */
static void tell(const struct uebpf_prog *prog, uint32_t pc, char *text, size_t cap)
{
	static const char *const dumps[] = { "insns", "rewrite", "facts" };
	struct uebpf_run run = { .size = sizeof(run), .pc = pc };
	struct uebpf_prog_info info = { .size = sizeof(info) };
	struct uebpf_error err;
	int n, status;

	uebpf_prog_info(prog, &info);
	status = uebpf_prog_error(prog, &err);
	n = snprintf(text, cap, "%s %s %s %s %d %s\n", uebpf_prog_name(prog), info.name, info.section, info.type,
		     status, status ? err.text : "");
	uebpf_prog_explain(prog, -EFAULT, &run, &err);
	n += snprintf(text + n, cap - (size_t)n, "%s|%s|%s|%s|%u|%u|%s\n", err.object, err.section, err.symbol,
		      err.file, err.line, err.column, err.text);
	for (size_t i = 0; i < sizeof(dumps) / sizeof(*dumps); i++) {
		long len;

		ck_assert_int_lt(n, (int)cap - 1);
		len = uebpf_prog_dump(prog, dumps[i], text + n, cap - (size_t)n);
		ck_assert_msg(len < (long)cap - n, "the test's buffer is too small");
		n += len > 0 ? (int)len : 0;
	}
}

/* A host keeps programs by the thousand and frees their objects: neither the file nor its types stay, and
 * a program still tells all that it told before. */
START_TEST(held_program_keeps_little_and_tells_all)
{
	enum { PROGS = 64, TEXT = 1 << 16 };
	static char before[PROGS][TEXT], after[TEXT];
	struct uebpf_env_opts eo = { .size = sizeof(eo), .alloc = alloc };
	struct uebpf_load_opts load = { .size = sizeof(load), .mode = UEBPF_MODE_VERIFIED };
	const char *path = compile(NULL, sources[_i], "-O2 -g -mcpu=v3");
	const struct uebpf_prog *held[PROGS], *prog = NULL;
	struct uebpf_object *obj;
	struct uebpf_error err;
	struct uebpf_env *env;
	long opened, kept, none;
	uint32_t n = 0, lines = 0;
	struct bytes b;

	if (!path)
		return;
	b = slurp(path);
	memset(&memory, 0, sizeof(memory));
	env = uebpf_env_new(&eo);
	obj = uebpf_object_open_memory(env, b.data, b.len, NULL, &err);
	ck_assert_msg(obj != NULL, "%s", err.text);
	uebpf_object_load(obj, &load, &err);	/* some of them are refused */
	while ((prog = uebpf_object_next_prog(obj, prog)) && n < PROGS) {
		held[n] = uebpf_prog_ref(prog);
		tell(prog, 1, before[n++], TEXT);
	}
	ck_assert_uint_gt(n, 0);
	opened = memory.bytes;
	uebpf_object_free(obj);
	kept = memory.bytes;
	for (uint32_t i = 0; i < n; i++) {
		tell(held[i], 1, after, TEXT);
		ck_assert_str_eq(after, before[i]);
		lines += strstr(after, sources[_i]) != NULL;
		/* Verified for any argument: the branch goes both ways. */
		if (!strcmp(sources[_i], "held.bpf.c"))
			ck_assert_msg(strstr(after, "goto") && !strstr(after, "always") && !strstr(after, "dead"),
				      "%s", after);
	}
	ck_assert_uint_gt(lines, 0);
	for (uint32_t i = 0; i < n; i++)
		uebpf_prog_unref(held[i]);
	none = memory.bytes;
	printf("%s, %u programs: %ld bytes with the object's handle, %ld without it, %ld without programs\n",
	       sources[_i], n, opened - none, kept - none, none);
	/* The file was kept once and read into more than its size. */
	ck_assert_int_gt(opened - kept, (long)b.len);
	uebpf_env_free(env);
	ck_assert_int_eq(memory.bytes, 0);
	free(b.data);
}
END_TEST

/* Texts of lines that repeat, lie in one another or are not there at all. */
START_TEST(packed_texts_may_lie_in_one_another)
{
	static const char strings[] = "\0abcdef\0gh\0";	/* at 0, 1, 8 */
	static const char *const text[][2] = { { "abcdef", "cdef" }, { "gh", "" }, { "f", "cdef" }, { "", "h" } };
	uint8_t bytes[24 + sizeof(strings)] = { 0x9f, 0xeb, 1, 0, 24 };
	struct arena scratch = { 0 };
	struct link_line lines[] = { { 0, 1 << 10 | 5, 1, 3 }, { 1, 2 << 10, 8, 0 }, { 2, 3 << 10, 6, 3 },
				     { 3, 4 << 10, UINT32_MAX, 9 } };
	struct link_piece piece = { 0, "main", "xdp" };
	struct sub_def sub = { 0, "main", true };
	struct linked linked = { .slots = (uint8_t[32]){ 0xb7 }, .n = 4, .subs = &sub, .nr_subs = 1, .lines = lines,
				 .nr_lines = 4, .pieces = &piece, .nr_pieces = 1 };
	struct link_place at;
	struct uebpf_error err;
	struct btf *btf;

	put_le32(bytes + 20, sizeof(strings));
	memcpy(bytes + 24, strings, sizeof(strings));
	btf = btf_parse(NULL, bytes, sizeof(bytes), "texts", &err);
	ck_assert_msg(btf != NULL, "%s", err.text);
	ck_assert_int_eq(link_pack(&scratch, btf, &linked), 0);
	btf_unref(btf);
	arena_free(&scratch);
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert(link_place(&linked, i, &at));
		ck_assert_str_eq(at.file, text[i][0]);
		ck_assert_str_eq(at.source, text[i][1]);
		ck_assert_uint_eq(at.line, i + 1);
		ck_assert_uint_eq(at.column, i ? 0 : 5);
		ck_assert_str_eq(at.function, "main");
		ck_assert_str_eq(at.section, "xdp");
	}
	ck_assert_uint_eq(linked.slots[0], 0xb7);
	ck_assert_str_eq(linked.subs[0].name, "main");
	link_free(&linked);
}
END_TEST

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Ten programs, no CO-RE: front end and linking stay far below the millisecond that open to
 * runnable may take.  The limit is loose: this is no bench. */
START_TEST(ten_programs_open_in_well_under_a_millisecond)
{
	const char *path = compile(NULL, "functions.bpf.c", "-O2 -g -mcpu=v3");
	struct elf_params params = { .name = "functions.o" };
	double best = 1e9;
	struct bytes b;

	if (!path)
		return;
	b = slurp(path);
	for (int i = 0; i < 30; i++) {
		double start = now(), took;
		struct elf_image *image;
		struct uebpf_error err;

		ck_assert_int_eq(elf_open(b.data, b.len, &params, &image, &err), 0);
		for (uint32_t k = 0; k < image->nr_progs; k++) {
			struct linked linked;

			elf_link_program(image, k, &linked, &err);
			link_free(&linked);
		}
		took = now() - start;
		elf_close(image);
		best = took < best ? took : best;
	}
	printf("open and link of 10 programs: %.0f us\n", best);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	ck_assert_msg(best < 500, "%.0f us", best);
#endif
	free(b.data);
}
END_TEST

int main(void)
{
	TCase *t = test_case("cost", 120);

	tcase_add_loop_test(t, each_allocation_fails_in_turn, 0, sizeof(sources) / sizeof(sources[0]));
	tcase_add_loop_test(t, held_program_keeps_little_and_tells_all, 0, 4);	/* those without options */
	tcase_add_test(t, packed_texts_may_lie_in_one_another);
	tcase_add_test(t, ten_programs_open_in_well_under_a_millisecond);
	return run_tests();
}
