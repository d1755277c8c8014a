/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* coop.c - --kernel-object: a kernel half and a user half on the same maps.  User programs run by time, for
 * each record of a ring buffer, or at the end; the kernel half comes and goes in attach.c. */
#ifdef HAVE_LIBBPF
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "tools/coop.h"
#include "include/uebpf_libbpf.h"

enum { SLICE = 256,			/* records between two looks at the clock */
       PERF_PAGES = 64 };
static const uint64_t IDLE_NS = 100000000;	/* a wake-up that was missed costs at most this */

enum kind { EVERY, ON_RECORD, AT_EXIT };
struct trigger {
	enum kind kind;
	const char *what;		/* the map's name, the period as it was written */
	struct options opt;		/* the session's, with this trigger's program */
	struct session view;
	struct input in;
	uint64_t period, next;
	struct uebpf_map *map;		/* ring buffer; ours to drop */
	struct perf_buffer *perf;
	uint64_t runs, faults, late, lost, bytes, r0;
	unsigned slice;
};
struct coop {
	struct session *s;
	struct half half;
	struct trigger *t;
	size_t nr;
	struct pollfd *fds;
	size_t nr_fds;
	struct uebpf_map **mirrored;
	size_t nr_mirrored;
	uint64_t end;			/* 0: until a signal */
	int status;			/* exit code of the first run that failed */
};

static struct coop coop;
static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void take_down(void)
{
	half_detach(&coop.half);
	half_free(&coop.half, coop.s->opt->keep);
}

/* ---- triggers from the options ---- */

