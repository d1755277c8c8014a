/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* btf.c - parses BTF into checked words in host order and answers questions about types.
 * After btf_parse each id, string offset and count inside is in range; cycles are still possible
 * and are met by step limits where chains are followed.  Knows nothing of ELF or programs. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "loader/elf/btf.h"
#include "vm/code.h"
#include "vm/mem.h"
#include "vm/message.h"

enum { MAGIC = 0xeb9f, HEADER = 24, CHAIN = 64, VLEN_MAX = 0xffff };
/* Words of a type: name, info, size or type, then what the kind adds. */
enum { NAME, INFO, SIZE, EXTRA };

struct btf {
	_Atomic uint32_t refs;
	struct vm_host *host;
	uint32_t *words;
	uint32_t nr_words;
	uint32_t *start;		/* of id, in words; [0] unused */
	uint32_t cap;			/* of start */
	uint32_t count;			/* ids, void included */
	char *strings;
	uint32_t strings_len;
	uint32_t *head, *next;		/* index by essential name, made on first use */
	uint32_t buckets;
};

static int fail(struct uebpf_error *err, int errnum, const char *name, const char *what, uint32_t id)
{
	enum uebpf_code code = errnum == -ENOMEM ? UEBPF_E_MEMORY : UEBPF_E_BAD_BTF;

	what = message_text(what);
	if (id)
		return error_set(err, UEBPF_STAGE_BTF, code, errnum, UINT32_MAX,
				 "%s: BTF: type %u: %s", name, id, what);
	return error_set(err, UEBPF_STAGE_BTF, code, errnum, UINT32_MAX, "%s: BTF: %s", name, what);
}

static uint32_t word_at(const uint8_t *p, bool swap)
{
	uint32_t w;

	memcpy(&w, p, 4);
	return swap ? __builtin_bswap32(w) : w;
}

static const uint32_t *type_at(const struct btf *btf, uint32_t id)
{
	static const uint32_t nothing[8];	/* id 0 and ids out of range are void */

	return id && id < btf->count ? btf->words + btf->start[id] : nothing;
}

static enum btf_kind kind_of(const uint32_t *t) { return t[INFO] >> 24 & 0x1f; }
static uint32_t vlen_of(const uint32_t *t) { return t[INFO] & VLEN_MAX; }

/* Words after the first three; UINT32_MAX for a kind that is not known. */
static uint32_t extra_words(const uint32_t *t)
{
	uint32_t n = vlen_of(t);

	switch (kind_of(t)) {
	case BTF_INT: case BTF_VAR: case BTF_DECL_TAG:
		return 1;
	case BTF_ARRAY:
		return 3;
	case BTF_STRUCT: case BTF_UNION: case BTF_DATASEC: case BTF_ENUM64:
		return n * 3;
	case BTF_ENUM: case BTF_FUNC_PROTO:
		return n * 2;
	case BTF_PTR: case BTF_FWD: case BTF_TYPEDEF: case BTF_VOLATILE: case BTF_CONST:
	case BTF_RESTRICT: case BTF_FUNC: case BTF_FLOAT: case BTF_TYPE_TAG:
		return 0;
	default:
		return UINT32_MAX;
	}
}

uint32_t btf_words(const struct btf *btf, uint32_t id, const uint32_t **words)
{
	*words = type_at(btf, id);
	return EXTRA + extra_words(*words);
}

/* Finds where each type starts. */
static int split(struct btf *btf, const char *name, struct uebpf_error *err)
{
	btf->count = 1;
	for (uint32_t at = 0; at < btf->nr_words; btf->count++) {
		const uint32_t *t = btf->words + at;
		uint32_t left = btf->nr_words - at, extra;

		if (left < EXTRA)
			return fail(err, -EINVAL, name, MESSAGE_TEXT("truncated"), btf->count);
		extra = extra_words(t);
		if (extra == UINT32_MAX)
			return fail(err, -EINVAL, name, MESSAGE_TEXT("kind unknown to this version"), btf->count);
		if (extra > left - EXTRA)
			return fail(err, -EINVAL, name, MESSAGE_TEXT("truncated"), btf->count);
		if (btf->count >= btf->cap) {
			uint32_t cap = btf->cap ? btf->cap * 2 : 64, *more;

			more = mem_resize(btf->host, btf->start, btf->cap * sizeof(*more),
					  cap * sizeof(*more));
			if (!more)
				return fail(err, -ENOMEM, name, MESSAGE_TEXT("out of memory"), 0);
			btf->start = more;
			btf->cap = cap;
		}
		btf->start[btf->count] = at;
		at += EXTRA + extra;
	}
	return 0;
}

