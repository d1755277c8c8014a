/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* header_test.c - uebpf.h compiles as C99 and C++17 with -pedantic, in any order with the headers that
 * people include beside it; README's snippet compiles and runs as C99, C++17, static and shared; only
 * uebpf_ names leave the library; the sizes of public structs are what they were. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "tests/api/api.h"

static char dir[4200];		/* scratch, inside the build tree */

static void setup(void)
{
	snprintf(dir, sizeof(dir), "%s/tests/api/scratch", build_dir());
	mkdir(dir, 0777);
}

static const char *tool(const char *env, const char *or)
{
	const char *set = getenv(env);

	return set && *set ? set : or;
}

static int have(const char *command)
{
	char line[600];

	snprintf(line, sizeof(line), "command -v %s >/dev/null 2>&1", command);
	return system(line) == 0;
}

/* Exit code of a shell line; what it prints goes to scratch/out. */
static int sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int sh(const char *format, ...)
{
	char line[9000], all[14000];
	va_list ap;
	int rc;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "{ %s ; } >%s/out 2>&1", line, dir);
	rc = system(all);
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static const char *out(void)
{
	static char text[4000];
	char path[4300];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/out", dir);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void put_file(const char *name, const char *text)
{
	char path[4300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

#define STRICT "-pedantic-errors -Wall -Wextra -Werror -Iinclude -fsyntax-only"
static const char *const others[] = { "linux/bpf.h", "bpf/libbpf.h", "pcap/pcap.h", "bpf/bpf.h" };
static const char body[] = "int main(void) { struct uebpf_error e; e.code = UEBPF_OK; return (int)e.code; }\n";

static void compiles(const char *first, const char *second, int strict)
{
	static const struct { const char *env, *tool, *flags, *file; } lang[] = {
		{ "CC", "cc", "-std=c99", "h.c" }, { "CXX", "c++", "-std=c++17", "h.cc" },
	};
	char text[500];
	size_t i;

	snprintf(text, sizeof(text), "%s%s%s\n%s%s%s\n%s", first ? "#include <" : "", first ? first : "",
		 first ? ">" : "", second ? "#include <" : "", second ? second : "", second ? ">" : "", body);
	for (i = 0; i < 2; i++) {
		const char *cc = tool(lang[i].env, lang[i].tool);

		if (!have(cc)) {
			printf("skip: no %s\n", cc);
			continue;
		}
		put_file(lang[i].file, text);
		ck_assert_msg(sh("%s %s %s %s/%s", cc, lang[i].flags, strict ? STRICT :
				 "-Wall -Wextra -Werror -Iinclude -fsyntax-only -D_GNU_SOURCE", dir, lang[i].file) == 0,
			      "%s %s, %s then %s:\n%s", cc, lang[i].flags, first ? first : "-", second ? second : "-",
			      out());
	}
}

START_TEST(header_is_c99_and_cxx17)
{
	compiles("uebpf.h", NULL, 1);
	compiles("uebpf.h", "uebpf.h", 1);
}
END_TEST

START_TEST(header_compiles_beside_others_in_either_order)
{
	char path[300];
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(*others); i++) {
		snprintf(path, sizeof(path), "/usr/include/%s", others[i]);
		if (access(path, R_OK)) {
			printf("skip: no <%s>\n", others[i]);
			continue;
		}
		compiles("uebpf.h", others[i], 0);
		compiles(others[i], "uebpf.h", 0);
	}
	if (!access("/usr/include/bpf/libbpf.h", R_OK))
		compiles("uebpf_libbpf.h", "uebpf.h", 0);
}
END_TEST

START_TEST(header_says_no_bpf_names)
{
	/* a macro, type or function of the header begins with uebpf_ or UEBPF_ */
	ck_assert_int_eq(sh("%s -E -dM -Iinclude -include uebpf.h -x c /dev/null | awk '/UEBPF|uebpf/ && "
			    "$2 !~ /^UEBPF_/ { print; bad = 1 } END { exit bad }'", tool("CC", "cc")), 0);
	ck_assert_int_eq(sh("grep -nE '^[^*/]*(^|[^a-z_])(bpf_[a-z_]+ *\\(|struct bpf_[a-z_]+ *\\{|enum bpf_)' include/uebpf.h; "
			    "test $? = 1"), 0);
}
END_TEST

/* ---- README's snippet ---- */

/* Between <!-- snippet NAME --> and <!-- end -->, the lines of its code block. */
static void snippet(const char *name, const char *file, int most)
{
	char line[500], mark[100], path[4300];
	FILE *in = fopen("README.md", "r"), *to;
	int state = 0, lines = 0;

	ck_assert_ptr_nonnull(in);
	snprintf(mark, sizeof(mark), "<!-- snippet %s -->", name);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	to = fopen(path, "w");
	ck_assert_ptr_nonnull(to);
	while (state < 3 && fgets(line, sizeof(line), in)) {
		bool fence = !strncmp(line, "```", 3);

		if (!state)
			state = !strncmp(line, mark, strlen(mark));
		else if (fence)
			state++;
		else if (state == 2)
			fputs(line, to), lines++;
	}
	fclose(in);
	fclose(to);
	ck_assert_msg(state == 3 && lines > 5, "README.md has no snippet %s", name);
	ck_assert_msg(lines <= most, "snippet %s has %d lines, %d are promised", name, lines, most);
}

START_TEST(readme_snippet_compiles_and_runs)
{
	const char *build = build_dir(), *cc = tool("CC", "cc"), *cxx = tool("CXX", "c++");
	const char *clang = tool("CLANG", "clang");
	char so[4200];

	if (SANITIZED) {
		puts("skip: the snippet is linked with the release build");
		return;
	}
	snippet("event.c", "event.c", 15);
	snippet("filter.bpf.c", "filter.bpf.c", 15);
	if (!have(clang)) {
		puts("skip: no clang to compile the snippet's filter");
		return;
	}
	snprintf(so, sizeof(so), "%s/libuebpf.so", build);
	if (access(so, R_OK)) {
		puts("skip: no libuebpf.so in this build tree");
		return;
	}
	ck_assert_msg(sh("cd %s && %s --target=bpf -O2 -g -c filter.bpf.c -o filter.o", dir, clang) == 0, "%s", out());
	ck_assert_msg(sh("%s -std=c99 -pedantic -Wall -Wextra -Werror -Iinclude %s/event.c -o %s/static %s/libuebpf.a "
			 "-lelf -lpthread -lm", cc, dir, dir, build) == 0, "%s", out());
	ck_assert_msg(sh("%s -std=c99 -pedantic -Wall -Wextra -Werror -Iinclude %s/event.c -o %s/shared %s/libuebpf.so "
			 "-Wl,-rpath,%s", cc, dir, dir, build, build) == 0, "%s", out());
	ck_assert_msg(sh("cd %s && ./static", dir) == 0, "%s", out());
	ck_assert_str_eq(out(), "event 2 kept\n");
	ck_assert_msg(sh("cd %s && ./shared", dir) == 0, "%s", out());
	ck_assert_str_eq(out(), "event 2 kept\n");
	if (!have(cxx)) {
		printf("skip: no %s\n", cxx);
		return;
	}
	ck_assert_msg(sh("%s -std=c++17 -pedantic -Wall -Wextra -Werror -Iinclude -x c++ %s/event.c -x none -o %s/cxx "
			 "%s/libuebpf.a -lelf -lpthread -lm", cxx, dir, dir, build) == 0, "%s", out());
	ck_assert_msg(sh("cd %s && ./cxx", dir) == 0, "%s", out());
	ck_assert_str_eq(out(), "event 2 kept\n");
	/* told where: the message of a missing file */
	ck_assert_int_eq(sh("cd %s && mkdir -p empty && cd empty && ../static", dir), 1);
	ck_assert_ptr_nonnull(strstr(out(), "filter.o: cannot read filter.o: No such file or directory"));
}
END_TEST

/* ---- symbols ---- */

START_TEST(only_uebpf_names_leave_the_library)
{
	const char *build = build_dir(), *nm = tool("NM", "nm");
	char so[4200];

	snprintf(so, sizeof(so), "%s/libuebpf.so", build);
	if (access(so, R_OK) || !have(nm)) {
		puts("skip: no libuebpf.so in this build tree, or no nm");
		return;
	}
#define OURS "$NF !~ /^uebpf_/ && $NF !~ /^__jit_debug_(register_code|descriptor)(@.*)?$/ && $NF !~ /^UEBPF_/"
	ck_assert_msg(sh("%s -D --defined-only %s/libuebpf.so | awk 'NF > 2 && (" OURS ") { print; bad = 1 } "
			 "END { exit bad }'", nm, build) == 0, "libuebpf.so:\n%s", out());
	ck_assert_msg(sh("%s -g --defined-only %s/libuebpf.a | awk 'NF > 2 && (" OURS ") { print; bad = 1 } "
			 "END { exit bad }'", nm, build) == 0 || SANITIZED, "libuebpf.a:\n%s", out());
	/* nothing that writes, exits or reads the environment is even imported */
	ck_assert_msg(sh("%s -D --undefined-only %s/libuebpf.so | grep -wE "
			 "'(exit|_exit|abort|printf|puts|putchar|perror|stdout|stderr|getenv|secure_getenv|signal|sigaction"
			 "|pthread_create|thrd_create|system|popen|atexit|pthread_key_create|__assert_fail)(@.*)?$'; "
			 "test $? = 1", nm, build) == 0 || SANITIZED, "libuebpf.so imports:\n%s", out());
	/* each function of the header exists */
	ck_assert_msg(sh("%s -D --defined-only %s/libuebpf.so | awk '{ sub(/@.*/, \"\", $NF); print $NF }' | sort >%s/has; "
			 "tr '\\n' ' ' <include/uebpf.h | grep -oE 'UEBPF_API [^;]*;' | grep -oE 'uebpf_[a-z0-9_]+ ?\\(' | "
			 "tr -d '( ' | sort -u | comm -23 - %s/has | tee %s/missing; test ! -s %s/missing",
			 nm, build, dir, dir, dir, dir) == 0, "declared and not there:\n%s", out());
}
END_TEST

/* ---- ABI ---- */

#if UINTPTR_MAX == UINT64_MAX
#define SIZE(t, n) { #t, sizeof(struct t), n }
static const struct { const char *name; size_t is, was; } sizes[] = {
	SIZE(uebpf_error, 920), SIZE(uebpf_hooks, 64), SIZE(uebpf_run, 80), SIZE(uebpf_record, 16),
	SIZE(uebpf_field, 56), SIZE(uebpf_task, 32), SIZE(uebpf_type_opts, 40),
};

START_TEST(struct_sizes_are_what_they_were)
{
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		ck_assert_msg(sizes[i].is == sizes[i].was, "struct %s has %zu bytes, the ABI says %zu",
			      sizes[i].name, sizes[i].is, sizes[i].was);
	ck_assert_uint_eq(offsetof(struct uebpf_error, text), 408);
}
END_TEST
#endif

static void fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, header_is_c99_and_cxx17);
	tcase_add_test(tc, header_compiles_beside_others_in_either_order);
	tcase_add_test(tc, header_says_no_bpf_names);
	tcase_add_test(tc, readme_snippet_compiles_and_runs);
	tcase_add_test(tc, only_uebpf_names_leave_the_library);
#if UINTPTR_MAX == UINT64_MAX
	tcase_add_test(tc, struct_sizes_are_what_they_were);
#endif
}

int main(void)
{
	return run_suite("api header", fill);
}
