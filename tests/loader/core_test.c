/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* core_test.c - CO-RE: every kind of relocation against a target whose layout is known
 * (tests/objects/core_target.c), poison, bad records; and the same instructions as libbpf makes. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "helpers/helpers.h"
#include "include/uebpf.h"
#include "loader/loader.h"
#include "tests/util/compile.h"
#include "tests/util/object.h"
#include "tests/util/run.h"
#ifdef HAVE_LIBBPF
#include <bpf/libbpf.h>
#endif

static const char *const flags[] = { "-O2 -g -mcpu=v3", "-O2 -g -mcpu=v2", "-O2 -g -mcpu=v4" };
static const char *const compilers[] = { NULL, NULL, "clang-19" };

static bool open_core(int variant)
{
	struct uebpf_open_opts opts = { .size = sizeof(opts) };
	const char *path = compile(compilers[variant], "core.bpf.c", flags[variant]);

	opts.btf = path ? compile(compilers[variant], "core_target.c", "-O2 -g") : NULL;
	if (!opts.btf)
		return false;
	open_with(path, &opts);
	load_in(UEBPF_MODE_CHECKED);
	return true;
}

static int run(const char *name, uint64_t *r0)
{
	uint8_t ctx[256];

	for (unsigned int i = 0; i < sizeof(ctx); i++)
		ctx[i] = (uint8_t)i;
	return status_of(name, ctx, sizeof(ctx), r0);
}

/* Offsets of struct moved in core_target.c: grown 40, shifted 48, x 56, hidden 60, the bit-fields
 * in 64..67, narrow in 68, inside 72 (28 bytes each), pointer 160, shrunk_signed 168, tail 170. */
static const struct { const char *name; uint64_t want; } values[] = {
	{ "off_shifted", 48 },
	{ "off_hidden", 60 },				/* inside anonymous union and struct */
	{ "off_deep", 72 + 2 * 28 + 12 + 3 * 4 },
	{ "off_tail", 170 + 5 },			/* flexible array */
	{ "size_grown", 8 },
	{ "size_inside", 84 },
	{ "exists_hidden", 1 },
	{ "exists_flavour", 1 },
	{ "exists_missing", 0 },
	{ "out_of_bounds", 1 },
	{ "sign", 2 },
	{ "shifts", (64 - 12) << 16 | (64 - 7) << 8 | (64 - 3) },
	{ "bit_place", 64 << 8 | 4 },
	{ "type_exists", 1 | 4 },
	{ "type_size", 16 << 8 | 12 },
	{ "type_ids", 1 },
	{ "missing_size", 0 },
	{ "enum_exists", 1 },
	{ "enum_value", 20 * 100 + 10 },
	{ "enum_big", 0x123456789abcdefull },		/* clang 14 has no 64-bit enums in BTF */
	{ "load_grown", 0x2f2e2d2c2b2a2928ull },	/* an unsigned load grows to 8 bytes */
	{ "load_shifted", 48 },
	{ "load_twin", 4 },
	{ "store_shifted", 7 },
	{ "guarded", 55 },
	{ "neighbour", 1 },
};

START_TEST(value)
{
	int variant = _i / (int)(sizeof(values) / sizeof(values[0]));
	size_t i = (size_t)_i % (sizeof(values) / sizeof(values[0]));
	uint64_t r0 = ~0ull;

	if (!open_core(variant))
		return;
	if (!strcmp(values[i].name, "load_grown")) {
		/* the program's own type is u32: clang keeps the upper half or not */
		ck_assert_int_eq(run("load_grown", &r0), 0);
		ck_assert(r0 == values[i].want || r0 == (uint32_t)values[i].want);
		return;
	}
	ck_assert_msg(!run(values[i].name, &r0), "%s: %s", values[i].name, err.text);
	if (!strcmp(values[i].name, "enum_big") && r0 == 0xffffffff89abcdefull)
		return;
	ck_assert_msg(r0 == values[i].want, "%s: %#llx and not %#llx", values[i].name,
		      (unsigned long long)r0, (unsigned long long)values[i].want);
}
END_TEST

START_TEST(type_matches)
{
	uint64_t r0;

	if (!open_core(2))
		return;
	ck_assert_int_eq(run("type_matches", &r0), 0);
	ck_assert_uint_eq(r0, 1 | 4);
}
END_TEST

static const struct { const char *name, *words; } poisons[] = {
	{ "poisoned", "offset of struct moved.gone (0:3): " },
	{ "poisoned_width", "only pointers and unsigned integers may change" },
	{ "missing_type", "struct missing.field (0:0): " },
	{ "missing_enumval", "value of enum colour::VIOLET (2): " },
};

START_TEST(poisoned_instruction_stops_only_who_reaches_it)
{
	uint64_t r0;

	if (!open_core(0))
		return;
	ck_assert_int_eq(run(poisons[_i].name, &r0), -ENOSYS);
	ck_assert_msg(strstr(err.text, poisons[_i].words) != NULL, "%s", err.text);
	ck_assert_uint_eq(err.code, UEBPF_E_CORE);
	ck_assert_msg(strstr(err.text, "core.bpf.c:") != NULL, "%s", err.text);
}
END_TEST

