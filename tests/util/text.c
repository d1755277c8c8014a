/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text.c - programs as text (text.h). */
#include "tests/util/text.h"
#include "vm/code.h"

void show_slots(const void *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n;) {
		char text[128];
		int used = raw_text(text, sizeof text, (const uint8_t *)slots + 8 * (size_t)i, n - i);

		fprintf(stderr, "%4u: %s\n", i, text);
		i += (uint32_t)used;
	}
}
