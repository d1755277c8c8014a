/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stream.c - one program over many inputs: the packets of a capture or the records of a file.  Counts the
 * verdicts, writes chosen packets out, goes on after faults. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "tools/tool.h"

enum { MAX_VERDICTS = 32, MAX_WRITES = 16, MAX_WANTED = 16 };
/* Where inputs come from. */
struct source {
	struct capture *capture;
	struct bytes events;
	bool json;			/* events are lines; else records */
	struct bytes given;		/* the event as it was given */
	uint64_t lines;
	size_t record, at;
	const char *unit;
};
struct sink {
	struct capture_out *out;
	char *wanted[MAX_WANTED];
	unsigned nr_wanted;
	uint64_t count;
	const char *path;
};
struct stream {
	uint64_t total, faults, spent, differs, other;
	struct { uint64_t r0, count; } verdict[MAX_VERDICTS];
	unsigned nr_verdicts;
	struct sink sink[MAX_WRITES];
	unsigned nr_sinks;
	FILE *accepted;			/* --write-accepted */
	uint64_t nr_accepted;
	uint64_t ns;
	/* the first run that did not end, for the JSON document */
	struct uebpf_error first;
	struct uebpf_run first_run;
	int first_status;
};

static void source_open(struct session *s, struct source *src)
{
	const struct options *o = s->opt;
	bool packet = s->info.ctx_kind == UEBPF_CTX_PACKET;

	memset(src, 0, sizeof *src);
	if (o->pcap) {
		if (!packet && s->info.ctx_kind != UEBPF_CTX_RAW)
			die(EXIT_USAGE, "--pcap: a program of type %s takes no packets; --events gives it contexts",
			    s->info.type);
		src->capture = capture_open(o->pcap);
		src->unit = "packets";
		return;
	}
	if (packet)
		die(EXIT_USAGE, "--events: a program of type %s takes packets: --pcap", s->info.type);
	src->record = o->event_size ? o->event_size : s->info.ctx_size;
	if (!src->record)
		die(EXIT_USAGE, "--events: type %s does not say how long a record is: --event-size N", s->info.type);
	if (src->record < s->info.ctx_size)
		die(EXIT_USAGE, "--event-size %zu: a context of type %s has %u bytes", src->record, s->info.type,
		    s->info.ctx_size);
	src->events = read_all(o->events, "--events");
	src->unit = "events";
	if (o->event_type) {
		size_t at = 0;

		while (at < src->events.len && strchr(" \t\r\n", src->events.data[at]))
			at++;
		src->json = at < src->events.len && src->events.data[at] == '{';
		if (src->json)
			return;
		if (event_pointer_field())
			die(EXIT_USAGE, "--events: field %s is a pointer, which a record in a file cannot hold: give JSON lines",
			    event_pointer_field());
	}
	if (src->events.len % src->record)
		note("%s: the last %zu bytes are no whole record of %zu and are left out", o->events,
		     src->events.len % src->record, src->record);
	src->unit = "events";
}

/* The next line that is not empty. */
static bool next_json(struct session *s, struct source *src, struct input *in)
{
	while (src->at < src->events.len) {
		const char *line = (const char *)src->events.data + src->at;
		size_t left = src->events.len - src->at;
		const char *end = memchr(line, '\n', left);
		size_t len = end ? (size_t)(end - line) : left;
		struct bytes record;

		src->at += len + (end != NULL);
		src->lines++;
		if (strspn(line, " \t\r") >= len)
			continue;
		record = event_from_json(line, len, src->lines);
		src->given = (struct bytes){ (uint8_t *)line, len + (end != NULL) };
		input_make(s, in, record.data, record.len, 0);
		return true;
	}
	return false;
}

static bool source_next(struct session *s, struct source *src, struct input *in)
{
	struct captured c;

	if (src->json)
		return next_json(s, src, in);
	if (!src->capture) {
		if (src->events.len - src->at < src->record)
			return false;
		input_make(s, in, src->events.data + src->at, src->record, 0);
		src->given = (struct bytes){ src->events.data + src->at, src->record };
		src->at += src->record;
		return true;
	}
	if (!capture_next(src->capture, &c))
		return false;
	input_make(s, in, c.data, c.len, c.time_ns);
	in->packet_first.wire_len = in->packet.wire_len = c.wire_len - (uint32_t)in->link;
	if (s->opt->clock == CLOCK_KIND_CAPTURE)
		s->now = c.time_ns;
	return true;
}

