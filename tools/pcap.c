/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pcap.c - captures in and out through libpcap (pcap and pcapng).  Programs expect an Ethernet header
 * first; link types that carry the same network packets get one made for them, all others are named and
 * refused: a packet is never parsed as what it is not. */
#ifdef HAVE_LIBPCAP
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <pcap/pcap.h>
#include "tools/tool.h"

const bool capture_built = true;

enum { ETHER = 14, MAX_FRAME = 1 << 18 };
/* A link type that becomes Ethernet: `skip` bytes off, then a header with zero addresses. */
struct link {
	int dlt;
	const char *name;
	uint32_t skip;			/* header bytes that go */
	int type_at;			/* where its EtherType stands (big-endian), -1: from the IP version */
};
static const struct link links[] = {
	{ DLT_EN10MB, "Ethernet", 0, 12 },
	{ DLT_RAW, "raw IP", 0, -1 },
	{ DLT_IPV4, "raw IPv4", 0, -1 },
	{ DLT_IPV6, "raw IPv6", 0, -1 },
	{ DLT_LINUX_SLL, "Linux cooked", 16, 14 },
	{ DLT_LINUX_SLL2, "Linux cooked v2", 20, 0 },
	{ DLT_NULL, "BSD loopback", 4, -1 },
	{ DLT_LOOP, "OpenBSD loopback", 4, -1 },
};

struct capture {
	pcap_t *pcap;
	const char *path;
	const struct link *link;
	uint64_t size, count, cut, odd;	/* cut: shorter than on the wire; odd: no network packet in it */
	uint8_t *frame;
	char damage[PCAP_ERRBUF_SIZE + 64];
};
struct capture_out { pcap_t *pcap; pcap_dumper_t *dump; const char *path; };

static const struct link *link_of(int dlt)
{
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
		if (links[i].dlt == dlt)
			return &links[i];
	return NULL;
}

struct uebpf_cbpf_insn *capture_compile(const char *expression, size_t *n)
{
	pcap_t *p = need(pcap_open_dead(DLT_EN10MB, MAX_FRAME));
	struct bpf_program code;
	struct uebpf_cbpf_insn *out;

	/* optimised, and without a netmask: "broadcast" of IPv4 is then refused by name */
	if (pcap_compile(p, &code, expression, 1, PCAP_NETMASK_UNKNOWN))
		die(EXIT_USAGE, "--pcap-filter '%s': %s", expression, pcap_geterr(p));
	*n = code.bf_len;
	out = need(calloc(code.bf_len + 1, sizeof *out));
	for (size_t i = 0; i < *n; i++)
		out[i] = (struct uebpf_cbpf_insn){ code.bf_insns[i].code, code.bf_insns[i].jt, code.bf_insns[i].jf,
						   code.bf_insns[i].k };
	pcap_freecode(&code);
	pcap_close(p);
	return out;
}

struct capture *capture_open(const char *path)
{
	struct capture *c = need(calloc(1, sizeof *c));
	char why[PCAP_ERRBUF_SIZE] = "";
	struct stat st;
	int dlt;

	c->path = path;
	if (strcmp(path, "-")) {
		if (stat(path, &st))
			die(EXIT_USAGE, "--pcap: %s: %s", path, strerror(errno));
		if (S_ISDIR(st.st_mode))
			die(EXIT_USAGE, "--pcap: %s is a directory", path);
		c->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	} else {
		claim_stdin("--pcap");
	}
	c->pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!c->pcap)
		die(EXIT_USAGE, "--pcap: %s: %s", path, why);
	dlt = pcap_datalink(c->pcap);
	c->link = link_of(dlt);
	if (!c->link) {
		pcap_close(c->pcap);
		free(c);
		die(EXIT_UNSUPPORTED, "--pcap: %s: link type %s (%d) is not Ethernet and cannot be made into it", path,
		    pcap_datalink_val_to_description(dlt) ? pcap_datalink_val_to_description(dlt) : "unknown", dlt);
	}
	if (dlt != DLT_EN10MB)
		note("%s: link type %s: each packet gets an Ethernet header", path, c->link->name);
	c->frame = need(malloc(MAX_FRAME + ETHER));
	return c;
}

/* EtherType of a packet that says only by its IP version what it is; 0: neither. */
static unsigned by_version(const uint8_t *p, size_t len)
{
	return !len ? 0 : p[0] >> 4 == 4 ? 0x0800 : p[0] >> 4 == 6 ? 0x86dd : 0;
}

