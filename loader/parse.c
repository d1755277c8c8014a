/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* parse.c - text to a value of a BTF type: JSON or C-like, the reverse of format.c.  Bytes that the
 * text does not name stay as they are. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/elf/btf.h"
#include "loader/elf/btf_bits.h"
#include "vm/code.h"

enum { DEPTH_MAX = 32, NAME_MAX_ = 128, STEPS_MAX = 1 << 20 /* members looked at for one value */ };

struct in {
	const struct btf *btf;
	const char *text, *at;
	struct uebpf_error *err;
	uint32_t steps;
};

static int bad(struct in *in, const char *what, const char *name)
{
	return error_set(in->err, UEBPF_STAGE_BTF, UEBPF_E_SYNTAX, -EINVAL, UINT32_MAX,
			 "character %td: %s%s%s", in->at - in->text + 1, message_text(what),
			 *name ? ": " : "", name);
}
#define bad(in, literal, name) bad(in, MESSAGE_TEXT(literal), name)

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static char next(struct in *in)
{
	while (is_blank(*in->at))
		in->at++;
	return *in->at;
}

static bool take(struct in *in, char c)
{
	if (next(in) != c)
		return false;
	in->at++;
	return true;
}

static int escape(const char **p)
{
	const char *s = *p;
	int n, c = 0;

	*p = s + 1;
	switch (*s) {
	case 'n': return '\n';
	case 't': return '\t';
	case 'r': return '\r';
	case '0': return 0;
	case '"': case '\\': case '/': case '\'': return *s;
	case 'x': case 'u':
		n = *s == 'x' ? 2 : 4;
		for (int i = 0; i < n; i++) {
			if (text_digit(s[1 + i]) >= 16)
				return -1;
			c = c * 16 + (int)text_digit(s[1 + i]);
		}
		*p = s + 1 + n;
		return c > 255 ? -1 : c;
	default:
		return -1;
	}
}

/* "text" into at most cap bytes; *len is the whole length. */
static int parse_string(struct in *in, uint8_t *to, size_t cap, size_t *len)
{
	const char *p = in->at + 1;

	for (*len = 0; *p != '"'; ++*len) {
		int c = (unsigned char)*p++;

		if (!c)
			return bad(in, "the string does not end", "");
		if (c == '\\')
			c = escape(&p);
		if (c < 0)
			return bad(in, "bad escape in the string (one byte each: \\n \\xHH \\u00HH)", "");
		if (*len < cap)
			to[*len] = (uint8_t)c;
	}
	in->at = p + 1;
	return 0;
}

static int parse_name(struct in *in, char name[NAME_MAX_])
{
	size_t n = 0;
	int ret;

	name[0] = 0;
	if (next(in) == '"') {
		ret = parse_string(in, (uint8_t *)name, NAME_MAX_ - 1, &n);
		if (ret)
			return ret;
		name[n < NAME_MAX_ ? n : NAME_MAX_ - 1] = 0;
		return 0;
	}
	while (text_digit(in->at[n]) < 36 || in->at[n] == '_' || in->at[n] == '.')
		n++;
	if (!n || n >= NAME_MAX_)
		return bad(in, "a name is expected", "");
	memcpy(name, in->at, n);
	name[n] = 0;
	in->at += n;
	return 0;
}

enum sign { PLAIN, NEGATIVE, BITS };	/* BITS: hex, octal or a character, which may fill the sign bit */

/* Number, 'c', true, false, null or an enumerator of `type`. */
static int parse_integer(struct in *in, uint32_t type, uint64_t *value, enum sign *sign)
{
	struct btf_enumerator e;
	char name[NAME_MAX_], *end;
	bool quoted = next(in) == '"';
	const char *start = in->at;
	int ret, saved = errno;

	*value = 0;
	*sign = *in->at == '0' || *in->at == '\'' ? BITS : PLAIN;
	if (*in->at == '\'' && in->at[1] && in->at[1] != '\\' && in->at[2] == '\'') {
		*value = (unsigned char)in->at[1];
		in->at += 3;
		return 0;
	}
	if (!quoted && (text_digit(*in->at) < 10 || *in->at == '-')) {
		*sign = *in->at == '-' ? NEGATIVE : *sign;
		errno = 0;
		*value = *sign == NEGATIVE ? (uint64_t)strtoll(in->at, &end, 0) : strtoull(in->at, &end, 0);
		ret = errno;
		errno = saved;
		if (ret || end == in->at || text_digit(*end) < 36 || *end == '.')
			return bad(in, "bad number", "");
		in->at = end;
		return 0;
	}
	ret = parse_name(in, name);
	if (ret)
		return ret;
	for (uint32_t i = 0; btf_enumerator(in->btf, type, i, &e); i++)
		if (!strcmp(e.name, name)) {
			*value = (uint64_t)e.value;
			*sign = e.value < 0 ? NEGATIVE : BITS;
			return 0;
		}
	if (!strcmp(name, "true") || !strcmp(name, "false") || !strcmp(name, "null")) {
		*value = name[0] == 't';
		return 0;
	}
	in->at = start;
	return (bad)(in, btf_kind(in->btf, type) == BTF_INT ? "not a number" : "no such enumerator", name);
}

