/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* messages_test.c - what the verifier says to the most common mistakes, word for word.
 *
 * tests/verifier/messages.data holds the cases:
 *   == what the programmer did wrong
 *   type [kernel]            program type, and the policy when it is not the user's
 *   r0 = r3      ; return x; instructions, one a line; behind ; the line of C that they come from
 *   --
 *   the log, line by line; "accepted" when there is nothing to say
 * Maps: map(0) array "counts" 4 -> 64 bytes, map(1) hash "flows", map(2) ring buffer "events", map(3)
 * array "config" that programs may only read, map(4) program array "next".
 * UPDATE=1 prints the file anew, with what is said now. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "helpers/helpers.h"
#include "loader/loader.h"
#include "tests/util/made.h"
#include "tests/util/run.h"
#include "verifier/verifier.h"

enum { MAX_LINES = 400, NR_MAPS = 5, MOST = 100 };
struct message_case {
	char *title, *setting, *say;
	char *insn, *source[MAX_LINES];		/* source: by instruction, as written */
	uint32_t n;
};
static struct message_case cases[MOST];
static int nr_cases;
static struct uebpf_env *env;
static struct uebpf_map *maps[NR_MAPS];
static char said[20000];

static void add(char **to, const char *line)
{
	size_t n = *to ? strlen(*to) : 0, k = strlen(line);

	*to = realloc(*to, n + k + 2);
	memcpy(*to + n, line, k);
	memcpy(*to + n + k, "\n", 2);
}

static void read_cases(const char *path)
{
	FILE *f = fopen(path, "r");
	struct message_case *c = NULL;
	char line[1000];
	int part = 0;

	if (!f) {
		perror(path);
		exit(1);
	}
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "== ", 3)) {
			if (nr_cases == MOST) {
				fprintf(stderr, "%s: more than %d cases\n", path, MOST);
				exit(1);
			}
			c = &cases[nr_cases++];
			c->title = strdup(line + 3);
			part = 0;
		} else if (!c) {
			continue;		/* the head */
		} else if (part == 0) {
			c->setting = strdup(line);
			part = 1;
		} else if (part == 1 && !strcmp(line, "--")) {
			part = 2;
		} else if (part == 1) {
			char *source = strchr(line, ';');

			if (source)
				*source++ = 0;
			c->source[c->n++] = strdup(source ? source + strspn(source, " ") : "");
			add(&c->insn, line);
		} else if (*line) {
			add(&c->say, line);
		}
	}
	fclose(f);
}

static void hear(void *arg, const char *line)
{
	(void)arg;
	strncat(said, line, sizeof said - strlen(said) - 1);
}

/* Slot -> line: instructions of two slots count once. */
struct places { const struct message_case *c; const struct code *code; };
static bool place(void *arg, uint32_t slot, struct verify_place *out)
{
	const struct places *p = arg;

	for (uint32_t i = 0; i < p->code->n && i < p->c->n; i++)
		if (p->code->slot[i] == slot && *p->c->source[i]) {
			*out = (struct verify_place){ .file = "/home/me/src/prog.bpf.c", .line = i + 1,
						      .source = p->c->source[i] };
			return true;
		}
	return false;
}

static void judge(const struct message_case *c)
{
	struct helper_table helpers = { .builtin = true };
	char type[40] = "", policy[40] = "";
	struct verify_result res = { 0 };
	struct uebpf_error err = { 0 };
	struct code code = { 0 };
	struct places at = { c, &code };
	struct verify_opts opts = { .log = hear, .place = place, .place_arg = &at, .max_insns = 20000 };
	void *slots = NULL;
	uint32_t n;

	*said = 0;
	sscanf(c->setting, "%39s %39s", type, policy);
	opts.policy = !strcmp(policy, "kernel") ? UEBPF_POLICY_KERNEL : UEBPF_POLICY_USER;
	if (asm_text(c->insn, &slots, &n, &err)) {
		snprintf(said, sizeof said, "no program: line %u: %s\n", err.line, err.text);
		return;
	}
	code.host = vm_host_of(env);
	code.type = prog_type_find(type);
	if (!code.type) {
		snprintf(said, sizeof said, "there is no type %s\n", type);
		free(slots);
		return;
	}
	code.helpers = &helpers;
	code.stack_size = 512;
	code.max_frames = 8;
	code.gpl = strcmp(policy, "kernel") != 0;
	if (code_decode(&code, slots, n, NULL, 0, 1 << 20, &err)) {
		snprintf(said, sizeof said, "%s\n", err.text);
	} else {
		code.map = calloc(NR_MAPS, sizeof *code.map);
		for (int i = 0; i < NR_MAPS; i++)
			code.map[i] = uebpf_map_ref(maps[i]);
		code.nr_map = NR_MAPS;
		if (!verify(&code, &opts, &res, &err))
			snprintf(said, sizeof said, "accepted\n");
		else if (!err.code || !*err.text)
			strcat(said, "no error is set\n");
		verify_free(&res);
	}
	code_free(&code);
	free(slots);
}

START_TEST(each_message)
{
	judge(&cases[_i]);
	ck_assert_msg(cases[_i].say && !strcmp(said, cases[_i].say), "%s\n--- wanted\n%s--- said\n%s",
		      cases[_i].title, cases[_i].say ? cases[_i].say : "", said);
}
END_TEST

START_TEST(fifty_of_them)
{
	ck_assert_int_ge(nr_cases, 50);
}
END_TEST

static void update(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[1000];

	while (f && fgets(line, sizeof line, f) && strncmp(line, "== ", 3))
		fputs(line, stdout);
	if (f)
		fclose(f);
	for (int i = 0; i < nr_cases; i++) {
		char *insn = strdup(cases[i].insn), *save, *text = strtok_r(insn, "\n", &save);

		judge(&cases[i]);
		printf("== %s\n%s\n", cases[i].title, cases[i].setting);
		for (uint32_t k = 0; text; k++, text = strtok_r(NULL, "\n", &save)) {
			size_t len = strlen(text);

			while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
				text[--len] = 0;
			if (*cases[i].source[k])
				printf("%-31s ; %s\n", text, cases[i].source[k]);
			else
				printf("%s\n", text);
		}
		printf("--\n%s\n", said);
		free(insn);
	}
}

int main(void)
{
	static const char path[] = "tests/verifier/messages.data";
	TCase *tc = test_case("messages", 60);
	int failed = 0;

	env = uebpf_env_new(NULL);
	maps[0] = made_map(env, "counts", 2, 4, 64, 16, 0);
	maps[1] = made_map(env, "flows", 1, 8, 48, 16, 0);
	maps[2] = made_map(env, "events", 27, 0, 0, 4096, 0);
	maps[3] = made_map(env, "config", 2, 4, 16, 1, 1 << 7);
	maps[4] = made_map(env, "next", 3, 4, 4, 4, 0);
	maps[0]->spin_lock_off = 32;
	read_cases(path);
	if (getenv("UPDATE")) {
		update(path);
	} else {
		tcase_add_loop_test(tc, each_message, 0, nr_cases);
		tcase_add_test(tc, fifty_of_them);
		failed = run_tests();
	}
	for (int i = 0; i < NR_MAPS; i++)
		uebpf_map_unref(maps[i]);
	uebpf_env_free(env);
	return failed;
}