START_TEST(no_target_blocks_only_who_needs_it)
{
	struct uebpf_open_opts opts = { .size = sizeof(opts), .btf = "tests/objects/no-such-file" };
	struct uebpf_load_opts load = { .size = sizeof(load), .mode = UEBPF_MODE_CHECKED,
					.engine = UEBPF_ENGINE_INTERP };
	const char *path = compile(NULL, "core.bpf.c", flags[0]);
	uint64_t r0;

	if (!path)
		return;
	obj = uebpf_object_open_file(env, path, &opts, &err);
	ck_assert_msg(obj != NULL, "%s", err.text);
	ck_assert_int_eq(uebpf_object_load(obj, &load, &err), 0);
	ck_assert_int_eq(run("neighbour", &r0), 0);
	ck_assert_int_eq(uebpf_prog_error(uebpf_object_prog(obj, "off_shifted"), &err), -ENOENT);
	ck_assert_uint_eq(err.code, UEBPF_E_NO_BTF);
	ck_assert_msg(strstr(err.text, "--btf FILE") != NULL, "%s", err.text);
	ck_assert_msg(strstr(err.text, "raw/off_shifted:core.bpf.c:") != NULL, "%s", err.text);
}
END_TEST

START_TEST(running_kernel_as_target)
{
	struct uebpf_load_opts load = { .size = sizeof(load), .mode = UEBPF_MODE_CHECKED,
					.engine = UEBPF_ENGINE_INTERP };
	const char *path = compile(NULL, "core_kernel.bpf.c", flags[0]);
	FILE *f = fopen("/sys/kernel/btf/vmlinux", "r");
	uint64_t r0;

	if (f)
		fclose(f);
	if (!f || !path) {
		printf("skip: no /sys/kernel/btf/vmlinux or no clang\n");
		return;
	}
	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_msg(obj != NULL, "%s", err.text);
	ck_assert_msg(!uebpf_object_load(obj, &load, &err), "%s", err.text);
	ck_assert_int_eq(run("has_pid", &r0), 0);
	ck_assert_uint_eq(r0, 1);
	ck_assert_int_eq(run("comm_size", &r0), 0);
	ck_assert_uint_eq(r0, 16);
	ck_assert_int_eq(run("tgid_off", &r0), 0);
	ck_assert_uint_gt(r0, 0);
	ck_assert_int_eq(run("map_type", &r0), 0);
	ck_assert_uint_eq(r0, 27);
}
END_TEST

/* ---- the same instructions as libbpf ---- */

#ifdef HAVE_LIBBPF
static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

static bool is_poison(const struct bpf_insn *insn)
{
	return insn->code == 0x85 && (insn->imm == 195896080 || insn->imm == HELPER_POISON);
}

static void compare(struct bpf_object *theirs, struct elf_image *ours, unsigned int *compared)
{
	struct bpf_program *prog;

	for (uint32_t i = 0; i < ours->nr_progs; i++) {
		const struct bpf_insn *want, *got;
		struct linked linked;

		prog = bpf_object__find_program_by_name(theirs, ours->progs[i].name);
		ck_assert_msg(prog != NULL, "%s", ours->progs[i].name);
		ck_assert_msg(!elf_link_program(ours, i, &linked, &err), "%s", err.text);
		want = bpf_program__insns(prog);
		got = (const void *)linked.slots;
		ck_assert_uint_eq(bpf_program__insn_cnt(prog), linked.n);
		for (uint32_t k = 0; k < linked.n; k++)
			ck_assert_msg((is_poison(&want[k]) && is_poison(&got[k])) ||
				      !memcmp(&want[k], &got[k], sizeof(*want)),
				      "%s, slot %u: code %02x off %d imm %d, libbpf has code %02x off %d imm %d",
				      ours->progs[i].name, k, got[k].code, got[k].off, got[k].imm,
				      want[k].code, want[k].off, want[k].imm);
		*compared += linked.n;
		link_free(&linked);
	}
}

START_TEST(same_instructions_as_libbpf)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	const char *path = compile(compilers[_i], "core.bpf.c", flags[_i]);
	const char *btf = path ? compile(compilers[_i], "core_target.c", "-O2 -g") : NULL;
	struct elf_params params = { .name = "core", .btf = btf };
	struct bpf_object *theirs;
	struct bpf_program *prog;
	struct elf_image *ours;
	unsigned int compared = 0;
	struct bytes bytes;
	int ret;

	if (!btf)
		return;
	libbpf_set_print(quiet);
	opts.btf_custom_path = btf;
	theirs = bpf_object__open_file(path, &opts);
	ck_assert(theirs != NULL && !libbpf_get_error(theirs));
	bpf_object__for_each_program(prog, theirs)
		bpf_program__set_type(prog, BPF_PROG_TYPE_SOCKET_FILTER);
	ret = bpf_object__load(theirs);	/* relocates all; the kernel then refuses poisoned programs */
	if (ret == -EPERM) {
		printf("skip: libbpf may not load programs here\n");
		bpf_object__close(theirs);
		return;
	}
	bytes = slurp(path);
	params.helpers = NULL;
	ck_assert_msg(!elf_open(bytes.data, bytes.len, &params, &ours, &err), "%s", err.text);
	compare(theirs, ours, &compared);
	ck_assert_uint_gt(compared, 60);
	elf_close(ours);
	free(bytes.data);
	bpf_object__close(theirs);
}
END_TEST
#endif

int main(void)
{
	TCase *t = test_case("core", 60);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, value, 0, 3 * sizeof(values) / sizeof(values[0]));
	tcase_add_test(t, type_matches);
	tcase_add_loop_test(t, poisoned_instruction_stops_only_who_reaches_it, 0,
			    sizeof(poisons) / sizeof(poisons[0]));
	tcase_add_test(t, no_target_blocks_only_who_needs_it);
	tcase_add_test(t, running_kernel_as_target);
#ifdef HAVE_LIBBPF
	tcase_add_loop_test(t, same_instructions_as_libbpf, 0, 3);
#else
	printf("skip: built without libbpf, nothing to compare with\n");
#endif
	return run_tests();
}
