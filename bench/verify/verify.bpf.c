/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* verify.bpf.c - programs that are hard on a verifier, each in its own way (XDP, so that the kernel takes
 * them too). */
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
#define SEC(n) __attribute__((section(n), used))
#define keep(x) asm volatile("" : "+r"(x))
struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
#define BOUNDS(ctx) u8 *data = (u8 *)(long)(ctx)->data, *end = (u8 *)(long)(ctx)->data_end

/* Fifty comparisons in a straight line. */
SEC("xdp") int straight_50(struct xdp_md *ctx)
{
	BOUNDS(ctx);

	if (data + 200 > end)
		return 1;
#define P(n) if (*(u32 *)(data + 4 * (n)) != (n) * 7 + 1) return 2;
#define P10(n) P(n) P(n + 1) P(n + 2) P(n + 3) P(n + 4) P(n + 5) P(n + 6) P(n + 7) P(n + 8) P(n + 9)
	P10(0) P10(10) P10(20) P10(30) P10(40)
	return 1;
}

/* A branchy state machine over 1024 bytes. */
SEC("xdp") int state_machine(struct xdp_md *ctx)
{
	BOUNDS(ctx);
	u32 state = 0, words = 0, digits = 0, lines = 0, quoted = 0;

	if (data + 1024 > end)
		return 1;
	for (u32 i = 0; i < 1024; i++) {
		u8 c = data[i];

		keep(state);
		switch (state & 3) {
		case 0:
			if (c == '"')
				state = 2;
			else if (c >= '0' && c <= '9')
				state = 1, digits++;
			else if (c > ' ')
				state = 3, words++;
			break;
		case 1:
			if (c < '0' || c > '9')
				state = c > ' ' ? 3 : 0;
			else
				digits++;
			break;
		case 2:
			quoted++;
			if (c == '"')
				state = 0;
			else if (c == '\n')
				state = 0, lines++;
			break;
		default:
			if (c == '\n')
				state = 0, lines++;
			else if (c <= ' ')
				state = 0;
		}
	}
	return (words + digits + lines + quoted) & 3;	/* no branch: the counters decide nothing */
}

/* The sieve of Eratosthenes in stack bytes. */
enum { N = 128 };
SEC("xdp") int sieve(struct xdp_md *ctx)
{
	u8 composite[N] = {};
	u32 primes = 0;

	for (u32 i = 2; i < N; i++) {
		u32 k = i;

		keep(k);
		if (k >= N)
			break;
		if (composite[k])
			continue;
		primes++;
		for (u32 j = i * i; j < N; j += i) {
			u32 n = j;

			keep(n);
			if (n >= N)
				break;
			composite[n] = 1;
		}
	}
	return primes & 3;
}

/* Some 10,000 instructions of packet parsing. */
SEC("xdp") int packet_10k(struct xdp_md *ctx)
{
	BOUNDS(ctx);
	u32 sum = 0;

#define STEP(n) { u8 *p = data + (n) * 4; keep(p); if (p + 4 > end) return 1; u32 v = *(u32 *)p; keep(v); \
	if (v == (n)) sum += v; else if (v & 64) sum ^= (n); keep(sum); }
#define S10(n) STEP(n) STEP(n + 1) STEP(n + 2) STEP(n + 3) STEP(n + 4) STEP(n + 5) STEP(n + 6) STEP(n + 7) \
	STEP(n + 8) STEP(n + 9)
#define S100(n) S10(n) S10(n + 10) S10(n + 20) S10(n + 30) S10(n + 40) S10(n + 50) S10(n + 60) S10(n + 70) \
	S10(n + 80) S10(n + 90)
	S100(0) S100(100) S100(200) S100(300) S100(400) S100(500) S100(600) S100(700)
	return sum & 3;
}

char _license[] SEC("license") = "GPL";
