/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* session.c - from options to a loaded program: the env with its hooks, the object, the program that is
 * meant.  Knows nothing of inputs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/tool.h"

/* A verifier that is still at it has met a program that no one wants to wait for. */
#define DEFAULT_MAX_NS UINT64_C(10000000000)

/* Warnings wait until it is known how loading ended: the error that ends it is told once, not twice. */
static struct strings warnings;

static void on_log(void *ctx, enum uebpf_level level, const char *line)
{
	const struct options *o = session.opt;

	(void)ctx;
	/* Their tables say what failed. */
	if (level > UEBPF_LOG_WARN || o->bench || o->list || o->verify_only)
		return;
	warnings.v = need(realloc(warnings.v, (warnings.n + 1) * sizeof *warnings.v));
	warnings.v[warnings.n++] = need(strdup(line));
}

/* True when the line is about a program that nobody asked for. */
static bool about_another(const struct session *s, const char *line)
{
	const struct uebpf_prog *p = NULL;
	struct uebpf_error own;

	if (!s->opt->program || !s->prog)
		return false;
	while ((p = uebpf_object_next_prog(s->obj, p)))
		if (p != s->prog && uebpf_prog_error(p, &own) && strstr(line, own.text))
			return true;
	return false;
}

static void tell_warnings(const struct session *s, const char *but)
{
	unsigned others = 0;

	for (size_t i = 0; i < warnings.n; i++) {
		if (about_another(s, warnings.v[i]))
			others++;
		else if (!but || !*but || !strstr(warnings.v[i], but))
			note("%s", warnings.v[i]);
		free(warnings.v[i]);
	}
	if (others)
		note("%u other program%s of %s cannot run: --verify-only says why", others, others > 1 ? "s" : "",
		     s->path);
	free(warnings.v);
	warnings = (struct strings){ NULL, 0 };
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && !strcmp(text + n - m, end);
}

void session_env(struct session *s)
{
	const struct options *o = s->opt;
	struct uebpf_env_opts opts = {
		.size = sizeof opts, .log = on_log, .mode = o->mode, .engine = o->engine, .policy = o->policy,
		.probe = o->probe_refuse ? UEBPF_PROBE_REFUSE : UEBPF_PROBE_SYSCALL, .budget = o->budget,
		.cpu_features_off = o->no_cpu,
	};

	replay_hooks(s, &opts.hooks);
	s->env = uebpf_env_new(&opts);
	if (!s->env && o->no_cpu)
		die(EXIT_USAGE, "--no-cpu %s: not each of these is a CPU feature that is made use of (see --version)",
		    o->no_cpu);
	if (!s->env)
		die(EXIT_USAGE, "no env: out of memory");
}

