/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pack.c - runs while the library is linked: pack TEXTS ROWS > FILE.c, from the bytes of the sections of
 * texts and rows (vm/message.h) to what stands for them.  The pair of symbols that is met most often
 * becomes a symbol, as often as that makes the whole smaller; symbols then get Huffman codes; in the
 * end all is read back. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vm/message.h"

enum { SECTION_MAX = 65535, NUL = 0, FIRST_PAIR = 256, IDS = FIRST_PAIR + MESSAGE_SYMBOLS };

/* A symbol while it has no number yet: a character, or from FIRST_PAIR on a pair of others. */
struct symbol {
	uint16_t left, right;
	unsigned times;	       /* in the texts as they are now */
	unsigned bits, number; /* of its code; in the pack */
};

static uint8_t text[SECTION_MAX + 1];
static uint16_t now[SECTION_MAX + 1];
static size_t size, nr_now;
static struct symbol symbols[IDS];
static unsigned nr_ids;
/* What comes out. */
static struct message_code head;
static struct message_mark marks[MESSAGE_MARKS];
static uint8_t bytes[sizeof(now) + IDS * 4];
static bool rows;	/* not texts: no NUL ends them */
static uint32_t nr_bits;

static void die(const char *why)
{
	fprintf(stderr, "pack: %s\n", why);
	exit(1);
}

static void restart(void)
{
	for (size_t i = 0; i < size; i++)
		now[i] = text[i];
	nr_now = size;
	nr_ids = FIRST_PAIR;
}

/* Joins the commonest pair of neighbours within a text; false: none is met more than twice. */
static bool join_commonest(void)
{
	static uint16_t count[IDS][IDS];
	unsigned best = 2, left = 0, right = 0;
	size_t n = 0;

	for (size_t i = 0; i + 1 < nr_now; i++) {
		uint16_t a = now[i], b = now[i + 1];

		if ((rows || (a != NUL && b != NUL)) && ++count[a][b] > best) {
			best = count[a][b];
			left = a;
			right = b;
		}
	}
	for (size_t i = 0; i + 1 < nr_now; i++)
		count[now[i]][now[i + 1]] = 0;
	if (best == 2)
		return false;
	for (size_t i = 0; i < nr_now; i++) {
		bool both = i + 1 < nr_now && now[i] == left && now[i + 1] == right;

		now[n++] = both ? (uint16_t)nr_ids : now[i];
		i += both;
	}
	nr_now = n;
	symbols[nr_ids++] = (struct symbol){.left = (uint16_t)left, .right = (uint16_t)right};
	return true;
}

static int by_times(const void *a, const void *b)
{
	const struct symbol *x = *(struct symbol *const *)a, *y = *(struct symbol *const *)b;

	return x->times != y->times ? (x->times > y->times ? 1 : -1) : x < y ? -1 : 1;
}

/* Huffman's algorithm with two queues: the symbols by how often they are met, and the nodes made so
 * far, which are in that order by themselves.  Sets `bits`; the sum over the texts. */
static size_t measure_codes(void)
{
	static struct {
		unsigned times, up, bits;
	} node[2 * IDS];
	struct symbol *sorted[IDS];
	unsigned n = 0, leaf = 0, inner, made;
	size_t sum = 0;

	for (unsigned i = 0; i < nr_ids; i++)
		symbols[i].times = symbols[i].bits = 0;
	for (size_t i = 0; i < nr_now; i++)
		symbols[now[i]].times++;
	for (unsigned i = 0; i < nr_ids; i++)
		if (symbols[i].times)
			sorted[n++] = &symbols[i];
	qsort(sorted, n, sizeof(*sorted), by_times);
	for (unsigned i = 0; i < n; i++)
		node[i].times = sorted[i]->times;
	for (inner = made = n; made < 2 * n - 1; made++) {
		node[made].times = 0;
		for (unsigned k = 0; k < 2; k++) {
			bool old = inner == made ||
				   (leaf < n && node[leaf].times <= node[inner].times);
			unsigned child = old ? leaf++ : inner++;

			node[made].times += node[child].times;
			node[child].up = made;
		}
	}
	node[made - 1].bits = n == 1;
	for (unsigned i = made - 1; i-- > 0;)
		node[i].bits = node[node[i].up].bits + 1;
	for (unsigned i = 0; i < n; i++) {
		sorted[i]->bits = node[i].bits;
		sum += (size_t)node[i].bits * node[i].times;
	}
	return sum;
}

static bool is_met(unsigned id)
{
	return id >= FIRST_PAIR || memchr(text, (int)id, size);
}

/* Pairs until the sum of codes and symbols is smallest. */
static void join_pairs(void)
{
	unsigned characters = 0, best_ids = FIRST_PAIR;
	size_t best;

	for (unsigned i = 0; i < FIRST_PAIR; i++)
		characters += is_met(i);
	restart();
	best = measure_codes();
	while (nr_ids - FIRST_PAIR + characters < MESSAGE_SYMBOLS && join_commonest()) {
		size_t sum = measure_codes() + (nr_ids - FIRST_PAIR) * (size_t)MESSAGE_PAIR_BITS;

		if (sum < best) {
			best = sum;
			best_ids = nr_ids;
		}
	}
	restart();
	while (nr_ids < best_ids)
		join_commonest();
	measure_codes();
}

static void put_bits(uint8_t *to, uint32_t at, uint32_t value, unsigned n)
{
	for (; n--; value >>= 1, at++)
		to[at / 8] |= (uint8_t)((value & 1) << at % 8);
}

