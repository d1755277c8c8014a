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
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die(EXIT_UNSUPPORTED, "%s: does not compile (the messages above are clang's)", source);
	free(argv);
	return object;
}
