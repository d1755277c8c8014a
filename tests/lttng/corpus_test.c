/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* corpus_test.c - bytecode that the real `lttng` made and what LTTng-UST decided with it (tests/lttng/corpus,
 * made by capture.sh): every engine and mode, and the LTTng-style interpreter of the benches, decide the
 * same of every record. */
#include <stdio.h>
#include "bench/lttng_vm.c"
#include "tests/lttng/block.h"
#include "tests/lttng/event.c"
#include "tests/lttng/type.h"
#include "tests/util/run.h"

static void pid(void *value) { *(int64_t *)value = 1234; }
static void app(void *value) { *(const char **)value = "app"; }
static const struct lv_context contexts[] = {
	{ "$ctx.vpid", LV_S64, pid }, { "$ctx.vtid", LV_S64, pid }, { "$ctx.procname", LV_STRING, app },
	{ "$ctx.pthread_id", LV_U64, pid }, { "$ctx.cpu_id", LV_S64, pid }, { "$ctx.ip", LV_U64, pid },
	{ "$ctx.vuid", LV_S64, pid },
};
static const struct lv_event described = { lt_fields, contexts, sizeof(lt_fields) / sizeof(*lt_fields), 7 };

static const struct { const char *name; uint32_t mode, engine; } arm[] = {
	{ "verified jit", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_JIT },
	{ "verified interpreter", UEBPF_MODE_VERIFIED, UEBPF_ENGINE_INTERP },
	{ "checked jit", UEBPF_MODE_CHECKED, UEBPF_ENGINE_JIT },
	{ "checked interpreter", UEBPF_MODE_CHECKED, UEBPF_ENGINE_INTERP },
	{ "trusted jit", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_JIT },
	{ "trusted interpreter", UEBPF_MODE_TRUSTED, UEBPF_ENGINE_INTERP },
};
enum { ARMS = sizeof(arm) / sizeof(*arm) };

/* Where LTTng 2.13 is wrong or asks the machine, and we differ: the filters by name, with how many records. */
static const struct { const char *expr; int differ; const char *why; } known[] = {
	{ "seq[3] == 255", 2, "LTTng takes the sequence's length in bits for bytes" },
	{ "seq[4] == 0", 5, "LTTng takes the sequence's length in bits for bytes" },
	{ "seq[1] == 1 || 1", 18, "LTTng takes the sequence's length in bits for bytes" },
	{ "$ctx.ip != 0", 86, "depends on the machine" },
	{ "s8 & 1 && u8", 26, "LTTng does not join bits, unsigned to it, and a signed number" },
	{ "s8 && 5 | 6", 68, "LTTng does not join bits, unsigned to it, and a signed number" },
};

/* LTTng takes an index into a text for a type that does not fit; here it is a number. */
static const char *const indexed[] = { "text[0] == 102", "seq_text[0] == 102" };

/* What nobody means is an error of the expression, with its column. */
static const char *const stricter[] = { "str > \"f*\"", "\"foo\" == \"foo\"", "\"foo\" == \"fo*\"" };

static bool listed(const char *const *list, size_t n, const char *expr)
{
	while (n-- && strcmp(list[n], expr))
		;
	return n != (size_t)-1;
}
#define LISTED(list, expr) listed(list, sizeof(list) / sizeof(*(list)), expr)


struct line { const char *kind, *bits, *expr; uint8_t code[8192]; uint32_t len, reloc; };

static bool next_line(FILE *f, struct line *l)
{
	static char text[32768];
	char *hex, *reloc;

	if (!fgets(text, sizeof(text), f))
		return false;
	l->kind = strtok(text, "\t");
	reloc = strtok(NULL, "\t");
	hex = strtok(NULL, "\t");
	l->bits = strtok(NULL, "\t");
	l->expr = strtok(NULL, "\n");
	l->reloc = (uint32_t)atoi(reloc);
	for (l->len = 0; hex[0] != '-' && hex[2 * l->len]; l->len++) {
		unsigned byte;

		ck_assert_int_eq(sscanf(hex + 2 * l->len, "%2x", &byte), 1);
		l->code[l->len] = (uint8_t)byte;
	}
	return true;
}

