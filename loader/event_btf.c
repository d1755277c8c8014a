/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* event_btf.c - event types as BTF and back.  A host's description becomes a struct that CO-RE can look
 * into, and says by its types what the fields mean: floats, text (arrays of char), byte order (typedefs
 * be16 ...); the BTF of a C struct becomes a description. */
#include <errno.h>
#include <stdio.h>
#include "loader/elf/inner.h"
#include "loader/event_btf.h"
#include "loader/object.h"
#include "vm/message.h"

enum { FIELDS_MAX = 4096, DEPTH_MAX = 16, NAME_ROOM = 64 };

/* ---- writing ---- */

static void put(struct bytes *to, const void *data, size_t len)
{
	size_t cap = to->cap ? to->cap : 256;
	uint8_t *more;

	if (to->failed || to->len + len > UINT32_MAX / 2) {
		to->failed = true;
		return;
	}
	while (cap < to->len + len)
		cap *= 2;
	if (cap != to->cap) {
		more = arena_alloc(to->arena, cap);
		if (!more) {
			to->failed = true;
			return;
		}
		if (to->len)
			memcpy(more, to->p, to->len);
		to->p = more;
		to->cap = cap;
	}
	if (data)
		memcpy(to->p + to->len, data, len);
	to->len += len;
}

void bytes_add(struct bytes *to, const void *data, size_t len) { put(to, data, len); }

void bytes_le32(struct bytes *to, uint32_t v)
{
	uint8_t b[4];

	put_le32(b, v);
	put(to, b, 4);
}

uint32_t bytes_text(struct bytes *to, const char *text)
{
	uint32_t at = (uint32_t)to->len;

	put(to, text, strlen(text) + 1);
	return at;
}

static uint32_t add_type(struct btf_out *o, const char *name, uint32_t kind, uint32_t vlen, uint32_t size)
{
	bytes_le32(&o->types, name ? bytes_text(&o->strings, name) : 0);
	bytes_le32(&o->types, kind << 24 | vlen);
	bytes_le32(&o->types, size);
	return ++o->nr_types;
}

/* A number of `size` bytes that means `value`. */
static uint32_t number(struct btf_out *o, uint32_t value, uint32_t size, bool big_endian)
{
	uint32_t log = size == 8 ? 3 : size / 2, encoding, *id = &o->known[value][log][big_endian], inner;
	char name[16];

	if (*id)
		return *id;	/* cppcheck-suppress identicalInnerCondition ; which is what is meant */
	if (big_endian) {
		inner = number(o, value, size, false);
		snprintf(name, sizeof(name), "be%u", size * 8);
		return *id = add_type(o, name, BTF_TYPEDEF, 0, inner);
	}
	snprintf(name, sizeof(name), value == UEBPF_VALUE_TEXT ? "char" : value == UEBPF_VALUE_FLOAT ? "f%u" :
		 value == UEBPF_VALUE_SIGNED ? "s%u" : "u%u", size * 8);
	*id = add_type(o, name, value == UEBPF_VALUE_FLOAT ? BTF_FLOAT : BTF_INT, 0, size);
	encoding = value == UEBPF_VALUE_SIGNED ? BTF_INT_SIGNED : value == UEBPF_VALUE_TEXT ? BTF_INT_CHAR : 0;
	if (value != UEBPF_VALUE_FLOAT)
		bytes_le32(&o->types, encoding << 24 | size * 8);
	return *id;
}

static uint32_t field_type(struct btf_out *o, const struct uebpf_field *f)
{
	uint32_t width = f->kind == UEBPF_FIELD_SCALAR ? f->size : f->elem ? f->elem : 1;
	uint32_t elem = number(o, f->value, width, f->big_endian);
	uint32_t id, index;

	switch (f->kind) {
	case UEBPF_FIELD_CSTR:
		return add_type(o, NULL, BTF_PTR, 0, add_type(o, NULL, BTF_CONST, 0, elem));
	case UEBPF_FIELD_MEM:
		return add_type(o, NULL, BTF_PTR, 0, elem);
	case UEBPF_FIELD_BYTES:
		index = number(o, UEBPF_VALUE_UNSIGNED, 4, false);
		id = add_type(o, NULL, BTF_ARRAY, 0, 0);
		bytes_le32(&o->types, elem);
		bytes_le32(&o->types, index);
		bytes_le32(&o->types, f->size / width);
		return id;
	default:
		return elem;
	}
}

