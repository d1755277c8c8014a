/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text_test.c - text and back on every row, with all registers and boundary immediates; and the same
 * slots through llvm-objdump where it is installed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/util/arms.h"
#include "tests/util/run.h"

static const int32_t imms[] = { 0, 1, -1, 2, 5, 8, -8, 127, 128, -128, 255, 32767, -32768, 65536, INT32_MAX, INT32_MIN };
static const int16_t offs[] = { 0, 1, -1, 8, -8, 127, 128, -128, -129, 32767, -32768 };

#define COUNT(a) (sizeof a / sizeof a[0])

static void round_trip(const struct raw_insn *raw, uint32_t n)
{
	uint8_t slots[16];
	char text[160], line[200];
	struct uebpf_error err;
	uint32_t got;
	void *out;

	for (uint32_t i = 0; i < n; i++)
		raw_store(slots + 8 * i, raw[i]);
	ck_assert_int_eq(raw_text(text, sizeof text, slots, n), (int)n);
	snprintf(line, sizeof line, "%s\n", text);
	memset(&err, 0, sizeof err);
	ck_assert_msg(!asm_text(line, &out, &got, &err), "%s: %s", text, err.text);
	ck_assert_msg(got == n && !memcmp(out, slots, 8 * n), "%s: comes back as other bytes", text);
	free(out);
}

/* Every encoding of a row with these operands; `each` gets the slots. */
static void operands(enum op op, void (*each)(const struct raw_insn *raw, uint32_t n))
{
	uint8_t shape = isa_op[op].shape;
	bool has_off = shape == SHAPE_JCC_K || shape == SHAPE_JCC_X || shape == SHAPE_LOAD || shape == SHAPE_STORE_X ||
		       shape == SHAPE_STORE_K || shape == SHAPE_ATOMIC || op == OP_JA || op == OP_MAY_GOTO;
	bool has_imm = shape == SHAPE_ALU_K || shape == SHAPE_JCC_K || shape == SHAPE_STORE_K || shape == SHAPE_WIDE ||
		       shape == SHAPE_PKT_ABS || shape == SHAPE_PKT_IND || shape == SHAPE_LOCAL || op == OP_JA32 ||
		       op == OP_CALL || op == OP_CALL_KFUNC;
	bool has_dst = shape == SHAPE_ALU_K || shape == SHAPE_ALU_X || shape == SHAPE_UN || shape == SHAPE_JCC_K ||
		       shape == SHAPE_JCC_X || shape == SHAPE_LOAD || shape == SHAPE_STORE_X || shape == SHAPE_STORE_K ||
		       shape == SHAPE_ATOMIC || shape == SHAPE_WIDE || shape == SHAPE_CALLX;
	bool has_src = shape == SHAPE_ALU_X || shape == SHAPE_JCC_X || shape == SHAPE_LOAD || shape == SHAPE_STORE_X ||
		       shape == SHAPE_ATOMIC || shape == SHAPE_PKT_IND;

	for (unsigned dst = 0; dst < (has_dst ? 11 : 1); dst++)
		for (unsigned src = 0; src < (has_src ? 11 : 1); src++)
			for (size_t o = 0; o < (has_off ? COUNT(offs) : 1); o++)
				for (size_t i = 0; i < (has_imm ? COUNT(imms) : 1); i++) {
					struct raw_insn raw[2] = { isa_wire(op), { 0 } };
					bool two = shape == SHAPE_WIDE;

					raw[0].dst = (uint8_t)dst;
					if (has_src)
						raw[0].src = (uint8_t)src;
					if (has_off)
						raw[0].off = offs[o];
					if (has_imm)
						raw[0].imm = imms[i];
					if (two && (op == OP_LDDW || op == OP_LD_MAPVAL || op == OP_LD_MAPVALFD ||
						    op == OP_LD_BTFVAR))
						raw[1].imm = imms[(i * 7 + dst) % COUNT(imms)];
					each(raw, two ? 2 : 1);
				}
}

START_TEST(text_round_trip)
{
	for (int op = 1; op < OP_COUNT; op++)
		if (!(isa_op[op].flags & OPF_INNER))
			operands((enum op)op, round_trip);
}
END_TEST

/* Every row that a wire slot can have decodes to itself. */
START_TEST(every_row_is_found_by_its_wire_form)
{
	for (int op = 1; op < OP_COUNT; op++) {
		if (isa_op[op].flags & OPF_INNER)
			continue;
		ck_assert_msg(isa_find(isa_wire((enum op)op)) == (enum op)op, "%s", isa_name(op, (char[ISA_NAME]){ 0 }));
		ck_assert_int_ne(isa_op[op].shape, SHAPE_BAD);
	}
}
END_TEST

