/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.c - running programs.  Everything here may be called in a signal handler, right after fork, on
 * a small stack and by many threads: no lock, no allocation, no system call. */
#include <errno.h>
#include <string.h>
#include "jit/jit.h"
#include "loader/object.h"

/* The context of packet types: bounds in order, optional pointers filled in. */
static inline int packet_ready(struct uebpf_packet *pkt, size_t len)
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

static inline int run_code(const struct code *code, void *ctx, size_t len, struct uebpf_run *run, uint64_t *r0)
{
	return code->jit ? jit_run(code, ctx, len, run, r0) : interp_run(code, ctx, len, run, r0);
}

int prog_run(const struct prog *prog, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0)
{
	int rc, saved;

	if (__builtin_expect(!prog->base.code, 0))
		return -ENOEXEC;
	if (__builtin_expect(ctx_len < prog->min_ctx, 0))
		return -EINVAL;
	if (run && (run->size < sizeof(*run) || ((run->budget || run->abort) && !prog->metered)))
		return run->size < sizeof(*run) ? -EINVAL : -EOPNOTSUPP;
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
	uint64_t unwanted;

	r0 = r0 ? r0 : &unwanted;
	if (p->packet_plain && !run) {
		int rc = packet_ready(ctx, ctx_len);

		if (!rc)
			*r0 = p->packet_plain(ctx, ctx_len, NULL);
		return rc;
	}
	if (p->alone && !run && ctx && ctx_len >= p->min_ctx)
		return interp_run_alone(p->base.code, ctx, ctx_len, r0);
	if (p->direct && !run && ctx_len >= p->min_ctx && p->base.code)
		return run_code(p->base.code, ctx, ctx_len, NULL, r0);
	return prog_run(p, ctx, ctx_len, run, r0);
}

int uebpf_prog_run(const struct uebpf_prog *prog, void *ctx, size_t ctx_len, struct uebpf_run *run,
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
	if (!step || ctx_len < prog->min_ctx || (run && run->size < sizeof(*run)))
		return -EINVAL;
	rc = prog->packet ? packet_ready(ctx, ctx_len) : 0;
	if (!rc)
		rc = interp_trace(&prog->code, ctx, ctx_len, run, r0 ? r0 : &unwanted, step, arg);
	errno = saved;
	return rc;
}

int uebpf_prog_run_batch(const struct uebpf_prog *prog, void *base, size_t stride, size_t n,
			 uint64_t *results, size_t *at)
{
	const struct prog *p = prog_of(prog);
	char *record = base;
	uint64_t unwanted;
	size_t i;
	int rc;

	if (p->plain && results && stride >= p->min_ctx)	/* the loop is compiled with the program */
		return jit_run_batch(prog->code, base, stride, n, results, at);
	for (i = 0; i < n; i++, record += stride) {
		rc = prog_run(p, record, stride, NULL, results ? &results[i] : &unwanted);
		if (rc) {
			if (at)
				*at = i;
			return rc;
		}
	}
	return 0;
}

int uebpf_prog_run_records(const struct uebpf_prog *prog, const struct uebpf_record *records, size_t n,
			   uint64_t *results, size_t *at)
{
	const struct prog *p = prog_of(prog);
	uint64_t unwanted;
	size_t i;
	int rc;

	if (p->plain && results)
		return jit_run_records(prog->code, records, n, results, at);
	for (i = 0; i < n; i++) {
		rc = prog_run(p, records[i].data, records[i].len, NULL,
			     results ? &results[i] : &unwanted);
		if (rc) {
			if (at)
				*at = i;
			return rc;
		}
	}
	return 0;
}

uebpf_entry uebpf_prog_entry(const struct uebpf_prog *prog)
{
	const struct prog *p = prog_of(prog);

	if (p && p->packet_plain)
		return p->packet_plain;
	return prog && prog->code && prog->code->jit && !p->packet ? jit_entry(prog->code) : NULL;
}
