/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena_kernel_test.c - arena pointers in verified programs.
 *
 * Random programs over casts, arithmetic, spills, branches, loads, stores and atomics.  Those whose accesses keep
 * to the arena leave the same registers and bytes in the kernel (BPF_PROG_TEST_RUN), the interpreter and the JIT,
 * all on one arena of the kernel that is mapped here.  Those that follow any number run where the
 * neighbourhood of the arena's room is PROT_NONE: nothing faults, while a thread scribbles over the arena.
 *	arena_kernel_test [seed [programs]] */
#include <check.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "helpers/helpers.h"
#include "jit/jit.h"
#include "loader/loader.h"
#include "maps/bpf.h"
#include "maps/maps.h"
#include "tests/util/run.h"
#include "verifier/verifier.h"
#include "vm/rewrite/rewrite.h"

enum { PAGES = 16, BYTES = PAGES * MAP_PAGE, SAVED = 0xf000, TEXT = 1 << 14, SLOTS = 8, REGS = 9 };
static uint64_t seed = 1;
static unsigned programs = 300;
static struct uebpf_env *env;
static struct jit_pages *pages;
static uint32_t cpu;
static struct helper_table helpers = { .builtin = true };
static unsigned spilled_registers, far_accesses, kept;

/* ---- random programs ---- */

static uint64_t state;
static uint64_t rnd(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 32) ^ state << 32 ^ state >> 11;
}
static unsigned pick(unsigned n) { return (unsigned)(rnd() % n); }

struct made {
	char text[TEXT];
	size_t len;
	uint64_t base;
	bool wild;		/* accesses go anywhere, and do what the kernel does not offer */
	bool arena[REGS], slot[SLOTS], stored[SLOTS];
	bool frozen;		/* inside a branch: kinds of registers stay */
	unsigned labels;
};

static void put(struct made *m, const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	m->len += (size_t)vsnprintf(m->text + m->len, sizeof m->text - m->len, text, ap);
	va_end(ap);
	ck_assert_uint_lt(m->len, sizeof m->text);
}

static uint64_t number(const struct made *m)
{
	switch (pick(5)) {
	case 0: return pick(300);
	case 1: return rnd();
	case 2: return (uint32_t)rnd();
	case 3: return m->base - 70000 + pick(BYTES + 140000);
	default: return m->base + pick(BYTES);
	}
}

/* A register that may become a number or an arena pointer now. */
static unsigned target(const struct made *m, bool arena)
{
	unsigned r = pick(REGS);

	for (int i = 0; i < REGS && m->frozen && m->arena[r] != arena; i++)
		r = (r + 1) % REGS;
	return m->frozen && m->arena[r] != arena ? REGS : r;
}

static void cast(struct made *m, bool kern)
{
	unsigned d = target(m, kern);

	if (d == REGS)
		return;
	put(m, "r%u = addr_space_cast(r%u, %s)\n", d, pick(REGS), kern ? "0, 1" : "1, 0");
	m->arena[d] = kern;
}