/* ---- llvm ---- */

static FILE *object;
static uint32_t object_slots;
static uint8_t object_bytes[1 << 20];

static void collect(const struct raw_insn *raw, uint32_t n)
{
	if (object_slots + n > sizeof object_bytes / 8)
		return;
	/* A sample: each combination would be a million lines. */
	if ((raw->dst * 7 + raw->src * 3 + (uint16_t)raw->off + (uint32_t)raw->imm) % 13 && raw->dst != 10)
		return;
	for (uint32_t i = 0; i < n; i++)
		raw_store(object_bytes + 8 * object_slots++, raw[i]);
}

/* The smallest ELF object with .text: header, string table, three section headers. */
static void write_object(const char *path)
{
	uint8_t head[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 }, sections[4 * 64] = { 0 };
	static const char names[] = "\0.text\0.shstrtab";
	uint64_t size = object_slots * 8ull, at = 64 + size + sizeof names;

#define PUT(to, where, type, v) do { type x = (type)(v); memcpy((to) + (where), &x, sizeof x); } while (0)
	PUT(head, 16, uint16_t, 1);
	PUT(head, 18, uint16_t, 247);
	PUT(head, 20, uint32_t, 1);
	PUT(head, 40, uint64_t, at);
	PUT(head, 52, uint16_t, 64);
	PUT(head, 58, uint16_t, 64);
	PUT(head, 60, uint16_t, 3);
	PUT(head, 62, uint16_t, 2);
	PUT(sections, 64 + 0, uint32_t, 1);		/* .text */
	PUT(sections, 64 + 4, uint32_t, 1);
	PUT(sections, 64 + 8, uint64_t, 6);
	PUT(sections, 64 + 24, uint64_t, 64);
	PUT(sections, 64 + 32, uint64_t, size);
	PUT(sections, 64 + 48, uint64_t, 8);
	PUT(sections, 128 + 0, uint32_t, 7);		/* .shstrtab */
	PUT(sections, 128 + 4, uint32_t, 3);
	PUT(sections, 128 + 24, uint64_t, 64 + size);
	PUT(sections, 128 + 32, uint64_t, sizeof names);
	object = fopen(path, "wb");
	ck_assert_ptr_nonnull(object);
	fwrite(head, 1, sizeof head, object);
	fwrite(object_bytes, 8, object_slots, object);
	fwrite(names, 1, sizeof names, object);
	fwrite(sections, 1, 3 * 64, object);
	fclose(object);
}

/* LLVM's line without address, bytes and the symbol behind a jump. */
static char *instruction_of(char *line)
{
	char *tab = strrchr(line, '\t'), *end;

	if (!tab)
		return NULL;
	tab++;
	end = strstr(tab, " <.text");
	if (!end)
		end = strchr(tab, '\n');
	if (end)
		*end = 0;
	return tab;
}

static bool llvm_has(int op)
{
	/* LLVM has no text for what only the linker makes, nor for these. */
	return !(isa_op[op].flags & OPF_INNER) && isa_op[op].shape != SHAPE_WIDE && isa_op[op].shape != SHAPE_LOCAL &&
	       op != OP_CALL_KFUNC && isa_op[op].shape != SHAPE_PKT_ABS && isa_op[op].shape != SHAPE_PKT_IND &&
	       !strstr(isa_name(op, (char[ISA_NAME]){ 0 }), "LDACQ") && !strstr(isa_name(op, (char[ISA_NAME]){ 0 }), "STREL") &&
	       op != OP_LE16 && op != OP_LE32 && op != OP_LE64;	/* printed only when targeting big-endian */
}