/* Does each id and string offset of the type lie inside? */
static const char *check(const struct btf *btf, const uint32_t *t)
{
	const uint32_t *x = t + EXTRA;
	uint32_t n = vlen_of(t), step = 0, id_at = 0;

	if (t[NAME] >= btf->strings_len)
		return MESSAGE_TEXT("name outside the strings");
	switch (kind_of(t)) {
	case BTF_PTR: case BTF_TYPEDEF: case BTF_VOLATILE: case BTF_CONST: case BTF_RESTRICT:
	case BTF_FUNC: case BTF_FUNC_PROTO: case BTF_VAR: case BTF_DECL_TAG: case BTF_TYPE_TAG:
		if (t[SIZE] >= btf->count)
			return MESSAGE_TEXT("refers to a type that does not exist");
		break;
	case BTF_ARRAY:
		if (x[0] >= btf->count || x[1] >= btf->count)
			return MESSAGE_TEXT("refers to a type that does not exist");
		break;
	case BTF_INT:
		if (t[SIZE] > 16 || (x[0] & 0xff) > 128 || (x[0] >> 16 & 0xff) > 128)
			return MESSAGE_TEXT("integer of impossible size");
		break;
	case BTF_ENUM: case BTF_ENUM64:
		if (t[SIZE] > 8 || (t[SIZE] & (t[SIZE] - 1)))
			return MESSAGE_TEXT("enum of impossible size");
		break;
	default:
		break;
	}
	switch (kind_of(t)) {
	case BTF_STRUCT: case BTF_UNION:
		step = 3, id_at = 1;
		break;
	case BTF_FUNC_PROTO:
		step = 2, id_at = 1;
		break;
	case BTF_DATASEC:
		for (; n--; x += 3)
			if (x[0] >= btf->count)
				return MESSAGE_TEXT("refers to a type that does not exist");
		return NULL;
	case BTF_ENUM:
		step = 2;
		break;
	case BTF_ENUM64:
		step = 3;
		break;
	default:
		return NULL;
	}
	for (; n--; x += step) {
		if (x[0] >= btf->strings_len)
			return MESSAGE_TEXT("name outside the strings");
		if (id_at && x[id_at] >= btf->count)
			return MESSAGE_TEXT("refers to a type that does not exist");
	}
	return NULL;
}

static int parse(struct btf *btf, const uint8_t *p, size_t len, const char *name,
		 struct uebpf_error *err)
{
	uint32_t head, type_off, type_len, str_off, str_len;
	uint16_t magic;
	bool swap;

	if (len < HEADER)
		return fail(err, -EINVAL, name, MESSAGE_TEXT("shorter than its header"), 0);
	memcpy(&magic, p, 2);
	if (magic != MAGIC && magic != __builtin_bswap16(MAGIC))
		return fail(err, -EINVAL, name, MESSAGE_TEXT("no BTF magic (0xeb9f) at its start"), 0);
	swap = magic != MAGIC;
	if (p[2] != 1)
		return fail(err, -EINVAL, name, MESSAGE_TEXT("version is not 1"), 0);
	head = word_at(p + 4, swap);
	type_off = word_at(p + 8, swap);
	type_len = word_at(p + 12, swap);
	str_off = word_at(p + 16, swap);
	str_len = word_at(p + 20, swap);
	if (head < HEADER || head > len)
		return fail(err, -EINVAL, name, MESSAGE_TEXT("bad header length"), 0);
	len -= head;
	p += head;
	if (type_off > len || type_len > len - type_off || type_off % 4 || type_len % 4)
		return fail(err, -EINVAL, name, MESSAGE_TEXT("types lie outside the section"), 0);
	if (str_off > len || str_len > len - str_off)
		return fail(err, -EINVAL, name, MESSAGE_TEXT("strings lie outside the section"), 0);
	if (!str_len || p[str_off] || p[str_off + str_len - 1])
		return fail(err, -EINVAL, name, MESSAGE_TEXT("strings do not begin and end with NUL"), 0);
	btf->strings_len = str_len;
	btf->nr_words = type_len / 4;
	btf->strings = mem_copy(btf->host, p + str_off, str_len);
	btf->words = type_len ? mem_copy(btf->host, p + type_off, type_len) : NULL;
	if (!btf->strings || (type_len && !btf->words))
		return fail(err, -ENOMEM, name, MESSAGE_TEXT("out of memory"), 0);
	for (uint32_t i = 0; swap && i < btf->nr_words; i++)
		btf->words[i] = __builtin_bswap32(btf->words[i]);
	return split(btf, name, err);
}

