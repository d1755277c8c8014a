/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.c - running programs.  Everything here may be called in a signal handler, right after fork, on
 * a small stack and by many threads: no lock, no allocation, no system call. */
#include <errno.h>
#include <string.h>
#include "jit/jit.h"
#include "loader/object.h"

/* The context of packet types: bounds in order, optional pointers filled in. */
static inline int packet_now(struct uebpf_packet *pkt, size_t len)
{
	if (!pkt || len < sizeof(*pkt) || pkt->size < sizeof(*pkt))
		return -EINVAL;
	if (!pkt->data_meta)
		pkt->data_meta = pkt->data;
	if (pkt->data > pkt->data_end || pkt->data_meta > pkt->data ||
	    (uintptr_t)pkt->data_end - (uintptr_t)pkt->data > UINT32_MAX ||
	    (pkt->head && pkt->head > pkt->data_meta) || (pkt->tail && pkt->tail < pkt->data_end))
		return -EINVAL;
	pkt->len = (uint32_t)(pkt->data_end - pkt->data);
	return 0;
}

/* The same, apart from the shortest way, which has it in place (0.8 ns a packet). */
static __attribute__((noinline)) int packet_ready(struct uebpf_packet *pkt, size_t len) { return packet_now(pkt, len); }

static inline int run_code(const struct code *code, void *ctx, size_t len, struct uebpf_run *run, uint64_t *r0)
{
	return code->jit ? jit_run(code, ctx, len, run, r0) : interp_run(code, ctx, len, run, r0);
}

/* A program asks for the stack and its host did not say where that begins: where the program was called, which is
 * the host's own place since the calls that lead here are jumps. */
static __attribute__((cold, noinline)) int run_here(const struct prog *prog, void *ctx, size_t ctx_len,
						    struct uebpf_run *run, uint64_t *r0)
{
	struct uebpf_run own = { 0 };
	int rc;

	if (run)
		memcpy(&own, run, RUN_MIN);
	own.size = sizeof own;
	own.ip = (uintptr_t)__builtin_return_address(0);
	own.frame = *(uintptr_t *)__builtin_frame_address(0);
	rc = prog_run(prog, ctx, ctx_len, &own, r0);
	if (run) {
		own.size = run->size;
		memcpy(run, &own, RUN_MIN);
	}
	return rc;
}

int prog_run(const struct prog *prog, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	int rc, saved;

	if (__builtin_expect(!prog->base.code, 0))
		return -ENOEXEC;
	if (__builtin_expect(ctx_len < prog->min_ctx, 0))
		return -EINVAL;
	if (run && (run->size < RUN_MIN || ((run->budget || run->abort) && !prog->metered)))
		return run->size < RUN_MIN ? -EINVAL : -EOPNOTSUPP;
	if (__builtin_expect(prog->wants_caller && !(run && run->size >= sizeof(*run) && run->ip), 0))
		return run_here(prog, ctx, ctx_len, run, r0);
	if (prog->packet && (rc = packet_ready(ctx, ctx_len)) != 0)
		return rc;
	if (prog->keeps_errno)
		return run_code(prog->base.code, ctx, ctx_len, run, r0);
	saved = errno;
	rc = run_code(prog->base.code, ctx, ctx_len, run, r0);
	errno = saved;
	return rc;
}

/* Apart, so that the shortest way needs no room for it. */
static __attribute__((noinline)) int run_other(const struct prog *p, void *ctx, size_t ctx_len, struct uebpf_run *run,
					       uint64_t *r0)
{
	if (p->packet_plain && !run) {
		int rc = packet_now(ctx, ctx_len);
		uint64_t value = rc ? 0 : p->packet_plain(ctx, ctx_len, NULL);

		if (!rc && r0)
			*r0 = value;
		return rc;
	}
	if (p->alone && !run && ctx && ctx_len >= p->min_ctx)
		return interp_run_alone(p->base.code, ctx, ctx_len, r0);
	if (p->direct && !run && ctx_len >= p->min_ctx && p->base.code)
		return run_code(p->base.code, ctx, ctx_len, NULL, r0);
	return prog_run(p, ctx, ctx_len, run, r0);
}

/* In one cache line: across two, a run takes a quarter of a nanosecond more. */
__attribute__((aligned(64))) int uebpf_prog_run(const struct uebpf_prog *prog, void *ctx, size_t ctx_len, struct uebpf_run *run,
						uint64_t *r0)
{
	const struct prog *p = prog_of(prog);

	if (__builtin_expect(p->plain && !run && r0 && ctx_len >= p->min_ctx, 1)) {
		*r0 = p->plain(ctx, ctx_len, NULL);
		return 0;
	}
	return run_other(p, ctx, ctx_len, run, r0);
}

