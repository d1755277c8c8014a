/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sound_test.c - what the verifier accepts never faults.
 *
 * Programs as people write them (tests/gen/programs.h), often with a mistake in them.  Each accepted one
 * runs in the checked interpreter on random inputs, and each instruction's result is compared with the
 * range that the verifier promised.  Then each rule of the verifier is switched off in turn: the same
 * generator must find a program that goes wrong.  What was covered is printed: for each rule the sampled
 * programs whose verdict or walk it alone changes; instruction rows, helpers and kinds of memory.
 *   sound_test [seed [accepted]]      FUZZ=1: a hundred times as many */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "helpers/helpers.h"
#include "loader/loader.h"
#include "tests/gen/programs.h"
#include "tests/util/made.h"
#include "tests/util/run.h"
#include "verifier/verifier.h"
#include "vm/code.h"

enum { SAMPLE = 256 };	/* one program in so many is asked for each rule */
static const char *const rule_name[RULE_COUNT] = {
#define R(id, text) text,
	VERIFY_RULES(R)
#undef R
};
static struct uebpf_env *env;
static struct uebpf_map *maps[MADE_MAPS];
static struct helper_table helpers;
static uint64_t seed = 1;
static unsigned want = 100000;
static struct made made;
static unsigned unfinished;	/* runs beyond the budget here, but not beyond what the verifier states */
static struct uebpf_object *tail_object[MADE_TYPES];	/* "r0 = 2; exit" */
enum { TAIL_INSNS = 2 };

static uint32_t below(uint32_t n) { return (uint32_t)(made_random() % n); }
static bool chance(uint32_t percent) { return below(100) < percent; }

/* ---- running ---- */

struct watch {
	const struct code *code;	/* as verified */
	const struct fact *fact;
	const uint32_t *index;		/* slot -> decoded instruction */
	uint32_t last;
	uint64_t before[11];
	bool exact, may_goto;
	bool iterates;			/* up to 2^23 rounds of which few are explored */
	uint32_t budget;		/* of a run */
	bool again;			/* a function verified alone, or called back, runs more often than explored */
	bool calls_back, starts[MADE_SLOTS];	/* instructions where callbacks begin */
	uint64_t steps, stated;		/* taken; at most, says the verifier */
	uint64_t round;			/* taken since a callback began, at most as many as are stated */
	uint32_t away;			/* instructions of another program to come */
	char wrong[200];
};

static bool is_alu(const struct insn *in)
{
	uint8_t shape = isa_op[in->op].shape;

	return shape == SHAPE_ALU_K || shape == SHAPE_ALU_X || shape == SHAPE_UN;
}