struct btf *btf_parse(struct vm_host *host, const void *data, size_t len, const char *name,
		      struct uebpf_error *err)
{
	struct btf *btf = mem_alloc(host, sizeof(*btf));

	if (!btf) {
		fail(err, -ENOMEM, name, MESSAGE_TEXT("out of memory"), 0);
		return NULL;
	}
	atomic_init(&btf->refs, 1);
	btf->host = host;
	if (parse(btf, data, len, name, err)) {
		btf_unref(btf);
		return NULL;
	}
	for (uint32_t id = 1; id < btf->count; id++) {
		const char *why = check(btf, type_at(btf, id));

		if (why) {
			fail(err, -EINVAL, name, why, id);
			btf_unref(btf);
			return NULL;
		}
	}
	return btf;
}

struct btf *btf_ref(struct btf *btf)
{
	if (btf)
		atomic_fetch_add_explicit(&btf->refs, 1, memory_order_relaxed);
	return btf;
}

void btf_unref(struct btf *btf)
{
	if (!btf || atomic_fetch_sub_explicit(&btf->refs, 1, memory_order_acq_rel) != 1)
		return;
	mem_free(btf->host, btf->words, (size_t)btf->nr_words * 4);
	mem_free(btf->host, btf->start, btf->cap * sizeof(*btf->start));
	mem_free(btf->host, btf->strings, btf->strings_len);
	mem_free(btf->host, btf->head, btf->buckets * sizeof(*btf->head));
	mem_free(btf->host, btf->next, btf->count * sizeof(*btf->next));
	mem_free(btf->host, btf, sizeof(*btf));
}

uint32_t btf_count(const struct btf *btf) { return btf->count; }

const char *btf_string(const struct btf *btf, uint32_t off)
{
	return off < btf->strings_len ? btf->strings + off : "";
}

enum btf_kind btf_kind(const struct btf *btf, uint32_t id) { return kind_of(type_at(btf, id)); }
uint32_t btf_vlen(const struct btf *btf, uint32_t id) { return vlen_of(type_at(btf, id)); }
bool btf_kflag(const struct btf *btf, uint32_t id) { return type_at(btf, id)[INFO] >> 31; }
uint32_t btf_own_size(const struct btf *btf, uint32_t id) { return type_at(btf, id)[SIZE]; }

const char *btf_name(const struct btf *btf, uint32_t id)
{
	return btf_string(btf, type_at(btf, id)[NAME]);
}

uint32_t btf_target(const struct btf *btf, uint32_t id)
{
	switch (btf_kind(btf, id)) {
	case BTF_PTR: case BTF_TYPEDEF: case BTF_VOLATILE: case BTF_CONST: case BTF_RESTRICT:
	case BTF_FUNC: case BTF_FUNC_PROTO: case BTF_VAR: case BTF_DECL_TAG: case BTF_TYPE_TAG:
		return type_at(btf, id)[SIZE];
	default:
		return 0;
	}
}

static uint32_t skip(const struct btf *btf, uint32_t id, bool typedefs)
{
	for (int i = 0; i < CHAIN; i++) {
		enum btf_kind kind = btf_kind(btf, id);

		if (kind != BTF_CONST && kind != BTF_VOLATILE && kind != BTF_RESTRICT &&
		    kind != BTF_TYPE_TAG && !(typedefs && kind == BTF_TYPEDEF))
			return id < btf->count ? id : 0;
		id = btf_target(btf, id);
	}
	return 0;		/* a cycle of modifiers has no value */
}

uint32_t btf_skip(const struct btf *btf, uint32_t id) { return skip(btf, id, true); }
uint32_t btf_skip_mods(const struct btf *btf, uint32_t id) { return skip(btf, id, false); }

bool btf_is_composite(const struct btf *btf, uint32_t id)
{
	enum btf_kind kind = btf_kind(btf, id);

	return kind == BTF_STRUCT || kind == BTF_UNION;
}

