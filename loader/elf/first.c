/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* first.c - the mistakes everybody makes first, told with their fix: a file that is not a BPF
 * object at all, and calls to functions that no BPF program has. */
#include <errno.h>
#include <stdio.h>
#include "loader/elf/inner.h"

#define COMPILE "clang --target=bpf -O2 -g -c"

#define fail(err, code, ...) error_set(err, UEBPF_STAGE_OPEN, code, -EINVAL, UINT32_MAX, __VA_ARGS__)

static const char *machine_name(uint32_t machine)
{
	static const uint16_t machines[] = { 62, 3, 8, 20, 21, 22, 40, 183, 243, 258 };
	static const char names[] = "x86-64\0" "32-bit x86\0MIPS\0PowerPC\0PowerPC64\0S390\0ARM\0AArch64\0RISC-V\0"
		"LoongArch\0another processor";
	size_t i = 0;

	while (i < sizeof(machines) / sizeof(*machines) && machines[i] != machine)
		i++;
	return text_nth(names, i);
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
	bool text = is_text(data, len), bitcode = begins(data, len, "BC\xc0\xde") || begins(data, len, "\xde\xc0\x17\x0b");

	if (!len)
		return fail(err, UEBPF_E_NOT_ELF, "%s: the file is empty", name);
	if (begins(data, len, "!<arch>\n"))
		return fail(err, UEBPF_E_NOT_ELF, "%s: this is an archive: take the object out with \"ar x %s\"",
			    name, name);
	if (bitcode || (text && (begins(data, len, "; ModuleID") || holds(data, len, "target datalayout") ||
				 holds(data, len, "source_filename = \""))))
		return fail(err, UEBPF_E_LLVM_IR, "%s: this is LLVM %s, not an object: compile with \"" COMPILE
			    " FILE.c\" (without -emit-llvm%s), or finish with \"llc -march=bpf -filetype=obj\"",
			    name, bitcode ? "bitcode" : "IR text", bitcode ? " and -flto" : "");
	if (!text)
		return fail(err, UEBPF_E_NOT_ELF, "%s: this is not an ELF object (it begins with %02x %02x %02x "
			    "%02x): compile C with \"" COMPILE " FILE.c\"; bare instructions are opened as such",
			    name, data[0], len > 1 ? data[1] : 0, len > 2 ? data[2] : 0, len > 3 ? data[3] : 0);
	return fail(err, UEBPF_E_SOURCE_TEXT, "%s: this is text, not an object%s: compile it first: "
		    "\"" COMPILE " %s\"", name,
		    holds(data, len, "SEC(") || holds(data, len, "#include") ? " (C source)" : "", source_name(name));
}

int elf_diagnose(const uint8_t *data, size_t len, const char *name, struct uebpf_error *err)
{
	uint32_t kind, machine;
	bool big;

	if (!begins(data, len, "\x7f" "ELF"))
		return not_elf(data, len, name, err);
	if (len < 64)
		return fail(err, UEBPF_E_MALFORMED, "%s: malformed ELF: the file ends inside its header", name);
	big = data[5] == 2;
	kind = big ? (uint32_t)(data[16] << 8 | data[17]) : le16(data + 16);
	machine = big ? (uint32_t)(data[18] << 8 | data[19]) : le16(data + 18);
	if (machine != ELF_M_BPF && machine != ELF_M_NONE)
		return fail(err, UEBPF_E_HOST_OBJECT, "%s: this is %s for %s, not a BPF object: compile with "
			    "\"" COMPILE " FILE.c\"", name, kind == 2 ? "a program" : kind == 3 ?
			    "a program or shared library" : "an object", machine_name(machine));
	if (big)
		return fail(err, UEBPF_E_BIG_ENDIAN, "%s: this is a big-endian BPF object: compile with "
			    "\"clang --target=bpfel -O2 -g -c FILE.c\"", name);
	if (data[4] != 2 || data[5] != 1 || kind != 1)
		return fail(err, UEBPF_E_MALFORMED, "%s: malformed ELF: a BPF object is a 64-bit little-endian "
			    "relocatable file", name);
	return 0;
}

const char *elf_advice(const char *function)
{
	/* Names, then what to do instead. */
	const char *row = MESSAGE_TEXT(
		" printf fprintf puts putchar \0" "print with bpf_printk() or bpf_trace_printk()\0"
		" sprintf snprintf \0" "format with bpf_snprintf()\0"
		" malloc calloc realloc free \0" "keep data in a map or on the stack\0"
		" strcmp strncmp \0" "compare with bpf_strncmp()\0"
		" strlen strnlen strcpy strncpy strcat strchr strstr strdup \0"
		  "write a bounded loop, or copy with bpf_probe_read_kernel_str()\0"
		" strtol strtoul atoi atol \0" "parse with bpf_strtol() or bpf_strtoul()\0"
		" rand random srand \0" "use bpf_get_prandom_u32()\0"
		" time clock gettimeofday clock_gettime \0" "use bpf_ktime_get_ns()\0"
		" getpid gettid \0" "use bpf_get_current_pid_tgid()\0"
		" abort exit _exit __assert_fail \0" "return from the program instead\0"
		" __divti3 __udivti3 __multi3 __modti3 __umodti3 \0"
		  "128-bit arithmetic has no BPF instructions\0"
		" __adddf3 __muldf3 __divdf3 __subdf3 __floatdidf __fixdfdi __mulsf3 __addsf3 __divsf3 "
		  "__floatsisf __fixsfsi \0" "floating point has no BPF instructions\0");
	char key[64];

	snprintf(key, sizeof(key), " %s ", function);
	for (row = message_text(row); *row; row = text_nth(row, 2))
		if (strstr(row, key))
			return text_next(row);
	return NULL;
}
