/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* netcost.c - what the network stack costs, on UDP over the loopback: full tracking beside /proc/stat, samples read
 * from mapped memory and classified by an eBPF program here, the price of each, a flame graph.
 *	netcost KERN.o USER.o OUT.svg [--quick] */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <uebpf_libbpf.h>
#include "flame.h"
#include "netcost.h"

enum { MAX_CPUS = 64, BYTES = 64, READ_US = 20000 };
static const char *const kind_name[] = { "other", "NET_TX", "NET_RX", "send", "receive" };
static const char *const class_name[] = { "not the network", "driver poll", "GRO", "XDP generic", "TC", "netfilter",
	"bridging", "forwarding", "local delivery", "socket send", "socket receive" };

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "netcost: %s: %s\n", what, why);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- load: datagrams from one thread to another ---- */

static int stop, receiver, sender;
static uint64_t received, sent;
static double receive_ns, send_ns;	/* CPU time a packet: others may use the machine too */

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *receive(void *arg)
{
	char b[BYTES];

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		if (recv(receiver, b, sizeof b, 0) > 0)
			received++;
	receive_ns = cpu_ns() / (double)(received ? received : 1);
	return NULL;
}

static void *transmit(void *arg)
{
	static const char b[BYTES];

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		sent += send(sender, b, sizeof b, 0) == sizeof b;
	send_ns = cpu_ns() / (double)(sent ? sent : 1);
	return NULL;
}

static void open_sockets(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval wait = { 0, 100000 };
	socklen_t len = sizeof to;

	receiver = socket(AF_INET, SOCK_DGRAM, 0);
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(receiver, (void *)&to, sizeof to) || getsockname(receiver, (void *)&to, &len) ||
	    connect(sender, (void *)&to, sizeof to) || setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait))
		fail("sockets", strerror(errno));
}

/* ---- the kernel half ---- */

static struct bpf_object *kernel;
static struct bpf_link *links[MAX_CPUS + 8];
static int nr_links;
static struct setup *setup;
static struct cpu *cpus;
static struct stack *stacks;
static struct uebpf_map *ring;

static void attach(const char *name)
{
	struct bpf_program *p = bpf_object__find_program_by_name(kernel, name);
	struct bpf_link *link = bpf_program__attach(p);

	if (libbpf_get_error(link)) {
		printf("skip: netcost: this kernel does not attach %s: %s\n", name, strerror(errno));
		exit(77);
	}
	links[nr_links++] = link;
}

static void sample(const char *name, unsigned hz)
{
	struct perf_event_attr attr = { .size = sizeof attr, .type = PERF_TYPE_SOFTWARE, .freq = 1, .sample_freq = hz,
					.config = PERF_COUNT_SW_CPU_CLOCK };

	for (int cpu = 0; cpu < libbpf_num_possible_cpus() && cpu < MAX_CPUS; cpu++) {
		int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
		struct bpf_link *link;

		if (fd < 0 && errno == ENODEV)
			continue;
		link = fd < 0 ? NULL : bpf_program__attach_perf_event(bpf_object__find_program_by_name(kernel, name), fd);
		if (fd < 0 || libbpf_get_error(link)) {
			printf("skip: netcost: no perf event at %u Hz: %s\n", hz, strerror(errno));
			exit(77);
		}
		links[nr_links++] = link;
	}
}

static void detach(void)
{
	while (nr_links)
		bpf_link__destroy(links[--nr_links]);
}

static void *mapped(struct uebpf_env *env, const char *name, struct uebpf_map **map)
{
	struct uebpf_kernel_opts open = { .size = sizeof open };
	struct uebpf_error err = { 0 };
	uint32_t zero = 0;
	struct uebpf_map *m;

	open.fd = bpf_map__fd(bpf_object__find_map_by_name(kernel, name));
	m = uebpf_map_from_kernel(env, &open, &err);
	if (!m)
		fail(name, err.text);
	*(map ? map : &m) = m;
	return map ? NULL : uebpf_map_value(m, &zero);
}

/* ---- samples: read where they lie ---- */

static const struct uebpf_prog *classify;
static uint64_t samples_read, classes[CLASSES];
static int keep_stacks;