static void alu(struct made *m)
{
	static const char *const op[] = { "+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "%=", "^=", "s>>=", "+=", "-=" };
	unsigned o = pick(13), d = pick(REGS), s = pick(REGS);
	bool shift = o == 6 || o == 7 || o == 10, wide = pick(2), k = pick(2);
	char w = wide ? 'r' : 'w';

	if (m->frozen && !m->arena[d] && !k && m->arena[s])
		return;
	if (k)
		put(m, "%c%u %s %d\n", w, d, op[o], shift ? (int)pick(wide && !m->arena[d] ? 64 : 32) : 1 + (int)pick(1 << pick(30)));
	else
		put(m, "%c%u %s %c%u\n", w, d, op[o], w, s);
	m->arena[d] |= !k && m->arena[s];
}

static void move(struct made *m)
{
	unsigned s = pick(REGS), d = target(m, m->arena[s]);

	if (d != REGS)
		put(m, "r%u = r%u\n", d, s);
	if (d != REGS)
		m->arena[d] = m->arena[s];
	d = target(m, false);
	if (d == REGS)
		return;
	if (pick(2))
		put(m, "w%u = w%u\n", d, pick(REGS));
	else
		put(m, "r%u = %" PRId64 " ll\n", d, (int64_t)number(m));
	m->arena[d] = false;
}

static void spill(struct made *m)
{
	unsigned k = pick(SLOTS), s = pick(REGS), d;

	if (!m->frozen || (m->stored[k] && m->slot[k] == m->arena[s])) {
		put(m, "*(u64 *)(r10 - %u) = r%u\n", 8 * k + 8, s);
		m->slot[k] = m->arena[s];
		m->stored[k] = true;
	}
	k = pick(SLOTS);
	d = target(m, m->slot[k]);
	if (d != REGS && m->stored[k]) {
		put(m, "r%u = *(u64 *)(r10 - %u)\n", d, 8 * k + 8);
		m->arena[d] = m->slot[k];
	}
}

static void touch(struct made *m)
{
	static const char *const size[] = { "u8", "u16", "u32", "u64", "s8", "s16", "s32" };
	static const char *const atomic[] = { "+=", "^=", "|=", "&=" };
	static const char *const fetch[] = { "add", "xchg", "and", "or", "xor" };
	unsigned p = pick(REGS), s = pick(REGS), d, b = pick(2), old;
	int off = m->wild ? (int)pick(65536) - 32768 : (int)pick(512) * 8 - 2048;
	const char *word = b ? "u64" : "u32";

	for (int i = 0; i < REGS && !m->arena[p]; i++)
		p = (p + 1) % REGS;
	if (!m->arena[p])
		return;
	if (!m->wild || !pick(4)) {	/* somewhere in the arena, at a multiple of 8 */
		put(m, "r%u &= 0x3ff8\n", p);
		put(m, "r%u += %d\n", p, (int32_t)((uint32_t)m->base + 4096));
	}
	for (unsigned n = 1 + pick(3); n; n--) {
		off = pick(2) ? off : off + 8;
		off = off > 32767 ? 0 : off;
		switch (pick(5)) {
		case 0:
			d = target(m, false);
			if (d == REGS || d == p)
				break;
			put(m, "r%u = *(%s *)(r%u %+d)\n", d, size[pick(m->wild ? 7 : 4)], p, off);
			m->arena[d] = false;
			break;
		case 1:
			put(m, "*(%s *)(r%u %+d) = r%u\n", size[pick(4)], p, off, s);
			break;
		case 2:
			put(m, "*(%s *)(r%u %+d) = %d\n", size[pick(4)], p, off, (int)pick(1000) - 500);
			break;
		case 3:
			put(m, "lock *(%s *)(r%u %+d) %s %c%u\n", word, p, off, atomic[pick(4)], b ? 'r' : 'w', s);
			break;
		default:
			old = target(m, false);
			if (old == REGS || (m->arena[old] && !m->wild))
				break;
			if (pick(3)) {
				const char *op = fetch[pick(m->wild ? 5 : 2)];
				bool x = !strcmp(op, "xchg");

				if (x)
					put(m, "%c%u = %s(r%u %+d, %c%u)\n", b ? 'r' : 'w', old, b ? "xchg_64" : "xchg32_32", p,
					    off, b ? 'r' : 'w', old);
				else
					put(m, "%c%u = atomic_fetch_%s((%s *)(r%u %+d), %c%u)\n", b ? 'r' : 'w', old, op, word,
					    p, off, b ? 'r' : 'w', old);
				m->arena[old] = false;
			} else if (!m->arena[0] && p) {
				put(m, "%c0 = %s(r%u %+d, %c0, %c%u)\n", b ? 'r' : 'w', b ? "cmpxchg_64" : "cmpxchg32_32", p,
				    off, b ? 'r' : 'w', b ? 'r' : 'w', s);
				if (!b)		/* Linux 6.18 forgets to zero-extend r0 on some paths */
					put(m, "w0 = w0\n");
			}
			if (old == p)
				return;
		}
	}
}

static void statement(struct made *m);
static void branch(struct made *m)
{
	static const char *const op[] = { "==", "!=", ">", "<", ">=", "<=", "s>", "s<", "&" };
	char w = pick(2) ? 'r' : 'w';
	unsigned label = m->labels++, a = pick(REGS);

	if (pick(2))
		put(m, "if %c%u %s %d goto l%u\n", w, a, op[pick(9)], pick(3) ? 0 : (int)pick(100000), label);
	else
		put(m, "if %c%u %s %c%u goto l%u\n", w, a, op[pick(9)], w, pick(REGS), label);
	m->frozen = true;
	for (unsigned n = 1 + pick(4); n; n--)
		statement(m);
	m->frozen = false;
	put(m, "l%u:\n", label);
}

static void statement(struct made *m)
{
	switch (pick(m->frozen ? 11 : 12)) {
	case 0: case 1: cast(m, true); return;
	case 2: cast(m, false); return;
	case 3: case 4: alu(m); return;
	case 5: move(m); return;
	case 6: spill(m); return;
	case 11: branch(m); return;
	default: touch(m);
	}
}

static void make(struct made *m, uint64_t at, uint64_t base, bool wild)
{
	*m = (struct made){ .base = base, .wild = wild };
	state = at * 0x9e3779b97f4a7c15 + wild;
	put(m, "r1 = map(0) ll\n");
	for (unsigned r = 0; r < REGS; r++)
		put(m, "r%u = %" PRId64 " ll\n", r, (int64_t)number(m));
	put(m, "r9 = %" PRId64 " ll\n", (int64_t)base);
	for (unsigned n = 20 + pick(40); n; n--)
		statement(m);
	put(m, "r9 = addr_space_cast(r9, 0, 1)\n");
	for (unsigned r = 0; r < REGS; r++)
		put(m, "*(u64 *)(r9 + %u) = r%u\n", (unsigned)SAVED / 2 + 8 * r, r);
	put(m, "r0 = 1\nexit\n");
}

/* ---- running them ---- */

static void fill(uint8_t *mem, uint64_t at, uint64_t base)
{
	uint64_t x = at;

	for (size_t i = 0; i < BYTES; i += 8) {
		uint64_t v;

		x = x * 6364136223846793005u + 1442695040888963407u;
		v = x >> 60 < 8 ? base + (x >> 20 & (BYTES - 1)) : x >> (x >> 59);
		memcpy(mem + i, &v, 8);
	}
}

static long sys_bpf(int cmd, union bpf_attr *a, size_t n) { return syscall(SYS_bpf, cmd, a, n); }

/* 0, or -1: refused, *log says why. */
static int run_kernel(const void *slots, uint32_t n, int fd, char *log, size_t cap)
{
	static uint8_t packet[64];
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_XDP };
	int prog, ret;

	*log = 0;
	a.insns = (uintptr_t)slots;
	a.insn_cnt = n;
	a.license = (uintptr_t)"GPL";
	a.log_buf = (uintptr_t)log;
	a.log_size = (uint32_t)cap;
	a.log_level = 1;
	a.fd_array = (uintptr_t)&fd;
	prog = (int)sys_bpf(BPF_PROG_LOAD, &a, sizeof a);
	if (prog < 0)
		return -1;
	memset(&a, 0, sizeof a);
	a.test.prog_fd = (uint32_t)prog;
	a.test.data_in = (uintptr_t)packet;
	a.test.data_size_in = sizeof packet;
	ret = (int)sys_bpf(BPF_PROG_TEST_RUN, &a, sizeof a);
	close(prog);
	ck_assert_int_eq(ret, 0);
	return a.test.retval == 1 ? 0 : -1;
}

