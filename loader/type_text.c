/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* type_text.c - a value as text by its BTF type, for bpf_snprintf_btf: the text that Linux 6.18 gives (found by
 * asking it, tests/helpers/types_kernel_test.c), pointers always as with BTF_F_PTR_RAW.
 *
 * What is zero is left out unless BTF_F_ZERO asks for it: a member is written with its name and type and taken back
 * when nothing in it was shown. */
#include <errno.h>
#include <linux/bpf.h>
#include "helpers/families.h"
#include "loader/object.h"

enum { NAME_MAX_SHOWN = 79,	/* of a member's name, type and what opens it */
       LATIN1 = 0xa0,	/* from there on the kernel prints bytes */
       UNKNOWN = 2,	/* a kind without text: the kernel writes nothing around it */
       DEEP = 32, STEPS = 1 << 22 };	/* types that hold themselves; arrays and structs of nothing */

struct show {
	struct writer w;
	struct uebpf_call *call;
	const struct btf *btf;
	uint64_t flags;
	uint32_t depth, steps;
	bool inside;		/* an array: no names, and nothing that opens, up to the end of the innermost */
	bool cut;		/* NAME_MAX_SHOWN was reached */
	bool bare;		/* the type is `const T`: the kernel shows neither its name nor what opens it */
};

static void text(struct show *s, const char *t) { put_text(&s->w, t, strlen(t)); }

/* The end of a line and the blanks that begin the next one. */
static void line(struct show *s, uint32_t indent)
{
	if (s->flags & BTF_F_COMPACT)
		return;
	put(&s->w, '\n', 1);
	put(&s->w, ' ', indent);
}

static bool is_bare(const struct show *s, uint32_t id) { return btf_skip_mods(s->btf, id) != id; }

/* "(struct list_head *)": the first name on the way, stars and "[]" for what lies around it. */
static void type_name(struct show *s, uint32_t id)
{
	const char *kind = "", *name = "";
	size_t stars = 0, arrays = 0;
	struct btf_array array;

	s->bare = is_bare(s, id);

	for (int i = 0; i < DEEP && !s->bare; i++) {
		enum btf_kind k = btf_kind(s->btf, id);

		if (!*name && k != BTF_TYPE_TAG) {
			name = btf_name(s->btf, id);
			kind = k == BTF_STRUCT ? "struct" : k == BTF_UNION ? "union" : k == BTF_ENUM || k == BTF_ENUM64 ? "enum" : "";
		}
		stars += k == BTF_PTR;
		if (btf_array(s->btf, id, &array)) {
			arrays++;
			id = array.elem;
		} else if (k == BTF_FUNC_PROTO || !(id = btf_target(s->btf, id))) {
			break;
		}
	}
	put(&s->w, '(', 1);
	text(s, kind);
	put(&s->w, ' ', *kind && *name);
	text(s, name);
	put(&s->w, ' ', stars != 0);
	put(&s->w, '*', stars);
	for (; arrays; arrays--)
		text(s, "[]");
	put(&s->w, ')', 1);
}

static bool enum_name(struct show *s, uint32_t id, int64_t value)
{
	struct btf_enumerator e;

	for (uint32_t i = 0; btf_enumerator(s->btf, id, i, &e); i++)
		if (e.value == value) {
			text(s, e.name);
			return true;
		}
	return false;
}

static void number(struct show *s, uint64_t value, char letter, uint32_t width)
{
	struct spec spec = { .letter = letter, .width = width, .zero = 1 };

	put_number(&s->w, &spec, value, 8);
}

/* A number, a pointer or an enumerator; bits 0: as many as it has bytes.  1: it is not zero. */
static long leaf(struct show *s, uint32_t id, uint64_t at, uint32_t bit, uint32_t bits, bool in_array)
{
	enum btf_kind kind = btf_kind(s->btf, id);
	uint32_t size = kind == BTF_PTR ? 8 : btf_own_size(s->btf, id);
	uint64_t v[2] = { 0, 0 };
	struct btf_int in = { 0 };
	bool sign = kind == BTF_INT ? btf_int(s->btf, id, &in) && in.encoding & BTF_INT_SIGNED :
		    btf_enum_signed(s->btf, id);

	if (size > sizeof v || !size)
		return -EINVAL;
	if (bits) {
		at += bit / 8;
		bit %= 8;
		size = (bit + bits + 7) / 8;
	}
	if (probe_copy(s->call, v, at, size > sizeof v ? sizeof v : size))
		return -EFAULT;
	if (bits) {
		v[0] = v[0] >> bit | (bit ? v[1] << (64 - bit) : 0);
		v[0] &= bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
		v[1] = 0;
	}
	if (size < 8 && !bits && sign)
		v[0] = (uint64_t)((int64_t)(v[0] << (64 - 8 * size)) >> (64 - 8 * size));
	if (kind == BTF_PTR || size > 8 || bits) {
		text(s, "0x");
		if (v[1])
			number(s, v[1], 'x', 0);
		number(s, v[0], 'x', kind == BTF_PTR || v[1] ? 16 : 0);
	} else if (kind != BTF_INT && enum_name(s, id, (int64_t)v[0])) {
		return 1;	/* a name counts as more than zero */
	} else if (in_array && size == 1 && ((v[0] >= ' ' && v[0] <= '~') || (uint8_t)v[0] >= LATIN1)) {
		put(&s->w, '\'', 1);
		put(&s->w, (char)v[0], 1);
		put(&s->w, '\'', 1);
	} else {
		number(s, v[0], sign ? 'd' : 'u', 0);
	}
	return v[0] || v[1];
}

