/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* oracle.h - one helper call, made by the kernel in a program of four lines and by our function with the
 * same arguments; both results beside each other.  The kernel program keeps r0 whole in a map, because
 * BPF_PROG_TEST_RUN returns 32 bits; memory arguments lie in the same map's value. */
#ifndef TESTS_HELPERS_ORACLE_H
#define TESTS_HELPERS_ORACLE_H

#include <check.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "helpers/helpers.h"
#include "vm/code.h"

enum { AREA = 4096, PACKET_MAX = 1600, ROOM = 256 };

static inline long sys_bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof *attr);
}

/* ---- what to call ---- */

enum what { NUM, CTX, AREA_AT, TEXT_AT, END };
struct value { enum what what; uint64_t n; };
#define N(x) { NUM, (uint64_t)(x) }
#define C { CTX, 0 }
#define A(offset) { AREA_AT, offset }	/* in the writable area, whose first 8 bytes are r0 */
#define T(offset) { TEXT_AT, offset }	/* in the frozen read-only text */

struct call_case {
	const char *helper;
	struct value arg[5];
};
struct result {
	uint64_t r0;
	uint8_t area[AREA];
	uint8_t packet[PACKET_MAX];
	uint32_t len;
	struct __sk_buff skb;
};

/* ---- the kernel ---- */

struct kernel { int area_fd, text_fd; uint8_t *area; char log[16384]; };

static inline int kernel_map(uint32_t flags)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = AREA,
				.max_entries = 1, .map_flags = flags };

	return (int)sys_bpf(BPF_MAP_CREATE, &attr);
}

/* False, with the reason printed, where bpf() is refused. */
static inline bool kernel_open(struct kernel *k, const char *text, size_t text_len)
{
	uint32_t zero = 0;
	char value[AREA] = { 0 };
	union bpf_attr attr;

	memset(k, 0, sizeof *k);
	k->area_fd = kernel_map(BPF_F_MMAPABLE);
	k->text_fd = kernel_map(BPF_F_RDONLY_PROG);
	if (k->area_fd < 0 || k->text_fd < 0) {
		printf("skipped: the kernel refuses bpf() here: %s\n", strerror(errno));
		return false;
	}
	if (text)
		memcpy(value, text, text_len);
	memset(&attr, 0, sizeof attr);
	attr.map_fd = (uint32_t)k->text_fd;
	attr.key = (uintptr_t)&zero;
	attr.value = (uintptr_t)value;
	ck_assert_int_eq(sys_bpf(BPF_MAP_UPDATE_ELEM, &attr), 0);
	memset(&attr, 0, sizeof attr);
	attr.map_fd = (uint32_t)k->text_fd;
	ck_assert_int_eq(sys_bpf(BPF_MAP_FREEZE, &attr), 0);
	k->area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED, k->area_fd, 0);
	ck_assert_ptr_ne(k->area, MAP_FAILED);
	return true;
}

static inline void kernel_close(struct kernel *k)
{
	munmap(k->area, AREA);
	close(k->area_fd);
	close(k->text_fd);
}

static inline struct bpf_insn *put_wide(struct bpf_insn *i, int dst, int src, uint64_t lo, uint64_t hi)
{
	i[0] = (struct bpf_insn){ .code = 0x18, .dst_reg = (uint8_t)(dst & 15), .src_reg = (uint8_t)(src & 15),
				  .imm = (int32_t)lo };
	i[1] = (struct bpf_insn){ .imm = (int32_t)hi };
	return i + 2;
}

static inline uint32_t helper_number(const char *name)
{
	for (uint32_t i = 0; i < helpers_nr; i++)
		if (!strcmp(helper_name(&helpers_builtin[i]), name))
			return helper_id(&helpers_builtin[i]);
	ck_abort_msg("no helper %s", name);
}

