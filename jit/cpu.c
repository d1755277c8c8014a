/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cpu.c - names of optional CPU features; which of them exist is the backend's to say. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "jit/backend.h"

static const struct { const char *name; uint32_t bit; } names[] = {
	{ "movbe", JIT_CPU_MOVBE }, { "bmi", JIT_CPU_BMI2 }, { "rdpid", JIT_CPU_RDPID }, { "rseq", JIT_CPU_RSEQ },
	{ "avx2", JIT_CPU_AVX2 },
};
enum { NAMES = sizeof names / sizeof *names };

static uint32_t named(const char *word, size_t len)
{
	for (int i = 0; i < NAMES; i++)
		if (strlen(names[i].name) == len && !memcmp(names[i].name, word, len))
			return names[i].bit;
	return len == 3 && !memcmp(word, "all", 3) ? UINT32_MAX : 0;
}

/* glibc 2.35; weak: other C libraries do not have it. */
extern const unsigned int __rseq_size __attribute__((weak));

bool jit_rseq(void) { return &__rseq_size && __rseq_size; }

int jit_cpu_detect(const char *off, uint32_t *features)
{
	uint32_t have = backend_cpu() | (jit_rseq() ? JIT_CPU_RSEQ : 0);

	for (const char *at = off; at && *at; ) {
		size_t len = strcspn(at, ", ");
		uint32_t bit = named(at, len);

		if (len && !bit)
			return -EINVAL;
		have &= ~bit;
		at += len;
		at += strspn(at, ", ");
	}
	*features = have;
	return 0;
}

const char jit_rule_names[] = "magic\0align\0pair\0vector\0select\0lanes\0update\0predict\0between\0flags\0";	/* order: enum jit_rule */

int jit_cpu_text(uint32_t features, char *buf, size_t cap)
{
	int n = 0;

	if (cap)
		*buf = 0;
	for (int i = 0; i < NAMES; i++)
		if (features & names[i].bit)
			n += snprintf(buf + ((size_t)n < cap ? (size_t)n : cap), (size_t)n < cap ? cap - (size_t)n : 0,
				      "%s%s", n ? " " : "", names[i].name);
	return n;
}
