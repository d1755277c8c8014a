/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verify_test.c - verdicts and messages on small programs, each named after what it is about: the
 * mistakes that people make, and the verifier faults that others had (bugs.md 35-47).
 * say: the message must hold this text; NULL: the program must be accepted. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/uebpf.h"
#include "tests/util/run.h"

struct test_case {
	const char *name, *type, *say;
	uint32_t policy;
	const char *text;
};
enum { USER = UEBPF_POLICY_USER, KERNEL = UEBPF_POLICY_KERNEL };

#define PKT "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\n"
static const struct test_case cases[] = {
	/* registers and stack */
	{ "register never written", "raw", "r3 is read but was never written", USER, "r0 = r3\nexit\n" },
	{ "exit without r0", "raw", "leaves without a value in r0", USER, "exit\n" },
	{ "r0 on one path only", "raw", "leaves without a value in r0", USER, "if r2 > 5 goto +1\nr0 = 1\nexit\n" },
	{ "arguments are gone after a call", "raw", "r1 is read, but the call at insn 0 left r1-r5 undefined", USER, "call 5\nr0 = r1\nexit\n" },
	{ "stack above the frame", "raw", "offset 0 of the stack frame", USER, "*(u64 *)(r10 + 0) = 1\nr0 = 0\nexit\n" },
	{ "stack below the frame", "raw", "offset -520 of the stack frame", USER, "*(u64 *)(r10 - 520) = 1\nr0 = 0\nexit\n" },
	{ "stack read across its end", "raw", "reads 8 bytes at offset -4 of the stack frame", USER, "r0 = *(u64 *)(r10 - 4)\nexit\n" },
	{ "unwritten stack reads as zero", "raw", NULL, USER, "r0 = *(u64 *)(r10 - 8)\nexit\n" },
	{ "variable stack index without bound", "raw", "bound the offset before adding it", USER,
	  "call 7\nr1 = r10\nr1 += r0\nr0 = *(u8 *)(r1 + 0)\nexit\n" },
	{ "variable stack index with mask", "raw", NULL, USER, "call 7\nr0 &= 7\nr1 = r10\nr1 += -8\nr1 += r0\nr0 = *(u8 *)(r1 + 0)\nexit\n" },
	{ "spilled pointer comes back", "raw", NULL, USER, "*(u64 *)(r10 - 8) = r10\nr1 = *(u64 *)(r10 - 8)\n*(u64 *)(r1 - 16) = 1\nr0 = 0\nexit\n" },
	{ "half overwritten pointer is a number", "raw", "only a pointer can be followed", USER,
	  "*(u64 *)(r10 - 8) = r10\n*(u32 *)(r10 - 8) = 1\nr1 = *(u64 *)(r10 - 8)\nr0 = *(u64 *)(r1 - 16)\nexit\n" },
	/* memory with a length */
	{ "raw memory without a check", "raw", "compare the offset with the length first", USER, "r0 = *(u8 *)(r1 + 0)\nexit\n" },
	{ "raw memory checked", "raw", NULL, USER, "r0 = 0\nif r2 < 64 goto +1\nr0 = *(u64 *)(r1 + 56)\nexit\n" },
	{ "raw memory one byte too far", "raw", "offset 57 of memory whose length was checked, which has 64", USER,
	  "r0 = 0\nif r2 < 64 goto +1\nr0 = *(u64 *)(r1 + 57)\nexit\n" },
	{ "index below the length", "raw", NULL, USER, "r6 = r1\nr7 = r2\ncall 7\nif r0 >= r7 goto +2\nr6 += r0\nr0 = *(u8 *)(r6 + 0)\nr0 = 0\nexit\n" },
	{ "index up to the length", "raw", "length was checked", USER, "r6 = r1\nr7 = r2\ncall 7\nif r0 > r7 goto +2\nr6 += r0\nr0 = *(u8 *)(r6 + 0)\nr0 = 0\nexit\n" },
	{ "loop over the length", "raw", NULL, USER,
	  "r3 = 0\nr0 = 0\nif r3 >= r2 goto +6\nr4 = r1\nr4 += r3\nr5 = *(u8 *)(r4 + 0)\nr0 += r5\nr3 += 1\ngoto -7\nexit\n" },
	/* loops whose body tells much apart: bounded by what the range of a register says, by a copy of the counter */
	{ "loop up to a number from the data", "raw", NULL, USER,
	  "r0 = 0\nif r2 < 455 goto +23\nr2 = *(u16 *)(r1 + 0)\nw2 &= 255\nw2 += 200\nw3 = 0\nr4 = 2\nw5 = 0\ngoto +4\nw0 = w5\nw5 = 0\nr4 += 1\nif r4 >= r2 goto +12\n"
	  "r6 = r1\nr6 += r4\nr6 = *(u8 *)(r6 + 0)\nw6 &= 63\nif w6 != 10 goto +3\nif w5 > w0 goto -10\nw5 = w0\ngoto -12\n"
	  "w5 += 1\nif w6 != 58 goto -12\nw3 += 1\ngoto -14\nexit\n" },
	{ "loop up to a number from the data that may lie behind the length", "raw", "length was checked", USER,
	  "r0 = 0\nif r2 < 454 goto +23\nr2 = *(u16 *)(r1 + 0)\nw2 &= 255\nw2 += 200\nw3 = 0\nr4 = 2\nw5 = 0\ngoto +4\nw0 = w5\nw5 = 0\nr4 += 1\nif r4 >= r2 goto +12\n"
	  "r6 = r1\nr6 += r4\nr6 = *(u8 *)(r6 + 0)\nw6 &= 63\nif w6 != 10 goto +3\nif w5 > w0 goto -10\nw5 = w0\ngoto -12\n"
	  "w5 += 1\nif w6 != 58 goto -12\nw3 += 1\ngoto -14\nexit\n" },
	{ "loop whose counter's copy is compared", "raw", NULL, USER,
	  "r0 = 0\nif r2 < 599 goto +19\nr4 = 0\nr3 = 0\nr6 = 0\nr5 = r1\nr5 += r4\nr5 = *(u8 *)(r5 + 0)\nr7 = r4\nif r5 != 92 goto +2\nr4 += 1\nr7 = r4\n"
	  "if r5 != 34 goto +1\nr3 ^= 1\nif r3 == 0 goto +3\nr6 += 1\nr0 ^= r6\nr0 <<= 1\nr4 = r7\nr4 += 1\nif r7 < 598 goto -16\nexit\n" },
	{ "loop whose counter's copy is compared too late", "raw", "length was checked", USER,
	  "r0 = 0\nif r2 < 598 goto +19\nr4 = 0\nr3 = 0\nr6 = 0\nr5 = r1\nr5 += r4\nr5 = *(u8 *)(r5 + 0)\nr7 = r4\nif r5 != 92 goto +2\nr4 += 1\nr7 = r4\n"
	  "if r5 != 34 goto +1\nr3 ^= 1\nif r3 == 0 goto +3\nr6 += 1\nr0 ^= r6\nr0 <<= 1\nr4 = r7\nr4 += 1\nif r7 < 598 goto -16\nexit\n" },
	/* numbers followed */
	{ "number followed", "raw", "reads memory through r1, which is the number 5", USER, "r1 = 5\nr0 = *(u8 *)(r1 + 0)\nexit\n" },
	/* packets (bugs.md 36, 37) */
	{ "packet without a check", "xdp", "compare with data_end first", USER, PKT "r0 = *(u8 *)(r2 + 0)\nexit\n" },
	{ "packet bound >", "xdp", NULL, USER, PKT "r4 = r2\nr4 += 14\nr0 = 1\nif r4 > r3 goto +1\nr0 = *(u8 *)(r2 + 13)\nr0 = 1\nexit\n" },
	{ "packet bound > off by one", "xdp", "reads 1 byte at offset 14 of the packet's part that was checked, which has 14", USER,
	  PKT "r4 = r2\nr4 += 14\nr0 = 1\nif r4 > r3 goto +1\nr0 = *(u8 *)(r2 + 14)\nr0 = 1\nexit\n" },
	{ "packet bound >= gives one more", "xdp", NULL, USER, PKT "r4 = r2\nr4 += 14\nr0 = 1\nif r4 >= r3 goto +1\nr0 = *(u8 *)(r2 + 14)\nr0 = 1\nexit\n" },
	{ "packet bound >= and two", "xdp", "which has 15", USER, PKT "r4 = r2\nr4 += 14\nr0 = 1\nif r4 >= r3 goto +1\nr0 = *(u8 *)(r2 + 15)\nr0 = 1\nexit\n" },
	{ "packet bound swapped <", "xdp", NULL, USER, PKT "r4 = r2\nr4 += 14\nr0 = 1\nif r3 < r4 goto +1\nr0 = *(u8 *)(r2 + 13)\nr0 = 1\nexit\n" },
	{ "wrong edge of the check", "xdp", "packet's part", USER, PKT "r4 = r2\nr4 += 14\nr0 = 1\nif r4 <= r3 goto +1\nr0 = *(u8 *)(r2 + 13)\nr0 = 1\nexit\n" },
	{ "offset that could wrap in a bounds check", "xdp", "without useful bounds", USER,
	  "r6 = r1\ncall 5\nr1 = r6\n" PKT "r2 += r0\nr4 = r2\nr4 += 8\nif r4 > r3 goto +1\nr0 = *(u8 *)(r2 + 0)\nr0 = 1\nexit\n" },
	{ "packet moved by a helper", "xdp", "that call may move the packet", USER,
	  "r6 = r1\nr7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr4 = r7\nr4 += 4\nif r4 > r8 goto +4\nr2 = 0\ncall 44\n"
	  "r0 = *(u8 *)(r7 + 0)\nr0 = 1\nr0 = 1\nexit\n" },
	{ "write into a socket filter's packet", "socket", "no field", USER, "r2 = *(u32 *)(r1 + 76)\nr0 = 0\nexit\n" },
	/* context */
	{ "context beyond its end", "xdp", "offset 24 of the context; that of xdp programs has 24", USER, "r0 = *(u32 *)(r1 + 24)\nexit\n" },
	{ "context field read-only", "xdp", "`rx_queue_index` of xdp programs is read-only", USER, "*(u32 *)(r1 + 16) = 1\nr0 = 1\nexit\n" },
	{ "half of a context field", "xdp", "are no field", USER, "r0 = *(u16 *)(r1 + 12)\nexit\n" },
	/* helpers */
	{ "unknown helper", "raw", "there is no helper 9999", USER, "call 9999\nexit\n" },
	{ "helper of another type", "xdp", "does not offer helper skb_load_bytes to xdp programs", KERNEL,
	  "r2 = 0\nr3 = r10\nr3 += -8\nr4 = 8\ncall 26\nr0 = 1\nexit\n" },
	{ "size may be zero", "raw", "may be zero", USER, "call 7\nr2 = r0\nr2 &= 7\nr1 = r10\nr1 += -8\ncall 16\nr0 = 0\nexit\n" },
	{ "size may be negative", "raw", "may be negative", USER, "call 5\nr2 = r0\nif r2 s> 8 goto +3\nr1 = r10\nr1 += -8\ncall 16\nr0 = 0\nexit\n" },
	{ "size beyond the buffer", "raw", "argument 1 of get_current_comm writes 16 bytes at offset -8", USER,
	  "r1 = r10\nr1 += -8\nr2 = 16\ncall 16\nr0 = 0\nexit\n" },
	{ "number where memory is wanted", "raw", "get_current_comm wants a pointer to memory as argument 1", USER, "r1 = 7\nr2 = 16\ncall 16\nr0 = 0\nexit\n" },
	/* control: bugs.md 35, 40, 42, 44 */
	{ "endless loop", "raw", "endless loop", USER, "goto -1\n" },
	{ "loop that nothing ends", "raw", "endless loop", USER, "r0 = 0\ncall 7\nif r0 != 9 goto -2\nexit\n" },
	{ "both sides of a first jump", "raw", "r3 is read but was never written", USER, "if r2 > 3 goto +2\nr0 = 0\nexit\nr0 = r3\nexit\n" },
	{ "unreachable code CVE-2017-17862", "xdp", "unreachable instruction", KERNEL, "r0 = 1\nexit\nr0 = 2\nexit\n" },
	{ "unreachable code is harmless", "xdp", NULL, USER, "r0 = 1\nexit\nr0 = 2\nexit\n" },
	{ "shift beyond the width", "xdp", "shift by the constant 64", KERNEL, "r0 = 1\nr0 <<= 64\nexit\n" },
	{ "division by constant zero", "xdp", "division by the constant 0", KERNEL, "r0 = 1\nr0 /= 0\nexit\n" },
	{ "recursion", "raw", "nested deeper than 8 frames", USER, "call pc+1\nexit\ncall pc-1\nexit\n" },
	/* numbers: bugs.md 43, 47 */
	{ "sign extension of mov32 CVE-2017-16995", "raw", "moves by 4294967295", USER,
	  "w3 = -1\nr4 = r3\nr4 >>= 32\nif r4 == 0 goto +2\nr0 = 0\nexit\nr4 = r10\nr4 += r3\nr0 = 0\nexit\n" },
	{ "32-bit bounds after jmp32 CVE-2020-8835", "raw", "without useful bounds", USER,
	  "call 5\nif w0 > 7 goto +4\nr1 = r10\nr1 += -8\nr1 += r0\nr0 = *(u8 *)(r1 + 0)\nr0 = 0\nexit\n" },
	{ "32-bit bounds of a zero-extended number", "raw", NULL, USER,
	  "call 5\nw0 = w0\nif w0 > 7 goto +4\nr1 = r10\nr1 += -8\nr1 += r0\nr0 = *(u8 *)(r1 + 0)\nr0 = 0\nexit\n" },
	{ "32-bit and with unknown high bits CVE-2021-3490", "raw", "without useful bounds", USER,
	  "call 5\nr6 = r0\ncall 5\nr6 |= r0\nw0 &= 7\nr6 <<= 32\nr6 |= r0\nr1 = r10\nr1 += -8\nr1 += r6\nr0 = *(u8 *)(r1 + 0)\nexit\n" },
	{ "mod32 keeps low bits only CVE-2021-3444", "raw", "0..4294967295", USER,
	  "call 5\nw0 = w0\nr6 = 0\nw0 %= w6\nr1 = r10\nr1 += -8\nr1 += r0\nr0 = *(u8 *)(r1 + 0)\nexit\n" },
	{ "ids do not survive a narrow spill", "raw", "the stack frame", USER,
	  "call 5\nr6 = r0\n*(u32 *)(r10 - 8) = r0\nr1 = *(u32 *)(r10 - 8)\nif r1 > 7 goto +5\nr6 &= 0xffff\nr2 = r10\nr2 += -8\nr2 += r6\nr0 = *(u8 *)(r2 + 0)\nr0 = 0\nexit\n" },
};