/* 0, or the verifier's refusal. */
static int run_here(const void *slots, uint32_t n, struct uebpf_map *map, bool jit, struct uebpf_error *err)
{
	static uint8_t packet[64];
	struct uebpf_packet p = { .size = sizeof p, .data = packet, .data_end = packet + sizeof packet };
	struct verify_opts opts = { .policy = UEBPF_POLICY_USER };
	struct verify_result res;
	struct code code = { .host = vm_host_of(env) };
	uint64_t r0 = 0;
	int ret = code_decode(&code, slots, n, NULL, 0, 1 << 20, err);

	code.helpers = &helpers;
	code.gpl = code.compiled = true;
	code.stack_size = 512;
	code.max_frames = 8;
	code.type = prog_type_find("xdp");
	code.map = calloc(1, sizeof *code.map);
	code.map[0] = uebpf_map_ref(map);
	code.nr_map = 1;
	if (!ret) {
		ret = verify(&code, &opts, &res, err);
		ret = ret ? ret : verify_layout(&code, &res, err);
		if (!ret)
			verify_apply(&code, &res);
		for (uint32_t i = 0; i < code.n; i++) {
			const struct insn *in = &code.insn[i];

			spilled_registers += in->op == OP_STX_DW && in->dst == 10 && in->off < -8 * SLOTS && !in->steps;
			far_accesses += in->op == OP_LDDW && !in->steps;
			kept += (isa_op[in->op].shape == SHAPE_LOAD || isa_op[in->op].shape == SHAPE_STORE_X) && i && in->steps &&
				res.fact[i].base == FACT_ARENA;
		}
		verify_free(&res);
	}
	ret = ret ? ret : code_prepare(&code, err);
	ret = ret ? ret : rewrite_code(&code, NULL, NULL);
	if (!ret && jit) {
		struct jit_opts o = { .pages = pages, .cpu = cpu };

		ret = jit_compile(&code, &o, err);
		ret = ret ? ret : jit_run(&code, &p, sizeof p, NULL, &r0);
		jit_free(&code);
	} else if (!ret) {
		ret = interp_prepare(&code);
		ret = ret ? ret : interp_run(&code, &p, sizeof p, NULL, &r0);
	}
	code_free(&code);
	return ret ? ret : r0 == 1 ? 0 : -EIO;
}

