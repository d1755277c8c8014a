/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* encode_test.c - every form of jit/x86_64/encode.h for all registers and addressing forms, against
 * llvm-mc's disassembler; the expected text is written here, independently of the encoder. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "jit/x86_64/dis.h"
#include "jit/x86_64/encode.h"
#include "tests/util/run.h"

static const char *const r64[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
				   "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
static const char *const r32[] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d",
				   "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d" };
static const char *const r16[] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w",
				   "r10w", "r11w", "r12w", "r13w", "r14w", "r15w" };
static const char *const r8[] = { "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b",
				  "r10b", "r11b", "r12b", "r13b", "r14b", "r15b" };
static const char *const cc[] = { "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np",
				  "l", "ge", "le", "g" };

static FILE *bytes, *want;
static unsigned cases;
static uint8_t room[32];
static struct x_buf b;

static const char *reg(int size, int r)
{
	return size == 8 ? r64[r] : size == 4 ? r32[r] : size == 2 ? r16[r] : r8[r];
}
static const char *ptr(int size)
{
	return size == 8 ? "qword" : size == 4 ? "dword" : size == 2 ? "word" : "byte";
}
static char expected[160];
static unsigned own_bad;
static bool same(const char *a, const char *w);
/* Our own disassembler, for --dump=x86, reads back every form too. */
static void own_text(void)
{
	char text[160];
	int64_t target;
	uint32_t n = x86_text(room, (uint32_t)(b.p - room), text, sizeof text, &target);

	if ((n != (uint32_t)(b.p - room) || !same(text, expected)) && own_bad++ < 20)
		fprintf(stderr, "own text \"%s\" (%u bytes), want \"%s\" (%u)\n", text, n, expected,
			(unsigned)(b.p - room));
}
static char mtext[64];
static const char *mem(struct x_mem m)
{
	int n = sprintf(mtext, "[%s", r64[m.base]);

	if (m.index != NOREG && m.scale)
		n += sprintf(mtext + n, " + %d*%s", 1 << m.scale, r64[m.index]);
	else if (m.index != NOREG)
		n += sprintf(mtext + n, " + %s", r64[m.index]);
	if (m.disp)
		n += sprintf(mtext + n, " %c %lld", m.disp < 0 ? '-' : '+', llabs((long long)m.disp));
	strcpy(mtext + n, "]");
	return mtext;
}
#define EXPECT(emit, ...) do {						\
	b.p = room; emit;						\
	for (uint8_t *at = room; at < b.p; at++)			\
		fprintf(bytes, "0x%02x ", *at);				\
	fprintf(bytes, "\n");						\
	snprintf(expected, sizeof expected, __VA_ARGS__);		\
	fprintf(want, "%s\n", expected); cases++;			\
	own_text();							\
} while (0)

static void avx_memory_forms(int r, struct x_mem m)
{
	static const struct { const char *name; int from; } wider[] = {
		{ "bw", 4 }, { "bd", 3 }, { "bq", 2 }, { "wd", 4 }, { "wq", 3 }, { "dq", 4 },
	};
	static const char *const part[] = { "", "", "dword", "qword", "xmmword" };

	for (unsigned k = 0; k < 6; k++)
		EXPECT(x_avx_rm(&b, X_M0F38 | (0x30 + k), r, m), "vpmovzx%s ymm%d, %s ptr %s", wider[k].name, r,
		       part[wider[k].from], mem(m));
	EXPECT(x_avx_rm(&b, X_M0F | 0x10, r, m), "vmovupd ymm%d, ymmword ptr %s", r, mem(m));
	EXPECT(x_avx_rm(&b, X_M0F | 0x11, r, m), "vmovupd ymmword ptr %s, ymm%d", mem(m), r);
	EXPECT(x_avx_rm(&b, X_M0F | X_128 | 0x11, r, m), "vmovupd xmmword ptr %s, xmm%d", mem(m), r);
	EXPECT(x_avx_rm(&b, X_M0F | X_128 | X_VEX_W | 0x7e, r, m), "vmovq qword ptr %s, xmm%d", mem(m), r);
	EXPECT(x_avx_rm(&b, X_M0F | X_128 | 0x7e, r, m), "vmovd dword ptr %s, xmm%d", mem(m), r);
}

