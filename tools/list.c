/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* list.c - what can be said of an object without running it: --list, --verify-only, --dump. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

static const char *may_text(uint32_t may, char buf[32])
{
	snprintf(buf, 32, "%s%s%s", may & UEBPF_MAY_SYSCALL ? " syscall" : "", may & UEBPF_MAY_LOCK ? " lock" : "",
		 may & UEBPF_MAY_ALLOC ? " alloc" : "");
	return *buf ? buf + 1 : "";
}

static void list_helpers(const struct uebpf_prog *p, bool json)
{
	struct uebpf_helper_info h = { .size = sizeof h };
	char may[32];

	if (json)
		json_open("helpers", '[');
	for (uint32_t i = 0; !uebpf_prog_helper(p, i, &h); i++) {
		if (json) {
			json_open(NULL, '{');
			json_string("name", h.name);
			json_u64("id", h.id);
			json_string("may", may_text(h.may, may));
			json_bool("callable", h.callable);
			json_string("support", h.support);
			json_close();
		} else {
			printf("    calls %s", h.name);
			if (h.may)
				printf(" (may %s)", may_text(h.may, may));
			if (!h.callable)
				printf(" - no function here: --mock %s=... gives one", h.name);
			else if (strcmp(h.support, "full"))
				printf(" - %s", h.support);
			putchar('\n');
		}
	}
	if (json)
		json_close();
}

static void list_program(const struct uebpf_prog *p, bool json)
{
	struct uebpf_prog_info i = { .size = sizeof i };
	struct uebpf_error err = { 0 };
	int bad = uebpf_prog_error(p, &err);
	char may[32];

	uebpf_prog_info(p, &i);
	if (!json) {
		printf("  %s: section %s, type %s", i.name, i.section, i.type ? i.type : "unknown");
		if (bad)
			printf("\n    cannot run here: %s\n", err.text);
		else
			printf(", %u instructions (%u slots), %u subprograms, context %u, stack %u bytes\n", i.insns,
			       i.slots, i.subprogs, i.ctx_size, i.stack);
	} else {
		json_open(NULL, '{');
		json_string("name", i.name);
		json_string("section", i.section);
		json_string("type", i.type);
		json_u64("insns", i.insns);
		json_u64("slots", i.slots);
		json_u64("subprogs", i.subprogs);
		json_u64("ctx_size", i.ctx_size);
		json_u64("stack", i.stack);
		json_string("may", may_text(i.may, may));
		json_string("error", bad ? err.text : NULL);
	}
	if (!bad)
		list_helpers(p, json);
	if (json)
		json_close();
}

static void list_maps(const struct session *s, bool json)
{
	struct uebpf_map *m = NULL;
	struct uebpf_map_info i = { .size = sizeof i };
	char may[32];

	if (json)
		json_open("maps", '[');
	else if (uebpf_object_next_map(s->obj, NULL))
		printf("maps\n");
	while ((m = uebpf_object_next_map(s->obj, m))) {
		uebpf_map_info(m, &i);
		if (json) {
			json_open(NULL, '{');
			json_string("name", i.name);
			json_string("type", i.type_name);
			json_u64("key_size", i.key_size);
			json_u64("value_size", i.value_size);
			json_u64("max_entries", i.max_entries);
			json_u64("flags", i.flags);
			json_u64("bytes", i.bytes);
			json_string("may", may_text(i.may, may));
			json_close();
			continue;
		}
		printf("  %s: %s, key %u, value %u, max %u", i.name, i.type_name, i.key_size, i.value_size,
		       i.max_entries);
		if (i.flags)
			printf(", flags 0x%x", i.flags);
		printf(", %" PRIu64 " bytes", i.bytes);
		if (i.may)
			printf(" (may %s)", may_text(i.may, may));
		putchar('\n');
	}
	if (json)
		json_close();
}

static void list_globals(const struct session *s, bool json)
{
	struct uebpf_global_info g = { .size = sizeof g };

	if (json)
		json_open("globals", '[');
	for (uint32_t n = 0; !uebpf_object_global_info(s->obj, n, &g); n++) {
		long len = uebpf_object_format_global(s->obj, g.name, json, NULL, 0);
		char *text = need(calloc(1, len > 0 ? (size_t)len + 1 : 1));

		if (len > 0)
			uebpf_object_format_global(s->obj, g.name, json, text, (size_t)len + 1);
		if (json) {
			json_open(NULL, '{');
			json_string("name", g.name);
			json_string("section", g.section);
			json_u64("bytes", g.bytes);
			json_bool("read_only", g.read_only);
			json_raw("value", text);
			json_close();
		} else {
			printf("%s  %s: %u bytes in %s%s%.60s%s\n", n ? "" : "globals\n", g.name, g.bytes,
			       g.section, *text ? " = " : "", text, strlen(text) > 60 ? "..." : "");
		}
		free(text);
	}
	if (json)
		json_close();
}

