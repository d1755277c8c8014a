/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* flame.c - see flame.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "flame.h"

struct symbol { uint64_t start; char *name; };
static struct symbol *symbols;
static size_t nr_symbols;

static int by_start(const void *a, const void *b)
{
	uint64_t x = ((const struct symbol *)a)->start, y = ((const struct symbol *)b)->start;

	return (x > y) - (x < y);
}

int kernel_symbols(void)
{
	char line[512], name[256], type;
	unsigned long long at;
	size_t room = 0;
	FILE *f = fopen("/proc/kallsyms", "r");

	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%llx %c %255s", &at, &type, name) != 3 || !at || !strchr("tTwW", type))
			continue;
		if (nr_symbols == room) {
			room = room ? 2 * room : 65536;
			symbols = realloc(symbols, room * sizeof *symbols);
			if (!symbols)
				abort();
		}
		symbols[nr_symbols++] = (struct symbol){ at, strdup(name) };
	}
	if (f)
		fclose(f);
	qsort(symbols, nr_symbols, sizeof *symbols, by_start);
	return nr_symbols ? 0 : -1;
}

size_t kernel_symbol_count(void)
{
	return nr_symbols;
}

const char *kernel_symbol(size_t i, uint64_t *start, uint64_t *end)
{
	*start = symbols[i].start;
	for (*end = *start + 4096; ++i < nr_symbols;)
		if (symbols[i].start > *start) {	/* aliases share an address */
			*end = symbols[i].start;
			break;
		}
	return symbols[i - 1].name;
}

const char *kernel_symbol_at(uint64_t address)
{
	size_t lo = 0, hi = nr_symbols;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (symbols[mid].start <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? symbols[lo - 1].name : "?";
}

/* ---- the tree of frames, outermost first ---- */

struct frame { const char *name; struct frame *child, *next; unsigned long samples; };
static struct frame root = { "all", NULL, NULL, 0 };

void flame_add(const unsigned long long *ip, unsigned depth)
{
	struct frame *at = &root;

	at->samples++;
	while (depth--) {
		const char *name = kernel_symbol_at(ip[depth]);
		struct frame **c = &at->child;

		while (*c && (*c)->name != name)
			c = &(*c)->next;
		if (!*c && !(*c = calloc(1, sizeof **c)))
			abort();
		at = *c;
		at->name = name;
		at->samples++;
	}
}

enum { WIDTH = 1200, LINE = 16, TOP = 40 };

static int height(const struct frame *f)
{
	int most = 0;

	for (const struct frame *c = f->child; c; c = c->next)
		most = height(c) > most ? height(c) : most;
	return most + 1;
}

static void draw(FILE *out, const struct frame *f, double x, int level, int levels)
{
	double w = (double)f->samples / (double)root.samples * WIDTH;
	unsigned hue = 0;

	if (w < .3)
		return;
	for (const char *c = f->name; *c; c++)
		hue = hue * 31 + (unsigned char)*c;
	fprintf(out, "<g><title>%s: %lu samples, %.2f %%</title><rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" "
		"fill=\"hsl(%u,80%%,60%%)\" stroke=\"white\" stroke-width=\"0.3\"/>", f->name, f->samples,
		100.0 * (double)f->samples / (double)root.samples, x, TOP + (levels - level) * LINE, w, LINE, hue % 60);
	if (w > 40)
		fprintf(out, "<text x=\"%.1f\" y=\"%d\">%.*s</text>", x + 2, TOP + (levels - level) * LINE + 12,
			(int)(w / 7), f->name);
	fputs("</g>\n", out);
	for (const struct frame *c = f->child; c; c = c->next) {
		draw(out, c, x, level + 1, levels);
		x += (double)c->samples / (double)root.samples * WIDTH;
	}
}

int flame_write(const char *path, const char *title)
{
	int levels = height(&root);
	FILE *out = fopen(path, "w");

	if (!out)
		return -1;
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"monospace\" "
		"font-size=\"11\">\n<text x=\"10\" y=\"20\" font-size=\"14\">%s: %lu samples</text>\n", WIDTH,
		TOP + (levels + 2) * LINE, title, root.samples);
	if (root.samples)
		draw(out, &root, 0, 0, levels);
	fputs("</svg>\n", out);
	return fclose(out);
}