static bool fits(const struct btf *btf, uint32_t type, uint64_t value, enum sign sign, uint32_t bits)
{
	struct btf_int info = { 0, 0, 0 };
	bool is_signed = btf_enum_signed(btf, type) && btf_kind(btf, type) != BTF_INT;

	if (btf_int(btf, type, &info)) {
		is_signed = info.encoding & BTF_INT_SIGNED;
		if (info.encoding & BTF_INT_BOOL)
			bits = 1;
	}
	/* An enum's sign is in BTF only since clang 15: let any fit. */
	if (sign == NEGATIVE)
		return (is_signed || btf_kind(btf, type) != BTF_INT) &&
		       (bits >= 64 || bits_extend(value, bits) == (int64_t)value);
	bits -= is_signed && sign == PLAIN;
	return bits >= 64 || value >> bits == 0;
}

static int parse_value(struct in *in, uint32_t id, uint8_t *p, size_t len, int depth);

static int parse_scalar(struct in *in, uint32_t id, uint8_t *p, uint32_t size)
{
	uint64_t value;
	enum sign sign;
	int ret = parse_integer(in, id, &value, &sign);

	if (ret)
		return ret;
	if (size > 8) {		/* __int128 from 64 bits */
		memset(p, sign == NEGATIVE ? 0xff : 0, size);
		bits_store_int(BITS_LITTLE ? p : p + size - 8, 8, value);
		return 0;
	}
	if (!size || !fits(in->btf, id, value, sign, size * 8))
		return bad(in, "the number does not fit its type", "");
	bits_store_int(p, size, value);
	return 0;
}

static int parse_float(struct in *in, uint8_t *p, uint32_t size)
{
	char *end;
	double value = (next(in), strtod(in->at, &end));
	float single = (float)value;

	if (end == in->at || (size != 4 && size != 8))
		return bad(in, "a number is expected", "");
	if (size == 4 && isinf(single) && !isinf(value))
		return bad(in, "the number does not fit its type", "");
	in->at = end;
	memcpy(p, size == 4 ? (void *)&single : (void *)&value, size);
	return 0;
}

/* Member `name` of a composite, also inside its anonymous members; adds to *bit_off. */
static bool find_member(struct in *in, uint32_t id, const char *name, struct btf_member *out,
			uint32_t *bit_off, int depth)
{
	for (uint32_t i = 0; depth < DEPTH_MAX && in->steps < STEPS_MAX && btf_member(in->btf, id, i, out); i++) {
		struct btf_member m = *out;
		uint32_t type = btf_skip(in->btf, m.type);

		in->steps++;	/* anonymous members of one type, many times over: exponential in hostile BTF */

		if (*m.name && !strcmp(m.name, name)) {
			*bit_off += m.bit_off;
			return true;
		}
		if (!*m.name && btf_is_composite(in->btf, type) &&
		    find_member(in, type, name, out, bit_off, depth + 1)) {
			*bit_off += m.bit_off;
			return true;
		}
	}
	return false;
}

static int parse_member(struct in *in, const struct btf_member *m, uint32_t bit_off, uint8_t *p,
			size_t len, int depth)
{
	uint64_t value;
	enum sign sign;
	int ret;

	if (!m->bits) {
		if (bit_off / 8 > len)
			return bad(in, "the member lies outside the value", m->name);
		return parse_value(in, m->type, p + bit_off / 8, len - bit_off / 8, depth + 1);
	}
	ret = parse_integer(in, btf_skip(in->btf, m->type), &value, &sign);
	if (ret)
		return ret;
	if (!fits(in->btf, btf_skip(in->btf, m->type), value, sign, m->bits) ||
	    !bits_store(p, len, bit_off, m->bits, value))
		return bad(in, "the number does not fit the bit-field", m->name);
	return 0;
}

/* Is a field name (and not a value) next? */
static bool at_name(struct in *in)
{
	const char *p;

	next(in);
	p = in->at;
	if (*p == '.')
		return true;
	if (*p == '"') {
		for (p++; *p && *p != '"'; p++)
			p += *p == '\\' && p[1];
		p += *p == '"';
	} else {
		if (text_digit(*p) < 10)
			return false;
		while (text_digit(*p) < 36 || *p == '_')
			p++;
	}
	while (is_blank(*p))
		p++;
	return *p == ':' || *p == '=';
}

