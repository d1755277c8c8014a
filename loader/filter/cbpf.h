/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cbpf.h - classic BPF into eBPF. */
#ifndef UEBPF_LOADER_CBPF_H
#define UEBPF_LOADER_CBPF_H
#include <stdint.h>
#include "include/uebpf.h"

/* Translates a classic filter into wire slots of program type "cbpf" (malloc'ed, caller frees).
 * 0, or -EINVAL / -ENOMEM with *err: pc is the index of the classic instruction. */
int cbpf_translate(const struct uebpf_cbpf_insn *in, uint32_t n, void **slots, uint32_t *nslots,
		   struct uebpf_error *err);
#endif
