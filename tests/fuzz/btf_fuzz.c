/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* btf_fuzz.c - any bytes as BTF: parse, ask everything of every type, format and parse values.
 * Input: one byte that chooses the type, 64 bytes of value, then BTF; a text to parse at the end. */
#include <stdlib.h>
#include <string.h>
#include "loader/elf/btf.h"

static void ask(struct btf *btf, uint32_t id)
{
	struct btf_member member;
	struct btf_enumerator one;
	struct btf_param param;
	struct btf_secinfo var;
	struct btf_array array;
	struct btf_int info;
	char text[128];
	size_t n = btf_essential_len(btf_name(btf, id));

	btf_size(btf, id);
	btf_type_text(btf, id, text, sizeof(text));
	for (uint32_t i = 0; btf_member(btf, id, i, &member); i++)
		if (member.type >= btf_count(btf) || !member.name)
			abort();
	for (uint32_t i = 0; btf_enumerator(btf, id, i, &one); i++)
		if (!one.name)
			abort();
	for (uint32_t i = 0; btf_param(btf, id, i, &param); i++)
		if (param.type >= btf_count(btf))
			abort();
	for (uint32_t i = 0; btf_secinfo(btf, id, i, &var); i++)
		if (var.type >= btf_count(btf))
			abort();
	if (btf_array(btf, id, &array) && array.elem >= btf_count(btf))
		abort();
	btf_int(btf, id, &info);
	if (n > strlen(btf_name(btf, id)))
		abort();
	if (btf_target(btf, id) >= btf_count(btf) || btf_skip(btf, id) >= btf_count(btf))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum { VALUE = 64, HEAD = 1 + VALUE, TEXT = 48 };
	struct uebpf_error err;
	struct btf *btf;
	char text[TEXT + 1], buf[512];
	uint8_t *value;
	uint32_t id;

	if (len < HEAD + TEXT)
		return 0;
	btf = btf_parse(NULL, data + HEAD, len - HEAD, "fuzz", &err);
	if (!btf) {
		if (!err.code || !err.text[0])
			abort();
		return 0;
	}
	for (id = 0; id <= btf_count(btf) && id < 2000; id++)
		ask(btf, id);
	id = data[0] % btf_count(btf);
	for (uint32_t next = 0, n = 0; n < 1000 && (next = btf_next_named(btf, btf_name(btf, id),
	     btf_essential_len(btf_name(btf, id)), next)); n++)
		if (next >= btf_count(btf))
			abort();
	value = malloc(VALUE);
	memcpy(value, data + 1, VALUE);
	memcpy(text, data + len - TEXT, TEXT);
	text[TEXT] = 0;
	btf_format_value(btf, id, value, VALUE, data[1] & 1, buf, sizeof(buf));
	btf_parse_value(btf, id, text, value, VALUE, &err);
	/* What was formatted can be parsed, unless it holds ? or was cut. */
	if (btf_format_value(btf, id, value, VALUE, false, buf, sizeof(buf)) < (long)sizeof(buf))
		btf_parse_value(btf, id, buf, value, VALUE, &err);
	free(value);
	btf_unref(btf);
	return 0;
}
