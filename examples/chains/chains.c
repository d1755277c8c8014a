/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chains.c - N programs one after the other, here and in the kernel's tc; and what two threads cost each other on
 * ARRAY and PERCPU_ARRAY.
 *	chains USER.o KERN.o SWEEP.dat [--quick] */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uebpf_libbpf.h>

enum { MOST = 1024, MOST_COPIES = 256, ROUNDS = 7, THREADS = 2, GO_ON = -1 };
static const unsigned lengths[] = { 1, 16, 64, 256, 1024 };
enum { NR_LENGTHS = sizeof lengths / sizeof *lengths };
static const char *object, *kernel_object;
static uint8_t frame[64] = { [12] = 8, [14] = 0x45 };

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "chains: %s: %s\n", what, why);
	exit(1);
}

/* CPU time of this thread: others may use the machine too. */
static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof *v, by_value);
	return v[n / 2];
}

/* Least squares: what one program more costs. */
static double slope(const double *y, unsigned n)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0;

	for (unsigned i = 0; i < n; i++) {
		sx += lengths[i];
		sy += y[i];
		sxx += (double)lengths[i] * lengths[i];
		sxy += lengths[i] * y[i];
	}
	return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

/* ---- the chain here ---- */

static struct uebpf_object *load_user(uint32_t entries)
{
	static struct uebpf_env *env;	/* one: small programs share its pages of code */
	struct uebpf_env_opts opts = { .size = sizeof opts, .cpu_slots = 4 };
	struct uebpf_error err;
	struct uebpf_object *obj;

	env = env ? env : uebpf_env_new(&opts);
	obj = uebpf_object_open_file(env, object, NULL, &err);
	if (!obj || uebpf_object_set_global(obj, "entries", &entries, sizeof entries, &err) ||
	    uebpf_object_resize_map(obj, "array", entries, &err) || uebpf_object_resize_map(obj, "percpu", entries, &err) ||
	    uebpf_object_load(obj, NULL, &err))
		fail(object, err.text);
	return obj;
}

struct chain { const struct uebpf_prog *prog[MOST]; uebpf_entry entry[MOST]; unsigned n, bare; };
static void add(struct chain *c, const struct uebpf_prog *prog)
{
	if (!prog || uebpf_prog_error(prog, NULL))
		fail("chain", "a program is not loaded");
	c->prog[c->n] = prog;
	c->entry[c->n] = uebpf_prog_entry(prog);	/* NULL: interpreted, or it needs a slot of a per-CPU map */
	c->bare += c->entry[c->n++] != NULL;
}

static int run_chain(const struct chain *c)
{
	const uebpf_entry *entry = c->entry, *end = entry + (c->bare == c->n ? c->n : 0);
	int verdict = GO_ON;

	while (entry < end && verdict == GO_ON)
		verdict = (int)(*entry++)(frame, sizeof frame, NULL);
	for (unsigned i = 0; c->bare != c->n && i < c->n && verdict == GO_ON; i++) {
		uint64_t r0 = 0;

		if (uebpf_prog_run(c->prog[i], frame, sizeof frame, NULL, &r0))
			fail("run", uebpf_prog_name(c->prog[i]));
		verdict = (int)r0;
	}
	return verdict;
}

static double time_chain(const struct chain *c)
{
	unsigned times = 2000000 / (c->n + 20);
	double ns[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		ns[r] = cpu_ns();
		for (unsigned i = 0; i < times; i++)
			run_chain(c);
		ns[r] = (cpu_ns() - ns[r]) / times;
	}
	return median(ns, ROUNDS);
}

/* ---- the chain in the kernel: tc on the loopback of a network namespace of our own ---- */

static int own_loopback(void)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s;

	if (unshare(CLONE_NEWNET))
		return 0;
	s = socket(AF_INET, SOCK_DGRAM, 0);
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &up))
		fail("lo", strerror(errno));
	close(s);
	return 1;
}

static struct bpf_object *load_kernel(void)
{
	struct bpf_object *k = bpf_object__open_file(kernel_object, NULL);

	return libbpf_get_error(k) || bpf_object__load(k) ? NULL : k;
}

static double time_sends(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_DGRAM, 0), sink = socket(AF_INET, SOCK_DGRAM, 0);
	double ns[ROUNDS];

	/* Somebody has to own the port, or each datagram is answered; its buffer fills and the rest is dropped. */
	if (bind(sink, (void *)&to, sizeof to) || connect(s, (void *)&to, sizeof to))
		fail("socket", strerror(errno));
	for (int r = 0; r < ROUNDS; r++) {
		enum { TIMES = 1000 };

		ns[r] = cpu_ns();
		for (int i = 0; i < TIMES; i++)
			send(s, frame, 18, 0);
		ns[r] = (cpu_ns() - ns[r]) / TIMES;
	}
	close(s);
	close(sink);
	return median(ns, ROUNDS);
}

static double time_kernel(const char *name, unsigned n, int copies)
{
	static struct bpf_object *copy[MOST];
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("lo"), .attach_point = BPF_TC_INGRESS);
	double ns;

	if (bpf_tc_hook_create(&hook))
		fail("clsact", "the kernel makes none");
	for (unsigned i = 0; i < n; i++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = i + 1);

		if (!i || copies)
			copy[i] = load_kernel();
		if (!copy[copies ? i : 0])
			fail("load", strerror(errno));
		opts.prog_fd = bpf_program__fd(bpf_object__find_program_by_name(copy[copies ? i : 0], name));
		if (bpf_tc_attach(&hook, &opts))
			fail("tc", "cannot attach");
	}
	ns = time_sends();
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
	for (unsigned i = 0; i < (copies ? n : 1); i++)
		bpf_object__close(copy[i]);
	return ns;
}

