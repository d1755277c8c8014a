/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hostile_test.c - objects that are cut, patched or made by other tools: an error or a right result,
 * never a crash (run under ASan and UBSan by make check).  Names follow what broke elsewhere. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "helpers/helpers.h"
#include "loader/loader.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

static struct bytes obj;	/* the object under test; may be changed */
static struct elf_image *image;
static struct uebpf_error err;

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t get32(const uint8_t *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }
static uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }
static void put(uint8_t *p, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> i * 8);
}

/* Fields of a section header. */
enum { SH_NAME = 0, SH_TYPE = 4, SH_OFFSET = 24, SH_SIZE = 32, SH_LINK = 40, SH_INFO = 44, SH_ENTSIZE = 56 };

static uint8_t *header(unsigned int i) { return obj.data + get64(obj.data + 0x28) + i * 64; }
static unsigned int sections(void) { return get16(obj.data + 0x3c); }
static uint8_t *content(const uint8_t *h) { return obj.data + get64(h + SH_OFFSET); }

static uint8_t *section(const char *name)
{
	const char *names = (const char *)content(header(get16(obj.data + 0x3e)));

	for (unsigned int i = 1; i < sections(); i++)
		if (!strcmp(names + get32(header(i) + SH_NAME), name))
			return header(i);
	ck_abort_msg("no section %s", name);
	return NULL;
}

static uint8_t *symbol(const char *name)
{
	uint8_t *h = section(".symtab"), *p = content(h);
	const char *names = (const char *)content(header(get32(h + SH_LINK)));

	for (uint64_t n = get64(h + SH_SIZE) / 24; n--; p += 24)
		if (!strcmp(names + get32(p), name))
			return p;
	ck_abort_msg("no symbol %s", name);
	return NULL;
}

static bool take(const char *source, const char *flags)
{
	const char *path = compile(NULL, source, flags);

	if (path)
		obj = slurp(path);
	return path != NULL;
}

static void drop(void)
{
	elf_close(image);
	image = NULL;
	free(obj.data);
	obj.data = NULL;
}

static int try_open(void)
{
	struct elf_params params = { .name = "hostile.o", .btf = "tests/objects/none" };

	memset(&err, 0, sizeof(err));
	return elf_open(obj.data, obj.len, &params, &image, &err);
}

/* Opening must fail so. */
static void fails(uint32_t code, const char *words)
{
	ck_assert_int_lt(try_open(), 0);
	ck_assert_ptr_null(image);
	ck_assert_msg(err.code == code && strstr(err.text, words), "code %u: %s", err.code, err.text);
	drop();
}

static void opens(void)
{
	ck_assert_msg(!try_open(), "%s", err.text);
}

static int link_one(const char *name, struct linked *out)
{
	for (uint32_t i = 0; i < image->nr_progs; i++)
		if (!strcmp(image->progs[i].name, name))
			return elf_link_program(image, i, out, &err);
	ck_abort_msg("no program %s", name);
	return 0;
}

/* ---- headers and sections ---- */

START_TEST(truncated_section_headers)
{
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	obj.len = get64(obj.data + 0x28) + 100;
	fails(UEBPF_E_MALFORMED, "malformed ELF");
}
END_TEST

START_TEST(every_truncation)
{
	struct bytes whole;

	if (!take("data.bpf.c", "-O2 -g"))
		return;
	whole = obj;
	for (size_t n = 0; n < whole.len; n += n < 256 ? 1 : 61) {
		obj.data = malloc(n ? n : 1);	/* its own block: ASan sees a read past the end */
		memcpy(obj.data, whole.data, n);
		obj.len = n;
		ck_assert_msg(try_open() < 0, "opened with %zu bytes of %zu", n, whole.len);
		free(obj.data);
	}
	obj = whole;
	drop();
}
END_TEST

