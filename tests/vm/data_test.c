/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* data_test.c - runs every .data case under tests/ in every arm (tests/util/arms.c).
 *
 * A file holds cases; "-- " begins a directive, the lines after it belong to it.  Lines before the first
 * directive and lines with # in front are comments.
 *   -- case NAME          begins a case (a file with one case may leave it out)
 *   -- asm                program in clang's text form
 *   -- raw                program as slots: 16 hex digits each, in wire order
 *   -- mem                hex bytes: the raw context, or the packet
 *   -- type NAME          raw (default), packet, fields
 *   -- result VALUE       r0
 *   -- mem-after          hex bytes the memory must hold after the run
 *   -- error TEXT         loading fails with a message that contains TEXT
 *   -- pc N               slot of that error, or of the fault
 *   -- fault EFAULT ...   the run ends so in checked arms; the others do not run it
 *   -- status ELOOP ...   the run ends so in every arm
 *   -- steps N            steps charged, in arms that count
 *   -- budget N           steps allowed; only arms that count run the case
 *   -- only checked       trusted arms leave it out
 *   -- skip-kernel WHY    for tests/kernel: the kernel refuses or differs */
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/util/arms.h"
#include "tests/util/run.h"

struct test_case {
	char file[256], name[128];
	int line;
	void *prog;
	uint32_t nr_prog;
	uint8_t mem[4096], after[4096];
	size_t mem_len, after_len;
	const struct prog_type *type;
	bool has_result, has_after, has_pc, has_steps, only_checked, has_asm_error;
	uint64_t result, steps, budget;
	uint32_t pc;
	char error[256], asm_error[512];
	int fault, status;
};

static unsigned ran, failed;
static const char *only_arm, *only_case;	/* argv: parts of names, for looking at a failure */

static void complain(const struct test_case *c, const char *arm, const char *form, ...)
{
	char text[600];
	va_list args;

	va_start(args, form);
	vsnprintf(text, sizeof text, form, args);
	va_end(args);
	fprintf(stderr, "%s:%d: %s [%s]: %s\n", c->file, c->line, c->name, arm, text);
	failed++;
}

/* ---- parsing ---- */

static size_t hex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = 0;
	int half = -1;

	for (; *text; text++) {
		int v;

		if (*text == '#') {
			while (text[1] && text[1] != '\n')
				text++;
			continue;
		}
		if (!isxdigit((unsigned char)*text))
			continue;
		v = isdigit((unsigned char)*text) ? *text - '0' : tolower((unsigned char)*text) - 'a' + 10;
		if (half < 0) {
			half = v;
		} else {
			ck_assert_uint_lt(n, cap);
			out[n++] = (uint8_t)(half << 4 | v);
			half = -1;
		}
	}
	ck_assert_int_eq(half, -1);
	return n;
}

