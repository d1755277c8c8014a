/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* types_kernel_test.c - bpf_snprintf_btf here and in the kernel: one object, the same bytes, the same text, for types
 * of the running kernel drawn by lot and for those that show each form. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#ifdef HAVE_LIBBPF
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#endif
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

#ifdef HAVE_LIBBPF
struct io { uint64_t flags; int64_t length; uint32_t id, size; char data[8192], text[32768]; };

static struct io *theirs, ours;
static struct bpf_object *kernel;
static struct btf *types;
static struct uebpf_env *env;
static struct uebpf_object *obj;
static int prog_fd;

static bool open_kernel(const char *path)
{
	struct bpf_map *bss;

	libbpf_set_print(NULL);
	kernel = bpf_object__open_file(path, NULL);
	types = btf__load_vmlinux_btf();
	if (!kernel || libbpf_get_error(kernel) || bpf_object__load(kernel) || libbpf_get_error(types)) {
		printf("skip: the kernel does not load %s here, or shows no BTF\n", path);
		return false;
	}
	bss = bpf_object__find_map_by_name(kernel, ".bss");
	ck_assert_uint_eq(bpf_map__value_size(bss), sizeof ours);
	theirs = mmap(NULL, (sizeof *theirs + 4095) & ~4095UL, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(bss), 0);
	ck_assert(theirs != MAP_FAILED);
	prog_fd = bpf_program__fd(bpf_object__find_program_by_name(kernel, "show"));
	return true;
}

static bool open_both(const char *path)
{
	struct uebpf_error err;

	if (!open_kernel(path))
		return false;
	env = uebpf_env_new(NULL);
	obj = uebpf_object_open_file(env, path, NULL, &err);
	ck_assert_msg(obj && !uebpf_object_load(obj, NULL, &err), "%s", err.text);
	return true;
}

static void close_both(void)
{
	uebpf_object_free(obj);
	uebpf_env_free(env);
	munmap(theirs, (sizeof *theirs + 4095) & ~4095UL);
	bpf_object__close(kernel);
	btf__free(types);
}

static const char *name_of(uint32_t id) { return btf__name_by_offset(types, btf__type_by_id(types, id)->name_off); }

static const struct btf_type *real_type(uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(types, id);

	while (btf_is_mod(t) || btf_is_typedef(t))
		t = btf__type_by_id(types, t->type);
	return t;
}

/* Linux 6.18 shows the first element of an array of pointers as often as the array is long, and no '['; of an enum it
 * reads four bytes though it has one: ours shows what is there. */
static bool misread(uint32_t id)
{
	const struct btf_type *t = real_type(id);

	if (btf_is_array(t))
		return btf_is_ptr(real_type(btf_array(t)->type)) || misread(btf_array(t)->type);
	if (btf_is_enum(t) && t->size != 4)
		return true;
	for (int i = 0; btf_is_composite(t) && i < btf_vlen(t); i++)
		if (misread(btf_members(t)[i].type))
			return true;
	return false;
}

/* Arrays inside an array's elements, of which Linux names some and others not. */
static bool nested(uint32_t id, bool inside)
{
	const struct btf_type *t = real_type(id);

	if (btf_is_array(t))
		return inside || nested(btf_array(t)->type, true);
	for (int i = 0; btf_is_composite(t) && i < btf_vlen(t); i++)
		if (nested(btf_members(t)[i].type, inside))
			return true;
	return false;
}

/* Linux 6.18 dies of a variable or section (a NULL pointer in btf_var_show), so only these are asked for. */
static bool is_value(uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(types, id);

	return btf_is_int(t) || btf_is_ptr(t) || btf_is_array(t) || btf_is_composite(t) || btf_is_any_enum(t) ||
	       btf_is_typedef(t) || (btf_is_mod(t) && is_value(t->type));
}

