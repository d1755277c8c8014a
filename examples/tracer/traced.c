/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* traced.c - a program with an LTTng-UST tracepoint in front of which a slot stands.  Threads emit events;
 * another process (control.c) sends filters over a socket, which replace each other while the threads run;
 * what is wrong with a filter, when it is opened, verified or runs, goes back to that process.
 * `traced SOCKET THREADS` */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "lttng_tp.h"
#include "wire.h"

static struct uebpf_slot slot = UEBPF_SLOT_INIT;
static struct uebpf_env *env;
static int control, stop;

/* ---- the traced part ---- */

static inline int traced(struct event *event)
{
	/* LTTng's own check first: nobody records, nothing is asked */
	if (!lttng_ust_tracepoint_enabled(example, event) || !uebpf_slot_accepts(&slot, event, sizeof *event, NULL))
		return 0;
	lttng_ust_do_tracepoint(example, event, event);
	return 1;
}

static void make(struct event *event, unsigned long n, unsigned *random)
{
	*random = *random * 1664525 + 1013904223;
	event->sequence = n;
	event->size = *random >> 20;
	event->status = *random >> 12 & 63 ? 0 : -5;
	strcpy(event->name, *random & 256 ? "read" : "write");
}

struct worker { pthread_t thread; unsigned seed; unsigned long emitted, recorded; };
static void *work(void *arg)
{
	struct worker *w = arg;
	struct event event = { 0 };

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		make(&event, w->emitted++, &w->seed);
		w->recorded += (unsigned)traced(&event);
		if (w->emitted % 64 == 0)
			usleep(20);		/* a program does other things too */
	}
	return NULL;
}

/* ---- the agent ---- */

static void answer(struct answer *a)
{
	if (send(control, a, sizeof *a, MSG_NOSIGNAL) != sizeof *a)
		perror("traced: send");
}

static void answer_error(const struct uebpf_error *err)
{
	struct answer a = { .what = ANSWER_ERROR };

	uebpf_error_pack(err, a.error, sizeof a.error);
	answer(&a);
}

/* Nobody is in the filter any more.  One that faulted says where: it is run once more by hand. */
static void gone(void *arg, const struct uebpf_prog *prog, const struct uebpf_filter_stats *stats)
{
	struct answer a = { .what = ANSWER_GONE, .on_error = arg != NULL, .stats = *stats };
	struct event event = { 0 };
	unsigned random = 1;

	for (int i = 0; stats->faults && i < 1000; i++) {
		struct uebpf_run run = { .size = sizeof run };
		struct uebpf_error err;
		int status;

		make(&event, 0, &random);
		status = uebpf_prog_run(prog, &event, sizeof event, &run, NULL);
		if (status) {
			uebpf_prog_explain(prog, status, &run, &err);
			answer_error(&err);
			break;
		}
	}
	answer(&a);
}

static void install(const struct order *order)
{
	struct uebpf_filter_opts opts = { .size = sizeof opts, .on_error = order->on_error, .gone = gone,
					  .gone_arg = order->on_error ? &control : NULL };
	struct uebpf_load_opts how = { .size = sizeof how,
				       .mode = order->object == 1 ? UEBPF_MODE_CHECKED : UEBPF_MODE_VERIFIED };
	struct uebpf_error err;
	struct answer a = { .what = ANSWER_INSTALLED };
	struct uebpf_object *obj = order->object ? uebpf_object_open_file(env, order->filter, NULL, &err) :
				   uebpf_object_open_filter(env, order->filter, "event", NULL, &err);

	if (!obj || uebpf_object_load(obj, &how, &err)) {
		answer_error(&err);
	} else {
		uebpf_prog_prefault(uebpf_object_prog(obj, NULL));
		if (uebpf_slot_set(&slot, uebpf_object_prog(obj, NULL), &opts))
			fprintf(stderr, "traced: the slot took no filter\n");
		uebpf_slot_wait(&slot, UINT64_MAX);	/* the old one reports before we do */
		answer(&a);
	}
	uebpf_object_free(obj);
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
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct worker worker[16] = { 0 };
	unsigned long emitted = 0, recorded = 0;
	int i, n = argc == 3 ? atoi(argv[2]) : 0;
	struct order order;

	if (n < 1 || n > 16)
		return fprintf(stderr, "usage: traced SOCKET THREADS\n"), 1;
	strncpy(at.sun_path, argv[1], sizeof at.sun_path - 1);
	control = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	env = uebpf_env_new(NULL);
	if (connect(control, (struct sockaddr *)&at, sizeof at) || !env || uebpf_env_add_type(env, &type, NULL) ||
	    uebpf_slot_init(&slot, env))
		return perror("traced"), 1;
	/* until the first order nothing is recorded: an empty slot would let everything through */
	while (recv(control, &order, sizeof order, 0) == sizeof order && order.filter[0]) {
		install(&order);
		for (i = 0; i < n && !UEBPF_SLOT_EMPTY(&slot) && !worker[i].seed; i++) {
			worker[i].seed = 77u + (unsigned)i;
			pthread_create(&worker[i].thread, NULL, work, &worker[i]);
		}
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < n && worker[i].seed; i++) {
		pthread_join(worker[i].thread, NULL);
		emitted += worker[i].emitted;
		recorded += worker[i].recorded;
	}
	uebpf_slot_fini(&slot);				/* the last filter reports too */
	printf("emitted %lu recorded %lu\n", emitted, recorded);
	uebpf_env_free(env);
	return 0;
}
