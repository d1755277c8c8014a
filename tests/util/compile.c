/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* compile.c - see compile.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/util/compile.h"

static uint32_t hash(uint32_t h, const char *s)
{
	while (*s)
		h = (h ^ (uint8_t)*s++) * 16777619u;
	return h;
}

static time_t changed(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_mtime;
}

static const char *compiler(const char *cc)
{
	if (cc)
		return cc;
	return getenv("CLANG") ? getenv("CLANG") : "clang";
}

bool have_compiler(const char *cc)
{
	char command[256];

	cc = compiler(cc);
	snprintf(command, sizeof(command), "echo 'int x;' | %s %s -x c -c -o /dev/null - 2>/dev/null", cc,
		 strstr(cc, "gcc") ? "" : "--target=bpf");
	if (!system(command))
		return true;
	printf("skip: no %s that compiles for BPF\n", cc);
	return false;
}

const char *compile(const char *cc, const char *source, const char *flags)
{
	static char path[4][512];
	static unsigned int turn;
	char *out = path[turn++ % 4], from[256], command[2400], temp[600];
	time_t when;

	cc = compiler(cc);
	snprintf(from, sizeof(from), "tests/objects/%s", source);
	snprintf(out, sizeof(path[0]), "build/objects/%.100s-%08x.o", source,
		 hash(hash(hash(2166136261u, cc), " "), flags));
	when = changed(out);
	if (when && when >= changed(from) && when >= changed("tests/objects/bpf_min.h"))
		return out;
	if (!have_compiler(cc))
		return NULL;
	snprintf(temp, sizeof(temp), "%s.%d", out, (int)getpid());
	snprintf(command, sizeof(command), "mkdir -p build/objects && %s %s %s -c -o %s %s 2>%s.log",
		 cc, strstr(cc, "gcc") ? "" : "--target=bpf", flags, temp, from, temp);
	if (system(command) || rename(temp, out)) {
		printf("skip: %s cannot build %s with %s\n", cc, source, flags);
		return NULL;
	}
	strcat(temp, ".log");
	unlink(temp);
	return out;
}

struct bytes slurp(const char *path)
{
	struct bytes b = { NULL, 0 };
	FILE *f = fopen(path, "rb");
	size_t cap = 0, got = 1;

	while (f && got) {
		if (b.len + 1 >= cap)
			b.data = realloc(b.data, cap = cap ? cap * 2 : 65536);
		got = fread(b.data + b.len, 1, cap - b.len - 1, f);
		b.len += got;
	}
	if (f) {
		b.data[b.len] = 0;
		fclose(f);
	}
	return b;
}
