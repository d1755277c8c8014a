/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arms.c - see arms.h. */
#include "tests/util/arms.h"
#include "jit/jit.h"
#include "maps/maps.h"
#include "vm/mem.h"
#include "vm/rewrite/rewrite.h"
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The portable dispatch, built beside the threaded one. */
int interp_switch_run(const struct code *code, void *ctx, size_t ctx_len, struct uebpf_run *run, uint64_t *r0);

static void ignore_step(void *arg, uint32_t pc, const uint64_t regs[11], const char *insn)
{
	(void)arg, (void)pc, (void)regs, (void)insn;
}

static int traced(const struct code *code, void *ctx, size_t len, struct uebpf_run *run, uint64_t *r0)
{
	return interp_trace(code, ctx, len, run, r0, ignore_step, NULL);
}

/* ---- the JIT, plain and with each of its options ---- */

uint64_t arm_hits[REWRITE_RULE_COUNT];
uint32_t arm_jit_hits[JIT_RULE_COUNT];

void arms_say_hits(bool all)
{
	for (int k = 0; k < REWRITE_RULE_COUNT + JIT_RULE_COUNT; k++) {
		bool own = k >= REWRITE_RULE_COUNT;
		const char *name = own ? rule_name(jit_rule_names, k - REWRITE_RULE_COUNT) : rule_name(rewrite_names, k);
		unsigned long long hits = own ? arm_jit_hits[k - REWRITE_RULE_COUNT] : arm_hits[k];

		printf(" %s%s %llu", name, own ? " (emitter)" : "", hits);
		ck_assert_msg(hits || !all, "rule %s%s was never hit", name, own ? " of the emitter" : "");
	}
	printf("\n");
}

static int rewritten(const struct arm *arm, struct code *code, struct uebpf_error *err)
{
	uint32_t hits[REWRITE_RULE_COUNT] = { 0 };
	int ret = rewrite_code(code, arm->no_rules, hits);

	(void)err;
	for (int k = 0; k < REWRITE_RULE_COUNT; k++)
		arm_hits[k] += hits[k];
	return ret;
}

static int compiled(const struct arm *arm, struct code *code, struct uebpf_error *err)
{
	static struct jit_pages *pages;
	struct jit_opts opts = { .flags = arm->flags, .no_rules = arm->no_rules, .hits = arm_jit_hits };
	struct code *source;
	int ret;

	if (!jit_arch())
		return -EOPNOTSUPP;
	if (!pages)
		pages = jit_pages_new(NULL);
	if (!pages || jit_cpu_detect(arm->no_cpu ? "all" : NULL, &opts.cpu))
		return -ENOMEM;
	opts.pages = pages;
	source = code_copy(code);
	code->compiled = true;
	opts.source = source;
	ret = !source || rewritten(arm, code, err) ? -ENOMEM : jit_compile(code, &opts, err);
	if (source)
		code_free(source);
	free(source);
	return ret;
}
/* One record, through the loop that is compiled with the program where there is one. */
static int batched(const struct code *code, void *ctx, size_t len, struct uebpf_run *run, uint64_t *r0)
{
	const struct prog_type *type = code->type;
	struct uebpf_record record = { ctx, len };

	if (!jit_batch(code, false) || (run && (run->host || run->budget || run->abort)) ||
	    (!(type->flags & (TYPE_RAW | TYPE_OPEN)) && (len < type->host_size || !ctx)))
		return jit_run(code, ctx, len, run, r0);
	jit_batch(code, false)(&record, 0, r0, r0 + 1);
	return 0;
}