static void memory_forms(struct x_mem m, int r)
{
	static const char *const group[] = { "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp" };

	EXPECT(x_lea(&b, true, r, m), "lea %s, %s", r64[r], mem(m));
	for (int size = 1; size <= 8; size *= 2) {
		EXPECT(x_store(&b, size, m, r), "mov %s ptr %s, %s", ptr(size), mem(m), reg(size, r));
		EXPECT(x_store_k(&b, size, m, 0x12), "mov %s ptr %s, 18", ptr(size), mem(m));
		for (int op = 0; op < 8; op++) {
			if (op == X_ADC || op == X_SBB)
				continue;
			EXPECT(x_alu_store(&b, size, (enum x_alu)op, m, r, false), "%s %s ptr %s, %s",
			       group[op], ptr(size), mem(m), reg(size, r));
			EXPECT(x_alu_mem_k(&b, size, (enum x_alu)op, m, 0x34), "%s %s ptr %s, 52",
			       group[op], ptr(size), mem(m));
		}
		EXPECT(x_test_mem_k(&b, size, m, 0x12), "test %s ptr %s, 18", ptr(size), mem(m));
		EXPECT(x_test_mem(&b, size, m, r), "test %s ptr %s, %s", ptr(size), mem(m), reg(size, r));
		if (size < 4) {
			EXPECT(x_load(&b, size, false, r, m), "movzx %s, %s ptr %s", r32[r], ptr(size), mem(m));
			EXPECT(x_load(&b, size, true, r, m), "movsx %s, %s ptr %s", r64[r], ptr(size), mem(m));
			continue;
		}
		EXPECT(x_load(&b, size, false, r, m), "mov %s, %s ptr %s", reg(size, r), ptr(size), mem(m));
		EXPECT(x_alu_load(&b, size == 8, X_XOR, r, m), "xor %s, %s ptr %s", reg(size, r), ptr(size), mem(m));
		EXPECT(x_alu_store(&b, size, X_AND, m, r, true), "lock and %s ptr %s, %s", ptr(size), mem(m), reg(size, r));
		EXPECT(x_xadd(&b, size == 8, m, r), "lock xadd %s ptr %s, %s", ptr(size), mem(m), reg(size, r));
		EXPECT(x_xchg_mem(&b, size == 8, m, r), "xchg %s ptr %s, %s", ptr(size), mem(m), reg(size, r));
		EXPECT(x_cmpxchg(&b, size == 8, m, r), "lock cmpxchg %s ptr %s, %s", ptr(size), mem(m), reg(size, r));
		EXPECT(x_movbe_load(&b, size == 8, r, m), "movbe %s, %s ptr %s", reg(size, r), ptr(size), mem(m));
	}
	EXPECT(x_load(&b, 4, true, r, m), "movsxd %s, dword ptr %s", r64[r], mem(m));
	EXPECT(x_push_mem(&b, m), "push qword ptr %s", mem(m));
	EXPECT(x_pop_mem(&b, m), "pop qword ptr %s", mem(m));
	EXPECT(x_movups_store(&b, m, r), "movups xmmword ptr %s, xmm%d", mem(m), r);
	EXPECT(x_movups_load(&b, r, m), "movups xmm%d, xmmword ptr %s", r, mem(m));
	avx_memory_forms(r, m);
}

