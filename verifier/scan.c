/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* scan.c - what can be said of a program without walking its paths: reachability and loops (scan_loops.c),
 * and which registers and stack bytes can still be read.
 *
 * Stack liveness needs to know where frame pointers go.  A forward pass follows r10 + constant
 * through moves, additions and spills; a pointer that gets away from that (a variable offset, a
 * store elsewhere, a call's argument) makes everything live where it is used.
 *
 * A program made for it needs as many sweeps as it has instructions: passes stop when the time is spent. */
#include <errno.h>
#include <string.h>
#include "verifier/state.h"
#include "vm/mem.h"

/* What a register holds: not a frame pointer, r10 + off, some frame pointer, map i, number c. */
enum { V_UNSET = INT32_MIN, V_OTHER = INT32_MIN + 1, V_FP_ANY = INT32_MAX, V_MAP = 0x40000000,
       V_CONST = 0x20000000 };
static bool is_fp(int32_t v) { return v == V_FP_ANY || (v > -0x10000 && v < 0x10000); }
static bool fp_known(int32_t v) { return is_fp(v) && v != V_FP_ANY; }

struct pass {
	struct env *e;
	const struct code *code;
	int32_t (*val)[NR_REGS];	/* before each instruction */
	int32_t spill[MAX_SLOTS];	/* whole slots: what frame pointer may be there */
	bool escaped, news;		/* news: spill or escaped changed */
	uint32_t start, end;
	uint16_t *sub_in;		/* live registers at subprograms' starts */
};

/* Successors of instruction i: up to 2. */
int successors(const struct code *code, uint32_t i, uint32_t out[2])
{
	const struct insn *in = &code->insn[i];

	switch (isa_op[in->op].shape) {
	case SHAPE_EXIT:
		return 0;
	case SHAPE_JA:
		out[0] = (uint32_t)in->off;
		if (in->op != OP_MAY_GOTO)
			return 1;
		out[1] = i + 1;
		return 2;
	case SHAPE_JCC_K: case SHAPE_JCC_X:
		out[0] = i + 1;
		out[1] = (uint32_t)in->off;
		return 2;
	default:
		out[0] = i + 1;
		return 1;
	}
}

/* ---- frame pointers ---- */

static int32_t merge(int32_t a, int32_t b)
{
	if (a == V_UNSET || a == b)
		return b;
	if (b == V_UNSET)
		return a;
	return is_fp(a) || is_fp(b) ? V_FP_ANY : V_OTHER;
}

static void clobber(int32_t *v)
{
	for (int r = 0; r <= 5; r++)
		v[r] = V_OTHER;
}

/* Slot index of an aligned 8-byte slot at r10 + off, or -1. */
static int whole_slot(int64_t off)
{
	return off < 0 && off >= -8 * MAX_SLOTS && !(off & 7) ? (int)(-off / 8 - 1) : -1;
}

static void fp_alu(struct pass *p, const struct insn *in, int32_t *v)
{
	int32_t d = v[in->dst], s = v[in->src];

	switch (in->op) {
	case OP_MOV64_X:
		v[in->dst] = s;
		return;
	case OP_MOV64_K: case OP_MOV32_K:
		v[in->dst] = in->imm >= 0 && in->imm < V_CONST / 2 ? V_CONST + (int32_t)in->imm : V_OTHER;
		return;
	case OP_ADD64_K: case OP_SUB64_K:
		if (fp_known(d)) {
			int64_t off = in->op == OP_ADD64_K ? d + in->imm : d - in->imm;

			v[in->dst] = off > -0x10000 && off < 0x10000 ? (int32_t)off : V_FP_ANY;
			return;
		}
		break;
	default:
		break;
	}
	if (is_fp(d) || (isa_op[in->op].shape == SHAPE_ALU_X && is_fp(s)))
		v[in->dst] = V_FP_ANY;
	else
		v[in->dst] = V_OTHER;
	(void)p;
}

static void fp_store(struct pass *p, const struct insn *in, int32_t *v)
{
	int32_t was;
	int k;

	if (isa_op[in->op].shape != SHAPE_STORE_X || !is_fp(v[in->src]))
		return;
	k = fp_known(v[in->dst]) && in->op == OP_STX_DW ? whole_slot((int64_t)v[in->dst] + in->off) : -1;
	if (k < 0) {
		p->escaped = true;
		return;
	}
	was = p->spill[k];
	p->spill[k] = merge(was, v[in->src]);
	p->news |= p->spill[k] != was;
}

static int32_t fp_fill(struct pass *p, const struct insn *in, int32_t base)
{
	int k;

	if (isa_op[in->op].size != 8)
		return V_OTHER;
	if (!fp_known(base)) {
		if (p->escaped)
			return V_FP_ANY;
		if (base == V_FP_ANY)
			for (k = 0; k < MAX_SLOTS; k++)
				if (is_fp(p->spill[k]))
					return V_FP_ANY;
		return V_OTHER;
	}
	k = whole_slot((int64_t)base + in->off);
	if (p->escaped)
		return V_FP_ANY;
	return k >= 0 && is_fp(p->spill[k]) ? p->spill[k] : V_OTHER;
}

static bool keeps(struct pass *p, const struct insn *in)
{
	const struct helper *h;

	if (isa_op[in->op].shape != SHAPE_CALL)
		return true;
	h = code_helper(p->code, in);
	return !h || (h->flags & HF_CALLS_BACK);
}

static void fp_step(struct pass *p, const struct insn *in, int32_t *v)
{
	const struct helper *h;
	int32_t first;

	switch (isa_op[in->op].shape) {
	case SHAPE_ALU_K: case SHAPE_ALU_X: case SHAPE_UN:
		fp_alu(p, in, v);
		break;
	case SHAPE_LOAD:
		v[in->dst] = fp_fill(p, in, v[in->src]);
		break;
	case SHAPE_STORE_X: case SHAPE_STORE_K:
		fp_store(p, in, v);
		break;
	case SHAPE_ATOMIC:
		if (is_fp(v[in->src]))
			p->escaped = true;
		if (in->op == OP_CMPXCHG64 || in->op == OP_CMPXCHG32)
			v[0] = fp_fill(p, in, v[in->dst]);
		else if (isa_op[in->op].flags & OPF_FETCH)
			v[in->src] = fp_fill(p, in, v[in->dst]);
		break;
	case SHAPE_WIDE:
		v[in->dst] = in->op == OP_LD_MAP ? V_MAP + in->imm_lo : V_OTHER;
		break;
	case SHAPE_CALL: case SHAPE_LOCAL: case SHAPE_CALLX:
		for (int r = 1; r <= 5; r++)
			if (is_fp(v[r]) && keeps(p, in))
				p->escaped = true;	/* the callee may keep it in our frame, or return it */
		first = v[1];
		clobber(v);
		if (isa_op[in->op].shape != SHAPE_CALL)
			v[0] = p->escaped ? V_FP_ANY : V_OTHER;
		else if ((h = code_helper(p->code, in)) && helper_returns(h) == RET_FIRST)
			v[0] = first;
		break;
	case SHAPE_PKT_ABS: case SHAPE_PKT_IND:
		clobber(v);
		break;
	default:
		break;
	}
}

static void fp_pass(struct pass *p)
{
	int32_t v[NR_REGS];
	uint32_t to[2];
	bool changed = true, escaped;

	for (uint32_t i = p->start; i < p->end; i++)
		for (int r = 0; r < NR_REGS; r++)
			p->val[i][r] = V_UNSET;
	for (int k = 0; k < MAX_SLOTS; k++)
		p->spill[k] = V_UNSET;
	for (int r = 0; r < NR_REGS; r++)
		p->val[p->start][r] = r == 10 ? 0 : V_OTHER;
	p->escaped = false;
	while (changed && !late(p->e)) {
		escaped = p->escaped;
		changed = p->news = false;
		for (uint32_t i = p->start; i < p->end; i++) {
			if (p->val[i][10] == V_UNSET)
				continue;
			memcpy(v, p->val[i], sizeof v);
			fp_step(p, &p->code->insn[i], v);
			for (int n = successors(p->code, i, to); n--;) {
				int32_t *there;
				bool fresh;

				if (to[n] >= p->end)
					continue;
				there = p->val[to[n]];
				fresh = there[10] == V_UNSET;
				for (int r = 0; r < NR_REGS; r++) {
					int32_t m = fresh ? v[r] : merge(there[r], v[r]);

					changed |= m != there[r] && to[n] <= i;		/* the others come later */
					there[r] = m;
				}
			}
		}
		changed |= p->news || escaped != p->escaped;
	}
}

/* ---- liveness, backwards ---- */

static void live_bytes(struct live *l, int64_t lo, int64_t hi)	/* [lo, hi) relative to r10 */
{
	int64_t u;

	if (lo < -512)
		lo = -512;
	for (u = (-hi) / 4; hi <= 0 && u < (-lo + 3) / 4 && u < 128; u++)
		l->bytes4[u >> 6] |= UINT64_C(1) << (u & 63);
}

static void dead_bytes(struct live *l, int64_t lo, int64_t hi)
{
	if (hi - lo < 4 || (lo & 3) || lo < -512 || hi > 0)
		return;
	for (int64_t u = -hi / 4; u < -lo / 4; u++)
		l->bytes4[u >> 6] &= ~(UINT64_C(1) << (u & 63));
}

static void reads_memory(struct live *l, int32_t v, int64_t off, int64_t size)
{
	if (v == V_FP_ANY)
		l->all = true;
	else if (is_fp(v))
		live_bytes(l, v + off, size < 0 || v + off + size > 0 ? 0 : v + off + size);
}

static void live_helper(struct pass *p, const struct insn *in, const int32_t *v, struct live *l)
{
	const struct helper *h = code_helper(p->code, in);
	const struct uebpf_map *map = NULL;

	if (!h) {
		l->regs |= 0x3e;
		l->all = true;
		return;
	}
	l->regs |= (uint16_t)helper_reads(h);
	for (unsigned i = 0; i < 5; i++) {
		struct arg c = helper_arg(h, i);
		int32_t a = v[i + 1], n;

		if (c.kind == ARG_MAP && a >= V_MAP && a != V_FP_ANY &&
		    (uint32_t)(a - V_MAP) < p->code->nr_map)
			map = p->code->map[a - V_MAP];
		if (!is_fp(a))
			continue;
		switch (c.kind) {
		case ARG_NONE: case ARG_SCALAR: case ARG_CTX: case ARG_MAP: case ARG_FUNC:
			break;
		case ARG_KEY:
			reads_memory(l, a, 0, map ? (int64_t)map->key_size : -1);
			break;
		case ARG_VALUE:
			reads_memory(l, a, 0, map ? (int64_t)map->value_size : -1);
			break;
		case ARG_VALUE_OUT: case ARG_MEM_OUT: case ARG_FIXED_OUT:
			if (helper_returns(h) == RET_NEVER)
				reads_memory(l, a, 0, -1);
			break;
		case ARG_MEM:
			n = helper_length(h, i) < 5 ? v[helper_length(h, i) + 1] : V_OTHER;
			reads_memory(l, a, 0, n >= V_CONST && n < V_MAP ? n - V_CONST : -1);
			break;
		case ARG_FIXED:
			reads_memory(l, a, 0, c.size);
			break;
		case ARG_STACK: case ARG_ANY: case ARG_MEM_INOUT: default:
			l->all = true;
		}
	}
	if (h->flags & HF_CALLS_BACK)
		l->all = true;
}

static void live_step(struct pass *p, uint32_t i, struct live *l)
{
	const struct insn *in = &p->code->insn[i];
	const struct op_info *op = &isa_op[in->op];
	const int32_t *v = p->val[i];

	switch (op->shape) {
	case SHAPE_EXIT:
		l->regs = 1;
		return;
	case SHAPE_LOCAL:
		l->regs &= ~0x3f;
		l->regs |= p->sub_in[p->e->flow[in->off].sub];
		for (int r = 1; r <= 5; r++)
			if (is_fp(v[r]))
				l->all = true;
		return;
	case SHAPE_CALL:
		l->regs &= ~0x3f;
		live_helper(p, in, v, l);
		return;
	case SHAPE_CALLX:
		l->regs |= 0x7ff;
		l->all = true;
		return;
	case SHAPE_PKT_ABS: case SHAPE_PKT_IND:
		l->regs &= ~0x3f;
		l->regs |= 1 << 6;
		break;
	default:
		break;
	}
	l->regs &= (uint16_t)~insn_writes(in);
	l->regs |= (uint16_t)insn_reads(in);
	switch (op->shape) {
	case SHAPE_STORE_X: case SHAPE_STORE_K:
		if (fp_known(v[in->dst]))
			dead_bytes(l, v[in->dst] + in->off, (int64_t)v[in->dst] + in->off + op->size);
		break;
	case SHAPE_LOAD:
		reads_memory(l, v[in->src], in->off, op->size);
		break;
	case SHAPE_ATOMIC:
		reads_memory(l, v[in->dst], in->off, op->size);
		break;
	default:
		break;
	}
}

static void live_pass(struct pass *p)
{
	struct flow *flow = p->e->flow;
	struct live l;
	uint32_t to[2];
	bool changed = true, back = false;

	while (changed && !late(p->e)) {	/* once, when every edge leads down */
		changed = false;
		for (uint32_t i = p->end; i-- > p->start;) {
			memset(&l, 0, sizeof l);
			for (int n = successors(p->code, i, to); n--;) {
				if (to[n] >= p->end)
					continue;
				back |= to[n] <= i;
				l.regs |= flow[to[n]].live.regs;
				l.bytes4[0] |= flow[to[n]].live.bytes4[0];
				l.bytes4[1] |= flow[to[n]].live.bytes4[1];
				l.all |= flow[to[n]].live.all;
			}
			live_step(p, i, &l);
			if (l.regs != flow[i].live.regs || l.bytes4[0] != flow[i].live.bytes4[0] ||
			    l.bytes4[1] != flow[i].live.bytes4[1] || l.all != flow[i].live.all) {
				flow[i].live = l;
				changed = true;
			}
		}
		changed &= back;
	}
	p->sub_in[p->e->flow[p->start].sub] = flow[p->start].live.regs & 0x3e;
}

int scan_program(struct env *e)
{
	const struct code *code = e->code;
	struct pass p = { .e = e, .code = code };
	struct flow *f;
	int err = -ENOMEM;

	e->flow = f = mem_array(e->host, code->n, sizeof *f);
	p.val = mem_array(e->host, code->n, sizeof *p.val);
	p.sub_in = mem_array(e->host, code->nr_sub, sizeof *p.sub_in);
	if (f && p.val && p.sub_in) {
		for (uint32_t s = 0; s < code->nr_sub; s++) {
			for (uint32_t i = code->sub[s].start; i < code->sub[s].end; i++)
				f[i].sub = s;
			p.sub_in[s] = 0x3e;
			f[code->sub[s].start].mark |= FLOW_CALLBACK * code->sub[s].callback;
		}
		err = scan_reached(e);
		err = err ? err : scan_loops(e);
		for (uint32_t s = code->nr_sub; s--;) {	/* callees mostly stand behind their callers */
			p.start = code->sub[s].start;
			p.end = code->sub[s].end;
			fp_pass(&p);
			live_pass(&p);
		}
	}
	mem_free(e->host, p.val, code->n * sizeof *p.val);
	mem_free(e->host, p.sub_in, code->nr_sub * sizeof *p.sub_in);
	return !err && late(e) ? too_late(e) : err;
}

void scan_free(struct env *e, uint32_t n)
{
	mem_free(e->host, e->flow, n * sizeof *e->flow);
}
