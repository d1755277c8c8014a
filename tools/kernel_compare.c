/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kernel_compare.c - what a run here and a run in the kernel left behind, side by side: result, packet or
 * context, and the entries of maps.  How the kernel was asked is kernel.c's. */
#ifdef HAVE_LIBBPF
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "tools/tool.h"

static bool same_bytes(const struct session *s, const char *what, struct bytes ours, struct bytes theirs, bool tell)
{
	size_t n = ours.len < theirs.len ? ours.len : theirs.len, at = 0;

	while (at < n && ours.data[at] == theirs.data[at])
		at++;
	if (at == ours.len && at == theirs.len)
		return true;
	if (!tell || s->opt->json)
		return false;
	if (ours.len != theirs.len)
		printf("differs: %s: ours %zu bytes, kernel %zu\n", what, ours.len, theirs.len);
	if (at < n)
		printf("differs: %s byte %zu: ours %02x, kernel %02x\n", what, at, ours.data[at], theirs.data[at]);
	return false;
}

bool kernel_same_result(struct session *s, const struct kernel_result *res, struct input *in, uint64_t r0, bool tell)
{
	const char *name = verdict_name(s, res->retval);
	bool same = (uint32_t)r0 == res->retval;
	struct bytes ours = input_bytes(in);

	/* The kernel hands out an xdp program's metadata as the first of its packet. */
	if (in->kind == UEBPF_CTX_PACKET && s->info.kernel_type == BPF_PROG_TYPE_XDP && in->packet.data_meta)
		ours = (struct bytes){ in->packet.data_meta, (size_t)(in->packet.data_end - in->packet.data_meta) };
	tell = tell && !s->opt->quiet;
	if (tell && !s->opt->json) {
		if (!s->opt->pcap && !s->opt->events)
			printf("kernel: r0 = 0x%x%s%s%s\n", res->retval, name ? " (" : "", name ? name : "",
			       name ? ")" : "");
		if (!same)
			printf("differs: r0: ours 0x%llx, kernel 0x%x\n", (unsigned long long)r0, res->retval);
	}
	if (res->data.data)
		same &= same_bytes(s, "packet", ours, res->data, tell);
	if (res->ctx.data)
		same &= same_bytes(s, "context", ours, res->ctx, tell);
	return same;
}

/* Values of one key as a list of the slots that are not zero: the two sides number CPUs differently. */
static size_t squeeze(uint8_t *value, size_t size, size_t slots)
{
	size_t stride = (size + 7) & ~(size_t)7, n = 0;

	for (size_t i = 0; i < slots; i++) {
		bool zero = true;

		for (size_t b = 0; b < size && zero; b++)
			zero = !value[i * stride + b];
		if (!zero)
			memmove(value + n++ * stride, value + i * stride, size);
	}
	return n;
}

struct pair {
	struct session *s;
	struct uebpf_map *ours;
	struct uebpf_map_info i;
	int fd;
	size_t slots, their_slots, stride;
	uint8_t *a, *b;
	uint64_t entries, differ;
};

static void tell_entry(struct pair *p, const void *key, const char *a, const char *b)
{
	char *k;

	if (p->differ++ >= 5 || p->s->opt->json || p->s->opt->quiet)
		return;
	k = map_text(p->ours, 0, key, 0);
	printf("differs: %s[%s]: ours %s, kernel %s\n", p->i.name, k, a, b);
	free(k);
}

