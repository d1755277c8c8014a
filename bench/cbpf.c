/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cbpf.c - packet filters: libpcap's interpreter (bpf_filter() for each packet) and ours over the same packets, arms
 * interleaved; medians of the rounds with their 10th and 90th percentiles.  Verdicts must be equal.  Ours: the compiled
 * function called for each packet, as libpcap is; many packets in a call (uebpf_prog_run_packets by pointer and length,
 * uebpf_prog_run_batch over struct uebpf_packet), for which libpcap has nothing; the interpreter.
 * Twice: over 64 packets, whose branches the CPU learns, so that the engines' own cost shows, and over
 * 1000 random ones, where each arm also pays for the branches that nobody can foretell.  Beside them a filter that
 * does nothing (its return alone): what the loop and the call cost an arm. */
#include <math.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "include/uebpf.h"

enum { PACKETS = 1000, ROOM = 128, ROUNDS = 41 };
enum { PCAP, CALL, PACKET, BATCH, INTERP, ARMS };
static uint8_t packet[PACKETS][ROOM];
static uint32_t length[PACKETS];
static uint64_t seed = 88172645463325252ull;
static int packets;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* IPv4 mostly, TCP and UDP, hosts and ports that the expressions name among others. */
static void make_packets(void)
{
	static const uint16_t ports[] = { 80, 443, 53, 22, 1024, 60000 };

	for (int i = 0; i < PACKETS; i++) {
		uint8_t *p = packet[i];

		for (int k = 0; k < ROOM; k++)
			p[k] = (uint8_t)rnd(256);
		length[i] = 60 + rnd(ROOM - 60);
		p[12] = rnd(10) ? 8 : 0x86, p[13] = p[12] == 8 ? 0 : 0xdd;
		if (p[12] != 8) {
			p[14] = 0x60, p[20] = rnd(2) ? 6 : 17;
			continue;
		}
		p[14] = 0x45, p[20] = 0x40, p[21] = 0, p[23] = rnd(2) ? 6 : 17;
		memcpy(p + 26, rnd(2) ? "\x0a\0\0\x01" : "\xc0\xa8\x01\x05", 4);
		memcpy(p + 30, rnd(2) ? "\x0a\0\0\x02" : "\x08\x08\x08\x08", 4);
		for (int k = 34; k < 38; k += 2) {
			uint16_t port = ports[rnd(6)];

			p[k] = (uint8_t)(port >> 8), p[k + 1] = (uint8_t)port;
		}
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static const struct uebpf_prog *load(struct uebpf_env *env, const struct bpf_program *bpf, uint32_t engine)
{
	struct uebpf_load_opts o = { .size = sizeof(o), .engine = engine };
	struct uebpf_error err;
	struct uebpf_object *obj = uebpf_object_open_cbpf(env, (const struct uebpf_cbpf_insn *)bpf->bf_insns, bpf->bf_len, NULL, &err);

	if (!obj || uebpf_object_load(obj, &o, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return uebpf_object_prog(obj, NULL);
}

/* What each arm is given of a packet, made before. */
static struct uebpf_packet view[PACKETS];
static struct uebpf_record record[PACKETS];

/* Every arm leaves a verdict for each packet here. */
static uint64_t verdict[PACKETS];

/* The compiled function itself, as a capture loop would keep it. */
static void run_call(const struct uebpf_prog *prog)
{
	uebpf_entry entry = uebpf_prog_entry(prog);

	if (!entry)
		exit(1);
	for (int i = 0; i < packets; i++)
		verdict[i] = entry(&view[i], sizeof(view[i]), NULL);
}

static void run_interp(const struct uebpf_prog *prog)
{
	for (int i = 0; i < packets; i++)
		if (uebpf_prog_run(prog, &view[i], sizeof(view[i]), NULL, &verdict[i]))
			exit(1);
}

/* Many in a call: by pointer and length, or as struct uebpf_packet. */
static void run_many(const struct uebpf_prog *prog, bool raw)
{
	if (raw ? uebpf_prog_run_packets(prog, record, (size_t)packets, verdict, NULL) :
		  uebpf_prog_run_batch(prog, view, sizeof(view[0]), (size_t)packets, verdict, NULL))
		exit(1);
}

static void run_pcap(const struct bpf_program *bpf)
{
	for (int i = 0; i < packets; i++)
		verdict[i] = bpf_filter(bpf->bf_insns, packet[i], length[i], length[i]);
}

struct subject {
	const char *what;
	struct bpf_program bpf;
	const struct uebpf_prog *jit, *interp;
};

static void run(const struct subject *s, int arm)
{
	if (arm == PCAP)
		run_pcap(&s->bpf);
	else if (arm == CALL)
		run_call(s->jit);
	else if (arm == INTERP)
		run_interp(s->interp);
	else
		run_many(s->jit, arm == PACKET);
}

/* The row of one filter; by[arm]: how many times libpcap's time is ours. */
static void measure(const struct subject *s, FILE *csv, double by[ARMS])
{
	double t[ARMS][ROUNDS], ratio[ARMS][ROUNDS];
	int times = 5 * PACKETS / packets;

	for (int r = 0; r < ROUNDS; r++) {
		static uint64_t right[PACKETS];

		for (int arm = 0; arm < ARMS; arm++) {
			double begin = now();

			for (int k = 0; k < times; k++)
				run(s, arm);
			t[arm][r] = (now() - begin) / times / packets;
			fprintf(csv, "%s,%d,%d,%d,%.3f\n", s->what, packets, arm, r, t[arm][r]);
			ratio[arm][r] = t[PCAP][r] / t[arm][r];
			if (arm == PCAP)
				memcpy(right, verdict, sizeof(right));
			if (memcmp(right, verdict, (size_t)packets * sizeof(*right))) {
				fprintf(stderr, "%s: verdicts differ\n", s->what);
				exit(1);
			}
		}
	}
	printf("| %s |", s->what);
	for (int arm = 0; arm < ARMS; arm++) {
		qsort(t[arm], ROUNDS, sizeof(double), by_value);
		qsort(ratio[arm], ROUNDS, sizeof(double), by_value);
		printf(" %.2f |", t[arm][ROUNDS / 2]);
	}
	for (int arm = CALL; arm <= BATCH; arm++) {
		printf(" %.1f [%.1f .. %.1f] |", ratio[arm][ROUNDS / 2], ratio[arm][ROUNDS / 10], ratio[arm][ROUNDS * 9 / 10]);
		by[arm] = ratio[arm][ROUNDS / 2];
	}
	printf("\n");
}

static void compile(struct subject *s, const char *expression, struct uebpf_env *env, pcap_t *dead)
{
	static struct bpf_insn nothing = { .code = 0x06, .k = 1 };	/* ret #1 */

	s->what = expression ? expression : "(nothing)";
	s->bpf = (struct bpf_program){ .bf_len = 1, .bf_insns = &nothing };
	if (expression && pcap_compile(dead, &s->bpf, expression, 1, PCAP_NETMASK_UNKNOWN)) {
		fprintf(stderr, "%s: %s\n", expression, pcap_geterr(dead));
		exit(1);
	}
	s->jit = load(env, &s->bpf, UEBPF_ENGINE_AUTO);
	s->interp = load(env, &s->bpf, UEBPF_ENGINE_INTERP);
}

int main(void)
{
	static const char *const expressions[] = {
		"ip", "tcp", "udp port 53", "tcp port 80", "host 10.0.0.1", "tcp port 80 and host 10.0.0.1", "net 192.168.0.0/16",
		"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "not port 22 and not port 443",
		"(host 10.0.0.1 or host 8.8.8.8) and (tcp port 80 or tcp port 443 or udp port 53) and greater 64",
	};
	enum { N = sizeof(expressions) / sizeof(*expressions) };
	struct uebpf_env *env = uebpf_env_new(NULL);
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 65535);
	FILE *csv = fopen("build/bench/cbpf.csv", "w");
	struct subject subject[N], nothing;

	if (!env || !dead || !csv)
		return fprintf(stderr, "cbpf: cannot begin (build/bench must exist)\n"), 1;
	make_packets();
	for (int i = 0; i < PACKETS; i++) {
		record[i] = (struct uebpf_record){ packet[i], length[i] };
		view[i] = (struct uebpf_packet){ .size = sizeof(view[i]), .data = packet[i], .data_meta = packet[i],
						 .data_end = packet[i] + length[i], .wire_len = length[i], .len = length[i] };
	}
	compile(&nothing, NULL, env, dead);
	for (int e = 0; e < N; e++)
		compile(&subject[e], expressions[e], env, dead);
	for (packets = 64; packets <= PACKETS; packets += PACKETS - 64) {
		static const char *const how[ARMS] = { [CALL] = "a call each", [PACKET] = "packets in a call", [BATCH] = "structs in a call" };
		double by[ARMS], least[ARMS] = { 0 }, all[ARMS] = { 0 };
		int met[ARMS] = { 0 };

		printf("\n%d packets, ns each\n\n| expression | libpcap | JIT, a call each | JIT, packets in a call | "
		       "JIT, struct uebpf_packets in a call | interpreter | libpcap / call [p10 .. p90] | / packets | / structs |\n"
		       "|---|---|---|---|---|---|---|---|---|\n", packets);
		measure(&nothing, csv, by);
		for (int e = 0; e < N; e++) {
			measure(&subject[e], csv, by);
			for (int arm = CALL; arm <= BATCH; arm++) {
				met[arm] += by[arm] >= 5;
				least[arm] = e && least[arm] < by[arm] ? least[arm] : by[arm];
				all[arm] += log(by[arm]);
			}
		}
		printf("\nAgainst the bar, 5 x:");
		for (int arm = CALL; arm <= BATCH; arm++)
			printf("%s %s geomean %.1f, least %.1f, %d of %d at least 5", arm == CALL ? "" : ";", how[arm],
			       exp(all[arm] / N), least[arm], met[arm], N);
		printf(".\n");
	}
	fclose(csv);
	for (int e = 0; e < N; e++)
		pcap_freecode(&subject[e].bpf);
	pcap_close(dead);
	return 0;
}