int64_t btf_size(const struct btf *btf, uint32_t id)
{
	uint64_t count = 1, size;

	for (int i = 0; i < CHAIN; i++) {
		struct btf_array array;

		id = btf_skip(btf, id);
		switch (btf_kind(btf, id)) {
		case BTF_PTR:
			size = 8;
			break;
		case BTF_INT: case BTF_STRUCT: case BTF_UNION: case BTF_ENUM: case BTF_ENUM64:
		case BTF_FLOAT: case BTF_DATASEC:
			size = btf_own_size(btf, id);
			break;
		case BTF_VAR:
			id = btf_target(btf, id);
			continue;
		case BTF_ARRAY:
			if (!btf_array(btf, id, &array))
				return -EINVAL;
			if (__builtin_mul_overflow(count, array.count, &count) || count > UINT32_MAX)
				return -E2BIG;
			id = array.elem;
			continue;
		default:
			return -EINVAL;
		}
		size *= count;		/* both below 2^32 */
		return size > UINT32_MAX ? -E2BIG : (int64_t)size;
	}
	return -EINVAL;
}

bool btf_member(const struct btf *btf, uint32_t id, uint32_t index, struct btf_member *out)
{
	const uint32_t *t = type_at(btf, id), *x = t + EXTRA;

	if (!btf_is_composite(btf, id) || index >= vlen_of(t))
		return false;
	x += index * 3;
	out->name = btf_string(btf, x[0]);
	out->type = x[1];
	out->bit_off = x[2];
	out->bits = 0;
	if (t[INFO] >> 31) {
		out->bit_off = x[2] & 0xffffff;
		out->bits = x[2] >> 24;
	}
	return true;
}

bool btf_array(const struct btf *btf, uint32_t id, struct btf_array *out)
{
	const uint32_t *x = type_at(btf, id) + EXTRA;

	if (btf_kind(btf, id) != BTF_ARRAY)
		return false;
	*out = (struct btf_array){ x[0], x[1], x[2] };
	return true;
}

bool btf_enumerator(const struct btf *btf, uint32_t id, uint32_t index, struct btf_enumerator *out)
{
	const uint32_t *t = type_at(btf, id), *x = t + EXTRA;

	if (index >= vlen_of(t))
		return false;
	if (kind_of(t) == BTF_ENUM) {
		x += index * 2;
		out->value = t[INFO] >> 31 ? (int64_t)(int32_t)x[1] : (int64_t)x[1];
	} else if (kind_of(t) == BTF_ENUM64) {
		x += index * 3;
		out->value = (int64_t)((uint64_t)x[2] << 32 | x[1]);
	} else {
		return false;
	}
	out->name = btf_string(btf, x[0]);
	return true;
}

bool btf_enum_signed(const struct btf *btf, uint32_t id) { return btf_kflag(btf, id); }

bool btf_param(const struct btf *btf, uint32_t id, uint32_t index, struct btf_param *out)
{
	const uint32_t *t = type_at(btf, id), *x = t + EXTRA;

	if (kind_of(t) != BTF_FUNC_PROTO || index >= vlen_of(t))
		return false;
	x += index * 2;
	out->name = btf_string(btf, x[0]);
	out->type = x[1];
	return true;
}

static uint32_t *secinfo_at(const struct btf *btf, uint32_t id, uint32_t index)
{
	if (btf_kind(btf, id) != BTF_DATASEC || index >= btf_vlen(btf, id))
		return NULL;
	return btf->words + btf->start[id] + EXTRA + index * 3;
}

bool btf_secinfo(const struct btf *btf, uint32_t id, uint32_t index, struct btf_secinfo *out)
{
	const uint32_t *x = secinfo_at(btf, id, index);

	if (!x)
		return false;
	*out = (struct btf_secinfo){ x[0], x[1], x[2] };
	return true;
}

void btf_set_secinfo(struct btf *btf, uint32_t id, uint32_t index, uint32_t off, uint32_t size)
{
	uint32_t *x = secinfo_at(btf, id, index);

	if (x) {
		x[1] = off;
		x[2] = size;
	}
}

void btf_set_size(struct btf *btf, uint32_t id, uint32_t size)
{
	if (btf_kind(btf, id) == BTF_DATASEC)
		btf->words[btf->start[id] + SIZE] = size;
}

bool btf_int(const struct btf *btf, uint32_t id, struct btf_int *out)
{
	uint32_t w;

	if (btf_kind(btf, id) != BTF_INT)
		return false;
	w = type_at(btf, id)[EXTRA];
	*out = (struct btf_int){ w >> 24 & 0xf, w & 0xff, w >> 16 & 0xff };
	return true;
}

