/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* core.c - CO-RE relocations: fits offsets, sizes and constants that a program was compiled with
 * to the target's types.  A record has instruction offset, root type, access string ("0:1:2") and
 * what is asked; the answer goes into that instruction.  The target's BTF is read when the first
 * record needs it, and searched by name through an index.  Own implementation of the rules in
 * Documentation/bpf/llvm_reloc.rst ("CO-RE Relocations"). */
#include <errno.h>
#include <stdio.h>
#include "loader/elf/core.h"
#include "loader/elf/inner.h"
#include "loader/event_btf.h"
#include "vm/message.h"

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"
enum { BTF_MAX = 1 << 29 };

struct candidates { uint32_t *ids; uint32_t n; bool known; struct btf *in; };
struct core_cache {
	struct btf *target;
	const char *target_name;
	struct btf *events;			/* the env's event types */
	bool asked;				/* ... were looked for */
	struct uebpf_error why;			/* when there is no target */
	struct candidates *of;			/* per type of the program */
};

struct place { uint64_t byte_off, byte_size, bit_off, bits; bool bitfield; uint32_t type; };

struct answer {
	uint64_t old_value, new_value;
	uint32_t old_size, new_size;		/* of the field, when it may change a load's width */
	bool poison, validate, bad_width;
	const char *differs;			/* how an event's field is not what the program took it for */
	struct place from, to;			/* where an event's field is there, and here */
};

/* ---- the target ---- */

static struct btf *parse_target(struct image_inner *in, const char *path, uint8_t *data, size_t len)
{
	const struct elf_section *s;
	struct elf_view view = { 0 };
	struct btf *btf = NULL;

	if (len < 4 || memcmp(data, "\x7f" "ELF", 4) != 0)
		return btf_parse(in->params.host, data, len, path, in->err);
	if (elf_view_open(&in->arena, data, len, path, &view, in->err))
		return NULL;
	s = elf_view_find(&view, ".BTF");
	if (s && s->data)
		btf = btf_parse(in->params.host, s->data, s->size, path, in->err);
	else
		image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_NO_BTF, -ENOENT, NULL, NULL,
			   "%s has no .BTF section", path);
	return btf;
}

static void read_target(struct image_inner *in, struct core_cache *core)
{
	const char *path = in->params.btf ? in->params.btf : KERNEL_BTF;
	uint8_t *data = NULL;
	size_t len = 0, cap = 0;
	int ret = read_file(in->params.host, path, BTF_MAX, &data, &len, &cap);

	core->target_name = path;
	if (ret == -ENOMEM)
		image_memory(in);
	else if (ret)
		image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_NO_BTF, ret, NULL, NULL,
			   "CO-RE relocations need the types of the target, and %s cannot be read: "
			   "name a BTF file (--btf FILE)", path);
	else
		core->target = parse_target(in, path, data, len);
	mem_free(in->params.host, data, cap);
}

static int get_core(struct image_inner *in)
{
	if (in->core)
		return 0;
	in->core = arena_alloc(&in->arena, sizeof(*in->core));
	if (in->core)
		in->core->of = arena_array(&in->arena, btf_count(in->image.btf), sizeof(*in->core->of));
	if (in->core && in->core->of)
		return 0;
	in->core = NULL;
	return image_memory(in);
}

static int get_target(struct image_inner *in)
{
	struct core_cache *core = in->core;

	if (core->target)
		return 0;
	if (!core->why.err) {
		struct uebpf_error *err = in->err;

		in->err = &core->why;	/* whoever asks next is told too */
		read_target(in, core);
		in->err = err;
	}
	if (core->why.err && in->err)
		*in->err = core->why;
	return core->why.err;
}

struct btf *elf_target(struct elf_image *image, struct uebpf_error *err)
{
	struct image_inner *in = image->inner;

	in->err = err;
	if (!image->btf) {
		image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_NO_BTF, -ENOENT, NULL, NULL,
			   "snprintf_btf needs types, and the object has none (build with -g)");
		return NULL;
	}
	if (get_core(in) || !in->core || get_target(in))
		return NULL;
	return btf_ref(in->core->target);
}

void core_free(struct image_inner *in)
{
	if (!in->core)
		return;
	btf_unref(in->core->target);
	btf_unref(in->core->events);
}

