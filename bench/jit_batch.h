/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* jit_batch.h - native loops over records, one a code placement (part_jit.sh builds them). */
#ifndef UEBPF_BENCH_JIT_BATCH_H
#define UEBPF_BENCH_JIT_BATCH_H

#include <stddef.h>
#include <stdint.h>

enum { PLACES = 16 };
typedef void native_loop(const void *base, size_t n, uint64_t *results);
/* records: over struct uebpf_record */
extern native_loop *const native_batch_1[PLACES], *const native_batch_10[PLACES], *const native_batch_50[PLACES];
extern native_loop *const native_records_1[PLACES], *const native_records_10[PLACES], *const native_records_50[PLACES];

#endif