START_TEST(llvm_writes_the_same)
{
	char path[] = "/tmp/uebpf-text-XXXXXX", command[256], line[512];
	uint32_t at = 0, compared = 0, different = 0;
	int fd = mkstemp(path);
	FILE *pipe;

	ck_assert_int_ge(fd, 0);
	close(fd);
	if (system("llvm-objdump-19 --version >/dev/null 2>&1")) {
		printf("skip: llvm-objdump-19 is not installed\n");
		unlink(path);
		return;
	}
	for (int op = 1; op < OP_COUNT; op++)
		if (llvm_has(op))
			operands((enum op)op, collect);
	for (int op = 1; op < OP_COUNT; op++)
		if (op == OP_LDDW)
			operands((enum op)op, collect);
	write_object(path);
	snprintf(command, sizeof command, "llvm-objdump-19 -d --mcpu=v4 %s 2>&1", path);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	while (fgets(line, sizeof line, pipe)) {
		char *theirs, ours[160];
		unsigned number;
		int used;

		if (sscanf(line, " %u:", &number) != 1 || number != at)
			continue;
		theirs = instruction_of(line);
		used = raw_text(ours, sizeof ours, object_bytes + 8 * at, object_slots - at);
		at += (uint32_t)used;
		if (!theirs || strstr(theirs, "unknown"))
			continue;
		compared++;
		if (strcmp(theirs, ours) && different++ < 10)
			fprintf(stderr, "slot %u: llvm \"%s\", ours \"%s\"\n", number, theirs, ours);
	}
	pclose(pipe);
	unlink(path);
	printf("%u instructions compared with llvm-objdump\n", compared);
	ck_assert_uint_eq(different, 0);
	ck_assert_uint_gt(compared, 1000);
	ck_assert_uint_eq(at, object_slots);
}
END_TEST

/* ---- the assembler's words ---- */

START_TEST(labels_reach_both_ways)
{
	static const char text[] =
		"  // comment\n"
		"start: r0 = 0	# another\n"
		"again:\n"
		"r0 += 1 ; and another\n"
		"if r0 < 3 goto again\n"
		"goto end\n"
		"r0 = 99\n"
		"end: exit\n";
	struct uebpf_error err;
	uint32_t n;
	uint8_t *out;

	ck_assert_int_eq(asm_text(text, (void **)&out, &n, &err), 0);
	ck_assert_uint_eq(n, 6);
	ck_assert_int_eq(raw_load(out + 16).off, -2);
	ck_assert_int_eq(raw_load(out + 24).off, 1);
	free(out);
}
END_TEST

static void assembles_not(const char *text, uint32_t line, uint32_t column, const char *why)
{
	struct uebpf_error err;
	uint32_t n;
	void *out;

	ck_assert_int_eq(asm_text(text, &out, &n, &err), -22);
	ck_assert_msg(strstr(err.text, why), "%s: %s", text, err.text);
	ck_assert_msg(err.line == line && err.column == column, "%s: %u:%u, expected %u:%u (%s)", text, err.line,
		      err.column, line, column, err.text);
}

START_TEST(assembler_errors_name_line_and_column)
{
	assembles_not("r0 = 1\nr11 = 1\n", 2, 1, "expected an instruction");
	assembles_not("exit\n  goto nowhere\n", 2, 8, "no such label");
	assembles_not("x:\nx:\nexit\n", 2, 3, "exists already");
	assembles_not("r0 = 0x1ffffffff\n", 1, 17, "does not fit");
	assembles_not("r0 = 99999999999999999999999 ll\n", 1, 6, "64 bits");
	assembles_not("r1 = *(u128 *)(r2 + 0)\n", 1, 8, "expected a type");
	assembles_not("if r1 ~ r2 goto +1\n", 1, 7, "expected a comparison");
	assembles_not("r1 = be16 r2\n", 1, 13, "both must be the same");
	assembles_not("r1 = atomic_fetch_add((u64 *)(r2 + 0), r3)\n", 1, 42, "operand register");
	assembles_not("r1 = *(u32 *)(r2 + 40000)\n", 1, 25, "does not fit");
}
END_TEST

START_TEST(text_never_overruns)
{
	struct raw_insn raw = isa_wire(OP_FADD64);
	uint8_t slot[16] = { 0 };
	char buf[200];

	raw.off = -32768;
	raw_store(slot, raw);
	for (size_t cap = 0; cap < 80; cap++) {
		memset(buf, 0x55, sizeof buf);
		raw_text(buf, cap, slot, 1);
		for (size_t i = cap; i < sizeof buf; i++)
			ck_assert_int_eq(buf[i], 0x55);
	}
}
END_TEST

int main(void)
{
	TCase *t = test_case("text", 60);

	tcase_add_test(t, every_row_is_found_by_its_wire_form);
	tcase_add_test(t, text_round_trip);
	tcase_add_test(t, llvm_writes_the_same);
	tcase_add_test(t, labels_reach_both_ways);
	tcase_add_test(t, assembler_errors_name_line_and_column);
	tcase_add_test(t, text_never_overruns);
	return run_tests();
}
