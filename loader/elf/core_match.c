/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* core_match.c - compares the types a program was compiled against with those of the target, by
 * the rules that libbpf documents: names without ___flavour, members found by name also inside
 * anonymous structs, kinds and not sizes must agree.  Every recursion is bounded. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/elf/core.h"

enum { DEPTH_MAX = 32, STEPS_MAX = 100000 /* types looked at: fan-out makes hostile BTF exponential */ };

static bool is_enum(enum btf_kind kind) { return kind == BTF_ENUM || kind == BTF_ENUM64; }

static bool same_essence(const char *a, const char *b)
{
	size_t n = btf_essential_len(a);

	return n == btf_essential_len(b) && !memcmp(a, b, n);
}

bool core_same_kind(const struct btf *a, uint32_t local, const struct btf *b, uint32_t target)
{
	enum btf_kind x = btf_kind(a, local), y = btf_kind(b, target);

	return x == y || (is_enum(x) && is_enum(y));
}

/* An array of no elements at the end of a struct can be indexed freely. */
static bool is_flexible(const struct core_path *path, uint32_t step, const struct btf_array *array)
{
	const struct core_step *s = &path->step[step];
	struct btf_member member;

	return !array->count && s->name && btf_is_composite(path->btf, s->type) &&
		s->index + 1 == btf_vlen(path->btf, s->type) &&
		btf_member(path->btf, s->type, s->index, &member);
}

static int push(struct core_path *path, uint32_t type, uint32_t index, const char *name)
{
	if (path->n == CORE_PATH_MAX)
		return -E2BIG;
	path->step[path->n++] = (struct core_step){ type, index, name };
	return 0;
}

static int next_index(const char **text, uint32_t *out)
{
	uint64_t value;
	char *end;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	value = strtoull(*text, &end, 10);
	if ((*end && *end != ':') || (*end == ':' && !end[1]) || value > INT32_MAX)
		return -EINVAL;
	*out = (uint32_t)value;
	*text = *end ? end + 1 : end;
	return 0;
}

/* One step down from `id` by `index`; *id becomes what is there. */
static int descend(struct core_path *path, uint32_t *id, uint32_t index)
{
	const struct btf *btf = path->btf;
	struct btf_member member;
	struct btf_array array;
	int64_t size;
	int ret = 0;

	*id = btf_skip(btf, *id);
	if (btf_is_composite(btf, *id)) {
		if (!btf_member(btf, *id, index, &member))
			return -EINVAL;
		path->bit_off += member.bit_off;
		if (*member.name)
			ret = push(path, *id, index, member.name);
		*id = member.type;
		return ret;
	}
	if (!btf_array(btf, *id, &array))
		return -EINVAL;
	*id = btf_skip(btf, array.elem);
	if (!is_flexible(path, path->n - 1, &array) && index >= array.count)
		return -EINVAL;
	size = btf_size(btf, *id);
	if (size < 0)
		return (int)size;
	path->bit_off += (uint64_t)index * (uint64_t)size * 8;
	return push(path, *id, index, NULL);
}

int core_path_parse(const struct btf *btf, uint32_t type, const char *text, uint32_t kind,
		    struct core_path *out)
{
	struct btf_enumerator value;
	uint32_t index, id;
	int64_t size;

	out->btf = btf;
	out->root = type;
	out->n = 0;
	out->bit_off = 0;
	if (!core_is_field(kind) && !core_is_enumval(kind))
		return strcmp(text, "0") ? -EINVAL : 0;
	id = btf_skip(btf, type);
	if (next_index(&text, &index))
		return -EINVAL;
	if (core_is_enumval(kind)) {
		if (*text || !btf_enumerator(btf, id, index, &value))
			return -EINVAL;
		return push(out, id, index, value.name);
	}
	size = btf_size(btf, id);
	if (size < 0)
		return (int)size;
	out->bit_off = (uint64_t)index * (uint64_t)size * 8;
	push(out, id, index, NULL);
	while (*text) {
		int ret = next_index(&text, &index);

		ret = ret ? ret : descend(out, &id, index);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- may a member of the target stand for one of the program? ---- */

/* An integer that fills its bytes from the first bit. */
static bool is_whole(const struct btf *btf, uint32_t id)
{
	struct btf_int i;

	btf_int(btf, id, &i);
	return !i.bit_off;
}

static void to_elements(const struct btf *btf, uint32_t *id)
{
	struct btf_array array;

	btf_array(btf, *id, &array);
	*id = array.elem;
}

static bool fields_fit(const struct btf *a, uint32_t x, const struct btf *b, uint32_t y)
{
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		x = btf_skip(a, x);
		y = btf_skip(b, y);
		if (btf_is_composite(a, x) && btf_is_composite(b, y))
			return true;
		if (!core_same_kind(a, x, b, y))
			return false;
		switch (btf_kind(a, x)) {
		case BTF_PTR: case BTF_FLOAT:
			return true;
		case BTF_FWD: case BTF_ENUM: case BTF_ENUM64:
			return !*btf_name(a, x) || !*btf_name(b, y) ||
				same_essence(btf_name(a, x), btf_name(b, y));
		case BTF_INT:
			return is_whole(a, x) && is_whole(b, y);
		case BTF_ARRAY:
			to_elements(a, &x);
			to_elements(b, &y);
			continue;
		default:
			return false;
		}
	}
	return false;
}

/* Finds the member that `step` of the program names in target composite `*id`, also inside its
 * anonymous members; *id becomes the member's type. */
static int find_member(const struct core_path *local, const struct core_step *step,
		       struct core_path *out, uint32_t *id, int depth, uint32_t *steps)
{
	const struct btf *btf = out->btf;
	uint32_t composite = btf_skip(btf, *id);
	struct btf_member want, member;