static int errno_value(const char *name)
{
	static const struct { const char *name; int value; } all[] = {
		{ "EFAULT", -EFAULT }, { "ETIME", -ETIME }, { "ECANCELED", -ECANCELED }, { "ELOOP", -ELOOP },
		{ "ENOSYS", -ENOSYS }, { "EINVAL", -EINVAL }, { "EPERM", -EPERM },
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (!strcmp(all[i].name, name))
			return all[i].value;
	ck_abort_msg("unknown errno name %s", name);
	return 0;
}

/* One directive with its argument and the lines that follow. */
static void directive(struct test_case *c, const char *word, const char *arg, const char *body)
{
	struct uebpf_error err;

	if (!strcmp(word, "asm")) {
		if (asm_text(body, &c->prog, &c->nr_prog, &err)) {
			if (!c->asm_error[0])
				snprintf(c->asm_error, sizeof c->asm_error, "%s", err.text);
		}
	} else if (!strcmp(word, "raw")) {
		c->prog = malloc(strlen(body) / 2 + 8);
		c->nr_prog = (uint32_t)hex(body, c->prog, strlen(body) / 2 + 8) / 8;
	} else if (!strcmp(word, "mem")) {
		c->mem_len = hex(body, c->mem, sizeof c->mem);
	} else if (!strcmp(word, "mem-after")) {
		c->after_len = hex(body, c->after, sizeof c->after);
		c->has_after = true;
	} else if (!strcmp(word, "type")) {
		c->type = test_type(arg);
		ck_assert_msg(c->type, "%s:%d: unknown type %s", c->file, c->line, arg);
	} else if (!strcmp(word, "result")) {
		c->has_result = true;
		c->result = arg[0] == '-' ? (uint64_t)strtoll(arg, NULL, 0) : strtoull(arg, NULL, 0);
	} else if (!strcmp(word, "error")) {
		snprintf(c->error, sizeof c->error, "%s", arg);
	} else if (!strcmp(word, "pc")) {
		c->has_pc = true;
		c->pc = (uint32_t)strtoul(arg, NULL, 0);
	} else if (!strcmp(word, "fault")) {
		c->fault = errno_value(arg);
	} else if (!strcmp(word, "status")) {
		c->status = errno_value(arg);
	} else if (!strcmp(word, "steps")) {
		c->has_steps = true;
		c->steps = strtoull(arg, NULL, 0);
	} else if (!strcmp(word, "budget")) {
		c->budget = strtoull(arg, NULL, 0);
	} else if (!strcmp(word, "only")) {
		c->only_checked = !strcmp(arg, "checked");
	} else if (strcmp(word, "skip-kernel")) {
		ck_abort_msg("%s:%d: unknown directive -- %s", c->file, c->line, word);
	}
}

/* ---- running ---- */

static int run_on(const struct test_case *c, const struct arm *arm, const struct code *code, uint8_t *mem,
		  struct uebpf_run *run, uint64_t *r0)
{
	struct uebpf_packet packet = { .size = sizeof packet };
	struct test_fields fields = { .wide = 0x1122334455667788, .small = 0x1234, .cb = { 1, 2, 3, 4 },
				      .text = "hello", .mem = mem, .mem_len = c->mem_len };

	if (c->type == &test_packet) {
		packet.data = packet.head = mem;
		packet.data_end = packet.tail = mem + c->mem_len;
		packet.mark = 0x01020304;
		return arm->run(code, &packet, sizeof packet, run, r0);
	}
	if (c->type == &test_fields)
		return arm->run(code, &fields, sizeof fields, run, r0);
	return arm->run(code, mem, c->mem_len, run, r0);
}

static void check_run(const struct test_case *c, const struct arm *arm, const struct code *code)
{
	struct uebpf_run run = { .size = sizeof run, .budget = arm->metered ? c->budget : 0 };
	int want = c->fault ? c->fault : c->status, ret;
	uint8_t *mem = malloc(c->mem_len + 1);	/* exact bounds for the sanitizer, 16-aligned by malloc */
	uint64_t r0 = 0;

	memcpy(mem, c->mem, c->mem_len);
	ret = run_on(c, arm, code, mem, &run, &r0);
	if (ret != want)
		complain(c, arm->name, "status %d, expected %d (pc %u, address 0x%llx)", ret, want, run.pc,
			 (unsigned long long)run.address);
	else if (c->has_result && r0 != c->result)
		complain(c, arm->name, "r0 = 0x%llx, expected 0x%llx", (unsigned long long)r0,
			 (unsigned long long)c->result);
	if (ret && c->has_pc && run.pc != c->pc)
		complain(c, arm->name, "fault at %u, expected %u", run.pc, c->pc);
	if (c->has_steps && arm->metered && run.steps != c->steps)
		complain(c, arm->name, "%llu steps, expected %llu", (unsigned long long)run.steps,
			 (unsigned long long)c->steps);
	if (c->has_after && (c->after_len != c->mem_len || memcmp(mem, c->after, c->mem_len)))
		complain(c, arm->name, "memory differs after the run");
	free(mem);
	ran++;
}

static void check_case(const struct test_case *c)
{
	if (!c->prog && c->asm_error[0]) {
		if (!c->error[0] || !strstr(c->asm_error, c->error))
			complain(c, "asm", "%s", c->asm_error);
		ran++;
		return;
	}
	for (size_t i = 0;; i++) {
		const struct arm *arm = i < nr_arms ? &arms[i] : rule_arm(2 * (i - nr_arms));
		struct uebpf_error err = { 0 };
		struct code code;
		int ret;

		if (!arm || (i >= nr_arms && c->nr_prog > 2000))
			break;
		if (!arm->checked && (c->only_checked || c->fault))
			continue;
		if (only_arm && !strstr(arm->name, only_arm))
			continue;
		if (!arm->metered && c->budget)
			continue;
		ret = arm_load(arm, &code, c->prog, c->nr_prog, c->type, &err);
		if (ret == -EOPNOTSUPP && !c->error[0]) {
			printf("skip: %s: %s\n", arm->name, err.text);
			continue;
		}
		if (ret) {
			ran++;
			if (!c->error[0] || !strstr(err.text, c->error))
				complain(c, arm->name, "%s", err.text);
			else if (c->has_pc && err.pc != c->pc)
				complain(c, arm->name, "error at %u, expected %u", err.pc, c->pc);
			continue;
		}
		if (c->error[0])
			complain(c, arm->name, "loaded, expected: %s", c->error);
		else
			check_run(c, arm, &code);
		arm_free(arm, &code);
	}
}

static void begin_case(struct test_case *c, const char *file, int line)
{
	memset(c, 0, sizeof *c);
	snprintf(c->file, sizeof c->file, "%s", file);
	snprintf(c->name, sizeof c->name, "%s", strrchr(file, '/') ? strrchr(file, '/') + 1 : file);
	c->line = line;
	c->type = &test_raw;
}

static void end_case(struct test_case *c)
{
	if ((c->nr_prog || c->prog || c->asm_error[0]) && (!only_case || strstr(c->name, only_case))) {
		if (!c->error[0] && !c->has_result && !c->fault && !c->status && !c->has_after)
			complain(c, "-", "the case expects nothing");
		check_case(c);
	}
	free(c->prog);
}

static int run_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static struct test_case c;
	char *text, *line, *next;
	size_t len = strlen(path);
	int number = 0;
	FILE *f;

	(void)ftw;
	if (type != FTW_F || len < 5 || strcmp(path + len - 5, ".data"))
		return 0;
	text = malloc((size_t)st->st_size + 1);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, (size_t)st->st_size, f)] = 0;
	fclose(f);
	begin_case(&c, path, 1);
	for (line = text; line && *line; line = next) {
		char word[32] = "", arg[256] = "";
		char *body, *end;

		number++;
		next = strchr(line, '\n');
		next = next ? next + 1 : line + strlen(line);
		if (strncmp(line, "-- ", 3))
			continue;
		sscanf(line, "-- %31s %255[^\n]", word, arg);
		body = next;
		for (end = body; *end && strncmp(end, "-- ", 3); end = strchr(end, '\n') ? strchr(end, '\n') + 1 :
									    end + strlen(end))
			;
		if (!strcmp(word, "case")) {
			end_case(&c);
			begin_case(&c, path, number);
			snprintf(c.name, sizeof c.name, "%.127s", arg);
			continue;
		}
		char *copy = strndup(body, (size_t)(end - body));

		directive(&c, word, arg, copy);
		free(copy);
	}
	end_case(&c);
	free(text);
	return 0;
}

START_TEST(every_case_in_every_arm)
{
	ck_assert_int_eq(nftw("tests", run_file, 8, FTW_PHYS), 0);
	printf("%u runs of data cases, %u failures\n", ran, failed);
	ck_assert_uint_eq(failed, 0);
	ck_assert_uint_gt(ran, only_arm ? 0 : 100);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *t = test_case("data", 0);

	only_arm = argc > 1 ? argv[1] : NULL;
	only_case = argc > 2 ? argv[2] : NULL;
	tcase_add_test(t, every_case_in_every_arm);
	return run_tests();
}