static long value(struct show *s, uint32_t id, uint64_t at, uint32_t bit, uint32_t bits, bool in_array);

/* Linux looks first whether a value is zero, and forgets that it is inside an array when it meets the end of one. */
static bool holds_array(struct show *s, uint32_t id, int depth)
{
	struct btf_array array;
	struct btf_member m;
	bool found;

	id = btf_skip(s->btf, id);
	found = btf_array(s->btf, id, &array) && array.count;
	for (uint32_t i = 0; !found && depth < DEEP && s->steps++ < STEPS && btf_member(s->btf, id, i, &m); i++)
		found = holds_array(s, m.type, depth + 1);
	return found;
}

static void cut_name(struct show *s, size_t start)
{
	s->cut = s->w.len - start >= NAME_MAX_SHOWN;
	if (s->cut)
		s->w.len = start + NAME_MAX_SHOWN;
}

/* A member or element with what stands around it; gone again when nothing of it was shown. */
static long part(struct show *s, const char *name, uint32_t id, uint64_t at, uint32_t bit, uint32_t bits)
{
	size_t before = s->w.len, start;
	long shown;

	if (s->inside && !(s->flags & BTF_F_ZERO) && holds_array(s, id, 0))
		s->inside = false;
	line(s, s->depth);
	start = s->w.len;
	if ((name || btf_is_composite(s->btf, btf_skip(s->btf, id))) && !s->inside && !(s->flags & BTF_F_NONAME)) {
		if (name && *name) {
			put(&s->w, '.', 1);
			text(s, name);
			text(s, " = ");
		}
		type_name(s, id);
	}
	cut_name(s, start);
	shown = value(s, id, at, bit, bits, !name);
	put(&s->w, ',', 1);
	if (!shown && !(s->flags & BTF_F_ZERO))
		s->w.len = before;
	return shown;
}

static long composite(struct show *s, uint32_t id, uint64_t at)
{
	struct btf_member m;
	long shown = 0, one;

	put(&s->w, '{', !s->bare && !s->inside && !s->cut);
	for (uint32_t i = 0; btf_member(s->btf, id, i, &m); i++) {
		one = m.bits ? part(s, m.name, m.type, at, m.bit_off, m.bits) :
			       part(s, m.name, m.type, at + m.bit_off / 8, 0, 0);
		if (one < 0)
			return one;
		shown |= one != 0;
	}
	line(s, s->depth - 1);
	put(&s->w, '}', 1);
	return shown;
}

static long elements(struct show *s, const struct btf_array *array, uint64_t at)
{
	int64_t size = btf_size(s->btf, array->elem);
	long shown = 0, one;
	uint8_t byte;

	if (size < 0)
		return size;
	put(&s->w, '[', !s->bare && !s->inside && !s->cut);
	for (uint32_t i = 0; i < array->count; i++, at += (uint64_t)size) {
		if (size == 1 && !btf_is_composite(s->btf, btf_skip(s->btf, array->elem)) && !probe_copy(s->call, &byte, at, 1) && !byte)
			break;		/* a string ends */
		s->inside = true;
		one = part(s, NULL, array->elem, at, 0, 0);
		if (one < 0)
			return one;
		shown |= one != 0;
	}
	s->inside &= !array->count;
	line(s, s->depth - 1);
	put(&s->w, ']', 1);
	return shown;
}

/* 1 when something other than zero was written, UNKNOWN, 0, or -errno. */
static long value(struct show *s, uint32_t id, uint64_t at, uint32_t bit, uint32_t bits, bool in_array)
{
	struct btf_array array;
	long shown;

	s->bare = is_bare(s, id);
	id = btf_skip(s->btf, id);
	if (s->depth == DEEP || s->steps++ >= STEPS)
		return -E2BIG;
	s->depth++;
	switch (btf_kind(s->btf, id)) {
	case BTF_STRUCT: case BTF_UNION:
		shown = composite(s, id, at);
		break;
	case BTF_ARRAY:
		btf_array(s->btf, id, &array);
		shown = elements(s, &array, at);
		break;
	case BTF_INT: case BTF_PTR: case BTF_ENUM: case BTF_ENUM64:
		shown = leaf(s, id, at, bit, bits, in_array);
		break;
	default:
		text(s, "<unsupported kind:");
		number(s, btf_kind(s->btf, id), 'u', 0);
		put(&s->w, '>', 1);
		shown = UNKNOWN;
	}
	s->depth--;
	return shown;
}

long object_type_text(struct uebpf_call *call, char *out, size_t cap, uint64_t at, uint32_t id, uint64_t flags)
{
	const struct btf *btf = call->code->owner ? prog_of(call->code->owner)->object->target : NULL;
	struct show s = { .w = { .out = out, .cap = cap - 1 }, .call = call, .btf = btf, .flags = flags };
	long shown;

	if (!id)
		return -EINVAL;
	if (!btf || id >= btf_count(btf))
		return -ENOENT;
	if (!(flags & BTF_F_NONAME))
		type_name(&s, id);
	cut_name(&s, 0);
	shown = value(&s, id, at, 0, 0, false);
	if (shown < 0)
		return shown;
	if (shown == UNKNOWN) {
		s.w.len = 0;
		value(&s, id, at, 0, 0, false);
	} else {
		line(&s, 0);
	}
	out[s.w.len < cap ? s.w.len : cap - 1] = 0;
	return (long)s.w.len;
}