static uint64_t parse_time(const char *option, const char *text)
{
	static const struct { const char *unit; double ns; } units[] = {
		{ "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "min", 60e9 },
	};
	char *end;
	double v = strtod(text, &end);

	for (size_t i = 0; i < sizeof units / sizeof *units && end != text; i++)
		if (!strcmp(end, units[i].unit) && v * units[i].ns >= 1000 && v * units[i].ns < 1e18)
			return (uint64_t)(v * units[i].ns);
	die(EXIT_USAGE, "%s %s: not a time such as 10ms (units us, ms, s, min)", option, text);
}

static struct trigger *add_trigger(struct coop *c, enum kind kind, const char *text)
{
	char *copy = need(strdup(text ? text : "")), *colon = kind == AT_EXIT ? NULL : strchr(copy, ':');
	struct trigger *t = need(realloc(c->t, (c->nr + 1) * sizeof *t));

	c->t = t;
	t += c->nr++;
	memset(t, 0, sizeof *t);
	if (colon)
		*colon = 0;
	t->kind = kind;
	t->what = copy;
	t->opt = *c->s->opt;
	if (colon || (kind == AT_EXIT && *copy))
		t->opt.program = colon ? colon + 1 : copy;
	if (kind == EVERY)
		t->period = parse_time("--every", copy);
	return t;
}

static void triggers(struct coop *c)
{
	const struct options *o = c->s->opt;

	for (size_t i = 0; i < o->every.n; i++)
		add_trigger(c, EVERY, o->every.v[i]);
	for (size_t i = 0; i < o->on_ringbuf.n; i++)
		add_trigger(c, ON_RECORD, o->on_ringbuf.v[i]);
	for (size_t i = 0; i < o->at_exit.n; i++)
		add_trigger(c, AT_EXIT, o->at_exit.v[i]);
	if (o->run_for)
		c->end = parse_time("--for", o->run_for);
	if (!c->nr) {	/* once, with the kernel half there */
		add_trigger(c, AT_EXIT, NULL);
		stopped = !c->end;
	}
	/* The table does not move any more: views may point into it. */
	for (size_t i = 0; i < c->nr; i++) {
		struct trigger *t = &c->t[i];

		t->view = *c->s;
		t->view.opt = &t->opt;
		session_choose(&t->view);
	}
}

static void load_user_half(struct coop *c)
{
	for (size_t i = 0; i < c->nr; i++) {
		struct trigger *t = &c->t[i];
		struct uebpf_error err = { 0 };

		if (!i) {
			session_load(&t->view);
			c->s->prog = t->view.prog;
			c->s->info = t->view.info;
		}
		t->view.prog = uebpf_object_prog(c->s->obj, t->opt.program);
		if (uebpf_prog_error(t->view.prog, &err))
			die_error(c->s, &err);
		t->view.info.size = sizeof t->view.info;
		uebpf_prog_info(t->view.prog, &t->view.info);
		if (t->kind != ON_RECORD)
			input_from_options(&t->view, &t->in);
		else if (c->s->opt->ctx || c->s->opt->ctx_hex || c->s->opt->packet)
			note("--on-ringbuf %s: its context is the record; --ctx and --packet go to the others", t->what);
	}
}

/* ---- sharing ---- */

static const char *const level_name[] = { "private", "shared", "mapped: the same memory",
					  "mirrored: read again before each --every and --at-exit run, updates go through" };

static void tell_shared(void *arg, struct uebpf_map *map, struct bpf_map *kernel)
{
	struct coop *c = arg;
	struct uebpf_map_info i = { .size = sizeof i };

	(void)kernel;
	uebpf_map_info(map, &i);
	if (i.share == UEBPF_SHARE_MIRRORED) {
		c->mirrored = need(realloc(c->mirrored, (c->nr_mirrored + 1) * sizeof *c->mirrored));
		c->mirrored[c->nr_mirrored++] = map;	/* the object keeps it */
	}
	if (!c->s->opt->json) {
		note("map %s: %s", uebpf_kernel_map_name(kernel), level_name[i.share & 3]);
		return;
	}
	json_open(NULL, '{');
	json_string("map", uebpf_kernel_map_name(kernel));
	json_raw("level", (const char *const[]){ "\"private\"", "\"shared\"", "\"mapped\"", "\"mirrored\"" }[i.share & 3]);
	json_close();
}

static void share(struct coop *c)
{
	struct uebpf_share_kernel_opts opts = { .size = sizeof opts, .data = c->s->opt->share_data,
						.shared = tell_shared, .arg = c };
	struct uebpf_error err = { 0 };
	int n;

	if (c->s->opt->json)
		json_open("shared", '[');
	n = uebpf_share_kernel(c->s->env, c->s->obj, c->half.obj, &opts, &err);
	if (n < 0)
		die_error(c->s, &err);
	if (c->s->opt->json)
		json_close();
	if (!n)
		note("the two objects have no map in common");
}

/* ---- running ---- */

static void run_trigger(struct coop *c, struct trigger *t)
{
	struct uebpf_run run = { .size = sizeof run, .budget = c->s->opt->budget };
	struct uebpf_error err;
	int r = uebpf_prog_run(t->view.prog, input_ctx(&t->in), input_len(&t->in), &run, &t->r0), code;

	t->runs++;
	if (!r)
		return;
	if (!t->faults++) {
		note("%s %s: the first run that did not end (number %" PRIu64 "):",
		     t->kind == EVERY ? "--every" : t->kind == ON_RECORD ? "--on-ringbuf" : "--at-exit", t->what, t->runs);
		code = tell_fault(&t->view, r, &run, &err);
		c->status = c->status ? c->status : code;
	}
}

static int on_record(void *arg, const void *data, size_t len)
{
	struct trigger *t = arg;

	/* A copy: the program may write its context, and the kernel's pages are read-only here. */
	input_make(&t->view, &t->in, data, len, 0);
	t->bytes += len;
	run_trigger(&coop, t);
	return ++t->slice % SLICE == 0;
}

static void on_sample(void *arg, int cpu, void *data, uint32_t len)
{
	(void)cpu;
	on_record(arg, data, len);
}

static void on_lost(void *arg, int cpu, unsigned long long n)
{
	(void)cpu;
	((struct trigger *)arg)->lost += n;
}

/* False when it stopped before it was empty. */
static bool drain(struct trigger *t)
{
	long n;

	if (t->perf)
		return perf_buffer__consume(t->perf) >= 0;
	t->slice = 0;
	n = uebpf_map_consume(t->map, on_record, t);
	if (n < 0)
		die(EXIT_KERNEL, "--on-ringbuf %s: %s", t->what, strerror((int)-n));
	return n < SLICE;
}

static void open_ring(struct coop *c, struct trigger *t)
{
	struct bpf_map *k = bpf_object__find_map_by_name(c->half.obj, t->what);
	struct uebpf_kernel_opts open = { .size = sizeof open, .fd = k ? bpf_map__fd(k) : -1 };
	struct uebpf_map *own = uebpf_object_map(c->s->obj, t->what);
	struct uebpf_map_info i = { .size = sizeof i };
	struct uebpf_error err = { 0 };
	int fd;

	if (k && bpf_map__type(k) == BPF_MAP_TYPE_PERF_EVENT_ARRAY) {
		t->perf = perf_buffer__new(open.fd, PERF_PAGES, on_sample, on_lost, t, NULL);
		if (libbpf_get_error(t->perf))
			die(EXIT_KERNEL, "--on-ringbuf %s: cannot open the perf buffers: %s", t->what, strerror(errno));
		fd = perf_buffer__epoll_fd(t->perf);
	} else {
		if (!k && !own)
			die(EXIT_USAGE, "--on-ringbuf %s: neither object has such a map", t->what);
		if (own)
			uebpf_map_info(own, &i);
		if (k && i.share == UEBPF_SHARE_MAPPED)
			die(EXIT_USAGE, "--on-ringbuf %s: a program drains it already, and a ring has one consumer",
			    t->what);
		t->map = k ? uebpf_map_from_kernel(c->s->env, &open, &err) : uebpf_map_ref(own);
		if (!t->map)
			die_error(c->s, &err);
		fd = uebpf_map_poll_fd(t->map);
		if (fd < 0)
			die(EXIT_USAGE, "--on-ringbuf %s: not a ring buffer that can be consumed here", t->what);
	}
	c->fds = need(realloc(c->fds, (c->nr_fds + 1) * sizeof *c->fds));
	c->fds[c->nr_fds++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void pull(struct coop *c)
{
	for (size_t i = 0; i < c->nr_mirrored; i++) {
		long r = uebpf_map_pull(c->mirrored[i]);

		if (r < 0 && r != -EOPNOTSUPP)	/* of per-CPU maps and queues there is no copy */
			note("map %s: not read again: %s", uebpf_map_name(c->mirrored[i]), strerror((int)-r));
	}
}

static void run_at(struct coop *c, struct trigger *t, uint64_t now)
{
	pull(c);
	input_reset(&t->in);
	run_trigger(c, t);
	if (t->kind != EVERY)
		return;
	t->next += t->period;
	if (t->next <= now) {
		uint64_t n = (now - t->next) / t->period + 1;

		t->late += n;
		t->next += n * t->period;
	}
}

/* What is due runs; returns when to look again. */
static uint64_t turn(struct coop *c, uint64_t now)
{
	uint64_t next = now + IDLE_NS;

	if (c->end && c->end < next)
		next = c->end;
	for (size_t i = 0; i < c->nr; i++) {
		struct trigger *t = &c->t[i];

		if (t->kind == ON_RECORD && !drain(t))
			next = now;
		if (t->kind == EVERY && t->next <= now)
			run_at(c, t, now);
		if (t->kind == EVERY && t->next < next)
			next = t->next;
	}
	return next;
}

static void loop(struct coop *c)
{
	uint64_t now = now_ns();

	if (c->end)
		c->end += now;
	for (size_t i = 0; i < c->nr; i++)
		c->t[i].next = now + c->t[i].period;
	while (!stopped && (!c->end || now < c->end)) {
		uint64_t next = turn(c, now), left;
		struct timespec wait;

		now = now_ns();
		left = next > now ? next - now : 0;
		wait = (struct timespec){ (time_t)(left / 1000000000), (long)(left % 1000000000) };
		ppoll(c->fds, c->nr_fds, &wait, NULL);	/* a signal just before it costs IDLE_NS at most */
		now = now_ns();
	}
}

static void tell(struct coop *c)
{
	static const char *const name[] = { "every", "on-ringbuf", "at-exit" };

	if (c->s->opt->json)
		json_open("triggers", '[');
	for (size_t i = 0; i < c->nr; i++) {
		struct trigger *t = &c->t[i];

		if (!c->s->opt->json) {
			printf("--%s %s%s%s: %" PRIu64 " runs, %" PRIu64 " faults, last r0 = 0x%" PRIx64, name[t->kind],
			       t->what, *t->what ? " " : "", t->view.info.name, t->runs, t->faults, t->r0);
			if (t->late)
				printf(", %" PRIu64 " times too late", t->late);
			if (t->kind == ON_RECORD)
				printf(", %" PRIu64 " bytes", t->bytes);
			putchar('\n');
			if (t->lost)
				note("%s: the perf buffers lost %" PRIu64 " records", t->what, t->lost);
			continue;
		}
		json_open(NULL, '{');
		json_string("on", name[t->kind]);
		json_string("what", t->what);
		json_string("program", t->view.info.name);
		json_u64("runs", t->runs);
		json_u64("faults", t->faults);
		json_u64("r0", t->r0);
		json_u64("bytes", t->bytes);
		json_u64("late", t->late);
		json_u64("lost", t->lost);
		json_close();
	}
	if (c->s->opt->json)
		json_close();
}

static void free_triggers(struct coop *c)
{
	for (size_t i = 0; i < c->nr; i++) {
		if (c->t[i].perf)
			perf_buffer__free(c->t[i].perf);
		uebpf_map_unref(c->t[i].map);
		input_free(&c->t[i].in);
		free((char *)c->t[i].what);
	}
	free(c->t);
	free(c->fds);
	free(c->mirrored);
}

int run_coop(struct session *s)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction stop = { .sa_handler = on_signal };
	struct coop *c = &coop;

	c->s = s;
	triggers(c);
	/* From here on a signal ends the loop, not the process, so that nothing stays behind. */
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &stop, NULL);
	half_load(&c->half, s);
	atexit(take_down);
	share(c);
	load_user_half(c);
	for (size_t i = 0; i < c->nr; i++)
		if (c->t[i].kind == ON_RECORD)
			open_ring(c, &c->t[i]);
	if (s->opt->attach) {
		half_attach(&c->half);
		note("attached; %s", c->end ? "--for says how long" : "Ctrl-C ends it");
	}
	loop(c);
	half_detach(&c->half);
	for (size_t i = 0; i < c->nr; i++)
		while (c->t[i].kind == ON_RECORD && !drain(&c->t[i]))
			;
	for (size_t i = 0; i < c->nr; i++)
		if (c->t[i].kind == AT_EXIT)
			run_at(c, &c->t[i], 0);
	tell(c);
	mocks_tell(s);
	maps_dump(s);
	free_triggers(c);
	return c->status;
}
#endif
