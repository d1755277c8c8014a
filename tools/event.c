/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* event.c - event types on the command line: --event-type OBJ:STRUCT or a file with a line per field, and
 * events that are given as JSON, one object a line, its members named as the fields. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

enum { MOST_FIELDS = 512, NAME_ROOM = 64 };

/* ---- the type ---- */

/* Words that begin a line of a type file. */
static const struct word { const char *name; uint32_t size; uint16_t kind, value, big_endian; } words[] = {
	{ "u8", 1, 0, 0, 0 }, { "u16", 2, 0, 0, 0 }, { "u32", 4, 0, 0, 0 }, { "u64", 8, 0, 0, 0 },
	{ "s8", 1, 0, UEBPF_VALUE_SIGNED, 0 }, { "s16", 2, 0, UEBPF_VALUE_SIGNED, 0 },
	{ "s32", 4, 0, UEBPF_VALUE_SIGNED, 0 }, { "s64", 8, 0, UEBPF_VALUE_SIGNED, 0 },
	{ "be16", 2, 0, 0, 1 }, { "be32", 4, 0, 0, 1 }, { "be64", 8, 0, 0, 1 }, { "bool", 1, 0, 0, 0 },
	{ "float", 4, 0, UEBPF_VALUE_FLOAT, 0 }, { "double", 8, 0, UEBPF_VALUE_FLOAT, 0 },
	{ "char", 1, 0, UEBPF_VALUE_TEXT, 0 }, { "string", 8, UEBPF_FIELD_CSTR, UEBPF_VALUE_TEXT, 0 },
};

static struct uebpf_field fields[MOST_FIELDS];
static uint32_t nr_fields, type_size;
static const char *type_name;

static char *copy(const char *text, size_t len)
{
	return need(strndup(text, len));
}

static struct uebpf_field *add_field(const char *name, size_t len, uint32_t size, uint32_t align)
{
	struct uebpf_field *f = &fields[nr_fields];

	if (nr_fields == MOST_FIELDS)
		die(EXIT_USAGE, "--event-type: more than %d fields", MOST_FIELDS);
	nr_fields++;
	type_size = (type_size + align - 1) / align * align;
	*f = (struct uebpf_field){ .name = copy(name, len), .offset = type_size, .size = size };
	type_size += size;
	return f;
}

/* LABEL=NUMBER ... behind a field. */
static void take_labels(struct uebpf_field *f, const char *text, const char *where)
{
	struct uebpf_label *labels = NULL;
	uint32_t n = 0;

	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		size_t len = strcspn(text, "= \t");
		char *end;

		if (text[len] != '=' || !len)
			die(EXIT_USAGE, "%s: '%s': LABEL=NUMBER is expected", where, text);
		labels = need(realloc(labels, (n + 1) * sizeof *labels));
		labels[n].name = copy(text, len);
		labels[n++].value = strtoll(text + len + 1, &end, 0);
		if (end == text + len + 1)
			die(EXIT_USAGE, "%s: '%s': LABEL=NUMBER is expected", where, text);
		text = end;
	}
	f->labels = labels;
	f->nr_labels = n;
}

/* "u32 a:3": in the same unit as the bit-fields of this type before it, where it has room, as in C. */
static const char *take_bits(struct uebpf_field *f, const char *text, const char *where)
{
	const struct uebpf_field *last = nr_fields > 1 ? f - 1 : NULL;
	char *end;
	unsigned long bits = strtoul(text + 1, &end, 10);

	if (end == text + 1 || !bits || bits > f->size * 8 || f->value > UEBPF_VALUE_SIGNED || f->big_endian ||
	    f->kind != UEBPF_FIELD_SCALAR)
		die(EXIT_USAGE, "%s: '%s': a bit-field of an integer (u8 to u64, s8 to s64) has 1 to %u bits", where, text,
		    f->size * 8);
	if (last && last->bits && last->size == f->size && last->bit + last->bits + bits <= f->size * 8) {
		f->offset = last->offset;
		f->bit = (uint8_t)(last->bit + last->bits);
		type_size = f->offset + f->size;
	}
	f->bits = (uint8_t)bits;
	return end;
}

