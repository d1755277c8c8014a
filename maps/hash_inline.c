/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hash_inline.c - find of hash_find.c as instructions: keys of one or two words, the first tag that
 * matches in the head bucket; everything else makes the call.  Numbers read from the table are checked
 * when a hostile peer may have written them. */
#include "maps/hash.h"

struct writer { struct insn *out; int n, cap; };
enum { SLOW = 1000, MISS, END };	/* places that are not known yet */

static int add(struct writer *w, struct insn in)
{
	if (w->n < w->cap)
		w->out[w->n] = in;
	return w->n++;
}
#define PUT(name, ...) add(w, (struct insn){ .op = OP_##name, __VA_ARGS__ })
static void load_word(struct writer *w, uint8_t dst, uint64_t v)
{
	PUT(LDDW, .dst = dst, .imm = (int64_t)v);
}

static void times(struct writer *w, uint8_t dst, uint64_t by)
{
	if (by & (by - 1))
		PUT(MUL64_K, .dst = dst, .imm = (int64_t)by);
	else if (by > 1)
		PUT(LSH64_K, .dst = dst, .imm = __builtin_ctzll(by));
}

static void fold(struct writer *w)	/* r0 ^= r0 >> 32 */
{
	PUT(MOV64_X, .dst = 4, .src = 0);
	PUT(RSH64_K, .dst = 4, .imm = 32);
	PUT(XOR64_X, .dst = 0, .src = 4);
}

/* r0 = the key's hash; as key_hash_of. */
static void hash_key(struct writer *w, const struct hash_map *h)
{
	load_word(w, 0, h->seed.a);
	load_word(w, 5, h->seed.b);
	for (int32_t off = 0; off < (int32_t)h->key_size; off += 8) {
		add(w, (struct insn){ .op = h->key_size == 4 ? OP_LD_W : OP_LD_DW, .dst = 3, .src = 2, .off = off });
		PUT(XOR64_X, .dst = 0, .src = 3);
		PUT(MUL64_X, .dst = 0, .src = 5);
		fold(w);
	}
	PUT(MUL64_K, .dst = 0, .imm = KEY_HASH_LAST);
}

/* r0 = bucket, r4 = which tags match, r3 = what the reader must have seen before: the chain, or the
 * sequence number. */
static void match_tags(struct writer *w, const struct hash_map *h)
{
	PUT(RSH64_K, .dst = 0, .imm = h->shift);
	PUT(MOV64_X, .dst = 4, .src = 0);
	PUT(AND64_K, .dst = 4, .imm = 0xff);
	PUT(OR64_K, .dst = 4, .imm = TAG_USED);
	load_word(w, 1, TAG_ONES);
	PUT(MUL64_X, .dst = 4, .src = 1);
	PUT(RSH64_K, .dst = 0, .imm = 8);
	PUT(LSH64_K, .dst = 0, .imm = 6);
	load_word(w, 5, (uint64_t)(uintptr_t)h->bucket);
	PUT(ADD64_X, .dst = 0, .src = 5);
	PUT(LDACQ_W, .dst = 3, .src = 0, .off = h->key_size > 8 ? offsetof(struct bucket, seq) :
								   offsetof(struct bucket, next));
	PUT(LDACQ_DW, .dst = 5, .src = 0);
	PUT(XOR64_X, .dst = 5, .src = 4);
	PUT(MOV64_X, .dst = 4, .src = 5);
	PUT(SUB64_X, .dst = 4, .src = 1);
	PUT(XOR64_K, .dst = 5, .imm = -1);
	PUT(AND64_X, .dst = 4, .src = 5);
	load_word(w, 5, TAG_TOPS);
	PUT(AND64_X, .dst = 4, .src = 5);
}

/* r4 = element, r0 = its address, r5 = bucket (two words) or element number (per-CPU); its key is ours. */
static void compare(struct writer *w, const struct hash_map *h)
{
	PUT(CTZ64, .dst = 4, .src = 4);
	PUT(RSH64_K, .dst = 4, .imm = 3);
	PUT(LDI_W, .dst = 4, .src = 0, .off = offsetof(struct bucket, idx), .imm = insn_index(4, 2));
	if (h->local.store)
		PUT(JGT64_K, .dst = 4, .imm = h->last, .off = SLOW);
	if (h->key_size > 8)
		PUT(MOV64_X, .dst = 5, .src = 0);
	else if (h->percpu)
		PUT(MOV64_X, .dst = 5, .src = 4);
	times(w, 4, h->elem_size);
	load_word(w, 0, (uint64_t)(uintptr_t)h->elem);
	PUT(ADD64_X, .dst = 0, .src = 4);
	for (int32_t off = 0; off < (int32_t)h->key_size; off += 8) {
		add(w, (struct insn){ .op = h->key_size == 4 ? OP_LD_W : OP_LD_DW, .dst = 1, .src = 2, .off = off });
		PUT(LDACQ_DW, .dst = 4, .src = 0, .off = (int32_t)h->key_off + off);
		PUT(JNE64_X, .dst = 4, .src = 1, .off = SLOW);
	}
	if (h->key_size > 8) {
		PUT(LDACQ_W, .dst = 4, .src = 5, .off = offsetof(struct bucket, seq));
		PUT(JNE64_X, .dst = 4, .src = 3, .off = SLOW);
	}
}