/* ---- reports ---- */

static double row(const char *name, const char *where, int copies, unsigned upto)
{
	double ns[NR_LENGTHS];
	unsigned n = 0;

	printf("%-12s %-7s %-10s", name, where, copies ? "N copies" : "one");
	for (; n < NR_LENGTHS && lengths[n] <= upto; n++) {
		if (!strcmp(where, "kernel")) {
			ns[n] = time_kernel(name, lengths[n], copies);
		} else {
			static struct uebpf_object *copy[MOST];
			static struct chain c;

			c.n = c.bare = 0;
			for (unsigned i = 0; i < lengths[n]; i++) {
				if (!i || copies)
					copy[i] = load_user(1024);
				add(&c, uebpf_object_prog(copy[copies ? i : 0], name));
			}
			ns[n] = time_chain(&c);
			for (unsigned i = 0; i < (copies ? lengths[n] : 1); i++)
				uebpf_object_free(copy[i]);
		}
		printf(" %9.0f", ns[n]);
		fflush(stdout);
	}
	printf("%*s %9.2f\n", (int)(NR_LENGTHS - n) * 10, "", slope(ns, n));
	return slope(ns, n);
}

/* ---- two threads on one map ---- */

struct job { const struct uebpf_prog *prog; unsigned times; double ns; int cpu; pthread_barrier_t *start; };
static void *work(void *arg)
{
	struct job *j = arg;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(j->cpu, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof cpu, &cpu);
	pthread_barrier_wait(j->start);
	j->ns = cpu_ns();
	for (unsigned i = 0; i < j->times; i++)
		uebpf_prog_run(j->prog, frame, sizeof frame, NULL, NULL);
	j->ns = (cpu_ns() - j->ns) / j->times;
	return NULL;
}

static double contend(const struct uebpf_prog *prog, int threads, unsigned times)
{
	double ns[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		struct job job[THREADS];
		pthread_t t[THREADS];
		pthread_barrier_t start;

		pthread_barrier_init(&start, NULL, (unsigned)threads);
		for (int i = 0; i < threads; i++) {
			job[i] = (struct job){ prog, times, 0, i, &start };
			if (pthread_create(&t[i], NULL, work, &job[i]))
				fail("threads", strerror(errno));
		}
		ns[r] = 0;
		for (int i = 0; i < threads; i++) {
			pthread_join(t[i], NULL);
			ns[r] += job[i].ns / threads;
		}
		pthread_barrier_destroy(&start);
	}
	return median(ns, ROUNDS);
}

static void sweep(const char *path, uint32_t most, unsigned times)
{
	static const char *const program[] = { "array_10x1", "percpu_10x1", "array_1x10", "percpu_1x10" };
	FILE *out = fopen(path, "w");

	if (!out)
		fail(path, strerror(errno));
	printf("\nns per run, elements of 256 bytes\n%-8s", "entries");
	fprintf(out, "# entries");
	for (int t = 1; t <= THREADS; t++)
		for (int p = 0; p < 4; p++) {
			printf(" %11s x%d", program[p], t);
			fprintf(out, " %s_x%d", program[p], t);
		}
	puts("");
	for (uint32_t n = 1; n <= most; n *= 4) {
		struct uebpf_object *obj = load_user(n);

		printf("%-8u", n);
		fprintf(out, "\n%u", n);
		for (int t = 1; t <= THREADS; t++)
			for (int p = 0; p < 4; p++) {
				double ns = contend(uebpf_object_prog(obj, program[p]), t, times);

				printf(" %14.1f", ns);
				fprintf(out, " %.1f", ns);
				fflush(stdout);
			}
		puts("");
		uebpf_object_free(obj);
	}
	fputc('\n', out);
	fclose(out);
}

int main(int argc, char **argv)
{
	static const char *const program[] = { "empty", "filter", "array_10x1", "percpu_10x1" };
	int quick = argc > 4 && !strcmp(argv[4], "--quick"), kernel;
	struct bpf_object *k;
	double empty = 0;

	if (argc < 4)
		fail("usage", "chains USER.o KERN.o SWEEP.dat [--quick]");
	object = argv[1];
	kernel_object = argv[2];
	kernel = own_loopback();
	k = kernel ? load_kernel() : NULL;
	if (!k)
		printf("skip: chains: the kernel's chain: %s (CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN are needed)\n",
		       strerror(errno));
	else
		bpf_object__close(k);
	printf("ns per packet through N programs\n%-31s", "");
	for (unsigned i = 0; i < NR_LENGTHS; i++)
		printf(" %9u", lengths[i]);
	printf(" %9s\n", "a program");
	for (size_t p = 0; p < sizeof program / sizeof *program; p++) {
		double ns = row(program[p], "here", 0, quick ? 64 : MOST);

		empty = p ? empty : ns;
		if (!quick)
			row(program[p], "here", 1, MOST_COPIES);
		if (k)
			row(program[p], "kernel", 0, quick ? 64 : MOST);
		if (k && !quick)
			row(program[p], "kernel", 1, MOST_COPIES);
	}
	sweep(argv[3], quick ? 16 : 65536, quick ? 2000 : 20000);
	printf("an empty program in the chain here: %.2f ns\n", empty);
	return 0;
}