/* Loads for its facts alone: checked and interpreted, so that neither proof nor compiler costs time. */
int list_object(struct session *s)
{
	struct uebpf_load_opts opts = session_load_opts(s);
	const struct uebpf_prog *p = NULL;
	struct uebpf_error err = { 0 };

	if (!opts.mode)
		opts.mode = UEBPF_MODE_CHECKED;
	if (!opts.engine)
		opts.engine = UEBPF_ENGINE_INTERP;
	if (uebpf_object_load(s->obj, &opts, &err) && !uebpf_object_next_prog(s->obj, NULL))
		die_error(s, &err);
	if (s->opt->json)
		json_open("programs", '[');
	else
		printf("programs\n");
	while ((p = uebpf_object_next_prog(s->obj, p)))
		list_program(p, s->opt->json);
	if (s->opt->json)
		json_close();
	list_maps(s, s->opt->json);
	list_globals(s, s->opt->json);
	return EXIT_RAN;
}

static int verify_line(const struct uebpf_prog *p, bool json)
{
	struct uebpf_prog_info i = { .size = sizeof i };
	struct uebpf_error err = { 0 };
	int code = uebpf_prog_error(p, &err) ? exit_of(&err) : EXIT_RAN;
	const char *word = code == EXIT_RAN ? "accepted" : code == EXIT_REJECTED ? "rejected" : "not verified";

	uebpf_prog_info(p, &i);
	if (json) {
		json_open(NULL, '{');
		json_string("name", i.name);
		json_string("section", i.section);
		json_string("type", i.type);
		json_string("verdict", word);
		json_string("code", code ? uebpf_code_name(err.code) : NULL);
		json_string("error", code ? err.text : NULL);
		json_u64("line", err.line);
		json_u64("insns", i.insns);
		json_u64("verified_insns", i.verify_insns);
		json_u64("states", i.verify_states);
		json_double("us", (double)i.verify_ns / 1000);
		json_close();
		return code;
	}
	printf("%s %s: %s, %u instructions, %" PRIu64 " examined, %" PRIu64 " states, %.1f us\n", i.section, i.name, word,
	       i.insns, i.verify_insns, i.verify_states, (double)i.verify_ns / 1000);
	if (code)
		printf("  %s\n", err.text);
	return code;
}

int verify_only(struct session *s)
{
	struct uebpf_load_opts opts = session_load_opts(s);
	const struct uebpf_prog *p = NULL;
	struct uebpf_error err = { 0 };
	const char *log;
	int code = EXIT_RAN, failed;

	opts.mode = UEBPF_MODE_VERIFIED;
	opts.engine = UEBPF_ENGINE_INTERP;
	opts.only = s->opt->program;
	if (opts.only && !uebpf_object_prog(s->obj, opts.only))
		session_choose(s);	/* says which there are, and ends */
	failed = uebpf_object_load(s->obj, &opts, &err);
	if (s->opt->json)
		json_open("programs", '[');
	while ((p = uebpf_object_next_prog(s->obj, p))) {
		int r;

		if (opts.only && p != uebpf_object_prog(s->obj, opts.only))
			continue;
		r = verify_line(p, s->opt->json);
		failed = 0;
		if (code != EXIT_REJECTED && r)
			code = r;
	}
	if (s->opt->json)
		json_close();
	if (failed)
		die_error(s, &err);
	log = uebpf_object_log(s->obj);
	if (s->opt->json)
		json_string("log", log);
	else if (*log && (code || s->opt->log_level))
		fprintf(stderr, "%s%s", log, log[strlen(log) - 1] == '\n' ? "" : "\n");
	return code;
}

int dump_stages(struct session *s)
{
	static const char *const known[] = { "insns", "facts", "rewrite", "x86" };
	char *list = need(strdup(s->opt->dump)), *save = NULL;

	if (s->opt->json)
		json_open("dump", '{');
	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		long n = uebpf_prog_dump(s->prog, w, NULL, 0);
		bool is_known = false;
		char *text;

		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			is_known |= !strcmp(w, known[i]);
		if (!is_known)
			die(EXIT_USAGE, "--dump: '%s' is none of insns, facts, rewrite, x86", w);
		if (n < 0)
			die(EXIT_UNSUPPORTED, "--dump=%s: %s", w, n != -ENOENT && n != -EINVAL ? strerror((int)-n) : n == -ENOENT ?
			    "this program has no such stage in the engine and mode it was loaded for" :
			    "this build has no such stage");
		text = need(malloc((size_t)n + 1));
		uebpf_prog_dump(s->prog, w, text, (size_t)n + 1);
		if (s->opt->json)
			json_string(w, text);
		else
			printf("%s%s", text, n && text[n - 1] == '\n' ? "" : "\n");
		free(text);
	}
	if (s->opt->json)
		json_close();
	free(list);
	return EXIT_RAN;
}