/* Numbers from the shortest code on, and the codes of each length. */
static unsigned number_symbols(void)
{
	unsigned number = 0;

	for (unsigned bits = 1; bits < IDS; bits++)
		for (unsigned i = 0; i < nr_ids; i++)
			if (symbols[i].bits == bits) {
				if (bits > MESSAGE_CODE_MAX)
					die("a code is longer than MESSAGE_CODE_MAX");
				symbols[i].number = number++;
				head.count[bits - 1]++;
			}
	for (unsigned i = 0; i < nr_ids; i++)
		if (!symbols[i].bits && is_met(i))
			symbols[i].number = number++;
	return number;
}

static void put_symbols(void)
{
	unsigned n = number_symbols();

	for (unsigned i = 0; i < nr_ids; i++) {
		const struct symbol *s = &symbols[i];
		uint32_t at = s->number * MESSAGE_PAIR_BITS, left = s->number, right = i;

		if (i >= FIRST_PAIR) {
			left = symbols[s->left].number;
			right = symbols[s->right].number;
		}
		if (is_met(i))
			put_bits(bytes, at, left | right * MESSAGE_SYMBOLS,
				 MESSAGE_PAIR_BITS);
	}
	head.codes = (uint16_t)((n * MESSAGE_PAIR_BITS + 7) / 8);
}

/* Its code, the highest bit first, also in bytes. */
static void put_code(const struct symbol *s)
{
	unsigned code = 0, number = s->number;

	for (unsigned bits = 1; bits < s->bits; bits++) {
		code = (code + head.count[bits - 1]) << 1;
		number -= head.count[bits - 1];
	}
	code += number;
	for (unsigned bits = s->bits; bits--;)
		put_bits(bytes + head.codes, nr_bits++ ^ 7, code >> bits & 1, 1);
}

/* The codes; every MESSAGE_STEPth text begins with a byte and has a mark. */
static void put_texts(void)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < MESSAGE_MARKS; i++)
		marks[i].text = (uint16_t)size;
	for (size_t i = 0; i < nr_now; n++) {
		if (n / MESSAGE_STEP >= MESSAGE_MARKS - 1)
			die("more texts than MESSAGE_MARKS has room for");
		if (n % MESSAGE_STEP == 0) {
			nr_bits = (nr_bits + 7) / 8 * 8;
			marks[n / MESSAGE_STEP] =
				(struct message_mark){ (uint16_t)at, (uint16_t)(nr_bits / 8) };
		}
		if (strlen((char *)text + at) >= MESSAGE_MAX)
			die("a text is longer than MESSAGE_MAX");
		at += strlen((char *)text + at) + 1;
		do
			put_code(&symbols[now[i]]);
		while (now[i++] != NUL);
	}
}

static void put_rows(void)
{
	for (size_t i = 0; i < nr_now; i++)
		put_code(&symbols[now[i]]);
}

static void *with_bytes(size_t in_front)
{
	uint8_t *all = calloc(1, in_front + sizeof(bytes));

	if (!all)
		die("out of memory");
	memcpy(all, &head, sizeof(head));
	memcpy(all + in_front, bytes, sizeof(bytes));
	return all;
}

static void read_texts_back(void)
{
	struct message_pack *pack = with_bytes(sizeof(*pack));
	char buf[MESSAGE_MAX];

	memcpy(pack->mark, marks, sizeof(marks));
	for (size_t at = 0; at < size; at++)
		if (strcmp(message_unpack(pack, at, buf), (char *)text + at) != 0)
			die("a text does not come back");
	free(pack);
}

static void read_rows_back(void)
{
	struct message_rows *pack = with_bytes(sizeof(*pack));
	static char all[SECTION_MAX + MESSAGE_MAX];

	message_read_rows(pack, all);
	if (memcmp(all, text, size) != 0)
		die("rows do not come back");
	free(pack);
}

static void read_section(const char *path)
{
	FILE *in = fopen(path, "rb");

	if (!in)
		die("a section cannot be read");
	size = fread(text, 1, sizeof(text), in);
	fclose(in);
	if (!size || size > SECTION_MAX || (!rows && text[size - 1]))
		die("a section of 1 to 65535 bytes, that of texts with NUL at its end, is expected");
}

static void pack_section(const char *path, const char *name)
{
	read_section(path);
	memset(&head, 0, sizeof(head));
	memset(bytes, 0, sizeof(bytes));
	memset(symbols, 0, sizeof(symbols));
	nr_bits = 0;
	join_pairs();
	head.size = (uint16_t)size;
	put_symbols();
	(rows ? put_rows : put_texts)();
	if (nr_bits / 8 > SECTION_MAX)
		die("more codes than offsets of 16 bits reach");
	(rows ? read_rows_back : read_texts_back)();
	printf("const struct %s %s = {\n\t.code = { %u, %u, {", name, name, head.size, head.codes);
	for (size_t i = 0; i < MESSAGE_CODE_MAX; i++)
		printf(" %u,", head.count[i]);
	printf(" } },\n");
	if (!rows) {
		printf("\t.mark = {\n");
		for (size_t i = 0; i < MESSAGE_MARKS; i++)
			printf("\t\t{ %u, %u },\n", marks[i].text, marks[i].codes);
		printf("\t},\n");
	}
	printf("\t.bytes = {");
	for (size_t i = 0; i < head.codes + (nr_bits + 7) / 8 + MESSAGE_BEHIND; i++)
		printf("%s%u,", i % 24 ? " " : "\n\t\t", bytes[i]);
	printf("\n\t},\n};\n");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage: pack TEXTS ROWS > FILE.c");
	printf("#include \"vm/message.h\"\n");
	pack_section(argv[1], "message_pack");
	rows = true;
	pack_section(argv[2], "message_rows");
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
