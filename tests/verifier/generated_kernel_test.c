/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* generated_kernel_test.c - our verdicts against this kernel's on generated programs (tests/gen/programs.h).
 *
 * Each program goes to BPF_PROG_LOAD and to our verifier with the kernel's policy.  Of those that the kernel
 * accepts we must accept 97 %.  What it alone refuses is sorted by what it says: each reason has a row
 * below that explains why the program is safe all the same, or the test fails.  The kernel gets BTF for callbacks,
 * global functions and the map with a lock.
 *   generated_kernel_test [seed [programs]]	one program: it is shown, with the kernel's log */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "helpers/helpers.h"
#include "loader/loader.h"
#include "tests/gen/programs.h"
#include "tests/util/run.h"
#include "verifier/verifier.h"
#include "vm/code.h"

static struct uebpf_env *env;
static struct uebpf_map *maps[MADE_MAPS];
static int fds[2][MADE_MAPS];	/* for XDP and not: a program array takes the type of its first user */
static struct helper_table helpers = { .builtin = true };
static uint64_t seed = 20000000;
static unsigned programs = 6000;
static bool brief = true;
static char kernel_log[1 << 18];
static int kernel_error;

static const struct { uint32_t type, key, value, n, flags; } map_row[MADE_MAPS] = {
	[MADE_ARRAY] = { 2, 4, 64, 4, 0 }, [MADE_HASH] = { 1, 4, 48, 16, 0 }, [MADE_RING] = { 27, 0, 0, 65536, 0 },
	[MADE_RDONLY] = { 2, 4, 8, 1, 1 << 7 }, [MADE_PROGS] = { 3, 4, 4, 4, 0 },
	[MADE_USER_RING] = { 31, 0, 0, 4096, 0 }, [MADE_LOCK] = { 2, 4, 64, 2, 0 },
};

/* What the kernel says where we accept, and why that is no danger. */
#define NARROWER "our ranges are narrower: the kernel follows neither quotients nor remainders"
#define RULED_OUT "on a path that narrower ranges, or a key known to be inside the array, rule out here"
static struct reason { const char *says, *why; unsigned n; } reasons[] = {
	{ "unbounded min value is not allowed", NARROWER, 0 },
	{ "unbounded memory access", NARROWER, 0 },
	{ "invalid unbounded variable-offset", NARROWER, 0 },
	{ "invalid variable-offset", NARROWER, 0 },
	{ "min value is negative", NARROWER, 0 },
	{ "min value is outside of the allowed memory range", NARROWER, 0 },
	{ "value is outside of the allowed memory range", NARROWER, 0 },
	{ "max value is outside of the allowed memory range", NARROWER, 0 },
	{ "invalid access to map value", NARROWER, 0 },
	{ "math between ", NARROWER, 0 },
	{ "tail_call is not allowed in subprogs without BTF", "there is no BTF here; a matter of form", 0 },
	{ "invalid mem access 'map_value_or_null'", "the key is known to be inside the array", 0 },
	{ "pointer arithmetic on map_value_or_null", "the key is known to be inside the array", 0 },
	{ "type=map_value_or_null expected=map_value", "the key is known to be inside the array", 0 },
	{ "invalid mem access 'scalar'", RULED_OUT, 0 },
	{ "!read_ok", RULED_OUT, 0 },
	{ "invalid read from stack", RULED_OUT, 0 },
	{ "invalid write to stack", RULED_OUT, 0 },
	{ "invalid size of register fill", RULED_OUT, 0 },
	{ "pointer += pointer prohibited", RULED_OUT, 0 },
	{ "makes fp pointer be out of bounds", RULED_OUT, 0 },
	{ "cannot return stack pointer to the caller", RULED_OUT, 0 },
	{ "program of this type cannot use helper", RULED_OUT, 0 },
	{ "potential write to dynptr", "a dynptr over a map value may be overwritten: nothing has to be given back", 0 },
	{ "offset is outside of the packet", RULED_OUT, 0 },
	{ "invalid access to packet", RULED_OUT, 0 },
	{ "infinite loop detected", "ends by a remainder or quotient that the kernel does not follow", 0 },
	{ "socket filter progs cannot use bpf_spin_lock", "a matter of form: the lock works for every type here", 0 },
	{ "BPF program is too large", "loop proven by induction", 0 },
	{ "The sequence of 8193 jumps is too complex", "loop, or rounds of a callback, proven by induction", 0 },
};
enum { NR_REASONS = sizeof reasons / sizeof reasons[0] };