uint32_t btf_linkage(const struct btf *btf, uint32_t id)
{
	if (btf_kind(btf, id) == BTF_FUNC)
		return btf_vlen(btf, id);
	return btf_kind(btf, id) == BTF_VAR ? type_at(btf, id)[EXTRA] : BTF_LINK_STATIC;
}

uint32_t btf_find(const struct btf *btf, enum btf_kind kind, const char *name)
{
	for (uint32_t id = 1; id < btf->count; id++)
		if (btf_kind(btf, id) == kind && !strcmp(btf_name(btf, id), name))
			return id;
	return 0;
}

/* ---- index by essential name ---- */

size_t btf_essential_len(const char *name)
{
	size_t n = strlen(name);

	/* x___y: three underscores between two other characters; the last such place counts */
	for (size_t i = n; i >= 5; i--) {
		const char *s = name + i - 5;

		if (s[0] != '_' && s[1] == '_' && s[2] == '_' && s[3] == '_' && s[4] != '_')
			return i - 4;
	}
	return n;
}

static uint32_t hash_name(const char *s, size_t n)
{
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ (uint8_t)*s++) * 16777619u;
	return h ^ h >> 15;
}

static bool make_index(struct btf *btf)
{
	uint32_t buckets = 64;

	while (buckets < btf->count)
		buckets *= 2;
	btf->head = mem_array(btf->host, buckets, sizeof(*btf->head));
	btf->next = mem_array(btf->host, btf->count, sizeof(*btf->next));
	if (!btf->head || !btf->next) {
		mem_free(btf->host, btf->head, buckets * sizeof(*btf->head));
		mem_free(btf->host, btf->next, btf->count * sizeof(*btf->next));
		btf->head = btf->next = NULL;
		return false;
	}
	btf->buckets = buckets;
	for (uint32_t id = btf->count; --id > 0;) {	/* chains ascend */
		const char *name = btf_name(btf, id);
		enum btf_kind kind = btf_kind(btf, id);
		uint32_t *head;

		if (!*name || kind == BTF_FUNC || kind == BTF_VAR || kind == BTF_DATASEC ||
		    kind == BTF_DECL_TAG)
			continue;
		head = &btf->head[hash_name(name, btf_essential_len(name)) & (buckets - 1)];
		btf->next[id] = *head;
		*head = id;
	}
	return true;
}

uint32_t btf_next_named(struct btf *btf, const char *name, size_t len, uint32_t prev)
{
	uint32_t id;

	if (!btf->head && !make_index(btf))
		return 0;
	id = prev ? btf->next[prev] : btf->head[hash_name(name, len) & (btf->buckets - 1)];
	for (; id; id = btf->next[id]) {
		const char *other = btf_name(btf, id);

		if (btf_essential_len(other) == len && !memcmp(other, name, len))
			return id;
	}
	return 0;
}

/* ---- names for messages ---- */

long btf_type_text(const struct btf *btf, uint32_t id, char *buf, size_t cap)
{
	char tail[64] = "", more[64];
	const char *kind = "", *name;

	for (int i = 0; i < CHAIN; i++) {
		struct btf_array array;

		id = btf_skip_mods(btf, id);
		if (btf_array(btf, id, &array)) {
			snprintf(more, sizeof(more), "[%u]%.40s", array.count, tail);
			id = array.elem;
		} else if (btf_kind(btf, id) == BTF_PTR) {
			snprintf(more, sizeof(more), "*%.40s", tail);
			id = btf_target(btf, id);
		} else {
			break;
		}
		memcpy(tail, more, sizeof(tail));
	}
	name = btf_name(btf, id);
	switch (btf_kind(btf, id)) {
	case BTF_STRUCT: kind = "struct "; break;
	case BTF_UNION: kind = "union "; break;
	case BTF_ENUM: case BTF_ENUM64: kind = "enum "; break;
	case BTF_FWD: kind = btf_kflag(btf, id) ? "union " : "struct "; break;
	case BTF_VOID: name = "void"; break;
	case BTF_FUNC_PROTO: name = "function"; break;
	default: break;
	}
	if (!*name)
		name = "(anonymous)";
	return snprintf(buf, cap, "%s%s%s%s", kind, name, *tail == '*' ? " " : "", tail);
}
