/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* compile.c - `uebpf-run prog.c`: clang makes the object, and the user sees the command that did. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/tool.h"

extern char **environ;

/* Debian keeps asm/types.h, which linux/types.h needs, in the host's own directory. */
#ifndef MULTIARCH
#define MULTIARCH ""
#endif

static void print_command(char *const *argv)
{
	fputs("uebpf-run:", stderr);
	for (; *argv; argv++)
		fprintf(stderr, strpbrk(*argv, " '\"$&;()<>|*?[]#~`\\") ? " '%s'" : " %s", *argv);
	fputc('\n', stderr);
}

/* The first thing that people who know C try, and clang's message is about a header they never wrote. */
static void tell_libc_header(const char *source)
{
	static const char *const headers[] = { "stdio.h", "stdlib.h", "string.h", "unistd.h", "errno.h", "time.h" };
	struct bytes text = read_all(source, "the source");
	unsigned line = 1;

	for (size_t i = 0; i < text.len; i++) {
		const char *at = (const char *)text.data + i;
		size_t left = text.len - i;

		line += *at == '\n';
		for (size_t h = 0; *at == '<' && h < sizeof headers / sizeof *headers; h++)
			if (left > strlen(headers[h]) + 1 && !memcmp(at + 1, headers[h], strlen(headers[h])) &&
			    at[strlen(headers[h]) + 1] == '>')
				note("%s:%u: <%s> is the C library's, which a BPF program cannot call: use"
				     " <linux/bpf.h> and <bpf/bpf_helpers.h>", source, line, headers[h]);
	}
	free(text.data);
}

char *compile_c(const char *source, const struct strings *flags)
{
	enum { FIXED = 16 };
	const char *dir = getenv("TMPDIR"), *clang = getenv("CLANG");
	char **argv = need(calloc(flags->n + FIXED, sizeof *argv)), *object;
	size_t n = 0;
	int fd, status;
	pid_t child;

	if (access(source, R_OK))
		die(EXIT_USAGE, "%s: %s", source, strerror(errno));
	object = need(malloc(strlen(dir && *dir ? dir : "/tmp") + 32));
	sprintf(object, "%s/uebpf-run-XXXXXX.o", dir && *dir ? dir : "/tmp");
	fd = mkstemps(object, 2);
	if (fd < 0)
		die(EXIT_USAGE, "%s: %s", object, strerror(errno));
	close(fd);
	session.compiled = object;	/* so that every end removes it */

	argv[n++] = (char *)(clang && *clang ? clang : "clang");
	argv[n++] = "--target=bpf";
	argv[n++] = "-O2";
	argv[n++] = "-g";
	argv[n++] = "-c";
	if (*MULTIARCH) {
		argv[n++] = "-idirafter";
		argv[n++] = "/usr/include/" MULTIARCH;
	}
	for (size_t i = 0; i < flags->n; i++)
		argv[n++] = flags->v[i];
	argv[n++] = "-o";
	argv[n++] = object;
	argv[n++] = (char *)source;
	if (!session.opt->quiet)
		print_command(argv);
	status = posix_spawnp(&child, argv[0], NULL, NULL, argv, environ);
	if (status)
		die(EXIT_USAGE, "%s: %s; on Debian: apt-get install clang, or name one in CLANG", argv[0],
		    strerror(status));
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			die(EXIT_USAGE, "%s: %s", argv[0], strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		die(EXIT_USAGE, "%s could not be started; on Debian: apt-get install clang", argv[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		tell_libc_header(source);
		die(EXIT_UNSUPPORTED, "%s: does not compile (the messages above are clang's)", source);
	}
	free(argv);
	return object;
}
