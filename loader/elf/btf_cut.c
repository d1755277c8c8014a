/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* btf_cut.c - the part of BTF that describes a few types, as bytes that btf_parse reads again: what a
 * shared map keeps of its key and value.  Pointers lose what they point to; nobody follows them there. */
#include <errno.h>
#include <string.h>
#include "loader/elf/btf.h"
#include "vm/code.h"
#include "vm/mem.h"

enum { NAME, INFO, SIZE, EXTRA, HEADER = 24, MOST = 1 << 20 };

struct cut {
	const struct btf *btf;
	uint32_t *to;			/* new id of an old one, 0: not wanted */
	uint32_t *old, n;		/* wanted, in their new order */
	uint8_t *out;
	size_t words, strings;		/* bytes so far */
};

static uint32_t want(struct cut *c, uint32_t id)
{
	if (id && id < btf_count(c->btf) && !c->to[id]) {
		c->old[c->n++] = id;
		c->to[id] = c->n;
	}
	return c->to[id < btf_count(c->btf) ? id : 0];
}

/* Where a type holds names (what 0) or ids of types (1): the i-th word after the first three, or -1. */
static int place(enum btf_kind kind, uint32_t vlen, int what, uint32_t i)
{
	switch (kind) {
	case BTF_STRUCT: case BTF_UNION: return i < vlen ? (int)(3 * i) + what : -1;
	case BTF_ENUM: return !what && i < vlen ? (int)(2 * i) : -1;
	case BTF_ENUM64: return !what && i < vlen ? (int)(3 * i) : -1;
	case BTF_DATASEC: return what && i < vlen ? (int)(3 * i) : -1;
	case BTF_ARRAY: return what && i < 2 ? (int)i : -1;
	default: return -1;
	}
}

static bool has_target(enum btf_kind kind)
{
	return kind == BTF_TYPEDEF || kind == BTF_VOLATILE || kind == BTF_CONST || kind == BTF_RESTRICT ||
	       kind == BTF_VAR || kind == BTF_TYPE_TAG;
}

/* out NULL: only counts. */
static uint32_t put_string(struct cut *c, uint32_t off, char *strings)
{
	const char *s = btf_string(c->btf, off);
	uint32_t at = (uint32_t)c->strings;

	if (!*s)
		return 0;
	if (strings)
		strcpy(strings + at, s);
	c->strings += strlen(s) + 1;
	return at;
}

static void put_type(struct cut *c, uint32_t id, uint32_t *out, char *strings)
{
	enum btf_kind kind = btf_kind(c->btf, id);
	const uint32_t *t;
	uint32_t n = btf_words(c->btf, id, &t), w[EXTRA], v;
	int at;

	memcpy(w, t, sizeof(w));
	w[NAME] = put_string(c, w[NAME], strings);
	if (has_target(kind))
		w[SIZE] = want(c, w[SIZE]);
	else if (kind == BTF_PTR)
		w[SIZE] = 0;
	if (out) {
		memcpy(out, w, sizeof(w));
		memcpy(out + EXTRA, t + EXTRA, (n - EXTRA) * 4);
	}
	for (int what = 0; what < 2; what++)
		for (uint32_t i = 0; (at = place(kind, btf_vlen(c->btf, id), what, i)) >= 0; i++) {
			v = what ? want(c, t[EXTRA + at]) : put_string(c, t[EXTRA + at], strings);
			if (out)
				out[EXTRA + at] = v;
		}
	c->words += n * 4;
}

static void put_all(struct cut *c, uint32_t *words, char *strings)
{
	c->words = 0;
	c->strings = 1;
	for (uint32_t i = 0; i < c->n; i++)
		put_type(c, c->old[i], words ? words + c->words / 4 : NULL, strings);
}

long btf_cut(struct vm_host *host, const struct btf *btf, uint32_t ids[2], void **out)
{
	size_t count = btf_count(btf), total;
	struct cut c = { .btf = btf, .to = mem_array(host, 2 * count, sizeof(*c.to)) };
	uint8_t *bytes = NULL;

	if (!c.to)
		return -ENOMEM;
	c.old = c.to + count;
	want(&c, ids[0]);
	want(&c, ids[1]);
	put_all(&c, NULL, NULL);
	total = HEADER + c.words + c.strings;
	if (total <= MOST)
		bytes = mem_alloc(host, total);
	if (bytes) {
		uint32_t head[HEADER / 4] = { 0, HEADER, 0, (uint32_t)c.words, (uint32_t)c.words, (uint32_t)c.strings };

		memcpy(bytes, head, sizeof(head));
		memcpy(bytes, &(uint16_t){ 0xeb9f }, 2);
		bytes[2] = 1;
		put_all(&c, (uint32_t *)(void *)(bytes + HEADER), (char *)bytes + HEADER + c.words);
		ids[0] = c.to[ids[0] < count ? ids[0] : 0];
		ids[1] = c.to[ids[1] < count ? ids[1] : 0];
	}
	mem_free(host, c.to, 2 * count * sizeof(*c.to));
	*out = bytes;
	return bytes ? (long)total : total > MOST ? -E2BIG : -ENOMEM;
}
