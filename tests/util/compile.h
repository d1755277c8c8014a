/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* compile.h - BPF objects for tests, built from tests/objects by whatever clang there is and kept
 * under build/objects.  Tests run from the top of the tree. */
#ifndef TESTS_UTIL_COMPILE_H
#define TESTS_UTIL_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes { uint8_t *data; size_t len; };
/* Path of tests/objects/`source` built with "CC --target=bpf -c FLAGS"; cc NULL: $CLANG or clang.
 * NULL, with "skip: ..." printed, when there is no such compiler or it refuses the source. */
const char *compile(const char *cc, const char *source, const char *flags);
bool have_compiler(const char *cc);	/* prints the skip */
struct bytes slurp(const char *path);	/* data NULL when it cannot be read */

/* In a Check test: the object's path, or the test ends here (skipped). */
#define OBJECT(var, source, flags) \
	const char *var = compile(NULL, source, flags); \
	if (!var) \
		return

#endif