static struct uebpf_map *kernel_arena(uint64_t at, int *fd)
{
	struct uebpf_map_opts o = { .size = sizeof o, .type = MAP_TYPE_ARENA, .max_entries = PAGES, .flags = BPF_F_MMAPABLE,
				    .extra = at };
	struct uebpf_kernel_opts k = { .size = sizeof k };
	struct uebpf_error err;
	struct uebpf_map *map;

	*fd = kmap_create(&o, -1);
	if (*fd < 0)
		return NULL;
	k.fd = *fd;
	map = uebpf_map_from_kernel(env, &k, &err);
	ck_assert_msg(map != NULL, "%s", err.text);
	return map;
}

static void compare(uint64_t at, struct uebpf_map *map, int fd)
{
	static uint8_t want[BYTES];
	static char log[1 << 18];
	static struct made m;
	uint64_t base = (uintptr_t)map->base;
	struct uebpf_error err;
	void *slots;
	uint32_t n;

	make(&m, at, base, false);
	ck_assert_msg(!asm_text(m.text, &slots, &n, &err), "%" PRIu64 ": %s\n%s", at, err.text, m.text);
	fill(map->base, at, base);
	ck_assert_msg(!run_kernel(slots, n, fd, log, sizeof log), "%" PRIu64 ": the kernel refuses: %s\n%s", at, log, m.text);
	memcpy(want, map->base, BYTES);
	for (int jit = 0; jit < 2; jit++) {
		fill(map->base, at, base);
		ck_assert_msg(!run_here(slots, n, map, jit, &err), "%" PRIu64 ": %s\n%s", at, err.text, m.text);
		for (size_t i = 0; i < BYTES; i += 8)
			ck_assert_msg(!memcmp(want + i, (uint8_t *)map->base + i, 8), "%" PRIu64 ": %s differs at %zx: %" PRIx64
				      " in the kernel, %" PRIx64 " here\n%s", at, jit ? "JIT" : "interpreter", i,
				      *(uint64_t *)(want + i), *(uint64_t *)((uint8_t *)map->base + i), m.text);
	}
	free(slots);
}

