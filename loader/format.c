/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* format.c - a value of any BTF type as text, C-like or JSON.  Reads only inside the bytes it was
 * given, whatever the type says; depth and work are bounded, since types may be hostile. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "loader/elf/btf.h"
#include "loader/elf/btf_bits.h"
#include "vm/desc.h"

/* Members count more the deeper they lie: real types are wide, hostile ones multiply downward. */
enum { DEPTH_MAX = 32, STEPS_MAX = 4 << 20 };

struct out {
	struct text_out text;
	const struct btf *btf;
	bool json;
	uint32_t steps;
};
#define put(o, ...) text_put(&(o)->text, __VA_ARGS__)

static void put_string(struct out *o, const char *s, size_t max)
{
	put(o, "\"");
	for (; max-- && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			put(o, "\\%c", c);
		else if (c == '\n')
			put(o, "\\n");
		else if (c == '\t')
			put(o, "\\t");
		else if (c >= ' ' && c < 0x7f)
			put(o, "%c", c);
		else
			put(o, o->json ? "\\u%04x" : "\\x%02x", c);
	}
	put(o, "\"");
}

static void put_missing(struct out *o)
{
	put(o, o->json ? "null" : "?");
}

/* An integer of `bits` bits, already extended to 64. */
static void put_int(struct out *o, uint32_t type, uint64_t value, uint32_t bits)
{
	struct btf_int info = { 0, 0, 0 };

	btf_int(o->btf, type, &info);
	if (info.encoding & BTF_INT_BOOL)
		put(o, value ? "true" : "false");
	else if (info.encoding & BTF_INT_SIGNED)
		put(o, "%" PRId64, bits_extend(value, bits));
	else
		put(o, "%" PRIu64, value);
}

static void put_enum(struct out *o, uint32_t type, uint64_t value, uint32_t bits)
{
	int64_t wide = btf_enum_signed(o->btf, type) ? bits_extend(value, bits) : (int64_t)value;
	struct btf_enumerator e;

	for (uint32_t i = 0; btf_enumerator(o->btf, type, i, &e) && ++o->steps < STEPS_MAX; i++) {
		if (e.value != wide)
			continue;
		if (o->json)
			put_string(o, e.name, SIZE_MAX);
		else
			put(o, "%s", e.name);
		return;
	}
	if (btf_enum_signed(o->btf, type))
		put(o, "%" PRId64, wide);
	else
		put(o, "%" PRIu64, value);
}

static void put_float(struct out *o, const uint8_t *p, uint32_t size)
{
	double value = NAN;
	float single;

	if (size == 4) {
		memcpy(&single, p, 4);
		value = single;
	} else if (size == 8) {
		memcpy(&value, p, 8);
	}
	if (isfinite(value))
		put(o, "%.17g", value);
	else if (o->json)
		put(o, "null");
	else
		put(o, "%f", value);
}

static void put_value(struct out *o, uint32_t id, const uint8_t *p, size_t len, int depth);

static bool is_char(const struct btf *btf, uint32_t id)
{
	id = btf_skip(btf, id);
	return btf_kind(btf, id) == BTF_INT && btf_own_size(btf, id) == 1 &&
		!strcmp(btf_name(btf, id), "char");
}

static void put_array(struct out *o, uint32_t id, const uint8_t *p, size_t len, int depth)
{
	struct btf_array array;
	int64_t size;

	btf_array(o->btf, id, &array);
	size = btf_size(o->btf, array.elem);
	if (is_char(o->btf, array.elem)) {
		put_string(o, (const char *)p, len < array.count ? len : array.count);
		return;
	}
	put(o, "[");
	for (uint32_t i = 0; size > 0 && i < array.count && o->steps < STEPS_MAX; i++) {
		uint64_t off = (uint64_t)i * (uint64_t)size;

		if (off + (uint64_t)size > len)
			break;
		put(o, i ? "," : "");
		put_value(o, array.elem, p + off, (size_t)size, depth + 1);
	}
	put(o, "]");
}

static void put_name(struct out *o, const char *name, bool first)
{
	put(o, first ? "" : o->json ? "," : ", ");
	if (o->json) {
		put_string(o, name, SIZE_MAX);
		put(o, ":");
	} else {
		put(o, ".%s = ", name);
	}
}

