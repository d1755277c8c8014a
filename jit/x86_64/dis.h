/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dis.h - text of emitted machine code; see dis.c. */
#ifndef UEBPF_JIT_X86_DIS_H
#define UEBPF_JIT_X86_DIS_H

#include <stddef.h>
#include <stdint.h>

/* Text of one instruction; returns its bytes.  *target: of a direct jump or call, relative to `code`;
 * INT64_MIN: none (its text then names no target). */
uint32_t x86_text(const uint8_t *code, uint32_t len, char *buf, size_t cap, int64_t *target);

#endif