/* Called before each instruction: was the last one's promise kept? */
static void watch_step(void *arg, uint32_t pc, const uint64_t regs[11], const char *text)
{
	struct watch *w = arg;
	uint32_t now = w->index[pc], last = w->last;
	const struct fact *f;
	const struct insn *in;

	(void)text;
	w->steps++;
	w->round++;
	if (last != UINT32_MAX && w->code->insn[last].op == OP_CALL && now != last + 1 && w->code->insn[last].imm == 12) {
		w->away = TAIL_INSNS;
		w->last = UINT32_MAX;
	}
	if (w->away) {
		w->away--;
		return;
	}
	if (w->calls_back && w->starts[now])
		w->round = 0;
	if (!(w->fact[now].flags & FACT_SEEN) && !*w->wrong)
		snprintf(w->wrong, sizeof w->wrong, "slot %u runs but was never explored", pc);
	w->last = now;
	last = last == UINT32_MAX || *w->wrong ? UINT32_MAX : last;
	if (last == UINT32_MAX) {
		memcpy(w->before, regs, sizeof w->before);
		return;
	}
	f = &w->fact[last];
	in = &w->code->insn[last];
	if (isa_op[in->op].shape == SHAPE_JCC_K || isa_op[in->op].shape == SHAPE_JCC_X) {
		if (in->off != (int32_t)last + 1 &&
		    !(f->flags & (now == last + 1 ? FACT_FALLS : FACT_JUMPS)))
			snprintf(w->wrong, sizeof w->wrong, "jump at slot %u takes an edge called impossible",
				 w->code->slot[last]);
		memcpy(w->before, regs, sizeof w->before);
		return;
	}
	if (is_alu(in) && f->flags & FACT_RANGE && !(f->flags & FACT_CHANGES) && regs[in->dst] != w->before[in->dst])
		snprintf(w->wrong, sizeof w->wrong, "slot %u: r%u was 0x%" PRIx64 " and is 0x%" PRIx64 ", called unchanged",
			 w->code->slot[last], in->dst, w->before[in->dst], regs[in->dst]);
	memcpy(w->before, regs, sizeof w->before);
	if (now != last + 1 || !(f->flags & FACT_RANGE) || *w->wrong)
		return;
	if (isa_op[in->op].shape == SHAPE_CALL && !w->exact)
		return;			/* lo and hi are arguments there */
	uint32_t dst = isa_op[in->op].shape == SHAPE_CALL ? 0 : in->dst;

	if (isa_op[in->op].shape == SHAPE_ATOMIC)
		dst = in->op == OP_CMPXCHG64 || in->op == OP_CMPXCHG32 ? 0 : in->src;
	if (regs[dst] < f->lo || regs[dst] > f->hi)
		snprintf(w->wrong, sizeof w->wrong, "slot %u: r%u = 0x%" PRIx64 ", promised %" PRIu64 "..%" PRIu64,
			 w->code->slot[last], dst, regs[dst], f->lo, f->hi);
}

static void load(struct code *code, const struct prog_type *type, bool checked)
{
	memset(code, 0, sizeof *code);
	code->host = vm_host_of(env);
	code->type = type;
	code->helpers = &helpers;
	code->checked = code->metered = checked;
	code->gpl = true;
	code->budget = 1 << 22;
	code->stack_size = 512;
	code->max_frames = 8;
}

static void own_maps(struct code *code)
{
	code->map = calloc(MADE_MAPS, sizeof *code->map);
	for (int i = 0; i < MADE_MAPS; i++)
		code->map[i] = uebpf_map_ref(maps[i]);
	code->nr_map = MADE_MAPS;
}

static int drop_record(void *arg, const void *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	return 0;
}

/* What was explored is what a run can walk; a loop that was summed up comes again so often. */
static uint64_t stated_steps(const struct verify_result *res)
{
	uint64_t steps;

	return __builtin_mul_overflow(res->insns, res->rounds + 1, &steps) ? UINT64_MAX : steps;
}