/* r0 kept in the area, then the type's harmless verdict. */
static inline int kernel_load(struct kernel *k, const struct call_case *c, uint32_t type, int verdict)
{
	struct bpf_insn insn[32], *i = insn;
	union bpf_attr attr;

	*i++ = (struct bpf_insn){ .code = 0xbf, .dst_reg = 6, .src_reg = 1 };
	for (int n = 0; n < 5; n++) {
		const struct value *v = &c->arg[n];

		if (v->what == CTX)
			*i++ = (struct bpf_insn){ .code = 0xbf, .dst_reg = (uint8_t)((n + 1) & 15), .src_reg = 6 };
		else if (v->what == NUM)
			i = put_wide(i, n + 1, 0, v->n, v->n >> 32);
		else if (v->what == AREA_AT)
			i = put_wide(i, n + 1, BPF_PSEUDO_MAP_VALUE, (uint32_t)k->area_fd, v->n);
		else if (v->what == TEXT_AT)
			i = put_wide(i, n + 1, BPF_PSEUDO_MAP_VALUE, (uint32_t)k->text_fd, v->n);
	}
	*i++ = (struct bpf_insn){ .code = 0x85, .imm = (int32_t)helper_number(c->helper) };
	i = put_wide(i, 1, BPF_PSEUDO_MAP_VALUE, (uint32_t)k->area_fd, 0);
	*i++ = (struct bpf_insn){ .code = 0x7b, .dst_reg = 1, .src_reg = 0 };
	*i++ = (struct bpf_insn){ .code = 0xb7, .imm = verdict };
	*i++ = (struct bpf_insn){ .code = 0x95 };
	memset(&attr, 0, sizeof attr);
	attr.prog_type = type;
	attr.insn_cnt = (uint32_t)(i - insn);
	attr.insns = (uintptr_t)insn;
	attr.license = (uintptr_t)"GPL";
	attr.log_buf = (uintptr_t)k->log;
	attr.log_size = sizeof k->log;
	attr.log_level = 1;
	k->log[0] = 0;
	return (int)sys_bpf(BPF_PROG_LOAD, &attr);
}

/* 0; -EACCES when the verifier refuses the call (k->log says why). */
static inline int kernel_run(struct kernel *k, const struct call_case *c, uint32_t type, const struct result *in,
			     struct result *out)
{
	int fd = kernel_load(k, c, type, type == BPF_PROG_TYPE_XDP ? 2 : 0);
	union bpf_attr attr;
	long err;

	if (fd < 0)
		return -EACCES;
	*out = *in;
	memcpy(k->area, in->area, AREA);
	memset(k->area, 0xee, 8);
	memset(&attr, 0, sizeof attr);
	attr.test.prog_fd = (uint32_t)fd;
	attr.test.data_in = (uintptr_t)in->packet;
	attr.test.data_size_in = in->len;
	attr.test.data_out = (uintptr_t)out->packet;
	attr.test.data_size_out = sizeof out->packet;
	attr.test.repeat = 1;
	if (type == BPF_PROG_TYPE_SCHED_CLS) {
		attr.test.ctx_in = (uintptr_t)&in->skb;
		attr.test.ctx_size_in = sizeof in->skb;
		attr.test.ctx_out = (uintptr_t)&out->skb;
		attr.test.ctx_size_out = sizeof out->skb;
	}
	err = sys_bpf(BPF_PROG_TEST_RUN, &attr);
	ck_assert_msg(!err, "%s: BPF_PROG_TEST_RUN: %s", c->helper, strerror(errno));
	close(fd);
	out->len = attr.test.data_size_out;
	memcpy(&out->r0, k->area, 8);
	memcpy(out->area, k->area, AREA);
	return 0;
}

/* ---- ours ---- */

static const struct prog_type oracle_tc = { .name = "tc", .flags = TYPE_PACKET | TYPE_PACKET_WRITE,
					    .groups = HG_BASE | HG_TC };
static const struct prog_type oracle_xdp = { .name = "xdp", .flags = TYPE_PACKET | TYPE_PACKET_WRITE,
					     .groups = HG_BASE | HG_XDP };

struct ours {
	struct vm_host host;
	struct code code;
	struct uebpf_call call;
	struct uebpf_packet packet;
	struct region known[2];
	uint8_t buffer[ROOM + PACKET_MAX + ROOM];
};