static void compare_entry(struct pair *p, const void *key)
{
	int mine = uebpf_map_lookup(p->ours, key, p->a);
	int theirs = bpf_map_lookup_elem(p->fd, key, p->b);
	size_t n, m;

	p->entries++;
	if (mine && theirs)
		return;
	if (mine || theirs) {
		tell_entry(p, key, mine ? "has no such entry" : "has it", theirs ? "has no such entry" : "has it");
		return;
	}
	n = p->slots > 1 || p->their_slots > 1 ? squeeze(p->a, p->i.value_size, p->slots) : 1;
	m = p->slots > 1 || p->their_slots > 1 ? squeeze(p->b, p->i.value_size, p->their_slots) : 1;
	for (size_t i = 0; i < n && n == m; i++)
		if (memcmp(p->a + i * p->stride, p->b + i * p->stride, p->i.value_size))
			m = SIZE_MAX;
	if (n != m) {
		char *a = map_text(p->ours, 1, p->a, 0), *b = map_text(p->ours, 1, p->b, 0);

		tell_entry(p, key, a, b);
		free(a);
		free(b);
	}
}

/* Keys of both sides: an entry that only one side has is met on that side's walk. */
static void compare_entries(struct pair *p)
{
	uint8_t *key = need(calloc(2, p->i.key_size + 8)), *next = key + p->i.key_size;
	bool any = false;

	for (uint64_t n = 0; n <= p->i.max_entries && !uebpf_map_next_key(p->ours, any ? key : NULL, next); n++) {
		memcpy(key, next, p->i.key_size);
		any = true;
		compare_entry(p, key);
	}
	any = false;
	for (uint64_t n = 0; n <= p->i.max_entries && !bpf_map_get_next_key(p->fd, any ? key : NULL, next); n++) {
		memcpy(key, next, p->i.key_size);
		any = true;
		if (uebpf_map_lookup(p->ours, key, p->a))
			compare_entry(p, key);
	}
	free(key);
}

static bool comparable(uint32_t type)
{
	switch (type) {
	case BPF_MAP_TYPE_HASH: case BPF_MAP_TYPE_ARRAY: case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_ARRAY: case BPF_MAP_TYPE_LRU_HASH: case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_LPM_TRIE:
		return true;
	}
	return false;
}

static bool same_map(struct kernel *k, struct session *s, struct uebpf_map *map)
{
	struct pair p = { .s = s, .ours = map };
	bool per_cpu, quiet = s->opt->json || s->opt->quiet;

	p.i.size = sizeof p.i;
	uebpf_map_info(map, &p.i);
	p.fd = kernel_map_fd(k, p.i.name);
	if (p.fd < 0)
		return true;
	if (!comparable(p.i.type)) {
		if (!quiet)
			printf("kernel: map %s: entries of a %s are not compared\n", p.i.name, p.i.type_name);
		return true;
	}
	per_cpu = p.i.type == BPF_MAP_TYPE_PERCPU_HASH || p.i.type == BPF_MAP_TYPE_PERCPU_ARRAY ||
		  p.i.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	p.slots = per_cpu && p.i.cpu_slots ? p.i.cpu_slots : 1;
	p.their_slots = per_cpu ? (size_t)libbpf_num_possible_cpus() : 1;
	p.stride = (p.i.value_size + 7) & ~(size_t)7;
	p.a = need(calloc(p.slots + 1, p.stride + 8));
	p.b = need(calloc(p.their_slots + 1, p.stride + 8));
	compare_entries(&p);
	free(p.a);
	free(p.b);
	if (!quiet && p.differ)
		printf("kernel: map %s: %llu entries differ\n", p.i.name, (unsigned long long)p.differ);
	else if (!quiet)
		printf("kernel: map %s: %llu entries, the same\n", p.i.name, (unsigned long long)p.entries);
	return !p.differ;
}

bool kernel_same_maps(struct kernel *k, struct session *s)
{
	struct uebpf_map *map = NULL;
	bool same = true;

	if (s->opt->json)
		json_open("maps", '[');
	while ((map = uebpf_object_next_map(s->obj, map))) {
		bool one = same_map(k, s, map);

		if (s->opt->json) {
			json_open(NULL, '{');
			json_string("map", uebpf_map_name(map));
			json_bool("same", one);
			json_close();
		}
		same &= one;
	}
	if (s->opt->json)
		json_close();
	return same;
}
#endif
