/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* elf_first.c - the mistakes everybody makes first, told with their fix: a file that is not a BPF
 * object at all, and calls to functions that no BPF program has. */
#include <errno.h>
#include <stdio.h>
#include "loader/elf_inner.h"

#define COMPILE "clang --target=bpf -O2 -g -c"

static int fail(struct uebpf_error *err, enum uebpf_code code, const char *text)
{
	return error_set(err, UEBPF_STAGE_OPEN, code, -EINVAL, UINT32_MAX, "%s", text);
}

static const char *machine_name(uint32_t machine)
{
	static const struct { uint32_t machine; const char *name; } names[] = {
		{ 3, "x86" }, { 8, "MIPS" }, { 20, "PowerPC" }, { 21, "PowerPC64" }, { 22, "S390" },
		{ 40, "ARM" }, { 62, "x86-64" }, { 183, "AArch64" }, { 243, "RISC-V" },
		{ 258, "LoongArch" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return "another processor";
}

static bool begins(const uint8_t *data, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && !memcmp(data, with, n);
}

static bool holds(const uint8_t *data, size_t len, const char *what)
{
	return memmem(data, len < 65536 ? len : 65536, what, strlen(what)) != NULL;
}

static bool is_text(const uint8_t *data, size_t len)
{
	size_t n = len < 4096 ? len : 4096;

	for (size_t i = 0; i < n; i++)
		if (data[i] < 0x20 && data[i] != '\n' && data[i] != '\t' && data[i] != '\r' &&
		    data[i] != '\f')
			return false;
	return n > 0;
}

/* "dir/x.c" -> "x.c" when it looks like a source file, else "FILE.c". */
static const char *source_name(const char *name)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	size_t n = strlen(base);

	return n > 2 && !strcmp(base + n - 2, ".c") && n < 100 ? base : "FILE.c";
}

static int not_elf(const uint8_t *data, size_t len, const char *name, struct uebpf_error *err)
{
	char text[400];

	if (!len) {
		snprintf(text, sizeof(text), "%s: the file is empty", name);
		return fail(err, UEBPF_E_NOT_ELF, text);
	}
	if (begins(data, len, "BC\xc0\xde") || begins(data, len, "\xde\xc0\x17\x0b")) {
		snprintf(text, sizeof(text), "%s: this is LLVM bitcode, not an object: compile with "
			 "\"" COMPILE " FILE.c\" (without -emit-llvm and -flto), or finish with "
			 "\"llc -march=bpf -filetype=obj\"", name);
		return fail(err, UEBPF_E_LLVM_IR, text);
	}
	if (begins(data, len, "!<arch>\n")) {
		snprintf(text, sizeof(text), "%s: this is an archive: take the object out with "
			 "\"ar x %s\"", name, name);
		return fail(err, UEBPF_E_NOT_ELF, text);
	}
	if (is_text(data, len)) {
		if (begins(data, len, "; ModuleID") || holds(data, len, "target datalayout") ||
		    holds(data, len, "source_filename = \"")) {
			snprintf(text, sizeof(text), "%s: this is LLVM IR text, not an object: compile "
				 "with \"" COMPILE " FILE.c\" (without -emit-llvm), or finish with "
				 "\"llc -march=bpf -filetype=obj\"", name);
			return fail(err, UEBPF_E_LLVM_IR, text);
		}
		snprintf(text, sizeof(text), "%s: this is text, not an object%s: compile it first: "
			 "\"" COMPILE " %s\"", name,
			 holds(data, len, "SEC(") || holds(data, len, "#include") ? " (C source)" : "",
			 source_name(name));
		return fail(err, UEBPF_E_SOURCE_TEXT, text);
	}
	snprintf(text, sizeof(text), "%s: this is not an ELF object (it begins with %02x %02x %02x "
		 "%02x): compile C with \"" COMPILE " FILE.c\"; bare instructions are opened as such",
		 name, data[0], len > 1 ? data[1] : 0, len > 2 ? data[2] : 0, len > 3 ? data[3] : 0);
	return fail(err, UEBPF_E_NOT_ELF, text);
}

int elf_diagnose(const uint8_t *data, size_t len, const char *name, struct uebpf_error *err)
{
	uint32_t kind, machine;
	char text[400];
	bool big;

	if (!begins(data, len, "\x7f" "ELF"))
		return not_elf(data, len, name, err);
	if (len < 64) {
		snprintf(text, sizeof(text), "%s: malformed ELF: the file ends inside its header", name);
		return fail(err, UEBPF_E_MALFORMED, text);
	}
	big = data[5] == 2;
	kind = big ? (uint32_t)(data[16] << 8 | data[17]) : le16(data + 16);
	machine = big ? (uint32_t)(data[18] << 8 | data[19]) : le16(data + 18);
	if (machine != ELF_M_BPF && machine != ELF_M_NONE) {
		snprintf(text, sizeof(text), "%s: this is %s for %s, not a BPF object: compile with "
			 "\"" COMPILE " FILE.c\"", name,
			 kind == 2 ? "a program" : kind == 3 ? "a program or shared library" :
			 "an object", machine_name(machine));
		return fail(err, UEBPF_E_HOST_OBJECT, text);
	}
	if (big) {
		snprintf(text, sizeof(text), "%s: this is a big-endian BPF object: compile with "
			 "\"clang --target=bpfel -O2 -g -c FILE.c\"", name);
		return fail(err, UEBPF_E_BIG_ENDIAN, text);
	}
	if (data[4] != 2 || data[5] != 1 || kind != 1) {
		snprintf(text, sizeof(text), "%s: malformed ELF: a BPF object is a 64-bit little-endian "
			 "relocatable file", name);
		return fail(err, UEBPF_E_MALFORMED, text);
	}
	return 0;
}

const char *elf_advice(const char *function)
{
	static const struct { const char *names, *advice; } rows[] = {
		{ " printf fprintf puts putchar ", "print with bpf_printk() or bpf_trace_printk()" },
		{ " sprintf snprintf ", "format with bpf_snprintf()" },
		{ " malloc calloc realloc free ", "keep data in a map or on the stack" },
		{ " strcmp strncmp ", "compare with bpf_strncmp()" },
		{ " strlen strnlen strcpy strncpy strcat strchr strstr strdup ",
		  "write a bounded loop, or copy with bpf_probe_read_kernel_str()" },
		{ " strtol strtoul atoi atol ", "parse with bpf_strtol() or bpf_strtoul()" },
		{ " rand random srand ", "use bpf_get_prandom_u32()" },
		{ " time clock gettimeofday clock_gettime ", "use bpf_ktime_get_ns()" },
		{ " getpid gettid ", "use bpf_get_current_pid_tgid()" },
		{ " abort exit _exit __assert_fail ", "return from the program instead" },
		{ " __divti3 __udivti3 __multi3 __modti3 __umodti3 ",
		  "128-bit arithmetic has no BPF instructions" },
		{ " __adddf3 __muldf3 __divdf3 __subdf3 __floatdidf __fixdfdi __mulsf3 __addsf3 __divsf3 "
		  "__floatsisf __fixsfsi ", "floating point has no BPF instructions" },
	};
	char key[64];

	snprintf(key, sizeof(key), " %s ", function);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strstr(rows[i].names, key))
			return rows[i].advice;
	return NULL;
}