START_TEST(programs_do_the_same_in_the_kernel)
{
	static const uint64_t place[] = { 0, UINT64_C(0x7a5312340000), UINT64_C(0x7a54fffe0000), UINT64_C(0x80000000) };
	unsigned done = 0;

	for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
		int fd;
		struct uebpf_map *map = kernel_arena(place[i], &fd);

		if (!map) {
			printf("skip: this kernel has no arena for us (%s)\n", strerror(-fd));
			return;
		}
		for (unsigned k = 0; k < programs / 4; k++, done++)
			compare(seed + done, map, fd);
		uebpf_map_unref(map);
		close(fd);
	}
	printf("  %u programs, the same in the kernel, interpreted and compiled\n", done);
	ck_assert_uint_gt(far_accesses, 0);
}
END_TEST

/* ---- any pointer at all ---- */

static struct { volatile uint64_t *mem; volatile bool stop; } scribbler;

static void *scribble(void *arg)
{
	uint64_t x = 1;

	while (!scribbler.stop) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		scribbler.mem[x >> 40 & (BYTES / 8 - 1)] = x >> (x >> 59);
	}
	return arg;
}

/* What lies beside the arena's room stops who touches it. */
static void fence(const struct map_local *l)
{
	uint8_t *lo = (uint8_t *)l->mapping - MAP_PAGE, *hi = (uint8_t *)l->mapping + l->mapped;

	for (int i = 0; i < 2; i++) {
		uint8_t *at = i ? hi : lo, *p = mmap(at, MAP_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
						     -1, 0);

		if (p != MAP_FAILED && p != at)
			munmap(p, MAP_PAGE);
	}
}

START_TEST(no_pointer_leaves_the_room)
{
	static const struct { uint64_t at; uint32_t pages; } place[] = {
		{ 0, PAGES }, { UINT64_C(0x7a5312345000), PAGES }, { UINT64_C(0x7b5200000000), 1 << 20 }, { 0, (1 << 20) - PAGES },
	};
	unsigned done = 0;

	for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
		struct uebpf_map_opts o = { .size = sizeof o, .type = MAP_TYPE_ARENA, .max_entries = place[i].pages,
					    .flags = BPF_F_MMAPABLE, .extra = place[i].at };
		struct uebpf_error err;
		struct uebpf_map *map = uebpf_map_create(env, &o, &err);
		static struct made m;
		pthread_t thread;

		ck_assert_msg(map != NULL, "%s", err.text);
		ck_assert_uint_ne(map->window, 0);
		fence(map_local(map));
		scribbler.mem = map->base;
		scribbler.stop = false;
		pthread_create(&thread, NULL, scribble, NULL);
		for (unsigned k = 0; k < programs / 2; k++, done++) {
			void *slots;
			uint32_t n;

			make(&m, seed + done, (uintptr_t)map->base, true);
			ck_assert_msg(!asm_text(m.text, &slots, &n, &err), "%s\n%s", err.text, m.text);
			fill(map->base, seed + done, (uintptr_t)map->base);
			for (int jit = 0; jit < 2; jit++)
				ck_assert_msg(!run_here(slots, n, map, jit, &err), "%" PRIu64 ": %s\n%s", seed + done, err.text,
					      m.text);
			free(slots);
		}
		scribbler.stop = true;
		pthread_join(thread, NULL);
		uebpf_map_unref(map);
	}
	printf("  %u programs with wild pointers; %u registers were borrowed, %u addresses kept\n", done, spilled_registers, kept);
	ck_assert_uint_gt(spilled_registers, 0);
}
END_TEST