/* The other way round: what we say where the kernel accepts. */
static struct reason refusals[] = {
	{ "keeps a part of a pointer", "the kernel looks only where the offset into the stack is fixed for it", 0 },
	{ "moves by an offset without useful bounds", "on a path that the kernel rules out", 0 },
	{ "only a pointer can be followed", "the kernel remembers a comparison with the packet's end that failed", 0 },
	{ "packet load at an offset that is not a number", "the kernel takes a pointer's bits for the offset", 0 },
	{ "compare with data_end first", "the kernel remembers a comparison with the packet's end that failed", 0 },
};
enum { NR_REFUSALS = sizeof refusals / sizeof refusals[0] };

static bool explain(struct reason *rows, int n, const char *says)
{
	for (int i = 0; i < n; i++)
		if (*rows[i].says && strstr(says, rows[i].says)) {
			rows[i].n++;
			return true;
		}
	return false;
}

static void last_line(char *out, size_t cap)
{
	const char *line = "", *p = kernel_log;

	while (p && *p) {
		const char *end = strchr(p, '\n');

		if (strncmp(p, "processed", 9) && strncmp(p, "verification", 12) && strncmp(p, "stack depth", 11) && end != p)
			line = p;
		p = end ? end + 1 : NULL;
	}
	snprintf(out, cap, "%.*s%s%s", (int)strcspn(line, "\n"), line, *line ? "" : "no message: ",
		 *line ? "" : strerrorname_np(-kernel_error));
}

/* The types that the kernel wants to see, as BTF (Documentation/bpf/btf.rst: name, kind and count, size or type,
 * then what the kind adds); types count from 1. */
enum { T_INT = 1, T_WIDE, T_POINTER, T_REST, T_LOCK, T_LOCKED, T_PROTO, T_PART, T_SHARED_PROTO, T_SHARED };
enum { K_INT = 1 << 24, K_PTR = 2 << 24, K_ARRAY = 3 << 24, K_STRUCT = 4 << 24, K_FUNC = 12 << 24, K_PROTO = 13 << 24 };
#define TEXT "\0int\0long long\0bpf_spin_lock\0val\0locked\0lock\0rest\0part\0shared\0a\0b\0c"
static const struct {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t header, types_at, types_len, text_at, text_len, types[50];
	char text[sizeof TEXT];
} types = {
	.magic = 0xeb9f, .version = 1, .header = 24, .types_len = sizeof types.types, .text_at = sizeof types.types,
	.text_len = sizeof TEXT, .text = TEXT,
	.types = { 1, K_INT, 4, 1 << 24 | 32,
		   5, K_INT, 8, 1 << 24 | 64,
		   0, K_PTR, T_WIDE,
		   0, K_ARRAY, 0, T_INT, T_INT, 15,
		   15, K_STRUCT | 1, 4, 29, T_INT, 0,
		   33, K_STRUCT | 2, 64, 40, T_LOCK, 0, 45, T_REST, 32,
		   0, K_PROTO, T_INT,
		   50, K_FUNC | 0 /* static */, T_PROTO,
		   0, K_PROTO | 3, T_WIDE, 62, T_WIDE, 64, T_POINTER, 66, T_INT,
		   55, K_FUNC | 1 /* global */, T_SHARED_PROTO },
};
static int btf_fd;

/* Of bpf/btf.h, whose other names are ours too. */
struct btf *btf__load_vmlinux_btf(void);
int btf__find_by_name_kind(const struct btf *btf, const char *name, uint32_t kind);
void btf__free(struct btf *btf);

/* Kernel functions: their ids here from MADE_ITER_NEW on, and the kernel's; 0: it has none of them. */
static const char *const kfunc[] = { "bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy" };
enum { KFUNCS = sizeof kfunc / sizeof kfunc[0] };
static int kfunc_id[KFUNCS];