	if (!btf_is_composite(btf, composite) || depth > DEPTH_MAX)
		return 0;
	if (!btf_member(local->btf, step->type, step->index, &want))
		return -EINVAL;
	for (uint32_t i = 0; ++*steps < STEPS_MAX && btf_member(btf, composite, i, &member); i++) {
		uint64_t before = out->bit_off;
		uint32_t n = out->n;
		int ret;

		out->bit_off += member.bit_off;
		if (!*member.name) {
			uint32_t inner = member.type;

			ret = find_member(local, step, out, &inner, depth + 1, steps);
			if (ret) {
				*id = inner;
				return ret;
			}
		} else if (!strcmp(member.name, step->name)) {
			ret = push(out, composite, i, member.name);
			*id = member.type;
			return ret ? ret : fields_fit(local->btf, want.type, btf, member.type);
		}
		out->bit_off = before;
		out->n = n;
	}
	return 0;
}

static int match_field(const struct core_path *local, struct core_path *out)
{
	uint32_t id = out->root, steps = 0;

	for (uint32_t i = 0; i < local->n; i++) {
		const struct core_step *step = &local->step[i];
		struct btf_array array;
		int64_t size;
		int ret;

		id = btf_skip(out->btf, id);
		if (step->name) {
			ret = find_member(local, step, out, &id, 0, &steps);
			if (ret <= 0)
				return ret;
			continue;
		}
		if (i) {		/* the first index counts whole objects of the root type */
			if (!btf_array(out->btf, id, &array))
				return 0;
			if (step->index >= array.count && !is_flexible(out, out->n - 1, &array))
				return 0;
			id = btf_skip(out->btf, array.elem);
		}
		size = btf_size(out->btf, id);
		if (size < 0)
			return (int)size;
		out->bit_off += (uint64_t)step->index * (uint64_t)size * 8;
		ret = push(out, id, step->index, NULL);
		if (ret)
			return ret;
	}
	return 1;
}

static int match_enumval(const struct core_path *local, struct core_path *out)
{
	uint32_t id = btf_skip(out->btf, out->root);
	struct btf_enumerator value;

	if (!is_enum(btf_kind(out->btf, id)))
		return 0;
	for (uint32_t i = 0; btf_enumerator(out->btf, id, i, &value); i++)
		if (same_essence(value.name, local->step[0].name)) {
			push(out, id, i, value.name);
			return 1;
		}
	return 0;
}

/* ---- types as wholes ---- */

/* The same sort of thing: composites by name only, functions by their parameters. */
static bool types_fit(const struct btf *a, uint32_t x, const struct btf *b, uint32_t y, int depth, uint32_t *steps)
{
	for (; depth < DEPTH_MAX && ++*steps < STEPS_MAX; depth++) {
		struct btf_param p, q;

		x = btf_skip(a, x);
		y = btf_skip(b, y);
		if (!core_same_kind(a, x, b, y))
			return false;
		switch (btf_kind(a, x)) {
		case BTF_VOID: case BTF_STRUCT: case BTF_UNION: case BTF_ENUM: case BTF_ENUM64:
		case BTF_FWD:
			return true;
		case BTF_INT:
			return is_whole(a, x) && is_whole(b, y);
		case BTF_PTR:
			x = btf_target(a, x);
			y = btf_target(b, y);
			continue;
		case BTF_ARRAY:
			to_elements(a, &x);
			to_elements(b, &y);
			continue;
		case BTF_FUNC_PROTO:
			if (btf_vlen(a, x) != btf_vlen(b, y))
				return false;
			for (uint32_t k = 0; btf_param(a, x, k, &p) && btf_param(b, y, k, &q); k++)
				if (!types_fit(a, p.type, b, q.type, depth + 1, steps))
					return false;
			x = btf_target(a, x);
			y = btf_target(b, y);
			continue;
		default:
			return false;
		}
	}
	return false;
}

struct match { const struct btf *a, *b; uint32_t steps; };

static bool types_match(struct match *m, uint32_t x, uint32_t y, bool behind_ptr, int depth);

static bool enums_match(struct match *m, uint32_t x, uint32_t y)
{
	struct btf_enumerator want, have;

	for (uint32_t i = 0; btf_enumerator(m->a, x, i, &want); i++) {
		bool found = false;

		for (uint32_t k = 0; !found && btf_enumerator(m->b, y, k, &have); k++)
			found = ++m->steps < STEPS_MAX && same_essence(want.name, have.name);
		if (!found)
			return false;
	}
	return true;
}

static bool members_match(struct match *m, uint32_t x, uint32_t y, bool behind_ptr, int depth)
{
	struct btf_member want, have;

	for (uint32_t i = 0; btf_member(m->a, x, i, &want); i++) {
		bool found = false;

		for (uint32_t k = 0; !found && btf_member(m->b, y, k, &have); k++)
			found = ++m->steps < STEPS_MAX && same_essence(want.name, have.name) &&
				types_match(m, want.type, have.type, behind_ptr, depth + 1);
		if (!found)
			return false;
	}
	return true;
}

/* Every member, enumerator and parameter of the program's type is in the target's. */
static bool types_match(struct match *m, uint32_t x, uint32_t y, bool behind_ptr, int depth)
{
	struct btf_param p, q;
	struct btf_array left, right;
	struct btf_int i, j;
	enum btf_kind kind, other;

	if (depth > DEPTH_MAX || ++m->steps > STEPS_MAX)
		return false;
	x = btf_skip(m->a, x);
	y = btf_skip(m->b, y);
	if (!same_essence(btf_name(m->a, x), btf_name(m->b, y)))
		return false;
	kind = btf_kind(m->a, x);
	other = btf_kind(m->b, y);
	if (kind == BTF_FWD && other == BTF_FWD)
		return btf_kflag(m->a, x) == btf_kflag(m->b, y);
	if (behind_ptr && (kind == BTF_FWD || other == BTF_FWD)) {
		enum btf_kind whole = kind == BTF_FWD ? other : kind;
		bool is_union = kind == BTF_FWD ? btf_kflag(m->a, x) : btf_kflag(m->b, y);

		return whole == (is_union ? BTF_UNION : BTF_STRUCT);
	}
	if (!core_same_kind(m->a, x, m->b, y))
		return false;
	switch (kind) {
	case BTF_VOID: case BTF_FLOAT:
		return true;
	case BTF_INT:
		btf_int(m->a, x, &i);
		btf_int(m->b, y, &j);
		return !i.bit_off && !j.bit_off &&
			btf_own_size(m->a, x) == btf_own_size(m->b, y) &&
			(i.encoding & BTF_INT_SIGNED) == (j.encoding & BTF_INT_SIGNED);
	case BTF_ENUM: case BTF_ENUM64:
		return enums_match(m, x, y);
	case BTF_STRUCT: case BTF_UNION:
		return behind_ptr || members_match(m, x, y, behind_ptr, depth);
	case BTF_PTR:
		return types_match(m, btf_target(m->a, x), btf_target(m->b, y), true, depth + 1);
	case BTF_ARRAY:
		btf_array(m->a, x, &left);
		btf_array(m->b, y, &right);
		return left.count == right.count &&
			types_match(m, left.elem, right.elem, behind_ptr, depth + 1);
	case BTF_FUNC_PROTO:
		if (btf_vlen(m->a, x) != btf_vlen(m->b, y))
			return false;
		for (uint32_t k = 0; btf_param(m->a, x, k, &p) && btf_param(m->b, y, k, &q); k++)
			if (!types_match(m, p.type, q.type, behind_ptr, depth + 1))
				return false;
		return types_match(m, btf_target(m->a, x), btf_target(m->b, y), behind_ptr, depth + 1);
	default:
		return false;
	}
}

int core_path_match(const struct core_path *local, const struct btf *target, uint32_t id,
		    uint32_t kind, struct core_path *out)
{
	uint32_t steps = 0;
	struct match m = { local->btf, target, 0 };

	out->btf = target;
	out->root = id;
	out->n = 0;
	out->bit_off = 0;
	if (kind == CORE_TYPE_MATCHES)
		return types_match(&m, local->root, id, false, 0);
	if (core_is_enumval(kind))
		return match_enumval(local, out);
	if (core_is_field(kind))
		return match_field(local, out);
	return types_fit(local->btf, local->root, target, id, 0, &steps);
}

void core_path_text(const struct core_path *path, char *buf, size_t cap)
{
	long n = btf_type_text(path->btf, path->root, buf, cap);
	size_t at = n < 0 ? 0 : (size_t)n;

	for (uint32_t i = 0; i < path->n && at < cap; i++) {
		const struct core_step *s = &path->step[i];

		if (s->name)
			n = snprintf(buf + at, cap - at, "%s%s", btf_kind(path->btf, s->type) == BTF_ENUM ||
				     btf_kind(path->btf, s->type) == BTF_ENUM64 ? "::" : ".", s->name);
		else if (i || s->index)
			n = snprintf(buf + at, cap - at, "[%u]", s->index);
		else
			continue;
		at += n < 0 ? 0 : (size_t)n;
	}
}
