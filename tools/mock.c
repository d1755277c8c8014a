/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mock.c - --mock HELPER=RETURN[,ARG<-HEX]..: a helper that only a host or kernel has answers from a script.
 * Every use is counted and said, so that nobody takes a scripted answer for a real one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

enum { MAX_STORES = 5 };
struct store { unsigned arg; struct bytes data; };
struct mock {
	struct mock *next;
	char *name;
	uint64_t result, called;
	struct store store[MAX_STORES];
	unsigned nr_store;
	bool checked;		/* only a checked run withstands what it does: stores bytes, leaves its contract's range */
};

static uint64_t answer(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct uebpf_call *call)
{
	const uint64_t r[6] = { 0, r1, r2, r3, r4, r5 };
	struct mock *m = uebpf_call_helper_host(call);

	m->called++;
	for (unsigned i = 0; i < m->nr_store; i++) {
		const struct store *st = &m->store[i];
		uint64_t at = r[st->arg];

		/* The script may be longer than what the program offers: then it is the run that fails. */
		if (uebpf_call_check(call, at, st->data.len, 1)) {
			uebpf_call_fail(call, -EFAULT, at);
			return 0;
		}
		memcpy((void *)(uintptr_t)at, st->data.data, st->data.len);
	}
	return m->result;
}

static void parse_store(struct mock *m, const char *text, const char *whole)
{
	const char *at = text + (*text == 'r');
	struct store *st = &m->store[m->nr_store];

	if (m->nr_store == MAX_STORES || at[0] < '1' || at[0] > '5' || at[1] != '<' || at[2] != '-' || !at[3])
		die(EXIT_USAGE, "--mock %s: '%s' is not ARG<-HEX with ARG 1 to 5", whole, text);
	st->arg = at[0] - '0';
	st->data = from_hex(at + 3, strlen(at + 3), "--mock");
	m->nr_store++;
}

static struct mock *parse(const char *text)
{
	struct mock *m = need(calloc(1, sizeof *m));
	char *copy = need(strdup(text)), *eq = strchr(copy, '='), *save = NULL, *end, *word;

	if (!eq || eq == copy)
		die(EXIT_USAGE, "--mock %s: not HELPER=RETURN[,ARG<-HEX]", text);
	*eq = 0;
	m->name = need(strdup(copy));
	word = strtok_r(eq + 1, ",", &save);
	errno = 0;
	m->result = word && *word == '-' ? (uint64_t)strtoll(word, &end, 0) :
		    word ? strtoull(word, &end, 0) : 0;
	if (!word || errno || *end || end == word)
		die(EXIT_USAGE, "--mock %s: '%s' is not a number", text, word ? word : "");
	while ((word = strtok_r(NULL, ",", &save)))
		parse_store(m, word, text);
	free(copy);
	return m;
}

/* A result that programs follow has to be memory: an object becomes one of zeroes. */
static void result_of(struct mock *m, const struct uebpf_helper_info *info)
{
	static const uint64_t object[32];

	if (m->result && info->pointer == 2)
		die(EXIT_USAGE, "--mock %s: it returns memory; only 0 can be scripted", m->name);
	if (m->result && info->pointer == 1)
		m->result = (uintptr_t)object;
	m->checked = m->nr_store || (m->result && info->pointer == 3);
}

void mocks_install(struct session *s)
{
	uint32_t mode = s->opt->mode;

	for (size_t i = 0; i < s->opt->mock.n; i++) {
		struct mock *m = parse(s->opt->mock.v[i]), **tail = &s->mocks;
		struct uebpf_helper_info info = { .size = sizeof info };
		struct uebpf_error err = { 0 };
		int id = 0;

		if (!uebpf_env_helper(s->env, m->name, &info))
			id = (int)info.id;
		else
			die(EXIT_USAGE, "--mock %s: no helper of that name", m->name);
		result_of(m, &info);
		id = uebpf_env_add_helper(s->env, (uint32_t)id, info.name, NULL, answer, m, &err);
		if (id < 0)
			die_error(s, &err);
		if (m->checked && mode != UEBPF_MODE_DEFAULT && mode != UEBPF_MODE_CHECKED)
			die(EXIT_USAGE, m->nr_store ?
			    "--mock %s: only --mode checked knows what the program may write there" :
			    "--mock %s: verified programs rely on this helper's range; only --mode checked does not",
			    s->opt->mock.v[i]);
		while (*tail)
			tail = &(*tail)->next;
		*tail = m;
	}
}

bool mocks_checked(const struct session *s)
{
	for (const struct mock *m = s->mocks; m; m = m->next)
		if (m->checked)
			return true;
	return false;
}

void mocks_tell(const struct session *s)
{
	if (s->opt->json && s->mocks)
		json_open("mocked", '[');
	for (const struct mock *m = s->mocks; m; m = m->next) {
		if (!s->opt->json) {
			note("mocked: %s (%llu calls answered by --mock)", m->name, (unsigned long long)m->called);
			continue;
		}
		json_open(NULL, '{');
		json_string("helper", m->name);
		json_u64("calls", m->called);
		json_close();
	}
	if (s->opt->json && s->mocks)
		json_close();
}
