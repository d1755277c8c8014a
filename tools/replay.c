/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* replay.c - the hooks that make a run repeatable (--clock, --seed, --cpu, --pid ...) and those that show
 * what a program says (trace_printk, perf_event_output). */
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

static uint64_t hook_clock(void *ctx, enum uebpf_clock which)
{
	struct session *s = ctx;
	uint64_t t = s->now;

	if (s->opt->clock == CLOCK_KIND_FIXED)
		s->now += s->opt->clock_step;
	return which == UEBPF_CLOCK_JIFFIES ? t / 4000000 : t;	/* CONFIG_HZ=250, Debian's */
}

/* splitmix64's upper half: any seed, 0 too, gives a good sequence. */
static uint32_t hook_random(void *ctx)
{
	struct session *s = ctx;
	uint64_t z = s->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) >> 32;
}

static uint32_t hook_cpu(void *ctx)
{
	return ((struct session *)ctx)->opt->cpu;
}

static void hook_task(void *ctx, struct uebpf_task *out)
{
	const struct options *o = ((struct session *)ctx)->opt;

	memset(out, 0, sizeof *out);
	out->pid = o->pid != UINT32_MAX ? o->pid : o->tgid != UINT32_MAX ? o->tgid : 1000;
	out->tgid = o->tgid != UINT32_MAX ? o->tgid : out->pid;
	out->uid = o->uid;
	out->gid = o->gid;
	strcpy(out->comm, o->comm ? o->comm : "uebpf-run");
}

static void hook_print(void *ctx, const char *text, size_t len)
{
	struct session *s = ctx;

	s->printed++;
	if (s->opt->quiet)
		return;
	fputs("printk: ", stderr);
	while (len && text[len - 1] == '\n')
		len--;
	print_escaped(stderr, text, len);
	fputc('\n', stderr);
}

static int hook_perf(void *ctx, struct uebpf_map *map, uint32_t index, const void *data, size_t len)
{
	struct session *s = ctx;

	s->perf_records++;
	s->perf_bytes += len;
	if (s->show_perf && !s->opt->quiet) {
		fprintf(stderr, "perf: %s[%u] %zu bytes: ", map ? uebpf_map_name(map) : "?", index, len);
		print_hex(stderr, data, len);
		fputc('\n', stderr);
	}
	return 0;
}

void replay_hooks(struct session *s, struct uebpf_hooks *hooks)
{
	const struct options *o = s->opt;

	s->random = o->seed;
	s->now = o->clock_start;
	*hooks = (struct uebpf_hooks){
		.size = sizeof *hooks, .ctx = s,
		.clock = o->clock == CLOCK_KIND_REAL ? NULL : hook_clock,
		.random = o->has_seed ? hook_random : NULL,
		.cpu = o->has_cpu ? hook_cpu : NULL,
		.task = o->has_task ? hook_task : NULL,
		.print = hook_print, .perf_output = hook_perf,
	};
}