static void find_kfuncs(void)
{
	struct btf *btf = btf__load_vmlinux_btf();

	for (int i = 0; btf && i < KFUNCS; i++)
		kfunc_id[i] = btf__find_by_name_kind(btf, kfunc[i], 12 /* BTF_KIND_FUNC */);
	btf__free(btf);
	for (int i = 0; i < KFUNCS; i++)
		if (kfunc_id[i] <= 0) {
			printf("skip: the kernel has no %s: programs that call it are not compared\n", kfunc[i]);
			memset(kfunc_id, 0, sizeof kfunc_id);
			return;
		}
}

static int which_kfunc(struct raw_insn r)
{
	return r.code == 0x85 && !r.src && r.imm >= MADE_ITER_NEW && r.imm < MADE_ITER_NEW + KFUNCS ? r.imm - MADE_ITER_NEW : -1;
}

static unsigned iterators(const struct made *m)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < m->n; i++)
		n += which_kfunc(raw_load(m->slots + 8 * i)) >= 0;
	return n;
}

/* The program as the kernel is to get it. */
static const struct bpf_insn *for_kernel(const struct made *m)
{
	static uint8_t slots[sizeof m->slots];

	memcpy(slots, m->slots, sizeof slots);
	for (uint32_t i = 0; i < m->n; i++) {
		struct raw_insn r = raw_load(slots + 8 * i);
		int n = which_kfunc(r);

		if (n < 0)
			continue;
		r.src = BPF_PSEUDO_KFUNC_CALL;
		r.imm = kfunc_id[n];
		raw_store(slots + 8 * i, r);
	}
	return (const struct bpf_insn *)slots;
}

/* 1 accepted, 0 refused, -1 cannot be asked.  With its reasons when `why`.  Level 4 (statistics) gives the sentence
 * of a refusal without the walk: a walk fills the buffer, and the ENOSPC of that hides what else went wrong (EAGAIN
 * of a load that SIGSTOP broke off, which libbpf would try again). */
static int ask_kernel(const struct made *m, bool why)
{
	struct bpf_func_info info[MADE_SUBS + 1] = { { 0, T_PART } };
	LIBBPF_OPTS(bpf_prog_load_opts, o, .log_buf = why ? kernel_log : NULL, .log_size = why ? sizeof kernel_log : 0,
		    .log_level = !why ? 0 : programs > 1 ? 4 : 2, .fd_array = fds[m->type == MADE_XDP], .prog_btf_fd = (uint32_t)btf_fd, .func_info = info,
		    .func_info_cnt = m->nr_subs + 1, .func_info_rec_size = sizeof *info);
	int fd;

	for (uint32_t i = 0; i < m->nr_subs; i++)
		info[i + 1] = (struct bpf_func_info){ m->sub[i].slot, m->sub[i].global ? T_SHARED : T_PART };

	*kernel_log = 0;
	fd = bpf_prog_load(m->type == MADE_XDP ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SOCKET_FILTER, "made", "GPL",
			   for_kernel(m), m->n, &o);
	if (fd >= 0)
		close(fd);
	kernel_error = fd;
	return fd >= 0 ? 1 : fd == -EPERM && !*kernel_log ? -1 : 0;
}

/* Programs that count rounds can take this kernel seconds: in a short run only some of them are asked about. */
static bool takes_long(const struct made *m)
{
	for (uint32_t i = 0; i < m->n; i++) {
		struct raw_insn r = raw_load(m->slots + 8 * i);

		if (r.code == 0xe5 /* may_goto */ || (r.code == 0x18 && r.src == 4 /* a function's address */))
			return true;
	}
	return false;
}

static bool prototype(void *arg, uint32_t slot, struct proto *out)
{
	const struct made *m = arg;

	for (uint32_t i = 0; i < m->nr_subs; i++)
		if (m->sub[i].slot == slot && m->sub[i].global) {
			*out = (struct proto){ .nr_args = MADE_GLOBAL_ARGS, .returns = true,
					       .arg[1] = { PROTO_MEM, false, MADE_GLOBAL_MEM } };
			return true;
		}
	return false;
}

