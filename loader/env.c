/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* env.c - uebpf_env_*: options, allocator, hooks and log.  Helpers and types are in env_tables.c. */
#include <sched.h>
#include <unistd.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "jit/jit.h"
#include "loader/env.h"
#include "loader/object.h"
#include "loader/loader.h"
#include "loader/reclaim.h"
#include "maps/maps.h"
#include "vm/mem.h"
#include "vm/message.h"

enum {
	STACK_DEFAULT = 512, STACK_MAX = 1 << 20, FRAMES_DEFAULT = 8, FRAMES_MAX = 1024,
	INSNS_DEFAULT = 1000000, INSNS_MAX = 1 << 26, SLOTS_MAX = DOMAIN_MAX_SLOTS
};

const char *uebpf_version(void)
{
	return UEBPF_VERSION;
}

static uint64_t seed(const void *env)
{
	int saved = errno;
	uint64_t value;
	struct timespec now;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		value = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^ (uint64_t)now.tv_sec << 20 ^
			(uintptr_t)env;
	}
	errno = saved;
	return value ? value : 1;
}

static bool options_fit(const struct uebpf_env_opts *o)
{
	return o->mode <= UEBPF_MODE_TRUSTED && o->engine <= UEBPF_ENGINE_INTERP &&
	       o->policy <= UEBPF_POLICY_KERNEL && o->probe <= UEBPF_PROBE_SYSCALL &&
	       o->stack_size <= STACK_MAX && o->stack_size % 16 == 0 && o->max_frames <= FRAMES_MAX &&
	       o->max_insns <= INSNS_MAX && o->cpu_slots <= SLOTS_MAX;
}

static void env_hold(struct vm_host *host, int n)
{
	if (n > 0)
		env_ref(host->env);
	else
		env_unref(host->env);
}

struct uebpf_env *uebpf_env_new(const struct uebpf_env_opts *opts)
{
	struct uebpf_env_opts o;
	struct uebpf_hooks hooks;
	struct vm_host from = { 0 };
	struct uebpf_env *env;

	message_unpack_rows();
	if (options_copy(&o, sizeof(o), opts) || !options_fit(&o))
		return NULL;
	if (options_copy(&hooks, sizeof(hooks), o.hooks.size ? &o.hooks : NULL))
		return NULL;
	from.alloc = o.alloc;
	from.alloc_ctx = o.alloc_ctx;
	env = mem_alloc(&from, sizeof(*env));
	if (!env)
		return NULL;
	env->host.alloc = o.alloc;
	env->host.alloc_ctx = o.alloc_ctx;
	env->host.hooks = hooks;
	env->host.probe = o.probe;
	env->host.stack_size = o.stack_size ? o.stack_size : STACK_DEFAULT;
	env->host.max_frames = o.max_frames ? o.max_frames : FRAMES_DEFAULT;
	env->host.cpu_slots = o.cpu_slots;
	env->host.budget = o.budget ? o.budget : (uint64_t)1 << 32;
	atomic_init(&env->host.random_state, seed(env));
	env->host.env = env;
	env->host.hold = env_hold;
	env->host.type_map = object_type_map;
	env->host.type_text = object_type_text;
	atomic_init(&env->refs, 1);
	env->mode = o.mode;
	env->engine = o.engine;
	env->policy = o.policy;
	env->max_insns = o.max_insns ? o.max_insns : INSNS_DEFAULT;
	env->log = o.log;
	env->log_ctx = o.log_ctx;
	if (o.cpu_features_off) {
		env->cpu_features_off = mem_string(&env->host, o.cpu_features_off);
		if (!env->cpu_features_off || jit_cpu_detect(o.cpu_features_off, &env->cpu)) {
			env_unref(env);
			return NULL;
		}
	}
	env->host.rseq = o.cpu_features_off ? env->cpu & JIT_CPU_RSEQ : jit_rseq();
	if (env_tables_init(env)) {
		env_unref(env);
		return NULL;
	}
	return env;
}

void uebpf_env_free(struct uebpf_env *env)
{
	if (env)
		env_unref(env);
}

void env_lock(struct env_lock *lock)
{
	int saved = errno;
	uint32_t me = (uint32_t)getpid(), seen = 0;

	while (!atomic_compare_exchange_weak_explicit(&lock->owner, &seen, me, memory_order_acquire,
						      memory_order_relaxed)) {
		if (!seen || seen != me)	/* free, or a fork's leftover: take it as it is */
			continue;
		sched_yield();
		seen = 0;
	}
	errno = saved;
}

struct uebpf_env *env_ref(struct uebpf_env *env)
{
	atomic_fetch_add_explicit(&env->refs, 1, memory_order_relaxed);
	return env;
}

void env_unref(struct uebpf_env *env)
{
	struct vm_host last;

	if (atomic_fetch_sub_explicit(&env->refs, 1, memory_order_acq_rel) != 1)
		return;
	reclaim_free(env->reclaim);
	env_tables_free(env);
	maps_host_fini(&env->host);
	jit_pages_free(env->jit_pages);
	mem_free_string(&env->host, env->cpu_features_off);
	/* The env is in its allocator's memory: keep what frees it. */
	memset(&last, 0, sizeof(last));
	last.alloc = env->host.alloc;
	last.alloc_ctx = env->host.alloc_ctx;
	mem_free(&last, env, sizeof(*env));
}

struct jit_pages *env_jit_pages(struct uebpf_env *env)
{
	struct jit_pages *pages, *unwanted = NULL;
	uint32_t cpu = 0;

	env_lock(&env->lock);
	pages = env->jit_pages;
	env_unlock(&env->lock);
	if (pages)
		return pages;
	pages = jit_pages_new(&env->host);
	if (!pages)
		return NULL;
	jit_cpu_detect(env->cpu_features_off, &cpu);
	env_lock(&env->lock);
	if (env->jit_pages) {
		unwanted = pages;
	} else {
		env->cpu = cpu;
		env->host.rdpid = cpu & JIT_CPU_RDPID;
		env->jit_pages = pages;
	}
	pages = env->jit_pages;
	env_unlock(&env->lock);
	jit_pages_free(unwanted);
	return pages;
}

void (env_log)(struct uebpf_env *env, enum uebpf_level level, const char *text, ...)
{
	char line[1024];
	va_list ap;

	if (!env->log)
		return;
	va_start(ap, text);
	message_print(line, sizeof(line), text, ap);
	va_end(ap);
	env->log(env->log_ctx, level, line);
}

/* Words as the header lists them; each part answers for itself. */
size_t uebpf_features(char *buf, size_t cap)
{
	struct uebpf_error err = { 0 };
	struct elf_image *image = NULL;
	struct elf_params params = { .name = "" };
	char text[256], cpu_text[128];
	size_t n = (size_t)snprintf(text, sizeof(text), "interp verifier");
	uint32_t cpu = 0;

	if (jit_arch()) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, " jit=%s", jit_arch());
		if (!jit_cpu_detect(NULL, &cpu) && jit_cpu_text(cpu, cpu_text, sizeof(cpu_text)) > 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", cpu_text);
	}
	/* A build without libelf refuses even nothing by the name of what it lacks. */
	elf_open(NULL, 0, &params, &image, &err);
	elf_close(image);
	if (err.code != UEBPF_E_ABSENT)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " libelf");
	if (filters_present)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " filters");
	if (cap)
		snprintf(buf, cap, "%s", text);
	return n;
}
