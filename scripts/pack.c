/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pack.c - runs while the library is linked: pack SECTION > FILE.c, from the bytes of the section
 * of texts (vm/message.h) to what stands for them.  The pair of bytes that is met most often
 * becomes one byte that no text has, as long as such bytes are left; in the end all texts are read
 * back. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vm/message.h"

enum { SECTION_MAX = 65535 };

static uint8_t text[SECTION_MAX + 1], packed[SECTION_MAX + 1];
static size_t size, nr_packed;
static struct message_pack *pack;

static void die(const char *why)
{
	fprintf(stderr, "pack: %s\n", why);
	exit(1);
}

/* The commonest pair of neighbours within a text, its two bytes in one number; how often, or 0. */
static uint32_t commonest(uint32_t *pair)
{
	static uint32_t count[65536];
	uint32_t best = 0;

	memset(count, 0, sizeof(count));
	for (size_t i = 0; i + 1 < nr_packed; i++) {
		uint32_t p = (uint32_t)packed[i] << 8 | packed[i + 1];

		if (packed[i] && packed[i + 1] && ++count[p] > best) {
			best = count[p];
			*pair = p;
		}
	}
	return best;
}

static void replace(uint32_t pair, uint8_t by)
{
	size_t n = 0;

	for (size_t i = 0; i < nr_packed; i++) {
		if (i + 1 < nr_packed && packed[i] == pair >> 8 && packed[i + 1] == (pair & 0xff)) {
			packed[n++] = by;
			i++;
		} else {
			packed[n++] = packed[i];
		}
	}
	nr_packed = n;
	pack->pair[by][0] = (uint8_t)(pair >> 8);
	pack->pair[by][1] = (uint8_t)pair;
}

/* Where every MESSAGE_STEPth text begins, before and after. */
static void set_marks(void)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < MESSAGE_MARKS; i++)
		pack->mark[i].text = (uint16_t)size;
	for (size_t from = 0; at < size; n++) {
		if (n / MESSAGE_STEP >= MESSAGE_MARKS - 1)
			die("more texts than MESSAGE_MARKS has room for");
		if (n % MESSAGE_STEP == 0)
			pack->mark[n / MESSAGE_STEP] =
				(struct message_mark){(uint16_t)at, (uint16_t)from};
		if (strlen((char *)text + at) >= MESSAGE_MAX)
			die("a text is longer than MESSAGE_MAX");
		at += strlen((char *)text + at) + 1;
		from += strlen((char *)packed + from) + 1;
	}
}

static void read_back(void)
{
	char buf[MESSAGE_MAX];

	for (size_t at = 0; at < size; at++)
		if (strcmp(message_unpack(pack, at, buf), (char *)text + at) != 0)
			die("a text does not come back");
}

static void print_bytes(const char *name, const uint8_t *bytes, size_t n)
{
	printf("\t.%s = {", name);
	for (size_t i = 0; i < n; i++)
		printf("%s%u,", i % 24 ? " " : "\n\t\t", bytes[i]);
	printf("\n\t},\n");
}

int main(int argc, char **argv)
{
	FILE *in = argc == 2 ? fopen(argv[1], "rb") : NULL;
	bool used[256] = {false};
	uint32_t pair;

	if (!in)
		die("usage: pack SECTION > FILE.c");
	size = nr_packed = fread(text, 1, sizeof(text), in);
	fclose(in);
	if (!size || size > SECTION_MAX || text[size - 1])
		die("a section of 1 to 65535 bytes that end with NUL is expected");
	pack = calloc(1, sizeof(*pack) + sizeof(packed));
	if (!pack)
		die("out of memory");
	memcpy(packed, text, size);
	for (size_t i = 0; i < size; i++)
		used[text[i]] = true;
	for (unsigned by = 1; by < 256; by++)
		if (!used[by] && commonest(&pair) > 2)
			replace(pair, (uint8_t)by);
	pack->size = (uint16_t)size;
	set_marks();
	memcpy(pack->packed, packed, nr_packed);
	read_back();
	printf("#include \"vm/message.h\"\nconst struct message_pack message_pack = {\n\t.size = "
	       "%zu,\n",
	       size);
	printf("\t.pair = {\n");
	for (unsigned i = 0; i < 256; i++)
		printf("\t\t{ %u, %u },\n", pack->pair[i][0], pack->pair[i][1]);
	printf("\t},\n");
	printf("\t.mark = {\n");
	for (size_t i = 0; i < MESSAGE_MARKS; i++)
		printf("\t\t{ %u, %u },\n", pack->mark[i].text, pack->mark[i].packed);
	printf("\t},\n");
	print_bytes("packed", packed, nr_packed);
	printf("};\n");
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
