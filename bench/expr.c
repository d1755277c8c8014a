/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* expr.c - filter expressions against the same condition in C, all predicates but the last true, arms
 * interleaved; and the time from an expression's text to its running code. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "include/uebpf.h"

enum { ROUNDS = 101, CALLS = 20000, ARMS = 5 };
struct event { int64_t i[10]; const char *s[9]; };

__attribute__((noinline)) static uint64_t c_integers(void *ctx, size_t len, void *host)
{
	const struct event *e = ctx;

	(void)len, (void)host;
	return e->i[0] == 0 && e->i[1] == 1 && e->i[2] == 2 && e->i[3] == 3 && e->i[4] == 4 && e->i[5] == 5 &&
	       e->i[6] == 6 && e->i[7] == 7 && e->i[8] == 8 && e->i[9] == 9;
}

#define ALL(S) (S(0) && S(1) && S(2) && S(3) && S(4) && S(5) && S(6) && S(7) && S(8) && e->i[9] == 9)
__attribute__((noinline)) static uint64_t c_strcmp(void *ctx, size_t len, void *host)
{
	const struct event *e = ctx;

	(void)len, (void)host;
#define CALLED(k) (e->s[k] && !strcmp(e->s[k], "device0" #k))
	return ALL(CALLED);
}

/* As if each string were known to have 9 bytes: the compiler writes the comparison out. */
__attribute__((noinline)) static uint64_t c_inlined(void *ctx, size_t len, void *host)
{
	const struct event *e = ctx;

	(void)len, (void)host;
#define INLINED(k) (e->s[k] && !memcmp(e->s[k], "device0" #k, 9))
	return ALL(INLINED);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct uebpf_object *compile(struct uebpf_env *env, const char *text)
{
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_filter(env, text, "event", NULL, &err);

	if (obj && !uebpf_object_load(obj, NULL, &err))
		return obj;
	fprintf(stderr, "%s\n", err.text);
	exit(1);
}

static void compile_time(struct uebpf_env *env, const char *name, const char *text)
{
	double us[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		uint64_t begin = now();
		struct uebpf_object *obj = compile(env, text);

		us[r] = (double)(now() - begin) / 1e3;
		uebpf_object_free(obj);
	}
	qsort(us, ROUNDS, sizeof(double), by_value);
	printf("| %s | %.1f | %.1f | %.1f |\n", name, us[0], us[ROUNDS / 2], us[ROUNDS * 9 / 10]);
}

int main(void)
{
	static struct uebpf_field fields[19];
	static char names[19][8], text[2][1024];
	static double ns[ARMS][ROUNDS];
	struct uebpf_type_opts t = { .size = sizeof t, .name = "event", .ctx_size = sizeof(struct event), .fields = fields,
				     .nr_fields = 19 };
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct { const char *name; uebpf_entry run; int against; } arm[ARMS] = {
		{ "10 integers, JIT", NULL, 1 }, { "10 integers, C", c_integers, 1 },
		{ "9 strings + 1 integer, JIT", NULL, 4 }, { "9 strings + 1 integer, C with strcmp", c_strcmp, 4 },
		{ "9 strings + 1 integer, C with inlined compare", c_inlined, 4 },
	};
	volatile uint64_t sum = 0;
	struct event e = { 0 };

	for (unsigned i = 0; i < 19; i++) {
		bool number = i < 10;

		snprintf(names[i], sizeof names[i], "%c%u", number ? 'i' : 's', i % 10);
		fields[i] = (struct uebpf_field){ .name = names[i], .offset = i * 8, .size = 8, .nullable = !number,
			.kind = number ? UEBPF_FIELD_SCALAR : UEBPF_FIELD_CSTR,
			.value = number ? UEBPF_VALUE_SIGNED : UEBPF_VALUE_TEXT };
		if (number) {
			e.i[i] = i < 9 ? i : 0;
			sprintf(text[0] + strlen(text[0]), "%si%u == %u", i ? " && " : "", i, i);
		} else {
			char value[16];

			snprintf(value, sizeof value, "device0%u", i - 10);
			e.s[i - 10] = strdup(value);
			sprintf(text[1] + strlen(text[1]), "s%u == \"%s\" && ", i - 10, value);
		}
	}
	strcat(text[1], "i9 == 9");
	if (!env || uebpf_env_add_type(env, &t, NULL))
		return 1;
	for (int k = 0; k < 2; k++)
		arm[k * 2].run = uebpf_prog_entry(uebpf_object_prog(compile(env, text[k]), NULL));
	for (int a = 0; a < ARMS; a++)
		if (!arm[a].run)
			return fprintf(stderr, "no JIT here\n"), 0;
	for (int r = 0; r < ROUNDS; r++)
		for (int a = 0; a < ARMS; a++) {
			uint64_t begin = now();

			for (int c = 0; c < CALLS; c++)
				sum += arm[a].run(&e, sizeof e, NULL);
			ns[a][r] = (double)(now() - begin) / CALLS;
		}
	if (sum)
		return fprintf(stderr, "a verdict was wrong\n"), 1;
	printf("| arm | ns | over C [p10 .. p90] |\n|---|---|---|\n");
	for (int a = 0; a < ARMS; a++) {
		double ratio[ROUNDS], sorted[ROUNDS];

		for (int r = 0; r < ROUNDS; r++) {
			ratio[r] = ns[a][r] / ns[arm[a].against][r];
			sorted[r] = ns[a][r];
		}
		qsort(ratio, ROUNDS, sizeof(double), by_value);
		qsort(sorted, ROUNDS, sizeof(double), by_value);
		printf("| %s | %.2f | %.2f [%.2f .. %.2f] |\n", arm[a].name, sorted[ROUNDS / 2], ratio[ROUNDS / 2], ratio[ROUNDS / 10],
		       ratio[ROUNDS * 9 / 10]);
	}
	printf("\n| expression to running code | least us | median | p90 |\n|---|---|---|---|\n");
	compile_time(env, "10 integers", text[0]);
	compile_time(env, "9 strings + 1 integer", text[1]);
	return 0;
}
