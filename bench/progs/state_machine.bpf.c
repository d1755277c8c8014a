/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A branchy tokenizer over 1024 bytes: words, numbers, strings, comments. */
#include "bench.h"
ENTRY(state_machine)
{
	u32 state = 0, words = 0, numbers = 0, strings = 0, comments = 0;
	NEED(1024);
#pragma nounroll
	for (int i = 0; i < 1024; i++) {
		u8 c = mem[i];
		if (state == 0) {
			if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') {
				state = 1;
				words++;
			} else if (c >= '0' && c <= '9') {
				state = 2;
				numbers++;
			} else if (c == '"') {
				state = 3;
				strings++;
			} else if (c == '#') {
				state = 4;
				comments++;
			}
		} else if (state == 1) {
			if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9')))
				state = c == '"' ? 3 : 0;
		} else if (state == 2) {
			if (c < '0' || c > '9')
				state = 0;
		} else if (state == 3) {
			if (c == '"')
				state = 0;
			else if (c == '\\')
				state = 5;
		} else if (state == 4) {
			if (c == '\n')
				state = 0;
		} else {
			state = 3;
		}
	}
	return words | (u64)numbers << 16 | (u64)strings << 32 | (u64)comments << 48;
}
