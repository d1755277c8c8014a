/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kernel.c - --kernel: the same object, globals, maps and input in the running kernel through libbpf and
 * BPF_PROG_TEST_RUN, and what differs.  The kernel's own names and numbers live here alone. */
#ifdef HAVE_LIBBPF
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "tools/tool.h"

const bool kernel_built = true;

enum { ETHER = 14, OUT_ROOM = 1 << 18 };
struct kernel {
	struct session *s;
	struct bpf_object *obj;
	int fd;				/* of the program; owned by obj, or ours with --insns */
	uint32_t type;
	uint64_t load_ns;
	struct bytes out, padded;
	uint8_t ctx[4096];
};

/* ---- what libbpf and the verifier say ---- */
static char *log_text;
static size_t log_len;

static int take_log(enum libbpf_print_level level, const char *format, va_list ap)
{
	char line[4096];
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	n = vsnprintf(line, sizeof line, format, ap);
	if (n <= 0)
		return 0;
	n = n < (int)sizeof line ? n : (int)sizeof line - 1;
	log_text = need(realloc(log_text, log_len + (size_t)n + 1));
	memcpy(log_text + log_len, line, (size_t)n + 1);
	log_len += (size_t)n;
	return 0;
}

static void refused(bool soft, const char **why, int err)
{
	static char text[160];

	snprintf(text, sizeof text, "the kernel refuses to load it: %s%s", strerror(err),
		 err == EPERM ? " (needs root, or CAP_BPF with CAP_NET_ADMIN or CAP_PERFMON)" : "");
	if (soft) {
		*why = text;
		return;
	}
	if (log_text)
		fputs(log_text, stderr);
	die(EXIT_KERNEL, "--kernel: %s", text);
}

/* ---- loading ---- */

/* Types that BPF_PROG_TEST_RUN runs with a packet or a context of ours. */
static bool can_test_run(uint32_t type)
{
	switch (type) {
	case BPF_PROG_TYPE_XDP: case BPF_PROG_TYPE_SOCKET_FILTER: case BPF_PROG_TYPE_SCHED_CLS:
	case BPF_PROG_TYPE_SCHED_ACT: case BPF_PROG_TYPE_CGROUP_SKB: case BPF_PROG_TYPE_LWT_IN:
	case BPF_PROG_TYPE_LWT_OUT: case BPF_PROG_TYPE_LWT_XMIT: case BPF_PROG_TYPE_RAW_TRACEPOINT:
	case BPF_PROG_TYPE_SYSCALL:
		return true;
	}
	return false;
}

static bool wants_all_programs(const struct options *o)
{
	for (size_t i = 0; i < o->map_init.n; i++)
		if (o->map_init.v[i][0] == '@' || strstr(o->map_init.v[i], "prog:"))
			return true;
	return false;
}

static struct bpf_map *find_map(struct kernel *k, const char *name)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, k->obj) {
		const char *theirs = bpf_map__name(m), *dot = strchr(theirs, '.');

		/* libbpf puts the object's name before the section's. */
		if (!strcmp(theirs, name) || (*name == '.' && dot && !strcmp(dot, name)))
			return m;
	}
	return NULL;
}

static const char *set_on_command_line(const struct options *o, const char *name)
{
	for (size_t i = 0; i < o->set_global.n; i++) {
		const char *text = o->set_global.v[i];

		if (strlen(name) == strcspn(text, "=") && !strncmp(text, name, strlen(name)))
			return text;
	}
	return NULL;
}

/* The library parsed --set-global by BTF; the kernel's object gets the same bytes. */
static void set_globals(struct kernel *k)
{
	struct uebpf_global_info g = { .size = sizeof g };

	for (uint32_t i = 0; !uebpf_object_global_info(k->s->obj, i, &g); i++) {
		struct bpf_map *m = set_on_command_line(k->s->opt, g.name) ? find_map(k, g.section) : NULL;
		size_t have = 0, size = 0;
		const void *now = m ? bpf_map__initial_value(m, &have) : NULL;
		const void *from = uebpf_object_global(k->s->obj, g.name, &size);
		uint8_t *all;

		if (!now || !from || g.offset + size > have)
			continue;
		all = need(malloc(have));
		memcpy(all, now, have);
		memcpy(all + g.offset, from, size);
		bpf_map__set_initial_value(m, all, have);
		free(all);
	}
}