/* ---- what is refused ---- */

static void refused(const char *text, struct uebpf_map *map, const char *why)
{
	struct uebpf_error err;
	void *slots;
	uint32_t n;

	ck_assert_msg(!asm_text(text, &slots, &n, &err), "%s", err.text);
	ck_assert_int_lt(run_here(slots, n, map, false, &err), 0);
	ck_assert_msg(strstr(err.text, why), "%s", err.text);
	free(slots);
}

START_TEST(what_is_not_sure_is_refused)
{
	struct uebpf_map_opts o = { .size = sizeof o, .type = MAP_TYPE_ARENA, .max_entries = 1, .flags = BPF_F_MMAPABLE };
	uint8_t *room = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at = room + (1 << 19);
	struct uebpf_error err;
	struct uebpf_map *map = uebpf_map_create(env, &o, &err), *tight;

	refused("r6 = r1\nr1 = map(0) ll\nr2 = 5\nr3 = *(u32 *)(r6 + 12)\nif r3 == 0 goto a\n"
		"r2 = addr_space_cast(r2, 0, 1)\na: r2 += 8\nr0 = 1\nexit\n", map, "one path computes with an arena pointer");
	refused("r6 = r1\nr1 = map(0) ll\nr2 = r10\nr2 += -8\nr3 = *(u32 *)(r6 + 12)\nif r3 == 0 goto a\n"
		"r2 = addr_space_cast(r3, 0, 1)\na: *(u64 *)(r2 + 0) = 0\nr0 = 1\nexit\n", map, "one path accesses");
	refused("r6 = r1\nr1 = map(0) ll\nr2 = r10\nr2 += -8\nr3 = *(u32 *)(r6 + 12)\nif r3 == 0 goto a\n"
		"r2 = addr_space_cast(r3, 0, 1)\na: lock *(u64 *)(r2 + 0) += r3\nr0 = 1\nexit\n", map, "one path accesses");
	refused("r1 = map(0) ll\nr2 = addr_space_cast(r1, 0, 1)\nr3 = 8\nr1 = r2\nr2 = r3\nr3 = r10\ncall 4\nr0 = 1\nexit\n",
		map, "arena pointer");		/* helpers follow none */
	refused("r1 = map(0) ll\nr2 = addr_space_cast(r1, 1, 0)\nr0 = *(u64 *)(r2 + 0)\nexit\n", map, "r2");
	munmap(at, MAP_PAGE);			/* neighbours on both sides */
	o.extra = (uintptr_t)at;
	tight = uebpf_map_create(env, &o, &err);
	ck_assert_msg(tight != NULL, "%s", err.text);
	ck_assert_uint_eq(tight->window, 0);
	refused("r1 = map(0) ll\nr2 = addr_space_cast(r1, 0, 1)\nr0 = 1\nexit\n", tight, "no room is free around arena");
	uebpf_map_unref(tight);
	o.extra = UINT64_C(0x7a00fffff000);
	o.max_entries = 2;
	ck_assert_ptr_null(uebpf_map_create(env, &o, &err));
	ck_assert_int_eq(err.err, -ERANGE);
	uebpf_map_unref(map);
	munmap(room, 1 << 20);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *t = test_case("arena pointers", 0);
	int failed;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : seed;
	programs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : getenv("SOAK") ? 200000 : programs;
	env = uebpf_env_new(NULL);
	jit_cpu_detect(NULL, &cpu);
	pages = jit_pages_new(vm_host_of(env));
	tcase_add_test(t, programs_do_the_same_in_the_kernel);
	tcase_add_test(t, no_pointer_leaves_the_room);
	tcase_add_test(t, what_is_not_sure_is_refused);
	failed = run_tests();
	jit_pages_free(pages);
	uebpf_env_free(env);
	return failed;
}