/* "u32 a", "u32 flag:3", "char name[16]", "s16 seq[]", "string s", "s32 color RED=1 GREEN=2". */
static void take_line(const char *line, const char *where)
{
	size_t len = strcspn(line, " \t"), name_len, i = 0;
	const char *name = line + len + strspn(line + len, " \t"), *rest;
	struct uebpf_field *f;
	uint32_t count = 0;
	bool sequence = false, array;
	char *end;

	while (i < sizeof words / sizeof *words && (strlen(words[i].name) != len || strncmp(words[i].name, line, len)))
		i++;
	if (i == sizeof words / sizeof *words)
		die(EXIT_USAGE, "%s: '%.*s' is no type: u8 to u64, s8 to s64, be16, be32, be64, bool, float, double, string, "
		    "char NAME[N]", where, (int)len, line);
	name_len = strcspn(name, " \t[:");
	rest = name + name_len;
	array = *rest == '[';
	if (!name_len || name_len >= NAME_ROOM - 4)
		die(EXIT_USAGE, "%s: a field needs a name of at most %d bytes", where, NAME_ROOM - 5);
	if (array) {
		count = (uint32_t)strtoul(rest + 1, &end, 0);
		sequence = end == rest + 1;
		if (*end != ']' || (!sequence && !count) || count > 60000 || words[i].kind)
			die(EXIT_USAGE, "%s: '%s': [N] or [] is expected", where, rest);
		rest = end + 1;
	}
	if (words[i].value == UEBPF_VALUE_TEXT && !words[i].kind && !array)
		die(EXIT_USAGE, "%s: char needs a length: char %.*s[N]; a string by pointer is: string %.*s", where, (int)name_len,
		    name, (int)name_len, name);
	if (sequence) {		/* pointer, and its byte count beside it */
		char counted[NAME_ROOM];

		f = add_field(name, name_len, 8, 8);
		f->kind = UEBPF_FIELD_MEM;
		f->nullable = 1;
		snprintf(counted, sizeof counted, "%.*s.len", (int)name_len, name);
		f->size_field = copy(counted, strlen(counted));
		add_field(counted, strlen(counted), 4, 4);
	} else {
		f = add_field(name, name_len, array ? words[i].size * count : words[i].size, words[i].size);
		f->kind = array ? UEBPF_FIELD_BYTES : words[i].kind;
		f->nullable = words[i].kind == UEBPF_FIELD_CSTR;
	}
	f->elem = array ? (uint16_t)words[i].size : 0;
	f->value = words[i].value;
	f->big_endian = words[i].big_endian;
	if (*rest == ':')
		rest = take_bits(f, rest, where);
	if (*(rest + strspn(rest, " \t")))
		take_labels(f, rest, where);
}

static void type_from_text(const char *path)
{
	struct bytes b = read_all(path, "--event-type");
	char *text = need(strndup((const char *)b.data, b.len)), *at = text, *line, where[512];

	for (unsigned n = 1; (line = strsep(&at, "\n")); n++) {
		line[strcspn(line, "#\r")] = 0;
		line += strspn(line, " \t");
		for (size_t len = strlen(line); len && isspace((unsigned char)line[len - 1]); len--)
			line[len - 1] = 0;
		snprintf(where, sizeof where, "%s:%u", path, n);
		if (*line)
			take_line(line, where);
	}
	type_size = (type_size + 7) / 8 * 8;
	free(text);
	free(b.data);
}

void event_type_add(struct session *s)
{
	const char *what = s->opt->event_type, *colon = strrchr(what, ':');
	struct uebpf_type_opts t = { .size = sizeof t };
	struct uebpf_error err = { 0 };
	struct bytes b;
	char *path;

	if (!colon) {
		type_from_text(what);
		t.name = type_name = "event";
		t.ctx_size = type_size;
		t.fields = fields;
		t.nr_fields = nr_fields;
		if (uebpf_env_add_type(s->env, &t, &err))
			die_error(s, &err);
		return;
	}
	path = copy(what, (size_t)(colon - what));
	b = read_all(path, "--event-type");
	type_name = colon + 1;
	if (uebpf_env_add_type_btf(s->env, type_name, b.data, b.len, &err))
		die_error(s, &err);
	while (nr_fields < MOST_FIELDS &&
	       !uebpf_env_type_field(s->env, type_name, nr_fields, &fields[nr_fields], &type_size))
		nr_fields++;
	free(b.data);
	free(path);
}

const char *event_type_name(void)
{
	return type_name;
}

/* A record in a file cannot hold addresses. */
const char *event_pointer_field(void)
{
	for (uint32_t i = 0; i < nr_fields; i++)
		if (fields[i].kind == UEBPF_FIELD_CSTR || fields[i].kind == UEBPF_FIELD_MEM)
			return fields[i].name;
	return NULL;
}

/* ---- JSON ---- */

struct json {
	const char *at, *end;
	uint64_t line;
	uint8_t *record;
	char *texts;		/* what pointers of the record point to; as long as the line at least */
	size_t used;
};

