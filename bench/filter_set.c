/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* filter_set.c - see filter_set.h.  The predicate in place i asks field i % 5, and none follows from others, so
 * that nobody folds them.  Each fourth of integers is the <= that LTTng-UST 2.13 cannot have more than
 * eight of.  A string is asked not to be one that differs in its last byte: that walks the whole string. */
#include "bench/filter_set.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fb_filter fb_filter[FB_MAX];
int fb_filters;
const char *const fb_kind_name[FB_KINDS] = { "int", "str", "mix", "nine", "degree" };
const char *const fb_case_name[FB_CASES] = { "true", "last", "first" };
const int fb_sizes[7] = { 1, 5, 10, 20, 30, 40, 50 };

static const int32_t number[5] = { 42, 1500, -7, 100000, 3 };
static const char *const string[5] = { "device-eth0", "proto-tcp-4", "process-17", "state-ready", "queue-rx-31" };

void fb_event(struct fb_event *e, int other)
{
	memset(e, 0, sizeof *e);
	for (int i = 0; i < 5; i++) {
		e->n[i] = number[i];
		strcpy(e->s[i], string[i]);
	}
	e->last = !other;
}

/* Predicate i in LTTng's language or in C. */
static void predicate(char *out, size_t size, int is_string, int i, int holds, int in_c)
{
	int f = i % 5;

	if (!is_string) {
		int32_t v = number[f];
		/* tighter from predicate to predicate, or another number: none follows from an earlier one */
		const char *op = i % 4 == 3 ? "<=" : i < 5 ? ">=" : "!=";
		int32_t with = i % 4 == 3 ? v + 1000 - i : i < 5 ? v - 1000 : v - 100 - 7 * i;
		int32_t against = i % 4 == 3 ? v - 1 : i < 5 ? v + 1 : v;

		snprintf(out, size, in_c ? "e->n[%d] %s %d" : "n%d %s %d", f, op, holds ? with : against);
	} else {
		char text[24];

		strcpy(text, string[f]);
		if (holds)
			text[strlen(text) - 1] = (char)('A' + i / 5);	/* no other literal of this field */
		if (in_c)
			snprintf(out, size, "strcmp(e->s[%d], \"%s\") != 0", f, text);
		else
			snprintf(out, size, "s%d != \"%s\"", f, text);
	}
}

static void expression(const struct fb_filter *f, char *out, int in_c)
{
	out[0] = 0;
	for (int i = 0; i < f->n; i++) {
		int str = f->kind == FB_STR || (f->kind == FB_MIX && i % 2) || (f->kind == FB_NINE && i < 9);
		int fails = (f->verdict == FB_FALSE_FIRST && i == 0) || (f->verdict == FB_FALSE_LAST && i == f->n - 1);
		char one[96];

		predicate(one, sizeof one, str, i, !fails, in_c);
		if (f->kind == FB_DEGREE && i == f->n - 1)
			strcpy(one, in_c ? "e->last == 1" : "last == 1");
		if (i)
			strcat(out, " && ");
		strcat(out, one);
	}
}

static void add(enum fb_kind kind, int n, enum fb_case verdict, int *tracepoint)
{
	static char text[8192];
	struct fb_filter *f = &fb_filter[fb_filters++];

	f->kind = kind;
	f->n = n;
	f->verdict = verdict;
	snprintf(f->name, sizeof f->name, "%s_%d_%s", fb_kind_name[kind], n, fb_case_name[verdict]);
	snprintf(f->event, sizeof f->event, "%c%02x", "ismmi"[kind], (*tracepoint)++);
	expression(f, text, 0);
	f->expr = strdup(text);
}

void fb_make(void)
{
	int tracepoint[3] = { 0 };

	for (int k = FB_INT; k <= FB_MIX; k++)
		for (int n = 0; n < 7; n++)
			for (int v = 0; v < FB_CASES; v++)
				add((enum fb_kind)k, fb_sizes[n], (enum fb_case)v, &tracepoint[k]);
	for (int v = 0; v < FB_CASES; v++)
		add(FB_NINE, 10, (enum fb_case)v, &tracepoint[FB_MIX]);
	add(FB_DEGREE, 10, FB_TRUE, &tracepoint[FB_INT]);
}

const struct fb_filter *fb_find(enum fb_kind kind, int n, enum fb_case verdict)
{
	for (int i = 0; i < fb_filters; i++)
		if (fb_filter[i].kind == kind && fb_filter[i].n == n && fb_filter[i].verdict == verdict)
			return &fb_filter[i];
	return NULL;
}

void fb_print_c(void)
{
	static char text[8192];

	printf("#include <string.h>\n#include \"bench/filter_set.h\"\n");
	for (int i = 0; i < fb_filters; i++) {
		expression(&fb_filter[i], text, 1);
		printf("int %s(const struct fb_event *e)\n{\n\treturn %s;\n}\n", fb_filter[i].name, text);
	}
}

/* "name op value && ...": a load, a constant and a comparison for each predicate; every AND but the
 * first stands where the one before skips to. */
uint32_t fb_bytecode(const struct fb_filter *f, uint8_t *out, uint32_t *reloc)
{
	enum { AND = 57, FIELD = 59, PLAIN = 64, S64 = 65, RETURN = 1 };
	uint8_t table[1024];
	uint32_t at = 0, tables = 0, skip = 0;
	const char *p = f->expr;

	while (*p) {
		static const struct { const char *text; uint8_t code; } ops[] = {
			{ "== ", 12 }, { "!= ", 13 }, { ">= ", 16 }, { "<= ", 17 }, { "< ", 15 } };
		size_t name = strcspn(p, " ");
		int64_t value;
		char *end;
		uint8_t op = 0;

		table[tables++] = (uint8_t)at;
		table[tables++] = (uint8_t)(at >> 8);
		memcpy(table + tables, p, name);
		table[tables + name] = 0;
		tables += (uint32_t)name + 1;
		out[at++] = FIELD;
		out[at] = out[at + 1] = 0xff;
		at += 2;
		p += name + 1;
		for (size_t i = 0; i < sizeof ops / sizeof *ops && !op; i++)
			if (!strncmp(p, ops[i].text, strlen(ops[i].text))) {
				op = ops[i].code;
				p += strlen(ops[i].text);
			}
		if (*p == '"') {
			size_t len = strcspn(++p, "\"");

			out[at++] = PLAIN;
			memcpy(out + at, p, len);
			out[at + len] = 0;
			at += (uint32_t)len + 1;
			p += len + 1;
		} else {
			/* a negative number is a positive one and a minus */
			int minus = *p == '-';

			value = strtoll(p + minus, &end, 10);
			out[at++] = S64;
			memcpy(out + at, &value, 8);
			at += 8;
			if (minus)
				out[at++] = 49;
			p = end;
		}
		out[at++] = op;
		if (skip) {
			out[skip] = (uint8_t)at;
			out[skip + 1] = (uint8_t)(at >> 8);
		}
		if (!strncmp(p, " && ", 4)) {
			out[at] = AND;
			skip = at + 1;
			at += 3;
			p += 4;
		}
	}
	out[at++] = RETURN;
	memcpy(out + at, table, tables);
	*reloc = at;
	return at + tables;
}