static struct uebpf_env *env;

START_TEST(one)
{
	const struct test_case *c = &cases[_i];
	struct uebpf_open_opts oo = { .size = sizeof oo, .type = c->type, .name = "t" };
	struct uebpf_load_opts lo = { .size = sizeof lo, .mode = UEBPF_MODE_VERIFIED, .policy = c->policy,
				      .engine = UEBPF_ENGINE_INTERP, .max_states = 20000 };
	struct uebpf_error err = { 0 };
	struct uebpf_object *obj = uebpf_object_open_text(env, c->text, &oo, &err);
	int rc;

	ck_assert_msg(obj != NULL, "%s: %s", c->name, err.text);
	rc = uebpf_object_load(obj, &lo, &err);
	if (!c->say)
		ck_assert_msg(!rc, "%s: refused: %s", c->name, err.text);
	else
		ck_assert_msg(rc && strstr(err.text, c->say), "%s: %s", c->name, rc ? err.text : "accepted");
	uebpf_object_free(obj);
}
END_TEST

int main(void)
{
	struct uebpf_env_opts eo = { .size = sizeof eo };
	TCase *tc = test_case("verify", 60);
	int failed;

	env = uebpf_env_new(&eo);
	tcase_add_loop_test(tc, one, 0, (int)(sizeof cases / sizeof *cases));
	failed = run_tests();
	uebpf_env_free(env);
	return failed;
}