uint32_t event_btf_type(struct btf_out *o, const struct prog_type *type)
{
	uint32_t *ids = arena_array(o->types.arena, type->nr_fields, sizeof(*ids)), id, bit_fields = 0;

	if (!ids) {
		o->types.failed = true;
		return 0;
	}
	for (uint32_t i = 0; i < type->nr_fields; i++)
		ids[i] = field_type(o, &type->event[i]);
	for (uint32_t i = 0; i < type->nr_fields; i++)
		if (type->event[i].bits)
			bit_fields = 1u << 31;		/* kind_flag: members' offsets begin with their bits */
	id = add_type(o, type->name, BTF_STRUCT, bit_fields | type->nr_fields, type->ctx_size);
	for (uint32_t i = 0; i < type->nr_fields; i++) {
		const struct uebpf_field *f = &type->event[i];

		bytes_le32(&o->types, bytes_text(&o->strings, f->name));
		bytes_le32(&o->types, ids[i]);
		bytes_le32(&o->types, (uint32_t)f->bits << 24 | field_first_bit(f));
	}
	return id;
}

void btf_out_begin(struct btf_out *o, struct arena *arena)
{
	*o = (struct btf_out){ .types.arena = arena, .strings.arena = arena };
	put(&o->strings, "", 1);
}

bool btf_out_end(struct btf_out *o, struct bytes *to)
{
	static const uint8_t magic[] = { 0x9f, 0xeb, 1, 0 };

	put(to, magic, 4);
	bytes_le32(to, 24);
	bytes_le32(to, 0);
	bytes_le32(to, (uint32_t)o->types.len);
	bytes_le32(to, (uint32_t)o->types.len);
	bytes_le32(to, (uint32_t)o->strings.len);
	put(to, o->types.p, o->types.len);
	put(to, o->strings.p, o->strings.len);
	return !to->failed && !o->types.failed && !o->strings.failed;
}

struct btf *event_btf(struct vm_host *host, const struct prog_type *const *types, uint32_t n, struct uebpf_error *err)
{
	struct arena arena = { .host = host };
	struct bytes all = { .arena = &arena };
	struct btf *btf = NULL;
	struct btf_out o;
	uint32_t i, found = 0;

	btf_out_begin(&o, &arena);
	for (i = 0; i < n; i++)
		if (types[i]->event)
			found += event_btf_type(&o, types[i]) != 0;
	if (found && btf_out_end(&o, &all))
		btf = btf_parse(host, all.p, all.len, "event types", err);
	else if (found)
		error_set(err, UEBPF_STAGE_CORE, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "no memory for event types");
	arena_free(&arena);
	return btf;
}

/* ---- comparing ---- */

/* The element that a path ends at, and the array it lies in (count, 1 if none); be: its byte order; bits: of a bit-field. */
static uint32_t leaf(const struct core_path *path, uint32_t *count, bool *be, uint32_t *bits)
{
	const struct core_step *last = &path->step[path->n - 1];
	struct btf_member m = { .type = last->type };
	struct btf_array array;
	uint32_t id;

	*count = 1;
	for (uint32_t i = path->n; i-- > 0;)
		if (path->step[i].name) {
			btf_member(path->btf, path->step[i].type, path->step[i].index, &m);
			break;
		}
	*bits = m.bits;
	id = btf_skip_mods(path->btf, m.type);
	if (btf_array(path->btf, btf_skip(path->btf, id), &array)) {
		*count = array.count;
		id = btf_skip_mods(path->btf, array.elem);
	}
	*be = btf_kind(path->btf, id) == BTF_TYPEDEF && !strncmp(btf_name(path->btf, id), "be", 2);
	return btf_skip(path->btf, id);
}

