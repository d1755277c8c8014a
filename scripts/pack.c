/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pack.c - runs while the library is linked: pack TEXTS ROWS > FILE.c, from the bytes of the sections of
 * texts and rows (vm/message.h) to what stands for them.  Characters and copies of what was before are
 * chosen so that they cost least: of texts, by what the bits of each choice cost in the packing before.
 * In the end all is read back. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vm/message.h"

enum { SECTION_MAX = 65535, PASSES = 6 };

/* The cheapest way found to the place in front of a byte. */
struct way {
	double bits;
	uint16_t length, distance; /* of the last step; a character has no distance */
	uint16_t last;		   /* distance of the last copy */
	bool copied;		   /* the last step was a copy */
};

static uint8_t text[SECTION_MAX + 1];
static size_t size;
static struct way way[SECTION_MAX + 1];
/* Bits that a 0 and a 1 cost with each chance. */
static double cost[MESSAGE_CHANCES][2];
/* What comes out. */
static uint8_t bytes[2 * SECTION_MAX];
static size_t nr_bytes;
static unsigned met[MESSAGE_CHANCES][2];
static uint16_t chance[MESSAGE_CHANCES];
static uint64_t low;	/* of the range */
static uint32_t range;

static void die(const char *why)
{
	fprintf(stderr, "pack: %s\n", why);
	exit(1);
}

/* ---- bits ---- */
static void shift_out(void)
{
	if (low >> 32)	/* a carry */
		for (size_t i = nr_bytes; ++bytes[--i] == 0;)
			;
	low &= UINT32_MAX;
	bytes[nr_bytes++] = (uint8_t)(low >> 24);
	low = low << 8 & UINT32_MAX;
}

static void put_bit(unsigned at, unsigned bit)
{
	uint32_t bound = (uint32_t)((uint64_t)range * chance[at] >> 16);

	met[at][bit]++;
	if (bit) {
		range = bound;
		chance[at] = (uint16_t)(chance[at] + (((MESSAGE_CERTAIN - chance[at]) >> MESSAGE_RATE)));
	} else {
		low += bound;
		range -= bound;
		chance[at] = (uint16_t)(chance[at] - (chance[at] >> MESSAGE_RATE));
	}
	for (; range < 1u << 24; range <<= 8)
		shift_out();
}

static void put_character(unsigned c)
{
	for (unsigned i = 8, node = 1; i--; node = node << 1 | (c >> i & 1))
		put_bit(MESSAGE_CHARACTER + node, c >> i & 1);
}

static double cost_of_character(unsigned c)
{
	double sum = 0;

	for (unsigned i = 8, node = 1; i--; node = node << 1 | (c >> i & 1))
		sum += cost[MESSAGE_CHARACTER + node][c >> i & 1];
	return sum;
}

static void put_number(unsigned at, unsigned n)
{
	for (; n > 1; n >>= 1, at += 2) {
		put_bit(at, 1);
		put_bit(at + 1, n & 1);
	}
	put_bit(at, 0);
}

static double cost_of_number(unsigned at, unsigned n)
{
	double sum = 0;

	for (; n > 1; n >>= 1, at += 2)
		sum += cost[at][1] + cost[at + 1][n & 1];
	return sum + cost[at][0];
}

/* ---- choices ---- */
static void offer(size_t to, double bits, size_t length, size_t distance, size_t last)
{
	if (bits < way[to].bits)
		way[to] = (struct way){ bits, (uint16_t)length, (uint16_t)distance, (uint16_t)last, distance != 0 };
}

static size_t same_bytes(size_t a, size_t b)
{
	size_t n = 0;

	while (b + n < size && text[a + n] == text[b + n])
		n++;
	return n;
}

static void offer_copies(size_t at, double bits, size_t distance, size_t from)
{
	size_t longest = same_bytes(at - distance, at);

	for (size_t n = from; n <= longest; n++)
		offer(at + n, bits + cost_of_number(MESSAGE_LENGTH, (unsigned)n), n, distance, distance);
}

/* All that can follow.  Of copies of one length the nearest is cheapest. */
static void go_on(size_t at)
{
	const struct way *here = &way[at];
	double copy = here->bits + cost[MESSAGE_COPY + here->copied][1];
	size_t longest = 1;

	offer(at + 1, here->bits + cost[MESSAGE_COPY + here->copied][0] + cost_of_character(text[at]), 1, 0, here->last);
	if (!here->copied) {
		if (here->last)
			offer_copies(at, copy + cost[MESSAGE_AGAIN][1], here->last, 1);
		copy += cost[MESSAGE_AGAIN][0];
	}
	for (size_t distance = 1; distance <= at; distance++)
		if (text[at - distance] == text[at] && same_bytes(at - distance, at) > longest) {
			offer_copies(at, copy + cost_of_number(MESSAGE_DISTANCE, (unsigned)distance), distance,
				     longest + 1);
			longest = same_bytes(at - distance, at);
		}
}