/* What jit/x86_64/lanes_op.c uses where there is AVX2. */
static void avx_forms(int d, int s)
{
	static const struct { uint16_t op; const char *name; } of[] = {
		{ X_M0F | 0x64, "pcmpgtb" }, { X_M0F | 0x66, "pcmpgtd" }, { X_M0F | 0x6c, "punpcklqdq" }, { X_M0F | 0x74, "pcmpeqb" },
		{ X_M0F | 0x76, "pcmpeqd" }, { X_M0F | 0xd4, "paddq" }, { X_M0F | 0xd5, "pmullw" }, { X_M0F | 0xdb, "pand" },
		{ X_M0F | 0xdf, "pandn" }, { X_M0F | 0xeb, "por" }, { X_M0F | 0xef, "pxor" }, { X_M0F | 0xf4, "pmuludq" },
		{ X_M0F | 0xf6, "psadbw" }, { X_M0F | 0xf8, "psubb" }, { X_M0F | 0xfb, "psubq" }, { X_M0F | 0xfe, "paddd" },
		{ X_M0F | 0x67, "packuswb" }, { X_M0F | 0x6b, "packssdw" }, { X_M0F | 0xda, "pminub" }, { X_M0F | 0xde, "pmaxub" },
		{ X_M0F38 | 0x39, "pminsd" }, { X_M0F38 | 0x3a, "pminuw" }, { X_M0F38 | 0x3b, "pminud" }, { X_M0F38 | 0x3d, "pmaxsd" },
		{ X_M0F38 | 0x3e, "pmaxuw" }, { X_M0F38 | 0x3f, "pmaxud" }, { X_M0F38 | 0x40, "pmulld" },
	};
	static const char *const lane = "bwdq";
	int a = d ^ s;

	for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
		EXPECT(x_avx_rr(&b, of[k].op, d, a, s), "v%s ymm%d, ymm%d, ymm%d", of[k].name, d, a, s);
		EXPECT(x_avx_rr(&b, X_128 | of[k].op, d, a, s), "v%s xmm%d, xmm%d, xmm%d", of[k].name, d, a, s);
	}
	for (unsigned log = 1; log < 4; log++) {
		EXPECT(x_avx_rr(&b, X_M0F | (0x70 + log), 2, d, s); x_8(&b, 4), "vpsrl%c ymm%d, ymm%d, 4", lane[log], d, s);
		EXPECT(x_avx_rr(&b, X_M0F | (0x70 + log), 6, d, s); x_8(&b, 15), "vpsll%c ymm%d, ymm%d, 15", lane[log], d, s);
	}
	EXPECT(x_avx_rr(&b, X_M0F | 0x72, 4, d, s); x_8(&b, 3), "vpsrad ymm%d, ymm%d, 3", d, s);
	EXPECT(x_avx_rr(&b, X_M0F | 0x73, 3, d, s); x_8(&b, 8), "vpsrldq ymm%d, ymm%d, 8", d, s);
	EXPECT(x_avx_rr(&b, X_M0F | 0x6f, d, 0, s), "vmovdqa ymm%d, ymm%d", d, s);
	EXPECT(x_avx_rr(&b, X_M0F | 0x70, d, 0, s); x_8(&b, 8), "vpshufd ymm%d, ymm%d, 8", d, s);
	EXPECT(x_avx_rr(&b, X_M0F | X_VEX_W | X_128 | 0x6e, d, 0, s), "vmovq xmm%d, %s", d, r64[s]);
	EXPECT(x_avx_rr(&b, X_M0F | X_VEX_W | X_128 | 0x7e, d, 0, s), "vmovq %s, xmm%d", r64[s], d);
	for (unsigned log = 0; log < 4; log++)
		EXPECT(x_avx_rr(&b, X_M0F38 | (log < 2 ? 0x78 + log : 0x56 + log), d, 0, s), "vpbroadcast%c ymm%d, xmm%d", lane[log],
		       d, s);
	EXPECT(x_avx_rr(&b, X_M0F3A | 0x4c, d, a, s); x_8(&b, (unsigned)a << 4), "vpblendvb ymm%d, ymm%d, ymm%d, ymm%d", d, a, s, a);
	EXPECT(x_avx_rr(&b, X_M0F3A | X_VEX_W, d, 0, s); x_8(&b, 8), "vpermq ymm%d, ymm%d, 8", d, s);
	EXPECT(x_avx_rr(&b, X_M0F3A | 0x38, d, a, s); x_8(&b, 1), "vinserti128 ymm%d, ymm%d, xmm%d, 1", d, a, s);
	EXPECT(x_avx_rr(&b, X_M0F3A | 0x39, d, 0, s); x_8(&b, 1), "vextracti128 xmm%d, ymm%d, 1", s, d);
	EXPECT(x_vzeroupper(&b), "vzeroupper");
}

