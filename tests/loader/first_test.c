/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* first_test.c - the mistakes everybody makes first: each message, word for word, tells its fix. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "include/uebpf.h"
#include "tests/util/compile.h"
#include "tests/util/run.h"

#define ELF_HEAD(class, data, type, machine) "\x7f" "ELF" class data "\1\0\0\0\0\0\0\0\0\0" type machine \
	"\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

#define DATA(text) text, sizeof(text) - 1

static const struct { const char *what, *name; const char *data; size_t len; uint32_t code; const char *text; } rows[] = {
	{ "empty", "e.o", DATA(""), UEBPF_E_NOT_ELF, "e.o: the file is empty" },
	{ "C source", "dir/prog.c", DATA("#include <linux/bpf.h>\nSEC(\"xdp\") int f(void *c) { return 2; }\n"),
	  UEBPF_E_SOURCE_TEXT, "dir/prog.c: this is text, not an object (C source): compile it first: "
	  "\"clang --target=bpf -O2 -g -c prog.c\"" },
	{ "other text", "notes", DATA("just some words\n"), UEBPF_E_SOURCE_TEXT,
	  "notes: this is text, not an object: compile it first: \"clang --target=bpf -O2 -g -c FILE.c\"" },
	{ "LLVM IR text", "p.ll", DATA("; ModuleID = 'p.c'\nsource_filename = \"p.c\"\n"), UEBPF_E_LLVM_IR,
	  "p.ll: this is LLVM IR text, not an object: compile with \"clang --target=bpf -O2 -g -c FILE.c\" "
	  "(without -emit-llvm), or finish with \"llc -march=bpf -filetype=obj\"" },
	{ "LLVM bitcode", "p.bc", DATA("BC\xc0\xde\x35\x14"), UEBPF_E_LLVM_IR,
	  "p.bc: this is LLVM bitcode, not an object: compile with \"clang --target=bpf -O2 -g -c FILE.c\" "
	  "(without -emit-llvm and -flto), or finish with \"llc -march=bpf -filetype=obj\"" },
	{ "archive", "lib.a", DATA("!<arch>\nx"), UEBPF_E_NOT_ELF,
	  "lib.a: this is an archive: take the object out with \"ar x lib.a\"" },
	{ "noise", "x.bin", DATA("\x89PNG\r\n\x1a\n"), UEBPF_E_NOT_ELF,
	  "x.bin: this is not an ELF object (it begins with 89 50 4e 47): compile C with "
	  "\"clang --target=bpf -O2 -g -c FILE.c\"; bare instructions are opened as such" },
	{ "host object", "h.o", DATA(ELF_HEAD("\2", "\1", "\1\0", "\x3e\0")), UEBPF_E_HOST_OBJECT,
	  "h.o: this is an object for x86-64, not a BPF object: compile with "
	  "\"clang --target=bpf -O2 -g -c FILE.c\"" },
	{ "host program", "a.out", DATA(ELF_HEAD("\2", "\1", "\3\0", "\xb7\0")), UEBPF_E_HOST_OBJECT,
	  "a.out: this is a program or shared library for AArch64, not a BPF object: compile with "
	  "\"clang --target=bpf -O2 -g -c FILE.c\"" },
	{ "big-endian", "b.o", DATA(ELF_HEAD("\2", "\2", "\0\1", "\0\xf7")), UEBPF_E_BIG_ENDIAN,
	  "b.o: this is a big-endian BPF object: compile with \"clang --target=bpfel -O2 -g -c FILE.c\"" },
	{ "32-bit", "w.o", DATA(ELF_HEAD("\1", "\1", "\1\0", "\xf7\0")), UEBPF_E_MALFORMED,
	  "w.o: malformed ELF: a BPF object is a 64-bit little-endian relocatable file" },
	{ "cut", "c.o", DATA("\x7f" "ELF\2\1\1"), UEBPF_E_MALFORMED,
	  "c.o: malformed ELF: the file ends inside its header" },
};

START_TEST(message)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_open_opts opts = { .size = sizeof(opts), .name = rows[_i].name };
	struct uebpf_error err;

	ck_assert_ptr_null(uebpf_object_open_memory(env, rows[_i].data, rows[_i].len, &opts, &err));
	ck_assert_str_eq(err.text, rows[_i].text);
	ck_assert_uint_eq(err.code, rows[_i].code);
	uebpf_env_free(env);
}
END_TEST

/* The real files, when there is a compiler to make them. */
static const struct { const char *flags; uint32_t code; } real[] = {
	{ "-O2 -S -emit-llvm", UEBPF_E_LLVM_IR },
	{ "-O2 -emit-llvm", UEBPF_E_LLVM_IR },
	{ "-O2 --target=x86_64-linux-gnu -Wno-all", UEBPF_E_HOST_OBJECT },
	{ "-O2 --target=bpfeb", UEBPF_E_BIG_ENDIAN },
};

START_TEST(real_file)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	const char *path = compile(NULL, "legacy.bpf.c", real[_i].flags);
	struct uebpf_error err;

	if (path) {
		ck_assert_ptr_null(uebpf_object_open_file(env, path, NULL, &err));
		ck_assert_msg(err.code == real[_i].code, "%s", err.text);
	}
	uebpf_env_free(env);
}
END_TEST

START_TEST(file_that_is_not_there)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err;

	ck_assert_ptr_null(uebpf_object_open_file(env, "no/such/file.o", NULL, &err));
	ck_assert_uint_eq(err.code, UEBPF_E_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "no/such/file.o"));
	uebpf_env_free(env);
}
END_TEST

START_TEST(no_program)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_open_opts opts = { .size = sizeof(opts), .name = "t.o" };
	const char *path = compile(NULL, "core_target.c", "-O2 -g");
	struct uebpf_error err;

	if (path) {
		ck_assert_ptr_null(uebpf_object_open_file(env, path, &opts, &err));
		ck_assert_uint_eq(err.code, UEBPF_E_NO_PROGRAM);
		ck_assert_str_eq(err.text, "t.o: the object holds no program: give a function that is not "
				 "static a section, as in SEC(\"xdp\")");
	}
	uebpf_env_free(env);
}
END_TEST

int main(void)
{
	TCase *t = test_case("first mistakes", 60);

	tcase_add_loop_test(t, message, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_loop_test(t, real_file, 0, sizeof(real) / sizeof(real[0]));
	tcase_add_test(t, file_that_is_not_there);
	tcase_add_test(t, no_program);
	return run_tests();
}
