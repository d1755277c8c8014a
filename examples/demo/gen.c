/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gen.c - writes the demo's input: a capture with the mix of a busy network edge, and a file of events.
 * The same bytes on every machine.  usage: gen capture.pcap PACKETS events.bin EVENTS */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "demo.h"

static uint64_t state = 20240607;
static uint32_t rnd(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % below);
}

/* ---- packets ---- */
static uint8_t pkt[2048];
static size_t len;

static void put(const void *data, size_t n)
{
	memcpy(pkt + len, data, n);
	len += n;
}
static void put8(unsigned v) { pkt[len++] = (uint8_t)v; }
static void put16(unsigned v) { put8(v >> 8); put8(v); }
static void put32(uint32_t v) { put16(v >> 16); put16(v & 0xffff); }
static void pad(size_t n)
{
	while (n--)
		put8(rnd(256));
}

static uint16_t checksum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (n & 1)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void ethernet(unsigned type, unsigned vlan)
{
	static const uint8_t mac[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

	len = 0;
	put(mac, sizeof mac);
	if (vlan) {
		put16(0x8100);
		put16(vlan);
	}
	put16(type);
}

/* Clients of some networks, one of which misbehaves; a few hosts talk most. */
static uint32_t client(void)
{
	static const uint32_t net[] = { 0x0a010000, 0x0a020000, 0xc0a80100, 0xcb007100, 0xc6336400 };
	uint32_t n = rnd(16), host = rnd(4) ? rnd(1 + rnd(12)) : rnd(200);

	return net[n < 6 ? 0 : n < 10 ? 1 : n < 13 ? 2 : n < 15 ? 3 : 4] + 10 + host;
}

/* Fills in lengths and checksums of what starts at `ip`. */
static void finish_ip(size_t ip)
{
	unsigned sum, total = (unsigned)(len - ip);

	pkt[ip + 2] = (uint8_t)(total >> 8);
	pkt[ip + 3] = (uint8_t)total;
	sum = checksum(pkt + ip, 20, 0);
	pkt[ip + 10] = (uint8_t)(sum >> 8);
	pkt[ip + 11] = (uint8_t)sum;
}

static size_t ipv4(unsigned proto, uint32_t src, uint32_t dst, unsigned frag, unsigned vlan)
{
	size_t ip;

	ethernet(0x0800, vlan);
	ip = len;
	put16(0x4500);
	put16(0);
	put16(rnd(65536));
	put16(frag);
	put8(32 + rnd(96));
	put8(proto);
	put16(0);
	put32(src);
	put32(dst);
	return ip;
}

static void tcp(uint32_t src, uint32_t dst, unsigned sport, unsigned dport, unsigned vlan)
{
	static const uint8_t flags[] = { 0x02, 0x12, 0x10, 0x10, 0x18, 0x18, 0x11 };
	size_t ip = ipv4(6, src, dst, 0x4000, vlan);

	put16(sport);
	put16(dport);
	put32(rnd(1u << 31));
	put32(rnd(1u << 31));
	put16(0x5000u | flags[rnd(sizeof flags)]);
	put16(64240);
	put32(0);
	pad(rnd(3) ? rnd(64) : 400 + rnd(1000));
	finish_ip(ip);
}

static void udp(uint32_t src, uint32_t dst, unsigned sport, unsigned dport, const void *data, size_t n)
{
	size_t ip = ipv4(17, src, dst, 0, 0);

	put16(sport);
	put16(dport);
	put16((unsigned)(8 + n));
	put16(0);
	put(data, n);
	finish_ip(ip);
}

static void dns(uint32_t src)
{
	static const char *const name[] = { "\7example\3com", "\3www\7example\3org", "\4mail\4test", "\2db\5local" };
	const char *n = name[rnd(4)];
	uint8_t q[64] = { (uint8_t)rnd(256), (uint8_t)rnd(256), 1, 0, 0, 1 };
	size_t at = 12, l = strlen(n) + 1;

	memcpy(q + at, n, l);
	at += l;
	q[at + 1] = 1;
	q[at + 3] = 1;
	udp(src, 0x0a000035, 1024 + rnd(60000), 53, q, at + 4);
}

static void icmp(uint32_t src)
{
	size_t ip = ipv4(1, src, 0x0a000001, 0, 0), at = len;
	unsigned sum;

	put16(0x0800);
	put16(0);
	put32(rnd(1u << 31));
	pad(48);
	sum = checksum(pkt + at, len - at, 0);
	pkt[at + 2] = (uint8_t)(sum >> 8);
	pkt[at + 3] = (uint8_t)sum;
	finish_ip(ip);
}

static void arp(uint32_t src)
{
	ethernet(0x0806, 0);
	put16(1);
	put16(0x0800);
	put16(0x0604);
	put16(1);
	pad(6);
	put32(src);
	put32(0);
	put16(0);
	put32(0x0a000001);
}

static void ipv6(void)
{
	ethernet(0x86dd, 0);
	put32(0x60000000);
	put16(28);
	put8(17);
	put8(64);
	put32(0x20010db8);
	put32(0);
	put32(0);
	put32(rnd(64));
	put32(0x20010db8);
	put32(0);
	put32(0);
	put32(1);
	put16(1024 + rnd(60000));
	put16(443);
	put16(28);
	put16(0);
	pad(20);
}

static void fragment(uint32_t src)
{
	size_t ip = ipv4(17, src, 0x0a000010, 0x2000 | (1 + rnd(180)), 0);

	pad(200 + rnd(400));
	finish_ip(ip);
}

static void packet(void)
{
	static const uint16_t service[] = { 443, 443, 443, 80, 80, 22, 5432, 6379, 23, 445 };
	uint32_t src = client(), server = 0x0a000010 + rnd(4);
	unsigned port = 32768 + (src * 37 + rnd(1 + rnd(9))) % 20000;	/* a client has a few connections, one busy */
	unsigned kind = rnd(100);
	uint8_t data[64];

	memset(data, (int)kind, sizeof data);
	if (kind < 58)
		tcp(src, server, port, service[port % 10], rnd(12) ? 0 : 100 + rnd(3));
	else if (kind < 72)
		tcp(server, src, service[port % 8], port, 0);
	else if (kind < 82)
		dns(src);
	else if (kind < 87)
		udp(src, server, port, rnd(3) ? 443 : 1900, data, 20 + rnd(40));
	else if (kind < 90)
		icmp(src);
	else if (kind < 92)
		arp(src);
	else if (kind < 97)
		ipv6();
	else if (kind < 99)
		fragment(src);
	else {	/* cut short in the middle of its headers */
		tcp(src, server, 40000, 443, 0);
		len = 20 + rnd(16);
	}
}

/* ---- files (little-endian, whatever the host is) ---- */
static void le(FILE *f, uint64_t v, int bytes)
{
	for (; bytes; bytes--, v >>= 8)
		fputc((int)(v & 255), f);
}

static int write_capture(const char *path, uint32_t n)
{
	FILE *f = fopen(path, "wb");
	uint64_t us = 1717750000000000;

	if (!f)
		return perror(path), 1;
	le(f, 0xa1b2c3d4, 4);
	le(f, 2, 2);
	le(f, 4, 2);
	le(f, 0, 8);
	le(f, 65535, 4);
	le(f, 1, 4);
	while (n--) {
		packet();
		us += 1 + rnd(40);
		le(f, us / 1000000, 4);
		le(f, us % 1000000, 4);
		le(f, len, 4);
		le(f, len, 4);
		fwrite(pkt, 1, len, f);
	}
	return fclose(f) ? perror(path), 1 : 0;
}

static int write_events(const char *path, uint32_t n)
{
	static const char comm[][16] = { "postgres", "postgres", "nginx", "redis-server", "python3" };
	static const char file[][32] = { "base/16384/2619", "pg_wal/00000001", "access.log", "dump.rdb", "-" };
	static const uint32_t usual_us[NR_OPS] = { 40, 60, 900, 3000 };
	FILE *f = fopen(path, "wb");
	uint64_t ns = 1000000000;

	if (!f)
		return perror(path), 1;
	while (n--) {
		uint32_t op = rnd(NR_OPS), who = rnd(5);
		uint64_t latency = (usual_us[op] + rnd(usual_us[op])) * UINT64_C(1000);

		if (!rnd(200))		/* a stall */
			latency *= 20 + rnd(60);
		ns += 100 + rnd(20000);
		le(f, ns, 8);
		le(f, latency, 8);
		le(f, 1000 + who, 4);
		le(f, op, 4);
		le(f, rnd(65536), 8);
		fwrite(comm[who], 1, sizeof comm[who], f);
		fwrite(file[who], 1, sizeof file[who], f);
	}
	return fclose(f) ? perror(path), 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: gen capture.pcap PACKETS events.bin EVENTS\n");
		return 1;
	}
	return write_capture(argv[1], (uint32_t)strtoul(argv[2], NULL, 10)) ||
	       write_events(argv[3], (uint32_t)strtoul(argv[4], NULL, 10));
}
