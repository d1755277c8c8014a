/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* attach.c - the kernel half of --kernel-object: libbpf loads it, its sections say where each program goes,
 * and everything is taken down again.  Knows nothing of the user half. */
#ifdef HAVE_LIBBPF
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include "tools/coop.h"
#include "include/uebpf_libbpf.h"

/* ---- what libbpf says: kept, and shown when something fails ---- */

static char said[1 << 16];
static size_t said_len;

static int take_log(enum libbpf_print_level level, const char *format, va_list ap)
{
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	n = vsnprintf(said + said_len, sizeof said - said_len, format, ap);
	if (n > 0)
		said_len = said_len + (size_t)n < sizeof said ? said_len + (size_t)n : sizeof said - 1;
	return 0;
}

/* Which of the capabilities that loading and attaching want this process lacks; "" when none. */
static const char *missing_capabilities(void)
{
	static const struct { int bit; const char *name; } want[] = {
		{ 39, "CAP_BPF" }, { 38, "CAP_PERFMON" }, { 12, "CAP_NET_ADMIN" },
	};
	static char text[128];
	unsigned long long have = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "CapEff: %llx", &have) == 1)
			break;
	if (f)
		fclose(f);
	*text = 0;
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		if (!(have >> want[i].bit & 1))
			snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? ", " : "", want[i].name);
	return text;
}

static const char *reason(int err)
{
	static char text[256];
	const char *lacks;

	if (err != EPERM && err != EACCES)
		return strerror(err);
	lacks = missing_capabilities();
	snprintf(text, sizeof text, "%s (%s%s)", strerror(err), *lacks ? "missing here: " :
		 "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are here: a lockdown, a seccomp filter or a kernel built without this kind refuses", lacks);
	return text;
}

__attribute__((noreturn, format(printf, 2, 3)))
static void refuse(struct half *h, const char *text, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, text);
	vsnprintf(line, sizeof line, text, ap);
	va_end(ap);
	half_detach(h);
	half_free(h, false);
	fputs(said, stderr);
	die(EXIT_KERNEL, "%s", line);
}

/* ---- loading ---- */

static void remember_pins(struct half *h)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, h->obj) {
		const char *path = bpf_map__pin_path(m);

		if (!path || !access(path, F_OK))
			continue;	/* somebody else's: it stays */
		h->pinned = need(realloc(h->pinned, (h->nr_pinned + 1) * sizeof *h->pinned));
		h->pinned[h->nr_pinned++] = m;
	}
}

void half_load(struct half *h, struct session *s)
{
	const char *path = s->opt->kernel_object;
	struct uebpf_error err = { 0 };
	long r;

	memset(h, 0, sizeof *h);
	h->s = s;
	libbpf_set_print(take_log);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	h->obj = bpf_object__open_file(path, NULL);
	r = libbpf_get_error(h->obj);
	if (r) {
		h->obj = NULL;
		refuse(h, "--kernel-object %s: %s", path, strerror((int)-r));
	}
	remember_pins(h);
	h->nr_arenas = uebpf_kernel_arenas(s->env, h->obj, h->arena, (int)(sizeof h->arena / sizeof *h->arena), &err);
	if (h->nr_arenas < 0)
		refuse(h, "--kernel-object %s: %s", path, err.text);
	r = bpf_object__load(h->obj);
	if (r)
		refuse(h, "--kernel-object %s: the kernel refuses to load it: %s", path, reason((int)-r));
}

/* ---- attaching ---- */

static void keep_link(struct half *h, struct bpf_program *p, struct bpf_link *link)
{
	long r = libbpf_get_error(link);

	if (r)
		refuse(h, "--attach: program %s, section %s: the kernel refuses: %s%s", bpf_program__name(p),
		       bpf_program__section_name(p), reason((int)-r), r == -ENOENT || r == -ESRCH ?
		       " (no such event or function, or a kernel built without this kind)" : r == -EINVAL || r == -EOPNOTSUPP ?
		       " (this kind of attachment is not built into this kernel)" : "");
	h->links = need(realloc(h->links, (h->nr_links + 1) * sizeof *h->links));
	h->links[h->nr_links++] = link;
}

static int interface(struct half *h, struct bpf_program *p)
{
	const char *name = h->s->opt->interface;
	unsigned index = name ? if_nametoindex(name) : 0;

	if (!name)
		refuse(h, "--attach: program %s, section %s: needs --interface NAME", bpf_program__name(p),
		       bpf_program__section_name(p));
	if (!index)
		refuse(h, "--interface %s: no such interface", name);
	return (int)index;
}