/* Whose types this one is looked for in: an event type's in the env's, else in the target. */
static int choose_target(struct image_inner *in, uint32_t type)
{
	struct core_cache *core = in->core;
	struct candidates *c = &core->of[type];
	const char *name = btf_name(in->image.btf, type);
	int ret;

	if (!core->asked && in->params.event_btf) {
		struct uebpf_error why = { 0 };

		core->events = in->params.event_btf(in->params.find_arg, &why);
		if (!core->events && why.err) {
			if (in->err)
				*in->err = why;
			return why.err;
		}
	}
	core->asked = true;
	/* cppcheck-suppress invalidLifetime ; event_btf() does not keep &why */
	c->in = core->events && btf_next_named(core->events, name, btf_essential_len(name), 0) ? core->events : NULL;
	if (c->in)
		return 0;
	ret = get_target(in);
	c->in = core->target;
	return ret;
}

static const char *target_name(const struct image_inner *in, uint32_t type)
{
	return in->core->of[type].in == in->core->events && in->core->events ? "the event type here" :
	       in->core->target_name;
}

static int find_candidates(struct image_inner *in, uint32_t type)
{
	/* whoever relocates made it: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	struct candidates *c = &in->core->of[type];
	const struct btf *btf = in->image.btf;
	const char *name = btf_name(btf, type);
	size_t len = btf_essential_len(name);

	if (c->known)
		return 0;
	int ret = choose_target(in, type);

	if (ret)
		return ret;
	for (uint32_t id = 0; *name && (id = btf_next_named(c->in, name, len, id));) {
		if (!core_same_kind(btf, type, c->in, id))
			continue;
		c->ids = arena_grow(&in->arena, c->ids, c->n, sizeof(*c->ids));
		if (!c->ids)
			return image_memory(in);
		c->ids[c->n++] = id;
	}
	c->known = true;
	return 0;
}

/* ---- answers ---- */

/* Where the last step of a field's path lies; -EINVAL when it has no size, -E2BIG bit-field. */
static int field_place(const struct core_path *path, struct place *out)
{
	const struct core_step *last = &path->step[path->n - 1];
	struct btf_member member = { .type = last->type };
	int64_t size;

	*out = (struct place){ .bit_off = path->bit_off };
	if (last->name)
		btf_member(path->btf, last->type, last->index, &member);
	out->type = btf_skip(path->btf, member.type);
	size = btf_size(path->btf, out->type);
	if (member.bits) {		/* the smallest aligned unit that holds all bits */
		out->bitfield = true;
		out->bits = member.bits;
		out->byte_size = size > 0 && size <= 8 ? (uint64_t)size : 8;
		out->byte_off = path->bit_off / 8 / out->byte_size * out->byte_size;
		while (path->bit_off + member.bits - out->byte_off * 8 > out->byte_size * 8) {
			if (out->byte_size >= 8)
				return -E2BIG;
			out->byte_size *= 2;
			out->byte_off = path->bit_off / 8 / out->byte_size * out->byte_size;
		}
		return 0;
	}
	if (size < 0)
		return (int)size;
	out->byte_size = (uint64_t)size;
	out->byte_off = path->bit_off / 8;
	out->bits = out->byte_size * 8;
	return 0;
}

/* By which a loaded unit's bits come to the top of 64; from there 64 - bits brings them down. */
static uint64_t shift_left(const struct place *p)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return 64 - (p->bit_off + p->bits - p->byte_off * 8);
#else
	return (8 - p->byte_size) * 8 + (p->bit_off - p->byte_off * 8);
#endif
}

static bool is_signed(const struct btf *btf, uint32_t type)
{
	struct btf_int info = { 0, 0, 0 };

	if (btf_kind(btf, type) == BTF_ENUM || btf_kind(btf, type) == BTF_ENUM64)
		return btf_enum_signed(btf, type);
	btf_int(btf, type, &info);
	return info.encoding & BTF_INT_SIGNED;
}

/* What the question's answer is for one path (NULL: there is no such thing). -EUCLEAN: none. */
static int field_value(const struct core_path *path, uint32_t kind, uint64_t *value, uint32_t *size,
		       uint32_t *type, bool *validate)
{
	struct place p;
	int ret;

	if (kind == CORE_FIELD_EXISTS) {
		*value = path != NULL;
		return 0;
	}
	if (!path)
		return -EUCLEAN;
	ret = field_place(path, &p);
	if (ret)
		return ret;
	switch (kind) {
	case CORE_BYTE_OFFSET:
		*value = p.byte_off;
		if (!p.bitfield) {
			*size = (uint32_t)p.byte_size;
			*type = p.type;
		}
		break;
	case CORE_BYTE_SIZE:
		*value = p.byte_size;
		break;
	case CORE_SIGNED:
		*value = is_signed(path->btf, p.type);
		return 0;
	case CORE_LSHIFT_U64:
		*value = shift_left(&p);
		break;
	default:
		*value = 64 - p.bits;
		break;
	}
	*validate = !p.bitfield;
	return 0;
}