static void bad_json(const struct json *j, const char *why) __attribute__((noreturn));
static void bad_json(const struct json *j, const char *why)
{
	die(EXIT_USAGE, "--events, line %llu: %s near '%.20s'", (unsigned long long)j->line, why, j->at < j->end ? j->at : "");
}

static char peek(struct json *j)
{
	while (j->at < j->end && isspace((unsigned char)*j->at))
		j->at++;
	return j->at < j->end ? *j->at : 0;
}

static void want(struct json *j, char c)
{
	if (peek(j) != c)
		bad_json(j, c == ':' ? "':' is expected" : c == '"' ? "a name in quotes is expected" : "the object has no end");
	j->at++;
}

/* A string behind its opening quote into texts; its length. */
static char *json_text(struct json *j, size_t *len)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	char *out = j->texts + j->used, *p = out;

	for (; j->at < j->end && *j->at != '"'; j->at++) {
		unsigned code = 0;

		if (*j->at != '\\') {
			*p++ = *j->at;
			continue;
		}
		j->at++;
		if (j->at < j->end && *j->at == 'u') {
			if (j->end - j->at < 5 || sscanf(j->at + 1, "%4x", &code) != 1)
				bad_json(j, "bad \\u escape");
			j->at += 4;
			if (code < 0x80) {
				*p++ = (char)code;
			} else if (code < 0x800) {
				*p++ = (char)(0xc0 | code >> 6);
				*p++ = (char)(0x80 | (code & 63));
			} else {
				*p++ = (char)(0xe0 | code >> 12);
				*p++ = (char)(0x80 | (code >> 6 & 63));
				*p++ = (char)(0x80 | (code & 63));
			}
		} else {
			const char *known = j->at < j->end ? strchr(from, *j->at) : NULL;

			*p++ = known ? to[known - from] : *j->at;
		}
	}
	want(j, '"');
	*len = (size_t)(p - out);
	*p++ = 0;
	j->used += (size_t)(p - out);
	return out;
}

static void store(uint8_t *to, const struct uebpf_field *f, uint32_t size, double d, int64_t i, bool is_double)
{
	float g = is_double ? (float)d : (float)i;
	uint64_t v = is_double ? (uint64_t)(int64_t)d : (uint64_t)i;

	if (f->value == UEBPF_VALUE_FLOAT && size == 4) {
		memcpy(to, &g, 4);
		return;
	}
	if (f->value == UEBPF_VALUE_FLOAT) {
		d = is_double ? d : (double)i;
		memcpy(&v, &d, 8);
	}
	if (f->bits) {		/* beside others in the unit, which is in this host's byte order */
		uint64_t mask = (UINT64_MAX >> (64 - f->bits)) << f->bit, was = 0;

		for (uint32_t n = 0; n < size; n++)
			was |= (uint64_t)to[n] << 8 * n;
		v = (was & ~mask) | (v << f->bit & mask);
	}
	for (uint32_t n = 0; n < size; n++)
		to[f->big_endian ? size - 1 - n : n] = (uint8_t)(v >> 8 * n);
}

/* A number, true, false, or a label in quotes, to `to`. */
static void number(struct json *j, const struct uebpf_field *f, uint8_t *to, uint32_t size)
{
	const char *at = j->at;
	char c = peek(j), *end, buf[64];
	bool is_double;
	size_t len;

	if (c == '"') {
		const char *text;

		j->at++;
		text = json_text(j, &len);
		for (uint32_t i = 0; i < f->nr_labels; i++)
			if (!strcmp(f->labels[i].name, text)) {
				store(to, f, size, 0, f->labels[i].value, false);
				return;
			}
		j->at = at;
		bad_json(j, "no label of the field");
	}
	if (c == 't' || c == 'f') {
		store(to, f, size, 0, c == 't', false);
		j->at += c == 't' ? 4 : 5;
		return;
	}
	len = strspn(j->at, "+-0123456789.eExXabcdefABCDEF");
	if (!len || len >= sizeof buf)
		bad_json(j, "a number is expected");
	memcpy(buf, j->at, len);
	buf[len] = 0;
	is_double = strpbrk(buf, ".eE") && !strpbrk(buf, "xX");
	if (is_double)
		store(to, f, size, strtod(buf, &end), 0, true);
	else
		store(to, f, size, 0, buf[0] == '-' ? strtoll(buf, &end, 0) : (int64_t)strtoull(buf, &end, 0), false);
	if (*end)
		bad_json(j, "not a number");
	j->at += len;
}