static bool to_ethernet(struct capture *c, const uint8_t *p, size_t len, struct captured *out)
{
	const struct link *l = c->link;
	unsigned type;

	if (len < l->skip || len - l->skip > MAX_FRAME)
		return false;
	type = l->type_at >= 0 ? (unsigned)(p[l->type_at] << 8 | p[l->type_at + 1]) :
	       by_version(p + l->skip, len - l->skip);
	/* Cooked captures number 802.2 and the like below 0x600. */
	if (type < 0x600)
		return false;
	memset(c->frame, 0, ETHER - 2);
	c->frame[12] = (uint8_t)(type >> 8);
	c->frame[13] = (uint8_t)type;
	memcpy(c->frame + ETHER, p + l->skip, len - l->skip);
	out->data = c->frame;
	out->len = (uint32_t)(len - l->skip + ETHER);
	return true;
}

bool capture_next(struct capture *c, struct captured *out)
{
	struct pcap_pkthdr *h;
	const uint8_t *p;
	int r;

	while ((r = pcap_next_ex(c->pcap, &h, &p)) == 1) {
		c->count++;
		if (h->caplen < h->len)
			c->cut++;
		out->time_ns = (uint64_t)h->ts.tv_sec * 1000000000 + (uint64_t)h->ts.tv_usec;
		out->data = p;
		out->len = h->caplen;
		if (h->caplen > MAX_FRAME || (c->link->dlt != DLT_EN10MB && !to_ethernet(c, p, h->caplen, out))) {
			c->odd++;
			continue;
		}
		out->wire_len = h->len + (out->len - h->caplen);
		return true;
	}
	if (r == PCAP_ERROR && !*c->damage) {
		snprintf(c->damage, sizeof c->damage, "after packet %llu: %s", (unsigned long long)c->count,
			 pcap_geterr(c->pcap));
		fprintf(stderr, "uebpf-run: --pcap: %s: %s\n", c->path, c->damage);
	}
	return false;
}

const char *capture_damage(const struct capture *c)
{
	return *c->damage ? c->damage : NULL;
}

uint64_t capture_size(const struct capture *c)
{
	return c->size;
}

uint64_t capture_at(const struct capture *c)
{
	FILE *f = pcap_file(c->pcap);
	long at = f ? ftell(f) : 0;

	return at > 0 ? (uint64_t)at : 0;
}

void capture_close(struct capture *c)
{
	if (c->cut)
		note("%s: %llu of %llu packets were cut by the capture's snap length (%d bytes); programs saw the part",
		     c->path, (unsigned long long)c->cut, (unsigned long long)c->count, pcap_snapshot(c->pcap));
	if (c->odd)
		note("%s: %llu packets left out: no network packet behind their %s header", c->path,
		     (unsigned long long)c->odd, c->link->name);
	pcap_close(c->pcap);
	free(c->frame);
	free(c);
}

struct capture_out *capture_create(const char *path)
{
	struct capture_out *out = need(calloc(1, sizeof *out));

	out->path = path;
	out->pcap = need(pcap_open_dead_with_tstamp_precision(DLT_EN10MB, MAX_FRAME, PCAP_TSTAMP_PRECISION_NANO));
	out->dump = pcap_dump_open(out->pcap, path);
	if (!out->dump)
		die(EXIT_USAGE, "--write: %s", pcap_geterr(out->pcap));
	return out;
}

void capture_write(struct capture_out *out, const void *data, size_t len, uint64_t time_ns)
{
	struct pcap_pkthdr h = { .caplen = (bpf_u_int32)len, .len = (bpf_u_int32)len };

	h.ts.tv_sec = (time_t)(time_ns / 1000000000);
	h.ts.tv_usec = (suseconds_t)(time_ns % 1000000000);	/* nanoseconds, by the precision asked for */
	pcap_dump((uint8_t *)out->dump, &h, data);
}

void capture_finish(struct capture_out *out)
{
	bool bad = pcap_dump_flush(out->dump) || ferror(pcap_dump_file(out->dump));

	pcap_dump_close(out->dump);
	pcap_close(out->pcap);
	if (bad)
		die(EXIT_USAGE, "--write: %s: cannot be written whole: %s", out->path, strerror(errno));
	free(out);
}
#endif