__attribute__((cold)) int uebpf_prog_trace(const struct uebpf_prog *base, void *ctx, size_t ctx_len, struct uebpf_run *run,
		     uint64_t *r0, uebpf_trace_fn step, void *arg)
{
	const struct prog *prog = prog_of(base);
	int saved = errno, rc;
	uint64_t unwanted;

	if (!base->code)
		return -ENOEXEC;
	if (!step || ctx_len < prog->min_ctx || (run && run->size < RUN_MIN))
		return -EINVAL;
	rc = prog->packet ? packet_ready(ctx, ctx_len) : 0;
	if (!rc)
		rc = interp_trace(&prog->code, ctx, ctx_len, run, r0 ? r0 : &unwanted, step, arg);
	errno = saved;
	return rc;
}

/* What the records of many runs are: contexts one behind the other; where contexts are; where packets are. */
enum how { BY_STRIDE, BY_RECORD, BY_PACKET };
enum { CHUNK = 256 };

/* How many of the next records, at most `most`, the loop that is compiled with the program may run over. */
static size_t fit(const struct prog *p, enum how how, char *next, size_t stride, size_t most)
{
	const struct uebpf_record *r = (const struct uebpf_record *)next;
	size_t good = 0;

	if (how == BY_STRIDE && (!p->packet || !stride))
		return stride && stride >= p->min_ctx ? most : 0;
	for (; good < most; good++) {
		void *ctx = how == BY_STRIDE ? next + good * stride : r[good].data;
		size_t len = how == BY_STRIDE ? stride : r[good].len;

		if (len < p->min_ctx || (!ctx && p->min_ctx) || (p->packet && packet_ready(ctx, len)))
			break;
	}
	return good;
}

/* The compiled loop, if there is one, as far as the records are what it expects, which is looked at just before they
 * run, while they are in the cache; the others one by one. */
static __attribute__((cold)) int run_many(const struct prog *p, enum how how, const void *base, size_t stride, size_t n,
					  uint64_t *results, size_t *at)
{
	jit_batch_fn loop = !results ? NULL : how == BY_PACKET ? p->packets : p->batch;
	char *next = (char *)(uintptr_t)base;
	struct uebpf_packet view;
	size_t hint = how == BY_PACKET ? (uintptr_t)&view : stride, good;
	uint64_t unwanted;
	int rc = 0;

	if (loop && how == BY_PACKET && jit_batch_views(p->fast))
		view = (struct uebpf_packet){ .size = sizeof view };
	for (size_t i = 0; i < n && !rc; i += good, next += good * (how == BY_STRIDE ? stride : sizeof(struct uebpf_record))) {
		const struct uebpf_record *r = (const struct uebpf_record *)next;
		void *ctx = how == BY_STRIDE ? next : r->data;
		size_t len = how == BY_STRIDE ? stride : r->len;

		good = !loop ? 0 : how == BY_PACKET ? n - i : fit(p, how, next, stride, n - i < CHUNK ? n - i : CHUNK);
		if (good) {
			if (loop(next, hint, results + i, results + i + good) <= UINT32_MAX)
				continue;
			loop = NULL;	/* a packet of 4 GiB: the long way refuses it by its number */
			good = 0;
			continue;
		}
		if (how == BY_PACKET) {
			view = (struct uebpf_packet){ .size = sizeof view, .data = ctx, .data_end = (uint8_t *)ctx + len };
			ctx = &view;
			len = sizeof view;
		}
		rc = prog_run(p, ctx, len, NULL, results ? &results[i] : &unwanted);
		good = 1;
		if (rc && at)
			*at = i;
	}
	return rc;
}

int uebpf_prog_run_batch(const struct uebpf_prog *prog, void *base, size_t stride, size_t n, uint64_t *results, size_t *at)
{
	return run_many(prog_of(prog), BY_STRIDE, base, stride, n, results, at);
}

int uebpf_prog_run_records(const struct uebpf_prog *prog, const struct uebpf_record *records, size_t n,
			   uint64_t *results, size_t *at)
{
	return run_many(prog_of(prog), BY_RECORD, records, 0, n, results, at);
}

int uebpf_prog_run_packets(const struct uebpf_prog *prog, const struct uebpf_record *packets, size_t n,
			   uint64_t *results, size_t *at)
{
	return prog_of(prog)->packet ? run_many(prog_of(prog), BY_PACKET, packets, 0, n, results, at) : -EINVAL;
}

uebpf_entry uebpf_prog_entry(const struct uebpf_prog *prog)
{
	const struct prog *p = prog_of(prog);

	if (p && p->packet_plain)
		return p->packet_plain;
	return prog && prog->code && prog->code->jit && !p->packet ? jit_entry(prog->code) : NULL;
}