static void skip(struct json *j)
{
	int depth = 0;
	size_t len;

	do {
		char c = peek(j);

		if (!c)
			bad_json(j, "the object has no end");
		if (c == '"') {
			j->at++;
			json_text(j, &len);
			continue;
		}
		depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
		j->at++;
		while (!depth && j->at < j->end && !strchr(",]} \t", *j->at))
			j->at++;
	} while (depth);
}

static void array(struct json *j, const struct uebpf_field *f)
{
	uint32_t elem = f->elem ? f->elem : 1, count = 0;
	bool sequence = f->kind == UEBPF_FIELD_MEM;
	uint8_t *to;

	want(j, '[');
	j->used = (j->used + 7) & ~(size_t)7;
	to = sequence ? (uint8_t *)j->texts + j->used : j->record + f->offset;
	for (; peek(j) != ']'; count++) {
		if (count && peek(j) == ',')
			j->at++;
		if (!sequence && (count + 1) * elem > f->size)
			bad_json(j, "too many elements");
		number(j, f, to + count * elem, elem);
		if (sequence)
			j->used += elem;
	}
	j->at++;
	if (sequence)
		memcpy(j->record + f->offset, &to, sizeof to);
	for (uint32_t i = 0; sequence && i < nr_fields; i++)
		if (!strcmp(fields[i].name, f->size_field))
			store(j->record + fields[i].offset, &fields[i], fields[i].size, 0, count * elem, false);
}

static void value(struct json *j, const struct uebpf_field *f)
{
	size_t len;
	char *text;

	if (peek(j) == 'n') {		/* null: as if it were not there */
		j->at += 4;
	} else if (f->kind == UEBPF_FIELD_SCALAR) {
		number(j, f, j->record + f->offset, f->size);
	} else if (f->value != UEBPF_VALUE_TEXT) {
		array(j, f);
	} else {
		want(j, '"');
		text = json_text(j, &len);
		if (f->kind == UEBPF_FIELD_CSTR)
			memcpy(j->record + f->offset, &text, sizeof text);
		else if (f->kind == UEBPF_FIELD_BYTES)
			memcpy(j->record + f->offset, text, len < f->size ? len : f->size);
		else {
			memcpy(j->record + f->offset, &text, sizeof text);
			for (uint32_t i = 0; i < nr_fields; i++)
				if (!strcmp(fields[i].name, f->size_field))
					store(j->record + fields[i].offset, &fields[i], fields[i].size, 0, (int64_t)len, false);
		}
	}
}

static void object(struct json *j, const char *prefix)
{
	want(j, '{');
	while (peek(j) != '}') {
		char full[NAME_ROOM * 4];
		const char *name;
		uint32_t i = 0;
		size_t len;

		want(j, '"');
		name = json_text(j, &len);
		snprintf(full, sizeof full, "%s%s", prefix, name);
		want(j, ':');
		while (i < nr_fields && strcmp(fields[i].name, full))
			i++;
		if (i < nr_fields) {
			value(j, &fields[i]);
		} else if (peek(j) == '{') {
			strncat(full, ".", sizeof full - strlen(full) - 1);
			object(j, full);
		} else {
			skip(j);	/* a member that the type does not have */
		}
		if (peek(j) == ',')
			j->at++;
		else if (peek(j) != '}')
			bad_json(j, "',' or '}' is expected");
	}
	j->at++;
}

/* The record that a line describes; valid until the next call. */
struct bytes event_from_json(const char *line, size_t len, uint64_t number_of_line)
{
	static uint8_t *record;
	static char *texts;
	static size_t room;
	struct json j = { .at = line, .end = line + len, .line = number_of_line };

	/* elements of sequences are at most 8 bytes for 2 of text */
	if (!record || len * 5 + 64 > room) {
		room = len * 10 + 64;
		texts = need(realloc(texts, room));
		record = need(realloc(record, type_size));
	}
	memset(record, 0, type_size);
	j.record = record;
	j.texts = texts;
	object(&j, "");
	if (peek(&j))
		bad_json(&j, "something follows the object");
	return (struct bytes){ record, type_size };
}

/* ---- --emit ---- */

int emit_filter(struct session *s)
{
	struct uebpf_error err = { 0 };
	long n = uebpf_object_save(s->obj, NULL, 0, &err);
	void *data;

	if (n < 0)
		die_error(s, &err);
	data = need(malloc((size_t)n));
	n = uebpf_object_save(s->obj, data, (size_t)n, &err);
	if (n < 0)
		die_error(s, &err);
	write_all(s->opt->emit, data, (size_t)n);
	note("%s: %ld bytes", s->opt->emit, n);
	free(data);
	return EXIT_RAN;
}