static bool decode(struct code *code, const struct made *m, bool checked)
{
	struct sub_def sub[MADE_SUBS];
	struct uebpf_error err;

	*code = (struct code){ .host = vm_host_of(env), .helpers = &helpers, .gpl = true, .stack_size = 512, .max_frames = 8,
			       .type = prog_type_find(m->type == MADE_XDP ? "xdp" : "socket_filter"), .checked = checked,
			       .metered = checked };
	for (uint32_t i = 0; i < m->nr_subs; i++)
		sub[i] = (struct sub_def){ m->sub[i].slot, "part", m->sub[i].global };
	if (code_decode(code, m->slots, m->n, sub, m->nr_subs, 1 << 20, &err))
		return false;
	code->map = calloc(MADE_MAPS, sizeof *code->map);
	for (int i = 0; i < MADE_MAPS; i++)
		code->map[i] = uebpf_map_ref(maps[i]);
	code->nr_map = MADE_MAPS;
	return true;
}

/* 1 accepted, 0 refused, -1 not compared. */
static int ask_us(struct made *m, struct uebpf_error *err)
{
	struct verify_opts opts = { .policy = UEBPF_POLICY_KERNEL, .max_insns = 50000, .proto = prototype, .proto_arg = m };
	struct verify_result res;
	struct code code;
	int ret = -1;

	if (decode(&code, m, false)) {
		ret = verify(&code, &opts, &res, err) == 0;
		verify_free(&res);
	}
	code_free(&code);
	return ret;
}

/* Is our refusal right where the kernel accepts?  Then a checked run faults or does not end: its status, else 0.
 * (Never in the kernel.)  The kernel's walk of a callback is not bound to how often it is called: the states of few
 * rounds stand for those of many, and a loop around the call passes for one that ends. */
static int misbehaves(const struct made *m)
{
	uint8_t memory[512] = { 0 };
	struct uebpf_packet pkt = { .size = sizeof pkt, .head = memory, .data = memory + 128, .data_end = memory + 384,
				    .tail = memory + sizeof memory };
	struct uebpf_error err;
	struct code code;
	int rc = 0;

	if (decode(&code, m, true)) {
		ck_assert_int_eq(code_prepare(&code, &err), 0);
		ck_assert_int_eq(interp_prepare(&code), 0);
		for (int i = 0; i < 16 && !rc; i++) {
			struct uebpf_run run = { .size = sizeof run, .budget = 1 << 20 };
			uint64_t r0;

			rc = interp_run(&code, &pkt, sizeof pkt, &run, &r0);
		}
	}
	code_free(&code);
	return rc;
}

static void show_reasons(const struct reason *rows, int n)
{
	for (int i = 0; i < n; i++)
		if (rows[i].n)
			printf("    %5u  \"%s\": %s\n", rows[i].n, rows[i].says, rows[i].why);
}

static void show(const struct made *m)
{
	for (uint32_t i = 0; i < m->n;) {
		char text[128];
		int used = raw_text(text, sizeof text, m->slots + 8 * i, m->n - i);

		printf("%4u: %s\n", i, text);
		i += (uint32_t)used;
	}
	puts(kernel_log);
}