static int path_value(const struct core_path *path, uint32_t kind, uint64_t *value, uint32_t *size,
		      uint32_t *type, bool *validate)
{
	struct btf_enumerator one;
	int64_t bytes;

	*size = *type = 0;
	*validate = true;
	if (core_is_field(kind))
		return field_value(path, kind, value, size, type, validate);
	if (kind == CORE_TYPE_EXISTS || kind == CORE_TYPE_MATCHES || kind == CORE_ENUMVAL_EXISTS) {
		*value = path != NULL;
		return 0;
	}
	if (!path && !core_is_enumval(kind)) {
		*value = 0;		/* a type that is not there has no size and no id */
		return 0;
	}
	if (!path)
		return -EUCLEAN;
	switch (kind) {
	case CORE_TYPE_ID_LOCAL: case CORE_TYPE_ID_TARGET:
		*value = path->root;
		*validate = false;	/* linking objects renumbers types */
		return 0;
	case CORE_TYPE_SIZE:
		bytes = btf_size(path->btf, path->root);
		*value = (uint64_t)bytes;
		return bytes < 0 ? (int)bytes : 0;
	default:
		btf_enumerator(path->btf, path->step[0].type, path->step[0].index, &one);
		*value = (uint64_t)one.value;
		/* 32-bit enums had no sign in BTF for years: libbpf and the kernel extend them all. */
		if (btf_kind(path->btf, path->step[0].type) == BTF_ENUM)
			*value = (uint64_t)(int64_t)(int32_t)one.value;
		return 0;
	}
}

/* A load may change its width for pointers (32 to 64 bits) and unsigned integers only. */
static bool width_may_change(const struct btf *a, uint32_t x, const struct btf *b, uint32_t y)
{
	x = btf_skip(a, x);
	y = btf_skip(b, y);
	if (btf_kind(a, x) == BTF_PTR && btf_kind(b, y) == BTF_PTR)
		return true;
	return btf_kind(a, x) == BTF_INT && btf_kind(b, y) == BTF_INT && !is_signed(a, x) &&
		!is_signed(b, y);
}

static int make_answer(const struct core_path *local, const struct core_path *target, uint32_t kind,
		       struct answer *out)
{
	uint32_t old_type, new_type;
	bool validate, ignored;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = path_value(local, kind, &out->old_value, &out->old_size, &old_type, &validate);
	if (ret)
		return ret;
	out->validate = validate;
	ret = path_value(target, kind, &out->new_value, &out->new_size, &new_type, &ignored);
	if (ret == -EUCLEAN) {
		out->poison = true;
		return 0;
	}
	if (!ret && target && out->old_size != out->new_size && old_type && new_type)
		out->bad_width = !width_may_change(local->btf, old_type, target->btf, new_type);
	return ret;
}

/* Tries each candidate; all that fit must give the same answer. */
static int resolve(struct image_inner *in, const struct core_path *local, uint32_t kind,
		   struct answer *out)
{
	struct candidates *c;
	struct core_path path;
	struct answer other;
	uint64_t bit_off = 0;
	uint32_t found = 0;
	int ret;