static int recorded(const struct line *l, int i)
{
	char digit[2] = { l->bits[i / 4], 0 };

	return (int)(strtol(digit, NULL, 16) >> (3 - i % 4)) & 1;
}

static int may_differ(const struct line *l)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(known[i].expr, l->expr))
			return known[i].differ;
	return 0;
}

static struct uebpf_object *open_line(struct uebpf_env *env, const struct line *l, struct uebpf_error *err)
{
	size_t bytes;
	void *wire = lt_wire(l->code, l->len, l->reloc, &bytes);
	struct uebpf_object *obj = uebpf_object_open_lttng(env, wire, bytes, "lt", NULL, err);

	free(wire);
	return obj;
}

START_TEST(every_engine_decides_as_lttng)
{
	struct uebpf_load_opts how = { .size = sizeof(how), .mode = arm[_i].mode, .engine = arm[_i].engine };
	FILE *f = fopen("tests/lttng/corpus", "r");
	struct uebpf_env *env = lt_env();
	static struct line l;
	int filters = 0, refused = 0;

	ck_assert_msg(f != NULL, "no tests/lttng/corpus here");
	while (next_line(f, &l)) {
		struct uebpf_error err;
		struct uebpf_object *obj;
		int i, differ = 0;

		if (strcmp(l.kind, "filter") || LISTED(indexed, l.expr))
			continue;
		filters++;
		obj = open_line(env, &l, &err);
		if (!obj) {
			ck_assert_msg(strstr(err.text, "offset ") != NULL, "%s: %s", l.expr, err.text);
			refused++;
		} else {
			ck_assert_msg(!uebpf_object_load(obj, &how, &err), "%s, %s: %s", arm[_i].name, l.expr, err.text);
		}
		for (i = 0; i < LT_RECORDS; i++) {
			struct lt_event e = *lt_record((unsigned)i);
			uint64_t r0 = 0;

			if (!e.str)	/* LTTng-UST's macros put "(null)" there before the filter looks */
				continue;
			if (obj)
				ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &e, sizeof(e), NULL, &r0), 0);
			ck_assert_uint_le(r0, 1);
			if ((int)r0 != recorded(&l, i)) {
				differ++;
				ck_assert_msg(may_differ(&l), "%s, %s, record %d: %d, LTTng says %d%s%s", arm[_i].name,
					      l.expr, i, (int)r0, recorded(&l, i), obj ? "" : ": ", obj ? "" : err.text);
			}
		}
		ck_assert_msg(differ == may_differ(&l), "%s, %s: differs in %d records", arm[_i].name, l.expr, differ);
		uebpf_object_free(obj);
	}
	ck_assert_int_gt(filters, 200);
	ck_assert_int_eq(refused, 16);	/* types that do not fit: LTTng takes the filter and records nothing */
	fclose(f);
	uebpf_env_free(env);
}
END_TEST

/* What the filters say, read by the expression parser, is what LTTng's read from them. */
START_TEST(expressions_mean_what_lttng_reads)
{
	FILE *f = fopen("tests/lttng/corpus", "r");
	struct uebpf_env *env = lt_env();
	static struct line l;
	int read = 0, refused = 0, differ = 0;

	ck_assert_ptr_nonnull(f);
	while (next_line(f, &l)) {
		struct uebpf_error err;
		struct uebpf_object *obj;

		if (strcmp(l.kind, "filter") || may_differ(&l))
			continue;
		obj = uebpf_object_open_filter(env, l.expr, "lt", NULL, &err);
		if (obj)
			ck_assert_msg(!uebpf_object_load(obj, NULL, &err), "%s: %s", l.expr, err.text);
		read += obj != NULL;
		refused += !obj;
		for (int i = 0; i < LT_RECORDS; i++) {
			struct lt_event e = *lt_record((unsigned)i);
			uint64_t r0 = 0;

			if (!e.str)
				continue;
			if (obj)
				ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &e, sizeof(e), NULL, &r0), 0);
			if ((int)r0 == recorded(&l, i))
				continue;
			ck_assert_msg(obj ? LISTED(indexed, l.expr) : LISTED(stricter, l.expr), "%s, record %d: %d, LTTng says %d%s%s",
				      l.expr, i, (int)r0, recorded(&l, i), obj ? "" : ": ", obj ? "" : err.text);
			differ += !LISTED(indexed, l.expr);
			break;
		}
		uebpf_object_free(obj);
	}
	ck_assert_int_gt(read, 230);
	ck_assert_int_eq(refused, 27);	/* but for these LTTng records nothing: types that do not fit */
	ck_assert_int_eq(differ, sizeof(stricter) / sizeof(*stricter));
	fclose(f);
	uebpf_env_free(env);
}
END_TEST