static void attach_tc(struct half *h, struct bpf_program *p)
{
	bool egress = strstr(bpf_program__section_name(p), "egress");
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface(h, p),
		    .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(p));
	int made = bpf_tc_hook_create(&hook), r = bpf_tc_attach(&hook, &opts);

	if (r)
		refuse(h, "--attach: program %s, section %s: the kernel refuses: %s", bpf_program__name(p),
		       bpf_program__section_name(p), reason(-r));
	h->tc = need(realloc(h->tc, (h->nr_tc + 1) * sizeof *h->tc));
	h->tc[h->nr_tc].ifindex = hook.ifindex;
	h->tc[h->nr_tc].egress = egress;
	h->tc[h->nr_tc].made_qdisc = !made;	/* -EEXIST: it was there before us and stays */
	h->tc[h->nr_tc].handle = opts.handle;
	h->tc[h->nr_tc++].priority = opts.priority;
}

/* A clock event on every CPU that is online: the sampling that profilers use. */
static void attach_perf(struct half *h, struct bpf_program *p)
{
	struct perf_event_attr attr = { .size = sizeof attr, .type = PERF_TYPE_SOFTWARE, .freq = 1,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = h->s->opt->frequency ? h->s->opt->frequency : 99 };
	int cpus = libbpf_num_possible_cpus(), opened = 0;

	for (int cpu = 0; cpu < cpus; cpu++) {
		int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

		if (fd < 0 && errno == ENODEV)
			continue;	/* offline */
		if (fd < 0)
			refuse(h, "--attach: program %s: perf_event_open on CPU %d: %s", bpf_program__name(p), cpu,
			       reason(errno));
		/* The link owns the descriptor and closes it. */
		keep_link(h, p, bpf_program__attach_perf_event(p, fd));
		opened++;
	}
	if (!opened)
		refuse(h, "--attach: program %s: no CPU takes a perf event", bpf_program__name(p));
}

void half_attach(struct half *h)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, h->obj) {
		if (!bpf_program__autoload(p))
			continue;
		switch (bpf_program__type(p)) {
		case BPF_PROG_TYPE_XDP:
			keep_link(h, p, bpf_program__attach_xdp(p, interface(h, p)));
			break;
		case BPF_PROG_TYPE_SCHED_CLS:
			attach_tc(h, p);
			break;
		case BPF_PROG_TYPE_PERF_EVENT:
			attach_perf(h, p);
			break;
		case BPF_PROG_TYPE_RAW_TRACEPOINT: case BPF_PROG_TYPE_TRACING: case BPF_PROG_TYPE_KPROBE:
		case BPF_PROG_TYPE_TRACEPOINT: case BPF_PROG_TYPE_LSM:
			keep_link(h, p, bpf_program__attach(p));
			break;
		default:
			refuse(h, "--attach: program %s, section %s: this command attaches raw_tp, tp_btf, fentry, lsm, "
			       "tracepoint, kprobe, uprobe, usdt, perf_event, xdp and tc programs",
			       bpf_program__name(p), bpf_program__section_name(p));
		}
	}
}

/* ---- and down again ---- */

void half_detach(struct half *h)
{
	for (size_t i = 0; i < h->nr_links; i++)
		bpf_link__destroy(h->links[i]);
	for (size_t i = 0; i < h->nr_tc; i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = h->tc[i].ifindex,
			    .attach_point = h->tc[i].egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = h->tc[i].handle, .priority = h->tc[i].priority);

		bpf_tc_detach(&hook, &opts);
		if (!h->tc[i].made_qdisc)
			continue;
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;	/* the whole qdisc */
		bpf_tc_hook_destroy(&hook);
	}
	free(h->links);
	free(h->tc);
	h->links = NULL;
	h->tc = NULL;
	h->nr_links = h->nr_tc = 0;
}

void half_free(struct half *h, bool keep)
{
	for (size_t i = 0; i < h->nr_pinned; i++) {
		const char *path = bpf_map__pin_path(h->pinned[i]);

		if (!bpf_map__is_pinned(h->pinned[i]))
			continue;
		if (keep)
			note("kept: %s", path);
		else
			bpf_map__unpin(h->pinned[i], path);
	}
	free(h->pinned);
	h->pinned = NULL;
	h->nr_pinned = 0;
	while (h->nr_arenas > 0)
		uebpf_map_unref(h->arena[--h->nr_arenas]);
	if (h->obj)
		bpf_object__close(h->obj);
	h->obj = NULL;
}
#endif