START_TEST(function_past_its_section)
{
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(symbol("calls_first") + 16, 1 << 20, 8);
	fails(UEBPF_E_MALFORMED, "the function lies outside its section");
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(symbol("calls_first") + 8, UINT64_MAX - 7, 8);	/* value + size wraps */
	fails(UEBPF_E_MALFORMED, "the function lies outside its section");
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(symbol("calls_first") + 8, 4, 8);
	fails(UEBPF_E_MALFORMED, "8-byte slots");
}
END_TEST

START_TEST(section_numbers_out_of_range)
{
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(section(".relraw") + SH_INFO, 5000, 4);
	fails(UEBPF_E_MALFORMED, "a section that does not exist");
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(section(".relraw") + SH_LINK, 5000, 4);
	fails(UEBPF_E_MALFORMED, "bad relocation table");
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(section(".symtab") + SH_LINK, 5000, 4);
	fails(UEBPF_E_MALFORMED, "bad symbol table");
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(symbol("calls_first") + 6, 0xf000, 2);
	fails(UEBPF_E_MALFORMED, "section that does not exist");
}
END_TEST

START_TEST(unterminated_names)
{
	uint8_t *h;

	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	h = section(".strtab");
	content(h)[get64(h + SH_SIZE) - 1] = 'x';
	ck_assert_int_lt(try_open(), 0);
	drop();
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(symbol("calls_first"), 1 << 30, 4);
	fails(UEBPF_E_MALFORMED, "a symbol's name is not terminated");
}
END_TEST

/* A message or a list that prints them must not move the cursor of a terminal. */
START_TEST(names_with_control_characters)
{
	uint32_t name;

	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	memcpy(&name, symbol("calls_first"), 4);
	content(section(".strtab"))[name + 2] = '\n';
	fails(UEBPF_E_MALFORMED, "or no text");
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	memcpy(&name, section(".text"), 4);
	content(section(".strtab"))[name] = 27;
	fails(UEBPF_E_MALFORMED, "its name lies outside the name table");
}
END_TEST

START_TEST(section_bytes_outside_the_file)
{
	if (!take("data.bpf.c", "-O2 -g"))
		return;
	put(section(".rodata") + SH_SIZE, 1ull << 40, 8);
	fails(UEBPF_E_MALFORMED, "its bytes lie outside the file");
	if (!take("data.bpf.c", "-O2 -g"))
		return;
	put(section(".bss") + SH_SIZE, 1ull << 40, 8);		/* NOBITS: no bytes, but too many */
	fails(UEBPF_E_LIMIT, "limit of 1 GiB");
}
END_TEST

START_TEST(overlapping_sections_and_trailing_bytes)
{
	struct linked linked;

	if (!take("data.bpf.c", "-O2 -g"))
		return;
	put(section(".data") + SH_OFFSET, get64(section(".rodata") + SH_OFFSET), 8);
	obj.data = realloc(obj.data, obj.len + 1000);
	memset(obj.data + obj.len, 0xee, 1000);
	obj.len += 1000;
	opens();
	ck_assert_int_eq(link_one("sum_settings", &linked), 0);
	link_free(&linked);
	drop();
}
END_TEST

START_TEST(stripped_of_symbols)
{
	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(section(".symtab") + SH_TYPE, 1, 4);
	fails(UEBPF_E_MALFORMED, "stripped");
}
END_TEST

START_TEST(more_than_32_sections)
{
	if (!take("types.bpf.c", "-O2 -g"))
		return;
	ck_assert_uint_gt(sections(), 32);
	opens();
	ck_assert_uint_eq(image->nr_progs, 31);
	drop();
}
END_TEST

START_TEST(trailing_instruction_bytes)
{
	uint8_t *h;

	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	h = section("raw");
	put(h + SH_SIZE, get64(h + SH_SIZE) + 4, 8);
	fails(UEBPF_E_MALFORMED, "8-byte slots");
}
END_TEST

/* ---- relocations ---- */