/* What jit/x86_64/lanes_op.c and vector.c use. */
static void vector_forms(int d, int s)
{
	static const struct { uint8_t op; const char *name; } of[] = {
		{ 0x60, "punpcklbw" }, { 0x61, "punpcklwd" }, { 0x62, "punpckldq" }, { 0x64, "pcmpgtb" }, { 0x65, "pcmpgtw" },
		{ 0x66, "pcmpgtd" }, { 0x6c, "punpcklqdq" }, { 0x6d, "punpckhqdq" }, { 0x6f, "movdqa" }, { 0x74, "pcmpeqb" },
		{ 0x75, "pcmpeqw" }, { 0x76, "pcmpeqd" }, { 0xd4, "paddq" }, { 0xd5, "pmullw" }, { 0xdb, "pand" },
		{ 0xdf, "pandn" }, { 0xeb, "por" }, { 0xef, "pxor" }, { 0xf6, "psadbw" }, { 0xf8, "psubb" }, { 0xf9, "psubw" },
		{ 0xf4, "pmuludq" }, { 0x67, "packuswb" }, { 0x6b, "packssdw" }, { 0xda, "pminub" }, { 0xde, "pmaxub" },
		{ 0xfa, "psubd" }, { 0xfb, "psubq" }, { 0xfc, "paddb" }, { 0xfd, "paddw" }, { 0xfe, "paddd" },
	};
	static const char *const lane = "bwdq";

	for (size_t k = 0; k < sizeof of / sizeof *of; k++)
		EXPECT(x_sse_rr(&b, of[k].op, d, s), "%s xmm%d, xmm%d", of[k].name, d, s);
	for (unsigned log = 1; log < 4; log++) {
		EXPECT(x_sse_rr(&b, 0x70 + log, 2, s); x_8(&b, 4), "psrl%c xmm%d, 4", lane[log], s);
		EXPECT(x_sse_rr(&b, 0x70 + log, 6, s); x_8(&b, 15), "psll%c xmm%d, 15", lane[log], s);
	}
	EXPECT(x_sse_rr(&b, 0x73, 3, s); x_8(&b, 8), "psrldq xmm%d, 8", s);
	avx_forms(d, s);
}

static void register_forms(int d, int s)
{
	static const char *const group[] = { "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp" };

	for (int w = 0; w < 2; w++) {
		int z = w ? 8 : 4;

		EXPECT(x_mov(&b, w, d, s), "mov %s, %s", reg(z, d), reg(z, s));
		for (int op = 0; op < 8; op++)
			EXPECT(x_alu(&b, w, (enum x_alu)op, d, s), "%s %s, %s", group[op], reg(z, d), reg(z, s));
		EXPECT(x_test(&b, w, d, s), "test %s, %s", reg(z, d), reg(z, s));
		EXPECT(x_imul(&b, w, d, s), "imul %s, %s", reg(z, d), reg(z, s));
		EXPECT(x_imul_k(&b, w, d, s, 100), "imul %s, %s, 100", reg(z, d), reg(z, s));
		EXPECT(x_imul_k(&b, w, d, s, 100000), "imul %s, %s, 100000", reg(z, d), reg(z, s));
		for (int c = 0; c < 16; c++)
			EXPECT(x_cmov(&b, w, (enum x_cc)c, d, s), "cmov%s %s, %s", cc[c], reg(z, d), reg(z, s));
		EXPECT(x_shx(&b, w, X_SHL, d, s, d), "shlx %s, %s, %s", reg(z, d), reg(z, s), reg(z, d));
		EXPECT(x_shx(&b, w, X_SHR, d, s, s), "shrx %s, %s, %s", reg(z, d), reg(z, s), reg(z, s));
		EXPECT(x_shx(&b, w, X_SAR, d, d, s), "sarx %s, %s, %s", reg(z, d), reg(z, d), reg(z, s));
		for (int size = 1; size <= 2; size++)
			EXPECT(x_ext(&b, size, true, w, d, s), "movsx %s, %s", reg(z, d), reg(size, s));
	}
	for (int size = 1; size <= 2; size++)
		EXPECT(x_ext(&b, size, false, true, d, s), "movzx %s, %s", r32[d], reg(size, s));
	EXPECT(x_ext(&b, 4, true, true, d, s), "movsxd %s, %s", r64[d], r32[s]);
	EXPECT(x_tzcnt(&b, d, s), "tzcnt %s, %s", r64[d], r64[s]);
	EXPECT(x_movq_to(&b, d, s), "movq xmm%d, %s", d, r64[s]);
	EXPECT(x_movq_from(&b, d, s), "movq %s, xmm%d", r64[s], d);
	EXPECT(x_pxor(&b, d, s), "pxor xmm%d, xmm%d", d, s);
	vector_forms(d, s);
}