static int on_sample(void *arg, const void *data, size_t len)
{
	const struct stack *s = data;
	uint64_t class = 0;

	(void)arg;
	if (len < sizeof *s || uebpf_prog_run(classify, (void *)(uintptr_t)data, sizeof *s, NULL, &class))
		return -EFAULT;
	samples_read++;
	classes[class < CLASSES ? class : UNKNOWN]++;
	if (keep_stacks && class != UNKNOWN && class < CLASSES)
		flame_add(s->ip, s->depth < DEPTH ? s->depth : DEPTH);
	return 0;
}

static uint64_t load64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* The kernel goes on in the other half; what is being written in this one is waited for. */
static void read_half(void)
{
	uint32_t half = setup->half & 1;
	uint64_t n;

	__atomic_store_n(&setup->half, !half, __ATOMIC_SEQ_CST);
	usleep(100);	/* a program that read the old half a moment ago has taken its place by now */
	do
		n = load64((uint64_t *)&setup->taken[half]);
	while (load64((uint64_t *)&setup->written[half]) < (n < HALF ? n : HALF));
	for (uint64_t i = 0; i < n && i < HALF; i++)
		if (on_sample(NULL, &stacks[half * HALF + i], sizeof *stacks))
			fail("classify", "the program failed");
	setup->taken[half] = setup->written[half] = 0;
}

/* ---- one arm ---- */

enum mode { NOTHING, TRACKING, ARRAY, RING };
static double run_arm(enum mode mode, unsigned hz, unsigned ms)
{
	pthread_t r, s;
	uint64_t end, began;

	stop = 0;
	received = sent = samples_read = 0;
	memset(classes, 0, sizeof classes);
	memset(setup, 0, sizeof *setup);
	memset(cpus, 0, sizeof *cpus * CPUS);
	if (mode == TRACKING) {
		attach("softirq_entry");
		attach("softirq_exit");
		attach("sys_enter");
		attach("sys_exit");
		attach("on_switch");
	} else if (mode != NOTHING) {
		sample(mode == ARRAY ? "sample_array" : "sample_ring", hz);
	}
	if (pthread_create(&r, NULL, receive, NULL) || pthread_create(&s, NULL, transmit, NULL))
		fail("threads", strerror(errno));
	began = now();
	end = began + ms * 1000000ull;
	while (now() < end) {
		usleep(READ_US);
		if (mode == ARRAY)
			read_half();
		if (mode == RING && uebpf_map_consume(ring, on_sample, NULL) < 0)
			fail("ring", "a record of another shape");
	}
	end = now();
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(s, NULL);
	pthread_join(r, NULL);
	detach();
	if (mode == ARRAY) {
		read_half();
		read_half();
	}
	if (mode == RING)
		uebpf_map_consume(ring, on_sample, NULL);
	return (double)received / ((double)(end - began) / 1e9);
}

/* ---- reports ---- */

static int softirq_ticks(uint64_t *ticks)
{
	char line[512];
	int n = 0;
	FILE *f = fopen("/proc/stat", "r");

	while (f && fgets(line, sizeof line, f)) {
		unsigned long long v[7];
		int cpu;

		if (sscanf(line, "cpu%d %llu %llu %llu %llu %llu %llu %llu", &cpu, v, v + 1, v + 2, v + 3, v + 4, v + 5,
			   v + 6) == 8 && cpu < MAX_CPUS) {
			ticks[cpu] = v[6];
			n = cpu + 1 > n ? cpu + 1 : n;
		}
	}
	if (f)
		fclose(f);
	return n;
}

