/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* small.c - a whole tracer: one tracepoint, a slot with filters that are replaced while it runs, a
 * buffer per CPU, a file at the end.  `small OUT MILLISECONDS FILTER.o...` */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "event.h"
#include "uebpf.h"

enum { CPUS = 64, THREADS = 3, ROOM = 1 << 16 };
static struct buffer { _Alignas(64) unsigned used, lost; struct event *event; } buffers[CPUS];
static struct uebpf_slot slot = UEBPF_SLOT_INIT;
static int stop;

/* ---- the tracepoint: one load and a branch while nobody filters ---- */

static void record(const struct event *event)
{
	struct buffer *b = &buffers[(unsigned)sched_getcpu() % CPUS];
	unsigned at = __atomic_fetch_add(&b->used, 1, __ATOMIC_RELAXED);	/* a thread may have moved */

	if (at < ROOM)
		b->event[at] = *event;
	else
		__atomic_fetch_add(&b->lost, 1, __ATOMIC_RELAXED);
}

static inline int tracepoint(struct event *event)
{
	if (!uebpf_slot_accepts(&slot, event, sizeof *event, NULL))
		return 0;
	record(event);
	return 1;
}

/* ---- a program to trace ---- */

struct worker { pthread_t thread; unsigned long emitted, recorded; };
static void *work(void *arg)
{
	struct worker *w = arg;
	struct event event = { 0 };
	unsigned random = (unsigned)(size_t)arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		random = random * 1664525 + 1013904223;
		event.sequence = w->emitted++;
		event.size = random >> 20;
		event.status = random >> 12 & 63 ? 0 : -5;
		strcpy(event.name, random & 256 ? "read" : "write");
		w->recorded += (unsigned)tracepoint(&event);
	}
	return NULL;
}

/* ---- the control side ---- */

static unsigned long accepted, runs, replaced;
static void gone(void *arg, const struct uebpf_prog *prog, const struct uebpf_filter_stats *stats)
{
	(void)arg, (void)prog;
	runs += stats->runs;
	accepted += stats->accepted;
	replaced++;
}

static const struct uebpf_prog *load(struct uebpf_env *env, const char *path)
{
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_file(env, path, NULL, &err);
	const struct uebpf_prog *prog;

	if (!obj || uebpf_object_load(obj, NULL, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	prog = uebpf_prog_ref(uebpf_object_prog(obj, NULL));
	uebpf_object_free(obj);
	uebpf_prog_prefault(prog);
	return prog;
}

int main(int argc, char **argv)
{
	static const struct uebpf_field fields[] = {
		{ .name = "sequence", .offset = 0, .size = 8 },
		{ .name = "size", .offset = 8, .size = 4 },
		{ .name = "status", .offset = 12, .size = 4, .value = UEBPF_VALUE_SIGNED },
		{ .name = "name", .offset = 16, .size = 16, .kind = UEBPF_FIELD_BYTES, .value = UEBPF_VALUE_TEXT },
	};
	struct uebpf_type_opts type = { .size = sizeof type, .name = "event", .ctx_size = sizeof(struct event),
					.fields = fields, .nr_fields = 4 };
	struct uebpf_filter_opts opts = { .size = sizeof opts, .gone = gone };
	struct worker workers[THREADS] = { 0 };
	unsigned long emitted = 0, recorded = 0, written = 0, lost = 0;
	const struct uebpf_prog *filter[8];
	int i, n = argc - 3, ms = argc > 3 ? atoi(argv[2]) : 0;
	struct uebpf_env *env = uebpf_env_new(NULL);
	FILE *out = argc > 3 ? fopen(argv[1], "wb") : NULL;

	if (!env || !out || n < 1 || n > 8 || uebpf_env_add_type(env, &type, NULL) || uebpf_slot_init(&slot, env))
		return fprintf(stderr, "usage: small OUT MILLISECONDS FILTER.o... (1 to 8)\n"), 1;
	for (i = 0; i < CPUS; i++)
		buffers[i].event = malloc(ROOM * sizeof(struct event));
	for (i = 0; i < n; i++)
		filter[i] = load(env, argv[3 + i]);
	uebpf_slot_set(&slot, filter[0], &opts);
	for (i = 0; i < THREADS; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (i = 1; i < ms * 10; i++) {		/* another filter each 100 us */
		usleep(100);
		uebpf_slot_set(&slot, filter[i % n], &opts);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		emitted += workers[i].emitted;
		recorded += workers[i].recorded;
	}
	uebpf_slot_fini(&slot);			/* the last one comes back too */
	for (i = 0; i < CPUS; i++) {
		unsigned used = buffers[i].used < ROOM ? buffers[i].used : ROOM;

		written += fwrite(buffers[i].event, sizeof(struct event), used, out);
		lost += buffers[i].lost;
	}
	fclose(out);
	printf("emitted %lu, filter runs %lu, accepted %lu, recorded %lu, written %lu, no room for %lu, "
	       "replaced %lu times\n", emitted, runs, accepted, recorded, written, lost, replaced);
	for (i = 0; i < n; i++)
		uebpf_prog_unref(filter[i]);
	uebpf_env_free(env);
	return emitted != runs || accepted != recorded || written + lost != recorded;
}
