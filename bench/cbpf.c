/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cbpf.c - packet filters: libpcap's interpreter and ours (JIT, interpreter) over the same packets, arms
 * interleaved; medians of the rounds with their 10th and 90th percentiles.  Verdicts must be equal.
 * Twice: over 64 packets, whose branches the CPU learns, so that the engines' own cost shows, and over
 * 1000 random ones, where each arm also pays for the branches that nobody can foretell. */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "include/uebpf.h"

enum { PACKETS = 1000, ROOM = 128, ROUNDS = 41, ARMS = 3 };
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
static struct pcap_pkthdr head[PACKETS];

/* The compiled function itself where there is one, as a capture loop would keep it. */
static uint64_t run_ours(const struct uebpf_prog *prog)
{
	uebpf_entry entry = uebpf_prog_entry(prog);
	uint64_t sum = 0, r0;

	for (int i = 0; i < packets; i++) {
		if (entry)
			r0 = entry(&view[i], sizeof(view[i]), NULL);
		else if (uebpf_prog_run(prog, &view[i], sizeof(view[i]), NULL, &r0))
			exit(1);
		sum += r0 != 0;
	}
	return sum;
}

static uint64_t run_pcap(const struct bpf_program *bpf)
{
	uint64_t sum = 0;

	for (int i = 0; i < packets; i++)
		sum += pcap_offline_filter(bpf, &head[i], packet[i]) != 0;
	return sum;
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

	make_packets();
	for (int i = 0; i < PACKETS; i++) {
		head[i].caplen = head[i].len = length[i];
		view[i] = (struct uebpf_packet){ .size = sizeof(view[i]), .data = packet[i], .data_meta = packet[i],
						 .data_end = packet[i] + length[i], .wire_len = length[i], .len = length[i] };
	}
	for (size_t e = 0; e < 2 * N; e++) {
		double t[ARMS][ROUNDS], ratio[ROUNDS];
		struct bpf_program bpf;
		const struct uebpf_prog *jit, *interp;

		if (e % N == 0) {
			packets = e ? PACKETS : 64;
			printf("\n%d packets\n\n| expression | libpcap ns | JIT ns | interpreter ns | libpcap / JIT [p10 .. p90] |\n"
			       "|---|---|---|---|---|\n", packets);
		}
		if (pcap_compile(dead, &bpf, expressions[e % N], 1, PCAP_NETMASK_UNKNOWN))
			return fprintf(stderr, "%s: %s\n", expressions[e % N], pcap_geterr(dead)), 1;
		jit = load(env, &bpf, UEBPF_ENGINE_AUTO);
		interp = load(env, &bpf, UEBPF_ENGINE_INTERP);
		for (int r = 0; r < ROUNDS; r++) {
			uint64_t sum[ARMS];

			for (int arm = 0; arm < ARMS; arm++) {
				double begin = now();

				int times = 5 * PACKETS / packets;

				for (int k = 0; k < times; k++)
					sum[arm] = arm == 0 ? run_pcap(&bpf) : run_ours(arm == 1 ? jit : interp);
				t[arm][r] = (now() - begin) / times / packets;
				if (csv)
					fprintf(csv, "%zu,%d,%d,%.3f\n", e, arm, r, t[arm][r]);
			}
			ratio[r] = t[0][r] / t[1][r];
			if (sum[0] != sum[1] || sum[0] != sum[2])
				return fprintf(stderr, "%s: verdicts differ\n", expressions[e % N]), 1;
		}
		for (int arm = 0; arm < ARMS; arm++)
			qsort(t[arm], ROUNDS, sizeof(double), by_value);
		qsort(ratio, ROUNDS, sizeof(double), by_value);
		printf("| %s | %.2f | %.2f | %.2f | %.1f [%.1f .. %.1f] |\n", expressions[e % N], t[0][ROUNDS / 2], t[1][ROUNDS / 2],
		       t[2][ROUNDS / 2], ratio[ROUNDS / 2], ratio[ROUNDS / 10], ratio[ROUNDS * 9 / 10]);
		pcap_freecode(&bpf);
	}
	if (csv)
		fclose(csv);
	pcap_close(dead);
	return 0;
}