/* The loader opens these when a relocation or an extern asks for them; a wrong name is a mistake in any case. */
static void check_file(const char *option, const char *path)
{
	struct stat st;

	if (!path)
		return;
	if (access(path, R_OK) || stat(path, &st))
		die(EXIT_USAGE, "%s: %s: %s", option, path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		die(EXIT_USAGE, "%s: %s is a directory", option, path);
}

static void prepare_source(struct session *s)
{
	const struct options *o = s->opt;

	check_file("--btf", o->btf);
	check_file("--kconfig", o->kconfig);
	if (o->bytecode)
		s->insns = read_all(o->filter, "the bytecode");
	if (o->filter) {
		s->path = o->bytecode ? o->filter : "filter";
		return;
	}
	if (o->pcap_filter) {
		s->cbpf = capture_compile(o->pcap_filter, &s->nr_cbpf);
		s->path = "pcap-filter";
		return;
	}
	if (o->insns) {
		s->insns = read_insns(o->insns);
		s->path = o->insns;
		return;
	}
	if (ends_with(o->file, ".c"))
		s->compiled = compile_c(o->file, &o->clang);
	s->path = o->file;	/* messages name what the user wrote */
	if (s->compiled) {
		s->insns = read_all(s->compiled, "the object");
		unlink(s->compiled);	/* nothing stays behind, however this command ends */
	} else if (!strcmp(s->path, "-")) {
		s->insns = read_all("-", "the object");
	}
	s->kconfig = kconfig_file(o->kconfig, s->path, &s->insns);
}

struct uebpf_object *session_object(struct session *s, struct uebpf_error *err)
{
	const struct options *o = s->opt;
	struct uebpf_open_opts opts = { .size = sizeof opts, .type = o->type, .btf = o->btf,
					.kconfig = s->kconfig };

	if (o->bytecode)
		return uebpf_object_open_lttng(s->env, s->insns.data, s->insns.len, event_type_name(), &opts, err);
	if (o->filter)
		return uebpf_object_open_filter(s->env, o->filter, event_type_name(), &opts, err);
	if (s->cbpf) {
		opts.name = s->path;
		return uebpf_object_open_cbpf(s->env, s->cbpf, s->nr_cbpf, &opts, err);
	}
	if (o->insns) {
		opts.name = strcmp(o->insns, "-") ? o->insns : "stdin";
		if (!opts.type)
			opts.type = "raw";
		return uebpf_object_open_insns(s->env, s->insns.data, s->insns.len / 8, &opts, err);
	}
	if (s->insns.data) {
		opts.name = strcmp(o->file, "-") ? o->file : "stdin";
		return uebpf_object_open_memory(s->env, s->insns.data, s->insns.len, &opts, err);
	}
	return uebpf_object_open_file(s->env, s->path, &opts, err);
}

void session_open(struct session *s)
{
	struct uebpf_error err = { 0 };
	uint64_t start;

	prepare_source(s);
	session_env(s);
	mocks_install(s);
	if (s->opt->event_type)
		event_type_add(s);
	start = now_ns();
	s->obj = session_object(s, &err);
	s->open_ns = now_ns() - start;
	if (!s->obj)
		die_error(s, &err);
	maps_resize(s);
	maps_bind(s, s->obj);
	maps_set_globals(s);
}

static void list_programs(const struct session *s)
{
	const struct uebpf_prog *p = NULL;
	struct uebpf_prog_info info = { .size = sizeof info };

	fprintf(stderr, "programs:\n");
	while ((p = uebpf_object_next_prog(s->obj, p))) {
		uebpf_prog_info(p, &info);
		fprintf(stderr, "  --program %s", info.name);
		fprintf(stderr, "  (%s, section %s)\n", info.type ? info.type : "type unknown", info.section);
	}
}

void session_choose(struct session *s)
{
	if (!uebpf_object_next_prog(s->obj, NULL))
		die(EXIT_UNSUPPORTED, "%s: no program in it", s->path);
	s->prog = uebpf_object_prog(s->obj, s->opt->program);
	if (s->prog)
		return;
	if (!s->opt->quiet)
		list_programs(s);
	if (s->opt->program)
		die(EXIT_USAGE, "%s has no program or section named %s", s->path, s->opt->program);
	die(EXIT_USAGE, "%s has several programs: choose one with --program", s->path);
}

struct uebpf_load_opts session_load_opts(const struct session *s)
{
	const struct options *o = s->opt;
	bool checked = (o->trace && !o->mode) || mocks_checked(s);

	return (struct uebpf_load_opts){
		.size = sizeof(struct uebpf_load_opts), .policy = o->policy,
		/* Only checked runs know what a mocked helper may write, and do not rely on its result. */
		.mode = checked ? UEBPF_MODE_CHECKED : o->mode,
		.engine = o->trace ? UEBPF_ENGINE_INTERP : o->engine,
		.refuse_may = o->refuse_may, .metered = o->budget != 0, .budget = o->budget,
		.jit_flags = o->jit_flags, .no_rules = o->no_rules, .log_level = o->log_level, .max_states = o->max_states,
		.max_ns = o->max_ns ? o->max_ns : DEFAULT_MAX_NS,
	};
}

/* The loader's log says why a program that could have been compiled is interpreted. */
static void why_interpreted(const struct session *s, char *buf, size_t cap)
{
	char head[192];
	const char *at;

	snprintf(head, sizeof head, "%s is interpreted: ", s->info.name);
	at = strstr(uebpf_object_log(s->obj), head);
	if (at)
		snprintf(buf, cap, "%.*s", (int)strcspn(at + strlen(head), "\n"), at + strlen(head));
	else
		snprintf(buf, cap, has_feature("jit") ? "the JIT was not asked" : "this build has no JIT");
}

/* Which engine and mode came of "auto" and the default, and why there is no JIT. */
static void tell_engine(const struct session *s)
{
	static const char *const mode[] = { "default", "verified", "checked", "trusted" };
	const struct uebpf_prog_info *i = &s->info;
	char why[512];

	if (i->engine == UEBPF_ENGINE_JIT || s->opt->engine != UEBPF_ENGINE_AUTO) {
		note("%s mode, %s", mode[i->mode & 3], i->engine == UEBPF_ENGINE_JIT ? "JIT" : "interpreter");
		return;
	}
	why_interpreted(s, why, sizeof why);
	note("%s mode, interpreter (no JIT: %s)", mode[i->mode & 3], why);
}

int load_program(struct session *s, const struct uebpf_load_opts *opts, struct uebpf_error *err)
{
	struct uebpf_error own = { 0 };
	int status = uebpf_object_load(s->obj, opts, err);

	s->prog = uebpf_object_prog(s->obj, s->opt->program);
	if (!s->prog)
		return status ? status : -ENOENT;
	if (!uebpf_prog_error(s->prog, &own))
		return 0;
	/* The program's own error says more than the object's first, unless loading never came to it. */
	if (!status || own.code != UEBPF_E_STATE)
		*err = own;
	return err->err ? err->err : -EINVAL;
}

void session_load(struct session *s)
{
	struct uebpf_load_opts opts = session_load_opts(s);
	struct uebpf_error err = { 0 };
	uint64_t start = now_ns();
	int status = load_program(s, &opts, &err);

	s->load_ns = now_ns() - start;
	tell_warnings(s, status ? err.text : NULL);
	if (status)
		die_error(s, &err);
	s->info.size = sizeof s->info;
	uebpf_prog_info(s->prog, &s->info);
	if (!s->opt->dump && !s->opt->bench)
		tell_engine(s);
	maps_init(s);
}

void session_close(struct session *s)
{
	if (s->compiled)
		unlink(s->compiled);
	free(s->compiled);
	s->compiled = NULL;
	uebpf_object_free(s->obj);
	s->obj = NULL;
	if (s->env)
		uebpf_env_free(s->env);
	s->env = NULL;
	free(s->insns.data);
	s->insns.data = NULL;
	free(s->cbpf);
	s->cbpf = NULL;
}