#define INTERP(text, mode, ...) { .name = "interp " text, .run = interp_run, mode, __VA_ARGS__ }
#define JIT(text, mode, ...) { .name = "jit " text, .ready = compiled, .run = jit_run, .done = jit_free, mode, __VA_ARGS__ }
#define CHECKED .checked = true, .metered = true
#define TRUSTED .checked = false
#define HARD .flags = JIT_BLIND | JIT_RETPOLINE | JIT_ENDBR
const struct arm arms[] = {
	INTERP("checked", CHECKED, .main = true),
	INTERP("trusted", TRUSTED),
	INTERP("metered", TRUSTED, .metered = true),
	{ .name = "switch checked", CHECKED, .run = interp_switch_run },
	{ .name = "switch trusted", TRUSTED, .run = interp_switch_run },
	{ .name = "traced checked", CHECKED, .run = traced },
	{ .name = "traced trusted", TRUSTED, .run = traced },
	INTERP("checked rewritten", CHECKED, .ready = rewritten),
	INTERP("trusted rewritten", TRUSTED, .ready = rewritten, .main = true),
	{ .name = "switch trusted rewritten", TRUSTED, .run = interp_switch_run, .ready = rewritten },
	JIT("checked", CHECKED, .main = true),
	JIT("trusted", TRUSTED, .main = true),
	JIT("metered", TRUSTED, .metered = true),
	JIT("trusted no cpu features", TRUSTED, .no_cpu = true),
	JIT("checked no cpu features", CHECKED, .no_cpu = true),
	JIT("trusted no rules", TRUSTED, .no_rules = "all"),
	JIT("trusted blinded", TRUSTED, HARD),
	JIT("checked blinded", CHECKED, HARD),
	JIT("checked no rules", CHECKED, .no_rules = "all"),
	{ .name = "jit trusted records", TRUSTED, .ready = compiled, .run = batched, .done = jit_free },
};
const size_t nr_arms = sizeof arms / sizeof arms[0];

const struct arm *rule_arm(size_t k)
{
	enum { OWN = JIT_RULE_COUNT, RULES = REWRITE_RULE_COUNT + OWN };	/* the emitter's come first */
	static struct arm arm[2 * RULES];
	static char name[2 * RULES][64];
	size_t rule = k / 2;

	ck_assert_msg(!*rule_name(jit_rule_names, OWN), "the emitter has more rules than JIT_RULE_COUNT");
	if (k >= 2 * RULES)
		return NULL;
	if (!arm[k].name) {
		const char *off = rule < OWN ? rule_name(jit_rule_names, (int)rule) :
					rule_name(rewrite_names, (int)rule - OWN);

		snprintf(name[k], sizeof name[k], "jit %s without %s", k & 1 ? "checked" : "trusted", off);
		arm[k] = (struct arm){ .name = name[k], .checked = k & 1, .metered = k & 1, .ready = compiled,
				       .run = jit_run, .done = jit_free, .no_rules = off };
	}
	return &arm[k];
}

/* An array of one element, as the kernel's of the same programs. */
static struct uebpf_map test_map = { .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .max_entries = 1,
				     .refs = 1 << 30, .name = "memory" };
static struct helper_table test_all_helpers;

/* The library's own helpers are there for programs that look into the map or loop, not for garbage whose callx
 * might come upon any of them. */
static bool wants_builtin(const uint8_t *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct raw_insn raw = raw_load(slots + 8 * i);

		if (raw.code == 0x85 && !raw.src && (raw.imm == 1 || raw.imm == 181))
			return true;
		i += raw.code == 0x18;
	}
	return false;
}

int arm_load_memory(const struct arm *arm, struct code *code, const void *slots, uint32_t n,
		    const struct prog_type *type, void *memory, uint32_t bytes, struct uebpf_error *err)
{
	int ret;

	memset(code, 0, sizeof *code);
	ret = code_decode(code, slots, n, NULL, 0, 1000000, err);
	code->type = type;
	code->helpers = &test_helpers;
	code->checked = arm->checked;
	code->metered = arm->metered;
	if (memory) {
		test_all_helpers = test_helpers;
		test_all_helpers.builtin = wants_builtin(slots, n);
		code->helpers = &test_all_helpers;
		test_map.ops = map_ops_find(test_map.type);
		test_map.base = memory;
		test_map.value_size = test_map.value_stride = bytes;
		test_map.values = (struct region){ .lo = (uintptr_t)memory, .hi = (uintptr_t)memory + bytes,
						   .access = ACCESS_READ | ACCESS_WRITE };
		code->map = mem_alloc(NULL, sizeof *code->map);
		code->map[0] = &test_map;
		code->nr_map = 1;
	}
	ret = ret ? ret : code_prepare(code, err);
	if (!ret && arm->ready)
		ret = arm->ready(arm, code, err);
	ret = ret || code->jit ? ret : interp_prepare(code);
	if (ret)
		code_free(code);
	return ret;
}