const char *event_differs(const struct core_path *local, const struct core_path *target)
{
	const struct btf *a = local->btf, *b = target->btf;
	struct btf_int i = { 0, 0, 0 }, j = i;
	uint32_t n, m, x, y, bits, bits2;
	bool be, be2;

	x = leaf(local, &n, &be, &bits);
	y = leaf(target, &m, &be2, &bits2);
	if (be != be2)
		return MESSAGE_TEXT("another byte order");
	if (n != m)
		return MESSAGE_TEXT("another number of elements");
	if (btf_kind(a, x) == BTF_FLOAT && btf_own_size(a, x) != btf_own_size(b, y))
		return MESSAGE_TEXT("another size");
	if (btf_int(a, x, &i) && btf_int(b, y, &j) &&
	    ((i.encoding ^ j.encoding) & (BTF_INT_SIGNED | BTF_INT_CHAR)) && i.bits <= 64)
		return MESSAGE_TEXT("another meaning (sign or text)");
	if (i.bits != j.bits && !bits && (be || n != 1 || i.encoding & BTF_INT_SIGNED))
		return MESSAGE_TEXT("another size");
	if (btf_kind(a, x) == BTF_PTR) {
		x = btf_target(a, x);
		y = btf_target(b, y);
		if ((btf_kind(a, x) == BTF_CONST) != (btf_kind(b, y) == BTF_CONST))
			return MESSAGE_TEXT("another kind of memory behind its pointer");
		if (btf_int(a, btf_skip(a, x), &i) && btf_int(b, btf_skip(b, y), &j) &&
		    (i.encoding != j.encoding || i.bits != j.bits))
			return MESSAGE_TEXT("other elements behind its pointer");
	}
	return NULL;
}

/* ---- reading ---- */

struct reading {
	const struct btf *btf;
	struct arena arena;
	struct uebpf_field *fields;
	uint32_t n, size;		/* of the whole struct, bytes */
	bool failed;
};

static void read_enum(struct reading *r, uint32_t id, struct uebpf_field *f)
{
	uint32_t n = btf_vlen(r->btf, id);
	struct uebpf_label *labels = arena_array(&r->arena, n, sizeof(*labels));
	struct btf_enumerator e;

	for (uint32_t i = 0; labels && i < n && btf_enumerator(r->btf, id, i, &e); i++)
		labels[i] = (struct uebpf_label){ e.name, e.value };
	r->failed |= !labels;
	f->labels = n ? labels : NULL;
	f->nr_labels = n;
	f->value = btf_enum_signed(r->btf, id) ? UEBPF_VALUE_SIGNED : UEBPF_VALUE_UNSIGNED;
}

/* What a value of the type means; false: nothing that a field can be. */
static bool read_value(struct reading *r, uint32_t id, struct uebpf_field *f, uint32_t size)
{
	struct btf_int info;

	switch (btf_kind(r->btf, id)) {
	case BTF_INT:
		btf_int(r->btf, id, &info);
		f->value = info.encoding & BTF_INT_SIGNED ? UEBPF_VALUE_SIGNED : UEBPF_VALUE_UNSIGNED;
		break;
	case BTF_ENUM: case BTF_ENUM64: read_enum(r, id, f); break;
	case BTF_FLOAT: f->value = UEBPF_VALUE_FLOAT; break;
	case BTF_PTR: break;
	default: return false;
	}
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Compilers differ in calling char a char: one byte, signed, by that name will do. */
static bool is_char(const struct btf *btf, uint32_t id)
{
	id = btf_skip(btf, id);
	return btf_kind(btf, id) == BTF_INT && !strcmp(btf_name(btf, id), "char");
}

/* A bit-field is read with the aligned unit of its declared size that holds it, as CO-RE and compilers do, or the next
 * that does: with a larger one, or beginning anew with a byte where the unit goes beyond the struct. */
static bool read_bits(const struct reading *r, struct uebpf_field *f, uint32_t bits, uint32_t first)
{
	uint32_t size = f->size, at, tries = 8;

	for (;; size = size < 8 ? size * 2 : 1) {
		at = first / 8 / size * size;
		if (first + bits <= (at + size) * 8 && at + size <= r->size)
			break;
		if (!tries--)
			return false;
	}
	f->size = size;
	f->offset = at;
	f->bits = bits == size * 8 ? 0 : (uint8_t)bits;
	f->bit = (uint8_t)(first - at * 8);
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		f->bit = (uint8_t)(size * 8 - f->bit - bits);
	return true;
}

static void read_struct(struct reading *r, uint32_t id, const char *prefix, uint32_t off, unsigned depth, bool shared)
{
	struct btf_member m;

	shared |= btf_kind(r->btf, id) == BTF_UNION;
	for (uint32_t i = 0; depth < DEPTH_MAX && !r->failed && btf_member(r->btf, id, i, &m); i++) {
		uint32_t type = btf_skip(r->btf, m.type), at = off + m.bit_off / 8;
		struct uebpf_field f = { .offset = at, .shared = shared };
		int64_t size = btf_size(r->btf, type);
		char name[NAME_ROOM * 2];
		struct btf_array array;
		bool good;

		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix && *m.name ? "." : "", m.name);
		if (btf_is_composite(r->btf, type) && !m.bits) {
			read_struct(r, type, name, at, depth + 1, shared);
			continue;
		}
		if (!*m.name || size <= 0 || size > UINT16_MAX || strlen(name) >= NAME_ROOM)
			continue;
		f.size = (uint32_t)size;
		if (btf_array(r->btf, type, &array)) {
			uint32_t elem = btf_skip(r->btf, array.elem);

			f.kind = UEBPF_FIELD_BYTES;
			f.elem = (uint16_t)btf_size(r->btf, elem);
			good = read_value(r, elem, &f, f.elem) && !m.bits;
			if (is_char(r->btf, elem))
				f.value = UEBPF_VALUE_TEXT;
			f.labels = NULL;
			f.nr_labels = 0;
		} else {
			good = read_value(r, type, &f, f.size) &&
			       (!m.bits || read_bits(r, &f, m.bits, off * 8 + m.bit_off));
			if (btf_kind(r->btf, type) == BTF_PTR && is_char(r->btf, btf_target(r->btf, type)) && size == 8 && !shared) {
				f.kind = UEBPF_FIELD_CSTR;
				f.value = UEBPF_VALUE_TEXT;
				f.nullable = 1;
			}
		}
		if (!good || r->n == FIELDS_MAX)
			continue;
		f.name = arena_string(&r->arena, name);
		r->fields = arena_grow(&r->arena, r->fields, r->n, sizeof(f));
		r->failed |= !f.name || !r->fields;
		if (!r->failed)
			r->fields[r->n++] = f;
	}
}