static void one_register(int d)
{
	static const char *const shift[] = { "rol", "ror", "", "", "shl", "shr", "", "sar" };
	static const char *const unary[] = { "", "", "not", "neg", "mul", "imul", "div", "idiv" };
	static const int32_t imm[] = { 1, -1, 127, -128, 128, -129, INT32_MAX, INT32_MIN };
	static const char *const group[] = { "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp" };

	for (int w = 0; w < 2; w++) {
		int z = w ? 8 : 4;

		for (int op = 0; op < 8; op++)
			for (int k = 0; k < 8; k++)
				EXPECT(x_alu_k(&b, w, (enum x_alu)op, d, imm[k]), "%s %s, %d", group[op],
				       reg(z, d), imm[k]);
		for (int op = 0; op < 8; op++) {
			if (!*shift[op])
				continue;
			EXPECT(x_shift_k(&b, w, (enum x_shift)op, d, 1), "%s %s", shift[op], reg(z, d));
			EXPECT(x_shift_k(&b, w, (enum x_shift)op, d, 13), "%s %s, 13", shift[op], reg(z, d));
			EXPECT(x_shift_cl(&b, w, (enum x_shift)op, d), "%s %s, cl", shift[op], reg(z, d));
		}
		for (int op = 2; op < 8; op++)
			EXPECT(x_unary(&b, w, (enum x_unary)op, d), "%s %s", unary[op], reg(z, d));
		EXPECT(x_bswap(&b, w, d), "bswap %s", reg(z, d));
	}
	for (int c = 0; c < 16; c++)
		EXPECT(x_setcc(&b, (enum x_cc)c, d), "set%s %s", cc[c], r8[d]);
	EXPECT(x_mov_k(&b, d, 0, false), "xor %s, %s", r32[d], r32[d]);
	EXPECT(x_mov_k(&b, d, 0, true), "mov %s, 0", r32[d]);
	EXPECT(x_mov_k(&b, d, 0xffffffff, false), "mov %s, 4294967295", r32[d]);
	EXPECT(x_mov_k(&b, d, -5, false), "mov %s, -5", r64[d]);
	EXPECT(x_mov_k(&b, d, 0x123456789abcdef, false), "movabs %s, 81985529216486895", r64[d]);
	if (d < 4)
		EXPECT(x_test_k(&b, true, d, 0x55), "test %s, 85", r8[d]);
	else
		EXPECT(x_test_k(&b, true, d, 0x55), "test %s, 85", r32[d]);
	EXPECT(x_test_k(&b, true, d, 0x5555), "test %s, 21845", r32[d]);
	EXPECT(x_test_k(&b, true, d, -2), "test %s, -2", r64[d]);
	EXPECT(x_test_k(&b, false, d, -2), "test %s, -2", r32[d]);
	EXPECT(x_load_fs(&b, X_W, d, -56), "mov %s, qword ptr fs:[-56]", r64[d]);
	EXPECT(x_load_fs(&b, 0, d, 0x12345), "mov %s, dword ptr fs:[74565]", r32[d]);
	EXPECT(x_rol16_8(&b, d), "rol %s, 8", r16[d]);
	EXPECT(x_push(&b, d), "push %s", r64[d]);
	EXPECT(x_pop(&b, d), "pop %s", r64[d]);
	EXPECT(x_call_r(&b, d), "call %s", r64[d]);
	EXPECT(x_jmp_r(&b, d), "jmp %s", r64[d]);
}

/* llvm prints unsigned immediates for some forms, an explicit count 1, "-1" as 4294967295 for 32-bit ands:
 * both texts are brought to one form: no commas doubled, single blanks, immediates modulo 2^width. */