START_TEST(the_style_interpreter_decides_as_lttng)
{
	FILE *f = fopen("tests/lttng/corpus", "r");
	static struct line l;

	ck_assert_ptr_nonnull(f);
	while (next_line(f, &l)) {
		const char *why;
		struct lv_filter *filter;
		int differ = 0;

		if (strcmp(l.kind, "filter"))
			continue;
		filter = lv_link(l.code, l.len, l.reloc, &described, &why);
		for (int i = 0; i < LT_RECORDS; i++) {
			const struct lt_event *e = lt_record((unsigned)i);
			struct lt_block block;

			lt_block(e, &block);
			if (e->str && (filter && lv_run(filter, &block) == 1) != recorded(&l, i))
				differ++;
		}
		ck_assert_msg(differ == may_differ(&l), "%s: differs in %d records", l.expr, differ);
		lv_free(filter);
	}
	fclose(f);
}
END_TEST

START_TEST(capture_bytecode_is_refused_by_name)
{
	FILE *f = fopen("tests/lttng/corpus", "r");
	struct uebpf_env *env = lt_env();
	static struct line l;
	int captures = 0;

	ck_assert_ptr_nonnull(f);
	while (next_line(f, &l)) {
		struct uebpf_error err;

		if (strcmp(l.kind, "capture"))
			continue;
		ck_assert_ptr_null(open_line(env, &l, &err));
		ck_assert_msg(strstr(err.text, "capture bytecode") != NULL, "%s: %s", l.expr, err.text);
		ck_assert_int_eq(err.code, UEBPF_E_INSN);
		captures++;
	}
	ck_assert_int_eq(captures, 6);
	fclose(f);
	uebpf_env_free(env);
}
END_TEST

static char warned[512];
static void log_line(void *ctx, enum uebpf_level level, const char *text)
{
	(void)ctx;
	if (level == UEBPF_LOG_WARN)
		snprintf(warned, sizeof(warned), "%s", text);
}

/* LTTng says nothing of a filter on a field that an event lacks; we log it. */
START_TEST(an_unknown_field_rejects_and_is_logged)
{
	static const char code[] = { 59, -1, -1, 65, 1, 0, 0, 0, 0, 0, 0, 0, 12, 1, 0, 0, 'n', 'o', 'n', 'e', 0 };
	struct uebpf_env_opts o = { .size = sizeof(o), .log = log_line };
	static const struct uebpf_field field = { .name = "x", .size = 4 };
	struct uebpf_type_opts type = { .size = sizeof(type), .name = "lt", .ctx_size = 4, .fields = &field, .nr_fields = 1 };
	struct uebpf_env *env = uebpf_env_new(&o);
	struct uebpf_error err;
	struct uebpf_object *obj;
	struct line l = { .len = sizeof(code), .reloc = 14 };
	uint32_t event = 1;
	uint64_t r0 = 7;

	memcpy(l.code, code, sizeof(code));
	ck_assert_int_eq(uebpf_env_add_type(env, &type, NULL), 0);
	obj = open_line(env, &l, &err);
	ck_assert_msg(obj != NULL, "%s", err.text);
	ck_assert_msg(strstr(warned, "none") != NULL, "the log says: %s", warned);
	ck_assert_int_eq(uebpf_object_load(obj, NULL, &err), 0);
	ck_assert_int_eq(uebpf_prog_run(uebpf_object_prog(obj, NULL), &event, sizeof(event), NULL, &r0), 0);
	ck_assert_uint_eq(r0, 0);
	uebpf_object_free(obj);
	uebpf_env_free(env);
}
END_TEST