static void put_bits(struct out *o, const struct btf_member *m, const uint8_t *p, size_t len)
{
	uint32_t type = btf_skip(o->btf, m->type);
	uint64_t value;

	if (!bits_load(p, len, m->bit_off, m->bits, &value))
		put_missing(o);
	else if (btf_kind(o->btf, type) == BTF_INT)
		put_int(o, type, value, m->bits);
	else
		put_enum(o, type, value, m->bits);
}

/* Members of a struct or union; those of anonymous ones stand among them, as in C. */
static void put_members(struct out *o, uint32_t id, const uint8_t *p, size_t len, int depth, bool *first)
{
	struct btf_member m;

	for (uint32_t i = 0; btf_member(o->btf, id, i, &m) && (o->steps += 1 + (uint32_t)depth) < STEPS_MAX; i++) {
		uint32_t type = btf_skip(o->btf, m.type);
		size_t off = m.bit_off / 8;
		int64_t size = btf_size(o->btf, type);
		bool inside = size >= 0 && off <= len && (uint64_t)size <= len - off;

		if (!*m.name && btf_is_composite(o->btf, type)) {
			if (inside && depth < DEPTH_MAX)
				put_members(o, type, p + off, (size_t)size, depth + 1, first);
			continue;
		}
		if (!*m.name)
			continue;	/* padding bits */
		put_name(o, m.name, *first);
		*first = false;
		if (m.bits)
			put_bits(o, &m, p, len);
		else if (inside)
			put_value(o, type, p + off, (size_t)size, depth + 1);
		else
			put_missing(o);
	}
}

static void put_section(struct out *o, uint32_t id, const uint8_t *p, size_t len, int depth)
{
	struct btf_secinfo var;

	put(o, "{");
	for (uint32_t i = 0; btf_secinfo(o->btf, id, i, &var) && ++o->steps < STEPS_MAX; i++) {
		put_name(o, btf_name(o->btf, var.type), !i);
		if (var.off <= len && var.size <= len - var.off)
			put_value(o, btf_target(o->btf, var.type), p + var.off, var.size, depth + 1);
		else
			put_missing(o);
	}
	put(o, "}");
}

static void put_scalar(struct out *o, uint32_t id, const uint8_t *p, size_t size)
{
	uint64_t value = 0, high;

	if (size > 8) {		/* __int128: as hexadecimal */
		value = bits_load_int(p, 8);
		high = bits_load_int(p + 8, 8);
		put(o, o->json ? "\"0x%016" PRIx64 "%016" PRIx64 "\"" : "0x%016" PRIx64 "%016" PRIx64,
		    BITS_LITTLE ? high : value, BITS_LITTLE ? value : high);
		return;
	}
	value = bits_load_int(p, size);
	switch (btf_kind(o->btf, id)) {
	case BTF_INT:
		put_int(o, id, value, (uint32_t)size * 8);
		break;
	case BTF_PTR:
		put(o, o->json ? "%" PRIu64 : "0x%" PRIx64, value);
		break;
	default:
		put_enum(o, id, value, (uint32_t)size * 8);
		break;
	}
}

static void put_value(struct out *o, uint32_t id, const uint8_t *p, size_t len, int depth)
{
	int64_t size;
	bool first = true;

	id = btf_skip(o->btf, id);
	size = btf_size(o->btf, id);
	if (size < 0 || (uint64_t)size > len || depth > DEPTH_MAX || ++o->steps >= STEPS_MAX) {
		put_missing(o);
		return;
	}
	switch (btf_kind(o->btf, id)) {
	case BTF_STRUCT: case BTF_UNION:
		put(o, "{");
		put_members(o, id, p, (size_t)size, depth, &first);
		put(o, "}");
		break;
	case BTF_ARRAY:
		put_array(o, id, p, (size_t)size, depth);
		break;
	case BTF_DATASEC:
		put_section(o, id, p, (size_t)size, depth);
		break;
	case BTF_FLOAT:
		put_float(o, p, (uint32_t)size);
		break;
	default:
		put_scalar(o, id, p, (size_t)size);
		break;
	}
}

long btf_format_value(const struct btf *btf, uint32_t id, const void *data, size_t len, bool json,
		      char *buf, size_t cap)
{
	struct out o = { { buf, cap, 0 }, btf, json, 0 };

	if (cap)
		buf[0] = 0;
	put_value(&o, id, data, len, 0);
	return (long)o.text.n;
}
