/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ring.h - the kernel's ring buffer layout (kernel/bpf/ringbuf.c), ours and the kernel's alike.
 *
 *   control page | consumer page | producer page | data | the same data again
 * Positions are 64-bit byte counts at the start of their pages.  A record is an 8-byte header
 * {length | BUSY | DISCARD, page offset} and its bytes, padded to 8; the second mapping of the data
 * lets a record run over the end.  The control page is ours alone (the kernel keeps it to itself). */
#ifndef UEBPF_MAPS_RING_H
#define UEBPF_MAPS_RING_H

#include "maps/maps.h"

struct ring_record { _Atomic uint32_t len; uint32_t owner /* the kernel's: page offset */; };
enum { RING_HEADER = 8 };
#define RING_BUSY (UINT32_C(1) << 31)
#define RING_DISCARD (UINT32_C(1) << 30)

struct ring_control { struct map_lock lock; struct map_lock drain; };
/* One end may be a kernel's ring: control is NULL then. */
struct ring {
	struct ring_control *control;
	_Atomic uint64_t *consumer, *producer;
	uint8_t *data;
	uint64_t mask;
	bool dead_owners;	/* records name their producer, who may have died */
};
struct ring_map {
	struct map_local local;
	struct ring ring;
	void *pages;
	size_t pages_bytes;
	struct ring_control own;	/* control of a kernel ring */
	_Atomic int fd;		/* eventfd + 1, 0: nobody polls */
};

static inline struct ring_record *ring_record(const struct ring *ring, uint64_t at)
{
	return (struct ring_record *)(ring->data + (at & ring->mask & ~UINT64_C(7)));
}
void ring_notify(struct ring_map *r);	/* wakes who polls */
/* What the two ends of a ring have, ours and the kernel's alike. */
extern const struct map_more ring_producer, ring_drained;
long ring_consume(struct uebpf_map *map, uebpf_record_fn cb, void *arg);
int ring_poll_fd(struct uebpf_map *map);
/* The walk itself, for any ring of this layout. */
long ring_walk(struct ring *ring, uebpf_record_fn cb, void *arg);
void *ring_reserve(struct uebpf_map *map, uint64_t size);
int ring_inline(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap);
uint64_t ring_commit(struct uebpf_map *map, void *record, uint64_t flags, bool discard);
uint64_t ring_query(struct uebpf_map *map, uint64_t what);
int ring_check(const struct uebpf_map_opts *opts, const char **why);
size_t ring_bytes(const struct uebpf_map *map);
int ring_init(struct uebpf_map *map, bool fresh);
long ring_drain(struct uebpf_map *map, long (*fn)(void *arg, void *data, uint32_t len), void *arg, uint64_t flags);
void ring_fini(struct uebpf_map *map);

#endif