static void init_map(void *arg, struct uebpf_map *map, const void *key, const void *value)
{
	struct kernel *k = arg;
	struct bpf_map *m = find_map(k, uebpf_map_name(map));
	size_t size = m ? bpf_map__value_size(m) : 0, stride = (size + 7) & ~(size_t)7;
	int cpus = libbpf_num_possible_cpus(), r;
	uint8_t *all;

	if (!m)
		return;
	all = need(calloc((size_t)(cpus > 0 ? cpus : 1), stride));
	for (int i = 0; i < cpus; i++)
		memcpy(all + (size_t)i * stride, value, size);
	r = bpf_map_update_elem(bpf_map__fd(m), key, all, 0);
	if (r)
		die(EXIT_KERNEL, "--kernel: --map-init of %s: %s", uebpf_map_name(map), strerror(-r));
	free(all);
}

static int prepare_object(struct kernel *k)
{
	const struct options *o = k->s->opt;
	struct bpf_program *p;
	struct bpf_map *m;
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	bool all = wants_all_programs(o);
	long err;

	if (o->btf)
		opts.btf_custom_path = o->btf;
	k->obj = k->s->insns.data ? bpf_object__open_mem(k->s->insns.data, k->s->insns.len, &opts) :
				    bpf_object__open_file(k->s->path, &opts);
	err = libbpf_get_error(k->obj);
	if (err) {
		k->obj = NULL;
		return (int)err;
	}
	bpf_object__for_each_program(p, k->obj) {
		bool ours = !strcmp(bpf_program__name(p), k->s->info.name);

		bpf_program__set_autoload(p, ours || all);
		if (ours && bpf_program__type(p) == BPF_PROG_TYPE_UNSPEC)
			bpf_program__set_type(p, (enum bpf_prog_type)k->type);
	}
	/* Pinned maps of other programs are not ours to read or change, nor to leave behind. */
	bpf_object__for_each_map(m, k->obj)
		bpf_map__set_pin_path(m, NULL);
	for (size_t i = 0; i < o->resize.n; i++) {
		char *name = need(strdup(o->resize.v[i])), *eq = strchr(name, '=');

		*eq = 0;
		m = find_map(k, name);
		if (m)
			bpf_map__set_max_entries(m, (uint32_t)strtoul(eq + 1, NULL, 0));
		free(name);
	}
	set_globals(k);
	return bpf_object__load(k->obj);
}

static int load_insns(struct kernel *k)
{
	static char log[65536];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof log, .log_level = 1,
		.prog_flags = k->type == BPF_PROG_TYPE_SYSCALL ? BPF_F_SLEEPABLE : 0);
	int fd = bpf_prog_load((enum bpf_prog_type)k->type, "insns", "GPL",
			       (const struct bpf_insn *)k->s->insns.data, k->s->insns.len / 8, &opts);

	if (fd < 0) {
		fputs(log, stderr);
		return fd;
	}
	k->fd = fd;
	return 0;
}

/* Per-CPU counters are compared slot by slot, so the kernel's runs must all be on one CPU. */
static void stay_on_this_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);	/* refused: a difference would be shown, not hidden */
}

struct kernel *kernel_open(struct session *s, bool soft, const char **why)
{
	struct kernel *k;
	uint64_t start;
	int r;

	if (!s->info.kernel_type || !can_test_run(s->info.kernel_type)) {
		static char text[160];

		snprintf(text, sizeof text, "%s programs cannot run there by BPF_PROG_TEST_RUN; socket, xdp, tc, "
			 "cgroup_skb, lwt, raw_tp and syscall can", s->info.type);
		if (!soft)
			die(EXIT_KERNEL, "--kernel: %s", text);
		*why = text;
		return NULL;
	}
	k = need(calloc(1, sizeof *k));
	k->s = s;
	k->type = s->info.kernel_type;
	k->fd = -1;
	stay_on_this_cpu();
	libbpf_set_print(take_log);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	start = now_ns();
	r = s->opt->insns ? load_insns(k) : prepare_object(k);
	k->load_ns = now_ns() - start;
	if (r) {
		refused(soft, why, -r);
		kernel_close(k);
		return NULL;
	}
	if (k->obj) {
		struct bpf_program *p = bpf_object__find_program_by_name(k->obj, s->info.name);

		k->fd = p ? bpf_program__fd(p) : -1;
		maps_each_init(s, init_map, k);
	}
	if (k->fd < 0)
		die(EXIT_KERNEL, "--kernel: libbpf finds no program named %s", s->info.name);
	k->out.data = need(malloc(OUT_ROOM));
	k->padded.data = need(malloc(OUT_ROOM));
	return k;
}