static void value(struct writer *w, const struct hash_map *h)
{
	if (h->percpu) {
		PUT(LD_CALL, .dst = 0, .imm = offsetof(struct uebpf_call, slot));
		PUT(JGE64_K, .dst = 0, .imm = h->local.m.cpu_slots, .off = SLOW);	/* -1: none */
		PUT(MUL64_K, .dst = 0, .imm = (int64_t)h->slot_stride);
		times(w, 5, h->local.m.value_stride);
		PUT(ADD64_X, .dst = 0, .src = 5);
		load_word(w, 5, (uint64_t)(uintptr_t)h->percpu_values);
		PUT(ADD64_X, .dst = 0, .src = 5);
		return;
	}
	if (h->lru) {
		int over;

		PUT(LD_B, .dst = 4, .src = 0, .off = offsetof(struct lru_mark, used));
		over = PUT(JNE64_K, .dst = 4);
		PUT(ST_B, .dst = 0, .off = offsetof(struct lru_mark, used), .imm = 1);
		if (over < w->cap)
			w->out[over].off = w->n;
	}
	if (h->twin) {
		PUT(LDACQ_DW, .dst = 4, .src = 0, .off = offsetof(struct twin, word));
		PUT(AND64_K, .dst = 4, .imm = TWIN_SIDE);
		PUT(ADD64_X, .dst = 0, .src = 4);
	}
	if (h->value_off)
		PUT(ADD64_K, .dst = 0, .imm = h->value_off);
}

/* As a helper, of tables whose values are no CPU's. */
static uint64_t lookup_call(uint64_t map, uint64_t key, uint64_t none3, uint64_t none4, uint64_t none5,
			    struct uebpf_call *call)
{
	struct uebpf_map *m = (struct uebpf_map *)(uintptr_t)map;

	(void)none3, (void)none4, (void)none5, (void)call;
	return (uintptr_t)m->ops->lookup(m, (const void *)(uintptr_t)key, NULL);
}

static int inline_lookup(const struct uebpf_map *map, struct insn *out, int cap)
{
	const struct hash_map *h = (const struct hash_map *)map;
	struct writer writer = { out, 0, cap }, *w = &writer;
	int place[3] = { 0 };

	if ((h->key_size != 4 && h->key_size != 8 && h->key_size != 16) || h->elem_size > INT32_MAX ||
	    h->last > INT32_MAX || (h->percpu && (h->lru || h->local.store || h->slot_stride > INT32_MAX ||
						  h->key_size > 8)))
		return 0;
	hash_key(w, h);
	match_tags(w, h);
	PUT(JEQ64_K, .dst = 4, .off = h->key_size > 8 ? SLOW : MISS);
	compare(w, h);
	value(w, h);
	PUT(JA, .off = END);
	if (h->key_size <= 8) {		/* two words: a miss is not certain without a second look */
		place[MISS - SLOW] = PUT(JNE64_K, .dst = 3, .off = SLOW);
		PUT(MOV64_K, .dst = 0);
		PUT(JA, .off = END);
	}
	place[0] = w->n;
	load_word(w, 1, (uint64_t)(uintptr_t)map);
	add(w, h->percpu ? (struct insn){ .op = OP_CALL } : map_called_alone(lookup_call));
	place[END - SLOW] = w->n;
	if (w->n > cap)
		return 0;
	for (int i = 0; i < w->n; i++)
		if (out[i].off >= SLOW && out[i].off <= END && (out[i].op == OP_JA || out[i].op == OP_JEQ64_K ||
		    out[i].op == OP_JNE64_K || out[i].op == OP_JNE64_X || out[i].op == OP_JGT64_K ||
		    out[i].op == OP_JGE64_K))
			out[i].off = place[out[i].off - SLOW];
	return w->n;
}

int hash_inline(const struct uebpf_map *map, enum map_call what, struct insn *out, int cap)
{
	if (what == MAP_CALL_LOOKUP || what == MAP_CALL_LOOKUP_INSIDE) {
		int n = inline_lookup(map, out, cap);

		if (n || ((const struct hash_map *)map)->percpu)
			return n;
		out[0] = map_called_alone(lookup_call);
		return 1;
	}
	if (map_local(map)->read_only)
		return 0;
	out[0] = map_called(((const struct hash_map *)map)->quick_twin ?
				    what == MAP_CALL_UPDATE ? twin_update_call : twin_remove_call :
				    what == MAP_CALL_UPDATE ? hash_update_call : hash_remove_call);
	return 1;
}
