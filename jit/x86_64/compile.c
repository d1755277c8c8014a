/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* compile.c - one compilation from prepared code to running machine code. */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "jit/x86_64/jc.h"
#include "vm/mem.h"
#include "vm/rewrite/rewrite.h"
#include "vm/message.h"

enum { ROOM = 512 };

const char *jit_arch(void) { return "x86-64"; }

/* Does the system keep xmm and the upper halves of ymm?  (SDM volume 1, detection of AVX) */
static bool saves_ymm(void)
{
	uint32_t low, high;

	__asm__ ("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & 6) == 6;
}

uint32_t backend_cpu(void)
{
	unsigned a, b, c, d, have = 0;

	bool ymm = false;

	if (__get_cpuid(1, &a, &b, &c, &d)) {
		have |= c & 1u << 22 ? JIT_CPU_MOVBE : 0;
		ymm = c & 1u << 27 && saves_ymm();
	}
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		have |= (b & 1u << 8 ? JIT_CPU_BMI2 : 0) | (c & 1u << 22 ? JIT_CPU_RDPID : 0) |
			(ymm && b & 1u << 5 ? JIT_CPU_AVX2 : 0);
	return have;
}

/* ---- bodies ---- */

void begin_sub(struct jc *c, uint32_t index)
{
	c->cur = &c->sub[index];
	c->cur_start = c->i = c->code->sub[index].start;
	c->reg[10] = c->cur->red_zone ? RSP : RBP;
	jc_room(c, 1024);
}

/* Does an innermost loop begin here?  Only these are aligned: the padding before an outer one is run
 * through by the inner, and a shared exit that is jumped back to is no loop at all. */
static bool inner_loop(const struct jc *c, uint32_t head, uint32_t end)
{
	uint32_t far = head;
	bool dead = false;

	for (uint32_t i = head; i < end && i - head < 256; i++) {
		const struct insn *in = &c->code->insn[i];

		if (dead && i > far)
			return false;
		if (dead && !(c->flow.mark[i] & FLOW_TARGET))
			continue;
		if (flow_is_jump(in) && (uint32_t)in->off <= i)
			return (uint32_t)in->off == head;
		if (flow_is_jump(in) && (uint32_t)in->off > far)
			far = (uint32_t)in->off;
		dead = !flow_falls(in);
	}
	return false;
}

void emit_body(struct jc *c, uint32_t index)
{
	const struct subprog *sub = &c->code->sub[index];

	for (uint32_t i = sub->start; i < sub->end && !c->no_memory; i++) {
		c->i = i;
		c->in = &c->code->insn[i];
		jc_room(c, ROOM);
		enter_kinds(c);
		fact_enter(c);
		if (!(c->flow.mark[i] & FLOW_LOOP) || !emit_lanes(c)) {
			if (c->flow.mark[i] & FLOW_LOOP && c->rules & RULE_ALIGN && inner_loop(c, i, sub->end)) {
				jc_hit(c, RULE_ALIGN);
				jc_align(c, 32);
			}
			jc_bind(c, c->insn_label + i);
		}
		if (c->skip)
			c->skip--;
		else
			emit_insn(c);
		track_kinds(c);
		fact_leave(c);
	}
}

static uint32_t insn_labels(struct jc *c) { return jc_labels(c, c->code->n); }

/* Checked code of the program itself comes twice.  The fast copy tests on entry what every access at a
 * known place of the context needs, and charges blocks together; where that does not hold the slow
 * copy goes on from the same instruction with the same registers. */
static void emit_twice(struct jc *c)
{
	uint32_t fast = c->insn_label, at;

	c->slow_label = insn_labels(c);
	c->fast = true;
	if (c->no_memory)
		return;
	x_alu_mem_k(&c->b, 8, X_CMP, x_at(STATE, offsetof(struct jit_state, ctx_room)), INT32_MAX);
	at = (uint32_t)(c->b.p - c->base) - 4;
	jc_jcc(c, CC_B, c->slow_label);
	emit_body(c, 0);
	c->fast = false;
	c->chain_end = 0;
	c->rest = 0;
	memcpy(c->base + at, &c->ctx_need, 4);
	if (!c->ctx_need && !c->bails) {
		jc_bind(c, c->slow_label);
		return;
	}
	memset(c->kind_at, 0, c->code->n * sizeof *c->kind_at);
	c->insn_label = c->slow_label;
	emit_body(c, 0);
	c->insn_label = fast;
}

static void emit_sub(struct jc *c, uint32_t index)
{
	begin_sub(c, index);
	if (c->no_memory)
		return;
	jc_align(c, 16);
	jc_bind(c, c->cur->entry);
	entry_mark(c);		/* callbacks and callx come by an address */
	emit_prologue(c);
	if (!index && c->fact_index && !c->main_called && !c->jit->tame)
		emit_twice(c);
	else
		emit_body(c, index);
}

struct plan { struct entries entry; uint32_t batch, packets, end; uint32_t insn_label; };

static void emit_all(struct jc *c, struct plan *plan)
{
	c->abort_label = jc_label(c);
	c->miss_label = jc_label(c);
	c->refill_label = jc_label(c);
	c->retpoline_label = jc_label(c);
	c->retpoline_ret_label = jc_label(c);
	plan->insn_label = c->insn_label = insn_labels(c);
	for (uint32_t k = 0; k < c->code->nr_sub && !c->no_memory; k++)
		emit_sub(c, k);
	plan->end = jc_here(c);
	if (c->no_memory)
		return;
	if (c->state) {
		emit_entries(c, &plan->entry);
	} else {
		emit_batch(c, &plan->batch);
		emit_packets(c, &plan->packets);
		emit_plain_tail(c, &plan->entry);
	}
	emit_colds(c);
	if (c->flags & JIT_RETPOLINE)
		emit_retpolines(c);
}

/* ---- the map from machine code back to instructions ---- */

/* For each instruction how far it lies behind the one before: a byte, or 255 and four.  to: 5 bytes each. */
static uint32_t encode_map(const struct jc *c, const uint32_t *inserted, uint32_t label, uint8_t *to)
{
	uint32_t bytes = 0, last = 0;

	for (uint32_t i = 0; i < c->code->n; i++) {
		uint32_t at = jc_pos(c, inserted, label + i), delta = at - last;

		to[bytes++] = (uint8_t)(delta < 255 ? delta : 255);
		if (delta >= 255) {
			memcpy(to + bytes, &delta, 4);
			bytes += 4;
		}
		last = at;
	}
	return bytes;
}

uint32_t jit_map_next(const struct jit_code *jit, uint32_t *at, uint32_t *off)
{
	uint32_t delta = jit->map[*at];

	if (delta == 255) {
		memcpy(&delta, jit->map + *at + 1, 4);
		*at += 4;
	}
	*at += 1;
	return *off += delta;
}

bool jit_addr(const struct code *code, uintptr_t addr, uint32_t *slot)
{
	const struct jit_code *jit = code->jit;
	uint32_t at = 0, off = 0, found = 0;

	if (!jit || addr < (uintptr_t)jit->text || addr >= (uintptr_t)jit->text + jit->bytes)
		return false;
	for (uint32_t i = 0; i < code->n; i++) {
		if (jit_map_next(jit, &at, &off) > addr - (uintptr_t)jit->text)
			break;
		found = i;
	}
	*slot = code->slot[found];
	return true;
}

/* ---- putting it in place ---- */

/* Frames of the functions and of the entries, for programs that call C. */
static void place_unwind(struct jc *c, const struct plan *plan, const uint32_t *inserted)
{
	uint32_t n = c->code->nr_sub + (c->state ? 2u : 1u);
	struct unwind_frame *f;

	if (!c->calls_c)
		return;
	f = mem_array(c->host, n, sizeof *f);
	if (!f)
		return;
	for (uint32_t k = 0; k < c->code->nr_sub; k++) {
		unwind_of_sub(c, k, &f[k]);
		f[k].from = c->jit->sub_off[k];
		f[k].to = c->jit->sub_off[k + 1];
	}
	if (c->state) {
		uint32_t full = jc_pos(c, inserted, plan->entry.full), back = jc_pos(c, inserted, plan->entry.callback);

		unwind_of_entry(c, &f[n - 2]);
		f[n - 1] = f[n - 2];
		f[n - 2].from = full;
		f[n - 2].to = f[n - 1].from = back;
		f[n - 1].to = jc_pos(c, inserted, plan->entry.tail);
	} else {
		unwind_of_batch(&f[n - 1]);
		f[n - 1].from = jc_pos(c, inserted, plan->batch);
		f[n - 1].to = jc_pos(c, inserted, plan->entry.tail);
	}
	unwind_register(c->jit, f, n, c->flags & JIT_GDB);
	mem_free(c->host, f, n * sizeof *f);
}

static int place(struct jc *c, const struct plan *plan)
{
	struct jit_code *jit = c->jit;
	uint32_t *inserted = mem_array(c->host, c->nr_fix + 1, sizeof *inserted);
	uint8_t *bytes = NULL, *at;
	int err = -ENOMEM;

	if (!inserted)
		return err;
	jit->bytes = jc_layout(c, inserted);
	bytes = mem_alloc(c->host, jit->bytes);
	jit->map_bytes = 5 * c->code->n;	/* what is not needed goes back below */
	jit->map = mem_alloc(c->host, jit->map_bytes);
	jit->sub_off = mem_array(c->host, c->code->nr_sub + 1, sizeof *jit->sub_off);
	if (bytes && jit->map && jit->sub_off)
		err = pages_reserve(jit->pages, jit->bytes, &at);
	if (!err) {
		uint32_t used = encode_map(c, inserted, plan->insn_label, jit->map);
		uint8_t *map = mem_resize(c->host, jit->map, jit->map_bytes, used);

		if (map) {
			jit->map = map;
			jit->map_bytes = used;
		}
		if (jc_copy(c, inserted, bytes, at)) {
			err = pages_publish(jit->pages, at, bytes, jit->bytes);
		} else {
			pages_release(jit->pages, at, jit->bytes);
			*pages_far(jit->pages) = true;
			err = -ERANGE;
		}
	}
	if (!err) {
		jit->text = at;
		for (uint32_t k = 0; k < c->code->nr_sub; k++)
			jit->sub_off[k] = jc_pos(c, inserted, c->sub[k].entry);
		jit->sub_off[c->code->nr_sub] = jc_pos(c, inserted, plan->end);
#define AT(label) ((void *)(at + jc_pos(c, inserted, (label))))
		if (c->state) {
			jit->full = AT(plan->entry.full);
			jit->callback = AT(plan->entry.callback);
			jit->tail = AT(plan->entry.tail);
			jit->bare = AT(plan->entry.bare);
			jit->result = AT(plan->entry.result);
		} else {
			jit->plain = AT(c->sub[0].entry);
			jit->tail = AT(plan->entry.tail);
			jit->batch = AT(plan->batch);
			jit->packets = plan->packets ? AT(plan->packets) : NULL;
		}
		place_unwind(c, plan, inserted);
#undef AT
	}
	mem_free(c->host, bytes, jit->bytes);
	mem_free(c->host, inserted, (c->nr_fix + 1) * sizeof *inserted);
	return err;
}

static void free_jc(struct jc *c)
{
	mem_free(c->host, c->base, c->cap);
	mem_free(c->host, c->label, c->cap_label * sizeof *c->label);
	mem_free(c->host, c->fix, c->cap_fix * sizeof *c->fix);
	mem_free(c->host, c->callee, c->cap_callee * sizeof *c->callee);
	mem_free(c->host, c->cold, c->cap_cold * sizeof *c->cold);
	mem_free(c->host, c->sub, c->code->nr_sub * sizeof *c->sub);
	mem_free(c->host, c->site, c->cap_site * sizeof *c->site);
	facts_free(c);
	mem_free(c->host, c->kind_at, c->code->n * sizeof *c->kind_at);
	flow_free(c->code, &c->flow);
}

void jit_free(struct code *code)
{
	struct jit_code *jit = code->jit;
	struct vm_host *host = code->host;

	if (!jit)
		return;
	if (jit->tame_code)
		tame_drop(jit->tame_code);
	unwind_drop(jit);
	gdb_drop(jit);
	if (jit->listed)
		pages_delist(jit->pages, jit);
	if (jit->text)
		pages_release(jit->pages, jit->text, jit->bytes);
	mem_free(host, jit->map, jit->map_bytes);
	mem_free(host, jit->sub_off, (code->nr_sub + 1) * sizeof *jit->sub_off);
	mem_free(host, jit->site, jit->nr_site * sizeof *jit->site);
	mem_free(host, jit, sizeof *jit);
	code->jit = NULL;
}

static uint64_t random_key(struct vm_host *host, const struct jc *c)
{
	uint64_t seed = (uintptr_t)c ^ (uintptr_t)c->code * 0x9e3779b97f4a7c15u;
	unsigned lo, hi;

	if (host)
		seed ^= atomic_fetch_add_explicit(&host->random_state, 0x9e3779b97f4a7c15u, memory_order_relaxed);
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (seed ^ lo ^ (uint64_t)hi << 32) | 1;
}

static int fail(struct uebpf_error *err, int num, const char *what)
{
	return error_set(err, UEBPF_STAGE_JIT, num == -ENOMEM ? UEBPF_E_MEMORY : UEBPF_E_ABSENT, num, UINT32_MAX,
			 "%s", message_text(what));
}

static int begin(struct jc *c)
{
	static const uint8_t home[11] = { RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP };

	memcpy(c->reg, home, sizeof home);
	c->slow_label = c->zeroes_at = c->lanes_tail = c->flags_at = c->set_at = UNSET;
	c->next_window = c->nr_window = WINDOW_FREE;
	c->sub = mem_array(c->host, c->code->nr_sub, sizeof *c->sub);
	if (!c->sub || flow_build(c->code, &c->flow))
		return -ENOMEM;
	if (c->checked) {
		c->kind_at = mem_array(c->host, c->code->n, sizeof *c->kind_at);
		if (!c->kind_at)
			return -ENOMEM;
	}
	if (!plan_frames(c))
		return -ENOMEM;
	if (c->checked) {
		c->ctx_access = jit_ctx_access(c->code->type);
		c->ctx_size = c->code->type->flags & TYPE_RAW ? INT32_MAX : c->code->type->ctx_size;
		facts_build(c);
	}
	c->sliced = c->metered && !(c->fact_index ? c->calls_helper : c->calls_c);
	return 0;
}

int jit_compile(struct code *code, const struct jit_opts *opts, struct uebpf_error *err)
{
	struct jc c = { .code = code, .host = code->host, .cpu = opts->cpu, .flags = opts->flags,
			.metered = code->metered, .checked = code->checked,
			.far = *pages_far(opts->pages) };
	struct plan plan;
	int ret;

	code->jit = mem_alloc(code->host, sizeof *code->jit);
	if (!code->jit)
		return fail(err, -ENOMEM, "out of memory");
	*code->jit = (struct jit_code){ .host = code->host, .pages = opts->pages, .code = code };
	c.jit = code->jit;
	c.rules = (uint32_t)rules_not_in(jit_rule_names, opts->no_rules);
	c.blind = random_key(code->host, &c);
	if (code->checked && opts->source)
		tame_compile(code->jit, opts);
	ret = begin(&c);
	if (!ret)
		emit_all(&c, &plan);
	if (c.no_memory)
		ret = -ENOMEM;
	if (!ret && c.unsupported)
		ret = -EOPNOTSUPP;
	if (!ret)
		ret = place(&c, &plan);
	if (!ret) {
		code->jit->nr_window = c.nr_window;
		code->jit->needs_state = c.state;
		code->jit->packet_window = c.packet_window;
		code->jit->ctx_window = c.ctx_window;
		code->jit->sliced = c.sliced;
		code->jit->inits = c.inits;
		jit_plan_run(code->jit);
		code->jit->site = c.nr_site ? mem_copy(code->host, c.site, c.nr_site * sizeof *c.site) : NULL;
		code->jit->nr_site = c.nr_site;
		if (c.nr_site && !code->jit->site) {
			code->jit->nr_site = 0;
			ret = -ENOMEM;
		}
	}
	free_jc(&c);
	for (int k = 0; opts->hits && k < JIT_RULE_COUNT; k++)
		opts->hits[k] += c.hits[k];
	if (!ret) {
		pages_enlist(opts->pages, code->jit);
		code->jit->listed = true;
		if (opts->flags & (JIT_PERF_MAP | JIT_JITDUMP | JIT_GDB) && !debug_announce(code->jit, opts) && opts->unseen)
			*opts->unseen = true;
		return 0;
	}
	jit_free(code);
	if (ret == -ERANGE)	/* once more, with calls that go anywhere */
		return jit_compile(code, opts, err);
	if (ret == -EOPNOTSUPP)
		return fail(err, ret, MESSAGE_TEXT("the JIT has no code for an instruction of this program"));
	return fail(err, ret, ret == -ENOMEM ? "out of memory" :
		    MESSAGE_TEXT("the system denies executable memory; use the interpreter (--engine interp)"));
}