	if (!*btf_name(local->btf, local->root))
		return image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_CORE, -EINVAL, NULL, NULL,
				  "a CO-RE relocation of a type without a name");
	ret = find_candidates(in, local->root);
	if (ret)
		return ret;
	c = &in->core->of[local->root];
	for (uint32_t i = 0; i < c->n; i++) {
		ret = core_path_match(local, c->in, c->ids[i], kind, &path);
		if (ret < 0)
			break;
		if (!ret)
			continue;
		ret = make_answer(local, &path, kind, found ? &other : out);
		if (ret)
			break;
		if (c->in == in->core->events && kind == CORE_BYTE_OFFSET) {
			out->differs = event_differs(local, &path);
			field_place(local, &out->from);		/* make_answer() saw that they have places */
			field_place(&path, &out->to);
			if (out->from.bitfield)		/* patch_bits() sees to the width */
				out->old_size = out->new_size = 0;
		}
		if (found && (path.bit_off != bit_off || other.new_value != out->new_value ||
			      other.poison != out->poison))
			return image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_CORE, -EINVAL, NULL,
					  btf_name(local->btf, local->root), "CO-RE: the target has two "
					  "types of this name that differ in what the program asks: give "
					  "the type a ___flavour that has the fields of one");
		bit_off = path.bit_off;
		c->ids[found++] = c->ids[i];
	}
	if (ret < 0)
		return image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_CORE, ret, NULL,
				  btf_name(local->btf, local->root), "CO-RE: the access cannot be "
				  "computed in %s", target_name(in, local->root));
	if (found) {
		c->n = found;		/* later questions go to those that fit */
		return 0;
	}
	ret = make_answer(local, NULL, kind, out);
	return ret ? image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_CORE, ret, NULL,
				btf_name(local->btf, local->root), "CO-RE: bad relocation") : 0;
}

/* ---- instructions ---- */

enum { CLASS = 7, LD = 0, LDX = 1, ST = 2, STX = 3, ALU = 4, ALU64 = 7, REG = 8, LDDW = 0x18, LSHK = 0x67, RSHK = 0x77, ARSHK = 0xc7,
       SIZE_MASK = 0x18 };

static uint32_t width_of(uint8_t code)
{
	static const uint8_t width[] = { 4, 2, 1, 8 };

	return width[(code & SIZE_MASK) >> 3];
}

static bool is_memory(const uint8_t *p)
{
	return (p[0] & CLASS) == LDX || (p[0] & CLASS) == ST || (p[0] & CLASS) == STX;
}

static int width_code(uint32_t width)
{
	return width == 4 ? 0x00 : width == 2 ? 0x08 : width == 1 ? 0x10 : width == 8 ? 0x18 : -1;
}

static const char *patch_memory(uint8_t *p, const struct answer *a)
{
	struct raw_insn raw = raw_load(p);

	if (a->validate && raw.off != (int64_t)a->old_value)
		return MESSAGE_TEXT("the instruction does not hold the offset that the record speaks of");
	if (a->new_value > INT16_MAX)
		return MESSAGE_TEXT("the target's offset does not fit an instruction");
	raw.off = (int16_t)a->new_value;
	if (a->old_size != a->new_size) {
		int code = width_code(a->new_size);

		if (a->old_size != width_of(raw.code) || code < 0)
			return MESSAGE_TEXT("the field's size in the target fits no load or store");
		raw.code = (uint8_t)((raw.code & ~SIZE_MASK) | code);
	}
	raw_store(p, raw);
	return NULL;
}

/* A bit-field of an event, in other bits here: its load and the two shifts behind it that take it out of its unit. */
static const char *patch_bits(uint8_t *p, uint32_t n, const struct answer *a)
{
	uint64_t left = shift_left(&a->from), left2 = shift_left(&a->to);
	struct raw_insn load = raw_load(p), up, down;

	if ((load.code & CLASS) != LDX || (a->from.bits == a->to.bits && left == left2 && a->from.byte_size == a->to.byte_size))
		return NULL;
	if (n >= 3 && a->from.bitfield) {
		up = raw_load(p + 8);
		down = raw_load(p + 16);
		if (up.code == LSHK && up.dst == load.dst && (uint32_t)up.imm == left && (down.code == RSHK || down.code == ARSHK) &&
		    down.dst == load.dst && (uint32_t)down.imm == 64 - a->from.bits) {
			load.code = (uint8_t)((load.code & ~SIZE_MASK) | width_code((uint32_t)a->to.byte_size));
			up.imm = (int32_t)left2;
			down.imm = (int32_t)(64 - a->to.bits);
			raw_store(p, load);
			raw_store(p + 8, up);
			raw_store(p + 16, down);
			return NULL;
		}
	}
	return MESSAGE_TEXT("other bits, and is not taken from them by two shifts (BPF_CORE_READ_BITFIELD finds "
		"them anywhere)");
}

