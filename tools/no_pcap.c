/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* no_pcap.c - in the place of pcap.c where libpcap was absent at build time: the options say so. */
#ifndef HAVE_LIBPCAP
#include "tools/tool.h"

const bool capture_built = false;

static _Noreturn void absent(const char *option)
{
	die(EXIT_UNSUPPORTED, "%s: built without libpcap; on Debian: apt-get install libpcap-dev, then build again",
	    option);
}

struct capture *capture_open(const char *path)
{
	(void)path;
	absent("--pcap");
}

struct uebpf_cbpf_insn *capture_compile(const char *expression, size_t *n)
{
	(void)expression, (void)n;
	absent("--pcap-filter");
}

bool capture_next(struct capture *c, struct captured *out)
{
	(void)c, (void)out;
	return false;
}

const char *capture_damage(const struct capture *c)
{
	(void)c;
	return NULL;
}

uint64_t capture_size(const struct capture *c)
{
	(void)c;
	return 0;
}

uint64_t capture_at(const struct capture *c)
{
	(void)c;
	return 0;
}

void capture_close(struct capture *c)
{
	(void)c;
}

struct capture_out *capture_create(const char *path)
{
	(void)path;
	absent("--write");
}

void capture_write(struct capture_out *out, const void *data, size_t len, uint64_t time_ns)
{
	(void)out, (void)data, (void)len, (void)time_ns;
}

void capture_finish(struct capture_out *out)
{
	(void)out;
}
#endif