/* 0, or a negative status of a run; *wrong says what. */
static int run_one(const struct code *code, struct watch *w)
{
	uint8_t memory[400];
	struct uebpf_packet pkt = { .size = sizeof pkt };
	struct uebpf_run run = { .size = sizeof run, .budget = w->may_goto ? 1 << 11 : w->iterates ? 1 << 13 : w->budget };
	uint32_t len = chance(30) ? below(20) : below(256);
	uint64_t r0;
	int rc;

	for (uint32_t i = 0; i < sizeof memory; i += 8) {
		uint64_t v = chance(50) ? made_random() & 15 : made_random();

		memcpy(memory + i, &v, 8);
	}
	for (uint32_t key = 0; key < 4; key++)	/* what programs read back steers them */
		for (int m = 0; m < 2; m++) {
			uint64_t *v = uebpf_map_value(maps[m], &key);

			for (uint32_t i = 0; v && i < 6; i++)
				v[i] = chance(60) ? made_random() & 63 : made_random();
		}
	uebpf_map_consume(maps[MADE_RING], drop_record, NULL);	/* a full ring hides what follows a reservation */
	for (int i = 0; i < 2; i++) {		/* something to drain */
		uint64_t *record = uebpf_map_reserve(maps[MADE_USER_RING], 16);

		if (record) {
			record[0] = record[1] = chance(60) ? made_random() & 63 : made_random();
			uebpf_map_commit(maps[MADE_USER_RING], record, 0);
		}
	}
	uebpf_map_set_prog(maps[MADE_PROGS], 1, chance(50) ? uebpf_object_prog(tail_object[made.type], NULL) : NULL);
	w->last = UINT32_MAX;
	w->away = 0;
	w->steps = w->round = 0;
	pkt.head = memory;
	pkt.data = memory + 64;
	pkt.data_end = pkt.data + len;
	pkt.tail = memory + sizeof memory;
	pkt.ifindex = (uint32_t)made_random();
	if (code->type->flags & TYPE_PACKET)
		rc = interp_trace(code, &pkt, sizeof pkt, &run, &r0, watch_step, w);
	else
		rc = interp_trace(code, memory + 64, len, &run, &r0, watch_step, w);
	if (rc == -ETIME && w->may_goto)	/* ends after 2^23 rounds: beyond the budget here */
		rc = 0;
	if (w->steps > w->stated && !w->may_goto && !w->iterates && !w->again && !*w->wrong)
		snprintf(w->wrong, sizeof w->wrong, "%" PRIu64 " steps taken, %" PRIu64 " stated", w->steps, w->stated);
	if (w->round > w->stated && !w->may_goto && !w->iterates && (w->calls_back || !w->again) && !*w->wrong)
		snprintf(w->wrong, sizeof w->wrong, "%" PRIu64 " steps in one round, %" PRIu64 " stated", w->round, w->stated);
	if (rc == -ETIME && (w->calls_back || w->iterates || w->stated > run.budget) && !*w->wrong) {	/* proven to end, but not while we wait */
		unfinished++;
		rc = 0;
	}
	if (rc)
		snprintf(w->wrong, sizeof w->wrong, "run ends with %s at slot %u", strerrorname_np(-rc), run.pc);
	return *w->wrong ? -EFAULT : 0;
}

static void show(void)
{
	for (uint32_t i = 0; i < made.n;) {
		char text[128];
		int used = raw_text(text, sizeof text, made.slots + 8 * i, made.n - i);

		fprintf(stderr, "%4u: %s\n", i, text);
		i += (uint32_t)used;
	}
}

/* ---- what was covered ---- */

static struct coverage {
	unsigned sampled, mattered[RULE_COUNT], op[OP_COUNT], helper[256], base[FACT_MIXED + 1], types[MADE_TYPES];
} covered;

/* Does the rule alone make a difference to this program? */
static void sample_rules(const struct code *plain, const struct verify_opts *opts, int rc, uint64_t insns)
{
	struct verify_opts without = *opts;
	struct verify_result res;
	struct uebpf_error err;

	covered.sampled++;
	for (int rule = 0; rule < RULE_COUNT; rule++) {
		without.rules_off = UINT32_C(1) << rule;
		covered.mattered[rule] += verify(plain, &without, &res, &err) != rc || res.insns != insns;
		verify_free(&res);
	}
}

static void note_accepted(const struct code *plain, const struct verify_result *res)
{
	covered.types[made.type]++;
	for (uint32_t i = 0; i < plain->n; i++) {
		const struct insn *in = &plain->insn[i];

		if (!(res->fact[i].flags & FACT_SEEN))
			continue;
		covered.op[in->op]++;
		if (in->op == OP_CALL && (uint64_t)in->imm < 256)
			covered.helper[in->imm]++;
		covered.base[res->fact[i].base]++;
	}
}

static void show_coverage(void)
{
	static const char *const base[] = { "none", "context", "stack", "map value", "packet", "memory", "object", "arena",
					    "differing" };
	unsigned met = 0, helpers_met = 0;

	printf("  rule coverage: %u programs sampled; verdict or walk changes without\n", covered.sampled);
	for (int rule = 0; rule < RULE_COUNT; rule++)
		printf("    %-26s %6u\n", rule_name[rule], covered.mattered[rule]);
	for (int op = 0; op < OP_COUNT; op++)
		met += covered.op[op] != 0;
	for (int h = 0; h < 256; h++)
		helpers_met += covered.helper[h] != 0;
	printf("  accepted: raw %u, xdp %u, socket_filter %u; %u instruction rows, %u helpers; memory:", covered.types[0],
	       covered.types[1], covered.types[2], met, helpers_met);
	for (int b = FACT_CTX; b <= FACT_MIXED; b++)
		printf(" %s %u", base[b], covered.base[b]);
	printf("\n");
}