/* The same question to both. */
static void ask(uint32_t id, uint64_t flags, uint32_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	uint64_t args[12] = { 0 };
	uint32_t zero = 0;
	size_t at = 0;
	bool same;

	ours.id = id;
	ours.flags = flags;
	ours.size = size;
	ours.length = 0;
	memset(ours.text, '*', sizeof ours.text);
	memcpy(theirs, &ours, sizeof ours);
	ck_assert_int_eq(bpf_prog_test_run_opts(prog_fd, &opts), 0);
	ck_assert_int_eq(uebpf_map_update(uebpf_object_map(obj, ".bss"), &zero, &ours, 0), 0);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, "show"), args, sizeof args, NULL, NULL), 0);
	ck_assert_int_eq(uebpf_map_lookup(uebpf_object_map(obj, ".bss"), &zero, &ours), 0);
	same = ours.length == theirs->length && (ours.length < 0 || !strcmp(ours.text, theirs->text));
	while (!same && at < sizeof ours.text && ours.text[at] == theirs->text[at])
		at++;
	at = at < 40 ? 0 : at - 40;
	ck_assert_msg(same, "type %u %s, flags %llu, size %u: kernel %lld\n%.200s\nhere %lld\n%.200s", id,
		      id < btf__type_cnt(types) ? name_of(id) : "", (unsigned long long)flags, size,
		      (long long)theirs->length, theirs->text + at, (long long)ours.length, ours.text + at);
}

START_TEST(types_by_lot)
{
	enum { HARD = 10000 };
	static uint32_t hard[HARD];
	const char *more = getenv("SOAK"), *seed = getenv("SEED");
	unsigned n = more && *more != '0' ? 200000 : 2000, texts = 0, nr_hard = 0;

	OBJECT(path, "type_text.bpf.c", "-O2 -g -mcpu=v3");
	if (!open_both(path))
		return;
	srandom(seed && *seed ? (unsigned)atoi(seed) : 7);
	for (uint32_t id = 1; id < btf__type_cnt(types) && nr_hard < HARD; id++)
		if (is_value(id) && nested(id, false) && !misread(id) && btf__resolve_size(types, id) <= (int)sizeof ours.data)
			hard[nr_hard++] = id;
	for (unsigned i = 0; i < n; i++) {
		uint32_t id = i % 4 || !nr_hard ? 1 + (uint32_t)random() % (btf__type_cnt(types) - 1) :
						  hard[(uint32_t)random() % nr_hard];
		unsigned sparse = (unsigned)random() % 8;

		if (!is_value(id) || btf__resolve_size(types, id) > (int)sizeof ours.data || misread(id))
			continue;
		for (size_t k = 0; k < sizeof ours.data; k++) {
			unsigned r = (unsigned)random();

			ours.data[k] = (char)(r % 8 < sparse ? 0 : r >> 8);
		}
		ask(id, (uint64_t)(random() & 15) | BTF_F_PTR_RAW, random() % 8 ? sizeof ours.text : 1 + (uint32_t)random() % 100);
		texts += ours.length > 0;
	}
	ck_assert_uint_gt(texts, n / 8);
	printf("%u types with arrays inside the elements of arrays\n", nr_hard);
	close_both();
}
END_TEST

START_TEST(what_is_refused)
{
	OBJECT(path, "type_text.bpf.c", "-O2 -g -mcpu=v3");
	if (!open_both(path))
		return;
	ask(0, BTF_F_PTR_RAW, 100);
	ask(btf__type_cnt(types) + 1000000, BTF_F_PTR_RAW, 100);
	ask(1, 16, 100);
	ask(1, (uint64_t)1 << 40, 100);
	close_both();
}
END_TEST
#endif

int main(void)
{
	TCase *t = test_case("text of types", 300);

#ifdef HAVE_LIBBPF
	tcase_add_test(t, types_by_lot);
	tcase_add_test(t, what_is_refused);
#else
	(void)t;
	printf("skip: without libbpf nothing asks the kernel\n");
#endif
	return run_tests();
}