START_TEST(generated_programs)
{
	static struct made m;
	unsigned compared = 0, both = 0, neither = 0, kernel_only = 0, ours_only = 0, unexplained = 0, proven = 0, iterate = 0;
	struct uebpf_error err;
	char line[300];

	for (uint64_t at = seed; compared < programs; at++) {
		int us, kernel, rc;

		make_program(&m, at, -1, at % 4 ? MADE_XDP : MADE_SOCKET);
		if ((brief && at % 16 && takes_long(&m)) || (!kfunc_id[0] && iterators(&m)))
			continue;
		us = ask_us(&m, &err);
		if (us < 0)
			continue;
		kernel = ask_kernel(&m, false);
		if (kernel < 0)		/* refused by whom? */
			kernel = ask_kernel(&m, true);
		if (kernel < 0) {
			puts("skip: the kernel cannot be asked (bpf() refused)");
			return;
		}
		compared++;
		iterate += iterators(&m) && us && kernel;
		both += us && kernel;
		neither += !us && !kernel;
		kernel_only += kernel && !us;
		ours_only += us && !kernel;
		if (us == kernel && programs > 1)
			continue;
		ask_kernel(&m, true);
		if (programs == 1) {
			show(&m);
			rc = misbehaves(&m);
			printf("  %s%s\n  checked runs: %s\n", us ? "we accept" : "we refuse: ", us ? "" : err.text,
			       rc ? strerrorname_np(-rc) : "fine");
			return;
		}
		last_line(line, sizeof line);
		if (us ? explain(reasons, NR_REASONS, line) : explain(refusals, NR_REFUSALS, err.text))
			continue;
		rc = us ? 0 : misbehaves(&m);
		proven += rc != 0;
		if (rc)
			printf("  %" PRIu64 ": kernel accepts, but a run ends with %s\n", at, strerrorname_np(-rc));
		if (rc)
			continue;
		unexplained++;
		printf("  %" PRIu64 ": kernel %s, we %s: %s\n", at, kernel ? "accepts" : "refuses", us ? "accept" : "refuse",
		       us ? line : err.text);
	}
	fflush(stdout);
	printf("  %u programs: both accept %u, both refuse %u, kernel alone accepts %u, we alone accept %u; of what the "
	       "kernel accepts we accept %.2f %%\n", compared, both, neither, kernel_only, ours_only,
	       100.0 * both / (both + kernel_only ? both + kernel_only : 1));
	printf("  %u of them that both accept have iterators\n", iterate);
	puts("  what the kernel says where we accept:");
	show_reasons(reasons, NR_REASONS);
	puts("  what we say where the kernel accepts:");
	show_reasons(refusals, NR_REFUSALS);
	printf("    %5u  refused with right: a run faults or does not end\n", proven);
	ck_assert_uint_gt(both, programs / 50);
	ck_assert(!kfunc_id[0] || iterate * 300 > programs);
	ck_assert(both * 100 >= 97 * (both + kernel_only));
	ck_assert_msg(!unexplained, "%u differences have no row", unexplained);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *tc = test_case("agreement on generated programs", 600);
	int failed;

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		programs = (unsigned)strtoul(argv[2], NULL, 0), brief = false;
	env = uebpf_env_new(NULL);
	btf_fd = bpf_btf_load(&types, offsetof(__typeof__(types), text) + sizeof TEXT, NULL);
	if (btf_fd < 0) {
		puts("skip: the kernel takes no BTF here (bpf() refused)");
		return 0;
	}
	for (int i = 0; i < MADE_MAPS; i++) {
		struct uebpf_map_opts o = { .size = sizeof o, .name = "m", .type = map_row[i].type, .key_size = map_row[i].key,
					    .value_size = map_row[i].value, .max_entries = map_row[i].n,
					    .flags = map_row[i].flags };
		LIBBPF_OPTS(bpf_map_create_opts, ko, .map_flags = map_row[i].flags);
		struct uebpf_error err;

		maps[i] = uebpf_map_create(env, &o, &err);
		if (!maps[i])
			return fprintf(stderr, "%s\n", err.text), 1;
		if (i == MADE_LOCK) {
			maps[i]->spin_lock_off = 0;
			ko.btf_fd = (uint32_t)btf_fd;
			ko.btf_key_type_id = T_INT;
			ko.btf_value_type_id = T_LOCKED;
		}
		for (int k = 0; k < 2; k++) {
			fds[k][i] = bpf_map_create(map_row[i].type, "m", map_row[i].key, map_row[i].value, map_row[i].n, &ko);
			if (fds[k][i] < 0) {
				puts("skip: the kernel makes no maps here (bpf() refused)");
				return 0;
			}
		}
	}
	find_kfuncs();
	tcase_add_test(tc, generated_programs);
	failed = run_tests();
	for (int i = 0; i < MADE_MAPS; i++)
		uebpf_map_unref(maps[i]);
	close(btf_fd);
	uebpf_env_free(env);
	return failed;
}