static void normal(char *line)
{
	char out[256], *o = out;

	for (char *p = line; *p && *p != '\n' && *p != '#'; p++) {
		if (*p == '\t' || *p == ' ') {
			if (o > out && o[-1] != ' ')
				*o++ = ' ';
		} else {
			*o++ = *p;
		}
	}
	while (o > out && o[-1] == ' ')
		o--;
	*o = 0;
	strcpy(line, out);
}
static bool same(const char *a, const char *w)
{
	const char *x = strrchr(a, ' '), *y = strrchr(w, ' ');

	if (!strcmp(a, w))
		return true;
	/* the same up to the last operand, which may be printed signed or unsigned */
	if (x && y && x - a == y - w && !strncmp(a, w, (size_t)(x - a)) && strchr("-0123456789", x[1]) &&
	    strchr("-0123456789", y[1]))
		return (uint32_t)strtoll(x, NULL, 0) == (uint32_t)strtoll(y, NULL, 0) &&
		       (strtoll(x, NULL, 0) >> 32 == 0 || strtoll(x, NULL, 0) >> 32 == -1 || x[1] == y[1]);
	return false;
}

START_TEST(every_form_reads_back_as_written)
{
	static const struct { int index, scale; int32_t disp; } forms[] = {
		{ NOREG, 0, 0 }, { NOREG, 0, 8 }, { NOREG, 0, -8 }, { NOREG, 0, 0x1234 }, { NOREG, 0, -129 },
		{ RAX, 0, 0 }, { RCX, 1, 4 }, { RBP, 2, -4 }, { R12, 3, 0x1234 }, { R13, 0, 127 }, { R9, 2, 128 },
	};
	char tmp[] = "/tmp/uebpf-encode-XXXXXX", name[3][64], cmd[256], have[256], expect[256];
	FILE *got, *exp;
	unsigned bad = 0, n = 0;

	if (access("/usr/bin/llvm-mc-19", X_OK)) {
		printf("skip: llvm-mc-19 is not installed\n");
		return;
	}
	ck_assert_ptr_nonnull(mkdtemp(tmp));
	for (int i = 0; i < 3; i++)
		sprintf(name[i], "%s/%d", tmp, i);
	bytes = fopen(name[0], "w");
	want = fopen(name[1], "w");
	for (int base = 0; base < 16; base++)
		for (unsigned f = 0; f < sizeof forms / sizeof *forms; f++)
			memory_forms((struct x_mem){ (uint8_t)base, (uint8_t)forms[f].index,
				     (uint8_t)forms[f].scale, forms[f].disp }, (int)(base * 7 + f * 3) & 15);
	for (int r = 0; r < 16; r++)
		memory_forms(x_at(RBX, 16), r);
	for (int d = 0; d < 16; d++) {
		one_register(d);
		for (int s = 0; s < 16; s++)
			register_forms(d, s);
	}
	EXPECT(x_ret(&b), "ret");
	EXPECT(x_leave(&b), "leave");
	EXPECT(x_pause(&b), "pause");
	EXPECT(x_lfence(&b), "lfence");
	EXPECT(x_endbr64(&b), "endbr64");
	EXPECT(x_sign_rdx(&b, true), "cqo");
	EXPECT(x_sign_rdx(&b, false), "cdq");
	fclose(bytes);
	fclose(want);
	sprintf(cmd, "llvm-mc-19 --disassemble --triple=x86_64 --output-asm-variant=1 "
		"-mattr=+movbe,+bmi2 %s > %s", name[0], name[2]);
	ck_assert_int_eq(system(cmd), 0);
	got = fopen(name[2], "r");
	exp = fopen(name[1], "r");
	while (fgets(have, sizeof have, got)) {
		normal(have);
		if (!*have || *have == '.')
			continue;
		if (!strcmp(have, "lock")) {	/* printed on a line of its own */
			strcpy(have, "lock ");
			ck_assert_ptr_nonnull(fgets(have + 5, sizeof have - 5, got));
			normal(have);
		}
		ck_assert_msg(fgets(expect, sizeof expect, exp), "more instructions than expected: %s", have);
		normal(expect);
		n++;
		if (!same(have, expect) && bad++ < 20)
			fprintf(stderr, "case %u: want \"%s\", bytes say \"%s\"\n", n, expect, have);
	}
	fclose(got);
	fclose(exp);
	for (int i = 0; i < 3; i++)
		unlink(name[i]);
	rmdir(tmp);
	printf("encode: %u forms checked against llvm-mc\n", n);
	ck_assert_uint_eq(n, cases);
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_eq(own_bad, 0);
}
END_TEST

int main(void)
{
	TCase *t = test_case("jit/encode", 60);

	tcase_add_test(t, every_form_reads_back_as_written);
	return run_tests();
}