int arm_load(const struct arm *arm, struct code *code, const void *slots, uint32_t n,
	     const struct prog_type *type, struct uebpf_error *err)
{
	return arm_load_memory(arm, code, slots, n, type, NULL, 0, err);
}

void arm_free(const struct arm *arm, struct code *code)
{
	if (arm->done)
		arm->done(code);
	code_free(code);
}

/* ---- types ---- */

const struct prog_type test_raw = { .name = "raw", .flags = TYPE_RAW };

static const struct ctx_field packet_fields[] = {
	{ .off = 0, .size = 4, .kind = CTX_PACKET, .access = ACCESS_READ,
	  .host_off = offsetof(struct uebpf_packet, data), .host_size = sizeof(void *) },
	{ .off = 4, .size = 4, .kind = CTX_PACKET_END, .access = ACCESS_READ,
	  .host_off = offsetof(struct uebpf_packet, data_end), .host_size = sizeof(void *) },
	{ .off = 8, .size = 4, .kind = CTX_PACKET_META, .access = ACCESS_READ,
	  .host_off = offsetof(struct uebpf_packet, data_meta), .host_size = sizeof(void *) },
	{ .off = 12, .size = 4, .kind = CTX_SCALAR, .access = ACCESS_READ | ACCESS_WRITE,
	  .host_off = offsetof(struct uebpf_packet, mark), .host_size = 4, .narrow = 1 },
};
const struct prog_type test_packet = {
	.name = "packet", .flags = TYPE_PACKET | TYPE_PACKET_WRITE | TYPE_LD_ABS, .ctx_size = 16,
	.host_size = sizeof(struct uebpf_packet), .fields = packet_fields,
	.nr_fields = sizeof packet_fields / sizeof packet_fields[0],
};

#define HOST(f) .host_off = offsetof(struct test_fields, f), .host_size = sizeof(((struct test_fields *)0)->f)
static const struct ctx_field field_rows[] = {
	{ .off = 0, .size = 4, .access = ACCESS_READ, .narrow = 1, HOST(wide) },
	{ .off = 4, .size = 4, .access = ACCESS_READ | ACCESS_WRITE, HOST(small) },
	{ .off = 8, .size = 4, .count = 4, .access = ACCESS_READ | ACCESS_WRITE, .narrow = 1,
	  .host_off = offsetof(struct test_fields, cb), .host_size = 4 },
	{ .off = 24, .size = 8, .kind = CTX_CSTR, .access = ACCESS_READ, HOST(text) },
	{ .off = 32, .size = 8, .kind = CTX_MEM, .access = ACCESS_READ, HOST(mem),
	  .size_off = offsetof(struct test_fields, mem_len), .size_width = 8 },
};
const struct prog_type test_fields = {
	.name = "fields", .ctx_size = 40, .host_size = sizeof(struct test_fields), .fields = field_rows,
	.nr_fields = sizeof field_rows / sizeof field_rows[0],
};

const struct prog_type *test_type(const char *name)
{
	static const struct prog_type *const all[] = { &test_raw, &test_packet, &test_fields };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}

/* ---- helpers ---- */

#define HELPER(name) static uint64_t name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, \
					  struct uebpf_call *call)
#define UNUSED (void)a, (void)b, (void)c, (void)d, (void)e, (void)call

HELPER(gather) { UNUSED; return (a & 0xff) << 32 | (b & 0xff) << 24 | (c & 0xff) << 16 | (d & 0xff) << 8 | (e & 0xff); }
HELPER(sum5) { UNUSED; return a + 2 * b + 3 * c + 5 * d + 7 * e; }