/* 1: the two disagree by more than half and three points of a hundred. */
static int tracking(unsigned ms)
{
	uint64_t before[MAX_CPUS] = { 0 }, after[MAX_CPUS] = { 0 };
	int n = softirq_ticks(before);
	double ours = 0, theirs = 0, most, rate = run_arm(TRACKING, 0, ms), tick = 1e9 / (double)sysconf(_SC_CLK_TCK);

	softirq_ticks(after);
	printf("full tracking, %.0f packets/s; per cent of each CPU's time:\n%-5s", rate, "cpu");
	for (int k = NET_TX; k < KINDS; k++)
		printf("%10s", kind_name[k]);
	printf("%14s%22s\n", "TX+RX", "softirq in /proc/stat");
	for (int cpu = 0; cpu < n; cpu++) {
		double all = (double)ms * 1e6, soft = (double)(cpus[cpu].ns[NET_TX] + cpus[cpu].ns[NET_RX]);

		printf("%-5d", cpu);
		for (int k = NET_TX; k < KINDS; k++)
			printf("%10.2f", 100 * (double)cpus[cpu].ns[k] / all);
		printf("%14.2f%22.2f\n", 100 * soft / all, 100 * (double)(after[cpu] - before[cpu]) * tick / all);
		ours += 100 * soft / all;
		theirs += 100 * (double)(after[cpu] - before[cpu]) * tick / all;
	}
	most = ours > theirs ? ours : theirs;
	return most - (ours + theirs - most) > 3 && ours + theirs - most < most / 2;
}