/* The relocation entry of section `rel` at instruction offset `off`. */
static uint8_t *reloc_at(const char *rel, uint64_t off)
{
	uint8_t *h = section(rel), *p = content(h);

	for (uint64_t n = get64(h + SH_SIZE) / 16; n--; p += 16)
		if (get64(p) == off)
			return p;
	ck_abort_msg("no relocation at %llu", (unsigned long long)off);
	return NULL;
}

static uint8_t *first_reloc(const char *rel, uint8_t insn_code)
{
	uint8_t *h = section(rel), *p = content(h), *code = content(section(rel + 4));

	for (uint64_t n = get64(h + SH_SIZE) / 16; n--; p += 16)
		if (code[get64(p)] == insn_code)
			return p;
	ck_abort_msg("no such relocation");
	return NULL;
}

START_TEST(call_with_relocation_type_2_of_old_tools)
{
	struct linked linked;
	uint64_t at;

	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	at = get64(symbol("calls_first") + 8);
	put(reloc_at(".relraw", at + 8) + 8, 2, 4);
	opens();
	ck_assert_msg(!link_one("calls_first", &linked), "%s", err.text);
	ck_assert_uint_eq(linked.nr_subs, 2);
	ck_assert_str_eq(linked.subs[1].name, "first_global");
	link_free(&linked);
	drop();
}
END_TEST

static const struct { uint32_t type; uint8_t code; const char *words; } wrong_types[] = {
	{ 2, 0x18, "belongs on a call" }, { 10, 0x18, "belongs on a call" },
	{ 1, 0x85, "belongs on a 64-bit immediate load" }, { 3, 0x85, "does not belong among instructions" },
	{ 4, 0x18, "does not belong among instructions" }, { 99, 0x18, "not known" }, { 99, 0x85, "not known" },
};

START_TEST(relocation_type_in_the_wrong_place)
{
	unsigned int refused = 0;

	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	put(first_reloc(".relraw", wrong_types[_i].code) + 8, wrong_types[_i].type, 4);
	opens();
	for (uint32_t i = 0; i < image->nr_progs; i++) {
		struct linked linked;

		if (elf_link_program(image, i, &linked, &err) && err.code == UEBPF_E_BAD_RELOC) {
			ck_assert_msg(strstr(err.text, wrong_types[_i].words) != NULL, "%s", err.text);
			refused++;
		}
		link_free(&linked);
	}
	ck_assert_uint_ge(refused, 1);
	drop();
}
END_TEST

START_TEST(relocation_on_the_first_instruction)
{
	struct linked linked;
	struct bytes was;

	if (!take("data.bpf.c", "-O2 -g"))
		return;
	was = obj;
	opens();
	for (uint32_t i = 0; i < image->nr_progs; i++) {
		ck_assert_msg(!elf_link_program(image, i, &linked, &err), "%s", err.text);
		if (!strcmp(image->progs[i].name, "of_initialised")) {
			ck_assert_uint_eq(linked.slots[0], 0x18);
			ck_assert_uint_eq(linked.slots[1] >> 4, 6);	/* src: map value */
		}
		link_free(&linked);
	}
	obj = was;
	drop();
}
END_TEST

/* What clang 3.7 and its kin wrote: no machine number, relocations of type 0 with addends. */
START_TEST(object_without_machine_with_addends_and_type_0)
{
	struct linked linked;
	uint8_t *h, *from, *to, *code;
	uint64_t n, at;

	if (!take("functions.bpf.c", "-O2 -g"))
		return;
	h = section(".relraw");
	n = get64(h + SH_SIZE) / 16;
	at = (obj.len + 7) / 8 * 8;
	obj.data = realloc(obj.data, at + n * 24);
	h = section(".relraw");
	from = content(h);
	to = obj.data + at;
	code = content(section("raw"));
	for (uint64_t i = 0; i < n; i++, from += 16, to += 24) {
		uint8_t *insn = code + get64(from);

		memcpy(to, from, 16);
		put(to + 8, 0, 4);
		if (*insn == 0x85) {
			put(to + 16, (uint64_t)((int64_t)(int32_t)get32(insn + 4) + 1) * 8, 8);
			put(insn + 4, UINT32_MAX, 4);
		} else {
			put(to + 16, get32(insn + 4), 8);
			put(insn + 4, 0, 4);
		}
	}
	put(h + SH_TYPE, 4, 4);
	put(h + SH_OFFSET, at, 8);
	put(h + SH_SIZE, n * 24, 8);
	put(h + SH_ENTSIZE, 24, 8);
	obj.len = at + n * 24;
	put(obj.data + 0x12, 0, 2);
	opens();
	ck_assert_msg(!link_one("calls_all", &linked), "%s", err.text);
	ck_assert_uint_eq(linked.nr_subs, 6);
	link_free(&linked);
	ck_assert_msg(!link_one("calls_back", &linked), "%s", err.text);
	ck_assert_uint_eq(linked.nr_subs, 2);
	link_free(&linked);
	drop();
}
END_TEST

