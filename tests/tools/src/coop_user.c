/* User half: by time, for each record, and at the end. */
#include "coop.h"

__u64 seen SEC(".data.both") = 7;

static struct stats *the_stats(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&stats, &zero);
}

SEC("raw")
int tick(void *ctx)
{
	struct stats *s = the_stats();

	if (s)
		s->user++;
	return 0;
}

SEC("raw")
int record(struct record *r, unsigned long len)
{
	struct stats *s = the_stats();

	if (!s || len < sizeof *r)
		return 1;
	if (r->magic != MAGIC || r->number != s->records)
		s->wrong++;
	s->records++;
	return 0;
}

static long count(void *map, const void *key, void *value, void *n)
{
	return ++*(long *)n, 0;
}

/* 0 when both sides saw the same. */
SEC("raw")
int check(void *ctx)
{
	struct stats *s = the_stats();
	__u32 ppoll = 271;
	long n = 0;

	if (!s)
		return 1;
	bpf_for_each_map_elem(&calls, count, &n, 0);
	return (!s->kernel) | (s->records != s->emitted) << 1 | (!s->records) << 2 | (!!s->wrong) << 3 | (!s->user) << 4 |
	       (seen != s->kernel + 7) << 5 | (n < 1) << 6 | (!bpf_map_lookup_elem(&calls, &ppoll)) << 7;
}