static int sampling(unsigned ms, const char *svg)
{
	uint64_t network = 0, dropped;
	double share;

	keep_stacks = 1;
	run_arm(ARRAY, 1000, ms);
	keep_stacks = 0;
	dropped = setup->dropped;
	share = 100.0 * (double)samples_read / (double)(samples_read + dropped ? samples_read + dropped : 1);
	printf("\n1 kHz for %.1f s: %llu samples read (%.2f %%), no system call for any; classes:\n", ms / 1e3,
	       (unsigned long long)samples_read, share);
	for (int c = 1; c < CLASSES; c++)
		network += classes[c];
	for (int c = 0; c < CLASSES; c++)
		if (classes[c])
			printf("  %-16s %8llu  %5.1f %%\n", class_name[c], (unsigned long long)classes[c],
			       100.0 * (double)classes[c] / (double)samples_read);
	if (flame_write(svg, "kernel stacks inside the network stack"))
		fail(svg, strerror(errno));
	printf("flame graph: %s\n", svg);
	return share < 99 || !network;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void overhead(unsigned ms, unsigned rounds)
{
	static const struct { const char *name; enum mode mode; unsigned hz; } arm[] = {
		{ "nothing", NOTHING, 0 }, { "full tracking", TRACKING, 0 }, { "1 kHz, mapped array", ARRAY, 1000 },
		{ "1 kHz, ring buffer", RING, 1000 }, { "10 kHz, mapped array", ARRAY, 10000 },
		{ "10 kHz, ring buffer", RING, 10000 },
	};
	enum { ARMS = sizeof arm / sizeof *arm, MOST = 15 };
	double rate[ARMS][MOST], base = 0;

	for (unsigned r = 0; r < rounds && r < MOST; r++)
		for (int a = 0; a < ARMS; a++)
			run_arm(arm[a].mode, arm[a].hz, ms), rate[a][r] = send_ns + receive_ns;
	printf("\n%-22s %14s %14s %14s   (median of %u rounds of %u ms)\n", "", "ns per packet", "overhead", "throughput lost",
	       rounds, ms);
	for (int a = 0; a < ARMS; a++) {
		qsort(rate[a], rounds, sizeof rate[a][0], by_value);
		if (!a)
			base = rate[a][rounds / 2];
		printf("%-22s %14.0f %13.1f%% %13.1f%%\n", arm[a].name, rate[a][rounds / 2],
		       100 * (rate[a][rounds / 2] / base - 1), 100 * (1 - base / rate[a][rounds / 2]));
	}
}

/* ---- symbols for the classifier ---- */

static void fill_symbols(struct symbols *s)
{
	static const struct { const char *name; enum class class; } known[] = {
		{ "process_backlog", DRIVER }, { "__napi_poll", DRIVER }, { "net_rx_action", DRIVER }, { "loopback_xmit", DRIVER },
		{ "dev_hard_start_xmit", DRIVER }, { "veth_poll", DRIVER }, { "virtnet_poll", DRIVER }, { "dev_gro_receive", GRO },
		{ "napi_gro_receive", GRO }, { "inet_gro_receive", GRO }, { "udp4_gro_receive", GRO }, { "tcp4_gro_receive", GRO },
		{ "do_xdp_generic", XDP }, { "bpf_prog_run_generic_xdp", XDP }, { "netif_receive_generic_xdp", XDP },
		{ "tcf_classify", TC }, { "tc_run", TC }, { "cls_bpf_classify", TC }, { "nf_hook_slow", NETFILTER },
		{ "nf_conntrack_in", NETFILTER }, { "ipt_do_table", NETFILTER }, { "nft_do_chain", NETFILTER },
		{ "br_handle_frame", BRIDGE }, { "br_forward", BRIDGE }, { "br_dev_xmit", BRIDGE }, { "ip_forward", FORWARD },
		{ "ip6_forward", FORWARD }, { "ip_local_deliver", DELIVER }, { "ip_local_deliver_finish", DELIVER },
		{ "ip_protocol_deliver_rcu", DELIVER }, { "__udp4_lib_rcv", DELIVER }, { "udp_queue_rcv_one_skb", DELIVER },
		{ "udp_unicast_rcv_skb", DELIVER }, { "__udp_enqueue_schedule_skb", DELIVER }, { "tcp_v4_rcv", DELIVER },
		{ "sock_def_readable", DELIVER }, { "ip_rcv", DELIVER }, { "udp_sendmsg", SENDING }, { "tcp_sendmsg", SENDING },
		{ "ip_make_skb", SENDING }, { "udp_send_skb", SENDING }, { "ip_output", SENDING }, { "__sys_sendto", SENDING },
		{ "__dev_queue_xmit", SENDING }, { "ip_send_skb", SENDING }, { "udp_recvmsg", RECEIVING },
		{ "tcp_recvmsg", RECEIVING }, { "__skb_recv_udp", RECEIVING }, { "__sys_recvfrom", RECEIVING },
		{ "inet_recvmsg", RECEIVING },
	};

	for (size_t i = 0; i < kernel_symbol_count() && s->n < RANGES; i++) {
		uint64_t start, end;
		const char *name = kernel_symbol_at((kernel_symbol(i, &start, &end), start));

		for (size_t k = 0; k < sizeof known / sizeof *known; k++)
			if (!strcmp(name, known[k].name) && (!s->n || s->range[s->n - 1].end <= start))
				s->range[s->n++] = (struct range){ start, end, known[k].class, 0 };
	}
	if (!s->n)
		fail("/proc/kallsyms", "none of the functions that are looked for");
}

int main(int argc, char **argv)
{
	struct uebpf_env *env = uebpf_env_new(NULL);
	struct uebpf_error err = { 0 };
	struct uebpf_object *user;
	uint32_t zero = 0;
	int quick = argc > 4 && !strcmp(argv[4], "--quick"), bad;

	if (argc < 4)
		fail("usage", "netcost KERN.o USER.o OUT.svg [--quick]");
	if (kernel_symbols()) {
		puts("skip: netcost: /proc/kallsyms shows no addresses (needs root)");
		return 77;
	}
	kernel = bpf_object__open_file(argv[1], NULL);
	if (libbpf_get_error(kernel) || bpf_object__load(kernel)) {
		printf("skip: netcost: the kernel refuses the programs: %s (CAP_BPF and CAP_PERFMON are needed)\n",
		       strerror(errno));
		return 77;
	}
	setup = mapped(env, ".data.setup", NULL);
	cpus = mapped(env, "cpus", NULL);
	stacks = mapped(env, "stacks", NULL);
	mapped(env, "ring", &ring);
	user = uebpf_object_open_file(env, argv[2], NULL, &err);
	if (!user || uebpf_object_load(user, NULL, &err))
		fail(argv[2], err.text);
	classify = uebpf_object_prog(user, "classify");
	if (!classify || uebpf_prog_error(classify, &err))
		fail(argv[2], err.text);
	fill_symbols(uebpf_map_value(uebpf_object_map(user, "symbols"), &zero));
	open_sockets();
	bad = tracking(quick ? 500 : 5000) && !quick;	/* half a second has too few ticks to compare */
	bad |= sampling(quick ? 1000 : 10000, argv[3]);
	if (!quick)
		overhead(500, 9);
	return bad;
}