static void choose(void)
{
	static size_t step[SECTION_MAX];
	size_t n = 0;
	bool copied = false;

	for (size_t i = 1; i <= size; i++)
		way[i].bits = INFINITY;
	for (size_t i = 0; i < size; i++)
		go_on(i);
	for (size_t i = size; i; i -= way[i].length)
		step[n++] = i;
	while (n--) {
		const struct way *w = &way[step[n]], *before = w - w->length;

		put_bit(MESSAGE_COPY + copied, w->copied);
		if (!w->copied) {
			put_character(text[step[n] - 1]);
		} else {
			if (!copied)
				put_bit(MESSAGE_AGAIN, w->distance == before->last);
			if (copied || w->distance != before->last)
				put_number(MESSAGE_DISTANCE, w->distance);
			put_number(MESSAGE_LENGTH, w->length);
		}
		copied = w->copied;
	}
}

static void pack_texts(void)
{
	for (unsigned i = 0; i < MESSAGE_CHANCES; i++) {
		double times = met[i][0] + met[i][1] + 1;

		for (unsigned bit = 0; bit < 2; bit++) {
			cost[i][bit] = -log2((met[i][bit] + .5) / times);
			met[i][bit] = 0;
		}
		chance[i] = MESSAGE_EVEN;
	}
	low = 0;
	range = UINT32_MAX;
	nr_bytes = 0;
	choose();
	for (unsigned i = 0; i < 4; i++)
		shift_out();
}

/* ---- rows: whole bytes ---- */
struct run {
	size_t cost;		/* of all up to its end */
	uint8_t bytes, copy, distance;
};
static struct run run[SECTION_MAX + 1]; /* the one that ends in front of a byte */

/* Of the nearest longest copy. */
static unsigned longest_copy(size_t at, unsigned *distance)
{
	unsigned longest = 0;

	for (unsigned d = 1; d <= at && d < 256; d++)
		if (same_bytes(at - d, at) > longest) {
			longest = (unsigned)same_bytes(at - d, at);
			*distance = d;
		}
	return longest < MESSAGE_RUN ? longest : MESSAGE_RUN;
}

static void offer_run(size_t from, unsigned n, unsigned copy, unsigned distance)
{
	struct run *to = &run[from + n + copy];
	size_t sum = run[from].cost + 1 + n + !!copy;

	if (sum < to->cost)
		*to = (struct run){ sum, (uint8_t)n, (uint8_t)copy, (uint8_t)distance };
}

static void pack_rows(void)
{
	static size_t end[SECTION_MAX];
	size_t nr_runs = 0;

	for (size_t i = 1; i <= size; i++)
		run[i].cost = SIZE_MAX;
	for (size_t i = 0; i < size; i++) {
		if (run[i].cost == SIZE_MAX)
			continue;
		for (unsigned n = 0; n <= MESSAGE_RUN && i + n <= size; n++) {
			unsigned distance = 0, copy = longest_copy(i + n, &distance);

			if (n)
				offer_run(i, n, 0, 0);
			for (; copy; copy--)
				offer_run(i, n, copy, distance);
		}
	}
	for (size_t i = size; i; i -= run[i].bytes + run[i].copy)
		end[nr_runs++] = i;
	nr_bytes = 0;
	while (nr_runs--) {
		const struct run *r = &run[end[nr_runs]];

		bytes[nr_bytes++] = (uint8_t)(r->bytes * (MESSAGE_RUN + 1) + r->copy);
		memcpy(bytes + nr_bytes, text + end[nr_runs] - r->copy - r->bytes, r->bytes);
		nr_bytes += r->bytes;
		if (r->copy)
			bytes[nr_bytes++] = r->distance;
	}
}

/* ---- */
static void read_section(const char *path)
{
	FILE *in = fopen(path, "rb");

	if (!in)
		die("a section cannot be read");
	size = fread(text, 1, sizeof(text), in);
	fclose(in);
	if (!size || size > SECTION_MAX)
		die("a section of 1 to 65535 bytes is expected");
}

static void put_pack(const char *kind, const char *name, void read_back(const uint8_t *, char *, size_t))
{
	static char all[SECTION_MAX];

	read_back(bytes, all, size);
	if (memcmp(all, text, size) != 0)
		die("a section does not come back");
	printf("%sstruct message_pack %s = {\n\t.size = %zu,\n\t.bytes = {", kind, name, size);
	for (size_t i = 0; i < nr_bytes; i++)
		printf("%s%u,", i % 24 ? " " : "\n\t\t", bytes[i]);
	printf("\n\t},\n};\n");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage: pack TEXTS ROWS > FILE.c");
	printf("#include \"vm/message.h\"\n");
	read_section(argv[1]);
	for (unsigned i = 0; i < PASSES; i++)
		pack_texts();
	put_pack("const ", "message_pack", message_unpack);
	read_section(argv[2]);
	pack_rows();
	/* Not a constant: the file has a part of a page behind what is made read-only at its start, and there
	 * these bytes make it no longer. */
	put_pack("", "message_rows", message_unpack_bytes);
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