/* What no `lttng` makes: each is refused with a sentence that says what is wrong. */
START_TEST(malformed_bytecode_is_refused_by_name)
{
#define FIELD 59, 0xff, 0xff			/* needs the relocation that `names` brings */
#define ONE 65, 1, 0, 0, 0, 0, 0, 0, 0
	static const struct { const char *says; uint8_t len; uint8_t code[40]; } bad[] = {
		{ "the end is no return", 0, { 0 } },
		{ "the end is no return", 9, { ONE } },
		{ "no such instruction", 1, { 0 } },
		{ "no such instruction", 1, { 200 } },
		{ "no such instruction", 12, { ONE, 2, 1 } },		/* MUL */
		{ "no such instruction", 4, { 62, 0, 0, 1 } },		/* a load only LTTng's linker makes */
		{ "no such instruction", 2, { 90, 1 } },
		{ "nothing on the stack", 1, { 12 } },
		{ "nothing on the stack", 10, { ONE, 12 } },
		{ "nothing on the stack", 1, { 50 } },
		{ "nothing on the stack", 1, { 69 } },
		{ "nothing on the stack", 3, { 57, 3, 0 } },
		{ "a value to return", 1, { 1 } },
		{ "a value to return", 19, { ONE, ONE, 1 } },
		{ "operand is cut off", 3, { 65, 1, 0 } },
		{ "operand is cut off", 2, { 57, 0 } },
		{ "string without an end", 3, { 64, 'a', 'b' } },
		{ "an escape other than", 6, { 64, 'a', '\\', 'b', 0, 1 } },
		{ "an escape other than", 5, { 64, 'a', '\\', 0, 1 } },
		{ "relocation table names", 4, { FIELD, 1 } },
		{ "does not go forward", 14, { ONE, 57, 0, 0, 1, 1 } },
		{ "does not go forward", 14, { ONE, 57, 9, 0, 1, 1 } },
		{ "does not go forward", 14, { ONE, 57, 200, 0, 1, 1 } },
		{ "middle of an instruction", 22, { ONE, 57, 13, 0, ONE, 1 } },
		{ "different stacks", 13, { ONE, 57, 12, 0, 1 } },
		{ "different stacks", 31, { ONE, 57, 30, 0, ONE, ONE, 1 } },
		{ "nothing else", 23, { ONE, 57, 22, 0, ONE, 1, 1 } },
		{ "a symbol outside", 5, { 81, 82, 50, 0, 1 } },
		{ "an index into nothing", 4, { 84, 0, 0, 1 } },
		{ "an index into nothing", 5, { 81, 84, 0, 0, 1 } },
		{ "loads nothing", 3, { 81, 86, 1 } },
		{ "capture bytecode", 2, { 81, 1 } },
	};
	struct uebpf_env *env = lt_env();
	struct uebpf_error err;
	uint8_t wire[48] = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct line l = { .len = bad[i].len, .reloc = bad[i].len };

		memcpy(l.code, bad[i].code, bad[i].len);
		ck_assert_msg(!open_line(env, &l, &err), "case %zu opens", i);
		ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "case %zu: %s", i, err.text);
		ck_assert_int_eq(err.stage, UEBPF_STAGE_FILTER);
	}
	ck_assert_ptr_null(uebpf_object_open_lttng(env, wire, 47, "lt", NULL, &err));
	ck_assert_msg(strstr(err.text, "no header") != NULL, "%s", err.text);
	wire[4] = 1;
	ck_assert_ptr_null(uebpf_object_open_lttng(env, wire, 48, "lt", NULL, &err));
	ck_assert_ptr_null(uebpf_object_open_lttng(env, wire, 48, "lt", NULL, NULL));
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *t = test_case("lttng corpus", 120);

	tcase_add_loop_test(t, every_engine_decides_as_lttng, 0, ARMS);
	tcase_add_test(t, expressions_mean_what_lttng_reads);
	tcase_add_test(t, the_style_interpreter_decides_as_lttng);
	tcase_add_test(t, capture_bytecode_is_refused_by_name);
	tcase_add_test(t, an_unknown_field_rejects_and_is_logged);
	tcase_add_test(t, malformed_bytecode_is_refused_by_name);
	return run_tests();
}