static struct btf *parse_any(struct arena *arena, struct vm_host *host, const void *data, size_t len,
			     struct uebpf_error *err)
{
	const struct elf_section *s;
	struct elf_view view = { 0 };
	uint8_t *copy;

	if (len < 4 || memcmp(data, "\x7f" "ELF", 4) != 0)
		return btf_parse(host, data, len, "BTF", err);
	copy = arena_alloc(arena, len);
	if (!copy || elf_view_open(arena, copy ? memcpy(copy, data, len) : NULL, len, "BTF", &view, err)) {
		if (!copy)
			error_set(err, UEBPF_STAGE_BTF, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "no memory for types");
		return NULL;
	}
	s = elf_view_find(&view, ".BTF");
	if (s && s->data)
		return btf_parse(host, s->data, s->size, "BTF", err);
	error_set(err, UEBPF_STAGE_BTF, UEBPF_E_NO_BTF, -ENOENT, UINT32_MAX, "the ELF file has no .BTF section: "
		  "compile with clang -g -target bpf or gcc -gbtf");
	return NULL;
}

int uebpf_env_add_type_btf(struct uebpf_env *env, const char *name, const void *data, size_t len,
			   struct uebpf_error *err)
{
	struct uebpf_error local;
	struct uebpf_type_opts t = { .size = sizeof(t), .name = name };
	struct reading r = { 0 };
	struct btf *btf;
	uint32_t id;
	int rc;

	err = err ? err : &local;
	memset(err, 0, sizeof(*err));
	if (!env || !name || !data)
		return error_set(err, UEBPF_STAGE_ENV, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "an env, a struct's name and BTF are needed");
	r.arena.host = &env->host;
	btf = parse_any(&r.arena, &env->host, data, len, err);
	if (!btf) {
		arena_free(&r.arena);
		return err->err;
	}
	r.btf = btf;
	id = btf_find(btf, BTF_STRUCT, name);
	id = id ? id : btf_skip(btf, btf_find(btf, BTF_TYPEDEF, name));
	if (btf_kind(btf, id) == BTF_STRUCT) {
		r.size = t.ctx_size = btf_own_size(btf, id);
		read_struct(&r, id, "", 0, 0, false);
		t.fields = r.fields;
		t.nr_fields = r.n;
		rc = r.failed ? error_set(err, UEBPF_STAGE_ENV, UEBPF_E_MEMORY, -ENOMEM, UINT32_MAX, "no memory for a type") :
		     uebpf_env_add_type(env, &t, err);
	} else {
		rc = error_set(err, UEBPF_STAGE_ENV, UEBPF_E_PROG_TYPE, -ENOENT, UINT32_MAX, "the BTF has no struct %s", name);
	}
	btf_unref(btf);
	arena_free(&r.arena);
	return rc;
}
