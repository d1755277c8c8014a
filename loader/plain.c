/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* plain.c - text of values whose type nobody knows: an integer where the size is one's, else bytes.  Also
 * what the public functions of maps' keys and values do with it.  Knows types only through btf.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/elf/btf.h"
#include "loader/plain.h"
#include "vm/code.h"

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int plain_parse(const char *text, uint8_t *to, size_t size)
{
	size_t n = 0;
	char *end;

	if (text[0] == 'x' && text[1] == '"') {
		for (text += 2; hex_digit(text[0]) >= 0 && hex_digit(text[1]) >= 0 && n < size; text += 2)
			to[n++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
		return n == size && !strcmp(text, "\"") ? 0 : -EINVAL;
	}
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return -EINVAL;
	bool negative = *text == '-';
	int saved = errno;
	uint64_t v, limit = size == 8 ? UINT64_MAX : ((uint64_t)1 << size * 8) - 1;

	errno = 0;
	v = strtoull(text + negative, &end, 0);
	n = errno == ERANGE || end == text + negative || *end || text[negative] == '-' || text[negative] == '+' ||
	    (negative ? v > limit / 2 + 1 : v > limit);
	errno = saved;
	if (n)
		return -EINVAL;
	v = negative ? 0 - v : v;
	for (n = 0; n < size; n++) {
		size_t at = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? n : size - 1 - n;

		to[at] = (uint8_t)(v >> n * 8);
	}
	return 0;
}

long plain_format(const uint8_t *data, size_t size, bool json, char *buf, size_t cap)
{
	const char *quote = json ? "\"" : "", *open = json ? "" : "x\"", *close = json ? "" : "\"";
	uint64_t v = 0;
	size_t i;
	long n;

	if (size == 1 || size == 2 || size == 4 || size == 8) {
		for (i = 0; i < size; i++)
			v = v << 8 | data[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? size - 1 - i : i];
		return snprintf(buf, cap, "%llu", (unsigned long long)v);
	}
#define AT(n) ((size_t)(n) < cap ? buf + (n) : NULL), ((size_t)(n) < cap ? cap - (size_t)(n) : 0)
	n = snprintf(buf, cap, "%s%s", quote, open);
	for (i = 0; i < size; i++)
		n += snprintf(AT(n), "%02x", data[i]);
	n += snprintf(AT(n), "%s%s", close, quote);
#undef AT
	return n;
}

/* ---- keys and values of maps ---- */

long uebpf_map_format(const struct uebpf_map *map, int what, const void *data, int json, char *buf, size_t cap)
{
	uint32_t type = what ? map->btf_value : map->btf_key, size = what ? map->value_size : map->key_size;

	if (what < 0 || what > 1 || (!buf && cap))
		return -EINVAL;
	if (!size)
		return plain_format(NULL, 0, json, buf, cap);
	if (map->btf && type)
		return btf_format_value(map->btf, type, data, size, json, buf, cap);
	return plain_format(data, size, json, buf, cap);
}

int uebpf_map_parse(const struct uebpf_map *map, int what, const char *text, void *data, struct uebpf_error *err)
{
	uint32_t type = what ? map->btf_value : map->btf_key, size = what ? map->value_size : map->key_size;

	if (what < 0 || what > 1 || !text || !data)
		return error_set(err, UEBPF_STAGE_MAP, UEBPF_E_ARGUMENT, -EINVAL, UINT32_MAX,
				 "a key (0) or value (1), text and room for it are needed");
	memset(data, 0, size);
	if (map->btf && type)
		return btf_parse_value(map->btf, type, text, data, size, err);
	if (!plain_parse(text, data, size))
		return 0;
	return error_set(err, UEBPF_STAGE_MAP, UEBPF_E_SYNTAX, -EINVAL, UINT32_MAX,
			 "\"%s\" is no integer of %u bytes nor x\"HEX\" of that length (the %s of map %s has no type: "
			 "compile with -g, gcc: -gbtf, and __type())", text, size, what ? "value" : "key", map->name);
}