static void source_close(struct source *src)
{
	if (src->capture)
		capture_close(src->capture);
	free(src->events.data);
}

size_t collect_inputs(struct session *s, struct input **out, size_t cap)
{
	struct source src;
	size_t n = 0;

	if (!s->opt->pcap && !s->opt->events) {
		*out = need(calloc(1, sizeof **out));
		input_from_options(s, *out);
		return 1;
	}
	*out = need(calloc(cap, sizeof **out));
	source_open(s, &src);
	while (n < cap && source_next(s, &src, *out + n))
		n++;
	source_close(&src);
	if (!n)
		die(EXIT_USAGE, "%s: nothing in it to run on", s->opt->pcap ? s->opt->pcap : s->opt->events);
	return n;
}

/* ---- --write VERDICT[,..]:OUT.pcap ---- */

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* "XDP_DROP" is meant by XDP_DROP, xdp_drop and drop. */
static bool name_matches(const char *name, const char *wanted)
{
	const char *tail = name ? strchr(name, '_') : NULL;

	for (; name && tail; tail = strchr(tail + 1, '_'))
		if (!strcasecmp(tail + 1, wanted))
			return true;
	return name && !strcasecmp(name, wanted);
}

/* Ends when no verdict of the program's type can be meant. */
static void verdict_known(const struct session *s, const char *option, const char *word)
{
	char names[512] = "";
	size_t at = 0;
	char *end;

	strtoull(word, &end, 0);
	if ((end != word && !*end) || !strcasecmp(word, "all") || !strcasecmp(word, "fault") ||
	    !strcasecmp(word, "nonzero"))
		return;
	/* Verdicts are small numbers, and -1 for tc; what has no row of its own is named as "the rest". */
	for (uint64_t r0 = UINT64_MAX; r0 == UINT64_MAX || r0 < 64; r0++) {
		const char *name = verdict_name(s, r0);

		if (name_matches(name, word))
			return;
		if (name && !strstr(names, name) && at + strlen(name) + 3 < sizeof names)
			at += (size_t)sprintf(names + at, "%s%s", at ? ", " : "", name);
	}
	die(EXIT_USAGE, "--write %s: '%s' is no verdict of type %s; it has: %s%sa number, nonzero, fault, all", option,
	    word, s->info.type, names, at ? ", " : "");
}

static void sink_open(const struct session *s, struct stream *st, const char *text)
{
	const char *colon = strchr(text, ':');
	struct sink *k = &st->sink[st->nr_sinks];
	char *list, *save = NULL;

	if (!colon || colon == text || !colon[1])
		die(EXIT_USAGE, "--write %s: not VERDICT[,..]:OUT.pcap", text);
	if (st->nr_sinks == MAX_WRITES)
		die(EXIT_USAGE, "--write: more than %d files", MAX_WRITES);
	list = need(strndup(text, (size_t)(colon - text)));	/* kept: the words point into it */
	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		if (k->nr_wanted == MAX_WANTED)
			die(EXIT_USAGE, "--write %s: more than %d verdicts", text, MAX_WANTED);
		verdict_known(s, text, w);
		k->wanted[k->nr_wanted++] = w;
	}
	k->path = colon + 1;
	if (same_file(k->path, s->opt->pcap))
		die(EXIT_USAGE, "--write %s: that is the capture that --pcap reads", text);
	for (unsigned i = 0; i < st->nr_sinks; i++)
		if (same_file(k->path, st->sink[i].path))
			die(EXIT_USAGE, "--write %s: another --write goes there", text);
	k->out = capture_create(k->path);
	st->nr_sinks++;
}

static bool sink_wants(const struct session *s, const struct sink *k, bool fault, uint64_t r0)
{
	const char *name = fault ? NULL : verdict_name(s, r0);

	for (unsigned i = 0; i < k->nr_wanted; i++) {
		const char *w = k->wanted[i];
		char *end;

		if (!strcasecmp(w, "all"))
			return true;
		if (fault ? !strcasecmp(w, "fault") : !strcasecmp(w, "nonzero") && r0)
			return true;
		if (fault)
			continue;
		if (name_matches(name, w) || (strtoull(w, &end, 0) == r0 && end != w && !*end))
			return true;
	}
	return false;
}