/* ---- one program ---- */

static const char *const type_name[] = { "raw", "xdp", "socket_filter" };

static bool prototype(void *arg, uint32_t slot, struct proto *out)
{
	(void)arg;
	for (uint32_t i = 0; i < made.nr_subs; i++)
		if (made.sub[i].slot == slot && made.sub[i].global) {
			*out = (struct proto){ .nr_args = MADE_GLOBAL_ARGS, .returns = true,
					       .arg[1] = { PROTO_MEM, false, MADE_GLOBAL_MEM } };
			return true;
		}
	return false;
}

/* -1: not accepted (-2: no program); 0: fine; 1: wrong. */
static int try_one(uint64_t at, int focus, uint32_t rules_off, int runs, struct watch *w, struct verify_result *res)
{
	static uint32_t index[MADE_SLOTS + 1];
	const struct prog_type *type;
	struct verify_opts opts = { .rules_off = rules_off, .max_insns = 1500, .exact = at & 1, .proto = prototype };
	struct sub_def sub[MADE_SUBS];
	struct code plain, checked;
	struct uebpf_error err;
	int rc, ret = -1;

	make_program(&made, at, focus, MADE_TYPES);
	for (uint32_t i = 0; i < made.nr_subs; i++)
		sub[i] = (struct sub_def){ made.sub[i].slot, "sub", made.sub[i].global };
	type = prog_type_find(type_name[made.type]);
	load(&plain, type, false);
	if (code_decode(&plain, made.slots, made.n, sub, made.nr_subs, 1 << 20, &err)) {
		code_free(&plain);
		return -2;
	}
	own_maps(&plain);
	rc = verify(&plain, &opts, res, &err);
	if (rc && rc != -EACCES && rc != -E2BIG && rc != -EINVAL && rc != -EOPNOTSUPP)
		ck_abort_msg("%d: %s", rc, err.text);
	if (!rules_off && !(at % SAMPLE))
		sample_rules(&plain, &opts, rc, res->insns);
	load(&checked, type, true);
	if (!rc && !code_decode(&checked, made.slots, made.n, sub, made.nr_subs, 1 << 20, &err)) {
		own_maps(&checked);
		if (code_prepare(&checked, &err))
			ck_abort_msg("%s", err.text);
		for (uint32_t i = 0; i < plain.n; i++)
			index[plain.slot[i]] = i;
		note_accepted(&plain, res);
		*w = (struct watch){ .code = &plain, .fact = res->fact, .index = index, .exact = opts.exact,
				     .stated = stated_steps(res), .budget = rules_off ? 1 << 19 : 1 << 22 };
		ret = 0;
		for (uint32_t i = 0; i < plain.n; i++) {
			w->may_goto |= plain.insn[i].op == OP_MAY_GOTO;
			w->iterates |= plain.insn[i].op == OP_CALL && plain.insn[i].imm == MADE_ITER_NEXT;
			if (plain.insn[i].op == OP_LD_FUNC)
				w->again = w->calls_back = w->starts[plain.insn[i].off] = true;
		}
		for (uint32_t i = 0; i < made.nr_subs; i++)
			if (made.sub[i].global)
				w->again = true, w->calls_back = false;
		made_seed(at ^ 0x5555);
		for (int i = 0; i < runs && !ret; i++)
			ret = run_one(&checked, w) ? 1 : 0;
	}
	verify_free(res);
	code_free(&plain);
	code_free(&checked);
	return ret;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

START_TEST(accepted_programs_never_fault)
{
	struct verify_result res;
	struct watch w;
	uint64_t start = now_ms(), insns = 0;
	unsigned ok = 0, tried = 0, broken = 0;

	for (uint64_t at = seed; ok < want; at++) {
		int r = try_one(at, -1, 0, 2, &w, &res);

		tried++;
		broken += r == -2;
		ok += r >= 0;
		insns += res.insns;
		if (r == 1) {
			show();
			ck_abort_msg("seed %" PRIu64 ": accepted, but %s", at, w.wrong);
		}
	}
	printf("  %u programs, %u accepted, %u not decodable, %" PRIu64 " instructions explored, %" PRIu64 " ms\n",
	       tried, ok, broken, insns, now_ms() - start);
	printf("  %u runs were longer than the budget here, none longer than stated\n", unfinished);
	show_coverage();	/* that no rule is idle is what the next test asks */
}
END_TEST

START_TEST(each_missing_rule_is_found)
{
	struct verify_result res;
	struct watch w;
	unsigned missed = 0;

	for (int rule = 0; rule < RULE_COUNT; rule++) {
		unsigned tried = 0, found = 0;
		uint64_t start = now_ms();

		for (uint64_t at = seed + 1000000; !found && now_ms() - start < 6000; at++, tried++)
			found = try_one(at, rule, UINT32_C(1) << rule, 3, &w, &res) == 1;
		printf("  without %-26s %s after %u programs%s%s\n", rule_name[rule],
		       found ? "found" : "MISSED", tried, found ? ": " : "",
		       found ? w.wrong : "");
		missed += !found;
	}
	ck_assert_msg(!missed, "%u rules can be removed without anybody noticing", missed);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tc = test_case("soundness", 36000);
	uint8_t value[64] = { 5 };
	int failed;

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		want = (unsigned)strtoul(argv[2], NULL, 0);
	if (getenv("FUZZ"))
		want *= 100;
	env = uebpf_env_new(NULL);
	helpers = (struct helper_table){ .builtin = true };
	maps[MADE_ARRAY] = made_map(env, "m", 2, 4, 64, 4, 0);	/* array */
	maps[MADE_HASH] = made_map(env, "m", 1, 4, 48, 16, 0);	/* hash */
	maps[MADE_RING] = made_map(env, "m", 27, 0, 0, 65536, 0);	/* ring buffer */
	maps[MADE_RDONLY] = made_map(env, "m", 2, 4, 8, 1, 1 << 7 /* BPF_F_RDONLY_PROG */);
	maps[MADE_PROGS] = made_map(env, "m", 3, 4, 4, 4, 0);
	maps[MADE_USER_RING] = made_map(env, "m", 31, 0, 0, 4096, 0);
	maps[MADE_LOCK] = made_map(env, "m", 2, 4, 64, 2, 0);
	maps[MADE_LOCK]->spin_lock_off = 0;
	for (int i = 0; i < MADE_TYPES; i++) {
		struct uebpf_load_opts lo = { .size = sizeof lo, .mode = UEBPF_MODE_CHECKED };
		struct uebpf_open_opts oo = { .size = sizeof oo, .type = type_name[i] };
		struct uebpf_error err;

		tail_object[i] = uebpf_object_open_text(env, "r0 = 2\nexit\n", &oo, &err);
		if (!tail_object[i] || uebpf_object_load(tail_object[i], &lo, &err))
			return fprintf(stderr, "%s\n", err.text), 1;
	}
	for (uint32_t k = 0; k < 6; k++)
		uebpf_map_update(maps[1], &k, value, 0);
	tcase_add_test(tc, accepted_programs_never_fault);
	tcase_add_test(tc, each_missing_rule_is_found);
	failed = run_tests();
	for (int i = 0; i < MADE_TYPES; i++)
		uebpf_object_free(tail_object[i]);
	for (int i = 0; i < MADE_MAPS; i++)
		uebpf_map_unref(maps[i]);
	uebpf_env_free(env);
	return failed;
}