static int parse_composite(struct in *in, uint32_t id, uint8_t *p, size_t len, int depth)
{
	uint32_t index = 0;

	if (!take(in, '{'))
		return bad(in, "a struct begins with {", "");
	while (!take(in, '}')) {
		struct btf_member m;
		uint32_t bit_off = 0;
		char name[NAME_MAX_];
		int ret;

		if (at_name(in)) {
			take(in, '.');
			ret = parse_name(in, name);
			if (ret)
				return ret;
			if (!find_member(in, id, name, &m, &bit_off, 0))
				return (bad)(in, in->steps < STEPS_MAX ? "no such member" :
					     MESSAGE_TEXT("the type has too many anonymous members to look for one"), name);
			if (!take(in, ':') && !take(in, '='))
				return bad(in, "= or : is expected behind", name);
		} else {
			if (!btf_member(in->btf, id, index++, &m))
				return bad(in, "more values than members", "");
			bit_off = m.bit_off;
		}
		ret = parse_member(in, &m, bit_off, p, len, depth);
		if (ret)
			return ret;
		if (!take(in, ',') && next(in) != '}')
			return bad(in, ", or } is expected", "");
	}
	return 0;
}

static int parse_array(struct in *in, uint32_t id, uint8_t *p, size_t len, int depth)
{
	struct btf_array array;
	int64_t size;
	char close;
	size_t n;

	btf_array(in->btf, id, &array);
	size = btf_size(in->btf, array.elem);
	if (size <= 0)
		return bad(in, "an array of elements without a size", "");
	if (next(in) == '"' && size == 1) {
		int ret = parse_string(in, p, len < array.count ? len : array.count, &n);

		if (!ret && n > array.count)
			return bad(in, "the string is longer than the array", "");
		if (!ret && n < array.count && n < len)
			memset(p + n, 0, (len < array.count ? len : array.count) - n);
		return ret;
	}
	close = *in->at == '{' ? '}' : ']';
	if (!take(in, '[') && !take(in, '{'))
		return bad(in, "an array begins with [", "");
	for (uint64_t i = 0; !take(in, close); i++) {
		uint64_t off = i * (uint64_t)size;
		int ret;

		if (i >= array.count || off + (uint64_t)size > len)
			return bad(in, "more values than the array has elements", "");
		ret = parse_value(in, array.elem, p + off, (size_t)size, depth + 1);
		if (ret)
			return ret;
		if (!take(in, ',') && next(in) != close)
			return bad(in, ", or the closing bracket is expected", "");
	}
	return 0;
}

/* 10.0.0.1 and the like where a number, bytes or a struct of that size stands. */
static bool take_address(struct in *in, uint32_t id, uint8_t *p, int64_t size)
{
	enum btf_kind kind = btf_kind(in->btf, id);
	struct btf_array array;
	size_t n;

	if ((size != 4 && size != 6 && size != 16) || kind == BTF_FLOAT || kind == BTF_ENUM ||
	    (kind == BTF_ARRAY && btf_array(in->btf, id, &array) && array.count == 1))
		return false;
	next(in);
	n = address_parse(in->at, p, (size_t)size);
	in->at += n;
	return n;
}

static int parse_value(struct in *in, uint32_t id, uint8_t *p, size_t len, int depth)
{
	int64_t size;

	id = btf_skip(in->btf, id);
	size = btf_size(in->btf, id);
	if (size < 0 || (uint64_t)size > len)
		return bad(in, "the type has another size than the value", "");
	if (depth > DEPTH_MAX)
		return bad(in, "nested too deep", "");
	if (take_address(in, id, p, size))
		return 0;
	switch (btf_kind(in->btf, id)) {
	case BTF_STRUCT: case BTF_UNION:
		return parse_composite(in, id, p, (size_t)size, depth);
	case BTF_ARRAY:
		return parse_array(in, id, p, (size_t)size, depth);
	case BTF_FLOAT:
		return parse_float(in, p, (uint32_t)size);
	case BTF_INT: case BTF_ENUM: case BTF_ENUM64: case BTF_PTR:
		return parse_scalar(in, id, p, (uint32_t)size);
	default:
		return bad(in, "values of this type cannot be written", "");
	}
}

int btf_parse_value(const struct btf *btf, uint32_t id, const char *text, void *data, size_t len,
		    struct uebpf_error *err)
{
	struct in in = { btf, text, text, err, 0 };
	int ret = parse_value(&in, id, data, len, 0);

	if (!ret && next(&in))
		return bad(&in, "more text than the value needs", "");
	return ret;
}