bool kernel_times(const struct kernel *k)
{
	return k->type != BPF_PROG_TYPE_RAW_TRACEPOINT && k->type != BPF_PROG_TYPE_SYSCALL;
}

uint64_t kernel_load_ns(const struct kernel *k)
{
	return k->load_ns;
}

int kernel_map_fd(struct kernel *k, const char *name)
{
	struct bpf_map *m = k->obj ? find_map(k, name) : NULL;

	return m ? bpf_map__fd(m) : -1;
}

size_t kernel_code_bytes(const struct kernel *k)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof info;

	return bpf_obj_get_info_by_fd(k->fd, &info, &len) ? 0 : info.jited_prog_len;
}

void kernel_close(struct kernel *k)
{
	if (!k->obj && k->fd >= 0)
		close(k->fd);
	if (k->obj)
		bpf_object__close(k->obj);
	free(k->out.data);
	free(k->padded.data);
	free(k);
	free(log_text);
	log_text = NULL;
	log_len = 0;
}

/* ---- running ---- */

/* The kernel takes the link layer off before a socket filter runs here; on a packet socket it stays.  A
 * header in front of ours gives the filter what a packet socket would. */
static struct bytes packet_for(struct kernel *k, const struct input *in)
{
	if (k->type != BPF_PROG_TYPE_SOCKET_FILTER || in->first.len + ETHER > OUT_ROOM)
		return in->first;
	memset(k->padded.data, 0, ETHER);
	if (in->first.len >= ETHER)
		memcpy(k->padded.data + 12, in->first.data + 12, 2);
	memcpy(k->padded.data + ETHER, in->first.data, in->first.len);
	k->padded.len = in->first.len + ETHER;
	return k->padded;
}

static void fill_skb(const struct uebpf_packet *p, struct __sk_buff *skb)
{
	memset(skb, 0, sizeof *skb);
	skb->mark = p->mark;
	skb->priority = p->priority;
	skb->tstamp = p->tstamp;
	memcpy(skb->cb, p->cb, sizeof skb->cb);
	skb->gso_segs = p->gso_segs;
	skb->gso_size = p->gso_size;
}

int kernel_run(struct kernel *k, struct input *in, uint32_t repeat, struct kernel_result *res)
{
	LIBBPF_OPTS(bpf_test_run_opts, t);
	struct __sk_buff skb;
	int r;

	memset(res, 0, sizeof *res);
	if (in->kind == UEBPF_CTX_PACKET) {
		struct bytes b = packet_for(k, in);

		t.data_in = b.data;
		t.data_size_in = (uint32_t)b.len;
		t.data_out = k->out.data;
		t.data_size_out = OUT_ROOM;
		if (k->type != BPF_PROG_TYPE_XDP) {
			fill_skb(&in->packet_first, &skb);
			t.ctx_in = &skb;
			t.ctx_size_in = sizeof skb;
		}
		t.repeat = (int)repeat;
	} else {
		if (in->first.len > sizeof k->ctx)
			return -E2BIG;
		memcpy(k->ctx, in->first.data, in->first.len);
		t.ctx_in = k->ctx;
		t.ctx_size_in = (uint32_t)in->first.len;
		if (k->type == BPF_PROG_TYPE_SYSCALL)	/* written back where it came from */
			res->ctx = (struct bytes){ k->ctx, in->first.len };
	}
	r = bpf_prog_test_run_opts(k->fd, &t);
	if (r)
		return r < 0 ? r : -errno;
	res->retval = t.retval;
	res->ns = t.duration;
	if (in->kind == UEBPF_CTX_PACKET) {
		/* What it took off it puts back, as zeros. */
		size_t front = (in->link || k->type == BPF_PROG_TYPE_SOCKET_FILTER) &&
			       t.data_size_out >= ETHER ? ETHER : 0;

		res->data = (struct bytes){ k->out.data + front, t.data_size_out - front };
	}
	return 0;
}
#endif