/* ---- BTF ---- */

static uint8_t *btf_part(const char *name, uint32_t field)
{
	return content(section(name)) + field;
}

static const struct { const char *what; uint32_t field, value; int size; } bad_btf[] = {
	{ "magic", 0, 0x1234, 2 }, { "version", 2, 9, 1 }, { "header length", 4, 8, 4 },
	{ "header past the end", 4, 1 << 30, 4 }, { "type offset", 8, 1 << 30, 4 },
	{ "type length", 12, 0x7fffffff, 4 }, { "string offset", 16, 1 << 30, 4 },
	{ "string length", 20, 0xffffffff, 4 }, { "no strings", 20, 0, 4 },
};

START_TEST(bad_btf_header)
{
	if (!take("maps.bpf.c", "-O2 -g"))
		return;
	put(btf_part(".BTF", bad_btf[_i].field), bad_btf[_i].value, bad_btf[_i].size);
	fails(UEBPF_E_BAD_BTF, "BTF");
}
END_TEST

START_TEST(btf_cycle_ends)
{
	/* typedef 1 -> const 2 -> typedef 1; struct 3 { 3 } ; array 4 of 4 */
	uint32_t blob[64] = { 0x0001eb9f, 24, 0, 0, 0, 0 };
	uint32_t types[] = { 1, BTF_TYPEDEF << 24, 2, 0, BTF_CONST << 24, 1,
			     1, BTF_STRUCT << 24 | 1, 8, 1, 3, 0, 0, BTF_ARRAY << 24, 0, 4, 1, 2 };
	struct btf *btf;
	char text[100];
	uint8_t data[16] = { 0 };

	memcpy(blob + 6, types, sizeof(types));
	memcpy((char *)(blob + 6) + sizeof(types), "\0a\0", 4);
	blob[3] = sizeof(types);
	blob[4] = sizeof(types);
	blob[5] = 4;
	btf = btf_parse(NULL, blob, 24 + sizeof(types) + 4, "cycle", &err);
	ck_assert_msg(btf != NULL, "%s", err.text);
	ck_assert_uint_eq(btf_skip(btf, 1), 0);
	ck_assert_int_lt(btf_size(btf, 1), 0);
	ck_assert_int_lt(btf_size(btf, 4), 0);
	ck_assert_int_gt(btf_format_value(btf, 3, data, sizeof(data), true, text, sizeof(text)), 0);
	ck_assert_int_lt(btf_parse_value(btf, 3, "{a:{a:{a:1}}}", data, sizeof(data), &err), 0);
	btf_unref(btf);
}
END_TEST

START_TEST(bad_extension_header)
{
	static const struct { uint32_t field, value; } bad[] = {
		{ 0, 0 }, { 4, 8 }, { 4, 1 << 30 }, { 16, 1 << 30 }, { 20, 1 << 30 }, { 24, 1 << 30 }, { 28, 1 << 30 },
	};

	if (!take("core.bpf.c", "-O2 -g"))
		return;
	put(btf_part(".BTF.ext", bad[_i].field), bad[_i].value, 4);
	fails(UEBPF_E_BAD_BTF, ".BTF.ext");
}
END_TEST

