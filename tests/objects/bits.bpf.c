// SPDX-License-Identifier: Apache-2.0 OR MIT
/* Programs over the event of bits.h as C compilers read it. */
#define BITS bits
#include "bits.h"
#define SEC(name) __attribute__((section(name), used))

SEC("uebpf/bits") int direct(struct bits *e)
{
	return e->a == 5 && e->in.y < 0 && e->w > 1000 && e->tiny == -2;
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bits___moved { unsigned int a : 3; unsigned int plain; };
#pragma clang attribute pop

/* Bits where they are, fetched as if they were where this program has them. */
SEC("uebpf/bits") int moved(struct bits___moved *e)
{
	return e->a == 5;
}