static inline void ours_open(struct ours *o, uint32_t type, const struct result *in)
{
	memset(o, 0, sizeof *o);
	o->code.type = type == BPF_PROG_TYPE_XDP ? &oracle_xdp : &oracle_tc;
	o->code.host = &o->host;
	o->code.region = o->known;
	o->call.code = &o->code;
	o->call.env = &o->host;
	o->call.ctx = &o->packet;
	o->call.ctx_len = sizeof o->packet;
	o->call.nr_own = OWN_FIRST_FREE;
	o->packet.size = sizeof o->packet;
	memcpy(o->buffer + ROOM, in->packet, in->len);
	o->packet.head = o->buffer;
	o->packet.data = o->packet.data_meta = o->buffer + ROOM;
	o->packet.data_end = o->buffer + ROOM + in->len;
	o->packet.tail = o->buffer + sizeof o->buffer;
	o->packet.mark = in->skb.mark;
	o->packet.hash = 0;
}

static inline uint64_t ours_call(struct ours *o, const struct call_case *c, const void *area, const void *text)
{
	const struct helper *row = NULL;
	uint64_t r[5] = { 0 };

	for (uint32_t i = 0; i < helpers_nr; i++)
		if (!strcmp(helper_name(&helpers_builtin[i]), c->helper))
			row = &helpers_builtin[i];
	ck_assert_msg(row && helper_fn(row), "%s has no function", c->helper);
	for (int n = 0; n < 5; n++) {
		const struct value *v = &c->arg[n];

		r[n] = v->what == CTX ? (uintptr_t)&o->packet : v->what == NUM ? v->n :
		       v->what == AREA_AT ? (uintptr_t)area + v->n : (uintptr_t)text + v->n;
	}
	o->call.helper = row;
	return helper_fn(row)(r[0], r[1], r[2], r[3], r[4], &o->call);
}

static inline void ours_run(const struct call_case *c, uint32_t type, const struct result *in, const char *text,
			    struct result *out)
{
	static struct ours o;

	ours_open(&o, type, in);
	*out = *in;
	memset(out->area, 0xee, 8);
	o.known[0] = (struct region){ .lo = (uintptr_t)out->area, .hi = (uintptr_t)out->area + AREA,
				      .access = ACCESS_READ | ACCESS_WRITE };
	o.known[1] = (struct region){ .lo = (uintptr_t)text, .hi = (uintptr_t)text + AREA, .access = ACCESS_READ };
	o.code.nr_region = text ? 2 : 1;
	out->r0 = ours_call(&o, c, out->area, text);
	memcpy(out->area, &out->r0, 8);
	/* BPF_PROG_TEST_RUN gives an XDP packet back with its metadata in front. */
	out->len = (uint32_t)(o.packet.data_end - o.packet.data_meta);
	memcpy(out->packet, o.packet.data_meta, out->len);
}

static inline void print_case(const struct call_case *c)
{
	printf("%s(", c->helper);
	for (int n = 0; n < 5; n++)
		printf("%s%s%lld", n ? ", " : "", c->arg[n].what == CTX ? "ctx" : c->arg[n].what == NUM ? "" :
		       c->arg[n].what == AREA_AT ? "area+" : "text+", (long long)c->arg[n].n);
	printf(")");
}

/* Runs both; counts and shows a difference.  False when the kernel refuses the call. */
static inline bool same(struct kernel *k, const struct call_case *c, uint32_t type, const struct result *in,
			const char *text, unsigned *differences)
{
	static struct result kernel, ours;
	uint32_t at;

	if (kernel_run(k, c, type, in, &kernel))
		return false;
	ours_run(c, type, in, text, &ours);
	if (kernel.r0 == ours.r0 && !memcmp(kernel.area, ours.area, AREA) && kernel.len == ours.len &&
	    !memcmp(kernel.packet, ours.packet, kernel.len < PACKET_MAX ? kernel.len : PACKET_MAX))
		return true;
	++*differences;
	print_case(c);
	printf(": r0 kernel %lld, ours %lld; length %u, %u", (long long)kernel.r0, (long long)ours.r0, kernel.len,
	       ours.len);
	for (at = 8; at < AREA && kernel.area[at] == ours.area[at]; at++)
		;
	if (at < AREA)
		printf("; area+%u kernel %02x, ours %02x", at, kernel.area[at], ours.area[at]);
	for (at = 0; at < kernel.len && at < ours.len && kernel.packet[at] == ours.packet[at]; at++)
		;
	if (at < kernel.len && at < ours.len)
		printf("; packet+%u kernel %02x, ours %02x", at, kernel.packet[at], ours.packet[at]);
	printf("\n");
	return true;
}

#endif