static void sinks_take(const struct session *s, struct stream *st, struct input *in, bool fault, uint64_t r0)
{
	for (unsigned i = 0; i < st->nr_sinks; i++) {
		struct bytes b = input_frame(in);

		if (!sink_wants(s, &st->sink[i], fault, r0))
			continue;
		capture_write(st->sink[i].out, b.data, b.len, in->time_ns);
		st->sink[i].count++;
	}
}

/* ---- counting ---- */

/* Values with one name are one verdict: a socket filter keeps by any length. */
static void count_verdict(const struct session *s, struct stream *st, uint64_t r0)
{
	const char *name = NULL;
	unsigned i = 0;

	while (i < st->nr_verdicts && st->verdict[i].r0 != r0)
		i++;
	if (i == st->nr_verdicts && (name = verdict_name(s, r0)))
		for (i = 0; i < st->nr_verdicts && verdict_name(s, st->verdict[i].r0) != name; )
			i++;
	if (i == MAX_VERDICTS) {
		st->other++;
		return;
	}
	if (i == st->nr_verdicts) {
		st->verdict[i].r0 = r0;
		st->verdict[i].count = 0;
		st->nr_verdicts++;
	}
	st->verdict[i].count++;
}

static int by_r0(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void tell_counts(struct session *s, struct stream *st)
{
	qsort(st->verdict, st->nr_verdicts, sizeof st->verdict[0], by_r0);
	if (s->opt->json)
		json_open("verdicts", '[');
	for (unsigned i = 0; i < st->nr_verdicts; i++) {
		const char *name = verdict_name(s, st->verdict[i].r0);
		char number[24];

		if (s->opt->json) {
			json_open(NULL, '{');
			json_u64("r0", st->verdict[i].r0);
			json_string("verdict", name);
			json_u64("count", st->verdict[i].count);
			json_close();
			continue;
		}
		snprintf(number, sizeof number, "0x%" PRIx64, st->verdict[i].r0);
		printf("%-20s %10" PRIu64 "  %5.1f %%\n", name ? name : number, st->verdict[i].count,
		       100.0 * (double)st->verdict[i].count / (double)st->total);
	}
	if (s->opt->json)
		json_close();
	else if (st->other)
		printf("%-20s %10" PRIu64 "  %5.1f %%\n", "other values", st->other,
		       100.0 * (double)st->other / (double)st->total);
}

static void tell_stream(struct session *s, struct stream *st, const char *unit)
{
	double seconds = (double)st->ns / 1e9, rate = seconds > 0 ? (double)st->total / seconds : 0;
	char text[24];

	if (s->opt->quiet)
		return;
	if (s->opt->filter && s->opt->json) {
		json_u64("accepted", st->nr_accepted);
		json_u64("rejected", st->total - st->nr_accepted);
	} else if (s->opt->filter) {
		printf("accepted %10" PRIu64 "  %5.1f %%\nrejected %10" PRIu64 "\n", st->nr_accepted, st->total ?
		       100.0 * (double)st->nr_accepted / (double)st->total : 0.0, st->total - st->nr_accepted);
	} else {
		tell_counts(s, st);
	}
	if (s->opt->json) {
		json_u64(unit, st->total);
		json_u64("other_values", st->other);
		json_u64("faults", st->faults);
		json_u64("budget_spent", st->spent);
		json_u64("perf_records", s->perf_records);
		if (st->first_status)
			json_fault("first_fault", st->first_status, &st->first_run, &st->first);
		json_double("seconds", seconds);
		json_double("per_second", rate);
		return;
	}
	if (st->faults)
		printf("%-20s %10" PRIu64 "  %5.1f %%\n", "fault", st->faults,
		       100.0 * (double)st->faults / (double)st->total);
	if (st->spent)
		printf("%-20s %10" PRIu64 "  %5.1f %%\n", "budget spent", st->spent,
		       100.0 * (double)st->spent / (double)st->total);
	note("%" PRIu64 " %s in %.3f s: %s %s/s", st->total, unit, seconds, with_unit(rate, text), unit);
	if (s->perf_records)
		note("perf_event_output: %" PRIu64 " records, %" PRIu64 " bytes", s->perf_records, s->perf_bytes);
	for (unsigned i = 0; i < st->nr_sinks; i++)
		note("%s: %" PRIu64 " packets written", st->sink[i].path, st->sink[i].count);
}

static void one(struct session *s, struct stream *st, const struct source *src, struct input *in, struct kernel *k)
{
	struct uebpf_run run = { .size = sizeof run, .budget = s->opt->budget };
	struct kernel_result res;
	uint64_t r0 = 0;
	int status = uebpf_prog_run(s->prog, input_ctx(in), input_len(in), &run, &r0), r;

	st->total++;
	if (status) {
		if (!st->faults && !st->spent) {
			note("packet or event %" PRIu64 " (counted from 1), the first that did not end:", st->total);
			tell_fault(s, status, &run, &st->first);
			st->first_run = run;
			st->first_status = status;
		}
		*(status == -ETIME ? &st->spent : &st->faults) += 1;
	} else {
		count_verdict(s, st, r0);
	}
	if (s->opt->quiet && status)
		puts("fault");
	else if (s->opt->quiet)
		printf("%" PRIx64 "\n", r0);
	sinks_take(s, st, in, status != 0, r0);
	st->nr_accepted += !status && r0;
	if (st->accepted && !status && r0 && fwrite(src->given.data, 1, src->given.len, st->accepted) != src->given.len)
		die(EXIT_USAGE, "--write-accepted %s: %s", s->opt->write_accepted, strerror(errno));
	if (!k || status)
		return;
	r = kernel_run(k, in, 1, &res);
	if (r)
		die(EXIT_KERNEL, "--kernel: BPF_PROG_TEST_RUN of packet %" PRIu64 ": %s", st->total, strerror(-r));
	if (!kernel_same_result(s, &res, in, r0, st->differs == 0)) {
		if (!st->differs++)
			note("packet %" PRIu64 " is the first that differs", st->total);
	}
}

int run_stream(struct session *s)
{
	struct stream st = { 0 };
	struct source src;
	struct input in = { 0 };
	struct progress bar;
	struct kernel *k;
	const char *why = NULL;
	bool same = true, damaged;

	source_open(s, &src);
	for (size_t i = 0; i < s->opt->writes.n; i++)
		sink_open(s, &st, s->opt->writes.v[i]);
	if (s->opt->write_accepted && !(st.accepted = fopen(s->opt->write_accepted, "wb")))
		die(EXIT_USAGE, "--write-accepted %s: %s", s->opt->write_accepted, strerror(errno));
	k = s->opt->kernel ? kernel_open(s, false, &why) : NULL;
	if (k && s->opt->json)
		json_open("differences", '[');
	progress_start(&bar, s->opt);
	st.ns = now_ns();
	while (source_next(s, &src, &in)) {
		one(s, &st, &src, &in, k);
		if (!bar.on || st.total % 1024)
			continue;
		progress_show(&bar, src.capture ? capture_at(src.capture) : src.at,
			      src.capture ? capture_size(src.capture) : src.events.len, st.total);
	}
	st.ns = now_ns() - st.ns;
	progress_end(&bar);
	if (k && s->opt->json)
		json_close();
	damaged = src.capture && capture_damage(src.capture);
	if (damaged && s->opt->json)
		json_string("damaged", capture_damage(src.capture));
	source_close(&src);
	for (unsigned i = 0; i < st.nr_sinks; i++)
		capture_finish(st.sink[i].out);
	if (st.accepted && fclose(st.accepted))
		die(EXIT_USAGE, "--write-accepted %s: %s", s->opt->write_accepted, strerror(errno));
	tell_stream(s, &st, src.unit);
	if (k) {
		if (s->opt->json)
			json_open("kernel", '{');
		same = kernel_same_maps(k, s);
		if (s->opt->json) {
			json_u64("differ", st.differs);
			json_close();
		} else if (!s->opt->quiet) {
			printf("kernel: %" PRIu64 " of %" PRIu64 " results differ\n", st.differs, st.total);
		}
		kernel_close(k);
	}
	mocks_tell(s);
	maps_push(s);
	maps_dump(s);
	input_free(&in);
	return damaged ? EXIT_USAGE : st.faults ? EXIT_FAULT : st.spent ? EXIT_BUDGET : st.differs || !same ? EXIT_DIFFERS : EXIT_RAN;
}