/* ---- everything at once ---- */

static uint64_t random_state;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % below;
}

static void open_and_link(const struct bytes *b, const char *target)
{
	struct elf_params params = { .name = "mutant.o", .btf = target };
	struct elf_image *im;

	if (elf_open(b->data, b->len, &params, &im, &err)) {
		ck_assert_uint_ne(err.code, 0);
		ck_assert_int_ne(err.text[0], 0);
		return;
	}
	for (uint32_t i = 0; i < im->nr_progs; i++) {
		struct link_place place;
		struct linked linked;

		if (!elf_link_program(im, i, &linked, &err))
			for (uint32_t k = 0; k < linked.n; k++)
				ck_assert(link_place(&linked, k, &place));
		link_free(&linked);
	}
	elf_close(im);
}

START_TEST(random_damage)
{
	static const char *const sources[] = { "functions.bpf.c", "data.bpf.c", "maps.bpf.c", "core.bpf.c",
					       "legacy.bpf.c", "externs.bpf.c" };
	const char *seed = getenv("SEED"), *soak = getenv("SOAK");
	unsigned int rounds = soak ? 20000 : 250;
	const char *target = compile(NULL, "core_target.c", "-O2 -g");
	struct bytes mutant;

	random_state = seed ? strtoull(seed, NULL, 0) : 0x5eed0000u + (unsigned int)_i;
	if (!target || !take(sources[_i], "-O2 -g"))
		return;
	mutant.data = malloc(obj.len);
	for (unsigned int r = 0; r < rounds; r++) {
		mutant.len = rnd(8) ? obj.len : rnd((uint32_t)obj.len);
		memcpy(mutant.data, obj.data, obj.len);
		for (uint32_t n = 1 + rnd(6); n--;) {
			uint32_t at = rnd(3) ? rnd((uint32_t)obj.len) :
				/* headers and tables are where it matters */
				(uint32_t)get64(obj.data + 0x28) + rnd(sections() * 64);
			static const uint32_t edges[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0xffffffff, 24 };
			uint32_t value = rnd(2) ? edges[rnd(8)] : rnd(UINT32_MAX);

			for (uint32_t k = 0; k < 1u << rnd(3) && at + k < obj.len; k++)
				mutant.data[at + k] = (uint8_t)(value >> k % 4 * 8);
		}
		open_and_link(&mutant, target);
	}
	free(mutant.data);
	drop();
}
END_TEST

int main(void)
{
	TCase *t = test_case("hostile", 600);

	tcase_add_test(t, truncated_section_headers);
	tcase_add_test(t, every_truncation);
	tcase_add_test(t, function_past_its_section);
	tcase_add_test(t, section_numbers_out_of_range);
	tcase_add_test(t, unterminated_names);
	tcase_add_test(t, names_with_control_characters);
	tcase_add_test(t, section_bytes_outside_the_file);
	tcase_add_test(t, overlapping_sections_and_trailing_bytes);
	tcase_add_test(t, stripped_of_symbols);
	tcase_add_test(t, more_than_32_sections);
	tcase_add_test(t, trailing_instruction_bytes);
	tcase_add_test(t, call_with_relocation_type_2_of_old_tools);
	tcase_add_loop_test(t, relocation_type_in_the_wrong_place, 0, sizeof(wrong_types) / sizeof(wrong_types[0]));
	tcase_add_test(t, relocation_on_the_first_instruction);
	tcase_add_test(t, object_without_machine_with_addends_and_type_0);
	tcase_add_loop_test(t, bad_btf_header, 0, sizeof(bad_btf) / sizeof(bad_btf[0]));
	tcase_add_test(t, btf_cycle_ends);
	tcase_add_loop_test(t, bad_extension_header, 0, 7);
	tcase_add_loop_test(t, random_damage, 0, 6);
	return run_tests();
}