/* SSE through an aligned local: faults when the engine calls with a stack that is not 16-aligned. */
HELPER(aligned)
{
	UNUSED;
#ifdef __SSE2__
	volatile __m128i v = _mm_set_epi64x((long long)a, (long long)b);
	__m128i w = _mm_add_epi64(v, v);

	return (uint64_t)_mm_cvtsi128_si64(w) + (uint64_t)((uintptr_t)&v & 15);
#else
	return 2 * b;
#endif
}
HELPER(failing) { UNUSED; call->status = -EPERM; call->address = a; return 1; }
HELPER(sum_memory)
{
	uint64_t sum = 0;

	UNUSED;
	for (uint64_t i = 0; i < b; i++)
		sum += ((const uint8_t *)(uintptr_t)a)[i];
	return sum;
}
HELPER(fill_memory) { UNUSED; if (b) memset((void *)(uintptr_t)a, (int)c, (size_t)b); return b; }
/* loop(n, fn, ctx, 0): as bpf_loop. */
HELPER(loop)
{
	UNUSED;
	for (uint64_t i = 0; i < a; i++)
		if (call->callback(call, b, i, c, 0, 0, 0) || call->status)
			return i + 1;
	return a;
}
static uint8_t lent[32];
HELPER(lend) { UNUSED; memset(lent, 0, sizeof lent); return a ? (uintptr_t)lent : 0; }
HELPER(give_back) { UNUSED; return 0; }
HELPER(garbage) { UNUSED; return 0xdeadbeefdeadbeefull; }
HELPER(length_of) { UNUSED; return strlen((const char *)(uintptr_t)a); }
/* tail(ctx, 0, index): the program in host[index], as bpf_tail_call. */
HELPER(tail)
{
	const struct code *const *to = call->host;

	UNUSED;
	if (to && c < 4)
		call->tail = to[c];
	return (uint64_t)-EINVAL;
}
/* Overwrites every register that a callee may: r1-r5 are undefined afterwards. */
HELPER(trash) { UNUSED; return a ^ b ^ c ^ d ^ e; }

#define A(k) { .kind = ARG_##k }
#define ROW(nr, name_, fn_, fl, how, how_flags, ...) \
	{ .row = { .fn = HELPER_OF_HOST, .flags = fl, .ret = RET_##how }, .id = nr, .name = name_, .fn = fn_, \
	  .ret = { .kind = RET_##how, .flags = how_flags }, .arg = { __VA_ARGS__ } }
static const struct host_helper rows[] = {
	ROW(0x10001, "gather", gather, 0, SCALAR, 0, A(ANY), A(ANY), A(ANY), A(ANY), A(ANY)),
	ROW(0x10002, "sum5", sum5, 0, SCALAR, 0, A(ANY), A(ANY), A(ANY), A(ANY), A(ANY)),
	ROW(0x10003, "aligned", aligned, 0, SCALAR, 0, A(ANY), A(ANY)),
	ROW(0x10004, "failing", failing, HF_MAY_FAULT, SCALAR, 0, A(ANY)),
	ROW(0x10005, "sum_memory", sum_memory, 0, SCALAR, 0, A(MEM), A(SIZE)),
	ROW(0x10006, "fill_memory", fill_memory, 0, SCALAR, 0, A(MEM_OUT), A(SIZE0), A(ANY)),
	ROW(0x10007, "loop", loop, HF_CALLS_BACK | HF_NEEDS_CALL, SCALAR, 0, A(ANY), A(FUNC),
	    { .kind = ARG_STACK, .flags = ARG_OR_NULL }),
	ROW(0x10008, "absent", NULL, 0, SCALAR, 0, A(ANY)),
	ROW(0x10009, "lend", lend, 0, MEM_OR_NULL, RET_ACQUIRES, A(ALLOC_SIZE)),
	ROW(0x1000a, "give_back", give_back, HF_RELEASES, VOID, 0, A(ACQUIRED)),
	ROW(0x1000b, "garbage", garbage, 0, VOID, 0, A(NONE)),
	ROW(0x1000c, "length_of", length_of, 0, SCALAR, 0, A(CSTR)),
	ROW(0x1000d, "tail", tail, HF_TAIL | HF_NEEDS_CALL, NEVER, 0, A(CTX), A(ANY), A(ANY)),
	ROW(0x1000e, "trash", trash, 0, SCALAR, 0, A(NONE)),
};
const struct helper_table test_helpers = { .host = rows, .nr_host = sizeof rows / sizeof rows[0] };

/* Until the maps floor is linked in: programs here have no maps. */
__attribute__((weak)) struct uebpf_map *uebpf_map_ref(struct uebpf_map *map) { return map; }
__attribute__((weak)) void uebpf_map_unref(struct uebpf_map *map) { (void)map; }

void assemble(const char *text, void **slots, uint32_t *n)
{
	struct uebpf_error err = { 0 };

	ck_assert_msg(!asm_text(text, slots, n, &err), "%s", err.text);
}
