/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* shape.h - sizes that the programs and the driver of the maps bench share. */
#ifndef BENCH_MAPS_SHAPE_H
#define BENCH_MAPS_SHAPE_H
#define ENTRIES 10000
#define LRU_ENTRIES 10240
#define KEYS 16384		/* prepared keys, drawn from the entries */
#define CHUNK 1024		/* operations a run */
#define RING_BYTES (1 << 20)
#define ARENA_BITS 16		/* places of the arena hash: 2^16, a sixth of them used */
#define ARENA_PAGES 320
#endif