/* NULL, or why the instruction cannot take the answer. */
static const char *patch(uint8_t *p, uint32_t n, const struct answer *a)
{
	const char *other = MESSAGE_TEXT("the instruction does not hold the value that the record speaks of");
	struct raw_insn raw = raw_load(p);

	switch (raw.code & CLASS) {
	case ALU: case ALU64:
		if (raw.code & REG)
			return MESSAGE_TEXT("the instruction has no immediate");
		if (a->validate && (uint32_t)raw.imm != (uint32_t)a->old_value)
			return other;
		if (a->new_value > UINT32_MAX && a->new_value < UINT64_MAX - INT32_MAX)
			return MESSAGE_TEXT("the target's value does not fit an instruction");
		raw.imm = (int32_t)a->new_value;
		raw_store(p, raw);
		return NULL;
	case LDX: case ST: case STX:
		return patch_memory(p, a);
	case LD:
		if (raw.code != LDDW || raw.src || n < 2)
			break;
		if (a->validate && (le32(p + 4) | (uint64_t)le32(p + 12) << 32) != a->old_value)
			return other;
		put_le32(p + 4, (uint32_t)a->new_value);
		put_le32(p + 12, (uint32_t)(a->new_value >> 32));
		return NULL;
	default:
		break;
	}
	return MESSAGE_TEXT("it is no instruction that CO-RE can change");
}

static const char *missing_text(struct image_inner *in, const struct core_path *local, uint32_t kind,
				const char *access)
{
	static const char what[] MESSAGE_PACKED = "offset of\0size of\0existence of\0signedness of\0bit shift of\0bit shift of\0"
		"id of\0id of\0existence of\0size of\0existence of\0value of\0match of";
	_Static_assert(CORE_KIND_COUNT == 13, "words for each kind");
	char path[200];

	core_path_text(local, path, sizeof(path));
	return arena_text(&in->arena, "CO-RE: %s %s (%s): %s has no such %s", text_nth(message_text(what), kind), path, access,
		 target_name(in, local->root), core_is_field(kind) ? "field" : core_is_enumval(kind) ?
		 "enumerator" : "type");
}

/* The kernel's rule: such an instruction may stand, but must not be reached. */
static const char *width_text(struct image_inner *in, const struct core_path *local,
			      const char *access, const struct answer *a)
{
	char path[200];

	core_path_text(local, path, sizeof(path));
	return arena_text(&in->arena, "CO-RE: offset of %s (%s): the field has %u bytes in %s and not %u, "
		 "and only pointers and unsigned integers may change their size", path, access,
		 a->new_size, target_name(in, local->root), a->old_size);
}

static const char *differs_text(struct image_inner *in, const struct core_path *local, const char *how)
{
	char path[200];

	core_path_text(local, path, sizeof(path));
	return arena_text(&in->arena, "CO-RE: field %s has %s in %s", path, message_text(how), target_name(in, local->root));
}

int core_apply(struct image_inner *in, const uint8_t *rec, uint8_t *slots, uint32_t n,
	       const char **why)
{
	uint32_t type = le32(rec + 4), kind = le32(rec + 12);
	const struct btf *btf = in->image.btf;
	const char *access = btf_string(btf, le32(rec + 8)), *trouble;
	struct core_path local;
	struct answer answer = { 0 };
	int ret;

	if (!n || type >= btf_count(btf) || core_path_parse(btf, type, access, kind, &local))
		return image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_CORE, -EINVAL, NULL, NULL,
				  "CO-RE: the access \"%.40s\" does not fit type %u of the object", access,
				  type);
	if (kind >= CORE_KIND_COUNT)
		return image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_CORE, -EOPNOTSUPP, NULL, NULL,
				  "CO-RE: relocation kind %u is not known to this version", kind);
	ret = get_core(in);
	if (!ret && kind == CORE_TYPE_ID_LOCAL) {
		answer.new_value = type;
	} else if (!ret) {
		ret = resolve(in, &local, kind, &answer);
	}
	if (ret)
		return ret;
	if (!answer.differs && (answer.from.bitfield || answer.to.bitfield))
		answer.differs = patch_bits(slots, n, &answer);
	if (answer.poison || answer.differs || (answer.bad_width && is_memory(slots))) {
		*why = answer.poison ? missing_text(in, &local, kind, access) :
		       answer.bad_width && is_memory(slots) ? width_text(in, &local, access, &answer) :
		       differs_text(in, &local, answer.differs);
		return *why ? 1 : image_memory(in);
	}
	trouble = patch(slots, n, &answer);
	if (!trouble)
		return 0;
	return image_fail(in, UEBPF_STAGE_CORE, UEBPF_E_CORE, -EINVAL, NULL,
			  btf_name(btf, type), "CO-RE (%s): %s", access, message_text(trouble));
}
